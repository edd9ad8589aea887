//! Data of a node as text (`PlainOutputFormatter`, `Base64OutputFormatter`,
//! `HexDumpOutputFormatter`).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::cli::output::Output;

/// Bytes in a line of a dump.
const DUMP_WIDTH: usize = 16;

/// As UTF-8.
#[must_use]
pub(super) fn plain(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// As base64.
#[must_use]
pub(crate) fn base64(data: &[u8]) -> String {
    BASE64_STANDARD.encode(data)
}

/// Bytes from base64.
///
/// # Errors
/// Text that is none.
pub(super) fn from_base64(text: &str) -> Result<Vec<u8>, String> {
    BASE64_STANDARD.decode(text).map_err(|e| e.to_string())
}

/// As a table of bytes in hex and as characters.
#[must_use]
pub(super) fn dump(data: &[u8]) -> String {
    let rule = "+--------+-------------------------------------------------+----------------+";
    let mut text = String::from(
        "         +-------------------------------------------------+\n         \
         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n",
    );
    text.push_str(rule);
    for (row, bytes) in data.chunks(DUMP_WIDTH).enumerate() {
        let hex: String = bytes.iter().map(|b| format!(" {b:02x}")).collect();
        let shown: String = bytes
            .iter()
            .map(|b| match b {
                0x20..0x7f => char::from(*b),
                _ => '.',
            })
            .collect();
        // Writing to a string cannot fail.
        write!(text, "\n|{:08x}|{hex:48} |{shown:16}|", row * DUMP_WIDTH).ok();
    }
    text.push('\n');
    text.push_str(rule);
    text
}

/// Notes data for programs: as text where it is UTF-8, and always as base64; both null for null.
pub(super) fn note(out: &mut Output, data: Option<&[u8]>) {
    let text = data.and_then(|data| std::str::from_utf8(data).ok());
    out.field("data", text.map_or(Value::Null, Value::from));
    out.field(
        "base64",
        data.map_or(Value::Null, |data| base64(data).into()),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_has_sixteen_bytes_in_a_line() {
        let want = "         +-------------------------------------------------+
         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |
+--------+-------------------------------------------------+----------------+
|00000000| 68 65 6c 6c 6f 00                               |hello.          |
+--------+-------------------------------------------------+----------------+";
        assert_eq!(dump(b"hello\0"), want);
    }
}
