//! What whoever serves learners does alike: a leader, and a follower that has observers.

use zk_wire::Sid;
use zk_wire::quorum::{LearnerInfo, Packet};

use crate::db::Entry;
use crate::peer::local::Local;

/// Whether a learner that introduces itself can be served; else why not.
pub(super) fn check_info(info: &LearnerInfo, local: &Local) -> Result<(), String> {
    if info.sid == local.cfg.sid {
        return Err(format!("a learner with this server's own id {}", info.sid));
    }
    if info.config_version > local.ensemble.version() {
        return Err(format!(
            "its config version {:x} is newer than this server's {:x}",
            info.config_version,
            local.ensemble.version()
        ));
    }
    Ok(())
}

/// COMMIT or INFORM, which for a config say who leads from here on.
pub(super) fn commit_packet(entry: &Entry, observer: bool, leader: Option<Sid>) -> Packet {
    let zxid = entry.zxid();
    let txn = || entry.raw.clone();
    match (observer, leader) {
        (false, None) => Packet::Commit(zxid),
        (false, Some(leader)) => Packet::CommitAndActivate { zxid, leader },
        (true, None) => Packet::Inform { zxid, txn: txn() },
        (true, Some(leader)) => Packet::InformAndActivate {
            zxid,
            leader,
            txn: txn(),
        },
    }
}
