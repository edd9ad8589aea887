//! The body of a snapshot: sessions, ACL table, nodes. The same layout is in snapshot files and on
//! the wire after SNAP (`SerializeUtils.serializeSnapshot`, `DataTree.serialize`).
//!
//! ```text
//! int sessionCount { long id, int timeoutMs }*
//! int aclCount { long aclId, vector<ACL> }*
//! { ustring path, buffer data, long aclId, StatPersisted }*     parents first, the root as ""
//! ustring "/"
//! ```
//! The parser is fed with pieces of any size and gives items as they are complete, so that neither
//! a file nor a stream needs to be in memory as a whole.

use bytes::{Buf, Bytes, BytesMut};

use crate::data::{Acl, StatPersisted};
use crate::error::DecodeError;
use crate::ids::SessionId;
use crate::jute::{Reader, Writer};

/// ACL id of nodes that anyone may do anything with and that have no entry in the ACL table.
pub const ACL_OPEN_UNSAFE: i64 = -1;

/// Ends the stream that follows a SNAP packet.
pub const SNAP_SIGNATURE: &str = "BenWasHere";

/// One piece of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotItem {
    /// A session and its time-out in ms.
    Session {
        /// Which.
        id: SessionId,
        /// Negotiated time-out, ms.
        timeout_ms: i32,
    },
    /// A row of the ACL table.
    AclEntry {
        /// Local to this snapshot.
        id: i64,
        /// The list.
        acl: Vec<Acl>,
    },
    /// A node; the root has the empty path.
    Node {
        /// Absolute path.
        path: String,
        /// `None` is null, which is not the same as empty.
        data: Option<Bytes>,
        /// Row of the ACL table, or [`ACL_OPEN_UNSAFE`].
        acl_id: i64,
        /// The rest.
        stat: StatPersisted,
    },
}

/// What the parser could make of the bytes so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Feed more bytes.
    NeedMore,
    /// The next item.
    Item(SnapshotItem),
    /// The body is complete; what follows it is still in the buffer.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    SessionCount,
    Sessions { left: u32 },
    AclCount,
    Acls { left: u32 },
    Nodes,
    End,
}

/// Resumable parser of a snapshot body.
#[derive(Debug)]
pub struct BodyParser {
    stage: Stage,
    field_len_max: usize,
}

impl BodyParser {
    /// Starts at the session count; a field of more than `field_len_max` bytes is refused.
    #[must_use]
    pub fn new(field_len_max: usize) -> Self {
        Self {
            stage: Stage::SessionCount,
            field_len_max,
        }
    }

    /// Takes the next item off the front of `buf`; an incomplete one stays there.
    ///
    /// # Errors
    /// Bytes that are no snapshot body.
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Progress, DecodeError> {
        loop {
            let attempt = self.attempt(buf);
            match attempt {
                Err(DecodeError::UnexpectedEnd) => return Ok(Progress::NeedMore),
                Err(why) => return Err(why),
                Ok((consumed, stage, item)) => {
                    buf.advance(consumed);
                    self.stage = stage;
                    if let Some(item) = item {
                        return Ok(Progress::Item(item));
                    }
                    if stage == Stage::End {
                        return Ok(Progress::End);
                    }
                }
            }
        }
    }

    /// Parses from copies of the front that grow until the item fits: most items are small, and a
    /// copy of everything buffered per item would cost more than the parsing.
    fn attempt(&self, buf: &BytesMut) -> Result<(usize, Stage, Option<SnapshotItem>), DecodeError> {
        let mut window = 256;
        loop {
            let front = Bytes::copy_from_slice(buf.get(..window).unwrap_or(buf));
            match self.parse(front) {
                Err(DecodeError::UnexpectedEnd) if window < buf.len() => window *= 8,
                other => return other,
            }
        }
    }

    fn parse(&self, front: Bytes) -> Result<(usize, Stage, Option<SnapshotItem>), DecodeError> {
        let before = front.len();
        let mut r = Reader::new(front, self.field_len_max);
        let (stage, item) = match self.stage {
            Stage::SessionCount => (
                Stage::Sessions {
                    left: count(r.i32()?)?,
                },
                None,
            ),
            Stage::Sessions { left: 0 } => (Stage::AclCount, None),
            Stage::Sessions { left } => {
                let item = SnapshotItem::Session {
                    id: SessionId(r.i64()?),
                    timeout_ms: r.i32()?,
                };
                (Stage::Sessions { left: left - 1 }, Some(item))
            }
            Stage::AclCount => (
                Stage::Acls {
                    left: count(r.i32()?)?,
                },
                None,
            ),
            Stage::Acls { left: 0 } => (Stage::Nodes, None),
            Stage::Acls { left } => {
                let id = r.i64()?;
                let acl = r.vector(Acl::decode)?.unwrap_or_default();
                (
                    Stage::Acls { left: left - 1 },
                    Some(SnapshotItem::AclEntry { id, acl }),
                )
            }
            Stage::Nodes => {
                let path = r.string_required("path")?;
                if path == "/" {
                    (Stage::End, None)
                } else {
                    let data = r.buffer()?;
                    let acl_id = r.i64()?;
                    let stat = StatPersisted::decode(&mut r)?;
                    (
                        Stage::Nodes,
                        Some(SnapshotItem::Node {
                            path,
                            data,
                            acl_id,
                            stat,
                        }),
                    )
                }
            }
            Stage::End => (Stage::End, None),
        };
        Ok((before - r.remaining(), stage, item))
    }
}

fn count(n: i32) -> Result<u32, DecodeError> {
    u32::try_from(n).map_err(|_| DecodeError::UnreasonableLength(i64::from(n)))
}

/// Writes the pieces of a body in their order.
#[derive(Debug, Default)]
pub struct BodyWriter {
    out: Writer,
}

impl BodyWriter {
    /// Starts with the two tables.
    pub fn new(
        sessions: impl ExactSizeIterator<Item = (SessionId, i32)>,
        acls: &[(i64, &[Acl])],
    ) -> Self {
        let mut out = Writer::new();
        out.count(sessions.len());
        for (id, timeout_ms) in sessions {
            out.i64(id.0);
            out.i32(timeout_ms);
        }
        out.count(acls.len());
        for (id, acl) in acls {
            out.i64(*id);
            Acl::encode_all(acl, &mut out);
        }
        Self { out }
    }

    /// Adds a node; parents must come before their children, the root (`""`) first.
    pub fn node(&mut self, path: &str, data: Option<&[u8]>, acl_id: i64, stat: &StatPersisted) {
        self.out.string(path);
        self.out.buffer(data);
        self.out.i64(acl_id);
        stat.encode(&mut self.out);
    }

    /// Ends the body.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        self.out.string("/");
        self.out.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Bytes {
        let acl = [Acl::world(31)];
        let mut w = BodyWriter::new([(SessionId(7), 4000)].into_iter(), &[(1, &acl)]);
        w.node("", Some(b""), ACL_OPEN_UNSAFE, &StatPersisted::default());
        w.node(
            "/a",
            None,
            1,
            &StatPersisted {
                czxid: 3,
                ..Default::default()
            },
        );
        w.node("/b", Some(&[9; 1000]), 1, &StatPersisted::default());
        w.finish()
    }

    fn parse_in_pieces(raw: &[u8], piece: usize) -> (Vec<SnapshotItem>, BytesMut) {
        let mut parser = BodyParser::new(4096);
        let mut buf = BytesMut::new();
        let mut items = Vec::new();
        for chunk in raw.chunks(piece) {
            buf.extend_from_slice(chunk);
            loop {
                match parser.next(&mut buf).unwrap() {
                    Progress::NeedMore => break,
                    Progress::Item(item) => items.push(item),
                    Progress::End => return (items, buf),
                }
            }
        }
        panic!("no end in {items:?}");
    }

    #[test]
    fn pieces_of_any_size_give_the_same_items() {
        let mut raw = body().to_vec();
        let (whole, rest) = parse_in_pieces(&raw, raw.len());
        assert_eq!((whole.len(), rest.len()), (5, 0));
        for piece in [1, 3, 7, 64, 500] {
            assert_eq!(parse_in_pieces(&raw, piece).0, whole, "{piece}");
        }
        raw.extend_from_slice(b"tail");
        assert_eq!(parse_in_pieces(&raw, raw.len()).1.as_ref(), b"tail");
    }

    #[test]
    fn negative_counts_are_refused() {
        let mut buf = BytesMut::from(&[0xff, 0xff, 0xff, 0xff][..]);
        assert!(BodyParser::new(64).next(&mut buf).is_err());
    }
}
