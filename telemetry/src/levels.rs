//! Which lines the log has, as people write it: `info,quorate_server::tls=debug`.
//!
//! A part of the syntax of `EnvFilter`, checked more strictly. That takes `debgu` for the name of a module, and
//! what is written of one module for the wish to hear of no other.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// Longest text, bytes.
const LEN_MAX: usize = 1024;

/// Directives in it.
const DIRECTIVES_MAX: usize = 32;

/// The words for levels, quietest first.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Levels that were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels(String);

/// Why a text says no levels.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadLevels {
    /// Too long.
    #[error("more than {LEN_MAX} bytes or {DIRECTIVES_MAX} directives; write fewer")]
    TooMuch,
    /// One directive is wrong.
    #[error(
        "{0:?} is no level and no MODULE=LEVEL; write for example info,quorate_server=debug, with the levels \
         off, error, warn, info, debug and trace"
    )]
    Directive(String),
    /// Nothing is said of the modules that are not named.
    #[error("no level for the modules that are not named; put one in front, for example info")]
    NoneForTheRest,
}

impl Levels {
    /// The level `info`, for all modules.
    #[must_use]
    pub fn info() -> Self {
        Self("info".to_owned())
    }

    /// The level `warn`, for all modules.
    #[must_use]
    pub fn warn() -> Self {
        Self("warn".to_owned())
    }

    /// The filter that lets these levels through.
    #[must_use]
    pub(crate) fn filter(&self) -> EnvFilter {
        EnvFilter::builder().with_regex(false).parse_lossy(&self.0)
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Levels {
    type Err = BadLevels;

    fn from_str(text: &str) -> Result<Self, BadLevels> {
        if text.len() > LEN_MAX || text.split(',').count() > DIRECTIVES_MAX {
            return Err(BadLevels::TooMuch);
        }
        let directives: Vec<String> = text
            .split(',')
            .map(directive)
            .collect::<Result<_, BadLevels>>()?;
        if directives.iter().all(|directive| directive.contains('=')) {
            return Err(BadLevels::NoneForTheRest);
        }
        Ok(Self(directives.join(",")))
    }
}

/// One directive, its level in lower case.
fn directive(text: &str) -> Result<String, BadLevels> {
    let bad = || BadLevels::Directive(text.trim().to_owned());
    let (module, level) = match text.split_once('=') {
        Some((module, level)) => (Some(module.trim()), level.trim()),
        None => (None, text.trim()),
    };
    let level = level.to_ascii_lowercase();
    if !LEVELS.contains(&level.as_str()) {
        return Err(bad());
    }
    let Some(module) = module else {
        return Ok(level);
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_:-".contains(c);
    if module.is_empty() || !module.chars().all(plain) {
        return Err(bad());
    }
    Ok(format!("{module}={level}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, BadLevels> {
        text.parse::<Levels>().map(|levels| levels.to_string())
    }

    #[test]
    fn levels_are_for_all_and_for_modules() {
        assert_eq!(read("info"), Ok("info".to_owned()));
        assert_eq!(
            read(" WARN , quorate_server::tls = Debug,zk_core=off"),
            Ok("warn,quorate_server::tls=debug,zk_core=off".to_owned())
        );
        let levels: Levels = "warn,zk_core=off".parse().unwrap();
        assert_eq!(levels.filter().to_string(), "zk_core=off,warn");
    }

    #[test]
    fn a_refusal_names_the_directive() {
        for bad in [
            "debgu",
            "zk_core=loud",
            "=info",
            "a b=info",
            "[span]=info",
            "",
        ] {
            let why = read(&format!("info,{bad}")).unwrap_err().to_string();
            assert!(why.contains(&format!("{bad:?}")), "{why}");
            assert!(why.contains("write for example"), "{why}");
        }
        assert_eq!(read("zk_core=debug"), Err(BadLevels::NoneForTheRest));
    }

    #[test]
    fn the_text_is_bounded() {
        assert_eq!(read(&"info,".repeat(33)), Err(BadLevels::TooMuch));
        assert_eq!(read(&"x".repeat(1025)), Err(BadLevels::TooMuch));
    }
}
