//! Where members were heard from, and when they last answered. What is lost with the process is learned again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::types::Node;
use crate::clock;

/// Members remembered; more than any quorum has, so that strangers cannot fill the memory.
const LIMIT: usize = 1024;

/// What is known of each member, by raft id.
#[derive(Default)]
pub(super) struct Contacts {
    members: Mutex<HashMap<u64, Contact>>,
    /// End of this node's own log.
    end: AtomicU64,
}

/// What is known of one member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Contact {
    /// Where it says it is. The members' list may name an older place, of before its last start.
    address: Option<(String, u16)>,
    /// When it last answered the leader, in milliseconds since the epoch.
    pub(super) acked_ms: Option<i64>,
    /// When it last had all that the leader had.
    pub(super) caught_up_ms: Option<i64>,
}

impl Contacts {
    /// Notes where a member is.
    pub(super) fn heard(&self, node: &Node) {
        let mut members = self.locked();
        let id = node.raft_id();
        if members.len() < LIMIT || members.contains_key(&id) {
            members.entry(id).or_default().address = Some((node.host.clone(), node.port));
        }
    }

    /// Where a member is reached: where it was heard from, or where the members' list says.
    pub(super) fn address(&self, id: u64, listed: &Node) -> (String, u16) {
        let heard = self.locked().get(&id).and_then(|contact| contact.address.clone());
        heard.unwrap_or_else(|| (listed.host.clone(), listed.port))
    }

    /// Notes how far this node's own log goes.
    pub(super) fn grown(&self, end: u64) {
        self.end.store(end, Ordering::Relaxed);
    }

    /// Notes that a member has confirmed the log up to `end`.
    pub(super) fn acked(&self, id: u64, end: u64) {
        let now = Some(clock::now_ms());
        let mut members = self.locked();
        if members.len() >= LIMIT && !members.contains_key(&id) {
            return;
        }
        let contact = members.entry(id).or_default();
        contact.acked_ms = now;
        if end >= self.end.load(Ordering::Relaxed) {
            contact.caught_up_ms = now;
        }
    }

    pub(super) fn of(&self, id: u64) -> Contact {
        self.locked().get(&id).cloned().unwrap_or_default()
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<u64, Contact>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
