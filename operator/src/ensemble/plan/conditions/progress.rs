//! What is being done, and what is awaited.

use super::{Facts, Truth, Verdict, counted};
use crate::crd::{Operation, condition_type, operation_type};
use crate::ensemble::plan::{
    Forming, Growth, PROGRESS_DEADLINE_S, Rollout, Scaling, Settings, Step,
};

impl Facts<'_> {
    pub(super) fn progressing(&self, step: Option<&Step>) -> Verdict {
        let verdict = |truth, reason, message: String| {
            Verdict::new(condition_type::PROGRESSING, truth, reason, message)
        };
        if self.ensemble.suspend {
            let message = "spec.suspend is set: the operator changes nothing".to_owned();
            return verdict(Truth::False, "Suspended", message);
        }
        if let Some(step) = step {
            return verdict(Truth::True, step.reason(), step.text());
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
        let moves = self.pods_progressing(&verdict);
        if let Some(progressing) = moves.or_else(|| self.members_progressing(&verdict)) {
            return progressing;
        }
        if let Forming::Waits(why) = self.forming {
            return verdict(Truth::True, "Forming", why.clone());
        }
        if self.serving() < self.voters() {
            return verdict(Truth::True, "WaitingForVoters", self.missing_text());
        }
        if self.quorum.leader.is_none() {
            let message = "waits for a leader".to_owned();
            return verdict(Truth::True, "WaitingForLeader", message);
        }
        let moves = self.observers_progressing(&verdict);
        let moves = moves
            .or_else(|| self.settings(condition_type::PROGRESSING))
            .or_else(|| self.volumes(condition_type::PROGRESSING));
        if let Some(progressing) = moves {
            return progressing;
        }
        verdict(Truth::False, "Converged", "nothing to do".to_owned())
    }

    /// What is being done about the pods of voters.
    fn pods_progressing(
        &self,
        verdict: &impl Fn(Truth, &'static str, String) -> Verdict,
    ) -> Option<Verdict> {
        match self.rollout {
            Rollout::ObjectsPending if self.observed.is_new() => {
                let message = format!("creates {} voters", self.ensemble.formation.voters);
                Some(verdict(Truth::True, "Creating", message))
            }
            Rollout::ObjectsPending => {
                let message = "writes the new spec".to_owned();
                Some(verdict(Truth::True, "UpdatingObjects", message))
            }
            Rollout::Outdated { ids, hold } => {
                let (reason, hold) = self.held_by(hold.as_deref());
                let message = format!("{} to restart; {hold}", counted(ids.len(), "voter"));
                Some(verdict(Truth::True, reason, message))
            }
            Rollout::Done => None,
        }
    }

    /// The reason of a rollout that is not at its end, and what it waits for.
    fn held_by<'a>(&'a self, hold: Option<&'a str>) -> (&'static str, &'a str) {
        match self.hold {
            Some((reason, why)) => (*reason, why.as_str()),
            None => ("RollingOut", hold.unwrap_or("goes on")),
        }
    }

    /// What is being done about the members.
    fn members_progressing(
        &self,
        verdict: &impl Fn(Truth, &'static str, String) -> Verdict,
    ) -> Option<Verdict> {
        match self.scaling {
            Scaling::Up { missing, hold } => {
                let hold = hold.as_deref().unwrap_or("goes on");
                let message = format!("{} to come; {hold}", counted(*missing, "voter"));
                Some(verdict(Truth::True, "ScalingUp", message))
            }
            Scaling::Replacing { number, hold } => {
                let hold = hold.as_deref().unwrap_or("goes on");
                let message = format!("{} to be replaced; {hold}", counted(*number, "voter"));
                Some(verdict(Truth::True, "ReplacingVoter", message))
            }
            Scaling::Down { surplus, hold } => {
                let hold = hold.as_deref().unwrap_or("goes on");
                let message = format!("{} to go; {hold}", counted(*surplus, "voter"));
                Some(verdict(Truth::True, "ScalingDown", message))
            }
            Scaling::Done => None,
        }
    }

    /// What is being done about the observers.
    fn observers_progressing(
        &self,
        verdict: &impl Fn(Truth, &'static str, String) -> Verdict,
    ) -> Option<Verdict> {
        let observers = self.observers;
        if observers.objects_pending {
            let message = "writes the StatefulSets of observers".to_owned();
            return Some(verdict(Truth::True, "UpdatingObjects", message));
        }
        if observers.outdated > 0 {
            let (reason, hold) = self.held_by(observers.hold.as_deref());
            let message = format!(
                "{} to restart; {hold}",
                counted(observers.outdated, "observer")
            );
            return Some(verdict(Truth::True, reason, message));
        }
        if observers.serving < observers.wanted {
            let message = self.missing_text();
            return Some(verdict(Truth::True, "WaitingForObservers", message));
        }
        (observers.surplus > 0).then(|| {
            let message = format!("{} to go", counted(observers.surplus, "observer"));
            verdict(Truth::True, "ScalingDown", message)
        })
    }

    /// Whether settings are awaited, and no restart that brings them.
    fn changes_settings(&self) -> bool {
        let waits = matches!(self.settings, Settings::Waits { .. });
        waits && !self.observers.objects_pending
    }

    /// What is being done, for the status, which knows since when.
    pub(in crate::ensemble::plan) fn operation(&self, step: Option<&Step>) -> Option<Operation> {
        let verdict = self.progressing(step);
        let kind = match (self.forming, self.rollout, self.scaling) {
            (Forming::Waits(_) | Forming::Goes, _, _) => operation_type::FORMING,
            (_, Rollout::Outdated { .. }, _) => operation_type::ROLLING_UPDATE,
            _ if self.observers.outdated > 0 => operation_type::ROLLING_UPDATE,
            (_, _, Scaling::Up { .. }) => operation_type::SCALING_UP,
            (_, _, Scaling::Replacing { .. }) => operation_type::REPLACING,
            (_, _, Scaling::Down { .. }) => operation_type::SCALING_DOWN,
            (_, Rollout::Done, _) if self.changes_settings() => operation_type::CHANGING_SETTINGS,
            _ if matches!(self.growth, Growth::Going { .. }) => operation_type::GROWING_VOLUMES,
            (_, Rollout::ObjectsPending | Rollout::Done, Scaling::Done) => return None,
        };
        Some(Operation {
            kind: kind.to_owned(),
            step: verdict.message,
            started_at: None,
        })
    }
}
