//! What is known about each operation of a client, as lines of JSON for the checker.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// One operation on one node; the checker in `e2e/histories` reads it.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Operation {
    /// Which client; another one after a lost connection, since its last request may still be done.
    pub(super) client: usize,
    /// Path of the node.
    pub(super) key: String,
    /// `read`, `create`, `set`, `delete`.
    pub(super) op: &'static str,
    /// What it writes; no two operations write the same.
    pub(super) value: String,
    /// The version that must be there, -1 for any.
    pub(super) expected: i32,
    /// Nanoseconds since the beginning when it was sent.
    pub(super) call: u64,
    /// And when its answer was there; `None` while nobody knows whether it is done.
    #[serde(rename = "return")]
    pub(super) end: Option<u64>,
    /// `ok`, `exists`, `none`, `version`.
    pub(super) result: &'static str,
    /// The data that a read saw.
    pub(super) seen: String,
    /// The version that it saw or made.
    pub(super) version: i32,
    /// The transaction that wrote the node last; 0 where the answer does not tell.
    pub(super) zxid: i64,
    /// The last transaction that the server knew when it answered.
    pub(super) last: i64,
    /// At which server, for whoever reads the file.
    pub(super) server: u8,
}

impl Operation {
    fn epoch(&self) -> i64 {
        self.last >> 32
    }
}

/// Takes out the reads that a leader answered which was deposed and did not know it yet: their server
/// was in an older epoch than one from which a client had an answer before. A sync answered by such a
/// one proves nothing, in ZooKeeper as here; a write is never answered so.
pub(super) fn without_deposed(mut operations: Vec<Operation>) -> (Vec<Operation>, usize) {
    let mut answered: Vec<(u64, i64)> = operations
        .iter()
        .filter_map(|operation| Some((operation.end?, operation.epoch())))
        .collect();
    answered.sort_unstable();
    operations.sort_by_key(|operation| operation.call);
    let before = operations.len();
    let mut newest = 0;
    let mut answers = answered.into_iter().peekable();
    operations.retain(|operation| {
        while let Some((_, epoch)) = answers.next_if(|(end, _)| *end < operation.call) {
            newest = newest.max(epoch);
        }
        operation.op != "read" || operation.epoch() >= newest
    });
    let taken = before - operations.len();
    (operations, taken)
}

/// Writes a history.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write(path: &Path, operations: &[Operation]) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut out = BufWriter::new(file);
    for operation in operations {
        serde_json::to_writer(&mut out, operation)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}
