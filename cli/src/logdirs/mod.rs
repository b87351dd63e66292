//! `klogdirs`: what lies in the log directories of brokers.

pub mod args;
pub mod render;
pub mod run;
