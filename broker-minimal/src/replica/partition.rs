//! One replica of one partition, as its broker sees it: leadership and what is committed.

use kinglet_protocol::ErrorCode;

/// A replica that leads. With one broker it always does, and it alone is the ISR.
#[derive(Debug)]
pub(crate) struct Partition {
    leader_epoch: i32,
    /// First offset that is not committed: what consumers see ends before it.
    high_watermark: i64,
}

/// What the owner has to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The high watermark moved: whoever waits for records of this partition looks again.
    Progress,
}

impl Partition {
    /// A leader in `leader_epoch` whose log ends at `end`.
    pub(crate) fn leader(leader_epoch: i32, end: i64) -> Self {
        Self { leader_epoch, high_watermark: end }
    }

    pub(crate) fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    pub(crate) fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Records were appended; the log now ends at `end`. The ISR is this replica alone, so they are committed.
    pub(crate) fn on_append(&mut self, end: i64) -> Option<Effect> {
        if end <= self.high_watermark {
            return None;
        }
        self.high_watermark = end;
        Some(Effect::Progress)
    }

    /// Up to where records may be deleted for a client that wants to delete everything before `offset`; -1 stands for all that is
    /// committed.
    pub(crate) fn delete_before(&self, offset: i64) -> Result<i64, ErrorCode> {
        match offset {
            -1 => Ok(self.high_watermark),
            offset if (0..=self.high_watermark).contains(&offset) => Ok(offset),
            _ => Err(ErrorCode::OFFSET_OUT_OF_RANGE),
        }
    }

    /// Compares the epoch a request was made with to ours (KIP-320); -1 asks for no check.
    pub(crate) fn check_epoch(&self, current_leader_epoch: i32) -> Result<(), ErrorCode> {
        if current_leader_epoch < 0 || current_leader_epoch == self.leader_epoch {
            Ok(())
        } else if current_leader_epoch < self.leader_epoch {
            Err(ErrorCode::FENCED_LEADER_EPOCH)
        } else {
            Err(ErrorCode::UNKNOWN_LEADER_EPOCH)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_watermark_follows_the_end_and_never_goes_back() {
        let mut partition = Partition::leader(3, 10);
        assert_eq!(partition.on_append(12), Some(Effect::Progress));
        assert_eq!(partition.on_append(12), None);
        assert_eq!(partition.high_watermark(), 12);
    }

    #[test]
    fn only_what_is_committed_can_be_deleted() {
        let partition = Partition::leader(3, 10);
        assert_eq!(partition.delete_before(-1), Ok(10));
        assert_eq!(partition.delete_before(0), Ok(0));
        assert_eq!(partition.delete_before(10), Ok(10));
        assert_eq!(partition.delete_before(11), Err(ErrorCode::OFFSET_OUT_OF_RANGE));
        assert_eq!(partition.delete_before(-2), Err(ErrorCode::OFFSET_OUT_OF_RANGE));
    }

    #[test]
    fn an_older_epoch_is_fenced_and_a_newer_one_unknown() {
        let partition = Partition::leader(3, 0);
        assert_eq!(partition.check_epoch(-1), Ok(()));
        assert_eq!(partition.check_epoch(3), Ok(()));
        assert_eq!(partition.check_epoch(2), Err(ErrorCode::FENCED_LEADER_EPOCH));
        assert_eq!(partition.check_epoch(4), Err(ErrorCode::UNKNOWN_LEADER_EPOCH));
    }
}
