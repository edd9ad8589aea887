//! Reads a snapshot file piece by piece and checks all of its seals.

use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::{Buf, BytesMut};
use simd_adler32::Adler32;
use zk_wire::Zxid;
use zk_wire::snapshot::{BodyParser, Progress, SnapshotItem};
use zk_wire::txn::DIGEST_VERSION;

use super::compressed::{Compression, Source};
use super::format::{
    DIGEST_LEN, END, HEADER, LAST_ZXID_LEN, MAGIC_LEN, SEAL_LEN, TRAILER_LEN_MAX, seal,
};
use crate::error::{IoContext, StorageError};
use crate::fs::Fs;

const CHUNK_LEN: usize = 64 << 10;
/// Longest path or data that is read from a snapshot.
const FIELD_LEN_MAX: usize = 64 << 20;

/// What stands behind the body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Trailer {
    /// zxid and digest of the last transaction that is in the tree.
    pub(crate) digest: Option<(Zxid, u64)>,
    /// The last transaction at the end of the dump.
    pub(crate) last_zxid: Option<Zxid>,
}

impl Trailer {
    /// The last transaction that the tree may hold, given the file's name.
    pub(crate) fn holds_up_to(&self, name: Zxid) -> Zxid {
        let digest = self.digest.map_or(name, |(zxid, _)| zxid);
        // A leader names its first snapshot after its epoch; the sections are older then.
        name.max(digest).max(self.last_zxid.unwrap_or(name))
    }
}

/// Whether a file looks complete by its length and last bytes.
pub(crate) fn looks_complete<F: Fs>(fs: &F, path: &Path) -> Result<bool, StorageError> {
    let len = fs.len(path).on("look at", path)?.unwrap_or(0);
    if len < 10 {
        return Ok(false);
    }
    let mut end = [0; END.len()];
    let mut input = fs
        .open_read(path, len - END.len() as u64)
        .on("open", path)?;
    match input.read_exact(&mut end) {
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        other => other.on("read", path).map(|()| end == END),
    }
}

/// Reads a whole snapshot and gives its items in order. They may only be trusted after success.
pub(crate) fn read<F: Fs>(
    fs: &F,
    path: &Path,
    compression: Option<Compression>,
    item: &mut dyn FnMut(SnapshotItem) -> Result<(), String>,
) -> Result<Trailer, StorageError> {
    read_at(fs, path, compression, &mut |_, next| item(next))
}

/// The same, with the offset of each item.
pub(crate) fn read_at<F: Fs>(
    fs: &F,
    path: &Path,
    compression: Option<Compression>,
    item: &mut dyn FnMut(u64, SnapshotItem) -> Result<(), String>,
) -> Result<Trailer, StorageError> {
    let mut input = Input::open(fs, path, compression)?;
    input.header()?;
    let mut parser = BodyParser::new(FIELD_LEN_MAX);
    loop {
        let before = input.offset();
        match parser.next(&mut input.buf) {
            Ok(Progress::NeedMore) => {
                if !input.more()? {
                    return Err(input.corrupt("the file ends inside the tree"));
                }
            }
            Ok(Progress::Item(next)) => {
                item(before, next).map_err(|why| StorageError::corrupt(path, before, why))?;
            }
            Ok(Progress::End) => break,
            Err(e) => return Err(input.corrupt(e.to_string())),
        }
    }
    input.trailer()
}

struct Input<R> {
    path: PathBuf,
    reader: Source<R>,
    compressed: bool,
    /// Uncompressed.
    file_len: u64,
    /// Read, not parsed.
    buf: BytesMut,
    read: u64,
    /// Over everything before `tail`.
    adler: Adler32,
    /// The last bytes of the file, kept for the seals.
    tail: Vec<u8>,
}

impl<R: Read> Input<R> {
    fn open<F: Fs<Reader = R>>(
        fs: &F,
        path: &Path,
        compression: Option<Compression>,
    ) -> Result<Self, StorageError> {
        let open = || fs.open_read(path, 0).on("open", path);
        let file_len = match compression {
            None => fs.len(path).on("look at", path)?.unwrap_or(0),
            // Where the seals begin is known from the end only.
            Some(_) => {
                let mut source = Source::new(open()?, compression);
                std::io::copy(&mut source, &mut std::io::sink())
                    .map_err(|e| unpacked(path, 0, e))?
            }
        };
        Ok(Self {
            path: path.to_owned(),
            file_len,
            reader: Source::new(open()?, compression),
            compressed: compression.is_some(),
            buf: BytesMut::new(),
            read: 0,
            adler: Adler32::new(),
            tail: Vec::new(),
        })
    }

    /// Where the next byte to parse stands.
    fn offset(&self) -> u64 {
        self.read - self.buf.len() as u64
    }

    /// Where `tail` begins.
    fn tail_start(&self) -> u64 {
        self.file_len.saturating_sub(TRAILER_LEN_MAX as u64)
    }

    /// Reads on; false at the end. Reads as much again as is buffered, since what is buffered is
    /// one field that is not complete.
    fn more(&mut self) -> Result<bool, StorageError> {
        let mut chunk = vec![0; CHUNK_LEN.max(self.buf.len())];
        let got = loop {
            match self.reader.read(&mut chunk) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) if self.compressed => return Err(unpacked(&self.path, self.read, e)),
                other => break other.on("read", &self.path)?,
            }
        };
        let chunk = chunk.get(..got).unwrap_or_default();
        let hashed = self.tail_start().saturating_sub(self.read);
        let hashed = usize::try_from(hashed).unwrap_or(usize::MAX).min(got);
        let (head, tail) = chunk.split_at(hashed);
        self.adler.write(head);
        self.tail.extend_from_slice(tail);
        self.buf.extend_from_slice(chunk);
        self.read += got as u64;
        if self.read > self.file_len {
            return Err(self.corrupt("the file grows while it is read"));
        }
        Ok(got > 0)
    }

    fn header(&mut self) -> Result<(), StorageError> {
        while self.buf.len() < HEADER.len() {
            if !self.more()? {
                return Err(self.corrupt("the file ends inside its header"));
            }
        }
        if self.buf.get(..MAGIC_LEN) != HEADER.get(..MAGIC_LEN) {
            return Err(self.corrupt("this is no snapshot"));
        }
        self.buf.advance(HEADER.len());
        Ok(())
    }

    /// Checks the seals and reads the sections between them.
    fn trailer(mut self) -> Result<Trailer, StorageError> {
        while self.more()? {
            if self.buf.len() > TRAILER_LEN_MAX {
                break;
            }
        }
        let (digest, last) = match self.buf.len().checked_sub(SEAL_LEN) {
            Some(0) => (false, false),
            Some(n) if n == DIGEST_LEN + SEAL_LEN => (true, false),
            Some(n) if n == LAST_ZXID_LEN + SEAL_LEN => (false, true),
            Some(n) if n == DIGEST_LEN + LAST_ZXID_LEN + 2 * SEAL_LEN => (true, true),
            _ => return Err(self.corrupt("what follows the tree has no known layout")),
        };
        // The lengths above put the end of the body into `tail`.
        let skip = usize::try_from(self.offset().saturating_sub(self.tail_start())).unwrap_or(0);
        let body_end = self.tail.get(..skip).unwrap_or_default();
        self.adler.write(body_end);
        let mut trailer = Trailer::default();
        self.seal()?;
        if digest {
            let section = self.section::<DIGEST_LEN>()?;
            let [z, v, d] = [0..8, 8..12, 12..20].map(|r| section.get(r).unwrap_or_default());
            if v == DIGEST_VERSION.to_be_bytes() {
                trailer.digest = Some((Zxid::from_u64(number(z)), number(d)));
            }
            self.seal()?;
        }
        if last {
            let section = self.section::<LAST_ZXID_LEN>()?;
            trailer.last_zxid = Some(Zxid::from_u64(number(&section)));
            self.seal()?;
        }
        Ok(trailer)
    }

    fn section<const N: usize>(&mut self) -> Result<[u8; N], StorageError> {
        let Some(section) = self.buf.first_chunk::<N>().copied() else {
            return Err(self.corrupt("the file ends inside a section"));
        };
        self.adler.write(&section);
        self.buf.advance(N);
        Ok(section)
    }

    fn seal(&mut self) -> Result<(), StorageError> {
        let want = seal(self.adler.finish());
        if self.buf.first_chunk::<SEAL_LEN>() != Some(&want) {
            return Err(self.corrupt("a checksum is wrong"));
        }
        self.adler.write(&want);
        self.buf.advance(SEAL_LEN);
        Ok(())
    }

    fn corrupt(&self, why: impl Into<String>) -> StorageError {
        StorageError::corrupt(&self.path, self.offset(), why)
    }
}

/// What went wrong while a file was uncompressed: its content, unless the system says otherwise.
fn unpacked(path: &Path, offset: u64, e: std::io::Error) -> StorageError {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    if matches!(e.kind(), InvalidData | InvalidInput | UnexpectedEof) {
        return StorageError::corrupt(path, offset, format!("the compressed file: {e}"));
    }
    StorageError::Io {
        path: path.to_owned(),
        op: "read",
        source: e,
    }
}

fn number(raw: &[u8]) -> u64 {
    raw.iter().fold(0, |n, b| n << 8 | u64::from(*b))
}
