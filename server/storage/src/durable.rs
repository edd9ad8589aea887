//! Write, fsync, rename, fsync the directory: the sequences that survive a power loss, only here.

use std::io::{self, Read};
use std::path::Path;

use crate::error::{IoContext, StorageError};
use crate::fs::{Fs, FsFile};

/// Replaces a small file: afterwards the new content is durable, before it the old one is.
pub(crate) fn replace<F: Fs>(fs: &F, path: &Path, content: &[u8]) -> Result<(), StorageError> {
    let tmp = tmp_path(path);
    let mut file = fs.create(&tmp).on("create", &tmp)?;
    file.write_all_at(content, 0).on("write", &tmp)?;
    file.sync().on("sync", &tmp)?;
    publish(fs, &tmp, path)
}

/// Renames a synced file to its final name, durably.
pub(crate) fn publish<F: Fs>(fs: &F, tmp: &Path, path: &Path) -> Result<(), StorageError> {
    fs.rename(tmp, path).on("rename", tmp)?;
    sync_parent(fs, path)
}

/// Makes the name of a file durable.
pub(crate) fn sync_parent<F: Fs>(fs: &F, path: &Path) -> Result<(), StorageError> {
    match path.parent() {
        Some(dir) if dir.as_os_str().is_empty() => fs.sync_dir(Path::new(".")).on("sync", path),
        Some(dir) => fs.sync_dir(dir).on("sync", dir),
        None => Ok(()),
    }
}

/// Removes a file that may be gone already; not durable yet.
pub(crate) fn remove<F: Fs>(fs: &F, path: &Path) -> Result<(), StorageError> {
    match fs.remove(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.on("remove", path),
    }
}

/// Creates a directory and its missing parents, durably.
pub(crate) fn create_dirs<F: Fs>(fs: &F, dir: &Path) -> Result<(), StorageError> {
    if dir.as_os_str().is_empty() || fs.is_dir(dir).on("look at", dir)? {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        create_dirs(fs, parent)?;
    }
    fs.create_dir(dir).on("create", dir)?;
    sync_parent(fs, dir)
}

/// Reads a small file; `None` when there is none. More than `max` bytes are an error.
pub(crate) fn read_small<F: Fs>(
    fs: &F,
    path: &Path,
    max: u64,
) -> Result<Option<String>, StorageError> {
    let reader = match fs.open_read(path, 0) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.on("open", path)?,
    };
    let mut raw = Vec::new();
    reader
        .take(max + 1)
        .read_to_end(&mut raw)
        .on("read", path)?;
    if raw.len() as u64 > max {
        return Err(StorageError::corrupt(path, max, "the file is too long"));
    }
    match String::from_utf8(raw) {
        Ok(text) => Ok(Some(text)),
        Err(e) => {
            let at = e.utf8_error().valid_up_to() as u64;
            Err(StorageError::corrupt(path, at, "the file is not text"))
        }
    }
}

fn tmp_path(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}
