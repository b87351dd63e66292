//! A trouble that is tried to get over again and again, as a broker that cannot be reached: it is said when it comes and when it is over,
//! and not at every try between.

use std::time::{Duration, Instant};

/// How long it has been there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trouble {
    since: Option<Instant>,
}

impl Trouble {
    /// It is there; whether it has just come.
    pub(crate) fn is_there(&mut self, now: Instant) -> bool {
        self.since.replace(self.since.unwrap_or(now)).is_none()
    }

    /// It is not there; how long it was, if it was.
    pub(crate) fn is_over(&mut self, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.since.take()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_trouble_comes_once_and_is_over_once() {
        let (begin, second) = (clock::now(), Duration::from_secs(1));
        let mut trouble = Trouble::default();
        assert_eq!(trouble.is_over(begin), None);
        assert!(trouble.is_there(begin));
        assert!(!trouble.is_there(begin + second));
        assert_eq!(trouble.is_over(begin + 3 * second), Some(3 * second));
        assert_eq!(trouble.is_over(begin + 4 * second), None);
        assert!(trouble.is_there(begin + 5 * second), "it comes again");
    }
}
