//! What a replica decides, in cores; the shard that owns them touches files. And the two tasks that carry it to other brokers: what is
//! fetched, and the ISRs that are proposed.

mod check;
mod deletions;
pub(crate) mod divergence;
mod effect;
pub(crate) mod fetcher;
mod follower;
mod isr;
mod leader;
mod partition;
mod pending;
pub(crate) mod proposals;
mod quota;
pub(crate) mod throttle;

pub(crate) use effect::{Acks, Effect, FollowerFetch, IsrChange, Settings, as_known, eligible};
pub(crate) use partition::Partition;
pub(crate) use pending::ReplyId;
