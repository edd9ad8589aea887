//! Who votes, and what a quorum is (`QuorumMaj`, `QuorumHierarchical`), before, during and after a
//! reconfiguration.
//!
//! A member knows the configuration in force and, while one is proposed, the next. Until that is in
//! force or given up, both count: nothing is decided without a quorum of each.

use std::collections::BTreeSet;
use std::sync::Arc;

use zk_wire::Sid;
use zk_wire::membership::{Membership, Role};

use crate::bugs::Bugs;

/// One configuration, as the protocol needs it.
#[derive(Debug, Clone)]
struct Config {
    membership: Membership,
    voters: BTreeSet<Sid>,
    /// Config text with its version.
    text: String,
}

impl Config {
    fn new(membership: Membership) -> Self {
        Self {
            voters: membership.voters().collect(),
            text: membership.to_text(),
            membership,
        }
    }

    fn is_quorum(&self, sids: &BTreeSet<Sid>) -> bool {
        if self.membership.groups.is_empty() {
            return sids.intersection(&self.voters).count() > self.voters.len() / 2;
        }
        self.membership.is_quorum(sids.iter().copied())
    }
}

/// The configurations that count.
#[derive(Debug, Clone)]
pub(crate) struct Ensemble {
    me: Sid,
    /// What this server is where no config has it.
    outside: Role,
    committed: Arc<Config>,
    /// Newer than `committed`.
    proposed: Option<Arc<Config>>,
    bugs: Bugs,
}

impl Ensemble {
    /// From the members, as `me` sees them.
    pub(crate) fn new(membership: Membership, me: Sid, bugs: Bugs) -> Self {
        Self {
            bugs,
            me,
            outside: Role::Participant,
            committed: Arc::new(Config::new(membership)),
            proposed: None,
        }
    }

    /// The same for a server that comes as this, and that no config has.
    pub(crate) fn coming_as(self, outside: Role) -> Self {
        Self { outside, ..self }
    }

    /// No ensemble: one server that is its own quorum.
    pub(crate) fn standalone(me: Sid) -> Self {
        let config = Config {
            membership: Membership::default(),
            voters: [me].into(),
            text: String::new(),
        };
        Self {
            bugs: Bugs::default(),
            me,
            outside: Role::Participant,
            committed: Arc::new(config),
            proposed: None,
        }
    }

    /// What was last proposed is `next`; one that is not newer than what is in force ends a
    /// proposal. True when something changed.
    pub(crate) fn propose(&mut self, next: Membership) -> bool {
        let known = self.proposed.as_ref().map(|p| p.membership.version);
        let newer = next.version > self.version();
        if newer && known == Some(next.version) || !newer && known.is_none() {
            return false;
        }
        self.proposed = newer.then(|| Arc::new(Config::new(next)));
        true
    }

    /// `next` is in force; gives what was.
    pub(crate) fn activate(&mut self, next: Membership) -> Membership {
        let version = next.version;
        let before = std::mem::replace(&mut self.committed, Arc::new(Config::new(next)));
        self.proposed.take_if(|p| p.membership.version <= version);
        before.membership.clone()
    }

    /// The members in force.
    pub(crate) fn committed(&self) -> &Membership {
        &self.committed.membership
    }

    /// The members that are proposed.
    pub(crate) fn proposed(&self) -> Option<&Membership> {
        self.proposed.as_ref().map(|p| &p.membership)
    }

    /// Text of the config in force.
    pub(crate) fn text(&self) -> &str {
        &self.committed.text
    }

    /// Text of the newest config, in force or proposed.
    pub(crate) fn last_seen_text(&self) -> &str {
        &self.proposed.as_ref().unwrap_or(&self.committed).text
    }

    /// Version of the config in force.
    pub(crate) fn version(&self) -> i64 {
        self.committed.membership.version
    }

    fn configs(&self) -> impl Iterator<Item = &Config> {
        std::iter::once(self.committed.as_ref()).chain(self.proposed.as_deref())
    }

    /// Whether this server is an observer.
    pub(crate) fn is_observer(&self) -> bool {
        let own = self.committed.membership.servers.get(&self.me);
        own.map_or(self.outside, |s| s.role) == Role::Observer
    }

    /// Whether `sid` votes, or is to.
    pub(crate) fn is_voter(&self, sid: Sid) -> bool {
        self.configs().any(|c| c.voters.contains(&sid))
    }

    /// Whether a config that is proposed gives somebody a vote.
    pub(crate) fn has_newcomers(&self) -> bool {
        let mut voters = self.proposed.iter().flat_map(|c| &c.voters);
        voters.any(|sid| !self.committed.voters.contains(sid))
    }

    /// Whether `sid` votes in the config in force.
    pub(crate) fn votes_now(&self, sid: Sid) -> bool {
        self.committed.voters.contains(&sid)
    }

    /// Whether the config in force has `sid`, with or without a vote.
    pub(crate) fn is_member(&self, sid: Sid) -> bool {
        self.committed.membership.servers.contains_key(&sid)
    }

    /// Whether `sid` may be elected: one without weight may not.
    pub(crate) fn may_lead(&self, sid: Sid) -> bool {
        let membership = &self.committed.membership;
        membership.groups.is_empty() || membership.weight(sid) != 0
    }

    /// Everyone who votes or is to.
    pub(crate) fn voters(&self) -> impl Iterator<Item = Sid> + '_ {
        let all: BTreeSet<Sid> = self.configs().flat_map(|c| &c.voters).copied().collect();
        all.into_iter()
    }

    /// Whether these servers are a quorum of every config that counts; those who do not vote count
    /// for nothing.
    pub(crate) fn is_quorum(&self, sids: impl IntoIterator<Item = Sid>) -> bool {
        let sids: BTreeSet<Sid> = sids.into_iter().collect();
        if self.bugs.ignores_proposed_config() {
            return self.committed.is_quorum(&sids);
        }
        self.configs().all(|c| c.is_quorum(&sids))
    }

    /// The same without what is proposed: a known mistake.
    pub(crate) fn without_proposed(&self) -> Self {
        Self {
            proposed: None,
            ..self.clone()
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// These voters, at this version.
    pub(crate) fn members(voters: &[i64], version: i64) -> Membership {
        let line = |sid: &i64| format!("server.{sid}=h{sid}:1:2\n");
        let text: String = voters.iter().map(line).collect();
        Membership::parse(&format!("{text}version={version:x}")).unwrap()
    }

    #[test]
    fn a_quorum_is_more_than_half_of_the_voters() {
        let text = "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.9=d:1:2:observer";
        let e = Ensemble::new(Membership::parse(text).unwrap(), Sid(9), Bugs::default());
        let quorum = |sids: &[i64]| e.is_quorum(sids.iter().map(|s| Sid(*s)));
        assert!(quorum(&[1, 3]) && !quorum(&[1, 9]) && !quorum(&[2, 2]) && !quorum(&[7, 8]));
        assert!(e.is_observer() && !e.is_voter(Sid(9)));
    }

    #[test]
    fn both_configs_count_while_one_is_proposed() {
        let mut e = Ensemble::new(members(&[1, 2, 3], 0), Sid(1), Bugs::default());
        assert!(!e.propose(members(&[1, 2, 3], 0)), "nothing new");
        assert!(e.propose(members(&[3, 4, 5], 7)));
        let quorum = |e: &Ensemble, sids: &[i64]| e.is_quorum(sids.iter().map(|s| Sid(*s)));
        assert!(!quorum(&e, &[1, 2]) && !quorum(&e, &[4, 5]) && !quorum(&e, &[1, 3, 2]));
        assert!(quorum(&e, &[1, 3, 4]) && e.voters().count() == 5);
        assert!(e.is_voter(Sid(5)) && !e.votes_now(Sid(5)));
        e.activate(members(&[3, 4, 5], 7));
        assert!(quorum(&e, &[4, 5]) && !e.is_voter(Sid(1)) && e.proposed().is_none());
        assert!(e.propose(members(&[3, 4], 9)) && e.propose(members(&[3, 4, 5], 7)));
        assert!(e.proposed().is_none(), "the leader knows of no proposal");
    }
}
