//! Which record may be handled now, and how far each partition is done. Records, results and the time come in; it knows no
//! task, no consumer and no clock.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use crate::net::Backoff;

/// What bounds the work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Records that are handled at a time.
    pub(super) in_flight: usize,
    /// Records of one partition from the oldest that is not done on.
    pub(super) ahead: usize,
    /// Bytes of all records that were taken in and are not done.
    pub(super) bytes: usize,
    /// How often a record is tried.
    pub(super) attempts: u32,
    pub(super) retry: Backoff,
}

/// A record that was taken in: which assignment of a partition it belongs to, and its number there.
pub(super) type Place = (u64, u64);

/// A record on its way in.
#[derive(Debug)]
pub(super) struct Incoming<R> {
    pub(super) offset: i64,
    /// Records of one partition and one chain are handled one after the other.
    pub(super) chain: Option<u64>,
    pub(super) size: usize,
    pub(super) record: R,
}

/// A record whose time has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Start<R> {
    pub(super) place: Place,
    pub(super) record: R,
}

/// What becomes of a record that could not be handled.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<R> {
    /// It is tried again, or it is somebody else's by now.
    Settled,
    /// That was the last attempt, by this count. The record stays in flight until it is said to be done or undone.
    Exhausted(R, u32),
}

#[derive(Debug)]
pub(super) struct Core<R> {
    limits: Limits,
    lanes: HashMap<u64, Lane<R>>,
    /// Records that wait for nothing but their turn.
    ready: VecDeque<Place>,
    retries: BTreeSet<(Instant, Place)>,
    running: usize,
    bytes: usize,
    stopped: bool,
}

/// One assignment of a partition.
#[derive(Debug)]
struct Lane<R> {
    /// From the oldest record that is not done on.
    slots: VecDeque<Slot<R>>,
    /// The number of the first slot.
    first: u64,
    /// Behind what was taken in.
    end: i64,
    /// Where each stretch that was taken in ends, with the epoch of its leader.
    stretches: VecDeque<(i64, i32)>,
    /// Who waits behind a record of the same chain; there is an entry while one is on its way.
    chains: HashMap<u64, VecDeque<u64>>,
    running: usize,
    ended: bool,
}

#[derive(Debug)]
struct Slot<R> {
    offset: i64,
    chain: Option<u64>,
    size: usize,
    attempts: u32,
    state: State<R>,
}

#[derive(Debug)]
enum State<R> {
    Waiting(R),
    Running,
    Done,
    /// Nobody will handle it here.
    Undone,
}

impl<R> Core<R> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            retries: BTreeSet::new(),
            running: 0,
            bytes: 0,
            stopped: false,
        }
    }

    /// Whether more records are of use now.
    pub(super) fn has_room(&self) -> bool {
        let enough = self.stopped || self.ready.len() >= self.limits.in_flight;
        !enough && self.bytes < self.limits.bytes
    }

    /// How many more records of a lane can be taken in.
    pub(super) fn room(&self, lane: u64) -> usize {
        if !self.has_room() {
            return 0;
        }
        let taken = match self.lanes.get(&lane) {
            Some(lane) if lane.ended => return 0,
            Some(lane) => lane.slots.len(),
            None => 0,
        };
        self.limits.ahead.saturating_sub(taken).min(self.limits.in_flight)
    }

    /// Records of a lane, behind those before; they reach up to `end`. The answer is how far it is done, if that changes.
    pub(super) fn on_records(
        &mut self,
        lane: u64,
        records: impl IntoIterator<Item = Incoming<R>>,
        end: i64,
        leader_epoch: i32,
    ) -> Option<(i64, i32)> {
        let (id, state) = (lane, self.lanes.entry(lane).or_insert_with(Lane::new));
        let before = state.slots.len();
        for incoming in records {
            let number = state.first + state.slots.len() as u64;
            self.bytes += incoming.size;
            state.slots.push_back(Slot {
                offset: incoming.offset,
                chain: incoming.chain,
                size: incoming.size,
                attempts: 0,
                state: State::Waiting(incoming.record),
            });
            match incoming.chain.and_then(|chain| state.chains.get_mut(&chain)) {
                Some(behind) => behind.push_back(number),
                None => {
                    state.chains.extend(incoming.chain.map(|chain| (chain, VecDeque::new())));
                    self.ready.push_back((id, number));
                }
            }
        }
        state.end = end;
        if state.slots.len() == before {
            // Without a record it is done with the one before, and takes no room.
            state.stretches.pop_back();
        }
        state.stretches.push_back((end, leader_epoch));
        state.slots.is_empty().then_some((end, leader_epoch))
    }

    /// The next record to be handled; it is in flight from now on.
    pub(super) fn start(&mut self, now: Instant) -> Option<Start<R>> {
        if self.stopped || self.running >= self.limits.in_flight {
            return None;
        }
        loop {
            let place = match self.retries.first() {
                Some((due, place)) if *due <= now => {
                    let place = *place;
                    self.retries.pop_first();
                    place
                }
                Some(_) | None => self.ready.pop_front()?,
            };
            let Some(lane) = self.lanes.get_mut(&place.0) else { continue };
            let Some(slot) = lane.slot(place.1) else { continue };
            if let State::Waiting(record) = std::mem::replace(&mut slot.state, State::Running) {
                lane.running += 1;
                self.running += 1;
                return Some(Start { place, record });
            }
        }
    }

    /// When a record is to be tried again; what starts before is not for this to say.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let can = !self.stopped && self.running < self.limits.in_flight;
        self.retries.first().map(|(due, _)| *due).filter(|_| can)
    }

    /// A record is handled. The answer is the offset up to which its lane is done, with the leader's epoch, if that changes.
    pub(super) fn on_done(&mut self, place: Place) -> Option<(i64, i32)> {
        let lane = self.lanes.get_mut(&place.0)?;
        let slot = lane.slot(place.1).filter(|slot| matches!(slot.state, State::Running))?;
        slot.state = State::Done;
        self.bytes -= slot.size;
        let chain = slot.chain;
        lane.running -= 1;
        self.running -= 1;
        if let Some(chain) = chain
            && let Some(behind) = lane.chains.get_mut(&chain)
        {
            match behind.pop_front() {
                Some(next) => self.ready.push_back((place.0, next)),
                None => drop(lane.chains.remove(&chain)),
            }
        }
        lane.advance()
    }

    /// An attempt failed.
    pub(super) fn on_failed(&mut self, place: Place, record: R, now: Instant, unit: f64) -> Verdict<R> {
        let (limits, stopped) = (self.limits, self.stopped);
        let Some(lane) = self.lanes.get_mut(&place.0) else { return Verdict::Settled };
        let ended = lane.ended;
        let Some(slot) = lane.slot(place.1).filter(|slot| matches!(slot.state, State::Running)) else {
            return Verdict::Settled;
        };
        slot.attempts += 1;
        if slot.attempts >= limits.attempts {
            return Verdict::Exhausted(record, slot.attempts);
        }
        if stopped || ended {
            self.on_undone(place);
            return Verdict::Settled;
        }
        slot.state = State::Waiting(record);
        let due = now + limits.retry.delay(slot.attempts, unit);
        lane.running -= 1;
        self.running -= 1;
        self.retries.insert((due, place));
        Verdict::Settled
    }

    /// A record that was in flight is left as it is: nothing behind it will ever be committed here.
    pub(super) fn on_undone(&mut self, place: Place) {
        let Some(lane) = self.lanes.get_mut(&place.0) else { return };
        let Some(slot) = lane.slot(place.1).filter(|slot| matches!(slot.state, State::Running)) else {
            return;
        };
        slot.state = State::Undone;
        self.bytes -= slot.size;
        lane.running -= 1;
        self.running -= 1;
    }

    /// A lane's partition goes away: what is in flight may be finished, nothing else of it is started.
    pub(super) fn end(&mut self, lane: u64) {
        let Some(state) = self.lanes.get_mut(&lane) else { return };
        state.ended = true;
        for slot in state.slots.iter_mut().filter(|slot| matches!(slot.state, State::Waiting(_))) {
            slot.state = State::Undone;
            self.bytes -= slot.size;
        }
        state.chains.clear();
        self.ready.retain(|place| place.0 != lane);
        self.retries.retain(|(_, place)| place.0 != lane);
    }

    /// Nothing is started any more.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
        let lanes: Vec<_> = self.lanes.keys().copied().collect();
        lanes.into_iter().for_each(|lane| self.end(lane));
    }

    /// Forgets a lane that has ended. The answer is where the first record lies that is not done, if any was taken in.
    pub(super) fn remove(&mut self, lane: u64) -> Option<i64> {
        self.end(lane);
        let state = self.lanes.remove(&lane)?;
        self.running -= state.running;
        let running = state.slots.iter().filter(|slot| matches!(slot.state, State::Running));
        self.bytes -= running.map(|slot| slot.size).sum::<usize>();
        Some(state.done_to())
    }

    /// Records that are handled at present, of all lanes.
    pub(super) fn running(&self) -> usize {
        self.running
    }

    /// Whether nothing of a lane is in flight.
    pub(super) fn is_drained(&self, lane: u64) -> bool {
        self.lanes.get(&lane).is_none_or(|lane| lane.running == 0)
    }

    /// Whether there is nothing to do until more comes in.
    pub(super) fn is_idle(&self) -> bool {
        self.running == 0 && self.ready.is_empty() && self.retries.is_empty()
    }
}

impl<R> Lane<R> {
    fn new() -> Self {
        Self {
            slots: VecDeque::new(),
            first: 0,
            end: 0,
            stretches: VecDeque::new(),
            chains: HashMap::new(),
            running: 0,
            ended: false,
        }
    }

    fn slot(&mut self, number: u64) -> Option<&mut Slot<R>> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.slots.get_mut(index)
    }

    /// Where the oldest record lies that is not done.
    fn done_to(&self) -> i64 {
        self.slots.front().map_or(self.end, |slot| slot.offset)
    }

    /// Forgets what is done without a gap.
    fn advance(&mut self) -> Option<(i64, i32)> {
        let before = self.first;
        while self.slots.front().is_some_and(|slot| matches!(slot.state, State::Done)) {
            self.slots.pop_front();
            self.first += 1;
        }
        if self.first == before {
            return None;
        }
        let offset = self.done_to();
        while self.stretches.front().is_some_and(|(end, _)| *end < offset) {
            self.stretches.pop_front();
        }
        Some((offset, self.stretches.front().map_or(-1, |(_, leader_epoch)| *leader_epoch)))
    }
}
