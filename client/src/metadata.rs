//! What is known of the cluster, and how it is asked for.

mod cache;
mod refresh;

pub(crate) use cache::{Broker, Cluster, Leader, Topic};
pub(crate) use refresh::{Metadata, Wanted};
