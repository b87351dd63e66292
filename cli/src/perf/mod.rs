//! `kperf`: how fast a cluster takes records and how long each of them waits, as kafka-producer-perf-test measures it, and how
//! fast it gives them, as kafka-consumer-perf-test does.

pub mod args;
pub mod clock;
pub mod collect;
pub mod consume;
pub mod feed;
pub mod payload;
pub mod report;
pub mod run;
pub mod screen;
pub mod stats;
pub mod throttle;
