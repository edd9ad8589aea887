//! Disk operations under way, and what may be said once they are durable.

use std::collections::VecDeque;

use zk_wire::{Epoch, Zxid};

use crate::io::{DiskOp, DiskSeq, LinkId, Output, Outputs};

/// What to do once an operation, and so all before it, is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Leader: count itself for this proposal.
    SelfAck(Zxid),
    /// Leader: the epoch is promised; tell the learners.
    EpochPromised(Epoch),
    /// Leader: its own epoch and history are durable.
    EpochBegun,
    /// Learner: acknowledge this zxid to the leader.
    Ack(LinkId, Zxid),
    /// Learner: its promise is durable; answer LEADERINFO.
    AckEpoch(LinkId),
}

/// The operations given out, in order.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    issued: u64,
    done: u64,
    /// What waits, with the role that it is for: what a past role wanted to say is not said.
    waiting: VecDeque<(u64, u64, After)>,
}

impl Disk {
    /// Gives an operation out.
    pub(crate) fn submit(
        &mut self,
        op: DiskOp,
        after: Option<(u64, After)>,
        out: &mut Outputs,
    ) -> DiskSeq {
        self.issued += 1;
        if let Some((role, after)) = after {
            self.waiting.push_back((self.issued, role, after));
        }
        let seq = DiskSeq(self.issued);
        out.push(Output::Disk { seq, op });
        seq
    }

    /// Everything up to `through` is durable; gives what the present role waited for.
    pub(crate) fn done(&mut self, through: DiskSeq, role: u64) -> Vec<After> {
        self.done = self.done.max(through.0);
        let mut due = Vec::new();
        while let Some((seq, for_role, after)) = self.waiting.front().copied()
            && seq <= self.done
        {
            self.waiting.pop_front();
            if for_role == role {
                due.push(after);
            }
        }
        due
    }

    /// Whether everything that was given out is durable.
    pub(crate) fn is_idle(&self) -> bool {
        self.done == self.issued
    }
}
