//! Where the lines go: standard error, or a file that is put aside when it has grown.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::config::AuditSettings;

/// A place for lines.
#[derive(Debug)]
pub(super) enum Sink {
    /// Among the lines of the log.
    StandardError,
    /// A file.
    File(Rotating),
}

/// A file, and those that were put aside: `audit.log.1` is the youngest.
#[derive(Debug)]
pub(super) struct Rotating {
    path: PathBuf,
    file: File,
    len: u64,
    len_max: u64,
    files_max: usize,
}

/// What the place is called.
pub(super) fn name(settings: &AuditSettings) -> String {
    let file = settings.file.as_ref();
    file.map_or_else(
        || "standard error".into(),
        |file| file.display().to_string(),
    )
}

impl Sink {
    pub(super) fn open(settings: &AuditSettings) -> io::Result<Self> {
        let Some(path) = &settings.file else {
            return Ok(Self::StandardError);
        };
        let (file, len) = open(path)?;
        Ok(Self::File(Rotating {
            path: path.clone(),
            file,
            len,
            len_max: settings.file_bytes_max,
            files_max: settings.files_max,
        }))
    }

    /// Writes whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::StandardError => io::stderr().lock().write_all(lines),
            Self::File(rotating) => rotating.write(lines),
        }
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = File::options().create(true).append(true).open(path)?;
    let len = file.metadata()?.len();
    Ok((file, len))
}

impl Rotating {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let added = lines.len() as u64;
        if self.len > 0 && self.len + added > self.len_max {
            self.put_aside()?;
        }
        self.len += added;
        self.file.write_all(lines)
    }

    /// Gives the file and those before it the next number; the oldest goes.
    fn put_aside(&mut self) -> io::Result<()> {
        let numbered = |number: usize| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        let oldest = self.files_max - 1;
        for number in (1..oldest).rev() {
            rename(&numbered(number), &numbered(number + 1))?;
        }
        match oldest {
            0 => fs::remove_file(&self.path)?,
            _ => rename(&self.path, &numbered(1))?,
        }
        (self.file, self.len) = open(&self.path)?;
        Ok(())
    }
}

/// Renames what is there.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files_max: usize) -> Vec<(String, String)> {
        let directory = tempfile::tempdir().unwrap();
        let settings = AuditSettings {
            file: Some(directory.path().join("audit.log")),
            file_bytes_max: 10,
            files_max,
        };
        for line in ["first\n", "second\n", "third\n", "4\n", "fifth\n"] {
            // Opened anew each time, as by servers that start again.
            Sink::open(&settings)
                .unwrap()
                .write(line.as_bytes())
                .unwrap();
        }
        let entries = fs::read_dir(directory.path()).unwrap();
        let mut files: Vec<(String, String)> = entries
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn a_file_that_has_grown_is_put_aside() {
        let expected = [
            ("audit.log", "fifth\n"),
            ("audit.log.1", "third\n4\n"),
            ("audit.log.2", "second\n"),
        ];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(files(3), expected);
        assert_eq!(files(1), expected[..1]);
    }

    #[test]
    fn a_place_that_is_not_there_is_refused() {
        let settings = AuditSettings {
            file: Some(PathBuf::from("/no/such/directory/audit.log")),
            file_bytes_max: 10,
            files_max: 1,
        };
        assert!(Sink::open(&settings).is_err());
        assert_eq!(name(&settings), "/no/such/directory/audit.log");
    }
}
