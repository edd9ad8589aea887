//! Clients between two leaders: their connections are suspended when a role ends, and go on when
//! the next leader is established (`request/order/hold.rs` says what is kept of each).

use zk_wire::{Epoch, Sid};

use super::{Peer, Role};
use crate::bugs::Bugs;
use crate::io::{ClientFrame, ConnId, Outputs};
use crate::request::order::{Resume, Sure};
use crate::time::{Mono, Now};
use crate::zab::leader::RoleOver;

/// Ticks from the end of a leader to the next election, within which nobody can have used another
/// server of the old epoch unnoticed.
const GAP_TICKS: u64 = 2;

/// How this server came to be without a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Cause {
    /// In a way that leaves open whether the leader goes on without this server.
    #[default]
    Unclear,
    /// This server led, and knows what became of all sessions until then.
    Led,
    /// The leader gave up the lead.
    GaveUp,
    /// The connection to the leader ended.
    LinkEnded(Mono),
}

/// The end of the last epoch in which this server served, as far as it is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Parting {
    epoch: Option<Epoch>,
    /// Who led in it.
    leader: Option<Sid>,
    cause: Cause,
    /// Whether it was served on in that epoch after this server had left.
    went_on: bool,
    /// When the next leader was elected.
    elected: Option<Mono>,
    gap_max_ms: u64,
}

impl Parting {
    fn in_epoch(epoch: Epoch, leader: Option<Sid>) -> Self {
        Self {
            epoch: Some(epoch),
            leader,
            ..Self::default()
        }
    }

    /// This server led in that epoch.
    pub(super) fn led(&mut self) {
        self.cause = Cause::Led;
    }

    /// The leader said that it gives up the lead.
    pub(crate) fn given_up(&mut self) {
        self.cause = Cause::GaveUp;
    }

    /// The connection to the leader ended.
    pub(super) fn link_ended(&mut self, now: Mono, tick_ms: u64) {
        self.cause = Cause::LinkEnded(now);
        self.gap_max_ms = GAP_TICKS * tick_ms;
    }

    /// A server says that it leads in this epoch. Before its first promise the next leader names
    /// the same one, but an epoch has one leader only.
    pub(super) fn hears_leader(&mut self, from: Sid, epoch: Option<Epoch>) {
        self.went_on |= self.leader == Some(from) && epoch.is_some() && epoch <= self.epoch;
    }

    pub(super) fn elected(&mut self, now: Mono) {
        self.elected = Some(now);
    }

    /// This server led in this epoch and nobody was ever served in it. A quorum had acknowledged the
    /// epoch, so no earlier one goes on, and no other server led in it.
    pub(super) fn led_in_vain(&mut self, at: Epoch) {
        if self.ended() && self.epoch.is_some_and(|e| at.0 == e.0.saturating_add(1)) {
            self.epoch = Some(at);
            self.cause = Cause::Led;
        }
    }

    /// Whether it is certain that nobody was served any more in that epoch when the next leader was
    /// elected.
    fn ended(&self) -> bool {
        match self.cause {
            Cause::Unclear => false,
            Cause::Led | Cause::GaveUp => true,
            Cause::LinkEnded(at) => {
                let soon = |elected: Mono| elected <= at.plus(self.gap_max_ms);
                !self.went_on && self.elected.is_some_and(soon)
            }
        }
    }

    /// What is certain when `next` begins. A write under way in an earlier epoch is in the history
    /// by now or will never be. The owner of a session is known to one epoch only: another one in
    /// between, or the old one without this server, may have seen the client elsewhere.
    fn what_is_sure(&self, next: Epoch, bugs: Bugs) -> Sure {
        let Some(epoch) = self.epoch else {
            return Sure {
                under_way: true,
                unmoved: true,
            };
        };
        if next == epoch {
            return Sure {
                under_way: bugs.rejoining_settles_writes(),
                unmoved: true,
            };
        }
        Sure {
            under_way: true,
            unmoved: bugs.nobody_moved() || self.ended() && next.0 == epoch.0.saturating_add(1),
        }
    }
}

impl Peer {
    /// The role is over. Sessions that only this server knows end with it, as in Apache.
    pub(super) fn suspend_clients(&mut self, now: Now, out: &mut Outputs) {
        let local = &mut self.local;
        local.resume_due = false;
        for released in std::mem::take(&mut local.released) {
            local.clients.put_back(released.conn, released.frames);
        }
        let sessions = &local.local_sessions;
        let drop_watches = local.cfg.bugs.drop_watches();
        let ends = |session| sessions.contains(session);
        local.clients.suspend(ends, drop_watches, now.mono, out);
        local.forget_local_sessions();
    }

    /// A frame of a suspended connection.
    pub(super) fn hold_frame(&mut self, conn: ConnId, frame: ClientFrame, out: &mut Outputs) {
        let local = &mut self.local;
        let early = local.cfg.bugs.held_reads_too_early();
        if early
            && matches!(&frame, ClientFrame::Request { request, .. } if !request.op().is_write())
        {
            local.clients.answer_too_early(&local.db, conn, frame, out);
            return;
        }
        local.clients.keep(&local.db, conn, frame, out);
    }

    /// A leader is established: suspended connections go on with it.
    pub(super) fn resume_clients(&mut self, now: Now, out: &mut Outputs) {
        if !std::mem::take(&mut self.local.resume_due) {
            return;
        }
        let epoch = self.local.current_epoch;
        let sure = self.local.parting.what_is_sure(epoch, self.local.cfg.bugs);
        let leader = match &self.role {
            Role::Leading(_) => Some(self.local.cfg.sid),
            Role::Learner(learner) => Some(learner.leader),
            Role::Draining | Role::Looking(_) => None,
        };
        self.local.parting = Parting::in_epoch(epoch, leader);
        let local = &mut self.local;
        let (unsettled, released) = local.clients.resume(&local.db, sure, out);
        for each in &released {
            if let Some((session, timeout_ms)) = self.local.clients.session_of(each.conn) {
                self.touch(session, timeout_ms, now);
            }
        }
        self.local.released.extend(released);
        for (returning, how) in unsettled {
            let (session, timeout_ms) = (returning.session, returning.timeout_ms);
            let outcome = match (how, &mut self.role) {
                (Resume::Create, _) => self.create_session(session, timeout_ms, now, out),
                (Resume::Revalidate, Role::Learner(learner)) => {
                    learner.reopen_session(returning, self.local.cfg.sid, out);
                    Ok(())
                }
                (Resume::Revalidate, Role::Leading(leading)) => {
                    leading.reopen_session(returning, &mut self.local, now, out)
                }
                (Resume::Revalidate, Role::Draining | Role::Looking(_)) => Ok(()),
            };
            if let Err(RoleOver(why)) = outcome {
                self.end_role(&why, true, now, out);
                return;
            }
        }
    }

    /// What waited for its session to be settled: requests that are asked again, then frames.
    pub(super) fn handle_released(&mut self, now: Now, out: &mut Outputs) {
        while let Some(mut released) = self.local.released.pop() {
            if let Err(RoleOver(why)) = self.go_on(&mut released, now, out) {
                self.local.released.push(released);
                self.end_role(&why, true, now, out);
                return;
            }
        }
    }

    fn go_on(
        &mut self,
        released: &mut crate::request::order::Released,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        while let Some(submission) = released.submissions.pop_front() {
            self.submit(submission, now, out)?;
        }
        while let Some(frame) = released.frames.pop_front() {
            self.client_frame(released.conn, frame, now, out)?;
        }
        Ok(())
    }
}
