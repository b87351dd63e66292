//! `kperf`: how fast a cluster takes records, and how long each of them waits, as kafka-producer-perf-test measures it.

pub mod args;
pub mod clock;
pub mod collect;
pub mod feed;
pub mod payload;
pub mod report;
pub mod run;
pub mod screen;
pub mod stats;
pub mod throttle;
