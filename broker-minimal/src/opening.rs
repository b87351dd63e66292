//! The blocking half of a start: directories, metadata, shards.

use std::path::Path;
use std::sync::Arc;

use crate::cluster::{self, Membership};
use crate::config::Config;
use crate::listen::Bound;
use crate::log::{self, LogDirs};
use crate::meta::image::{Endpoint, Image};
use crate::meta::log::MetadataLog;
use crate::shard::Shards;
use crate::shard::storage::{Opened, Storage, StorageError};
use crate::{StartError, meta, rng};

/// What the blocking half of a start makes.
pub(crate) struct Parts {
    pub(crate) meta: meta::Handle,
    pub(crate) meta_thread: std::thread::JoinHandle<()>,
    pub(crate) storage: Storage,
    pub(crate) opened: Opened,
    pub(crate) cluster_id: meta::ClusterId,
    pub(crate) membership: Option<Membership>,
}

/// Where each listener is reached. One that is bound to several addresses has one name and one port.
pub(crate) fn endpoints(bound: &[Bound], config: &Config) -> Vec<Endpoint> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for bound in bound {
        if endpoints.iter().all(|endpoint| endpoint.name != bound.name) {
            let (host, port) = bound.advertised(config);
            let name = bound.name.clone();
            endpoints.push(Endpoint { name, host, port, security_protocol: 0 });
        }
    }
    endpoints
}

pub(crate) fn open(config: &Arc<Config>, endpoints: Vec<Endpoint>) -> Result<Parts, StartError> {
    let dirs = match &config.quorum {
        Some(_) => {
            // The quorum's files name their directory, and may be all that a start which was killed has left.
            let id = |dir: &Path| cluster::directory_of(dir, config.node_id).unwrap_or_else(rng::uuid);
            LogDirs::lock(&config.log_dirs, config.node_id, None, id)
        }
        None => LogDirs::open(&config.log_dirs, config.node_id, None, rng::uuid),
    }?;
    let dir_ids: Vec<_> = dirs.dirs().iter().map(log::LogDir::id).collect();
    let first = dirs.dirs().first().map(|dir| dir.path().to_path_buf()).unwrap_or_default();
    let cluster_id = meta::ClusterId::new(dirs.cluster_id());
    // A broker alone is every ISR: nothing is ever proposed.
    let (isr, proposals) = tokio::sync::mpsc::unbounded_channel();
    let incarnation = rng::uuid();
    let membership = config.quorum.as_ref().map(|quorum| {
        Membership::new(cluster::Parts {
            config,
            quorum,
            first_dir: &first,
            cluster_id: dirs.cluster_id(),
            endpoints: endpoints.clone(),
            dirs: dir_ids.clone(),
            incarnation,
            previous_epoch: dirs.clean_epoch(),
            proposals,
        })
    });
    let shards = Arc::new(Shards::start(config.io_threads, &isr).map_err(StartError::Threads)?);
    let mut storage = Storage::new(shards, Arc::clone(config), dirs);
    if membership.is_some() {
        storage = storage.registering_as(incarnation);
    }
    let follower = storage.clone();
    let on_change = move |old: &Arc<Image>, new: &Arc<Image>| {
        follower.on_change(old, new).map_err(|error| error.to_string())
    };
    let own = meta::Own { cluster_id: cluster_id.clone(), dirs: dir_ids, endpoints };
    let opening = |image: &Image| {
        storage.open_all(image).map_err(|error: StorageError| StartError::Log(error.to_string()))
    };
    let config = Arc::clone(config);
    let (meta, meta_thread, opened) = match &membership {
        None => {
            let opened = meta::Handle::open(&first, own, config, Box::new(on_change));
            let (meta, thread) = opened.map_err(|error| StartError::Meta(error.to_string()))?;
            let opened = opening(&meta.image())?;
            (meta, thread, opened)
        }
        Some(membership) => {
            // The partitions are opened as the quorum's log tells of them.
            let image = Arc::<Image>::default();
            let opened = opening(&image)?;
            let log = MetadataLog::Quorum(membership.quorum.clone());
            let started = meta::Handle::start(
                log,
                own,
                config,
                (image, Some(membership.active.clone())),
                Box::new(on_change),
            );
            let (meta, thread) = started.map_err(StartError::Threads)?;
            (meta, thread, opened)
        }
    };
    Ok(Parts { meta, meta_thread, storage, opened, cluster_id, membership })
}
