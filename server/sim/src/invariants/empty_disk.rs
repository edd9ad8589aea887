//! An empty disk has no vote: a server that may have lost what it acknowledged neither votes nor
//! vouches for the history of a leader, and acknowledges nothing, until it has a leader's history on
//! its disk.
//!
//! docs/ARCHITECTURE.md, "what must always hold". Each of these promises counts on a disk that
//! remembers; with a minority of such servers the effects are rare, so the promise itself is checked.

use std::collections::BTreeSet;

use zk_wire::election::{Notification, ServerState};
use zk_wire::quorum::Packet;

use super::{Verdict, ensure};

const NAME: &str = "empty disks";

/// A server sends an election message; `lost` are those that may have lost something.
pub(crate) fn votes(sid: u8, n: &Notification, lost: &BTreeSet<u8>) -> Verdict {
    let votes = n.state == ServerState::Looking && n.vote.leader.is_some();
    ensure(!votes || !lost.contains(&sid), NAME, || {
        format!("server {sid} votes with a history that may lack what it acknowledged: {n:?}")
    })
}

/// A server sends a packet to its leader.
pub(crate) fn says(sid: u8, packet: &Packet, lost: &BTreeSet<u8>) -> Verdict {
    let counts = matches!(
        packet,
        Packet::AckEpoch {
            current_epoch: Some(_),
            ..
        } | Packet::Ack(_)
    );
    ensure(!counts || !lost.contains(&sid), NAME, || {
        format!("server {sid} says {packet:?}, but may lack what it acknowledged")
    })
}

#[cfg(test)]
mod tests {
    use zk_wire::election::WireVote;
    use zk_wire::{Epoch, Round, Sid, Zxid};

    use super::*;

    #[test]
    fn votes_and_acknowledgements_of_an_empty_disk_are_found() {
        let lost = BTreeSet::from([2]);
        let vote = |leader: Option<Sid>| Notification {
            state: ServerState::Looking,
            vote: WireVote {
                leader,
                zxid: None,
                epoch: None,
            },
            round: Round(1),
            config: None,
        };
        assert!(votes(2, &vote(None), &lost).is_ok());
        assert!(votes(2, &vote(Some(Sid(1))), &lost).is_err());
        assert!(votes(1, &vote(Some(Sid(1))), &lost).is_ok());
        let ack = |current_epoch| Packet::AckEpoch {
            last_zxid: Zxid::ZERO,
            current_epoch,
        };
        assert!(says(2, &ack(None), &lost).is_ok());
        assert!(says(2, &ack(Some(Epoch(1))), &lost).is_err());
        assert!(says(2, &Packet::Ack(Zxid::ZERO), &lost).is_err());
        assert!(says(1, &Packet::Ack(Zxid::ZERO), &lost).is_ok());
    }
}
