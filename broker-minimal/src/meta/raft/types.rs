//! What openraft is told of our types.

use std::io::Cursor;

use kinglet_protocol::Uuid;
use openraft::{Membership, StoredMembership};
use serde::{Deserialize, Serialize};

openraft::declare_raft_types!(
    /// The quorum's types.
    pub(super) TypeConfig:
        D = Change,
        R = Outcome,
        NodeId = u64,
        Node = Node,
        Entry = openraft::Entry<TypeConfig>,
        SnapshotData = Cursor<Vec<u8>>,
        Responder = openraft::impls::OneshotResponder<TypeConfig>,
        AsyncRuntime = openraft::TokioRuntime,
);

pub(super) type Raft = openraft::Raft<TypeConfig>;
pub(super) type Entry = openraft::Entry<TypeConfig>;
pub(super) type LogId = openraft::LogId<u64>;
pub(super) type Vote = openraft::Vote<u64>;
pub(super) type Members = Membership<u64, Node>;
pub(super) type StoredMembers = StoredMembership<u64, Node>;
pub(super) type SnapshotMeta = openraft::SnapshotMeta<u64, Node>;
pub(super) type StorageError = openraft::StorageError<u64>;

/// A process of the quorum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) node_id: i32,
    /// Id of its metadata directory, of which its raft id is made.
    pub(super) directory: [u8; 16],
    pub(super) host: String,
    pub(super) port: u16,
}

impl Node {
    pub(super) fn new(node_id: i32, directory: Uuid, host: &str, port: u16) -> Self {
        Self { node_id, directory: directory.0, host: host.to_owned(), port }
    }

    pub(super) fn directory(&self) -> Uuid {
        Uuid(self.directory)
    }

    pub(super) fn raft_id(&self) -> u64 {
        raft_id(self.directory())
    }
}

/// Whom a directory is to the quorum: an empty directory is another voter than the one it replaces, which has promised things.
pub(super) fn raft_id(directory: Uuid) -> u64 {
    let (head, tail) = directory.0.split_at(8);
    let number = |half: &[u8]| half.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    // Zero is openraft's "nobody".
    match (number(head), number(tail)) {
        (0, 0) => 1,
        (0, tail) => tail,
        (head, _) => head,
    }
}

/// What an entry of the log asks for: a proposal, its records in Kafka's encoding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) epoch: i32,
    pub(super) base: i64,
    pub(super) records: Vec<Vec<u8>>,
}

/// What became of an entry; the same on every node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// It held no change of the metadata.
    Nothing,
    /// The image has reached this offset.
    Applied(i64),
    /// Decided in another epoch or on another image: nothing has changed.
    Stale,
    /// The records cannot be replayed: nothing has changed.
    Unfit(String),
}

/// Kafka's number for a term.
pub(super) fn epoch(term: u64) -> i32 {
    i32::try_from(term).unwrap_or(i32::MAX)
}
