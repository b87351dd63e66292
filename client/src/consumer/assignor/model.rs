//! Assignors under random groups that grow, shrink and change their minds.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::tests::{after, member, text};
use super::*;

/// Rebalances of a random group.
const STEPS: usize = 12;

type Shares = HashMap<String, Vec<TopicPartition>>;

/// Runs `check` with many random sources; `KINGLET_SEED` repeats one.
fn with_seeds(check: impl Fn(&mut World)) {
    for seed in crate::rng::seeds() {
        for equal in [true, false] {
            check(&mut World::new(seed, equal));
        }
    }
}

struct World {
    seed: u64,
    rng: StdRng,
    /// All members subscribe to all topics.
    equal: bool,
    topics: BTreeMap<String, i32>,
    members: Vec<Member>,
    next_id: usize,
}

impl World {
    fn new(seed: u64, equal: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let topics = (0..rng.random_range(1..6)).map(|n| (format!("t{n}"), rng.random_range(1..9))).collect();
        let mut world = Self { seed, rng, equal, topics, members: Vec::new(), next_id: 0 };
        (0..world.rng.random_range(1..6)).for_each(|_| world.join());
        world
    }

    fn topics(&self) -> TopicPartitions {
        let mut topics = TopicPartitions::default();
        self.topics.iter().for_each(|(topic, count)| topics.insert(topic.as_str().into(), *count));
        topics
    }

    fn some_topics(&mut self) -> Vec<String> {
        let (rng, equal) = (&mut self.rng, self.equal);
        self.topics.keys().filter(|_| equal || rng.random_bool(0.5)).cloned().collect()
    }

    fn join(&mut self) {
        let names = self.some_topics();
        // In no order.
        let id = format!("{}-{}", self.rng.random_range(0..100), self.next_id);
        self.next_id += 1;
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let at = self.rng.random_range(0..=self.members.len());
        self.members.insert(at, member(&id, &names));
    }

    /// Something that makes a group rebalance.
    fn change(&mut self) {
        match self.rng.random_range(0..6) {
            0 | 1 => self.join(),
            2 if self.members.len() > 1 => {
                let at = self.rng.random_range(0..self.members.len());
                self.members.remove(at);
            }
            3 => {
                let at = self.rng.random_range(0..self.topics.len());
                if let Some(count) = self.topics.values_mut().nth(at) {
                    *count += self.rng.random_range(1..4);
                }
            }
            4 if !self.equal => {
                let names = self.some_topics();
                let at = self.rng.random_range(0..self.members.len());
                let member = &mut self.members[at];
                member.topics = names.iter().map(|name| name.as_str().into()).collect();
                // A member gives up what it does not want any more before it joins.
                member.owned.retain(|owned| names.iter().any(|name| **name == *owned.topic));
            }
            _ => {}
        }
    }

    fn why(&self, shares: &Shares) -> String {
        let member = |member: &Member| {
            let owned: Vec<_> = member.owned.iter().map(ToString::to_string).collect();
            format!("  {} {:?} owns {}\n", member.id, member.topics, owned.join(" "))
        };
        let members: String = self.members.iter().map(member).collect();
        format!("seed {}, {:?}\n{members}{}", self.seed, self.topics, text(shares))
    }

    /// Every partition at most once and to a subscriber; returns what nobody got though somebody subscribes.
    fn valid(&self, shares: &Shares) -> BTreeSet<TopicPartition> {
        let why = || self.why(shares);
        assert_eq!(shares.len(), self.members.len(), "{}", why());
        let mut left: BTreeSet<_> = self
            .topics
            .iter()
            .flat_map(|(topic, count)| (0..*count).map(|n| TopicPartition::new(topic.as_str(), n)))
            .filter(|partition| self.members.iter().any(|member| member.topics.contains(&partition.topic)))
            .collect();
        for member in &self.members {
            let share = &shares[&member.id];
            assert!(share.iter().all(|partition| member.topics.contains(&partition.topic)), "{}", why());
            assert!(share.iter().all(|partition| left.remove(partition)), "{}", why());
        }
        left
    }

    /// No member has two more than another that could take one of them.
    fn even(&self, shares: &Shares) {
        for giver in &self.members {
            for taker in &self.members {
                let (most, least) = (&shares[&giver.id], &shares[&taker.id]);
                let could = most.iter().any(|partition| taker.topics.contains(&partition.topic));
                assert!(!could || most.len() < least.len() + 2, "{}", self.why(shares));
            }
        }
    }

    /// How many partitions have another reader than before, of those whose reader is still there and subscribes.
    fn moves(&self, shares: &Shares) -> usize {
        let lost = |member: &Member| {
            let wanted = member.owned.iter().filter(|owned| {
                member.topics.contains(&owned.topic) && self.topics[&*owned.topic] > owned.partition
            });
            wanted.filter(|owned| !shares[&member.id].contains(owned)).count()
        };
        self.members.iter().map(lost).sum()
    }

    /// What equal shares take at least, when all subscribe to all.
    fn moves_needed(&self) -> usize {
        let total = usize::try_from(self.topics.values().sum::<i32>()).unwrap();
        let (each, extra) = (total / self.members.len(), total % self.members.len());
        let owned: Vec<_> = self.members.iter().map(|member| member.owned.len()).collect();
        let above = owned.iter().map(|owned| owned.saturating_sub(each)).sum::<usize>();
        // Of those who have more, as many may keep one more as there are left over.
        above - owned.iter().filter(|owned| **owned > each).count().min(extra)
    }

    fn settle(&mut self, assignor: &dyn Assignor, shares: &Shares, generation: i32) {
        self.members = after(assignor, &self.members, shares, generation);
    }
}

#[test]
fn every_partition_goes_to_one_subscriber() {
    with_seeds(|world| {
        for name in ["range", "roundrobin", "sticky", "cooperative-sticky"] {
            let shares = by_name(name).unwrap().assign(&world.topics(), &world.members);
            assert_eq!(world.valid(&shares), BTreeSet::new(), "{name}: {}", world.why(&shares));
            let mut turned = world.members.clone();
            turned.reverse();
            let again = by_name(name).unwrap().assign(&world.topics(), &turned);
            assert_eq!(
                text(&shares),
                text(&again),
                "{name}: the order in which members joined plays no part"
            );
        }
    });
}

#[test]
fn round_robin_is_even_where_subscriptions_are_equal() {
    with_seeds(|world| {
        let shares = by_name("roundrobin").unwrap().assign(&world.topics(), &world.members);
        if world.equal {
            world.even(&shares);
        }
    });
}

#[test]
fn range_lines_up_topics_of_one_size() {
    with_seeds(|world| {
        world.topics.values_mut().for_each(|count| *count = 5);
        let shares = by_name("range").unwrap().assign(&world.topics(), &world.members);
        for share in shares.values().filter(|_| world.equal) {
            let of = |topic: &String| -> Vec<i32> {
                share.iter().filter(|at| *at.topic == **topic).map(|at| at.partition).collect()
            };
            let all: BTreeSet<_> = world.topics.keys().map(of).collect();
            assert_eq!(all.len(), 1, "{}", world.why(&shares));
        }
    });
}

#[test]
fn sticky_is_even_and_moves_no_more_than_that_takes() {
    with_seeds(|world| {
        let sticky = by_name("sticky").unwrap();
        for step in 0..STEPS {
            let shares = sticky.assign(&world.topics(), &world.members);
            assert_eq!(world.valid(&shares), BTreeSet::new(), "step {step}: {}", world.why(&shares));
            world.even(&shares);
            if world.equal {
                assert_eq!(world.moves(&shares), world.moves_needed(), "step {step}: {}", world.why(&shares));
            }
            world.settle(&*sticky, &shares, 1);
            let again = sticky.assign(&world.topics(), &world.members);
            assert_eq!(text(&again), text(&shares), "step {step}: nothing changed and something moved");
            world.change();
        }
    });
}

#[test]
fn cooperative_members_give_up_first_and_another_round_settles_it() {
    let rounds = std::cell::RefCell::new(BTreeMap::<usize, usize>::new());
    with_seeds(|world| {
        let cooperative = by_name("cooperative-sticky").unwrap();
        for step in 0..STEPS {
            let mut round = 0;
            loop {
                round += 1;
                let shares = cooperative.assign(&world.topics(), &world.members);
                let left = world.valid(&shares);
                for partition in &left {
                    let owners = world.members.iter().filter(|member| member.owned.contains(partition));
                    assert_eq!(
                        owners.count(),
                        1,
                        "{partition} is left out, step {step}: {}",
                        world.why(&shares)
                    );
                }
                let moves = world.moves(&shares);
                assert_eq!(left.len(), moves, "step {step}: {}", world.why(&shares));
                if world.equal && round == 1 {
                    assert_eq!(moves, world.moves_needed(), "step {step}: {}", world.why(&shares));
                }
                world.settle(&*cooperative, &shares, 1);
                if left.is_empty() {
                    world.even(&shares);
                    break;
                }
            }
            *rounds.borrow_mut().entry(round).or_default() += 1;
            // Where subscriptions differ, as in Java, what is given out may ask for another move, once in thousands of times.
            let most = if world.equal { 2 } else { 6 };
            assert!(round <= most, "step {step}, {round} rounds: {}", world.why(&HashMap::new()));
            world.change();
        }
    });
    println!("rebalances by rounds: {rounds:?}");
}

#[test]
fn a_hundred_members_who_all_want_other_topics_are_no_work() {
    let mut rng = StdRng::seed_from_u64(1);
    let names: Vec<_> = (0..500).map(|n| format!("t{n}")).collect();
    let mut topics = TopicPartitions::default();
    names.iter().for_each(|name| topics.insert(name.as_str().into(), 2));
    let mut members: Vec<_> = (0..100)
        .map(|n| {
            let wanted: Vec<_> = names.iter().filter(|_| rng.random_bool(0.3)).map(String::as_str).collect();
            member(&format!("m{n}"), &wanted)
        })
        .collect();
    let sticky = by_name("sticky").unwrap();
    let shares = sticky.assign(&topics, &members);
    assert!(shares.values().all(|share| share.len() == 10), "{}", text(&shares));
    members = after(&*sticky, &members, &shares, 1);
    members.truncate(50);
    let shares = sticky.assign(&topics, &members);
    assert!(shares.values().all(|share| share.len() == 20), "{}", text(&shares));
    let kept =
        members.iter().flat_map(|member| member.owned.iter().filter(|at| shares[&member.id].contains(at)));
    assert_eq!(kept.count(), 500, "only what the others had moved");
}
