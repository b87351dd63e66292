//! What leaders may make of their ISR, and who is elected out of it.

use kinglet_protocol::messages::alter_partition::BrokerState;
use kinglet_protocol::messages::elect_leaders::TopicPartitions;

use super::cluster::{Cluster, registration};
use super::*;
use crate::meta::controller::Election;

#[test]
fn an_isr_changes_by_its_leader_alone_and_by_what_it_knows() {
    let mut cluster = Cluster::of(3);
    cluster.topic(&[&[1, 2, 3]], &[]);
    let wish = cluster.wish(&[1, 2]);
    assert_eq!(cluster.ask(2, wish.clone()), ErrorCode::INVALID_REQUEST);
    assert_eq!(cluster.ask(1, wish.clone()), ErrorCode::NONE);
    assert_eq!((cluster.state(), cluster.at().partition_epoch), ((1, vec![1, 2], vec![]), 1));
    assert_eq!(cluster.ask(1, wish.clone()), ErrorCode::INVALID_UPDATE_VERSION, "an epoch that is over");
    let mut newer = cluster.wish(&[1]);
    newer.partition_epoch += 1;
    assert_eq!(cluster.ask(1, newer), ErrorCode::NOT_CONTROLLER);
    cluster.lose(1);
    assert_eq!(cluster.ask(1, wish), ErrorCode::FENCED_LEADER_EPOCH);
    assert_eq!(cluster.state(), (2, vec![2], vec![]));
}

#[test]
fn an_isr_has_replicas_only_each_once_and_its_leader() {
    let mut cluster = Cluster::of(4);
    cluster.topic(&[&[1, 2, 3]], &[]);
    let before = cluster.image.offset;
    for isr in [&[1, 4][..], &[2, 3], &[1, 1], &[]] {
        assert_eq!(cluster.ask_isr(isr), ErrorCode::INVALID_REQUEST, "{isr:?}");
    }
    let mut missing = cluster.wish(&[1]);
    missing.partition_index = 7;
    assert_eq!(cluster.ask(1, missing), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(cluster.image.offset, before);
    assert_eq!(cluster.ask_isr(&[1, 2, 3]), ErrorCode::NONE);
    assert_eq!(cluster.image.offset, before, "what is so already needs no record");
}

#[test]
fn a_replica_of_another_life_does_not_join_the_isr() {
    let mut cluster = Cluster::of(3);
    cluster.topic(&[&[1, 2, 3]], &[]);
    assert_eq!(cluster.ask_isr(&[1, 3]), ErrorCode::NONE);
    let old = cluster.wish(&[1, 3, 2]);
    cluster.register(2, 2, -1).unwrap();
    let fenced = cluster.wish(&[1, 3, 2]);
    assert_eq!(cluster.ask(1, fenced), ErrorCode::INELIGIBLE_REPLICA);
    cluster.beat(2).unwrap();
    assert_eq!(cluster.ask(1, old), ErrorCode::INELIGIBLE_REPLICA);
    assert_eq!(cluster.ask_isr(&[1, 3, 2]), ErrorCode::NONE);
}

#[test]
fn wishes_without_epochs_or_topic_ids_are_understood() {
    use kinglet_protocol::messages::AlterPartitionRequest;
    use kinglet_protocol::messages::alter_partition::TopicData;
    let mut cluster = Cluster::of(2);
    cluster.topic(&[&[1, 2]], &[]);
    let mut wish = cluster.wish(&[]);
    wish.new_isr = vec![1];
    let topic = TopicData { topic_name: "t".to_owned(), partitions: vec![wish], ..Default::default() };
    let broker_epoch = cluster.broker(1).epoch;
    let mut request = AlterPartitionRequest { broker_id: 1, broker_epoch, topics: vec![topic] };
    let (records, answer) = cluster.controller().alter_partition(&request);
    assert_eq!(answer.unwrap()[0].partitions[0].error_code, ErrorCode::NONE);
    cluster.keep(&records);
    assert_eq!(cluster.at().isr, [1]);
    request.topics[0].topic_name = "nosuch".to_owned();
    let (_, answer) = cluster.controller().alter_partition(&request);
    assert_eq!(answer.unwrap()[0].partitions[0].error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    request.broker_epoch += 1;
    let (records, answer) = cluster.controller().alter_partition(&request);
    assert_eq!((records, answer.unwrap_err().code()), (Vec::new(), ErrorCode::STALE_BROKER_EPOCH));
}

#[test]
fn below_the_minimum_whoever_leaves_the_isr_stays_eligible() {
    let mut cluster = Cluster::of(3);
    cluster.topic(&[&[1, 2, 3]], &[("min.insync.replicas", "2")]);
    assert_eq!(cluster.ask_isr(&[1, 2]), ErrorCode::NONE);
    assert_eq!(cluster.state(), (1, vec![1, 2], vec![]), "3 left while acks went on");
    assert_eq!(cluster.ask_isr(&[1]), ErrorCode::NONE);
    assert_eq!(cluster.state(), (1, vec![1], vec![2]));
    cluster.lose(1);
    assert_eq!(cluster.state(), (2, vec![2], vec![1]), "nothing was acked without it");
    cluster.beat(1).unwrap();
    assert_eq!(cluster.ask_isr(&[2, 1]), ErrorCode::NONE);
    assert_eq!(cluster.state(), (2, vec![2, 1], vec![]));
}

#[test]
fn the_last_member_that_stopped_uncleanly_waits_for_one_that_is_eligible() {
    let mut cluster = Cluster::of(2);
    cluster.topic(&[&[1, 2]], &[("min.insync.replicas", "2")]);
    cluster.lose(2);
    assert_eq!(cluster.state(), (1, vec![1], vec![2]));
    cluster.register(1, 2, -1).unwrap();
    assert_eq!(cluster.state(), (-1, vec![2], vec![]), "2 has all that was acked");
    cluster.beat(1).unwrap();
    assert_eq!(cluster.at().leader, -1);
    cluster.beat(2).unwrap();
    assert_eq!(cluster.state(), (2, vec![2], vec![]));
}

#[test]
fn a_replica_that_restarts_uncleanly_is_eligible_no_more() {
    let mut cluster = Cluster::of(2);
    cluster.topic(&[&[1, 2]], &[("min.insync.replicas", "2")]);
    cluster.lose(2);
    cluster.register(2, 2, -1).unwrap();
    assert_eq!(cluster.state(), (1, vec![1], vec![]));
}

#[test]
fn another_minimum_forgets_who_was_eligible() {
    let mut cluster = Cluster::of(2);
    cluster.topic(&[&[1, 2]], &[("min.insync.replicas", "2")]);
    cluster.lose(2);
    cluster.alter_config("retention.ms", "5");
    assert_eq!(cluster.state(), (1, vec![1], vec![2]));
    cluster.alter_config("min.insync.replicas", "1");
    assert_eq!(cluster.state(), (1, vec![1], vec![]), "1 acks alone from now on");
    cluster.beat(2).unwrap();
    cluster.lose(1);
    assert_eq!(cluster.state(), (-1, vec![1], vec![]));
}

#[test]
fn an_unclean_election_is_allowed_by_the_topic_or_asked_for() {
    let mut cluster = Cluster::of(3);
    cluster.topic(&[&[1, 2, 3]], &[]);
    assert_eq!(cluster.ask_isr(&[1]), ErrorCode::NONE);
    cluster.lose(1);
    assert_eq!(cluster.state(), (-1, vec![1], vec![]));
    cluster.alter_config("unclean.leader.election.enable", "true");
    assert_eq!(cluster.state(), (2, vec![2], vec![]));
    assert!(cluster.at().is_recovering);
    let mut still = cluster.wish(&[2, 3]);
    still.leader_recovery_state = 1;
    assert_eq!(cluster.ask(2, still), ErrorCode::INVALID_REQUEST);
    assert_eq!(cluster.ask_isr(&[2, 3]), ErrorCode::NONE);
    assert!(!cluster.at().is_recovering, "the leader knows");
    cluster.lose(3);
    cluster.lose(2);
    assert_eq!(cluster.state(), (-1, vec![2], vec![]), "nobody is alive");
}

#[test]
fn a_leader_of_one_says_that_it_has_recovered() {
    let mut cluster = Cluster::of(2);
    cluster.topic(&[&[1, 2]], &[("unclean.leader.election.enable", "true")]);
    assert_eq!(cluster.ask_isr(&[1]), ErrorCode::NONE);
    cluster.lose(1);
    assert!(cluster.at().is_recovering);
    assert_eq!(cluster.ask_isr(&[2]), ErrorCode::NONE);
    assert!(!cluster.at().is_recovering);
}

#[test]
fn elections_by_request_have_kafkas_answers() {
    let mut cluster = Cluster::of(3);
    cluster.topic(&[&[1, 2], &[2, 3]], &[]);
    cluster.lose(1);
    let elect = |cluster: &mut Cluster, election, asked: Option<&[TopicPartitions]>| {
        let (records, results) = cluster.controller().elect_leaders(election, asked);
        cluster.keep(&records);
        let results = results.into_iter().flat_map(|topic| topic.partition_result);
        results.map(|result| (result.partition_id, result.error_code)).collect::<Vec<_>>()
    };
    let asked = [TopicPartitions { topic: "t".to_owned(), partitions: vec![0, 1, 2] }];
    let told = elect(&mut cluster, Election::Preferred, Some(&asked));
    let unknown = (2, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let unavailable = (0, ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE);
    assert_eq!(told, [unavailable, (1, ErrorCode::ELECTION_NOT_NEEDED), unknown]);
    cluster.beat(1).unwrap();
    assert_eq!(cluster.ask_isr(&[2, 1]), ErrorCode::NONE);
    assert_eq!(elect(&mut cluster, Election::Preferred, None), [(0, ErrorCode::NONE)]);
    assert_eq!(cluster.at().leader, 1);
    assert_eq!(cluster.ask_isr(&[1]), ErrorCode::NONE);
    cluster.lose(1);
    assert_eq!(elect(&mut cluster, Election::Unclean, None), [(0, ErrorCode::NONE)]);
    assert_eq!((cluster.state(), cluster.at().is_recovering), ((2, vec![2], vec![]), true));
    cluster.lose(2);
    let nobody = (0, ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE);
    assert_eq!(elect(&mut cluster, Election::Unclean, None), [nobody]);
}

#[test]
fn leaders_are_balanced_over_the_replicas_that_are_in_sync() {
    let mut cluster = Cluster::of(2);
    cluster.topic(&[&[1, 2], &[1, 2]], &[]);
    cluster.lose(1);
    cluster.beat(1).unwrap();
    assert_eq!(cluster.controller().balance(10), Vec::new(), "1 has not caught up");
    assert_eq!(cluster.ask_isr(&[2, 1]), ErrorCode::NONE);
    let records = cluster.controller().balance(10);
    cluster.keep(&records);
    let leaders: Vec<_> = cluster.image.topic("t").unwrap().partitions.iter().map(|p| p.leader).collect();
    assert_eq!(leaders, [1, 2]);
}

#[test]
fn a_dead_member_of_the_isr_does_not_hold_a_new_leader_up() {
    let mut cluster = Cluster::of(3);
    cluster.topic(&[&[1, 2, 3]], &[("min.insync.replicas", "3")]);
    cluster.lose(2);
    cluster.lose(3);
    assert_eq!(cluster.state(), (1, vec![1], vec![3, 2]));
    cluster.register_with(registration(1, 2, -1)).unwrap();
    assert_eq!(cluster.state(), (-1, vec![3, 2], vec![]));
    cluster.beat(3).unwrap();
    assert_eq!(cluster.state(), (3, vec![3], vec![2]));
    let stale = BrokerState { broker_id: 2, broker_epoch: -1 };
    let mut wish = cluster.wish(&[3]);
    wish.new_isr_with_epochs.push(stale);
    assert_eq!(cluster.ask(3, wish), ErrorCode::INELIGIBLE_REPLICA, "it is fenced, whatever its epoch");
}
