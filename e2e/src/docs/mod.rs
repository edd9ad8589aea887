//! The pages for people: `docs/` as a book, and the commands in it.
//!
//! Nothing here is about what the pages say. What is held is that a reader finds each page, that each link
//! leads somewhere, and that each command is one that works.

pub mod blocks;
pub mod book;
pub mod commands;
pub mod links;
pub mod place;

use std::path::{Path, PathBuf};

/// The directory of the pages, in this checkout.
pub const DOCS: &str = "docs";

/// The root of this checkout.
pub fn root() -> PathBuf {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_root.parent().unwrap_or(crate_root).to_owned()
}
