//! What a shard can be asked. Every question carries the way back.

use std::path::PathBuf;
use std::sync::Arc;

use kinglet_protocol::records::Batch;
use kinglet_protocol::{ErrorCode, Uuid};
use tokio::sync::{Notify, oneshot};

use super::cleaner::Candidate;
use crate::log::{
    AppendError, Appended, CleanError, CleanReport, Cleaned, FileSlice, FlushJob, LogConfig, LogError,
    Recovery, RecoveryReport, SegmentStart,
};

/// A partition, by the id of its topic: a topic that is deleted and made again is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PartitionId {
    pub(crate) topic: Uuid,
    pub(crate) index: i32,
}

/// One command. The receiver of a reply may be gone: its client left, the work is done all the same.
pub(crate) enum Command {
    Append(Append),
    Read(Read),
    Offset(FindOffset),
    Starts(FindStarts),
    EpochEnd(FindEpochEnd),
    DeleteRecords(DeleteRecords),
    Open(Box<Open>),
    Configure {
        id: PartitionId,
        config: LogConfig,
    },
    Delete {
        id: PartitionId,
        done: oneshot::Sender<()>,
    },
    /// Does what time asks for.
    Tick {
        now_ms: i64,
    },
    /// Drops what retention does not keep.
    Retain {
        now_ms: i64,
    },
    /// Asks for the partition that the log cleaner should take next.
    PlanCleaning {
        now_ms: i64,
        reply: oneshot::Sender<Option<Candidate>>,
    },
    /// Puts a cleaned segment in the place of those it was made from.
    SwapCleaned {
        id: PartitionId,
        cleaned: Cleaned,
        now_ms: i64,
        reply: oneshot::Sender<Result<(), CleanError>>,
    },
    /// A pass of the cleaner has ended.
    Cleaned {
        id: PartitionId,
        now_ms: i64,
        result: Result<CleanReport, CleanError>,
    },
    Flushed {
        id: PartitionId,
        job: FlushJob,
        result: std::io::Result<()>,
    },
    Checkpoint {
        reply: oneshot::Sender<Vec<Checkpoint>>,
    },
    Close {
        reply: oneshot::Sender<Vec<Checkpoint>>,
    },
}

/// Appends validated batches to one partition.
pub(crate) struct Append {
    pub(crate) id: PartitionId,
    pub(crate) batches: Vec<Batch>,
    pub(crate) now_ms: i64,
    pub(crate) reply: oneshot::Sender<Result<Appended, AppendFailure>>,
}

/// Why an append did not happen.
#[derive(Debug)]
pub(crate) enum AppendFailure {
    /// This shard does not have the partition.
    NotHere,
    /// The log refused.
    Log(AppendError),
}

/// What a produce answers for a failed append.
impl AppendFailure {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::NotHere => ErrorCode::NOT_LEADER_OR_FOLLOWER,
            Self::Log(error) => AppendError::code(error),
        }
    }
}

/// Asks for records of several partitions at once.
pub(crate) struct Read {
    pub(crate) reads: Vec<ReadAt>,
    /// Notified once when one of the partitions moves on, if it had no more to give.
    pub(crate) waiter: Option<Arc<Notify>>,
    pub(crate) reply: oneshot::Sender<Vec<ReadReply>>,
}

/// One partition of a read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadAt {
    pub(crate) id: PartitionId,
    /// Comes back with the reply.
    pub(crate) slot: usize,
    pub(crate) offset: i64,
    pub(crate) max_bytes: usize,
    pub(crate) current_leader_epoch: i32,
    pub(crate) last_fetched_epoch: i32,
}

/// What one partition of a read gave.
#[derive(Debug)]
pub(crate) struct ReadReply {
    pub(crate) slot: usize,
    pub(crate) high_watermark: i64,
    pub(crate) log_start_offset: i64,
    pub(crate) records: Result<ReadRecords, ErrorCode>,
}

/// Records, or where the reader's log has gone its own way.
#[derive(Debug)]
pub(crate) enum ReadRecords {
    Slice(Option<FileSlice>),
    /// The reader's last epoch ends here with us: it must cut its log (KIP-595).
    Diverging {
        epoch: i32,
        end_offset: i64,
    },
}

/// Looks an offset up by time, or at either end.
pub(crate) struct FindOffset {
    pub(crate) id: PartitionId,
    pub(crate) at: OffsetAt,
    pub(crate) current_leader_epoch: i32,
    pub(crate) reply: oneshot::Sender<Result<FoundOffset, ErrorCode>>,
}

/// Which offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OffsetAt {
    Start,
    End,
    /// The record with the greatest timestamp (KIP-734).
    MaxTimestamp,
    /// The first record not before this time, in milliseconds since the epoch.
    Time(i64),
}

/// An offset with its record's timestamp and epoch; -1 where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoundOffset {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) leader_epoch: i32,
}

/// Asks where the segments start, and for the end that readers see.
pub(crate) struct FindStarts {
    pub(crate) id: PartitionId,
    pub(crate) reply: oneshot::Sender<Result<(Vec<SegmentStart>, i64), ErrorCode>>,
}

/// Asks where a leader epoch ends.
pub(crate) struct FindEpochEnd {
    pub(crate) id: PartitionId,
    pub(crate) epoch: i32,
    pub(crate) current_leader_epoch: i32,
    pub(crate) reply: oneshot::Sender<Result<(i32, i64), ErrorCode>>,
}

/// Lets a partition start later.
pub(crate) struct DeleteRecords {
    pub(crate) id: PartitionId,
    /// The new start; -1 is the high watermark.
    pub(crate) before: i64,
    pub(crate) now_ms: i64,
    /// Where it starts now.
    pub(crate) reply: oneshot::Sender<Result<i64, ErrorCode>>,
}

/// Takes a partition on.
pub(crate) struct Open {
    pub(crate) what: NewReplica,
    /// `None` makes a new log.
    pub(crate) recovery: Option<Recovery>,
    pub(crate) now_ms: i64,
    pub(crate) reply: oneshot::Sender<Result<RecoveryReport, LogError>>,
}

/// A partition to be taken on.
pub(crate) struct NewReplica {
    pub(crate) id: PartitionId,
    pub(crate) topic: String,
    pub(crate) dir: PathBuf,
    pub(crate) config: LogConfig,
    pub(crate) leader_epoch: i32,
}

/// Where a partition stands, for the checkpoint files of its log directory.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    pub(crate) dir: PathBuf,
    pub(crate) topic: String,
    pub(crate) index: i32,
    pub(crate) recovery_point: i64,
    /// Only where the files do not tell it: the entry would outlive the topic and hide records of the next one.
    pub(crate) log_start_offset: Option<i64>,
    pub(crate) high_watermark: i64,
    /// Where the cleaner goes on, of a partition that is compacted.
    pub(crate) first_dirty: Option<i64>,
}
