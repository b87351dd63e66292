//! What handlers hold of the broker.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use crate::config::{Config, Purpose};
use crate::meta::active::ActiveController;
use crate::meta::image::Image;
use crate::meta::raft::Quorum;
use crate::meta::{self, ClusterId};
use crate::server::places::Places;
use crate::shard::Shards;
use crate::shard::storage::Storage;
use crate::{convert, group, sessions};

/// What every handler may use. One for each listener: they differ in the address that clients are told.
pub(crate) struct Context {
    pub(crate) config: Arc<Config>,
    pub(crate) meta: meta::Handle,
    pub(crate) shards: Arc<Shards>,
    pub(crate) storage: Arc<Storage>,
    pub(crate) conversions: Arc<convert::Conversions>,
    pub(crate) groups: Arc<group::Coordinators>,
    pub(crate) sessions: Arc<sessions::Sessions>,
    pub(crate) places: Arc<Places>,
    pub(crate) node_id: i32,
    pub(crate) cluster_id: ClusterId,
    /// Becomes true when the broker stops.
    pub(crate) stop: watch::Receiver<bool>,
    /// The name of the listener.
    pub(crate) listener: String,
    pub(crate) purpose: Purpose,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `None`: this broker is its own controller.
    pub(crate) active: Option<ActiveController>,
    pub(crate) quorum: Option<Quorum>,
    /// Becomes true when the broker serves its clients.
    pub(crate) ready: watch::Receiver<bool>,
}

/// A broker that clients may talk to.
pub(crate) struct Reachable {
    pub(crate) id: i32,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) rack: Option<String>,
}

impl Context {
    /// The cluster's id; empty while it is not known.
    pub(crate) fn cluster_id(&self) -> &str {
        self.cluster_id.get()
    }

    /// Waits until the broker serves its clients, or stops.
    pub(crate) async fn ready(&self) {
        if !*self.ready.borrow() {
            let mut ready = self.ready.clone();
            let _gone = ready.wait_for(|ready| *ready).await.is_err();
        }
    }

    /// Where clients of this listener reach a broker; `None` for one that is fenced, or has no such listener.
    pub(crate) fn reachable(&self, image: &Image, id: i32) -> Option<Reachable> {
        if id == self.node_id {
            let rack = self.config.rack.clone();
            return Some(Reachable { id, host: self.host.clone(), port: self.port, rack });
        }
        image.broker(id).filter(|broker| !broker.is_fenced)?;
        self.address(image, id)
    }

    /// Where another broker is, fenced or not; `None` for one that has no such listener.
    pub(crate) fn address(&self, image: &Image, id: i32) -> Option<Reachable> {
        let broker = image.broker(id)?;
        let at = broker.endpoints.iter().find(|endpoint| endpoint.name == self.listener)?;
        Some(Reachable { id, host: at.host.clone(), port: at.port, rack: broker.rack.clone() })
    }

    /// Every broker that clients of this listener may talk to, by id.
    pub(crate) fn all_reachable(&self, image: &Image) -> Vec<Reachable> {
        let mut ids: BTreeSet<i32> = image.brokers.keys().copied().collect();
        ids.insert(self.node_id);
        ids.into_iter().filter_map(|id| self.reachable(image, id)).collect()
    }

    /// What clients are told is the controller: they send it what only the controller can do, and any broker passes that on.
    pub(crate) fn controller_id(&self, image: &Image) -> i32 {
        let active = self.active.as_ref().and_then(ActiveController::id);
        active.filter(|id| self.reachable(image, *id).is_some()).unwrap_or(self.node_id)
    }
}
