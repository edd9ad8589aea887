//! Private keys under a password: `ENCRYPTED PRIVATE KEY`, PKCS#8 with PKCS#5 (RFC 5958, RFC 8018).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

/// The encrypted key in a PEM file; `None` when it has none.
pub(super) fn encrypted_key(pem: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(pem);
    let (_, rest) = text.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    let body: String = body.split_whitespace().collect();
    // Base64 that is none leaves a key that does not decode, which is then said.
    Some(STANDARD.decode(body).unwrap_or_default())
}

/// Decrypts a key; on failure says why.
pub(super) fn decrypt(der: &[u8], password: &str) -> Result<PrivateKeyDer<'static>, String> {
    let info = EncryptedPrivateKeyInfoRef::try_from(der)
        .map_err(|e| format!("the encrypted private key does not decode: {e}"))?;
    let key = info.decrypt(password).map_err(|e| {
        format!(
            "the private key does not decrypt: a wrong password, or a scheme other than PBES2 ({e})"
        )
    })?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}
