//! What the end-to-end tests stand on: a real Kubernetes of three nodes in three zones on a bare
//! Linux machine, without Docker, and images for it.
//!
//! The binary of this crate is the hand tool around the same functions. Everything it brings up is
//! written down in a state directory, so that any later process can take it down again.

pub mod bench;
pub mod browser;
/// Where built tools and the state of clusters are kept.
pub mod cache;
pub mod cluster;
pub mod disk_faults;
pub mod docs;
pub mod faults;
pub mod handover;
pub mod histories;
pub mod image;
pub mod kube;
pub mod migrate;
pub mod mixed;
pub mod monitoring;
/// Servers to talk to and to compare with.
pub mod peers;
pub mod pictures;
/// HTTP without a library, as far as tests need it.
pub mod plain_http;
/// What the tool tells while it works.
pub mod progress;
pub mod reconfig;
/// Running other programs.
pub mod shell;
pub mod suites;
pub mod tools;
pub mod twin;
