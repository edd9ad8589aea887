//! The state before any transaction, for the first snapshot of a new directory (`DataTree`).
//!
//! A log is never without a snapshot below it: a log alone could as well be what is left of a
//! directory that lost its snapshots, and Apache refuses it.

use std::path::Path;

use bytes::Bytes;
use zk_wire::data::perms;
use zk_wire::snapshot::{ACL_OPEN_UNSAFE, BodyWriter};
use zk_wire::{Acl, StatPersisted, Zxid};

use super::format;
use super::writer::{self, Sections};
use crate::durable;
use crate::error::StorageError;
use crate::fs::Fs;

/// The body of `snapshot.0`: the nodes that every server has.
pub(crate) fn body() -> Bytes {
    let read_only = [Acl::world(perms::READ)];
    let mut w = BodyWriter::new([].into_iter(), &[(1, &read_only)]);
    let stat = StatPersisted::default();
    w.node("", Some(b""), ACL_OPEN_UNSAFE, &stat);
    w.node("/zookeeper", Some(b""), ACL_OPEN_UNSAFE, &stat);
    let config = StatPersisted {
        aversion: -1,
        ..StatPersisted::default()
    };
    w.node("/zookeeper/config", Some(b""), 1, &config);
    w.node("/zookeeper/quota", Some(b""), ACL_OPEN_UNSAFE, &stat);
    w.finish()
}

/// Writes `snapshot.0`, durably.
pub(crate) fn write<F: Fs>(fs: &F, dir: &Path) -> Result<(), StorageError> {
    let tmp = dir.join("quorate-pristine.tmp");
    let sections = Sections {
        digest: (Zxid::ZERO, 0),
        last_zxid: Zxid::ZERO,
    };
    writer::write(fs, &tmp, &body(), sections)?;
    durable::publish(fs, &tmp, &format::path(dir, Zxid::ZERO))
}
