//! Which sessions are kept when there are more than room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Asked;
use super::session::Session;

/// A session that was not used for so long gives way to any other; one that is as old may be weighed against new ones.
const EVICTION: Duration = Duration::from_secs(120);
/// Partitions of all sessions together. Kafka bounds the sessions alone; a client may put any number of partitions into one.
const PARTITIONS_MAX: usize = 200_000;
/// How often an id is drawn before the session is not kept.
const DRAWS: usize = 16;

#[derive(Debug)]
pub(super) struct Cache {
    slots: usize,
    sessions: HashMap<i32, Entry>,
    partitions: usize,
}

#[derive(Debug)]
struct Entry {
    session: Arc<Mutex<Session>>,
    is_follower: bool,
    size: usize,
    created: Instant,
    used: Instant,
}

impl Cache {
    pub(super) fn new(slots: usize) -> Self {
        Self { slots, sessions: HashMap::new(), partitions: 0 }
    }

    pub(super) fn find(&self, id: i32) -> Option<Arc<Mutex<Session>>> {
        self.sessions.get(&id).map(|entry| Arc::clone(&entry.session))
    }

    pub(super) fn remove(&mut self, id: i32) {
        if let Some(entry) = self.sessions.remove(&id) {
            self.partitions = self.partitions.saturating_sub(entry.size);
        }
    }

    /// A session was used and holds `after` partitions instead of `before`; `false` when those are too many.
    pub(super) fn touch(&mut self, id: i32, before: usize, after: usize, now: Instant) -> bool {
        let has_room = after <= before || self.partitions + (after - before) <= PARTITIONS_MAX;
        let Some(entry) = self.sessions.get_mut(&id).filter(|_| has_room) else { return false };
        self.partitions = self.partitions.saturating_sub(entry.size) + after;
        (entry.size, entry.used) = (after, now);
        true
    }

    /// Keeps a session, if there is room or one that is worth less; returns its id.
    pub(super) fn insert(
        &mut self,
        session: Session,
        size: usize,
        asked: Asked,
        new_id: fn() -> i32,
    ) -> Option<i32> {
        let Asked { is_follower, now, .. } = asked;
        let has_slot = self.sessions.len() < self.slots || self.evict(is_follower, size, now);
        if !has_slot || self.partitions + size > PARTITIONS_MAX {
            return None;
        }
        let is_free = |id: &i32| *id > 0 && !self.sessions.contains_key(id);
        let id = std::iter::repeat_with(new_id).take(DRAWS).find(is_free)?;
        let session = Arc::new(Mutex::new(session));
        self.partitions += size;
        self.sessions.insert(id, Entry { session, is_follower, size, created: now, used: now });
        Some(id)
    }

    /// As Kafka: one that nobody uses goes; else the least worth, if the new one is worth more. A follower's is worth more than a
    /// consumer's, then a larger one more than a smaller. Young ones stay, but a follower displaces any consumer.
    fn evict(&mut self, is_follower: bool, size: usize, now: Instant) -> bool {
        let is_old = |at: Instant| now.saturating_duration_since(at) > EVICTION;
        let stalest = self.sessions.iter().min_by_key(|(_, entry)| entry.used);
        if let Some((&id, entry)) = stalest
            && is_old(entry.used)
        {
            self.remove(id);
            return true;
        }
        let may_go = |entry: &Entry| is_old(entry.created) || (is_follower && !entry.is_follower);
        let worth = |id: i32, entry: &Entry| (entry.is_follower, entry.size, id);
        let candidates = self.sessions.iter().filter(|(_, entry)| may_go(entry));
        let least = candidates.map(|(id, entry)| worth(*id, entry)).min();
        match least {
            Some(least) if least < (is_follower, size, 0) => {
                self.remove(least.2);
                true
            }
            Some(_) | None => false,
        }
    }
}
