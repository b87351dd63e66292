//! A broker that runs, until it is stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cluster::Membership;
use crate::config::Config;
use crate::context::Context;
use crate::listen::Bound;
use crate::meta::raft::QuorumError;
use crate::opening::Parts;
use crate::shard::storage::{Opened, Storage};
use crate::{ShutdownError, StartError, clock, convert, group, meta, rng, server, sessions, shard};

/// How long connections may take to end when the broker stops.
const DRAIN: Duration = Duration::from_secs(5);

/// A running broker. Dropping it stops serving but closes nothing: call [`Handle::shutdown`] for a clean stop.
pub struct Handle {
    addrs: Vec<SocketAddr>,
    pub(crate) bootstrap: String,
    cluster_id: meta::ClusterId,
    pub(crate) config: Arc<Config>,
    pub(crate) opened: Opened,
    pub(crate) ready_in: Duration,
    pub(crate) meta: meta::Handle,
    meta_thread: Option<std::thread::JoinHandle<()>>,
    storage: Arc<Storage>,
    conversions: Arc<convert::Conversions>,
    groups: Arc<group::Coordinators>,
    sessions: Arc<sessions::Sessions>,
    places: Arc<server::places::Places>,
    /// `None`: this broker is its own cluster.
    membership: Option<Membership>,
    ready: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Handle {
    /// Listens and joins the cluster; it began to start at `started`.
    pub(crate) async fn serve(
        config: Arc<Config>,
        bound: Vec<Bound>,
        parts: Parts,
        started: Instant,
    ) -> Result<Self, StartError> {
        let Parts { meta, meta_thread, storage, opened, cluster_id, membership } = parts;
        let (stop, stopping) = watch::channel(false);
        let groups = group::Coordinators::new(&config, meta.clone(), Arc::clone(&storage.shards));
        let sessions = sessions::Sessions::new(config.fetch_sessions_max, rng::session_id);
        let mut handle = Self {
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
            places: server::places::Places::new(),
            membership,
            ready: watch::Sender::new(false),
            stop,
            tasks: JoinSet::new(),
        };
        handle.tasks.spawn(Arc::clone(&handle.groups).run(stopping.clone()));
        let limits = Arc::clone(&handle.places).follow(handle.storage.watch_config(), stopping.clone());
        handle.tasks.spawn(limits);
        handle.tasks.spawn(Arc::clone(&handle.places).clear_up(stopping.clone()));
        for bound in bound {
            handle.listen(bound, stopping.clone());
        }
        handle.tasks.spawn(shard::cleaner::run(Arc::clone(&handle.storage), stopping.clone()));
        handle.tasks.spawn(shard::ticks::run(Arc::clone(&handle.storage), stopping.clone()));
        handle.tasks.spawn(shard::ticks::flush(Arc::clone(&handle.storage), stopping.clone()));
        handle.join(&stopping).await?;
        handle.ready.send_replace(true);
        handle.ready_in = clock::now().duration_since(started);
        Ok(handle)
    }

    fn listen(&mut self, bound: Bound, stop: watch::Receiver<bool>) {
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
            places: Arc::clone(&self.places),
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

    /// Resolves, with the reason, when this node is of no use to its cluster any more: a disk has failed, and with it the node's part in
    /// the metadata quorum, or its last log directory. It should be ended then, so that others take over; a lone broker never says so.
    /// Cancel safe.
    pub async fn failed(&self) -> String {
        let Some(membership) = &self.membership else { return std::future::pending().await };
        let mut failure = membership.quorum.failure();
        let mut failed_dirs = self.storage.shards.failed_dirs();
        tokio::select! {
            Ok(failure) = failure.wait_for(Option::is_some) => {
                format!("the metadata log has failed: {}", failure.as_deref().unwrap_or_default())
            }
            Ok(_) = failed_dirs.wait_for(|failed| self.storage.are_all(failed)) => {
                "every log directory has failed".to_owned()
            }
            // It has ended, as it was asked to.
            else => std::future::pending().await,
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
