//! What a disk holds, and what of it a power cut may take: what was not synced, in any order, as disks do.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};

use rand::rngs::StdRng;
use rand::{Rng, RngExt};

/// A file or a directory; 0 is the root.
pub(crate) type Id = usize;
pub(crate) const ROOT: Id = 0;
/// A disk writes this much or nothing of it.
const SECTOR: usize = 512;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    MakeFile { dir: Id, name: String, id: Id },
    MakeDir { dir: Id, name: String, id: Id },
    Move { dir: Id, from: String, to: String },
    Drop { dir: Id, name: String },
    Write { file: Id, at: usize, bytes: Vec<u8> },
    Cut { file: Id, len: usize },
    Sync(Id),
}

/// How often each thing happened.
pub(crate) type Bites = BTreeMap<&'static str, u64>;

/// Files and directories, and what of them is on disk for sure.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    nodes: BTreeMap<Id, Node>,
}

#[derive(Debug, Clone)]
enum Node {
    File { synced: Vec<u8>, changes: Vec<Change> },
    Dir { synced: Names, changes: Vec<NameChange> },
}

type Names = BTreeMap<String, Id>;

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

#[derive(Debug, Clone)]
enum NameChange {
    Put(String, Id),
    Move(String, String),
    Drop(String),
}

/// How much of what was not synced a power cut takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    Everything,
    /// What came last.
    Tail,
    /// Anything.
    Any,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: [(ROOT, Node::Dir { synced: Names::new(), changes: Vec::new() })].into() }
    }
}

impl Tree {
    /// What is at a path.
    pub(crate) fn find(&self, path: &Path) -> Option<Id> {
        let mut id = ROOT;
        for part in path.components() {
            let Component::Normal(name) = part else { return None };
            id = *self.names(id).get(name.to_str()?)?;
        }
        Some(id)
    }

    /// A number for what is made next.
    pub(crate) fn next_id(&self) -> Id {
        self.nodes.last_key_value().map_or(ROOT, |(id, _)| id + 1)
    }

    pub(crate) fn apply(&mut self, op: Op) {
        match op {
            Op::MakeFile { dir, name, id } => {
                self.nodes.insert(id, Node::File { synced: Vec::new(), changes: Vec::new() });
                self.change_names(dir, NameChange::Put(name, id));
            }
            Op::MakeDir { dir, name, id } => {
                self.nodes.insert(id, Node::Dir { synced: Names::new(), changes: Vec::new() });
                self.change_names(dir, NameChange::Put(name, id));
            }
            Op::Move { dir, from, to } => self.change_names(dir, NameChange::Move(from, to)),
            Op::Drop { dir, name } => self.change_names(dir, NameChange::Drop(name)),
            Op::Write { file, at, bytes } => self.change(file, Change::Write(at, bytes)),
            Op::Cut { file, len } => self.change(file, Change::Cut(len)),
            Op::Sync(id) => self.sync(id),
        }
    }

    fn change(&mut self, file: Id, change: Change) {
        let Some(Node::File { changes, .. }) = self.nodes.get_mut(&file) else { panic!("no file {file}") };
        changes.push(change);
    }

    fn change_names(&mut self, dir: Id, change: NameChange) {
        let Some(Node::Dir { changes, .. }) = self.nodes.get_mut(&dir) else { panic!("no directory {dir}") };
        changes.push(change);
    }

    fn sync(&mut self, id: Id) {
        match self.nodes.get_mut(&id).expect("what is synced is there") {
            Node::File { synced, changes } => changes.drain(..).for_each(|change| change.apply(synced)),
            Node::Dir { synced, changes } => changes.drain(..).for_each(|change| change.apply(synced)),
        }
    }

    /// The names in a directory.
    pub(crate) fn names(&self, dir: Id) -> Names {
        let Some(Node::Dir { synced, changes }) = self.nodes.get(&dir) else { return Names::new() };
        let mut names = synced.clone();
        for change in changes {
            change.apply(&mut names);
        }
        names
    }

    /// A file's content.
    pub(crate) fn bytes(&self, file: Id) -> Vec<u8> {
        let Some(Node::File { synced, changes }) = self.nodes.get(&file) else { panic!("no file {file}") };
        let mut bytes = synced.clone();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        bytes
    }

    pub(crate) fn is_dir(&self, id: Id) -> bool {
        matches!(self.nodes.get(&id), Some(Node::Dir { .. }))
    }

    /// The disk after a power cut; what was lost is counted.
    pub(crate) fn after_power_cut(&self, rng: &mut StdRng, bites: &mut Bites) -> Self {
        let losses = [Loss::Everything, Loss::Tail, Loss::Any];
        let (content, names) = (losses[rng.random_range(0..3)], losses[rng.random_range(0..3)]);
        let mut after = self.clone();
        for node in after.nodes.values_mut() {
            match node {
                Node::File { synced, changes } => {
                    for change in content.of(std::mem::take(changes), rng, bites) {
                        change.write_back(synced, content, rng, bites);
                    }
                }
                Node::Dir { synced, changes } => {
                    for change in names.of(std::mem::take(changes), rng, bites) {
                        change.apply(synced);
                    }
                }
            }
        }
        after
    }

    /// Makes a directory hold what the disk does.
    pub(crate) fn write_to(&self, root: &Path) -> io::Result<()> {
        if root.exists() {
            std::fs::remove_dir_all(root)?;
        }
        self.write_dir(ROOT, root)
    }

    fn write_dir(&self, dir: Id, path: &Path) -> io::Result<()> {
        std::fs::create_dir(path)?;
        for (name, id) in self.names(dir) {
            let path = path.join(name);
            if self.is_dir(id) {
                self.write_dir(id, &path)?;
            } else {
                std::fs::write(path, self.bytes(id))?;
            }
        }
        Ok(())
    }
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

    /// Applies what of it the disk has: a write may be torn between any two sectors, and what a file grew by without being written
    /// holds zeros, or what lay there before.
    fn write_back(&self, bytes: &mut Vec<u8>, loss: Loss, rng: &mut StdRng, bites: &mut Bites) {
        let Self::Write(at, new) = self else { return self.apply(bytes) };
        if loss != Loss::Any || rng.random_ratio(1, 2) {
            return self.apply(bytes);
        }
        *bites.entry("torn").or_default() += 1;
        let end = at + new.len();
        let has_old_content = rng.random_ratio(1, 4);
        let mut from = *at;
        while from < end {
            let to = (from / SECTOR * SECTOR + SECTOR).min(end);
            if rng.random() {
                Self::Write(from, new[from - at..to - at].to_vec()).apply(bytes);
            } else if bytes.len() < to {
                bytes.resize(to, 0);
                if has_old_content {
                    rng.fill_bytes(&mut bytes[from..to]);
                }
            }
            from = to;
        }
    }
}

impl NameChange {
    /// Nothing happens to a name that is not there, because what made it was lost.
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Put(name, id) => drop(names.insert(name.clone(), *id)),
            Self::Move(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
            Self::Drop(name) => drop(names.remove(name)),
        }
    }
}

trait Losable {
    fn what(&self) -> &'static str;
    /// Half of it, where that can be.
    fn half(self, rng: &mut StdRng) -> Option<Self>
    where
        Self: Sized;
}

impl Losable for Change {
    fn what(&self) -> &'static str {
        match self {
            Self::Write(..) => "write lost",
            Self::Cut(_) => "cut lost",
        }
    }

    fn half(self, rng: &mut StdRng) -> Option<Self> {
        match self {
            Self::Write(at, mut bytes) => {
                bytes.truncate(rng.random_range(0..=bytes.len()));
                Some(Self::Write(at, bytes))
            }
            Self::Cut(_) => None,
        }
    }
}

impl Losable for NameChange {
    fn what(&self) -> &'static str {
        match self {
            Self::Put(..) => "new name lost",
            Self::Move(..) => "rename lost",
            Self::Drop(_) => "removal lost",
        }
    }

    fn half(self, _: &mut StdRng) -> Option<Self> {
        None
    }
}

impl Loss {
    /// What stays.
    fn of<C: Losable>(self, changes: Vec<C>, rng: &mut StdRng, bites: &mut Bites) -> Vec<C> {
        let kept = match self {
            Self::Everything => 0,
            Self::Tail => rng.random_range(0..=changes.len()),
            Self::Any => changes.len(),
        };
        let mut stays = Vec::new();
        for (index, change) in changes.into_iter().enumerate() {
            let is_kept = index < kept && (self != Self::Any || rng.random_ratio(2, 3));
            if is_kept {
                stays.push(change);
                continue;
            }
            *bites.entry(change.what()).or_default() += 1;
            if self == Self::Tail && index == kept {
                stays.extend(change.half(rng));
            }
        }
        stays
    }
}
