//! Observers: nothing waits for them, so that several may restart at once; but the first one from a new
//! template must serve before others follow, and before the voters do.

use k8s_openapi::jiff::Timestamp;

use super::conditions::counted;
use super::rollout::is_stuck;
use super::{Quorum, RestartReason, START_GRACE_S, Step, seconds_since, serves};
use crate::ensemble::build::Servers;
use crate::ensemble::observe::{Observed, ServerPod};
use crate::ensemble::validate::ValidatedEnsemble;

/// Of so many observers one may be away in a rollout.
const OBSERVERS_PER_ABSENCE: usize = 4;

/// How far the observers are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observers {
    /// Observers that are wanted.
    pub(super) wanted: usize,
    /// Observers that are wanted and serve.
    pub(super) serving: usize,
    /// Whether a StatefulSet is not as wanted yet.
    pub(super) objects_pending: bool,
    /// Pods from an older template.
    pub(super) outdated: usize,
    /// Why none of those goes now.
    pub(super) hold: Option<String>,
    /// A pod from the wanted template that does not come to run, where no other one shows that the
    /// template is good.
    pub(super) failed: Option<String>,
    /// A pod that has been on its way for a short while.
    pub(super) coming: Option<String>,
    /// Pods that are not wanted any more.
    pub(super) surplus: usize,
}

impl Observers {
    /// Why voters do not follow yet; `None` when what is wanted has passed through the observers. Those
    /// that have no place to be do not count, as long as others show that what is wanted is good.
    pub(super) fn holds_voters(&self) -> Option<String> {
        if self.objects_pending {
            return Some("waits until the observers are as wanted".to_owned());
        }
        if let Some(failed) = &self.failed {
            return Some(format!("waits until {failed} runs with the new spec"));
        }
        if self.outdated > 0 {
            let left = self.outdated;
            return Some(format!(
                "waits for {} to be restarted",
                counted(left, "observer")
            ));
        }
        let coming = self.coming.as_ref()?;
        Some(format!("waits until {coming} serves"))
    }
}

/// An observer and what is known about its template.
struct Seen<'a> {
    id: u8,
    zone: &'a str,
    pod: &'a ServerPod,
    outdated: bool,
}

impl Seen<'_> {
    /// Whether clients can use it.
    fn works(&self) -> bool {
        serves(self.pod) && self.pod.ready_since.is_some() && !self.pod.terminating
    }
}

/// Looks at them, and chooses one to restart.
pub(super) fn plan(
    ensemble: &ValidatedEnsemble,
    template: &dyn Fn(Servers<'_>) -> String,
    observed: &Observed,
    quorum: &Quorum,
    now: Timestamp,
) -> (Observers, Option<Step>) {
    let mut state = Observers::default();
    let mut seen = Vec::new();
    for group in &ensemble.observers.groups {
        let found = observed.observers.get(&group.zone);
        let template = template(Servers::Observers(group));
        let set = found.and_then(|found| found.set.as_ref());
        let current = set.filter(|set| set.template_fingerprint.as_ref() == Some(&template));
        let revision = current.and_then(|set| set.update_revision.as_ref());
        state.objects_pending |= revision.is_none();
        state.wanted += usize::from(group.replicas);
        for (id, pod) in found.iter().flat_map(|found| &found.pods) {
            seen.push(Seen {
                id: *id,
                zone: &group.zone,
                pod,
                // Of a StatefulSet that is not as wanted nothing is known.
                outdated: revision.is_some() && pod.revision.as_ref() != revision,
            });
        }
    }
    let wanted = |id: u8| {
        ensemble
            .observers
            .groups
            .iter()
            .any(|g| g.wanted().any(|w| w == id))
    };
    state.serving = seen.iter().filter(|s| wanted(s.id) && s.works()).count();
    let pods: usize = observed.observers.values().map(|g| g.pods.len()).sum();
    state.surplus = pods - seen.iter().filter(|s| wanted(s.id)).count();
    state.outdated = seen.iter().filter(|s| s.outdated).count();
    let updated = || seen.iter().filter(|s| !s.outdated);
    if !state.objects_pending && !updated().any(Seen::works) {
        let failed = updated().find(|s| is_stuck(s.pod));
        state.failed = failed.map(|s| s.pod.pod.clone());
    }
    let coming = updated().find(|s| {
        let since = s.pod.unready_since.or(s.pod.created);
        let young = since.is_none_or(|since| seconds_since(since, now) <= START_GRACE_S);
        !s.works() && !is_stuck(s.pod) && young
    });
    state.coming = coming.map(|s| s.pod.pod.clone());
    if state.outdated == 0 {
        return (state, None);
    }
    match choose(&state, &seen, quorum) {
        Ok(step) => (state, Some(step)),
        Err(hold) => {
            state.hold = Some(hold);
            (state, None)
        }
    }
}

fn choose(state: &Observers, seen: &[Seen<'_>], quorum: &Quorum) -> Result<Step, String> {
    let restart = |server: &Seen<'_>, why| Step::Restart {
        server_id: server.id,
        pod: server.pod.pod.clone(),
        uid: server.pod.uid.clone(),
        why,
    };
    let outdated = || seen.iter().filter(|s| s.outdated && !s.pod.terminating);
    if let Some(failed) = &state.failed {
        return Err(format!("waits until {failed} runs with the new spec"));
    }
    let absent = outdated().find(|s| !serves(s.pod) && s.pod.ready_since.is_none());
    if let Some(absent) = absent {
        return Ok(restart(absent, RestartReason::OutdatedAndAbsent));
    }
    if quorum.leader.is_none() {
        return Err("waits for a leader".to_owned());
    }
    let proven = seen.iter().any(|s| !s.outdated && s.works());
    let allowed = if proven {
        (state.wanted / OBSERVERS_PER_ABSENCE).max(1)
    } else {
        1
    };
    let away: Vec<&Seen<'_>> = seen.iter().filter(|s| !s.works()).collect();
    let missing = state.wanted.saturating_sub(seen.len());
    if let Some(first) = away.first().filter(|_| away.len() + missing >= allowed) {
        return Err(format!("waits until {} serves", first.pod.pod));
    }
    if missing >= allowed {
        return Err(format!(
            "waits for {} to be created",
            counted(missing, "observer")
        ));
    }
    // Where fewest are away, so that no zone is left without one for longer than must be.
    let away_in = |zone: &str| away.iter().filter(|s| s.zone == zone).count();
    let next = outdated().max_by_key(|s| (std::cmp::Reverse(away_in(s.zone)), s.id));
    let next = next.ok_or_else(|| "waits until observers have ended".to_owned())?;
    Ok(restart(next, RestartReason::OutdatedObserver))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ensemble::build::{Stamps, template_fingerprint};
    use crate::ensemble::plan::plan as whole;
    use crate::fixtures::{healthy, now, seconds_ago, valid_with_observers};

    fn plan_of(
        ensemble: &ValidatedEnsemble,
        observed: &Observed,
        quorum: &Quorum,
    ) -> (Observers, Option<Step>) {
        let template =
            |servers: Servers<'_>| template_fingerprint(ensemble, servers, &Stamps::default());
        plan(ensemble, &template, observed, quorum, now())
    }

    /// The pod that is restarted, or what is awaited.
    #[track_caller]
    fn next(replicas: i32, change: impl FnOnce(&mut Observed)) -> String {
        let ensemble = valid_with_observers(replicas);
        let mut observed = healthy(&ensemble, 1);
        change(&mut observed);
        let quorum = Quorum::read(&ensemble, &observed);
        match plan_of(&ensemble, &observed, &quorum) {
            (_, Some(step)) => step.text(),
            (state, None) => state.hold.unwrap_or_default(),
        }
    }

    fn outdate(observed: &mut Observed) {
        for pod in observed
            .observers
            .values_mut()
            .flat_map(|g| g.pods.values_mut())
        {
            pod.revision = Some("old".to_owned());
        }
    }

    fn change(observed: &mut Observed, zone: &str, id: u8, change: impl FnOnce(&mut ServerPod)) {
        change(
            observed
                .observers
                .get_mut(zone)
                .unwrap()
                .pods
                .get_mut(&id)
                .unwrap(),
        );
    }

    fn updated(pod: &mut ServerPod) {
        pod.revision = Some("new".to_owned());
    }

    fn starts(pod: &mut ServerPod) {
        updated(pod);
        (pod.ready_since, pod.report) = (None, None);
        pod.unready_since = Some(seconds_ago(20));
    }

    #[test]
    fn the_first_must_serve_before_others_follow() {
        let restarts = |pod: &str| format!("restarts {pod} with the new spec");
        assert_eq!(next(12, |_| {}), "");
        assert_eq!(next(12, outdate), restarts("demo-observer-c-3"));
        let first_starts = |o: &mut Observed| {
            outdate(o);
            change(o, "c", 99, starts);
        };
        assert_eq!(
            next(12, first_starts),
            "waits until demo-observer-c-3 serves"
        );
        let first_serves = |o: &mut Observed| {
            outdate(o);
            change(o, "c", 99, updated);
        };
        assert_eq!(next(12, first_serves), restarts("demo-observer-c-2"));
        // Then a quarter of them may be away, in different zones.
        let second_starts = |o: &mut Observed| {
            first_serves(o);
            change(o, "c", 98, starts);
        };
        assert_eq!(next(12, second_starts), restarts("demo-observer-b-3"));
        let third_starts = |o: &mut Observed| {
            second_starts(o);
            change(o, "b", 67, starts);
            change(o, "a", 35, starts);
        };
        assert_eq!(
            next(12, third_starts),
            "waits until demo-observer-a-3 serves"
        );
        let gone = |o: &mut Observed| {
            outdate(o);
            o.observers.get_mut("b").unwrap().pods.remove(&64);
        };
        assert_eq!(next(3, gone), "waits for 1 observer to be created");
    }

    #[test]
    fn a_bad_template_stops_at_its_first_pod_and_reverting_heals_it() {
        let crashes = |pod: &mut ServerPod| {
            starts(pod);
            pod.crashing = true;
        };
        let bad = |o: &mut Observed| {
            outdate(o);
            change(o, "c", 99, crashes);
        };
        assert_eq!(
            next(12, bad),
            "waits until demo-observer-c-3 runs with the new spec"
        );
        let reverted = |o: &mut Observed| {
            change(o, "c", 99, |pod| {
                crashes(pod);
                pod.revision = Some("bad".to_owned());
            });
        };
        assert_eq!(
            next(12, reverted),
            "restarts demo-observer-c-3 with the new spec"
        );
    }

    #[test]
    fn voters_follow_when_observers_run_with_the_new_spec() {
        let ensemble = valid_with_observers(3);
        let restarted = |change_observers: &dyn Fn(&mut Observed)| {
            let mut observed = healthy(&ensemble, 1).outdated(&[1, 2, 3]);
            change_observers(&mut observed);
            match whole(&ensemble, &observed, now()).step {
                Some(Step::Restart { pod, .. }) => Some(pod),
                _ => None,
            }
        };
        assert_eq!(restarted(&outdate).as_deref(), Some("demo-observer-c-0"));
        assert_eq!(restarted(&|_| {}).as_deref(), Some("demo-voter-2"));
        let starting = |o: &mut Observed| change(o, "a", 32, starts);
        assert_eq!(restarted(&starting), None);
    }

    #[test]
    fn pods_beyond_those_wanted_are_counted() {
        let ensemble = valid_with_observers(3);
        let mut observed = healthy(&valid_with_observers(6), 1);
        let quorum = Quorum::read(&ensemble, &observed);
        let (state, _) = plan_of(&ensemble, &observed, &quorum);
        assert_eq!((state.wanted, state.serving, state.surplus), (3, 3, 3));
        assert_eq!(state.holds_voters(), None);
        observed = healthy(&ensemble, 1);
        let (state, _) = plan_of(&ensemble, &observed, &quorum);
        assert_eq!((state.wanted, state.serving, state.surplus), (3, 3, 0));
    }
}
