//! What the cluster knows of itself: topics, partitions, their configuration, and who may hand out producer ids.
//!
//! Every change is a list of records: decided by the controller, kept by the store, and applied to the image by `replay`
//! alone, at the time of the change and at every start. Records of users' topics are not seen here.

pub(crate) mod active;
mod configs;
pub(crate) mod controller;
pub(crate) mod dead;
mod elsewhere;
pub(crate) mod image;
mod journal;
pub(crate) mod log;
pub(crate) mod name;
pub(crate) mod operations;
mod placement;
pub(crate) mod raft;
pub(crate) mod record;
mod refusal;
pub(crate) mod registration;
pub(crate) mod sessions;
mod store;

pub(crate) use configs::{APPEND, DELETE, SET, SUBTRACT};
pub(crate) use refusal::Refusal;
pub(crate) use store::{Handle, Mode};

use std::sync::{Arc, OnceLock};

use image::Endpoint;
use kinglet_protocol::Uuid;

/// What a broker is to its cluster, besides its configuration.
#[derive(Debug, Clone)]
pub(crate) struct Own {
    pub(crate) cluster_id: ClusterId,
    /// Ids of the log directories, in the order of the configuration.
    pub(crate) dirs: Vec<Uuid>,
    /// Where it is reached.
    pub(crate) endpoints: Vec<Endpoint>,
}

/// The cluster's id, shared by all who tell it; it may not be known yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClusterId(Arc<OnceLock<String>>);

impl ClusterId {
    pub(crate) fn new(id: Option<&str>) -> Self {
        Self(Arc::new(id.map(|id| OnceLock::from(id.to_owned())).unwrap_or_default()))
    }

    /// Empty while it is not known.
    pub(crate) fn get(&self) -> &str {
        self.0.get().map_or("", String::as_str)
    }

    /// It is known now; once, for it never changes.
    pub(crate) fn set(&self, id: &str) {
        self.0.get_or_init(|| id.to_owned());
    }
}
