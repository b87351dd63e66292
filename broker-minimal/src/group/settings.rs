//! What the broker's configuration says about groups.

use std::time::Duration;

use crate::config::Config;

/// Limits and delays of all groups of a broker.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `group.min.session.timeout.ms`.
    pub(crate) session_timeout_min_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub(crate) session_timeout_max_ms: i32,
    /// `group.initial.rebalance.delay.ms`: how long a new group waits for more members.
    pub(crate) initial_rebalance_delay: Duration,
    /// `group.max.size`.
    pub(crate) group_size_max: usize,
    /// `offset.metadata.max.bytes`.
    pub(crate) offset_metadata_max: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub(crate) offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub(crate) offsets_check_interval: Duration,
    /// Bytes of one record, key and value, that the log takes for sure.
    pub(crate) record_size_max: usize,
}

/// Room for what a batch has around a record.
const BATCH_OVERHEAD: usize = 1024;

impl Settings {
    pub(crate) fn new(config: &Config) -> Self {
        let int = |name| i32::try_from(config.number(name)).unwrap_or(i32::MAX);
        let size = |name| usize::try_from(config.number(name)).unwrap_or(0);
        let duration = |name| Duration::from_millis(u64::try_from(config.number(name)).unwrap_or(0));
        let segment = size("offsets.topic.segment.bytes");
        Self {
            session_timeout_min_ms: int("group.min.session.timeout.ms"),
            session_timeout_max_ms: int("group.max.session.timeout.ms"),
            initial_rebalance_delay: duration("group.initial.rebalance.delay.ms"),
            group_size_max: size("group.max.size"),
            offset_metadata_max: size("offset.metadata.max.bytes"),
            offsets_retention_ms: config.number("offsets.retention.minutes").saturating_mul(60_000),
            offsets_check_interval: duration("offsets.retention.check.interval.ms"),
            record_size_max: size("message.max.bytes").min(segment).saturating_sub(BATCH_OVERHEAD),
        }
    }
}
