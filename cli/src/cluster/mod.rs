//! `kcluster`: the id of a cluster, the addresses of its nodes, and brokers that are to be forgotten.

pub mod args;
pub mod render;
pub mod run;
