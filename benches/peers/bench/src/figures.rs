//! Samples of the rounds, their medians, and how they are shown.

use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::Style;

use crate::cell::Kind;
use crate::client::Run;

/// One run of one client that counts.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sample {
    pub(crate) records_per_second: f64,
    pub(crate) megabytes_per_second: f64,
    pub(crate) cpu_seconds_per_million: f64,
    pub(crate) records_per_cpu_second: f64,
    pub(crate) rss_peak_megabytes: f64,
    pub(crate) broker_cpu_seconds_per_million: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// One line of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) broker: &'static str,
    #[serde(skip)]
    pub(crate) kind: Kind,
    pub(crate) cell: &'static str,
    pub(crate) client: &'static str,
    pub(crate) mode: &'static str,
    pub(crate) samples: Vec<Sample>,
    /// Rounds that do not count, and why.
    pub(crate) failures: Vec<String>,
}

/// All lines.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rows: Vec<Row>,
}

impl Sample {
    /// Of a client that was measured over so many records of so many bytes, and a broker that had to do with more of them.
    pub(crate) fn new(run: &Run, records: u64, records_in_all: u64, size: usize, broker_cpu: f64) -> Self {
        let (count, outcome) = (records as f64, &run.outcome);
        Self {
            records_per_second: count / outcome.seconds,
            megabytes_per_second: count * size as f64 / 1e6 / outcome.seconds,
            cpu_seconds_per_million: outcome.cpu_seconds / count * 1e6,
            records_per_cpu_second: count / outcome.cpu_seconds,
            rss_peak_megabytes: run.rss_peak_bytes as f64 / 1e6,
            broker_cpu_seconds_per_million: broker_cpu / records_in_all as f64 * 1e6,
            p50_us: outcome.p50_us,
            p99_us: outcome.p99_us,
        }
    }
}

impl Figures {
    /// Adds what a round gave to the line that is named like it.
    pub(crate) fn add(&mut self, row: Row) {
        let is_same = |other: &&mut Row| {
            (other.broker, other.cell, other.client, other.mode)
                == (row.broker, row.cell, row.client, row.mode)
        };
        match self.rows.iter_mut().find(is_same) {
            Some(found) => {
                found.samples.extend(row.samples);
                found.failures.extend(row.failures);
            }
            None => self.rows.push(row),
        }
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// A table for each broker and cell, best first.
    pub(crate) fn tables(&self) -> String {
        let mut text = String::new();
        let mut seen = Vec::new();
        for row in &self.rows {
            let key = (row.broker, row.cell);
            if !seen.contains(&key) {
                seen.push(key);
                let rows = self.rows.iter().filter(|other| (other.broker, other.cell) == key);
                text.push_str(&table(row.broker, row.cell, rows.collect()));
            }
        }
        text
    }
}

fn table(broker: &str, cell: &str, mut rows: Vec<&Row>) -> String {
    let is_single = rows.iter().any(|row| row.kind == Kind::Single);
    let order = |row: &Row| match is_single {
        true => row.median(|sample| sample.p50_us),
        false => row.median(|sample| -sample.records_per_second),
    };
    rows.sort_by(|a, b| order(a).total_cmp(&order(b)));
    let mut builder = Builder::new();
    builder.push_record(if is_single {
        vec!["client", "p50 µs", "p99 µs", "of rounds", "CPU µs a record", "peak MB", ""]
    } else {
        vec![
            "client",
            "mode",
            "k records/s",
            "of rounds",
            "MB/s",
            "CPU-s per M",
            "k records per CPU-s",
            "peak MB",
            "broker CPU-s per M",
            "",
        ]
    });
    for row in rows {
        builder.push_record(if is_single { row.single() } else { row.load() });
    }
    let mut table = builder.build();
    format!("{broker}, {cell}\n{}\n\n", table.with(Style::markdown()))
}

impl Row {
    /// The middle of the rounds; what never worked comes last.
    fn median(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        let mut values: Vec<f64> = self.samples.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn spread(&self, value: impl Fn(&Sample) -> f64) -> String {
        let values = || self.samples.iter().map(&value);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
        if self.samples.is_empty() { String::new() } else { format!("{low:.0}–{high:.0}") }
    }

    pub(crate) fn note(&self) -> String {
        let count = self.failures.len();
        self.failures.first().map_or_else(String::new, |first| format!("{count} failed: {first}"))
    }

    pub(crate) fn show(&self, digits: usize, value: impl Fn(&Sample) -> f64) -> String {
        let median = self.median(value);
        if median.is_nan() { "–".to_owned() } else { format!("{median:.digits$}") }
    }

    fn load(&self) -> Vec<String> {
        let kilo = |sample: &Sample| sample.records_per_second / 1e3;
        vec![
            self.client.to_owned(),
            self.mode.to_owned(),
            self.show(0, kilo),
            self.spread(kilo),
            self.show(0, |sample| sample.megabytes_per_second),
            self.show(2, |sample| sample.cpu_seconds_per_million),
            self.show(0, |sample| sample.records_per_cpu_second / 1e3),
            self.show(0, |sample| sample.rss_peak_megabytes),
            self.show(2, |sample| sample.broker_cpu_seconds_per_million),
            self.note(),
        ]
    }

    fn single(&self) -> Vec<String> {
        vec![
            self.client.to_owned(),
            self.show(0, |sample| sample.p50_us),
            self.show(0, |sample| sample.p99_us),
            format!("{}, {}", self.spread(|sample| sample.p50_us), self.spread(|sample| sample.p99_us)),
            self.show(0, |sample| sample.cpu_seconds_per_million),
            self.show(0, |sample| sample.rss_peak_megabytes),
            self.note(),
        ]
    }
}
