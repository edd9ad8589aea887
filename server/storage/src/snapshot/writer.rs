//! Writes a snapshot file in one go; the caller gives it its final name.

use std::path::Path;

use simd_adler32::Adler32;
use zk_wire::Zxid;
use zk_wire::txn::DIGEST_VERSION;

use super::format::{DIGEST_LEN, HEADER, seal};
use crate::error::{IoContext, StorageError};
use crate::fs::{Fs, FsFile};

/// Most bytes per write, so that a slow disk sees a stream and not one huge call.
const CHUNK_LEN: usize = 1 << 20;

/// What a snapshot says about its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sections {
    /// zxid and digest of the tree.
    pub(crate) digest: (Zxid, u64),
    /// The last transaction in it.
    pub(crate) last_zxid: Zxid,
}

/// The bytes of a snapshot file, for those who keep it elsewhere.
#[must_use]
pub fn file(body: &[u8], zxid: Zxid, digest: u64) -> Vec<u8> {
    let mut file = Vec::with_capacity(body.len() + 128);
    let mut adler = Adler32::new();
    let digest_section = digest_section(zxid, digest);
    let zxid_section = zxid.to_wire().to_be_bytes();
    let parts: [&[&[u8]]; 3] = [&[&HEADER, body], &[&digest_section], &[&zxid_section]];
    for part in parts {
        for bytes in part {
            adler.write(bytes);
            file.extend_from_slice(bytes);
        }
        let seal = seal(adler.finish());
        adler.write(&seal);
        file.extend_from_slice(&seal);
    }
    file
}

fn digest_section(zxid: Zxid, digest: u64) -> Vec<u8> {
    let mut section = Vec::with_capacity(DIGEST_LEN);
    section.extend_from_slice(&zxid.to_wire().to_be_bytes());
    section.extend_from_slice(&DIGEST_VERSION.to_be_bytes());
    section.extend_from_slice(&digest.to_be_bytes());
    section
}

/// Writes and syncs the file `path`.
pub(crate) fn write<F: Fs>(
    fs: &F,
    path: &Path,
    body: &[u8],
    sections: Sections,
) -> Result<(), StorageError> {
    let mut out = Output {
        file: fs.create(path).on("create", path)?,
        path,
        offset: 0,
        adler: Adler32::new(),
    };
    out.put(&HEADER)?;
    for chunk in body.chunks(CHUNK_LEN) {
        out.put(chunk)?;
    }
    out.seal()?;
    let (zxid, digest) = sections.digest;
    out.put(&digest_section(zxid, digest))?;
    out.seal()?;
    out.put(&sections.last_zxid.to_wire().to_be_bytes())?;
    out.seal()?;
    out.file.sync().on("sync", path)
}

struct Output<'a, File> {
    file: File,
    path: &'a Path,
    offset: u64,
    adler: Adler32,
}

impl<File: FsFile> Output<'_, File> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file
            .write_all_at(bytes, self.offset)
            .on("write", self.path)?;
        self.offset += bytes.len() as u64;
        self.adler.write(bytes);
        Ok(())
    }

    fn seal(&mut self) -> Result<(), StorageError> {
        self.put(&seal(self.adler.finish()))
    }
}
