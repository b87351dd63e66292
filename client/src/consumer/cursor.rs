//! Where each partition is read, and which of them can be asked for now. Time and answers come in; it knows no socket.

mod partition;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) use partition::Cursor;

use super::progress::{Progress, Watch};
use crate::metadata::Cluster;
use crate::net::Backoff;
use crate::protocol::{ErrorCode, Uuid};
use crate::{Error, Position, TopicPartition};

/// All partitions of a consumer.
#[derive(Debug)]
pub(super) struct Cursors {
    list: Vec<Cursor>,
    index: HashMap<TopicPartition, usize>,
    retry: Backoff,
    /// Trouble that lasts this long is told to the user.
    patience: Duration,
    watch: Arc<Watch>,
    tenures: u64,
    /// Where the next request begins: behind what was answered last, so that each has its turn (KIP-74).
    first: usize,
}

/// One partition to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) index: usize,
    pub(super) generation: u32,
    pub(super) at: TopicPartition,
    pub(super) topic_id: Uuid,
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    /// The epoch of the leader that wrote the record before `offset`, -1 if unknown.
    pub(super) last_epoch: i32,
    pub(super) max_bytes: i32,
    /// Less was not enough.
    pub(super) grown: bool,
}

#[cfg(test)]
impl Ask {
    /// For the partition t-0, the first of its consumer.
    pub(super) fn from(offset: i64) -> Self {
        Self {
            index: 0,
            generation: 0,
            at: TopicPartition::new("t", 0),
            topic_id: Uuid::default(),
            offset,
            leader_epoch: -1,
            last_epoch: -1,
            max_bytes: 1000,
            grown: false,
        }
    }
}

/// What can be asked now.
#[derive(Debug, Default)]
pub(super) struct Asks {
    pub(super) by_broker: HashMap<i32, Vec<Ask>>,
    pub(super) lookups: Vec<(usize, u32, TopicPartition, Position)>,
    /// A leader is not known.
    pub(super) refresh: bool,
    /// When something that waits can be asked.
    pub(super) deadline: Option<Instant>,
}

impl Cursors {
    pub(super) fn new(retry: Backoff, patience: Duration) -> Self {
        Self {
            list: Vec::new(),
            index: HashMap::new(),
            retry,
            patience,
            watch: Arc::default(),
            tenures: 0,
            first: 0,
        }
    }

    /// Adds a partition. `Err`: it is there already.
    pub(super) fn add(
        &mut self,
        at: TopicPartition,
        from: Result<i64, Position>,
        max_bytes: i32,
    ) -> Result<(), TopicPartition> {
        let progress = Progress::new(self.watch.clone());
        let generation = match self.index.get(&at).and_then(|index| self.list.get(*index)) {
            Some(known) if known.assigned => return Err(at),
            Some(known) => known.generation + 1,
            None => 0,
        };
        self.tenures += 1;
        let cursor = Cursor::new(at.clone(), from, max_bytes, self.tenures, generation, progress);
        match self.index.get(&at).and_then(|index| self.list.get_mut(*index)) {
            Some(place) => *place = cursor,
            None => {
                self.index.insert(at, self.list.len());
                self.list.push(cursor);
            }
        }
        Ok(())
    }

    /// Takes a partition away. Its place stays, for when it comes back.
    pub(super) fn remove(&mut self, at: &TopicPartition) -> Option<Arc<Progress>> {
        let index = self.find(at)?;
        self.forget_position(index);
        let cursor = self.list.get_mut(index)?;
        cursor.assigned = false;
        Some(cursor.progress.clone())
    }

    pub(super) fn forget_position(&mut self, index: usize) {
        if let Some(cursor) = self.list.get_mut(index) {
            cursor.renew();
            (cursor.position, cursor.fetch_offset, cursor.lookup) = (None, None, None);
            (cursor.position_epoch, cursor.fetch_epoch) = (-1, -1);
        }
    }

    /// The partitions that are assigned.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Cursor> {
        self.list.iter().filter(|cursor| cursor.assigned)
    }

    /// A partition that has no consumer of its own yet, and which assignment of it this is. From now on it has one.
    pub(super) fn claim(&mut self) -> Option<(TopicPartition, u64)> {
        let cursor = self.list.iter_mut().find(|cursor| cursor.assigned && !cursor.claimed)?;
        cursor.claimed = true;
        Some((cursor.at.clone(), cursor.tenure))
    }

    /// The partition's own consumer is gone.
    pub(super) fn unclaim(&mut self, at: &TopicPartition, tenure: u64) {
        let cursor = self.index.get(at).and_then(|index| self.list.get_mut(*index));
        cursor.into_iter().filter(|cursor| cursor.tenure == tenure).for_each(|cursor| cursor.claimed = false);
    }

    /// Whether it is still the same assignment of the partition.
    pub(super) fn is_held(&self, at: &TopicPartition, tenure: u64) -> bool {
        let cursor = self.index.get(at).and_then(|index| self.list.get(*index));
        cursor.is_some_and(|cursor| cursor.assigned && cursor.tenure == tenure)
    }

    /// Whether partitions are read by consumers of their own.
    pub(super) fn are_claimed(&self) -> bool {
        self.list.iter().any(|cursor| cursor.assigned && cursor.claimed)
    }

    /// Tells whoever waits until the user is done.
    pub(super) fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    pub(super) fn find(&self, at: &TopicPartition) -> Option<usize> {
        self.index
            .get(at)
            .copied()
            .filter(|index| self.list.get(*index).is_some_and(|cursor| cursor.assigned))
    }

    pub(super) fn get(&self, index: usize) -> Option<&Cursor> {
        self.list.get(index)
    }

    /// The cursor, if it was not moved since `generation`.
    pub(super) fn current(&mut self, index: usize, generation: u32) -> Option<&mut Cursor> {
        self.list.get_mut(index).filter(|cursor| cursor.generation == generation)
    }

    /// What can be asked of brokers that `busy` does not hold back.
    #[cfg(test)]
    pub(super) fn asks(&mut self, now: Instant, cluster: &Cluster, busy: impl Fn(i32) -> bool) -> Asks {
        self.asks_but(&HashSet::new(), now, cluster, busy)
    }

    /// What can be asked of brokers that `busy` does not hold back.
    /// Those that `full` names have enough.
    pub(super) fn asks_but(
        &mut self,
        full: &HashSet<usize>,
        now: Instant,
        cluster: &Cluster,
        busy: impl Fn(i32) -> bool,
    ) -> Asks {
        let mut asks = Asks::default();
        let count = self.list.len();
        let first = if self.first < count { self.first } else { 0 };
        for index in (first..count).chain(0..first) {
            let is_open = |cursor: &&mut Cursor| cursor.assigned && !cursor.paused && !cursor.untold;
            let Some(cursor) = self.list.get_mut(index).filter(is_open) else { continue };
            if let Some(at) = cursor.not_before.filter(|at| now < *at) {
                asks.deadline = Some(asks.deadline.map_or(at, |deadline| deadline.min(at)));
                continue;
            }
            if let Some(position) = cursor.lookup {
                if cursor.stale {
                    // Whoever did not say may not lead any more.
                    asks.refresh = true;
                    continue;
                }
                asks.lookups.push((index, cursor.generation, cursor.at.clone(), position));
                continue;
            }
            let Some(offset) = cursor.fetch_offset.filter(|_| !full.contains(&index)) else { continue };
            if cursor.leader.is_none() && !cursor.stale {
                cursor.take_leader(cluster);
            }
            if cursor.recreated {
                continue;
            }
            let Some(leader) = cursor.leader else {
                asks.refresh = true;
                continue;
            };
            cursor.nearby.take_if(|(broker, until)| now >= *until || cluster.broker(*broker).is_none());
            let broker = cursor.nearby.map_or(leader, |(broker, _)| broker);
            if busy(broker) {
                continue;
            }
            asks.by_broker.entry(broker).or_default().push(Ask {
                index,
                generation: cursor.generation,
                at: cursor.at.clone(),
                topic_id: cursor.topic_id,
                offset,
                leader_epoch: cursor.leader_epoch,
                last_epoch: cursor.fetch_epoch,
                max_bytes: cursor.max_bytes,
                grown: cursor.grown,
            });
        }
        asks
    }

    /// Metadata that was just answered: leaders that are not known are taken from it.
    pub(super) fn on_cluster(&mut self, cluster: &Cluster) {
        for cursor in self.list.iter_mut().filter(|cursor| cursor.leader.is_none()) {
            cursor.stale = false;
            cursor.take_leader(cluster);
        }
    }

    /// Partitions whose topic was deleted and created again since their position was taken: there, it means nothing. What
    /// is done in the old topic counts no more.
    pub(super) fn take_recreated(&mut self) -> Vec<(usize, u32, TopicPartition)> {
        let mut found = Vec::new();
        for (index, cursor) in self.list.iter_mut().enumerate().filter(|(_, cursor)| cursor.recreated) {
            cursor.recreated = false;
            if cursor.assigned {
                cursor.progress = Progress::new(self.watch.clone());
                cursor.reset(Position::Beginning);
                found.push((index, cursor.generation, cursor.at.clone()));
            }
        }
        found
    }

    /// An answer brought records of it.
    pub(super) fn on_served(&mut self, index: usize) {
        self.first = index + 1;
    }

    /// The position is behind a record of this leader epoch, as whoever committed it says.
    pub(super) fn on_epoch(&mut self, at: &TopicPartition, leader_epoch: i32) {
        let cursor = self.index.get(at).and_then(|index| self.list.get_mut(*index));
        if let Some(cursor) = cursor {
            (cursor.position_epoch, cursor.fetch_epoch) = (leader_epoch, leader_epoch);
        }
    }

    /// Index, generation and name of those that could be asked for if they had a leader.
    pub(super) fn without_leader(&self, now: Instant) -> Vec<(usize, u32, TopicPartition)> {
        let waits = |c: &Cursor| {
            let due = c.not_before.is_none_or(|at| at <= now);
            let is_wanted = match c.lookup {
                Some(_) => c.stale,
                None => c.fetch_offset.is_some(),
            };
            c.assigned && c.leader.is_none() && !c.paused && !c.untold && is_wanted && due
        };
        let all = self.list.iter().enumerate();
        all.filter(|(_, c)| waits(c)).map(|(index, c)| (index, c.generation, c.at.clone())).collect()
    }

    /// Asking failed; the leader may have moved. The error comes back when the user should hear of it.
    pub(super) fn on_failure(
        &mut self,
        index: usize,
        generation: u32,
        error: Error,
        now: Instant,
        unit: f64,
    ) -> Option<Error> {
        let (retry, patience) = (self.retry, self.patience);
        let cursor = self.current(index, generation)?;
        (cursor.leader, cursor.stale, cursor.nearby) = (None, true, None);
        cursor.failures += 1;
        cursor.not_before = Some(now + retry.delay(cursor.failures, unit));
        let since = *cursor.failing_since.get_or_insert(now);
        // A broker that does not know what is wrong is mostly about to stop, or has just started: Java reads on, too.
        let may_pass = error.is_retriable() || error.code() == Some(ErrorCode::UNKNOWN_SERVER_ERROR);
        if may_pass && now < since + patience {
            return None;
        }
        cursor.failing_since = None;
        cursor.untold = true;
        // The user may go on regardless; asking again at once would not help.
        cursor.not_before = Some(now + retry.max);
        Some(error.around(|c| c.topic_partition = Some(cursor.at.clone())))
    }

    /// The position is outside of the partition: it is looked up anew. Not at once if that has just been done: what is found may be
    /// outside as well, as long as the leader has lost what its log should hold.
    pub(super) fn on_out_of_range(&mut self, index: usize, to: Position, now: Instant, unit: f64) {
        let retry = self.retry;
        let Some(cursor) = self.list.get_mut(index) else { return };
        cursor.reset(to);
        cursor.not_before = (cursor.failures > 0).then(|| now + retry.delay(cursor.failures, unit));
        cursor.failures += 1;
    }

    /// The user goes on at this offset: that is what will be committed, whatever was done elsewhere.
    pub(super) fn seek(&mut self, index: usize, offset: i64) {
        self.move_to(index, offset);
        if let Some(cursor) = self.list.get_mut(index) {
            cursor.progress = Progress::at(offset, self.watch.clone());
        }
    }

    /// Goes on at this offset, and drops what is on its way.
    pub(super) fn move_to(&mut self, index: usize, offset: i64) {
        if let Some(cursor) = self.list.get_mut(index).filter(|cursor| cursor.assigned) {
            cursor.renew();
            (cursor.position, cursor.fetch_offset) = (Some(offset), Some(offset));
            (cursor.position_epoch, cursor.fetch_epoch) = (-1, -1);
            (cursor.lookup, cursor.not_before) = (None, None);
        }
    }

    /// Stops or goes on asking for a partition. What was fetched and not handed out is fetched again.
    pub(super) fn set_paused(&mut self, index: usize, paused: bool) {
        if let Some(cursor) = self.list.get_mut(index).filter(|cursor| cursor.paused != paused) {
            cursor.paused = paused;
            cursor.renew();
            (cursor.fetch_offset, cursor.fetch_epoch) = (cursor.position, cursor.position_epoch);
        }
    }

    /// Asks again a little later, without counting it as a failure.
    pub(super) fn hold(&mut self, index: usize, now: Instant) {
        let at = now + self.retry.base;
        if let Some(cursor) = self.list.get_mut(index) {
            cursor.not_before = Some(at);
        }
    }
}
