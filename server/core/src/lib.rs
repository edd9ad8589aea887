//! The deterministic ZooKeeper ensemble member.
//!
//! [`Peer`] is everything that a server decides: election, discovery, synchronization, broadcast,
//! request preparation, sessions, watches, the tree. It has no clock, socket, file, thread or random
//! source. A shell feeds it [`Input`]s together with the time and carries out the [`Output`]s:
//!
//! ```text
//!   sockets, disk, clock                                   sockets, disk
//!         |                                                      ^
//!         v                                                      |
//!      Input ---> Peer::handle(now, input, out) ---> Outputs: Disk, ToLink, ToClient, Notify ..
//! ```
//!
//! There are two shells: the server (tokio and real disks) and the simulator (a seeded world). Same
//! inputs, same outputs, byte for byte.
//!
//! Durability is an input: a message that promises something durable is given out only when
//! [`Input::DiskDone`] says that the write it promises is on disk. Nobody can acknowledge too early,
//! because nobody but the core acknowledges.
//!
//! Sources: Reed and Junqueira, "A simple totally ordered broadcast protocol" (LADIS 2008);
//! Junqueira, Reed, Serafini, "Zab: High-performance broadcast for primary-backup systems" (DSN
//! 2011); and the behaviour of Apache ZooKeeper 3.9.

pub mod audit;
pub mod bugs;
pub mod config;
pub mod db;
mod election;
mod ensemble;
pub mod io;
mod peer;
pub mod report;
mod request;
pub mod sasl;
mod session;
pub mod status;
pub mod time;
mod watch;
mod zab;

pub use bugs::Bugs;
pub use config::{
    AuthSettings, DigestAlgorithm, HoldSettings, NodeKinds, PeerConfig, ReconfigSettings, Secret,
    SessionKinds,
};
pub use db::{Database, Recovery, RecoveryBuilder, Trust};
pub use io::{
    ClientFrame, Configs, ConnId, DiskOp, DiskSeq, Input, LinkId, NONCE_LEN, Output, Outputs,
};
pub use peer::Peer;
pub use status::{ElectionCause, HoldEnd, PeerEvent, Status};
pub use time::{Mono, Now};
