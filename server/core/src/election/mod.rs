//! Fast leader election (`FastLeaderElection`).
//!
//! Every voter proposes itself, adopts any better vote that it hears, and tells the others. A vote is
//! better by epoch, then by zxid, then by server id, so that the winner has the longest history of
//! the newest epoch. When a quorum proposes the same, the election ends: at once if all voters have
//! spoken, else after 200 ms in which nothing better came.
//!
//! A server that already has a leader answers with it; a looking server follows such hearsay only if
//! a quorum agrees and the leader itself says that it leads.
//!
//! While a config is proposed, the voters of both are asked, and a quorum of each has to agree.
//!
//! Left out: the oracle.

mod looking;
mod tally;
mod vote;

pub(crate) use looking::{Looking, Outcome};
pub(crate) use vote::Vote;
