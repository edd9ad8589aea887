//! The volumes of the simulated cluster: claims that outlive their pods, and a driver that lets them
//! grow when it comes to it, some of them only when their pod starts again.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::dice::Dice;
use super::pods::Pod;
use super::world::at;
use crate::ensemble::observe::ServerVolume;
use crate::ensemble::validate::ValidatedEnsemble;
use crate::fixtures;
use crate::quantity::Size;

/// The claim of one voter, sizes in GiB.
#[derive(Clone, Debug)]
struct Claim {
    requested: u8,
    capacity: u8,
    version: u64,
    /// Since when its file system waits for another pod.
    pending_since: Option<i64>,
}

/// What there is of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Volumes(BTreeMap<u8, Claim>);

/// So many GiB.
pub(super) fn gib(size: u8) -> Size {
    Size::parse(&Quantity(format!("{size}Gi"))).unwrap()
}

impl Volumes {
    /// A pod needs one.
    pub(super) fn provide(&mut self, id: u8, size: u8) {
        self.0.entry(id).or_insert(Claim {
            requested: size,
            capacity: size,
            version: 0,
            pending_since: None,
        });
    }

    /// One is lost.
    pub(super) fn lose(&mut self, id: u8) {
        self.0.remove(&id);
    }

    /// A larger one is asked for, if the claim is as it was seen.
    pub(super) fn grow(&mut self, name: &str, version: &str, size: &Size, of: &ValidatedEnsemble) {
        let mut claims = self.0.iter_mut();
        let Some((_, claim)) = claims.find(|(id, _)| of.claim_of(**id) == name) else {
            return;
        };
        let asked = (1..=u8::MAX).find(|gi| gib(*gi) == *size).unwrap();
        if claim.version.to_string() == version {
            assert!(claim.requested < asked, "a volume cannot shrink");
            claim.requested = asked;
            claim.version += 1;
        }
    }

    /// The driver and the kubelets do what is due.
    pub(super) fn work(
        &mut self,
        pods: &BTreeMap<u8, Pod>,
        now: i64,
        dice: &mut Dice,
        promptly: bool,
    ) {
        for (id, claim) in &mut self.0 {
            if claim.requested == claim.capacity || !(promptly || dice.percent(40)) {
                continue;
            }
            let mounted = pods.get(id).map(|pod| pod.created);
            match claim.pending_since {
                Some(since) if mounted.is_none_or(|created| created < since) => continue,
                None if !promptly && dice.percent(25) => claim.pending_since = Some(now),
                _ => {
                    claim.capacity = claim.requested;
                    claim.pending_since = None;
                }
            }
            claim.version += 1;
        }
    }

    /// How they look.
    pub(super) fn observe(&self, ensemble: &ValidatedEnsemble) -> BTreeMap<u8, ServerVolume> {
        let look = |(id, claim): (&u8, &Claim)| {
            let volume = ServerVolume {
                version: claim.version.to_string(),
                requested: gib(claim.requested),
                capacity: Some(gib(claim.capacity)),
                pending_since: claim.pending_since.map(at),
                ..fixtures::volume(ensemble, *id)
            };
            (*id, volume)
        };
        self.0.iter().map(look).collect()
    }

    /// The least that any of these has.
    pub(super) fn smallest(&self, ids: impl Iterator<Item = u8>) -> Option<u8> {
        ids.filter_map(|id| self.0.get(&id))
            .map(|claim| claim.capacity)
            .min()
    }
}
