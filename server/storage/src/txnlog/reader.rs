//! Reads one log file record by record, in bounded memory; never repairs what it reads.
//!
//! What stands behind the last good record is judged here: nothing (zeros up to the end), a torn
//! write, or damage. A torn write is the last thing in its file and no complete record comes behind
//! it; nobody can have been told that it is durable. Everything else is damage, because records that
//! somebody may have been promised are unreadable.
//!
//! A batch of records is written at once, and of its sectors any may reach the disk before a power
//! loss: then records that are whole stand behind one that is not. This too counts as torn, but only
//! behind the watermark and when a sector of zeros, one that was never written, is the cause.

use std::io::{self, BufReader, Read};
use std::path::PathBuf;

use bytes::Bytes;
use zk_wire::Zxid;
use zk_wire::txn::Txn;

use super::format::{self, BODY_LEN_MAX, END_OF_RECORD, HEADER_LEN, PREFIX_LEN, Prefix};
use crate::error::{IoContext, StorageError};
use crate::fs::Fs;

const BUFFER_LEN: usize = 256 << 10;
/// Most bytes that a torn write can span: one record and the batch that it was written in.
const TORN_LEN_MAX: usize = BODY_LEN_MAX as usize + (16 << 20);

/// The smallest unit that a disk writes.
const SECTOR_LEN: usize = 512;

/// What comes next in a file.
#[derive(Debug)]
pub(crate) enum Step {
    /// A record whose checksum is right.
    Record {
        /// The body.
        raw: Bytes,
        /// Where the next record begins.
        end: u64,
    },
    /// No more records.
    End {
        /// Where the next record would begin; 0 when the header is not complete.
        at: u64,
        /// What was torn there, if anything.
        torn: Option<&'static str>,
    },
}

/// One open log file.
pub(crate) struct LogReader<F: Fs> {
    fs: F,
    path: PathBuf,
    input: BufReader<F::Reader>,
    file_len: u64,
    offset: u64,
    /// See [`format`]; `None` in files of Apache.
    watermark: Option<u64>,
}

impl<F: Fs> LogReader<F> {
    pub(crate) fn open(fs: &F, path: PathBuf) -> Result<Self, StorageError> {
        let file_len = fs.len(&path).on("look at", &path)?.unwrap_or(0);
        let input = fs.open_read(&path, 0).on("open", &path)?;
        Ok(Self {
            fs: fs.clone(),
            input: BufReader::with_capacity(BUFFER_LEN, input),
            path,
            file_len,
            offset: 0,
            watermark: None,
        })
    }

    /// Where the next record begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next record; after `End` it must not be called again.
    pub(crate) fn next(&mut self) -> Result<Step, StorageError> {
        if self.offset == 0
            && let Some(end) = self.header()?
        {
            return Ok(end);
        }
        let mut prefix = [0; PREFIX_LEN];
        let got = self.fill(&mut prefix)?;
        if got == 0 {
            return Ok(self.end(None));
        }
        if got < prefix.len() {
            let torn = prefix.iter().any(|b| *b != 0);
            return Ok(self.end(torn.then_some("the file ends inside a record")));
        }
        let prefix = Prefix::decode(prefix);
        if prefix.is_blank() {
            return self.judge(prefix, "zeros are followed by other bytes");
        }
        let Some(len) = prefix.body_len() else {
            return self.judge(prefix, "a record has an impossible length");
        };
        let end = self.offset + PREFIX_LEN as u64 + u64::from(len) + 1;
        if end > self.file_len {
            return self.judge(prefix, "the file ends inside a record");
        }
        let mut body = vec![0; len as usize + 1];
        if self.fill(&mut body)? < body.len() {
            return self.judge(prefix, "the file ends inside a record");
        }
        let last = body.pop();
        if !prefix.matches(&body) {
            return self.judge(prefix, "the checksum of a record is wrong");
        }
        match last {
            Some(END_OF_RECORD) => {}
            Some(0) => return self.judge(prefix, "the end of a record is missing"),
            _ => return Err(self.corrupt("a record does not end with its mark")),
        }
        self.offset = end;
        Ok(Step::Record {
            raw: body.into(),
            end,
        })
    }

    /// Reads the file header; gives the end when there is none and nothing behind it.
    fn header(&mut self) -> Result<Option<Step>, StorageError> {
        let mut header = [0; HEADER_LEN];
        let got = self.fill(&mut header)?;
        let header = header.get(..got).unwrap_or_default();
        if got == HEADER_LEN && format::is_header(header) {
            self.offset = HEADER_LEN as u64;
            self.watermark = format::watermark(header);
            return Ok(None);
        }
        let written = header.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
        if !format::header(0).starts_with(header.get(..written).unwrap_or_default()) {
            return Err(self.corrupt("this is no transaction log"));
        }
        if got < HEADER_LEN {
            return Ok(Some(self.end(Some("the file has no complete header"))));
        }
        let blank = Prefix {
            checksum: 0,
            len: 0,
        };
        let why = "the file has no header";
        Ok(Some(match self.judge(blank, why)? {
            Step::End { at, .. } => Step::End {
                at,
                torn: Some(why),
            },
            step @ Step::Record { .. } => step,
        }))
    }

    /// Decides what the bytes from the current offset on are: see the head of this file.
    fn judge(&mut self, prefix: Prefix, why: &'static str) -> Result<Step, StorageError> {
        let rest = self.nonzero_rest(why)?;
        if rest.is_empty() {
            return Ok(self.end(None));
        }
        let reach = match prefix.body_len() {
            Some(len) => PREFIX_LEN + len as usize + 1,
            // The beginning of the record never reached the disk: its length is not known.
            None if prefix.is_blank() => rest.len(),
            None => PREFIX_LEN,
        };
        let last = rest.len() <= reach && !holds_a_record(&rest);
        let recent = self.watermark.is_some_and(|durable| self.offset >= durable);
        if last || recent && misses_a_sector(&rest, self.offset, reach) {
            return Ok(self.end(Some(why)));
        }
        Err(self.corrupt(why))
    }

    /// All bytes from the current offset to the last one that is not zero.
    fn nonzero_rest(&self, why: &'static str) -> Result<Vec<u8>, StorageError> {
        let mut input = self
            .fs
            .open_read(&self.path, self.offset)
            .on("open", &self.path)?;
        let mut rest = Vec::new();
        let mut zeros = 0_usize;
        let mut chunk = vec![0; BUFFER_LEN];
        loop {
            let got = match input.read(&mut chunk) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                other => other.on("read", &self.path)?,
            };
            let chunk = chunk.get(..got).unwrap_or_default();
            if chunk.is_empty() {
                return Ok(rest);
            }
            match chunk.iter().rposition(|b| *b != 0) {
                None => zeros = zeros.saturating_add(got),
                Some(last) => {
                    let len = rest.len().saturating_add(zeros).saturating_add(got);
                    if len > TORN_LEN_MAX {
                        return Err(self.corrupt(why));
                    }
                    rest.resize(rest.len() + zeros, 0);
                    rest.extend_from_slice(chunk.get(..=last).unwrap_or_default());
                    zeros = got - last - 1;
                }
            }
        }
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<usize, StorageError> {
        fill(&mut self.input, out).on("read", &self.path)
    }

    fn end(&self, torn: Option<&'static str>) -> Step {
        Step::End {
            at: self.offset,
            torn,
        }
    }

    fn corrupt(&self, why: &str) -> StorageError {
        StorageError::corrupt(&self.path, self.offset, why)
    }
}

/// Reads until `out` is full or the input ends; the number of bytes read.
pub(crate) fn fill(input: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while let Some(free) = out.get_mut(got..).filter(|free| !free.is_empty()) {
        match input.read(free) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

/// Whether a sector that the record of `reach` bytes at the beginning of `rest`, which stands at
/// `offset`, lies in was never written: it holds nothing, or nothing but what stood there before.
fn misses_a_sector(rest: &[u8], offset: u64, reach: usize) -> bool {
    // Of a record at `offset`, the first bytes are zeros anyway.
    const TELLING: usize = 5;
    let in_sector = usize::try_from(offset % SECTOR_LEN as u64).unwrap_or(0);
    let mut from = 0;
    let mut to = SECTOR_LEN - in_sector;
    while from < reach.min(rest.len()) {
        let part = rest.get(from..to.min(rest.len())).unwrap_or_default();
        if part.iter().all(|b| *b == 0) && to - from >= TELLING {
            return true;
        }
        from = to;
        to += SECTOR_LEN;
    }
    false
}

/// Whether a complete, valid record begins anywhere behind the first byte.
fn holds_a_record(rest: &[u8]) -> bool {
    (1..rest.len()).any(|at| record_at(rest, at).is_some())
}

fn record_at(rest: &[u8], at: usize) -> Option<Zxid> {
    let rest = rest.get(at..)?;
    let prefix = Prefix::decode(*rest.first_chunk()?);
    // The checksum is 32 bits in a long; this and the end mark sort out nearly all offsets cheaply.
    if prefix.checksum >> 32 != 0 || prefix.checksum == 0 {
        return None;
    }
    let body = rest.get(PREFIX_LEN..)?;
    let (body, end) = body.split_at_checked(prefix.body_len()? as usize)?;
    if body.len() < Txn::HEADER_LEN || end.first() != Some(&END_OF_RECORD) {
        return None;
    }
    let zxid = Txn::zxid_of(body).ok()?;
    prefix.matches(body).then_some(zxid)
}
