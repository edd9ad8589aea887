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

#[cfg(test)]
mod tests {
    use rustls::crypto::ring::sign::any_supported_type;

    use super::*;

    /// Made by OpenSSL 3: `pkcs8 -topk8 -v2 aes-256-cbc`, with the password `secret`.
    const KEY: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
        MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjJievTJ6BwvAICCAAw\n\
        DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEB48eb7fkk6a9UlJdZ6A9/kEgZDN\n\
        WoYT/HrzuMSzts7OvZ5F62AQIG6g/0MFkmyzI18kcKsIvCrSgIIA3pWj/w4Py1Yb\n\
        yucR6qu4b01PFd1MNP0dIu3affCwwvkf6SydQrZBfenqTgEhxt3Wbr4gXfSa0rh5\n\
        8JDc56DtSprsnvNdBM14ZzvXEuBnoZijq7QSaVSmDEO5lakxu+AhxaP5Kow1cyQ=\n\
        -----END ENCRYPTED PRIVATE KEY-----\n";

    #[test]
    fn a_key_of_openssl_is_decrypted_and_used() {
        let encrypted = encrypted_key(format!("of a certificate\n{KEY}").as_bytes()).unwrap();
        any_supported_type(&decrypt(&encrypted, "secret").unwrap()).unwrap();
        let why = decrypt(&encrypted, "wrong").unwrap_err();
        assert!(why.contains("a wrong password"), "{why}");
        assert!(
            !why.contains("secret") && !why.contains("\"wrong\""),
            "{why}"
        );
    }

    #[test]
    fn what_is_no_key_is_said_to_be_none() {
        assert_eq!(encrypted_key(b"-----BEGIN PRIVATE KEY-----"), None);
        let broken = format!("{BEGIN}\n!!!\n{END}");
        let why = decrypt(&encrypted_key(broken.as_bytes()).unwrap(), "secret").unwrap_err();
        assert!(why.contains("does not decode"), "{why}");
    }
}
