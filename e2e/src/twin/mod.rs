//! The twin test: the same requests go to a live Apache ZooKeeper and to this project's server,
//! and every byte of every reply and event is compared.
//!
//! Where two servers cannot be equal (time stamps, session ids, passwords, ports, the order of
//! unordered lists) both answers are put into words that hold for both (`reply`). Where they differ
//! on purpose (`docs/differences.md`) the difference itself is asserted.
//!
//! `scenarios` are scripts written by hand, one file a theme; `random` makes scripts from a seed,
//! and `shrink` cuts one that shows a difference down to the steps that matter.

pub mod heard;
pub mod job;
pub mod link;
pub mod login;
pub mod ops;
pub mod pair;
pub mod random;
pub mod reply;
pub mod request;
pub mod scenarios;
pub mod script;
pub mod shrink;
pub mod side;
pub mod tls;
