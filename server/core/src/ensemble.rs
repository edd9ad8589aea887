//! Who votes, and what a quorum is (`QuorumMaj`).

use std::collections::BTreeSet;

use zk_wire::Sid;
use zk_wire::membership::{Membership, Role};

/// The members as the protocol needs them.
#[derive(Debug, Clone)]
pub(crate) struct Ensemble {
    voters: BTreeSet<Sid>,
    /// Config text with its version.
    pub(crate) text: String,
    pub(crate) version: i64,
    observer: bool,
}

impl Ensemble {
    /// From the members, as `me` sees them.
    pub(crate) fn new(membership: &Membership, me: Sid) -> Self {
        Self {
            voters: membership.voters().collect(),
            text: membership.to_text(),
            version: membership.version,
            observer: membership
                .servers
                .get(&me)
                .is_some_and(|s| s.role == Role::Observer),
        }
    }

    /// No ensemble: one server that is its own quorum.
    pub(crate) fn standalone(me: Sid) -> Self {
        Self {
            voters: [me].into(),
            text: String::new(),
            version: 0,
            observer: false,
        }
    }

    /// Whether this server is an observer.
    pub(crate) fn is_observer(&self) -> bool {
        self.observer
    }

    /// Whether `sid` votes.
    pub(crate) fn is_voter(&self, sid: Sid) -> bool {
        self.voters.contains(&sid)
    }

    /// The voters.
    pub(crate) fn voters(&self) -> impl Iterator<Item = Sid> + '_ {
        self.voters.iter().copied()
    }

    /// Whether these servers, voters counted once and others not at all, are more than half.
    pub(crate) fn is_quorum(&self, sids: impl IntoIterator<Item = Sid>) -> bool {
        let present: BTreeSet<Sid> = sids.into_iter().filter(|s| self.is_voter(*s)).collect();
        present.len() > self.voters.len() / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_is_more_than_half_of_the_voters() {
        let text = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.9=d:1:2:observer";
        let e = Ensemble::new(&Membership::parse(text).unwrap(), Sid(9));
        let quorum = |sids: &[i64]| e.is_quorum(sids.iter().map(|s| Sid(*s)));
        assert!(quorum(&[1, 3]) && !quorum(&[1, 9]) && !quorum(&[2, 2]) && !quorum(&[7, 8]));
        assert!(e.is_observer() && !e.is_voter(Sid(9)));
    }
}
