//! The targets, by what the bytes are: a client's, a peer's, a file's, a person's.

pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod ensemble;
pub(crate) mod files;
pub(crate) mod server;

use bytes::Bytes;

/// The longest string or buffer that a decoder is told to take, bytes.
const FIELD_LEN_MAX: usize = 1 << 20;

/// Splits an input at lengths that are in it: one byte each, 255 for a longer piece of two bytes.
fn pieces(data: &[u8]) -> Vec<Bytes> {
    let mut rest = data;
    let mut out = Vec::new();
    while let Some((short, tail)) = rest.split_first() {
        let (len, tail) = match (short, tail.split_first_chunk::<2>()) {
            (255, Some((long, tail))) => (usize::from(u16::from_be_bytes(*long)), tail),
            _ => (usize::from(*short), tail),
        };
        let (piece, after) = tail.split_at(len.min(tail.len()));
        out.push(Bytes::copy_from_slice(piece));
        rest = after;
    }
    out
}

/// The reverse of [`pieces`], for seeds.
fn joined(pieces: &[Bytes]) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        let len = u16::try_from(piece.len()).unwrap_or(u16::MAX);
        if len < 255 {
            out.extend(len.to_be_bytes().get(1..).unwrap_or_default());
        } else {
            out.push(255);
            out.extend(len.to_be_bytes());
        }
        out.extend(piece.iter().take(usize::from(len)));
    }
    out
}
