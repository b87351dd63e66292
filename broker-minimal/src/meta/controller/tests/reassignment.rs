//! Partitions that get other replicas: in steps, never without somebody who has everything.

use kinglet_protocol::messages::AlterPartitionReassignmentsRequest;
use kinglet_protocol::messages::alter_partition_reassignments::{ReassignablePartition, ReassignableTopic};

use super::cluster::Cluster;
use super::*;

type Told = Result<(), (ErrorCode, String)>;

fn request(topic: &str, wishes: &[(i32, Option<&[i32]>)]) -> AlterPartitionReassignmentsRequest {
    let wish = |&(partition_index, replicas): &(i32, Option<&[i32]>)| ReassignablePartition {
        partition_index,
        replicas: replicas.map(<[i32]>::to_vec),
    };
    let topic = ReassignableTopic { name: topic.to_owned(), partitions: wishes.iter().map(wish).collect() };
    AlterPartitionReassignmentsRequest { topics: vec![topic], ..Default::default() }
}

fn ask(cluster: &mut Cluster, request: &AlterPartitionReassignmentsRequest) -> Vec<Told> {
    let (records, answers) = cluster.controller().reassign(request);
    cluster.keep(&records);
    let told = answers.into_iter().flat_map(|topic| topic.partitions).map(|answer| match answer.error_code {
        ErrorCode::NONE => Ok(()),
        code => Err((code, answer.error_message.unwrap())),
    });
    told.collect()
}

fn move_to(cluster: &mut Cluster, replicas: &[i32]) {
    assert_eq!(ask(cluster, &request("t", &[(0, Some(replicas))])), [Ok(())]);
}

fn cancel(cluster: &mut Cluster) -> Told {
    ask(cluster, &request("t", &[(0, None)])).remove(0)
}

/// Replicas, those that come, those that go.
fn shape(cluster: &Cluster) -> (Vec<i32>, Vec<i32>, Vec<i32>) {
    let at = cluster.at();
    assert_eq!(at.dirs.len(), at.replicas.len());
    for (replica, dir) in at.replicas.iter().zip(&at.dirs) {
        assert_eq!(*dir, Uuid([u8::try_from(*replica).unwrap(); 16]), "a replica lies on its broker's disk");
    }
    (at.replicas.clone(), at.adding.clone(), at.removing.clone())
}

#[test]
fn replicas_go_when_those_that_come_are_in_sync() {
    let mut cluster = Cluster::of(4);
    cluster.topic(&[&[1, 2, 3]], &[]);
    let epoch = cluster.at().leader_epoch;
    move_to(&mut cluster, &[4, 2, 3]);
    assert_eq!(shape(&cluster), (vec![4, 2, 3, 1], vec![4], vec![1]));
    assert_eq!((cluster.at().leader, cluster.at().leader_epoch), (1, epoch), "the leader goes on");
    assert_eq!(cluster.ask_isr(&[1, 2]), ErrorCode::NONE);
    assert_eq!(cluster.ask_isr(&[1, 2, 4]), ErrorCode::NONE);
    assert_eq!(shape(&cluster).2, [1], "3 is not in sync");
    assert_eq!(cluster.ask_isr(&[1, 2, 4, 3]), ErrorCode::NEW_LEADER_ELECTED);
    assert_eq!(shape(&cluster), (vec![4, 2, 3], vec![], vec![]));
    assert_eq!(cluster.state(), (4, vec![2, 4, 3], vec![]));
}

#[test]
fn a_leader_that_stays_begins_an_epoch_when_a_replica_goes() {
    let mut cluster = Cluster::of(4);
    cluster.topic(&[&[1, 2, 3]], &[]);
    let epoch = cluster.at().leader_epoch;
    move_to(&mut cluster, &[1, 2, 4]);
    assert_eq!(cluster.ask_isr(&[1, 2, 3, 4]), ErrorCode::NONE);
    assert_eq!(shape(&cluster), (vec![1, 2, 4], vec![], vec![]));
    assert_eq!((cluster.at().leader, cluster.at().leader_epoch), (1, epoch + 1));
}

#[test]
fn what_needs_nobody_new_is_done_at_once() {
    let mut cluster = Cluster::of(3);
    cluster.topic(&[&[1, 2, 3]], &[("min.insync.replicas", "2")]);
    move_to(&mut cluster, &[3, 1, 2]);
    assert_eq!((shape(&cluster).0, cluster.state().0), (vec![3, 1, 2], 1), "another order alone");
    let epoch = cluster.at().leader_epoch;
    move_to(&mut cluster, &[3]);
    assert_eq!(shape(&cluster), (vec![3], vec![], vec![]));
    assert_eq!(cluster.state(), (3, vec![3], vec![]));
    assert_eq!(cluster.at().leader_epoch, epoch + 1);
    let before = cluster.image.offset;
    move_to(&mut cluster, &[3]);
    assert_eq!(cluster.image.offset, before, "what is so already needs no record");
}

#[test]
fn a_reassignment_is_taken_back() {
    let mut cluster = Cluster::of(4);
    cluster.topic(&[&[1, 2]], &[]);
    let none =
        (ErrorCode::NO_REASSIGNMENT_IN_PROGRESS, "No partition reassignment is in progress.".to_owned());
    assert_eq!(cancel(&mut cluster), Err(none));
    move_to(&mut cluster, &[3, 4]);
    assert_eq!(cluster.ask_isr(&[1, 2, 3]), ErrorCode::NONE);
    assert_eq!(cancel(&mut cluster), Ok(()));
    assert_eq!(shape(&cluster), (vec![1, 2], vec![], vec![]));
    assert_eq!(cluster.state(), (1, vec![1, 2], vec![]));
}

#[test]
fn another_aim_forgets_what_the_first_one_added() {
    let mut cluster = Cluster::of(5);
    cluster.topic(&[&[1, 2]], &[]);
    move_to(&mut cluster, &[3, 4]);
    move_to(&mut cluster, &[3, 5]);
    assert_eq!(shape(&cluster), (vec![3, 5, 1, 2, 4], vec![3, 5], vec![1, 2, 4]));
    move_to(&mut cluster, &[1, 2]);
    assert_eq!(shape(&cluster), (vec![1, 2], vec![], vec![]), "the way back is short");
}

#[test]
fn taking_back_does_not_lose_what_only_new_replicas_have() {
    let mut cluster = Cluster::of(3);
    cluster.topic(&[&[1]], &[]);
    move_to(&mut cluster, &[2, 3]);
    assert_eq!(cluster.ask_isr(&[1, 2]), ErrorCode::NONE);
    cluster.lose(1);
    assert_eq!(cluster.state(), (2, vec![2], vec![]));
    let (code, message) = cancel(&mut cluster).unwrap_err();
    assert_eq!(code, ErrorCode::INVALID_REPLICA_ASSIGNMENT);
    let unclean =
        "Unable to revert partition assignment for t:0 because it would require an unclean leader election.";
    assert_eq!(message, unclean);
    cluster.alter_config("unclean.leader.election.enable", "true");
    assert_eq!(cancel(&mut cluster), Ok(()));
    assert_eq!((shape(&cluster).0, cluster.state()), (vec![1], (-1, vec![1], vec![])));
    cluster.beat(1).unwrap();
    assert_eq!(cluster.state(), (1, vec![1], vec![]));
}

#[test]
fn a_reassignment_ends_also_when_a_broker_goes() {
    let mut cluster = Cluster::of(4);
    cluster.topic(&[&[1, 2]], &[]);
    move_to(&mut cluster, &[3, 2]);
    assert_eq!(cluster.ask_isr(&[1]), ErrorCode::NONE);
    assert_eq!(cluster.ask_isr(&[1, 3]), ErrorCode::NONE);
    cluster.lose(1);
    assert_eq!((shape(&cluster).2, cluster.state()), (vec![1], (3, vec![3], vec![])));
    assert_eq!(cluster.ask_isr(&[3, 2]), ErrorCode::NONE);
    assert_eq!(shape(&cluster), (vec![3, 2], vec![], vec![]));
}

#[test]
fn what_cannot_be_is_refused_in_kafkas_words() {
    let mut cluster = Cluster::of(2);
    cluster.topic(&[&[1, 2]], &[]);
    let mut refused =
        |wishes: &[(i32, Option<&[i32]>)]| ask(&mut cluster, &request("t", wishes)).remove(0).unwrap_err();
    let assignment = |text: &str| {
        (ErrorCode::INVALID_REPLICA_ASSIGNMENT, format!("The manual partition assignment includes {text}"))
    };
    assert_eq!(refused(&[(0, Some(&[]))]), assignment("an empty replica list."));
    assert_eq!(refused(&[(0, Some(&[1, 1]))]), assignment("the broker 1 more than once."));
    assert_eq!(refused(&[(0, Some(&[1, 9]))]), assignment("broker 9, but no such broker is registered."));
    let unknown = |text: &str| (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, text.to_owned());
    assert_eq!(refused(&[(7, Some(&[1]))]), unknown("Unable to find partition t:7."));
    let other = ask(&mut cluster, &request("nosuch", &[(0, None)])).remove(0);
    assert_eq!(other, Err(unknown("Unable to find a topic named nosuch.")));
    let same_factor = AlterPartitionReassignmentsRequest {
        allow_replication_factor_change: false,
        ..request("t", &[(0, Some(&[2])), (0, Some(&[2, 1]))])
    };
    let factor = "The replication factor is changed from 2 to 1".to_owned();
    assert_eq!(
        ask(&mut cluster, &same_factor),
        [Err((ErrorCode::INVALID_REPLICATION_FACTOR, factor)), Ok(())]
    );
    assert_eq!(cluster.at().replicas, [2, 1]);
}
