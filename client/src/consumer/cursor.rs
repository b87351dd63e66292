//! Where each partition is read, and which of them can be asked for now. Time and answers come in; it knows no socket.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::progress::{Progress, Watch};
use crate::metadata::Cluster;
use crate::net::Backoff;
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
}

/// One partition.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) at: TopicPartition,
    /// It is this consumer's to read at present.
    assigned: bool,
    /// Counts assignments, of this partition and others.
    tenure: u64,
    /// It has a consumer of its own.
    claimed: bool,
    pub(super) progress: Arc<Progress>,
    /// The next offset the user gets.
    pub(super) position: Option<i64>,
    /// The next offset to ask for: ahead of `position` by what is buffered.
    fetch_offset: Option<i64>,
    /// The position is to be looked up first.
    pub(super) lookup: Option<Position>,
    /// Answers to what was asked before a seek have another generation and are dropped.
    pub(super) generation: u32,
    pub(super) high_watermark: Option<i64>,
    /// What one answer may bring; it grows when a batch does not fit.
    max_bytes: i32,
    grown: bool,
    paused: bool,
    leader: Option<i32>,
    leader_epoch: i32,
    /// The last leader failed: who leads is for newer metadata to say, not for what was known then.
    stale: bool,
    not_before: Option<Instant>,
    failures: u32,
    failing_since: Option<Instant>,
    /// An error waits for the user. Nothing is asked meanwhile, or errors would pile up.
    untold: bool,
}

/// One partition to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) index: usize,
    pub(super) generation: u32,
    pub(super) at: TopicPartition,
    pub(super) offset: i64,
    pub(super) leader_epoch: i32,
    pub(super) max_bytes: i32,
    /// Less was not enough.
    pub(super) grown: bool,
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
        Self { list: Vec::new(), index: HashMap::new(), retry, patience, watch: Arc::default(), tenures: 0 }
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
        let cursor = Cursor {
            at: at.clone(),
            assigned: true,
            tenure: self.tenures,
            claimed: false,
            progress,
            position: from.ok(),
            fetch_offset: from.ok(),
            lookup: from.err(),
            generation,
            high_watermark: None,
            max_bytes,
            grown: false,
            paused: false,
            leader: None,
            leader_epoch: -1,
            stale: false,
            not_before: None,
            failures: 0,
            failing_since: None,
            untold: false,
        };
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
        let list = self.list.iter_mut().enumerate();
        for (index, cursor) in list.filter(|(_, cursor)| cursor.assigned && !cursor.paused && !cursor.untold)
        {
            if let Some(at) = cursor.not_before.filter(|at| now < *at) {
                asks.deadline = Some(asks.deadline.map_or(at, |deadline| deadline.min(at)));
                continue;
            }
            if let Some(position) = cursor.lookup {
                asks.lookups.push((index, cursor.generation, cursor.at.clone(), position));
                continue;
            }
            let Some(offset) = cursor.fetch_offset.filter(|_| !full.contains(&index)) else { continue };
            if cursor.leader.is_none() && !cursor.stale {
                cursor.take_leader(cluster);
            }
            let Some(leader) = cursor.leader else {
                asks.refresh = true;
                continue;
            };
            if busy(leader) {
                continue;
            }
            asks.by_broker.entry(leader).or_default().push(Ask {
                index,
                generation: cursor.generation,
                at: cursor.at.clone(),
                offset,
                leader_epoch: cursor.leader_epoch,
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

    /// Index, generation and name of those that could be asked for if they had a leader.
    pub(super) fn without_leader(&self, now: Instant) -> Vec<(usize, u32, TopicPartition)> {
        let waits = |c: &Cursor| {
            let due = c.not_before.is_none_or(|at| at <= now);
            c.assigned
                && c.leader.is_none()
                && !c.paused
                && !c.untold
                && c.lookup.is_none()
                && c.fetch_offset.is_some()
                && due
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
        (cursor.leader, cursor.stale) = (None, true);
        cursor.failures += 1;
        cursor.not_before = Some(now + retry.delay(cursor.failures, unit));
        let since = *cursor.failing_since.get_or_insert(now);
        if error.is_retriable() && now < since + patience {
            return None;
        }
        cursor.failing_since = None;
        cursor.untold = true;
        // The user may go on regardless; asking again at once would not help.
        cursor.not_before = Some(now + retry.max);
        Some(error.around(|c| c.topic_partition = Some(cursor.at.clone())))
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
            (cursor.lookup, cursor.not_before) = (None, None);
        }
    }

    /// Stops or goes on asking for a partition. What was fetched and not handed out is fetched again.
    pub(super) fn set_paused(&mut self, index: usize, paused: bool) {
        if let Some(cursor) = self.list.get_mut(index).filter(|cursor| cursor.paused != paused) {
            cursor.paused = paused;
            cursor.renew();
            cursor.fetch_offset = cursor.position;
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

impl Cursor {
    /// An answer without an error, which goes up to `next`.
    pub(super) fn on_answer(&mut self, high_watermark: i64, next: Option<i64>) {
        self.high_watermark = Some(high_watermark);
        self.fetch_offset = self.fetch_offset.max(next);
        (self.failures, self.failing_since) = (0, None);
    }

    /// The answer held less than one batch, or one message, which takes so many bytes if that is known.
    pub(super) fn ask_for_more(&mut self, need: i32) {
        self.max_bytes = self.max_bytes.saturating_mul(2).max(need);
        self.grown = true;
    }

    /// The position is outside of the partition: it is looked up anew.
    pub(super) fn reset(&mut self, to: Position) {
        self.renew();
        self.lookup = Some(to);
    }

    /// Whether the user has everything that was fetched.
    pub(super) fn is_drained(&self) -> bool {
        self.position >= self.fetch_offset
    }

    /// The user has the error: asking may go on.
    pub(super) fn on_told(&mut self) {
        self.untold = false;
    }

    /// What is on its way or waits for the user is of no use any more.
    fn renew(&mut self) {
        self.generation += 1;
        self.untold = false;
    }

    fn take_leader(&mut self, cluster: &Cluster) {
        if let Some(leader) = cluster.leader(&self.at.topic, self.at.partition) {
            (self.leader, self.leader_epoch) = (leader.broker, leader.epoch);
        }
    }
}
