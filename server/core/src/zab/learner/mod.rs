//! The FOLLOWING and OBSERVING roles.
//!
//! ```text
//! Connecting -> LeaderInfo -> Promising -> FirstSync -> (Truncating) -> Syncing -> Serving
//!                  acceptedEpoch durable ^               history and currentEpoch durable, then
//!                                                        the acknowledgement of NEWLEADER
//! ```
//! Whatever the leader may not send at this point ends the role: the server looks again.

mod handshake;
mod master;
mod revalidations;
mod serving;

use std::collections::{BTreeMap, VecDeque};

use zk_wire::election::ServerState;
use zk_wire::membership::Membership;
use zk_wire::quorum::Packet;
use zk_wire::{Epoch, SessionId, Sid, Zxid};

use crate::db::{Database, Entry, Recovery};
use crate::io::{ConnId, LinkId, Output, Outputs};
use crate::peer::disk::After;
use crate::peer::local::Local;
use crate::status::Phase;
use crate::time::{Mono, Now};
use crate::zab::leader::RoleOver;
use master::Master;
use revalidations::Revalidations;

/// History on its way in, not in the log yet.
#[derive(Debug, Default)]
struct Incoming {
    /// A snapshot that replaces everything, until it is handed to the disk.
    snapshot: Option<Box<Database>>,
    /// Proposals that are not logged, oldest first.
    staged: VecDeque<Entry>,
    /// Commits that are not applied, oldest first.
    committed: VecDeque<Zxid>,
    /// Whether NEWLEADER came.
    new_leader: bool,
    /// The config that it had.
    config: Option<Membership>,
    /// Who leads from a reconfiguration on, and its zxid.
    designated: Option<(Sid, Zxid)>,
}

/// What the learner expects next.
#[derive(Debug)]
enum Stage {
    /// The connection.
    Connecting,
    /// LEADERINFO.
    LeaderInfo,
    /// The disk: the promise of the epoch.
    Promising { epoch: Epoch, reply: Option<Epoch> },
    /// DIFF, TRUNC or SNAP.
    FirstSync { epoch: Epoch },
    /// The disk: the log is being cut. Packets wait.
    Truncating {
        epoch: Epoch,
        waiting: VecDeque<Packet>,
    },
    /// The rest of the history, NEWLEADER, UPTODATE.
    Syncing { epoch: Epoch, incoming: Incoming },
    /// Live traffic.
    Serving,
}

/// Who waits for a sync.
#[derive(Debug, Clone, Copy)]
enum Syncing {
    /// A client.
    Client(ConnId),
    /// A client that came back, until what earlier connections of its session asked is applied here.
    Return(ConnId),
    /// An observer of this server, for a client of its own.
    Ward(LinkId),
}

/// The role.
#[derive(Debug)]
pub(crate) struct Learner {
    link: LinkId,
    pub(crate) leader: Sid,
    observer: bool,
    stage: Stage,
    /// When the leader's silence becomes too long.
    silent_at: Mono,
    /// Last zxid at the time of the promise.
    last_zxid: Zxid,
    /// Logged and not committed, oldest first.
    pending: VecDeque<Entry>,
    /// Sessions with signs of life since the leader's last ping.
    touched: BTreeMap<SessionId, i32>,
    /// Syncs that the leader has, oldest first.
    syncs: VecDeque<Syncing>,
    /// Sessions that the leader was asked about, oldest first.
    revalidations: Revalidations,
    /// Whether the leader is known to understand [`Packet::HandOver`].
    leader_hands_over: bool,
    /// Whether the leader said that it ends with the next config that it commits.
    leader_gives_up: bool,
    /// The observers that follow this server.
    master: Option<Master>,
}

impl Learner {
    /// Begins to follow or observe.
    pub(crate) fn new(
        leader: Sid,
        patience_ms: u64,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Self {
        let link = local.new_link();
        out.push(Output::DialLeader {
            link,
            leader,
            patience_ms,
        });
        Self {
            link,
            leader,
            observer: local.ensemble.is_observer(),
            stage: Stage::Connecting,
            silent_at: now.mono.plus(patience_ms),
            last_zxid: local.last_logged,
            pending: VecDeque::new(),
            touched: BTreeMap::new(),
            syncs: VecDeque::new(),
            revalidations: Revalidations::default(),
            leader_hands_over: false,
            leader_gives_up: false,
            master: None,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.stage {
            Stage::Connecting | Stage::LeaderInfo | Stage::Promising { .. } => Phase::Discovery,
            Stage::FirstSync { .. } | Stage::Truncating { .. } | Stage::Syncing { .. } => {
                Phase::Synchronization
            }
            Stage::Serving => Phase::Broadcast,
        }
    }

    /// The server's state as others see it.
    pub(crate) fn state(&self) -> ServerState {
        if self.observer {
            ServerState::Observing
        } else {
            ServerState::Following
        }
    }

    /// Whether it waits for the log to be cut.
    pub(crate) fn is_truncating(&self) -> bool {
        matches!(self.stage, Stage::Truncating { .. })
    }

    pub(crate) fn is_observer(&self) -> bool {
        self.observer
    }

    pub(crate) fn is_link(&self, link: LinkId) -> bool {
        self.link == link
    }

    pub(crate) fn deadline(&self) -> Mono {
        self.silent_at
    }

    /// The leader is one that understands [`Packet::HandOver`].
    pub(crate) fn knows_leader(&mut self) {
        self.leader_hands_over = true;
    }

    /// Time passed.
    pub(crate) fn tick(&self, now: Now) -> Result<(), RoleOver> {
        if self.silent_at <= now.mono {
            return Err(RoleOver(format!(
                "the leader is silent in {:?}",
                self.phase()
            )));
        }
        Ok(())
    }

    /// A packet of the leader.
    pub(crate) fn packet(
        &mut self,
        packet: Packet,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let level = match &self.stage {
            Stage::Serving => true,
            Stage::Syncing { incoming, .. } => incoming.new_leader,
            Stage::Connecting
            | Stage::LeaderInfo
            | Stage::Promising { .. }
            | Stage::FirstSync { .. }
            | Stage::Truncating { .. } => false,
        };
        let limit = if level {
            local.cfg.sync_limit
        } else {
            local.cfg.init_limit
        };
        self.silent_at = now.mono.plus(local.ticks(limit));
        match &mut self.stage {
            Stage::LeaderInfo => self.leader_info(&packet, local, out),
            Stage::FirstSync { .. } => self.first_sync(packet, local, out),
            Stage::Truncating { waiting, .. } => {
                // Bounded by the leader's own recent history; it waits for the acknowledgement.
                waiting.push_back(packet);
                Ok(())
            }
            Stage::Syncing { .. } => self.sync_packet(packet, local, now, out),
            Stage::Serving => self.serve_packet(packet, local, now, out),
            Stage::Connecting | Stage::Promising { .. } => {
                Err(RoleOver(format!("{packet:?} out of turn")))
            }
        }
    }

    /// The leader sent its whole state.
    pub(crate) fn snapshot(
        &mut self,
        zxid: Zxid,
        database: Box<Database>,
        local: &Local,
        now: Now,
    ) -> Result<(), RoleOver> {
        let Stage::FirstSync { epoch } = self.stage else {
            return Err(RoleOver("SNAP out of turn".into()));
        };
        if database.last_applied() != zxid {
            return Err(RoleOver(format!(
                "SNAP of {zxid} holds {}",
                database.last_applied()
            )));
        }
        self.silent_at = now.mono.plus(local.ticks(local.cfg.init_limit));
        let incoming = Incoming {
            snapshot: Some(database),
            ..Incoming::default()
        };
        self.stage = Stage::Syncing { epoch, incoming };
        Ok(())
    }

    /// The log is cut; what waited meanwhile is handled now.
    pub(crate) fn truncated(
        &mut self,
        recovery: Recovery,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        local.reload(recovery, now, out);
        let Stage::Truncating { epoch, waiting } = &mut self.stage else {
            return Ok(());
        };
        let (epoch, waiting) = (*epoch, std::mem::take(waiting));
        self.stage = Stage::Syncing {
            epoch,
            incoming: Incoming::default(),
        };
        for packet in waiting {
            self.packet(packet, local, now, out)?;
        }
        Ok(())
    }

    /// Disk operations of this role became durable.
    pub(crate) fn durable(&mut self, after: After, out: &mut Outputs) {
        match after {
            After::Ack(link, zxid) => {
                out.push(Output::ToLink {
                    link,
                    packet: Packet::Ack(zxid),
                });
            }
            After::AckEpoch(_) => self.epoch_promised(out),
            After::SelfAck(_) | After::EpochPromised(_) | After::EpochBegun => {}
        }
    }

    /// Ends the role: gives back what is logged and not committed.
    pub(crate) fn end(
        mut self,
        why: &str,
        link_is_open: bool,
        out: &mut Outputs,
    ) -> VecDeque<Entry> {
        self.close_to_observers(out);
        if link_is_open {
            out.push(Output::CloseLink {
                link: self.link,
                why: why.to_owned(),
            });
        }
        self.pending
    }
}
