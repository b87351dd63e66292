//! `kverify`: what was sent and acknowledged, and what was read and committed, as JSON lines that a test can check; as
//! kafka-verifiable-producer and kafka-verifiable-consumer print them.

pub mod args;
mod consume;
pub mod event;
mod lines;
mod produce;
pub mod run;
