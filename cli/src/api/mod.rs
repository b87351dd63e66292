//! `kapi`: the versions that brokers serve as kafka-broker-api-versions shows them, and requests given as JSON.

pub mod args;
pub mod message;
pub mod render;
pub mod run;
