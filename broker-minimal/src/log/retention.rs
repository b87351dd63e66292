//! Which of the oldest segments may go, by time, by size, and because nobody may read them any more.
//!
//! Pure: the log renames and deletes.

/// What retention needs to know of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentAge {
    /// The offset after its last record: the next segment's base.
    pub(super) end_offset: i64,
    /// Bytes of its `.log` file.
    pub(super) size: u64,
    /// Its largest record timestamp; the file's time of modification when no record has one.
    pub(super) newest_ms: i64,
    /// It is appended to.
    pub(super) is_active: bool,
}

/// The limits of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// `retention.ms`, -1 for none.
    pub(super) retention_ms: i64,
    /// `retention.bytes`, -1 for none.
    pub(super) retention_bytes: i64,
    /// Records below this may not be read any more.
    pub(super) log_start: i64,
    /// Nothing from here on may go: it is not committed.
    pub(super) high_watermark: i64,
    /// The cleanup policy deletes; without it only what is below `log_start` goes.
    pub(super) delete: bool,
}

/// Asked for one segment after the other, from the oldest on, until one stays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retention {
    limits: Limits,
    /// Bytes above `retention.bytes`; a segment goes by size only if the rest still fills the limit.
    excess: Option<u64>,
}

impl Retention {
    /// For a log of `size` bytes.
    pub(super) fn new(limits: Limits, size: u64) -> Self {
        let excess = u64::try_from(limits.retention_bytes).ok().and_then(|limit| size.checked_sub(limit));
        Self { limits, excess }
    }

    /// Whether the segment goes; the active one may go too, and the log rolls first then.
    pub(super) fn takes(&mut self, segment: &SegmentAge, now_ms: i64) -> bool {
        // One that compaction emptied must not keep those behind it.
        let is_empty = segment.is_active && segment.size == 0;
        if is_empty || segment.end_offset > self.limits.high_watermark {
            return false;
        }
        let Limits { retention_ms, log_start, delete, .. } = self.limits;
        let is_below_start = segment.end_offset <= log_start;
        let age_ms = now_ms.saturating_sub(segment.newest_ms);
        let is_old = delete && retention_ms >= 0 && age_ms > retention_ms;
        let is_too_much = delete && self.excess.is_some_and(|excess| excess >= segment.size);
        self.excess = self.excess.map(|excess| excess.saturating_sub(segment.size));
        is_below_start || is_old || is_too_much
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LIMIT: Limits =
        Limits { retention_ms: -1, retention_bytes: -1, log_start: 0, high_watermark: 400, delete: true };

    fn expired(segments: &[SegmentAge], limits: &Limits, now_ms: i64) -> usize {
        let mut retention = Retention::new(*limits, segments.iter().map(|segment| segment.size).sum());
        segments.iter().take_while(|segment| retention.takes(segment, now_ms)).count()
    }

    /// Four segments of 100 records and 1,000 bytes, the newest records at 1,000, 2,000, 3,000 and 4,000 ms.
    fn segments() -> Vec<SegmentAge> {
        let age =
            |i: i64| SegmentAge { end_offset: i * 100, size: 1_000, newest_ms: i * 1_000, is_active: i == 4 };
        (1..=4).map(age).collect()
    }

    #[test]
    fn without_limits_everything_stays() {
        assert_eq!(expired(&segments(), &NO_LIMIT, i64::MAX), 0);
    }

    #[test]
    fn time_drops_segments_whose_newest_record_is_too_old() {
        let limits = Limits { retention_ms: 500, ..NO_LIMIT };
        assert_eq!(expired(&segments(), &limits, 2_501), 2);
        assert_eq!(expired(&segments(), &limits, 2_500), 1, "exactly at the limit stays");
        assert_eq!(expired(&segments(), &limits, 9_999), 4, "the active segment too");
    }

    #[test]
    fn size_drops_only_what_is_wholly_above_the_limit() {
        assert_eq!(expired(&segments(), &Limits { retention_bytes: 2_500, ..NO_LIMIT }, 0), 1);
        assert_eq!(expired(&segments(), &Limits { retention_bytes: 2_000, ..NO_LIMIT }, 0), 2);
        assert_eq!(expired(&segments(), &Limits { retention_bytes: 0, ..NO_LIMIT }, 0), 4);
    }

    #[test]
    fn what_is_not_committed_stays() {
        let limits = Limits { retention_ms: 0, high_watermark: 199, ..NO_LIMIT };
        assert_eq!(expired(&segments(), &limits, i64::MAX), 1);
    }

    #[test]
    fn what_is_below_the_log_start_goes_even_when_the_policy_does_not_delete() {
        let limits = Limits { log_start: 250, delete: false, retention_ms: 0, ..NO_LIMIT };
        assert_eq!(expired(&segments(), &limits, i64::MAX), 2);
    }

    #[test]
    fn an_empty_active_segment_stays() {
        let empty = [SegmentAge { end_offset: 0, size: 0, newest_ms: 0, is_active: true }];
        assert_eq!(expired(&empty, &Limits { retention_ms: 0, ..NO_LIMIT }, i64::MAX), 0);
    }

    #[test]
    fn a_segment_that_compaction_emptied_keeps_nothing_behind_it() {
        let mut segments = segments();
        segments[0].size = 0;
        assert_eq!(expired(&segments, &Limits { retention_ms: 500, ..NO_LIMIT }, 2_501), 2);
    }
}
