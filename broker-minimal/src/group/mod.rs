//! Consumer groups of the classic protocol, and committed offsets.
//!
//! A group belongs to one partition of `__consumer_offsets`, and the broker that leads the partition coordinates it. Its core
//! decides *(records, replies)*; only replaying a record changes what outlives this process; a reply leaves when everything that
//! was written before it is committed. A start replays the same records.

mod classic;
mod coordinator;
mod core;
mod effects;
mod join;
mod load;
mod member;
#[cfg(test)]
mod model;
mod offsets;
mod rebalance;
mod records;
mod routing;
mod settings;
mod sync;
#[cfg(test)]
mod tests;
pub(crate) mod topic;
mod write;

pub(crate) use effects::{Joiner, Reply, Request};
pub(crate) use routing::Coordinators;
pub(crate) use settings::Settings;
