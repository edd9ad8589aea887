//! Typed access to the keys; remembers which were read, to judge the rest.
//!
//! Precedence as in Apache ZooKeeper 3.9, whose `QuorumPeerConfig` makes every line of `zoo.cfg` that
//! it has no field for a system property `zookeeper.<key>`, over a `-D` of that name. Properties
//! without that prefix (`jute.maxbuffer`) it hears as `-D` only; here a line of `zoo.cfg` does too,
//! under the `-D`. A line that says `zookeeper.<key>` counts least.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::flags::Flags;
use super::keys::{self, Scope, Verdict};
use super::properties;

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A line of the file, counted from 1.
    Line(usize),
    /// A `-D` definition in this variable.
    Flag(&'static str),
}

/// One value, where it stands, and the key as written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) origin: Origin,
    pub(super) key: String,
    pub(super) value: String,
}

/// The value of each key, by its name without the prefix `zookeeper.`.
pub(super) struct Reader {
    path: PathBuf,
    keys: BTreeMap<String, Value>,
    read: RefCell<BTreeSet<String>>,
    warnings: RefCell<Vec<String>>,
}

impl Reader {
    /// Takes the file's text and the definitions beside it.
    pub(super) fn new(path: &Path, text: &str, flags: &Flags) -> Self {
        let mut ranked: BTreeMap<String, (u8, Value)> = BTreeMap::new();
        let mut offer = |name: &str, rank: u8, value: Value| {
            let known = ranked.get(name).map_or(0, |(rank, _)| *rank);
            if rank > 0 && rank >= known {
                ranked.insert(name.to_owned(), (rank, value));
            }
        };
        for property in properties::parse(text) {
            let name = bare(&property.key).to_owned();
            let prefixed = name != property.key;
            let rank = match (scope(&name), prefixed) {
                (_, true) => 1,
                (Scope::Bare, false) => 2,
                (_, false) => 4,
            };
            let origin = Origin::Line(property.line);
            let (key, value) = (property.key, property.value);
            offer(&name, rank, Value { origin, key, value });
        }
        for flag in &flags.0 {
            let name = bare(&flag.name);
            let rank = match (scope(name), name != flag.name) {
                (Scope::Prefixed | Scope::Both, true) | (Scope::Bare, false) => 3,
                (Scope::Both, false) => 2,
                (Scope::Field, _) | (Scope::Prefixed, false) | (Scope::Bare, true) => 0,
            };
            let value = Value {
                origin: Origin::Flag(flag.variable),
                key: flag.name.clone(),
                value: flag.value.trim().to_owned(),
            };
            offer(name, rank, value);
        }
        Self {
            path: path.to_owned(),
            keys: ranked
                .into_iter()
                .map(|(name, (_, value))| (name, value))
                .collect(),
            read: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn value(&self, key: &str) -> Option<&Value> {
        debug_assert!(
            keys::find(key).is_some_and(|k| k.verdict == Verdict::Obeyed),
            "{key} is read, but the table does not call it obeyed"
        );
        self.read.borrow_mut().insert(key.to_owned());
        self.keys.get(key)
    }

    /// Something that is not refused, but that the operator should know.
    pub(super) fn warn(&self, text: impl Into<String>) {
        self.warnings.borrow_mut().push(text.into());
    }

    /// An error at `key`.
    pub(super) fn bad(&self, key: &str, why: impl Into<String>) -> ConfigError {
        let why = why.into();
        let shown = |value: &str| if is_secret(key) { "(hidden)" } else { value }.to_owned();
        match self.keys.get(key) {
            Some(Value {
                origin: Origin::Flag(variable),
                key,
                value,
            }) => ConfigError::BadFlag {
                variable,
                name: key.clone(),
                value: shown(value),
                why,
            },
            Some(Value {
                origin: Origin::Line(line),
                key,
                value,
            }) => ConfigError::BadValue {
                path: self.path.clone(),
                line: *line,
                key: key.clone(),
                value: shown(value),
                why,
            },
            None => ConfigError::Contradiction {
                path: self.path.clone(),
                why: format!("{key}: {why}"),
            },
        }
    }

    /// The value as it is; `None` when absent or empty.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.value(key)
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
        // `Integer.getInteger`, which reads properties, takes this form too.
        let hexadecimal = text
            .strip_prefix("0x")
            .filter(|_| scope(key) != Scope::Field)
            .map(|digits| i64::from_str_radix(digits, 16));
        let value = hexadecimal
            .unwrap_or_else(|| text.parse::<i64>())
            .map_err(|_| {
                let why = format!("not a whole number; write for example {key}={example}");
                self.bad(key, why)
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

    /// A whole number of which 0 and everything below means `None`.
    pub(super) fn count_or_off(
        &self,
        key: &str,
        default: i64,
        example: &str,
    ) -> Result<Option<u64>, ConfigError> {
        let value = self.int(key, default, i64::MIN..=i64::MAX, example)?;
        Ok(u64::try_from(value).ok().filter(|n| *n != 0))
    }

    /// A number from 0 to 1.
    pub(super) fn ratio(&self, key: &str, default: f64) -> Result<f64, ConfigError> {
        let Some(text) = self.text(key) else {
            return Ok(default);
        };
        text.parse::<f64>()
            .ok()
            .filter(|n| (0.0..=1.0).contains(n))
            .ok_or_else(|| {
                let why = format!("not a number from 0 to 1; write for example {key}={default}");
                self.bad(key, why)
            })
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
    pub(super) fn with_prefix(&self, prefix: &str) -> Vec<(&str, &Value)> {
        let mut out = Vec::new();
        for (key, value) in self.keys.range(prefix.to_owned()..) {
            let Some(rest) = key.strip_prefix(prefix) else {
                break;
            };
            self.read.borrow_mut().insert(key.clone());
            out.push((rest, value));
        }
        out
    }

    /// The keys that Apache has as system properties, under their full names; secrets hidden.
    pub(super) fn properties(&self) -> BTreeMap<String, String> {
        let shown = |name: &str, value: &str| {
            if is_secret(name) {
                "(hidden)".to_owned()
            } else {
                value.to_owned()
            }
        };
        let keys = self.keys.iter();
        keys.filter_map(|(name, value)| match scope(name) {
            Scope::Field => None,
            Scope::Bare => Some((name.clone(), shown(name, &value.value))),
            Scope::Prefixed | Scope::Both => {
                Some((format!("zookeeper.{name}"), shown(name, &value.value)))
            }
        })
        .collect()
    }

    /// The value as it is written, whatever the key means.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.keys.get(name).map(|value| value.value.as_str())
    }

    /// Names of all keys that the file has.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// Judges every key that nothing has read; all warnings, or the first that is unsafe to ignore.
    pub(super) fn judge_rest(&self) -> Result<Vec<String>, ConfigError> {
        let (mut without, mut not_yet, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for (name, Value { origin, key, value }) in &self.keys {
            if self.read.borrow().contains(name) {
                continue;
            }
            let asks_for_nothing = |off: &str| value.is_empty() || value.eq_ignore_ascii_case(off);
            match keys::find(name).map(|key| key.verdict) {
                Some(Verdict::Obeyed) => {}
                Some(Verdict::NoMeaning(_)) => without.push(key.as_str()),
                Some(Verdict::NotYet(_, off)) if asks_for_nothing(off) => {}
                Some(Verdict::NotYet(..)) => not_yet.push(key.as_str()),
                Some(Verdict::Guarded(_)) if asks_for_nothing("false") => {}
                Some(Verdict::Guarded(why)) => {
                    let why = format!(
                        "not supported: {why}; ignoring it would leave open what it protects, so \
                         remove the line to run without"
                    );
                    return Err(self.bad(name, why));
                }
                // Definitions of other programs of the Java machine are none of our business.
                None if matches!(origin, Origin::Flag(_)) && name == key => {}
                None => unknown.push(key.as_str()),
            }
        }
        let mut warnings = self.warnings.take();
        for (keys, text) in [
            (without, "without meaning in this server, ignored"),
            (not_yet, "not supported yet, the default behaviour applies"),
            (unknown, "unknown, ignored"),
        ] {
            if !keys.is_empty() {
                warnings.push(format!("{}: {text}", keys.join(", ")));
            }
        }
        Ok(warnings)
    }
}

/// Whether a value must not be shown.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    (name.contains("password") && !name.ends_with("path"))
        || name.ends_with("superdigest")
        || name.ends_with("operatordigest")
}

/// Without the prefix that the manual shows.
fn bare(key: &str) -> &str {
    key.strip_prefix("zookeeper.").unwrap_or(key)
}

fn scope(name: &str) -> Scope {
    keys::find(name).map_or(Scope::Prefixed, |key| key.scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, file: &str, flags: &str, expected: Option<&str>) {
        let flags = Flags::collect(|name| (name == "JVMFLAGS").then(|| flags.to_owned()));
        let reader = Reader::new(Path::new("zoo.cfg"), file, &flags);
        assert_eq!(
            reader.text(key),
            expected,
            "{key} of {file:?} and {flags:?}"
        );
    }

    #[test]
    fn a_line_of_the_file_wins_over_a_definition() {
        check(
            "snapCount",
            "snapCount=1",
            "-Dzookeeper.snapCount=2",
            Some("1"),
        );
        check("snapCount", "", "-Dzookeeper.snapCount=2", Some("2"));
        check("snapCount", "", "-DsnapCount=2", None);
        check("snapCount", "zookeeper.snapCount=1", "", Some("1"));
        check(
            "snapCount",
            "snapCount=1\nzookeeper.snapCount=3",
            "",
            Some("1"),
        );
        check(
            "snapCount",
            "zookeeper.snapCount=1",
            "-Dzookeeper.snapCount=2",
            Some("2"),
        );
        check("snapCount", "snapCount=1\nsnapCount=4", "", Some("4"));
    }

    #[test]
    fn a_definition_without_prefix_wins_over_the_line_that_apache_does_not_hear() {
        check(
            "jute.maxbuffer",
            "jute.maxbuffer=1",
            "-Djute.maxbuffer=2",
            Some("2"),
        );
        check("jute.maxbuffer", "jute.maxbuffer=1", "", Some("1"));
        check(
            "jute.maxbuffer",
            "zookeeper.jute.maxbuffer=1",
            "",
            Some("1"),
        );
        check("jute.maxbuffer", "", "-Dzookeeper.jute.maxbuffer=2", None);
        check(
            "readonlymode.enabled",
            "",
            "-Dreadonlymode.enabled=true",
            Some("true"),
        );
    }

    #[test]
    fn fields_are_not_heard_as_definitions_and_some_have_two_names() {
        check("tickTime", "", "-Dzookeeper.tickTime=5", None);
        let both = "-Dfsync.warningthresholdms=1 -Dzookeeper.fsync.warningthresholdms=2";
        check("fsync.warningthresholdms", "", both, Some("2"));
        check(
            "fsync.warningthresholdms",
            "",
            "-Dfsync.warningthresholdms=1",
            Some("1"),
        );
        check(
            "fsync.warningthresholdms",
            "fsync.warningthresholdms=3",
            both,
            Some("3"),
        );
    }
}
