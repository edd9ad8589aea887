//! Configs: they follow one after the other, all servers know the same ones, and only what was
//! committed is ever in force.
//!
//! Apache ZooKeeper 3.5, dynamic reconfiguration (USENIX ATC 2012): a config is in force when a quorum
//! of the old and of the new one has it; what comes after it needs a quorum of the new one alone.

use std::collections::{BTreeMap, BTreeSet};

use zk_wire::Zxid;
use zk_wire::membership::Membership;

use super::agreement::History;
use super::{Verdict, ensure};

const NAME: &str = "configs";

/// The configs that were committed, and what the servers think is in force.
#[derive(Debug, Default)]
pub(crate) struct Configs {
    /// Voters, by the transaction that made them so; the first have none.
    voters: BTreeMap<Zxid, BTreeSet<u8>>,
    in_force: BTreeMap<u8, i64>,
    members: BTreeMap<i64, String>,
}

impl Configs {
    /// An ensemble of `servers` voters.
    pub(crate) fn new(servers: usize) -> Self {
        let first = (1..=servers).filter_map(|sid| u8::try_from(sid).ok());
        Self {
            voters: [(Zxid::ZERO, first.collect())].into(),
            ..Self::default()
        }
    }

    /// A reconfiguration is committed.
    pub(crate) fn committed(&mut self, zxid: Zxid, config: &Membership) {
        let voters = config.voters().filter_map(|sid| u8::try_from(sid.0).ok());
        self.voters.insert(zxid, voters.collect());
    }

    /// How many reconfigurations were committed.
    pub(crate) fn count(&self) -> u64 {
        self.voters.len() as u64 - 1
    }

    /// Whether these servers are enough for `zxid` to be committed.
    pub(crate) fn is_quorum(&self, zxid: Zxid, sids: &BTreeSet<u8>) -> bool {
        let mut configs = self.voters.range(..=zxid).rev();
        let Some((at, last)) = configs.next() else {
            return false;
        };
        let enough = |voters: &BTreeSet<u8>| voters.intersection(sids).count() * 2 > voters.len();
        // A reconfiguration itself needs the servers of before as well.
        let before = configs.next().filter(|_| *at == zxid);
        enough(last) && before.is_none_or(|(_, voters)| enough(voters))
    }

    /// A server started with the config that its disk has.
    pub(crate) fn started(&mut self, sid: u8, version: i64) {
        self.in_force.insert(sid, version);
    }

    /// A config is in force at a server.
    pub(crate) fn in_force(
        &mut self,
        sid: u8,
        version: i64,
        members: String,
        history: &History,
    ) -> Verdict {
        let before = self.in_force.insert(sid, version).unwrap_or_default();
        ensure(before < version, NAME, || {
            format!("server {sid} goes from config {before:x} to {version:x}")
        })?;
        let zxid = Zxid::from_wire(version);
        ensure(
            zxid.counter() == 0 || history.is_committed(zxid),
            NAME,
            || format!("config {version:x} is in force at server {sid}, but not committed"),
        )?;
        let first = self
            .members
            .entry(version)
            .or_insert_with(|| members.clone());
        ensure(*first == members, NAME, || {
            format!("config {version:x} is {members} at server {sid}, elsewhere {first}")
        })
    }
}

#[cfg(test)]
mod tests {
    use zk_wire::Epoch;

    use super::*;
    use crate::invariants::agreement::tests::history;
    use crate::oracle::Oracle;

    fn z(counter: u32) -> Zxid {
        Zxid::new(Epoch(1), counter)
    }

    #[test]
    fn a_reconfiguration_needs_both_quorums_and_what_follows_the_new_one() {
        let mut configs = Configs::new(3);
        let next = "server.3=c:1:2\nserver.4=d:1:2\nserver.5=e:1:2";
        configs.committed(z(2), &Membership::parse(next).unwrap());
        let quorum = |at, sids: &[u8]| configs.is_quorum(at, &sids.iter().copied().collect());
        assert!(quorum(z(1), &[1, 2]) && !quorum(z(1), &[3, 4, 5]));
        assert!(!quorum(z(2), &[1, 2]) && !quorum(z(2), &[4, 5]) && quorum(z(2), &[1, 3, 4]));
        assert!(quorum(z(3), &[4, 5]) && !quorum(z(3), &[1, 2, 3]));
    }

    #[test]
    fn a_config_that_is_not_committed_or_differs_is_found() {
        let mut history = history(3);
        history.commit(z(2), &mut Oracle::default()).unwrap();
        let mut configs = Configs::new(3);
        assert!(
            configs
                .in_force(1, z(3).to_wire(), "a".into(), &history)
                .is_err()
        );
        assert!(
            configs
                .in_force(2, z(2).to_wire(), "a".into(), &history)
                .is_ok()
        );
        assert!(
            configs
                .in_force(3, z(2).to_wire(), "b".into(), &history)
                .is_err()
        );
        assert!(
            configs
                .in_force(2, z(1).to_wire(), "c".into(), &history)
                .is_err()
        );
    }
}
