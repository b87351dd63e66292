//! What becomes of batches that were sent: finished, to be sent again, or given up.

use std::time::Instant;

use super::{Accumulator, Finished, Identity};
use crate::producer::delivery::Written;
use crate::producer::parcel::{Doubt, Outcome, Parcel, Slot};
use crate::producer::sequence::Stamp;
use crate::protocol::ErrorCode;
use crate::{Error, Result, TopicPartition};

/// Topics that take less than this would be starved by headers.
const BATCH_MIN: usize = 1024;

impl Accumulator {
    /// A request has come back: the broker has room for another.
    pub(crate) fn request_done(&mut self, broker: i32) {
        if let Some(busy) = self.brokers.get_mut(&broker) {
            *busy = busy.saturating_sub(1);
        }
    }

    /// A broker whose quota is used up gets no request before `until`; it would only make it wait longer (KIP-219).
    pub(crate) fn on_throttled(&mut self, broker: i32, until: Instant) {
        self.throttled.insert(broker, until);
    }

    /// A planned batch has come back, with what was said of it. `unit` is a random number in `0.0..1.0`.
    pub(crate) fn landed(&mut self, mut parcel: Parcel, outcome: Outcome, now: Instant, unit: f64) {
        self.under_way -= 1;
        parcel.attempts += 1;
        let slot = parcel.slot;
        if let Some(queue) = self.queue_mut(slot) {
            queue.in_flight -= 1;
        }
        // What is acked under an older id says nothing about the present one.
        let is_current = self.current(parcel.stamp);
        let (error, again) = match outcome {
            Outcome::Written(written) => {
                if let Some(queue) = self.queue_mut(slot) {
                    (queue.failures, queue.is_named, queue.last_error) = (0, false, None);
                    queue.is_known |= is_current;
                }
                return self.finish(parcel, Ok(written));
            }
            // The broker has it from an earlier attempt and no longer knows where.
            Outcome::Refused { code: ErrorCode::DUPLICATE_SEQUENCE_NUMBER, .. } => {
                self.queue_mut(slot).into_iter().for_each(|queue| queue.is_known |= is_current);
                return self.finish(parcel, Ok(Written { base_offset: None, append_time_ms: None }));
            }
            // Larger than the topic takes, or than one of its segments holds.
            Outcome::Refused {
                code: ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE,
                ..
            } if parcel.count > 1 => {
                return self.split(parcel, now);
            }
            Outcome::Refused { code, message, broker } => {
                let again = self.refused(&mut parcel, code);
                let error = Error::broker(code, "the batch was refused").said(message);
                (error.around(|c| c.broker = Some(broker)), again)
            }
            Outcome::Lost { error, sent } => {
                if sent {
                    parcel.doubt = Doubt::Unanswered;
                }
                self.queue_mut(slot).into_iter().for_each(|queue| queue.leader = None);
                let again = error.is_retriable();
                (error, again)
            }
        };
        let expired = now >= parcel.opened + self.limits.delivery_timeout;
        if !again || expired || parcel.attempts > self.limits.retries {
            return self.give_up(parcel, error, now);
        }
        let retry = self.limits.retry;
        if let Some(queue) = self.queue_mut(slot) {
            queue.failed(error, now, retry, unit);
            queue.put_back(parcel);
        }
        self.activate(slot);
    }

    /// What a broker's refusal changes; the answer is whether to send the batch again.
    fn refused(&mut self, parcel: &mut Parcel, code: ErrorCode) -> bool {
        let lost_track = parcel.stamp.is_some()
            && matches!(
                code,
                ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
                    | ErrorCode::UNKNOWN_PRODUCER_ID
                    | ErrorCode::INVALID_PRODUCER_EPOCH
            );
        if maybe_appended(code) {
            parcel.doubt = parcel.doubt.max(Doubt::Appended);
        }
        if lost_track && code == ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER && parcel.doubt == Doubt::Appended {
            // Brokers look for the batch among the last ones they wrote before they look at the order: it is not there. But a
            // request of a connection that was lost may still be worked off.
            parcel.doubt = Doubt::None;
        }
        if lost_track && !self.current(parcel.stamp) {
            // Under its old number it can never be written, and only what is surely not written may get a new one.
            let is_unwritten = parcel.doubt == Doubt::None;
            parcel.stamp.take_if(|_| is_unwritten);
            return is_unwritten;
        }
        // A batch behind one that failed is out of order by nature; the first of them is not.
        if lost_track && self.current(parcel.stamp) && self.earliest(parcel.slot, parcel.number) {
            let is_fenced = code == ErrorCode::INVALID_PRODUCER_EPOCH;
            self.identity = if is_fenced { Identity::Wanted } else { self.identity.outworn() };
        }
        // A topic kept in a format before 0.11 has no place for numbers, and has surely not written the batch.
        if code == ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT
            && parcel
                .stamp
                .take_if(|_| parcel.doubt == Doubt::None && !self.limits.must_be_numbered)
                .is_some()
        {
            self.without_identity(1);
            return true;
        }
        if moves_leader(code) {
            self.queue_mut(parcel.slot).into_iter().for_each(|queue| queue.leader = None);
        }
        code.is_retriable() || lost_track
    }

    /// A batch is larger than the topic takes: its halves are sent, and later batches are made smaller.
    fn split(&mut self, parcel: Parcel, now: Instant) {
        self.splits += 1;
        let slot = parcel.slot;
        if let Some(topic) = self.topics.get_mut(slot.topic) {
            topic.batch_size = topic.batch_size.min(parcel.size / 2).max(BATCH_MIN);
        }
        match parcel.split() {
            Ok((first, second)) => {
                *self.unfinished.entry(first.number).or_default() += 1;
                if let Some(queue) = self.queue_mut(slot) {
                    // Each is put in front of what has the same number or a higher one.
                    queue.count_half();
                    queue.put_back(second);
                    queue.put_back(first);
                }
                self.activate(slot);
            }
            Err(failed) => {
                let (parcel, error) = *failed;
                self.give_up(parcel, error, now);
            }
        }
    }

    /// A batch could not even be sealed.
    pub(crate) fn unsendable(&mut self, parcel: Parcel, error: Error, now: Instant) {
        self.under_way -= 1;
        let slot = parcel.slot;
        if let Some(queue) = self.queue_mut(slot) {
            queue.in_flight -= 1;
        }
        self.give_up(parcel, error, now);
    }

    /// Whether no batch of the partition before this one is unfinished.
    fn earliest(&self, slot: Slot, number: u64) -> bool {
        let queue = self.topics.get(slot.topic).and_then(|t| t.partitions.get(slot.partition));
        queue.is_none_or(|queue| queue.earliest().is_none_or(|first| first >= number))
    }

    fn current(&self, stamp: Option<Stamp>) -> bool {
        match (self.identity, stamp) {
            (Identity::Known { id, epoch }, Some(stamp)) => (stamp.id, stamp.epoch) == (id, epoch),
            _ => false,
        }
    }

    pub(super) fn give_up(&mut self, parcel: Parcel, error: Error, now: Instant) {
        // Its numbers are lost, and a broker would refuse those behind them.
        if self.current(parcel.stamp) {
            self.identity = self.identity.outworn();
        }
        let partition = i32::try_from(parcel.slot.partition).unwrap_or(i32::MAX);
        let error = error.maybe_written(parcel.doubt > Doubt::None).around(|c| {
            c.topic_partition = Some(TopicPartition::new(parcel.topic.clone(), partition));
            c.attempts = parcel.attempts;
            c.elapsed = Some(now.saturating_duration_since(parcel.opened));
        });
        self.finish(parcel, Err(error));
    }

    fn finish(&mut self, parcel: Parcel, result: Result<Written>) {
        match self.unfinished.get_mut(&parcel.number) {
            Some(halves) if *halves > 1 => *halves -= 1,
            Some(_) | None => {
                self.unfinished.remove(&parcel.number);
                self.queue_mut(parcel.slot).into_iter().for_each(|queue| queue.finish(parcel.number));
            }
        }
        self.used = self.used.saturating_sub(parcel.memory);
        let count = u64::from(parcel.count);
        for tally in [&mut self.total, &mut self.since_report] {
            match &result {
                Ok(_) => tally.delivered += count,
                Err(e) => {
                    tally.failed += count;
                    tally.first_error.get_or_insert_with(|| e.clone());
                }
            }
        }
        self.finished.push(Finished {
            topic: parcel.topic,
            batch: parcel.result,
            records: parcel.count,
            result,
        });
    }

    /// A broker has a connection, or has lost it.
    pub(crate) fn on_broker(&mut self, broker: i32, connected: bool) {
        if connected {
            self.brokers.entry(broker).or_insert(0);
        } else {
            self.brokers.remove(&broker);
        }
    }

    /// A broker's refusal named the next leader: it is asked at once (KIP-951).
    pub(crate) fn on_moved(&mut self, topic: &str, partition: i32, broker: i32) {
        let index = usize::try_from(partition).ok();
        let topic = self.names.get(topic).and_then(|at| self.topics.get_mut(*at));
        if let Some(queue) = topic.zip(index).and_then(|(topic, index)| topic.partitions.get_mut(index)) {
            (queue.leader, queue.not_before, queue.is_named) = (Some(broker), None, true);
        }
    }

    /// Somebody else may lead what this broker led: it is asked before more is sent.
    pub(crate) fn doubt_leader(&mut self, broker: i32) {
        for queue in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            queue.leader.take_if(|leader| *leader == broker);
        }
    }

    /// The leaders at this broker cannot be reached: they wait, and somebody else may lead by then.
    pub(crate) fn on_unreachable(&mut self, broker: i32, error: &Error, now: Instant, unit: f64) {
        let (retry, topics) = (self.limits.retry, &mut self.topics);
        for queue in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            if queue.leader == Some(broker) {
                queue.leader = None;
                queue.failed(error.clone(), now, retry, unit);
            }
        }
    }
}

/// Codes of a leader that may have appended the batch before it failed, so that followers may have it.
fn maybe_appended(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::REQUEST_TIMED_OUT
            | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
            | ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::KAFKA_STORAGE_ERROR
    )
}

/// Codes that say: ask somebody else.
fn moves_leader(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::FENCED_LEADER_EPOCH
            | ErrorCode::KAFKA_STORAGE_ERROR
            | ErrorCode::REPLICA_NOT_AVAILABLE
            | ErrorCode::UNKNOWN_TOPIC_ID
    )
}
