//! Planners that do what others did, to their users' loss: the walks must find each of them.

use super::world::World;
use crate::ensemble::observe::Observed;
use crate::ensemble::plan::{Place, Plan, RestartReason, Step};
use crate::members::History;

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Folly {
    /// Pods go at once when fewer are wanted, members or not.
    ShrinksFirst,
    /// Whoever is empty may vote.
    FormsWhoeverIsEmpty,
    /// Servers always start with the list of members that the ensemble began with.
    ForgetsMembers,
    /// Outdated pods are restarted whatever the others do.
    RestartsAtOnce,
}

impl Folly {
    /// Those that random walks come upon.
    pub(super) const WALKED: [Self; 3] = [
        Self::ShrinksFirst,
        Self::FormsWhoeverIsEmpty,
        Self::RestartsAtOnce,
    ];

    /// Makes a plan foolish.
    pub(super) fn spoil(self, plan: &mut Plan, world: &World, observed: &Observed) {
        match self {
            Self::ShrinksFirst => plan.slots = world.wish.replicas,
            Self::ForgetsMembers => {}
            Self::FormsWhoeverIsEmpty => {
                let empty = observed.voters.iter().find_map(|(id, voter)| {
                    let report = voter.report.as_ref()?;
                    let lost = report.history == History::Lost && report.is_blank();
                    lost.then_some(Place {
                        server_id: *id,
                        pod: voter.pod.clone(),
                        ip: voter.ip?,
                        life: report.life.clone(),
                    })
                });
                if let Some(empty) = empty {
                    let servers = vec![empty];
                    plan.step = Some(Step::Form { servers });
                }
            }
            Self::RestartsAtOnce => {
                let template = world.template();
                let outdated = observed
                    .voters
                    .iter()
                    .filter(|(_, voter)| !voter.terminating)
                    .find(|(_, voter)| voter.revision.as_ref() != Some(&template));
                if let Some((id, voter)) = outdated {
                    plan.step = Some(Step::Restart {
                        server_id: *id,
                        pod: voter.pod.clone(),
                        uid: voter.uid.clone(),
                        why: RestartReason::OutdatedFollower,
                    });
                }
            }
        }
    }
}
