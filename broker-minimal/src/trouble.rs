//! A trouble that ends by itself most of the time, as while another leader is elected: it is said once, if it lasts, and so is its end.

use std::time::{Duration, Instant};

/// By then somebody else leads, unless something is wrong.
const LASTING: Duration = Duration::from_secs(5);

/// How long it has been there.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    since: Option<Instant>,
    is_said: bool,
}

impl Trouble {
    /// It is there; whether it is to be said now.
    pub(crate) fn is_there(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        !self.is_said && now.duration_since(since) >= LASTING && !std::mem::replace(&mut self.is_said, true)
    }

    /// It is over; how long it was, if that is to be said.
    pub(crate) fn is_over(&mut self, now: Instant) -> Option<Duration> {
        let Self { since, is_said } = std::mem::take(self);
        since.filter(|_| is_said).map(|since| now.duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_short_trouble_is_not_said_and_a_long_one_once_with_its_end() {
        let start = clock::now();
        let mut trouble = Trouble::default();
        assert!(!trouble.is_there(start));
        assert!(!trouble.is_there(start + LASTING / 2));
        assert_eq!(trouble.is_over(start + LASTING), None);

        assert!(!trouble.is_there(start + LASTING));
        assert!(trouble.is_there(start + LASTING * 2));
        assert!(!trouble.is_there(start + LASTING * 3));
        assert_eq!(trouble.is_over(start + LASTING * 4), Some(LASTING * 3));
        assert_eq!(trouble.is_over(start + LASTING * 5), None);
    }
}
