//! The core against random users: results in any order, failures, letters that are dead, partitions that go and come back.
//!
//! At any time: records of one chain are handled one after the other and in order, no more than the bound at once, no partition
//! further ahead than allowed, and nothing is committed behind a record that is not done. In the end all of them are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::core::{Core, Incoming, Limits, Place, Verdict};
use crate::net::Backoff;

const PARTITIONS: usize = 3;
const RECORDS: usize = 60;
const SIZE: usize = 10;

#[derive(Clone, Copy, Debug)]
struct Record {
    partition: usize,
    index: usize,
}

/// A partition as the broker has it, and what the group committed of it.
struct Log {
    offsets: Vec<i64>,
    chains: Vec<Option<u64>>,
    end: i64,
    committed: i64,
    /// The lane that reads it, and the index of the record that it takes in next.
    lane: Option<(u64, usize)>,
}

struct World {
    rng: StdRng,
    now: Instant,
    limits: Limits,
    core: Core<Record>,
    logs: Vec<Log>,
    /// Lanes by number: their partition, and whether they may still commit.
    lanes: BTreeMap<u64, (usize, bool)>,
    running: Vec<(Place, Record)>,
    attempts: HashMap<Place, u32>,
    done: BTreeSet<(usize, usize)>,
    /// For each lane and chain the record that was started last.
    latest: HashMap<(u64, u64), usize>,
    kinds: [u32; 4],
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "tests begin at any time and go on from there by hand")]
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let order = rng.random_range(0..3);
        let limits = Limits {
            in_flight: rng.random_range(1..8),
            ahead: rng.random_range(1..20),
            bytes: rng.random_range(1..40) * SIZE,
            attempts: rng.random_range(1..4),
            retry: Backoff { base: Duration::from_millis(100), max: Duration::from_secs(1) },
        };
        let log = |rng: &mut StdRng| {
            let mut offset = 0;
            let offsets = std::iter::repeat_with(|| {
                // Compaction and markers leave gaps.
                offset += rng.random_range(1..4);
                offset
            });
            let offsets: Vec<i64> = offsets.take(RECORDS).collect();
            let chains = offsets.iter().map(|_| match order {
                0 => Some(0),
                1 => rng.random_bool(0.8).then(|| rng.random_range(0..4)),
                _ => None,
            });
            let chains = chains.collect();
            let end = offsets[RECORDS - 1] + 2;
            Log { offsets, chains, end, committed: 0, lane: None }
        };
        let logs = (0..PARTITIONS).map(|_| log(&mut rng)).collect();
        Self {
            now: Instant::now(),
            core: Core::new(limits),
            limits,
            logs,
            rng,
            lanes: BTreeMap::new(),
            running: Vec::new(),
            attempts: HashMap::new(),
            done: BTreeSet::new(),
            latest: HashMap::new(),
            kinds: [0; 4],
        }
    }

    fn is_finished(&self) -> bool {
        self.logs.iter().all(|log| log.committed == log.end)
    }

    fn step(&mut self, calm: bool) {
        let partition = self.rng.random_range(0..PARTITIONS);
        match self.rng.random_range(0..100) {
            0..2 if !calm => self.revoke(partition),
            0..30 => self.feed(partition),
            30..60 => self.start(),
            60..95 => self.finish(calm),
            _ => self.now += Duration::from_millis(self.rng.random_range(0..400)),
        }
    }

    /// The partition goes; what is in flight of it may come to an end within the window, or after it.
    fn revoke(&mut self, partition: usize) {
        let Some((lane, _)) = self.logs[partition].lane.take() else { return };
        self.core.end(lane);
        if self.rng.random_bool(0.5) {
            // The window is over at once.
            self.lanes.get_mut(&lane).expect("it was begun").1 = false;
        }
        self.kinds[0] += 1;
    }

    fn feed(&mut self, partition: usize) {
        // A partition that comes back waits for what is in flight of it here.
        let busy = self.lanes.iter().filter(|(_, (of, _))| *of == partition);
        let busy = busy.map(|(lane, _)| *lane).find(|lane| !self.core.is_drained(*lane));
        let log = &mut self.logs[partition];
        if log.lane.is_none() {
            if busy.is_some() {
                return;
            }
            for (old, _) in self.lanes.iter().filter(|(_, (of, _))| *of == partition) {
                let Some(from) = self.core.remove(*old) else { continue };
                let before = log.offsets.partition_point(|at| *at < from);
                let undone = (0..before).find(|index| !self.done.contains(&(partition, *index)));
                assert_eq!(undone, None, "what is not done comes again");
            }
            let lane = self.lanes.len() as u64;
            self.lanes.insert(lane, (partition, true));
            let index = log.offsets.partition_point(|offset| *offset < log.committed);
            log.lane = Some((lane, index));
        }
        let Some((lane, index)) = log.lane else { return };
        let room = self.core.room(lane).min(RECORDS - index);
        if room == 0 && index < RECORDS {
            return;
        }
        let count = if room == 0 { 0 } else { self.rng.random_range(0..=room) };
        let incoming = (index..index + count).map(|index| Incoming {
            offset: log.offsets[index],
            chain: log.chains[index],
            size: SIZE,
            record: Record { partition, index },
        });
        let incoming: Vec<_> = incoming.collect();
        let end = log.offsets.get(index + count).copied().unwrap_or(log.end);
        let moved = self.core.on_records(lane, incoming, end, 7);
        log.lane = Some((lane, index + count));
        self.commit(lane, moved);
    }

    fn start(&mut self) {
        let Some(start) = self.core.start(self.now) else { return };
        let Record { partition, index } = start.record;
        let lane = start.place.0;
        if let Some(chain) = self.logs[partition].chains[index] {
            let others = self.running.iter().filter(|(_, other)| other.partition == partition);
            let same = others.filter(|(_, other)| self.logs[partition].chains[other.index] == Some(chain));
            assert_eq!(same.count(), 0, "two of one chain at a time");
            let latest = self.latest.insert((lane, chain), index);
            assert!(latest.is_none_or(|latest| latest <= index), "{latest:?} before {index}");
            if let Some(latest) = latest.filter(|latest| *latest < index) {
                assert!(self.done.contains(&(partition, latest)), "{index} began before {latest} was done");
            }
        }
        self.running.push((start.place, start.record));
        assert!(self.running.len() <= self.limits.in_flight, "more at once than allowed");
        assert_eq!(self.running.len(), self.core.running());
    }

    fn finish(&mut self, calm: bool) {
        if self.running.is_empty() {
            return;
        }
        let (place, record) = self.running.swap_remove(self.rng.random_range(0..self.running.len()));
        if self.rng.random_bool(if calm { 0.1 } else { 0.3 }) {
            *self.attempts.entry(place).or_default() += 1;
            match self.core.on_failed(place, record, self.now, 0.5) {
                Verdict::Settled => {
                    self.kinds[1] += 1;
                    return;
                }
                Verdict::Exhausted(_, attempts) => {
                    self.kinds[2] += 1;
                    assert_eq!((attempts, attempts), (self.limits.attempts, self.attempts[&place]));
                    // The letter goes to the dead.
                }
            }
        }
        self.done.insert((record.partition, record.index));
        let moved = self.core.on_done(place);
        self.commit(place.0, moved);
    }

    /// What the shell does: a lane whose window is over commits no more.
    fn commit(&mut self, lane: u64, moved: Option<(i64, i32)>) {
        let (partition, may) = self.lanes[&lane];
        let Some((offset, leader_epoch)) = moved else { return };
        assert_eq!(leader_epoch, 7);
        let log = &mut self.logs[partition];
        let before = log.offsets.partition_point(|at| *at < offset);
        let undone = (0..before).find(|index| !self.done.contains(&(partition, *index)));
        assert_eq!(undone, None, "offset {offset} of partition {partition} is behind it");
        if may {
            log.committed = log.committed.max(offset);
        } else {
            self.kinds[3] += 1;
        }
    }
}

#[test]
fn records_are_in_order_and_bounded_and_nothing_is_committed_before_it_is_done() {
    let mut kinds = [0; 4];
    for seed in crate::rng::seeds() {
        let mut world = World::new(seed);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..2000).for_each(|_| world.step(false));
            let mut steps = 0;
            while !world.is_finished() {
                world.step(true);
                steps += 1;
                assert!(steps < 200_000, "it does not come to an end: {:?}", world.core);
            }
            assert_eq!(world.done.len(), PARTITIONS * RECORDS);
            assert!(world.core.is_idle() || !world.running.is_empty());
        }));
        if let Err(panic) = result {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
        kinds.iter_mut().zip(world.kinds).for_each(|(all, one)| *all += one);
    }
    println!("revoked, retried, given up, too late: {kinds:?}");
}

#[test]
fn a_slow_record_holds_its_partition_back_and_no_other() {
    let retry = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(1) };
    let limits = Limits { in_flight: 4, ahead: 5, bytes: 1000, attempts: 1, retry };
    let mut core = Core::new(limits);
    let now = World::new(0).now;
    let incoming = |offset| Incoming { offset, chain: None, size: 1, record: () };
    core.on_records(0, (0..4).map(incoming), 4, 0);
    let slow = core.start(now).expect("there is room").place;
    for offset in 4..8 {
        let place = core.start(now).expect("there is room").place;
        assert_eq!(core.on_done(place), None, "the slow one is in front");
        if core.room(0) > 0 {
            core.on_records(0, [incoming(offset)], offset + 1, 0);
        }
    }
    assert_eq!((core.room(0), core.room(1)), (0, 4), "five from the slow one on are enough");
    assert_eq!(core.on_done(slow), Some((5, 0)));
}
