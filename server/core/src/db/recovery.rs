//! Builds a state from a snapshot and the transactions after it: what a restart finds on disk, or
//! what a leader streams. A pure fold over what the reader gives.

use std::collections::VecDeque;

use bytes::Bytes;
use zk_wire::membership::Membership;
use zk_wire::recovery::RecoverySink;
use zk_wire::snapshot::SnapshotItem;
use zk_wire::txn::Txn;
use zk_wire::{Epoch, Zxid};

use super::{Database, snapshot};
use crate::peer::configs::config_in;

/// A transaction together with its encoded form, which is what the log and the peers get.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Decoded.
    pub txn: Txn,
    /// Encoded; the leader's bytes, kept as they came.
    pub raw: Bytes,
}

impl Entry {
    /// The transaction's id.
    #[must_use]
    pub fn zxid(&self) -> Zxid {
        self.txn.header.zxid
    }
}

/// How many applied transactions are kept for DIFF (`commitLogCount`).
pub const COMMITTED_LOG_LEN: usize = 500;

/// What the history that was found is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// Everything that this server ever acknowledged is in it.
    #[default]
    Whole,
    /// There is none, and nobody said that this is right: what was acknowledged may be lost.
    Lost,
    /// What is there cannot be used: only the state of a leader replaces it.
    Damaged,
}

/// What a member starts with.
#[derive(Debug)]
pub struct Recovery {
    /// Whether the member may vote with it.
    pub trust: Trust,
    /// Snapshot and all of the log, the uncommitted tail included.
    pub database: Database,
    /// The newest transactions, oldest first, for DIFF.
    pub recent: VecDeque<Entry>,
    /// Content of `acceptedEpoch`.
    pub accepted_epoch: Epoch,
    /// Content of `currentEpoch`.
    pub current_epoch: Epoch,
}

impl Recovery {
    /// The config that a reconfiguration left in the tree, committed or not.
    #[must_use]
    pub fn config(&self) -> Option<Membership> {
        config_in(&self.database)
    }
}

impl Trust {
    /// For pages and the log: `whole`, `lost` or `damaged`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Lost => "lost",
            Self::Damaged => "damaged",
        }
    }
}

/// Collects a [`Recovery`].
#[derive(Debug)]
pub struct RecoveryBuilder {
    database: Database,
    recent: VecDeque<Entry>,
    loading: Option<Zxid>,
    /// zxid and digest that the end of a fuzzy snapshot announced.
    expected: Option<(Zxid, u64)>,
}

impl Default for RecoveryBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl RecoveryBuilder {
    /// Starts with an empty database.
    #[must_use]
    pub fn new() -> Self {
        Self {
            database: Database::new(),
            recent: VecDeque::new(),
            loading: None,
            expected: None,
        }
    }

    /// The digest of the tree as far as it was built, to be compared with what transactions say.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.database.digest()
    }

    /// How many nodes there are so far; the root counts once, other than in a server's figures.
    #[must_use]
    pub fn node_count(&self) -> u64 {
        self.database.node_count().saturating_sub(1)
    }

    /// Ends recovery; the epochs are those of the files, already checked against the history.
    #[must_use]
    pub fn finish(self, accepted_epoch: Epoch, current_epoch: Epoch) -> Recovery {
        Recovery {
            trust: Trust::Whole,
            database: self.database,
            recent: self.recent,
            accepted_epoch,
            current_epoch,
        }
    }

    /// Ends a leader's snapshot stream.
    ///
    /// # Errors
    /// A stream that did not end, or without the built-in nodes.
    pub fn into_database(mut self) -> Result<Box<Database>, String> {
        if self.loading.is_some() {
            self.end_snapshot(None)?;
        }
        Ok(Box::new(self.database))
    }
}

impl RecoverySink for RecoveryBuilder {
    /// Forgets everything given before.
    fn begin(&mut self, zxid: Zxid) {
        self.database = Database::bare();
        self.recent.clear();
        self.expected = None;
        self.loading = Some(zxid);
    }

    fn item(&mut self, item: SnapshotItem) -> Result<(), String> {
        snapshot::load_item(&mut self.database, item)
    }

    /// # Errors
    /// A snapshot without the built-in nodes, or one whose tree has another digest.
    fn end_snapshot(&mut self, digest: Option<(Zxid, u64)>) -> Result<(), String> {
        let zxid = self.loading.take().unwrap_or_default();
        self.database.finish_load(zxid)?;
        match digest {
            Some((at, expected)) if at == zxid && at != Zxid::ZERO => {
                let found = self.database.digest();
                if found != expected {
                    return Err(format!(
                        "the tree digest is {found:#x}, the snapshot says {expected:#x}"
                    ));
                }
            }
            // A fuzzy snapshot: comparable once the replay has come as far as its dump.
            Some((at, expected)) if at > zxid => self.expected = Some((at, expected)),
            _ => {}
        }
        Ok(())
    }

    /// # Errors
    /// One that is not newer than what is applied, and one after which the tree is not what the
    /// snapshot below it announced.
    fn txn(&mut self, txn: Txn, raw: Bytes) -> Result<(), String> {
        let zxid = txn.header.zxid;
        if zxid <= self.database.last_applied() {
            return Err(format!(
                "{zxid} comes after {}",
                self.database.last_applied()
            ));
        }
        self.database.apply(&txn, &mut Vec::new());
        if let Some((_, expected)) = self.expected.take_if(|(at, _)| zxid == *at) {
            let found = self.database.digest();
            if found != expected {
                return Err(format!(
                    "the tree digest at {zxid} is {found:#x}, the snapshot below says {expected:#x}"
                ));
            }
        }
        if self.recent.len() == COMMITTED_LOG_LEN {
            self.recent.pop_front();
        }
        self.recent.push_back(Entry { txn, raw });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use zk_wire::snapshot::{BodyParser, Progress};
    use zk_wire::txn::{CreateKind, CreateTxn, TxnBody, TxnHeader};
    use zk_wire::{Acl, SessionId, Xid};

    use super::*;

    #[test]
    fn a_snapshot_body_loads_into_the_same_state() {
        let mut db = Database::new();
        for (i, path) in (1..).zip(["/a", "/a/b", "/c"]) {
            let header = TxnHeader {
                session: SessionId(5),
                xid: Xid(0),
                zxid: Zxid::from_u64(i),
                time_ms: 9,
            };
            let body = TxnBody::Create(CreateTxn {
                path: path.into(),
                data: Some(Bytes::from_static(b"d")),
                acl: Some(vec![Acl::world(if path == "/a" { 1 } else { 31 })]),
                kind: if path == "/c" {
                    CreateKind::Ephemeral
                } else {
                    CreateKind::Persistent
                },
                parent_cversion: -1,
                create2: false,
            });
            db.apply(
                &Txn {
                    header,
                    body,
                    digest: None,
                },
                &mut Vec::new(),
            );
        }
        let mut buf = BytesMut::from(db.to_snapshot_body().as_ref());
        let mut parser = BodyParser::new(1 << 20);
        let mut builder = RecoveryBuilder::new();
        builder.begin(db.last_applied());
        while let Progress::Item(item) = parser.next(&mut buf).unwrap() {
            builder.item(item).unwrap();
        }
        builder
            .end_snapshot(Some((db.last_applied(), db.digest())))
            .unwrap();
        let loaded = builder.into_database().unwrap();
        assert_eq!(loaded.digest(), db.digest());
        assert_eq!(loaded.to_snapshot_body(), db.to_snapshot_body());
        assert_eq!(loaded.ephemeral_count(), 1);
        assert_eq!(loaded.approximate_data_bytes(), db.approximate_data_bytes());
    }

    #[test]
    fn a_snapshot_taken_while_writes_went_on_is_compared_where_its_dump_ended() {
        let set = |zxid| Txn {
            header: TxnHeader {
                session: SessionId(5),
                xid: Xid(0),
                zxid: Zxid::from_u64(zxid),
                time_ms: 9,
            },
            body: TxnBody::Create(CreateTxn {
                path: format!("/n{zxid}"),
                data: None,
                acl: Some(vec![Acl::world(31)]),
                kind: CreateKind::Persistent,
                parent_cversion: i32::try_from(zxid).unwrap(),
                create2: false,
            }),
            digest: None,
        };
        let mut db = Database::new();
        db.apply(&set(1), &mut Vec::new());
        let dump = db.to_snapshot_body();
        db.apply(&set(2), &mut Vec::new());
        for (announced, holds) in [(db.digest(), true), (db.digest() ^ 1, false)] {
            let mut buf = BytesMut::from(dump.as_ref());
            let mut parser = BodyParser::new(1 << 20);
            let mut builder = RecoveryBuilder::new();
            builder.begin(Zxid::from_u64(1));
            while let Progress::Item(item) = parser.next(&mut buf).unwrap() {
                builder.item(item).unwrap();
            }
            builder
                .end_snapshot(Some((Zxid::from_u64(2), announced)))
                .unwrap();
            assert_eq!(builder.txn(set(2), Bytes::new()).is_ok(), holds);
        }
    }

    #[test]
    fn pieces_that_do_not_fit_are_refused() {
        let node = |path: &str, acl_id| SnapshotItem::Node {
            path: path.into(),
            data: None,
            acl_id,
            stat: Default::default(),
        };
        let mut builder = RecoveryBuilder::new();
        builder.begin(Zxid::ZERO);
        assert!(builder.item(node("/a", -1)).is_err());
        assert!(builder.item(node("", 5)).is_err());
        builder.item(node("", -1)).unwrap();
        assert!(builder.item(node("/a/b", -1)).is_err());
        assert!(builder.end_snapshot(None).is_err());
    }
}
