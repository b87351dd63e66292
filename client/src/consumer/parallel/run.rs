//! Runs what the core decides: takes records from the buffer, hands them to the user's code, notes what is done.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::core::{Core, Incoming, Place, Start, Verdict};
use super::lane::Lane;
use super::{FailedRecord, Order, Parallel, ParallelError, Until};
use crate::consumer::group::{drain_window, to_commit};
use crate::consumer::start::ahead;
use crate::consumer::{Batch, ConsumerHandle, ConsumerRecord};
use crate::{Error, ErrorKind, Result, clock, rng};

pub(super) struct Run<E, F> {
    handle: Arc<ConsumerHandle>,
    how: Parallel<E>,
    work: Arc<F>,
    core: Core<ConsumerRecord>,
    /// By number: of two of one partition the older has the smaller one.
    lanes: BTreeMap<u64, Lane>,
    next_lane: u64,
    /// Which lane is looked at first.
    turn: u64,
    hasher: RandomState,
    tasks: JoinSet<Attempt<E>>,
    /// How it ends: nothing is begun any more.
    over: Option<Result<(), ParallelError<E>>>,
    /// What is in flight is waited for until then.
    window_end: Option<Instant>,
}

struct Attempt<E> {
    place: Place,
    record: ConsumerRecord,
    result: Result<(), E>,
    /// It was the dead letter, after so many attempts.
    letter: Option<u32>,
}

impl<E, F, Fut> Run<E, F>
where
    E: Send + 'static,
    F: Fn(ConsumerRecord) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
{
    pub(super) fn new(handle: Arc<ConsumerHandle>, how: Parallel<E>, work: F) -> Self {
        Self {
            core: Core::new(how.limits(ahead(&handle.shared.core.config), handle.shared.core.retry)),
            handle,
            how,
            work: Arc::new(work),
            lanes: BTreeMap::new(),
            next_lane: 0,
            turn: 0,
            hasher: RandomState::new(),
            tasks: JoinSet::new(),
            over: None,
            window_end: None,
        }
    }

    pub(super) async fn run(mut self) -> Result<(), ParallelError<E>> {
        let shared = self.handle.shared.clone();
        let mut until = self.how.until.take();
        // It lives on from look to look, so that no news is missed.
        let ready = shared.ready.notified();
        tokio::pin!(ready);
        ready.as_mut().enable();
        let mut news = true;
        loop {
            if std::mem::take(&mut news) {
                self.survey();
            }
            if self.over.is_none()
                && let Err(error) = self.take_in()
            {
                self.stop(Err(error.into()));
            }
            self.begin();
            if self.over.is_some() && self.tasks.is_empty() {
                break;
            }
            let _waiting = self.core.is_idle().then(|| shared.wait());
            let deadline = self.window_end.or(self.core.deadline());
            tokio::select! {
                Some(attempt) = self.tasks.join_next() => self.on_attempts(attempt),
                () = &mut ready => {
                    ready.set(shared.ready.notified());
                    ready.as_mut().enable();
                    news = true;
                }
                () = sleep_until(deadline) => if self.window_end.is_some() {
                    let running = self.core.running();
                    warn!(running, "records are still being handled when the time for that is over");
                    break;
                },
                () = reached(&mut until), if self.over.is_none() => self.stop(Ok(())),
            }
        }
        self.finish().await
    }

    /// Which partitions came, and which went.
    fn survey(&mut self) {
        let shared = self.handle.shared.clone();
        let mut ended = Vec::new();
        let closed = shared.with(|buffer| {
            let takes = !buffer.closed && self.over.is_none();
            while let Some((at, tenure)) = takes.then(|| buffer.cursors.claim()).flatten() {
                let cursor = buffer.cursors.find(&at).and_then(|index| buffer.cursors.get(index));
                let Some(progress) = cursor.map(|cursor| cursor.progress.clone()) else { continue };
                self.lanes.insert(self.next_lane, Lane::new(at, tenure, progress));
                self.next_lane += 1;
            }
            for (id, lane) in &mut self.lanes {
                lane.looks = true;
                if !lane.ended && !lane.is_current(buffer) {
                    lane.ended = true;
                    self.core.end(*id);
                    ended.push(*id);
                }
            }
            buffer.closed
        });
        ended.into_iter().for_each(|id| self.release_if_drained(id));
        if closed && self.over.is_none() {
            self.stop(Ok(()));
        }
    }

    /// Takes in what there is room for.
    fn take_in(&mut self) -> Result<()> {
        self.handle.shared.check()?;
        if !self.core.has_room() {
            return Ok(());
        }
        // Each time another one begins, so that none is always behind the others.
        let (before, from) = (self.lanes.range(..self.turn), self.lanes.range(self.turn..));
        let ids: Vec<u64> = from.chain(before).map(|(id, _)| *id).collect();
        self.turn = ids.get(1).copied().unwrap_or(0);
        ids.into_iter().try_for_each(|id| self.take_in_of(id))
    }

    fn take_in_of(&mut self, id: u64) -> Result<()> {
        loop {
            let room = self.core.room(id);
            if room == 0 || !self.may_look(id) {
                return Ok(());
            }
            let Some(batch) = self.next_of(id)? else { return Ok(()) };
            let (front, rest) = batch.split(room);
            let records = front.to_records();
            // Nothing behind damage may be committed; the user hears of it.
            let is_damaged = front.is_damaged();
            let end = match (is_damaged, records.last()) {
                (false, _) => front.next_offset(),
                (true, Some(last)) => last.offset.saturating_add(1),
                (true, None) => front.first_offset(),
            };
            let incoming: Vec<_> = records.into_iter().map(|record| self.incoming(record)).collect();
            let moved = self.core.on_records(id, incoming, end, front.leader_epoch().unwrap_or(-1));
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.rest = rest.filter(|_| !is_damaged);
                lane.done(moved);
            }
            if is_damaged {
                return self.handle.shared.check();
            }
        }
    }

    /// A partition that came back waits for what is in flight of it from before.
    fn may_look(&self, id: u64) -> bool {
        let Some(lane) = self.lanes.get(&id).filter(|lane| lane.looks || lane.rest.is_some()) else {
            return false;
        };
        let is_first = |(_, other): (&u64, &Lane)| other.ended && other.at == lane.at;
        lane.batches > 0 || !self.lanes.range(..id).any(is_first)
    }

    /// The next records of a lane: the rest of the batch before, or another one.
    fn next_of(&mut self, id: u64) -> Result<Option<Batch>> {
        let Some(lane) = self.lanes.get_mut(&id) else { return Ok(None) };
        if let Some(rest) = lane.rest.take() {
            return Ok(Some(rest));
        }
        if !lane.looks {
            return Ok(None);
        }
        let shared = &self.handle.shared;
        let Some(batch) = shared.next_of(Some(&lane.at))? else {
            lane.looks = false;
            return Ok(None);
        };
        if Arc::ptr_eq(batch.progress(), &lane.progress) && batch.first_offset() >= lane.end {
            lane.batches += 1;
            lane.end = batch.next_offset();
            return Ok(Some(batch));
        }
        // The user has moved, or the log was cut: what is read there is another lane's.
        shared.with(|buffer| {
            batch.progress().withdraw(1, batch.first_offset());
            if lane.is_held(buffer) {
                buffer.move_to(&lane.at, batch.first_offset());
                buffer.cursors.unclaim(&lane.at, lane.tenure);
            }
        });
        lane.ended = true;
        lane.moved = true;
        self.core.end(id);
        self.release_if_drained(id);
        // Claimed by whoever looks next.
        self.handle.shared.ready.notify_waiters();
        Ok(None)
    }

    fn incoming(&self, record: ConsumerRecord) -> Incoming<ConsumerRecord> {
        let chain = match self.how.order {
            Order::ByPartition => Some(0),
            // Two keys of one hash wait for each other, which does no harm.
            Order::ByKey => record.key.as_ref().map(|key| self.hasher.hash_one(key)),
            Order::Unordered => None,
        };
        Incoming { offset: record.offset, chain, size: record.payload_len(), record }
    }

    /// Begins what may begin now.
    fn begin(&mut self) {
        let now = clock::now();
        while let Some(Start { place, record }) = self.core.start(now) {
            let work = self.work.clone();
            self.tasks.spawn(async move {
                let result = work(record.clone()).await;
                Attempt { place, record, result, letter: None }
            });
        }
    }

    /// Takes all results that are there.
    fn on_attempts(&mut self, attempt: Result<Attempt<E>, JoinError>) {
        let mut next = Some(attempt);
        while let Some(attempt) = next {
            match attempt {
                Ok(attempt) => self.on_attempt(attempt),
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                Err(_) => self.stop(Err(Error::new(ErrorKind::Closed, "the runtime ends").into())),
            }
            next = self.tasks.try_join_next();
        }
    }

    fn on_attempt(&mut self, attempt: Attempt<E>) {
        self.handle.shared.act();
        let Attempt { place, record, result, letter } = attempt;
        match (result, letter) {
            (Ok(()), _) => {
                let moved = self.core.on_done(place);
                self.lanes.get(&place.0).into_iter().for_each(|lane| lane.done(moved));
            }
            (Err(error), Some(attempts)) => self.give_up(place, record, error, attempts),
            (Err(error), None) => self.on_failed(place, record, error),
        }
        self.release_if_drained(place.0);
    }

    fn on_failed(&mut self, place: Place, record: ConsumerRecord, error: E) {
        let (at, offset) = (record.topic_partition().clone(), record.offset);
        match (self.core.on_failed(place, record, clock::now(), rng::unit()), &self.how.dead_letter) {
            (Verdict::Settled, _) => {
                debug!(topic = %at.topic, partition = at.partition, offset, "a record failed")
            }
            (Verdict::Exhausted(record, attempts), Some(take)) => {
                debug!(topic = %at.topic, partition = at.partition, offset, attempts, "a record goes to the dead letters");
                let take = take.clone();
                self.tasks.spawn(async move {
                    let result = take(record.clone(), error, attempts).await;
                    Attempt { place, record, result, letter: Some(attempts) }
                });
            }
            (Verdict::Exhausted(record, attempts), None) => self.give_up(place, record, error, attempts),
        }
    }

    fn give_up(&mut self, place: Place, record: ConsumerRecord, error: E, attempts: u32) {
        self.core.on_undone(place);
        self.stop(Err(ParallelError::Record(Box::new(FailedRecord { record, error, attempts }))));
    }

    /// The first reason is the right one.
    fn stop(&mut self, why: Result<(), ParallelError<E>>) {
        if self.over.is_none() {
            self.core.stop();
            self.over = Some(why);
            self.window_end = Some(clock::now() + self.window());
        }
    }

    fn window(&self) -> Duration {
        drain_window(&self.handle.shared.core.config)
    }

    async fn finish(mut self) -> Result<(), ParallelError<E>> {
        self.tasks.shutdown().await;
        self.release_all();
        let shared = &self.handle.shared;
        let group = shared.group.as_ref().filter(|group| group.auto_commit.is_some());
        if let Some(group) = group.filter(|_| !shared.with(|buffer| buffer.closed)) {
            match timeout(self.window(), group.commit_done(&to_commit(shared.progress()))).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(group = group.id, %error, "what is done is not committed"),
                Err(_) => warn!(group = group.id, "what is done is not committed in time"),
            }
        }
        self.over.take().unwrap_or(Ok(()))
    }
}

impl<E, F> Run<E, F> {
    fn release_if_drained(&mut self, id: u64) {
        if self.core.is_drained(id) && self.lanes.get(&id).is_some_and(|lane| lane.ended) {
            self.release(id);
        }
    }

    fn release_all(&mut self) {
        let ids: Vec<u64> = self.lanes.keys().copied().collect();
        ids.into_iter().for_each(|id| self.release(id));
    }

    /// Gives a partition back: what is not done of it is handed out again, to whoever reads it next.
    fn release(&mut self, id: u64) {
        let from = self.core.remove(id);
        let Some(lane) = self.lanes.remove(&id) else { return };
        let shared = &self.handle.shared;
        shared.with(|buffer| {
            lane.progress.withdraw(lane.batches, from.unwrap_or(i64::MIN));
            let position = buffer.cursors.find(&lane.at).and_then(|at| buffer.cursors.get(at)?.position);
            if let Some(from) = from.filter(|from| !lane.moved && Some(*from) != position)
                && lane.is_current(buffer)
            {
                buffer.move_to(&lane.at, from);
            }
            if !lane.moved {
                buffer.cursors.unclaim(&lane.at, lane.tenure);
            }
        });
        shared.wake.notify_one();
        // Whoever takes partitions is to see it again.
        shared.ready.notify_waiters();
    }
}

impl<E, F> Drop for Run<E, F> {
    fn drop(&mut self) {
        self.release_all();
    }
}

async fn reached(until: &mut Option<Until>) {
    match until {
        Some(until) => until.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
