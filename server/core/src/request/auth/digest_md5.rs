//! DIGEST-MD5 (RFC 2831) as ZooKeeper uses it: one realm, no protection layer, no second
//! authentication (client.md section 20.1, quorum.md section 1.8, `com.sun.security.sasl.digest`). The
//! server's side for clients; both sides for servers among themselves.
//!
//! ```text
//! client                         server
//!   (anything) ------------------->
//!          <----------------- challenge: realm, nonce
//!   name, response --------------->
//!          <----------------- rspauth: the server knows the password too
//! ```

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use md5::{Digest, Md5};

use crate::config::Secret;

/// Length of the random part of a challenge, bytes.
pub const NONCE_LEN: usize = 30;

/// Who talks to whom: each kind of connection has names of its own, so that nobody can pass on what
/// was said on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// The realm of the users.
    realm: &'static str,
    /// What the response is good for.
    digest_uri: &'static str,
}

impl Service {
    /// Clients and a server.
    pub const CLIENTS: Self = Self {
        realm: "zk-sasl-md5",
        digest_uri: "zookeeper/zk-sasl-md5",
    };
    /// Servers among themselves.
    pub const QUORUM: Self = Self {
        realm: "zk-quorum-sasl-md5",
        digest_uri: "zookeeper-quorum/zk-quorum-sasl-md5",
    };
}

/// A response longer than this is none.
const RESPONSE_MAX: usize = 4096;

/// Why a client has not proved its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("SASL: {0}")]
pub struct NotProven(&'static str);

/// What a token led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The client has to answer this.
    Challenge(Bytes),
    /// The exchange is complete.
    Proven {
        /// Who it is.
        user: String,
        /// The last word to the client.
        answer: Bytes,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Challenged,
    /// Whether it succeeded or not: there is no second attempt on a connection.
    Over,
}

/// One exchange.
#[derive(Debug)]
pub struct DigestMd5 {
    service: Service,
    nonce: String,
    state: State,
}

impl DigestMd5 {
    /// An exchange that has not begun; the random bytes must never have been used before.
    #[must_use]
    pub fn new(service: Service, random: [u8; NONCE_LEN]) -> Self {
        Self {
            service,
            nonce: STANDARD.encode(random),
            state: State::Fresh,
        }
    }

    /// Takes the client's next token.
    ///
    /// # Errors
    /// The client has not proved its name, and gets no second attempt.
    pub fn step(
        &mut self,
        token: &[u8],
        users: &BTreeMap<String, Secret>,
    ) -> Result<Step, NotProven> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Fresh => {
                self.state = State::Challenged;
                let challenge = format!(
                    "realm=\"{}\",nonce=\"{}\",charset=utf-8,algorithm=md5-sess",
                    self.service.realm, self.nonce
                );
                Ok(Step::Challenge(challenge.into()))
            }
            State::Challenged => verify(self.service, &self.nonce, token, users),
            State::Over => Err(NotProven("the exchange is over")),
        }
    }
}

/// What is hashed beside name and password.
struct Claim<'a> {
    nonce: &'a str,
    cnonce: &'a [u8],
    authzid: Option<&'a [u8]>,
    digest_uri: &'a str,
}

fn verify(
    service: Service,
    nonce: &str,
    token: &[u8],
    users: &BTreeMap<String, Secret>,
) -> Result<Step, NotProven> {
    if token.len() > RESPONSE_MAX {
        return Err(NotProven("the response is too long"));
    }
    let directives = parse(token)?;
    let get = |name: &str| directives.get(name).map(Vec::as_slice);
    let require = |name: &str, value: &[u8], otherwise: &'static str| {
        if get(name) == Some(value) {
            Ok(())
        } else {
            Err(NotProven(otherwise))
        }
    };
    if get("charset").is_some() {
        require("charset", b"utf-8", "another charset than utf-8")?;
    }
    let name = get("username").ok_or(NotProven("no username"))?;
    require("realm", service.realm.as_bytes(), "another realm")?;
    require("nonce", nonce.as_bytes(), "another nonce")?;
    let cnonce = get("cnonce").ok_or(NotProven("no cnonce"))?;
    if get("nc").is_some_and(|nc| !is_hex_one(nc)) {
        return Err(NotProven("the nonce was used before"));
    }
    if get("qop").is_some() {
        require("qop", b"auth", "a protection layer that was not offered")?;
    }
    let uri = service.digest_uri;
    require("digest-uri", uri.as_bytes(), "another service")?;
    let response = get("response").ok_or(NotProven("no response"))?;
    let user = String::from_utf8_lossy(name).into_owned();
    let password = users.get(&user).ok_or(NotProven("unknown user"))?;
    let claim = Claim {
        nonce,
        cnonce,
        authzid: get("authzid"),
        digest_uri: uri,
    };
    let secret = user_secret(&user, service.realm, &password.0);
    let expected = claim.response(&secret, "AUTHENTICATE");
    if !same(expected.as_bytes(), response) {
        return Err(NotProven("wrong response"));
    }
    let answer = format!("rspauth={}", claim.response(&secret, ""));
    Ok(Step::Proven {
        user,
        answer: answer.into(),
    })
}

/// The client's side of one exchange.
#[derive(Debug)]
pub struct Client {
    expected: String,
    token: Bytes,
}

impl Client {
    /// Answers a server's challenge; the random bytes must never have been used before.
    ///
    /// # Errors
    /// A challenge that is none.
    pub fn answer(
        service: Service,
        user: &str,
        password: &Secret,
        challenge: &[u8],
        random: [u8; NONCE_LEN],
    ) -> Result<Self, NotProven> {
        if challenge.len() > RESPONSE_MAX {
            return Err(NotProven("the challenge is too long"));
        }
        let offered = parse(challenge)?;
        let nonce = offered.get("nonce").ok_or(NotProven("no nonce"))?;
        let nonce = std::str::from_utf8(nonce).map_err(|_| NotProven("a nonce that is no text"))?;
        if nonce.contains(['"', '\\']) || user.contains(['"', '\\']) {
            return Err(NotProven("a quote in a name or nonce"));
        }
        let cnonce = STANDARD.encode(random);
        let claim = Claim {
            nonce,
            cnonce: cnonce.as_bytes(),
            authzid: None,
            digest_uri: service.digest_uri,
        };
        let secret = user_secret(user, service.realm, &password.0);
        let response = claim.response(&secret, "AUTHENTICATE");
        let Service { realm, digest_uri } = service;
        let token = format!(
            "charset=utf-8,username=\"{user}\",realm=\"{realm}\",nonce=\"{nonce}\",nc=00000001,\
             cnonce=\"{cnonce}\",digest-uri=\"{digest_uri}\",maxbuf=65536,response={response},qop=auth"
        );
        Ok(Self {
            expected: claim.response(&secret, ""),
            token: token.into(),
        })
    }

    /// What the server must get.
    #[must_use]
    pub fn token(&self) -> Bytes {
        self.token.clone()
    }

    /// Whether the server's last word proves that it knows the password, too.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self, last: &[u8]) -> Result<(), NotProven> {
        let said = parse(last)?;
        let proof = said
            .get("rspauth")
            .ok_or(NotProven("no proof of the server"))?;
        if same(self.expected.as_bytes(), proof) {
            Ok(())
        } else {
            Err(NotProven("the server does not know the password"))
        }
    }
}

impl Claim<'_> {
    /// The response value, of the client for `AUTHENTICATE` and of the server for an empty method.
    fn response(&self, secret: &[u8], method: &str) -> String {
        let mut a1 = Md5::new();
        a1.update(secret);
        for part in [self.nonce.as_bytes(), self.cnonce]
            .into_iter()
            .chain(self.authzid)
        {
            a1.update(b":");
            a1.update(part);
        }
        let ha1 = hex(&a1.finalize());
        let ha2 = hex(&Md5::digest(format!("{method}:{}", self.digest_uri)));
        let mut all = Md5::new();
        for part in [
            ha1.as_bytes(),
            self.nonce.as_bytes(),
            b"00000001",
            self.cnonce,
            b"auth",
        ] {
            all.update(part);
            all.update(b":");
        }
        all.update(ha2.as_bytes());
        hex(&all.finalize())
    }
}

/// The hash of name, realm and password: each in ISO 8859-1 where that can write it, else UTF-8.
fn user_secret(user: &str, realm: &str, password: &str) -> Vec<u8> {
    let latin = |text: &str| {
        let chars = text.chars().map(|c| u8::try_from(u32::from(c)));
        let bytes: Result<Vec<u8>, _> = chars.collect();
        bytes.unwrap_or_else(|_| text.as_bytes().to_vec())
    };
    let all = [latin(user), latin(realm), latin(password)].join(&b':');
    Md5::digest(all).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_hex_one(text: &[u8]) -> bool {
    let text = std::str::from_utf8(text).unwrap_or_default();
    i32::from_str_radix(text, 16) == Ok(1)
}

/// Compares without telling by its time where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
}

/// `name=value` or `name="value"`, separated by commas and white space; names in small letters.
fn parse(token: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, NotProven> {
    let malformed = NotProven("the response is malformed");
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let mut out = BTreeMap::new();
    let mut bytes = token.iter().copied().peekable();
    loop {
        while bytes.next_if(|b| *b == b',' || is_space(b)).is_some() {}
        if bytes.peek().is_none() {
            return Ok(out);
        }
        let mut name = String::new();
        while let Some(byte) = bytes.next_if(|b| *b != b'=' && *b != b',') {
            name.push(char::from(byte.to_ascii_lowercase()));
        }
        if bytes.next() != Some(b'=') {
            return Err(malformed);
        }
        while bytes.next_if(is_space).is_some() {}
        let mut value = Vec::new();
        if bytes.next_if_eq(&b'"').is_some() {
            loop {
                match bytes.next().ok_or(malformed)? {
                    b'"' => break,
                    b'\\' => value.push(bytes.next().ok_or(malformed)?),
                    byte => value.push(byte),
                }
            }
        } else {
            while let Some(byte) = bytes.next_if(|b| *b != b',' && !is_space(b)) {
                value.push(byte);
            }
        }
        if out.insert(name.trim().to_owned(), value).is_some() {
            return Err(NotProven("a directive comes twice"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REALM: &str = Service::CLIENTS.realm;
    const DIGEST_URI: &str = Service::CLIENTS.digest_uri;

    #[test]
    fn both_sides_of_servers_know_each_other() {
        let mut server = DigestMd5::new(Service::QUORUM, [1; NONCE_LEN]);
        let Ok(Step::Challenge(challenge)) = server.step(b"", &users()) else {
            panic!("no challenge");
        };
        let secret = |word: &str| Secret(word.to_owned());
        let answer = |password: &str| {
            let password = secret(password);
            Client::answer(
                Service::QUORUM,
                "bob",
                &password,
                &challenge,
                [2; NONCE_LEN],
            )
            .unwrap()
        };
        let client = answer("bobsecret");
        let Ok(Step::Proven { user, answer: last }) = server.step(&client.token(), &users()) else {
            panic!("not proven");
        };
        assert_eq!(user, "bob");
        assert!(client.check(&last).is_ok());
        assert!(answer("other").check(&last).is_err());
        let mut other = DigestMd5::new(Service::CLIENTS, [1; NONCE_LEN]);
        assert!(other.step(b"", &users()).is_ok());
        assert!(other.step(&client.token(), &users()).is_err());
    }

    fn users() -> BTreeMap<String, Secret> {
        let users = [("bob", "bobsecret"), ("super", "adminsecret")];
        users
            .map(|(n, p)| (n.to_owned(), Secret(p.to_owned())))
            .into()
    }

    /// The exchange of RFC 2831, section 4.
    #[test]
    fn the_example_of_the_rfc() {
        let claim = Claim {
            nonce: "OA6MG9tEQGm2hh",
            cnonce: b"OA6MHXh6VqTrRk",
            authzid: None,
            digest_uri: "imap/elwood.innosoft.com",
        };
        let secret = user_secret("chris", "elwood.innosoft.com", "secret");
        let response = claim.response(&secret, "AUTHENTICATE");
        assert_eq!(response, "d388dad90d4bbd760a152321f2143af7");
        assert_eq!(
            claim.response(&secret, ""),
            "ea40f60335c427b5527b84dbabcdfffd"
        );
    }

    /// A client that answers `challenge`, with some directives replaced.
    fn answer(challenge: &[u8], password: &str, changed: &[(&str, &str)]) -> Vec<u8> {
        let offered = parse(challenge).unwrap();
        let nonce = String::from_utf8(offered["nonce"].clone()).unwrap();
        assert_eq!(nonce.len(), 40);
        let mut directives = BTreeMap::from([
            ("username", "\"bob\"".to_owned()),
            ("realm", format!("\"{REALM}\"")),
            ("nonce", format!("\"{nonce}\"")),
            ("nc", "00000001".to_owned()),
            ("cnonce", "\"abc\"".to_owned()),
            ("digest-uri", format!("\"{DIGEST_URI}\"")),
            ("maxbuf", "65536".to_owned()),
            ("qop", "auth".to_owned()),
            ("charset", "utf-8".to_owned()),
        ]);
        let claim = Claim {
            nonce: &nonce,
            cnonce: b"abc",
            authzid: None,
            digest_uri: DIGEST_URI,
        };
        let secret = user_secret("bob", REALM, password);
        directives.insert("response", claim.response(&secret, "AUTHENTICATE"));
        for (name, value) in changed {
            directives.insert(name, (*value).to_owned());
        }
        let pairs = directives
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join(", ").into_bytes()
    }

    fn challenged() -> (DigestMd5, Bytes) {
        let mut exchange = DigestMd5::new(Service::CLIENTS, [7; NONCE_LEN]);
        let Ok(Step::Challenge(challenge)) = exchange.step(b"", &users()) else {
            panic!("no challenge");
        };
        (exchange, challenge)
    }

    #[test]
    fn who_knows_the_password_is_proven_once() {
        let (mut exchange, challenge) = challenged();
        assert!(challenge.starts_with(b"realm=\"zk-sasl-md5\",nonce=\"BwcH"));
        let token = answer(&challenge, "bobsecret", &[]);
        let Ok(Step::Proven { user, answer }) = exchange.step(&token, &users()) else {
            panic!("not proven");
        };
        assert_eq!(user, "bob");
        assert!(answer.starts_with(b"rspauth=") && answer.len() == 8 + 32);
        assert!(exchange.step(&token, &users()).is_err());
    }

    #[test]
    fn everything_else_is_not_proven() {
        for (password, changed) in [
            ("wrong", [].as_slice()),
            ("bobsecret", &[("realm", "\"\"")]),
            ("bobsecret", &[("nonce", "\"other\"")]),
            ("bobsecret", &[("nc", "00000002")]),
            ("bobsecret", &[("digest-uri", "\"zookeeper/other\"")]),
            ("bobsecret", &[("qop", "auth-conf")]),
            ("bobsecret", &[("username", "\"eve\"")]),
            ("bobsecret", &[("response", "00")]),
            ("bobsecret", &[("charset", "\"latin-1")]),
        ] {
            let (mut exchange, challenge) = challenged();
            let token = answer(&challenge, password, changed);
            assert!(exchange.step(&token, &users()).is_err(), "{changed:?}");
            let good = answer(&challenge, "bobsecret", &[]);
            assert!(exchange.step(&good, &users()).is_err(), "one attempt only");
        }
        for token in ["", "x", "=", "a=b,a=b", "username=\"bo\\"] {
            let (mut exchange, _) = challenged();
            assert!(
                exchange.step(token.as_bytes(), &users()).is_err(),
                "{token}"
            );
        }
    }
}
