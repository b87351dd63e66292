//! A fetch session (KIP-227): a broker remembers what it is asked for, so that a request names what has changed, and an
//! answer what is new. One for each broker; requests and answers come in, it knows no socket.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use super::cursor::Ask;
use crate::TopicPartition;
use crate::protocol::{ErrorCode, Uuid};

/// The first version that knows sessions.
const SESSIONS_FROM: i16 = 7;
/// The first version that names topics by their ids.
pub(super) const TOPIC_IDS_FROM: i16 = 13;
/// The epoch of a request that opens a session (a session's own, by default), and of one outside of any.
const OPENING: i32 = 0;
const NONE: i32 = -1;

/// What one broker remembers, as far as we know.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// 0: there is none.
    id: i32,
    /// Of the next request.
    epoch: i32,
    by_id: bool,
    known: HashMap<TopicPartition, Known>,
}

/// What a broker knows of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    topic_id: Uuid,
    offset: i64,
    leader_epoch: i32,
    last_epoch: i32,
    max_bytes: i32,
}

/// What a request says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan<'a> {
    pub(super) id: i32,
    pub(super) epoch: i32,
    /// What the broker does not know yet.
    pub(super) asks: Vec<&'a Ask>,
    /// What it is to forget.
    pub(super) forget: Vec<(TopicPartition, Uuid)>,
}

/// What an answer means for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It answers for every partition.
    Whole,
    /// Partitions that it does not name have nothing new.
    News,
    /// The broker has forgotten the session: everything is to be asked anew.
    Forgotten,
}

impl Session {
    /// What would take its place.
    pub(super) fn successor(&self) -> Self {
        Self { id: self.id, by_id: self.by_id, ..Self::default() }
    }

    /// What to ask in this version, so that the broker answers for `asks` and no others.
    pub(super) fn plan<'a>(&mut self, asks: &'a [Ask], version: i16) -> Plan<'a> {
        if version < SESSIONS_FROM {
            return Plan { id: 0, epoch: NONE, asks: asks.iter().collect(), forget: Vec::new() };
        }
        let by_id = version >= TOPIC_IDS_FROM;
        if self.by_id != by_id {
            // A session names its topics in one way.
            self.restart();
            self.by_id = by_id;
        }
        if self.epoch == OPENING {
            self.known = asks.iter().map(|ask| (ask.at.clone(), Known::of(ask))).collect();
            return Plan { id: self.id, epoch: OPENING, asks: asks.iter().collect(), forget: Vec::new() };
        }
        let mut forget = Vec::new();
        let mut changed = Vec::new();
        for ask in asks {
            let wanted = Known::of(ask);
            match self.known.insert(ask.at.clone(), wanted) {
                Some(known) if known == wanted => {}
                Some(known) => {
                    if known.topic_id != wanted.topic_id {
                        forget.push((ask.at.clone(), known.topic_id));
                    }
                    changed.push(ask);
                }
                None => changed.push(ask),
            }
        }
        // As all of them are known now, there are others only if there are more.
        if self.known.len() > asks.len() {
            let wanted: HashSet<&TopicPartition> = asks.iter().map(|ask| &ask.at).collect();
            self.known.retain(|at, known| {
                let stays = wanted.contains(at);
                if !stays {
                    forget.push((at.clone(), known.topic_id));
                }
                stays
            });
        }
        Plan { id: self.id, epoch: self.epoch, asks: changed, forget }
    }

    /// What came back for the last plan.
    pub(super) fn on_answer(&mut self, error: ErrorCode, session_id: i32) -> Reading {
        let was_whole = self.epoch == OPENING;
        if error.is_err() {
            match error {
                // There is nothing to be closed.
                ErrorCode::FETCH_SESSION_ID_NOT_FOUND => {
                    *self = Self { by_id: self.by_id, ..Self::default() }
                }
                _ => self.restart(),
            }
            let is_lost = matches!(
                error,
                ErrorCode::FETCH_SESSION_ID_NOT_FOUND
                    | ErrorCode::INVALID_FETCH_SESSION_EPOCH
                    | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
            );
            // A broker that has forgotten what we did not refer to is in trouble of another kind.
            return if is_lost && !was_whole { Reading::Forgotten } else { Reading::Whole };
        }
        if !was_whole {
            self.epoch = self.epoch.checked_add(1).unwrap_or(1);
            return Reading::News;
        }
        // Without a session the next request is as this one.
        self.id = session_id;
        self.epoch = if session_id == 0 { OPENING } else { 1 };
        Reading::Whole
    }

    /// An answer did not come, or says nothing: what the broker remembers is not known. The next request opens another session,
    /// in the place of this one.
    pub(super) fn restart(&mut self) {
        *self = self.successor();
    }

    /// How to end the session.
    pub(super) fn close(&self) -> Option<Plan<'static>> {
        (self.id != 0).then(|| Plan { id: self.id, epoch: NONE, asks: Vec::new(), forget: Vec::new() })
    }
}

impl Known {
    fn of(ask: &Ask) -> Self {
        Self {
            topic_id: ask.topic_id,
            offset: ask.offset,
            leader_epoch: ask.leader_epoch,
            last_epoch: ask.last_epoch,
            max_bytes: ask.max_bytes,
        }
    }
}
