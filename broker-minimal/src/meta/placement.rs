//! Where the replicas of new partitions go: which brokers, who of them leads, and which log directory of each, as in Kafka.
//!
//! Leaders go round the brokers; the other replicas follow with a shift that grows with every round. Brokers of one rack are
//! spread over the round, and no rack has two replicas while another has none. Fenced brokers come last and lead nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use kinglet_protocol::Uuid;

use super::image::{Broker, Image};

/// Places the partitions of one request; they spread over its topics.
#[derive(Debug)]
pub(crate) struct Placement {
    alive: Vec<Spot>,
    fenced: Vec<Spot>,
    racks: usize,
    start: usize,
    shift: usize,
    /// Partitions placed so far.
    placed: usize,
    dirs: Dirs,
}

#[derive(Debug, Clone)]
struct Spot {
    broker: i32,
    rack: Option<String>,
}

/// Partitions per log directory, the ones placed here included.
#[derive(Debug)]
struct Dirs {
    of: HashMap<i32, Vec<Uuid>>,
    counts: HashMap<Uuid, usize>,
}

impl Placement {
    /// `seed` says where the round begins: without it every small topic would lie on the first brokers.
    pub(crate) fn new(image: &Image, seed: u64) -> Self {
        let can_lead = |broker: &Broker| !broker.is_fenced && !broker.is_shutting_down;
        let (alive, fenced): (Vec<_>, Vec<_>) =
            image.brokers.values().map(|broker| &**broker).partition(|broker| can_lead(broker));
        let (alive, fenced) = (by_turns(&alive), by_turns(&fenced));
        let racks = alive.iter().map(|spot| &spot.rack).collect::<HashSet<_>>().len();
        let modulo = |n: usize| usize::try_from(seed).unwrap_or(usize::MAX).checked_rem(n).unwrap_or(0);
        let start = modulo(alive.len());
        let shift = seed.checked_div(alive.len() as u64).and_then(|rest| usize::try_from(rest).ok());
        let shift = shift.and_then(|rest| rest.checked_rem(alive.len())).unwrap_or(0);
        Self { racks, start, shift, alive, fenced, placed: 0, dirs: Dirs::new(image) }
    }

    /// Brokers that can be given a replica.
    pub(crate) fn brokers(&self) -> usize {
        self.alive.len() + self.fenced.len()
    }

    /// Whether there is a broker that can lead.
    pub(crate) fn has_leaders(&self) -> bool {
        !self.alive.is_empty()
    }

    /// The replicas of the next partition, its leader first; fewer when there are not as many brokers.
    pub(crate) fn next(&mut self, factor: usize) -> Vec<i32> {
        let n = self.alive.len();
        let first = (self.start + self.placed).checked_rem(n).unwrap_or(0);
        let round = self.placed.checked_div(n).unwrap_or(0);
        let shift = (self.shift + round) * self.racks;
        self.placed += 1;
        let mut chosen: Vec<&Spot> = self.alive.get(first).into_iter().collect();
        let mut step = 0;
        while chosen.len() < factor.min(n) {
            let spot = self.alive.get(follower(first, shift + step, n));
            step += 1;
            let Some(spot) = spot else { break };
            let racks: HashSet<&Option<String>> = chosen.iter().map(|spot| &spot.rack).collect();
            let is_new_rack = racks.len() == self.racks || !racks.contains(&spot.rack);
            if is_new_rack && !chosen.iter().any(|other| other.broker == spot.broker) {
                chosen.push(spot);
            }
        }
        let rest = self.fenced.iter().cycle().skip(self.placed % self.fenced.len().max(1));
        chosen.extend(rest.take(factor.saturating_sub(chosen.len()).min(self.fenced.len())));
        chosen.iter().map(|spot| spot.broker).collect()
    }

    /// A log directory for each of a partition's replicas: of every broker the one with the fewest partitions.
    pub(crate) fn dirs(&mut self, replicas: &[i32]) -> Vec<Uuid> {
        replicas.iter().map(|broker| self.dirs.next(*broker)).collect()
    }
}

impl Dirs {
    fn new(image: &Image) -> Self {
        let mut counts = HashMap::new();
        for partition in image.topics.values().flat_map(|topic| &topic.partitions) {
            for dir in &partition.dirs {
                *counts.entry(*dir).or_default() += 1;
            }
        }
        let of = image.brokers.values().map(|broker| (broker.id, broker.dirs.clone())).collect();
        Self { of, counts }
    }

    /// The first of several that are alike; zero for a broker that has named none.
    fn next(&mut self, broker: i32) -> Uuid {
        let dirs = self.of.get(&broker).map(Vec::as_slice).unwrap_or_default();
        let fewest = dirs.iter().min_by_key(|dir| self.counts.get(*dir).copied().unwrap_or(0));
        let Some(dir) = fewest.copied() else { return Uuid::ZERO };
        *self.counts.entry(dir).or_default() += 1;
        dir
    }
}

/// The `step`th broker behind the first one, which is left out.
fn follower(first: usize, step: usize, n: usize) -> usize {
    let behind = 1 + step.checked_rem(n.saturating_sub(1)).unwrap_or(0);
    (first + behind).checked_rem(n).unwrap_or(0)
}

/// The brokers in an order in which the racks take turns.
fn by_turns(brokers: &[&Broker]) -> Vec<Spot> {
    let mut racks: BTreeMap<Option<&str>, Vec<i32>> = BTreeMap::new();
    for broker in brokers {
        racks.entry(broker.rack.as_deref()).or_default().push(broker.id);
    }
    let most = racks.values().map(Vec::len).max().unwrap_or(0);
    let turn = |turn: usize| {
        let spot = move |(rack, ids): (&Option<&str>, &Vec<i32>)| {
            ids.get(turn).map(|id| Spot { broker: *id, rack: rack.map(str::to_owned) })
        };
        racks.iter().filter_map(spot).collect::<Vec<_>>()
    };
    (0..most).flat_map(turn).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn broker(id: i32, rack: Option<&str>, is_fenced: bool) -> Broker {
        Broker {
            id,
            epoch: i64::from(id),
            incarnation: Uuid([1; 16]),
            endpoints: Vec::new(),
            rack: rack.map(str::to_owned),
            is_fenced,
            is_shutting_down: false,
            dirs: vec![Uuid([u8::try_from(id).unwrap(); 16]), Uuid([100 + u8::try_from(id).unwrap(); 16])],
            failed_dirs: Vec::new(),
        }
    }

    fn image(brokers: impl IntoIterator<Item = Broker>) -> Image {
        let mut image = Image::default();
        image.brokers = brokers.into_iter().map(|broker| (broker.id, Arc::new(broker))).collect();
        image
    }

    #[test]
    fn leaders_and_replicas_are_even_over_the_brokers() {
        for seed in 0..200 {
            let image = image((1..=4).map(|id| broker(id, None, false)));
            let mut placement = Placement::new(&image, seed);
            let placed: Vec<_> = (0..12).map(|_| placement.next(3)).collect();
            for id in 1..=4 {
                let leads = placed.iter().filter(|replicas| replicas[0] == id).count();
                let has = placed.iter().filter(|replicas| replicas.contains(&id)).count();
                assert_eq!((leads, has), (3, 9), "seed {seed}, broker {id}: {placed:?}");
            }
            for replicas in &placed {
                assert_eq!(replicas.iter().collect::<HashSet<_>>().len(), 3, "seed {seed}: {placed:?}");
            }
        }
    }

    #[test]
    fn the_partners_of_a_leader_change_from_round_to_round() {
        let image = image((1..=5).map(|id| broker(id, None, false)));
        let mut placement = Placement::new(&image, 0);
        let placed: Vec<_> = (0..20).map(|_| placement.next(2)).collect();
        let partners: HashSet<i32> = placed.iter().filter(|r| r[0] == 1).map(|r| r[1]).collect();
        assert_eq!(partners, HashSet::from([2, 3, 4, 5]));
    }

    #[test]
    fn no_rack_has_two_replicas_while_another_has_none() {
        let racks = ["a", "a", "a", "b", "b", "c"];
        for seed in 0..200 {
            let image = image((1..).zip(racks).map(|(id, rack)| broker(id, Some(rack), false)));
            let mut placement = Placement::new(&image, seed);
            for replicas in (0..12).map(|_| placement.next(3)).collect::<Vec<_>>() {
                let used: HashSet<_> =
                    replicas.iter().map(|id| racks[usize::try_from(id - 1).unwrap()]).collect();
                assert_eq!(used.len(), 3, "seed {seed}: {replicas:?}");
            }
        }
    }

    #[test]
    fn fenced_brokers_are_placed_last_and_never_first() {
        for seed in 0..50 {
            let image = image([broker(1, None, true), broker(2, None, false), broker(3, None, false)]);
            let mut placement = Placement::new(&image, seed);
            for _ in 0..6 {
                let replicas = placement.next(3);
                assert_eq!(replicas[2], 1, "seed {seed}: {replicas:?}");
                assert!(!placement.next(2).contains(&1), "seed {seed}");
            }
        }
    }

    #[test]
    fn partitions_spread_over_the_directories_of_each_broker() {
        let image = image([broker(1, None, false), broker(2, None, false)]);
        let mut placement = Placement::new(&image, 0);
        let placed: Vec<_> = (0..4).map(|_| placement.dirs(&[1, 2])).collect();
        let first: Vec<_> = placed.iter().map(|dirs| dirs[0]).collect();
        assert_eq!(first, [Uuid([1; 16]), Uuid([101; 16]), Uuid([1; 16]), Uuid([101; 16])]);
        assert_eq!(placed[0][1], Uuid([2; 16]));
        assert_eq!(placement.dirs(&[9]), [Uuid::ZERO], "a broker without directories");
    }
}
