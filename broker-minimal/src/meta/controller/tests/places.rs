//! Where new topics lie in a cluster of several brokers.

use super::cluster::Cluster;
use super::*;

fn made(cluster: &mut Cluster, topics: &[CreatableTopic]) -> Vec<Result<(), ErrorCode>> {
    let (records, answers) = cluster.controller().create_topics(topics);
    cluster.keep(&records);
    answers.into_iter().map(|answer| answer.map(drop).map_err(|refusal| refusal.code())).collect()
}

#[test]
fn the_topics_of_one_request_spread_over_the_brokers() {
    for seed in 0..20 {
        let mut cluster = Cluster::of(3);
        cluster.seed = seed;
        let topics: Vec<_> = (0..6).map(|index| topic(&format!("t{index}"), 1, 3)).collect();
        assert_eq!(made(&mut cluster, &topics), vec![Ok(()); 6]);
        let partitions: Vec<_> =
            cluster.image.topics.values().flat_map(|topic| topic.partitions.clone()).collect();
        for id in 1..=3 {
            let led = partitions.iter().filter(|partition| partition.leader == id).count();
            assert_eq!(led, 2, "seed {seed}: {partitions:?}");
        }
        for partition in partitions {
            let dirs: Vec<_> = partition.replicas.iter().map(|id| cluster.broker(*id).dirs[0]).collect();
            assert_eq!((&partition.isr, &partition.dirs), (&partition.replicas, &dirs));
        }
    }
}

#[test]
fn a_fenced_broker_gets_replicas_last_and_is_not_in_sync() {
    let mut cluster = Cluster::of(3);
    cluster.lose(1);
    assert_eq!(made(&mut cluster, &[topic("t", 2, 3)]), [Ok(())]);
    for partition in &cluster.image.topic("t").unwrap().partitions {
        assert_eq!((partition.replicas[2], partition.isr.len(), partition.leader_epoch), (1, 2, 0));
        assert!(!partition.isr.contains(&1) && partition.leader == partition.replicas[0]);
    }
    assert_eq!(made(&mut cluster, &[topic("u", 1, 4)]), [Err(ErrorCode::INVALID_REPLICATION_FACTOR)]);
    let by_hand = assigned(&[(0, &[1])]);
    assert_eq!(made(&mut cluster, &[by_hand]), [Err(ErrorCode::INVALID_REPLICA_ASSIGNMENT)]);
    cluster.lose(2);
    cluster.lose(3);
    assert_eq!(made(&mut cluster, &[topic("u", 1, 1)]), [Err(ErrorCode::INVALID_REPLICATION_FACTOR)]);
}

#[test]
fn partitions_are_added_with_as_many_replicas_as_the_others_have() {
    let mut cluster = Cluster::of(3);
    cluster.topic(&[&[1, 2]], &[]);
    let grow = |cluster: &mut Cluster, asked: CreatePartitionsTopic| {
        let (records, answers) = cluster.controller().create_partitions(&[asked]);
        cluster.keep(&records);
        answers[0].as_ref().err().map(Refusal::code)
    };
    assert_eq!(grow(&mut cluster, partitions("t", 3, None)), None);
    let factors: Vec<_> =
        cluster.image.topic("t").unwrap().partitions.iter().map(|p| p.replicas.len()).collect();
    assert_eq!(factors, [2, 2, 2]);
    let uneven = partitions("t", 4, Some(1));
    assert_eq!(grow(&mut cluster, uneven), Some(ErrorCode::INVALID_REPLICA_ASSIGNMENT));
}
