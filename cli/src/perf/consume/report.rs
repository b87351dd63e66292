//! What `kperf consume` prints: Kafka's rows, sentences for a terminal, or JSON. Pure.

use std::time::Duration;

use indicatif::HumanCount;
use serde_json::json;

use super::meter::{Read, Window};
use crate::dates::DateFormat;
use crate::perf::report::{metrics_table, seconds, thousandths, whole_per_sec};

/// Whether a row is printed for each interval, or one at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// `--show-detailed-stats`
    Intervals,
    /// One.
    Total,
}

/// When a measurement began, and how its times are printed.
#[derive(Clone, Debug)]
pub struct Times {
    /// Since 1970.
    pub began: Duration,
    /// By `--date-format`.
    pub format: DateFormat,
}

/// What happened altogether.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// What was read.
    pub read: Read,
    /// How long it took.
    pub elapsed: Duration,
    /// How much of it there was nothing to read from, for want of a share of the group.
    pub joining: Duration,
}

/// The first line.
pub fn header(rows: Rows) -> &'static str {
    match rows {
        Rows::Total => {
            "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, \
             fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n"
        }
        Rows::Intervals => {
            "time, threadId, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, \
             fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n"
        }
    }
}

/// The row of an interval.
pub fn window(window: &Window, joining: Duration, times: &Times) -> String {
    let Window { at, elapsed, total, read } = window;
    let (elapsed, joining) = (whole_ms(*elapsed), whole_ms(joining));
    let fetching = elapsed - joining;
    let fetch_rate = |amount: f64| if fetching <= 0.0 { 0.0 } else { 1000.0 * amount / fetching };
    format!(
        "{}, 0, {}, {}, {}, {}, {joining:.0}, {fetching:.0}, {}, {}\n",
        times.format.format(times.began + *at),
        four(total.mb()),
        four(1000.0 * read.mb() / elapsed),
        total.records,
        four(1000.0 * read.records as f64 / elapsed),
        four(fetch_rate(read.mb())),
        four(fetch_rate(read.records as f64)),
    )
}

/// The row at the end.
pub fn total(totals: &Totals, times: &Times) -> String {
    let Totals { read, elapsed, joining } = totals;
    let end = times.began + *elapsed;
    // From end to end as they are printed.
    let elapsed = whole_ms(end) - whole_ms(times.began);
    let joining = whole_ms(*joining);
    let fetching = elapsed - joining;
    let rate = |amount: f64, ms: f64| four(amount / (ms / 1000.0));
    format!(
        "{}, {}, {}, {}, {}, {}, {joining:.0}, {fetching:.0}, {}, {}\n",
        times.format.format(times.began),
        times.format.format(end),
        four(read.mb()),
        rate(read.mb(), elapsed),
        read.records,
        rate(read.records as f64, elapsed),
        rate(read.mb(), fetching),
        rate(read.records as f64, fetching),
    )
}

/// What Kafka's tool says when too little came in time.
pub fn too_few(timeout: Duration) -> String {
    format!(
        "WARNING: Exiting before consuming the expected number of records: timeout ({} ms) exceeded. You can use the \
         --timeout option to increase the timeout.\n",
        timeout.as_millis()
    )
}

/// The line of progress for people.
pub fn window_sentence(window: &Window) -> String {
    let per_second = PerSecond::of(&window.read, window.elapsed);
    format!("{} records read, {per_second}.\n", window.read.records)
}

/// The end for people.
pub fn sentence(totals: &Totals) -> String {
    let Totals { read, elapsed, joining } = totals;
    let fetching = elapsed.saturating_sub(*joining);
    format!(
        "{} records read in {:.3} s, {}.\n{:.3} s until there were partitions to read, {:.3} s of reading, {}.\n",
        read.records,
        elapsed.as_secs_f64(),
        PerSecond::of(read, *elapsed),
        joining.as_secs_f64(),
        fetching.as_secs_f64(),
        PerSecond::of(read, fetching),
    )
}

/// What a terminal shows while it runs.
pub fn progress(read: &Read, elapsed: Duration) -> String {
    format!(
        "{} records  {}/s  {:.2} MB/s",
        HumanCount(read.records),
        HumanCount(whole_per_sec(read.records, elapsed)),
        PerSecond::of(read, elapsed).mb
    )
}

/// Everything as one JSON object.
pub fn json(totals: &Totals) -> String {
    let Totals { read, elapsed, joining } = totals;
    let fetching = elapsed.saturating_sub(*joining);
    let (all, fetch) = (PerSecond::of(read, *elapsed), PerSecond::of(read, fetching));
    let summary = json!({
        "schema": "kinglet/perf.consume/v1",
        "records": read.records,
        "bytes": read.bytes,
        "seconds": seconds(*elapsed),
        "records_per_sec": thousandths(all.records),
        "mb_per_sec": thousandths(all.mb),
        "rebalance_seconds": seconds(*joining),
        "fetch_seconds": seconds(fetching),
        "fetch_records_per_sec": thousandths(fetch.records),
        "fetch_mb_per_sec": thousandths(fetch.mb),
    });
    format!("{summary}\n")
}

/// What is known of a consumer's metrics, by the names that Kafka's have.
#[derive(Clone, Debug)]
pub struct Measured<'a> {
    /// Of the consumer.
    pub client_id: &'a str,
    /// What it read, and how long that took.
    pub totals: Totals,
    /// How often it got partitions when it had none.
    pub rebalances: u64,
    /// How many partitions it has.
    pub assigned: usize,
    /// Topic, partition, and how much of it is still to be read.
    pub lag: Vec<(kinglet::TopicPartition, i64)>,
}

/// The metrics as Kafka's tool prints them.
pub fn metrics(measured: &Measured<'_>) -> String {
    let Measured { client_id, totals, rebalances, assigned, lag } = measured;
    let name = |group, metric| format!("consumer-{group}metrics:{metric}:{{client-id={client_id}}}");
    let counted = |count: u64| count as f64;
    let mut metrics = vec![
        (name("coordinator-", "assigned-partitions"), *assigned as f64),
        (name("coordinator-", "rebalance-latency-total"), whole_ms(totals.joining)),
        (name("coordinator-", "rebalance-total"), counted(*rebalances)),
        (
            name("fetch-manager-", "records-consumed-rate"),
            PerSecond::of(&totals.read, totals.elapsed).records,
        ),
        (name("fetch-manager-", "records-consumed-total"), counted(totals.read.records)),
    ];
    if let Some(max) = lag.iter().map(|(_, lag)| *lag).max() {
        metrics.push((name("fetch-manager-", "records-lag-max"), max as f64));
    }
    for (at, lag) in lag {
        let tags = format!("client-id={client_id}, topic={}, partition={}", at.topic, at.partition);
        metrics.push((format!("consumer-fetch-manager-metrics:records-lag:{{{tags}}}"), *lag as f64));
    }
    metrics_table(metrics)
}

struct PerSecond {
    records: f64,
    mb: f64,
}

impl PerSecond {
    /// Of no time at all they are those of a microsecond, so that they are numbers.
    fn of(read: &Read, elapsed: Duration) -> Self {
        let seconds = elapsed.max(Duration::from_micros(1)).as_secs_f64();
        Self { records: read.records as f64 / seconds, mb: read.mb() / seconds }
    }
}

impl std::fmt::Display for PerSecond {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} records/sec ({:.2} MB/sec)", self.records, self.mb)
    }
}

fn whole_ms(time: Duration) -> f64 {
    time.as_millis() as f64
}

/// As Java prints a number with four digits, also one that is none.
fn four(number: f64) -> String {
    if number.is_infinite() { "Infinity".to_owned() } else { format!("{number:.4}") }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn times() -> Times {
        let format = DateFormat::local("SSS").expect("a pattern");
        Times { began: Duration::from_millis(1_700_000_000_908), format }
    }

    fn totals(ms: u64, joining: u64) -> Totals {
        let read = Read { records: 1_000, bytes: 98_566 };
        Totals { read, elapsed: Duration::from_millis(ms), joining: Duration::from_millis(joining) }
    }

    #[test]
    fn the_row_is_kafkas() {
        assert_eq!(
            total(&totals(4_091, 3_764), &times()),
            "908, 999, 0.0940, 0.0230, 1000, 244.4390, 3764, 327, 0.2875, 3058.1040\n"
        );
    }

    #[test]
    fn no_time_at_all_reads_as_in_java() {
        assert!(total(&totals(4, 4), &times()).ends_with(", 4, 0, Infinity, Infinity\n"));
        let nothing = Totals { read: Read::default(), ..totals(0, 0) };
        assert_eq!(total(&nothing, &times()), "908, 908, 0.0000, NaN, 0, NaN, 0, 0, NaN, NaN\n");
    }

    #[test]
    fn the_row_of_an_interval_is_kafkas() {
        let ended = Window {
            at: Duration::from_millis(3_988),
            elapsed: Duration::from_millis(3_988),
            total: Read { records: 1, bytes: 5 },
            read: Read { records: 1, bytes: 5 },
        };
        assert_eq!(
            window(&ended, Duration::from_millis(3_894), &times()),
            "896, 0, 0.0000, 0.0000, 1, 0.2508, 3894, 94, 0.0001, 10.6383\n"
        );
        assert!(
            window(&ended, Duration::from_millis(3_988), &times()).ends_with(", 3988, 0, 0.0000, 0.0000\n")
        );
    }

    #[test]
    fn people_read_sentences() {
        assert_eq!(
            sentence(&totals(4_000, 3_000)),
            "1000 records read in 4.000 s, 250 records/sec (0.02 MB/sec).\n\
             3.000 s until there were partitions to read, 1.000 s of reading, 1000 records/sec (0.09 MB/sec).\n"
        );
    }

    #[test]
    fn json_has_all_figures() {
        let value: Value = serde_json::from_str(&json(&totals(4_000, 3_000))).expect("one object");
        assert_eq!(
            value,
            json!({
                "schema": "kinglet/perf.consume/v1", "records": 1000, "bytes": 98_566, "seconds": 4.0,
                "records_per_sec": 250.0, "mb_per_sec": 0.023, "rebalance_seconds": 3.0,
                "fetch_seconds": 1.0, "fetch_records_per_sec": 1000.0, "fetch_mb_per_sec": 0.094,
            })
        );
    }

    #[test]
    fn metrics_have_kafkas_names() {
        let measured = Measured {
            client_id: "c",
            totals: totals(4_000, 3_000),
            rebalances: 1,
            assigned: 1,
            lag: vec![(kinglet::TopicPartition::new("t", 3), 7)],
        };
        let text = metrics(&measured);
        for line in [
            "consumer-coordinator-metrics:rebalance-latency-total:{client-id=c} ",
            "consumer-fetch-manager-metrics:records-consumed-total:{client-id=c} ",
            "consumer-fetch-manager-metrics:records-lag:{client-id=c, topic=t, partition=3} : 7.000",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
