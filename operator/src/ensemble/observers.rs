//! Which observers are wanted where, and which ids they have. Pure.
//!
//! Each zone has a set of pods of its own and a block of ids. A zone keeps its block for good, also
//! while it has no observers, so that no id ever means two servers; only when all blocks are given away
//! one of a zone without pods goes to another.

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::validate::{InvalidSpec, VOTER_ID_MAX, requirements};
use crate::crd::{
    OBSERVER_ZONES_MAX, OBSERVERS_PER_ZONE_MAX, ObserverZoneStatus, Observers, Template,
    ZkEnsembleStatus,
};

/// Ids of one block.
const BLOCK: u8 = VOTER_ID_MAX + 1;

/// The observers of one zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObserverGroup {
    /// The zone.
    pub zone: String,
    /// Id of the observer in the pod with ordinal 0.
    pub id_base: u8,
    /// Observers that are wanted.
    pub replicas: u8,
}

impl ObserverGroup {
    /// Ids that are wanted.
    pub fn wanted(&self) -> impl Iterator<Item = u8> + use<> {
        self.id_base..self.id_base.saturating_add(self.replicas)
    }
}

/// The observers that are wanted.
#[derive(Clone, Debug, Default)]
pub struct ObserverSpec {
    /// Those of each zone.
    pub groups: Vec<ObserverGroup>,
    /// The zones that have or had observers, as they were recorded.
    pub recorded: Vec<ObserverZoneStatus>,
    /// CPU and memory of each.
    pub resources: Option<ResourceRequirements>,
    /// Additions to the pods.
    pub template: Template,
    /// What each may fill of its node's disk.
    pub size_limit: Option<Quantity>,
}

impl ObserverSpec {
    /// Reads the spec, and from the status which block of ids each zone has.
    pub(super) fn read(
        spec: Option<&Observers>,
        status: Option<&ZkEnsembleStatus>,
    ) -> Result<Self, InvalidSpec> {
        let recorded = status
            .and_then(|status| status.observers.clone())
            .map(|observers| observers.zones)
            .unwrap_or_default();
        Ok(Self {
            groups: groups(spec, &recorded)?,
            recorded,
            resources: spec
                .and_then(|spec| spec.resources.as_ref())
                .map(requirements),
            template: spec
                .and_then(|spec| spec.template.clone())
                .unwrap_or_default(),
            size_limit: spec
                .and_then(|spec| spec.storage.as_ref())
                .and_then(|storage| storage.ephemeral.size_limit.clone()),
        })
    }
}

/// Returns the groups of the spec, with the blocks that the status has on record.
fn groups(
    spec: Option<&Observers>,
    recorded: &[ObserverZoneStatus],
) -> Result<Vec<ObserverGroup>, InvalidSpec> {
    let Some(spec) = spec else {
        return Ok(Vec::new());
    };
    let mut floors = Vec::new();
    for (at, zone) in spec.zones.iter().enumerate() {
        let twice = spec
            .zones
            .iter()
            .take(at)
            .any(|other| other.name == zone.name);
        let floor = u8::try_from(zone.min_replicas).ok();
        match floor.filter(|floor| *floor <= OBSERVERS_PER_ZONE_MAX && !twice) {
            Some(floor) => floors.push(floor),
            None => return Err(InvalidSpec::ObserverZone(zone.name.clone())),
        }
    }
    let counts = u8::try_from(spec.replicas)
        .ok()
        .and_then(|total| spread(total, &floors))
        .ok_or(InvalidSpec::ObserverReplicas(spec.replicas))?;
    let mut taken: Vec<ObserverZoneStatus> = recorded.to_vec();
    let mut groups = Vec::new();
    for (zone, replicas) in spec.zones.iter().zip(counts) {
        let wanted = |name: &str| spec.zones.iter().any(|zone| zone.name == name);
        let id_base = block_for(&zone.name, &mut taken, wanted)
            .ok_or_else(|| InvalidSpec::ObserverZone(zone.name.clone()))?;
        groups.push(ObserverGroup {
            zone: zone.name.clone(),
            id_base,
            replicas,
        });
    }
    Ok(groups)
}

/// Each zone gets its floor, and the rest goes one by one to the zone that has fewest, in order: another
/// total changes as few zones as can be. `None` where that is not to be had.
fn spread(total: u8, floors: &[u8]) -> Option<Vec<u8>> {
    let mut counts = floors.to_vec();
    let floor = counts.iter().try_fold(0_u8, |sum, n| sum.checked_add(*n))?;
    for _ in 0..total.checked_sub(floor)? {
        let fewest = counts.iter_mut().min_by_key(|count| **count)?;
        if *fewest >= OBSERVERS_PER_ZONE_MAX {
            return None;
        }
        *fewest += 1;
    }
    Some(counts)
}

/// The first id of the block of a zone.
fn block_for(
    zone: &str,
    taken: &mut Vec<ObserverZoneStatus>,
    wanted: impl Fn(&str) -> bool,
) -> Option<u8> {
    if let Some(known) = taken.iter().find(|other| other.name == zone) {
        return Some(known.id_base);
    }
    let all = (1..=OBSERVER_ZONES_MAX).map(|n| n * BLOCK);
    let free = all
        .filter(|base| taken.iter().all(|other| other.id_base != *base))
        .min();
    let id_base = free.or_else(|| {
        let unused = |other: &&ObserverZoneStatus| other.current == 0 && !wanted(&other.name);
        let unused = taken.iter().find(unused)?.id_base;
        taken.retain(|other| other.id_base != unused);
        Some(unused)
    })?;
    taken.push(ObserverZoneStatus {
        name: zone.to_owned(),
        id_base,
        // Not to be given away again in this look.
        current: 1,
        ..ObserverZoneStatus::default()
    });
    Some(id_base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::ObserverZone;

    fn observers(replicas: i32, zones: &[(&str, i32)]) -> Observers {
        let zone = |(name, min_replicas): &(&str, i32)| ObserverZone {
            name: (*name).to_owned(),
            min_replicas: *min_replicas,
        };
        Observers {
            replicas,
            zones: zones.iter().map(zone).collect(),
            resources: None,
            template: None,
            storage: None,
        }
    }

    fn record(name: &str, id_base: u8, current: i32) -> ObserverZoneStatus {
        ObserverZoneStatus {
            name: name.to_owned(),
            id_base,
            current,
            ..ObserverZoneStatus::default()
        }
    }

    #[test]
    fn every_zone_has_its_floor_and_the_rest_is_spread() {
        for (total, floors, expected) in [
            (6, vec![0, 0, 0], Some(vec![2, 2, 2])),
            (7, vec![0, 0, 0], Some(vec![3, 2, 2])),
            (8, vec![0, 0, 0], Some(vec![3, 3, 2])),
            (6, vec![1, 4, 0], Some(vec![1, 4, 1])),
            (2, vec![1, 1, 1], None),
            (0, vec![0], Some(vec![0])),
            (31, vec![0], Some(vec![31])),
            (32, vec![0], None),
            (63, vec![0, 0], None),
        ] {
            assert_eq!(spread(total, &floors), expected, "{total} over {floors:?}");
        }
    }

    #[test]
    fn one_more_or_one_less_changes_one_zone() {
        let floors = [2, 0, 1];
        for total in 3..60 {
            let (before, after) = (
                spread(total, &floors).unwrap(),
                spread(total + 1, &floors).unwrap(),
            );
            let changed = before.iter().zip(&after).filter(|(a, b)| a != b);
            assert_eq!(changed.count(), 1, "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_zone_keeps_its_block_and_no_other_gets_it() {
        let bases = |zones: &[&str], recorded: &[ObserverZoneStatus]| {
            let zones: Vec<(&str, i32)> = zones.iter().map(|zone| (*zone, 0)).collect();
            let groups = groups(Some(&observers(1, &zones)), recorded);
            groups.map(|groups| groups.iter().map(|g| g.id_base).collect::<Vec<u8>>())
        };
        assert_eq!(bases(&["a", "b"], &[]), Ok(vec![32, 64]));
        let recorded = [record("a", 32, 0), record("b", 64, 2)];
        assert_eq!(
            bases(&["c", "b"], &recorded),
            Ok(vec![96, 64]),
            "a keeps its own"
        );
        assert_eq!(bases(&["b", "a"], &recorded), Ok(vec![64, 32]));
        let mut all: Vec<_> = (1..=7)
            .map(|n| record(&format!("z{n}"), n * 32, 1))
            .collect();
        assert_eq!(
            bases(&["new"], &all),
            Err(InvalidSpec::ObserverZone("new".to_owned()))
        );
        all[4].current = 0;
        assert_eq!(bases(&["new"], &all), Ok(vec![160]));
        assert_eq!(
            bases(&["new", "newer"], &all),
            Err(InvalidSpec::ObserverZone("newer".to_owned()))
        );
        assert_eq!(
            bases(&["new", "z5"], &all),
            Err(InvalidSpec::ObserverZone("new".to_owned())),
            "a zone of the spec keeps its block"
        );
    }

    #[test]
    fn what_cannot_be_had_is_named() {
        let refused = |spec: &Observers| groups(Some(spec), &[]).unwrap_err();
        assert_eq!(
            refused(&observers(-1, &[("a", 0)])),
            InvalidSpec::ObserverReplicas(-1)
        );
        assert_eq!(
            refused(&observers(2, &[("a", 3)])),
            InvalidSpec::ObserverReplicas(2)
        );
        let twice = observers(2, &[("a", 0), ("a", 0)]);
        assert_eq!(refused(&twice), InvalidSpec::ObserverZone("a".to_owned()));
        assert_eq!(groups(None, &[record("a", 32, 1)]), Ok(Vec::new()));
        let highest = groups(Some(&observers(31, &[("g", 0)])), &[record("g", 224, 0)]).unwrap();
        assert_eq!(highest[0].wanted().last(), Some(254));
    }
}
