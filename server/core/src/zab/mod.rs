//! Zab: how one history of transactions is agreed on.
//!
//! | phase           | paper              | packet                     | type                           |
//! |-----------------|--------------------|----------------------------|--------------------------------|
//! | discovery       | CEPOCH             | FOLLOWERINFO, OBSERVERINFO | `Packet::FollowerInfo`, `ObserverInfo` |
//! |                 | NEWEPOCH           | LEADERINFO                 | `Packet::LeaderInfo`           |
//! |                 | ACK-E              | ACKEPOCH                   | `Packet::AckEpoch`             |
//! | synchronization | NEWLEADER          | DIFF, TRUNC or SNAP, then NEWLEADER | `Packet::Diff` ..     |
//! |                 | ACK-LD             | ACK of epoch << 32         | `Packet::Ack`                  |
//! |                 | COMMIT-LD          | UPTODATE                   | `Packet::UpToDate`             |
//! | broadcast       | PROPOSE            | PROPOSAL                   | `Packet::Proposal`             |
//! |                 | ACK                | ACK                        | `Packet::Ack`                  |
//! |                 | COMMIT             | COMMIT, INFORM (observers) | `Packet::Commit`, `Inform`     |
//!
//! A leader exists in three steps, each on a quorum: voters promise its epoch (durable in
//! `acceptedEpoch`), voters whose history is not newer than the leader's acknowledge, voters have its
//! history and its epoch (durable in `currentEpoch`) acknowledged. Only then does it serve.
//!
//! A reconfiguration is a transaction like any other but that it, and all after it, need a quorum of
//! both configs until it is committed; COMMITANDACTIVATE (INFORMANDACTIVATE) then says who leads.
//!
//! Observers follow the leader or, where `observerMasterPort` is set, any follower
//! (`learner/master.rs`).

mod bring_level;
pub(crate) mod history;
pub(crate) mod leader;
pub(crate) mod learner;
mod serve_learners;
