//! `kverify consume`: a member of a group that tells what it gets, reads and commits.

use std::sync::Arc;
use std::time::Duration;

use kinglet::protocol::ErrorCode;
use kinglet::{Batch, Client, Config, Consumer, OffsetAndMetadata, RebalanceListener, TopicPartition};
use tokio::time::timeout;

use super::args::ConsumeArgs;
use super::event::{Consumed, Event};
use super::lines::{Lines, unwritten};
use super::run::stopped;
use crate::connect::{self, failure_of};
use crate::consume::args::Source;
use crate::consume::open::member;
use crate::consume::pipe::{Reader, WriteError};
use crate::consume::trouble::Trouble;
use crate::error::{Exit, Failure};
use crate::signals::{STOP_MAX, Stop, StopRequest};
use crate::tool::warn;

/// When so many records are there, no more are taken into one event: as many as Kafka's consumer gives at once
/// (`max.poll.records`), and the rest of the last batch.
const ROUND_RECORDS: u64 = 500;

pub(super) fn run(args: &ConsumeArgs) -> Result<Exit, Failure> {
    args.check()?;
    let config = connect::config(&args.common, &args.tool_settings(), &mut warn)?;
    // This thread prints, the other fetches: a full pipe must not stop the heartbeats.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
    let result = runtime.block_on(verify(args, config));
    // What was read is committed and the group is left.
    runtime.shutdown_background();
    result
}

async fn verify(args: &ConsumeArgs, config: Config) -> Result<Exit, Failure> {
    let mut stop =
        StopRequest::listen().map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
    let (lines, mut reader) = Lines::of_stdout()?;
    let lines = Arc::new(lines);
    let config = config.rebalance_listener(Teller(lines.clone()));
    let opened = tokio::select! {
        opened = open(args, config, &lines) => opened,
        signal = stop.received() => return Ok(stopped(signal, args.common.manner())),
    };
    let (_client, consumer) = match opened {
        Ok(opened) => opened,
        Err(Halt::Failed(failure)) => return Err(failure),
        Err(Halt::Unwritten(error)) => return unwritten(error),
    };
    let mut member =
        Member { args, consumer: &consumer, lines: &lines, trouble: Trouble::default(), count: 0 };
    let ended = member.read_all(&mut stop, &mut reader).await;
    // What cannot be written any more is told by what comes after it.
    let asked = Event::ShutdownRequested;
    let early = if matches!(ended, Ok(Ended::Stopped(_))) { lines.say(&asked) } else { Ok(()) };
    // Of what is lost meanwhile the group hears by itself.
    let _ = timeout(STOP_MAX, consumer.close()).await;
    let closed = early.and_then(|()| lines.say(&Event::ShutdownComplete));
    match (ended, closed) {
        (Err(Halt::Failed(failure)), _) => Err(failure),
        (Err(Halt::Unwritten(error)), _) | (Ok(_), Err(error)) => unwritten(error),
        (Ok(Ended::Stopped(signal)), Ok(())) => Ok(stopped(signal, args.common.manner())),
        // Kafka's tool says so of its own end, too.
        (Ok(Ended::Complete), Ok(())) => lines.say(&asked).map_or_else(unwritten, |()| Ok(Exit::Done)),
    }
}

async fn open(args: &ConsumeArgs, config: Config, lines: &Lines) -> Result<(Client, Consumer), Halt> {
    let client = connect::connect(config).await?;
    // Before the first share of the group can come.
    lines.say(&Event::StartupComplete)?;
    let consumer = member(&client, Source::Topic(&args.topic), args.common.manner()).await?;
    Ok((client, consumer))
}

/// Why it does not go on.
enum Halt {
    Failed(Failure),
    Unwritten(WriteError),
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<WriteError> for Halt {
    fn from(error: WriteError) -> Self {
        Self::Unwritten(error)
    }
}

/// Why it ended.
enum Ended {
    /// All that was asked for is read.
    Complete,
    Stopped(Stop),
}

/// Tells of partitions that come and go.
#[derive(Debug)]
struct Teller(Arc<Lines>);

impl RebalanceListener for Teller {
    // What cannot be written is told by whoever writes next.
    async fn assigned(&self, _: &Consumer, partitions: &[TopicPartition]) {
        let _ = self.0.say(&Event::PartitionsAssigned(partitions));
    }

    async fn revoked(&self, _: &Consumer, partitions: &[TopicPartition], _: Duration) {
        let _ = self.0.say(&Event::PartitionsRevoked(partitions));
    }

    async fn lost(&self, _: &Consumer, partitions: &[TopicPartition]) {
        let _ = self.0.say(&Event::PartitionsRevoked(partitions));
    }
}

/// The reading under way.
struct Member<'a> {
    args: &'a ConsumeArgs,
    consumer: &'a Consumer,
    lines: &'a Lines,
    trouble: Trouble,
    count: u64,
}

impl Member<'_> {
    async fn read_all(&mut self, stop: &mut StopRequest, reader: &mut Reader) -> Result<Ended, Halt> {
        let limit = self.args.limit().unwrap_or(u64::MAX);
        while self.count < limit {
            // A commit under way is finished first.
            let first = tokio::select! {
                received = self.consumer.recv() => received,
                signal = stop.received() => return Ok(Ended::Stopped(signal)),
                () = reader.gone() => return Err(WriteError::ReaderGone.into()),
            };
            match first {
                Ok(Some(first)) => {
                    self.trouble.clear();
                    self.tell(self.round(first), limit).await?;
                }
                Ok(None) => break,
                Err(error) => self.trouble.bear(&error)?,
            }
        }
        Ok(Ended::Complete)
    }

    /// The batch, and what else is there.
    fn round(&self, first: Batch) -> Vec<Batch> {
        let size = |batch: &Batch| u64::try_from(batch.count()).unwrap_or(u64::MAX);
        let mut count = size(&first);
        let mut batches = vec![first];
        while count < ROUND_RECORDS {
            // An error comes again when it is waited for the next batch.
            let Ok(Some(batch)) = self.consumer.try_recv() else { break };
            count = count.saturating_add(size(&batch));
            batches.push(batch);
        }
        batches
    }

    async fn tell(&mut self, batches: Vec<Batch>, limit: u64) -> Result<(), Halt> {
        let mut consumed: Vec<Consumed> = Vec::new();
        for batch in &batches {
            let left = usize::try_from(limit - self.count).unwrap_or(usize::MAX);
            let at = batch.topic_partition();
            for record in batch.iter().take(left) {
                self.count += 1;
                add(&mut consumed, at, record.offset);
                if self.args.records {
                    let (offset, key, value) = (record.offset, record.key, record.value);
                    self.lines.add(&Event::RecordData { at, offset, key, value })?;
                }
            }
        }
        self.lines.say(&Event::RecordsConsumed(&consumed))?;
        if !self.args.enable_autocommit {
            self.commit(&consumed).await?;
        }
        let is_whole = self.count < limit;
        for batch in &batches {
            if is_whole && !batch.is_damaged() {
                // Compaction may have left nothing behind the last record.
                batch.done();
            } else if let Some(of) = consumed.iter().find(|of| of.at == *batch.topic_partition()) {
                batch.done_through(of.max_offset);
            }
        }
        Ok(())
    }

    async fn commit(&self, consumed: &[Consumed]) -> Result<(), Halt> {
        let offsets: Vec<_> = consumed.iter().map(|of| (of.at.clone(), of.max_offset + 1)).collect();
        let wanted = offsets.iter().map(|(at, offset)| (at.clone(), OffsetAndMetadata::from(*offset)));
        let committed = self.consumer.commit_offsets(wanted).await;
        let error = match committed {
            // Another member has taken this one's place, which will not change.
            Err(error) if error.code() == Some(ErrorCode::FENCED_INSTANCE_ID) => {
                return Err(failure_of(&error, "cannot commit").into());
            }
            committed => committed.err().map(|error| error.to_string()),
        };
        Ok(self.lines.say(&Event::OffsetsCommitted { offsets: &offsets, error })?)
    }
}

/// Counts a record under its partition.
fn add(consumed: &mut Vec<Consumed>, at: &TopicPartition, offset: i64) {
    match consumed.iter_mut().rfind(|of| of.at == *at) {
        Some(of) => (of.count, of.max_offset) = (of.count + 1, offset),
        None => consumed.push(Consumed { at: at.clone(), count: 1, min_offset: offset, max_offset: offset }),
    }
}
