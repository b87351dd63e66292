//! What a shard can be asked. Every question carries the way back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kinglet_protocol::records::Batch;
use kinglet_protocol::{ErrorCode, Uuid};
use tokio::sync::{mpsc, oneshot};

use super::cleaner::Candidate;
use super::sizes::SizesByDir;
pub(crate) use super::waiter::Waiter;
use crate::log::producers::ActiveProducer;
use crate::log::{
    AppendError, Appended, CleanError, CleanReport, Cleaned, FileSlice, FlushJob, LogConfig, LogError,
    Recovery, RecoveryReport, SegmentStart,
};
use crate::meta::image::PartitionImage;
use crate::replica::{Acks, IsrChange, Settings};

/// A partition, by the id of its topic: a topic that is deleted and made again is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartitionId {
    pub(crate) topic: Uuid,
    pub(crate) index: i32,
}

/// One command. The receiver of a reply may be gone: its client left, the work is done all the same.
pub(crate) enum Command {
    Append(Append),
    /// Appends what the leader has.
    AppendFollower(AppendFollower),
    /// Cuts a follower's log.
    Truncate(Truncate),
    /// Asks where logs of this shard's followers stand.
    FollowerState {
        ids: Vec<PartitionId>,
        reply: oneshot::Sender<Vec<(PartitionId, Result<FollowerState, ErrorCode>)>>,
    },
    Read(Read),
    Offset(FindOffset),
    Starts(FindStarts),
    EpochEnd(FindEpochEnd),
    /// Asks for the idempotent producers that a partition remembers, whether this broker leads it or not.
    Producers {
        id: PartitionId,
        reply: oneshot::Sender<Result<Vec<ActiveProducer>, ErrorCode>>,
    },
    DeleteRecords(DeleteRecords),
    Open(Box<Open>),
    Configure {
        id: PartitionId,
        config: LogConfig,
        settings: Settings,
    },
    /// This broker leads, or what it leads with has changed.
    Lead {
        id: PartitionId,
        state: Box<PartitionImage>,
        /// Brokers that may be in the ISR, with the epochs that they registered with.
        eligible: Vec<(i32, i64)>,
    },
    /// Another broker leads, or none.
    Follow {
        id: PartitionId,
        state: Box<PartitionImage>,
    },
    /// The controller answered a proposal.
    IsrAnswered {
        id: PartitionId,
        /// The one that the proposal was made on.
        partition_epoch: i32,
        result: Result<(), ErrorCode>,
    },
    Delete {
        id: PartitionId,
        done: oneshot::Sender<()>,
    },
    /// Does what time asks for.
    Tick {
        now_ms: i64,
    },
    /// Starts the flushes that are due.
    Flush {
        now_ms: i64,
    },
    /// Lets go of appends that waited too long, and of followers that lag.
    Deadlines,
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
    /// The disk of a log directory has failed: nothing in it is served any more.
    FailDir {
        dir: PathBuf,
    },
    Checkpoint {
        reply: oneshot::Sender<Vec<Checkpoint>>,
    },
    /// Asks how large the logs are.
    Sizes {
        reply: oneshot::Sender<SizesByDir>,
    },
    /// Ends the thread at once.
    Abandon,
    Close {
        reply: oneshot::Sender<Vec<Checkpoint>>,
    },
}

/// Appends validated batches to one partition.
pub(crate) struct Append {
    pub(crate) id: PartitionId,
    pub(crate) batches: Vec<Batch>,
    /// The leader's epoch that this is meant for; -1 is any.
    pub(crate) current_leader_epoch: i32,
    pub(crate) acks: Acks,
    /// How long the replicas may take.
    pub(crate) timeout: Duration,
    pub(crate) now_ms: i64,
    /// Answered when it is acked.
    pub(crate) reply: oneshot::Sender<Result<Appended, AppendFailure>>,
}

/// Why an append did not happen.
#[derive(Debug)]
pub(crate) enum AppendFailure {
    /// This shard does not have the partition.
    NotHere,
    /// This broker does not lead, or the replicas do not ack.
    Replica(ErrorCode),
    /// The log refused.
    Log(AppendError),
}

/// What a produce answers for a failed append.
impl AppendFailure {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::NotHere => ErrorCode::NOT_LEADER_OR_FOLLOWER,
            Self::Replica(code) => *code,
            Self::Log(error) => AppendError::code(error),
        }
    }
}

/// Asks for records of several partitions at once.
pub(crate) struct Read {
    pub(crate) reads: Vec<ReadAt>,
    /// Told when one of the partitions moves on, if it had no more to give.
    pub(crate) waiter: Option<Arc<Waiter>>,
    /// The follower that reads, also what is not committed. `None`: a consumer.
    pub(crate) replica: Option<Fetcher>,
    pub(crate) reply: oneshot::Sender<Vec<ReadReply>>,
}

/// A follower that fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fetcher {
    pub(crate) id: i32,
    /// The epoch that it registered with; -1 if it does not say (KIP-903).
    pub(crate) broker_epoch: i64,
    /// The request has just come, so that its offsets say what the follower has now; looking again says nothing new.
    pub(crate) is_new: bool,
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
    /// Where a follower's log starts; -1 of a consumer.
    pub(crate) log_start: i64,
}

/// What one partition of a read gave.
#[derive(Debug)]
pub(crate) struct ReadReply {
    pub(crate) slot: usize,
    pub(crate) high_watermark: i64,
    pub(crate) log_start_offset: i64,
    /// A follower learns of a high watermark, or of a start of the log, that it did not know: it is told at once.
    pub(crate) is_news: bool,
    pub(crate) records: Result<ReadRecords, ErrorCode>,
}

impl ReadReply {
    pub(super) fn refused(at: &ReadAt, error: ErrorCode) -> Self {
        Self { slot: at.slot, high_watermark: -1, log_start_offset: -1, is_news: false, records: Err(error) }
    }
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
    /// Whether what is not committed counts, as it does for followers.
    pub(crate) uncommitted: bool,
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
    /// How long the replicas may take.
    pub(crate) timeout: Duration,
    pub(crate) now_ms: i64,
    /// Before which no live replica has records any more. Answered when that is what was wanted.
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
    pub(crate) settings: Settings,
    pub(crate) node_id: i32,
    /// As it was saved; 0 for a new log.
    pub(crate) high_watermark: i64,
    pub(crate) state: PartitionImage,
    pub(crate) eligible: Vec<(i32, i64)>,
}

/// Appends what a fetch from the leader gave. The checksums have been verified.
pub(crate) struct AppendFollower {
    pub(crate) id: PartitionId,
    /// The epoch that the leader was asked in.
    pub(crate) leader_epoch: i32,
    /// The offset that was asked for: the log must still end there.
    pub(crate) fetch_offset: i64,
    pub(crate) batches: Vec<Batch>,
    /// As the leader said.
    pub(crate) high_watermark: i64,
    /// Where the leader's log starts.
    pub(crate) log_start: i64,
    pub(crate) now_ms: i64,
    pub(crate) reply: oneshot::Sender<Result<FollowerState, AppendFailure>>,
}

/// Cuts a follower's log where it parts from its leader's.
pub(crate) struct Truncate {
    pub(crate) id: PartitionId,
    pub(crate) leader_epoch: i32,
    pub(crate) cut: Cut,
    pub(crate) reply: oneshot::Sender<Result<CutLog, ErrorCode>>,
}

/// What a cut has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CutLog {
    pub(crate) state: FollowerState,
    /// The checkpoint files may say more than is left.
    pub(crate) lowers_checkpoint: bool,
}

/// Where a follower's log is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The leader said that its records of `epoch` end at `end_offset`, and that the follower's differ (KIP-595).
    Diverging { epoch: i32, end_offset: i64 },
    /// The leader's log ends here, before the follower's.
    To(i64),
    /// The leader's log starts here, behind the follower's end: everything goes.
    RestartAt(i64),
}

/// Where a follower's log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FollowerState {
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) log_end: i64,
    /// The newest epoch in the log, -1 if there is none.
    pub(crate) last_epoch: i32,
    pub(crate) log_start: i64,
    pub(crate) high_watermark: i64,
}

/// An ISR that a leader here wants the controller to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IsrProposal {
    pub(crate) id: PartitionId,
    pub(crate) change: IsrChange,
}

/// Where proposals go. Not bounded, but no partition has more than one under way.
pub(crate) type IsrSink = mpsc::UnboundedSender<IsrProposal>;

/// Where a partition stands, for the checkpoint files of its log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
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
