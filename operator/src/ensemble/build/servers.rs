//! In what the sets of servers of one ensemble differ: those that vote, and the observers of each zone.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, PersistentVolumeClaim, PersistentVolumeClaimSpec, ResourceRequirements,
    TopologySpreadConstraint, Volume, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::labels::{self, Role};
use crate::crd::{Spread, Template};
use crate::ensemble::observers::ObserverGroup;
use crate::ensemble::validate::ValidatedEnsemble;

/// Zones and nodes that are needed at least where the spread is required.
const DOMAINS_MIN: i32 = 3;

/// Label of nodes with their zone.
const NODE_ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// Label of nodes with their name.
const NODE_NAME_LABEL: &str = "kubernetes.io/hostname";

/// Name of the volume with the data.
pub(in crate::ensemble) const DATA_VOLUME: &str = "data";

/// A set of servers that are alike but for their ids.
#[derive(Clone, Copy, Debug)]
pub enum Servers<'a> {
    /// Those that vote.
    Voters,
    /// The observers of a zone.
    Observers(&'a ObserverGroup),
}

impl Servers<'_> {
    /// Name of the StatefulSet.
    pub(in crate::ensemble) fn set_name(self, ensemble: &ValidatedEnsemble) -> String {
        match self {
            Self::Voters => ensemble.voter_set_name(),
            Self::Observers(group) => ensemble.observer_set_name(&group.zone),
        }
    }

    /// Id of the server in the pod with ordinal 0.
    pub(super) fn id_base(self) -> u8 {
        match self {
            Self::Voters => 1,
            Self::Observers(group) => group.id_base,
        }
    }

    /// Whether they never get a vote.
    pub(super) fn observe(self) -> bool {
        matches!(self, Self::Observers(_))
    }

    /// Labels of the pods.
    pub(super) fn labels(self, ensemble: &ValidatedEnsemble) -> BTreeMap<String, String> {
        match self {
            Self::Voters => labels::pod(ensemble, Role::Voter, None),
            Self::Observers(group) => labels::pod(ensemble, Role::Observer, Some(&group.zone)),
        }
    }

    /// The labels by which the StatefulSet finds them.
    pub(super) fn selected(self, ensemble: &ValidatedEnsemble) -> BTreeMap<String, String> {
        match self {
            Self::Voters => labels::selected(ensemble, Role::Voter, None),
            Self::Observers(group) => labels::selected(ensemble, Role::Observer, Some(&group.zone)),
        }
    }

    /// What a person added to the pods.
    pub(super) fn additions(self, ensemble: &ValidatedEnsemble) -> &Template {
        match self {
            Self::Voters => &ensemble.template,
            Self::Observers(_) => &ensemble.observers.template,
        }
    }

    /// CPU and memory.
    pub(super) fn resources(self, ensemble: &ValidatedEnsemble) -> Option<ResourceRequirements> {
        match self {
            Self::Voters => ensemble.resources.clone(),
            Self::Observers(_) => ensemble.observers.resources.clone(),
        }
    }

    /// Labels that a node must have: observers are where their clients are.
    pub(super) fn node_selector(self, ensemble: &ValidatedEnsemble) -> BTreeMap<String, String> {
        let mut labels = self.additions(ensemble).node_selector.clone();
        if let Self::Observers(group) = self {
            labels.insert(NODE_ZONE_LABEL.to_owned(), group.zone.clone());
        }
        labels
    }

    /// Voters are spread over zones and nodes, as strictly as was asked for; observers over the nodes of
    /// their zone, as far as there are some. An ensemble starts on a cluster of one node or one zone, and
    /// its status says where its voters are.
    pub(super) fn spread(self, ensemble: &ValidatedEnsemble) -> Vec<TopologySpreadConstraint> {
        let over = |topology_key: &str, strictly: bool| TopologySpreadConstraint {
            topology_key: topology_key.to_owned(),
            max_skew: 1,
            // Without it, a cluster of one zone would count as evenly spread.
            min_domains: strictly.then_some(DOMAINS_MIN),
            when_unsatisfiable: if strictly {
                "DoNotSchedule".to_owned()
            } else {
                "ScheduleAnyway".to_owned()
            },
            label_selector: Some(LabelSelector {
                match_labels: Some(self.selected(ensemble)),
                ..LabelSelector::default()
            }),
            ..TopologySpreadConstraint::default()
        };
        match self {
            Self::Voters => {
                let strictly = ensemble.spread == Spread::Required;
                vec![
                    over(NODE_ZONE_LABEL, strictly),
                    over(NODE_NAME_LABEL, strictly),
                ]
            }
            Self::Observers(_) => vec![over(NODE_NAME_LABEL, false)],
        }
    }

    /// The volume that outlives the pod, of this size: of voters.
    pub(super) fn claim(
        self,
        ensemble: &ValidatedEnsemble,
        size: &Quantity,
    ) -> Option<PersistentVolumeClaim> {
        let Self::Voters = self else {
            return None;
        };
        Some(PersistentVolumeClaim {
            metadata: ObjectMeta {
                name: Some(DATA_VOLUME.to_owned()),
                labels: Some(self.selected(ensemble)),
                ..ObjectMeta::default()
            },
            spec: Some(PersistentVolumeClaimSpec {
                access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
                storage_class_name: ensemble.storage_class.clone(),
                resources: Some(VolumeResourceRequirements {
                    requests: Some(BTreeMap::from([("storage".to_owned(), size.clone())])),
                    ..VolumeResourceRequirements::default()
                }),
                ..PersistentVolumeClaimSpec::default()
            }),
            status: None,
        })
    }

    /// The volume that lives as long as the pod: of observers, whose data is a copy.
    pub(super) fn ephemeral(self, ensemble: &ValidatedEnsemble) -> Option<Volume> {
        let Self::Observers(_) = self else {
            return None;
        };
        Some(Volume {
            name: DATA_VOLUME.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource {
                size_limit: ensemble.observers.size_limit.clone(),
                ..EmptyDirVolumeSource::default()
            }),
            ..Volume::default()
        })
    }
}
