//! What there is to tell, as fields in Apache's order (`AuditHelper`, `AuditEvent` of Apache ZooKeeper 3.9).

use bytes::Bytes;
use zk_core::audit::{Asker, Audited};
use zk_core::db::{CONFIG_PATH, TxnOutcome};
use zk_wire::Acl;
use zk_wire::client::{CreateOp, MultiOp, OpCode, Request};

use super::Outcome;
use crate::permissions::letters;

/// Longest value of a field, bytes: a client may ask for a path of a megabyte.
const VALUE_LEN_MAX: usize = 4096;

/// What an entry without a request counts for in the queue, bytes.
const ENTRY_LEN: usize = 256;

/// Operations that change something, as Apache calls them (`AuditConstants`).
const NAMES: [(OpCode, &str); 10] = [
    (OpCode::Create, "create"),
    (OpCode::Create2, "create"),
    (OpCode::CreateContainer, "create"),
    (OpCode::CreateTtl, "create"),
    (OpCode::Delete, "delete"),
    (OpCode::DeleteContainer, "delete"),
    (OpCode::SetData, "setData"),
    (OpCode::SetAcl, "setAcl"),
    (OpCode::Multi, "multiOperation"),
    (OpCode::Reconfig, "reconfig"),
];

/// Something to tell.
#[derive(Debug)]
pub(super) enum Entry {
    /// As the core has it.
    Core(Audited),
    /// A client showed a certificate; without a subject it is refused.
    Certificate { ip: String, subject: Option<String> },
    /// This server did something by itself.
    Server {
        operation: &'static str,
        outcome: Outcome,
    },
}

impl Entry {
    /// What it counts for in the queue, bytes.
    pub(super) fn len(&self) -> usize {
        let request = match self {
            Self::Core(Audited::Write { body, .. }) => body.len(),
            Self::Core(Audited::Login { scheme, .. }) => scheme.as_ref().map_or(0, String::len),
            Self::Core(Audited::EphemeralGone { path, .. }) => path.len(),
            Self::Certificate { .. } | Self::Server { .. } => 0,
        };
        request.saturating_add(ENTRY_LEN)
    }
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) outcome: Outcome,
}

impl Line {
    fn new(outcome: Outcome) -> Self {
        Self {
            fields: Vec::new(),
            outcome,
        }
    }

    fn of(who: &Asker, operation: &str, outcome: Outcome) -> Self {
        Self::new(outcome)
            .with("session", Some(who.session.to_string()))
            .with("user", Some(who.users.clone()))
            .with("ip", Some(who.ip.clone()))
            .with("operation", Some(operation.to_owned()))
    }

    /// Adds a field that has a value.
    fn with(mut self, name: &'static str, value: Option<String>) -> Self {
        let value = value.filter(|value| !value.is_empty());
        self.fields
            .extend(value.map(|value| (name, printable(&value))));
        self
    }
}

/// So many lines were lost.
pub(super) fn lost(user: &str, count: u64) -> Line {
    by_server(user, "auditLinesLost", Outcome::Failure).with("count", Some(count.to_string()))
}

fn by_server(user: &str, operation: &str, outcome: Outcome) -> Line {
    Line::new(outcome)
        .with("user", Some(user.to_owned()))
        .with("operation", Some(operation.to_owned()))
}

/// The lines of an entry; `user` is the one that the server runs as.
pub(super) fn lines(entry: &Entry, user: &str) -> Vec<Line> {
    match entry {
        Entry::Core(Audited::Write {
            who,
            op,
            body,
            outcome,
        }) => of_write(who, *op, body, outcome.as_ref()),
        Entry::Core(Audited::Login {
            who,
            scheme,
            proven,
        }) => {
            let line = Line::of(who, "authenticate", outcome_if(*proven));
            vec![line.with("scheme", scheme.clone())]
        }
        Entry::Core(Audited::EphemeralGone { session, path }) => {
            let line = Line::new(Outcome::Success)
                .with("session", Some(session.to_string()))
                .with("user", Some(user.to_owned()))
                .with(
                    "operation",
                    Some("ephemeralZNodeDeletionOnSessionCloseOrExpire".to_owned()),
                );
            vec![line.with("znode", Some(path.clone()))]
        }
        Entry::Certificate { ip, subject } => {
            let line = Line::new(outcome_if(subject.is_some()))
                .with("user", subject.clone())
                .with("ip", Some(ip.clone()))
                .with("operation", Some("authenticate".to_owned()));
            vec![line.with("scheme", Some("x509".to_owned()))]
        }
        Entry::Server { operation, outcome } => vec![by_server(user, operation, *outcome)],
    }
}

fn outcome_if(success: bool) -> Outcome {
    match success {
        true => Outcome::Success,
        false => Outcome::Failure,
    }
}

/// A write of its own, or the operations of a multi.
fn of_write(who: &Asker, op: OpCode, body: &Bytes, outcome: Option<&TxnOutcome>) -> Vec<Line> {
    let request = Request::decode(op, body.clone(), body.len()).unwrap_or_default();
    if let Some(TxnOutcome::Multi(outcomes)) = outcome {
        return of_multi(who, request.as_ref(), outcomes);
    }
    let result = match outcome {
        None => Outcome::Invoked,
        Some(outcome) => outcome_if(!failed(outcome)),
    };
    let Some(operation) = name(op) else {
        return Vec::new();
    };
    let line = Line::of(who, operation, result);
    let line = if let Some(Request::Create { create, op }) = request {
        let kind = kind(op, create.flags, true).map(str::to_owned);
        let path = created(outcome).map_or(create.path, str::to_owned);
        line.with("znode", Some(path)).with("znode_type", kind)
    } else if let Some(Request::Delete { path, .. } | Request::SetData { path, .. }) = request {
        line.with("znode", Some(path))
    } else if let Some(Request::SetAcl { path, acl, .. }) = request {
        line.with("znode", Some(path))
            .with("acl", acl.as_deref().map(acl_text))
    } else if let Some(TxnOutcome::Reconfigured(..)) = outcome {
        line.with("znode", Some(CONFIG_PATH.to_owned()))
    } else {
        // What does not decode names nothing.
        line
    };
    vec![line]
}

fn failed(outcome: &TxnOutcome) -> bool {
    matches!(outcome, TxnOutcome::Failed(_))
}

/// The path that a node got.
fn created(outcome: Option<&TxnOutcome>) -> Option<&str> {
    if let Some(TxnOutcome::Created { path, .. }) = outcome {
        Some(path)
    } else {
        None
    }
}

/// One line for each change, or one for all where it failed.
fn of_multi(who: &Asker, request: Option<&Request>, outcomes: &[TxnOutcome]) -> Vec<Line> {
    let succeeded = !outcomes.iter().any(failed);
    let Some(Request::Multi(ops)) = request.filter(|_| succeeded) else {
        return vec![Line::of(who, "multiOperation", Outcome::Failure)];
    };
    let line = |operation, path: &str| {
        Line::of(who, operation, Outcome::Success).with("znode", Some(path.to_owned()))
    };
    let pairs = ops.iter().zip(outcomes);
    pairs
        .filter_map(|(op, outcome)| match op {
            MultiOp::Create { create, op } => {
                let path = created(Some(outcome)).unwrap_or(&create.path);
                // As Apache, which looks the kind up by the path that was asked for.
                let kind = kind(*op, create.flags, false).filter(|_| path == create.path);
                Some(line("create", path).with("znode_type", kind.map(str::to_owned)))
            }
            MultiOp::Delete { path, .. } => Some(line("delete", path)),
            MultiOp::SetData { path, .. } => Some(line("setData", path)),
            MultiOp::Check { .. } => None,
        })
        .collect()
}

/// What the operation is called; `None`: it changes nothing.
fn name(op: OpCode) -> Option<&'static str> {
    let mut names = NAMES.iter();
    names.find(|(known, _)| *known == op).map(|(_, name)| *name)
}

/// `CreateMode` of the flags; in a multi Apache does not say it of nodes with a time to live.
fn kind(op: CreateOp, flags: i32, alone: bool) -> Option<&'static str> {
    if op == CreateOp::Ttl && !alone {
        return None;
    }
    Some(match flags {
        0 => "persistent",
        1 => "ephemeral",
        2 => "persistent_sequential",
        3 => "ephemeral_sequential",
        4 => "container",
        5 => "persistent_with_ttl",
        6 => "persistent_sequential_with_ttl",
        _ => return None,
    })
}

/// `ZKUtil.aclToString`: nothing stands between two entries.
fn acl_text(acl: &[Acl]) -> String {
    let entry = |acl: &Acl| {
        let text = |part: &Option<String>| part.clone().unwrap_or_else(|| "null".to_owned());
        let held = letters(acl.perms);
        format!("{}:{}:{held}", text(&acl.id.scheme), text(&acl.id.id))
    };
    acl.iter().map(entry).collect()
}

/// Without what would end a field or a line, and not too long: what clients write must not look like lines of
/// the log.
fn printable(value: &str) -> String {
    let mut out = String::with_capacity(value.len().min(VALUE_LEN_MAX));
    for c in value.chars() {
        if out.len() >= VALUE_LEN_MAX {
            out.push_str("...");
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests;
