//! The one directory outside of the checkout where built tools and clusters are kept.
//! `QUORATE_CACHE` moves it.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// Returns the cache directory: `$QUORATE_CACHE`, or `~/.cache/quorate`. It may not exist yet.
///
/// # Errors
/// When neither `QUORATE_CACHE` nor `HOME` says where, or the path is not absolute.
pub fn directory() -> Result<PathBuf> {
    let path = match env::var_os("QUORATE_CACHE").filter(|value| !value.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => {
            let home = env::var_os("HOME").context("neither QUORATE_CACHE nor HOME is set")?;
            PathBuf::from(home).join(".cache/quorate")
        }
    };
    if path.is_relative() {
        bail!(
            "QUORATE_CACHE is {}, but must be an absolute path",
            path.display()
        );
    }
    Ok(path)
}
