//! Records one by one, as a stream.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;

use super::progress::Progress;
use super::{Batch, Consumer, ConsumerHandle, ConsumerRecord, PartitionConsumer};
use crate::Result;

/// The records of a consumer, or of one of its partitions: [`Consumer::into_stream`], [`PartitionConsumer::into_stream`].
///
/// A record is done when the next one is asked for, unless the user marks what is done itself: then nothing is done by
/// streaming, and [`Consumer::commit_offsets`] says what is. The record that was given last is not done while the stream waits
/// to be asked, nor when it is dropped. So whoever buffers records, or handles several at a time, may lose some in a crash: for
/// that there is [`Consumer::for_each_parallel`].
///
/// Cancel safe: a future that waits for the next record may be dropped, and no record is lost. When the stream is dropped, the
/// records that it did not give come again, from the next `recv` or stream of the consumer.
///
/// Errors are as those of [`Consumer::recv`]: the stream may be asked again afterwards.
#[must_use = "streams do nothing unless they are polled"]
pub struct RecordStream {
    handle: Arc<ConsumerHandle>,
    state: State,
    records: std::vec::IntoIter<ConsumerRecord>,
    /// What is not decoded yet.
    rest: Option<Batch>,
    /// The batch that the records are of.
    batch: Option<Batch>,
    /// Behind the record that was given last, until more is asked for.
    given: Option<i64>,
}

enum Source {
    All(Consumer),
    One(PartitionConsumer),
}

type Receiving = Pin<Box<dyn Future<Output = (Source, Result<Option<Batch>>)> + Send>>;

enum State {
    Receiving(Receiving),
    Ended,
}

/// Records that are decoded at a time: a batch may hold very many small ones.
const AT_A_TIME: usize = 64;

impl Consumer {
    /// The records one by one, of all partitions; it ends after [`close`](Consumer::close). A clone stays usable beside it, to
    /// commit or to close.
    ///
    /// ```no_run
    /// # async fn run(consumer: kinglet::Consumer) -> kinglet::Result<()> {
    /// let mut records = consumer.into_stream();
    /// while let Some(record) = records.next().await {
    ///     let record = record?;
    ///     println!("{} @{}: {:?}", record.topic_partition(), record.offset, record.value);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_stream(self) -> RecordStream {
        RecordStream::new(self.handle.clone(), Source::All(self))
    }
}

impl PartitionConsumer {
    /// The partition's records one by one. It ends when the partition goes to another member, or the consumer is closed; the
    /// batch that is under way then is given to its end.
    pub fn into_stream(self) -> RecordStream {
        RecordStream::new(self.handle().clone(), Source::One(self))
    }
}

impl RecordStream {
    fn new(handle: Arc<ConsumerHandle>, source: Source) -> Self {
        let (records, state) = (Vec::new().into_iter(), State::Receiving(source.receive()));
        Self { handle, state, records, rest: None, batch: None, given: None }
    }

    /// The next record, for those who use no library of streams. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<ConsumerRecord>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// More is asked for, so what was given is done, unless that is the user's to say.
    fn finish_given(&mut self) {
        if let (Some(end), Some(batch)) = (self.given.take(), &self.batch)
            && self.handle.shared.marks_done()
        {
            batch.progress().done_of(batch.first_offset(), end, batch.leader_epoch().unwrap_or(-1));
        }
    }

    fn next_decoded(&mut self) -> Option<ConsumerRecord> {
        loop {
            if let Some(record) = self.records.next() {
                self.given = Some(record.offset.saturating_add(1));
                return Some(record);
            }
            let (front, rest) = self.rest.take()?.split(AT_A_TIME);
            self.records = front.to_records().into_iter();
            // Behind damage nothing is given; the next batch that is asked for tells it.
            self.rest = rest.filter(|_| !front.is_damaged());
        }
    }
}

impl Stream for RecordStream {
    type Item = Result<ConsumerRecord>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let stream = &mut *self;
        stream.finish_given();
        loop {
            if let Some(record) = stream.next_decoded() {
                return Poll::Ready(Some(Ok(record)));
            }
            let State::Receiving(receiving) = &mut stream.state else { return Poll::Ready(None) };
            let (source, result) = ready!(receiving.as_mut().poll(cx));
            match result {
                Ok(Some(batch)) => {
                    (stream.rest, stream.batch) = (Some(batch.clone()), Some(batch));
                    stream.state = State::Receiving(source.receive());
                }
                Ok(None) => stream.state = State::Ended,
                Err(error) => {
                    stream.state = State::Receiving(source.receive());
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

impl FusedStream for RecordStream {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Ended) && self.records.len() == 0 && self.rest.is_none()
    }
}

impl Source {
    /// Nothing happens before it is polled: asking for more says that the batch before is done.
    fn receive(self) -> Receiving {
        Box::pin(async move {
            match self {
                Self::All(consumer) => {
                    let batch = consumer.recv().await;
                    (Self::All(consumer), batch)
                }
                Self::One(mut partition) => {
                    let batch = partition.recv().await;
                    (Self::One(partition), batch)
                }
            }
        })
    }
}

impl Drop for RecordStream {
    fn drop(&mut self) {
        let left = self.records.as_slice().first().map(|record| record.offset);
        let Some(from) = left.or_else(|| self.rest.as_ref().map(Batch::first_offset)) else { return };
        if let Some(batch) = &self.batch {
            let progress: &Arc<Progress> = batch.progress();
            self.handle.shared.with(|buffer| {
                progress.withdraw(0, from);
                if buffer.is_read_by(batch.topic_partition(), progress) {
                    buffer.move_to(batch.topic_partition(), from);
                }
            });
            self.handle.shared.wake.notify_one();
        }
    }
}

impl fmt::Debug for RecordStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordStream")
    }
}
