//! Who leads, who takes part and who the members are, from what the servers say.

use std::collections::BTreeSet;

use crate::ensemble::membership::Membership;
use crate::ensemble::observe::Observed;
use crate::ensemble::validate::{VOTER_ID_MAX, ValidatedEnsemble};
use crate::members::{Learner, MemberReport, ReportedRole};

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
    /// The members: the newest config that is known to be in force.
    pub members: Membership,
    /// Whether the leader has proposed another config that is not in force yet.
    pub changing: bool,
    /// The highest id that has a vote in any config that a voter may go by: for lack of its pod
    /// nobody could lead.
    pub highest: u8,
}

impl Quorum {
    /// Reads the reports. At most one claim to lead can have a quorum of its own config behind it.
    pub(crate) fn read(ensemble: &ValidatedEnsemble, observed: &Observed) -> Self {
        let reports = || {
            observed
                .voters
                .values()
                .filter_map(|voter| voter.report.as_ref())
        };
        let recorded = ensemble.recorded.clone();
        let recorded = recorded.unwrap_or_else(|| ensemble.founders());
        // What a server knows to be in force is so, whether or not anybody leads.
        let known = reports()
            .map(|report| Membership::from(&report.config))
            .filter(|config| config.version > recorded.version && !config.voters.is_empty())
            .max_by_key(|config| config.version)
            .unwrap_or(recorded);
        let led = reports()
            .filter(|report| report.serving && leads(report))
            .filter_map(|claim| Led::by(claim, observed))
            // One from before the last change of the members is past.
            .filter(|led| led.members.version >= known.version)
            .max_by_key(|led| led.members.version);
        let members = led.as_ref().map_or(known, |led| led.members.clone());
        let answered = members
            .voters
            .iter()
            .filter(|id| report_of(observed, **id).is_some())
            .count();
        let changing = led.as_ref().is_some_and(|led| led.changing);
        // A voter may not have heard yet that others were let go, and need them.
        let needs = reports()
            .filter(|report| members.voters.contains(&report.server_id))
            .flat_map(|report| report.config.voters.union(&report.config.proposed_voters));
        let highest = members.voters.iter().chain(needs).max().copied();
        let (leader, participants) = led.map(|led| (led.leader, led.participants)).unzip();
        Self {
            leader,
            participants: participants.unwrap_or_default(),
            answered,
            members,
            changing,
            highest: highest.unwrap_or(1).min(VOTER_ID_MAX),
        }
    }

    /// Voters that do not take part.
    pub(crate) fn absent(&self) -> BTreeSet<u8> {
        &self.members.voters - &self.participants
    }
}

fn leads(report: &MemberReport) -> bool {
    matches!(report.role, ReportedRole::Leader | ReportedRole::Standalone)
}

pub(super) fn report_of(observed: &Observed, id: u8) -> Option<&MemberReport> {
    observed.voters.get(&id)?.report.as_ref()
}

/// What the leader says about one of its learners.
pub(super) fn learner_of<'a>(
    observed: &'a Observed,
    quorum: &Quorum,
    id: u8,
) -> Option<&'a Learner> {
    let leader = report_of(observed, quorum.leader?)?;
    leader
        .learners
        .iter()
        .find(|learner| learner.server_id == id)
}

/// A claim to lead with a quorum behind it.
struct Led {
    leader: u8,
    participants: BTreeSet<u8>,
    members: Membership,
    changing: bool,
}

impl Led {
    fn by(claim: &MemberReport, observed: &Observed) -> Option<Self> {
        let leader = claim.server_id;
        let members = Membership::from(&claim.config);
        let following = observed
            .voters
            .values()
            .filter_map(|voter| voter.report.as_ref())
            .filter(|report| report.serving && report.leader == Some(leader))
            .map(|report| report.server_id);
        let synced = claim
            .learners
            .iter()
            .filter(|learner| learner.voter && learner.synced);
        let participants: BTreeSet<u8> = following
            .chain(synced.map(|learner| learner.server_id))
            .chain([leader])
            .filter(|id| members.voters.contains(id))
            .collect();
        (participants.len() >= members.quorum()).then_some(Self {
            leader,
            participants,
            members,
            changing: claim.config.proposed,
        })
    }
}
