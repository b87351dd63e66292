//! The metadata log as a quorum keeps it: several nodes, of which a majority has every change before anybody hears of it.
//!
//! Agreement itself is openraft's. Ours are the file, the image that it moves, the messages, and how a cluster forms. All
//! of it runs on a thread of its own, so that no load elsewhere starves a heartbeat. What a change means is not known here.

mod answering;
mod contacts;
mod disk;
mod elections;
mod forming;
mod frame;
mod joining;
mod leading;
mod machine;
mod network;
mod node;
mod snapshot;
mod state;
mod store;
mod types;
mod wal;

#[cfg(test)]
pub(crate) mod model;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use kinglet_protocol::Uuid;
use openraft::error::{ClientWriteError, RaftError};
use tokio::sync::{Notify, mpsc, oneshot, watch};

pub(crate) use self::network::{Sending, Transport, TransportError};

use self::contacts::Contacts;
use self::disk::{Directory, Disk};
use self::elections::Heard;
use self::network::{Answer, Caller, Greeting, Refusal, Role};
use self::types::{Change, Node, Outcome, Raft};
use super::image::Image;
use super::log::{Leadership, Proposal, ProposeError, QuorumState};

/// Bytes of records that one proposal may have: it travels in one message.
const PROPOSAL_BYTES: usize = 3 * 1024 * 1024;
/// Dead processes that wait to be looked at; further ones are found by their silence.
const LOST: usize = 16;

/// Who this node is to the quorum.
#[derive(Debug, Clone)]
pub(crate) struct QuorumSettings {
    /// Where its files are.
    pub(crate) dir: PathBuf,
    pub(crate) node_id: i32,
    /// Id of the first log directory: another one is another member.
    pub(crate) directory: Uuid,
    /// Where peers reach this node.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whom it forms a cluster with, itself among them, or whom it asks for the one to join.
    pub(crate) peers: Vec<(String, u16)>,
    pub(crate) is_voter: bool,
    /// The cluster's id, should this node be the one that forms it.
    pub(crate) proposed_cluster_id: String,
    /// How often the leader is heard of, and how long a follower may take to write and answer.
    pub(crate) heartbeat: Duration,
    /// How long a leader may be silent, at least; several times the heartbeat.
    pub(crate) election: Duration,
    /// How long an observer may be silent before it is none any more.
    pub(crate) observer_session: Duration,
}

/// The id of the log directory that the quorum's files in it name, if they belong to this node. A start that was killed may have left
/// it nowhere else: these files are written first.
pub(crate) fn directory_of(dir: &Path, node_id: i32) -> Option<Uuid> {
    // Opening makes the folder, which has no place in the other log directories.
    let disk = dir.is_dir().then(|| Directory::open(dir).ok())??;
    let identity = wal::identity(&disk)?;
    (identity.node_id == node_id).then_some(Uuid(identity.directory))
}

/// Why there is no quorum.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QuorumError {
    #[error("node id {node_id} belongs to two processes: {one} and {other}")]
    NodeId { node_id: i32, one: String, other: String },
    #[error("the listed peers belong to two clusters: {one} and {other}")]
    Clusters { one: String, other: String },
    #[error("the peers listed here are {ours}, those listed at {other} are {theirs}")]
    Peers { ours: String, other: String, theirs: String },
    #[error("{path} belongs to node {node_id} with directory {directory}")]
    Identity { path: PathBuf, node_id: i32, directory: Uuid },
    #[error("{0} holds the metadata of a broker that was alone; it cannot become a member of a quorum")]
    Alone(PathBuf),
    #[error("the quorum's times: {0}")]
    Times(String),
    #[error("{0}")]
    Storage(String),
    #[error("the quorum was closed")]
    Closed,
}

/// This node's part in the quorum. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Quorum {
    shared: Arc<Shared>,
}

/// What the quorum's thread and those who ask it have in common.
struct Shared {
    settings: QuorumSettings,
    transport: Arc<dyn Transport>,
    contacts: Arc<Contacts>,
    heard: Heard,
    image: watch::Sender<Arc<Image>>,
    leadership: watch::Sender<Leadership>,
    failure: watch::Sender<Option<String>>,
    phase: Mutex<Phase>,
    running: OnceLock<Running>,
    /// A peer knows of a cluster: ask now.
    poke: Notify,
    /// Dropped when the quorum is to end.
    stop: Mutex<Option<watch::Sender<()>>>,
    /// Closed when the thread has ended.
    ended: watch::Receiver<()>,
    end: Mutex<Option<watch::Sender<()>>>,
    joining: tokio::sync::Mutex<()>,
}

/// How far this node has come.
enum Phase {
    Starting,
    /// Without a cluster.
    Alone,
    Formed(String),
}

/// What is there once this node has a cluster.
struct Running {
    raft: Raft,
    caller: Caller,
    lost: mpsc::Sender<i32>,
    /// How long a leader may be without its majority.
    patience: Duration,
}

impl Quorum {
    /// Makes the node; nothing runs before it forms or joins a cluster.
    pub(crate) fn new(settings: QuorumSettings, transport: Arc<dyn Transport>) -> Self {
        let none = Leadership { epoch: 0, leader: None, is_self: false };
        let (end, ended) = watch::channel(());
        let shared = Shared {
            settings,
            transport,
            contacts: Arc::default(),
            heard: Heard::default(),
            image: watch::Sender::default(),
            leadership: watch::Sender::new(none),
            failure: watch::Sender::default(),
            phase: Mutex::new(Phase::Starting),
            running: OnceLock::new(),
            poke: Notify::new(),
            stop: Mutex::new(Some(watch::Sender::new(()))),
            ended,
            end: Mutex::new(Some(end)),
            joining: tokio::sync::Mutex::new(()),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Forms a cluster with the listed peers, or joins theirs. Once: a second call finds the quorum closed.
    ///
    /// Returns the cluster's id when this node's part runs, which may take as long as peers are missing; messages must be
    /// answered meanwhile. Dropped before, it goes on; `close` ends it.
    pub(crate) async fn form(&self) -> Result<String, QuorumError> {
        let directory = Directory::open(&self.shared.settings.dir);
        let path = self.shared.settings.dir.display();
        let disk = directory.map_err(|error| QuorumError::Storage(format!("{path}: {error}")))?;
        self.form_on(Arc::new(disk)).await
    }

    async fn form_on(&self, disk: Arc<dyn Disk>) -> Result<String, QuorumError> {
        let stop = locked(&self.shared.stop).as_ref().map(watch::Sender::subscribe);
        let end = locked(&self.shared.end).take();
        let (Some(stop), Some(end)) = (stop, end) else { return Err(QuorumError::Closed) };
        let shared = Arc::clone(&self.shared);
        let (formed, result) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| QuorumError::Storage(error.to_string()))?;
        let thread = thread::Builder::new().name("quorum".to_owned());
        let spawned = thread.spawn(move || {
            let file = runtime.block_on(node::run(&shared, disk, formed, stop));
            // With it go the last who use the file.
            drop(runtime);
            if file.is_some_and(|file| file.join().is_err()) {
                tracing::error!("the thread of the quorum's log has failed");
            }
            drop(end);
        });
        spawned.map_err(|error| QuorumError::Storage(error.to_string()))?;
        result.await.unwrap_or(Err(QuorumError::Closed))
    }

    /// The metadata as it is and becomes: what a majority has kept, and this node has heard of.
    pub(crate) fn image(&self) -> watch::Receiver<Arc<Image>> {
        self.shared.image.subscribe()
    }

    /// Who leads, as it is and becomes.
    pub(crate) fn leadership(&self) -> watch::Receiver<Leadership> {
        self.shared.leadership.subscribe()
    }

    /// Set when this node's part has failed, of its disk most likely: it hears of no change any more, until a restart.
    pub(crate) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.shared.failure.subscribe()
    }

    /// Asks the quorum to keep a change; the image returned has it.
    ///
    /// Not cancel safe: what was asked may be kept although nobody waits any more. The same holds after `NotLeader`, if
    /// leadership was lost while waiting.
    pub(crate) async fn propose(&self, proposal: Proposal) -> Result<Arc<Image>, ProposeError> {
        let Some(Running { raft, .. }) = self.shared.running.get() else {
            return Err(ProposeError::NotLeader);
        };
        let mut leadership = self.leadership();
        let epoch = proposal.epoch;
        let holds = |now: &Leadership| now.is_self && now.epoch == epoch;
        if !holds(&leadership.borrow_and_update()) {
            return Err(ProposeError::NotLeader);
        }
        let mut image = self.image();
        let change = encode(&proposal)?;
        let written = tokio::select! {
            written = raft.client_write(change) => written,
            // A leader that is cut off waits for its majority for ever; nobody else does.
            _ = leadership.wait_for(|now| !holds(now)) => return Err(ProposeError::NotLeader),
        };
        match written.map(|written| written.data) {
            Ok(Outcome::Applied(offset)) => {
                let image = image.wait_for(|image| image.offset >= offset).await;
                image.map(|image| Arc::clone(&image)).map_err(|_| ProposeError::Stopped)
            }
            Ok(Outcome::Stale) => Err(ProposeError::Stale),
            Ok(Outcome::Unfit(error)) => Err(ProposeError::Storage(error)),
            Ok(Outcome::Nothing) => Err(ProposeError::Storage("a change was kept as none".to_owned())),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => Err(ProposeError::NotLeader),
            Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(error))) => {
                Err(ProposeError::Storage(error.to_string()))
            }
            Err(RaftError::Fatal(openraft::error::Fatal::Stopped)) => Err(ProposeError::Stopped),
            Err(RaftError::Fatal(error)) => Err(ProposeError::Storage(error.to_string())),
        }
    }

    /// Answers a peer's message.
    pub(crate) async fn answer(&self, message: Bytes) -> Bytes {
        let answer = match network::decode(&message) {
            Ok(envelope) => answering::answer(&self.shared, envelope).await,
            Err(error) => Answer::Refused(Refusal::Malformed(error)),
        };
        // What cannot be encoded cannot be told either: an empty answer is one that cannot be read.
        network::encode(&answer).unwrap_or_default()
    }

    /// What the quorum looks like from here; only the leader knows how far the others are.
    pub(crate) fn describe(&self) -> QuorumState {
        let leadership = *self.shared.leadership.borrow();
        match self.shared.running.get() {
            Some(Running { raft, .. }) => {
                let session = self.shared.settings.observer_session;
                state::describe(&raft.metrics().borrow(), leadership, &self.shared.contacts, session)
            }
            None => state::none(leadership),
        }
    }

    /// A node's process is dead. If it led, another is elected at once.
    pub(crate) fn peer_lost(&self, node_id: i32) {
        if let Some(Running { lost, .. }) = self.shared.running.get() {
            // Full: several are looked at already.
            let _ = lost.try_send(node_id);
        }
    }

    /// Ends this node's part and waits until its files are at rest.
    pub(crate) async fn close(&self) {
        drop(locked(&self.shared.stop).take());
        // Never formed: there is no thread.
        drop(locked(&self.shared.end).take());
        // An error says that the sender is gone, which is what is waited for.
        let _ = self.shared.ended.clone().changed().await;
    }
}

impl Shared {
    fn me(&self) -> Node {
        let QuorumSettings { node_id, directory, host, port, .. } = &self.settings;
        Node::new(*node_id, *directory, host, *port)
    }

    fn role(&self) -> Role {
        if self.settings.is_voter { Role::Voter } else { Role::Observer }
    }

    fn caller(&self, cluster: Option<String>) -> Caller {
        Caller {
            transport: Arc::clone(&self.transport),
            me: self.me(),
            cluster,
            contacts: Arc::clone(&self.contacts),
        }
    }

    /// What this node says of itself; `None` while it does not know.
    fn greeting(&self) -> Option<Greeting> {
        let cluster = match &*locked(&self.phase) {
            Phase::Starting => return None,
            Phase::Alone => None,
            Phase::Formed(cluster) => Some(cluster.clone()),
        };
        Some(Greeting { node: self.me(), role: self.role(), cluster, peers: self.settings.peers.clone() })
    }
}

fn encode(proposal: &Proposal) -> Result<Change, ProposeError> {
    let records = proposal.records.iter().map(|record| record.encode().map(Vec::from));
    let records: Vec<Vec<u8>> =
        records.collect::<Result<_, _>>().map_err(|error| ProposeError::Storage(error.to_string()))?;
    let size: usize = records.iter().map(Vec::len).sum();
    if size > PROPOSAL_BYTES {
        let error = format!("a change of {size} bytes of metadata, the limit is {PROPOSAL_BYTES}");
        return Err(ProposeError::Storage(error));
    }
    Ok(Change { epoch: proposal.epoch, base: proposal.base, records })
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
