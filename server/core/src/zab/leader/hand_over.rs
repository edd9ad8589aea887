//! Passing on the lead without waiting for anybody to miss this leader (quorum.md section 12).
//!
//! ```text
//! leader                                   successor             other learners that know this
//!   | proposes nothing new, holds what comes
//!   | all committed, successor has it durably
//!   |-- OFFER last zxid ------------------->|
//!   |<- ACCEPTED ---------------------------| leaves its role, leads
//!   |-- FOLLOW successor ------------------------------------------->| leave, follow it
//!   | leaves its role, follows it too
//! ```
//! Who leads next is no matter of safety: the promise of the epoch and the comparison of histories
//! decide that, as after any election. So a hand-over that goes wrong costs time and nothing else.
//! The same with this server as its own successor begins a new epoch when the zxids of one are used
//! up. Where the servers that know this are no quorum, the next election is steered instead: this
//! server votes for its successor with a history longer than any real one (section 12.4).

use std::collections::VecDeque;

use zk_wire::quorum::{HandOver as Step, Packet};
use zk_wire::{Sid, Zxid};

use super::broadcast::Syncing;
use super::link::LinkState;
use super::requests::Ask;
use super::{Leading, RoleOver, Stage};
use crate::io::{LinkId, Output, Outputs};
use crate::peer::local::{Local, Next};
use crate::status::{ElectionCause, PeerEvent};
use crate::time::{Mono, Now};

/// Requests that wait for the outcome at most; with more the hand-over is given up.
const HELD_MAX: usize = 20_000;

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Not everything that was proposed is committed, or the successor does not have it.
    Finishing,
    /// The successor was asked.
    Offered(LinkId),
}

/// A hand-over under way.
#[derive(Debug)]
pub(super) struct HandOver {
    to: Sid,
    cause: ElectionCause,
    deadline: Mono,
    progress: Progress,
    /// What came meanwhile, in order.
    held: VecDeque<Held>,
}

/// What waits for the outcome.
#[derive(Debug)]
enum Held {
    Ask(Box<Ask>),
    Sync(Syncing),
}

impl HandOver {
    pub(super) fn deadline(&self) -> Mono {
        self.deadline
    }
}

impl Leading {
    /// Begins to hand over, to the voter `to` or to whichever has most.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(crate) fn hand_over(
        &mut self,
        to: Option<Sid>,
        cause: ElectionCause,
        patience_ms: u64,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<Result<(), RoleOver>, String> {
        let Stage::Broadcast(b) = &self.stage else {
            return Err("this server does not lead yet".into());
        };
        if self.standalone {
            return Err("there is no other server".into());
        }
        if !local.cfg.hand_over {
            return Err("passing on the lead is off on this server; quorate.handOver=true".into());
        }
        if self.hand_over.is_some() {
            return Err("a hand-over is under way".into());
        }
        let fit = |sid: Sid| {
            let serves = |link: &&super::Link| {
                link.sid == Some(sid) && !link.observer && link.state == LinkState::Serving
            };
            local.ensemble.is_voter(sid) && self.links.values().any(|link| serves(&link))
        };
        let to = match to {
            Some(sid) if sid == self.me || fit(sid) => sid,
            Some(sid) => return Err(format!("server {sid} is no voter that is level")),
            None => {
                let best = self
                    .links
                    .values()
                    .filter(|link| link.sid.is_some_and(fit))
                    // Who knows this goes first, then who has most.
                    .map(|link| {
                        (
                            link.hands_over,
                            link.sid.map(|sid| b.acked_by(sid)),
                            link.sid,
                        )
                    })
                    .max();
                match best.and_then(|(_, _, sid)| sid) {
                    Some(sid) => sid,
                    None => return Err("no other voter is level".into()),
                }
            }
        };
        self.hand_over = Some(HandOver {
            to,
            cause,
            deadline: now.mono.plus(patience_ms),
            progress: Progress::Finishing,
            held: VecDeque::new(),
        });
        Ok(self.go_on_handing_over(local, out))
    }

    /// Keeps a request until the hand-over has succeeded or failed; gives it back when there is
    /// none. A session that is to begin lives from here on: what its client asks next must find it.
    pub(super) fn hold_ask(&mut self, ask: Ask, local: &Local, now: Now) -> Option<Ask> {
        let goes_on = local.cfg.bugs.proposes_while_handing_over();
        let Some(hand_over) = self.hand_over.as_mut().filter(|_| !goes_on) else {
            return Some(ask);
        };
        if let Stage::Broadcast(b) = &mut self.stage {
            b.begin_session(&ask, now);
        }
        hand_over.held.push_back(Held::Ask(Box::new(ask)));
        None
    }

    /// Keeps a sync behind the requests that wait; gives it back when there are none.
    pub(super) fn hold_sync(&mut self, who: Syncing) -> Option<Syncing> {
        match self.hand_over.as_mut().filter(|h| !h.held.is_empty()) {
            Some(hand_over) => {
                hand_over.held.push_back(Held::Sync(who));
                None
            }
            None => Some(who),
        }
    }

    /// Something was committed or acknowledged: is it time to offer?
    pub(super) fn go_on_handing_over(
        &mut self,
        local: &mut Local,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let (Some(hand_over), Stage::Broadcast(b)) = (&mut self.hand_over, &self.stage) else {
            return Ok(());
        };
        if hand_over.progress != Progress::Finishing {
            return Ok(());
        }
        let (to, me) = (hand_over.to, self.me);
        let has_all = to == me || b.acked_by(to) >= b.last() || b.last().counter() == 0;
        let ready = b.proposals_len() == 0 && has_all;
        if !ready && !local.cfg.bugs.hands_over_too_early() {
            return Ok(());
        }
        let knowing = self
            .links
            .values()
            .filter(|link| link.state == LinkState::Serving && link.hands_over && !link.observer)
            .filter_map(|link| link.sid)
            .chain([me]);
        let directly = local.ensemble.is_quorum(knowing);
        if to == me && directly {
            return self.handed_over(local, out);
        }
        let link = self
            .links
            .iter()
            .find(|(_, link)| link.sid == Some(to) && link.hands_over)
            .map(|(id, _)| *id);
        match link.filter(|_| directly) {
            Some(link) => {
                hand_over.progress = Progress::Offered(link);
                let step = Step::Offer(local.last_logged);
                let packet = Packet::HandOver(step);
                out.push(Output::ToLink { link, packet });
                Ok(())
            }
            None => {
                let cause = hand_over.cause;
                local.next = Some(Next::Steered { to, cause });
                out.push(Output::Event(PeerEvent::HandedOver { to }));
                Err(RoleOver(format!(
                    "the next election is to elect server {to}"
                )))
            }
        }
    }

    /// A learner says something about the hand-over.
    pub(super) fn hand_over_packet(
        &mut self,
        id: LinkId,
        step: Step,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let asked = self
            .hand_over
            .as_ref()
            .is_some_and(|h| h.progress == Progress::Offered(id));
        match step {
            Step::Accepted if asked => self.handed_over(local, out),
            Step::Refused if asked => self.keep_the_lead("the successor refuses", local, now, out),
            Step::Leaves => {
                if let Some(link) = self.links.get_mut(&id) {
                    link.leaves = true;
                }
                self.let_go(local, out);
                Ok(())
            }
            Step::Accepted
            | Step::Refused
            | Step::Offer(_)
            | Step::Follow(_)
            | Step::MayLeave
            | Step::Moved(_)
            | Step::GivesUp => Ok(()),
        }
    }

    /// Tells learners that are about to stop when a quorum follows without them: a leader that
    /// passed on the lead must not take the quorum with it.
    pub(super) fn let_go(&mut self, local: &Local, out: &mut Outputs) {
        let waits = |link: &super::Link| link.leaves && !link.let_go;
        if !self.links.values().any(waits) {
            return;
        }
        let stays = |link: &&super::Link| {
            link.state == LinkState::Serving && !link.observer && !link.leaves
        };
        let staying = self.links.values().filter(stays).filter_map(|l| l.sid);
        if !local.ensemble.is_quorum(staying.chain([self.me])) {
            return;
        }
        for (id, link) in self.links.iter_mut().filter(|(_, link)| waits(link)) {
            link.let_go = true;
            let packet = Packet::HandOver(Step::MayLeave);
            out.push(Output::ToLink { link: *id, packet });
        }
    }

    /// The successor leads: everybody who knows this follows it at once.
    fn handed_over(&mut self, local: &mut Local, out: &mut Outputs) -> Result<(), RoleOver> {
        let Some(hand_over) = self.hand_over.take() else {
            return Ok(());
        };
        let (to, cause) = (hand_over.to, hand_over.cause);
        for (id, link) in &self.links {
            if link.hands_over && link.stream_open() && link.sid != Some(to) {
                let packet = Packet::HandOver(Step::Follow(to));
                out.push(Output::ToLink { link: *id, packet });
            }
        }
        out.push(Output::Event(PeerEvent::HandedOver { to }));
        if to != self.me && local.cfg.bugs.leads_on_after_handing_over() {
            return Ok(());
        }
        local.next = Some(Next::Designated { leader: to, cause });
        Err(RoleOver(format!("server {to} leads on")))
    }

    /// Gives the hand-over up and goes on with what was held.
    pub(super) fn keep_the_lead(
        &mut self,
        why: &'static str,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let Some(hand_over) = self.hand_over.take() else {
            return Ok(());
        };
        out.push(Output::Event(PeerEvent::HandOverFailed { why }));
        if local.cfg.bugs.failed_hand_over_drops_requests() {
            return Ok(());
        }
        for held in hand_over.held {
            match held {
                Held::Ask(ask) => self.propose(*ask, local, now, out)?,
                Held::Sync(who) => self.sync(who, local, now, out)?,
            }
        }
        Ok(())
    }

    /// Gives up a hand-over that takes too long, whose successor is gone, or for which too much
    /// waits.
    pub(super) fn check_hand_over(
        &mut self,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        let Some(hand_over) = &self.hand_over else {
            return Ok(());
        };
        let gone = hand_over.to != self.me
            && !self
                .links
                .values()
                .any(|link| link.sid == Some(hand_over.to));
        let why = if gone {
            "the successor is gone"
        } else if hand_over.deadline <= now.mono {
            "it takes too long"
        } else if hand_over.held.len() > HELD_MAX {
            "too many requests wait for it"
        } else {
            return Ok(());
        };
        self.keep_the_lead(why, local, now, out)
    }

    /// Begins a new epoch in place when this one is used up.
    pub(super) fn roll_over_if_due(
        &mut self,
        zxid: Zxid,
        local: &mut Local,
        now: Now,
        out: &mut Outputs,
    ) -> Result<(), RoleOver> {
        if zxid.counter() < local.cfg.roll_over_at || self.standalone || self.hand_over.is_some() {
            return Ok(());
        }
        let patience_ms = local.ticks(local.cfg.sync_limit);
        let (to, cause) = (Some(self.me), ElectionCause::RollOver);
        match self.hand_over(to, cause, patience_ms, local, now, out) {
            Ok(outcome) => outcome,
            Err(_) => Ok(()),
        }
    }
}
