//! Follows the chain of log files from a zxid on and finds its valid end; changes nothing.

use std::path::PathBuf;

use bytes::Bytes;
use zk_wire::Zxid;
use zk_wire::txn::Txn;

use super::format::{self, follows};
use super::reader::{LogReader, Step};
use crate::error::StorageError;
use crate::fs::Fs;

/// A write that a crash interrupted: nobody was promised that it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// In which file.
    pub file: PathBuf,
    /// Where the valid part ends.
    pub offset: u64,
    /// How it looks.
    pub why: &'static str,
}

/// A record of the chain.
#[derive(Debug)]
pub(crate) struct LogRecord {
    pub(crate) txn: Txn,
    pub(crate) raw: Bytes,
}

/// Where the chain ends, once it was read to its end.
#[derive(Debug, Default)]
pub(crate) struct ChainEnd {
    /// The last file with a record, and where its valid part ends.
    pub(crate) last: Option<(Zxid, u64)>,
    /// Files behind it, which hold no record.
    pub(crate) empty: Vec<Zxid>,
    /// What was torn there.
    pub(crate) torn: Option<TornTail>,
}

/// Reads the records after `base` over all files.
pub(crate) struct LogChain<F: Fs> {
    fs: F,
    dir: PathBuf,
    /// Not opened yet, the next one at the end.
    todo: Vec<Zxid>,
    open: Option<Open<F>>,
    base: Zxid,
    /// Whether the first record must follow the base.
    anchored: bool,
    /// Reading stops before a record with a higher zxid.
    limit: Zxid,
    /// The last record that was read.
    last: Option<Zxid>,
    end: ChainEnd,
}

struct Open<F: Fs> {
    name: Zxid,
    reader: LogReader<F>,
    has_records: bool,
}

impl<F: Fs> LogChain<F> {
    /// `names` are all log files of the directory, ascending.
    pub(crate) fn new(fs: &F, dir: PathBuf, names: &[Zxid], base: Zxid) -> Self {
        // The file that may hold `base` + 1, and all behind it.
        let before = names.partition_point(|n| n.as_u64() <= base.as_u64().saturating_add(1));
        let mut todo: Vec<_> = names
            .iter()
            .skip(before.saturating_sub(1))
            .copied()
            .collect();
        todo.reverse();
        Self {
            fs: fs.clone(),
            dir,
            todo,
            open: None,
            base,
            anchored: true,
            limit: Zxid::from_u64(u64::MAX),
            last: None,
            end: ChainEnd::default(),
        }
    }

    /// Reads for inspection: the first record may be any after the base.
    pub(crate) fn unanchored(mut self) -> Self {
        self.anchored = false;
        self
    }

    /// Stops before the first record after `limit`.
    pub(crate) fn up_to(mut self, limit: Zxid) -> Self {
        self.limit = limit;
        self
    }

    /// The next record after the base.
    pub(crate) fn next(&mut self) -> Result<Option<LogRecord>, StorageError> {
        while let Some((txn, raw)) = self.next_of_any()? {
            if txn.header.zxid > self.base {
                return Ok(Some(LogRecord { txn, raw }));
            }
        }
        Ok(None)
    }

    /// The last zxid seen, the base when there was none behind it.
    pub(crate) fn last(&self) -> Zxid {
        self.last.map_or(self.base, |last| last.max(self.base))
    }

    /// Where the chain ends; complete once [`LogChain::next`] gave `None`.
    pub(crate) fn into_end(self) -> ChainEnd {
        self.end
    }

    /// The file and offset behind the record that was given last.
    pub(crate) fn position(&self) -> Option<(Zxid, u64)> {
        self.end.last
    }

    fn next_of_any(&mut self) -> Result<Option<(Txn, Bytes)>, StorageError> {
        loop {
            let Some(open) = &mut self.open else {
                let Some(name) = self.todo.pop() else {
                    return Ok(None);
                };
                self.open = Some(Open {
                    name,
                    reader: LogReader::open(&self.fs, format::path(&self.dir, name))?,
                    has_records: false,
                });
                continue;
            };
            let start = open.reader.offset().max(format::HEADER_LEN as u64);
            match open.reader.next()? {
                Step::Record { raw, .. } if Txn::zxid_of(&raw).is_ok_and(|z| z > self.limit) => {
                    self.open = None;
                    self.todo.clear();
                }
                Step::Record { raw, end } => {
                    let (name, first) = (open.name, !open.has_records);
                    open.has_records = true;
                    let txn = self.accept(&raw, name, start, first)?;
                    self.end.last = Some((name, end));
                    self.end.empty.clear();
                    self.end.torn = None;
                    return Ok(Some((txn, raw)));
                }
                Step::End { at, torn } => {
                    let (name, has_records) = (open.name, open.has_records);
                    if !has_records {
                        self.end.empty.push(name);
                    }
                    // Of several torn places the first one counts: behind it nothing was read.
                    if let (Some(why), None) = (torn, &self.end.torn) {
                        let file = format::path(&self.dir, name);
                        self.end.torn = Some(TornTail {
                            file,
                            offset: at,
                            why,
                        });
                    }
                    self.open = None;
                }
            }
        }
    }

    /// Decodes a record and checks that it belongs where it stands.
    fn accept(
        &mut self,
        raw: &Bytes,
        name: Zxid,
        offset: u64,
        first: bool,
    ) -> Result<Txn, StorageError> {
        let file = format::path(&self.dir, name);
        let txn = Txn::decode(raw.clone())
            .map_err(|e| StorageError::corrupt(&file, offset, e.to_string()))?;
        let zxid = txn.header.zxid;
        if first && zxid != name {
            let why = format!("the file begins with {zxid}, which is not in its name");
            return Err(StorageError::corrupt(&file, offset, why));
        }
        // A torn write before the end of the chain is harmless only if this is what it was to be.
        if let Some(torn) = &self.end.torn
            && self.last().next() != Some(zxid)
        {
            let why = format!("{}, and {zxid} comes behind it", torn.why);
            return Err(StorageError::corrupt(&torn.file, torn.offset, why));
        }
        let checked = zxid > self.base && (self.anchored || self.last.is_some());
        if checked && !follows(self.last(), zxid) {
            let why = format!("{zxid} cannot come after {}", self.last());
            return Err(StorageError::corrupt(&file, offset, why));
        }
        if self.last.is_some_and(|last| zxid <= last) {
            let why = format!("{zxid} comes after {}", self.last());
            return Err(StorageError::corrupt(&file, offset, why));
        }
        self.last = Some(zxid);
        Ok(txn)
    }
}
