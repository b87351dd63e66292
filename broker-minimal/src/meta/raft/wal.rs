//! The quorum's log on disk: who this node is, its vote, its entries, and what is known to be committed.
//!
//! One file of frames, only ever appended to. What must not be forgotten is on disk before anybody hears of it. Purged
//! entries leave when the file is written anew beside the old one, which it replaces in one step.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::disk::{Disk, replace};
use super::frame::{self, Found};
use super::types::{Entry, LogId, Vote};

/// The file's name.
const NAME: &str = "quorum.log";
/// Where it is written anew.
const ASIDE: &str = "quorum.log.new";
/// How it begins; the last byte is the format's version.
const MAGIC: &[u8; 8] = b"klquorm\x01";

/// Why the log cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WalError {
    #[error("{path}: {source}")]
    Disk { path: PathBuf, source: io::Error },
    #[error("{path}: corrupt at byte {position}, and there are valid records from byte {next} on")]
    Corrupt { path: PathBuf, position: usize, next: usize },
    #[error("{path}: the record at byte {position} cannot be read: {source}")]
    Record { path: PathBuf, position: usize, source: postcard::Error },
    #[error("{0}: not a quorum's log, or one of a newer version")]
    Foreign(PathBuf),
    #[error("a record of the quorum's log cannot be encoded: {0}")]
    Encode(postcard::Error),
    #[error("a record of {0} bytes is too long for the quorum's log")]
    TooLarge(usize),
    #[error("{0}: writing failed before, restart the broker")]
    Offline(PathBuf),
    #[error("the quorum's log is closed")]
    Closed,
}

/// One step of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Op {
    Identity(Identity),
    Vote(Vote),
    Append(Vec<Entry>),
    /// Everything from this index on goes: another leader's entries take its place.
    Truncate(u64),
    /// Everything up to this one goes: a snapshot has it.
    Purge(LogId),
    /// Known to be on a majority. A hint that saves time at the next start.
    Committed(Option<LogId>),
}

/// Whose log it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) cluster_id: String,
    pub(super) node_id: i32,
    pub(super) directory: [u8; 16],
    pub(super) origin: Origin,
}

/// How this node came into its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Origin {
    /// It forms the cluster, which exists once the first entry is in the log.
    Founder,
    /// It took the id of a cluster that existed.
    Joiner,
}

/// What the log says, all steps taken.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Content {
    pub(super) identity: Option<Identity>,
    pub(super) vote: Option<Vote>,
    pub(super) purged: Option<LogId>,
    pub(super) committed: Option<LogId>,
    /// By index.
    pub(super) entries: BTreeMap<u64, Entry>,
}

impl Content {
    /// Takes one step.
    pub(super) fn take(&mut self, op: Op) {
        match op {
            Op::Identity(identity) => self.identity = Some(identity),
            Op::Vote(vote) => self.vote = Some(vote),
            Op::Append(entries) => {
                self.entries.extend(entries.into_iter().map(|entry| (entry.log_id.index, entry)));
            }
            Op::Truncate(since) => drop(self.entries.split_off(&since)),
            Op::Purge(upto) => {
                self.entries = self.entries.split_off(&upto.index.saturating_add(1));
                self.purged = self.purged.max(Some(upto));
            }
            Op::Committed(committed) => self.committed = committed,
        }
    }

    /// The last entry, whether it is still here or not.
    pub(super) fn last(&self) -> Option<LogId> {
        self.entries.last_key_value().map(|(_, entry)| entry.log_id).or(self.purged)
    }

    /// The steps that lead here.
    fn ops(&self) -> Vec<Op> {
        let mut ops = Vec::new();
        ops.extend(self.identity.clone().map(Op::Identity));
        ops.extend(self.vote.map(Op::Vote));
        ops.extend(self.purged.map(Op::Purge));
        if !self.entries.is_empty() {
            ops.push(Op::Append(self.entries.values().cloned().collect()));
        }
        ops.extend(self.committed.map(|committed| Op::Committed(Some(committed))));
        ops
    }
}

/// The open file. Its owner is one thread.
pub(super) struct Wal {
    disk: Arc<dyn Disk>,
    len: u64,
    /// How much of it is on disk for sure.
    synced: u64,
    /// A failed write or sync says nothing about what is on disk, and a second one lies: no more is written then.
    is_offline: bool,
}

impl Wal {
    /// Opens or makes the log. A last write that was cut off is removed: nobody was answered.
    pub(super) fn open(disk: Arc<dyn Disk>) -> Result<(Self, Content), WalError> {
        let path = disk.path(NAME);
        let failed = |source| WalError::Disk { path: path.clone(), source };
        let Some(bytes) = disk.read(NAME).map_err(failed)? else {
            replace(&*disk, ASIDE, NAME, MAGIC).map_err(failed)?;
            let len = length(MAGIC.len());
            return Ok((Self { disk, len, synced: len, is_offline: false }, Content::default()));
        };
        let (content, position) = replay(&bytes, &path)?;
        if position < bytes.len() {
            let size = bytes.len();
            tracing::warn!(path = %path.display(), position, size, "quorum's log cut at a torn record");
            disk.cut(NAME, length(position)).map_err(failed)?;
        }
        // What the last process wrote without a sync is relied upon from now on.
        disk.sync(NAME).map_err(failed)?;
        let len = length(position);
        Ok((Self { disk, len, synced: len, is_offline: false }, content))
    }

    /// Takes one step: on disk first, unless it is a hint, and then in `content`.
    ///
    /// After an error nothing more is written: what is on disk is found out at the next start.
    pub(super) fn take(&mut self, op: Op, content: &Mutex<Content>) -> Result<(), WalError> {
        if self.is_offline {
            return Err(WalError::Offline(self.disk.path(NAME)));
        }
        let written = match &op {
            Op::Purge(_) => {
                // Nobody waits for the disk with the lock in hand; this thread alone changes what is behind it.
                let mut after = locked(content).clone();
                after.take(op.clone());
                self.rewrite(&after)
            }
            Op::Identity(_) | Op::Vote(_) | Op::Append(_) | Op::Truncate(_) => {
                self.append(&op).and_then(|()| self.sync())
            }
            Op::Committed(_) => self.append(&op),
        };
        self.is_offline = written.is_err();
        written?;
        locked(content).take(op);
        Ok(())
    }

    fn append(&mut self, op: &Op) -> Result<(), WalError> {
        let mut bytes = Vec::new();
        push(&mut bytes, self.synced, op)?;
        self.disk.write(NAME, self.len, &bytes).map_err(|source| self.failed(source))?;
        self.len += length(bytes.len());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), WalError> {
        self.disk.sync(NAME).map_err(|source| self.failed(source))?;
        self.synced = self.len;
        Ok(())
    }

    fn rewrite(&mut self, content: &Content) -> Result<(), WalError> {
        let mut bytes = MAGIC.to_vec();
        for op in content.ops() {
            // The file gets its name when all of it is on disk: each record vouches for those in front of it.
            let synced = length(bytes.len());
            push(&mut bytes, synced, &op)?;
        }
        replace(&*self.disk, ASIDE, NAME, &bytes).map_err(|source| self.failed(source))?;
        self.len = length(bytes.len());
        self.synced = self.len;
        Ok(())
    }

    fn failed(&self, source: io::Error) -> WalError {
        WalError::Disk { path: self.disk.path(NAME), source }
    }
}

/// Whose log it is, as far as that can be told. Nothing is changed; what is wrong with the log is said when it is opened.
pub(super) fn identity(disk: &dyn Disk) -> Option<Identity> {
    let bytes = disk.read(NAME).ok()??;
    replay(&bytes, &disk.path(NAME)).ok()?.0.identity
}

/// What a file says, and where its last whole record ends.
fn replay(bytes: &[u8], path: &Path) -> Result<(Content, usize), WalError> {
    let path = || path.to_path_buf();
    if !bytes.starts_with(MAGIC) {
        return Err(WalError::Foreign(path()));
    }
    let mut content = Content::default();
    let mut position = MAGIC.len();
    loop {
        match frame::find(bytes, position) {
            Found::Frame(frame) => {
                let op = postcard::from_bytes(frame.content);
                content.take(op.map_err(|source| WalError::Record { path: path(), position, source })?);
                position = frame.end;
            }
            Found::End | Found::Torn => return Ok((content, position)),
            Found::Damage { next } => return Err(WalError::Corrupt { path: path(), position, next }),
        }
    }
}

fn push(out: &mut Vec<u8>, synced: u64, op: &Op) -> Result<(), WalError> {
    let content = postcard::to_stdvec(op).map_err(WalError::Encode)?;
    frame::push(out, synced, &content).ok_or(WalError::TooLarge(content.len()))
}

/// What the log says, for a look.
pub(super) fn locked(content: &Mutex<Content>) -> MutexGuard<'_, Content> {
    content.lock().unwrap_or_else(PoisonError::into_inner)
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
