//! Requests as lists of fields, so that wrong ones can be made as well as right ones, and printed
//! as the call that makes them.
//!
//! Source: `docs/differences.md` names what is compared; the layouts are those of Apache's
//! `zookeeper.jute`.

use std::fmt;

/// The numbers of the operations.
#[allow(missing_docs, reason = "each is the name of Apache's operation")]
pub mod op {
    pub const NOTIFICATION: i32 = 0;
    pub const CREATE: i32 = 1;
    pub const DELETE: i32 = 2;
    pub const EXISTS: i32 = 3;
    pub const GET_DATA: i32 = 4;
    pub const SET_DATA: i32 = 5;
    pub const GET_ACL: i32 = 6;
    pub const SET_ACL: i32 = 7;
    pub const GET_CHILDREN: i32 = 8;
    pub const SYNC: i32 = 9;
    pub const PING: i32 = 11;
    pub const GET_CHILDREN2: i32 = 12;
    pub const CHECK: i32 = 13;
    pub const MULTI: i32 = 14;
    pub const CREATE2: i32 = 15;
    pub const RECONFIG: i32 = 16;
    pub const CHECK_WATCHES: i32 = 17;
    pub const REMOVE_WATCHES: i32 = 18;
    pub const CREATE_CONTAINER: i32 = 19;
    pub const DELETE_CONTAINER: i32 = 20;
    pub const CREATE_TTL: i32 = 21;
    pub const MULTI_READ: i32 = 22;
    pub const AUTH: i32 = 100;
    pub const SET_WATCHES: i32 = 101;
    pub const SASL: i32 = 102;
    pub const GET_EPHEMERALS: i32 = 103;
    pub const COUNT: i32 = 104;
    pub const SET_WATCHES2: i32 = 105;
    pub const ADD_WATCH: i32 = 106;
    pub const WHO_AM_I: i32 = 107;
    pub const CREATE_SESSION: i32 = -10;
    pub const CLOSE: i32 = -11;
}

/// An entry of an ACL; `None` is null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    perms: i32,
    scheme: Option<String>,
    id: Option<String>,
}

/// One field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// An `int`.
    Int(i32),
    /// A `long`.
    Long(i64),
    /// A boolean.
    Bool(bool),
    /// A string; `@` stands for the prefix of the script's own nodes.
    Text(Text),
    /// A buffer.
    Data(Data),
    /// A list of ACL entries.
    Acl(Acls),
    /// A list of strings.
    Paths(Paths),
    /// A transaction id, counted from where the script began.
    Zxid(i64),
    /// Operations of a multi, with their headers and the end marker.
    Ops(Vec<Request>),
    /// Bytes as they are.
    Raw(Vec<u8>),
}

/// A string, or null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(Option<Vec<u8>>);

/// Bytes, or null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data(Option<Vec<u8>>);

/// A list of ACL entries, or null; as a string `"31 world:anyone; 1 ip:~"`, where `~` is null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acls(Option<Vec<Entry>>);

/// A list of strings, any of them null, or null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths(Option<Vec<Text>>);

impl From<()> for Text {
    fn from((): ()) -> Self {
        Self(None)
    }
}
impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Some(text.into()))
    }
}
impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Some(text.into()))
    }
}
impl<const N: usize> From<&[u8; N]> for Text {
    fn from(text: &[u8; N]) -> Self {
        Self(Some(text.to_vec()))
    }
}
impl From<()> for Data {
    fn from((): ()) -> Self {
        Self(None)
    }
}
impl<const N: usize> From<&[u8; N]> for Data {
    fn from(data: &[u8; N]) -> Self {
        Self(Some(data.to_vec()))
    }
}
impl From<Vec<u8>> for Data {
    fn from(data: Vec<u8>) -> Self {
        Self(Some(data))
    }
}
impl From<&str> for Data {
    fn from(data: &str) -> Self {
        Self(Some(data.into()))
    }
}
impl Acls {
    /// Whether an entry has a null in it.
    #[must_use]
    pub fn has_null(&self) -> bool {
        let null = |entry: &Entry| entry.scheme.is_none() || entry.id.is_none();
        self.0.as_ref().is_some_and(|list| list.iter().any(null))
    }
}
impl From<()> for Acls {
    fn from((): ()) -> Self {
        Self(None)
    }
}
impl From<&str> for Acls {
    fn from(text: &str) -> Self {
        let null = |part: &str| (part != "~").then(|| part.to_owned());
        let entry = |text: &str| {
            let (perms, rest) = text.trim().split_once(' ')?;
            let (scheme, id) = rest.split_once(':')?;
            Some(Entry {
                perms: perms.parse().ok()?,
                scheme: null(scheme),
                id: null(id),
            })
        };
        Self(Some(text.split(';').filter_map(entry).collect()))
    }
}
impl From<()> for Paths {
    fn from((): ()) -> Self {
        Self(None)
    }
}
impl<const N: usize> From<[&str; N]> for Paths {
    fn from(paths: [&str; N]) -> Self {
        Self(Some(paths.map(Into::into).into()))
    }
}
impl From<Vec<Text>> for Paths {
    fn from(paths: Vec<Text>) -> Self {
        Self(Some(paths))
    }
}
impl From<Vec<String>> for Paths {
    fn from(paths: Vec<String>) -> Self {
        Self(Some(paths.into_iter().map(Into::into).collect()))
    }
}

/// What a request needs to know of where it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// What `@` stands for.
    pub prefix: &'a str,
    /// What transaction ids are counted from.
    pub base: i64,
}

/// A request: its operation and the fields of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The operation.
    pub op: i32,
    /// The body.
    pub fields: Vec<Field>,
    /// The number that the reply carries; given in order where it is `None`.
    pub xid: Option<i32>,
    /// How many bytes of the body are sent, when not all of them.
    pub cut: Option<usize>,
}

impl Request {
    /// A request of any shape.
    #[must_use]
    pub fn new(op: i32, fields: Vec<Field>) -> Self {
        Self {
            op,
            fields,
            xid: None,
            cut: None,
        }
    }

    /// The same with a number of its own.
    #[must_use]
    pub fn xid(mut self, xid: i32) -> Self {
        self.xid = Some(xid);
        self
    }

    /// The same with a body that ends after `bytes`.
    #[must_use]
    pub fn cut(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }

    /// The same with further bytes behind the body.
    #[must_use]
    pub fn and(mut self, bytes: &[u8]) -> Self {
        self.fields.push(Field::Raw(bytes.to_vec()));
        self
    }

    /// The same with another operation.
    #[must_use]
    pub fn op(mut self, op: i32) -> Self {
        self.op = op;
        self
    }

    /// Whether the server may close the connection because of it.
    #[must_use]
    pub fn may_close(&self) -> bool {
        match self.op {
            op::CREATE..=op::SYNC
            | op::PING
            | op::GET_CHILDREN2
            | op::MULTI..=op::CREATE_CONTAINER
            | op::CREATE_TTL
            | op::MULTI_READ
            | op::SET_WATCHES
            | op::GET_EPHEMERALS..=op::WHO_AM_I
            | op::CREATE_SESSION => false,
            op::AUTH => self.cut.is_some() || !self.is_harmless_auth(),
            _ => true,
        }
    }

    /// Whether it leaves every other connection alone.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        matches!(
            self.op,
            op::EXISTS
                | op::GET_DATA
                | op::GET_ACL
                | op::GET_CHILDREN
                | op::SYNC
                | op::PING
                | op::GET_CHILDREN2
                | op::CHECK_WATCHES
                | op::REMOVE_WATCHES
                | op::MULTI_READ
                | op::AUTH
                | op::SET_WATCHES
                | op::SASL
                | op::GET_EPHEMERALS
                | op::COUNT
                | op::SET_WATCHES2
                | op::ADD_WATCH
                | op::WHO_AM_I
        )
    }

    fn is_harmless_auth(&self) -> bool {
        let scheme = self.fields.get(1);
        let data = self.fields.get(2);
        let known = ["digest", "ip"].map(|name| Field::Text(name.into()));
        scheme.is_some_and(|scheme| known.contains(scheme))
            && matches!(data, Some(Field::Data(Data(Some(_)))))
    }

    /// The frame with its length.
    #[must_use]
    pub fn encode(&self, xid: i32, frame: Frame<'_>) -> Vec<u8> {
        let mut body = Vec::new();
        self.put_body(&mut body, frame);
        let mut out = Vec::with_capacity(body.len() + 12);
        put_count(&mut out, body.len() + 8);
        out.extend_from_slice(&xid.to_be_bytes());
        out.extend_from_slice(&self.op.to_be_bytes());
        out.extend_from_slice(&body);
        out
    }

    fn put_body(&self, out: &mut Vec<u8>, frame: Frame<'_>) {
        let start = out.len();
        for field in &self.fields {
            field.put(out, frame);
        }
        if let Some(cut) = self.cut {
            out.truncate(start + cut);
        }
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes());
}

fn put_buffer(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => out.extend_from_slice(&(-1i32).to_be_bytes()),
        Some(bytes) => {
            put_count(out, bytes.len());
            out.extend_from_slice(bytes);
        }
    }
}

/// Replaces each `@` by the prefix.
pub(super) fn placed(text: &[u8], prefix: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + prefix.len());
    for byte in text {
        match byte {
            b'@' => out.extend_from_slice(prefix.as_bytes()),
            byte => out.push(*byte),
        }
    }
    out
}

impl Text {
    fn put(&self, out: &mut Vec<u8>, prefix: &str) {
        let text = self.0.as_deref().map(|text| placed(text, prefix));
        put_buffer(out, text.as_deref());
    }
}

impl Field {
    fn put(&self, out: &mut Vec<u8>, frame: Frame<'_>) {
        match self {
            Self::Int(n) => out.extend_from_slice(&n.to_be_bytes()),
            Self::Long(n) => out.extend_from_slice(&n.to_be_bytes()),
            Self::Zxid(n) => out.extend_from_slice(&n.wrapping_add(frame.base).to_be_bytes()),
            Self::Bool(b) => out.push(u8::from(*b)),
            Self::Text(text) => text.put(out, frame.prefix),
            Self::Data(Data(data)) => put_buffer(out, data.as_deref()),
            Self::Acl(Acls(None)) | Self::Paths(Paths(None)) => put_buffer(out, None),
            Self::Acl(Acls(Some(entries))) => {
                put_count(out, entries.len());
                for entry in entries {
                    out.extend_from_slice(&entry.perms.to_be_bytes());
                    put_buffer(out, entry.scheme.as_ref().map(String::as_bytes));
                    put_buffer(out, entry.id.as_ref().map(String::as_bytes));
                }
            }
            Self::Paths(Paths(Some(paths))) => {
                put_count(out, paths.len());
                for path in paths {
                    path.put(out, frame.prefix);
                }
            }
            Self::Ops(ops) => {
                for request in ops {
                    multi_header(out, request.op, false);
                    request.put_body(out, frame);
                }
                multi_header(out, -1, true);
            }
            Self::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }
}

fn multi_header(out: &mut Vec<u8>, op: i32, done: bool) {
    out.extend_from_slice(&op.to_be_bytes());
    out.push(u8::from(done));
    out.extend_from_slice(&(-1i32).to_be_bytes());
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bytes) = &self.0 else {
            return f.write_str("()");
        };
        match std::str::from_utf8(bytes) {
            Ok(text) => write!(f, "{text:?}"),
            Err(_) => write!(f, "b\"{}\"", bytes.escape_ascii()),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(n) => write!(f, "{n}"),
            Self::Long(n) | Self::Zxid(n) => write!(f, "{n}"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Data(Data(None)) | Self::Acl(Acls(None)) | Self::Paths(Paths(None)) => {
                f.write_str("()")
            }
            Self::Text(text) => write!(f, "{text}"),
            Self::Data(Data(Some(bytes))) if bytes.len() > 200 => {
                write!(f, "vec![b'x'; {}]", bytes.len())
            }
            Self::Data(Data(Some(bytes))) | Self::Raw(bytes) => {
                write!(f, "b\"{}\"", bytes.escape_ascii())
            }
            Self::Acl(Acls(Some(entries))) => {
                f.write_str("\"")?;
                for (i, entry) in entries.iter().enumerate() {
                    let separator = if i == 0 { "" } else { "; " };
                    let scheme = entry.scheme.as_deref().unwrap_or("~");
                    let id = entry.id.as_deref().unwrap_or("~");
                    write!(f, "{separator}{} {scheme}:{id}", entry.perms)?;
                }
                f.write_str("\"")
            }
            Self::Paths(Paths(Some(paths))) => {
                f.write_str("[")?;
                for (i, path) in paths.iter().enumerate() {
                    write!(f, "{}{path}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Ops(ops) => {
                f.write_str("vec![")?;
                for (i, request) in ops.iter().enumerate() {
                    write!(f, "{}{request}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
        }
    }
}

/// The name of the function that makes a request with this operation.
#[must_use]
pub fn name(op: i32) -> Option<&'static str> {
    let name = match op {
        op::CREATE => "create",
        op::DELETE => "delete",
        op::EXISTS => "exists",
        op::GET_DATA => "get",
        op::SET_DATA => "set",
        op::GET_ACL => "get_acl",
        op::SET_ACL => "set_acl",
        op::GET_CHILDREN => "children",
        op::SYNC => "sync",
        op::PING => "ping",
        op::GET_CHILDREN2 => "children2",
        op::CHECK => "check",
        op::MULTI => "multi",
        op::CREATE2 => "create2",
        op::RECONFIG => "reconfig",
        op::CHECK_WATCHES => "check_watches",
        op::REMOVE_WATCHES => "remove_watches",
        op::CREATE_CONTAINER => "create_container",
        op::DELETE_CONTAINER => "delete_container",
        op::CREATE_TTL => "create_ttl",
        op::MULTI_READ => "multi_read",
        op::AUTH => "auth",
        op::SET_WATCHES => "set_watches",
        op::SASL => "sasl",
        op::GET_EPHEMERALS => "ephemerals",
        op::COUNT => "count",
        op::SET_WATCHES2 => "set_watches2",
        op::ADD_WATCH => "add_watch",
        op::WHO_AM_I => "who_am_i",
        op::CLOSE => "close",
        _ => return None,
    };
    Some(name)
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = self.fields.as_slice();
        let mut tail = None;
        if let [front @ .., Field::Raw(bytes)] = fields {
            fields = front;
            tail = Some(bytes);
        }
        match name(self.op) {
            Some(name) => write!(f, "{name}(")?,
            None => write!(f, "unknown({}", self.op)?,
        }
        // The type of an auth packet is ignored, and its function has no word for it.
        let fields = match (self.op, fields) {
            (op::AUTH, [_, rest @ ..]) => rest,
            (_, fields) => fields,
        };
        for (i, field) in fields.iter().enumerate() {
            write!(f, "{}{field}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str(")")?;
        if let Some(bytes) = tail {
            write!(f, ".and(b\"{}\")", bytes.escape_ascii())?;
        }
        if let Some(xid) = self.xid {
            write!(f, ".xid({xid})")?;
        }
        if let Some(cut) = self.cut {
            write!(f, ".cut({cut})")?;
        }
        Ok(())
    }
}
