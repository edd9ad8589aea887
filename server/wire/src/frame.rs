//! Length-prefixed frames with a maximum: client requests and replies, election messages.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::DecodeError;

/// `jute.maxbuffer` when nobody sets it: 1 MiB less one byte.
pub const JUTE_MAXBUFFER_DEFAULT: usize = 0xf_ffff;

/// Takes one whole frame off the front of `buf`; `None` when more bytes are needed.
///
/// The length is judged as soon as its four bytes are there, so a hostile length reserves nothing.
///
/// # Errors
/// A length below `min` or above `max`: the connection cannot go on.
pub fn take_frame(
    buf: &mut BytesMut,
    min: usize,
    max: usize,
) -> Result<Option<Bytes>, DecodeError> {
    let Some(head) = buf.first_chunk::<4>() else {
        return Ok(None);
    };
    let announced = i32::from_be_bytes(*head);
    let len = usize::try_from(announced)
        .ok()
        .filter(|n| (min..=max).contains(n))
        .ok_or(DecodeError::UnreasonableLength(i64::from(announced)))?;
    if buf.len() < 4 + len {
        return Ok(None);
    }
    buf.advance(4);
    Ok(Some(buf.split_to(len).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_and_in_order() {
        let mut buf = BytesMut::from(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 1][..]);
        assert_eq!(
            take_frame(&mut buf, 0, 8).unwrap().unwrap().as_ref(),
            &[7, 8]
        );
        assert_eq!(take_frame(&mut buf, 0, 8), Ok(None));
        buf.extend_from_slice(&[9]);
        assert_eq!(take_frame(&mut buf, 0, 8).unwrap().unwrap().as_ref(), &[9]);
    }

    #[test]
    fn lengths_out_of_range_end_the_connection_at_once() {
        for head in [
            [0xff, 0xff, 0xff, 0xff],
            [0, 0, 0, 9],
            [0x7f, 0xff, 0xff, 0xff],
            [0; 4],
        ] {
            let mut buf = BytesMut::from(&head[..]);
            assert!(take_frame(&mut buf, 1, 8).is_err(), "{head:?}");
        }
    }
}
