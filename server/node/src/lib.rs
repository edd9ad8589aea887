//! The Quorate server: the tokio shell around [`zk_core`] and [`zk_storage`].
//!
//! ```text
//!   client_port --+                         +-- disk (storage thread)
//!   election_port +--> driver: owns Peer <--+
//!   quorum_port --+      |
//!                        +--> router: outputs to sockets and disk;  monitor: status for admin, 4lw
//! ```
//! One thread owns the core; sockets are tasks; the disk is a thread. Every queue between them has a
//! limit, and none of them can make the core wait.

pub mod admin;
pub mod audit;
pub mod calendar;
pub mod cli;
pub mod client_port;
pub mod clock;
pub mod config;
pub mod dev;
pub mod disk;
pub mod driver;
pub mod election_port;
pub mod events;
mod flow;
pub mod history;
pub mod inspect;
pub mod listen;
pub mod members;
mod messages;
pub mod metrics;
pub mod monitor;
pub mod nonce;
pub mod outbox;
pub mod peer_auth;
mod permissions;
pub mod query;
pub mod quorum_port;
pub mod reach;
pub mod reload;
pub mod resolve;
pub mod router;
pub mod serve;
pub mod shutdown;
pub mod status;
mod tellers;
pub mod tls;
pub mod traces;
pub mod transfer;
