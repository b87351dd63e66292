//! One member of a classic group.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kinglet_protocol::messages::group_records::MemberMetadata;
use kinglet_protocol::messages::join_group::JoinGroupRequestProtocol;

use super::effects::{Joiner, ReplyId};

/// A member, with what waits for it.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    /// What it can, by preference, each with its metadata. After a load only what the group uses.
    pub(super) protocols: Vec<(String, Bytes)>,
    pub(super) assignment: Bytes,
    /// It has not been through a whole rebalance yet, so that it sends no heartbeats.
    pub(super) is_new: bool,
    /// Its JoinGroup that waits.
    pub(super) join: Option<Waiting>,
    /// Its SyncGroup that waits.
    pub(super) sync: Option<ReplyId>,
    /// When it is taken for dead. A member whose request waits is alive, but see `is_new`.
    pub(super) deadline: Option<Instant>,
}

/// A JoinGroup that waits for the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) reply: ReplyId,
}

impl Member {
    pub(super) fn new(id: String, instance_id: Option<String>, joiner: &Joiner) -> Self {
        Self {
            id,
            instance_id,
            client_id: joiner.client_id.clone(),
            client_host: joiner.client_host.clone(),
            rebalance_timeout_ms: 0,
            session_timeout_ms: 0,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            is_new: true,
            join: None,
            sync: None,
            deadline: None,
        }
    }

    /// A member as the log tells it.
    pub(super) fn stored(stored: &MemberMetadata) -> Self {
        let (id, instance) = (stored.member_id.clone(), stored.group_instance_id.clone());
        Self { is_new: false, ..Self::new(id, instance, &Joiner::default()) }
    }

    /// Takes over what the log says of it. Who joined here keeps all its protocols; of the others one is known.
    pub(super) fn replay(&mut self, stored: &MemberMetadata, protocol: &str) {
        if self.metadata(protocol).as_ref() != Some(&stored.subscription) {
            self.protocols = vec![(protocol.to_owned(), stored.subscription.clone())];
        }
        self.client_id.clone_from(&stored.client_id);
        self.client_host.clone_from(&stored.client_host);
        self.session_timeout_ms = stored.session_timeout;
        self.rebalance_timeout_ms =
            if stored.rebalance_timeout < 0 { stored.session_timeout } else { stored.rebalance_timeout };
        self.assignment = stored.assignment.clone();
    }

    /// What the log says of it.
    pub(super) fn to_stored(&self, protocol: Option<&str>, assignment: Bytes) -> MemberMetadata {
        MemberMetadata {
            member_id: self.id.clone(),
            group_instance_id: self.instance_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout: self.rebalance_timeout_ms,
            session_timeout: self.session_timeout_ms,
            subscription: protocol.and_then(|name| self.metadata(name)).unwrap_or_default(),
            assignment,
        }
    }

    /// Its metadata for a protocol, if it has the protocol.
    pub(super) fn metadata(&self, protocol: &str) -> Option<Bytes> {
        let found = self.protocols.iter().find(|(name, _)| name == protocol);
        found.map(|(_, metadata)| metadata.clone())
    }

    /// Whether it says what it said when it joined.
    pub(super) fn matches(&self, protocols: &[JoinGroupRequestProtocol]) -> bool {
        let said = protocols.iter().map(|protocol| (&protocol.name, &protocol.metadata));
        said.eq(self.protocols.iter().map(|(name, metadata)| (name, metadata)))
    }

    /// It was heard of.
    pub(super) fn touch(&mut self, now: Instant) {
        self.deadline = Some(now + millis(self.session_timeout_ms));
    }

    /// When it has to be taken for dead, if nothing is heard of it.
    pub(super) fn dies_at(&self) -> Option<Instant> {
        let waits = self.join.is_some() || self.sync.is_some();
        self.deadline.filter(|_| self.is_new || !waits)
    }
}

/// A timeout that a client chose; a negative one is none.
pub(super) fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
