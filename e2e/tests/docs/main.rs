//! The pages for people: the book that they make, and the commands in them; and what is told of the images.

mod book;
mod commands;
mod sbom;

use std::path::PathBuf;

/// A binary that the recipe has built.
fn built(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).map(PathBuf::from);
    path.unwrap_or_else(|| panic!("{variable} is not set; use ./run docs"))
}
