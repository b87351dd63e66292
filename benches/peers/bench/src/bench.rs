//! What every measurement needs, and where its samples go.

use peers_kit::Fallible;

use crate::broker::{Broker, BrokerKind};
use crate::cell::Kind;
use crate::client::{Client, Programs};
use crate::figures::{Figures, Row, Sample};
use crate::values::Values;

/// A broker and those who are measured at it.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) kind: BrokerKind,
    pub(crate) broker: Broker,
    pub(crate) programs: &'a Programs,
    pub(crate) clients: &'a [&'a Client],
    pub(crate) values: &'a Values,
}

/// A line of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) cell: &'static str,
    pub(crate) client: &'static str,
    pub(crate) mode: &'static str,
}

impl Bench<'_> {
    /// The clients in this round's order: each round another one begins.
    pub(crate) fn turn(&self, round: usize) -> impl Iterator<Item = &Client> {
        let count = self.clients.len();
        self.clients.iter().copied().cycle().skip(round % count.max(1)).take(count)
    }

    /// Says how it goes to whoever watches, and adds it to the figures.
    pub(crate) fn note(&self, place: Place, result: Fallible<Sample>, figures: &mut Figures) {
        let Place { kind, cell, client, mode } = place;
        let broker = self.kind.name();
        let (samples, failures) = match result {
            Ok(s) => {
                eprintln!(
                    "  {broker}, {cell}, {client} {mode}: {:.0} k records/s, {:.2} CPU-s per million, {:.0} MB, p50 {:.0} µs, p99 {:.0} µs",
                    s.records_per_second / 1e3,
                    s.cpu_seconds_per_million,
                    s.rss_peak_megabytes,
                    s.p50_us,
                    s.p99_us
                );
                (vec![s], Vec::new())
            }
            Err(error) => {
                let failure = one_line(&error.to_string());
                eprintln!("  {broker}, {cell}, {client} {mode}: {failure}");
                (Vec::new(), vec![failure])
            }
        };
        figures.add(Row { broker, kind, cell, client, mode, samples, failures });
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(160).collect()
}
