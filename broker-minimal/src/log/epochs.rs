//! Which leader wrote from which offset on: the history that replicas compare to find where they part (KIP-101).
//!
//! Pure: the file `leader-epoch-checkpoint` is read and written by the log.

use kinglet_protocol::records::files::EpochEntry;

/// The epochs of one partition; both numbers rise from entry to entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    entries: Vec<EpochEntry>,
}

impl Epochs {
    /// Takes entries as a checkpoint holds them; `None` when they do not rise.
    pub(crate) fn from_entries(entries: Vec<EpochEntry>) -> Option<Self> {
        let rising = entries.windows(2).all(|pair| match pair {
            [a, b] => a.epoch < b.epoch && a.start_offset <= b.start_offset,
            _ => true,
        });
        let valid = entries.iter().all(|entry| entry.epoch >= 0 && entry.start_offset >= 0);
        (rising && valid).then_some(Self { entries })
    }

    /// The entries, oldest first.
    pub(crate) fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The newest epoch.
    pub(crate) fn latest(&self) -> Option<i32> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// Whether an append with this epoch starts a new entry.
    pub(crate) fn is_new(&self, epoch: i32) -> bool {
        epoch >= 0 && self.latest() != Some(epoch)
    }

    /// Says that `epoch` writes from `start` on. Entries that contradict it are dropped: they are of leaders whose
    /// records were replaced. Returns whether something changed.
    pub(crate) fn assign(&mut self, epoch: i32, start: i64) -> bool {
        if !self.is_new(epoch) {
            return false;
        }
        self.entries.retain(|entry| entry.epoch < epoch && entry.start_offset < start);
        self.entries.push(EpochEntry { epoch, start_offset: start });
        true
    }

    /// The records from `end` on are gone. Returns whether something changed.
    pub(crate) fn truncate_end(&mut self, end: i64) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.start_offset < end);
        self.entries.len() != before
    }

    /// The records before `start` are gone: the epoch that wrote `start` begins there now. Returns whether something
    /// changed.
    pub(crate) fn truncate_start(&mut self, start: i64) -> bool {
        let gone = self.entries.iter().take_while(|entry| entry.start_offset <= start).count();
        let Some(current) = gone.checked_sub(1) else { return false };
        let unchanged = current == 0 && self.entries.first().is_some_and(|entry| entry.start_offset == start);
        self.entries.drain(..current);
        if let Some(first) = self.entries.first_mut() {
            first.start_offset = start;
        }
        !unchanged
    }

    /// The largest epoch not above `epoch`, and where it ends: the first offset of the next one, or `log_end`.
    ///
    /// `(-1, -1)` when that cannot be said, as for an epoch newer than all known (KIP-279).
    pub(crate) fn end_offset(&self, epoch: i32, log_end: i64) -> (i32, i64) {
        const UNDEFINED: (i32, i64) = (-1, -1);
        if epoch < 0 {
            return UNDEFINED;
        }
        if self.latest() == Some(epoch) {
            return (epoch, log_end);
        }
        let higher = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let Some(next) = self.entries.get(higher) else { return UNDEFINED };
        match higher.checked_sub(1).and_then(|floor| self.entries.get(floor)) {
            Some(floor) => (floor.epoch, next.start_offset),
            None => (epoch, next.start_offset),
        }
    }

    /// The epoch that wrote `offset`, -1 when it is before the first entry.
    pub(crate) fn epoch_of(&self, offset: i64) -> i32 {
        let after = self.entries.partition_point(|entry| entry.start_offset <= offset);
        after.checked_sub(1).and_then(|index| self.entries.get(index)).map_or(-1, |entry| entry.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> Epochs {
        let entries =
            entries.iter().map(|&(epoch, start_offset)| EpochEntry { epoch, start_offset }).collect();
        Epochs::from_entries(entries).expect("the entries rise")
    }

    #[test]
    fn the_end_of_an_epoch_is_the_start_of_the_next() {
        let epochs = epochs(&[(2, 10), (4, 20), (7, 35)]);
        assert_eq!(epochs.end_offset(2, 50), (2, 20));
        assert_eq!(epochs.end_offset(4, 50), (4, 35));
    }

    #[test]
    fn the_latest_epoch_ends_with_the_log() {
        assert_eq!(epochs(&[(2, 10), (4, 20)]).end_offset(4, 50), (4, 50));
    }

    #[test]
    fn an_epoch_that_wrote_nothing_answers_with_the_one_below() {
        assert_eq!(epochs(&[(2, 10), (4, 20), (7, 35)]).end_offset(5, 50), (4, 35));
    }

    #[test]
    fn an_epoch_before_the_first_ends_where_the_first_starts() {
        assert_eq!(epochs(&[(2, 10), (4, 20)]).end_offset(1, 50), (1, 10));
    }

    #[test]
    fn an_epoch_newer_than_all_is_undefined() {
        assert_eq!(epochs(&[(2, 10)]).end_offset(3, 50), (-1, -1));
        assert_eq!(Epochs::default().end_offset(0, 0), (-1, -1));
    }

    #[test]
    fn an_assignment_drops_what_it_replaces() {
        let mut known = epochs(&[(2, 10), (4, 20), (7, 35)]);
        assert!(known.assign(8, 20));
        assert_eq!(known, epochs(&[(2, 10), (8, 20)]));
        assert!(!known.assign(8, 30), "the current epoch is no change");
    }

    #[test]
    fn truncation_at_the_end_drops_epochs_that_wrote_nothing_any_more() {
        let mut known = epochs(&[(2, 10), (4, 20)]);
        assert!(known.truncate_end(20));
        assert_eq!(known, epochs(&[(2, 10)]));
        assert!(!known.truncate_end(20));
    }

    #[test]
    fn truncation_at_the_start_moves_the_epoch_that_wrote_the_new_start() {
        let mut known = epochs(&[(2, 10), (4, 20), (7, 35)]);
        assert!(known.truncate_start(25));
        assert_eq!(known, epochs(&[(4, 25), (7, 35)]));
        assert!(!known.truncate_start(25));
        assert!(!known.truncate_start(5));
    }

    #[test]
    fn the_epoch_of_an_offset_is_that_of_its_writer() {
        let known = epochs(&[(2, 10), (4, 20)]);
        assert_eq!([5, 10, 19, 20, 99].map(|offset| known.epoch_of(offset)), [-1, 2, 2, 4, 4]);
    }

    #[test]
    fn entries_that_do_not_rise_are_refused() {
        let entries = [(4, 10), (2, 20)].map(|(epoch, start_offset)| EpochEntry { epoch, start_offset });
        assert_eq!(Epochs::from_entries(entries.to_vec()), None);
    }
}
