//! Records of the formats before v2, for old clients: what they produce becomes batches, what they fetch message sets.
//!
//! Converting unpacks and packs again, so it runs on blocking threads, a few at a time, and what was converted for answers
//! that are not sent yet is bounded. Newer clients' records never come here.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kinglet_protocol::ErrorCode;
use kinglet_protocol::records::legacy::{MessageFormat, MessageSet, Tail, from_batch, to_batch};
use kinglet_protocol::records::{Batch, BatchError, BatchHeader, HEADER_LEN};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::log::FileSlice;

/// One batch or set may not unpack to more than this.
const UNPACK_LIMIT: usize = 64 << 20;
/// Conversions that run at once: each may hold a few times the limit.
const JOBS: usize = 2;
/// Converted bytes of one answer; beyond it only a first batch that is larger by itself.
const ANSWER_MAX: usize = 4 << 20;
/// Converted bytes of all answers that clients have not taken yet.
const HELD_MAX: usize = 256 << 20;
/// What the bound is counted in.
const UNIT: usize = 4 << 10;
/// How long an answer waits for others to be taken, before it carries fewer records than it might.
const HELD_WAIT: Duration = Duration::from_secs(1);

/// Why records could not be converted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConvertError {
    /// They are not right, or too large, or in a codec that the other format lacks.
    #[error(transparent)]
    Records(#[from] BatchError),
    /// The log could not be read.
    #[error("read: {0}")]
    Disk(#[from] std::io::Error),
    /// The runtime ends, or a conversion panicked.
    #[error("the conversion was dropped")]
    Dropped,
}

impl ConvertError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Records(error) => ErrorCode(error.code()),
            Self::Disk(_) | Self::Dropped => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

/// A range of a log, and what an old reader wants of it.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) slice: FileSlice,
    /// Records before it may be left out.
    pub(crate) offset: i64,
}

/// Room for the converted bytes of one answer; it is given back when the answer was sent.
#[derive(Debug)]
pub(crate) struct Room {
    permit: OwnedSemaphorePermit,
    used: usize,
    /// What came last did not fit. Little that follows will, and a request may name very many partitions.
    is_full: bool,
}

impl Room {
    /// Whether anything more should be tried.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Keeps no more than what was used.
    pub(crate) fn shrink(mut self) -> OwnedSemaphorePermit {
        drop(self.permit.split(self.left() / UNIT));
        self.permit
    }

    fn left(&self) -> usize {
        ANSWER_MAX.saturating_sub(self.used)
    }

    fn take(&mut self, len: usize) {
        self.is_full = len == 0 && self.used > 0;
        self.used += len;
    }
}

/// Bounds what converting may take.
#[derive(Debug)]
pub(crate) struct Conversions {
    jobs: Arc<Semaphore>,
    held: Arc<Semaphore>,
}

impl Conversions {
    pub(crate) fn new() -> Self {
        Self { jobs: Arc::new(Semaphore::new(JOBS)), held: Arc::new(Semaphore::new(HELD_MAX / UNIT)) }
    }

    /// Makes one batch of the message set that a producer sent.
    pub(crate) async fn upgrade(&self, set: Bytes) -> Result<Batch, ConvertError> {
        self.run(move || Ok(to_batch(&MessageSet::new(set, Tail::Whole), UNPACK_LIMIT)?)).await
    }

    /// Room for one answer; `None` if there is none, and others have to be taken first.
    pub(crate) async fn room(&self) -> Option<Room> {
        let units = u32::try_from(ANSWER_MAX / UNIT).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.held).acquire_many_owned(units);
        let permit = tokio::time::timeout(HELD_WAIT, permit).await.ok()?.ok()?;
        Some(Room { permit, used: 0, is_full: false })
    }

    /// Makes a message set of what lies in a log: whole batches, as many as there is room for, but the first of an answer
    /// however large it is, so that every reader gets on.
    pub(crate) async fn downgrade(
        &self,
        wanted: Wanted,
        format: MessageFormat,
        room: &mut Room,
    ) -> Result<Bytes, ConvertError> {
        let most = if room.used > 0 { First::IfItFits(room.left()) } else { First::Always(room.left()) };
        let set = self.run(move || downgrade(&wanted, format, most)).await?;
        room.take(set.len());
        Ok(set)
    }

    /// Runs a job when it is its turn. It goes on when the caller does not, and keeps its turn until it ends.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, ConvertError> + Send + 'static,
    ) -> Result<T, ConvertError> {
        let turn = Arc::clone(&self.jobs).acquire_owned().await.map_err(|_| ConvertError::Dropped)?;
        let job = move || {
            let result = job();
            drop(turn);
            result
        };
        tokio::task::spawn_blocking(job).await.map_err(|_| ConvertError::Dropped)?
    }
}

/// How many bytes, and whether they bind the first batch.
#[derive(Clone, Copy)]
enum First {
    Always(usize),
    IfItFits(usize),
}

fn downgrade(wanted: &Wanted, format: MessageFormat, first: First) -> Result<Bytes, ConvertError> {
    let (most, mut may_pass) = match first {
        First::Always(most) => (most, true),
        First::IfItFits(most) => (most, false),
    };
    let mut set = BytesMut::new();
    let (mut at, mut left) = (wanted.slice.position, wanted.slice.len);
    while left > 0 {
        let header = match next_batch(&wanted.slice, at, left) {
            Ok(header) => header,
            Err(error) => return what_came_before(set, error),
        };
        if !may_pass && set.len() + header.size() > most {
            break;
        }
        let messages = match convert(wanted, at, &header, format) {
            Ok(messages) => messages,
            Err(error) => return what_came_before(set, error),
        };
        if !may_pass && set.len() + messages.len() > most {
            break;
        }
        may_pass &= messages.is_empty();
        set.extend_from_slice(&messages);
        at += u64::try_from(header.size()).unwrap_or(u64::MAX);
        left = left.saturating_sub(header.size());
    }
    Ok(set.freeze())
}

/// Who asks for what follows is told of the error.
fn what_came_before(set: BytesMut, error: ConvertError) -> Result<Bytes, ConvertError> {
    if set.is_empty() { Err(error) } else { Ok(set.freeze()) }
}

fn next_batch(slice: &FileSlice, at: u64, left: usize) -> Result<BatchHeader, ConvertError> {
    let mut header = [0; HEADER_LEN];
    slice.file.read_exact_at(&mut header, at)?;
    let header = BatchHeader::parse(&header)?;
    if header.size() > left {
        return Err(BatchError::Truncated { need: header.size(), have: left }.into());
    }
    Ok(header)
}

fn convert(
    wanted: &Wanted,
    at: u64,
    header: &BatchHeader,
    format: MessageFormat,
) -> Result<Bytes, ConvertError> {
    let mut bytes = vec![0; header.size()];
    wanted.slice.file.read_exact_at(&mut bytes, at)?;
    let batch = Batch::split(&mut Bytes::from(bytes))?;
    let batch = batch.ok_or(BatchError::Corrupt("a batch without bytes"))?;
    // The messages get checksums of their own: a fault of the disk must not hide behind them.
    batch.verify_crc()?;
    Ok(from_batch(&batch, format, wanted.offset, UNPACK_LIMIT)?)
}

#[cfg(test)]
mod tests {
    use kinglet_protocol::records::{BatchBuilder, Compression, Seal};

    use super::*;

    fn batch(value: &[u8], compression: Compression) -> Vec<u8> {
        let mut builder = BatchBuilder::new(1024);
        builder.push(0, None, Some(value), &[]);
        builder.seal(Seal { compression, ..Seal::default() }).unwrap().to_vec()
    }

    fn wanted(log: &[u8]) -> Wanted {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, log).unwrap();
        let file = Arc::new(std::fs::File::open(&path).unwrap());
        Wanted { slice: FileSlice { file, position: 0, len: log.len() }, offset: 0 }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_sent_yet_is_bounded_and_given_back() {
        let conversions = Conversions::new();
        let mut held = Vec::new();
        while let Some(mut room) = conversions.room().await {
            // Half of it is used, and the rest is there for others.
            room.take(ANSWER_MAX / 2);
            held.push(room.shrink());
            assert!(held.len() <= 2 * HELD_MAX / ANSWER_MAX);
        }
        assert_eq!(held.len(), 2 * HELD_MAX / ANSWER_MAX - 1);
        drop(held.pop());
        assert!(conversions.room().await.is_some(), "an answer was taken");
    }

    #[tokio::test]
    async fn only_the_first_records_of_an_answer_may_be_larger_than_its_room() {
        let conversions = Conversions::new();
        let mut room = conversions.room().await.unwrap();
        let mut take = async |log: &[u8]| {
            let set = conversions.downgrade(wanted(log), MessageFormat::V0, &mut room).await;
            set.unwrap().len()
        };
        let large = batch(&vec![0; ANSWER_MAX], Compression::None);
        assert!(take(&[&large[..], &large].concat()).await > ANSWER_MAX);
        assert_eq!(take(&batch(b"x", Compression::None)).await, 0);
        assert!(room.is_full());
    }

    #[tokio::test]
    async fn a_fault_is_told_when_nothing_good_lies_before_it() {
        let conversions = Conversions::new();
        let good = batch(b"good", Compression::Gzip);
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        let zstd = batch(b"new", Compression::Zstd);
        for (fault, code) in
            [(&bad, ErrorCode::CORRUPT_MESSAGE), (&zstd, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE)]
        {
            let mut room = conversions.room().await.unwrap();
            let log = [&good[..], fault].concat();
            let set = conversions.downgrade(wanted(&log), MessageFormat::V1, &mut room).await.unwrap();
            assert_eq!(MessageSet::new(set, Tail::Whole).messages(1024).count(), 1);
            let error = conversions.downgrade(wanted(fault), MessageFormat::V1, &mut room).await.unwrap_err();
            assert_eq!(error.code(), code, "{error}");
        }
    }
}
