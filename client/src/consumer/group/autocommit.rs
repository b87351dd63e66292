//! When what is done is committed by itself, and what is said if that fails.

use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use crate::Result;
use crate::trouble::Trouble;

/// One commit at a time, and an interval between them.
#[derive(Debug)]
pub(super) struct AutoCommit {
    interval: Option<Duration>,
    due: Instant,
    under_way: bool,
    trouble: Trouble,
}

impl AutoCommit {
    /// Without an interval it is never time.
    pub(super) fn new(interval: Option<Duration>, now: Instant) -> Self {
        Self {
            interval,
            due: now + interval.unwrap_or_default(),
            under_way: false,
            trouble: Trouble::default(),
        }
    }

    /// Whether it is time to look for what is done. If there is something, [`begin`](Self::begin) follows.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let Some(interval) = self.interval.filter(|_| now >= self.due && !self.under_way) else {
            return false;
        };
        self.due = now + interval;
        true
    }

    /// A commit is under way, until it [`ended`](Self::on_end).
    pub(super) fn begin(&mut self) {
        self.under_way = true;
    }

    /// When it is time; there is nothing to look for as long as a commit is under way, which may take longer than the interval.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.interval.is_some() && !self.under_way).then_some(self.due)
    }

    pub(super) fn on_end(&mut self, group: &str, result: Result<()>, now: Instant) {
        self.under_way = false;
        match result {
            Ok(()) => {
                if let Some(after) = self.trouble.is_over(now) {
                    info!(group, ?after, "what is done is committed again");
                }
            }
            Err(error) if self.trouble.is_there(now) => {
                warn!(group, %error, "what is done is not committed");
            }
            Err(error) => debug!(group, %error, "what is done is still not committed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_commit_that_takes_longer_than_the_interval_is_waited_for() {
        let (begin, second) = (clock::now(), Duration::from_secs(1));
        let mut commits = AutoCommit::new(Some(second), begin);
        assert_eq!((commits.deadline(), commits.is_due(begin)), (Some(begin + second), false));
        assert!(commits.is_due(begin + second));
        commits.begin();
        assert_eq!((commits.deadline(), commits.is_due(begin + 3 * second)), (None, false));
        commits.on_end("g", Ok(()), begin + 4 * second);
        assert_eq!(
            (commits.deadline(), commits.is_due(begin + 4 * second)),
            (Some(begin + 2 * second), true)
        );
        assert_eq!(commits.deadline(), Some(begin + 5 * second), "there was nothing to commit");
    }
}
