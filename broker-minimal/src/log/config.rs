//! What the log of one partition needs to know of its topic's configuration.
//!
//! Parsing and validating Kafka's keys is not done here: the values arrive checked.

use kinglet_protocol::records::TimestampType;

/// The topic's settings as the log uses them; the default is Kafka's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment file never grows past this.
    pub segment_bytes: u32,
    /// `segment.ms`: a segment whose first record is older than this is rolled by the next append.
    pub segment_ms: i64,
    /// How much earlier than `segment_ms` this log rolls, so that not all logs roll at once. The owner draws it from
    /// `0..=segment.jitter.ms`.
    pub segment_jitter_ms: i64,
    /// `index.interval.bytes`: one index entry for at least this many bytes.
    pub index_interval_bytes: u32,
    /// `retention.ms`; -1 keeps for ever.
    pub retention_ms: i64,
    /// `retention.bytes`; -1 is no limit.
    pub retention_bytes: i64,
    /// `max.message.bytes`: the largest batch, as it was sent (compressed).
    pub max_message_bytes: u32,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// `flush.messages`: an append that brings the unflushed records to this number waits for the disk.
    pub flush_messages: i64,
    /// `flush.ms`: the longest that a record may stay unflushed.
    pub flush_ms: i64,
    /// `cleanup.policy` contains `delete`.
    pub delete: bool,
    /// `cleanup.policy` contains `compact`.
    pub compact: bool,
    /// `min.cleanable.dirty.ratio`, in millionths: compaction starts above it.
    pub min_cleanable_dirty_ppm: u32,
    /// `min.compaction.lag.ms`: younger records are not compacted.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: older ones are, whatever the ratio.
    pub max_compaction_lag_ms: i64,
    /// `delete.retention.ms`: how long a tombstone stays once what it deletes is gone.
    pub delete_retention_ms: i64,
    /// `file.delete.delay.ms`: how long a dropped segment's files stay, renamed, for readers that still send them.
    pub file_delete_delay_ms: i64,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
}

impl Default for LogConfig {
    fn default() -> Self {
        const HOUR_MS: i64 = 60 * 60 * 1000;
        Self {
            segment_bytes: 1024 * 1024 * 1024,
            segment_ms: 7 * 24 * HOUR_MS,
            segment_jitter_ms: 0,
            index_interval_bytes: 4096,
            retention_ms: 7 * 24 * HOUR_MS,
            retention_bytes: -1,
            max_message_bytes: 1024 * 1024 + 12,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: HOUR_MS,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            delete: true,
            compact: false,
            min_cleanable_dirty_ppm: 500_000,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: 24 * HOUR_MS,
            file_delete_delay_ms: 60_000,
            producer_id_expiration_ms: 24 * HOUR_MS,
        }
    }
}
