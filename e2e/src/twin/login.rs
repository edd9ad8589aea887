//! The client's half of a DIGEST-MD5 negotiation (RFC 2831).

use md5::{Digest, Md5};

use super::script::Login;

const CNONCE: &str = "c2l4dGVlbiBieXRlcyE=";
const COUNT: &str = "00000001";
const URI: &str = "zookeeper/zk-sasl-md5";

/// What goes to the server, and what it must say then.
#[derive(Debug)]
pub struct Answer {
    /// The second token.
    pub token: Vec<u8>,
    /// The third token, which the server sends.
    pub proof: String,
}

/// Answers a challenge; nothing when there is no nonce in it.
#[must_use]
pub fn answer(login: &Login, challenge: &[u8]) -> Option<Answer> {
    let challenge = std::str::from_utf8(challenge).ok()?;
    let nonce = value(challenge, "nonce")?;
    let realm = login.realm.as_deref().unwrap_or("zk-sasl-md5");
    let uri = login.uri.as_deref().unwrap_or(URI);
    let user = &login.user;
    let secret = Md5::digest(format!("{user}:{realm}:{}", login.password));
    let mut key = secret.to_vec();
    key.extend_from_slice(format!(":{nonce}:{CNONCE}").as_bytes());
    let key = hex(&Md5::digest(key));
    let proof = |method: &str| {
        let target = hex(&Md5::digest(format!("{method}:{uri}")));
        hex(&Md5::digest(format!(
            "{key}:{nonce}:{COUNT}:{CNONCE}:auth:{target}"
        )))
    };
    let response = proof("AUTHENTICATE");
    let token = format!(
        "charset=utf-8,username=\"{user}\",realm=\"{realm}\",nonce=\"{nonce}\",nc={COUNT},\
         cnonce=\"{CNONCE}\",digest-uri=\"{uri}\",maxbuf=65536,response={response},qop=auth"
    );
    Some(Answer {
        token: token.into_bytes(),
        proof: format!("rspauth={}", proof("")),
    })
}

/// What a token looks like without what is different each time.
#[must_use]
pub fn shape(token: &[u8]) -> String {
    let text = token.escape_ascii().to_string();
    for name in ["nonce=\\\"", "rspauth="] {
        if let Some((front, rest)) = text.split_once(name) {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c));
            let (word, back) = rest.split_at(end.unwrap_or(rest.len()));
            return format!("{front}{name}<{} characters>{back}", word.len());
        }
    }
    text
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
