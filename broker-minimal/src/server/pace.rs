//! How many may come in a second: `max.connection.creation.rate`.

use std::time::{Duration, Instant};

/// What may come at once after a pause.
const BURST: Duration = Duration::from_secs(1);

/// Keeps to a rate. Whoever is over it waits, and is in.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the next one would come, had all come evenly.
    due: Option<Instant>,
}

impl Pace {
    /// One comes at so many a second; how long it has to wait.
    pub(super) fn one(&mut self, now: Instant, per_second: u32) -> Duration {
        let apart = Duration::from_secs(1) / per_second.max(1);
        let due = self.due.map_or(now, |due| due.max(now));
        self.due = Some(due + apart);
        (due + apart).saturating_duration_since(now + BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_second_of_them_comes_at_once_and_then_as_many_as_may() {
        let (start, mut pace) = (clock::now(), Pace::default());
        let ms = Duration::from_millis;
        let waits: Vec<Duration> = (0..6).map(|_| pace.one(start, 4)).collect();
        assert_eq!(waits, [ms(0), ms(0), ms(0), ms(0), ms(250), ms(500)]);
        // They have waited; the next is due a quarter of a second after the last.
        assert_eq!(pace.one(start + ms(500), 4), ms(250));
        // Nobody has come for long: that is a second's worth, and no more.
        let later = start + ms(60_000);
        let waits: Vec<Duration> = (0..5).map(|_| pace.one(later, 4)).collect();
        assert_eq!(waits, [ms(0), ms(0), ms(0), ms(0), ms(250)]);
        assert_eq!(pace.one(later, u32::MAX), ms(250));
    }
}
