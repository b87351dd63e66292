//! Which replicas `--generate` proposes: as many as before, spread over the brokers and their racks.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Failure;
use crate::java::string_hash;

/// A broker that may get replicas, and its rack unless racks do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usable {
    /// Its id.
    pub id: i32,
    /// Its rack.
    pub rack: Option<String>,
}

/// Replicas for so many partitions of a topic. Partitions after each other are led by brokers after each other, their
/// replicas lie in as many racks as there are, and the topic's name says where it begins: the same question has the same
/// answer, and not all topics begin at one broker.
pub fn place(
    topic: &str,
    partitions: usize,
    replication_factor: usize,
    brokers: &[Usable],
) -> Result<Vec<Vec<i32>>, Failure> {
    if brokers.is_empty() || brokers.len() < replication_factor {
        let cause = match brokers.len() {
            0 => "All brokers are currently fenced, or have all their log directories cordoned.".to_owned(),
            count => format!(
                "The target replication factor of {replication_factor} cannot be reached because only {count} broker(s) are \
                 registered or some brokers have all their log directories cordoned."
            ),
        };
        return Err(
            Failure::usage(format!("topic '{topic}' has more replicas than brokers are named")).cause(cause)
        );
    }
    let ring = alternating(brokers);
    let racks: BTreeSet<&Option<String>> = ring.iter().map(|broker| &broker.rack).collect();
    let begin = usize::try_from(string_hash(topic)).unwrap_or(0);
    let replicas = |partition: usize| {
        let first = begin.wrapping_add(partition);
        // With each turn of the leaders another broker follows first.
        let skipped = partition / ring.len().max(1);
        let followers = (0..ring.len().saturating_sub(1)).map(|step| 1 + (step + skipped) % (ring.len() - 1));
        let order = std::iter::once(0).chain(followers).map(|step| first.wrapping_add(step) % ring.len());
        let candidates: Vec<&Usable> = order.filter_map(|index| ring.get(index).copied()).collect();
        let (mut chosen, mut used) = (Vec::new(), BTreeSet::new());
        while chosen.len() < replication_factor {
            // Once every rack has one, all may have another.
            if used.len() == racks.len() {
                used.clear();
            }
            let free = |broker: &&&Usable| !chosen.contains(&broker.id) && !used.contains(&broker.rack);
            match candidates.iter().find(free) {
                Some(broker) => {
                    chosen.push(broker.id);
                    used.insert(broker.rack.clone());
                }
                // The racks that are left are full.
                None => used.clear(),
            }
        }
        chosen
    };
    Ok((0..partitions).map(replicas).collect())
}

/// The brokers so that neighbours are in different racks, as far as that is possible.
fn alternating(brokers: &[Usable]) -> Vec<&Usable> {
    let mut racks: BTreeMap<&Option<String>, Vec<&Usable>> = BTreeMap::new();
    for broker in brokers {
        racks.entry(&broker.rack).or_default().push(broker);
    }
    for rack in racks.values_mut() {
        rack.sort_by_key(|broker| broker.id);
    }
    let longest = racks.values().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(|index| racks.values().filter_map(move |rack| rack.get(index).copied())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers(racks: &[&str]) -> Vec<Usable> {
        (1..)
            .zip(racks)
            .map(|(id, rack)| Usable { id, rack: (!rack.is_empty()).then(|| (*rack).to_owned()) })
            .collect()
    }

    #[test]
    fn leaders_and_replicas_are_spread_evenly() {
        for count in 1..=5 {
            let brokers = brokers(&vec![""; count]);
            for replication_factor in 1..=count {
                let placed = place("t", 60, replication_factor, &brokers).expect("enough brokers");

                for broker in &brokers {
                    let leads = placed.iter().filter(|replicas| replicas[0] == broker.id).count();
                    let holds = placed.iter().filter(|replicas| replicas.contains(&broker.id)).count();
                    assert_eq!(
                        (leads, holds),
                        (60 / count, 60 * replication_factor / count),
                        "{count} {replication_factor}"
                    );
                }
                assert!(
                    placed
                        .iter()
                        .all(|replicas| replicas.iter().collect::<BTreeSet<_>>().len() == replication_factor)
                );
            }
        }
    }

    #[test]
    fn replicas_lie_in_as_many_racks_as_there_are() {
        let brokers = brokers(&["a", "a", "a", "b", "c", "c"]);
        let rack =
            |id: i32| brokers.iter().find(|broker| broker.id == id).and_then(|broker| broker.rack.clone());

        for replicas in place("t", 30, 3, &brokers).expect("enough brokers") {
            let racks: BTreeSet<_> = replicas.iter().map(|id| rack(*id)).collect();
            assert_eq!(racks.len(), 3, "{replicas:?}");
        }
        assert!(
            place("t", 30, 6, &brokers).expect("enough brokers").iter().all(|replicas| replicas.len() == 6)
        );
        assert!(place("t", 1, 7, &brokers).is_err());
    }
}
