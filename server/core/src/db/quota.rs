//! Quotas: the paths that have one, and the nodes that hold limits and usage (`Quotas`, `StatsTrack`,
//! `DataTree.updateQuotaStat`).
//!
//! `/zookeeper/quota/a/b/zookeeper_limits` limits what is at and below `/a/b`; the usage is kept in
//! `zookeeper_stats` beside it, changed in place whenever a node there comes, goes or changes its
//! length: no version moves and nobody is told.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::tree::NodeIdx;
use super::{Database, parent_of};

const QUOTAS: &str = "/zookeeper/quota";
const LIMITS: &str = "zookeeper_limits";
const USAGE: &str = "zookeeper_stats";

const COUNT: &str = "count";
const BYTES: &str = "bytes";

/// What limits and usage nodes hold: numbers by name; a missing one is -1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Figures(BTreeMap<String, i64>);

impl Figures {
    /// Reads the text; `None` when it is not of this form, null data included.
    pub(crate) fn parse(data: Option<&[u8]>) -> Option<Self> {
        let text = String::from_utf8_lossy(data?);
        let mut figures = BTreeMap::new();
        // Several separators in a row count as one, those at the end as none.
        let text = text.trim_end_matches([',', ';']);
        if text.is_empty() {
            return Some(Self(figures));
        }
        let pairs = text.split([',', ';']);
        for (at, pair) in pairs.enumerate() {
            if pair.is_empty() && at > 0 {
                continue;
            }
            let (key, rest) = pair.split_once('=')?;
            if rest.trim_end_matches('=').is_empty() {
                return None;
            }
            let value = rest.split('=').next().filter(|v| !v.is_empty());
            let value = value.map_or(Some(-1), |v| v.parse::<i64>().ok())?;
            figures.insert(key.to_owned(), value);
        }
        Some(Self(figures))
    }

    fn get(&self, key: &str) -> i64 {
        self.0.get(key).copied().unwrap_or(-1)
    }

    /// Number of nodes: used, or the soft limit.
    pub(crate) fn count(&self) -> i64 {
        self.get(COUNT)
    }

    /// Sum of the lengths of data: used, or the soft limit.
    pub(crate) fn bytes(&self) -> i64 {
        self.get(BYTES)
    }

    /// Hard limit of the number of nodes.
    pub(crate) fn count_hard(&self) -> i64 {
        self.get("countHardLimit")
    }

    /// Hard limit of the sum of lengths.
    pub(crate) fn bytes_hard(&self) -> i64 {
        self.get("byteHardLimit")
    }

    fn set_usage(&mut self, count: i64, bytes: i64) {
        self.0.insert(COUNT.to_owned(), count);
        self.0.insert(BYTES.to_owned(), bytes);
    }

    /// The text; the odd `=` in front of what 3.4 did not know makes its parser pass over it.
    fn to_text(&self) -> String {
        let mut text = format!("{COUNT}={},{BYTES}={}", self.count(), self.bytes());
        let mut others = self
            .0
            .iter()
            .filter(|(key, _)| *key != COUNT && *key != BYTES);
        if let Some((key, value)) = others.next() {
            text.push_str(&format!("=;{key}={value}"));
        }
        for (key, value) in others {
            text.push_str(&format!(";{key}={value}"));
        }
        text
    }
}

/// Paths that have a quota; mostly none at all, and looking for one then costs nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct QuotaPaths(BTreeSet<Box<str>>);

impl QuotaPaths {
    /// The deepest path with a quota that is `path` or above it.
    fn deepest<'a>(&self, path: &'a str) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let mut prefix = path;
        while !prefix.is_empty() {
            if self.0.contains(prefix) {
                return Some(prefix);
            }
            prefix = parent_of(prefix)?.0;
        }
        None
    }
}

/// The path that a node directly in `parent_path` would be limits or usage of; empty for the root, which can
/// have no quota.
fn limited_by(parent_path: &str) -> Option<&str> {
    let rest = parent_path.strip_prefix(QUOTAS)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

impl Database {
    /// Limits and usage of the quota that `path` is under, as their nodes have them; `None` without
    /// a quota or without its limits node.
    pub(crate) fn quota(&self, path: &str) -> Option<(Option<&Bytes>, Option<&super::Node>)> {
        let prefix = self.quotas.deepest(path)?;
        let limits = self.node(&format!("{QUOTAS}{prefix}/{LIMITS}"))?;
        let usage = self.node(&format!("{QUOTAS}{prefix}/{USAGE}"));
        Some((limits.data.as_ref(), usage))
    }

    /// A node was created.
    pub(super) fn count_created(&mut self, path: &str, len: u64) {
        if let Some((parent_path, name)) = parent_of(path)
            && let Some(limited) = limited_by(parent_path)
        {
            if name == LIMITS && !limited.is_empty() {
                self.quotas.0.insert(limited.into());
            } else if name == USAGE {
                self.recount(limited);
            }
        }
        self.add_usage(path, 1, signed(len));
    }

    /// A node was deleted.
    pub(super) fn count_deleted(&mut self, path: &str, len: u64) {
        if let Some((parent_path, name)) = parent_of(path)
            && name == LIMITS
            && let Some(limited) = limited_by(parent_path)
        {
            self.quotas.0.remove(limited);
        }
        self.add_usage(path, -1, -signed(len));
    }

    /// The data of a node changed its length.
    pub(super) fn count_set(&mut self, path: &str, before: u64, after: u64) {
        self.add_usage(path, 0, signed(after) - signed(before));
    }

    fn add_usage(&mut self, path: &str, count: i64, bytes: i64) {
        let Some(prefix) = self.quotas.deepest(path) else {
            return;
        };
        let usage_path = format!("{QUOTAS}{prefix}/{USAGE}");
        let Some(at) = self.tree.find(&usage_path) else {
            return;
        };
        // Someone overwrote it with something else: it stays that.
        let Some(mut figures) = Figures::parse(self.tree.node(at).data.as_deref()) else {
            return;
        };
        figures.set_usage(
            figures.count().wrapping_add(count),
            figures.bytes().wrapping_add(bytes),
        );
        self.write_usage(at, &usage_path, &figures);
    }

    fn write_usage(&mut self, at: NodeIdx, usage_path: &str, figures: &Figures) {
        let text = figures.to_text();
        self.change(at, usage_path, |node| node.data = Some(Bytes::from(text)));
    }

    /// Counts what is at and below `limited` and writes it into its usage node.
    fn recount(&mut self, limited: &str) {
        let usage_path = format!("{QUOTAS}{limited}/{USAGE}");
        let Some(usage_at) = self.tree.find(&usage_path) else {
            return;
        };
        let (mut count, mut bytes) = (0, 0);
        let mut todo: Vec<NodeIdx> = self.tree.find(limited).into_iter().collect();
        while let Some(at) = todo.pop() {
            let node = self.tree.node(at);
            count += 1;
            bytes += signed(node.data_len());
            todo.extend(node.children.values());
        }
        let mut figures = Figures::default();
        figures.set_usage(count, bytes);
        self.write_usage(usage_at, &usage_path, &figures);
    }

    /// Finds the quotas of a tree that was just loaded, and counts anew.
    pub(super) fn load_quotas(&mut self) {
        self.quotas = QuotaPaths::default();
        let mut todo: Vec<(String, NodeIdx)> = Vec::new();
        todo.extend(self.tree.find(QUOTAS).map(|at| (QUOTAS.to_owned(), at)));
        let mut limited = Vec::new();
        while let Some((path, at)) = todo.pop() {
            for (name, child) in &self.tree.node(at).children {
                if &**name == LIMITS && self.tree.node(*child).children.is_empty() {
                    limited.extend(limited_by(&path).map(str::to_owned));
                } else {
                    todo.push((format!("{path}/{name}"), *child));
                }
            }
        }
        for path in limited.into_iter().filter(|path| !path.is_empty()) {
            self.recount(&path);
            self.quotas.0.insert(path.into());
        }
    }
}

fn signed(len: u64) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
