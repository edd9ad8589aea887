//! The few calls to a file system that storage needs, and the real one.
//!
//! Everything goes through [`Fs`], so that a simulated disk can lose or tear whatever was not
//! synced. Each call says what it makes durable; what it does not name may be gone, or be there in
//! part, after a power loss. A crash of the process alone loses nothing that was written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Access, FlockOperation};

/// A file system.
pub trait Fs: Clone + Send + 'static {
    /// A file open for writing.
    type File: FsFile;
    /// A file open for reading from front to back.
    type Reader: Read + Send;
    /// An advisory lock; dropping it gives it back.
    type Lock: Send;

    /// Creates an empty file, or empties an existing one, for writing.
    ///
    /// Durable: the content after [`FsFile::sync`], the name after [`Fs::sync_dir`] of its parent.
    ///
    /// # Errors
    /// The system's.
    fn create(&self, path: &Path) -> io::Result<Self::File>;

    /// Opens an existing file for writing and changes nothing.
    ///
    /// # Errors
    /// The system's; `NotFound` when there is none.
    fn open_write(&self, path: &Path) -> io::Result<Self::File>;

    /// Opens a file for reading, starting at `offset` (past the end: nothing to read).
    ///
    /// # Errors
    /// The system's; `NotFound` when there is none.
    fn open_read(&self, path: &Path, offset: u64) -> io::Result<Self::Reader>;

    /// Length in bytes; `None` when there is no such file.
    ///
    /// # Errors
    /// The system's.
    fn len(&self, path: &Path) -> io::Result<Option<u64>>;

    /// Names of the plain files in a directory, in any order.
    ///
    /// # Errors
    /// The system's; `NotFound` when there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Gives a file another name in the same directory and replaces what has that name: atomic, at a
    /// power loss as well. Durable after [`Fs::sync_dir`].
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Durable after [`Fs::sync_dir`].
    ///
    /// # Errors
    /// The system's; `NotFound` when there is none.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Whether a directory of this name exists.
    ///
    /// # Errors
    /// The system's.
    fn is_dir(&self, path: &Path) -> io::Result<bool>;

    /// Creates one directory in an existing one. Durable after [`Fs::sync_dir`] of the parent.
    ///
    /// # Errors
    /// The system's.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes every create, rename and remove done in the directory so far durable.
    ///
    /// # Errors
    /// The system's; the state on disk is unknown then.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Fails when this process may not write to the directory; changes nothing.
    ///
    /// # Errors
    /// The system's.
    fn check_writable(&self, dir: &Path) -> io::Result<()>;

    /// Takes an advisory lock on a directory; `None` when another holder has it. Leaves no file.
    ///
    /// # Errors
    /// The system's.
    fn lock_dir(&self, dir: &Path) -> io::Result<Option<Self::Lock>>;
}

/// A file open for writing.
pub trait FsFile: Send {
    /// Writes all of `bytes` at `offset`; a gap before it reads as zeros. Durable after
    /// [`FsFile::sync`]; before, any part of it may be there after a power loss.
    ///
    /// # Errors
    /// The system's; part of it may be written.
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file, or extends it with zeros. Durable after [`FsFile::sync`].
    ///
    /// # Errors
    /// The system's.
    fn set_len(&mut self, len: u64) -> io::Result<()>;

    /// fdatasync: makes content and length durable, not the name.
    ///
    /// # Errors
    /// The system's; what the disk holds is unknown then, and trying again proves nothing.
    fn sync(&mut self) -> io::Result<()>;
}

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct StdFs;

impl FsFile for File {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Fs for StdFs {
    type File = File;
    type Reader = File;
    type Lock = File;

    fn create(&self, path: &Path) -> io::Result<File> {
        File::create(path)
    }

    fn open_write(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).open(path)
    }

    fn open_read(&self, path: &Path, offset: u64) -> io::Result<File> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(path) {
            Ok(meta) => Ok(Some(meta.len())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            // A name that is not UTF-8 is none of ours.
            if let (false, Ok(name)) =
                (entry.file_type()?.is_dir(), entry.file_name().into_string())
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        match fs::metadata(path) {
            Ok(meta) => Ok(meta.is_dir()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn check_writable(&self, dir: &Path) -> io::Result<()> {
        Ok(rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK)?)
    }

    fn lock_dir(&self, dir: &Path) -> io::Result<Option<File>> {
        let dir = File::open(dir)?;
        match rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(dir)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}
