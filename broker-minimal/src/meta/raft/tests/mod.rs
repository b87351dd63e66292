//! The quorum's files through crashes, and whole quorums in one process.

mod cluster;
pub(super) mod disk;
mod failures;
mod hub;
mod store;
mod wal;
