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
mod disk;
mod group;
mod handle;
mod in_process;
pub mod limits;
mod listen;
pub mod log;
pub mod loggers;
mod memory;
mod meta;
#[cfg(test)]
mod model;
mod mutant;
mod opening;
mod peer;
mod replica;
mod rng;
mod server;
mod sessions;
mod shard;
mod trouble;

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

pub use banner::Banner;
pub use config::Config;
pub use handle::Handle;
pub use in_process::Cluster;

pub(crate) use context::{Context, Reachable};
use log::DirError;

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
        starting(config).await
    }
}

/// In a box: so the code of a broker is compiled into this crate, and not once more into every program and test that starts one.
fn starting(config: Config) -> Pin<Box<dyn Future<Output = Result<Handle, StartError>> + Send>> {
    Box::pin(async move {
        let started = clock::now();
        config.check()?;
        let config = Arc::new(config);
        let listeners: Vec<_> = config.listeners.iter().chain(&config.controllers).cloned().collect();
        let bound = listen::bind(&listeners).await?;
        let opening = Arc::clone(&config);
        let endpoints = opening::endpoints(&bound, &config);
        let opened = tokio::task::spawn_blocking(move || opening::open(&opening, endpoints)).await;
        let parts = opened.map_err(|error| StartError::Log(format!("start failed: {error}")))??;
        Handle::serve(config, bound, parts, started).await
    })
}
