//! A broker's part in a cluster: the quorum, the way to the active controller, registration, and what follows the leaders.
//!
//! A broker that is its own cluster has none of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kinglet_protocol::Uuid;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::config::{Config, Purpose, QuorumConfig};
use crate::meta::active::ActiveController;
use crate::meta::image::Endpoint;
use crate::meta::raft::{self, Quorum, QuorumError, QuorumSettings};
use crate::meta::registration::{Registration, Standing};
use crate::meta::{Handle, dead};
use crate::peer::{Peers, QuorumTransport};
use crate::replica::fetcher::Fetchers;
use crate::replica::proposals::IsrChanges;
use crate::rng;
use crate::shard::command::IsrProposal;
use crate::shard::storage::Storage;

/// The folder of the quorum's files, as Kafka names that of its metadata log.
const FOLDER: &str = "__cluster_metadata-0";
/// How often the active controller is heard of, and how long it may be silent. A process that is killed is noticed at once in
/// another way; these times are for one that is frozen or cut off, and must leave a loaded machine its pauses.
const HEARTBEAT: Duration = Duration::from_millis(250);
const ELECTION: Duration = Duration::from_millis(2500);
/// After so long without an answer an observer of the quorum is none any more, as in Kafka.
const OBSERVER_SESSION: Duration = Duration::from_secs(300);
/// How long a broker that leaves waits for others to lead what it led.
const LEAVE: Duration = Duration::from_secs(10);
/// How often somebody who waits is told for whom.
const PATIENCE: Duration = Duration::from_secs(5);

/// The id of a log directory whose `meta.properties` is missing, if it holds files of the quorum.
pub(crate) fn directory_of(dir: &Path, node_id: i32) -> Option<Uuid> {
    raft::directory_of(&dir.join(FOLDER), node_id)
}

/// This broker's part.
pub(crate) struct Membership {
    pub(crate) quorum: Quorum,
    pub(crate) active: ActiveController,
    peers: Arc<Peers>,
    own: Own,
    proposals: Option<mpsc::UnboundedReceiver<IsrProposal>>,
    standing: watch::Sender<Standing>,
    leaving: watch::Sender<bool>,
    epoch: watch::Sender<i64>,
}

/// What the broker says of itself.
struct Own {
    endpoints: Vec<Endpoint>,
    dirs: Vec<Uuid>,
    /// Drawn anew by each process.
    incarnation: Uuid,
    previous_epoch: i64,
}

/// What a member is made of.
pub(crate) struct Parts<'a> {
    pub(crate) config: &'a Config,
    pub(crate) quorum: &'a QuorumConfig,
    pub(crate) first_dir: &'a Path,
    pub(crate) cluster_id: Option<&'a str>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) dirs: Vec<Uuid>,
    pub(crate) incarnation: Uuid,
    pub(crate) previous_epoch: i64,
    pub(crate) proposals: mpsc::UnboundedReceiver<IsrProposal>,
}

impl Membership {
    pub(crate) fn new(parts: Parts<'_>) -> Self {
        let Parts {
            config,
            quorum,
            first_dir,
            cluster_id,
            endpoints,
            dirs,
            incarnation,
            previous_epoch,
            proposals,
        } = parts;
        // Peers come by the controllers' listener where there is one.
        let is_controllers = |at: &&Endpoint| config.purpose(&at.name) == Purpose::Controllers;
        let at = endpoints.iter().find(is_controllers).or(endpoints.first());
        let (host, port) = at.map_or((String::new(), 0), |at| (at.host.clone(), at.port));
        let endpoints: Vec<Endpoint> = endpoints.iter().filter(|at| !is_controllers(at)).cloned().collect();
        let settings = QuorumSettings {
            dir: first_dir.join(FOLDER),
            node_id: config.node_id,
            directory: dirs.first().copied().unwrap_or_default(),
            host,
            port,
            peers: quorum.peers.clone(),
            is_voter: config.roles.controller,
            proposed_cluster_id: cluster_id.map_or_else(|| rng::uuid().to_string(), str::to_owned),
            heartbeat: HEARTBEAT,
            election: ELECTION,
            observer_session: OBSERVER_SESSION,
        };
        let peers = Arc::new(Peers::new(config.node_id));
        let quorum = Quorum::new(settings, Arc::new(QuorumTransport(Arc::clone(&peers))));
        Self {
            active: ActiveController::new(Arc::clone(&peers), quorum.clone()),
            quorum,
            peers,
            own: Own { endpoints, dirs, incarnation, previous_epoch },
            proposals: Some(proposals),
            standing: watch::Sender::new(Standing::Unknown),
            leaving: watch::Sender::new(false),
            epoch: watch::Sender::new(-1),
        }
    }

    /// The epoch of this life; -1 before it has registered.
    pub(crate) fn epoch(&self) -> i64 {
        *self.epoch.borrow()
    }

    /// Forms the cluster with the others, or joins it, and gives its id. Waits for them as long as it takes.
    pub(crate) async fn form(&self) -> Result<String, QuorumError> {
        let forming = self.quorum.form();
        tokio::pin!(forming);
        loop {
            match tokio::time::timeout(PATIENCE, &mut forming).await {
                Ok(formed) => return formed,
                Err(_) => tracing::info!("waiting for the other nodes of the cluster"),
            }
        }
    }

    /// Starts everything that a member does, and waits until it serves.
    pub(crate) async fn join(
        &mut self,
        tasks: &mut JoinSet<()>,
        storage: &Arc<Storage>,
        (cluster_id, config): (&str, &Arc<Config>),
        meta: &Handle,
        stop: &watch::Receiver<bool>,
    ) {
        let followed = meta.watch();
        tasks.spawn(until(stop.clone(), self.active.clone().watch()));
        tasks.spawn(until(stop.clone(), dead::look_when_active(meta.clone(), self.quorum.leadership())));
        if !config.roles.broker {
            // It never leads a partition.
            self.standing.send_replace(Standing::Released);
            return;
        }
        let registration = Registration {
            config: Arc::clone(config),
            controller: self.active.clone(),
            cluster_id: cluster_id.to_owned(),
            endpoints: self.own.endpoints.clone(),
            dirs: self.own.dirs.clone(),
            storage: Arc::clone(storage),
            incarnation: self.own.incarnation,
            previous_epoch: self.own.previous_epoch,
            followed: followed.clone(),
            epoch: self.epoch.clone(),
            standing: self.standing.clone(),
            leaving: self.leaving.subscribe(),
        };
        tasks.spawn(registration.run(stop.clone()));
        tasks.spawn(until(stop.clone(), Arc::clone(storage).fail_dirs()));
        let listener = self.own.endpoints.first().map(|endpoint| endpoint.name.clone()).unwrap_or_default();
        let fetchers = Fetchers {
            config: Arc::clone(config),
            storage: Arc::clone(storage),
            peers: Arc::clone(&self.peers),
            listener,
            epoch: self.epoch.subscribe(),
        };
        tasks.spawn(fetchers.run(followed, stop.clone()));
        if let Some(proposals) = self.proposals.take() {
            let changes = IsrChanges {
                node_id: config.node_id,
                controller: self.active.clone(),
                shards: Arc::clone(&storage.shards),
                epoch: self.epoch.subscribe(),
            };
            tasks.spawn(changes.run(proposals, stop.clone()));
        }
        let mut standing = self.standing.subscribe();
        loop {
            let serves = standing.wait_for(|standing| *standing >= Standing::Serving);
            match tokio::time::timeout(PATIENCE, serves).await {
                Ok(_) => return,
                Err(_) => tracing::info!("waiting for the controller to let this broker serve"),
            }
        }
    }

    /// Lets others lead what this broker leads; gives up when nobody answers in time.
    pub(crate) async fn leave(&self) {
        self.leaving.send_replace(true);
        let mut standing = self.standing.subscribe();
        let released = standing.wait_for(|standing| *standing == Standing::Released);
        if tokio::time::timeout(LEAVE, released).await.is_err() {
            tracing::warn!("the controller has not let this broker go: it stops all the same");
        }
    }
}

async fn until(mut stop: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = crate::stopped(&mut stop) => {}
    }
}
