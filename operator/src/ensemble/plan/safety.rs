//! What the ensemble would survive, for people and for tools that drain nodes.

use std::collections::{BTreeMap, BTreeSet};

use super::conditions::{Facts, Truth, Verdict};
use crate::crd::condition_type;

impl Facts<'_> {
    /// Whether one voter may leave now without a loss of the quorum.
    pub(super) fn disruption_safe(&self) -> Verdict {
        let verdict = |truth, reason, message: String| {
            Verdict::new(condition_type::DISRUPTION_SAFE, truth, reason, message)
        };
        let members = &self.quorum.members;
        if members.voters.len() == 1 {
            let message = "there is one voter: while it is away nobody is served".to_owned();
            return verdict(Truth::False, "SingleVoter", message);
        }
        if self.quorum.leader.is_none() {
            let message = "no voter leads with a quorum".to_owned();
            return verdict(Truth::False, "NoLeader", message);
        }
        if self.quorum.participants.len() > members.quorum() {
            let message = "one voter may leave, and a quorum stays".to_owned();
            return verdict(Truth::True, "OneVoterMayLeave", message);
        }
        let absent = self.quorum.absent();
        let absent: Vec<String> = absent.iter().map(|id| self.ensemble.pod_of(*id)).collect();
        let message = format!(
            "no voter may leave as long as {} takes no part",
            absent.join(", ")
        );
        verdict(Truth::False, "NoVoterMayLeave", message)
    }

    /// Whether the voters of all zones but any one make a quorum.
    pub(super) fn zone_fault_tolerant(&self) -> Verdict {
        let verdict = |truth, reason, message: String| {
            Verdict::new(condition_type::ZONE_FAULT_TOLERANT, truth, reason, message)
        };
        let members = &self.quorum.members;
        let mut zones: BTreeMap<&str, BTreeSet<u8>> = BTreeMap::new();
        let mut nowhere = Vec::new();
        for id in &members.voters {
            let voter = self.observed.voters.get(id);
            match voter.and_then(|voter| voter.zone.as_deref()) {
                Some(zone) => drop(zones.entry(zone).or_default().insert(*id)),
                None => nowhere.push(self.ensemble.pod_of(*id)),
            }
        }
        if !nowhere.is_empty() {
            let message = format!(
                "the zone of {} is not known: it has no node, or its node no label",
                nowhere.join(", ")
            );
            return verdict(Truth::Unknown, "ZonesUnknown", message);
        }
        let all = members.voters.len();
        let decisive = zones
            .iter()
            .find(|(_, inside)| all - inside.len() < members.quorum());
        match decisive {
            Some((zone, inside)) => {
                let message = format!(
                    "zone {zone} has {} of {all} voters: its loss stops all writes",
                    inside.len()
                );
                verdict(Truth::False, "ZoneHoldsQuorum", message)
            }
            None => {
                let message = format!("any one of {} zones may be lost", zones.len());
                verdict(Truth::True, "SpreadOverZones", message)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::crd::condition_type::{DISRUPTION_SAFE, ZONE_FAULT_TOLERANT};
    use crate::ensemble::observe::Observed;
    use crate::ensemble::plan::plan;
    use crate::fixtures::{healthy, now, valid};

    #[track_caller]
    fn check(replicas: i32, change: impl FnOnce(Observed) -> Observed, kind: &str, expected: &str) {
        let ensemble = valid(replicas);
        let plan = plan(&ensemble, &change(healthy(&ensemble, 1)), now());
        let found = plan
            .conditions
            .iter()
            .find(|verdict| verdict.kind == kind)
            .unwrap();
        let shown = format!("{} {}", found.truth.as_str(), found.reason);
        assert_eq!(shown, expected, "{}", found.message);
    }

    #[test]
    fn a_voter_may_leave_when_a_quorum_stays() {
        check(3, |o| o, DISRUPTION_SAFE, "True OneVoterMayLeave");
        check(
            3,
            |o| o.missing(3),
            DISRUPTION_SAFE,
            "False NoVoterMayLeave",
        );
        check(
            5,
            |o| o.missing(3),
            DISRUPTION_SAFE,
            "True OneVoterMayLeave",
        );
        check(3, Observed::leaderless, DISRUPTION_SAFE, "False NoLeader");
        check(1, |o| o, DISRUPTION_SAFE, "False SingleVoter");
    }

    #[test]
    fn a_zone_may_be_lost_when_the_others_have_a_quorum() {
        let into = |ids: &'static [u8]| {
            move |mut observed: Observed| {
                for id in ids {
                    observed.voter_mut(*id).zone = Some("zone-1".to_owned());
                }
                observed
            }
        };
        let kind = ZONE_FAULT_TOLERANT;
        check(3, |o| o, kind, "True SpreadOverZones");
        check(3, into(&[2]), kind, "False ZoneHoldsQuorum");
        check(5, into(&[2]), kind, "True SpreadOverZones");
        check(5, into(&[2, 3]), kind, "False ZoneHoldsQuorum");
        check(1, |o| o, kind, "False ZoneHoldsQuorum");
        check(3, |o| o.missing(2), kind, "Unknown ZonesUnknown");
    }
}
