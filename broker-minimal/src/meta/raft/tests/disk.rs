//! A disk in memory that forgets what was not synced, in any order, as disks do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::disk::tree::{Bites, Id, Op, ROOT, Tree};
use crate::meta::raft::disk::Disk;

/// Files, and what of them is on disk for sure.
#[derive(Default)]
pub(in crate::meta::raft) struct MemoryDisk {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    tree: Tree,
    steps: usize,
    /// The power fails in this step, and nothing works after it.
    fails_at: Option<usize>,
}

impl MemoryDisk {
    pub(super) fn failing_at(step: usize) -> Self {
        Self { inner: Mutex::new(Inner { fails_at: Some(step), ..Inner::default() }) }
    }

    /// Writes, cuts, syncs and renames so far.
    pub(super) fn steps(&self) -> usize {
        self.inner.lock().unwrap().steps
    }

    /// What a start after a crash finds. Of what was not synced each piece may be there, or not, or half.
    pub(in crate::meta::raft) fn after_crash(&self, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let tree = self.inner.lock().unwrap().tree.after_power_cut(&mut rng, &mut Bites::new());
        Self { inner: Mutex::new(Inner { tree, ..Inner::default() }) }
    }

    /// One bit of a file turns.
    pub(super) fn damage(&self, name: &'static str, at: usize) {
        let mut inner = self.inner.lock().unwrap();
        let tree = &mut inner.tree;
        let file = tree.find(Path::new(name)).unwrap();
        let bytes = vec![tree.bytes(file)[at] ^ 4];
        tree.apply(Op::Write { file, at, bytes });
        tree.apply(Op::Sync(file));
    }

    fn step(&self, change: impl FnOnce(&mut Inner, Fate)) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap();
        let step = inner.steps;
        inner.steps += 1;
        let fate = match inner.fails_at {
            Some(fails_at) if step > fails_at => return Err(io::Error::other("the power is off")),
            Some(fails_at) if step == fails_at => Fate::Fails,
            _ => Fate::Works,
        };
        change(&mut inner, fate);
        match fate {
            Fate::Works => Ok(()),
            Fate::Fails => Err(io::Error::other("the power fails")),
        }
    }
}

/// A step that fails may have done its work, or part of it; but nothing is known to be on disk after it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Works,
    Fails,
}

impl Inner {
    fn file(&mut self, name: &'static str) -> Id {
        self.tree.find(Path::new(name)).unwrap_or_else(|| {
            let id = self.tree.next_id();
            self.tree.apply(Op::MakeFile { dir: ROOT, name: name.to_owned(), id });
            id
        })
    }
}

impl Disk for MemoryDisk {
    fn read(&self, name: &'static str) -> io::Result<Option<Vec<u8>>> {
        let inner = self.inner.lock().unwrap();
        let tree = &inner.tree;
        Ok(tree.find(Path::new(name)).map(|file| tree.bytes(file)))
    }

    fn write(&self, name: &'static str, at: u64, bytes: &[u8]) -> io::Result<()> {
        let (at, bytes) = (usize::try_from(at).unwrap(), bytes.to_vec());
        self.step(|inner, _| {
            let file = inner.file(name);
            inner.tree.apply(Op::Write { file, at, bytes });
        })
    }

    fn cut(&self, name: &'static str, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).unwrap();
        self.step(|inner, _| {
            let file = inner.file(name);
            inner.tree.apply(Op::Cut { file, len });
        })
    }

    fn sync(&self, name: &'static str) -> io::Result<()> {
        self.step(|inner, fate| {
            if fate == Fate::Works {
                let file = inner.file(name);
                inner.tree.apply(Op::Sync(file));
            }
        })
    }

    fn rename(&self, from: &'static str, to: &'static str) -> io::Result<()> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.step(|inner, _| inner.tree.apply(Op::Move { dir: ROOT, from, to }))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.step(|inner, fate| {
            if fate == Fate::Works {
                inner.tree.apply(Op::Sync(ROOT));
            }
        })
    }

    fn path(&self, name: &'static str) -> PathBuf {
        PathBuf::from(name)
    }
}
