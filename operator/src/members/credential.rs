//! What the operator shows to the servers, so that they do what it says.
//!
//! The operator keeps one random key, in a Secret of its own namespace. The password for an ensemble
//! follows from the key and the identity of the ensemble, and the servers are told its digest only:
//! no Secret of any other namespace is read or written.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderValue;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// The user that the servers know the operator as.
const USER: &str = "quorate-operator";

/// Length of the key, bytes.
pub const KEY_LEN: usize = 32;

/// The key that all passwords follow from.
#[derive(Clone)]
pub struct MasterKey([u8; KEY_LEN]);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey")
    }
}

impl MasterKey {
    /// Takes random bytes for the key; `None` when there are not exactly [`KEY_LEN`] of them.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// The credential for one ensemble.
    pub fn credential(&self, ensemble_uid: &str) -> Credential {
        // A key of any length will do, so that nothing can fail here.
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).map(|mac| {
            mac.chain_update(b"quorate-operator password v1\0")
                .chain_update(ensemble_uid.as_bytes())
                .finalize()
                .into_bytes()
        });
        let password = mac.map_or_else(|_| String::new(), |mac| URL_SAFE_NO_PAD.encode(mac));
        Credential { password }
    }
}

/// What the operator shows to the servers of one ensemble.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    password: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential")
    }
}

impl Credential {
    /// The value of `quorate.operatorDigest`, by which the servers know the password, with the
    /// algorithm of `DigestAuthenticationProvider.digestAlg`, SHA-1 unless the ensemble chose another.
    pub fn digest(&self, algorithm: Option<&str>) -> String {
        let shown = format!("{USER}:{}", self.password);
        let hash = match algorithm {
            Some("SHA256" | "SHA-256") => Sha256::digest(shown).to_vec(),
            Some("SHA384" | "SHA-384") => Sha384::digest(shown).to_vec(),
            Some("SHA512" | "SHA-512") => Sha512::digest(shown).to_vec(),
            // The server names whatever it does not know in its refusal to start.
            Some(_) | None => Sha1::digest(shown).to_vec(),
        };
        format!("{USER}:{}", STANDARD.encode(hash))
    }

    /// The header that proves it.
    pub(super) fn header(&self) -> HeaderValue {
        let text = format!("digest {USER}:{}", self.password);
        let header = HeaderValue::from_str(&text);
        let mut header = header.unwrap_or_else(|_| HeaderValue::from_static("digest"));
        header.set_sensitive(true);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ensemble_has_a_password_of_its_own() {
        let key = MasterKey::from_bytes(&[1; KEY_LEN]).unwrap();
        let other = MasterKey::from_bytes(&[2; KEY_LEN]).unwrap();
        let a = key.credential("a");
        assert_eq!(a, key.credential("a"));
        assert_ne!(a, key.credential("b"));
        assert_ne!(a, other.credential("a"));
        assert!(MasterKey::from_bytes(&[1; 31]).is_none());
    }

    #[test]
    fn digest_is_what_the_server_computes_from_the_header() {
        let credential = MasterKey::from_bytes(&[1; KEY_LEN])
            .unwrap()
            .credential("a");
        let header = credential.header();
        let shown = header.to_str().unwrap().strip_prefix("digest ").unwrap();
        let digest = |hash: &[u8]| format!("quorate-operator:{}", STANDARD.encode(hash));
        assert_eq!(credential.digest(None), digest(&Sha1::digest(shown)));
        assert_eq!(
            credential.digest(Some("SHA-512")),
            digest(&Sha512::digest(shown))
        );
        assert!(!format!("{credential:?} {header:?}").contains(&credential.password));
    }
}
