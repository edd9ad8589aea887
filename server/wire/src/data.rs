//! Records shared by requests, the tree and the files: `Stat`, `StatPersisted`, `ACL`, `Id`.

use crate::error::DecodeError;
use crate::jute::{Reader, Writer};

/// Permission bits of an ACL entry (`ZooDefs.Perms`).
pub mod perms {
    /// Read data and list children.
    pub const READ: i32 = 1;
    /// Set data.
    pub const WRITE: i32 = 2;
    /// Create children.
    pub const CREATE: i32 = 4;
    /// Delete children.
    pub const DELETE: i32 = 8;
    /// Set the ACL.
    pub const ADMIN: i32 = 16;
    /// All of the above.
    pub const ALL: i32 = 31;
}

/// An identity: a scheme and a name within it. Null strings are legal on the wire and kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// `world`, `auth`, `digest`, `ip`, `x509`, `sasl`, `super`.
    pub scheme: Option<String>,
    /// The name; its syntax depends on the scheme.
    pub id: Option<String>,
}

impl Id {
    /// An identity of two non-null strings.
    #[must_use]
    pub fn new(scheme: &str, id: &str) -> Self {
        Self {
            scheme: Some(scheme.to_owned()),
            id: Some(id.to_owned()),
        }
    }

    /// Reads the record.
    ///
    /// # Errors
    /// As the reader's.
    pub fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            scheme: r.string()?,
            id: r.string()?,
        })
    }

    /// Writes the record.
    pub fn encode(&self, w: &mut Writer) {
        w.string_or_null(self.scheme.as_deref());
        w.string_or_null(self.id.as_deref());
    }
}

/// One ACL entry: who, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acl {
    /// Bits of [`perms`]; other bits are stored as given and mean nothing.
    pub perms: i32,
    /// To whom.
    pub id: Id,
}

impl Acl {
    /// `world:anyone` with the given bits.
    #[must_use]
    pub fn world(perms: i32) -> Self {
        Self {
            perms,
            id: Id::new("world", "anyone"),
        }
    }

    /// Reads the record.
    ///
    /// # Errors
    /// As the reader's.
    pub fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            perms: r.i32()?,
            id: Id::decode(r)?,
        })
    }

    /// Writes the record.
    pub fn encode(&self, w: &mut Writer) {
        w.i32(self.perms);
        self.id.encode(w);
    }

    /// Writes a vector of ACL entries.
    pub fn encode_all(acls: &[Self], w: &mut Writer) {
        w.count(acls.len());
        for acl in acls {
            acl.encode(w);
        }
    }
}

/// What clients see of a node besides its data (68 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// zxid of the creation.
    pub czxid: i64,
    /// zxid of the last data change.
    pub mzxid: i64,
    /// Time of the creation, ms since the epoch, leader's clock.
    pub ctime: i64,
    /// Time of the last data change, ms.
    pub mtime: i64,
    /// Number of data changes.
    pub version: i32,
    /// Number of creations and deletions of children.
    pub cversion: i32,
    /// Number of ACL changes.
    pub aversion: i32,
    /// Session of an ephemeral, else 0.
    pub ephemeral_owner: i64,
    /// Length of the data, bytes.
    pub data_length: i32,
    /// Number of direct children.
    pub num_children: i32,
    /// zxid of the last change of the children.
    pub pzxid: i64,
}

impl Stat {
    /// Reads the record.
    ///
    /// # Errors
    /// As the reader's.
    pub fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            czxid: r.i64()?,
            mzxid: r.i64()?,
            ctime: r.i64()?,
            mtime: r.i64()?,
            version: r.i32()?,
            cversion: r.i32()?,
            aversion: r.i32()?,
            ephemeral_owner: r.i64()?,
            data_length: r.i32()?,
            num_children: r.i32()?,
            pzxid: r.i64()?,
        })
    }

    /// Writes the record.
    pub fn encode(&self, w: &mut Writer) {
        w.i64(self.czxid);
        w.i64(self.mzxid);
        w.i64(self.ctime);
        w.i64(self.mtime);
        w.i32(self.version);
        w.i32(self.cversion);
        w.i32(self.aversion);
        w.i64(self.ephemeral_owner);
        w.i32(self.data_length);
        w.i32(self.num_children);
        w.i64(self.pzxid);
    }
}

/// What the tree and the files keep of a node (60 bytes); the rest of [`Stat`] follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatPersisted {
    /// As in [`Stat`].
    pub czxid: i64,
    /// As in [`Stat`].
    pub mzxid: i64,
    /// As in [`Stat`].
    pub ctime: i64,
    /// As in [`Stat`].
    pub mtime: i64,
    /// As in [`Stat`].
    pub version: i32,
    /// Creations of children only; sequence numbers come from here.
    pub cversion: i32,
    /// As in [`Stat`].
    pub aversion: i32,
    /// Session, or the marks of container and TTL nodes.
    pub ephemeral_owner: i64,
    /// As in [`Stat`].
    pub pzxid: i64,
}

impl StatPersisted {
    /// Length of the record, bytes.
    pub const LEN: usize = 60;

    /// Reads the record.
    ///
    /// # Errors
    /// As the reader's.
    pub fn decode(r: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            czxid: r.i64()?,
            mzxid: r.i64()?,
            ctime: r.i64()?,
            mtime: r.i64()?,
            version: r.i32()?,
            cversion: r.i32()?,
            aversion: r.i32()?,
            ephemeral_owner: r.i64()?,
            pzxid: r.i64()?,
        })
    }

    /// Writes the record.
    pub fn encode(&self, w: &mut Writer) {
        w.i64(self.czxid);
        w.i64(self.mzxid);
        w.i64(self.ctime);
        w.i64(self.mtime);
        w.i32(self.version);
        w.i32(self.cversion);
        w.i32(self.aversion);
        w.i64(self.ephemeral_owner);
        w.i64(self.pzxid);
    }
}
