//! The batches of one partition, in the order in which they must be written.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::delivery::BatchResult;
use super::parcel::{Body, Doubt, Parcel, Slot};
use super::sequence::Sequence;
use crate::Error;
use crate::net::Backoff;
use crate::protocol::records::BatchBuilder;

/// Which part of `retry.backoff.ms` passes before a leader that was named, and did not know it yet, is asked again.
const NAMED_SHARE: u32 = 4;

#[derive(Debug, Default)]
pub(super) struct PartitionQueue {
    pub(super) leader: Option<i32>,
    /// Whether it is in the accumulator's list of partitions with something to send.
    pub(super) active: bool,
    /// Takes records.
    pub(super) open: Option<Open>,
    full: VecDeque<Open>,
    /// To be sent again, by number; before anything else.
    again: VecDeque<Parcel>,
    pub(super) in_flight: usize,
    /// The numbers of batches that were sent and are not finished, and how many were sent before each.
    under_way: BTreeMap<u64, u64>,
    /// Batches that were sent, each counted once.
    sent: u64,
    pub(super) sequence: Sequence,
    /// What is under way carries numbers of an older id: if they are refused it is sent again under new ones, so nothing may be
    /// written before it.
    pub(super) is_outdated: bool,
    /// A batch with the present numbers was acked.
    pub(super) is_known: bool,
    pub(super) not_before: Option<Instant>,
    pub(super) failures: u32,
    /// A refusal has named the leader, which has not answered yet.
    pub(super) is_named: bool,
    pub(super) last_error: Option<Error>,
}

/// A batch that is being filled, or is full.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) builder: BatchBuilder,
    pub(super) result: Arc<BatchResult>,
    pub(super) unix_ms: i64,
    pub(super) has_headers: bool,
    number: u64,
    opened: Instant,
}

impl Open {
    pub(super) fn new(
        number: u64,
        partition: usize,
        batch_size: usize,
        opened: Instant,
        unix_ms: i64,
    ) -> Self {
        let partition = i32::try_from(partition).unwrap_or(i32::MAX);
        Self {
            builder: BatchBuilder::new(batch_size),
            result: BatchResult::new(partition),
            unix_ms,
            has_headers: false,
            number,
            opened,
        }
    }
}

impl PartitionQueue {
    /// Closes the open batch if `more` bytes do not fit.
    #[inline]
    pub(super) fn close_if_full(&mut self, more: usize, batch_size: usize) -> bool {
        match &self.open {
            Some(open) if open.builder.len() + more > batch_size => {
                self.close();
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn close(&mut self) {
        self.full.extend(self.open.take());
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.open.is_some() || !self.full.is_empty() || !self.again.is_empty()
    }

    /// Batches that are full or under way.
    pub(super) fn backlog(&self) -> usize {
        self.full.len() + self.again.len() + self.in_flight
    }

    /// When the batch was opened that is next.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let again = self.again.front().map(|parcel| parcel.opened);
        again.or_else(|| self.full.front().or(self.open.as_ref()).map(|open| open.opened))
    }

    /// The size of the batch that may be sent now; else when there may be one, if only time is missing.
    pub(super) fn next_due(
        &self,
        now: Instant,
        linger: Option<Duration>,
        batch_size: usize,
        in_flight_max: usize,
    ) -> Result<usize, Option<Instant>> {
        if let Some(not_before) = self.not_before.filter(|at| now < *at) {
            return Err(self.has_unsent().then_some(not_before));
        }
        if let Some(parcel) = self.again.front() {
            // What failed goes alone, after everything that is under way: so nothing overtakes it.
            return if self.in_flight == 0 { Ok(parcel.size) } else { Err(None) };
        }
        if self.in_flight >= in_flight_max {
            return Err(None);
        }
        if let Some(full) = self.full.front() {
            return Ok(full.builder.len());
        }
        let Some(open) = &self.open else { return Err(None) };
        let due = linger.map_or(open.opened, |linger| open.opened + linger);
        if open.builder.len() >= batch_size || now >= due { Ok(open.builder.len()) } else { Err(Some(due)) }
    }

    /// Takes the next batch out, due or not; it counts as under way.
    pub(super) fn take_next(&mut self, slot: Slot, topic: &Arc<str>) -> Option<Parcel> {
        let parcel = match self.again.pop_front() {
            Some(parcel) => parcel,
            None => self.full.pop_front().or_else(|| self.open.take())?.into_parcel(slot, topic.clone()),
        };
        self.in_flight += 1;
        if let Entry::Vacant(place) = self.under_way.entry(parcel.number) {
            place.insert(self.sent);
            self.sent += 1;
        }
        Some(parcel)
    }

    /// A batch that was sent is finished.
    pub(super) fn finish(&mut self, number: u64) {
        self.under_way.remove(&number);
    }

    /// The number of the oldest batch that was sent and is not finished.
    pub(super) fn earliest(&self) -> Option<u64> {
        self.under_way.first_key_value().map(|(number, _)| *number)
    }

    /// How many batches were sent since the oldest that is not finished, itself included.
    pub(super) fn span(&self) -> u64 {
        self.under_way.values().min().map_or(0, |before| self.sent - before)
    }

    /// A batch that was sent becomes two.
    pub(super) fn count_half(&mut self) {
        self.sent += 1;
    }

    /// Notes a failure: nothing is sent for a while. Batches that fail together count once.
    pub(super) fn failed(&mut self, error: Error, now: Instant, retry: Backoff, unit: f64) {
        if self.not_before.is_none_or(|at| at <= now) {
            // One that was named hears of it within milliseconds: it need not recover from anything.
            let delay = if std::mem::take(&mut self.is_named) {
                retry.delay(1, unit) / NAMED_SHARE
            } else {
                self.failures += 1;
                retry.delay(self.failures, unit)
            };
            self.not_before = Some(now + delay);
        }
        self.last_error = Some(error);
    }

    /// Puts a batch back that is to be sent again, by its number.
    pub(super) fn put_back(&mut self, parcel: Parcel) {
        let at = self.again.partition_point(|other| other.number < parcel.number);
        self.again.insert(at, parcel);
    }

    /// Numbers start again: batches lose the ones they have. One that may be written already keeps its own, as only
    /// by them does the broker know it again; under new ones it would be written twice.
    pub(super) fn renumber(&mut self) {
        self.sequence = Sequence::default();
        self.is_known = false;
        let unwritten = self.again.iter_mut().filter(|parcel| parcel.doubt == Doubt::None);
        unwritten.for_each(|parcel| parcel.stamp = None);
    }
}

impl Open {
    fn into_parcel(self, slot: Slot, topic: Arc<str>) -> Parcel {
        Parcel {
            slot,
            topic,
            number: self.number,
            result: self.result,
            count: self.builder.count(),
            size: self.builder.len(),
            memory: self.builder.capacity(),
            has_headers: self.has_headers,
            body: Body::Building(self.builder),
            stamp: None,
            attempts: 0,
            opened: self.opened,
            doubt: Doubt::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, clock};

    #[test]
    fn a_leader_that_was_named_and_does_not_know_it_yet_is_asked_again_soon_and_once() {
        let (mut now, ms) = (clock::now(), Duration::from_millis);
        let mut queue = PartitionQueue { is_named: true, ..PartitionQueue::default() };
        for wait in [ms(25), ms(100), ms(200)] {
            let retry = Backoff { base: ms(100), max: ms(1000) };
            queue.failed(Error::new(ErrorKind::Broker, "another leads"), now, retry, 0.5);
            assert_eq!(queue.not_before, Some(now + wait));
            now += wait;
        }
    }
}
