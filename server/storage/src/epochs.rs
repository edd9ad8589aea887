//! The files `acceptedEpoch` and `currentEpoch`: decimal, no line end, beside the snapshots.
//!
//! Rules of `QuorumPeer.loadDataBase`, with one more way to heal: a server that logged transactions
//! of the epoch that it had accepted and crashed before it wrote `currentEpoch` is in that epoch.

use std::path::Path;

use zk_wire::{Epoch, Zxid};

use crate::durable;
use crate::error::StorageError;
use crate::fs::Fs;

pub(crate) const ACCEPTED: &str = "acceptedEpoch";
pub(crate) const CURRENT: &str = "currentEpoch";
const LEN_MAX: u64 = 64;

/// Writes one of the two, durably.
pub(crate) fn write<F: Fs>(
    fs: &F,
    dir: &Path,
    name: &str,
    epoch: Epoch,
) -> Result<(), StorageError> {
    durable::replace(fs, &dir.join(name), epoch.to_string().as_bytes())
}

/// Reads both, given the last zxid of the directory: (accepted, current).
pub(crate) fn load<F: Fs>(
    fs: &F,
    dir: &Path,
    last: Option<Zxid>,
) -> Result<(Option<Epoch>, Option<Epoch>), StorageError> {
    let from_data = last.map(Zxid::epoch);
    let accepted = read(fs, dir, ACCEPTED)?;
    let current = read(fs, dir, CURRENT)?;
    if accepted.is_none() && current.is_some() {
        // It is always written first: a promise that may be later than anything else here is lost.
        return Err(StorageError::Missing {
            path: dir.join(ACCEPTED),
            why: format!("{CURRENT} is there; restore the file, or set the directory aside"),
        });
    }
    let accepted = accepted.or(from_data);
    let mut current = current.or(from_data);
    let refuse = |name: &str, why: String| StorageError::Epochs {
        file: dir.join(name),
        why: format!("{why}; restore the file, or set the directory aside"),
    };
    if let (Some(now), Some(data)) = (current, from_data)
        && data > now
    {
        if accepted.is_none_or(|a| data > a) {
            return Err(refuse(
                CURRENT,
                format!("epoch {now} is older than epoch {data} of the last transaction"),
            ));
        }
        tracing::warn!(%now, %data, "currentEpoch lags behind the log; the log counts");
        current = Some(data);
    }
    if let Some(current) = current
        && accepted.is_none_or(|a| a < current)
    {
        let accepted = accepted.map_or("missing".to_owned(), |a| a.to_string());
        return Err(refuse(
            ACCEPTED,
            format!("epoch {accepted} is less than the current epoch {current}"),
        ));
    }
    Ok((accepted, current))
}

/// Reads one of the two.
pub(crate) fn read<F: Fs>(fs: &F, dir: &Path, name: &str) -> Result<Option<Epoch>, StorageError> {
    let file = dir.join(name);
    let Some(text) = durable::read_small(fs, &file, LEN_MAX)? else {
        return Ok(None);
    };
    match text.lines().next().unwrap_or("").trim().parse() {
        Ok(epoch) => Ok(Some(Epoch(epoch))),
        Err(_) => Err(StorageError::Epochs {
            why: format!("{text:?} is no epoch; restore the file, or set the directory aside"),
            file,
        }),
    }
}
