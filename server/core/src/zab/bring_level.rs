//! What brings a learner level with the committed history: DIFF with what it lacks, TRUNC, or SNAP
//! (`LearnerHandler.syncFollower`).

use zk_wire::quorum::Packet;
use zk_wire::{Sid, Zxid};

use super::history::SyncPlan;
use crate::db::Entry;
use crate::io::{LinkId, Output, Outputs};
use crate::peer::local::Local;
use crate::status::{PeerEvent, SyncKind};

/// The committed history for one learner.
#[derive(Debug)]
pub(super) struct Committed<'a> {
    pub(super) link: LinkId,
    /// The last zxid that it has.
    pub(super) last_zxid: Zxid,
    pub(super) plan: SyncPlan,
    /// What memory has no more, oldest first.
    pub(super) from_disk: &'a [Entry],
}

impl Committed<'_> {
    /// Queues it.
    pub(super) fn send(&self, local: &Local, out: &mut Outputs) {
        let link = self.link;
        let mut send = |packet| out.push(Output::ToLink { link, packet });
        let end = local.history_last();
        match self.plan {
            SyncPlan::Diff => {
                send(Packet::Diff(end));
                let recent = local.history.after(self.last_zxid);
                for entry in self.from_disk.iter().chain(recent) {
                    let zxid = entry.zxid();
                    let txn = entry.raw.clone();
                    send(Packet::Proposal { zxid, txn });
                    send(Packet::Commit(zxid));
                }
            }
            SyncPlan::Trunc { keep } => send(Packet::Trunc(keep)),
            SyncPlan::Snap => {
                let body = local.history_snapshot();
                out.push(Output::SnapshotToLink {
                    link,
                    zxid: end,
                    body,
                });
            }
        }
    }
}

/// The kind of a plan, for who counts syncs under way.
pub(super) fn kind(plan: SyncPlan) -> SyncKind {
    match plan {
        SyncPlan::Diff | SyncPlan::Trunc { .. } => SyncKind::Diff,
        SyncPlan::Snap => SyncKind::Snap,
    }
}

/// Tells how a learner was brought level.
pub(super) fn note(sid: Sid, plan: SyncPlan, from_disk: bool, out: &mut Outputs) {
    let how = match plan {
        SyncPlan::Diff if from_disk => "DIFF from the log",
        SyncPlan::Diff => "DIFF",
        SyncPlan::Trunc { .. } => "TRUNC",
        SyncPlan::Snap => "SNAP",
    };
    out.push(Output::Event(PeerEvent::Synchronized { sid, how }));
}
