//! All invariants together, and the few facts that they share.
//!
//! The world calls these in the order of what happens; the first violation ends the run.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use zk_wire::election::Notification;
use zk_wire::membership::Membership;
use zk_wire::quorum::Packet;
use zk_wire::txn::{Txn, TxnBody};
use zk_wire::{Epoch, SessionId, Zxid};

use crate::invariants::agreement::History;
use crate::invariants::configs::Configs;
use crate::invariants::durability::Durability;
use crate::invariants::epochs::Epochs;
use crate::invariants::exactly_once::ExactlyOnce;
use crate::invariants::hand_over::HandOvers;
use crate::invariants::leadership::Leadership;
use crate::invariants::liveness::Liveness;
use crate::invariants::local_sessions::LocalSessions;
use crate::invariants::real_time::RealTime;
use crate::invariants::session_expiry::SessionExpiry;
use crate::invariants::total_order::TotalOrder;
use crate::invariants::{Verdict, empty_disk, sweeps};
use crate::oracle::Oracle;

/// What happened in a run, so that one sees that it did something.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Events handled.
    pub steps: u64,
    /// Leaders that began to broadcast.
    pub elections: u64,
    /// Processes killed and machines without power.
    pub crashes: u64,
    /// Faults of any kind.
    pub faults: u64,
    /// Writes that succeeded.
    pub writes: u64,
    /// Reads that were compared with the history.
    pub reads: u64,
    /// Watch events delivered.
    pub events: u64,
    /// Sessions begun.
    pub sessions: u64,
    /// Sessions that timed out.
    pub expired: u64,
    /// Sessions that moved to another connection.
    pub resumed: u64,
    /// Local sessions that timed out.
    pub expired_locally: u64,
    /// Sessions that their first ephemeral made known to all.
    pub upgraded: u64,
    /// Requests answered without a quorum.
    pub read_only: u64,
    /// Learners brought level by DIFF, TRUNC, SNAP, and DIFF from the log on disk.
    pub syncs: [u64; 4],
    /// Times that the lead was passed on.
    pub hand_overs: u64,
    /// Connections that went on under another leader.
    pub went_on: u64,
    /// Requests that were asked again then.
    pub asked_again: u64,
    /// Requests that were held until then.
    pub held: u64,
    /// Connections that did not last until then.
    pub holds_ended: u64,
    /// Committed transactions.
    pub committed: u64,
    /// Reconfigurations among them.
    pub reconfigs: u64,
}

impl Counts {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.steps, other.steps),
            (&mut self.elections, other.elections),
            (&mut self.crashes, other.crashes),
            (&mut self.faults, other.faults),
            (&mut self.writes, other.writes),
            (&mut self.reads, other.reads),
            (&mut self.events, other.events),
            (&mut self.sessions, other.sessions),
            (&mut self.expired, other.expired),
            (&mut self.resumed, other.resumed),
            (&mut self.committed, other.committed),
            (&mut self.expired_locally, other.expired_locally),
            (&mut self.upgraded, other.upgraded),
            (&mut self.read_only, other.read_only),
            (&mut self.hand_overs, other.hand_overs),
            (&mut self.went_on, other.went_on),
            (&mut self.asked_again, other.asked_again),
            (&mut self.held, other.held),
            (&mut self.holds_ended, other.holds_ended),
            (&mut self.reconfigs, other.reconfigs),
        ];
        for (to, more) in pairs {
            *to += more;
        }
        for (to, more) in self.syncs.iter_mut().zip(other.syncs) {
            *to += more;
        }
    }
}

/// The config that a reconfiguration carries.
fn config_of(txn: &Txn) -> Option<Membership> {
    let TxnBody::SetData {
        reconfig: true,
        data: Some(data),
        ..
    } = &txn.body
    else {
        return None;
    };
    Membership::parse(std::str::from_utf8(data).ok()?).ok()
}

/// The invariants.
#[derive(Debug)]
pub(crate) struct Checks {
    pub history: History,
    pub oracle: Oracle,
    pub configs: Configs,
    pub durability: Durability,
    pub epochs: Epochs,
    pub leadership: Leadership,
    pub hand_overs: HandOvers,
    pub total_order: TotalOrder,
    pub once: ExactlyOnce,
    pub real_time: RealTime,
    pub expiry: SessionExpiry,
    pub liveness: Liveness,
    pub local: LocalSessions,
    pub counts: Counts,
    /// The epoch in which a server serves; 0 while it does not.
    pub serving: BTreeMap<u8, Epoch>,
    /// Leaves out the inner promises of the protocol, to see whether what follows from a broken one
    /// is found as well.
    effects_only: bool,
    /// Sessions whose end was proposed.
    ending: BTreeSet<SessionId>,
}

impl Checks {
    pub(crate) fn new(servers: usize, effects_only: bool) -> Self {
        Self {
            history: History::default(),
            oracle: Oracle::default(),
            configs: Configs::new(servers),
            durability: Durability::default(),
            epochs: Epochs::default(),
            leadership: Leadership::default(),
            hand_overs: HandOvers::default(),
            total_order: TotalOrder::default(),
            once: ExactlyOnce::default(),
            real_time: RealTime::default(),
            expiry: SessionExpiry::default(),
            liveness: Liveness::default(),
            local: LocalSessions::default(),
            counts: Counts::default(),
            serving: BTreeMap::new(),
            effects_only,
            ending: BTreeSet::new(),
        }
    }

    /// A proposal goes into a server's log.
    pub(crate) fn appended(&mut self, sid: u8, zxid: Zxid, raw: &Bytes) -> Verdict {
        self.history.appended(sid, zxid, raw)?;
        if !self.effects_only {
            self.hand_overs.appended(sid, zxid)?;
        }
        let Some(txn) = self.history.txn(zxid) else {
            return Ok(());
        };
        if matches!(txn.body, TxnBody::CloseSession { .. }) {
            self.ending.insert(txn.header.session);
        }
        self.local.logged(txn)
    }

    /// Whether somebody proposed the end of a session.
    pub(crate) fn is_ending(&self, session: SessionId) -> bool {
        self.ending.contains(&session)
    }

    /// Some server shows the state at `zxid`.
    pub(crate) fn committed(&mut self, zxid: Zxid) -> Verdict {
        let before = self.history.last_committed();
        if !self.history.commit(zxid, &mut self.oracle)? {
            return Ok(());
        }
        let zxid = self.history.real(zxid);
        let mut at = zxid;
        let mut chain = Vec::new();
        while at > before {
            chain.push(at);
            at = self.history.before(at).unwrap_or(Zxid::ZERO);
        }
        for zxid in &chain {
            if let Some(config) = self.history.txn(*zxid).and_then(config_of) {
                self.configs.committed(*zxid, &config);
            }
        }
        if !self.effects_only {
            let (history, configs) = (&self.history, &self.configs);
            self.durability.committed(zxid, history, configs)?;
        }
        self.counts.reconfigs = self.configs.count();
        for zxid in chain.into_iter().rev() {
            self.counts.committed += 1;
            if let Some(txn) = self.history.txn(zxid) {
                let begins = matches!(txn.body, TxnBody::CreateSession { .. });
                self.counts.upgraded += u64::from(begins && self.local.enabled);
                self.once.committed(txn)?;
                self.local.committed(txn)?;
                let before = self.history.before(zxid).unwrap_or(Zxid::ZERO);
                sweeps::committed(txn, before, &self.oracle)?;
            }
        }
        Ok(())
    }

    /// A server applied a transaction and has this digest. A learner that is being synchronized
    /// applies what its leader begins with, which is not committed before a quorum has it.
    pub(crate) fn applied(&mut self, sid: u8, zxid: Zxid, digest: u64) -> Verdict {
        if self.serving.contains_key(&sid) {
            self.committed(zxid)?;
        }
        self.total_order.applied(sid, zxid, &self.history)?;
        self.history.digest_is(sid, zxid, digest)
    }

    /// A leader begins to broadcast.
    pub(crate) fn activates(&mut self, epoch: Epoch, sid: u8, now_ms: u64) -> Verdict {
        self.counts.elections += 1;
        self.leadership.activates(epoch, sid, &self.history)?;
        self.committed(Zxid::new(epoch, 0))?;
        if !self.effects_only {
            let lost = self.durability.lost();
            self.epochs.established(epoch, lost, &self.configs)?;
        }
        self.expiry.activates(sid, now_ms);
        Ok(())
    }

    /// A leader passes on the lead.
    pub(crate) fn passes_on(&mut self, sid: u8, to: u8, epoch: Epoch) -> Verdict {
        self.counts.hand_overs += 1;
        if self.effects_only {
            return Ok(());
        }
        let (history, disks) = (&self.history, &self.durability);
        self.hand_overs.passed_on(sid, to, epoch, history, disks)
    }

    /// A server votes, or answers who does.
    pub(crate) fn votes(&self, sid: u8, notification: &Notification) -> Verdict {
        if self.effects_only {
            return Ok(());
        }
        empty_disk::votes(sid, notification, self.durability.lost())
    }

    /// A learner says something to its leader.
    pub(crate) fn says(&self, sid: u8, packet: &Packet) -> Verdict {
        if self.effects_only {
            return Ok(());
        }
        empty_disk::says(sid, packet, self.durability.lost())
    }

    /// A leader ends a session for its silence.
    pub(crate) fn expires(&mut self, sid: u8, session: SessionId, now_ms: u64) -> Verdict {
        self.counts.expired += 1;
        let timeout = self.oracle.sessions().get(&session).copied();
        let timeout = timeout.and_then(|ms| u64::try_from(ms).ok());
        match timeout {
            Some(timeout_ms) => self.expiry.expires(sid, session, timeout_ms, now_ms),
            // Closed in the meantime.
            None => Ok(()),
        }
    }

    /// Sessions begin as local ones, or do not.
    pub(crate) fn sessions_begin_locally(&mut self, enabled: bool) {
        self.local.enabled = enabled;
        self.once.local_sessions = enabled;
    }

    /// Clients number their requests anew with each connection.
    pub(crate) fn clients_number_anew(&mut self, enabled: bool) {
        self.once.numbers_anew = enabled;
    }

    /// A server ends a local session for its silence.
    pub(crate) fn expires_locally(&mut self, sid: u8, session: SessionId, now_ms: u64) -> Verdict {
        self.counts.expired_locally += 1;
        let heard = self.expiry.heard(sid, session);
        self.local.expires(sid, session, heard, now_ms)
    }

    /// Whether a session that a client believes to have may be gone.
    pub(crate) fn may_be_gone(&self, session: SessionId) -> bool {
        self.once.ended(session) || self.is_ending(session) || self.local.may_be_local(session)
    }

    /// Whether a server serves in the newest epoch.
    pub(crate) fn is_current(&self, sid: u8) -> bool {
        let epoch = self.serving.get(&sid).copied();
        epoch.is_some() && epoch == self.leadership.newest()
    }
}
