//! Several brokers in one process.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener};

use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{Broker, Config, Handle, ShutdownError, StartError};

/// A cluster of brokers in this process, for tests and for trying things: on free ports of this machine, with its data in a temporary
/// directory that goes with it. `kbroker --cluster 3` is the same as processes of their own.
///
/// Topics have as many replicas as there are brokers, three at most; with three or more, writes with `acks=all` need two of them.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use kinglet_broker::Cluster;
///
/// let mut cluster = Cluster::start(3).await?;
/// println!("clients connect to {}", cluster.bootstrap());
/// cluster.kill(2).await;
/// cluster.restart(2).await?;
/// cluster.shutdown().await?;
/// # Ok(())
/// # }
/// ```
pub struct Cluster {
    configs: BTreeMap<i32, Config>,
    running: BTreeMap<i32, Handle>,
    bootstrap: String,
    _dir: TempDir,
}

impl Cluster {
    /// Starts `count` brokers, with the ids 1, 2, 3 and so on, and waits until all of them serve.
    pub async fn start(count: usize) -> Result<Self, StartError> {
        Self::start_with(count, &[]).await
    }

    /// As [`Cluster::start`], with keys of `server.properties` that hold for all of them.
    pub async fn start_with(count: usize, keys: &[(&str, &str)]) -> Result<Self, StartError> {
        let dir = tempfile::Builder::new().prefix("kinglet-cluster-").tempdir();
        let dir = dir.map_err(|error| StartError::Cluster(error.to_string()))?;
        let ports = free_ports(count).map_err(|error| StartError::Cluster(error.to_string()))?;
        let addresses: Vec<String> = ports.iter().map(|port| format!("localhost:{port}")).collect();
        let bootstrap = addresses.join(",");
        let replicas = count.clamp(1, 3).to_string();
        let mut configs = BTreeMap::new();
        for (id, port) in (1..).zip(ports) {
            let mut config = Config::default();
            let own = id.to_string();
            let defaults = [
                ("node.id", own.as_str()),
                ("controller.quorum.bootstrap.servers", &bootstrap),
                ("default.replication.factor", &replicas),
                ("offsets.topic.replication.factor", &replicas),
                ("min.insync.replicas", if count >= 3 { "2" } else { "1" }),
            ];
            for (key, value) in defaults.into_iter().chain(keys.iter().copied()) {
                config.set(key, value)?;
            }
            config.set("log.dirs", &dir.path().join(format!("broker-{id}")).to_string_lossy())?;
            config.set_port(port);
            configs.insert(id, config);
        }
        let mut cluster = Self { configs, running: BTreeMap::new(), bootstrap, _dir: dir };
        // Together: none of them serves before a majority is there.
        let mut starting = JoinSet::new();
        for (id, config) in cluster.configs.clone() {
            starting.spawn(async move { (id, Broker::start(config).await) });
        }
        while let Some(started) = starting.join_next().await {
            let (id, started) = started.map_err(|error| StartError::Cluster(error.to_string()))?;
            cluster.running.insert(id, started?);
        }
        Ok(cluster)
    }

    /// `host:port` of every broker, for a client's `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A broker that runs.
    pub fn broker(&self, id: i32) -> Option<&Handle> {
        self.running.get(&id)
    }

    /// Ends a broker as `kill -9` ends a process: what it was doing is left undone, nothing is closed. Says whether it was running.
    pub async fn kill(&mut self, id: i32) -> bool {
        match self.running.remove(&id) {
            Some(broker) => {
                broker.abandon().await;
                true
            }
            None => false,
        }
    }

    /// Stops a broker cleanly: others lead first what it leads. Says whether it was running.
    pub async fn stop(&mut self, id: i32) -> Result<bool, ShutdownError> {
        match self.running.remove(&id) {
            Some(broker) => broker.shutdown().await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Starts a broker again that was killed or stopped, with its data, and waits until it serves. One that runs is left alone, and so
    /// is an id that this cluster has not got.
    pub async fn restart(&mut self, id: i32) -> Result<(), StartError> {
        if let Some(config) = self.configs.get(&id).filter(|_| !self.running.contains_key(&id)) {
            let broker = Broker::start(config.clone()).await?;
            self.running.insert(id, broker);
        }
        Ok(())
    }

    /// Stops all brokers.
    pub async fn shutdown(mut self) -> Result<(), ShutdownError> {
        let mut stopping = JoinSet::new();
        for (_, broker) in std::mem::take(&mut self.running) {
            stopping.spawn(broker.shutdown());
        }
        let mut first = Ok(());
        while let Some(stopped) = stopping.join_next().await {
            let stopped = stopped.unwrap_or_else(|error| Err(ShutdownError::of(&error)));
            first = first.and(stopped);
        }
        first
    }
}

/// Ports that were free a moment ago.
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<io::Result<_>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
