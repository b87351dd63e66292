//! A disk in memory that forgets what was not synced, in any order, as disks do.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::meta::raft::disk::Disk;

/// Files, and what of them is on disk for sure.
#[derive(Default)]
pub(in crate::meta::raft) struct MemoryDisk {
    inner: Mutex<Inner>,
}

#[derive(Default, Clone)]
struct Inner {
    files: BTreeMap<usize, File>,
    names: BTreeMap<&'static str, usize>,
    /// What the directory may look like after a crash: as it was synced, and after each change since.
    past_names: Vec<BTreeMap<&'static str, usize>>,
    steps: usize,
    /// The power fails in this step, and nothing works after it.
    fails_at: Option<usize>,
}

#[derive(Default, Clone)]
struct File {
    synced: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(at, new) => {
                if bytes.len() < at + new.len() {
                    bytes.resize(at + new.len(), 0);
                }
                bytes[*at..at + new.len()].copy_from_slice(new);
            }
            Self::Cut(len) => bytes.resize(*len, 0),
        }
    }
}

impl File {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        self.changes.iter().for_each(|change| change.apply(&mut bytes));
        bytes
    }
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
        let before = self.inner.lock().unwrap().clone();
        let mut pasts = before.past_names;
        pasts.push(before.names);
        let names = pasts.swap_remove(rng.random_range(0..pasts.len()));
        let files = before.files.into_iter().map(|(id, file)| {
            let mut synced = file.synced;
            for change in file.changes {
                match (rng.random_range(0..4), change) {
                    (0, _) => {}
                    (1, Change::Write(at, bytes)) => {
                        let half = rng.random_range(0..=bytes.len());
                        Change::Write(at, bytes[..half].to_vec()).apply(&mut synced);
                    }
                    (_, change) => change.apply(&mut synced),
                }
            }
            (id, File { synced, changes: Vec::new() })
        });
        let files = files.collect();
        Self { inner: Mutex::new(Inner { files, names, ..Inner::default() }) }
    }

    /// One bit of a file turns.
    pub(super) fn damage(&self, name: &'static str, at: usize) {
        let mut inner = self.inner.lock().unwrap();
        let id = inner.names[name];
        let file = inner.files.get_mut(&id).unwrap();
        file.synced = file.bytes();
        file.changes.clear();
        file.synced[at] ^= 4;
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
    fn file(&mut self, name: &'static str) -> &mut File {
        if !self.names.contains_key(name) {
            self.past_names.push(self.names.clone());
            let id = self.files.len();
            self.names.insert(name, id);
            self.files.insert(id, File::default());
        }
        let id = self.names[name];
        self.files.get_mut(&id).unwrap()
    }
}

impl Disk for MemoryDisk {
    fn read(&self, name: &'static str) -> io::Result<Option<Vec<u8>>> {
        let inner = self.inner.lock().unwrap();
        Ok(inner.names.get(name).map(|id| inner.files[id].bytes()))
    }

    fn write(&self, name: &'static str, at: u64, bytes: &[u8]) -> io::Result<()> {
        let change = Change::Write(usize::try_from(at).unwrap(), bytes.to_vec());
        self.step(|inner, _| inner.file(name).changes.push(change))
    }

    fn cut(&self, name: &'static str, len: u64) -> io::Result<()> {
        let change = Change::Cut(usize::try_from(len).unwrap());
        self.step(|inner, _| inner.file(name).changes.push(change))
    }

    fn sync(&self, name: &'static str) -> io::Result<()> {
        self.step(|inner, fate| {
            if fate == Fate::Works {
                let file = inner.file(name);
                let File { synced, changes } = file;
                changes.drain(..).for_each(|change| change.apply(synced));
            }
        })
    }

    fn rename(&self, from: &'static str, to: &'static str) -> io::Result<()> {
        self.step(|inner, _| {
            inner.past_names.push(inner.names.clone());
            let id = inner.names.remove(from).unwrap();
            inner.names.insert(to, id);
        })
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.step(|inner, fate| {
            if fate == Fate::Works {
                inner.past_names.clear();
            }
        })
    }

    fn path(&self, name: &'static str) -> PathBuf {
        PathBuf::from(name)
    }
}
