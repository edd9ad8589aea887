//! Somebody vouches for an empty directory, so that a new ensemble can form although its servers give no
//! vote to an empty directory by themselves.
//!
//! Apache knows the same word as a file `initialize` that is put beside the data before the start
//! (`QuorumPeer.loadDataBase`, `FileTxnSnapLog.restore`).

use zk_wire::{Epoch, Zxid};

use super::Peer;
use super::role::Role;
use crate::db::Trust;
use crate::io::{DiskOp, DiskSeq, Output, Outputs};
use crate::status::PeerEvent;

impl Peer {
    /// Asks for the word to be written down; answered at once where nothing is to be written.
    pub(super) fn form(&mut self, out: &mut Outputs) {
        if self.local.trust == Trust::Whole {
            out.push(Output::Event(PeerEvent::Formed));
            return;
        }
        if let Some(why) = self.cannot_form() {
            out.push(Output::Event(PeerEvent::FormRefused { why }));
            return;
        }
        if self.local.forming.is_none() {
            let seq = self.local.disk.submit(DiskOp::Initialize, None, out);
            self.local.forming = Some(seq);
        }
    }

    /// Why nobody can vouch for this server; what a leader brings is always better.
    fn cannot_form(&self) -> Option<String> {
        let local = &self.local;
        if local.trust == Trust::Damaged {
            let why = "what is on its disk is damaged: a leader has to send its state";
            return Some(why.into());
        }
        if local.last_logged != Zxid::ZERO || local.current_epoch != Epoch(0) {
            let (last, epoch) = (local.last_logged, local.current_epoch);
            return Some(format!(
                "it has a history, up to {last} in epoch {epoch}: a leader has to bring it level"
            ));
        }
        if local.cfg.membership.is_none() {
            return Some("it serves alone, without an ensemble".into());
        }
        if !local.ensemble.is_member(local.cfg.sid) {
            let why = "it is in no list of members: it joins, and a leader brings it level";
            return Some(why.into());
        }
        match &self.role {
            Role::Draining | Role::Looking(_) => None,
            Role::Leading(_) => Some("it leads".into()),
            Role::Learner(learner) => {
                let leader = learner.leader;
                Some(format!("it follows server {leader}, which brings it level"))
            }
        }
    }

    /// Once the word is on disk, the election begins anew with this server's vote.
    pub(super) fn form_when_durable(&mut self, through: DiskSeq, out: &mut Outputs) {
        if self.local.forming.is_none_or(|seq| seq > through) {
            return;
        }
        self.local.forming = None;
        let refusal = match self.local.trust {
            // A leader was faster.
            Trust::Whole => None,
            Trust::Lost | Trust::Damaged => self.cannot_form(),
        };
        if let Some(why) = refusal {
            out.push(Output::Event(PeerEvent::FormRefused { why }));
            return;
        }
        out.push(Output::Event(PeerEvent::Formed));
        self.local.trust = Trust::Whole;
        if matches!(self.role, Role::Looking(_)) {
            self.role = Role::Draining;
        }
    }
}
