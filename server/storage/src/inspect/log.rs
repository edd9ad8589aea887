//! One log file, record by record, with whatever is wrong in it.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use simd_adler32::adler32;

use crate::error::{IoContext, StorageError};
use crate::fs::StdFs;
use crate::txnlog::format::{
    self, END_OF_RECORD, HEADER_LEN, PREFIX_LEN, Prefix, encode_record as encode,
};
use crate::txnlog::reader::{LogReader, Step, fill};

const BUFFER_LEN: usize = 256 << 10;

/// A record as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// Where it begins.
    pub offset: u64,
    /// Header, body and digest of the transaction.
    pub raw: Bytes,
    /// Whether the checksum is right.
    pub intact: bool,
}

/// Reads a log file and goes on behind records whose checksum is wrong.
pub struct RawLog {
    path: PathBuf,
    input: BufReader<File>,
    len: u64,
    offset: u64,
    dbid: i64,
    version: i32,
}

impl RawLog {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// A file that cannot be read or is no log.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let file = File::open(path).on("open", path)?;
        let len = file.metadata().on("look at", path)?.len();
        let mut log = Self {
            path: path.to_owned(),
            input: BufReader::with_capacity(BUFFER_LEN, file),
            len,
            offset: 0,
            dbid: 0,
            version: 0,
        };
        let mut header = [0; HEADER_LEN];
        let got = log.fill(&mut header)?;
        if got < HEADER_LEN || !format::is_header(&header) {
            return Err(StorageError::corrupt(
                path,
                0,
                "this is no transaction log: it does not begin with ZKLG; name a file log.*",
            ));
        }
        let [_, _, _, _, a, b, c, d, dbid @ ..] = header;
        log.version = i32::from_be_bytes([a, b, c, d]);
        log.dbid = i64::from_be_bytes(dbid);
        log.offset = HEADER_LEN as u64;
        Ok(log)
    }

    /// The version in the header; always 2.
    #[must_use]
    pub fn version(&self) -> i32 {
        self.version
    }

    /// The database id in the header, which nobody looks at.
    #[must_use]
    pub fn dbid(&self) -> i64 {
        self.dbid
    }

    /// Length of the file, bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file holds nothing but its header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len <= HEADER_LEN as u64
    }

    /// Where the next record begins.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next record; `None` where no more can be told apart.
    ///
    /// # Errors
    /// The system's.
    pub fn next_record(&mut self) -> Result<Option<RawRecord>, StorageError> {
        let mut prefix = [0; PREFIX_LEN];
        if self.fill(&mut prefix)? < PREFIX_LEN {
            return Ok(None);
        }
        let prefix = Prefix::decode(prefix);
        let Some(len) = prefix.body_len() else {
            return Ok(None);
        };
        let end = self.offset + PREFIX_LEN as u64 + u64::from(len) + 1;
        if end > self.len {
            return Ok(None);
        }
        let mut body = vec![0; len as usize + 1];
        if self.fill(&mut body)? < body.len() || body.pop() != Some(END_OF_RECORD) {
            return Ok(None);
        }
        let intact = prefix.checksum == u64::from(adler32(&body.as_slice()));
        let offset = std::mem::replace(&mut self.offset, end);
        Ok(Some(RawRecord {
            offset,
            raw: body.into(),
            intact,
        }))
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<usize, StorageError> {
        fill(&mut self.input, out).on("read", &self.path)
    }
}

/// How a log file ends in the eyes of recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnd {
    /// Where the next record would begin.
    pub at: u64,
    /// How an interrupted write looks there, if there is one; the next start cuts it off.
    pub torn: Option<&'static str>,
}

/// Judges a log file as recovery would; `seen` is told how far the reading came.
///
/// # Errors
/// Damage, with its offset.
pub fn judge_log(path: &Path, seen: &mut dyn FnMut(u64)) -> Result<LogEnd, StorageError> {
    let mut reader = LogReader::open(&StdFs, path.to_owned())?;
    loop {
        match reader.next()? {
            Step::Record { end, .. } => seen(end),
            Step::End { at, torn } => return Ok(LogEnd { at, torn }),
        }
    }
}

/// The first bytes of a new log file, as Apache writes them.
#[must_use]
pub fn file_header() -> [u8; HEADER_LEN] {
    [b'Z', b'K', b'L', b'G', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Appends a record with its right checksum to `out`.
///
/// # Panics
/// A body that is longer than a record that was read can be.
pub fn encode_record(raw: &[u8], out: &mut Vec<u8>) {
    encode(raw, out);
}
