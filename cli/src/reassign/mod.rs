//! `kreassign`: gives partitions other replicas, watches them move, and takes it back.

pub mod args;
pub mod cluster;
pub mod file;
pub mod placement;
pub mod render;
pub mod run;
pub mod throttles;
