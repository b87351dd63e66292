//! `kconfigs`: configurations of topics, brokers, groups and client metrics, and what their keys mean.

pub mod args;
pub mod changes;
pub mod entity;
pub mod explain;
pub mod render;
pub mod run;
