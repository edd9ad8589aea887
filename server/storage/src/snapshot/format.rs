//! Layout of a snapshot file (`FileSnap`, `SerializeUtils`).
//!
//! ```text
//! int magic "ZKSN", int version 2, long dbid -1
//! body                                       as in zk_wire::snapshot
//! SEAL
//! long zxid, int digestVersion, long digest, SEAL        optional
//! long lastProcessedZxid, SEAL                           optional
//! ```
//! A seal is the Adler-32 of every byte before it in a long, then the ustring "/". Which of the
//! optional sections are there follows from the length alone; Apache decides by its settings.

use std::path::{Path, PathBuf};

use zk_wire::Zxid;

use super::compressed::Compression;

/// The header that is written; readers check the magic number only.
pub(crate) const HEADER: [u8; 16] = [
    b'Z', b'K', b'S', b'N', 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];
/// Bytes of [`HEADER`] that a reader checks.
pub(crate) const MAGIC_LEN: usize = 4;
/// Every complete snapshot ends so.
pub(crate) const END: [u8; 5] = [0, 0, 0, 1, b'/'];
/// Checksum and [`END`].
pub(crate) const SEAL_LEN: usize = 13;
/// The digest section without its seal.
pub(crate) const DIGEST_LEN: usize = 20;
/// The section of the last processed zxid without its seal.
pub(crate) const LAST_ZXID_LEN: usize = 8;
/// Bytes behind the body when all sections are there.
pub(crate) const TRAILER_LEN_MAX: usize =
    SEAL_LEN + DIGEST_LEN + SEAL_LEN + LAST_ZXID_LEN + SEAL_LEN;

/// A seal over bytes with this Adler-32.
pub(crate) fn seal(adler: u32) -> [u8; SEAL_LEN] {
    let mut out = [0; SEAL_LEN];
    let (sum, end) = out.split_at_mut(8);
    sum.copy_from_slice(&u64::from(adler).to_be_bytes());
    end.copy_from_slice(&END);
    out
}

/// The path of the snapshot of the state at `zxid`.
pub(crate) fn path(dir: &Path, zxid: Zxid) -> PathBuf {
    dir.join(format!("snapshot.{:x}", zxid.as_u64()))
}

/// A snapshot as its file name tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotName {
    pub(crate) zxid: Zxid,
    pub(crate) compression: Option<Compression>,
    pub(crate) file: String,
}

/// Reads a file name; `None` when it is no snapshot's.
pub(crate) fn parse_name(name: &str) -> Option<SnapshotName> {
    let rest = name.strip_prefix("snapshot.")?;
    let (hex, compression) = match rest.split_once('.') {
        None => (rest, None),
        Some((hex, "gz")) => (hex, Some(Compression::Gzip)),
        Some((hex, "snappy")) => (hex, Some(Compression::Snappy)),
        Some(_) => return None,
    };
    let zxid = u64::from_str_radix(hex, 16).ok()?;
    (format!("{zxid:x}") == hex).then(|| SnapshotName {
        zxid: Zxid::from_u64(zxid),
        compression,
        file: name.to_owned(),
    })
}
