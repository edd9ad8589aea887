//! Durability: what is committed is on the disks of a quorum, and a disk gives back what it was
//! told to keep.
//!
//! Zab, phase 3: a leader commits what a quorum has acknowledged, and a follower acknowledges what
//! it has written to stable storage.

use std::collections::{BTreeMap, BTreeSet};

use zk_wire::Zxid;

use super::agreement::History;
use super::configs::Configs;
use super::{Verdict, ensure};

const NAME: &str = "durability";

/// What each disk holds for sure.
#[derive(Debug, Default)]
pub(crate) struct Durability {
    durable: BTreeMap<u8, Zxid>,
    /// A cut (TRUNC or a snapshot from the leader) that a crash interrupted or that is under way:
    /// either state may come back.
    cuts: BTreeMap<u8, Zxid>,
    /// Servers whose disk was emptied or damaged and that have not been brought level since: what
    /// they had acknowledged before was there when it counted.
    lost: BTreeSet<u8>,
}

impl Durability {
    /// Where the durable log of a server ends.
    pub(crate) fn end(&self, sid: u8) -> Zxid {
        self.durable.get(&sid).copied().unwrap_or(Zxid::ZERO)
    }

    /// A disk was emptied or damaged.
    pub(crate) fn disk_lost(&mut self, sid: u8) {
        self.lost.insert(sid);
    }

    /// What is left of it is not used.
    pub(crate) fn forget(&mut self, sid: u8) {
        self.durable.remove(&sid);
        self.cuts.remove(&sid);
    }

    /// A server is level again.
    pub(crate) fn found_again(&mut self, sid: u8) {
        self.lost.remove(&sid);
    }

    /// Servers that may have lost what they acknowledged.
    pub(crate) fn lost(&self) -> &BTreeSet<u8> {
        &self.lost
    }

    /// A sync succeeded: the server's log is durable through `zxid`.
    pub(crate) fn synced(&mut self, sid: u8, zxid: Zxid) {
        self.cuts.remove(&sid);
        self.durable.insert(sid, zxid);
    }

    /// The server begins to replace its history by one that ends with `to`.
    pub(crate) fn cutting(&mut self, sid: u8, to: Zxid) {
        self.cuts.insert(sid, to);
    }

    /// `zxid` is committed: a quorum must hold it.
    pub(crate) fn committed(&self, zxid: Zxid, history: &History, configs: &Configs) -> Verdict {
        let holders: BTreeSet<u8> = self
            .durable
            .iter()
            .filter(|(_, end)| history.contains(**end, zxid))
            .map(|(sid, _)| *sid)
            .collect();
        let enough = holders.union(&self.lost).copied().collect();
        ensure(configs.is_quorum(zxid, &enough), NAME, || {
            format!("{zxid} is committed, but only the disks of {holders:?} hold it")
        })
    }

    /// A server found `end` as the last transaction on its disk.
    pub(crate) fn recovered(&mut self, sid: u8, end: Zxid, history: &History) -> Verdict {
        let end = history.real(end);
        let kept = self.end(sid);
        let cut = self.cuts.remove(&sid);
        self.durable.insert(sid, end);
        ensure(
            end == Zxid::ZERO || history.txn(end).is_some(),
            NAME,
            || format!("server {sid} recovers {end}, which nobody wrote"),
        )?;
        let whole = history.contains(end, kept) || cut.is_some_and(|to| history.contains(end, to));
        ensure(whole, NAME, || {
            format!("server {sid} recovers up to {end}, but {kept} was durable (cut to {cut:?})")
        })
    }
}

#[cfg(test)]
mod tests {
    use zk_wire::Epoch;

    use super::*;
    use crate::invariants::agreement::tests::history;

    fn z(counter: u32) -> Zxid {
        Zxid::new(Epoch(1), counter)
    }

    #[test]
    fn a_commit_on_one_disk_of_three_is_found() {
        let history = history(2);
        let (mut disks, configs) = (Durability::default(), Configs::new(3));
        disks.synced(1, z(2));
        disks.synced(2, z(1));
        assert!(disks.committed(z(1), &history, &configs).is_ok());
        assert!(disks.committed(z(2), &history, &configs).is_err());
    }

    #[test]
    fn a_disk_that_forgets_is_found() {
        let history = history(3);
        let mut disks = Durability::default();
        disks.synced(1, z(2));
        assert!(disks.recovered(1, z(3), &history).is_ok());
        assert!(disks.recovered(1, z(2), &history).is_err());
        disks.cutting(1, z(1));
        assert!(disks.recovered(1, z(1), &history).is_ok());
    }
}
