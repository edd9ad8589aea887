//! A disk in memory that keeps only what it must.
//!
//! The killing of a process loses nothing. A loss of power loses or tears whatever was not made
//! durable by the call that promises it: of a file the sectors written since its last sync, each on
//! its own or in any prefix, and its new length; of a directory the creates, renames and removes
//! since its last sync, from some point on. What was made durable stays.
//!
//! A fuse stops the disk in the middle of a sequence of calls: the one at which it blows and all
//! later ones fail, as if the machine had gone at that moment.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zk_storage::{Fs, FsFile};

use crate::seed::Dice;

/// A log of so many bytes has several records.
const LONG_LOG: usize = 1500;

/// What a disk writes in one piece.
const SECTOR: u64 = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    File(u64),
    Dir,
}

#[derive(Debug)]
enum DirOp {
    Put(String, Entry),
    Remove(String),
    Rename(String, String),
}

#[derive(Debug, Default)]
struct Dir {
    entries: BTreeMap<String, Entry>,
    durable: BTreeMap<String, Entry>,
    pending: Vec<DirOp>,
}

fn apply(entries: &mut BTreeMap<String, Entry>, op: &DirOp) {
    match op {
        DirOp::Put(name, entry) => {
            entries.insert(name.clone(), *entry);
        }
        DirOp::Remove(name) => {
            entries.remove(name);
        }
        DirOp::Rename(from, to) => {
            if let Some(entry) = entries.remove(from) {
                entries.insert(to.clone(), entry);
            }
        }
    }
}

impl Dir {
    fn change(&mut self, op: DirOp) {
        apply(&mut self.entries, &op);
        self.pending.push(op);
    }

    fn sync(&mut self) {
        self.pending.clear();
        self.durable.clone_from(&self.entries);
    }

    fn lose_power(&mut self, dice: &mut Dice) {
        let kept = match dice.between(0, 3) {
            0 => 0,
            1 => self.pending.len(),
            _ => dice.below(self.pending.len() + 1),
        };
        for op in self.pending.drain(..).take(kept) {
            apply(&mut self.durable, &op);
        }
        self.entries.clone_from(&self.durable);
    }
}

/// Bytes behind the end of `bytes` and before `len` are zeros.
#[derive(Debug, Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    len: u64,
}

fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

impl Content {
    fn write(&mut self, bytes: &[u8], offset: u64) {
        let (start, end) = (index(offset), index(offset) + bytes.len());
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if let Some(to) = self.bytes.get_mut(start..end) {
            to.copy_from_slice(bytes);
        }
        self.len = self.len.max(offset + bytes.len() as u64);
    }

    fn set_len(&mut self, len: u64) {
        self.bytes.truncate(index(len));
        self.len = len;
    }

    /// Takes over one sector of another version, or the first `cut` bytes of it.
    fn take_sector(&mut self, from: &Self, sector: u64, cut: u64) {
        let offset = sector * SECTOR;
        let end = (offset + cut).min(from.len);
        if end <= offset {
            return;
        }
        let piece: Vec<u8> = (offset..end)
            .map(|at| from.bytes.get(index(at)).copied().unwrap_or(0))
            .collect();
        self.write(&piece, offset);
    }
}

#[derive(Debug, Default)]
struct Inode {
    now: Content,
    durable: Content,
    dirty: BTreeSet<u64>,
}

impl Inode {
    fn touch(&mut self, start: u64, end: u64) {
        if end > start {
            self.dirty.extend(start / SECTOR..=(end - 1) / SECTOR);
        }
    }

    fn sync(&mut self) {
        self.durable.set_len(self.now.len.min(self.durable.len));
        for sector in std::mem::take(&mut self.dirty) {
            self.durable.take_sector(&self.now, sector, SECTOR);
        }
        self.durable.set_len(self.now.len);
    }

    fn lose_power(&mut self, dice: &mut Dice) {
        if self.dirty.is_empty() && self.durable.len == self.now.len {
            return;
        }
        let dirty: Vec<u64> = std::mem::take(&mut self.dirty).into_iter().collect();
        let (kept, new_len): (Vec<u64>, bool) = match dice.between(0, 3) {
            0 => (Vec::new(), dice.percent(30)),
            1 => (dirty, true),
            2 => {
                let n = dice.below(dirty.len() + 1);
                (dirty.into_iter().take(n).collect(), dice.percent(70))
            }
            _ => (
                dirty.into_iter().filter(|_| dice.percent(50)).collect(),
                dice.percent(70),
            ),
        };
        let len = if new_len {
            self.now.len
        } else {
            self.durable.len
        };
        let last = kept.last().copied();
        for sector in kept {
            let torn = Some(sector) == last && dice.percent(40);
            let cut = if torn {
                dice.between(1, SECTOR)
            } else {
                SECTOR
            };
            self.durable.take_sector(&self.now, sector, cut);
        }
        self.durable.set_len(len);
        self.now = self.durable.clone();
    }
}

#[derive(Debug, Default)]
struct Disk {
    inodes: BTreeMap<u64, Inode>,
    next: u64,
    dirs: BTreeMap<PathBuf, Dir>,
    locked: BTreeSet<PathBuf>,
    /// Calls that change something until the disk stops; `None`: it does not.
    fuse: Option<u64>,
    blown: bool,
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, path.display().to_string())
}

fn stopped() -> io::Error {
    io::Error::other("the machine is gone")
}

impl Disk {
    /// Every call that changes something goes through here first.
    fn burn(&mut self) -> io::Result<()> {
        if let Some(left) = &mut self.fuse {
            if *left == 0 {
                self.blown = true;
            } else {
                *left -= 1;
            }
        }
        if self.blown { Err(stopped()) } else { Ok(()) }
    }

    fn dir_of(&mut self, path: &Path) -> io::Result<(&mut Dir, String)> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| not_found(path))?.to_owned();
        let parent = path.parent().unwrap_or(Path::new("/"));
        let dir = self.dirs.get_mut(parent).ok_or_else(|| not_found(path))?;
        Ok((dir, name))
    }

    fn file(&mut self, path: &Path) -> io::Result<Option<u64>> {
        let (dir, name) = self.dir_of(path)?;
        Ok(match dir.entries.get(&name) {
            Some(Entry::File(inode)) => Some(*inode),
            _ => None,
        })
    }

    fn lose_power(&mut self, dice: &mut Dice) {
        for inode in self.inodes.values_mut() {
            inode.lose_power(dice);
        }
        let paths: Vec<PathBuf> = self.dirs.keys().cloned().collect();
        for path in paths {
            let parent = path.parent().map(Path::to_path_buf);
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
            // Parents come first in this order, so that they have decided.
            let gone = parent.is_some_and(|parent| {
                let dir = self.dirs.get(&parent);
                !dir.is_some_and(|dir| dir.entries.contains_key(name))
            });
            if gone {
                self.dirs.remove(&path);
            } else if let Some(dir) = self.dirs.get_mut(&path) {
                dir.lose_power(dice);
            }
        }
        self.drop_unlinked();
    }

    /// Forgets files that no directory names, durably or not.
    fn drop_unlinked(&mut self) {
        let named: BTreeSet<u64> = self
            .dirs
            .values()
            .flat_map(|dir| dir.entries.values().chain(dir.durable.values()))
            .filter_map(|entry| match entry {
                Entry::File(inode) => Some(*inode),
                Entry::Dir => None,
            })
            .collect();
        self.inodes.retain(|id, _| named.contains(id));
    }
}

/// The disk of one server; clones are the same disk.
#[derive(Debug, Clone)]
pub(crate) struct SimFs(Arc<Mutex<Disk>>);

impl SimFs {
    pub(crate) fn new() -> Self {
        let mut disk = Disk::default();
        disk.dirs.insert(PathBuf::from("/"), Dir::default());
        Self(Arc::new(Mutex::new(disk)))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the disk after `calls` more calls that change something.
    pub(crate) fn arm(&self, calls: u64) {
        self.disk().fuse = Some(calls);
    }

    /// Takes the fuse out; tells whether it had blown.
    pub(crate) fn disarm(&self) -> bool {
        let mut disk = self.disk();
        disk.fuse = None;
        std::mem::take(&mut disk.blown)
    }

    /// The disk is replaced by an empty one.
    pub(crate) fn wipe(&self) {
        let mut disk = self.disk();
        disk.inodes.clear();
        disk.dirs.clear();
        disk.dirs.insert(PathBuf::from("/"), Dir::default());
    }

    /// Puts a file where it is durable at once, with its directories.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let path = Path::new(path);
        let mut disk = self.disk();
        disk.next += 1;
        let inode = disk.next;
        let mut content = Content::default();
        content.write(bytes, 0);
        disk.inodes.insert(
            inode,
            Inode {
                now: content.clone(),
                durable: content,
                dirty: BTreeSet::new(),
            },
        );
        let mut child = (path, Entry::File(inode));
        while let (Some(parent), Some(name)) = (child.0.parent(), child.0.file_name()) {
            let dir = disk.dirs.entry(parent.to_owned()).or_default();
            dir.entries
                .insert(name.to_string_lossy().into_owned(), child.1);
            dir.sync();
            child = (parent, Entry::Dir);
        }
    }

    /// Flips a bit of a snapshot, or of a record in a log that others follow; tells where. `None`:
    /// there is no such place.
    pub(crate) fn damage(&self, dice: &mut Dice) -> Option<String> {
        let mut disk = self.disk();
        let dir = disk.dirs.get(Path::new("/data/version-2"))?;
        // Only what the next start will read: other damage may stay unseen until it is in nobody's way.
        let zxid = |name: &str, kind: &str| {
            let hex = name.strip_prefix(kind)?;
            u64::from_str_radix(hex, 16).ok()
        };
        let names = dir.entries.keys();
        let newest = names.filter_map(|name| zxid(name, "snapshot.")).max()?;
        let is_read = |name: &str| {
            zxid(name, "snapshot.") == Some(newest)
                || zxid(name, "log.").is_some_and(|first| first > newest)
        };
        let files: Vec<(String, u64)> = dir
            .entries
            .iter()
            .filter_map(|(name, entry)| match entry {
                Entry::File(inode) => Some((name.clone(), *inode)),
                Entry::Dir => None,
            })
            .filter(|(name, _)| is_read(name))
            .collect();
        let (name, inode) = files.get(dice.below(files.len()))?.clone();
        let inode = disk.inodes.get_mut(&inode)?;
        let used = inode.now.bytes.iter().rposition(|byte| *byte != 0)?;
        // The end of a log may be a torn write, which is no damage: keep away from it.
        let (from, to) = match name.starts_with("log.") {
            true if used < LONG_LOG => return None,
            true => (20, used / 4),
            false => (20, used),
        };
        if to <= from {
            return None;
        }
        let at = from + dice.below(to - from);
        let bit = 1 << dice.below(8);
        for content in [&mut inode.now, &mut inode.durable] {
            if let Some(byte) = content.bytes.get_mut(at) {
                *byte ^= bit;
            }
        }
        Some(format!("{name} damaged at {at}"))
    }

    /// The power goes: what was not durable is lost or torn.
    pub(crate) fn lose_power(&self, dice: &mut Dice) {
        self.disk().lose_power(dice);
    }
}

/// A file open for writing.
#[derive(Debug)]
pub(crate) struct SimFile {
    fs: SimFs,
    inode: u64,
}

/// A file open for reading.
#[derive(Debug)]
pub(crate) struct SimReader {
    fs: SimFs,
    inode: u64,
    at: u64,
}

/// A lock on a directory.
#[derive(Debug)]
pub(crate) struct SimLock {
    fs: SimFs,
    dir: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.fs.disk().locked.remove(&self.dir);
    }
}

impl Read for SimReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let disk = self.fs.disk();
        let inode = disk.inodes.get(&self.inode).ok_or_else(stopped)?;
        let left = inode.now.len.saturating_sub(self.at);
        let n = buf.len().min(index(left));
        let known = inode.now.bytes.get(index(self.at)..).unwrap_or_default();
        for (i, to) in buf.iter_mut().take(n).enumerate() {
            *to = known.get(i).copied().unwrap_or(0);
        }
        self.at += n as u64;
        Ok(n)
    }
}

impl SimFile {
    fn change(&mut self, edit: impl FnOnce(&mut Inode)) -> io::Result<()> {
        let mut disk = self.fs.disk();
        disk.burn()?;
        let inode = disk.inodes.get_mut(&self.inode).ok_or_else(stopped)?;
        edit(inode);
        Ok(())
    }
}

impl FsFile for SimFile {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.change(|inode| {
            let old = inode.now.len;
            inode.touch(old.min(offset), offset + bytes.len() as u64);
            inode.now.write(bytes, offset);
        })
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.change(|inode| {
            // Only what is cut off and written again changes; zeros at the end are the length.
            if len < inode.now.len {
                let kept = inode.now.bytes.len() as u64;
                inode.touch(len, kept.max(len));
            }
            inode.now.set_len(len);
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.change(Inode::sync)
    }
}

impl Fs for SimFs {
    type File = SimFile;
    type Reader = SimReader;
    type Lock = SimLock;

    fn create(&self, path: &Path) -> io::Result<SimFile> {
        let mut disk = self.disk();
        disk.burn()?;
        let inode = match disk.file(path)? {
            Some(inode) => {
                if let Some(inode) = disk.inodes.get_mut(&inode) {
                    let kept = inode.now.bytes.len() as u64;
                    inode.touch(0, kept);
                    inode.now.set_len(0);
                }
                inode
            }
            None => {
                disk.next += 1;
                let inode = disk.next;
                disk.inodes.insert(inode, Inode::default());
                let (dir, name) = disk.dir_of(path)?;
                dir.change(DirOp::Put(name, Entry::File(inode)));
                inode
            }
        };
        let fs = self.clone();
        Ok(SimFile { fs, inode })
    }

    fn open_write(&self, path: &Path) -> io::Result<SimFile> {
        let inode = self.disk().file(path)?.ok_or_else(|| not_found(path))?;
        let fs = self.clone();
        Ok(SimFile { fs, inode })
    }

    fn open_read(&self, path: &Path, offset: u64) -> io::Result<SimReader> {
        let inode = self.disk().file(path)?.ok_or_else(|| not_found(path))?;
        let fs = self.clone();
        let at = offset;
        Ok(SimReader { fs, inode, at })
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        let mut disk = self.disk();
        let inode = match disk.file(path) {
            Ok(Some(inode)) => inode,
            Ok(None) => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        Ok(disk.inodes.get(&inode).map(|inode| inode.now.len))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk();
        let found = disk.dirs.get(dir).ok_or_else(|| not_found(dir))?;
        let files = found.entries.iter();
        Ok(files
            .filter(|(_, entry)| **entry != Entry::Dir)
            .map(|(name, _)| name.clone())
            .collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.burn()?;
        let inode = disk.file(from)?.ok_or_else(|| not_found(from))?;
        let (other, target) = disk.dir_of(to)?;
        if from.parent() == to.parent() {
            let (dir, source) = disk.dir_of(from)?;
            dir.change(DirOp::Rename(source, target));
            return Ok(());
        }
        // Each directory remembers its part by itself: a loss of power may leave both names.
        other.change(DirOp::Put(target, Entry::File(inode)));
        let (dir, source) = disk.dir_of(from)?;
        dir.change(DirOp::Remove(source));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.burn()?;
        disk.file(path)?.ok_or_else(|| not_found(path))?;
        let (dir, name) = disk.dir_of(path)?;
        dir.change(DirOp::Remove(name));
        Ok(())
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        Ok(self.disk().dirs.contains_key(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.burn()?;
        let (dir, name) = disk.dir_of(path)?;
        dir.change(DirOp::Put(name, Entry::Dir));
        disk.dirs.insert(path.to_path_buf(), Dir::default());
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.burn()?;
        disk.dirs.get_mut(dir).ok_or_else(|| not_found(dir))?.sync();
        Ok(())
    }

    fn check_writable(&self, dir: &Path) -> io::Result<()> {
        let disk = self.disk();
        disk.dirs.get(dir).map(|_| ()).ok_or_else(|| not_found(dir))
    }

    fn lock_dir(&self, dir: &Path) -> io::Result<Option<SimLock>> {
        let fresh = self.disk().locked.insert(dir.to_path_buf());
        let (fs, dir) = (self.clone(), dir.to_path_buf());
        Ok(fresh.then_some(SimLock { fs, dir }))
    }
}

#[cfg(test)]
mod tests;
