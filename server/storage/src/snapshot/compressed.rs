//! Compressed snapshots (`SnapStream`): gzip, and the container of snappy-java.
//!
//! ```text
//! .gz       an ordinary gzip file
//! .snappy   82 "SNAPPY" 00, int version 1, int lowest compatible version 1, then chunks:
//!           int length, that many bytes of raw snappy
//! ```
//! They are read, not written: a server that writes plain snapshots reads and leaves a directory with
//! both kinds, as Apache does.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const HEADER_LEN: usize = MAGIC.len() + 8;
/// Longest chunk that is read, compressed or not. snappy-java writes 32 KiB by default and lets
/// people choose up to 512 MiB, which nobody does.
const CHUNK_LEN_MAX: usize = 64 << 20;

/// How a snapshot is compressed, as its name's last part says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// `.gz`
    Gzip,
    /// `.snappy`
    Snappy,
}

/// The uncompressed bytes of a file.
pub(crate) enum Source<R> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<R>>),
    Snappy(Snappy<R>),
}

impl<R: Read> Source<R> {
    pub(crate) fn new(reader: R, compression: Option<Compression>) -> Self {
        match compression {
            None => Self::Plain(reader),
            Some(Compression::Gzip) => Self::Gzip(Box::new(MultiGzDecoder::new(reader))),
            Some(Compression::Snappy) => Self::Snappy(Snappy::new(reader)),
        }
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(buf),
            Self::Gzip(reader) => reader.read(buf),
            Self::Snappy(reader) => reader.read(buf),
        }
    }
}

/// Reads the container of snappy-java.
pub(crate) struct Snappy<R> {
    reader: R,
    began: bool,
    chunk: Vec<u8>,
    at: usize,
}

impl<R: Read> Snappy<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            began: false,
            chunk: Vec::new(),
            at: 0,
        }
    }

    /// Reads the next chunk; false at the end of the file.
    fn next_chunk(&mut self) -> io::Result<bool> {
        if !self.began {
            let mut header = [0; HEADER_LEN];
            self.reader.read_exact(&mut header)?;
            if !header.starts_with(&MAGIC) {
                return Err(bad("no snappy container"));
            }
            self.began = true;
        }
        let mut len = [0; 4];
        let got = self.reader.read(&mut len)?;
        if got == 0 {
            return Ok(false);
        }
        self.reader
            .read_exact(len.get_mut(got..).unwrap_or_default())?;
        let len = usize::try_from(i32::from_be_bytes(len)).unwrap_or(usize::MAX);
        if len > CHUNK_LEN_MAX {
            return Err(bad("a chunk of an impossible length"));
        }
        let mut raw = vec![0; len];
        self.reader.read_exact(&mut raw)?;
        self.chunk = decompress(&raw).ok_or_else(|| bad("a chunk that is not snappy"))?;
        self.at = 0;
        Ok(true)
    }
}

impl<R: Read> Read for Snappy<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() {
            if !self.next_chunk()? {
                return Ok(0);
            }
        }
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(rest) {
            *to = *from;
        }
        self.at += len;
        Ok(len)
    }
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Decompresses one block of raw snappy: a length, then literals and copies of what came before.
fn decompress(raw: &[u8]) -> Option<Vec<u8>> {
    let mut input = raw;
    let len = varint(&mut input)?;
    if len > CHUNK_LEN_MAX {
        return None;
    }
    let mut out = Vec::with_capacity(len);
    while let Some(tag) = take(&mut input, 1)?.map(|tag| tag & 0xff) {
        match tag & 3 {
            0 => {
                let short = tag >> 2;
                let literal = match short {
                    0..=59 => short,
                    more => take(&mut input, more - 59)??,
                } + 1;
                let (literal, rest) = input.split_at_checked(literal)?;
                out.extend_from_slice(literal);
                input = rest;
            }
            1 => {
                let offset = (tag >> 5) << 8 | take(&mut input, 1)??;
                copy(&mut out, offset, 4 + (tag >> 2 & 7), len)?;
            }
            2 => {
                let offset = take(&mut input, 2)??;
                copy(&mut out, offset, 1 + (tag >> 2), len)?;
            }
            _ => {
                let offset = take(&mut input, 4)??;
                copy(&mut out, offset, 1 + (tag >> 2), len)?;
            }
        }
    }
    (out.len() == len).then_some(out)
}

/// Repeats `len` bytes that stand `offset` before the end; they may overlap with what is written.
fn copy(out: &mut Vec<u8>, offset: usize, len: usize, max: usize) -> Option<()> {
    let from = out.len().checked_sub(offset).filter(|_| offset > 0)?;
    if out.len() + len > max {
        return None;
    }
    for at in from..from + len {
        let byte = *out.get(at)?;
        out.push(byte);
    }
    Some(())
}

/// A little-endian number of `n` bytes: `Some(None)` at the end, `None` when it is cut.
fn take(input: &mut &[u8], n: usize) -> Option<Option<usize>> {
    if input.is_empty() {
        return Some(None);
    }
    let (number, rest) = input.split_at_checked(n)?;
    *input = rest;
    let number = number.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b));
    Some(Some(number))
}

fn varint(input: &mut &[u8]) -> Option<usize> {
    let mut out = 0;
    for shift in (0..35).step_by(7) {
        let byte = take(input, 1)??;
        out |= (byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(out);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_copies() {
        // "abcd", then 8 bytes from 4 before, then a literal.
        let raw = [13, 3 << 2, b'a', b'b', b'c', b'd', (4 << 2) | 1, 4, 0, b'!'];
        assert_eq!(decompress(&raw).as_deref(), Some(&b"abcdabcdabcd!"[..]));
        // A copy that repeats a single byte.
        let raw = [6, 0, b'x', (4 << 2) | 2, 1, 0];
        assert_eq!(decompress(&raw).as_deref(), Some(&b"xxxxxx"[..]));
    }

    #[test]
    fn what_is_cut_or_points_nowhere_is_refused() {
        let good = [6, 0, b'x', (4 << 2) | 2, 1, 0];
        for len in 0..good.len() {
            assert_eq!(decompress(&good[..len]), None, "{len}");
        }
        assert_eq!(decompress(&[6, 0, b'x', (4 << 2) | 2, 2, 0]), None);
        assert_eq!(decompress(&[0xff, 0xff, 0xff, 0xff, 0x7f]), None);
    }

    #[test]
    fn a_container_is_read_to_its_end() {
        let chunk = [3_u8, 2 << 2, b'o', b'n', b'e'];
        let mut raw = MAGIC.to_vec();
        raw.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
        for _ in 0..2 {
            raw.extend_from_slice(&[0, 0, 0, 5]);
            raw.extend_from_slice(&chunk);
        }
        let mut text = String::new();
        let mut source = Source::new(raw.as_slice(), Some(Compression::Snappy));
        source.read_to_string(&mut text).unwrap();
        assert_eq!(text, "oneone");
        let mut cut = Source::new(&raw[..raw.len() - 1], Some(Compression::Snappy));
        assert!(cut.read_to_string(&mut text).is_err());
    }
}
