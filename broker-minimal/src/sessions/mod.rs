//! Fetch sessions (KIP-227): what a client asked for before is kept, so that it sends what is new, and is told what has changed.
//!
//! Followers and consumers use them alike. A client whose session is not kept is answered with session 0, and goes on with whole
//! requests.

mod cache;
mod session;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kinglet_protocol::{ErrorCode, Uuid};

use cache::Cache;
use session::Session;

/// The epoch of a request outside of any session.
const FINAL: i32 = -1;
/// The epoch of a request that asks for a new session.
const INITIAL: i32 = 0;
/// The session of those that have none.
const NONE: i32 = 0;
/// No topic has a longer name: one that is asked for is not kept.
const NAME_MAX: usize = 249;

/// A topic as the request names it: by name or, from version 13 on, by id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TopicRef {
    pub(crate) name: Arc<str>,
    pub(crate) id: Uuid,
}

/// A partition in a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) topic: TopicRef,
    pub(crate) index: i32,
}

/// What is asked of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) key: Key,
    pub(crate) current_leader_epoch: i32,
    pub(crate) fetch_offset: i64,
    pub(crate) last_fetched_epoch: i32,
    /// Of a follower.
    pub(crate) log_start: i64,
    pub(crate) max_bytes: i32,
}

/// The part of a request that is about its session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) session_id: i32,
    pub(crate) session_epoch: i32,
    /// Partitions are named by their topics' ids.
    pub(crate) by_id: bool,
    /// Followers' sessions are kept before consumers'.
    pub(crate) is_follower: bool,
    pub(crate) now: Instant,
}

/// What a partition is answered with, as far as its session needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) high_watermark: i64,
    pub(crate) log_start_offset: i64,
    pub(crate) has_records: bool,
    /// An error or a divergence: told as long as it lasts.
    pub(crate) is_trouble: bool,
}

/// A request with everything that it asks for, also what it said before.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub(crate) lines: Vec<Line>,
    asked: Asked,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Sessionless,
    /// A session begins, if there is room.
    Full,
    Incremental {
        session: Arc<Mutex<Session>>,
        /// The epoch that the session has until its next request.
        epoch: i32,
    },
}

/// All sessions of a broker.
#[derive(Debug)]
pub(crate) struct Sessions {
    cache: Mutex<Cache>,
    /// Draws ids.
    new_id: fn() -> i32,
}

impl Sessions {
    /// Keeps at most `slots` of them.
    pub(crate) fn new(slots: usize, new_id: fn() -> i32) -> Self {
        Self { cache: Mutex::new(Cache::new(slots)), new_id }
    }

    /// Takes a request: `lines` are the partitions in it, `forgotten` those that its session no longer asks for.
    pub(crate) fn open(
        &self,
        asked: Asked,
        lines: Vec<Line>,
        forgotten: Vec<Key>,
    ) -> Result<Fetch, ErrorCode> {
        if let INITIAL | FINAL = asked.session_epoch {
            if asked.session_id != NONE {
                self.cache().remove(asked.session_id);
            }
            let kind = if asked.session_epoch == FINAL { Kind::Sessionless } else { Kind::Full };
            return Ok(Fetch { lines, asked, kind });
        }
        let session = self.cache().find(asked.session_id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        let mut kept = lock(&session);
        if kept.epoch() != asked.session_epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if kept.by_id() != asked.by_id {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        let is_too_much = lines.iter().any(|line| line.key.topic.name.len() > NAME_MAX);
        let before = kept.len();
        kept.update(lines, forgotten);
        let (after, epoch) = (kept.len(), kept.begin());
        let lines = kept.lines();
        drop(kept);
        if after == 0 {
            self.cache().remove(asked.session_id);
            return Ok(Fetch { lines, asked, kind: Kind::Sessionless });
        }
        if is_too_much || !self.cache().touch(asked.session_id, before, after, asked.now) {
            // The client asks for a new session, and gets none while there is no room.
            self.cache().remove(asked.session_id);
            return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        }
        Ok(Fetch { lines, asked, kind: Kind::Incremental { session, epoch } })
    }

    /// Says which session a response belongs to, and which partitions are in it: `told` has one for each line.
    pub(crate) fn close(&self, fetch: &Fetch, told: &[Told]) -> Result<(i32, Vec<bool>), ErrorCode> {
        let all = || vec![true; told.len()];
        let Fetch { lines, asked, kind } = fetch;
        match kind {
            Kind::Sessionless => Ok((NONE, all())),
            Kind::Full => {
                let is_too_much = lines.iter().any(|line| line.key.topic.name.len() > NAME_MAX);
                if lines.is_empty() || is_too_much {
                    return Ok((NONE, all()));
                }
                let session = Session::new(asked.by_id, lines.clone(), told);
                let size = session.len();
                let id = self.cache().insert(session, size, *asked, self.new_id);
                Ok((id.unwrap_or(NONE), all()))
            }
            Kind::Incremental { session, epoch } => {
                let mut kept = lock(session);
                if kept.epoch() != *epoch {
                    // The client has asked again before it was answered.
                    return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
                }
                Ok((asked.session_id, kept.tell(lines, told)))
            }
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // Every change of it is whole before anything can panic.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(session: &Mutex<Session>) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}
