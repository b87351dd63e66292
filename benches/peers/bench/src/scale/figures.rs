//! What was measured, as tables: a column for each cluster, and what a partition costs.

use std::collections::BTreeMap;
use std::time::Duration;

use peers_kit::Fallible;
use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::Style;

/// Something that is measured of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Figure {
    Start,
    EmptyCpu,
    EmptyMemory,
    CreateAnswered,
    Create,
    Fill,
    IdleCpu,
    Memory,
    OpenFiles,
    AnswerBytes,
    Answer,
    Led,
    Moved,
    Acked,
    InSync,
    IdleAgain,
    Stop,
    Restart,
}

/// Each with what it is called and its digits behind the point.
const FIGURES: [(Figure, &str, usize); 18] = [
    (Figure::Start, "start of the empty cluster, s", 2),
    (Figure::EmptyCpu, "idle and empty: CPU of a broker, ms/s", 1),
    (Figure::EmptyMemory, "idle and empty: memory of a broker, MB", 1),
    (Figure::CreateAnswered, "creation answered, s", 2),
    (Figure::Create, "creation, until all are led and in sync, s", 2),
    (Figure::Fill, "a record to each partition acked, s", 2),
    (Figure::IdleCpu, "idle: CPU of a broker, ms/s", 1),
    (Figure::Memory, "idle: memory of a broker, MB", 1),
    (Figure::OpenFiles, "idle: open files of a broker", 0),
    (Figure::AnswerBytes, "Metadata of all topics, kB", 0),
    (Figure::Answer, "Metadata of all topics, p50 ms", 2),
    (Figure::Led, "partitions led by the broker that is killed", 0),
    (Figure::Moved, "kill -9 until others lead them, s", 2),
    (Figure::Acked, "kill -9 until a record is acked in each of 100 of them, s", 2),
    (Figure::InSync, "its return, until all are in sync, s", 2),
    (Figure::IdleAgain, "its return, until all are idle, s", 1),
    (Figure::Stop, "stop of all three, s", 2),
    (Figure::Restart, "start of all three, until all are led and in sync, s", 2),
];

/// What costs more with each partition: its name, the figure, what it is without partitions, and by how much it is multiplied.
const COSTS: [(&str, Figure, Option<Figure>, f64); 8] = [
    ("memory, kB", Figure::Memory, Some(Figure::EmptyMemory), 1e3),
    ("idle CPU, µs/s", Figure::IdleCpu, Some(Figure::EmptyCpu), 1e3),
    ("creation, ms", Figure::Create, None, 1e3),
    ("failover, ms", Figure::Moved, None, 1e3),
    ("return, ms", Figure::InSync, None, 1e3),
    ("stop, ms", Figure::Stop, None, 1e3),
    ("start, ms", Figure::Restart, Some(Figure::Start), 1e3),
    ("Metadata, µs", Figure::Answer, None, 1e3),
];

/// One cluster.
#[derive(Debug, Serialize)]
pub(crate) struct Sample {
    broker: &'static str,
    partitions: u32,
    values: BTreeMap<Figure, f64>,
    /// What it did not do in time.
    pub(super) failure: Option<String>,
}

/// Everything that was found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Findings {
    pub(super) samples: Vec<Sample>,
}

impl Sample {
    pub(super) fn new(broker: &'static str, partitions: u32) -> Self {
        Self { broker, partitions, values: BTreeMap::new(), failure: None }
    }

    /// Notes a figure, and shows it at once: a run takes long.
    pub(super) fn add(&mut self, figure: Figure, value: f64) {
        if let Some((_, name, digits)) = FIGURES.iter().find(|(known, ..)| *known == figure) {
            eprintln!("  {name}: {value:.digits$}");
        }
        self.set(figure, value);
    }

    pub(super) fn set(&mut self, figure: Figure, value: f64) {
        self.values.insert(figure, value);
    }

    pub(super) fn seconds(&mut self, figure: Figure, time: Duration) {
        self.add(figure, time.as_secs_f64());
    }
}

impl Findings {
    /// An error if a cluster has failed at something.
    pub(super) fn verdict(&self) -> Fallible<()> {
        match self.samples.iter().find_map(|sample| sample.failure.as_ref()) {
            Some(failure) => Err(failure.clone().into()),
            None => Ok(()),
        }
    }

    /// The figures, what a partition costs, and what has failed.
    pub(crate) fn table(&self) -> String {
        let mut clusters: Vec<(&'static str, u32)> = Vec::new();
        for sample in &self.samples {
            if !clusters.contains(&(sample.broker, sample.partitions)) {
                clusters.push((sample.broker, sample.partitions));
            }
        }
        clusters.sort_by_key(|(broker, partitions)| (*broker != "kbroker", *partitions));
        let head = |first: &str| {
            let name = |(broker, partitions): &(&str, u32)| format!("{broker}, {partitions}");
            [first.to_owned()].into_iter().chain(clusters.iter().map(name)).collect::<Vec<String>>()
        };
        let (mut figures, mut costs) = (Builder::new(), Builder::new());
        figures.push_record(head("partitions"));
        for (figure, name, digits) in FIGURES {
            let values = clusters.iter().map(|cluster| match self.median(*cluster, figure) {
                Some(value) => format!("{value:.digits$}"),
                None => "–".to_owned(),
            });
            figures.push_record([name.to_owned()].into_iter().chain(values));
        }
        costs.push_record(head("a partition costs"));
        for (name, figure, without, times) in COSTS {
            let values = clusters.iter().map(|cluster| {
                let without = without.map_or(Some(0.0), |without| self.median(*cluster, without));
                match self.median(*cluster, figure).zip(without) {
                    Some((with, without)) => {
                        format!("{:.3}", (with - without) * times / f64::from(cluster.1))
                    }
                    None => "–".to_owned(),
                }
            });
            costs.push_record([name.to_owned()].into_iter().chain(values));
        }
        let failed = self.samples.iter().filter_map(|sample| {
            let failure = sample.failure.as_ref()?;
            Some(format!("{}, {} partitions: {failure}\n", sample.broker, sample.partitions))
        });
        let [figures, costs] =
            [figures, costs].map(|table| table.build().with(Style::markdown()).to_string());
        format!("{figures}\n\n{costs}\n\n{}", failed.collect::<String>())
    }

    fn median(&self, (broker, partitions): (&str, u32), figure: Figure) -> Option<f64> {
        let of =
            self.samples.iter().filter(|sample| (sample.broker, sample.partitions) == (broker, partitions));
        let mut values: Vec<f64> = of.filter_map(|sample| sample.values.get(&figure).copied()).collect();
        values.sort_by(f64::total_cmp);
        let half = values.len() / 2;
        let upper = *values.get(half)?;
        let lower = if values.len().is_multiple_of(2) { *values.get(half - 1)? } else { upper };
        Some((lower + upper) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_costs_what_is_more_than_without_partitions() {
        let mut sample = Sample::new("kbroker", 100);
        sample.set(Figure::EmptyMemory, 10.0);
        sample.set(Figure::Memory, 15.0);
        let table = Findings { samples: vec![sample] }.table();
        let line = table.lines().find(|line| line.contains("memory, kB")).unwrap();
        assert!(line.contains("50.000"), "{line}");
    }
}
