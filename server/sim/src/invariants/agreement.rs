//! Agreement: one history, of which every server's log is a piece.
//!
//! Zab, "integrity" and "total order" (DSN 2011, section 3), in the stronger form that an
//! implementation with logs has: a zxid is proposed once, with one predecessor and one content, and
//! what was committed is a chain that only grows at its end. The digest of the tree is a function of
//! the place in the chain.
//!
//! A zxid with the counter 0 names the state with which an epoch begins; it has no transaction and
//! stands for the last one before it.

use std::collections::BTreeMap;

use bytes::Bytes;
use zk_wire::txn::Txn;
use zk_wire::{Epoch, Zxid};

use super::{Verdict, ensure};
use crate::oracle::Oracle;

const NAME: &str = "agreement";

#[derive(Debug)]
struct Entry {
    txn: Txn,
    raw: Bytes,
    prev: Zxid,
}

/// Everything that was ever proposed, and which part of it is committed.
#[derive(Debug, Default)]
pub(crate) struct History {
    entries: BTreeMap<Zxid, Entry>,
    /// Last transaction of the history with which an epoch began.
    bases: BTreeMap<Epoch, Zxid>,
    /// Committed transactions with their digests, where some server told one.
    committed: BTreeMap<Zxid, Option<u64>>,
    log_ends: BTreeMap<u8, Zxid>,
}

impl History {
    /// The transaction that `zxid` stands for.
    pub(crate) fn real(&self, zxid: Zxid) -> Zxid {
        if zxid.counter() != 0 {
            return zxid;
        }
        self.bases.get(&zxid.epoch()).copied().unwrap_or(Zxid::ZERO)
    }

    /// The last committed transaction.
    pub(crate) fn last_committed(&self) -> Zxid {
        self.committed
            .last_key_value()
            .map_or(Zxid::ZERO, |(zxid, _)| *zxid)
    }

    /// The last one of epochs before this one.
    pub(crate) fn last_committed_before(&self, epoch: Epoch) -> Zxid {
        let earlier = self.committed.range(..Zxid::new(epoch, 0));
        earlier.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid)
    }

    /// Whether anything was committed before an epoch began.
    pub(crate) fn is_there_before(&self, epoch: Epoch) -> bool {
        let first = self.committed.keys().find(|zxid| **zxid > Zxid::ZERO);
        first.is_some_and(|zxid| zxid.epoch() < epoch)
    }

    /// A transaction that was proposed.
    pub(crate) fn txn(&self, zxid: Zxid) -> Option<&Txn> {
        self.entries.get(&zxid).map(|entry| &entry.txn)
    }

    /// The one before it in the history.
    pub(crate) fn before(&self, zxid: Zxid) -> Option<Zxid> {
        self.entries.get(&zxid).map(|entry| entry.prev)
    }

    /// Whether it is committed.
    pub(crate) fn is_committed(&self, zxid: Zxid) -> bool {
        let zxid = self.real(zxid);
        zxid == Zxid::ZERO || self.committed.contains_key(&zxid)
    }

    /// Where a server's log ends, written or not.
    pub(crate) fn log_end(&self, sid: u8) -> Zxid {
        self.log_ends.get(&sid).copied().unwrap_or(Zxid::ZERO)
    }

    /// A server's log ends here now: after a restart, a truncation, a snapshot.
    pub(crate) fn set_log_end(&mut self, sid: u8, zxid: Zxid) {
        let zxid = self.real(zxid);
        self.log_ends.insert(sid, zxid);
    }

    /// The leader of an epoch announces it; its log is what the epoch begins with.
    pub(crate) fn epoch_begins(&mut self, epoch: Epoch, leader: u8) {
        let base = self.log_end(leader);
        self.bases.entry(epoch).or_insert(base);
    }

    /// Whether the history that ends with `end` has `zxid` in it.
    pub(crate) fn contains(&self, end: Zxid, zxid: Zxid) -> bool {
        let (mut at, zxid) = (self.real(end), self.real(zxid));
        while at > zxid {
            if self.committed.contains_key(&at) {
                return self.is_committed(zxid);
            }
            match self.before(at) {
                Some(prev) => at = prev,
                None => return false,
            }
        }
        at == zxid
    }

    /// The digest that the tree must have after `zxid`; `None` when nobody told.
    pub(crate) fn digest(&self, zxid: Zxid) -> Option<u64> {
        let zxid = self.real(zxid);
        if let Some(Some(digest)) = self.committed.get(&zxid) {
            return Some(*digest);
        }
        self.entries.get(&zxid)?.txn.digest
    }

    /// A server appends a proposal to its log.
    pub(crate) fn appended(&mut self, sid: u8, zxid: Zxid, raw: &Bytes) -> Verdict {
        let prev = self.log_end(sid);
        ensure(prev < zxid, NAME, || {
            format!("server {sid} appends {zxid} behind {prev}")
        })?;
        self.log_ends.insert(sid, zxid);
        if let Some(known) = self.entries.get(&zxid) {
            ensure(known.raw == *raw, NAME, || {
                format!("server {sid} appends {zxid} with another content than others")
            })?;
            return ensure(known.prev == prev, NAME, || {
                format!(
                    "server {sid} appends {zxid} behind {prev}, others behind {}",
                    known.prev
                )
            });
        }
        let next = prev.epoch() == zxid.epoch() && prev.next() == Some(zxid);
        ensure(next || zxid.counter() == 1, NAME, || {
            format!("server {sid} appends {zxid} behind {prev}: a gap")
        })?;
        let txn = Txn::decode(raw.clone()).map_err(|e| super::Violation {
            invariant: NAME,
            detail: format!("server {sid} appends {zxid}, which does not decode: {e}"),
        })?;
        let entry = Entry {
            txn,
            raw: raw.clone(),
            prev,
        };
        self.entries.insert(zxid, entry);
        Ok(())
    }

    /// Somebody shows the state at `zxid`: all up to it is committed from now on, and the oracle
    /// follows.
    pub(crate) fn commit(
        &mut self,
        zxid: Zxid,
        oracle: &mut Oracle,
    ) -> Result<bool, super::Violation> {
        let zxid = self.real(zxid);
        if self.is_committed(zxid) {
            return Ok(false);
        }
        let last = self.last_committed();
        let mut chain = Vec::new();
        let mut at = zxid;
        while at > last {
            chain.push(at);
            match self.before(at) {
                Some(prev) => at = prev,
                None => break,
            }
        }
        ensure(at == last && !chain.is_empty(), NAME, || {
            format!("{zxid} is committed, but its history does not contain {last}, which is too")
        })?;
        for zxid in chain.into_iter().rev() {
            self.committed.insert(zxid, None);
            if let Some(entry) = self.entries.get(&zxid) {
                oracle.apply(&entry.txn);
            }
        }
        Ok(true)
    }

    /// A server has this digest at `zxid`.
    pub(crate) fn digest_is(&mut self, sid: u8, zxid: Zxid, digest: u64) -> Verdict {
        if let Some(expected) = self.digest(zxid) {
            ensure(expected == digest, NAME, || {
                format!("server {sid} has digest {digest:#x} at {zxid}, others {expected:#x}")
            })?;
        }
        let zxid = self.real(zxid);
        if let Some(known) = self.committed.get_mut(&zxid) {
            *known = Some(digest);
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use zk_wire::txn::{CreateKind, TxnBody};

    use super::*;
    use crate::oracle::tests::{create, txn};

    /// A history of `n` creates in epoch 1, in the log of server 1.
    pub(crate) fn history(n: u32) -> History {
        let mut history = History::default();
        for counter in 1..=n {
            let path = format!("/n{counter}");
            let raw = txn(counter, create(&path, CreateKind::Persistent)).encode();
            history
                .appended(1, Zxid::new(Epoch(1), counter), &raw)
                .unwrap();
        }
        history
    }

    #[test]
    fn two_contents_of_one_zxid_are_found() {
        let mut history = history(1);
        let other = txn(1, TxnBody::Error { code: -101 }).encode();
        let found = history.appended(2, Zxid::new(Epoch(1), 1), &other);
        assert!(found.is_err());
    }

    #[test]
    fn two_predecessors_of_one_zxid_are_found() {
        let mut history = history(2);
        let raw = txn(2, create("/n2", CreateKind::Persistent)).encode();
        let found = history.appended(2, Zxid::new(Epoch(1), 2), &raw);
        assert!(found.unwrap_err().detail.contains("others behind"));
    }

    #[test]
    fn a_commit_that_leaves_out_a_committed_one_is_found() {
        let mut history = history(3);
        let mut oracle = Oracle::default();
        let z = |counter| Zxid::new(Epoch(1), counter);
        assert_eq!(history.commit(z(3), &mut oracle), Ok(true));
        assert_eq!(oracle.last(), z(3));
        // Server 2 leads epoch 2 without the third.
        history.set_log_end(2, z(2));
        let mut next = txn(1, create("/x", CreateKind::Persistent));
        next.header.zxid = Zxid::new(Epoch(2), 1);
        let next_zxid = next.header.zxid;
        history.appended(2, next_zxid, &next.encode()).unwrap();
        assert!(history.commit(next_zxid, &mut oracle).is_err());
    }

    #[test]
    fn another_digest_at_the_same_place_is_found() {
        let mut history = history(1);
        let zxid = Zxid::new(Epoch(1), 1);
        history.commit(zxid, &mut Oracle::default()).unwrap();
        history.digest_is(1, zxid, 7).unwrap();
        assert!(history.digest_is(2, zxid, 8).is_err());
    }
}
