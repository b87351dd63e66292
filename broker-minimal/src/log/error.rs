//! How operations on a log fail, and which Kafka code a client gets for it.

use std::io;
use std::path::PathBuf;

use kinglet_protocol::ErrorCode;

use super::append::Appended;
use super::producers::ProducerError;
use super::scan::ScanError;

/// Why a log cannot be created, opened, cut or flushed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The disk refused. After a failed flush the log stays offline, because what is on disk is unknown.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The partition's directory, or the file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The segment starts with messages of the formats before Kafka 0.11.
    #[error("{}: message format v{magic} is not supported", path.display())]
    OldFormat {
        /// The segment's file.
        path: PathBuf,
        /// The format's number, 0 or 1.
        magic: i8,
    },
    /// A batch in the middle of the log cannot be read.
    #[error("{}: {reason}", path.display())]
    Corrupt {
        /// The partition's directory.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// An earlier disk error took the log offline.
    #[error("offline after a disk error")]
    Offline,
}

impl LogError {
    /// The code a client gets.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::OldFormat { .. } => ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT,
            Self::Disk { .. } | Self::Corrupt { .. } | Self::Offline => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }

    pub(super) fn disk(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { path, source }
    }

    pub(super) fn scan(path: impl Into<PathBuf>) -> impl FnOnce(ScanError) -> Self {
        let path = path.into();
        move |error| match error {
            ScanError::Io(source) => Self::Disk { path, source },
            torn @ ScanError::Torn { .. } => Self::Corrupt { path, reason: torn.to_string() },
        }
    }
}

/// Why batches are not appended. Nothing of them is in the log then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The batch is in the log already: answered as success, with the original's offsets.
    #[error("the batch is at offset {} already", .0.base_offset)]
    Duplicate(Appended),
    /// The idempotent producer's epoch or sequence does not fit.
    #[error(transparent)]
    Producer(ProducerError),
    /// The batch is larger than `max.message.bytes`.
    #[error("batch of {size} bytes, limit {limit}")]
    TooLarge {
        /// Bytes of the batch.
        size: usize,
        /// `max.message.bytes`.
        limit: u32,
    },
    /// The batches together do not fit into one segment.
    #[error("batches of {size} bytes, a segment holds {limit}")]
    LargerThanSegment {
        /// Bytes of all batches.
        size: u64,
        /// `segment.bytes`.
        limit: u32,
    },
    /// The timestamp is too far from the broker's, or marked as the broker's own.
    #[error("timestamp {timestamp} while the broker's is {now_ms}")]
    Timestamp {
        /// The batch's.
        timestamp: i64,
        /// The broker's.
        now_ms: i64,
    },
    /// The caller is not the latest leader any more.
    #[error("leader epoch {latest} here, the append says {received}")]
    Fenced {
        /// The newest epoch in the log.
        latest: i32,
        /// The caller's.
        received: i32,
    },
    /// What a leader gave does not continue the log.
    #[error("the log ends at {end}, the leader's batch starts at {received}")]
    Overlap {
        /// The log's end.
        end: i64,
        /// The batch's first offset.
        received: i64,
    },
    /// The offsets are used up.
    #[error("no offsets are left")]
    NoOffsets,
    /// The disk refused; after anything but a full disk the log is offline.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// An earlier disk error took the log offline.
    #[error("offline after a disk error")]
    Offline,
}

impl From<LogError> for AppendError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Disk { source, .. } => Self::Disk(source),
            LogError::OldFormat { .. } | LogError::Corrupt { .. } | LogError::Offline => Self::Offline,
        }
    }
}

impl AppendError {
    /// The code a client gets.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Duplicate(_) => ErrorCode::DUPLICATE_SEQUENCE_NUMBER,
            Self::Producer(ProducerError::StaleEpoch { .. }) => ErrorCode::INVALID_PRODUCER_EPOCH,
            Self::Producer(ProducerError::OutOfOrder { .. }) => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            Self::Producer(ProducerError::Duplicate(_)) => ErrorCode::DUPLICATE_SEQUENCE_NUMBER,
            Self::TooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
            Self::LargerThanSegment { .. } => ErrorCode::RECORD_LIST_TOO_LARGE,
            Self::Timestamp { .. } => ErrorCode::INVALID_TIMESTAMP,
            Self::Fenced { .. } => ErrorCode::FENCED_LEADER_EPOCH,
            Self::Overlap { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
            Self::NoOffsets | Self::Disk(_) | Self::Offline => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

/// Why nothing can be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The offset is not in the log.
    #[error("offset {offset} is not in {start}..={end}")]
    OutOfRange {
        /// What was asked for.
        offset: i64,
        /// First offset of the log.
        start: i64,
        /// Offset behind the last record.
        end: i64,
    },
    /// A batch in the middle of the log cannot be read.
    #[error("{0}")]
    Corrupt(String),
    /// The disk refused.
    #[error(transparent)]
    Disk(io::Error),
    /// An earlier disk error took the log offline.
    #[error("offline after a disk error")]
    Offline,
}

impl ReadError {
    /// The code a client gets.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::OutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
            Self::Corrupt(_) | Self::Disk(_) | Self::Offline => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

impl From<ScanError> for ReadError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Io(error) => Self::Disk(error),
            torn @ ScanError::Torn { .. } => Self::Corrupt(torn.to_string()),
        }
    }
}
