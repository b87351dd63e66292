//! A Kafka broker that is small and clear, keeps its data and recovers it.
//!
//! `kbroker` is this library with a command line around it; tests and services start a broker in their own process:
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use kinglet_broker::{Broker, Config};
//!
//! let broker = Broker::start(Config::ephemeral()?).await?;
//! println!("clients connect to {}", broker.bootstrap());
//! broker.shutdown().await?;
//! # Ok(())
//! # }
//! ```

mod api;
mod banner;
mod clock;
mod cluster;
pub mod config;
mod context;
mod convert;
mod group;
mod in_process;
pub mod limits;
mod listen;
pub mod log;
mod meta;
mod peer;
mod replica;
mod rng;
mod server;
mod sessions;
mod shard;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

pub use banner::Banner;
pub use config::Config;
pub use in_process::Cluster;

use cluster::Membership;
pub(crate) use context::{Context, Reachable};
use listen::Bound;
use log::{DirError, LogDirs};
use meta::image::{Endpoint, Image};
use meta::log::MetadataLog;
use meta::raft::QuorumError;
use shard::Shards;
use shard::storage::{Opened, Storage, StorageError};

/// How often the shards look at the clock: retention, rolling, background flushes.
const TICK: Duration = Duration::from_secs(1);
/// How often they look at acks that wait and followers that lag, where there are any.
const DEADLINES: Duration = Duration::from_millis(100);
/// The first look at retention comes this long after the start, as in Kafka.
const RETENTION_DELAY: Duration = Duration::from_secs(30);
/// How often the checkpoint files are written while the broker runs, as Kafka's `log.flush.offset.checkpoint.interval.ms`.
const CHECKPOINT: Duration = Duration::from_secs(60);
/// How long connections may take to end when the broker stops.
const DRAIN: Duration = Duration::from_secs(5);

/// Resolves when the broker stops, or is gone.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _gone = stop.wait_for(|stop| *stop).await.is_err();
}

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The keys do not go together.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// A listener's address cannot be used.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A data directory cannot be used.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// The metadata cannot be read.
    #[error("metadata: {0}")]
    Meta(String),
    /// A partition's log cannot be opened.
    #[error("log of {0}")]
    Log(String),
    /// The cluster cannot be formed or joined.
    #[error("cluster: {0}")]
    Cluster(String),
    /// The system refuses threads.
    #[error("threads: {0}")]
    Threads(std::io::Error),
}

/// Why a broker did not stop cleanly. The next start recovers what was not closed.
#[derive(Debug, thiserror::Error)]
#[error("not stopped cleanly: {0}")]
pub struct ShutdownError(String);

impl ShutdownError {
    fn of(error: &dyn std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Starts brokers.
#[derive(Debug)]
pub struct Broker;

impl Broker {
    /// Opens the data directories, recovers what an unclean stop left, and listens. The broker is ready when this returns;
    /// its tasks run on the calling runtime, its file work on threads of its own.
    ///
    /// A member of a cluster waits for as many of the other members as it takes to agree.
    pub async fn start(config: Config) -> Result<Handle, StartError> {
        let started = clock::now();
        config.check()?;
        let config = Arc::new(config);
        let listeners: Vec<_> = config.listeners.iter().chain(&config.controllers).cloned().collect();
        let bound = listen::bind(&listeners).await?;
        let opening = Arc::clone(&config);
        let endpoints = endpoints(&bound, &config);
        let opened = tokio::task::spawn_blocking(move || open(&opening, endpoints)).await;
        let Parts { meta, meta_thread, storage, opened, cluster_id, membership } =
            opened.map_err(|error| StartError::Log(format!("start failed: {error}")))??;
        let (stop, stopping) = watch::channel(false);
        let groups = group::Coordinators::new(&config, meta.clone(), Arc::clone(&storage.shards));
        let sessions = sessions::Sessions::new(config.fetch_sessions_max, rng::session_id);
        let mut handle = Handle {
            addrs: bound.iter().map(|bound| bound.addr).collect(),
            bootstrap: String::new(),
            cluster_id,
            config,
            opened,
            ready_in: Duration::ZERO,
            meta,
            meta_thread: Some(meta_thread),
            storage: Arc::new(storage),
            conversions: Arc::new(convert::Conversions::new()),
            groups: Arc::new(groups),
            sessions: Arc::new(sessions),
            membership,
            ready: watch::Sender::new(false),
            stop,
            tasks: JoinSet::new(),
        };
        handle.tasks.spawn(Arc::clone(&handle.groups).run(stopping.clone()));
        for bound in bound {
            handle.serve(bound, stopping.clone());
        }
        handle.tasks.spawn(shard::cleaner::run(Arc::clone(&handle.storage), stopping.clone()));
        handle.tasks.spawn(tick(Arc::clone(&handle.storage), stopping.clone()));
        handle.join(&stopping).await?;
        handle.ready.send_replace(true);
        handle.ready_in = clock::now().duration_since(started);
        Ok(handle)
    }
}

/// What the blocking half of a start makes.
struct Parts {
    meta: meta::Handle,
    meta_thread: std::thread::JoinHandle<()>,
    storage: Storage,
    opened: Opened,
    cluster_id: meta::ClusterId,
    membership: Option<Membership>,
}

/// Where each listener is reached. One that is bound to several addresses has one name and one port.
fn endpoints(bound: &[Bound], config: &Config) -> Vec<Endpoint> {
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

fn open(config: &Arc<Config>, endpoints: Vec<Endpoint>) -> Result<Parts, StartError> {
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

/// A running broker. Dropping it stops serving but closes nothing: call [`Handle::shutdown`] for a clean stop.
pub struct Handle {
    addrs: Vec<SocketAddr>,
    bootstrap: String,
    cluster_id: meta::ClusterId,
    config: Arc<Config>,
    opened: Opened,
    ready_in: Duration,
    meta: meta::Handle,
    meta_thread: Option<std::thread::JoinHandle<()>>,
    storage: Arc<Storage>,
    conversions: Arc<convert::Conversions>,
    groups: Arc<group::Coordinators>,
    sessions: Arc<sessions::Sessions>,
    /// `None`: this broker is its own cluster.
    membership: Option<Membership>,
    ready: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Handle {
    fn serve(&mut self, bound: Bound, stop: watch::Receiver<bool>) {
        let (host, port) = bound.advertised(&self.config);
        if self.bootstrap.is_empty() {
            self.bootstrap = format!("{host}:{port}");
        }
        let ctx = Arc::new(Context {
            config: Arc::clone(&self.config),
            meta: self.meta.clone(),
            shards: Arc::clone(&self.storage.shards),
            storage: Arc::clone(&self.storage),
            conversions: Arc::clone(&self.conversions),
            groups: Arc::clone(&self.groups),
            sessions: Arc::clone(&self.sessions),
            node_id: self.config.node_id,
            cluster_id: self.cluster_id.clone(),
            stop,
            purpose: self.config.purpose(&bound.name),
            listener: bound.name,
            host,
            port,
            active: self.membership.as_ref().map(|member| member.active.clone()),
            quorum: self.membership.as_ref().map(|member| member.quorum.clone()),
            ready: self.ready.subscribe(),
        });
        self.tasks.spawn(server::listener::run(bound.listener, ctx));
    }

    /// Forms the cluster with the other members, or joins theirs, and waits until this broker may serve.
    async fn join(&mut self, stop: &watch::Receiver<bool>) -> Result<(), StartError> {
        let Some(membership) = &mut self.membership else { return Ok(()) };
        let cluster_id = membership.form().await;
        let cluster_id = cluster_id.map_err(|error: QuorumError| StartError::Cluster(error.to_string()))?;
        let (storage, id) = (Arc::clone(&self.storage), cluster_id.clone());
        let joined = tokio::task::spawn_blocking(move || storage.join(&id)).await;
        joined.map_err(|error| StartError::Cluster(error.to_string()))??;
        self.cluster_id.set(&cluster_id);
        membership.join(&mut self.tasks, &self.storage, (&cluster_id, &self.config), &self.meta, stop).await;
        Ok(())
    }

    /// The addresses that are listened on.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// `host:port` for a client's `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> &str {
        self.cluster_id.get()
    }

    /// This broker's id.
    pub fn node_id(&self) -> i32 {
        self.config.node_id
    }

    /// Resolves, with the reason, when this node has lost its part in the metadata quorum for good: its disk has failed. It should be
    /// ended then; a lone broker never says so. Cancel safe.
    pub async fn failed(&self) -> String {
        let Some(membership) = &self.membership else { return std::future::pending().await };
        let mut failure = membership.quorum.failure();
        let failed = failure.wait_for(Option::is_some).await.map(|failure| failure.clone());
        match failed {
            Ok(Some(failure)) => failure,
            // It has ended, as it was asked to.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Ends as a killed process does: connections are cut, nothing is flushed or closed. The data directories are free when it returns.
    pub(crate) async fn abandon(mut self) {
        self.tasks.shutdown().await;
        if let Some(membership) = &self.membership {
            membership.quorum.close().await;
        }
        self.meta.close();
        if let Some(thread) = self.meta_thread.take() {
            let _panicked = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        self.storage.shards.abandon().await;
    }

    /// Stops: no new requests, answers to those that were read, every log flushed and closed.
    pub async fn shutdown(mut self) -> Result<(), ShutdownError> {
        if let Some(membership) = &self.membership {
            membership.leave().await;
        }
        let epoch = self.membership.as_ref().map_or(-1, Membership::epoch);
        let _nobody_listens = self.stop.send(true);
        let drain = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drain).await.is_err() {
            tracing::warn!("connections that did not end in time are cut");
            self.tasks.shutdown().await;
        }
        // The metadata first: a change that is under way still needs the shards.
        self.meta.close();
        if let Some(thread) = self.meta_thread.take() {
            let joined = tokio::task::spawn_blocking(move || thread.join().is_ok()).await;
            if !joined.unwrap_or(false) {
                tracing::error!("the metadata's thread panicked");
            }
        }
        let partitions = self.storage.count(&self.meta.image());
        let closed = self.storage.shards.close().await;
        let storage = Arc::clone(&self.storage);
        let finish =
            tokio::task::spawn_blocking(move || storage.finish(&closed, closed.len() == partitions, epoch));
        let finished = finish.await;
        if let Some(membership) = &self.membership {
            // Last: until here it has a vote.
            membership.quorum.close().await;
        }
        match finished {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ShutdownError(error.to_string())),
            Err(error) => Err(ShutdownError(error.to_string())),
        }
    }
}

/// Drives what depends on time until the broker stops.
async fn tick(storage: Arc<Storage>, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(TICK);
    let mut deadlines = tokio::time::interval(DEADLINES);
    deadlines.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let every = storage.config().retention_check_interval;
    // Not at once: what comes old already, as from another cluster, stays long enough to be read by who waits for it.
    let first = tokio::time::Instant::now() + every.min(RETENTION_DELAY);
    let mut retentions = tokio::time::interval_at(first, every);
    // The first at once: entries of topics that went while the broker was down must not outlive this start.
    let mut checkpoints = tokio::time::interval(CHECKPOINT);
    loop {
        tokio::select! {
            _ = ticks.tick() => storage.shards.tick(clock::now_ms()),
            _ = deadlines.tick() => storage.shards.deadlines(),
            _ = retentions.tick() => storage.shards.retain(clock::now_ms()),
            _ = checkpoints.tick() => {
                let storage = Arc::clone(&storage);
                let save = tokio::task::spawn_blocking(move || storage.save_checkpoints()).await;
                if let Ok(Err(error)) = save {
                    tracing::warn!(%error, "checkpoints not saved: a restart scans more of the logs");
                }
            }
            () = stopped(&mut stop) => return,
        }
    }
}
