//! `inspect snapshot`: the nodes, sessions and sums of a snapshot.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;
use zk_storage::inspect::{SnapshotEnd, read_snapshot};
use zk_wire::snapshot::SnapshotItem;
use zk_wire::{SessionId, StatPersisted};

use super::InspectError;
use super::print::Lines;
use super::progress::Progress;
use crate::cli::commands::base64;
use crate::cli::stat::date;

/// What of a snapshot to print.
#[derive(Debug, Args)]
pub struct SnapshotArguments {
    /// A file snapshot.*
    file: PathBuf,
    /// Print the data of each node as base64, not only its length
    #[arg(short = 'd', long)]
    data: bool,
    /// Print one JSON object for each node and session, and one at the end
    #[arg(long)]
    json: bool,
    /// Check only: print no nodes and sessions
    #[arg(long, conflicts_with_all = ["data", "sum"])]
    quiet: bool,
    /// Print sums of the subtrees below this path instead: nodes and bytes
    #[arg(long, value_name = "PATH")]
    sum: Option<String>,
    /// How many levels of sums
    #[arg(long, default_value_t = 1, requires = "sum")]
    depth: usize,
}

/// Children and bytes of a subtree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    nodes: u64,
    bytes: u64,
}

/// What is gathered while nodes go by; bounded by what is asked for, not by the file.
struct Seen {
    nodes: u64,
    bytes: u64,
    /// Session, time-out and number of ephemerals.
    sessions: BTreeMap<SessionId, (i32, u64)>,
    sums: BTreeMap<String, Sum>,
}

pub(super) fn run(arguments: &SnapshotArguments) -> Result<(), InspectError> {
    let file = &arguments.file;
    let len = std::fs::metadata(file)
        .map_err(InspectError::io(file))?
        .len();
    let progress = Progress::new(file, len);
    let mut lines = Lines::new();
    let zone = TimeZone::system();
    let mut seen = Seen {
        nodes: 0,
        bytes: 0,
        sessions: BTreeMap::new(),
        sums: BTreeMap::new(),
    };
    let print_nodes = !arguments.quiet && arguments.sum.is_none();
    let end = read_snapshot(file, &mut |offset, item| {
        progress.at(offset);
        match item {
            SnapshotItem::Session { id, timeout_ms } => {
                seen.sessions.insert(id, (timeout_ms, 0));
            }
            SnapshotItem::AclEntry { .. } => {}
            SnapshotItem::Node {
                path, data, stat, ..
            } => {
                let path = if path.is_empty() { "/" } else { &path };
                seen.note(path, data.as_deref(), &stat, arguments);
                if print_nodes && arguments.json {
                    lines.put(node_json(path, data.as_deref(), &stat, arguments.data));
                } else if print_nodes {
                    node_lines(&mut lines, path, data.as_deref(), &stat, arguments, &zone);
                }
            }
        }
        Ok(())
    });
    let end = end.map_err(|why| {
        InspectError::Damage(format!(
            "{why}; set this file aside and start from an older snapshot and the logs behind it, or \
             from the leader"
        ))
    })?;
    finish(&mut lines, arguments, &seen, end);
    Ok(())
}

impl Seen {
    fn note(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        stat: &StatPersisted,
        arguments: &SnapshotArguments,
    ) {
        let len = data.map_or(0, <[u8]>::len) as u64;
        self.nodes += 1;
        self.bytes += len;
        if let Some(session) = self.sessions.get_mut(&SessionId(stat.ephemeral_owner)) {
            session.1 += 1;
        }
        let Some(root) = &arguments.sum else { return };
        let root = root.trim_end_matches('/');
        let below = match path.strip_prefix(root) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
            _ => return,
        };
        let names = below.split('/').filter(|name| !name.is_empty());
        let names: Vec<&str> = names.collect();
        for level in 0..=names.len().min(arguments.depth) {
            let ancestor = names
                .iter()
                .take(level)
                .fold(root.to_owned(), |at, name| format!("{at}/{name}"));
            let sum = self.sums.entry(ancestor).or_default();
            sum.bytes += len;
            // A node does not count as its own child.
            sum.nodes += u64::from(level < names.len());
        }
    }
}

fn node_lines(
    lines: &mut Lines,
    path: &str,
    data: Option<&[u8]>,
    stat: &StatPersisted,
    arguments: &SnapshotArguments,
    zone: &TimeZone,
) {
    lines.put("----");
    lines.put(path);
    lines.put(format_args!("  cZxid = {:#016x}", stat.czxid));
    lines.put(format_args!("  ctime = {}", date(stat.ctime, zone)));
    lines.put(format_args!("  mZxid = {:#016x}", stat.mzxid));
    lines.put(format_args!("  mtime = {}", date(stat.mtime, zone)));
    lines.put(format_args!("  pZxid = {:#016x}", stat.pzxid));
    lines.put(format_args!("  cversion = {}", stat.cversion));
    lines.put(format_args!("  dataVersion = {}", stat.version));
    lines.put(format_args!("  aclVersion = {}", stat.aversion));
    lines.put(format_args!(
        "  ephemeralOwner = {:#016x}",
        stat.ephemeral_owner
    ));
    match data {
        Some(data) if arguments.data => lines.put(format_args!("  data = {}", base64(data))),
        Some(data) => lines.put(format_args!("  dataLength = {}", data.len())),
        None if arguments.data => lines.put("  data = "),
        None => lines.put("  no data"),
    }
}

fn node_json(
    path: &str,
    data: Option<&[u8]>,
    stat: &StatPersisted,
    with_data: bool,
) -> serde_json::Value {
    let mut node = json!({
        "path": path,
        "czxid": format!("{:#x}", stat.czxid),
        "mzxid": format!("{:#x}", stat.mzxid),
        "pzxid": format!("{:#x}", stat.pzxid),
        "ctime": stat.ctime,
        "mtime": stat.mtime,
        "cversion": stat.cversion,
        "version": stat.version,
        "aversion": stat.aversion,
        "ephemeralOwner": format!("{:#x}", stat.ephemeral_owner),
        "dataLength": data.map(<[u8]>::len),
    });
    if let (true, Some(object)) = (with_data, node.as_object_mut()) {
        object.insert("base64".into(), data.map(base64).into());
    }
    node
}

/// What comes behind the nodes: sessions, sums, and the ends of the file.
fn finish(lines: &mut Lines, arguments: &SnapshotArguments, seen: &Seen, end: SnapshotEnd) {
    if arguments.json {
        for (path, sum) in &seen.sums {
            let path = if path.is_empty() { "/" } else { path };
            lines.put(json!({"path": path, "children": sum.nodes, "bytes": sum.bytes}));
        }
        if arguments.sum.is_none() && !arguments.quiet {
            for (id, (timeout, ephemerals)) in &seen.sessions {
                let session = id.to_string();
                lines.put(json!({
                    "session": session, "timeoutMs": timeout, "ephemerals": ephemerals,
                }));
            }
        }
        lines.put(json!({
            "file": arguments.file.display().to_string(),
            "nodes": seen.nodes,
            "bytes": seen.bytes,
            "sessions": seen.sessions.len(),
            "digestZxid": end.digest.map(|(zxid, _)| zxid.to_string()),
            "digest": end.digest.map(|(_, digest)| format!("{digest:#x}")),
            "lastZxid": end.last_zxid.map(|zxid| zxid.to_string()),
        }));
        return;
    }
    let depth_of = |path: &str| path.matches('/').count();
    let root = arguments.sum.as_deref().map(|r| r.trim_end_matches('/'));
    for (path, sum) in &seen.sums {
        let dashes = "--".repeat(depth_of(path) - root.map_or(0, depth_of));
        let shown = if path.is_empty() { "/" } else { path };
        lines.put(format_args!("{dashes} {shown}"));
        lines.put(format_args!("{dashes}   children: {}", sum.nodes));
        lines.put(format_args!("{dashes}   data: {}", sum.bytes));
    }
    if root.is_some() {
        return;
    }
    if !arguments.quiet {
        lines.put("----");
        lines.put("Session Details (sid, timeout, ephemeralCount):");
        for (id, (timeout, ephemerals)) in &seen.sessions {
            lines.put(format_args!("{:#x}, {timeout}, {ephemerals}", id.0));
        }
        lines.put("----");
    }
    lines.put(format_args!(
        "ZNode count: {}, data bytes: {}, sessions: {}",
        seen.nodes,
        seen.bytes,
        seen.sessions.len()
    ));
    if let Some((zxid, digest)) = end.digest {
        lines.put(format_args!(
            "Target zxid digest is: {:x}, {digest}",
            zxid.as_u64()
        ));
    }
    if let Some(zxid) = end.last_zxid {
        lines.put(format_args!("Last zxid: {zxid}"));
    }
}
