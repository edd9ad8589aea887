//! Container images without Docker: one static binary on an empty base, written as an archive and
//! given to the container runtimes of the nodes.

/// The archive's layout.
pub mod archive;
/// Bringing an archive to the nodes.
pub mod load;
/// Which crates are in a binary.
pub mod sbom;

pub use archive::{Image, write};
pub use load::load;
