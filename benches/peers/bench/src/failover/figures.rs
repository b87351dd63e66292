//! What the events gave, as a table.

use std::fmt;

use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::Style;

use super::load::Whose;
use super::trio::Kind;

const HEAD: [&str; 9] = [
    "broker",
    "event",
    "kinglet, ms",
    "java, ms",
    "at the return: kinglet, ms",
    "java, ms",
    "in sync again, ms",
    "rounds",
    "",
];

/// What a producer noticed of an event.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Noticed {
    pub(super) producer: Whose,
    /// By partition the longest time without an ack, from the event to just before the broker came back.
    pub(super) gaps_ms: Vec<f64>,
    /// The same from then on, until it was in sync for a while.
    pub(super) gaps_at_return_ms: Vec<f64>,
}

impl Noticed {
    fn gap_ms(&self) -> f64 {
        self.gaps_ms.iter().copied().fold(0.0, f64::max)
    }

    fn gap_at_return_ms(&self) -> f64 {
        self.gaps_at_return_ms.iter().copied().fold(0.0, f64::max)
    }
}

/// One event.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Event {
    pub(super) broker: &'static str,
    pub(super) kind: Kind,
    /// The broker that it happened to. It led the partition before its number: broker 1 led partition 0.
    pub(super) victim: i32,
    pub(super) noticed: Vec<Noticed>,
    /// From the start of the process, or its going on, until all replicas were in sync again.
    pub(super) in_sync_ms: f64,
}

/// A round that does not count, and why.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Failure {
    pub(super) broker: &'static str,
    pub(super) kind: Kind,
    pub(super) error: String,
}

/// Everything that was found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Findings {
    pub(super) events: Vec<Event>,
    pub(super) failures: Vec<Failure>,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}:", self.broker, self.kind.name())?;
        for noticed in &self.noticed {
            let (gap, at_return) = (noticed.gap_ms(), noticed.gap_at_return_ms());
            write!(f, " {} {gap:.0} ms, at the return {at_return:.0} ms;", noticed.producer.name())?;
        }
        write!(f, " in sync again after {:.0} ms", self.in_sync_ms)
    }
}

impl Findings {
    /// A line for each broker and kind of event.
    pub(crate) fn table(&self) -> String {
        let mut keys: Vec<(&'static str, Kind)> = Vec::new();
        let failed = self.failures.iter().map(|failure| (failure.broker, failure.kind));
        for key in self.events.iter().map(|event| (event.broker, event.kind)).chain(failed) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let mut builder = Builder::new();
        builder.push_record(HEAD);
        for (broker, kind) in keys {
            builder.push_record(self.line(broker, kind));
        }
        format!("{}\n\n", builder.build().with(Style::markdown()))
    }

    fn line(&self, broker: &'static str, kind: Kind) -> Vec<String> {
        let events = || self.events.iter().filter(|event| (event.broker, event.kind) == (broker, kind));
        let noticed = |whose, value: fn(&Noticed) -> f64| {
            let all = events().flat_map(|event| &event.noticed).filter(|noticed| noticed.producer == whose);
            median_and_max(all.map(value).collect())
        };
        let failures =
            self.failures.iter().filter(|failure| (failure.broker, failure.kind) == (broker, kind));
        let failures: Vec<&Failure> = failures.collect();
        let note = failures.first().map(|first| format!("{} failed: {}", failures.len(), first.error));
        vec![
            broker.to_owned(),
            kind.name().to_owned(),
            noticed(Whose::Kinglet, Noticed::gap_ms),
            noticed(Whose::Java, Noticed::gap_ms),
            noticed(Whose::Kinglet, Noticed::gap_at_return_ms),
            noticed(Whose::Java, Noticed::gap_at_return_ms),
            median_and_max(events().map(|event| event.in_sync_ms).collect()),
            events().count().to_string(),
            note.unwrap_or_default(),
        ]
    }
}

/// `median / max`. Of an even number of values the median is the mean of the two in the middle.
fn median_and_max(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    let (Some(upper), Some(max)) = (values.get(half), values.last()) else { return "–".to_owned() };
    let lower = if values.len().is_multiple_of(2) { values.get(half - 1).unwrap_or(upper) } else { upper };
    format!("{:.0} / {max:.0}", (lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_the_values() {
        assert_eq!(median_and_max(vec![3.0, 1.0, 8.0]), "3 / 8");
        assert_eq!(median_and_max(vec![3.0, 1.0, 8.0, 5.0]), "4 / 8");
        assert_eq!(median_and_max(Vec::new()), "–");
    }
}
