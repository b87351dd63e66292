//! Records what a test's own thread does to the disk below the roots that it named, and fails what it is told to.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, IoSlice};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::tree::{Id, Op, ROOT, Tree};

thread_local! {
    static RECORDINGS: RefCell<Vec<Recording>> = const { RefCell::new(Vec::new()) };
    /// How many more changes the process makes before it counts as killed.
    static STEPS_LEFT: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
    /// What is not synced when it should be.
    static SKIPPED: std::cell::Cell<Option<Skip>> = const { std::cell::Cell::new(None) };
    /// How many more syncs work before one fails.
    static SYNCS_LEFT: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
}

/// Syncs that a mistaken caller would leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    Files,
    Directories,
    /// Of a file that was just cut.
    Cuts,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Write,
    Name,
}

/// One directory that is recorded.
#[derive(Debug)]
struct Recording {
    root: PathBuf,
    tree: Tree,
    ops: Vec<Op>,
    inodes: HashMap<(u64, u64), Id>,
}

/// Records below `root`, which holds what `tree` does.
pub(crate) fn start(root: &Path, tree: Tree) {
    let mut recording = Recording { root: root.to_owned(), tree, ops: Vec::new(), inodes: HashMap::new() };
    recording.know(ROOT, root);
    RECORDINGS.with_borrow_mut(|all| {
        all.retain(|other| other.root != root);
        all.push(recording);
    });
}

/// Ends all recordings: a test that failed may have left some.
pub(crate) fn clear() {
    RECORDINGS.with_borrow_mut(Vec::clear);
    skip(None);
}

/// Ends a recording: what the disk holds, and everything that was done.
pub(crate) fn stop(root: &Path) -> (Tree, Vec<Op>) {
    let found = RECORDINGS.with_borrow_mut(|all| {
        let index = all.iter().position(|recording| recording.root == root)?;
        Some(all.swap_remove(index))
    });
    let Recording { tree, ops, .. } = found.expect("it is recorded");
    (tree, ops)
}

/// How much was done so far.
pub(crate) fn steps(root: &Path) -> usize {
    let find =
        |all: &Vec<Recording>| all.iter().find(|recording| recording.root == root).map(|r| r.ops.len());
    RECORDINGS.with_borrow(find).expect("it is recorded")
}

/// After so many changes nothing works any more; `None` takes that back.
pub(crate) fn die_after(steps: Option<usize>) {
    STEPS_LEFT.set(steps);
}

/// From now on these syncs do nothing.
pub(crate) fn skip(what: Option<Skip>) {
    SKIPPED.set(what);
}

/// After so many syncs one fails, once.
pub(crate) fn fail_sync_after(syncs: Option<usize>) {
    SYNCS_LEFT.set(syncs);
}

fn is_alive() -> io::Result<()> {
    let left = STEPS_LEFT.get();
    STEPS_LEFT.set(left.map(|left| left.saturating_sub(1)));
    if left == Some(0) { Err(io::Error::other("the process was killed")) } else { Ok(()) }
}

pub(super) fn allow(_: Kind) -> io::Result<()> {
    is_alive()
}

fn sync_id(find: impl Fn(&Recording) -> Option<Id>) -> Option<io::Result<()>> {
    if let Err(error) = is_alive() {
        return Some(Err(error));
    }
    let left = SYNCS_LEFT.get();
    SYNCS_LEFT.set(left.and_then(|left| left.checked_sub(1)));
    if left == Some(0) {
        return Some(Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())));
    }
    RECORDINGS.with_borrow_mut(|all| {
        let (id, recording) = all.iter_mut().find_map(|recording| Some((find(recording)?, recording)))?;
        let is_skipped = match SKIPPED.get() {
            Some(Skip::Files) => !recording.tree.is_dir(id),
            Some(Skip::Directories) => recording.tree.is_dir(id),
            Some(Skip::Cuts) => matches!(recording.ops.last(), Some(Op::Cut { file, .. }) if *file == id),
            None => false,
        };
        if !is_skipped {
            recording.take(Op::Sync(id));
        }
        Some(Ok(()))
    })
}

pub(super) fn sync(file: &File) -> Option<io::Result<()>> {
    let inode = inode(&file.metadata().ok()?);
    sync_id(|recording| recording.inodes.get(&inode).copied())
}

pub(super) fn sync_path(path: &Path) -> Option<io::Result<()>> {
    if !path.exists() {
        return None;
    }
    sync_id(|recording| recording.tree.find(path.strip_prefix(&recording.root).ok()?))
}

pub(super) fn opened(path: &Path, file: &File) {
    let Ok(metadata) = file.metadata() else { return };
    at(path, |recording, relative| {
        if recording.tree.find(relative).is_none() {
            let (dir, name, id) = recording.place(relative);
            recording.take(Op::MakeFile { dir, name, id });
            recording.inodes.insert(inode(&metadata), id);
        }
    });
}

pub(super) fn made_dir(path: &Path) {
    at(path, |recording, relative| {
        let (dir, name, id) = recording.place(relative);
        recording.take(Op::MakeDir { dir, name, id });
    });
}

pub(super) fn wrote(file: &File, slices: &[IoSlice<'_>], written: usize, position: u64) {
    of(file, |recording, file| {
        let mut bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        bytes.truncate(written);
        let at = usize::try_from(position).expect("a small file");
        recording.take(Op::Write { file, at, bytes });
    });
}

pub(super) fn cut(file: &File, len: u64) {
    of(file, |recording, file| {
        let len = usize::try_from(len).expect("a small file");
        if recording.tree.bytes(file).len() != len {
            recording.take(Op::Cut { file, len });
        }
    });
}

pub(super) fn renamed(from: &Path, to: &Path) {
    at(from, |recording, relative| {
        let (dir, from, _) = recording.place(relative);
        assert_eq!(relative.parent(), to.strip_prefix(&recording.root).ok().and_then(Path::parent));
        let to = to.file_name().expect("a name").to_string_lossy().into_owned();
        recording.take(Op::Move { dir, from, to });
    });
}

pub(super) fn removed(path: &Path) {
    at(path, |recording, relative| {
        let (dir, name, _) = recording.place(relative);
        if let Some(inner) = recording.tree.find(relative).filter(|id| recording.tree.is_dir(*id)) {
            for name in recording.tree.names(inner).into_keys() {
                recording.take(Op::Drop { dir: inner, name });
            }
        }
        recording.take(Op::Drop { dir, name });
    });
}

impl Recording {
    fn take(&mut self, op: Op) {
        self.tree.apply(op.clone());
        self.ops.push(op);
    }

    /// Its directory, its name in it, and a number if it is new.
    fn place(&self, relative: &Path) -> (Id, String, Id) {
        let dir = relative.parent().and_then(|parent| self.tree.find(parent)).expect("a known directory");
        let name = relative.file_name().expect("a name").to_string_lossy().into_owned();
        (dir, name, self.tree.next_id())
    }

    fn know(&mut self, dir: Id, path: &Path) {
        for (name, id) in self.tree.names(dir) {
            let path = path.join(name);
            if self.tree.is_dir(id) {
                self.know(id, &path);
            } else {
                let metadata = path.metadata().expect("the tree is there");
                self.inodes.insert(inode(&metadata), id);
            }
        }
    }
}

fn inode(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn at(path: &Path, record: impl FnOnce(&mut Recording, &Path)) {
    RECORDINGS.with_borrow_mut(|all| {
        let found = all.iter_mut().find_map(|recording| {
            let relative = path.strip_prefix(&recording.root).ok()?.to_owned();
            Some((recording, relative))
        });
        if let Some((recording, relative)) = found {
            record(recording, &relative);
        }
    });
}

fn of(file: &File, record: impl FnOnce(&mut Recording, Id)) {
    RECORDINGS.with_borrow_mut(|all| {
        if all.is_empty() {
            return;
        }
        let inode = file.metadata().map(|metadata| inode(&metadata)).expect("an open file");
        let found = all.iter_mut().find_map(|recording| {
            let id = *recording.inodes.get(&inode)?;
            Some((recording, id))
        });
        if let Some((recording, id)) = found {
            record(recording, id);
        }
    });
}
