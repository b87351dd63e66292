//! One node's life: it opens its files, forms or joins a cluster, takes part, and answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use openraft::{Config, SnapshotPolicy};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::disk::Disk;
use super::elections;
use super::forming::{self, Decision};
use super::joining;
use super::leading::{self, Watcher};
use super::machine::Machine;
use super::network::{Answer, JoinAnswer, Message, Network, Role};
use super::snapshot::{self, State};
use super::store::LogStore;
use super::types::{Node, Raft};
use super::wal::{Content, Identity, Origin, Wal};
use super::{LOST, Phase, QuorumError, QuorumSettings, Running, Shared, locked};
use crate::meta::log::Leadership;
use crate::rng;

/// Entries between two snapshots, and those that stay behind one for members that are a little late.
const SNAPSHOT_EVERY: u64 = 2000;
const KEPT_BEHIND: u64 = 1000;
/// What one message carries of a snapshot.
const SNAPSHOT_PIECE: u64 = 1024 * 1024;
/// How long a piece of a snapshot may take: to arrive, and the last one to be on disk.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(10);
/// Between two questions to peers.
const ASK_FIRST: Duration = Duration::from_millis(50);
const ASK_MAX: Duration = Duration::from_secs(1);
/// Elections that a founder stands for before it waits as everybody does.
const FIRST_ELECTIONS: u32 = 20;
/// Between two questions to a leader that refuses this node.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);
/// The metadata of a broker without a quorum.
const JOURNAL: &str = "00000000000000000000.log";

/// Runs until `stop` has no sender. The thread returned owns the log's file; it ends when the runtime is gone.
pub(super) async fn run(
    shared: &Arc<Shared>,
    disk: Arc<dyn Disk>,
    formed: oneshot::Sender<Result<String, QuorumError>>,
    mut stop: watch::Receiver<()>,
) -> Option<JoinHandle<()>> {
    let opened = Opened::new(&shared.settings, disk);
    let (opened, thread) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            // Whoever asked may have left.
            let _ = formed.send(Err(error));
            return None;
        }
    };
    let started = tokio::select! {
        started = opened.start(shared) => started,
        _ = stop.changed() => Err(QuorumError::Closed),
    };
    let (cluster, raft, mut tasks) = match started {
        Ok(started) => started,
        Err(error) => {
            let _ = formed.send(Err(error));
            return Some(thread);
        }
    };
    let _ = formed.send(Ok(cluster));
    // An error says that the sender is gone, which is what is waited for.
    let _ = stop.changed().await;
    tasks.shutdown().await;
    if let Err(error) = raft.shutdown().await {
        tracing::error!(%error, "the metadata quorum's task has failed");
    }
    let epoch = shared.leadership.borrow().epoch;
    shared.leadership.send_replace(Leadership { epoch, leader: None, is_self: false });
    Some(thread)
}

/// Files that were read, and nothing running yet.
struct Opened {
    disk: Arc<dyn Disk>,
    store: LogStore,
    snapshot: Option<State>,
    config: Config,
    /// Its cluster, if it ever was in one.
    cluster: Option<String>,
    /// The id of the cluster that it would form.
    proposed: String,
}

impl Opened {
    fn new(settings: &QuorumSettings, disk: Arc<dyn Disk>) -> Result<(Self, JoinHandle<()>), QuorumError> {
        let config = config(settings)?;
        let journal = settings.dir.join(JOURNAL);
        if journal.exists() {
            return Err(QuorumError::Alone(journal));
        }
        let storage = |error: &dyn std::error::Error| QuorumError::Storage(error.to_string());
        let (wal, content) = Wal::open(Arc::clone(&disk)).map_err(|error| storage(&error))?;
        let snapshot = snapshot::load_for(&*disk, content.purged)
            .map_err(|error| QuorumError::Storage(error.to_string()))?;
        if let Some(identity) = &content.identity {
            check(settings, identity)?;
        }
        let cluster = cluster_of(&content, snapshot.is_some());
        let proposed = content.identity.as_ref().map(|identity| identity.cluster_id.clone());
        let proposed = proposed.unwrap_or_else(|| settings.proposed_cluster_id.clone());
        let (store, thread) =
            LogStore::start(wal, content).map_err(|error| QuorumError::Storage(error.to_string()))?;
        Ok((Self { disk, store, snapshot, config, cluster, proposed }, thread))
    }

    async fn start(self, shared: &Arc<Shared>) -> Result<(String, Raft, JoinSet<()>), QuorumError> {
        let (cluster, voters) = match self.cluster.clone() {
            Some(cluster) => (cluster, None),
            None => self.form(shared).await?,
        };
        let heartbeat = shared.settings.heartbeat;
        let patience = Duration::from_millis(self.config.election_timeout_max);
        let caller = shared.caller(Some(cluster.clone()));
        let timeout = Duration::from_millis(self.config.election_timeout_min);
        let network = Network { caller: caller.clone(), pause: heartbeat * 2 };
        let machine = Machine::new(self.disk, self.snapshot, shared.image.clone());
        let id = shared.me().raft_id();
        let raft = Raft::new(id, Arc::new(self.config), network, self.store, machine).await;
        let raft = raft.map_err(|error| QuorumError::Storage(error.to_string()))?;
        let is_founder = voters.is_some();
        if let Some(voters) = voters {
            let initialized = raft.initialize(voters).await;
            initialized.map_err(|error| QuorumError::Storage(error.to_string()))?;
        }
        let (lost, lost_queue) = mpsc::channel(LOST);
        let running = Running { raft: raft.clone(), caller, lost, patience };
        if shared.running.set(running).is_err() {
            return Err(QuorumError::Closed);
        }
        *locked(&shared.phase) = Phase::Formed(cluster.clone());
        let mut tasks = JoinSet::new();
        let watcher = Watcher {
            raft: raft.clone(),
            contacts: Arc::clone(&shared.contacts),
            leadership: shared.leadership.clone(),
            failure: shared.failure.clone(),
            patience,
        };
        tasks.spawn(watcher.run());
        tasks.spawn(leading::replace_lost(raft.clone(), Arc::clone(shared), heartbeat, lost_queue));
        tasks.spawn(leading::forget_silent(
            raft.clone(),
            Arc::clone(&shared.contacts),
            shared.leadership.subscribe(),
            (shared.settings.observer_session, patience),
        ));
        if is_founder {
            tasks.spawn(stand_for_first_election(Arc::clone(shared), raft.clone()));
        }
        tasks.spawn(elections::stand(Arc::clone(shared), timeout, heartbeat));
        let shared = Arc::clone(shared);
        tasks.spawn(async move { stay_member(&shared).await });
        Ok((cluster, raft, tasks))
    }

    /// Waits for a cluster; the voters are those of one that this node is to form.
    async fn form(&self, shared: &Shared) -> Result<(String, Option<BTreeMap<u64, Node>>), QuorumError> {
        *locked(&shared.phase) = Phase::Alone;
        let caller = shared.caller(None);
        let Some(me) = shared.greeting() else { return Err(QuorumError::Closed) };
        let mut pause = ASK_FIRST;
        let mut told = None;
        loop {
            let decision = forming::decide(&me, &forming::ask(&caller, &me).await)?;
            let (cluster, origin, voters) = match decision {
                Decision::Form(voters) => (self.proposed.clone(), Origin::Founder, Some(voters)),
                Decision::Adopt(cluster) => (cluster, Origin::Joiner, None),
                Decision::Wait { missing } => {
                    if told.as_ref() != Some(&missing) {
                        let peers = missing.join(",");
                        tracing::info!(peers, "waiting for peers to form the metadata quorum");
                        told = Some(missing);
                    }
                    wait(shared, &mut pause).await;
                    continue;
                }
            };
            tracing::info!(cluster, "this node is of a cluster now");
            let identity = Identity {
                cluster_id: cluster.clone(),
                node_id: me.node.node_id,
                directory: me.node.directory().0,
                origin,
            };
            let kept = self.store.identify(identity).await;
            kept.map_err(|error| QuorumError::Storage(error.to_string()))?;
            return Ok((cluster, voters));
        }
    }
}

fn check(settings: &QuorumSettings, identity: &Identity) -> Result<(), QuorumError> {
    if identity.node_id == settings.node_id && identity.directory == settings.directory.0 {
        return Ok(());
    }
    Err(QuorumError::Identity {
        path: settings.dir.clone(),
        node_id: identity.node_id,
        directory: kinglet_protocol::Uuid(identity.directory),
    })
}

/// The cluster that a log belongs to. One that was to be formed and has no entry is not there: nobody has heard of it.
fn cluster_of(content: &Content, has_snapshot: bool) -> Option<String> {
    let identity = content.identity.as_ref()?;
    let is_there = match identity.origin {
        Origin::Joiner => true,
        Origin::Founder => has_snapshot || content.last().is_some(),
    };
    is_there.then(|| identity.cluster_id.clone())
}

fn config(settings: &QuorumSettings) -> Result<Config, QuorumError> {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let heartbeat = ms(settings.heartbeat);
    if heartbeat == 0 || settings.election <= settings.heartbeat {
        let QuorumSettings { heartbeat, election, .. } = settings;
        let error = format!("a leader heard of every {heartbeat:?} may not be given up after {election:?}");
        return Err(QuorumError::Times(error));
    }
    // openraft looks at its times this often. Nodes whose times differ by less may stand for election at once, and again
    // and again: so each has its own.
    let tick = heartbeat.saturating_mul(3) / 2;
    let turn = u64::from(settings.node_id.unsigned_abs() % 5) * 2;
    let election = ms(settings.election).saturating_add(tick.saturating_mul(turn));
    let config = Config {
        cluster_name: "kinglet".to_owned(),
        heartbeat_interval: heartbeat,
        // `elections` decides when this node stands.
        enable_elect: false,
        election_timeout_min: election,
        election_timeout_max: election.saturating_add(tick.max(1)),
        install_snapshot_timeout: ms(SNAPSHOT_LIMIT),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_EVERY),
        replication_lag_threshold: 2 * SNAPSHOT_EVERY,
        snapshot_max_chunk_size: SNAPSHOT_PIECE,
        max_in_snapshot_log_to_keep: KEPT_BEHIND,
        ..Config::default()
    };
    config.validate().map_err(|error| QuorumError::Times(error.to_string()))
}

/// Waits a little longer than the last time, or until a peer says that there is something to be asked.
async fn wait(shared: &Shared, pause: &mut Duration) {
    // Nodes that were started together do not stay in step.
    let [draw, _] = rng::seeds();
    let jitter = *pause * u32::try_from(draw % 512).unwrap_or(0) / 1024;
    tokio::select! {
        () = tokio::time::sleep(*pause + jitter) => *pause = (*pause * 2).min(ASK_MAX),
        () = shared.poke.notified() => *pause = ASK_FIRST,
    }
}

/// The founder is the only one who can be elected, and its voters hear of their cluster a moment after it has asked them.
async fn stand_for_first_election(shared: Arc<Shared>, raft: Raft) {
    let mut pause = ASK_FIRST;
    for _ in 0..FIRST_ELECTIONS {
        tokio::time::sleep(pause).await;
        // Each election makes the answers to the last one worthless: where they take long they must be given the time.
        pause = (pause * 3 / 2).min(ASK_MAX);
        let has_leader = raft.metrics().borrow().current_leader.is_some();
        if has_leader || elections::elect(&raft, &shared.heard).await.is_err() {
            return;
        }
    }
}

/// Becomes a member, and again if it may have been silent for so long that it was forgotten.
async fn stay_member(shared: &Shared) {
    loop {
        become_member(shared).await;
        match shared.role() {
            Role::Voter => return,
            Role::Observer => tokio::time::sleep(shared.settings.observer_session / 5).await,
        }
    }
}

/// Asks whoever leads until this node is a member, at the address that it has now.
async fn become_member(shared: &Shared) {
    let Some(running) = shared.running.get() else { return };
    let mut pause = ASK_FIRST;
    let mut told = None;
    loop {
        match ask_to_join(shared, running).await {
            Some(JoinAnswer::Done) => return,
            Some(JoinAnswer::Refused(error)) => {
                if told.as_ref() != Some(&error) {
                    tracing::error!(error, "the metadata quorum refuses this node");
                    told = Some(error);
                }
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
            Some(JoinAnswer::Pending) => {
                pause = ASK_FIRST;
                wait(shared, &mut pause).await;
            }
            Some(JoinAnswer::NotLeader(_)) | None => wait(shared, &mut pause).await,
        }
    }
}

/// One round of questions: to the leader if one is known, else to all, who hear on the way where this node is.
async fn ask_to_join(shared: &Shared, running: &Running) -> Option<JoinAnswer> {
    if let answer @ (JoinAnswer::Done | JoinAnswer::Pending | JoinAnswer::Refused(_)) =
        join(shared, running, &shared.me(), shared.role()).await
    {
        return Some(answer);
    }
    let me = shared.me();
    let mut open: Vec<(String, u16)> = {
        let metrics = running.raft.metrics();
        let metrics = metrics.borrow();
        let members = metrics.membership_config.nodes().filter(|(id, _)| **id != me.raft_id());
        members.map(|(id, node)| shared.contacts.address(*id, node)).collect()
    };
    open.extend(shared.settings.peers.iter().cloned());
    let mut asked = BTreeSet::from([(me.host.clone(), me.port)]);
    while let Some(at) = open.pop() {
        if !asked.insert(at.clone()) {
            continue;
        }
        let limit = running.patience * 4;
        let answer = running.caller.call((&at.0, at.1), None, Message::Join(shared.role()), limit).await;
        match answer {
            Ok(Answer::Join(JoinAnswer::NotLeader(leader))) => {
                open.extend(leader.map(|leader| (leader.host, leader.port)));
            }
            Ok(Answer::Join(answer)) => return Some(answer),
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(peer = %format_args!("{}:{}", at.0, at.1), %error, "peer does not let this node join");
            }
        }
    }
    None
}

/// Takes one step to make a node a member, if this one leads.
pub(super) async fn join(shared: &Shared, running: &Running, node: &Node, role: Role) -> JoinAnswer {
    if !shared.leadership.borrow().is_self {
        let metrics = running.raft.metrics();
        let metrics = metrics.borrow();
        let leader = metrics.current_leader.filter(|leader| *leader != metrics.id);
        let leader = leader.and_then(|id| Some((id, metrics.membership_config.membership().get_node(&id)?)));
        return JoinAnswer::NotLeader(leader.map(|(id, listed)| {
            let (host, port) = shared.contacts.address(id, listed);
            Node { host, port, ..listed.clone() }
        }));
    }
    let Ok(_one_at_a_time) = shared.joining.try_lock() else { return JoinAnswer::Pending };
    let Some(me) = shared.greeting() else { return JoinAnswer::Pending };
    joining::advance(&running.raft, &running.caller, &me, (node, role), running.patience * 2).await
}
