//! `inspect compare`: which subtrees of two snapshots differ in nodes or bytes
//! (`SnapshotComparer`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use zk_storage::inspect::read_snapshot;
use zk_wire::snapshot::SnapshotItem;

use super::InspectError;
use super::print::Lines;
use super::progress::Progress;

/// What to compare, and which differences count.
#[derive(Debug, Args)]
pub struct CompareArguments {
    /// The older snapshot
    left: PathBuf,
    /// The newer snapshot
    right: PathBuf,
    /// Print subtrees that differ by more nodes than this
    #[arg(short = 'n', long, default_value_t = 0)]
    nodes: u64,
    /// Print subtrees that differ by more bytes than this
    #[arg(short = 'b', long, default_value_t = 0)]
    bytes: u64,
    /// How deep to look; subtrees below count to their ancestors
    #[arg(long, default_value_t = 8)]
    depth: usize,
    /// Print one JSON object for each difference
    #[arg(long)]
    json: bool,
}

/// Nodes and bytes of each subtree, itself included.
type Sums = BTreeMap<(usize, String), (u64, u64)>;

fn sums(path: &Path, depth_max: usize) -> Result<Sums, InspectError> {
    let len = std::fs::metadata(path)
        .map_err(InspectError::io(path))?
        .len();
    let progress = Progress::new(path, len);
    let mut sums = Sums::new();
    read_snapshot(path, &mut |offset, item| {
        progress.at(offset);
        if let SnapshotItem::Node { path, data, .. } = item {
            let len = data.map_or(0, |d| d.len()) as u64;
            let names: Vec<&str> = path.split('/').filter(|n| !n.is_empty()).collect();
            let mut at = String::new();
            let levels = std::iter::once(None).chain(names.iter().map(Some));
            for (level, name) in levels.enumerate().take(depth_max + 1) {
                if let Some(name) = name {
                    at = format!("{at}/{name}");
                }
                let shown = if at.is_empty() { "/" } else { &at };
                let sum = sums.entry((level, shown.to_owned())).or_default();
                sum.0 += 1;
                sum.1 += len;
            }
        }
        Ok(())
    })?;
    Ok(sums)
}

pub(super) fn run(arguments: &CompareArguments) -> Result<(), InspectError> {
    let left = sums(&arguments.left, arguments.depth)?;
    let right = sums(&arguments.right, arguments.depth)?;
    let mut lines = Lines::new();
    let total = |sums: &Sums| sums.get(&(0, "/".to_owned())).copied().unwrap_or_default();
    if !arguments.json {
        for (file, sums) in [(&arguments.left, &left), (&arguments.right, &right)] {
            let (nodes, bytes) = total(sums);
            lines.put(format_args!(
                "{}: Node count: {nodes}, Total size: {bytes}",
                file.display()
            ));
        }
        lines.put(format_args!(
            "Printing analysis for nodes difference larger than {} bytes or node count difference \
             larger than {}.",
            arguments.bytes, arguments.nodes
        ));
    }
    let mut all: Vec<&(usize, String)> = left.keys().chain(right.keys()).collect();
    all.sort();
    all.dedup();
    let mut depth = None;
    for key in all {
        let (level, path) = key;
        if !arguments.json && depth != Some(*level) {
            depth = Some(*level);
            lines.put(format_args!("Analysis for depth {level}"));
        }
        let (l, r) = (left.get(key), right.get(key));
        let ((ln, lb), (rn, rb)) = (
            l.copied().unwrap_or_default(),
            r.copied().unwrap_or_default(),
        );
        let differs = ln.abs_diff(rn) > arguments.nodes || lb.abs_diff(rb) > arguments.bytes;
        if !differs {
            continue;
        }
        if arguments.json {
            lines.put(json!({
                "path": path, "depth": level,
                "left": l.map(|(nodes, bytes)| json!({"nodes": nodes, "bytes": bytes})),
                "right": r.map(|(nodes, bytes)| json!({"nodes": nodes, "bytes": bytes})),
            }));
            continue;
        }
        let where_found = match (l, r) {
            (Some(_), Some(_)) => "found in both trees",
            (Some(_), None) => "found only in left tree",
            (None, _) => "found only in right tree",
        };
        lines.put(format_args!(
            "Node {path} {where_found}. Descendant size: {lb} -> {rb}. Descendant count: {ln} -> {rn}"
        ));
    }
    if !arguments.json {
        lines.put("All layers compared.");
    }
    Ok(())
}
