//! How brokers come and go.

use std::time::Duration;

use kinglet_protocol::messages::BrokerHeartbeatRequest;

use super::cluster::{Cluster, TIMEOUT, heartbeat, registration};
use super::*;
use crate::meta::sessions::Sessions;

#[test]
fn a_broker_is_fenced_until_it_has_seen_its_registration() {
    let mut cluster = Cluster::of(0);
    let epoch = cluster.register(1, 1, -1).unwrap();
    assert_eq!((epoch, cluster.image.offset), (1, 2), "the offset of its record");
    assert!(cluster.broker(1).is_fenced);
    let behind = BrokerHeartbeatRequest { current_metadata_offset: epoch - 1, ..heartbeat(&cluster, 1) };
    let told = cluster.heartbeat(behind).unwrap();
    assert_eq!((told.is_caught_up, told.is_fenced), (false, true));
    let waits = BrokerHeartbeatRequest { want_fence: true, ..heartbeat(&cluster, 1) };
    let told = cluster.heartbeat(waits).unwrap();
    assert_eq!((told.is_caught_up, told.is_fenced), (true, true));
    assert!(!cluster.beat(1).unwrap().is_fenced);
    assert!(!cluster.broker(1).is_fenced);
}

#[test]
fn a_process_that_registers_again_is_told_the_same_epoch() {
    let mut cluster = Cluster::of(2);
    let (epoch, offset) = (cluster.broker(1).epoch, cluster.image.offset);
    assert_eq!(cluster.register(1, 1, epoch), Ok(epoch));
    assert_eq!((cluster.image.offset, cluster.broker(1).is_fenced), (offset, false));
}

#[test]
fn an_id_that_is_in_use_is_refused_until_the_session_is_over() {
    let mut cluster = Cluster::of(2);
    let mut other = registration(1, 2, -1);
    other.log_dirs = vec![Uuid([99; 16])];
    assert_eq!(cluster.register_with(other.clone()), Err(ErrorCode::DUPLICATE_BROKER_REGISTRATION));
    cluster.pass(TIMEOUT, &[2]);
    assert!(cluster.broker(1).is_fenced);
    assert!(cluster.register_with(other).is_ok());
}

#[test]
fn whoever_has_the_old_process_directory_is_its_successor_at_once() {
    let mut cluster = Cluster::of(1);
    let before = cluster.broker(1).epoch;
    let after = cluster.register(1, 2, before).unwrap();
    assert!(after > before && cluster.broker(1).is_fenced);
}

#[test]
fn registrations_that_cannot_be_are_refused() {
    let mut cluster = Cluster::of(0);
    let mut foreign = registration(1, 1, -1);
    foreign.cluster_id = "other".to_owned();
    assert_eq!(cluster.register_with(foreign), Err(ErrorCode::INCONSISTENT_CLUSTER_ID));
    let mut homeless = registration(1, 1, -1);
    homeless.log_dirs.clear();
    assert_eq!(cluster.register_with(homeless), Err(ErrorCode::INVALID_REGISTRATION));
    let mut twice = registration(1, 1, -1);
    twice.log_dirs.push(twice.log_dirs[0]);
    assert_eq!(cluster.register_with(twice), Err(ErrorCode::INVALID_REGISTRATION));
    let mut negative = registration(1, 1, -1);
    negative.broker_id = -1;
    assert_eq!(cluster.register_with(negative), Err(ErrorCode::INVALID_REGISTRATION));
    assert!(cluster.image.brokers.is_empty());
}

#[test]
fn heartbeats_of_the_unknown_and_of_the_past_change_nothing() {
    let mut cluster = Cluster::of(1);
    let before = cluster.image.offset;
    let unknown = BrokerHeartbeatRequest { broker_id: 5, ..heartbeat(&cluster, 1) };
    assert_eq!(cluster.heartbeat(unknown), Err(ErrorCode::BROKER_ID_NOT_REGISTERED));
    let stale = BrokerHeartbeatRequest { broker_epoch: 0, want_fence: true, ..heartbeat(&cluster, 1) };
    assert_eq!(cluster.heartbeat(stale), Err(ErrorCode::STALE_BROKER_EPOCH));
    assert_eq!(cluster.image.offset, before);
}

#[test]
fn a_session_that_ends_moves_leaders_and_shrinks_isrs() {
    let mut cluster = Cluster::of(3);
    cluster.topic(&[&[1, 2, 3], &[2, 1, 3]], &[]);
    cluster.create("lone", &[&[1]], &[]);
    cluster.pass(TIMEOUT, &[2, 3]);
    assert!(cluster.broker(1).is_fenced);
    let partitions = cluster.image.topic("t").unwrap().partitions.clone();
    let states: Vec<_> = partitions.iter().map(|p| (p.leader, p.isr.clone(), p.leader_epoch)).collect();
    assert_eq!(states[0], (2, vec![2, 3], 1));
    assert_eq!(states[1], (2, vec![2, 3], 0), "the leader stays");
    let lone = cluster.lone();
    assert_eq!((lone.leader, &lone.isr, lone.leader_epoch), (-1, &vec![1], 1), "the last member stays");
    cluster.beat(1).unwrap();
    let partitions = &cluster.image.topic("t").unwrap().partitions;
    assert_eq!((partitions[0].leader, &partitions[0].isr), (2, &vec![2, 3]), "it must catch up first");
    assert_eq!((cluster.lone().leader, cluster.lone().leader_epoch), (1, 2));
}

#[test]
fn a_controller_that_was_stopped_fences_nobody_for_what_it_did_not_hear() {
    let mut cluster = Cluster::of(2);
    cluster.now += TIMEOUT * 10;
    cluster.sessions.look(cluster.now);
    cluster.expire();
    assert!(!cluster.broker(1).is_fenced && !cluster.broker(2).is_fenced);
    cluster.pass(TIMEOUT, &[2]);
    assert_eq!((cluster.broker(1).is_fenced, cluster.broker(2).is_fenced), (true, false));
}

#[test]
fn a_process_that_is_known_to_be_dead_is_fenced_at_once() {
    let mut cluster = Cluster::of(2);
    cluster.topic(&[&[1, 2]], &[]);
    cluster.lose(1);
    assert_eq!(cluster.state(), (2, vec![2], vec![]));
    let offset = cluster.image.offset;
    cluster.lose(1);
    assert_eq!(cluster.image.offset, offset, "it is told twice");
    assert!(cluster.register_with(registration(1, 2, -1)).is_ok());
}

#[test]
fn an_unclean_restart_takes_a_broker_out_of_the_isrs() {
    let mut cluster = Cluster::of(3);
    cluster.topic(&[&[1, 2, 3]], &[]);
    cluster.create("lone", &[&[1]], &[]);
    cluster.register(1, 2, -1).unwrap();
    assert_eq!(cluster.state(), (2, vec![2, 3], vec![]));
    let lone = cluster.lone();
    assert_eq!((lone.leader, &lone.isr, &lone.last_known_elr), (-1, &vec![1], &vec![1]));
    cluster.beat(1).unwrap();
    let lone = cluster.lone();
    assert_eq!((lone.leader, lone.last_known_elr.is_empty()), (1, true), "nobody has more");
}

#[test]
fn when_each_who_had_everything_may_have_lost_some_the_last_leader_leads() {
    let mut cluster = Cluster::of(3);
    cluster.topic(&[&[1, 2, 3]], &[("min.insync.replicas", "2")]);
    cluster.lose(2);
    cluster.lose(3);
    assert_eq!(cluster.state(), (1, vec![1], vec![3]));
    cluster.lose(1);
    cluster.register(1, 2, -1).unwrap();
    assert_eq!(cluster.state(), (-1, vec![3], vec![]), "3 may come back with all that it had");
    cluster.register(3, 2, -1).unwrap();
    cluster.beat(3).unwrap();
    assert_eq!(cluster.state(), (-1, vec![1], vec![]), "it does not, and has less than 1 had");
    cluster.beat(1).unwrap();
    assert_eq!(cluster.state(), (1, vec![1], vec![]));
    assert!(cluster.at().last_known_elr.is_empty());
}

#[test]
fn a_clean_restart_keeps_the_last_replica() {
    let mut cluster = Cluster::of(2);
    cluster.topic(&[&[1, 2]], &[]);
    cluster.lose(2);
    let epoch = cluster.broker(1).epoch;
    cluster.register(1, 2, epoch).unwrap();
    assert_eq!(cluster.state(), (-1, vec![1], vec![]));
    assert_eq!(cluster.at().last_known_elr, [1]);
    cluster.beat(2).unwrap();
    assert_eq!(cluster.state(), (-1, vec![1], vec![]), "2 may lack records");
    cluster.beat(1).unwrap();
    assert_eq!(cluster.state(), (1, vec![1], vec![]));
}

#[test]
fn a_stop_in_order_moves_leaders_first_and_waits_for_the_others() {
    let mut cluster = Cluster::of(3);
    cluster.topic(&[&[1, 2, 3]], &[]);
    cluster.create("lone", &[&[1]], &[]);
    let stopping =
        |cluster: &Cluster| BrokerHeartbeatRequest { want_shut_down: true, ..heartbeat(cluster, 1) };
    let told = cluster.heartbeat(stopping(&cluster)).unwrap();
    assert_eq!((told.should_shut_down, cluster.broker(1).is_shutting_down), (false, true));
    assert_eq!(cluster.state(), (2, vec![2, 3], vec![]));
    let told = cluster.heartbeat(stopping(&cluster)).unwrap();
    assert!(!told.should_shut_down, "the others do not know the new leader yet");
    cluster.beat(2).unwrap();
    cluster.beat(3).unwrap();
    let told = cluster.heartbeat(stopping(&cluster)).unwrap();
    assert_eq!((told.should_shut_down, told.is_fenced), (true, true));
    let lone = cluster.lone();
    assert_eq!((lone.leader, &lone.isr), (-1, &vec![1]));
    let told = cluster.heartbeat(stopping(&cluster)).unwrap();
    assert!(told.should_shut_down, "the answer was lost");
}

#[test]
fn the_last_broker_may_stop_alone() {
    let mut cluster = Cluster::of(1);
    cluster.topic(&[&[1]], &[]);
    let stopping =
        |cluster: &Cluster| BrokerHeartbeatRequest { want_shut_down: true, ..heartbeat(cluster, 1) };
    assert!(!cluster.heartbeat(stopping(&cluster)).unwrap().should_shut_down);
    assert!(cluster.heartbeat(stopping(&cluster)).unwrap().should_shut_down);
}

#[test]
fn a_broker_that_is_unregistered_leads_nothing_and_is_no_more() {
    let mut cluster = Cluster::of(2);
    cluster.topic(&[&[1, 2]], &[]);
    let mut sessions = Sessions::new(Duration::from_secs(9), cluster.now);
    let (records, answer) = cluster.controller().unregister_broker(1, &mut sessions);
    assert_eq!(answer, Ok(()));
    cluster.keep(&records);
    assert_eq!((cluster.state(), cluster.image.broker(1).is_none()), ((2, vec![2], vec![]), true));
    let (records, answer) = cluster.controller().unregister_broker(1, &mut sessions);
    assert_eq!((records, answer), (Vec::new(), Err(Refusal::NotRegistered(1))));
}

#[test]
fn what_lies_in_a_failed_directory_is_led_by_others_and_the_rest_goes_on() {
    let mut cluster = Cluster::of(0);
    let with_two_dirs = |id: u8, life| {
        let mut request = registration(id.into(), life, -1);
        request.log_dirs.push(Uuid([50 + id; 16]));
        request
    };
    for id in [1, 2] {
        cluster.register_with(with_two_dirs(id, 1)).unwrap();
        cluster.beat(id.into()).unwrap();
    }
    cluster.topic(&[&[1, 2], &[1, 2]], &[]);
    let failed = cluster.at().dir_of(1);
    let beat = BrokerHeartbeatRequest { offline_log_dirs: vec![failed], ..heartbeat(&cluster, 1) };
    assert!(!cluster.heartbeat(beat).unwrap().is_fenced);
    let [gone, left] = &cluster.image.topic("t").unwrap().partitions[..] else { panic!("two partitions") };
    assert_ne!(left.dir_of(1), failed);
    assert_eq!((gone.leader, &gone.isr[..]), (2, &[2][..]));
    assert_eq!((left.leader, &left.isr[..]), (1, &[1, 2][..]));
    assert_eq!(cluster.image.offline(&cluster.at().clone()), [1]);

    // It is there, but does not have the partition.
    assert_eq!(cluster.ask_isr(&[2, 1]), ErrorCode::INELIGIBLE_REPLICA);
    let offset = cluster.image.offset;
    let again = BrokerHeartbeatRequest { offline_log_dirs: vec![failed], ..heartbeat(&cluster, 1) };
    cluster.heartbeat(again).unwrap();
    assert_eq!(cluster.image.offset, offset, "it is known");
    let mut from_snapshot = Image::default();
    keep(&mut from_snapshot, &cluster.image.to_records());
    assert_eq!(from_snapshot.brokers, cluster.image.brokers);

    cluster.register_with(with_two_dirs(1, 2)).unwrap();
    cluster.beat(1).unwrap();
    assert_eq!(cluster.ask_isr(&[2, 1]), ErrorCode::NONE, "the next process has a disk that works");
}
