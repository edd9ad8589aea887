//! What the observation means, as conditions. Reasons are constants; messages say what is awaited.

use k8s_openapi::jiff::Timestamp;

use super::{
    PROGRESS_DEADLINE_S, Quorum, Rollout, START_GRACE_S, Step, member_state, seconds_since, serves,
};
use crate::crd::{MemberState, condition_type};
use crate::ensemble::observe::{Observed, Voter};
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
    pub(super) rollout: &'a Rollout,
    pub(super) now: Timestamp,
}

/// Whether nothing is under way and nothing is wrong.
pub(super) fn at_rest(verdicts: &[Verdict]) -> bool {
    verdicts.iter().all(|verdict| match verdict.kind {
        condition_type::READY | condition_type::QUORUM_AVAILABLE => verdict.truth == Truth::True,
        _ => verdict.truth == Truth::False,
    })
}

impl Facts<'_> {
    /// Returns one verdict for each condition.
    pub(super) fn verdicts(&self, step: Option<&Step>) -> Vec<Verdict> {
        let quorum = self.quorum_available();
        let ready = self.ready(&quorum);
        let degraded = self.degraded(&quorum);
        vec![ready, quorum, self.progressing(step), degraded]
    }

    fn quorum_available(&self) -> Verdict {
        let verdict = |truth, reason, message: String| {
            Verdict::new(condition_type::QUORUM_AVAILABLE, truth, reason, message)
        };
        let (needed, all) = (self.ensemble.quorum(), self.ensemble.replicas);
        if let Some(leader) = self.quorum.leader {
            // No count of followers here: it would rewrite the status at every restart.
            let pod = self.pod_of(leader);
            return verdict(
                Truth::True,
                "QuorumHealthy",
                format!("{pod} leads with a quorum"),
            );
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

    /// Number of voters that the kubelet calls ready: those behind the client Service.
    fn called_ready(&self) -> usize {
        self.observed
            .voters
            .values()
            .filter(|v| v.ready_since.is_some())
            .count()
    }

    fn ready(&self, quorum: &Verdict) -> Verdict {
        let verdict = |truth, reason, message: String| {
            Verdict::new(condition_type::READY, truth, reason, message)
        };
        let (serving, all) = (self.serving(), self.ensemble.replicas);
        if quorum.truth != Truth::True {
            return verdict(Truth::False, quorum.reason, quorum.message.clone());
        }
        if serving < usize::from(all) {
            let message = format!("{serving} of {all} voters serve; {}", self.missing_text());
            return verdict(Truth::False, "VotersNotServing", message);
        }
        let called_ready = self.called_ready();
        if called_ready < usize::from(all) {
            let message = format!(
                "all {all} voters serve, {called_ready} of them are behind the client Service yet: \
                 the kubelets probe the others"
            );
            return verdict(Truth::False, "VotersNotReady", message);
        }
        match self.rollout {
            Rollout::Done => verdict(
                Truth::True,
                "Converged",
                format!("all {all} voters serve as specified"),
            ),
            Rollout::ObjectsPending => {
                let message = "all voters serve, the new spec is being written to the objects";
                verdict(Truth::False, "UpdatingObjects", message.to_owned())
            }
            Rollout::Outdated { ids, .. } => {
                let message = format!("{} of {all} voters still run the older spec", ids.len());
                verdict(Truth::False, "RollingOut", message)
            }
        }
    }

    fn progressing(&self, step: Option<&Step>) -> Verdict {
        let verdict = |truth, reason, message: String| {
            Verdict::new(condition_type::PROGRESSING, truth, reason, message)
        };
        if let Some(Step::RestartVoter { pod, why, .. }) = step {
            let message = format!("restarts {pod} with the new spec");
            return verdict(Truth::True, why.as_str(), message);
        }
        if let Some(pod) = self.stalled() {
            let message = format!(
                "{} has been unready for more than {} min; {}; nothing else is restarted; fix or \
                 revert the spec",
                pod.pod,
                PROGRESS_DEADLINE_S / 60,
                self.missing_text()
            );
            return verdict(Truth::False, "DeadlineExceeded", message);
        }
        match self.rollout {
            Rollout::ObjectsPending if self.observed.voter_set.is_none() => {
                let message = format!("creates {} voters", self.ensemble.replicas);
                verdict(Truth::True, "Creating", message)
            }
            Rollout::ObjectsPending => verdict(
                Truth::True,
                "UpdatingObjects",
                "writes the new spec".to_owned(),
            ),
            Rollout::Outdated { ids, hold } => {
                let hold = hold.as_deref().unwrap_or("goes on");
                let message = format!("{} voters to restart; {hold}", ids.len());
                verdict(Truth::True, "RollingOut", message)
            }
            Rollout::Done if self.serving() < usize::from(self.ensemble.replicas) => {
                verdict(Truth::True, "WaitingForVoters", self.missing_text())
            }
            Rollout::Done if self.quorum.leader.is_none() => verdict(
                Truth::True,
                "WaitingForLeader",
                "waits for a leader".to_owned(),
            ),
            Rollout::Done => verdict(Truth::False, "Converged", "nothing to do".to_owned()),
        }
    }

    fn degraded(&self, quorum: &Verdict) -> Verdict {
        let verdict = |truth, reason, message: String| {
            Verdict::new(condition_type::DEGRADED, truth, reason, message)
        };
        if self.observed.voters.values().any(|voter| voter.crashing) {
            return verdict(Truth::True, "VoterCrashing", self.missing_text());
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
        let late = self.observed.voters.values().any(|voter| {
            // Ready and yet silent: then the way from the operator to the pod is what is wrong.
            let since = voter.unready_since.or(voter.created);
            !serves(voter) && self.is_older(since, START_GRACE_S)
        });
        if late {
            return verdict(Truth::True, "VotersUnavailable", self.missing_text());
        }
        verdict(Truth::False, "AsExpected", "nothing is wrong".to_owned())
    }

    /// A pod that has been unready for too long, if there is one.
    fn stalled(&self) -> Option<&Voter> {
        self.observed
            .voters
            .values()
            .find(|voter| !serves(voter) && self.is_older(voter.unready_since, PROGRESS_DEADLINE_S))
    }

    fn is_older(&self, then: Option<Timestamp>, seconds: i64) -> bool {
        then.is_some_and(|then| seconds_since(then, self.now) > seconds)
    }

    fn serving(&self) -> usize {
        self.observed
            .voters
            .values()
            .filter(|voter| serves(voter))
            .count()
    }

    fn pod_of(&self, server_id: u8) -> String {
        let found = self.observed.voters.get(&server_id);
        found.map_or_else(|| format!("server {server_id}"), |voter| voter.pod.clone())
    }

    /// Names every voter that does not serve, with what is known about it.
    fn missing_text(&self) -> String {
        let missing: Vec<String> = self
            .ensemble
            .servers()
            .filter_map(|(id, pod)| {
                let voter = self.observed.voters.get(&id);
                let what = match member_state(voter) {
                    MemberState::Serving => return None,
                    MemberState::Missing => "has no pod",
                    MemberState::Pending => "does not run yet",
                    MemberState::Crashing => "crashes",
                    MemberState::Unreachable => "does not answer",
                    MemberState::Joining => "looks for the others",
                };
                let trouble = voter.and_then(|voter| voter.trouble.as_deref());
                Some(match trouble {
                    Some(trouble) => format!("{pod} {what} ({trouble})"),
                    None => format!("{pod} {what}"),
                })
            })
            .collect();
        if missing.is_empty() {
            return "every voter answers".to_owned();
        }
        missing.join("; ")
    }
}
