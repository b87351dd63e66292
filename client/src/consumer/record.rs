//! A record of its own: it outlives its batch, whose bytes it shares.

use bytes::Bytes;

use crate::protocol::records::{RecordRef, TimestampType};
use crate::{Batch, TopicPartition};

/// A record that was read. It is independent of consumer and batch; key, value and headers are shares of the bytes that the
/// batch arrived in, or was decompressed to. To hold one for long is to hold those.
#[derive(Clone, Debug)]
pub struct ConsumerRecord {
    at: TopicPartition,
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970, by the clock that [`timestamp_type`](Self::timestamp_type) names.
    pub timestamp: i64,
    /// Whose clock the timestamp is.
    pub timestamp_type: TimestampType,
    /// The key, if the record has one.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// Headers in the order they were written; a key may come twice.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl ConsumerRecord {
    /// A record of `batch` that lies in `bytes`.
    pub(super) fn new(batch: &Batch, bytes: &Bytes, record: &RecordRef<'_>) -> Self {
        let share = |field: &[u8]| bytes.slice_ref(field);
        Self {
            at: batch.topic_partition().clone(),
            offset: record.offset,
            timestamp: record.timestamp,
            timestamp_type: batch.timestamp_type(),
            key: record.key.map(share),
            value: record.value.map(share),
            headers: record.headers().map(|(key, value)| (share(key), value.map(share))).collect(),
        }
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.at.topic
    }

    /// The partition's number.
    pub fn partition(&self) -> i32 {
        self.at.partition
    }

    /// Topic and partition.
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.at
    }

    /// Bytes of key, value and headers.
    pub(super) fn payload_len(&self) -> usize {
        let len = |field: &Option<Bytes>| field.as_ref().map_or(0, Bytes::len);
        let headers = self.headers.iter().map(|(key, value)| key.len() + len(value)).sum::<usize>();
        len(&self.key) + len(&self.value) + headers
    }
}
