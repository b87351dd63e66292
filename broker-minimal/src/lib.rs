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
pub mod config;
mod convert;
mod group;
pub mod limits;
mod listen;
pub mod log;
mod meta;
mod replica;
mod rng;
mod server;
mod shard;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

pub use banner::Banner;
pub use config::Config;

use listen::Bound;
use log::{DirError, LogDirs};
use shard::Shards;
use shard::storage::{Opened, Storage, StorageError};

/// How often the shards look at the clock: retention, rolling, background flushes.
const TICK: Duration = Duration::from_secs(1);
/// How often the checkpoint files are written while the broker runs, as Kafka's `log.flush.offset.checkpoint.interval.ms`.
const CHECKPOINT: Duration = Duration::from_secs(60);
/// How long connections may take to end when the broker stops.
const DRAIN: Duration = Duration::from_secs(5);

/// What every handler may use. One for each listener: they differ in the address that clients are told.
pub(crate) struct Context {
    pub(crate) config: Arc<Config>,
    pub(crate) meta: meta::Handle,
    pub(crate) shards: Arc<Shards>,
    pub(crate) storage: Arc<Storage>,
    pub(crate) conversions: Arc<convert::Conversions>,
    pub(crate) groups: Arc<group::Coordinators>,
    pub(crate) node_id: i32,
    pub(crate) cluster_id: String,
    /// Becomes true when the broker stops.
    pub(crate) stop: watch::Receiver<bool>,
    host: String,
    port: u16,
}

impl Context {
    /// Where clients of this listener reach this broker.
    pub(crate) fn endpoint(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

/// Resolves when the broker stops, or is gone.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _gone = stop.wait_for(|stop| *stop).await.is_err();
}

/// Why a broker does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
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
    /// The system refuses threads.
    #[error("threads: {0}")]
    Threads(std::io::Error),
}

/// Why a broker did not stop cleanly. The next start recovers what was not closed.
#[derive(Debug, thiserror::Error)]
#[error("not stopped cleanly: {0}")]
pub struct ShutdownError(String);

/// Starts brokers.
#[derive(Debug)]
pub struct Broker;

impl Broker {
    /// Opens the data directories, recovers what an unclean stop left, and listens. The broker is ready when this returns;
    /// its tasks run on the calling runtime, its file work on threads of its own.
    pub async fn start(config: Config) -> Result<Handle, StartError> {
        let started = clock::now();
        let config = Arc::new(config);
        let bound = listen::bind(&config.listeners).await?;
        let opening = Arc::clone(&config);
        let opened = tokio::task::spawn_blocking(move || open(&opening)).await;
        let Parts { meta, meta_thread, storage, opened, cluster_id } =
            opened.map_err(|error| StartError::Log(format!("start failed: {error}")))??;
        let (stop, stopping) = watch::channel(false);
        let groups = group::Coordinators::new(&config, meta.clone(), Arc::clone(&storage.shards));
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
            stop,
            tasks: JoinSet::new(),
        };
        handle.tasks.spawn(Arc::clone(&handle.groups).run(stopping.clone()));
        for bound in bound {
            handle.serve(bound, stopping.clone());
        }
        handle.tasks.spawn(shard::cleaner::run(Arc::clone(&handle.storage), stopping.clone()));
        handle.tasks.spawn(tick(Arc::clone(&handle.storage), stopping));
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
    cluster_id: String,
}

fn open(config: &Arc<Config>) -> Result<Parts, StartError> {
    let dirs = LogDirs::open(&config.log_dirs, config.node_id, None, rng::uuid)?;
    let cluster_id = dirs.cluster_id().to_owned();
    let dir_ids = dirs.dirs().iter().map(log::LogDir::id).collect();
    let first = dirs.dirs().first().map(|dir| dir.path().to_path_buf()).unwrap_or_default();
    let shards = Arc::new(Shards::start(config.io_threads).map_err(StartError::Threads)?);
    let storage = Storage::new(shards, Arc::clone(config), dirs);
    let follower = storage.clone();
    let on_change = move |old: &Arc<meta::image::Image>, new: &Arc<meta::image::Image>| {
        follower.on_change(old, new).map_err(|error| error.to_string())
    };
    let (meta, meta_thread) = meta::Handle::open(&first, dir_ids, Arc::clone(config), Box::new(on_change))
        .map_err(|error| StartError::Meta(error.to_string()))?;
    let opened =
        storage.open_all(&meta.image()).map_err(|error: StorageError| StartError::Log(error.to_string()))?;
    Ok(Parts { meta, meta_thread, storage, opened, cluster_id })
}

/// A running broker. Dropping it stops serving but closes nothing: call [`Handle::shutdown`] for a clean stop.
pub struct Handle {
    addrs: Vec<SocketAddr>,
    bootstrap: String,
    cluster_id: String,
    config: Arc<Config>,
    opened: Opened,
    ready_in: Duration,
    meta: meta::Handle,
    meta_thread: Option<std::thread::JoinHandle<()>>,
    storage: Arc<Storage>,
    conversions: Arc<convert::Conversions>,
    groups: Arc<group::Coordinators>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Handle {
    fn serve(&mut self, bound: Bound, stop: watch::Receiver<bool>) {
        let advertised = self.config.advertised.iter().find(|listener| listener.name == bound.name);
        let host = advertised.map_or_else(|| bound.host.clone(), |listener| listener.host.clone());
        // Port 0 asks for any free port: clients are told the one it became.
        let port = advertised.map_or(0, |listener| listener.port);
        let port = if port == 0 { bound.addr.port() } else { port };
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
            node_id: self.config.node_id,
            cluster_id: self.cluster_id.clone(),
            stop,
            host,
            port,
        });
        self.tasks.spawn(server::listener::run(bound.listener, ctx));
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
        &self.cluster_id
    }

    /// This broker's id.
    pub fn node_id(&self) -> i32 {
        self.config.node_id
    }

    /// Stops: no new requests, answers to those that were read, every log flushed and closed.
    pub async fn shutdown(mut self) -> Result<(), ShutdownError> {
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
        let partitions = self.meta.image().topics.values().map(|topic| topic.partitions.len()).sum::<usize>();
        let closed = self.storage.shards.close().await;
        let storage = Arc::clone(&self.storage);
        let finish = tokio::task::spawn_blocking(move || storage.finish(&closed, closed.len() == partitions));
        match finish.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ShutdownError(error.to_string())),
            Err(error) => Err(ShutdownError(error.to_string())),
        }
    }
}

/// Drives what depends on time until the broker stops.
async fn tick(storage: Arc<Storage>, mut stop: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(TICK);
    let mut retentions = tokio::time::interval(storage.config().retention_check_interval);
    // The first at once: entries of topics that went while the broker was down must not outlive this start.
    let mut checkpoints = tokio::time::interval(CHECKPOINT);
    loop {
        tokio::select! {
            _ = ticks.tick() => storage.shards.tick(clock::now_ms()),
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
