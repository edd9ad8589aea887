//! A file system in memory (FUSE) on which chosen calls on chosen files fail: a disk that is broken in
//! one place. Needs the rights of root.
//!
//! What was written to a file whose fsync failed is gone, as a kernel may drop it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

/// The kernel asks every time.
const NO_TIME: Duration = Duration::ZERO;

/// Most bytes of a file.
const FILE_LEN_MAX: usize = 64 << 20;

/// A kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Read,
    /// Everything that changes a file or its name.
    Write,
    Sync,
}

/// How calls fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Eio,
    Enospc,
}

/// Which calls fail on which files, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) call: Call,
    /// What their names contain.
    pub(super) name: &'static str,
    pub(super) failure: Failure,
}

/// The disk; dropping it unmounts it.
pub(super) struct BadDisk {
    state: Arc<Mutex<State>>,
    _session: BackgroundSession,
}

impl BadDisk {
    /// Mounts a disk that is good so far.
    ///
    /// # Errors
    /// When that is not allowed, or the kernel has no FUSE.
    pub(super) fn mounted_at(path: &Path) -> Result<Self> {
        let state = Arc::new(Mutex::new(State::new()));
        let session = fuser::spawn_mount(Served(state.clone()), path, &Config::default())
            .context("cannot mount a file system in user space (only root can)")?;
        Ok(Self {
            state,
            _session: session,
        })
    }

    /// From now on some calls fail; none any more for `None`.
    pub(super) fn set(&self, fault: Option<Fault>) {
        let mut state = lock(&self.state);
        state.fault = fault;
        state.hits = 0;
    }

    /// How many calls failed since the last [`BadDisk::set`].
    pub(super) fn hits(&self) -> u32 {
        lock(&self.state).hits
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
enum Content {
    Directory,
    File { now: Vec<u8>, synced: Vec<u8> },
}

#[derive(Debug)]
struct Node {
    parent: u64,
    name: String,
    content: Content,
}

impl Node {
    fn kind(&self) -> FileType {
        match self.content {
            Content::Directory => FileType::Directory,
            Content::File { .. } => FileType::RegularFile,
        }
    }

    fn attributes(&self, number: u64) -> FileAttr {
        let (size, perm) = match &self.content {
            Content::Directory => (0, 0o755),
            Content::File { now, .. } => (now.len() as u64, 0o644),
        };
        FileAttr {
            ino: INodeNo(number),
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: self.kind(),
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

#[derive(Debug)]
struct State {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    fault: Option<Fault>,
    hits: u32,
}

impl State {
    fn new() -> Self {
        let root = Node {
            parent: 0,
            name: String::new(),
            content: Content::Directory,
        };
        Self {
            nodes: BTreeMap::from([(INodeNo::ROOT.0, root)]),
            next: INodeNo::ROOT.0 + 1,
            fault: None,
            hits: 0,
        }
    }

    /// Whether a call on a file of this name fails now.
    fn check(&mut self, call: Call, name: &str) -> Result<(), Errno> {
        match self.fault {
            Some(fault) if fault.call == call && name.contains(fault.name) => {
                self.hits += 1;
                Err(match fault.failure {
                    Failure::Eio => Errno::EIO,
                    Failure::Enospc => Errno::ENOSPC,
                })
            }
            _ => Ok(()),
        }
    }

    fn find(&self, parent: INodeNo, name: &OsStr) -> Result<(u64, &Node), Errno> {
        let found = self
            .nodes
            .iter()
            .find(|(_, node)| node.parent == parent.0 && OsStr::new(&node.name) == name);
        found
            .map(|(number, node)| (*number, node))
            .ok_or(Errno::ENOENT)
    }

    fn node(&self, number: INodeNo) -> Result<&Node, Errno> {
        self.nodes.get(&number.0).ok_or(Errno::ENOENT)
    }

    /// A file, after a call on it was allowed.
    fn file(&mut self, number: INodeNo, call: Call) -> Result<(&mut Vec<u8>, &mut Vec<u8>), Errno> {
        let name = self.node(number)?.name.clone();
        let allowed = self.check(call, &name);
        match self.nodes.get_mut(&number.0).map(|node| &mut node.content) {
            Some(Content::File { now, synced }) => {
                if allowed.is_err() && call == Call::Sync {
                    now.clone_from(synced);
                }
                allowed.map(|()| (now, synced))
            }
            Some(Content::Directory) => Err(Errno::EISDIR),
            None => Err(Errno::ENOENT),
        }
    }

    fn add(&mut self, parent: INodeNo, name: &OsStr, content: Content) -> Result<u64, Errno> {
        let name = name.to_str().ok_or(Errno::EINVAL)?.to_owned();
        self.check(Call::Write, &name)?;
        let number = self.next;
        self.next += 1;
        let node = Node {
            parent: parent.0,
            name,
            content,
        };
        self.nodes.insert(number, node);
        Ok(number)
    }

    fn remove(&mut self, parent: INodeNo, name: &OsStr) -> Result<(), Errno> {
        let number = self.find(parent, name)?.0;
        if self.nodes.values().any(|node| node.parent == number) {
            return Err(Errno::ENOTEMPTY);
        }
        self.nodes.remove(&number);
        Ok(())
    }

    fn rename(&mut self, from: (INodeNo, &OsStr), to: (INodeNo, &OsStr)) -> Result<(), Errno> {
        let number = self.find(from.0, from.1)?.0;
        let name = to.1.to_str().ok_or(Errno::EINVAL)?.to_owned();
        self.check(Call::Write, &name)?;
        if let Ok((old, _)) = self.find(to.0, to.1)
            && old != number
        {
            self.nodes.remove(&old);
        }
        let node = self.nodes.get_mut(&number).ok_or(Errno::ENOENT)?;
        node.parent = to.0.0;
        node.name = name;
        Ok(())
    }

    fn resize(&mut self, number: INodeNo, len: u64) -> Result<(), Errno> {
        let len = usize::try_from(len).map_err(|_| Errno::EFBIG)?;
        if len > FILE_LEN_MAX {
            return Err(Errno::EFBIG);
        }
        self.file(number, Call::Write)?.0.resize(len, 0);
        Ok(())
    }

    fn write(&mut self, number: INodeNo, offset: u64, data: &[u8]) -> Result<u32, Errno> {
        let start = usize::try_from(offset).map_err(|_| Errno::EFBIG)?;
        let end = start.saturating_add(data.len());
        if end > FILE_LEN_MAX {
            return Err(Errno::EFBIG);
        }
        let (now, _) = self.file(number, Call::Write)?;
        if now.len() < end {
            now.resize(end, 0);
        }
        let place = now.get_mut(start..end).ok_or(Errno::EINVAL)?;
        place.copy_from_slice(data);
        u32::try_from(data.len()).map_err(|_| Errno::EFBIG)
    }
}

/// What the kernel talks to.
struct Served(Arc<Mutex<State>>);

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match lock(&self.0).find(parent, name) {
            Ok((number, node)) => reply.entry(&NO_TIME, &node.attributes(number), Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match lock(&self.0).node(ino) {
            Ok(node) => reply.attr(&NO_TIME, &node.attributes(ino.0)),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<std::time::SystemTime>,
        file: Option<FileHandle>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let resized = size.map_or(Ok(()), |size| lock(&self.0).resize(ino, size));
        match resized {
            Ok(()) => self.getattr(request, ino, file, reply),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        let added = lock(&self.0).add(parent, name, Content::Directory);
        match added {
            Ok(_) => self.lookup(request, parent, name, reply),
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, lock(&self.0).remove(parent, name));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, lock(&self.0).remove(parent, name));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let renamed = lock(&self.0).rename((parent, name), (new_parent, new_name));
        answer(reply, renamed);
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Nothing is to be had from the kernel's memory instead of the disk.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match lock(&self.0).file(ino, Call::Read) {
            Ok((now, _)) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(now.len());
                let end = start
                    .saturating_add(usize::try_from(size).unwrap_or(usize::MAX))
                    .min(now.len());
                reply.data(now.get(start..end).unwrap_or_default());
            }
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match lock(&self.0).write(ino, offset, data) {
            Ok(len) => reply.written(len),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let done = lock(&self.0)
            .file(ino, Call::Sync)
            .map(|(now, synced)| synced.clone_from(now));
        answer(reply, done);
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let state = lock(&self.0);
        let children = state.nodes.iter().filter(|(_, node)| node.parent == ino.0);
        // The number of a node is its place: a listing goes on behind the last one that it gave.
        for (number, node) in children.filter(|(number, _)| **number > offset) {
            if reply.add(INodeNo(*number), *number, node.kind(), &node.name) {
                break;
            }
        }
        reply.ok();
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let mut state = lock(&self.0);
        let file = Content::File {
            now: Vec::new(),
            synced: Vec::new(),
        };
        let added = state
            .add(parent, name, file)
            .and_then(|number| Ok((number, state.node(INodeNo(number))?)));
        match added {
            Ok((number, node)) => reply.created(
                &NO_TIME,
                &node.attributes(number),
                Generation(0),
                FileHandle(0),
                FopenFlags::FOPEN_DIRECT_IO,
            ),
            Err(error) => reply.error(error),
        }
    }
}

fn answer(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}
