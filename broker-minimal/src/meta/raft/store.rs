//! The log as openraft asks for it. The file belongs to a thread of its own: waiting for the disk holds up nobody who
//! only wants to read.

use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{AnyError, LogState, OptionalSend, RaftLogReader, StorageIOError};
use tokio::sync::{mpsc, oneshot};

use super::types::{Entry, LogId, StorageError, TypeConfig, Vote};
use super::wal::{Content, Identity, Op, Wal, WalError, locked};

/// Steps that wait for the file; openraft asks for one at a time.
const QUEUE: usize = 16;
/// What one message to a follower may carry of the log, if it is more than one entry.
const READ_BYTES: usize = 512 * 1024;

type Done = oneshot::Sender<Result<(), WalError>>;

/// A handle of the log. Cheap to clone; the file's thread ends with the last one.
#[derive(Clone)]
pub(super) struct LogStore {
    content: Arc<Mutex<Content>>,
    steps: mpsc::Sender<(Op, Done)>,
}

impl LogStore {
    /// Starts the thread that owns the file.
    pub(super) fn start(wal: Wal, content: Content) -> io::Result<(Self, JoinHandle<()>)> {
        let content = Arc::new(Mutex::new(content));
        let (steps, queue) = mpsc::channel(QUEUE);
        let shared = Arc::clone(&content);
        let thread = thread::Builder::new().name("quorum-log".to_owned());
        let thread = thread.spawn(move || run(wal, queue, &shared))?;
        Ok((Self { content, steps }, thread))
    }

    /// Writes down who this node is.
    pub(super) async fn identify(&self, identity: Identity) -> Result<(), WalError> {
        self.take(Op::Identity(identity)).await
    }

    async fn take(&self, op: Op) -> Result<(), WalError> {
        let gone = || WalError::Closed;
        let (done, result) = oneshot::channel();
        self.steps.send((op, done)).await.map_err(|_| gone())?;
        result.await.map_err(|_| gone())?
    }
}

fn run(mut wal: Wal, mut queue: mpsc::Receiver<(Op, Done)>, content: &Mutex<Content>) {
    while let Some((op, done)) = queue.blocking_recv() {
        // Who asked may be gone; the step was taken all the same.
        let _ = done.send(wal.take(op, content));
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        Ok(locked(&self.content).entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, StorageError> {
        let content = locked(&self.content);
        let mut room = READ_BYTES;
        let fits = |entry: &&Entry| {
            let is_first = room == READ_BYTES;
            let size = size(entry);
            let fits = is_first || size <= room;
            // One that is larger than the room leaves less than none, but is not the first for the next.
            room = room.saturating_sub(size.max(1));
            fits
        };
        Ok(content.entries.range(start..end).map(|(_, entry)| entry).take_while(fits).cloned().collect())
    }
}

/// About how many bytes an entry takes in a message.
fn size(entry: &Entry) -> usize {
    match &entry.payload {
        openraft::EntryPayload::Blank | openraft::EntryPayload::Membership(_) => 256,
        openraft::EntryPayload::Normal(change) => {
            64 + change.records.iter().map(|record| record.len() + 4).sum::<usize>()
        }
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        let content = locked(&self.content);
        Ok(LogState { last_purged_log_id: content.purged, last_log_id: content.last() })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let saved = self.take(Op::Vote(*vote)).await;
        saved.map_err(|error| StorageIOError::write_vote(AnyError::new(&error)).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(locked(&self.content).vote)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        self.take(Op::Committed(committed)).await.map_err(write_logs)
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        Ok(locked(&self.content).committed)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        self.take(Op::Append(entries)).await.map_err(write_logs)?;
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.take(Op::Truncate(log_id.index)).await.map_err(write_logs)
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        self.take(Op::Purge(log_id)).await.map_err(write_logs)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn write_logs(error: WalError) -> StorageError {
    StorageIOError::write_logs(AnyError::new(&error)).into()
}
