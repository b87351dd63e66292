//! Quorums whose nodes reach each other in memory, over links that can be cut.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kinglet_protocol::Uuid;
use kinglet_protocol::messages::metadata_records::TopicRecord;
use tempfile::TempDir;

use crate::meta::image::Image;
use crate::meta::log::{Leadership, Proposal, ProposeError};
use crate::meta::raft::{Quorum, QuorumError, QuorumSettings, Sending, Transport, TransportError};
use crate::meta::record::Record;

/// How long anything may take on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Who listens at which port, and which links are cut.
#[derive(Default)]
pub(super) struct Hub {
    listeners: Mutex<HashMap<u16, Quorum>>,
    cut: Mutex<BTreeSet<(u16, u16)>>,
}

struct Wire {
    hub: Arc<Hub>,
    from: u16,
}

impl Transport for Wire {
    fn send(&self, _: &str, port: u16, message: Bytes, _: Duration) -> Sending {
        let (hub, from) = (Arc::clone(&self.hub), self.from);
        Box::pin(async move {
            let listener = hub.listeners.lock().unwrap().get(&port).cloned();
            let listener = listener.ok_or(TransportError::Refused)?;
            let is_cut = || hub.cut.lock().unwrap().contains(&(from.min(port), from.max(port)));
            let cut = || TransportError::Other("cut".to_owned());
            if is_cut() {
                return Err(cut());
            }
            let answer = listener.answer(message).await;
            if is_cut() { Err(cut()) } else { Ok(answer) }
        })
    }
}

/// One node that runs.
pub(super) struct Member {
    pub(super) node_id: i32,
    pub(super) port: u16,
    pub(super) quorum: Quorum,
}

/// A quorum, and what is left of it on disk.
pub(super) struct Cluster {
    pub(super) hub: Arc<Hub>,
    dir: TempDir,
    peers: Vec<(String, u16)>,
}

impl Cluster {
    /// Voters are those of the ports 1 to `voters`.
    pub(super) fn new(voters: u16) -> Self {
        let peers = (1..=voters).map(|port| ("h".to_owned(), port)).collect();
        Self { hub: Arc::default(), dir: tempfile::tempdir().unwrap(), peers }
    }

    fn path(&self, directory: u8) -> PathBuf {
        self.dir.path().join(directory.to_string())
    }

    pub(super) fn settings(&self, node_id: i32, directory: u8, port: u16) -> QuorumSettings {
        QuorumSettings {
            dir: self.path(directory),
            node_id,
            directory: Uuid([directory; 16]),
            host: "h".to_owned(),
            port,
            peers: self.peers.clone(),
            is_voter: true,
            proposed_cluster_id: format!("cluster-of-{node_id}"),
            heartbeat: Duration::from_millis(100),
            election: Duration::from_millis(500),
            observer_session: Duration::from_secs(300),
        }
    }

    /// A node that listens, and has not formed yet.
    pub(super) fn member(&self, settings: QuorumSettings) -> Member {
        let QuorumSettings { node_id, port, .. } = settings;
        let wire = Wire { hub: Arc::clone(&self.hub), from: port };
        let quorum = Quorum::new(settings, Arc::new(wire));
        self.hub.listeners.lock().unwrap().insert(port, quorum.clone());
        Member { node_id, port, quorum }
    }

    /// Starts nodes together; their ids, directories and ports are the numbers.
    pub(super) async fn start(&self, numbers: &[u8]) -> Vec<Member> {
        let settings = |number: &u8| self.settings(i32::from(*number), *number, u16::from(*number));
        let members: Vec<Member> = numbers.iter().map(|number| self.member(settings(number))).collect();
        let formed = tokio::time::timeout(PATIENCE, form(&members)).await.expect("they form");
        formed.into_iter().for_each(|formed| drop(formed.unwrap()));
        members
    }

    /// Links between the ports and all others are cut, or whole again.
    pub(super) fn isolate(&self, port: u16) {
        let mut cut = self.hub.cut.lock().unwrap();
        cut.extend((1..=9).filter(|other| *other != port).map(|other| (port.min(other), port.max(other))));
    }

    /// The link between two of them is cut.
    pub(super) fn part(&self, one: u16, other: u16) {
        self.hub.cut.lock().unwrap().insert((one.min(other), one.max(other)));
    }

    pub(super) fn heal(&self) {
        self.hub.cut.lock().unwrap().clear();
    }
}

/// All form at once, which they must: one alone waits for the others.
pub(super) async fn form(members: &[Member]) -> Vec<Result<String, QuorumError>> {
    let mut tasks = Vec::new();
    for Member { quorum, .. } in members {
        let quorum = quorum.clone();
        tasks.push(tokio::spawn(async move { quorum.form().await }));
    }
    let mut formed = Vec::new();
    for task in tasks {
        formed.push(task.await.unwrap());
    }
    formed
}

impl Member {
    /// Its process ends; peers that ask find nobody.
    pub(super) async fn stop(&self, cluster: &Cluster) {
        cluster.hub.listeners.lock().unwrap().remove(&self.port);
        self.quorum.close().await;
    }

    pub(super) fn leadership(&self) -> Leadership {
        *self.quorum.leadership().borrow()
    }

    pub(super) fn image(&self) -> Arc<Image> {
        Arc::clone(&self.quorum.image().borrow())
    }

    /// Waits until its image has the topic.
    pub(super) async fn has(&self, name: &str) {
        let mut image = self.quorum.image();
        let has = image.wait_for(|image| image.topic(name).is_some());
        let has = tokio::time::timeout(PATIENCE, has).await;
        assert!(has.is_ok_and(|has| has.is_ok()), "topic {name} did not come to node {}", self.node_id);
    }

    pub(super) async fn follows(&self, holds: impl FnMut(&Leadership) -> bool) -> Leadership {
        let mut leadership = self.quorum.leadership();
        let now = tokio::time::timeout(PATIENCE, leadership.wait_for(holds)).await;
        *now.expect("who leads becomes clear").unwrap()
    }

    /// Creates a topic, as the leader.
    pub(super) async fn create(&self, name: &str) -> Result<Arc<Image>, ProposeError> {
        let (epoch, base) = (self.leadership().epoch, self.image().offset);
        self.quorum.propose(Proposal { epoch, base, records: vec![topic(name)] }).await
    }
}

/// A topic whose id is made of its name.
pub(super) fn topic(name: &str) -> Record {
    let mut id = [9; 16];
    id.iter_mut().zip(name.bytes()).for_each(|(id, byte)| *id = byte);
    Record::Topic(TopicRecord { name: name.to_owned(), topic_id: Uuid(id) })
}

/// Waits until all have the topic.
pub(super) async fn have(members: &[&Member], name: &str) {
    for member in members {
        member.has(name).await;
    }
}

pub(super) async fn stop(members: &[&Member], cluster: &Cluster) {
    for member in members {
        member.stop(cluster).await;
    }
}

/// Waits for one of them to lead, as it knows itself.
pub(super) async fn leader<'a>(members: &[&'a Member]) -> &'a Member {
    eventually("a leader", async || members.iter().copied().find(|member| member.leadership().is_self)).await
}

/// Creates a topic by whoever leads, however often that changes meanwhile.
pub(super) async fn create(members: &[&Member], name: &str) {
    eventually("a topic", async || {
        let leader = members.iter().find(|member| member.leadership().is_self)?;
        match leader.create(name).await {
            Ok(image) => image.topic(name).map(|_| ()),
            Err(_) if leader.image().topic(name).is_some() => Some(()),
            Err(_) => None,
        }
    })
    .await;
}

/// Looks again until there is something, which must not take for ever.
#[expect(clippy::disallowed_methods, reason = "the deadline of a test")]
pub(super) async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let started = std::time::Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
