//! `kperf consume`: how fast a member of a group gets records, and how long it takes to become one, as
//! kafka-consumer-perf-test measures it.

pub mod args;
pub mod joining;
pub mod meter;
pub mod report;
pub mod run;
