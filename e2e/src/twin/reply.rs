//! Takes replies and events apart into fields, with what cannot be equal on two servers put into
//! other words: time stamps, session ids, passwords, ports, and the order of unordered lists.
//!
//! Every byte ends up in some field; what does not decode is kept as it is.

use std::collections::HashMap;
use std::fmt;

use super::request::op;

/// A field's value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A number as it is.
    Number(i64),
    /// A transaction id, counted from where the script began.
    Zxid(i64),
    /// What stands for a time, a session or a password.
    Mapped(String),
    /// A buffer or string; `None` is null.
    Bytes(Option<Vec<u8>>),
    /// A list of such.
    List(Option<Vec<Vec<u8>>>),
    /// Bytes that were not understood.
    Rest(Vec<u8>),
}

/// A named value.
pub type Field = (&'static str, Value);

/// What is known of one set of servers, to put its answers into words that hold for both.
#[derive(Debug, Default)]
pub struct Known {
    /// What transaction ids are counted from.
    pub base: i64,
    /// The earliest time that a time stamp may have, in milliseconds.
    earliest: i64,
    sessions: Vec<i64>,
    times: HashMap<i64, i64>,
    /// Texts with ports, and what stands for them.
    ports: Vec<(String, String)>,
}

impl Known {
    /// Nothing but when the servers began, and what stands for their ports.
    #[must_use]
    pub fn new(earliest: i64, ports: Vec<(String, String)>) -> Self {
        Self {
            earliest,
            ports,
            ..Self::default()
        }
    }

    /// Forgets the sessions, before a new script.
    pub fn rebase(&mut self, base: i64) {
        self.base = base;
        self.sessions.clear();
    }

    fn zxid(&self, zxid: i64) -> Value {
        match zxid {
            0 | -1 => Value::Number(zxid),
            zxid => Value::Zxid(zxid.wrapping_sub(self.base)),
        }
    }

    /// A number for the session, in order of appearance.
    pub fn session(&mut self, id: i64) -> Value {
        if id == 0 {
            return Value::Number(0);
        }
        let index = match self.sessions.iter().position(|known| *known == id) {
            Some(index) => index,
            None => {
                self.sessions.push(id);
                self.sessions.len() - 1
            }
        };
        Value::Mapped(format!("session {index}"))
    }

    /// The owner of a node: a session that was seen before.
    fn owner(&self, id: i64) -> Value {
        match self.sessions.iter().position(|known| *known == id) {
            Some(index) => Value::Mapped(format!("session {index}")),
            None => Value::Number(id),
        }
    }

    /// A time: it must fit the transaction that it is the time of. The begin of an epoch is no
    /// transaction: what is set then, the members, has each server's own time.
    fn time(&mut self, zxid: i64, time: i64) -> Value {
        if time == 0 {
            return Value::Number(0);
        }
        let begins_epoch = zxid & i64::from(u32::MAX) == 0;
        let word = if time < self.earliest {
            "too early"
        } else if begins_epoch || *self.times.entry(zxid).or_insert(time) == time {
            "its time"
        } else {
            "another time"
        };
        Value::Mapped(word.to_owned())
    }

    fn without_ports(&self, bytes: Vec<u8>) -> Vec<u8> {
        match String::from_utf8(bytes) {
            Ok(mut text) if text.starts_with("server.") => {
                for (from, to) in &self.ports {
                    text = text.replace(from, to);
                }
                // The version at the end is the id of a transaction.
                if let Some((members, version)) = text.rsplit_once("version=") {
                    let number = i64::from_str_radix(version, 16).unwrap_or(-1);
                    let mapped = self.zxid(number);
                    text = format!("{members}version={mapped}");
                }
                text.into_bytes()
            }
            Ok(text) => text.into_bytes(),
            Err(error) => error.into_bytes(),
        }
    }

    /// The password that belongs to a session: Java's generator, seeded with the id.
    #[must_use]
    pub fn password(id: i64) -> Vec<u8> {
        let mut seed = ((id ^ 0xB341_5C00) ^ 0x5_DEEC_E66D) & ((1 << 48) - 1);
        let mut out = Vec::with_capacity(16);
        for _ in 0..4 {
            seed = seed.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & ((1 << 48) - 1);
            let word = seed >> 16;
            out.extend_from_slice(word.to_le_bytes().get(..4).unwrap_or_default());
        }
        out
    }
}

/// Reads fields from a frame.
#[derive(Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Begins at the start.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    /// An `int`.
    pub fn int(&mut self) -> Option<i32> {
        let (bytes, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        Some(i32::from_be_bytes(*bytes))
    }

    /// A `long`.
    pub fn long(&mut self) -> Option<i64> {
        let (bytes, rest) = self.rest.split_first_chunk::<8>()?;
        self.rest = rest;
        Some(i64::from_be_bytes(*bytes))
    }

    /// A buffer or string.
    pub fn bytes(&mut self) -> Option<Option<Vec<u8>>> {
        let length = self.int()?;
        if length == -1 {
            return Some(None);
        }
        let (bytes, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(Some(bytes.to_vec()))
    }

    fn list(&mut self) -> Option<Option<Vec<Vec<u8>>>> {
        let count = self.int()?;
        if count == -1 {
            return Some(None);
        }
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(self.bytes()??);
        }
        Some(Some(list))
    }
}

/// The body of the reply to an operation that went well.
pub fn body(op: i32, cursor: &mut Cursor<'_>, known: &mut Known, out: &mut Vec<Field>) {
    // A body that ends early leaves fewer fields, and that shows.
    let _read_whole: Option<()> = read_body(op, cursor, known, out);
}

fn read_body(
    op: i32,
    cursor: &mut Cursor<'_>,
    known: &mut Known,
    out: &mut Vec<Field>,
) -> Option<()> {
    match op {
        op::CREATE | op::SYNC => out.push(("path", Value::Bytes(cursor.bytes()?))),
        op::CREATE2 | op::CREATE_CONTAINER | op::CREATE_TTL => {
            out.push(("path", Value::Bytes(cursor.bytes()?)));
            stat(cursor, known, out)?;
        }
        op::EXISTS | op::SET_DATA | op::SET_ACL => stat(cursor, known, out)?,
        op::GET_DATA | op::RECONFIG => {
            let data = cursor.bytes()?.map(|data| known.without_ports(data));
            out.push(("data", Value::Bytes(data)));
            stat(cursor, known, out)?;
        }
        op::GET_ACL => {
            acls(cursor, out)?;
            stat(cursor, known, out)?;
        }
        op::GET_CHILDREN | op::GET_EPHEMERALS => out.push(("names", sorted(cursor)?)),
        op::GET_CHILDREN2 => {
            out.push(("names", sorted(cursor)?));
            stat(cursor, known, out)?;
        }
        op::COUNT | op::ADD_WATCH => out.push(("number", Value::Number(cursor.int()?.into()))),
        op::WHO_AM_I => identities(cursor, out)?,
        op::MULTI | op::MULTI_READ => entries(cursor, known, out)?,
        op::SASL => out.push(("token", Value::Bytes(cursor.bytes()?))),
        _ => {}
    }
    Some(())
}

fn sorted(cursor: &mut Cursor<'_>) -> Option<Value> {
    let mut list = cursor.list()?;
    if let Some(list) = &mut list {
        list.sort();
    }
    Some(Value::List(list))
}

fn stat(cursor: &mut Cursor<'_>, known: &mut Known, out: &mut Vec<Field>) -> Option<()> {
    let (created, modified) = (cursor.long()?, cursor.long()?);
    let (ctime, mtime) = (cursor.long()?, cursor.long()?);
    out.push(("czxid", known.zxid(created)));
    out.push(("mzxid", known.zxid(modified)));
    out.push(("ctime", known.time(created, ctime)));
    out.push(("mtime", known.time(modified, mtime)));
    for name in ["version", "cversion", "aversion"] {
        out.push((name, Value::Number(cursor.int()?.into())));
    }
    out.push(("ephemeralOwner", known.owner(cursor.long()?)));
    for name in ["dataLength", "numChildren"] {
        out.push((name, Value::Number(cursor.int()?.into())));
    }
    out.push(("pzxid", known.zxid(cursor.long()?)));
    Some(())
}

/// Entries that the identities of a caller were put in for stand in no certain order: neighbours
/// with equal permissions and authenticating schemes are sorted.
fn acls(cursor: &mut Cursor<'_>, out: &mut Vec<Field>) -> Option<()> {
    let count = cursor.int()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push((cursor.int()?, cursor.bytes()?, cursor.bytes()?));
    }
    out.push(("entries", Value::Number(count.into())));
    let authenticated = |scheme: &Option<Vec<u8>>| {
        let schemes: [&[u8]; 3] = [b"digest", b"sasl", b"x509"];
        scheme
            .as_deref()
            .is_some_and(|scheme| schemes.contains(&scheme))
    };
    for run in entries.chunk_by_mut(|a, b| a.0 == b.0 && authenticated(&a.1) && authenticated(&b.1))
    {
        run.sort();
        for (perms, scheme, id) in run {
            out.push(("perms", Value::Number((*perms).into())));
            out.push(("scheme", Value::Bytes(scheme.take())));
            out.push(("id", Value::Bytes(id.take())));
        }
    }
    Some(())
}

fn identities(cursor: &mut Cursor<'_>, out: &mut Vec<Field>) -> Option<()> {
    let count = cursor.int()?;
    let mut identities = Vec::new();
    for _ in 0..count {
        identities.push((cursor.bytes()?, cursor.bytes()?));
    }
    identities.sort();
    for (scheme, user) in identities {
        out.push(("scheme", Value::Bytes(scheme)));
        out.push(("user", Value::Bytes(user)));
    }
    Some(())
}

fn entries(cursor: &mut Cursor<'_>, known: &mut Known, out: &mut Vec<Field>) -> Option<()> {
    loop {
        let kind = cursor.int()?;
        let done = cursor.byte()?;
        let error = cursor.int()?;
        out.push(("entry", Value::Number(kind.into())));
        out.push(("done", Value::Number(done.into())));
        out.push(("err", Value::Number(error.into())));
        if done != 0 {
            return Some(());
        }
        match kind {
            -1 => out.push(("code", Value::Number(cursor.int()?.into()))),
            kind => read_body(kind, cursor, known, out)?,
        }
    }
}

/// A reply: its header, its body, and what is behind.
pub fn reply(op: i32, frame: &[u8], known: &mut Known) -> Vec<Field> {
    let mut cursor = Cursor::new(frame);
    let mut out = Vec::with_capacity(16);
    if let (Some(xid), Some(zxid), Some(error)) = (cursor.int(), cursor.long(), cursor.int()) {
        out.push(("xid", Value::Number(xid.into())));
        out.push(("zxid", known.zxid(zxid)));
        out.push(("err", Value::Number(error.into())));
        if error == 0 || (matches!(op, op::SASL | op::MULTI_READ) && !cursor.rest().is_empty()) {
            body(op, &mut cursor, known, &mut out);
        }
    }
    rest(&cursor, &mut out);
    out
}

/// A watch event.
pub fn event(frame: &[u8], known: &Known) -> Vec<Field> {
    let mut cursor = Cursor::new(frame);
    let mut out = Vec::with_capacity(6);
    let mut read = || -> Option<()> {
        let _xid: i32 = cursor.int()?;
        out.push(("zxid", known.zxid(cursor.long()?)));
        out.push(("err", Value::Number(cursor.int()?.into())));
        out.push(("type", Value::Number(cursor.int()?.into())));
        out.push(("state", Value::Number(cursor.int()?.into())));
        out.push(("path", Value::Bytes(cursor.bytes()?)));
        Some(())
    };
    let _read_whole: Option<()> = read();
    rest(&cursor, &mut out);
    out
}

fn rest(cursor: &Cursor<'_>, out: &mut Vec<Field>) {
    if !cursor.rest().is_empty() {
        out.push(("rest", Value::Rest(cursor.rest().to_vec())));
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Zxid(n) => write!(f, "{n:+}"),
            Self::Mapped(text) => f.write_str(text),
            Self::Bytes(None) | Self::List(None) => f.write_str("null"),
            Self::Bytes(Some(bytes)) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::List(Some(list)) => {
                f.write_str("[")?;
                for (i, bytes) in list.iter().enumerate() {
                    let separator = if i == 0 { "" } else { ", " };
                    write!(f, "{separator}{}", bytes.escape_ascii())?;
                }
                f.write_str("]")
            }
            Self::Rest(bytes) => write!(f, "b\"{}\"", bytes.escape_ascii()),
        }
    }
}

/// Prints fields in one line.
#[must_use]
pub fn print(fields: &[Field]) -> String {
    let words: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    words.join(" ")
}
