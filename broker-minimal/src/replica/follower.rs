//! How far one follower has come, as its leader sees it by the follower's fetches.

use std::time::{Duration, Instant};

/// What the leader knows of one follower.
#[derive(Debug)]
pub(super) struct Follower {
    /// Where its log ends: it has asked for this offset. -1 until it has fetched in this leader's epoch.
    pub(super) end: i64,
    /// The epoch that it registered with, as its fetches say; -1 if they do not.
    pub(super) broker_epoch: i64,
    /// Where its log starts; -1 until it has said so.
    pub(super) log_start: i64,
    /// The newest high watermark that it was told, and the newest start of the leader's log.
    told: (i64, i64),
    /// Its previous fetch, and where the leader's log ended then.
    last_fetch: Option<(Instant, i64)>,
    /// When it last had everything.
    caught_up: Option<Instant>,
}

impl Follower {
    /// At the start of a leader's epoch a member of the ISR has as long to prove itself as one that was just caught up.
    pub(super) fn new(is_in_sync: bool, now: Instant) -> Self {
        Self {
            end: -1,
            broker_epoch: -1,
            log_start: -1,
            told: (-1, -1),
            last_fetch: None,
            caught_up: is_in_sync.then_some(now),
        }
    }

    /// It has everything before `offset`, while the leader's log ends at `leader_end`.
    ///
    /// Whoever fetches up to where the leader ended at the previous fetch was caught up at that time: a follower that is always one
    /// fetch behind a busy leader does not lag.
    pub(super) fn on_fetch(&mut self, offset: i64, broker_epoch: i64, leader_end: i64, now: Instant) {
        if offset >= leader_end {
            self.caught_up = self.caught_up.max(Some(now));
        } else if let Some((at, end)) = self.last_fetch
            && offset >= end
        {
            self.caught_up = self.caught_up.max(Some(at));
        }
        self.last_fetch = Some((now, leader_end));
        self.end = offset;
        self.broker_epoch = broker_epoch;
    }

    /// It is told the high watermark and the start of the leader's log now; whether that is news.
    pub(super) fn tell(&mut self, high_watermark: i64, log_start: i64) -> bool {
        let before = self.told;
        self.told = (before.0.max(high_watermark), before.1.max(log_start));
        self.told != before
    }

    pub(super) fn is_caught_up(&self, leader_end: i64, now: Instant, lag_time_max: Duration) -> bool {
        let in_time = |at: Instant| now.saturating_duration_since(at) <= lag_time_max;
        self.end == leader_end || self.caught_up.is_some_and(in_time)
    }

    /// When it is out of sync if nothing changes. `None`: it is already, or has everything.
    pub(super) fn lags_at(&self, leader_end: i64, lag_time_max: Duration) -> Option<Instant> {
        let at = self.caught_up.filter(|_| self.end != leader_end)?;
        // The first moment that is not within the limit.
        at.checked_add(lag_time_max)?.checked_add(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const LAG: Duration = Duration::from_secs(30);

    #[test]
    fn a_follower_that_is_always_one_fetch_behind_is_caught_up() {
        let start = clock::now();
        let at = |s| start + Duration::from_secs(s);
        let mut follower = Follower::new(true, start);
        for second in 0..100_i64 {
            follower.on_fetch(second * 10, -1, (second + 1) * 10, at(second.unsigned_abs()));
        }
        assert!(
            follower.is_caught_up(1000, at(120), LAG),
            "it had everything as of the fetch before the last"
        );
        assert!(!follower.is_caught_up(1000, at(129), LAG));
    }

    #[test]
    fn a_follower_that_falls_behind_lags_after_the_limit() {
        let start = clock::now();
        let at = |s| start + Duration::from_secs(s);
        let mut follower = Follower::new(false, start);
        follower.on_fetch(10, -1, 10, start);
        for second in 1..40 {
            follower.on_fetch(10, -1, 10 + i64::try_from(second).unwrap(), at(second));
        }
        assert!(follower.is_caught_up(60, at(30), LAG));
        assert!(!follower.is_caught_up(60, at(31), LAG), "it has had everything at its first fetch only");
        assert!(follower.is_caught_up(10, at(99), LAG), "a leader that writes nothing has no laggards");
    }

    #[test]
    fn a_high_watermark_and_a_start_are_news_once() {
        let mut follower = Follower::new(true, clock::now());
        assert!(follower.tell(5, 0));
        assert!(!follower.tell(5, 0));
        assert!(follower.tell(6, 0));
        assert!(follower.tell(6, 3));
        assert!(!follower.tell(6, 3));
    }
}
