//! The mirror image of the reader (`BinaryOutputArchive`).

use bytes::{BufMut, Bytes, BytesMut};

/// Appends jute fields to a growing buffer.
#[derive(Debug, Default)]
pub struct Writer {
    out: BytesMut,
}

impl Writer {
    /// An empty writer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty writer with room for `n` bytes.
    #[must_use]
    pub fn with_capacity(n: usize) -> Self {
        Self {
            out: BytesMut::with_capacity(n),
        }
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Ends writing.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.out.freeze()
    }

    /// Writes a boolean as 0 or 1.
    pub fn bool(&mut self, v: bool) {
        self.out.put_u8(u8::from(v));
    }

    /// Writes an `int`.
    pub fn i32(&mut self, v: i32) {
        self.out.put_i32(v);
    }

    /// Writes a `long`.
    pub fn i64(&mut self, v: i64) {
        self.out.put_i64(v);
    }

    /// Writes bytes without a length.
    pub fn raw(&mut self, v: &[u8]) {
        self.out.put_slice(v);
    }

    /// Writes a length or count.
    ///
    /// # Panics
    /// Above 2 GiB, which no caller can reach: every input is limited far below.
    pub fn count(&mut self, n: usize) {
        self.i32(i32::try_from(n).expect("a length within the limits of the input"));
    }

    /// Writes a `buffer`; `None` is null.
    pub fn buffer(&mut self, v: Option<&[u8]>) {
        match v {
            None => self.i32(-1),
            Some(v) => {
                self.count(v.len());
                self.raw(v);
            }
        }
    }

    /// Writes a `ustring`.
    pub fn string(&mut self, v: &str) {
        self.buffer(Some(v.as_bytes()));
    }

    /// Writes a `ustring` that may be null.
    pub fn string_or_null(&mut self, v: Option<&str>) {
        self.buffer(v.map(str::as_bytes));
    }

    /// Writes a `ustring` as Java spells it: a character above U+FFFF as two surrogates of three
    /// bytes each.
    pub fn java_string(&mut self, v: &str) {
        if v.chars().all(|c| c <= '\u{ffff}') {
            return self.string(v);
        }
        let mut out = Vec::with_capacity(v.len() * 2);
        for unit in v.encode_utf16() {
            let [high, low] = unit.to_be_bytes();
            match unit {
                0..=0x7f => out.push(low),
                0x80..=0x7ff => out.extend([0xc0 | high << 2 | low >> 6, 0x80 | low & 0x3f]),
                _ => out.extend([
                    0xe0 | high >> 4,
                    0x80 | (high & 0x0f) << 2 | low >> 6,
                    0x80 | low & 0x3f,
                ]),
            }
        }
        self.buffer(Some(&out));
    }

    /// Writes a vector of ustrings.
    pub fn strings<S: AsRef<str>>(&mut self, v: &[S]) {
        self.count(v.len());
        for s in v {
            self.string(s.as_ref());
        }
    }
}
