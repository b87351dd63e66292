//! What members of the quorum say to each other, and how it gets there. Each message names the cluster and the member it
//! is meant for: an address may belong to another process than it did.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::error::{InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Unreachable};
use openraft::error::{SnapshotMismatch, Timeout};
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use openraft::{AnyError, RPCTypes, RaftNetwork, RaftNetworkFactory};
use serde::{Deserialize, Serialize};

use super::contacts::Contacts;
use super::types::{Node, TypeConfig};

/// How messages reach peers.
pub(crate) trait Transport: Send + Sync + 'static {
    /// Sends one message and waits for its answer, `limit` at most.
    fn send(&self, host: &str, port: u16, message: Bytes, limit: Duration) -> Sending;
}

/// What a transport does for one message.
pub(crate) type Sending = Pin<Box<dyn Future<Output = Result<Bytes, TransportError>> + Send>>;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TransportError {
    /// Nobody listens: the process is dead.
    #[error("connection refused")]
    Refused,
    #[error("{0}")]
    Other(String),
}

/// The format's version, the first byte of each message and answer.
const VERSION: u8 = 1;

/// One message and its address.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Envelope {
    /// The sender's; `None` when it has none yet.
    pub(super) cluster: Option<String>,
    pub(super) from: Node,
    /// Raft id of the member it is meant for; `None`: whoever is there.
    pub(super) to: Option<u64>,
    pub(super) message: Message,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    Hello(Greeting),
    Join(Role),
    Vote(VoteRequest<u64>),
    Append(AppendEntriesRequest<TypeConfig>),
    Snapshot(InstallSnapshotRequest<TypeConfig>),
    /// Do you hear a leader?
    Leader,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Hello(Greeting),
    Join(JoinAnswer),
    Vote(VoteResponse<u64>),
    Append(AppendEntriesResponse<u64>),
    Snapshot(InstallSnapshotResponse<u64>),
    /// The pieces of a snapshot do not fit: begin anew.
    SnapshotMismatch(SnapshotMismatch),
    Refused(Refusal),
    Leader {
        is_heard: bool,
    },
}

/// Who a process is, and what it knows of its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Greeting {
    pub(super) node: Node,
    pub(super) role: Role,
    /// The cluster that it belongs to.
    pub(super) cluster: Option<String>,
    /// Whom it is configured to form a cluster with.
    pub(super) peers: Vec<(String, u16)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Role {
    Voter,
    Observer,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum JoinAnswer {
    /// It is a member, under the address that it has.
    Done,
    /// Something was done, or waits: ask again.
    Pending,
    /// Ask this one, if any is known.
    NotLeader(Option<Node>),
    Refused(String),
}

/// Why a message was not looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub(super) enum Refusal {
    #[error("it belongs to cluster {0}")]
    Cluster(String),
    #[error("another member answers there: raft id {0:x}")]
    WrongPeer(u64),
    #[error("it does not belong to a cluster yet")]
    NotFormed,
    #[error("it is starting or stopping")]
    NotRunning,
    #[error("its quorum has failed: {0}")]
    Failed(String),
    #[error("it cannot read the message: {0}")]
    Malformed(String),
}

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the answer cannot be read: {0}")]
    Malformed(String),
}

pub(super) fn encode<T: Serialize>(message: &T) -> Result<Bytes, postcard::Error> {
    postcard::to_extend(message, vec![VERSION]).map(Bytes::from)
}

pub(super) fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, String> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|error| error.to_string()),
        Some((version, _)) => {
            Err(format!("version {version} of the quorum's messages, only {VERSION} is known"))
        }
        None => Err("an empty message".to_owned()),
    }
}

/// How this node speaks to others.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) me: Node,
    pub(super) cluster: Option<String>,
    pub(super) contacts: Arc<Contacts>,
}

impl Caller {
    /// Says something to whoever is at an address.
    pub(super) async fn call(
        &self,
        (host, port): (&str, u16),
        to: Option<u64>,
        message: Message,
        limit: Duration,
    ) -> Result<Answer, CallError> {
        let envelope = Envelope { cluster: self.cluster.clone(), from: self.me.clone(), to, message };
        let bytes = encode(&envelope).map_err(|error| CallError::Malformed(error.to_string()))?;
        // The transport keeps to the limit; this is for one that does not.
        let sent = tokio::time::timeout(limit, self.transport.send(host, port, bytes, limit)).await;
        let answer = sent.map_err(|_| CallError::Timeout(limit))??;
        match decode(&answer).map_err(CallError::Malformed)? {
            Answer::Refused(refusal) => Err(refusal.into()),
            answer => Ok(answer),
        }
    }
}

/// Makes links to members.
pub(super) struct Network {
    pub(super) caller: Caller,
    /// How long nothing is sent to a member that cannot be reached.
    pub(super) pause: Duration,
}

/// The way to one member.
pub(super) struct Link {
    caller: Caller,
    target: u64,
    node: Node,
    pause: Duration,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Link;

    async fn new_client(&mut self, target: u64, node: &Node) -> Link {
        Link { caller: self.caller.clone(), target, node: node.clone(), pause: self.pause }
    }
}

type RpcError<E = openraft::error::Infallible> = RPCError<u64, Node, RaftError<u64, E>>;

impl Link {
    async fn send<E: std::error::Error>(
        &self,
        action: RPCTypes,
        message: Message,
        limit: Duration,
    ) -> Result<Answer, RpcError<E>> {
        let (host, port) = self.caller.contacts.address(self.target, &self.node);
        match self.caller.call((&host, port), Some(self.target), message, limit).await {
            Ok(answer) => Ok(answer),
            Err(CallError::Timeout(timeout)) => {
                let id = self.caller.me.raft_id();
                Err(RPCError::Timeout(Timeout { action, id, target: self.target, timeout }))
            }
            // Asked again at once it would say the same: the pause is kept.
            Err(error) => Err(RPCError::Unreachable(Unreachable::new(&error))),
        }
    }
}

fn unexpected<E: std::error::Error>(what: impl Display) -> RpcError<E> {
    RPCError::Network(NetworkError::from(AnyError::error(format!("an answer to something else: {what}"))))
}

impl RaftNetwork<TypeConfig> for Link {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RpcError> {
        let end = rpc.entries.last().map(|entry| entry.log_id).or(rpc.prev_log_id);
        let answer = self.send(RPCTypes::AppendEntries, Message::Append(rpc), option.hard_ttl()).await?;
        match answer {
            Answer::Append(answer) => {
                if answer.is_success() {
                    self.caller.contacts.acked(self.target, end.map_or(0, |end| end.index + 1));
                }
                Ok(answer)
            }
            _ => Err(unexpected(RPCTypes::AppendEntries)),
        }
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, RpcError<InstallSnapshotError>> {
        match self.send(RPCTypes::InstallSnapshot, Message::Snapshot(rpc), option.hard_ttl()).await? {
            Answer::Snapshot(answer) => {
                self.caller.contacts.acked(self.target, 0);
                Ok(answer)
            }
            Answer::SnapshotMismatch(mismatch) => {
                let error = RaftError::APIError(InstallSnapshotError::SnapshotMismatch(mismatch));
                Err(RPCError::RemoteError(RemoteError::new(self.target, error)))
            }
            _ => Err(unexpected(RPCTypes::InstallSnapshot)),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        option: RPCOption,
    ) -> Result<VoteResponse<u64>, RpcError> {
        match self.send(RPCTypes::Vote, Message::Vote(rpc), option.hard_ttl()).await? {
            Answer::Vote(answer) => Ok(answer),
            _ => Err(unexpected(RPCTypes::Vote)),
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(self.pause))
    }
}
