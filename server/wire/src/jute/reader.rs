//! Checked reads of jute fields: lengths, nulls and limits (`BinaryInputArchive`).

use bytes::Bytes;

use crate::error::DecodeError;

/// Reads jute fields from the front of a buffer without copying payloads.
#[derive(Debug, Clone)]
pub struct Reader {
    rest: Bytes,
    field_len_max: usize,
}

impl Reader {
    /// Reads from `input`; a string or buffer of more than `field_len_max` bytes is refused.
    #[must_use]
    pub fn new(input: Bytes, field_len_max: usize) -> Self {
        Self {
            rest: input,
            field_len_max,
        }
    }

    /// Reads from `input`, bounded by its own length only: for bytes that passed a limit already.
    #[must_use]
    pub fn unlimited(input: Bytes) -> Self {
        let len = input.len();
        Self::new(input, len)
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Takes all that is left.
    #[must_use]
    pub fn into_rest(self) -> Bytes {
        self.rest
    }

    fn take(&mut self, n: usize) -> Result<Bytes, DecodeError> {
        if self.rest.len() < n {
            return Err(DecodeError::UnexpectedEnd);
        }
        Ok(self.rest.split_to(n))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some(head) = self.rest.first_chunk::<N>().copied() else {
            return Err(DecodeError::UnexpectedEnd);
        };
        bytes::Buf::advance(&mut self.rest, N);
        Ok(head)
    }

    /// Reads one raw byte.
    ///
    /// # Errors
    /// When the input is used up.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// Reads a boolean; any non-zero byte is true, as in Java.
    ///
    /// # Errors
    /// When the input is used up.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.u8()? != 0)
    }

    /// Reads an `int`.
    ///
    /// # Errors
    /// When the input is used up.
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// Reads a `long`.
    ///
    /// # Errors
    /// When the input is used up.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// Reads a `buffer`; `None` is null.
    ///
    /// # Errors
    /// A length below -1, above the limit, or past the end of the input.
    pub fn buffer(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let len = self.i32()?;
        if len == -1 {
            return Ok(None);
        }
        let len = usize::try_from(len)
            .ok()
            .filter(|n| *n <= self.field_len_max)
            .ok_or(DecodeError::UnreasonableLength(i64::from(len)))?;
        self.take(len).map(Some)
    }

    /// Reads a `ustring`; `None` is null. Malformed UTF-8 becomes U+FFFD, as in Java.
    ///
    /// # Errors
    /// As [`Reader::buffer`].
    pub fn string(&mut self) -> Result<Option<String>, DecodeError> {
        Ok(self.buffer()?.map(|raw| text(&raw)))
    }

    /// Reads a `ustring` that must not be null.
    ///
    /// # Errors
    /// As [`Reader::buffer`], and [`DecodeError::Null`] naming `what`.
    pub fn string_required(&mut self, what: &'static str) -> Result<String, DecodeError> {
        self.string()?.ok_or(DecodeError::Null(what))
    }

    /// Reads a vector; `None` is null, any other negative count is an empty one, as in Java.
    ///
    /// The count is not trusted: room is reserved only as elements are really there.
    ///
    /// # Errors
    /// Whatever `element` returns.
    pub fn vector<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let count = self.i32()?;
        if count == -1 {
            return Ok(None);
        }
        let count = usize::try_from(count).unwrap_or(0);
        let mut out = Vec::new();
        for _ in 0..count {
            out.push(element(self)?);
        }
        Ok(Some(out))
    }
}

/// Decodes UTF-8 as Java does: each malformed sequence becomes one U+FFFD. An encoded surrogate is
/// one such sequence there, where the standard library sees a malformed one in each of its bytes.
fn text(raw: &[u8]) -> String {
    let mut out = String::with_capacity(raw.len());
    // How many bytes of a surrogate were seen, if the last ones were of one.
    let mut surrogate = 0;
    for chunk in raw.utf8_chunks() {
        if !chunk.valid().is_empty() {
            surrogate = 0;
        }
        out.push_str(chunk.valid());
        surrogate = match (surrogate, chunk.invalid()) {
            (_, []) => break,
            (1, [0xa0..=0xbf]) => 2,
            (2, [0x80..=0xbf]) => 0,
            (_, invalid) => {
                out.push('\u{fffd}');
                u8::from(invalid == [0xed])
            }
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(raw: &[u8]) -> Reader {
        Reader::new(Bytes::copy_from_slice(raw), 16)
    }

    #[test]
    fn lengths_out_of_range_are_refused() {
        for raw in [
            [0xff, 0xff, 0xff, 0xfe],
            [0x7f, 0xff, 0xff, 0xff],
            [0, 0, 0, 17],
        ] {
            assert!(matches!(
                reader(&raw).buffer(),
                Err(DecodeError::UnreasonableLength(_))
            ));
        }
        assert_eq!(
            reader(&[0, 0, 0, 2, 1]).buffer(),
            Err(DecodeError::UnexpectedEnd)
        );
        assert_eq!(reader(&[0xff; 4]).buffer(), Ok(None));
        assert_eq!(reader(&[0; 4]).buffer(), Ok(Some(Bytes::new())));
    }

    #[test]
    fn a_huge_count_without_elements_allocates_nothing() {
        let mut r = reader(&[0x7f, 0xff, 0xff, 0xff]);
        assert_eq!(r.vector(Reader::i32), Err(DecodeError::UnexpectedEnd));
        assert_eq!(
            reader(&[0xff, 0xff, 0xff, 0xfe]).vector(Reader::i32),
            Ok(Some(vec![]))
        );
    }

    #[test]
    fn malformed_utf8_is_replaced() {
        assert_eq!(
            reader(&[0, 0, 0, 1, 0xff]).string(),
            Ok(Some("\u{fffd}".into()))
        );
    }

    #[test]
    fn malformed_text_reads_as_in_java() {
        assert_eq!(text(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(text(b"\xed\xa0\xbd\xed\xb8\x80"), "\u{fffd}\u{fffd}");
        assert_eq!(text(b"\xed\xa0x\xed\x80\x80"), "\u{fffd}x\u{d000}");
        assert_eq!(text(b"\xe2(\xf0\x9f\x98"), "\u{fffd}(\u{fffd}");
    }
}
