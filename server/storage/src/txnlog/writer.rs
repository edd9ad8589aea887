//! Appends to the log: batches, preallocation, one fdatasync for everything since the last.

use std::path::{Path, PathBuf};

use zk_wire::Zxid;
use zk_wire::txn::Txn;

use super::format::{self, HEADER_LEN, WATERMARK_AT};
use crate::durable;
use crate::error::{IoContext, StorageError};
use crate::fs::{Fs, FsFile};

/// A batch above this is written before it is flushed, so that memory stays bounded.
const BATCH_LEN_MAX: usize = 1 << 20;
/// How far the watermark may lag: it costs a write of its own, which is shared by many batches.
const WATERMARK_LAG: u64 = 256 << 10;
/// Room that must be left in the preallocated part (`FilePadding`).
const HEADROOM: u64 = 4096;

/// The end of the log.
pub(crate) struct LogWriter<F: Fs> {
    fs: F,
    dir: PathBuf,
    prealloc: u64,
    /// The file that is appended to; none until the first record.
    open: Option<OpenLog<F>>,
    /// Framed records that are not written yet.
    batch: Vec<u8>,
    /// Something was written that is not synced.
    dirty: bool,
}

struct OpenLog<F: Fs> {
    path: PathBuf,
    file: F::File,
    /// Where the next record goes.
    end: u64,
    /// With preallocation.
    len: u64,
    /// As in the header.
    watermark: u64,
}

impl<F: Fs> LogWriter<F> {
    pub(crate) fn new(fs: F, dir: PathBuf, prealloc: u64) -> Self {
        Self {
            fs,
            dir,
            prealloc,
            open: None,
            batch: Vec::new(),
            dirty: false,
        }
    }

    /// Bytes in the current file, preallocation not counted.
    pub(crate) fn file_len(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.end);
        open + self.batch.len() as u64
    }

    pub(crate) fn append(&mut self, zxid: Zxid, body: &[u8]) -> Result<(), StorageError> {
        if body.len() > format::BODY_LEN_MAX as usize || body.len() < Txn::HEADER_LEN {
            let why = format!("{zxid} has {} bytes, which no log may hold", body.len());
            return Err(StorageError::Config(why));
        }
        if self.open.is_none() {
            self.open = Some(OpenLog::create(&self.fs, &self.dir, zxid, self.prealloc)?);
        }
        format::encode_record(body, &mut self.batch);
        if self.batch.len() >= BATCH_LEN_MAX {
            self.write_batch()?;
        }
        Ok(())
    }

    /// Makes everything appended durable; true when there was something.
    pub(crate) fn flush(&mut self) -> Result<bool, StorageError> {
        self.write_batch()?;
        if let (true, Some(open)) = (self.dirty, &mut self.open) {
            open.file.sync().on("sync", &open.path)?;
            self.dirty = false;
            return Ok(true);
        }
        Ok(false)
    }

    /// Ends the current file, its preallocation cut off; the next record begins a new one.
    pub(crate) fn roll(&mut self) -> Result<(), StorageError> {
        self.write_batch()?;
        if let Some(mut open) = self.open.take() {
            open.file.set_len(open.end).on("cut", &open.path)?;
            open.file.sync().on("sync", &open.path)?;
            self.dirty = false;
        }
        Ok(())
    }

    fn write_batch(&mut self) -> Result<(), StorageError> {
        let (false, Some(open)) = (self.batch.is_empty(), &mut self.open) else {
            return Ok(());
        };
        let end = open.end + self.batch.len() as u64;
        open.reserve(end, self.prealloc)?;
        if !self.dirty {
            open.mark_durable()?;
        }
        open.file
            .write_all_at(&self.batch, open.end)
            .on("write", &open.path)?;
        open.end = end;
        self.batch.clear();
        self.dirty = true;
        Ok(())
    }
}

impl<F: Fs> OpenLog<F> {
    /// Creates the file with its header and makes both durable before any record is in it, so that
    /// no crash leaves a last file that Apache refuses.
    fn create(fs: &F, dir: &Path, first: Zxid, prealloc: u64) -> Result<Self, StorageError> {
        let path = format::path(dir, first);
        let mut file = fs.create(&path).on("create", &path)?;
        file.write_all_at(&format::header(0), 0)
            .on("write", &path)?;
        let len = HEADER_LEN as u64 + prealloc;
        if prealloc > 0 {
            file.set_len(len).on("extend", &path)?;
        }
        file.sync().on("sync", &path)?;
        durable::sync_parent(fs, &path)?;
        Ok(Self {
            path,
            file,
            end: HEADER_LEN as u64,
            len,
            watermark: 0,
        })
    }

    /// Everything written so far is durable: says so in the header, now and then.
    fn mark_durable(&mut self) -> Result<(), StorageError> {
        if self.end - self.watermark < WATERMARK_LAG {
            return Ok(());
        }
        let field = format::watermark_field(self.end);
        self.file
            .write_all_at(&field, WATERMARK_AT)
            .on("write", &self.path)?;
        self.watermark = self.end;
        Ok(())
    }

    fn reserve(&mut self, end: u64, prealloc: u64) -> Result<(), StorageError> {
        if prealloc == 0 || end + HEADROOM < self.len {
            return Ok(());
        }
        let len = ((end + HEADROOM) / prealloc + 1) * prealloc;
        self.file.set_len(len).on("extend", &self.path)?;
        self.len = len;
        Ok(())
    }
}
