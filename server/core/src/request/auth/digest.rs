//! The `digest` scheme: a user, and the hash of user and password
//! (`DigestAuthenticationProvider.generateDigest`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::config::DigestAlgorithm;

/// `user:hash` for `user:password`; anything goes, a missing colon too.
pub(super) fn identity(user_and_password: &[u8], algorithm: DigestAlgorithm) -> String {
    let text = String::from_utf8_lossy(user_and_password);
    let user = text.split(':').next().unwrap_or_default();
    let hash = match algorithm {
        DigestAlgorithm::Sha1 => STANDARD.encode(Sha1::digest(text.as_bytes())),
        DigestAlgorithm::Sha256 => STANDARD.encode(Sha256::digest(text.as_bytes())),
        DigestAlgorithm::Sha384 => STANDARD.encode(Sha384::digest(text.as_bytes())),
        DigestAlgorithm::Sha512 => STANDARD.encode(Sha512::digest(text.as_bytes())),
    };
    format!("{user}:{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first two were seen on Apache ZooKeeper 3.9.4.
    #[test]
    fn known_identities() {
        for (credentials, algorithm, expected) in [
            (
                "u:p",
                DigestAlgorithm::Sha1,
                "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=",
            ),
            (
                "super:pw",
                DigestAlgorithm::Sha1,
                "super:0bX78nEegDzJM3ju0iLBEJdWzjg=",
            ),
            ("", DigestAlgorithm::Sha1, ":2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
        ] {
            assert_eq!(identity(credentials.as_bytes(), algorithm), expected);
        }
        let long = |algorithm| identity(b"u:p", algorithm).len();
        assert_eq!(long(DigestAlgorithm::Sha256), 2 + 44);
        assert_eq!(long(DigestAlgorithm::Sha384), 2 + 64);
        assert_eq!(long(DigestAlgorithm::Sha512), 2 + 88);
    }
}
