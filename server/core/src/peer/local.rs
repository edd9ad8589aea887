//! What a member has whatever its role: state, log position, epochs, clients.

use std::collections::{BTreeMap, VecDeque};

use zk_wire::client::ErrorCode;
use zk_wire::election::{Notification, ServerState};
use zk_wire::membership::{Membership, Role};
use zk_wire::txn::TxnBody;
use zk_wire::{Epoch, Round, SessionId, Sid, Xid, Zxid};

use super::configs::config_in;
use super::disk::{After, Disk};
use super::held::Parting;
use super::turning::Turning;
use crate::audit::Audited;
use crate::config::PeerConfig;
use crate::db::{CONFIG_PATH, Change, Database, Entry, Recovery, Trust, TxnOutcome};
use crate::election::Vote;
use crate::ensemble::Ensemble;
use crate::io::{ConnId, DiskOp, DiskSeq, LinkId, Output, Outputs};
use crate::report::{DIGEST_INTERVAL, DIGESTS_MAX};
use crate::request::order::{Clients, Released};
use crate::session::{LocalSessions, LocalView, SessionIds};
use crate::status::{ElectionCause, PeerEvent, Phase};
use crate::time::{Mono, Now};
use crate::zab::history::History;

/// Bytes of history that wait for a leader to be established at most.
const AHEAD_BYTES_MAX: u64 = 64 << 20;

/// Who is to lead next, as the last leader left it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Next {
    /// This server, without an election.
    Designated {
        /// Who.
        leader: Sid,
        /// Why.
        cause: ElectionCause,
    },
    /// The next election is to elect this one.
    Steered {
        /// Who.
        to: Sid,
        /// Why.
        cause: ElectionCause,
    },
}

/// How a transaction came to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By live traffic.
    Live,
    /// With the history that an established leader has.
    History,
}

/// Shared by all roles.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) cfg: PeerConfig,
    pub(crate) ensemble: Ensemble,
    pub(crate) db: Database,
    pub(crate) history: History,
    /// Logged transactions that are not known to be committed while no leader is established, oldest
    /// first: they are applied, answered and told of when one is.
    ahead: VecDeque<Entry>,
    ahead_bytes: u64,
    /// Last transaction handed to the log.
    pub(crate) last_logged: Zxid,
    pub(crate) accepted_epoch: Epoch,
    pub(crate) current_epoch: Epoch,
    pub(crate) clients: Clients,
    pub(crate) session_ids: SessionIds,
    pub(crate) local_sessions: LocalSessions,
    /// Errors that clients get in place of the one that the leader put into their transaction.
    instead: BTreeMap<(SessionId, Xid), ErrorCode>,
    pub(crate) disk: Disk,
    /// Who leads next by the word of a reconfiguration, without an election.
    pub(crate) designated: Option<Sid>,
    /// The role that the members gave this server under the same leader, until it has it.
    pub(crate) turning: Option<Turning>,
    /// Counts roles, so that nothing of a past role is carried out for the present one.
    pub(crate) role_no: u64,
    next_link: u64,
    /// Whether clients are served.
    pub(crate) serving: bool,
    /// The vote that made the present role, for servers that look.
    pub(crate) vote: Vote,
    pub(crate) vote_round: Round,
    /// When this server last had a leader that it served under.
    pub(crate) last_served: Mono,
    pub(crate) digest_mismatches: u64,
    /// Digests at some transactions, oldest first.
    pub(crate) digests: VecDeque<(Zxid, u64)>,
    /// The highest epoch that a voter came with which it had promised elsewhere, in an attempt to
    /// lead that failed: an epoch below it would keep that voter out for good.
    pub(crate) promised_elsewhere: Epoch,
    /// What is on disk is not a history that a leader could continue: ask for its whole state.
    pub(crate) wants_snapshot: bool,
    /// Whether this server has all that it ever acknowledged; if not, it has no vote until a leader
    /// has brought it level.
    pub(crate) trust: Trust,
    /// Frames of sessions that were just settled, to be handled as if they came now.
    pub(crate) released: Vec<Released>,
    /// Until here the state that a leader sent while it went on (Apache's do) has what came later in
    /// it by chance: its digests mean nothing before.
    pub(crate) fuzzy_until: Option<Zxid>,
    /// What a past role writes on, with the mistake of that name.
    pub(crate) late: Vec<Entry>,
    /// The leader whose connection ended; for the next election only.
    pub(crate) lost_leader: Option<Sid>,
    /// Votes that came before this server could look; the last of each voter.
    pub(crate) early_votes: BTreeMap<Sid, Notification>,
    /// Who is to lead next; for the next election only.
    pub(crate) next: Option<Next>,
    /// The operation after which an empty directory is vouched for.
    pub(crate) forming: Option<DiskSeq>,
    /// Why the next election is held.
    pub(crate) cause: ElectionCause,
    /// Whether a leader was just established: suspended clients go on.
    pub(crate) resume_due: bool,
    /// How the last epoch in which this server served came to its end.
    pub(crate) parting: Parting,
    txns_since_snapshot: u64,
    bytes_since_snapshot: u64,
    snapshot_after: u64,
    rng: u64,
}

impl Local {
    pub(crate) fn new(cfg: PeerConfig, recovery: Recovery, now: Now) -> Self {
        let mut ensemble = match &cfg.membership {
            Some(membership) => Ensemble::new(membership.clone(), cfg.sid, cfg.bugs)
                .coming_as(cfg.joining.unwrap_or(Role::Participant)),
            None => Ensemble::standalone(cfg.sid),
        };
        if cfg.reconfig.enabled && cfg.membership.is_some() {
            // The log knows what was proposed, unless that came in a snapshot, whose tree shows what was
            // in force. What the file has beyond the end of the log was cut off since then, or never
            // acknowledged; but the config that a first leader names is in no log.
            let last = recovery.database.last_applied();
            let in_history = |m: &Membership| {
                let at = Zxid::from_wire(m.version);
                at <= last || at.counter() == 0
            };
            let in_file = cfg.proposed.clone().filter(in_history);
            let seen = [in_file, config_in(&recovery.database)];
            if let Some(seen) = seen.into_iter().flatten().max_by_key(|m| m.version) {
                ensemble.propose(seen);
            }
        }
        let mut local = Self {
            ensemble,
            last_logged: recovery.database.last_applied(),
            db: recovery.database,
            history: History::new(recovery.recent, cfg.history_len),
            ahead: VecDeque::new(),
            ahead_bytes: 0,
            accepted_epoch: recovery.accepted_epoch,
            current_epoch: recovery.current_epoch,
            clients: Clients::new(&cfg),
            session_ids: SessionIds::new(cfg.sid, now.wall_ms),
            local_sessions: LocalSessions::new(cfg.tick_ms),
            instead: BTreeMap::new(),
            disk: Disk::default(),
            designated: None,
            turning: None,
            role_no: 0,
            next_link: 1,
            serving: false,
            vote: Vote::NOBODY,
            vote_round: Round::default(),
            last_served: now.mono,
            digest_mismatches: 0,
            digests: VecDeque::new(),
            promised_elsewhere: Epoch::default(),
            wants_snapshot: recovery.trust == Trust::Damaged,
            trust: recovery.trust,
            released: Vec::new(),
            fuzzy_until: None,
            late: Vec::new(),
            lost_leader: None,
            early_votes: BTreeMap::new(),
            next: None,
            forming: None,
            cause: ElectionCause::Start,
            resume_due: false,
            parting: Parting::default(),
            txns_since_snapshot: 0,
            bytes_since_snapshot: 0,
            snapshot_after: 0,
            rng: cfg.seed | 1,
            cfg,
        };
        local.draw_snapshot_point();
        local.show_config(now);
        local
    }

    /// Writes the membership into the config node, where the state does not have it.
    pub(crate) fn show_config(&mut self, now: Now) {
        let text = self.ensemble.text().to_owned();
        let shown = self.db.node(CONFIG_PATH).and_then(|n| n.data.clone());
        if shown.as_deref() != Some(text.as_bytes()) {
            self.db
                .set_config(&text, self.ensemble.version(), now.wall_ms);
        }
    }

    /// A number for a connection that this server dials.
    pub(crate) fn new_link(&mut self) -> LinkId {
        let link = LinkId(self.next_link);
        self.next_link += 2;
        link
    }

    /// ms of `n` ticks.
    pub(crate) fn ticks(&self, n: u64) -> u64 {
        self.cfg.tick_ms * n
    }

    /// Gives a disk operation out; `after` is for the present role.
    pub(crate) fn disk(&mut self, op: DiskOp, after: Option<After>, out: &mut Outputs) {
        let after = after.map(|a| (self.role_no, a));
        self.disk.submit(op, after, out);
    }

    /// Hands a transaction to the log.
    pub(crate) fn append(&mut self, entry: &Entry, after: Option<After>, out: &mut Outputs) {
        let zxid = entry.zxid();
        assert!(
            zxid > self.last_logged,
            "{zxid} is logged after {}",
            self.last_logged
        );
        self.last_logged = zxid;
        self.txns_since_snapshot += 1;
        self.bytes_since_snapshot += entry.raw.len() as u64;
        self.disk(
            DiskOp::Append {
                zxid,
                raw: entry.raw.clone(),
            },
            after,
            out,
        );
    }

    /// Applies a committed transaction: state, events, replies.
    pub(crate) fn apply_committed(&mut self, entry: Entry, out: &mut Outputs) {
        self.apply(&entry, Way::Live, out);
        self.history.push(entry);
        self.snapshot_if_due(out);
    }

    fn apply(&mut self, entry: &Entry, way: Way, out: &mut Outputs) {
        let header = entry.txn.header;
        let zxid = header.zxid;
        let mut changes: Vec<Change> = Vec::new();
        let mut outcome = self.db.apply(&entry.txn, &mut changes);
        let instead = self.instead.remove(&(header.session, header.xid));
        if let (TxnOutcome::Failed(_), Some(code)) = (&outcome, instead) {
            outcome = TxnOutcome::Failed(code.to_wire());
        }
        if matches!(outcome, TxnOutcome::SessionCreated) {
            self.local_sessions.remove(header.session);
        }
        let digest = self.db.digest();
        self.fuzzy_until = self.fuzzy_until.filter(|until| zxid < *until);
        let settled = self.fuzzy_until.is_none();
        let told = entry.txn.digest.filter(|d| *d != digest && settled);
        if let Some(expected) = told {
            self.digest_mismatches += 1;
            let event = PeerEvent::DigestMismatch {
                zxid,
                expected,
                found: digest,
            };
            out.push(Output::Event(event));
        }
        if zxid.as_u64().is_multiple_of(DIGEST_INTERVAL) && settled {
            if self.digests.len() == DIGESTS_MAX {
                self.digests.pop_front();
            }
            self.digests.push_back((zxid, digest));
        }
        out.push(Output::Event(PeerEvent::Applied {
            zxid,
            digest,
            proposed_ms: (way == Way::Live).then_some(header.time_ms),
            asked_here: self.clients.has_session(header.session),
        }));
        if self.cfg.audit && outcome == TxnOutcome::SessionClosed {
            out.extend(gone_with(header.session, &changes));
        }
        let released = self
            .clients
            .applied(&self.db, &header, outcome, &changes, out);
        self.released.extend(released);
    }

    /// Settles the session of a connection that waits for it. What earlier connections of the session
    /// asked must be applied by now: clients may number their requests anew with each.
    /// Returns whether a connection goes on.
    pub(crate) fn settle_session(&mut self, conn: ConnId, valid: bool, out: &mut Outputs) -> bool {
        let released = self.clients.renewed(conn, valid, out);
        let goes_on = released.is_some();
        self.released.extend(released);
        goes_on
    }

    /// Should this request fail, its client is told `code`.
    pub(crate) fn say_instead(&mut self, session: SessionId, xid: Xid, code: ErrorCode) {
        self.instead.insert((session, xid), code);
    }

    /// What this server knows of `session` alone.
    pub(crate) fn view_of(&self, session: SessionId) -> LocalView {
        LocalView {
            me: self.cfg.sid,
            enabled: self.cfg.sessions.local,
            here: self.local_sessions.contains(session),
        }
    }

    /// Local sessions end with the role under which they began.
    pub(crate) fn forget_local_sessions(&mut self) {
        self.local_sessions.clear();
        self.instead.clear();
    }

    /// Takes over a logged transaction that is not known to be committed. Votes and
    /// synchronization count with it, as they would after a restart; the tree, clients and watches
    /// do not, until a leader is established. What never was is cut by its TRUNC or SNAP.
    pub(crate) fn take_ahead(&mut self, entry: Entry, out: &mut Outputs) {
        if self.cfg.bugs.answer_from_uncommitted() {
            self.apply_committed(entry, out);
            return;
        }
        self.ahead_bytes += entry.raw.len() as u64;
        self.ahead.push_back(entry.clone());
        self.history.push(entry);
        if self.ahead_bytes > AHEAD_BYTES_MAX {
            // Too much to wait with: nobody is told what came of it.
            self.clients.state_replaced(false, out);
            self.ahead_bytes = 0;
            for entry in std::mem::take(&mut self.ahead) {
                self.apply(&entry, Way::History, out);
            }
        }
    }

    /// The last transaction of this server's history, committed or not.
    pub(crate) fn history_last(&self) -> Zxid {
        let ahead = self.ahead.back().map(Entry::zxid);
        ahead.map_or(self.db.last_applied(), |z| z.max(self.db.last_applied()))
    }

    /// The state at [`Local::history_last`], serialized.
    pub(crate) fn history_snapshot(&self) -> bytes::Bytes {
        if self.ahead.is_empty() {
            return self.db.to_snapshot_body();
        }
        let mut db = self.db.clone();
        for entry in &self.ahead {
            db.apply(&entry.txn, &mut Vec::new());
        }
        db.to_snapshot_body()
    }

    /// A leader is established in this epoch, and so the whole history: it is applied, and clients
    /// are served.
    pub(crate) fn begin_serving(&mut self, epoch: Epoch, out: &mut Outputs) {
        self.serving = true;
        self.ahead_bytes = 0;
        for entry in std::mem::take(&mut self.ahead) {
            self.apply(&entry, Way::History, out);
        }
        // A client that saw the epoch begin elsewhere is not ahead of this server.
        self.db.begin_epoch(Zxid::new(epoch, 0));
        self.resume_due = true;
        self.snapshot_if_due(out);
    }

    /// The log was cut: what is behind the cut never was. The tree stays, unless it has some of it.
    pub(crate) fn reload(&mut self, recovery: Recovery, now: Now, out: &mut Outputs) {
        let to = recovery.database.last_applied();
        self.ahead.retain(|entry| entry.zxid() <= to);
        if self.history_last() == to {
            self.last_logged = to;
            self.history.cut(to);
            return;
        }
        self.ahead.clear();
        self.clients
            .state_replaced(to < self.db.last_applied(), out);
        self.last_logged = to;
        self.db = recovery.database;
        self.history = History::new(recovery.recent, self.cfg.history_len);
        self.show_config(now);
    }

    /// Replaces everything by a leader's snapshot, in memory and on disk.
    pub(crate) fn install(&mut self, database: Database, now: Now, out: &mut Outputs) {
        self.ahead.clear();
        self.fuzzy_until = None;
        let goes_back = database.last_applied() < self.db.last_applied();
        self.clients.state_replaced(goes_back, out);
        self.db = database;
        self.wants_snapshot = false;
        self.history.clear();
        self.last_logged = self.db.last_applied();
        self.show_config(now);
        self.write_down(out);
        self.txns_since_snapshot = 0;
        self.bytes_since_snapshot = 0;
    }

    /// Replaces what is on disk by the state in memory.
    pub(crate) fn write_down(&mut self, out: &mut Outputs) {
        let op = DiskOp::InstallSnapshot {
            zxid: self.db.last_applied(),
            body: self.db.to_snapshot_body(),
            digest: self.db.digest(),
        };
        self.disk(op, None, out);
    }

    /// Transactions since a snapshot was begun, or since the start.
    pub(crate) fn txns_since_snapshot(&self) -> u64 {
        self.txns_since_snapshot
    }

    fn snapshot_if_due(&mut self, out: &mut Outputs) {
        let due = self.txns_since_snapshot > self.snapshot_after
            || self.bytes_since_snapshot > self.cfg.snap_bytes;
        if !due || !self.serving {
            return;
        }
        let op = DiskOp::SaveSnapshot {
            zxid: self.db.last_applied(),
            body: self.db.to_snapshot_body(),
            digest: self.db.digest(),
        };
        self.disk(op, None, out);
        self.draw_snapshot_point();
    }

    /// Members take their snapshots at different moments: between half and all of `snapCount`.
    fn draw_snapshot_point(&mut self) {
        self.txns_since_snapshot = 0;
        self.bytes_since_snapshot = 0;
        // Numerical Recipes' 64-bit LCG; the quality does not matter, the spread does.
        self.rng = self
            .rng
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let half = (self.cfg.snap_count / 2).max(1);
        self.snapshot_after = half + (self.rng >> 33) % half;
    }

    /// The end of its history as this server tells its leader: that of an empty one asks for a
    /// snapshot.
    pub(crate) fn history_end(&self) -> Zxid {
        if self.wants_snapshot {
            Zxid::ZERO
        } else {
            self.last_logged
        }
    }

    /// Whether its voice counts in elections and for a new epoch.
    pub(crate) fn has_vote(&self) -> bool {
        self.trust == Trust::Whole || self.cfg.bugs.lost_history_votes()
    }

    /// The vote of this server for itself; nobody when it may not vote, now or by a config that is
    /// proposed.
    pub(crate) fn own_vote(&self) -> Vote {
        if !self.ensemble.is_voter(self.cfg.sid) || !self.has_vote() {
            return Vote::NOBODY;
        }
        Vote {
            leader: Some(self.cfg.sid),
            zxid: Some(self.last_logged),
            epoch: Some(self.current_epoch),
        }
    }

    /// The first vote of an election that is to elect `to`: for a history longer than any of this
    /// epoch, so that whoever looks takes it over.
    pub(crate) fn steered_vote(&self, to: Sid) -> Vote {
        Vote {
            leader: Some(to),
            zxid: Some(Zxid::new(self.current_epoch, u32::MAX)),
            epoch: Some(self.current_epoch),
        }
    }

    pub(crate) fn event_phase(
        state: ServerState,
        phase: Phase,
        leader: Option<Sid>,
        out: &mut Outputs,
    ) {
        out.push(Output::Event(PeerEvent::Phase {
            state,
            phase,
            leader,
        }));
    }
}

/// What an audit log says of the nodes that went with a session.
fn gone_with(session: SessionId, changes: &[Change]) -> impl Iterator<Item = Output> {
    changes.iter().filter_map(move |change| {
        let Change::Deleted { path, .. } = change else {
            return None;
        };
        let path = path.clone();
        let audited = Audited::EphemeralGone { session, path };
        Some(Output::Event(PeerEvent::Audited(Box::new(audited))))
    })
}

/// Whether a transaction ends its session.
pub(crate) fn ends_session(entry: &Entry) -> bool {
    matches!(entry.txn.body, TxnBody::CloseSession { .. })
}
