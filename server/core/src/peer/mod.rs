//! One member: dispatches inputs to its role and carries out the transitions between roles.
//!
//! ```text
//!            +--> Leading --------------------------+
//! Looking ---+                                      +--> Looking (once the disk is idle)
//!            +--> Learner (following or observing) -+
//! ```
//! When a role ends, connections close, the disk finishes what it has, and only then does the server
//! vote again: with what it would find after a restart.

mod clients;
pub(crate) mod configs;
pub(crate) mod disk;
mod form;
pub(crate) mod held;
pub(crate) mod local;
mod read_only;
mod role;
pub(crate) mod turning;

use std::collections::VecDeque;

use zk_wire::election::{Notification, ServerState};
use zk_wire::membership::{Membership, Role as MemberRole};
use zk_wire::{Round, SessionId, Sid, Zxid};

use crate::config::PeerConfig;
use crate::db::{Entry, Recovery, Trust};
use crate::election::{Looking, Outcome, Vote};
use crate::io::{DiskSeq, Input, LinkId, Output, Outputs};
use crate::request::order::Newcomer;
use crate::status::{ElectionCause, PeerEvent, Phase, Status};
use crate::time::{Mono, Now};
use crate::zab::leader::{Leading, RoleOver};
use crate::zab::learner::Learner;

use local::{Local, Next};
use role::Role;
use turning::Turning;

/// A member of an ensemble, or a server alone.
///
/// - [`Peer::start`] once, then [`Peer::handle`] for each input, in the order in which they happen;
/// - [`Peer::deadline`] after each: when it has come, [`Input::Tick`] is due;
/// - [`Peer::status`] at any time.
#[derive(Debug)]
pub struct Peer {
    local: Local,
    role: Role,
}

impl Peer {
    /// A member with what it found on its disk.
    #[must_use]
    pub fn new(config: PeerConfig, recovery: Recovery, now: Now) -> Self {
        Self {
            local: Local::new(config, recovery, now),
            role: Role::Draining,
        }
    }

    /// Begins: looks for a leader, or serves at once when there is no ensemble.
    pub fn start(&mut self, now: Now, out: &mut Outputs) {
        if self.local.cfg.membership.is_none() {
            let leading = Leading::standalone(&mut self.local, now);
            self.role = Role::Leading(Box::new(leading));
            let me = Some(self.local.cfg.sid);
            Local::event_phase(ServerState::Leading, Phase::Broadcast, me, out);
        } else {
            let configs = self.local.configs();
            out.extend(configs.map(|c| Output::Configs(Box::new(c))));
            self.look_when_drained(now, out);
        }
    }

    /// When [`Input::Tick`] is due next; `None`: not before another input.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let role = match &self.role {
            Role::Draining => None,
            Role::Looking(looking) => Some(looking.deadline()),
            Role::Leading(leading) => leading.deadline(),
            Role::Learner(learner) => Some(learner.deadline()),
        };
        [
            role,
            self.local.local_sessions.next_deadline(),
            self.local.clients.hold_deadline(),
            self.local.turning.map(Turning::until),
            self.read_only_at(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Handles one input and appends what is to be done.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Outputs) {
        if let Err(RoleOver(why)) = self.dispatch(now, input, out) {
            self.end_role(&why, true, now, out);
        }
        self.turn(now, out);
        self.resume_clients(now, out);
        self.handle_released(now, out);
    }

    #[expect(clippy::too_many_lines, reason = "one arm per input")]
    fn dispatch(&mut self, now: Now, input: Input, out: &mut Outputs) -> Result<(), RoleOver> {
        match input {
            Input::Tick => self.tick(now, out),
            Input::DiskDone { through } => self.disk_done(through, now, out),
            Input::Truncated { seq, recovery } => self.truncated(seq, *recovery, now, out),
            Input::TruncateImpossible { seq } => {
                self.local.wants_snapshot = true;
                self.disk_done(seq, now, out)?;
                if let Role::Learner(learner) = &self.role
                    && learner.is_truncating()
                {
                    return Err(RoleOver("the log cannot be cut as the leader asks".into()));
                }
                Ok(())
            }
            Input::LogRead { seq, link, entries } => {
                if let Role::Leading(leading) = &mut self.role {
                    leading.log_read(link, entries, &self.local, out);
                }
                self.disk_done(seq, now, out)
            }
            Input::Notification { from, notification } => {
                self.notification(from, &notification, now, out);
                Ok(())
            }
            Input::LearnerConnected { link } => {
                match &mut self.role {
                    Role::Leading(leading) => leading.connected(link, &self.local, now),
                    Role::Learner(learner) => learner.ward_connected(link, &self.local, now, out),
                    Role::Draining | Role::Looking(_) => out.push(Output::CloseLink {
                        link,
                        why: "not leading".into(),
                    }),
                }
                Ok(())
            }
            Input::LearnerPacket { link, packet } => {
                match &mut self.role {
                    Role::Leading(leading) => {
                        return leading.packet(link, packet, &mut self.local, now, out);
                    }
                    Role::Learner(learner) => {
                        learner.ward_packet(link, packet, &mut self.local, now, out);
                    }
                    Role::Draining | Role::Looking(_) => {}
                }
                Ok(())
            }
            Input::LeaderConnected { link } => {
                if let Some(learner) = self.role.learner_on(link) {
                    learner.connected(&self.local, now, out);
                }
                Ok(())
            }
            Input::LeaderPacket { link, packet } => match self.role.learner_on(link) {
                Some(learner) => learner.packet(packet, &mut self.local, now, out),
                None => Ok(()),
            },
            Input::LeaderSnapshot {
                link,
                zxid,
                database,
            } => match self.role.learner_on(link) {
                Some(learner) => learner.snapshot(zxid, database, &self.local, now),
                None => Ok(()),
            },
            Input::LinkClosed { link } => self.link_closed(link, now, out),
            Input::ClientConnect {
                conn,
                ip,
                identities,
                nonce,
                request,
            } => {
                let who = Newcomer {
                    ip,
                    identities,
                    nonce,
                };
                self.client_connect(conn, who, &request, now, out)
            }
            Input::ClientFrame { conn, frame } => self.client_frame(conn, frame, now, out),
            Input::HandOver {
                to,
                patience_ms,
                cause,
            } => self.hand_over(to, patience_ms, cause, now, out),
            Input::Form => {
                self.form(out);
                Ok(())
            }
            Input::Leave => {
                if let Role::Learner(learner) = &self.role {
                    learner.leave(out);
                }
                Ok(())
            }
            Input::ClientClosed { conn } => {
                self.local.clients.drop_conn(conn, out);
                Ok(())
            }
        }
    }

    fn tick(&mut self, now: Now, out: &mut Outputs) -> Result<(), RoleOver> {
        self.expire_local_sessions(now, out);
        self.local.clients.close_overdue(now.mono, out);
        let outcome = match &mut self.role {
            Role::Draining => None,
            Role::Looking(looking) => looking.tick(&self.local.ensemble, now.mono, out),
            Role::Leading(leading) => return leading.tick(&mut self.local, now, out),
            Role::Learner(learner) => return learner.tick(now),
        };
        self.elected(outcome, now, out);
        self.serve_read_only_if_due(now, out);
        Ok(())
    }

    fn disk_done(&mut self, through: DiskSeq, now: Now, out: &mut Outputs) -> Result<(), RoleOver> {
        for after in self.local.disk.done(through, self.local.role_no) {
            match &mut self.role {
                Role::Leading(leading) => leading.durable(after, &mut self.local, now, out)?,
                Role::Learner(learner) => learner.durable(after, out),
                Role::Draining | Role::Looking(_) => {}
            }
        }
        self.form_when_durable(through, out);
        self.look_when_drained(now, out);
        Ok(())
    }

    fn truncated(
        &mut self,
        seq: DiskSeq,
        recovery: Recovery,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        if let Role::Learner(learner) = &mut self.role {
            learner.truncated(recovery, &mut self.local, now, out)?;
        } else {
            // The role ended meanwhile; the log is cut all the same.
            self.local.reload(recovery, now, out);
        }
        self.disk_done(seq, now, out)
    }

    /// Looks for a leader as soon as everything that was logged is durable.
    fn look_when_drained(&mut self, now: Now, out: &mut Outputs) {
        if !matches!(self.role, Role::Draining) || !self.local.disk.is_idle() {
            return;
        }
        let steered = match self.local.next.take() {
            Some(Next::Designated { leader, cause }) => {
                self.local.cause = cause;
                self.follow_designated(leader, now, out);
                return;
            }
            Some(Next::Steered { to, cause }) => {
                self.local.cause = cause;
                Some(to)
            }
            None => None,
        };
        if let Some(leader) = self.local.designated.take() {
            // The vote is the one that the reconfiguration made.
            self.local.cause = ElectionCause::Reconfig;
            let outcome = Outcome {
                vote: self.local.vote,
                leader,
                round: self.local.vote_round,
            };
            let patience_ms = self.local.ticks(self.local.cfg.init_limit);
            self.begin_role(outcome, 0, patience_ms, now, out);
            return;
        }
        let local = &mut self.local;
        let vote = steered.map_or_else(|| local.own_vote(), |to| local.steered_vote(to));
        let mut looking = Looking::new(
            local.cfg.sid,
            vote,
            local.vote_round,
            &local.ensemble,
            now.mono,
            local.cfg.bugs.vote_ignores_zxid(),
            out,
        );
        looking.has_lost(local.lost_leader.take());
        // Who joins may have a vote already in a config that it has not heard of.
        let may_be_asked = local.ensemble.is_voter(local.cfg.sid)
            || local.cfg.joining == Some(MemberRole::Participant);
        if !local.has_vote() && may_be_asked {
            looking.without_vote();
        }
        local.vote_round = looking.round();
        Local::event_phase(ServerState::Looking, Phase::Election, None, out);
        let outcome = looking.start(&local.ensemble, now.mono);
        self.role = Role::Looking(Box::new(looking));
        self.elected(outcome, now, out);
        for (from, notification) in std::mem::take(&mut self.local.early_votes) {
            if matches!(self.role, Role::Looking(_)) {
                self.notification(from, &notification, now, out);
            }
        }
    }

    fn elected(&mut self, outcome: Option<Outcome>, now: Now, out: &mut Outputs) {
        let (Some(outcome), Role::Looking(looking)) = (outcome, &self.role) else {
            return;
        };
        // Others may still follow the server that this one was before it lost its history.
        let leads = outcome.leader == self.local.cfg.sid;
        let may_lead = self.local.has_vote() || self.local.cfg.bugs.lost_history_leads();
        if leads && !may_lead {
            return;
        }
        let took_ms = u64::try_from(now.mono.since(looking.since).as_millis()).unwrap_or(u64::MAX);
        let patience_ms = self.local.ticks(self.local.cfg.init_limit);
        self.begin_role(outcome, took_ms, patience_ms, now, out);
    }

    /// Goes on under the leader that the last one named, without an election: in the round after
    /// the last, so that its vote is comparable. It has less time than one that was elected.
    fn follow_designated(&mut self, leader: Sid, now: Now, out: &mut Outputs) {
        let local = &self.local;
        let vote = Vote {
            leader: Some(leader),
            zxid: Some(local.last_logged),
            epoch: Some(local.current_epoch),
        };
        let round = Round(local.vote_round.0 + 1);
        let outcome = Outcome {
            vote,
            leader,
            round,
        };
        let patience_ms = local.ticks(local.cfg.sync_limit);
        self.begin_role(outcome, 0, patience_ms, now, out);
        if let Role::Learner(learner) = &mut self.role {
            learner.knows_leader();
        }
    }

    /// Leads, follows or observes: on the word of an election, of the last leader, or of a
    /// reconfiguration.
    fn begin_role(
        &mut self,
        outcome: Outcome,
        took_ms: u64,
        patience_ms: u64,
        now: Now,
        out: &mut Outputs,
    ) {
        out.push(Output::Event(PeerEvent::Elected {
            leader: outcome.leader,
            took_ms,
            cause: self.local.cause,
        }));
        self.local.stop_read_only(out);
        let local = &mut self.local;
        local.parting.elected(now.mono);
        local.role_no += 1;
        local.vote = outcome.vote;
        local.vote_round = outcome.round;
        let leader = Some(outcome.leader);
        if outcome.leader == local.cfg.sid {
            Local::event_phase(ServerState::Leading, Phase::Discovery, leader, out);
            let leading = Leading::new(local, patience_ms, now, out);
            self.role = Role::Leading(Box::new(leading));
        } else {
            let state = self.learner_state();
            Local::event_phase(state, Phase::Discovery, leader, out);
            let learner = Learner::new(outcome.leader, patience_ms, &mut self.local, now, out);
            self.role = Role::Learner(Box::new(learner));
        }
    }

    /// Begins to pass on the lead.
    fn hand_over(
        &mut self,
        to: Option<Sid>,
        patience_ms: u64,
        cause: ElectionCause,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let outcome = match &mut self.role {
            Role::Leading(leading) => {
                leading.hand_over(to, cause, patience_ms, &mut self.local, now, out)
            }
            Role::Draining | Role::Looking(_) | Role::Learner(_) => {
                Err("this server does not lead".to_owned())
            }
        };
        outcome.unwrap_or_else(|why| {
            out.push(Output::Event(PeerEvent::HandOverRefused { why }));
            Ok(())
        })
    }

    fn learner_state(&self) -> ServerState {
        if self.local.ensemble.is_observer() {
            ServerState::Observing
        } else {
            ServerState::Following
        }
    }

    fn state(&self) -> ServerState {
        match &self.role {
            Role::Draining | Role::Looking(_) => ServerState::Looking,
            Role::Leading(_) => ServerState::Leading,
            Role::Learner(learner) => learner.state(),
        }
    }

    /// Ends the role: clients wait until there is a leader again.
    fn end_role(&mut self, why: &str, link_is_open: bool, now: Now, out: &mut Outputs) {
        let state = self.state();
        self.local.turning = None;
        if self.local.serving && state == ServerState::Leading {
            self.local.parting.led();
        } else if let Some(epoch) = self.role.leading().and_then(Leading::begun) {
            self.local.parting.led_in_vain(epoch);
        }
        if let Some(Next::Designated { leader, .. }) = self.local.next {
            if leader == self.local.cfg.sid && state != ServerState::Leading {
                // The old leader may have changed its mind before it heard.
                let tick_ms = self.local.cfg.tick_ms;
                self.local.parting.link_ended(now.mono, tick_ms);
            } else {
                self.local.parting.given_up();
            }
        } else if self.local.next.is_none() {
            self.local.cause = match state {
                ServerState::Leading => ElectionCause::QuorumLost,
                ServerState::Looking | ServerState::Following | ServerState::Observing => {
                    ElectionCause::LeaderLost
                }
            };
        }
        let tail: VecDeque<Entry> = match std::mem::replace(&mut self.role, Role::Draining) {
            Role::Leading(leading) => leading.end(out).into(),
            Role::Learner(learner) => learner.end(why, link_is_open, out),
            Role::Draining | Role::Looking(_) => VecDeque::new(),
        };
        out.push(Output::Event(PeerEvent::RoleLost {
            state,
            why: why.to_owned(),
        }));
        self.local.role_no += 1;
        self.local.serving = false;
        self.suspend_clients(now, out);
        let bugs = self.local.cfg.bugs;
        if bugs.zk2845_tail_is_forgotten() {
            self.local.last_logged = self.local.history_last();
        } else {
            if bugs.zk4712_past_role_writes_on() {
                self.local.late.extend(tail.iter().cloned());
            }
            for entry in tail {
                self.local.take_ahead(entry, out);
            }
        }
        self.look_when_drained(now, out);
    }

    fn link_closed(&mut self, link: LinkId, now: Now, out: &mut Outputs) -> Result<(), RoleOver> {
        match &mut self.role {
            Role::Leading(leading) => return leading.closed(link, &mut self.local, now, out),
            Role::Learner(learner) if learner.is_link(link) => {
                // The master that an observer followed may be gone, and the leader well.
                let direct = !(self.local.cfg.observer_masters && learner.is_observer());
                if self.local.serving && direct {
                    let tick_ms = self.local.cfg.tick_ms;
                    self.local.parting.link_ended(now.mono, tick_ms);
                    self.local.lost_leader = Some(learner.leader);
                }
                self.end_role("the connection to the leader ended", false, now, out);
            }
            Role::Learner(learner) => learner.ward_closed(link),
            Role::Draining | Role::Looking(_) => {}
        }
        Ok(())
    }

    /// A message on the election port: for the election, or for someone who looks.
    fn notification(&mut self, from: Sid, n: &Notification, now: Now, out: &mut Outputs) {
        if self.adopt(n, now, out) {
            return;
        }
        let state = self.state();
        let is_looking = n.state == ServerState::Looking;
        let unled = matches!(self.role, Role::Draining | Role::Looking(_));
        if n.state == ServerState::Leading && unled {
            self.local.parting.hears_leader(from, n.vote.epoch);
        }
        let local = &self.local;
        let answer = |vote: Vote, round, out: &mut Outputs| {
            let notification = vote.notify(state, round, local.ensemble.text());
            out.push(Output::Notify {
                to: from,
                notification,
            });
        };
        let outcome = match &mut self.role {
            Role::Draining => {
                if is_looking && local.ensemble.is_voter(from) {
                    self.local.early_votes.insert(from, n.clone());
                }
                return;
            }
            // Answered only when it asks: two servers that answer each other's answers never end.
            _ if !local.ensemble.is_voter(from) && !is_looking => return,
            Role::Looking(looking) => {
                if !local.ensemble.is_voter(from) {
                    answer(looking.proposal(), looking.round(), out);
                    return;
                }
                if is_looking && (n.round < looking.round() || looking.knows_better(from, n)) {
                    answer(looking.proposal(), looking.round(), out);
                }
                looking.notification(from, n, &local.ensemble, now.mono, out)
            }
            Role::Leading(_) | Role::Learner(_) => {
                if is_looking {
                    answer(local.vote, local.vote_round, out);
                }
                return;
            }
        };
        if let Role::Looking(looking) = &self.role {
            self.local.vote_round = looking.round();
        }
        self.elected(outcome, now, out);
    }

    /// A looking server takes over a newer config that is in force elsewhere. True when it changes
    /// who is asked: the election begins anew, without this message.
    fn adopt(&mut self, n: &Notification, now: Now, out: &mut Outputs) -> bool {
        let Role::Looking(_) = &self.role else {
            return false;
        };
        let config = n.config.as_deref().and_then(|c| Membership::parse(c).ok());
        let Some(config) = config else { return false };
        let before = self.local.ensemble.committed().clone();
        self.local.activate_config(config, None, now, out);
        if before.same_members(self.local.ensemble.committed()) {
            return false;
        }
        self.role = Role::Draining;
        self.look_when_drained(now, out);
        true
    }

    /// What the member tells about itself.
    #[must_use]
    pub fn status(&self) -> Status {
        let local = &self.local;
        let (phase, leader) = match &self.role {
            Role::Draining | Role::Looking(_) => (Phase::Election, None),
            Role::Leading(leading) => (leading.phase(), Some(local.cfg.sid)),
            Role::Learner(learner) => (learner.phase(), Some(learner.leader)),
        };
        let leading = self.role.leading();
        let applied = local.db.last_applied();
        let committed: Option<Zxid> = leading.and_then(|l| l.committed());
        Status {
            sid: local.cfg.sid,
            standalone: local.cfg.membership.is_none(),
            state: self.state(),
            phase,
            serving: local.serving,
            read_only: local.clients.is_read_only(),
            has_vote: local.trust == Trust::Whole && local.ensemble.is_voter(local.cfg.sid),
            history: local.trust,
            joining: local.cfg.membership.is_some() && !local.ensemble.is_member(local.cfg.sid),
            leader,
            epoch: local.current_epoch,
            zxid_logged: local.last_logged,
            zxid_committed: committed.unwrap_or(applied),
            zxid_applied: applied,
            digest: local.db.digest(),
            nodes: local.db.node_count(),
            approximate_data_bytes: local.db.approximate_data_bytes(),
            ephemerals: local.db.ephemeral_count(),
            sessions: local.db.sessions().len() as u64,
            local_sessions: local.local_sessions.len(),
            connections: local.clients.open_count(),
            watches: local.clients.watch_count(),
            outstanding: local.clients.outstanding(),
            proposals_outstanding: leading.map_or(0, |l| l.proposals_outstanding()),
            pending_syncs: leading.map_or(0, |l| l.pending_syncs()),
            txns_since_snapshot: local.txns_since_snapshot(),
            learners: match &self.role {
                Role::Leading(leading) => leading.learners(local),
                Role::Learner(learner) => learner.wards(),
                Role::Draining | Role::Looking(_) => Vec::new(),
            },
            digest_mismatches: local.digest_mismatches,
            configs: local.configs(),
        }
    }

    pub(crate) fn local_session_deadlines(
        &self,
    ) -> impl Iterator<Item = (Mono, Vec<SessionId>)> + '_ {
        self.local.local_sessions.deadlines()
    }

    pub(crate) fn session_deadlines(&self) -> Option<Vec<(Mono, Vec<SessionId>)>> {
        self.role.leading().and_then(Leading::session_deadlines)
    }

    pub(crate) fn data_watches(&self) -> impl Iterator<Item = (SessionId, &str)> {
        self.local.clients.data_watches()
    }

    pub(crate) fn config(&self) -> &PeerConfig {
        &self.local.cfg
    }

    pub(crate) fn recent_digests(&self) -> impl Iterator<Item = (Zxid, u64)> {
        self.local.digests.iter().copied()
    }

    /// The state, for tests and tools that compare members.
    #[must_use]
    pub fn database(&self) -> &crate::db::Database {
        &self.local.db
    }
}
