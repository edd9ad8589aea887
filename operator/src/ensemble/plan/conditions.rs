//! What the observation means, as conditions. Reasons are constants; messages say what is awaited.

mod progress;

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use super::{
    Forming, Growth, Observers, PROGRESS_DEADLINE_S, Quorum, Rollout, START_GRACE_S, Scaling,
    Settings, Step, member_state, seconds_since, serves,
};
use crate::crd::{MemberState, condition_type};
use crate::ensemble::certificates;
use crate::ensemble::observe::{Observed, ServerPod};
use crate::ensemble::validate::ValidatedEnsemble;

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be told.
    Unknown,
}

impl Truth {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// One condition without its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Type of the condition.
    pub kind: &'static str,
    /// Whether it holds.
    pub truth: Truth,
    /// A constant for programs.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl Verdict {
    /// Puts a verdict together.
    pub fn new(
        kind: &'static str,
        truth: Truth,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            truth,
            reason,
            message: message.into(),
        }
    }
}

/// All that verdicts are drawn from.
pub(super) struct Facts<'a> {
    pub(super) ensemble: &'a ValidatedEnsemble,
    pub(super) observed: &'a Observed,
    pub(super) quorum: &'a Quorum,
    pub(super) forming: &'a Forming,
    pub(super) rollout: &'a Rollout,
    pub(super) observers: &'a Observers,
    pub(super) scaling: &'a Scaling,
    /// Voters that others stand in for, or will.
    pub(super) lost: &'a BTreeSet<u8>,
    pub(super) growth: &'a Growth,
    pub(super) settings: &'a Settings,
    /// Why no server that works is restarted now.
    pub(super) hold: Option<&'a (&'static str, String)>,
    pub(super) now: Timestamp,
}

/// Whether nothing is under way and nothing is wrong.
pub(super) fn at_rest(verdicts: &[Verdict]) -> bool {
    verdicts.iter().all(|verdict| match verdict.kind {
        condition_type::READY
        | condition_type::QUORUM_AVAILABLE
        | condition_type::CERTIFICATES_VALID => verdict.truth == Truth::True,
        // How the voters are spread is as it is.
        condition_type::DISRUPTION_SAFE | condition_type::ZONE_FAULT_TOLERANT => true,
        _ => verdict.truth == Truth::False,
    })
}

impl Facts<'_> {
    /// Returns one verdict for each condition.
    pub(super) fn verdicts(&self, step: Option<&Step>) -> Vec<Verdict> {
        let quorum = self.quorum_available();
        let seen = self.observed.certificates.as_ref();
        let certificates = certificates::verdict(self.ensemble, seen, self.now);
        let ready = self.ready(&quorum);
        let degraded = self.degraded(&quorum, certificates.as_ref());
        let always = [
            ready,
            quorum,
            self.progressing(step),
            degraded,
            self.disruption_safe(),
            self.zone_fault_tolerant(),
        ];
        always.into_iter().chain(certificates).collect()
    }

    fn quorum_available(&self) -> Verdict {
        let verdict = |truth, reason, message: String| {
            Verdict::new(condition_type::QUORUM_AVAILABLE, truth, reason, message)
        };
        let (needed, all) = (self.quorum.members.quorum(), self.voters());
        if let Some(leader) = self.quorum.leader {
            // No count of followers here: it would rewrite the status at every restart.
            let pod = self.pod_of(leader);
            return verdict(
                Truth::True,
                "QuorumHealthy",
                format!("{pod} leads with a quorum"),
            );
        }
        if let Forming::Waits(why) = self.forming {
            return verdict(Truth::False, "Forming", why.clone());
        }
        let ready = self.called_ready();
        if self.quorum.answered < needed && ready >= needed {
            let message = format!(
                "the operator reaches {} of {all} voters on their admin port, although {ready} \
                 are ready; check network policies between the operator and the pods",
                self.quorum.answered
            );
            return verdict(Truth::Unknown, "MembersUnreachable", message);
        }
        if self.quorum.answered < needed {
            let message = format!(
                "{} of {all} voters answer, {needed} are needed; {}",
                self.quorum.answered,
                self.missing_text()
            );
            return verdict(Truth::False, "VotersMissing", message);
        }
        verdict(
            Truth::False,
            "NoLeader",
            format!(
                "{} of {all} voters answer but none leads with a quorum",
                self.quorum.answered
            ),
        )
    }

    /// Number of members.
    fn voters(&self) -> usize {
        self.quorum.members.voters.len()
    }

    /// The pods of the members.
    fn members(&self) -> impl Iterator<Item = (u8, Option<&ServerPod>)> {
        let ids = self.quorum.members.voters.iter();
        ids.map(|id| (*id, self.observed.voters.get(id)))
    }

    /// Number of voters that the kubelet calls ready: those behind the client Service.
    fn called_ready(&self) -> usize {
        self.members()
            .filter(|(_, voter)| voter.is_some_and(|v| v.ready_since.is_some()))
            .count()
    }

    fn ready(&self, quorum: &Verdict) -> Verdict {
        let verdict = |truth, reason, message: String| {
            Verdict::new(condition_type::READY, truth, reason, message)
        };
        let (serving, all) = (self.serving(), self.voters());
        if quorum.truth != Truth::True {
            return verdict(Truth::False, quorum.reason, quorum.message.clone());
        }
        if serving < all {
            let message = format!("{serving} of {all} voters serve; {}", self.missing_text());
            return verdict(Truth::False, "VotersNotServing", message);
        }
        let called_ready = self.called_ready();
        if called_ready < all {
            let message = format!(
                "all {all} voters serve, {called_ready} of them are behind the client Service yet: \
                 the kubelets probe the others"
            );
            return verdict(Truth::False, "VotersNotReady", message);
        }
        let wanted = self.ensemble.replicas;
        match (self.rollout, self.scaling) {
            (Rollout::Done, Scaling::Done) => {
                let unlike = self.observers_ready(&verdict);
                unlike
                    .or_else(|| self.settings(condition_type::READY))
                    .or_else(|| self.volumes(condition_type::READY))
                    .unwrap_or_else(|| {
                        let observers = match self.observers.wanted {
                            0 => String::new(),
                            observers => format!(" and {observers} observers"),
                        };
                        let message = format!("all {all} voters{observers} serve as specified");
                        verdict(Truth::True, "Converged", message)
                    })
            }
            (Rollout::Done, Scaling::Up { .. }) => {
                let message = format!("{all} voters serve, {wanted} are wanted");
                verdict(Truth::False, "ScalingUp", message)
            }
            (Rollout::Done, Scaling::Replacing { number, .. }) => {
                let message = format!("{} to be replaced", counted(*number, "voter"));
                verdict(Truth::False, "ReplacingVoter", message)
            }
            (Rollout::Done, Scaling::Down { .. }) => {
                let message = format!("{all} voters serve, {wanted} are wanted");
                verdict(Truth::False, "ScalingDown", message)
            }
            (Rollout::ObjectsPending, _) => {
                let message = "all voters serve, the new spec is being written to the objects";
                verdict(Truth::False, "UpdatingObjects", message.to_owned())
            }
            (Rollout::Outdated { ids, .. }, _) => {
                let message = format!("{} of {all} voters still run the older spec", ids.len());
                verdict(Truth::False, "RollingOut", message)
            }
        }
    }

    /// What keeps the observers from being as wanted.
    fn observers_ready(
        &self,
        verdict: &impl Fn(Truth, &'static str, String) -> Verdict,
    ) -> Option<Verdict> {
        let observers = self.observers;
        if observers.objects_pending {
            let message = "the StatefulSets of observers are being written".to_owned();
            return Some(verdict(Truth::False, "UpdatingObjects", message));
        }
        if observers.outdated > 0 {
            let message = format!(
                "{} of {} observers still run the older spec",
                observers.outdated, observers.wanted
            );
            return Some(verdict(Truth::False, "RollingOut", message));
        }
        if observers.serving < observers.wanted {
            let message = format!(
                "{} of {} observers serve; {}",
                observers.serving,
                observers.wanted,
                self.missing_text()
            );
            return Some(verdict(Truth::False, "ObserversNotServing", message));
        }
        (observers.surplus > 0).then(|| {
            let message = format!("{} to go", counted(observers.surplus, "observer"));
            verdict(Truth::False, "ScalingDown", message)
        })
    }

    fn degraded(&self, quorum: &Verdict, certificates: Option<&Verdict>) -> Verdict {
        let verdict = |truth, reason, message: String| {
            Verdict::new(condition_type::DEGRADED, truth, reason, message)
        };
        // What the operator makes itself is there after its next look.
        let bad = certificates.filter(|c| c.truth != Truth::True && c.reason != "Issuing");
        if let Some(bad) = bad {
            return verdict(Truth::True, bad.reason, bad.message.clone());
        }
        if self.observed.voters.values().any(|voter| voter.crashing) {
            return verdict(Truth::True, "VoterCrashing", self.missing_text());
        }
        if self.observed.servers().any(|(_, server)| server.crashing) {
            return verdict(Truth::True, "ObserverCrashing", self.missing_text());
        }
        if let Some(replaced) = self.replaced() {
            return verdict(Truth::True, "VoterReplaced", replaced);
        }
        if self.stalled().is_some() {
            return verdict(Truth::True, "DeadlineExceeded", self.missing_text());
        }
        let created = self.observed.voter_set.as_ref().and_then(|set| set.created);
        let grown = self.is_older(created, START_GRACE_S);
        if grown && quorum.truth == Truth::Unknown {
            return verdict(Truth::True, quorum.reason, quorum.message.clone());
        }
        if grown && quorum.truth == Truth::False {
            return verdict(Truth::True, "QuorumLost", quorum.message.clone());
        }
        let late = |server: &ServerPod| {
            // Ready and yet silent: then the way from the operator to the pod is what is wrong.
            let since = server.unready_since.or(server.created);
            !serves(server) && self.is_older(since, START_GRACE_S)
        };
        if self.observed.voters.values().any(late) {
            return verdict(Truth::True, "VotersUnavailable", self.missing_text());
        }
        if self.observed.servers().any(|(_, server)| late(server)) {
            return verdict(Truth::True, "ObserversUnavailable", self.missing_text());
        }
        let small = self
            .settings(condition_type::DEGRADED)
            .or_else(|| self.volumes(condition_type::DEGRADED));
        small.unwrap_or_else(|| verdict(Truth::False, "AsExpected", "nothing is wrong".to_owned()))
    }

    /// What to do about voters that others stand in for.
    fn replaced(&self) -> Option<String> {
        let members = &self.quorum.members.voters;
        let mut replaced = self.lost.difference(members).peekable();
        replaced.peek()?;
        let pods: Vec<String> = replaced.map(|id| self.pod_of(*id)).collect();
        let pods = pods.join(", ");
        Some(format!(
            "{pods} has been unavailable for too long, and another server has its vote; it gets the vote \
             back when it is back. If its node is lost for good, delete the pod by force, and its volume \
             claim if the volume is lost with the node"
        ))
    }

    /// A pod that has been unready for too long, if there is one.
    fn stalled(&self) -> Option<&ServerPod> {
        self.observed
            .servers()
            .map(|(_, server)| server)
            .find(|server| {
                !serves(server) && self.is_older(server.unready_since, PROGRESS_DEADLINE_S)
            })
    }

    fn is_older(&self, then: Option<Timestamp>, seconds: i64) -> bool {
        then.is_some_and(|then| seconds_since(then, self.now) > seconds)
    }

    fn serving(&self) -> usize {
        self.members()
            .filter(|(_, voter)| voter.is_some_and(serves))
            .count()
    }

    fn pod_of(&self, server_id: u8) -> String {
        self.ensemble.pod_of(server_id)
    }

    /// Names every voter, and every pod that is to be one, was one or observes, that does not serve, with
    /// what is known about it.
    fn missing_text(&self) -> String {
        let mut ids = self.quorum.members.voters.clone();
        ids.extend(self.observed.voters.keys());
        let voters = ids
            .into_iter()
            .map(|id| (self.pod_of(id), self.observed.voters.get(&id)));
        let observers = self.ensemble.observers.groups.iter().flat_map(|group| {
            let found = self.observed.observers.get(&group.zone);
            let pod_of = |id| self.ensemble.observer_pod(group, id);
            group
                .wanted()
                .map(move |id| (pod_of(id), found.and_then(|found| found.pods.get(&id))))
        });
        let missing: Vec<String> = voters
            .chain(observers)
            .filter_map(|(pod, server)| {
                let what = match member_state(server) {
                    MemberState::Serving => return None,
                    MemberState::Missing => "has no pod",
                    MemberState::Pending => "does not run yet",
                    MemberState::Crashing => "crashes",
                    MemberState::Unreachable => "does not answer",
                    MemberState::Joining => "looks for the others",
                };
                let trouble = server.and_then(|server| server.trouble.as_deref());
                Some(match trouble {
                    Some(trouble) => format!("{pod} {what} ({trouble})"),
                    None => format!("{pod} {what}"),
                })
            })
            .collect();
        if missing.is_empty() {
            return "the others answer, and the kubelets probe them".to_owned();
        }
        shorten(missing)
    }
}

/// So many of them, in words.
pub(super) fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// Servers that a message names at most: there may be hundreds of observers.
const NAMED_MAX: usize = 8;

/// The first of them, and how many more there are.
pub(super) fn shorten(mut missing: Vec<String>) -> String {
    let more = missing.len().saturating_sub(NAMED_MAX);
    missing.truncate(NAMED_MAX);
    if more > 0 {
        missing.push(format!("and {more} more"));
    }
    missing.join("; ")
}
