//! The sending side of `kperf`: one plain thread makes records and hands them to the producer.
//!
//! A clock, a channel and a task for each record would cost more than the record. So records go on in chunks: one reading of the
//! clock, one message and one waiting task for up to `CHUNK_RECORDS_MAX` of them, unless the thread had to wait in between.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use kinglet::{Delivery, ErrorKind, Producer, Record, TryEnqueueError};
use tokio::sync::mpsc::Sender;

use super::args::Load;
use super::clock::Clock;
use super::payload::Payload;
use crate::connect::failure_of;
use crate::error::{Exit, Failure};

/// Making and encoding so many small records takes some ten microseconds: by so much a latency may be too long.
const CHUNK_RECORDS_MAX: usize = 64;
/// Large records take longer to make, and are too few for a message each to matter.
const CHUNK_BYTES_MAX: usize = 16 * 1024;

/// Where records go.
#[derive(Debug)]
pub struct Feed {
    /// Takes them.
    pub producer: Producer,
    /// How many, and how fast.
    pub load: Load,
    /// The time.
    pub clock: Clock,
    /// To whom waits for the acknowledgements. When it is full, the feed waits.
    pub chunks: Sender<Chunk>,
    /// Its other end is dropped when the feed is to stop.
    pub stop: Receiver<()>,
}

/// Records that were handed to the producer at one time.
#[derive(Debug)]
pub struct Chunk {
    /// When.
    pub began: Duration,
    /// Whether they count as warm-up.
    pub phase: Phase,
    /// What becomes of each, and the size of its value.
    pub deliveries: Vec<(Delivery, usize)>,
    bytes: usize,
}

/// Which part of a load a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The first ones, up to `--warmup-records`.
    Warmup,
    /// All others.
    Steady,
}

/// How the sending ended.
#[derive(Debug, Default)]
pub struct Fed {
    /// Records that were refused at once, such as those that are too large.
    pub refused: u64,
    /// Why the first of them was.
    pub first_refusal: Option<kinglet::Error>,
    /// What ended it before the last record.
    pub stopped: Option<Failure>,
}

/// Why there is no next record.
enum End {
    /// Somebody asked for it.
    Asked,
    Failed(Failure),
}

impl Feed {
    /// Sends all records.
    pub fn run(&self, mut payload: Payload) -> Fed {
        let mut fed = Fed::default();
        let mut open = Chunk::new(Phase::Warmup);
        let ended = self.feed(&mut payload, &mut open, &mut fed).err();
        // Whoever asked for the end may be gone already; then nobody counts.
        let _ = self.hand_over(&mut open);
        fed.stopped = match ended {
            Some(End::Failed(failure)) => Some(failure),
            Some(End::Asked) | None => None,
        };
        fed
    }

    fn feed(&self, payload: &mut Payload, open: &mut Chunk, fed: &mut Fed) -> Result<(), End> {
        for number in 0..self.load.records {
            if number == self.load.warmup {
                self.hand_over(open)?;
                open.phase = Phase::Steady;
            }
            self.put(payload.value(number), open, fed)?;
            self.pause(number + 1, open)?;
        }
        Ok(())
    }

    #[inline]
    fn put(&self, value: &[u8], open: &mut Chunk, fed: &mut Fed) -> Result<(), End> {
        if open.deliveries.is_empty() {
            open.began = self.clock.now();
        }
        let record = Record::to(&self.load.topic).value(value);
        match self.producer.try_enqueue(record) {
            Ok(delivery) => open.push(delivery, value.len()),
            Err(TryEnqueueError::Failed(error)) => self.refuse(error, fed)?,
            // There is no room, or the topic is not known.
            Err(_) => return self.put_waiting(record, value.len(), open, fed),
        }
        if open.is_full() { self.hand_over(open) } else { Ok(()) }
    }

    /// The wait is part of this record's latency, and of no other's.
    fn put_waiting(
        &self,
        record: Record<'_>,
        size: usize,
        open: &mut Chunk,
        fed: &mut Fed,
    ) -> Result<(), End> {
        self.hand_over(open)?;
        open.began = self.clock.now();
        match self.producer.enqueue_blocking(record) {
            Ok(delivery) => open.push(delivery, size),
            Err(error) => self.refuse(error, fed)?,
        }
        self.hand_over(open)
    }

    fn refuse(&self, error: kinglet::Error, fed: &mut Fed) -> Result<(), End> {
        if error.kind() == ErrorKind::Closed {
            return Err(End::Asked);
        }
        fed.refused += 1;
        if error.kind() == ErrorKind::TooLarge {
            // The next one may be smaller.
            fed.first_refusal.get_or_insert(error);
            return Ok(());
        }
        Err(End::Failed(failure_of(&error, format!("cannot send to topic '{}'", self.load.topic))))
    }

    fn pause(&self, sent: u64, open: &mut Chunk) -> Result<(), End> {
        if !self.load.throttle.limits() || sent == self.load.records {
            return Ok(());
        }
        let Some(pause) = self.load.throttle.pause(sent, self.clock.now()) else { return Ok(()) };
        self.hand_over(open)?;
        match self.stop.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Err(End::Asked),
        }
    }

    fn hand_over(&self, open: &mut Chunk) -> Result<(), End> {
        let next = Chunk::new(open.phase);
        let chunk = std::mem::replace(open, next);
        if !chunk.deliveries.is_empty() {
            self.chunks.blocking_send(chunk).map_err(|_| End::Asked)?;
        }
        match self.stop.try_recv() {
            Err(TryRecvError::Empty) => Ok(()),
            Ok(()) | Err(TryRecvError::Disconnected) => Err(End::Asked),
        }
    }
}

impl Fed {
    /// The sending thread did not say how it ended.
    pub fn broken() -> Self {
        Self { stopped: Some(Failure::new(Exit::Failed, "the thread that sends is gone")), ..Self::default() }
    }
}

impl Chunk {
    fn new(phase: Phase) -> Self {
        Self { began: Duration::ZERO, phase, deliveries: Vec::new(), bytes: 0 }
    }

    fn push(&mut self, delivery: Delivery, size: usize) {
        if self.deliveries.capacity() == 0 && size.saturating_mul(CHUNK_RECORDS_MAX) <= CHUNK_BYTES_MAX {
            self.deliveries.reserve_exact(CHUNK_RECORDS_MAX);
        }
        self.deliveries.push((delivery, size));
        self.bytes += size;
    }

    fn is_full(&self) -> bool {
        self.deliveries.len() >= CHUNK_RECORDS_MAX || self.bytes >= CHUNK_BYTES_MAX
    }
}
