//! Typed access to the keys of one file; remembers which were read, to judge the rest.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::keys::{Verdict, judge};
use super::properties::{self, Property};

/// The keys of one file, the last of duplicates, without the prefix `zookeeper.`.
pub(super) struct Reader {
    path: PathBuf,
    keys: BTreeMap<String, Property>,
    read: RefCell<BTreeSet<String>>,
}

impl Reader {
    /// Takes the file's text and, under it, settings given as `-Dname=value` in `flags`.
    pub(super) fn new(path: &Path, text: &str, flags: &str) -> Self {
        let mut keys = BTreeMap::new();
        for flag in flags.split_whitespace() {
            let Some((key, value)) = flag.strip_prefix("-D").and_then(|f| f.split_once('=')) else {
                continue;
            };
            if key.starts_with("zookeeper.") || key.starts_with("jute.") {
                let property = Property {
                    key: key.into(),
                    value: value.into(),
                    line: 0,
                };
                keys.insert(bare(key).to_owned(), property);
            }
        }
        for property in properties::parse(text) {
            keys.insert(bare(&property.key).to_owned(), property);
        }
        Self {
            path: path.to_owned(),
            keys,
            read: RefCell::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn property(&self, key: &str) -> Option<&Property> {
        self.read.borrow_mut().insert(key.to_owned());
        self.keys.get(key)
    }

    /// An error at `key`.
    pub(super) fn bad(&self, key: &str, why: impl Into<String>) -> ConfigError {
        let (line, name, value) = match self.keys.get(key) {
            Some(p) => (p.line, p.key.clone(), p.value.clone()),
            None => (0, key.to_owned(), String::new()),
        };
        ConfigError::BadValue {
            path: self.path.clone(),
            line,
            key: name,
            value,
            why: why.into(),
        }
    }

    /// The value as it is; `None` when absent or empty.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.property(key)
            .map(|p| p.value.as_str())
            .filter(|v| !v.is_empty())
    }

    /// A whole number in `range`.
    pub(super) fn int(
        &self,
        key: &str,
        default: i64,
        range: RangeInclusive<i64>,
        example: &str,
    ) -> Result<i64, ConfigError> {
        let Some(text) = self.text(key) else {
            return Ok(default);
        };
        let value = text.parse::<i64>().map_err(|_| {
            self.bad(
                key,
                format!("not a whole number; write for example {key}={example}"),
            )
        })?;
        if range.contains(&value) {
            return Ok(value);
        }
        let (low, high) = (range.start(), range.end());
        let why = if *high == i64::MAX {
            format!("below {low}; write for example {key}={example}")
        } else {
            format!("not in {low}..={high}; write for example {key}={example}")
        };
        Err(self.bad(key, why))
    }

    /// A whole number that is not negative.
    pub(super) fn count(
        &self,
        key: &str,
        default: u64,
        min: u64,
        example: &str,
    ) -> Result<u64, ConfigError> {
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let value = self.int(key, signed(default), signed(min)..=i64::MAX, example)?;
        Ok(value.unsigned_abs())
    }

    /// A TCP port, 0 excluded.
    pub(super) fn port(&self, key: &str) -> Result<Option<u16>, ConfigError> {
        let value = self.int(key, 0, 0..=65535, "2181")?;
        Ok(u16::try_from(value).ok().filter(|p| *p != 0))
    }

    /// `true` or `false` in any case.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        match self.text(key).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(self.bad(key, "write true or false")),
        }
    }

    /// All keys with this beginning, by what follows it.
    pub(super) fn with_prefix(&self, prefix: &str) -> Vec<(&str, &Property)> {
        let mut out = Vec::new();
        for (key, property) in self.keys.range(prefix.to_owned()..) {
            let Some(rest) = key.strip_prefix(prefix) else {
                break;
            };
            self.read.borrow_mut().insert(key.clone());
            out.push((rest, property));
        }
        out
    }

    /// Judges every key that nothing has read: warnings, or the first that is unsafe to ignore.
    pub(super) fn judge_rest(&self) -> Result<Vec<String>, ConfigError> {
        let mut by_verdict: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (key, property) in &self.keys {
            if self.read.borrow().contains(key) {
                continue;
            }
            let text = match judge(key, &property.value) {
                Verdict::NoMeaning => "without meaning in this server, ignored",
                Verdict::NotYet => "not supported yet, the default behaviour applies",
                Verdict::Unknown => "unknown, ignored",
                Verdict::Unsafe => {
                    return Err(self.bad(
                        key,
                        "not supported yet, and ignoring it would leave open what it protects; \
                         remove the line to run without",
                    ));
                }
            };
            by_verdict.entry(text).or_default().push(&property.key);
        }
        Ok(by_verdict
            .into_iter()
            .map(|(text, keys)| format!("{}: {text}", keys.join(", ")))
            .collect())
    }
}

/// People write the prefix that the manual shows; both forms mean the same here.
fn bare(key: &str) -> &str {
    key.strip_prefix("zookeeper.").unwrap_or(key)
}
