//! Volumes that grow: one voter at a time, while its server runs. When all have the size, the
//! StatefulSet is made again without its pods noticing, for its template cannot be changed.
//!
//! Nothing is remembered between two looks: what the claims and the StatefulSet ask for tells how far
//! it is.

use k8s_openapi::jiff::Timestamp;

use super::conditions::{Facts, Truth, Verdict, counted};
use super::{Observers, Quorum, RestartReason, Rollout, Scaling, Step, rollout, seconds_since};
use crate::crd::{Retention, condition_type};
use crate::ensemble::build::Claims;
use crate::ensemble::observe::{Observed, ServerSet, ServerVolume};
use crate::ensemble::validate::ValidatedEnsemble;

/// How long a kubelet may take to grow a file system in use, before its pod is started again for it.
const ONLINE_GRACE_S: i64 = 300;

/// How far the volumes are from the size that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// They have it, and so will those to come.
    Done,
    /// So many are smaller; `hold` says what is awaited.
    Going { left: usize, hold: Option<String> },
    /// They cannot grow; why, and what to do about it.
    Refused(String),
}

/// What is to be done about the volumes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Volumes {
    pub(super) state: Growth,
    pub(super) claims: Claims,
    pub(super) step: Option<Step>,
}

/// What else is under way.
#[derive(Clone, Copy)]
pub(super) struct Others<'a> {
    pub(super) quorum: &'a Quorum,
    pub(super) observers: &'a Observers,
    pub(super) rollout: &'a Rollout,
    pub(super) scaling: &'a Scaling,
}

/// Looks at the volumes, and chooses what to do about one of them or about the StatefulSet.
pub(super) fn plan(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    others: Others<'_>,
    now: Timestamp,
) -> Volumes {
    let set = observed.voter_set.as_ref();
    let (state, step) = match set {
        Some(set) => look(ensemble, observed, set, others, now),
        // It is made with the size that is wanted.
        None => (Growth::Done, None),
    };
    Volumes {
        claims: claims(ensemble, set, &state),
        state,
        step,
    }
}

/// What the StatefulSet says until it is made again: what cannot be changed stays.
fn claims(ensemble: &ValidatedEnsemble, set: Option<&ServerSet>, state: &Growth) -> Claims {
    let mut claims = Claims::wanted(ensemble);
    if let Some(size) = set.and_then(|set| set.claim_size.as_ref()) {
        claims.size = size.quantity().clone();
    }
    if matches!(state, Growth::Going { left: 0, .. }) {
        // It is about to be deleted, and the garbage collector must find no volume to go with it.
        claims.when_deleted = Retention::Retain;
    }
    claims
}

fn look(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    set: &ServerSet,
    others: Others<'_>,
    now: Timestamp,
) -> (Growth, Option<Step>) {
    let wanted = &ensemble.storage_size;
    // A former voter's volume may grow when it is used again.
    let used = observed.volumes.range(..=set.slots);
    let (growing, rest): (Vec<_>, Vec<_>) = used
        .map(|(id, volume)| (*id, volume))
        .partition(|(_, volume)| grows(volume));
    let small: Vec<(u8, &ServerVolume)> = rest
        .into_iter()
        .filter(|(_, volume)| volume.requested < *wanted)
        .collect();
    let left = growing.len() + small.len();
    let going = |chosen: Result<Step, String>| match chosen {
        Ok(step) => (Growth::Going { left, hold: None }, Some(step)),
        Err(why) => {
            let hold = Some(why);
            (Growth::Going { left, hold }, None)
        }
    };
    if let Some((id, volume)) = growing.first() {
        return going(wait_for_volume(
            ensemble,
            observed,
            others,
            (*id, volume),
            now,
        ));
    }
    if !small.is_empty() {
        let bound = small.iter().filter(|(_, volume)| volume.capacity.is_some());
        // One that is away has nothing to lose, and may be away since its volume is full.
        let present = |id: &u8| others.quorum.participants.contains(id);
        let Some((id, volume)) = bound.min_by_key(|(id, _)| (present(id), *id)) else {
            return going(Err("waits for volumes to be provided".to_owned()));
        };
        let pod = ensemble.pod_of(*id);
        return match refusal(&pod, volume) {
            Some(why) => (Growth::Refused(why), None),
            None => going(Ok(Step::GrowVolume {
                claim: volume.claim.clone(),
                version: volume.version.clone(),
                pod,
                size: wanted.clone(),
            })),
        };
    }
    match &set.claim_size {
        Some(size) if size < wanted => going(recreate(ensemble, observed, set, others, now)),
        _ => (Growth::Done, None),
    }
}

/// Whether a volume is on its way to the size that it asks for.
fn grows(volume: &ServerVolume) -> bool {
    let capacity = volume.capacity.as_ref();
    capacity.is_some_and(|capacity| *capacity < volume.requested)
}

/// Why a volume cannot grow, and what to do about it.
fn refusal(pod: &str, volume: &ServerVolume) -> Option<String> {
    let (claim, size) = (&volume.claim, &volume.requested);
    let stays = format!("volume {claim} of {pod} stays at {size}");
    let otherwise = "or create a new ZkEnsemble with larger volumes and move the data";
    match (&volume.class, volume.expandable) {
        (Some(_), Some(true)) => None,
        (Some(class), Some(false)) => Some(format!(
            "{stays}: StorageClass {class} does not let volumes grow; set allowVolumeExpansion: true \
             in it if its driver can do that, {otherwise}"
        )),
        (Some(class), None) => Some(format!(
            "{stays}: there is no StorageClass {class}; create it again with allowVolumeExpansion: \
             true, {otherwise}"
        )),
        (None, _) => Some(format!(
            "{stays}: it has no StorageClass, and only what a class provided can grow; make it \
             larger by hand together with its claim, {otherwise}"
        )),
    }
}

/// What is awaited of a volume that is on its way. Where only its file system is left and the kubelet
/// does not grow it in use, its pod is started again, once, as in any restart.
fn wait_for_volume(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    others: Others<'_>,
    (id, volume): (u8, &ServerVolume),
    now: Timestamp,
) -> Result<Step, String> {
    let pod = ensemble.pod_of(id);
    let size = &volume.requested;
    let why = |what: &str| match &volume.trouble {
        Some(trouble) => format!("waits for the {what} of {pod} to have {size}: {trouble}"),
        None => format!("waits for the {what} of {pod} to have {size}"),
    };
    let Some(since) = volume.pending_since else {
        return Err(why("volume"));
    };
    let mounted_before = |created: Timestamp| created < since;
    let voter = observed.voters.get(&id);
    let restart = voter.filter(|voter| {
        seconds_since(since, now) > ONLINE_GRACE_S && voter.created.is_some_and(mounted_before)
    });
    match restart {
        Some(voter) if *others.rollout == Rollout::Done => {
            let step = rollout::choose(
                ensemble,
                observed,
                others.quorum,
                (&[(id, voter)], others.observers),
                now,
            )?;
            Ok(step.restarting_for(RestartReason::VolumePending))
        }
        _ => Err(why("file system")),
    }
}

/// Makes the StatefulSet again when all voters are there and nothing else is under way. Pods find
/// their new one by their labels, and their revision is that of their template, which stays the same.
fn recreate(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    set: &ServerSet,
    others: Others<'_>,
    now: Timestamp,
) -> Result<Step, String> {
    if set.terminating {
        return Err("waits until the StatefulSet with the old size is gone".to_owned());
    }
    if *others.rollout != Rollout::Done {
        return Err("waits until every voter runs with the new spec".to_owned());
    }
    if *others.scaling != Scaling::Done {
        return Err("waits until voters have come or gone".to_owned());
    }
    if let Some(voter) = observed.voters.values().find(|voter| voter.terminating) {
        return Err(format!("waits until {} has ended", voter.pod));
    }
    rollout::wait_for_all(ensemble, observed, others.quorum, now)?;
    let mut used = observed.volumes.range(..=set.slots);
    if let Some((_, owned)) = used.find(|(_, volume)| volume.owned) {
        let claim = &owned.claim;
        return Err(format!(
            "waits until {claim} does not go with the StatefulSet"
        ));
    }
    Ok(Step::RecreateSet {
        name: ensemble.voter_set_name(),
        uid: set.identity.uid.clone(),
        version: set.identity.version.clone(),
    })
}

impl Facts<'_> {
    /// What the volumes mean for a condition; `None` when they are as wanted, or do not matter to it.
    pub(super) fn volumes(&self, kind: &'static str) -> Option<Verdict> {
        let size = &self.ensemble.storage_size;
        match self.growth {
            Growth::Done => None,
            Growth::Refused(why) => {
                let holds = kind == condition_type::DEGRADED;
                let truth = if holds { Truth::True } else { Truth::False };
                Some(Verdict::new(kind, truth, "VolumesCannotGrow", why.clone()))
            }
            Growth::Going { .. } if kind == condition_type::DEGRADED => None,
            Growth::Going { left, hold } => {
                let holds = kind == condition_type::PROGRESSING;
                let truth = if holds { Truth::True } else { Truth::False };
                let hold = hold.as_deref().unwrap_or("goes on");
                let message = match left {
                    0 => format!("all volumes have {size}, the StatefulSet follows; {hold}"),
                    left => format!("{} to grow to {size}; {hold}", counted(*left, "volume")),
                };
                Some(Verdict::new(kind, truth, "GrowingVolumes", message))
            }
        }
    }
}

#[cfg(test)]
mod tests;
