//! What the cluster knows of itself: topics, partitions, their configuration, and who may hand out producer ids.
//!
//! Every change is a list of records: decided by the controller, kept by the store, and applied to the image by `replay`
//! alone, at the time of the change and at every start. Records of users' topics are not seen here.

mod configs;
pub(crate) mod controller;
pub(crate) mod image;
mod journal;
pub(crate) mod name;
pub(crate) mod operations;
mod placement;
pub(crate) mod record;
mod refusal;
mod store;

pub(crate) use refusal::Refusal;
pub(crate) use store::{Handle, Mode};
