//! Members on a network without delay and disks without failure, in virtual time. What can go wrong
//! is the simulator's business; here it is about what is said when all goes well, and on a crash.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use zk_core::db::Entry;
use zk_core::{
    AuthSettings, Bugs, ClientFrame, Configs, ConnId, DiskOp, DiskSeq, ElectionCause, Input,
    LinkId, Mono, NONCE_LEN, NodeKinds, Now, Output, Outputs, Peer, PeerConfig, PeerEvent,
    ReconfigSettings, RecoveryBuilder, SessionKinds, Trust,
};
use zk_wire::client::{ConnectRequest, ConnectResponse, ReplyHeader, Request};
use zk_wire::jute::Reader;
use zk_wire::membership::{Membership, Role};
use zk_wire::recovery::RecoverySink;
use zk_wire::txn::Txn;
use zk_wire::{Epoch, SessionId, Sid, Xid, Zxid};

/// What a member has on disk; it survives a crash.
#[derive(Default, Clone)]
pub(crate) struct Disk {
    snapshot: Option<(Zxid, Bytes)>,
    log: Vec<Bytes>,
    accepted: Epoch,
    current: Epoch,
    configs: Option<Configs>,
    initialize: bool,
}

impl Disk {
    fn carry_out(&mut self, seq: DiskSeq, op: DiskOp) -> Input {
        match op {
            DiskOp::Append { raw, .. } => {
                self.initialize = false;
                self.log.push(raw);
            }
            DiskOp::AcceptedEpoch(epoch) => self.accepted = epoch,
            DiskOp::CurrentEpoch(epoch) => self.current = epoch,
            DiskOp::Truncate { to } => {
                self.log.retain(|raw| Txn::zxid_of(raw).unwrap() <= to);
                return Input::Truncated {
                    seq,
                    recovery: Box::new(self.recover(true)),
                };
            }
            DiskOp::ReadLog { after, link } => {
                let entry = |raw: &Bytes| Entry {
                    txn: Txn::decode(raw.clone()).unwrap(),
                    raw: raw.clone(),
                };
                let all: Vec<Entry> = self.log.iter().map(entry).collect();
                let known = all.iter().any(|entry| entry.zxid() == after);
                let rest = all.into_iter().filter(|entry| entry.zxid() > after);
                return Input::LogRead {
                    seq,
                    link,
                    entries: known.then(|| rest.collect()),
                };
            }
            DiskOp::InstallSnapshot { zxid, body, .. } => {
                self.initialize = false;
                self.log.clear();
                self.snapshot = Some((zxid, body));
            }
            DiskOp::SaveSnapshot { .. } => {}
            DiskOp::Config(configs) => self.configs = Some(*configs),
            DiskOp::Initialize => self.initialize = true,
        }
        Input::DiskDone { through: seq }
    }

    fn recover(&self, autocreate: bool) -> zk_core::Recovery {
        let mut builder = RecoveryBuilder::new();
        if let Some((zxid, body)) = &self.snapshot {
            load(&mut builder, *zxid, body);
        }
        let from = self.snapshot.as_ref().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
        for raw in &self.log {
            let txn = Txn::decode(raw.clone()).unwrap();
            if txn.header.zxid > from {
                builder.txn(txn, raw.clone()).unwrap();
            }
        }
        let mut recovery = builder.finish(self.accepted, self.current);
        let empty = self.snapshot.is_none() && self.log.is_empty();
        if empty && !self.initialize && !autocreate {
            recovery.trust = Trust::Lost;
        }
        recovery
    }
}

fn load(builder: &mut RecoveryBuilder, zxid: Zxid, body: &Bytes) {
    use zk_wire::snapshot::{BodyParser, Progress};
    let mut buf = bytes::BytesMut::from(body.as_ref());
    let mut parser = BodyParser::new(body.len());
    builder.begin(zxid);
    while let Progress::Item(item) = parser.next(&mut buf).unwrap() {
        builder.item(item).unwrap();
    }
    builder.end_snapshot(None).unwrap();
}

struct Member {
    peer: Option<Peer>,
    disk: Disk,
    quorum_port: bool,
    observer_port: bool,
}

/// What a client got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Got {
    Frame(Bytes),
    Closed(&'static str),
}

/// The ensemble.
pub(crate) struct Cluster {
    members: BTreeMap<Sid, Member>,
    queue: VecDeque<(Sid, Input)>,
    /// Both ends of a quorum connection: the learner's number, then the leader's.
    links: Vec<(Sid, LinkId, Sid, LinkId)>,
    /// Dials that wait for the leader's port: who, its number, whom, until when.
    dialing: Vec<(Sid, LinkId, Sid, u64)>,
    now_ms: u64,
    next_link: u64,
    next_conn: u64,
    pub(crate) inbox: BTreeMap<ConnId, Vec<Got>>,
    /// What was said, one line each.
    pub(crate) story: Vec<String>,
    text: String,
    /// Whether an empty disk gives a vote: `db.autocreate`.
    pub(crate) autocreate: bool,
    /// What servers come as that no list has.
    pub(crate) outside: Role,
    /// For members that start from here on.
    pub(crate) reconfig: ReconfigSettings,
    /// As above.
    pub(crate) sessions: SessionKinds,
    /// As above.
    pub(crate) kinds: NodeKinds,
    pub(crate) auth: AuthSettings,
    /// What the next clients say of read-only mode.
    pub(crate) wants_read_only: bool,
    /// Whether observers follow followers.
    pub(crate) observer_masters: bool,
    /// As above.
    pub(crate) roll_over_at: u32,
    pub(crate) hold: zk_core::HoldSettings,
    /// What the last client got that had no answer to its first frame.
    pub(crate) turned_away: Vec<Got>,
}

impl Cluster {
    pub(crate) fn new(config: &str) -> Self {
        let members = Membership::parse(config).unwrap();
        let member = || Member {
            peer: None,
            disk: Disk::default(),
            quorum_port: false,
            observer_port: false,
        };
        Self {
            members: members.servers.keys().map(|sid| (*sid, member())).collect(),
            queue: VecDeque::new(),
            links: Vec::new(),
            dialing: Vec::new(),
            now_ms: 0,
            next_link: 2,
            next_conn: 1,
            inbox: BTreeMap::new(),
            story: Vec::new(),
            text: config.to_owned(),
            autocreate: true,
            outside: Role::Participant,
            reconfig: ReconfigSettings::default(),
            sessions: SessionKinds::default(),
            kinds: NodeKinds::default(),
            auth: AuthSettings::default(),
            wants_read_only: false,
            observer_masters: false,
            roll_over_at: zk_core::config::ROLL_OVER_AT,
            hold: zk_core::HoldSettings::default(),
            turned_away: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now {
            mono: Mono::from_ms(self.now_ms),
            wall_ms: 1_000_000 + self.now_ms as i64,
        }
    }

    pub(crate) fn start(&mut self, sid: i64) {
        let sid = Sid(sid);
        let configs = self.members[&sid].disk.configs.clone();
        let file = Membership::parse(&self.text).unwrap();
        // As the shell does: the newer one counts, what was written down on a tie.
        let kept = configs.filter(|c| c.committed.version >= file.version);
        let membership = kept.as_ref().map_or(file, |c| c.committed.clone());
        let config = PeerConfig {
            sid,
            joining: (!membership.servers.contains_key(&sid)).then_some(self.outside),
            membership: Some(membership),
            proposed: kept.and_then(|c| c.proposed),
            tick_ms: 1000,
            init_limit: 5,
            sync_limit: 2,
            session_timeout_min_ms: 2000,
            session_timeout_max_ms: 20000,
            snap_count: 1_000_000,
            snap_bytes: 1 << 30,
            history_len: 500,
            seed: 1,
            auth: self.auth.clone(),
            sessions: self.sessions,
            kinds: self.kinds,
            audit: false,
            roll_over_at: self.roll_over_at,
            observer_masters: self.observer_masters,
            hand_over: true,
            hold: self.hold,
            reconfig: self.reconfig,
            bugs: Bugs::default(),
        };
        let now = self.now();
        let member = self.members.get_mut(&sid).unwrap();
        let mut peer = Peer::new(config, member.disk.recover(self.autocreate), now);
        let mut out = Outputs::new();
        peer.start(now, &mut out);
        member.peer = Some(peer);
        self.carry_out(sid, out);
        self.settle();
    }

    /// A server starts whose file is `text`, be it a member or not.
    pub(crate) fn join(&mut self, sid: i64, text: &str) {
        let member = Member {
            peer: None,
            disk: Disk::default(),
            quorum_port: false,
            observer_port: false,
        };
        self.members.insert(Sid(sid), member);
        let file = std::mem::replace(&mut self.text, text.to_owned());
        self.start(sid);
        self.text = file;
    }

    pub(crate) fn kill(&mut self, sid: i64) {
        let sid = Sid(sid);
        let member = self.members.get_mut(&sid).unwrap();
        member.peer = None;
        member.quorum_port = false;
        member.observer_port = false;
        self.dialing.retain(|(me, ..)| *me != sid);
        self.queue.retain(|(to, _)| *to != sid);
        for (learner, a, leader, b) in std::mem::take(&mut self.links) {
            if learner == sid {
                self.queue
                    .push_back((leader, Input::LinkClosed { link: b }));
            } else if leader == sid {
                self.queue
                    .push_back((learner, Input::LinkClosed { link: a }));
            } else {
                self.links.push((learner, a, leader, b));
            }
        }
        self.settle();
    }

    /// Lets virtual time pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        loop {
            let next = self
                .members
                .values()
                .filter_map(|m| m.peer.as_ref()?.deadline())
                .min();
            match next.map(Mono::as_ms) {
                Some(at) if at <= end => self.now_ms = self.now_ms.max(at),
                _ => break,
            }
            let now = self.now().mono;
            let due: Vec<Sid> = self
                .members
                .iter()
                .filter(|(_, m)| {
                    m.peer
                        .as_ref()
                        .and_then(Peer::deadline)
                        .is_some_and(|at| at <= now)
                })
                .map(|(sid, _)| *sid)
                .collect();
            for sid in due {
                self.give(sid, Input::Tick);
            }
            self.settle();
        }
        self.now_ms = end;
    }

    /// Lets time pass that nobody notices, as when a machine stops for a while.
    pub(crate) fn stall(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    fn settle(&mut self) {
        loop {
            self.dial();
            let Some((to, input)) = self.queue.pop_front() else {
                return;
            };
            self.give(to, input);
        }
    }

    fn give(&mut self, to: Sid, input: Input) {
        let now = self.now();
        let Some(peer) = self.members.get_mut(&to).and_then(|m| m.peer.as_mut()) else {
            return;
        };
        let mut out = Outputs::new();
        peer.handle(now, input, &mut out);
        self.carry_out(to, out);
    }

    #[expect(clippy::too_many_lines, reason = "one arm per output")]
    fn carry_out(&mut self, me: Sid, out: Outputs) {
        for output in out {
            match output {
                Output::Disk { seq, op } => {
                    let disk = &mut self.members.get_mut(&me).unwrap().disk;
                    self.queue.push_back((me, disk.carry_out(seq, op)));
                }
                Output::Notify { to, notification } => {
                    self.queue.push_back((
                        to,
                        Input::Notification {
                            from: me,
                            notification,
                        },
                    ));
                }
                Output::QuorumPort { open } => {
                    self.members.get_mut(&me).unwrap().quorum_port = open;
                }
                Output::ObserverPort { open } => {
                    self.members.get_mut(&me).unwrap().observer_port = open;
                }
                Output::DialLeader { link, leader, .. } => {
                    self.dialing.push((me, link, leader, self.now_ms + 500));
                }
                Output::ToLink { link, packet } => {
                    self.story.push(format!("{me} says {}", brief(&packet)));
                    let input = self.other_end(me, link).map(|(to, link, up)| {
                        let input = if up {
                            Input::LearnerPacket { link, packet }
                        } else {
                            Input::LeaderPacket { link, packet }
                        };
                        (to, input)
                    });
                    self.queue.extend(input);
                }
                Output::SnapshotToLink { link, zxid, body } => {
                    self.story.push(format!("{me} says SNAP {zxid}"));
                    let mut builder = RecoveryBuilder::new();
                    load(&mut builder, zxid, &body);
                    let database = builder.into_database().unwrap();
                    if let Some((to, link, _)) = self.other_end(me, link) {
                        let input = Input::LeaderSnapshot {
                            link,
                            zxid,
                            database,
                        };
                        self.queue.push_back((to, input));
                    }
                }
                Output::CloseLink { link, why } => {
                    self.story.push(format!("{me} closes: {why}"));
                    if let Some((to, other, _)) = self.other_end(me, link) {
                        self.links.retain(|(_, a, _, b)| *a != other && *b != other);
                        self.queue
                            .push_back((to, Input::LinkClosed { link: other }));
                    }
                }
                Output::ToClient { conn, frame } => {
                    self.inbox.entry(conn).or_default().push(Got::Frame(frame));
                }
                Output::CloseClient { conn, why } => {
                    self.inbox.entry(conn).or_default().push(Got::Closed(why));
                }
                Output::Event(PeerEvent::Phase {
                    state,
                    phase,
                    leader,
                }) => {
                    let leader = leader.map_or("nobody".to_owned(), |sid| sid.to_string());
                    let phase = phase.name();
                    self.story
                        .push(format!("{me} is {state:?}, {phase}, leader {leader}"));
                }
                Output::Event(PeerEvent::DigestMismatch { zxid, .. }) => {
                    panic!("{me}: digest mismatch at {zxid}");
                }
                Output::Event(
                    event @ (PeerEvent::HandedOver { .. }
                    | PeerEvent::HandOverFailed { .. }
                    | PeerEvent::HandOverRefused { .. }
                    | PeerEvent::MayLeave
                    | PeerEvent::Formed
                    | PeerEvent::FormRefused { .. }
                    | PeerEvent::HoldEnded { .. }),
                ) => self.story.push(format!("{me}: {event:?}")),
                Output::Event(_) | Output::Configs(_) => {}
            }
        }
    }

    fn observes(&self, sid: Sid) -> bool {
        let members = Membership::parse(&self.text).unwrap();
        let spec = members.servers.get(&sid);
        spec.is_some_and(|spec| spec.role == zk_wire::membership::Role::Observer)
    }

    /// Tries the dials; those whose patience is over fail.
    fn dial(&mut self) {
        for (me, link, leader, until) in std::mem::take(&mut self.dialing) {
            let target = match self.observer_masters && self.observes(me) {
                true => self.members.iter().find(|(_, m)| m.observer_port),
                false => self
                    .members
                    .get_key_value(&leader)
                    .filter(|(_, m)| m.quorum_port),
            };
            if let Some(leader) = target.map(|(sid, _)| *sid) {
                let other = LinkId(self.next_link);
                self.next_link += 2;
                self.links.push((me, link, leader, other));
                self.queue
                    .push_back((leader, Input::LearnerConnected { link: other }));
                self.queue.push_back((me, Input::LeaderConnected { link }));
            } else if until <= self.now_ms {
                self.queue.push_back((me, Input::LinkClosed { link }));
            } else {
                self.dialing.push((me, link, leader, until));
            }
        }
    }

    /// The far end of a connection, and whether it is the leader's.
    fn other_end(&self, me: Sid, link: LinkId) -> Option<(Sid, LinkId, bool)> {
        self.links.iter().find_map(|(learner, a, leader, b)| {
            if (*learner, *a) == (me, link) {
                Some((*leader, *b, true))
            } else if (*leader, *b) == (me, link) {
                Some((*learner, *a, false))
            } else {
                None
            }
        })
    }

    pub(crate) fn leader(&self) -> Option<i64> {
        let leads = |m: &Member| {
            m.peer.as_ref().is_some_and(|p| {
                let status = p.status();
                status.serving && status.leader == Some(status.sid)
            })
        };
        self.members
            .iter()
            .find(|(_, m)| leads(m))
            .map(|(sid, _)| sid.0)
    }

    pub(crate) fn status(&self, sid: i64) -> zk_core::Status {
        self.members[&Sid(sid)].peer.as_ref().unwrap().status()
    }

    /// A client connects to `sid`, with an old session if given; gives the connection's number.
    pub(crate) fn connect(
        &mut self,
        sid: i64,
        old: Option<&ConnectResponse>,
    ) -> (ConnId, ConnectResponse) {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let request = ConnectRequest {
            last_zxid_seen: Zxid::ZERO,
            timeout_ms: 6000,
            session: old.map(|o| o.session),
            password: old.map_or(Bytes::new(), |o| Bytes::copy_from_slice(&o.password)),
            read_only: Some(self.wants_read_only),
        };
        self.give(
            Sid(sid),
            Input::ClientConnect {
                conn,
                ip: "127.0.0.1".into(),
                identities: Vec::new(),
                nonce: [7; NONCE_LEN],
                request,
            },
        );
        self.settle();
        let got = self.take(conn);
        let Some(Got::Frame(frame)) = got.first().cloned() else {
            self.turned_away = got;
            return (conn, ConnectResponse::refusal(None));
        };
        (conn, ConnectResponse::decode(frame).unwrap())
    }

    pub(crate) fn send(&mut self, sid: i64, conn: ConnId, xid: i32, request: Request) {
        let frame = request.encode_with_header(Xid(xid));
        let frame = ClientFrame::decode(frame, 1 << 20).unwrap();
        self.give(Sid(sid), Input::ClientFrame { conn, frame });
        self.settle();
    }

    /// A client closes its connection.
    pub(crate) fn leave(&mut self, sid: i64, conn: ConnId) {
        self.give(Sid(sid), Input::ClientClosed { conn });
        self.settle();
    }

    /// Sends requests at once, before anything becomes of the first of them.
    pub(crate) fn send_all(
        &mut self,
        sid: i64,
        conn: ConnId,
        requests: impl IntoIterator<Item = (i32, Request)>,
    ) {
        for (xid, request) in requests {
            let frame = request.encode_with_header(Xid(xid));
            let frame = ClientFrame::decode(frame, 1 << 20).unwrap();
            self.give(Sid(sid), Input::ClientFrame { conn, frame });
        }
        self.settle();
    }

    /// Sends a request and goes on only until somebody has said `until`.
    pub(crate) fn send_until(
        &mut self,
        sid: i64,
        conn: ConnId,
        (xid, request): (i32, Request),
        until: &str,
    ) {
        let frame = request.encode_with_header(Xid(xid));
        let frame = ClientFrame::decode(frame, 1 << 20).unwrap();
        let said = self.story.len();
        self.give(Sid(sid), Input::ClientFrame { conn, frame });
        while !self.story[said..].iter().any(|s| s.contains(until)) {
            let (to, input) = self.queue.pop_front().unwrap();
            self.give(to, input);
        }
    }

    /// Tells a server to pass on the lead.
    pub(crate) fn hand_over(&mut self, sid: i64, to: Option<i64>) {
        let input = Input::HandOver {
            to: to.map(Sid),
            patience_ms: 1000,
            cause: ElectionCause::HandOver,
        };
        self.give(Sid(sid), input);
        self.settle();
    }

    /// Somebody vouches for the disk of a server.
    pub(crate) fn form(&mut self, sid: i64) {
        self.give(Sid(sid), Input::Form);
        self.settle();
    }

    /// A server that stopped loses its disk.
    pub(crate) fn wipe(&mut self, sid: i64) {
        self.members.get_mut(&Sid(sid)).unwrap().disk = Disk::default();
    }

    /// A copy of the disk of a server.
    pub(crate) fn disk(&self, sid: i64) -> Disk {
        self.members[&Sid(sid)].disk.clone()
    }

    /// A server that stopped gets a disk of earlier times.
    pub(crate) fn put_disk(&mut self, sid: i64, disk: Disk) {
        self.members.get_mut(&Sid(sid)).unwrap().disk = disk;
    }

    /// The file of all that start from here on.
    pub(crate) fn set_file(&mut self, text: &str) {
        text.clone_into(&mut self.text);
    }

    /// A server is about to stop.
    pub(crate) fn ask_to_leave(&mut self, sid: i64) {
        self.give(Sid(sid), Input::Leave);
        self.settle();
    }

    pub(crate) fn take(&mut self, conn: ConnId) -> Vec<Got> {
        self.inbox.remove(&conn).unwrap_or_default()
    }

    /// Headers of the frames that came, with their zxids.
    pub(crate) fn full_headers(&mut self, conn: ConnId) -> Vec<(i32, u64, i32)> {
        self.take(conn)
            .into_iter()
            .map(|got| match got {
                Got::Frame(frame) => {
                    let header = ReplyHeader::decode(&mut Reader::unlimited(frame)).unwrap();
                    (header.xid.0, header.zxid as u64, header.err)
                }
                Got::Closed(_) => (i32::MIN, 0, 0),
            })
            .collect()
    }

    /// Headers of the frames that came, (xid, err).
    pub(crate) fn headers(&mut self, conn: ConnId) -> Vec<(i32, i32)> {
        self.take(conn)
            .into_iter()
            .map(|got| match got {
                Got::Frame(frame) => {
                    let header = ReplyHeader::decode(&mut Reader::unlimited(frame)).unwrap();
                    (header.xid.0, header.err)
                }
                Got::Closed(_) => (i32::MIN, 0),
            })
            .collect()
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the others are short as they are"
)]
fn brief(packet: &zk_wire::quorum::Packet) -> String {
    use zk_wire::quorum::Packet;
    match packet {
        Packet::Proposal { zxid, .. } => format!("PROPOSAL {zxid}"),
        Packet::Inform { zxid, .. } => format!("INFORM {zxid}"),
        Packet::NewLeader { zxid, .. } => format!("NEWLEADER {zxid}"),
        Packet::CommitAndActivate { leader, .. } => format!("COMMITANDACTIVATE {leader}"),
        Packet::InformAndActivate { leader, .. } => format!("INFORMANDACTIVATE {leader}"),
        Packet::Request(request) => format!("REQUEST {}", request.op),
        other => format!("{other:?}"),
    }
}

pub(crate) const NO_SESSION: SessionId = SessionId::NONE;
