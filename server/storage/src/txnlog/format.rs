//! Layout of a log file (`FileTxnLog`, `FileHeader`).
//!
//! ```text
//! int magic "ZKLG", int version 2, long dbid
//! { long adler32(body), int length, body, byte 'B' }*        body as in zk_wire::txn
//! zeros up to the preallocated length
//! ```
//! Apache writes 0 as dbid and never looks at it. Here it holds the watermark: a place up to which
//! the file was durable some time ago, in pages, plus one, twice. The second copy tells a watermark
//! that was itself torn.

use std::path::{Path, PathBuf};

use simd_adler32::adler32;
use zk_wire::Zxid;

/// Bytes before the first record.
pub(crate) const HEADER_LEN: usize = 16;
/// Bytes before the body of a record.
pub(crate) const PREFIX_LEN: usize = 12;
/// Ends each record.
pub(crate) const END_OF_RECORD: u8 = b'B';
/// Longest body that is read; Apache's own limit is jute.maxbuffer twice, 2 MiB by default.
pub(crate) const BODY_LEN_MAX: u32 = 64 << 20;
const MAGIC: [u8; 4] = *b"ZKLG";

/// Unit of the watermark.
const PAGE_LEN: u64 = 4096;
/// Where the watermark stands in the header.
pub(crate) const WATERMARK_AT: u64 = 8;

/// The header of a file that is durable up to `end`.
pub(crate) fn header(end: u64) -> [u8; HEADER_LEN] {
    let mut out = [b'Z', b'K', b'L', b'G', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0];
    if let Some(field) = out.last_chunk_mut::<8>() {
        *field = watermark_field(end);
    }
    out
}

/// The field at [`WATERMARK_AT`].
pub(crate) fn watermark_field(end: u64) -> [u8; 8] {
    let pages = u32::try_from(end / PAGE_LEN).unwrap_or(u32::MAX - 1);
    let number = u64::from(pages + 1);
    (number << 32 | number).to_be_bytes()
}

/// The watermark of a header; `None` when the writer kept none.
pub(crate) fn watermark(header: &[u8]) -> Option<u64> {
    let field = u64::from_be_bytes(*header.last_chunk::<8>()?);
    let (high, low) = (field >> 32, field & 0xffff_ffff);
    match (high, low) {
        (0, 0) => None,
        (high, low) if high == low => Some((high - 1) * PAGE_LEN),
        _ => Some(0),
    }
}

/// Whether bytes begin with the magic number; Apache checks neither version nor dbid.
pub(crate) fn is_header(raw: &[u8]) -> bool {
    raw.starts_with(&MAGIC)
}

/// What stands before a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// Adler-32 in a long.
    pub(crate) checksum: u64,
    /// As read; may be nonsense.
    pub(crate) len: i32,
}

impl Prefix {
    pub(crate) fn decode(raw: [u8; 12]) -> Self {
        let [a, b, c, d, e, f, g, h, len @ ..] = raw;
        Self {
            checksum: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            len: i32::from_be_bytes(len),
        }
    }

    /// Zeros: nothing was written here.
    pub(crate) fn is_blank(self) -> bool {
        self.checksum == 0 && self.len == 0
    }

    /// The length of the body, when a body can have it.
    pub(crate) fn body_len(self) -> Option<u32> {
        u32::try_from(self.len)
            .ok()
            .filter(|n| (1..=BODY_LEN_MAX).contains(n))
    }

    pub(crate) fn matches(self, body: &[u8]) -> bool {
        self.checksum == u64::from(adler32(&body))
    }
}

/// Appends a framed record to `out`.
///
/// # Panics
/// A body of more than [`BODY_LEN_MAX`] bytes, which the writer refuses before.
pub(crate) fn encode_record(body: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(body.len()).expect("the writer bounds bodies");
    out.extend_from_slice(&u64::from(adler32(&body)).to_be_bytes());
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(body);
    out.push(END_OF_RECORD);
}

/// The path of the log file whose first record is `first`.
pub(crate) fn path(dir: &Path, first: Zxid) -> PathBuf {
    dir.join(format!("log.{:x}", first.as_u64()))
}

/// The zxid in a file name, when it is a log's.
pub(crate) fn parse_name(name: &str) -> Option<Zxid> {
    let hex = name.strip_prefix("log.")?;
    let zxid = u64::from_str_radix(hex, 16).ok()?;
    // Other spellings of a number are not what any server writes.
    (format!("{zxid:x}") == hex).then_some(Zxid::from_u64(zxid))
}

/// Whether `next` may stand behind `last`: one more, or the first of a later epoch.
pub(crate) fn follows(last: Zxid, next: Zxid) -> bool {
    if next.epoch() == last.epoch() {
        last.next() == Some(next)
    } else {
        next.epoch() > last.epoch() && next.counter() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zk_wire::Epoch;

    #[test]
    fn a_record_written_by_apache_is_reproduced() {
        let want = "00000000c96f0a7d000000300100000ce68a000000000000000000000000\
                    0001000001a202aaaf19fffffff600007530000000020000000051c6d66042";
        let raw: Vec<u8> = (0..want.len() / 2)
            .map(|i| u8::from_str_radix(&want[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        assert_eq!(raw.len(), 61);
        let body = &raw[12..60];
        let mut out = Vec::new();
        encode_record(body, &mut out);
        assert_eq!(out, raw);
        let txn = zk_wire::txn::Txn::decode(bytes::Bytes::copy_from_slice(body)).unwrap();
        assert_eq!(txn.header.zxid, Zxid::from_u64(1));
        assert_eq!(txn.digest, Some(1_371_985_504));
    }

    #[test]
    fn a_watermark_is_never_beyond_what_was_durable() {
        assert_eq!(watermark(&header(0)), Some(0));
        assert_eq!(watermark(&header(3 * PAGE_LEN + 9)), Some(3 * PAGE_LEN));
        assert_eq!(watermark(b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0"), None);
        let (old, new) = (
            watermark_field(0xff * PAGE_LEN),
            watermark_field(0x1010 * PAGE_LEN),
        );
        for cut in 1..8 {
            let mut torn = header(0);
            torn[8..].copy_from_slice(&old);
            torn[8..8 + cut].copy_from_slice(&new[..cut]);
            assert!(watermark(&torn).unwrap() <= 0x1010 * PAGE_LEN, "{cut}");
        }
    }

    #[test]
    fn names_are_plain_hex_only() {
        assert_eq!(parse_name("log.1a"), Some(Zxid::from_u64(0x1a)));
        for name in [
            "log.",
            "log.junk",
            "log.1a.bak",
            "snapshot.1",
            "log.-1",
            "log.1A",
            "log",
        ] {
            assert_eq!(parse_name(name), None, "{name}");
        }
    }

    #[test]
    fn an_epoch_begins_with_one_and_has_no_gaps() {
        let z = |e, c| Zxid::new(Epoch(e), c);
        assert!(follows(z(0, 0), z(0, 1)));
        assert!(follows(z(1, 7), z(1, 8)));
        assert!(follows(z(1, 7), z(3, 1)));
        for (last, next) in [
            (z(1, 7), z(1, 9)),
            (z(1, 7), z(1, 7)),
            (z(2, 7), z(1, 8)),
            (z(1, 7), z(2, 2)),
            (z(1, 7), z(2, 0)),
        ] {
            assert!(!follows(last, next), "{last} {next}");
        }
    }
}
