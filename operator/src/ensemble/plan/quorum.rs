//! Who leads and who takes part, from what the servers say.

use std::collections::BTreeSet;

use crate::ensemble::observe::Observed;
use crate::ensemble::validate::ValidatedEnsemble;
use crate::members::ReportedRole;

/// The ensemble as its servers describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quorum {
    /// The server that leads with a quorum; a leader cut off from the others is none.
    pub leader: Option<u8>,
    /// Voters that take part under that leader, itself included: those that say so, and those
    /// that the leader counts as synchronized even if they cannot be reached from here.
    pub participants: BTreeSet<u8>,
    /// Voters that answered.
    pub answered: usize,
}

impl Quorum {
    /// Reads the reports. At most one claim to lead can have a quorum of voters behind it.
    pub(crate) fn read(ensemble: &ValidatedEnsemble, observed: &Observed) -> Self {
        let reports = || {
            observed
                .voters
                .values()
                .filter_map(|voter| voter.report.as_ref())
        };
        let answered = reports().count();
        let leading = reports().filter(|report| {
            let leads = matches!(report.role, ReportedRole::Leader | ReportedRole::Standalone);
            leads && report.serving
        });
        for claim in leading {
            let leader = claim.server_id;
            let following = reports()
                .filter(|report| report.serving && report.leader == Some(leader))
                .map(|report| report.server_id);
            let synced = claim
                .learners
                .iter()
                .filter(|learner| learner.voter && learner.synced);
            let participants: BTreeSet<u8> = following
                .chain(synced.map(|learner| learner.server_id))
                .chain([leader])
                .filter(|id| (1..=ensemble.replicas).contains(id))
                .collect();
            if participants.len() >= ensemble.quorum() {
                return Self {
                    leader: Some(leader),
                    participants,
                    answered,
                };
            }
        }
        Self {
            leader: None,
            participants: BTreeSet::new(),
            answered,
        }
    }
}
