//! What was measured: samples of each side, medians, aims, and how they are printed.

use serde_json::{Value, json};

/// Who is measured: a column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Our tool or broker.
    Kinglet,
    /// Apache Kafka's.
    Kafka,
    /// kcat.
    Kcat,
}

const SIDES: [Side; 3] = [Side::Kinglet, Side::Kafka, Side::Kcat];

/// What our figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Aim {
    /// Nothing was promised; the figure is for orientation.
    Open,
    /// Not more than this.
    AtMost(f64),
    /// Not more than Apache Kafka's.
    NotAboveKafka,
    /// So many times faster than Apache Kafka's tool, and faster than kcat.
    Faster {
        /// How many times faster than Apache Kafka's.
        than_kafka: f64,
    },
}

/// A row of the table: something measured in several rounds, less being better.
#[derive(Debug)]
pub(crate) struct Figure {
    /// What is measured, as an identifier.
    name: &'static str,
    /// What is measured, for people.
    title: &'static str,
    unit: &'static str,
    aim: Aim,
    samples: [Vec<f64>; SIDES.len()],
}

/// All rows, in the order of their declaration.
#[derive(Debug)]
pub(crate) struct Figures(Vec<Figure>);

impl Figures {
    /// Rows without samples: name, title, unit, aim.
    pub(crate) fn new(rows: &[(&'static str, &'static str, &'static str, Aim)]) -> Self {
        let figure =
            |&(name, title, unit, aim)| Figure { name, title, unit, aim, samples: Default::default() };
        Self(rows.iter().map(figure).collect())
    }

    /// Adds a sample.
    ///
    /// # Panics
    /// When no row has that name.
    pub(crate) fn add(&mut self, name: &str, side: Side, value: f64) {
        let figure = self.0.iter_mut().find(|figure| figure.name == name);
        let figure = figure.unwrap_or_else(|| panic!("no figure is called {name}"));
        figure.samples[side as usize].push(value);
    }

    /// The table.
    pub(crate) fn table(&self) -> String {
        let mut text =
            format!("{:<52} {:>10} {:>10} {:>10}  {}\n", "median", "Kinglet", "Kafka", "kcat", "aim");
        for figure in &self.0 {
            let [kinglet, kafka, kcat] = SIDES.map(|side| figure.median(side).map_or("-".to_owned(), shown));
            let title = format!("{}, {}", figure.title, figure.unit);
            text.push_str(&format!(
                "{title:<52} {kinglet:>10} {kafka:>10} {kcat:>10}  {}\n",
                figure.verdict()
            ));
        }
        text
    }

    /// Everything, samples included.
    pub(crate) fn to_json(&self) -> Value {
        let rows = self.0.iter().map(|figure| {
            let of =
                |side: Side| json!({"median": figure.median(side), "samples": figure.samples[side as usize]});
            let sides =
                json!({"kinglet": of(Side::Kinglet), "kafka": of(Side::Kafka), "kcat": of(Side::Kcat)});
            (figure.name.to_owned(), json!({"unit": figure.unit, "sides": sides, "aim": figure.verdict()}))
        });
        Value::Object(rows.collect())
    }
}

impl Figure {
    fn median(&self, side: Side) -> Option<f64> {
        let mut sorted = self.samples[side as usize].clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => None,
            even if even.is_multiple_of(2) => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
            _ => Some(sorted[middle]),
        }
    }

    fn verdict(&self) -> String {
        let Some(ours) = self.median(Side::Kinglet) else { return String::new() };
        let (kafka, kcat) = (self.median(Side::Kafka), self.median(Side::Kcat));
        match self.aim {
            Aim::Open => String::new(),
            Aim::AtMost(limit) if ours <= limit => format!("<= {limit}: hit"),
            Aim::AtMost(limit) => format!("<= {limit}: missed by {:.0} %", (ours / limit - 1.0) * 100.0),
            Aim::NotAboveKafka => match kafka {
                None => "not above Kafka's: Kafka is not here".to_owned(),
                Some(kafka) if ours <= kafka => "not above Kafka's: hit".to_owned(),
                Some(kafka) => format!("not above Kafka's: missed by {:.0} %", (ours / kafka - 1.0) * 100.0),
            },
            Aim::Faster { than_kafka } => {
                let times = |theirs: Option<f64>, wanted: f64| match theirs.map(|theirs| theirs / ours) {
                    None => "not here".to_owned(),
                    Some(times) => format!("{times:.1}x {}", if times >= wanted { "hit" } else { "missed" }),
                };
                format!(
                    ">= {than_kafka}x Kafka's: {}; ahead of kcat: {}",
                    times(kafka, than_kafka),
                    times(kcat, 1.0)
                )
            }
        }
    }
}

fn shown(value: f64) -> String {
    let digits = if value < 10.0 {
        2
    } else if value < 100.0 {
        1
    } else {
        0
    };
    format!("{value:.digits$}")
}
