//! What hostile bytes meet: one target per decoder.
//!
//! ```text
//!   bytes --> target --> decoder --> the value, written again, must be read as the same value
//! ```
//! A target takes any bytes and returns; that it panics, hangs or allocates without bound is what is
//! looked for. The same targets run in two ways: `tests/pinned.rs` gives each of them the inputs that
//! once broke something and some seconds of seeded noise, on any toolchain; `libfuzzer/` is a package
//! of its own that searches with coverage (`./run fuzz`).

mod dir;
mod noise;
mod targets;

pub use noise::Noise;

/// A decoder under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// How it is called on the command line; also its folder under `pinned/`.
    pub name: &'static str,
    /// Gives it the bytes.
    pub run: fn(&[u8]),
    /// Well-formed inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    targets::client::CONNECT,
    targets::client::REQUEST,
    targets::client::REPLY,
    targets::server::SERVER,
    targets::ensemble::QUORUM,
    targets::ensemble::ELECTION,
    targets::ensemble::MEMBERSHIP,
    targets::files::TXN,
    targets::files::SNAPSHOT_BODY,
    targets::files::LOG_FILE,
    targets::files::LOG_RECORDS,
    targets::files::SNAPSHOT_FILE,
    targets::config::ZOO_CFG,
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
