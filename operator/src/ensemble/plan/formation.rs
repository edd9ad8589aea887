//! How an ensemble begins: empty servers have no vote until they are told that nothing can have been
//! lost, and they are told so once only.

use super::{Place, Quorum, Step};
use crate::ensemble::observe::Observed;
use crate::ensemble::validate::ValidatedEnsemble;
use crate::members::History;

/// How far the beginning is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Forming {
    /// It is over: an empty volume is a lost one from now on.
    Complete,
    /// Something has to come first.
    Waits(String),
    /// The servers are being told.
    Goes,
}

/// Chooses the servers that may vote although they are empty: all founders, when every one of them
/// answers and none of them has anything that could be lost.
pub(super) fn plan(
    ensemble: &ValidatedEnsemble,
    observed: &Observed,
    quorum: &Quorum,
) -> (Forming, Option<Step>) {
    if ensemble.formation.complete || quorum.leader.is_some() {
        return (Forming::Complete, None);
    }
    match choose(ensemble, observed) {
        Ok(empty) if empty.is_empty() => {
            let why = "waits for the first election".to_owned();
            (Forming::Waits(why), None)
        }
        Ok(empty) => (Forming::Goes, Some(Step::Form { servers: empty })),
        Err(why) => (Forming::Waits(why), None),
    }
}

fn choose(ensemble: &ValidatedEnsemble, observed: &Observed) -> Result<Vec<Place>, String> {
    let mut empty = Vec::new();
    for id in ensemble.founders().voters {
        let pod = ensemble.pod_of(id);
        let answer = observed.voters.get(&id).filter(|voter| !voter.terminating);
        let answer = answer.and_then(|voter| Some((voter.report.as_ref()?, voter.ip?)));
        let Some((report, ip)) = answer else {
            return Err(format!("waits for {pod} to answer"));
        };
        match report.history {
            _ if !report.is_blank() => {
                return Err(format!(
                    "{pod} has data from before on its volume: no server may begin with nothing \
                     beside it"
                ));
            }
            History::Damaged => return Err(format!("the volume of {pod} is damaged")),
            // Told in an earlier life of this operator.
            History::Whole => {}
            History::Lost => empty.push(Place {
                server_id: id,
                pod,
                ip,
                life: report.life.clone(),
            }),
        }
    }
    Ok(empty)
}
