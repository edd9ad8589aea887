//! Who looks at the cluster, and at what is asked of it, and knows nothing of the operator.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::ensemble::validate::VOTER_ID_MAX;

/// What was seen, and the first thing that must not be.
#[derive(Clone, Debug, Default)]
pub(super) struct Witness {
    /// What happened, for whoever has to understand a test that failed.
    pub(super) story: Vec<String>,
    pub(super) wrong: Option<String>,
    /// Servers that somebody took away while they took part, and that do not again yet.
    away: BTreeSet<u8>,
    /// Number of observers that the largest wish since they were all there asked for.
    observers: usize,
    /// The last record of each kind that may only go one way.
    formed: bool,
    version: u64,
    /// Lives of servers that were told that their ensemble begins.
    told: BTreeMap<u8, String>,
}

impl Witness {
    pub(super) fn tell(&mut self, what: String) {
        self.story.push(what);
    }

    pub(super) fn complain(&mut self, what: String) {
        self.story.push(format!("WRONG: {what}"));
        self.wrong.get_or_insert(what);
    }

    /// Something that only the holder of the Lease may do.
    pub(super) fn disruptive(&mut self, caller: &str, holder: &str, what: &str) {
        self.tell(format!("{caller} {what}"));
        if caller != holder {
            self.complain(format!("{caller} {what}, and the Lease is with {holder:?}"));
        }
    }

    /// A server that takes part is taken away, with so many observers wanted.
    pub(super) fn takes_away(&mut self, id: u8, observers: usize) {
        self.away.insert(id);
        self.observers = self.observers.max(observers);
        let (voters, others) = self
            .away
            .iter()
            .partition::<Vec<u8>, _>(|id| **id <= VOTER_ID_MAX);
        if voters.len() > 1 {
            self.complain(format!("the voters {voters:?} are away at once"));
        }
        if others.len() > (self.observers / 4).max(1) {
            self.complain(format!("the observers {others:?} are away at once"));
        }
    }

    /// Whoever is back, or is not wanted any more, is not away.
    pub(super) fn looks(&mut self, is_back: impl Fn(u8) -> bool) {
        self.away.retain(|id| !is_back(*id));
        if self.away.is_empty() {
            self.observers = 0;
        }
    }

    /// A server is told that its ensemble begins.
    pub(super) fn told(&mut self, id: u8, life: &str, began: bool) {
        if began {
            self.complain(format!(
                "server {id} is told to begin, and the ensemble has begun"
            ));
        }
        if self.told.insert(id, life.to_owned()).as_deref() == Some(life) {
            self.complain(format!("server {id} is told to begin twice"));
        }
    }

    /// The status is written.
    pub(super) fn status(&mut self, status: &Value) {
        let formed = status.pointer("/formation/complete") == Some(&Value::Bool(true));
        let version = status
            .pointer("/membership/version")
            .and_then(Value::as_str);
        let version = version.and_then(|text| u64::from_str_radix(text, 16).ok());
        let version = version.unwrap_or(0);
        if (self.formed && !formed) || version < self.version {
            self.complain(format!("the record goes back to {status}"));
        }
        self.formed = formed;
        self.version = version;
    }
}
