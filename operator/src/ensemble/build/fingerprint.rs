//! A short, stable name for a content: FNV-1a, 64 bits.
//!
//! `std`'s hasher may change between releases, and each change would restart every ensemble.
//! Nobody gains by forging these, so a cryptographic hash would buy nothing.

use serde::Serialize;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// Returns the fingerprint of a text as 16 hex digits.
pub(super) fn of_text(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(OFFSET, |hash, b| (hash ^ u64::from(b)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

/// Returns the fingerprint of a value in its JSON form, whose maps are ordered by key.
pub(super) fn of_json(value: &impl Serialize) -> String {
    of_text(&serde_json::json!(value).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_match_the_published_vectors() {
        assert_eq!(of_text(""), "cbf29ce484222325");
        assert_eq!(of_text("a"), "af63dc4c8601ec8c");
        assert_eq!(of_text("foobar"), "85944171f73967e8");
    }
}
