//! Places where the operator can be made to fail: right before and right after each call that leaves the
//! process. Only in a build with the feature `failpoints`, and in tests.
//!
//! They sit where all calls pass, in the client of the API server (`layer`) and in the way to the servers
//! (`servers`), so that no call can be made without them. `names` has the names of calls.

mod layer;
mod names;
mod servers;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use layer::{FailpointLayer, FailpointService};
pub use names::CALLS;
pub use servers::FailpointMembers;

/// Exit code of a process that ended at a failpoint: that of one that was killed.
const KILLED: i32 = 137;

/// On which side of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// Nothing of it has left the process.
    Before,
    /// It was answered, and the operator does not know it yet.
    After,
}

/// One failpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// On which side of the call.
    pub when: When,
    /// The call, one of [`CALLS`].
    pub call: &'static str,
}

impl Site {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let both = |call| [When::Before, When::After].map(|when| Self { when, call });
        CALLS.into_iter().flat_map(both)
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = match self.when {
            When::Before => "before",
            When::After => "after",
        };
        write!(f, "{when}:{}", self.call)
    }
}

/// What happens at a failpoint.
#[derive(Clone, Debug)]
pub enum Action {
    /// The process ends at once, with nothing cleaned up or given back.
    Exit,
    /// The caller gets an error.
    Error,
    /// The task of the caller ends, which a test takes for the end of the process.
    #[cfg(test)]
    Unwind,
    /// The call hangs until it is let go.
    #[cfg(test)]
    Hang(Arc<Gate>),
}

/// The end of an operator in a test.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Killed;

/// Where a call hangs.
#[cfg(test)]
#[derive(Debug, Default)]
pub struct Gate {
    /// It hangs now.
    pub reached: tokio::sync::Notify,
    /// It may go on.
    pub open: tokio::sync::Notify,
}

/// A failpoint that is switched on.
#[derive(Clone, Debug)]
pub struct Switch {
    /// Which one.
    pub site: Site,
    /// The how manieth time that it is reached counts, from 1 on.
    pub nth: u32,
    /// What happens then.
    pub action: Action,
}

/// Why a text is no switch.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no failpoint; write before:CALL:N:exit, after:CALL:N:exit, before:CALL:N:error or \
     after:CALL:N:error with N from 1 on and CALL one of {calls}", calls = CALLS.join(", ")
)]
pub struct NoSwitch(String);

impl FromStr for Switch {
    type Err = NoSwitch;

    fn from_str(text: &str) -> Result<Self, NoSwitch> {
        let read = || {
            let mut words = text.split(':');
            let when = match words.next()? {
                "before" => When::Before,
                "after" => When::After,
                _ => return None,
            };
            let name = words.next()?;
            let call = CALLS.into_iter().find(|call| *call == name)?;
            let nth = words.next()?.parse().ok().filter(|nth| *nth > 0)?;
            let action = match words.next()? {
                "exit" => Action::Exit,
                "error" => Action::Error,
                _ => return None,
            };
            let site = Site { when, call };
            words.next().is_none().then_some(Self { site, nth, action })
        };
        read().ok_or_else(|| NoSwitch(text.to_owned()))
    }
}

/// What a caller gets at a failpoint.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It was asked for.
    #[error("failpoint {0}")]
    Asked(Site),
    /// A call without a name.
    #[error("{0} has no failpoint: add it to failpoints::CALLS")]
    Unnamed(String),
}

/// All failpoints of one process, and how often each was reached.
#[derive(Clone, Debug, Default)]
pub struct Failpoints(Arc<State>);

#[derive(Debug, Default)]
struct State {
    switches: Vec<Switch>,
    /// Of a thousand times that any of them is reached, so often the process ends.
    exits_per_mille: u64,
    reached: Mutex<BTreeMap<Site, u32>>,
}

impl Failpoints {
    /// With these switched on.
    pub fn new(switches: Vec<Switch>) -> Self {
        Self(Arc::new(State {
            switches,
            ..State::default()
        }))
    }

    /// With these switched on, and with so many ends of a thousand times that any failpoint is reached.
    pub fn at_random(switches: Vec<Switch>, exits_per_mille: u64) -> Self {
        Self(Arc::new(State {
            switches,
            exits_per_mille,
            ..State::default()
        }))
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<Site, u32>> {
        // Counts are whole after any panic.
        self.0
            .reached
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How often each was reached.
    pub fn reached(&self) -> BTreeMap<Site, u32> {
        self.counts().clone()
    }

    /// Does what is asked for at this failpoint, which is reached now.
    ///
    /// # Errors
    ///
    /// Where an error is asked for, or the call has no name.
    pub async fn reach(&self, when: When, name: &str) -> Result<(), Fault> {
        let call = CALLS.into_iter().find(|call| *call == name);
        let call = call.ok_or_else(|| Fault::Unnamed(name.to_owned()))?;
        let site = Site { when, call };
        let nth = {
            let mut counts = self.counts();
            let count = counts.entry(site).or_default();
            *count = count.saturating_add(1);
            *count
        };
        let mut switches = self.0.switches.iter();
        let Some(switch) = switches.find(|switch| switch.site == site && switch.nth == nth) else {
            if RandomState::new().hash_one(nth) % 1000 < self.0.exits_per_mille {
                exit(site, nth);
            }
            return Ok(());
        };
        match &switch.action {
            Action::Exit => exit(site, nth),
            Action::Error => Err(Fault::Asked(site)),
            #[cfg(test)]
            Action::Unwind => std::panic::resume_unwind(Box::new(Killed)),
            #[cfg(test)]
            Action::Hang(gate) => {
                gate.reached.notify_one();
                gate.open.notified().await;
                Ok(())
            }
        }
    }
}

fn exit(site: Site, nth: u32) -> ! {
    tracing::error!(%site, nth, "ends at a failpoint");
    std::process::exit(KILLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_read_and_what_is_none_is_refused() {
        for site in Site::all() {
            let switch: Switch = format!("{site}:3:exit").parse().unwrap();
            assert_eq!((switch.site, switch.nth), (site, 3));
            assert!(matches!(switch.action, Action::Exit));
        }
        for wrong in [
            "",
            "after:delete-pods",
            "after:delete-pods:0:exit",
            "after:delete-pods:1:stop",
            "during:delete-pods:1:exit",
            "after:delete-nodes:1:exit",
            "after:delete-pods:1:exit:2",
        ] {
            let why = wrong.parse::<Switch>().unwrap_err().to_string();
            assert!(why.contains("one of get-leases"), "{why}");
        }
    }

    #[tokio::test]
    async fn only_the_time_that_was_asked_for_fails() {
        let switch = "after:delete-pods:2:error".parse().unwrap();
        let failpoints = Failpoints::new(vec![switch]);
        let mut outcomes = Vec::new();
        for when in [When::Before, When::After].repeat(3) {
            outcomes.push(failpoints.reach(when, "delete-pods").await.is_ok());
        }
        assert_eq!(outcomes, [true, true, true, false, true, true]);
        let unnamed = failpoints.reach(When::Before, "delete-nodes").await;
        assert!(matches!(unnamed, Err(Fault::Unnamed(_))), "{unnamed:?}");
    }
}
