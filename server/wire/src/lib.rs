//! Bytes of the ZooKeeper protocols and files as types; this crate knows layouts and no behaviour.
//!
//! Each file names the Apache class or record whose layout it must match. Nothing here is derived:
//! a layout is written by hand, once. Sources: the record definitions of Apache ZooKeeper 3.9
//! (`zookeeper.jute`) and captures of live servers.
//!
//! What is left out: sockets, limits that are policy (frame size, counts) are parameters of the
//! decoders, and no type here decides what a request means.

pub mod client;
pub mod data;
pub mod election;
pub mod error;
pub mod frame;
pub mod ids;
pub mod jute;
pub mod membership;
pub mod quorum;
pub mod recovery;
pub mod snapshot;
pub mod txn;

pub use data::{Acl, Id, Stat, StatPersisted};
pub use error::DecodeError;
pub use ids::{Epoch, Round, SessionId, Sid, Xid, Zxid};
