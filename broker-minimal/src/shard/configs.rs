//! The configuration as it is now: that of the start, with what the metadata has set since.

use std::sync::Arc;

use tokio::sync::watch;

use super::storage::Storage;
use crate::config::Config;
use crate::meta::image::Image;

/// Shared by all who go by it.
#[derive(Debug, Clone)]
pub(super) struct Live(Arc<watch::Sender<Arc<Config>>>);

impl Live {
    pub(super) fn new(config: Arc<Config>) -> Self {
        Self(Arc::new(watch::Sender::new(config)))
    }

    pub(super) fn get(&self) -> Arc<Config> {
        Arc::clone(&self.0.borrow())
    }
}

impl Storage {
    /// The configuration as it is now.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.live.get()
    }

    /// As [`Self::config`], for whoever waits for another.
    pub(crate) fn watch_config(&self) -> watch::Receiver<Arc<Config>> {
        self.live.0.subscribe()
    }

    /// Takes over what this broker was told at run time. Says whether that is something else than before.
    pub(super) fn follow_configs(&self, old: &Image, new: &Image) -> bool {
        let is_same = Arc::ptr_eq(&old.broker_configs, &new.broker_configs);
        let me = self.started.node_id;
        if is_same || old.dynamic(me) == new.dynamic(me) {
            return false;
        }
        let config = self.started.with_dynamic(new.dynamic(me));
        self.throttles.set_rates(&config);
        self.live.0.send_replace(Arc::new(config));
        true
    }
}
