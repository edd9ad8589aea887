//! What a directory holds: the newest whole snapshot and the transactions behind it
//! (`FileTxnSnapLog.restore`, stricter). A pure fold; what has to be repaired is only reported.
//!
//! A snapshot that was never written to its end (Apache does not sync its own) is passed over, if the
//! log of an older one contains the very transaction that it is named after: otherwise a part of the
//! history exists nowhere else. One that was written to its end and cannot be read is damage, and
//! damage is for a person to see.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use zk_wire::recovery::RecoverySink;
use zk_wire::snapshot::SnapshotItem;
use zk_wire::txn::Txn;
use zk_wire::{Epoch, Zxid};

use crate::error::StorageError;
use crate::files;
use crate::fs::Fs;
use crate::install::{self, Pending};
use crate::snapshot::compressed::Compression;
use crate::snapshot::format::SnapshotName;
use crate::snapshot::reader::{self, Trailer};
use crate::txnlog::format as log_format;
use crate::txnlog::recover::{ChainEnd, LogChain, TornTail};

/// What recovery found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The end of the history; [`Zxid::ZERO`] when empty.
    pub last_zxid: Zxid,
    /// The snapshot that was read.
    pub snapshot_zxid: Option<Zxid>,
    /// `acceptedEpoch`; `None` when there is neither the file nor a history.
    pub accepted_epoch: Option<Epoch>,
    /// `currentEpoch`, or the epoch of the last transaction when that is later and was accepted.
    pub current_epoch: Option<Epoch>,
    /// There is neither a snapshot nor a transaction.
    pub empty: bool,
    /// Not empty, or empty as it should be: a file `initialize` is there, or `db_autocreate` is on.
    /// A server that is not trusted may have lost what it acknowledged and must not vote.
    pub trusted: bool,
    /// What a crash left of the last write; it was cut off.
    pub torn_tail: Option<TornTail>,
}

/// The directories that hold the data.
#[derive(Debug, Clone)]
pub(crate) struct Dirs {
    pub(crate) snap: PathBuf,
    pub(crate) log: PathBuf,
}

/// What a scan found.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) snapshot: Option<Zxid>,
    pub(crate) last: Zxid,
    pub(crate) end: ChainEnd,
    pub(crate) pending: Option<Pending>,
}

/// Reads everything, up to `limit` at most, and changes nothing.
pub(crate) fn scan<F: Fs>(
    fs: &F,
    dirs: &Dirs,
    limit: Option<Zxid>,
    sink: &mut dyn RecoverySink,
) -> Result<Scan, StorageError> {
    let pending = install::pending(fs, &dirs.snap)?;
    if let Some(pending) = pending {
        load(fs, pending.zxid, &pending.file, None, sink)?;
        return Ok(Scan {
            snapshot: Some(pending.zxid),
            last: pending.zxid,
            end: ChainEnd::default(),
            pending: Some(pending),
        });
    }
    let (base, mut unread) = newest_snapshot(fs, dirs, limit, sink)?;
    let logs = files::logs(fs, &dirs.log)?;
    let start = base.unwrap_or(Zxid::ZERO);
    let mut chain = LogChain::new(fs, dirs.log.clone(), &logs, start);
    if let Some(limit) = limit {
        chain = chain.up_to(limit);
    }
    if base.is_none() {
        return empty(chain.unanchored(), dirs);
    }
    while let Some(record) = chain.next()? {
        unread.remove(&record.txn.header.zxid);
        sink.txn(record.txn, record.raw).map_err(|why| {
            let (name, end) = chain.position().unwrap_or_default();
            let why = format!("the transaction before this place: {why}");
            StorageError::corrupt(&log_format::path(&dirs.log, name), end, why)
        })?;
    }
    if let Some((_, damage)) = unread.pop_last() {
        return Err(damage);
    }
    Ok(Scan {
        snapshot: base,
        last: chain.last(),
        end: chain.into_end(),
        pending: None,
    })
}

/// No snapshot: there may be no record either.
fn empty<F: Fs>(mut chain: LogChain<F>, dirs: &Dirs) -> Result<Scan, StorageError> {
    if let Some(record) = chain.next()? {
        return Err(StorageError::Missing {
            path: dirs.snap.join("snapshot.*"),
            why: format!(
                "the log goes on with {}, but there is no snapshot to start from; restore the \
                 snapshots of this directory, or set the directory aside to take the state from \
                 the leader",
                record.txn.header.zxid
            ),
        });
    }
    Ok(Scan {
        snapshot: None,
        last: Zxid::ZERO,
        end: chain.into_end(),
        pending: None,
    })
}

/// Loads the newest snapshot that is whole; gives it and the newer ones that are not.
fn newest_snapshot<F: Fs>(
    fs: &F,
    dirs: &Dirs,
    limit: Option<Zxid>,
    sink: &mut dyn RecoverySink,
) -> Result<(Option<Zxid>, BTreeMap<Zxid, StorageError>), StorageError> {
    let mut unread = BTreeMap::new();
    for SnapshotName {
        zxid,
        compression,
        file,
    } in files::snapshots(fs, &dirs.snap)?
    {
        if limit.is_some_and(|limit| zxid > limit) {
            continue;
        }
        let path = dirs.snap.join(file);
        match load(fs, zxid, &path, compression, sink) {
            Ok(trailer) if limit.is_some_and(|limit| trailer.holds_up_to(zxid) > limit) => {}
            Ok(_) => {
                unread.remove(&zxid);
                return Ok((Some(zxid), unread));
            }
            Err(StorageError::Corrupt { file, offset, why })
                if compression.is_none() && reader::looks_complete(fs, &path)? =>
            {
                let why = format!("{why}; set the file aside to go on from an older snapshot");
                return Err(StorageError::Corrupt { file, offset, why });
            }
            Err(damage) if damage.is_content() => {
                tracing::warn!(%damage, "a snapshot cannot be read; trying an older one");
                unread.insert(zxid, damage);
            }
            Err(other) => return Err(other),
        }
    }
    match unread.pop_last() {
        Some((_, damage)) => Err(damage),
        None => Ok((None, unread)),
    }
}

fn load<F: Fs>(
    fs: &F,
    zxid: Zxid,
    path: &std::path::Path,
    compression: Option<Compression>,
    sink: &mut dyn RecoverySink,
) -> Result<Trailer, StorageError> {
    sink.begin(zxid);
    let trailer = reader::read(fs, path, compression, &mut |item| sink.item(item))?;
    sink.end_snapshot(trailer.digest)
        .map_err(|why| StorageError::corrupt(path, 0, why))?;
    Ok(trailer)
}

/// Takes everything and keeps nothing.
#[derive(Debug, Default)]
pub(crate) struct Discard;

impl RecoverySink for Discard {
    fn begin(&mut self, _: Zxid) {}

    fn item(&mut self, _: SnapshotItem) -> Result<(), String> {
        Ok(())
    }

    fn end_snapshot(&mut self, _: Option<(Zxid, u64)>) -> Result<(), String> {
        Ok(())
    }

    fn txn(&mut self, _: Txn, _: Bytes) -> Result<(), String> {
        Ok(())
    }
}
