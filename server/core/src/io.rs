//! The contract between the core and any shell: what comes in, what goes out.

use bytes::Bytes;
use zk_wire::client::{ConnectRequest, OpCode, Request, RequestHeader};
use zk_wire::election::Notification;
use zk_wire::membership::{Membership, ServerSpec};
use zk_wire::quorum::Packet;
use zk_wire::{DecodeError, Epoch, Id, Sid, Xid, Zxid};

use crate::db::{Database, Entry, Recovery};
pub use crate::request::auth::NONCE_LEN;
use crate::status::{ElectionCause, PeerEvent};

/// A client connection; chosen by the shell, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// A quorum-port connection, accepted or dialed; chosen by the shell for accepted ones (even
/// numbers) and by the core for dialed ones (odd numbers), never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Number of a disk operation; they count up by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DiskSeq(pub u64);

/// What happens to a member.
#[derive(Debug)]
pub enum Input {
    /// Nothing but time: to be given when [`crate::Peer::deadline`] has come.
    Tick,
    /// Every disk operation up to this one is done and durable.
    DiskDone {
        /// The last of them.
        through: DiskSeq,
    },
    /// Answer to [`DiskOp::Truncate`], in place of `DiskDone`: the log is cut, durably, and this is
    /// what recovery made of the directory afterwards.
    Truncated {
        /// The operation that is answered.
        seq: DiskSeq,
        /// As after a restart.
        recovery: Box<Recovery>,
    },
    /// Answer to [`DiskOp::Truncate`], in place of `DiskDone`: what is on disk cannot be taken back
    /// that far, and nothing was changed. The whole state has to come from the leader.
    TruncateImpossible {
        /// The operation that is answered.
        seq: DiskSeq,
    },
    /// Answer to [`DiskOp::ReadLog`], in place of `DiskDone`.
    LogRead {
        /// The operation that is answered.
        seq: DiskSeq,
        /// For whom it was asked.
        link: LinkId,
        /// What follows the zxid that was asked for, oldest first; `None`: the log does not tell, or
        /// a snapshot is less to send.
        entries: Option<Vec<Entry>>,
    },
    /// A message on the election port; `from` is the id of the connection.
    Notification {
        /// Who sent it.
        from: Sid,
        /// What.
        notification: Notification,
    },
    /// A learner connected to our quorum port.
    LearnerConnected {
        /// Even number.
        link: LinkId,
    },
    /// A learner sent a packet.
    LearnerPacket {
        /// Over which connection.
        link: LinkId,
        /// What.
        packet: Packet,
    },
    /// Answer to [`Output::DialLeader`]: connected.
    LeaderConnected {
        /// The number given in `DialLeader`.
        link: LinkId,
    },
    /// The leader sent a packet; never SNAP.
    LeaderPacket {
        /// Over which connection.
        link: LinkId,
        /// What.
        packet: Packet,
    },
    /// The leader sent SNAP and its whole stream with a good signature.
    LeaderSnapshot {
        /// Over which connection.
        link: LinkId,
        /// zxid of the packet.
        zxid: Zxid,
        /// The tree, built with [`crate::RecoveryBuilder`].
        database: Box<Database>,
    },
    /// A quorum connection ended or could not be made; not given after [`Output::CloseLink`].
    LinkClosed {
        /// Which.
        link: LinkId,
    },
    /// A client's first frame.
    ClientConnect {
        /// A new number.
        conn: ConnId,
        /// Remote address as text, without port.
        ip: String,
        /// What the transport proved beside the address: the subject of a client certificate.
        identities: Vec<Id>,
        /// Random bytes that were never used before, for the challenge of a SASL exchange.
        nonce: [u8; NONCE_LEN],
        /// What it asks.
        request: ConnectRequest,
    },
    /// Any later frame of a client.
    ClientFrame {
        /// Whose.
        conn: ConnId,
        /// What.
        frame: ClientFrame,
    },
    /// The lead is to be passed on, if this server has it: answered by one of the events
    /// `HandedOver`, `HandOverFailed` and `HandOverRefused`.
    HandOver {
        /// To this voter; `None`: to whichever has most.
        to: Option<Sid>,
        /// Given up after this time, ms.
        patience_ms: u64,
        /// Why.
        cause: ElectionCause,
    },
    /// Somebody vouches that this server's empty directory never held anything, so that an ensemble can
    /// be formed: answered by one of the events `Formed`, once that is durable, and `FormRefused`.
    Form,
    /// This server is about to stop: answered by the event `MayLeave` when the leader that it
    /// follows has a quorum without it, and not at all where the leader cannot tell.
    Leave,
    /// A client connection ended; not given after [`Output::CloseClient`].
    ClientClosed {
        /// Which.
        conn: ConnId,
    },
}

/// A client's frame, decoded at the edge as far as it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFrame {
    /// A request that this server answers.
    Request {
        /// The client's number.
        xid: Xid,
        /// What it wants.
        request: Request,
        /// The body as it came, for forwarding.
        body: Bytes,
    },
    /// A known operation whose body does not decode.
    Undecodable {
        /// The client's number.
        xid: Xid,
        /// The operation.
        op: OpCode,
        /// The body as it came.
        body: Bytes,
    },
    /// A multiRead of nothing but writes, which decodes and is refused nevertheless.
    WritesInMultiRead {
        /// The client's number.
        xid: Xid,
    },
    /// An operation that is not answered here: error and close.
    Unimplemented {
        /// The client's number.
        xid: Xid,
    },
    /// A request that waited too long before it came here: THROTTLEDOP, and nothing is done.
    Throttled {
        /// The client's number.
        xid: Xid,
    },
}

impl ClientFrame {
    /// Decodes a frame; `field_len_max` bounds each string and buffer in it.
    ///
    /// # Errors
    /// A frame too short for a header: the connection closes.
    pub fn decode(frame: Bytes, field_len_max: usize) -> Result<Self, DecodeError> {
        let (header, body) = RequestHeader::split(frame)?;
        let xid = header.xid;
        let Some(op) = OpCode::from_wire(header.op) else {
            return Ok(Self::Unimplemented { xid });
        };
        if op == OpCode::CreateSession {
            // The servers' own; Apache fails over the missing time-out of one that a client sends.
            return Ok(Self::Undecodable { xid, op, body });
        }
        Ok(match Request::decode(op, body.clone(), field_len_max) {
            Ok(Some(request)) => Self::Request { xid, request, body },
            Ok(None) => Self::Unimplemented { xid },
            // Apache finds the null when it has begun to answer.
            Err(DecodeError::Null(_)) if op == OpCode::MultiRead => Self::WritesInMultiRead { xid },
            Err(_) if op == OpCode::MultiRead && holds_writes(&body, field_len_max) => {
                Self::WritesInMultiRead { xid }
            }
            Err(_) => Self::Undecodable { xid, op, body },
        })
    }

    /// The client's number.
    #[must_use]
    pub fn xid(&self) -> Xid {
        match self {
            Self::Request { xid, .. }
            | Self::Undecodable { xid, .. }
            | Self::WritesInMultiRead { xid }
            | Self::Throttled { xid }
            | Self::Unimplemented { xid } => *xid,
        }
    }
}

/// Whether a body that is no list of reads is a list of writes.
fn holds_writes(body: &Bytes, field_len_max: usize) -> bool {
    let multi = Request::decode(OpCode::Multi, body.clone(), field_len_max);
    matches!(multi, Ok(Some(Request::Multi(ops))) if !ops.is_empty())
}

/// The configs that a member knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configs {
    /// In force.
    pub committed: Membership,
    /// Proposed; newer than the one in force.
    pub proposed: Option<Membership>,
}

impl Configs {
    /// A member of either, as the newer one has it.
    #[must_use]
    pub fn server(&self, sid: Sid) -> Option<&ServerSpec> {
        let newer = self.proposed.as_ref().and_then(|p| p.servers.get(&sid));
        newer.or_else(|| self.committed.servers.get(&sid))
    }
}

/// A disk operation. They are given in order and must be carried out in order.
#[derive(Debug, Clone)]
pub enum DiskOp {
    /// Append a transaction to the log.
    Append {
        /// Its zxid.
        zxid: Zxid,
        /// Encoded transaction.
        raw: Bytes,
    },
    /// Write the file `acceptedEpoch`.
    AcceptedEpoch(Epoch),
    /// Write the file `currentEpoch`.
    CurrentEpoch(Epoch),
    /// Write down the configs: the one in force, and the one that is proposed if it is newer.
    Config(Box<Configs>),
    /// Write the file `initialize`: what is here is rightly empty. It goes as soon as there is something
    /// to lose.
    Initialize,
    /// Cut the log behind `to`, forget newer snapshots, recover, answer with [`Input::Truncated`]
    /// or [`Input::TruncateImpossible`].
    Truncate {
        /// Last zxid to keep.
        to: Zxid,
    },
    /// Read what the log has behind `after`, for a learner whose last transaction that is; answered
    /// with [`Input::LogRead`].
    ReadLog {
        /// The last zxid that the learner has.
        after: Zxid,
        /// The learner.
        link: LinkId,
    },
    /// Replace everything by this snapshot; durable when `DiskDone` says so.
    InstallSnapshot {
        /// Last zxid in it.
        zxid: Zxid,
        /// Snapshot body.
        body: Bytes,
        /// Digest of the tree in it.
        digest: u64,
    },
    /// Begin a new log file and write this snapshot beside the log: it is started in its order, but
    /// `DiskDone` does not wait for the snapshot, and a crash may lose it.
    SaveSnapshot {
        /// Last zxid in it.
        zxid: Zxid,
        /// Snapshot body.
        body: Bytes,
        /// Digest of the tree in it.
        digest: u64,
    },
}

/// What a member wants done, in this order.
#[derive(Debug)]
pub enum Output {
    /// A disk operation; answered with [`Input::DiskDone`] for it or a later one.
    Disk {
        /// Its number.
        seq: DiskSeq,
        /// What.
        op: DiskOp,
    },
    /// Send a message on the election port; only the newest unsent one per receiver matters.
    Notify {
        /// To whom.
        to: Sid,
        /// What.
        notification: Notification,
    },
    /// These are the configs from here on: where the others are, and where this server listens.
    Configs(Box<Configs>),
    /// Accept learners on the quorum port, or stop to: open while leading only.
    QuorumPort {
        /// Whether to listen.
        open: bool,
    },
    /// Accept observers on `observerMasterPort`, or stop to: open while following only.
    ObserverPort {
        /// Whether to listen.
        open: bool,
    },
    /// Connect to the quorum port of `leader`, trying several times for up to `patience_ms`; answered
    /// with `LeaderConnected` or `LinkClosed`. An observer may be brought to any follower that accepts
    /// observers instead.
    DialLeader {
        /// Odd number for the new connection.
        link: LinkId,
        /// Whom.
        leader: Sid,
        /// Bound of all attempts, ms.
        patience_ms: u64,
    },
    /// Send a packet.
    ToLink {
        /// Over which connection.
        link: LinkId,
        /// What.
        packet: Packet,
    },
    /// Send SNAP, the snapshot body and the signature.
    SnapshotToLink {
        /// Over which connection.
        link: LinkId,
        /// Last zxid in it.
        zxid: Zxid,
        /// Snapshot body.
        body: Bytes,
    },
    /// Close a quorum connection after what was sent before.
    CloseLink {
        /// Which.
        link: LinkId,
        /// For the log.
        why: String,
    },
    /// Send a frame; the shell adds the length.
    ToClient {
        /// To whom.
        conn: ConnId,
        /// Payload.
        frame: Bytes,
    },
    /// Close a client connection after what was sent before.
    CloseClient {
        /// Which.
        conn: ConnId,
        /// For the log.
        why: &'static str,
    },
    /// Something to log and count; changes nothing.
    Event(PeerEvent),
}

/// Outputs of one or more inputs, in order.
pub type Outputs = Vec<Output>;
