//! What `kperf` prints: Kafka's lines, or JSON. Pure.

use std::time::Duration;

use indicatif::HumanCount;
use serde_json::{Value, json};

use super::stats::{Tally, Totals, Window};

/// Which records figures are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those after the warm-up.
    Steady,
}

/// The line of progress.
pub fn window(window: &Window, scope: Scope) -> String {
    let Window { tally, elapsed, first } = window;
    let heading = if scope == Scope::Steady && *first { "In steady state.\n" } else { "" };
    format!(
        "{heading}{} records sent, {:.1} records/sec ({:.2} MB/sec), {:.1} ms avg latency, {:.1} ms max latency.\n",
        tally.records,
        tally.records_per_sec(*elapsed),
        tally.mb_per_sec(*elapsed),
        tally.latency_avg_ms(),
        tally.latency_max_ms(),
    )
}

/// The line at the end.
pub fn total(totals: &Totals, scope: Scope) -> String {
    let Totals { tally, elapsed, percentiles_ms: [half, p95, p99, p999] } = totals;
    let steady = if scope == Scope::Steady { " steady state" } else { "" };
    format!(
        "{}{steady} records sent, {:.6} records/sec ({:.2} MB/sec), {:.2} ms avg latency, {:.2} ms max latency, \
         {half:.0} ms 50th, {p95:.0} ms 95th, {p99:.0} ms 99th, {p999:.0} ms 99.9th.\n",
        tally.records,
        tally.records_per_sec(*elapsed),
        tally.mb_per_sec(*elapsed),
        tally.latency_avg_ms(),
        tally.latency_max_ms(),
    )
}

/// What a terminal shows while the load runs.
pub fn progress(tally: &Tally, failed: u64, elapsed: Duration) -> String {
    format!(
        "{} records  {}/s  {:.2} MB/s  {:.2} ms avg  {:.2} ms max  {} failed",
        HumanCount(tally.records),
        HumanCount(whole_per_sec(tally.records, elapsed)),
        tally.mb_per_sec(elapsed),
        tally.latency_avg_ms(),
        tally.latency_max_ms(),
        HumanCount(failed),
    )
}

/// So many a second, for a line that is redrawn.
pub(super) fn whole_per_sec(count: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(1000) / millis
}

/// What is said before a load with a warm-up.
pub fn warmup(records: u64) -> String {
    format!(
        "Warmup first {records} records. Steady state results will print after the complete test summary.\n"
    )
}

/// The producer's metrics as Kafka's tool prints them.
pub fn producer_metrics<'a>(metrics: impl Iterator<Item = (&'a str, f64)>, client_id: &str) -> String {
    let name = |metric| format!("producer-metrics:{metric}:{{client-id={client_id}}}");
    metrics_table(metrics.map(|(metric, value)| (name(metric), value)).collect())
}

/// Metrics by name, and with three digits.
pub(super) fn metrics_table(mut metrics: Vec<(String, f64)>) -> String {
    metrics.sort_by(|a, b| a.0.cmp(&b.0));
    let width = metrics.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let mut text = format!("\n{:width$}   Value\n", "Metric Name");
    for (name, value) in metrics {
        text += &format!("{name:width$} : {value:.3}\n");
    }
    text
}

/// Everything as one JSON object.
pub fn json(totals: &Totals, steady: Option<&Totals>, failed: u64) -> String {
    let mut summary = figures(totals);
    summary["schema"] = json!("kinglet/perf.produce/v1");
    summary["failed"] = json!(failed);
    if let Some(steady) = steady {
        summary["steady"] = figures(steady);
    }
    format!("{summary}\n")
}

fn figures(totals: &Totals) -> Value {
    let Totals { tally, elapsed, percentiles_ms: [half, p95, p99, p999] } = totals;
    json!({
        "records": tally.records,
        "bytes": tally.bytes,
        "seconds": seconds(*elapsed),
        "records_per_sec": thousandths(tally.records_per_sec(*elapsed)),
        "mb_per_sec": thousandths(tally.mb_per_sec(*elapsed)),
        "latency_ms": {
            "avg": thousandths(tally.latency_avg_ms()),
            "max": tally.latency_max_ms(),
            "p50": half,
            "p95": p95,
            "p99": p99,
            "p99.9": p999,
        },
    })
}

pub(super) fn seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1e6).round() / 1e6
}

pub(super) fn thousandths(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perf::stats::{Acked, Stats};

    const INTERVAL: Duration = Duration::from_millis(1_000);

    fn measured() -> (Window, Totals) {
        let mut stats = Stats::new(Duration::ZERO, INTERVAL);
        let acked = |at_ms, latency_us, records| Acked {
            at: Duration::from_millis(at_ms),
            latency: Duration::from_micros(latency_us),
            records,
            bytes: records * 1_024,
        };
        assert_eq!(stats.add(&acked(500, 1_250, 998)), None);
        let window = stats.add(&acked(1_502, 283_600, 2)).expect("the interval is over");
        (window, stats.totals(Duration::from_millis(1_502)))
    }

    #[test]
    fn the_lines_are_kafkas() {
        let (first, totals) = measured();

        assert_eq!(
            window(&first, Scope::All),
            "1000 records sent, 665.8 records/sec (0.65 MB/sec), 1.8 ms avg latency, 283.6 ms max latency.\n"
        );
        assert_eq!(
            total(&totals, Scope::All),
            "1000 records sent, 665.778961 records/sec (0.65 MB/sec), 1.81 ms avg latency, 283.60 ms max latency, \
             1 ms 50th, 1 ms 95th, 1 ms 99th, 284 ms 99.9th.\n"
        );
    }

    #[test]
    fn records_after_the_warm_up_have_lines_of_their_own() {
        let (first, totals) = measured();

        assert!(window(&first, Scope::Steady).starts_with("In steady state.\n1000 records sent, "));
        assert!(window(&Window { first: false, ..first }, Scope::Steady).starts_with("1000 records sent, "));
        assert!(
            total(&totals, Scope::Steady)
                .starts_with("1000 steady state records sent, 665.778961 records/sec")
        );
        assert_eq!(
            warmup(20),
            "Warmup first 20 records. Steady state results will print after the complete test summary.\n"
        );
    }

    #[test]
    fn a_terminal_sees_rate_and_latency_so_far() {
        let mut stats = Stats::new(Duration::ZERO, Duration::MAX);
        let latency = Duration::from_micros(1_500);
        stats.add(&Acked { at: Duration::ZERO, latency, records: 3_000, bytes: 3 << 20 });

        let text = progress(&stats.tally(), 2, Duration::from_secs(2));

        assert_eq!(text, "3,000 records  1,500/s  1.50 MB/s  1.50 ms avg  1.50 ms max  2 failed");
    }

    #[test]
    fn metrics_look_like_kafkas() {
        let values = [("record-send-total", 10.0), ("batch-size-avg", f64::NAN)];
        assert_eq!(
            producer_metrics(values.into_iter(), "c"),
            "\nMetric Name                                        Value\n\
             producer-metrics:batch-size-avg:{client-id=c}    : NaN\n\
             producer-metrics:record-send-total:{client-id=c} : 10.000\n"
        );
    }

    #[test]
    fn json_has_all_figures_with_fractions() {
        let (_, totals) = measured();

        let value: Value = serde_json::from_str(&json(&totals, None, 3)).expect("one object");

        assert_eq!(
            value,
            json!({
                "schema": "kinglet/perf.produce/v1",
                "records": 1000, "failed": 3, "bytes": 1_024_000, "seconds": 1.502,
                "records_per_sec": 665.779, "mb_per_sec": 0.65,
                "latency_ms": {"avg": 1.815, "max": 283.6, "p50": 1.25, "p95": 1.25, "p99": 1.25, "p99.9": 283.6},
            })
        );
        let both: Value = serde_json::from_str(&json(&totals, Some(&totals), 0)).expect("one object");
        assert_eq!((&both["steady"]["records"], &both["failed"]), (&json!(1000), &json!(0)));
    }
}
