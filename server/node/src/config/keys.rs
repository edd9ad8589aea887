//! Every key of Apache ZooKeeper 3.9: where it may be set, and what becomes of it here.
//!
//! Source: the administrator's guide and the sources of the 3.9 line. docs/configuration.md lists
//! the same keys for people; a test compares the two.

mod table;

use table::{GUARDED, NO_MEANING, NOT_YET, OBEYED};

/// Where Apache takes a key from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// `zoo.cfg` only.
    Field,
    /// `zoo.cfg`, else `-Dzookeeper.<key>`.
    Prefixed,
    /// `-D<key>` only; here `zoo.cfg` may say it too.
    Bare,
    /// `zoo.cfg`, else `-Dzookeeper.<key>`, else `-D<key>`.
    Both,
}

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is obeyed.
    Obeyed,
    /// It tunes something that exists only in the Java server; why.
    NoMeaning(&'static str),
    /// It means something that this server does not do yet; why, and the value that asks for nothing.
    NotYet(&'static str, &'static str),
    /// It asks for protection that is not there: values other than `false` are refused; why.
    Guarded(&'static str),
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// Without `zookeeper.`; `.N` at the end stands for any ending.
    pub(super) name: &'static str,
    /// Where it may be set.
    pub(super) scope: Scope,
    /// What becomes of it.
    pub(super) verdict: Verdict,
}

/// All keys.
pub(super) fn all() -> impl Iterator<Item = Key> {
    let key = |name, scope, verdict| Key {
        name,
        scope,
        verdict,
    };
    let obeyed = OBEYED
        .iter()
        .map(move |(name, scope)| key(*name, *scope, Verdict::Obeyed));
    let without = NO_MEANING
        .iter()
        .map(move |(name, scope, why)| key(*name, *scope, Verdict::NoMeaning(why)));
    let not_yet = NOT_YET
        .iter()
        .map(move |(name, scope, off, why)| key(*name, *scope, Verdict::NotYet(why, off)));
    let guarded = GUARDED
        .iter()
        .map(move |(name, scope, why)| key(*name, *scope, Verdict::Guarded(why)));
    obeyed.chain(without).chain(not_yet).chain(guarded)
}

/// The key that `name`, without `zookeeper.`, means; `None`: nobody knows it.
pub(super) fn find(name: &str) -> Option<Key> {
    all().find(|key| match key.name.strip_suffix('N') {
        Some(family) if family.ends_with('.') => name.starts_with(family),
        _ => name == key.name,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn keys_are_found_with_their_families() {
        let verdict = |name| find(name).map(|key| key.verdict);
        assert_eq!(verdict("dataDir"), Some(Verdict::Obeyed));
        assert_eq!(verdict("server.3"), Some(Verdict::Obeyed));
        assert_eq!(verdict("authProvider.sasl"), Some(Verdict::Obeyed));
        assert!(matches!(verdict("ssl.crl"), Some(Verdict::Guarded(_))));
        assert_eq!(verdict("fooBar"), None);
        assert_eq!(verdict("serverish"), None);
    }

    /// The rows of the page's table of keys: name, where it may be set, what becomes of it.
    fn documented() -> BTreeMap<&'static str, (&'static str, &'static str)> {
        let page = include_str!("../../../../docs/configuration.md");
        let (_, table) = page.split_once("\n## All keys\n").unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| `"));
        rows.map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`'), (cells[2], cells[4]))
        })
        .collect()
    }

    #[test]
    fn the_page_about_the_configuration_names_exactly_these_keys() {
        let known: BTreeMap<_, _> = all()
            .map(|key| {
                let outside = match key.scope {
                    Scope::Field => "`zoo.cfg`",
                    Scope::Prefixed => "`-Dzookeeper.`",
                    Scope::Bare => "`-D`",
                    Scope::Both => "`-Dzookeeper.`, `-D`",
                };
                let here = match key.verdict {
                    Verdict::Obeyed => "obeyed",
                    Verdict::NoMeaning(_) => "without meaning",
                    Verdict::NotYet(..) => "not yet",
                    Verdict::Guarded(_) => "refused",
                };
                (key.name, (outside, here))
            })
            .collect();
        assert_eq!(documented(), known);
    }

    #[test]
    fn no_key_is_there_twice() {
        let mut seen = BTreeSet::new();
        for key in all() {
            assert!(seen.insert(key.name), "{}", key.name);
        }
        assert!(seen.len() > 200, "{}", seen.len());
    }
}
