//! What whole-system tests and measurements share: our own binaries, Apache Kafka, kcat and clients of
//! other languages as child processes, a proxy that breaks connections, and files of lines whose way through a topic can be checked.
//!
//! Nothing here asserts anything about Kinglet: the promises stand in the test files that use this.
//! Programs that are not ours are optional on a developer's machine: see [`absent`].

pub mod absent;
pub mod binaries;
mod cache;
pub mod clients;
pub mod cluster;
pub mod dialogue;
pub mod golden;
pub mod kafka;
pub mod kcat;
pub mod keys;
mod ports;
pub mod process;
pub mod proxy;
pub mod text;
pub mod tools;
