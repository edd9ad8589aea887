//! The JAAS file: users and passwords of DIGEST-MD5.
//!
//! Source: `javax.security.auth.login.Configuration` for the syntax, `DigestLoginModule` and
//! `SaslServerCallbackHandler` of Apache ZooKeeper 3.9 for the meaning. Left out: other login
//! modules, which are refused, and `${property}` inside of values.
//!
//! ```text
//! Server {
//!     org.apache.zookeeper.server.auth.DigestLoginModule required
//!     user_super="adminsecret"
//!     user_bob="bobsecret";
//! };
//! ```

use std::collections::BTreeMap;

use zk_core::Secret;

/// Longest file that is read, bytes.
pub(super) const JAAS_LEN_MAX: u64 = 1024 * 1024;

const DIGEST_MODULE: &str = "org.apache.zookeeper.server.auth.DigestLoginModule";

/// What begins the name of an option that defines a user.
const USER_PREFIX: &str = "user_";

/// A file that is no use, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JaasError {
    /// Counted from 1.
    pub(super) line: usize,
    /// What is wrong and what to write instead.
    pub(super) why: String,
}

/// The users of `section`; `None` when the file has no such section.
///
/// # Errors
/// Bad syntax, or a section with another login module.
pub(super) fn users(
    text: &str,
    section: &str,
) -> Result<Option<BTreeMap<String, Secret>>, JaasError> {
    Ok(module(text, section)?.map(|found| found.users))
}

/// Name and password by which a client logs in, as `section` says; `None` when there is none.
///
/// # Errors
/// As [`users`].
pub(super) fn login(text: &str, section: &str) -> Result<Option<(String, Secret)>, JaasError> {
    let found = module(text, section)?.unwrap_or_default();
    Ok(found.username.zip(found.password))
}

/// What a login module of DIGEST-MD5 is told.
#[derive(Default)]
struct Module {
    users: BTreeMap<String, Secret>,
    username: Option<String>,
    password: Option<Secret>,
}

fn module(text: &str, section: &str) -> Result<Option<Module>, JaasError> {
    let mut tokens = Tokens::new(text);
    let mut found = None;
    while let Some(name) = tokens.next()? {
        tokens.expect("{")?;
        let mut users = Module::default();
        let mut other_module = None;
        loop {
            let module = tokens.word("a login module, or }")?;
            if module == "}" {
                break;
            }
            if module != DIGEST_MODULE {
                other_module.get_or_insert((tokens.line, module));
            }
            tokens.word("required, requisite, sufficient or optional")?;
            module_options(&mut tokens, &mut users)?;
        }
        tokens.expect(";")?;
        if name == section {
            if let Some((line, module)) = other_module {
                let why = format!(
                    "{module} is not supported; users of DIGEST-MD5 are: write {DIGEST_MODULE} \
                     required user_<name>=\"<password>\";"
                );
                return Err(JaasError { line, why });
            }
            found.get_or_insert(users);
        }
    }
    Ok(found)
}

fn module_options(tokens: &mut Tokens<'_>, into: &mut Module) -> Result<(), JaasError> {
    loop {
        let option = tokens.word("an option, or ;")?;
        if option == ";" {
            return Ok(());
        }
        tokens.expect("=")?;
        let value = tokens.word("a value")?;
        if let Some(user) = option.strip_prefix(USER_PREFIX) {
            into.users.insert(user.to_owned(), Secret(value));
        } else if option == "username" {
            into.username = Some(value);
        } else if option == "password" {
            into.password = Some(Secret(value));
        }
    }
}

/// Words, quoted strings and the signs `{ } ; =`.
struct Tokens<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            line: 1,
        }
    }

    fn bad(&self, why: impl Into<String>) -> JaasError {
        JaasError {
            line: self.line,
            why: why.into(),
        }
    }

    fn advance(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    /// Skips white space and the comments of Java and of shells.
    fn skip_blank(&mut self) -> Result<(), JaasError> {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.advance(blank);
            if self.rest.starts_with("//") || self.rest.starts_with('#') {
                let len = self.rest.find('\n').unwrap_or(self.rest.len());
                self.advance(len);
            } else if self.rest.starts_with("/*") {
                let Some(len) = self.rest.find("*/") else {
                    return Err(self.bad("a comment that does not end; write */"));
                };
                self.advance(len + 2);
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Option<String>, JaasError> {
        self.skip_blank()?;
        match self.rest.chars().next() {
            None => Ok(None),
            Some(quote @ ('"' | '\'')) => self.quoted(quote).map(Some),
            Some('{' | '}' | ';' | '=') => Ok(Some(self.advance(1).to_owned())),
            Some(_) => {
                let end = |c: char| c.is_whitespace() || "{};=\"'".contains(c);
                let len = self.rest.find(end).unwrap_or(self.rest.len());
                Ok(Some(self.advance(len).to_owned()))
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, JaasError> {
        let mut out = String::new();
        let mut escaped = false;
        for (at, c) in self.rest.char_indices().skip(1) {
            if escaped {
                escaped = false;
                out.push(match c {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                });
            } else if c == '\\' {
                escaped = true;
            } else if c == quote {
                self.advance(at + 1);
                return Ok(out);
            } else if c == '\n' {
                break;
            } else {
                out.push(c);
            }
        }
        Err(self.bad(format!("a value that does not end; write {quote}")))
    }

    fn word(&mut self, what: &str) -> Result<String, JaasError> {
        match self.next()? {
            Some(word) => Ok(word),
            None => Err(self.bad(format!("the file ends; expected {what}"))),
        }
    }

    fn expect(&mut self, sign: &str) -> Result<(), JaasError> {
        let word = self.word(sign)?;
        if word == sign {
            return Ok(());
        }
        Err(self.bad(format!("{word:?} where {sign} is expected")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "// users\nQuorumServer { a.B required x=y; };\nServer {\n  \
        org.apache.zookeeper.server.auth.DigestLoginModule required\n  /* two */ \
        user_super=\"ad\\\"min\"\n  user_bob='b o b';\n};\n";

    #[test]
    fn the_users_of_a_section_are_read() {
        let found = users(FILE, "Server").unwrap().unwrap();
        let expected = [("bob", "b o b"), ("super", "ad\"min")];
        let expected = expected.map(|(u, p)| (u.to_owned(), Secret(p.to_owned())));
        assert_eq!(found, BTreeMap::from(expected));
        assert_eq!(users(FILE, "Other").unwrap(), None);
    }

    #[test]
    fn what_is_no_use_is_refused_with_its_line() {
        for (text, line, part) in [
            (
                "Server {\n  com.sun.Krb5LoginModule required;\n};",
                2,
                "Krb5LoginModule",
            ),
            ("Server {\n x required\n user_a=\"b;\n};", 3, "does not end"),
            (
                "Server {\n x required user_a \"b\";\n};",
                2,
                "where = is expected",
            ),
            ("Server {", 1, "the file ends"),
            ("Server { }", 1, "the file ends"),
            ("\n/* x", 2, "comment"),
        ] {
            let error = users(text, "Server").unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(error.why.contains(part), "{text}: {}", error.why);
        }
    }
}
