//! A disk in memory that stops at a chosen call and forgets what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::Choices;
use crate::{Fs, FsFile};

const SECTOR: usize = 512;

/// How an unsynced write may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tearing {
    /// A part from its beginning is there.
    Prefix,
    /// Any of its sectors are there.
    Sectors,
}

#[derive(Debug, Clone, Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync.
    changes: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

impl Change {
    fn apply(&self, data: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => {
                let end = at + bytes.len();
                if data.len() < end {
                    data.resize(end, 0);
                }
                data[*at..end].copy_from_slice(bytes);
            }
            Self::SetLen(len) => data.resize(*len, 0),
        }
    }
}

type Names = BTreeMap<PathBuf, usize>;

#[derive(Debug, Clone)]
enum NameChange {
    Link(PathBuf, usize),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Link(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Unlink(path) => {
                names.remove(path);
            }
            Self::Rename(from, to) => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
        }
    }

    fn dir(&self) -> &Path {
        let (Self::Link(path, _) | Self::Unlink(path) | Self::Rename(path, _)) = self;
        path.parent().unwrap()
    }
}

#[derive(Debug, Clone, Default)]
struct Disk {
    inodes: Vec<Inode>,
    names: Names,
    durable_names: Names,
    name_changes: Vec<NameChange>,
    dirs: BTreeSet<PathBuf>,
    /// Changing calls that were made.
    calls: usize,
    /// The call that fails, and every one after it.
    stop_at: Option<usize>,
    syncs: usize,
}

/// The disk; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct MemFs(Arc<Mutex<Disk>>);

impl MemFs {
    fn with<T>(&self, f: impl FnOnce(&mut Disk) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    /// Counts a changing call; an error once the disk has stopped.
    fn call(&self) -> io::Result<()> {
        self.with(|d| {
            d.calls += 1;
            match d.stop_at {
                Some(n) if d.calls > n => Err(io::Error::other("the power is gone")),
                _ => Ok(()),
            }
        })
    }

    pub(super) fn calls(&self) -> usize {
        self.with(|d| d.calls)
    }

    pub(super) fn file_syncs(&self) -> usize {
        self.with(|d| d.syncs)
    }

    /// The disk works for `n` more changing calls.
    pub(super) fn stop_after(&self, n: usize) {
        self.with(|d| d.stop_at = Some(d.calls + n));
    }

    /// The disk works again; nothing was lost: only the process had died.
    pub(super) fn revive(&self) {
        self.with(|d| d.stop_at = None);
    }

    /// The disk works again; of what was not synced, chance decided.
    pub(super) fn power_loss(&self, chance: &mut Choices, tearing: Tearing) {
        self.with(|d| {
            d.stop_at = None;
            for inode in &mut d.inodes {
                for change in std::mem::take(&mut inode.changes) {
                    tear(change, &mut inode.durable, chance, tearing);
                }
                inode.seen.clone_from(&inode.durable);
            }
            for change in std::mem::take(&mut d.name_changes) {
                if chance.below(2) == 0 {
                    change.apply(&mut d.durable_names);
                }
            }
            d.names.clone_from(&d.durable_names);
        });
    }

    /// An independent disk with the same content.
    pub(super) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.with(|d| d.clone()))))
    }

    pub(super) fn get(&self, path: &str) -> Vec<u8> {
        self.with(|d| d.inodes[d.names[Path::new(path)]].seen.clone())
    }

    /// Replaces or creates a file, durably.
    pub(super) fn put(&self, path: &str, data: &[u8]) {
        self.with(|d| {
            d.inodes.push(Inode {
                seen: data.to_vec(),
                durable: data.to_vec(),
                changes: Vec::new(),
            });
            let inode = d.inodes.len() - 1;
            d.names.insert(path.into(), inode);
            d.durable_names.insert(path.into(), inode);
        });
    }

    pub(super) fn delete(&self, path: &str) {
        self.with(|d| {
            d.names.remove(Path::new(path)).unwrap();
            d.durable_names.remove(Path::new(path));
        });
    }

    /// Every file and its content.
    pub(super) fn all(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.with(|d| {
            let names = d.names.iter();
            names
                .map(|(path, i)| (path.clone(), d.inodes[*i].seen.clone()))
                .collect()
        })
    }

    /// File names in a directory.
    pub(super) fn names(&self, dir: &str) -> Vec<String> {
        let mut names = self.list(Path::new(dir)).unwrap();
        names.sort();
        names
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        self.with(|d| d.names.get(path).copied())
            .ok_or(io::ErrorKind::NotFound.into())
    }

    fn change(&self, change: NameChange) {
        self.with(|d| {
            change.apply(&mut d.names);
            d.name_changes.push(change);
        });
    }
}

fn tear(change: Change, data: &mut Vec<u8>, chance: &mut Choices, tearing: Tearing) {
    let Change::Write(at, bytes) = &change else {
        if chance.below(2) == 0 {
            change.apply(data);
        }
        return;
    };
    match (chance.below(3), tearing) {
        (0, _) => {}
        (1, _) => change.apply(data),
        (_, Tearing::Prefix) => {
            let kept = chance.below(bytes.len() + 1);
            Change::Write(*at, bytes[..kept].to_vec()).apply(data);
        }
        (_, Tearing::Sectors) => {
            let mut from = 0;
            while from < bytes.len() {
                let to = ((at + from) / SECTOR * SECTOR + SECTOR - at).min(bytes.len());
                if chance.below(2) == 0 {
                    Change::Write(at + from, bytes[from..to].to_vec()).apply(data);
                }
                from = to;
            }
        }
    }
}

/// An open file.
#[derive(Debug)]
pub(super) struct MemFile {
    fs: MemFs,
    inode: usize,
}

impl MemFile {
    fn change(&self, change: Change) {
        self.fs.with(|d| {
            let inode = &mut d.inodes[self.inode];
            change.apply(&mut inode.seen);
            inode.changes.push(change);
        });
    }
}

impl FsFile for MemFile {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap();
        if let Err(e) = self.fs.call() {
            // The call during which the power goes may have got as far as the disk.
            if self.fs.with(|d| d.stop_at == Some(d.calls - 1)) {
                self.change(Change::Write(at, bytes.to_vec()));
            }
            return Err(e);
        }
        self.change(Change::Write(at, bytes.to_vec()));
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.fs.call()?;
        self.change(Change::SetLen(usize::try_from(len).unwrap()));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.fs.call()?;
        self.fs.with(|d| {
            d.syncs += 1;
            let inode = &mut d.inodes[self.inode];
            inode.changes.clear();
            inode.durable.clone_from(&inode.seen);
        });
        Ok(())
    }
}

impl Fs for MemFs {
    type File = MemFile;
    type Reader = Cursor<Vec<u8>>;
    type Lock = ();

    fn create(&self, path: &Path) -> io::Result<MemFile> {
        self.call()?;
        let inode = match self.inode(path) {
            Ok(inode) => inode,
            Err(_) => self.with(|d| {
                d.inodes.push(Inode::default());
                d.inodes.len() - 1
            }),
        };
        self.change(NameChange::Link(path.to_owned(), inode));
        let file = MemFile {
            fs: self.clone(),
            inode,
        };
        file.change(Change::SetLen(0));
        Ok(file)
    }

    fn open_write(&self, path: &Path) -> io::Result<MemFile> {
        Ok(MemFile {
            inode: self.inode(path)?,
            fs: self.clone(),
        })
    }

    fn open_read(&self, path: &Path, offset: u64) -> io::Result<Cursor<Vec<u8>>> {
        let inode = self.inode(path)?;
        let mut cursor = Cursor::new(self.with(|d| d.inodes[inode].seen.clone()));
        cursor.set_position(offset);
        Ok(cursor)
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        let inode = self.inode(path).ok();
        Ok(inode.map(|inode| self.with(|d| d.inodes[inode].seen.len() as u64)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = self.with(|d| d.names.keys().cloned().collect::<Vec<_>>());
        let inside = names.iter().filter(|path| path.parent() == Some(dir));
        let names = inside.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        Ok(names.collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call()?;
        self.inode(from)?;
        self.change(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inode(path)?;
        self.call()?;
        self.change(NameChange::Unlink(path.to_owned()));
        Ok(())
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        Ok(path == Path::new("/") || self.with(|d| d.dirs.contains(path)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        self.with(|d| d.dirs.insert(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.call()?;
        self.with(|d| {
            let (now, later): (Vec<_>, Vec<_>) = d
                .name_changes
                .drain(..)
                .partition(|change| change.dir() == dir);
            d.name_changes = later;
            for change in now {
                change.apply(&mut d.durable_names);
            }
        });
        Ok(())
    }

    fn check_writable(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock_dir(&self, _: &Path) -> io::Result<Option<()>> {
        Ok(Some(()))
    }
}
