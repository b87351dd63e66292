//! What is known of the cluster, and how it is asked for.

mod cache;
mod refresh;

#[cfg(test)]
pub(crate) use cache::Leader;
pub(crate) use cache::{Broker, Cluster, Topic};
pub(crate) use refresh::{Metadata, Wanted};
