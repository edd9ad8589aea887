//! What a learner reads from its leader: packets, and after SNAP a snapshot body and a signature.
//!
//! Bytes come in pieces of any size and go through the shipped parsers, as they do in the server.

use bytes::{Buf, BytesMut};
use zk_core::{Database, RecoveryBuilder};
use zk_wire::Zxid;
use zk_wire::quorum::{From, Packet};
use zk_wire::recovery::RecoverySink;
use zk_wire::snapshot::{BodyParser, Progress, SNAP_SIGNATURE};

/// Largest field on a quorum connection, bytes.
pub(crate) const FIELD_LEN_MAX: usize = 1 << 20;

#[derive(Debug)]
enum Stage {
    Packets,
    Snapshot {
        zxid: Zxid,
        parser: BodyParser,
        builder: Box<RecoveryBuilder>,
    },
    Signature {
        zxid: Zxid,
        database: Box<Database>,
    },
}

/// The bytes that came and what is expected next.
#[derive(Debug)]
pub(crate) struct Intake {
    buf: BytesMut,
    stage: Stage,
}

/// Something whole.
#[derive(Debug)]
pub(crate) enum Incoming {
    Packet(Packet),
    Snapshot { zxid: Zxid, database: Box<Database> },
}

/// Length word and text of the signature.
pub(crate) fn signature() -> Vec<u8> {
    let mut w = zk_wire::jute::Writer::new();
    w.string(SNAP_SIGNATURE);
    w.into_bytes().to_vec()
}

impl Intake {
    pub(crate) fn new() -> Self {
        Self {
            buf: BytesMut::new(),
            stage: Stage::Packets,
        }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// The next whole thing; `None` when more bytes are needed.
    pub(crate) fn next(&mut self) -> Result<Option<Incoming>, String> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Packets) {
                Stage::Packets => {
                    let packet = Packet::take(&mut self.buf, From::Leader, FIELD_LEN_MAX)
                        .map_err(|e| e.to_string())?;
                    let Some(packet) = packet else {
                        return Ok(None);
                    };
                    let Packet::Snap(zxid) = packet else {
                        return Ok(Some(Incoming::Packet(packet)));
                    };
                    let mut builder = Box::new(RecoveryBuilder::new());
                    builder.begin(zxid);
                    self.stage = Stage::Snapshot {
                        zxid,
                        parser: BodyParser::new(FIELD_LEN_MAX),
                        builder,
                    };
                }
                Stage::Snapshot {
                    zxid,
                    mut parser,
                    mut builder,
                } => match parser.next(&mut self.buf).map_err(|e| e.to_string())? {
                    Progress::End => {
                        let database = builder.into_database()?;
                        self.stage = Stage::Signature { zxid, database };
                    }
                    progress @ (Progress::NeedMore | Progress::Item(_)) => {
                        let more = matches!(progress, Progress::NeedMore);
                        if let Progress::Item(item) = progress {
                            builder.item(item)?;
                        }
                        self.stage = Stage::Snapshot {
                            zxid,
                            parser,
                            builder,
                        };
                        if more {
                            return Ok(None);
                        }
                    }
                },
                Stage::Signature { zxid, database } => {
                    let expected = signature();
                    if self.buf.len() < expected.len() {
                        self.stage = Stage::Signature { zxid, database };
                        return Ok(None);
                    }
                    if !self.buf.starts_with(&expected) {
                        return Err("the snapshot stream has no signature".into());
                    }
                    self.buf.advance(expected.len());
                    return Ok(Some(Incoming::Snapshot { zxid, database }));
                }
            }
        }
    }
}
