//! What was heard from one of the two sets of servers, so that it can be compared and printed.

use std::collections::BTreeSet;

use super::reply::{self, Field, Value};
use super::request::{Request, op};

/// What was heard on one connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// The answer to the connect request.
    Greeting(Vec<Field>),
    /// The reply to an operation.
    Reply(i32, Vec<Field>),
    /// A watch event.
    Event(Vec<Field>),
    /// A frame that answers nothing.
    Stray(Vec<u8>),
    /// The server closed, after these bytes.
    Closed(Vec<u8>),
    /// Nothing came in time.
    Silence,
    /// The last transaction that the server has applied.
    Applied(Value),
    /// Plain text.
    Text(Vec<u8>),
    /// The change that was waited for is there.
    Reached,
}

impl Item {
    /// The transaction that it tells of, counted from where the script began.
    #[must_use]
    pub fn zxid(&self) -> Option<i64> {
        let value = match self {
            Self::Applied(value) => value,
            Self::Reply(_, fields) => fields.get(1).map(|(_, value)| value)?,
            Self::Event(fields) => fields.first().map(|(_, value)| value)?,
            Self::Greeting(_)
            | Self::Stray(_)
            | Self::Closed(_)
            | Self::Silence
            | Self::Text(_)
            | Self::Reached => return None,
        };
        if let Value::Zxid(zxid) = value {
            Some(*zxid)
        } else {
            None
        }
    }
}

/// What was heard, and on which connection.
pub type Heards = Vec<(u8, Item)>;

/// The nodes of a closed session go in no certain order: its events are sorted. Those of any other
/// transaction are in order, and its number is in the reply to its request.
pub(super) fn sort_closes(out: &mut Heards) {
    let first = |item: &Item| {
        let Item::Event(fields) = item else {
            return None;
        };
        fields.first().map(|(_, zxid)| zxid.clone())
    };
    let written = |(_, item): &(u8, Item)| {
        let Item::Reply(op, fields) = item else {
            return None;
        };
        let writes = *op != op::CLOSE && !Request::new(*op, Vec::new()).only_reads();
        let zxid = fields.get(1).filter(|_| writes);
        zxid.map(|(_, zxid)| zxid.clone())
    };
    let writes: BTreeSet<Value> = out.iter().filter_map(written).collect();
    for run in
        out.chunk_by_mut(|a, b| a.0 == b.0 && first(&a.1).is_some() && first(&a.1) == first(&b.1))
    {
        let of = run.first().and_then(|(_, item)| first(item));
        if of.is_some_and(|of| matches!(of, Value::Zxid(_)) && !writes.contains(&of)) {
            run.sort();
        }
    }
}

/// Prints what was heard, one line each.
#[must_use]
pub fn print(heard: &(u8, Item)) -> String {
    let (conn, item) = heard;
    let text = match item {
        Item::Greeting(fields) => format!("greeting {}", reply::print(fields)),
        Item::Reply(op, fields) => {
            let name = super::request::name(*op).unwrap_or("unknown");
            format!("reply to {name} {}", reply::print(fields))
        }
        Item::Event(fields) => format!("event {}", reply::print(fields)),
        Item::Stray(bytes) => format!("stray b\"{}\"", bytes.escape_ascii()),
        Item::Closed(rest) => format!("closed, after b\"{}\"", rest.escape_ascii()),
        Item::Silence => "silence".to_owned(),
        Item::Applied(zxid) => format!("applied {zxid}"),
        Item::Text(text) => format!("text \"{}\"", text.escape_ascii()),
        Item::Reached => "reached".to_owned(),
    };
    format!("{conn}: {text}")
}
