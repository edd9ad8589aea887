//! What is in a directory, to see whether a server that refused to start changed anything.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use sha2::{Digest, Sha256};

/// Each file below a directory with the digest of its content; directories have none.
pub type Content = BTreeMap<String, Option<Vec<u8>>>;

/// Reads a directory tree.
///
/// # Errors
/// As the system's.
pub fn directory(root: &Path) -> Result<Content> {
    let mut content = Content::new();
    let mut todo = vec![root.to_owned()];
    while let Some(path) = todo.pop() {
        for entry in fs::read_dir(&path)? {
            let path = entry?.path();
            let name = path.strip_prefix(root)?.display().to_string();
            if path.is_dir() {
                content.insert(name, None);
                todo.push(path);
            } else {
                content.insert(name, Some(Sha256::digest(fs::read(&path)?).to_vec()));
            }
        }
    }
    Ok(content)
}
