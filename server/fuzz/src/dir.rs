//! A data directory that lives as long as one run, in memory where the machine allows it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The folder in it that has the files.
const SUBDIR: &str = "version-2";

/// Removed when dropped.
pub(crate) struct DataDir(TempDir);

impl DataDir {
    /// One with these files in `version-2`.
    pub(crate) fn with(files: &[(&str, &[u8])]) -> Self {
        let memory = Path::new("/dev/shm");
        let made = if memory.is_dir() {
            TempDir::new_in(memory)
        } else {
            TempDir::new()
        };
        let dir = Self(made.expect("a temporary directory"));
        std::fs::create_dir(dir.0.path().join(SUBDIR)).expect("a folder in it");
        for (name, content) in files {
            std::fs::write(dir.file(name), content).expect("a file in it");
        }
        dir
    }

    /// `dataDir`.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// One of its files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(SUBDIR).join(name)
    }

    /// The contents of all files whose names begin so.
    pub(crate) fn files(&self, prefix: &str) -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(self.0.path().join(SUBDIR)).expect("the folder");
        entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
            .map(|entry| std::fs::read(entry.path()).expect("the file"))
            .collect()
    }
}
