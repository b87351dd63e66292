//! Appends that wait for the high watermark.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Names a reply that the owner of the partition keeps.
pub(crate) type ReplyId = u64;

/// Those of one partition, by what they wait for and by when they give up.
#[derive(Debug, Default)]
pub(super) struct Pending {
    by_offset: BTreeMap<(i64, ReplyId), Instant>,
    by_deadline: BTreeSet<(Instant, ReplyId, i64)>,
}

impl Pending {
    pub(super) fn insert(&mut self, id: ReplyId, until: i64, deadline: Instant) {
        self.by_offset.insert((until, id), deadline);
        self.by_deadline.insert((deadline, id, until));
    }

    /// Everything that waits for `high_watermark` or less, in the order of the log.
    pub(super) fn committed(&mut self, high_watermark: i64) -> impl Iterator<Item = ReplyId> + use<> {
        let later = self.by_offset.split_off(&(high_watermark.saturating_add(1), 0));
        let done = std::mem::replace(&mut self.by_offset, later);
        for (&(until, id), &deadline) in &done {
            self.by_deadline.remove(&(deadline, id, until));
        }
        done.into_keys().map(|(_, id)| id)
    }

    /// Everything whose time is up.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<ReplyId> {
        let mut expired = Vec::new();
        while let Some(&(deadline, id, until)) = self.by_deadline.first()
            && deadline <= now
        {
            self.by_deadline.pop_first();
            self.by_offset.remove(&(until, id));
            expired.push(id);
        }
        expired
    }

    /// Everything, in the order of the log.
    pub(super) fn take(&mut self) -> impl Iterator<Item = ReplyId> + use<> {
        self.by_deadline.clear();
        std::mem::take(&mut self.by_offset).into_keys().map(|(_, id)| id)
    }

    /// Drops those that nobody waits for any more.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(ReplyId) -> bool) {
        self.by_offset.retain(|(_, id), _| is_wanted(*id));
        self.by_deadline.retain(|(_, id, _)| is_wanted(*id));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, ..)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[test]
    fn what_is_committed_leaves_in_the_order_of_the_log_and_the_rest_at_its_deadline() {
        let start = clock::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pending = Pending::default();
        pending.insert(1, 30, at(5));
        pending.insert(2, 10, at(9));
        pending.insert(3, 20, at(7));
        assert_eq!(pending.deadline(), Some(at(5)));
        assert_eq!(pending.committed(20).collect::<Vec<_>>(), [2, 3]);
        assert!(pending.expired(at(4)).is_empty());
        assert_eq!(pending.expired(at(5)), [1]);
        assert_eq!(pending.deadline(), None);
    }

    #[test]
    fn what_nobody_waits_for_is_dropped() {
        let start = clock::now();
        let mut pending = Pending::default();
        pending.insert(1, 10, start);
        pending.insert(2, 10, start);
        pending.retain(|id| id == 2);
        assert_eq!(pending.take().collect::<Vec<_>>(), [2]);
        assert_eq!(pending.deadline(), None);
    }
}
