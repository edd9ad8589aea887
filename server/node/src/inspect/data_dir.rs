//! `inspect data-dir`: what a start would make of a data directory, with every digest checked.

use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;
use serde_json::{Value, json};
use zk_core::db::RecoveryBuilder;
use zk_storage::RecoverySink;
use zk_storage::inspect::{Survey, survey};
use zk_wire::Zxid;
use zk_wire::snapshot::SnapshotItem;
use zk_wire::txn::Txn;

use super::InspectError;
use super::print::Lines;

/// Mismatches that are listed; more of them say nothing new.
const MISMATCHES_MAX: usize = 10;

/// Which directory.
#[derive(Debug, Args)]
pub struct DataDirArguments {
    /// dataDir of the configuration
    dir: PathBuf,
    /// dataLogDir of the configuration, when it has one
    log_dir: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Replays into a tree and compares the digests that transactions carry.
struct Replay {
    builder: RecoveryBuilder,
    /// Until where the snapshot may hold more than the log has come to.
    fuzzy_until: Option<Zxid>,
    replayed: u64,
    compared: u64,
    mismatches: Vec<(Zxid, u64, u64)>,
}

impl RecoverySink for Replay {
    fn begin(&mut self, snapshot_zxid: Zxid) {
        self.builder.begin(snapshot_zxid);
    }

    fn item(&mut self, item: SnapshotItem) -> Result<(), String> {
        self.builder.item(item)
    }

    fn end_snapshot(&mut self, digest: Option<(Zxid, u64)>) -> Result<(), String> {
        self.fuzzy_until = digest.map(|(zxid, _)| zxid);
        self.builder.end_snapshot(digest)
    }

    fn txn(&mut self, txn: Txn, raw: Bytes) -> Result<(), String> {
        let (zxid, expected) = (txn.header.zxid, txn.digest);
        self.builder.txn(txn, raw)?;
        self.replayed += 1;
        if let Some(expected) = expected.filter(|_| self.fuzzy_until.is_none_or(|z| zxid >= z)) {
            self.compared += 1;
            let found = self.builder.digest();
            if found != expected && self.mismatches.len() < MISMATCHES_MAX {
                self.mismatches.push((zxid, expected, found));
            }
        }
        Ok(())
    }
}

pub(super) fn run(arguments: &DataDirArguments) -> Result<(), InspectError> {
    let log_dir = arguments.log_dir.as_ref().unwrap_or(&arguments.dir);
    let mut replay = Replay {
        builder: RecoveryBuilder::new(),
        fuzzy_until: None,
        replayed: 0,
        compared: 0,
        mismatches: Vec::new(),
    };
    let found = survey(&arguments.dir, log_dir, &mut replay)?;
    let mismatches: Vec<String> = replay
        .mismatches
        .iter()
        .map(|(zxid, expected, found)| {
            format!("after {zxid} the tree digest is {found:#x}, its record says {expected:#x}")
        })
        .collect();
    let mut lines = Lines::new();
    if arguments.json {
        lines.put(to_json(&found, &replay, &mismatches));
    } else {
        print(&mut lines, &found, &replay, mismatches.len());
    }
    drop(lines);
    if mismatches.is_empty() {
        return Ok(());
    }
    Err(InspectError::Damage(format!(
        "{}\nThe tree is not what the writer of the log had; set this directory aside, and the server \
         takes the state from the leader",
        mismatches.join("\n")
    )))
}

fn to_json(found: &Survey, replay: &Replay, mismatches: &[String]) -> Value {
    json!({
        "myid": found.my_id,
        "acceptedEpoch": found.accepted_epoch.map(|e| e.0),
        "currentEpoch": found.current_epoch.map(|e| e.0),
        "snapshots": found.snapshots.iter().map(|s| json!({
            "file": s.path.display().to_string(),
            "zxid": s.zxid.to_string(),
            "bytes": s.len,
            "complete": s.complete,
            "compressed": s.compressed,
        })).collect::<Vec<_>>(),
        "logs": found.logs.iter().map(|l| json!({
            "file": l.path.display().to_string(),
            "zxid": l.zxid.to_string(),
            "bytes": l.len,
        })).collect::<Vec<_>>(),
        "startSnapshot": found.start_snapshot.map(|z| z.to_string()),
        "last": found.last.to_string(),
        "replayed": replay.replayed,
        "digestsCompared": replay.compared,
        "digestMismatches": mismatches,
        "nodes": replay.builder.node_count(),
        "torn": found.torn.as_ref().map(|t| json!({
            "file": t.file.display().to_string(), "offset": t.offset, "why": t.why,
        })),
    })
}

fn print(lines: &mut Lines, found: &Survey, replay: &Replay, wrong: usize) {
    let shown = |z: Option<Zxid>| z.map_or("none".to_owned(), |z| z.to_string());
    lines.put(format_args!(
        "myid: {}",
        found.my_id.as_deref().unwrap_or("none")
    ));
    let epoch = |e: Option<zk_wire::Epoch>| e.map_or("none".to_owned(), |e| e.to_string());
    lines.put(format_args!(
        "acceptedEpoch: {}",
        epoch(found.accepted_epoch)
    ));
    lines.put(format_args!("currentEpoch: {}", epoch(found.current_epoch)));
    for snapshot in &found.snapshots {
        let state = match (snapshot.compressed, snapshot.complete) {
            (true, _) => "compressed",
            (false, true) => "written to its end",
            (false, false) => "not written to its end",
        };
        let (path, len) = (snapshot.path.display(), snapshot.len);
        let used = found.start_snapshot == Some(snapshot.zxid);
        let mark = if used { ", a start loads it" } else { "" };
        lines.put(format_args!("snapshot: {path}, {len} bytes, {state}{mark}"));
    }
    let start = found.start_snapshot.unwrap_or_default();
    for (i, log) in found.logs.iter().enumerate() {
        let (path, len) = (log.path.display(), log.len);
        let next = found.logs.get(i + 1).map(|next| next.zxid);
        let used = next.is_none_or(|next| next.as_u64() > start.as_u64() + 1);
        let mark = if used { ", a start reads it" } else { "" };
        lines.put(format_args!("log: {path}, {len} bytes{mark}"));
    }
    lines.put(format_args!(
        "start: snapshot {}, then {} transactions, up to {}",
        shown(found.start_snapshot),
        replay.replayed,
        found.last
    ));
    lines.put(format_args!(
        "tree: {} nodes; {} digests compared, {} wrong",
        replay.builder.node_count(),
        replay.compared,
        wrong
    ));
    if let Some(torn) = &found.torn {
        lines.put(format_args!(
            "{}: an interrupted write at offset {}: {}; the next start cuts it off",
            torn.file.display(),
            torn.offset,
            torn.why
        ));
    }
}
