//! A follower that serves observers, so that the leader need not (quorum.md section 7.3,
//! `ObserverMaster`).
//!
//! An observer gets what is committed here, as from the leader; what its clients ask goes on to the
//! leader, as if this follower's clients asked it. To the leader the sessions of all of them are this
//! server's, so that it is this server that knows through which of them a session acts.

use std::collections::BTreeMap;

use zk_wire::client::OpCode;
use zk_wire::quorum::{ForwardedRequest, HandOver, LearnerInfo, Packet};
use zk_wire::{SessionId, Sid, Zxid};

use super::revalidations::Asked;
use super::{Learner, Syncing};
use crate::db::Entry;
use crate::io::{LinkId, Output, Outputs};
use crate::peer::local::{Local, ends_session};
use crate::status::LearnerStatus;
use crate::time::{Mono, Now};
use crate::zab::bring_level::{self, Committed};
use crate::zab::serve_learners::{check_info, commit_packet};

/// What an observer must send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WardState {
    /// OBSERVERINFO.
    ExpectInfo,
    /// ACKEPOCH.
    ExpectAckEpoch,
    /// Nothing: it has more of this epoch than this server, and waits for that.
    AwaitCommit { last_zxid: Zxid },
    /// The acknowledgement of NEWLEADER.
    ExpectNewLeaderAck,
    /// Anything of the broadcast phase.
    Serving,
}

/// An observer's connection.
#[derive(Debug)]
struct Ward {
    sid: Option<Sid>,
    /// Whether it understands [`Packet::HandOver`].
    hands_over: bool,
    state: WardState,
    /// When its silence becomes too long.
    silent_at: Mono,
}

impl Ward {
    /// Whether what is committed goes to it: from the moment its history is queued.
    fn stream_open(&self) -> bool {
        matches!(
            self.state,
            WardState::ExpectNewLeaderAck | WardState::Serving
        )
    }
}

/// The observers of this server.
#[derive(Debug, Default)]
pub(super) struct Master {
    wards: BTreeMap<LinkId, Ward>,
    /// Through whom a session that came back acts: an observer, or this server itself.
    through: BTreeMap<SessionId, Sid>,
}

impl Master {
    /// A session comes back to `sid`: from here on, not from the leader's answer on, nothing of it may
    /// come through another. If it does not live, the answer forgets it.
    pub(super) fn returns_to(&mut self, session: SessionId, sid: Sid) {
        self.through.insert(session, sid);
    }

    /// Whether a request of `session` may come through this observer.
    fn acts_through(&self, session: SessionId, link: LinkId) -> bool {
        let sid = self.wards.get(&link).and_then(|ward| ward.sid);
        self.through
            .get(&session)
            .is_none_or(|through| Some(*through) == sid)
    }
}

fn drop_ward(master: &mut Master, link: LinkId, why: String, out: &mut Outputs) {
    if master.wards.remove(&link).is_some() {
        out.push(Output::CloseLink { link, why });
    }
}

impl Learner {
    /// Accepts observers from here on, if the config wants that of followers.
    pub(super) fn open_to_observers(&mut self, local: &Local, out: &mut Outputs) {
        if local.cfg.observer_masters && !self.observer {
            self.master = Some(Master::default());
            out.push(Output::ObserverPort { open: true });
        }
    }

    /// The role ends: observers look for a leader, too.
    pub(super) fn close_to_observers(&mut self, out: &mut Outputs) {
        let Some(master) = self.master.take() else {
            return;
        };
        out.push(Output::ObserverPort { open: false });
        for link in master.wards.into_keys() {
            let why = "no longer following".into();
            out.push(Output::CloseLink { link, why });
        }
    }

    /// The observers, for whoever asks how this server is.
    pub(crate) fn wards(&self) -> Vec<LearnerStatus> {
        let wards = self.master.iter().flat_map(|master| master.wards.values());
        let status = |ward: &Ward| {
            Some(LearnerStatus {
                sid: ward.sid?,
                voter: false,
                synced: ward.state == WardState::Serving,
                lag: 0,
                lag_txns: 0,
                late_ms: 0,
                waits_since: None,
            })
        };
        wards.filter_map(status).collect()
    }

    /// Somebody connected to the port for observers.
    pub(crate) fn ward_connected(
        &mut self,
        link: LinkId,
        local: &Local,
        now: Now,
        out: &mut Outputs,
    ) {
        let Some(master) = &mut self.master else {
            let why = "not following".into();
            out.push(Output::CloseLink { link, why });
            return;
        };
        let limit = local.ticks(local.cfg.init_limit + local.cfg.sync_limit);
        let ward = Ward {
            sid: None,
            hands_over: false,
            state: WardState::ExpectInfo,
            silent_at: now.mono.plus(limit),
        };
        master.wards.insert(link, ward);
    }

    /// The connection of an observer ended.
    pub(crate) fn ward_closed(&mut self, link: LinkId) {
        if let Some(master) = &mut self.master {
            master.wards.remove(&link);
        }
    }

    /// A packet of an observer. What it may not send at this point costs its connection only.
    pub(crate) fn ward_packet(
        &mut self,
        link: LinkId,
        packet: Packet,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) {
        let Some(master) = &mut self.master else {
            return;
        };
        let Some(ward) = master.wards.get_mut(&link) else {
            return;
        };
        let limit = match ward.state {
            WardState::Serving => local.cfg.sync_limit,
            WardState::ExpectInfo
            | WardState::ExpectAckEpoch
            | WardState::AwaitCommit { .. }
            | WardState::ExpectNewLeaderAck => local.cfg.init_limit + local.cfg.sync_limit,
        };
        ward.silent_at = now.mono.plus(local.ticks(limit));
        let outcome = match (ward.state, packet) {
            (WardState::ExpectInfo, Packet::ObserverInfo(info)) => {
                ward_info(ward, link, &info, local, out)
            }
            (WardState::ExpectAckEpoch, Packet::AckEpoch { last_zxid, .. }) => {
                ward.state = WardState::AwaitCommit { last_zxid };
                bring_wards_level(master, local, out);
                Ok(())
            }
            (WardState::ExpectNewLeaderAck, Packet::Ack(zxid)) => {
                if zxid == Zxid::new(local.current_epoch, 0) {
                    ward.state = WardState::Serving;
                    let packet = Packet::UpToDate;
                    out.push(Output::ToLink { link, packet });
                    Ok(())
                } else {
                    Err(format!("ACK of {zxid} instead of NEWLEADER"))
                }
            }
            (WardState::Serving, packet) => {
                self.serve_ward(link, packet, local, out);
                Ok(())
            }
            (state, packet) => Err(format!("{packet:?} while {state:?}")),
        };
        if let (Err(why), Some(master)) = (outcome, &mut self.master) {
            drop_ward(master, link, why, out);
        }
    }

    /// A packet of an observer in broadcast.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "unknown and misplaced packets are alike"
    )]
    fn serve_ward(&mut self, link: LinkId, packet: Packet, local: &mut Local, out: &mut Outputs) {
        let Some(master) = &mut self.master else {
            return;
        };
        match packet {
            Packet::Ack(zxid) if zxid.counter() != 0 => {
                let why = format!("ACK of {zxid}, which observers do not give");
                drop_ward(master, link, why, out);
            }
            Packet::PingReply { touched, .. } => self.touched.extend(touched),
            Packet::Revalidate {
                session,
                timeout_ms,
            } => {
                let sid = master.wards.get(&link).and_then(|ward| ward.sid);
                if let Some(sid) = sid {
                    master.returns_to(session, sid);
                }
                local.clients.leave_to_another(session, out);
                tell_moved(master, session, Some(link), out);
                self.revalidations.asked(Asked::Ward(session, link));
                self.ask_about(session, timeout_ms, out);
            }
            Packet::Request(request) => self.ward_request(link, request, out),
            // As Apache does: what this server does not know is no reason to part.
            _ => {}
        }
    }

    fn ward_request(&mut self, link: LinkId, request: ForwardedRequest, out: &mut Outputs) {
        let Some(master) = &self.master else {
            return;
        };
        match OpCode::from_wire(request.op) {
            Some(OpCode::Sync) => self.syncs.push_back(Syncing::Ward(link)),
            // They ask for no owner.
            Some(OpCode::CloseSession | OpCode::CreateSession) => {}
            // The client acts through another server by now and waits for no answer here.
            _ if !master.acts_through(request.session, link) => return,
            _ => {}
        }
        self.forward(request, out);
    }

    /// The leader's answer about a session: to an observer, or to this server's own client.
    pub(super) fn revalidated(
        &mut self,
        session: SessionId,
        valid: bool,
        local: &mut Local,
        out: &mut Outputs,
    ) {
        let Some(asked) = self.revalidations.answered(session, valid) else {
            return;
        };
        if let Some(master) = self.master.as_mut().filter(|_| !valid) {
            master.through.remove(&session);
        }
        let link = match asked {
            Asked::Client(who) => {
                // A valid one goes on when the sync behind its question is through.
                if !valid || local.cfg.bugs.settles_before_sync() {
                    local.settle_session(who.conn, valid, out);
                }
                return;
            }
            Asked::Ward(_, link) => link,
        };
        let packet = Packet::Revalidated { session, valid };
        out.push(Output::ToLink { link, packet });
    }

    /// Tells the observers what was committed and is applied here.
    pub(super) fn tell_wards(
        &mut self,
        entry: &Entry,
        leader: Option<Sid>,
        local: &Local,
        out: &mut Outputs,
    ) {
        let Some(master) = &mut self.master else {
            return;
        };
        if ends_session(entry) {
            master.through.remove(&entry.txn.header.session);
        }
        for (link, _) in master.wards.iter().filter(|(_, ward)| ward.stream_open()) {
            let packet = commit_packet(entry, true, leader);
            out.push(Output::ToLink {
                link: *link,
                packet,
            });
        }
        bring_wards_level(master, local, out);
    }

    /// The leader pinged: observers are asked for signs of life in the same rhythm.
    pub(super) fn ping_wards(&mut self, local: &Local, now: Now, out: &mut Outputs) {
        let Some(master) = &mut self.master else {
            return;
        };
        let zxid = local.db.last_applied();
        let mut silent = Vec::new();
        for (link, ward) in &master.wards {
            if ward.silent_at <= now.mono {
                silent.push(*link);
            } else if ward.stream_open() {
                let packet = Packet::Ping { zxid };
                out.push(Output::ToLink {
                    link: *link,
                    packet,
                });
            }
        }
        for link in silent {
            drop_ward(master, link, "silent for too long".into(), out);
        }
    }

    /// A session acts through another server now: what is left of it here must not outlive the leader.
    pub(super) fn moved_away(&self, session: SessionId, local: &mut Local, out: &mut Outputs) {
        local.clients.moved_away(session);
        if let Some(master) = &self.master {
            tell_moved(master, session, None, out);
        }
    }

    /// A sync of an observer is through.
    pub(super) fn ward_synced(&self, link: LinkId, out: &mut Outputs) {
        if self
            .master
            .as_ref()
            .is_some_and(|m| m.wards.contains_key(&link))
        {
            let packet = Packet::Sync;
            out.push(Output::ToLink { link, packet });
        }
    }
}

/// An observer introduces itself.
fn ward_info(
    ward: &mut Ward,
    link: LinkId,
    info: &LearnerInfo,
    local: &Local,
    out: &mut Outputs,
) -> Result<(), String> {
    check_info(info, local)?;
    let epoch = local.current_epoch;
    if info.accepted_epoch > epoch {
        return Err(format!(
            "it has promised epoch {}, this is epoch {epoch}",
            info.accepted_epoch
        ));
    }
    ward.sid = Some(info.sid);
    ward.hands_over = info.hands_over;
    ward.state = WardState::ExpectAckEpoch;
    let packet = Packet::LeaderInfo(epoch);
    out.push(Output::ToLink { link, packet });
    Ok(())
}

/// Brings observers level that wait for it, but for those that are ahead of this server: what they
/// have is committed, and comes here, too.
fn bring_wards_level(master: &mut Master, local: &Local, out: &mut Outputs) {
    let epoch = local.current_epoch;
    let applied = local.db.last_applied();
    for (link, ward) in &mut master.wards {
        let WardState::AwaitCommit { last_zxid } = ward.state else {
            continue;
        };
        if last_zxid.epoch() == epoch && last_zxid > applied {
            continue;
        }
        let plan = local.history.sync_plan(applied, last_zxid);
        let committed = Committed {
            link: *link,
            last_zxid,
            plan,
            from_disk: &[],
        };
        committed.send(local, out);
        let config = local.ensemble.text();
        let packet = Packet::NewLeader {
            zxid: Zxid::new(epoch, 0),
            config: Some(bytes::Bytes::copy_from_slice(config.as_bytes())),
        };
        out.push(Output::ToLink {
            link: *link,
            packet,
        });
        if let Some(sid) = ward.sid {
            bring_level::note(sid, plan, false, out);
        }
        ward.state = WardState::ExpectNewLeaderAck;
    }
}

/// Tells observers that a session acts elsewhere now, but for the one through which it does.
fn tell_moved(master: &Master, session: SessionId, but: Option<LinkId>, out: &mut Outputs) {
    for (link, ward) in &master.wards {
        if ward.hands_over && ward.state == WardState::Serving && Some(*link) != but {
            let packet = Packet::HandOver(HandOver::Moved(session));
            out.push(Output::ToLink {
                link: *link,
                packet,
            });
        }
    }
}
