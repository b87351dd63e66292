//! Partitions move to other brokers while they are written to.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use kinglet_broker::{Broker, Cluster, Config};
use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::alter_partition_reassignments::{ReassignablePartition, ReassignableTopic};
use kinglet_protocol::messages::create_topics::{CreatableReplicaAssignment, CreatableTopic};
use kinglet_protocol::messages::describe_log_dirs::DescribeLogDirsTopic;
use kinglet_protocol::messages::list_partition_reassignments::OngoingPartitionReassignment;
use kinglet_protocol::messages::{
    AlterPartitionReassignmentsRequest, DescribeLogDirsRequest, ListPartitionReassignmentsRequest,
};

use wire::{Wire, batch, eventually, now_ms};

/// A partition as Metadata tells it.
#[derive(Debug, PartialEq, Eq)]
struct Shape {
    leader: i32,
    replicas: Vec<i32>,
    /// Sorted.
    isr: Vec<i32>,
}

fn shape(wire: &mut Wire, partition: usize) -> Shape {
    let at = wire.metadata("t").topics.remove(0).partitions.remove(partition);
    let mut isr = at.isr_nodes;
    isr.sort_unstable();
    Shape { leader: at.leader_id, replicas: at.replica_nodes, isr }
}

fn create(wire: &mut Wire, partitions: &[&[i32]]) {
    let assignment = |(partition_index, brokers): (i32, &&[i32])| CreatableReplicaAssignment {
        partition_index,
        broker_ids: brokers.to_vec(),
    };
    let topic = CreatableTopic {
        name: "t".to_owned(),
        num_partitions: -1,
        replication_factor: -1,
        assignments: (0..).zip(partitions).map(assignment).collect(),
        ..Default::default()
    };
    assert_eq!(wire.create_as(topic).error_code, ErrorCode::NONE);
}

fn reassign(wire: &mut Wire, wishes: &[(i32, Option<&[i32]>)]) -> Vec<(ErrorCode, Option<String>)> {
    let wish = |&(partition_index, replicas): &(i32, Option<&[i32]>)| ReassignablePartition {
        partition_index,
        replicas: replicas.map(<[i32]>::to_vec),
    };
    let topic = ReassignableTopic { name: "t".to_owned(), partitions: wishes.iter().map(wish).collect() };
    let request = AlterPartitionReassignmentsRequest { topics: vec![topic], ..Default::default() };
    let mut response = wire.call(&request, 1);
    // Who was the controller may have been killed.
    eventually("there is a controller", || {
        if response.error_code == ErrorCode::NOT_CONTROLLER {
            response = wire.call(&request, 1);
        }
        response.error_code == ErrorCode::NONE
    });
    let told = response.responses.into_iter().flat_map(|topic| topic.partitions);
    told.map(|partition| (partition.error_code, partition.error_message)).collect()
}

fn ongoing(wire: &mut Wire) -> Vec<OngoingPartitionReassignment> {
    let response = wire.call(&ListPartitionReassignmentsRequest::default(), 0);
    assert_eq!(response.error_code, ErrorCode::NONE);
    response.topics.into_iter().flat_map(|topic| topic.partitions).collect()
}

/// What a broker has on its disks.
fn on_disk(wire: &mut Wire) -> Vec<DescribeLogDirsTopic> {
    let response = wire.call(&DescribeLogDirsRequest { topics: None }, 4);
    response.results.into_iter().flat_map(|dir| dir.topics).collect()
}

/// As long as the leader moves, a client asks again.
fn produce(wire: &mut Wire) {
    eventually("a record is taken", || wire.produce("t", batch(now_ms(), 200)).error_code == ErrorCode::NONE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_broker_takes_over_what_another_one_had() {
    let cluster = Cluster::start(3).await.unwrap();
    let mut first = Wire::to(cluster.broker(1).unwrap());
    create(&mut first, &[&[1, 2, 3], &[2, 3, 1]]);
    (0..20).for_each(|_| produce(&mut first));

    let mut config = Config::default();
    for (key, value) in [
        ("node.id", "4"),
        ("process.roles", "broker"),
        ("controller.quorum.bootstrap.servers", cluster.bootstrap()),
    ] {
        config.set(key, value).unwrap();
    }
    config.set_port(0);
    config.set_ephemeral().unwrap();
    let fourth = Broker::start(config).await.unwrap();
    let mut wire = Wire::to(&fourth);
    assert_eq!(on_disk(&mut wire), []);
    // Asked of one that is not the controller.
    let moves: [(i32, Option<&[i32]>); 2] = [(0, Some(&[4, 2, 3])), (1, Some(&[2, 3, 4]))];
    assert_eq!(reassign(&mut wire, &moves), [(ErrorCode::NONE, None), (ErrorCode::NONE, None)]);
    eventually("the new replicas are in sync and the old ones gone", || {
        // Nobody hears of the end before it is one.
        ongoing(&mut wire).is_empty() && shape(&mut wire, 1).replicas == [2, 3, 4]
    });
    let moved = Shape { leader: 4, replicas: vec![4, 2, 3], isr: vec![2, 3, 4] };
    eventually("the preferred replica leads", || shape(&mut wire, 0) == moved);
    eventually("nothing is lost on the way", || wire.offset("t", -1) == 20);
    eventually("the drained broker has deleted its replicas", || on_disk(&mut first).is_empty());
    let mut partitions: Vec<_> = on_disk(&mut wire).into_iter().flat_map(|topic| topic.partitions).collect();
    partitions.sort_by_key(|partition| partition.partition_index);
    assert_eq!(
        partitions.iter().map(|at| (at.partition_index, at.offset_lag)).collect::<Vec<_>>(),
        [(0, 0), (1, 0)]
    );
    assert!(partitions[0].partition_size > 20 * 200, "{partitions:?}");

    let mut cluster = cluster;
    cluster.stop(1).await.unwrap();
    (0..5).for_each(|_| produce(&mut wire));
    eventually("all of them are there", || wire.offset("t", -1) == 25);
    fourth.shutdown().await.unwrap();
    cluster.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reassignment_that_cannot_end_is_listed_and_taken_back() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let mut wire = Wire::to(cluster.broker(1).unwrap());
    create(&mut wire, &[&[1, 2]]);
    produce(&mut wire);
    cluster.kill(3).await;
    assert_eq!(reassign(&mut wire, &[(0, Some(&[3, 1]))]), [(ErrorCode::NONE, None)]);
    let expected = OngoingPartitionReassignment {
        partition_index: 0,
        replicas: vec![3, 1, 2],
        adding_replicas: vec![3],
        removing_replicas: vec![2],
    };
    assert_eq!(ongoing(&mut wire), [expected]);
    assert_eq!(shape(&mut wire, 0), Shape { leader: 1, replicas: vec![3, 1, 2], isr: vec![1, 2] });
    assert_eq!(reassign(&mut wire, &[(0, None)]), [(ErrorCode::NONE, None)]);
    assert_eq!((ongoing(&mut wire), shape(&mut wire, 0).replicas), (vec![], vec![1, 2]));
    let none = "No partition reassignment is in progress.".to_owned();
    assert_eq!(reassign(&mut wire, &[(0, None)]), [(ErrorCode::NO_REASSIGNMENT_IN_PROGRESS, Some(none))]);
    produce(&mut wire);
    cluster.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broker_lost_while_it_was_down_goes_when_it_is_back() {
    let mut cluster = Cluster::start(3).await.unwrap();
    let mut wire = Wire::to(cluster.broker(1).unwrap());
    create(&mut wire, &[&[1, 2, 3]]);
    produce(&mut wire);
    cluster.kill(3).await;
    assert_eq!(reassign(&mut wire, &[(0, Some(&[1, 2]))]), [(ErrorCode::NONE, None)]);
    eventually("3 is no replica any more", || shape(&mut wire, 0).replicas == [1, 2]);
    cluster.restart(3).await.unwrap();
    let mut third = Wire::to(cluster.broker(3).unwrap());
    let dirs = third.call(&DescribeLogDirsRequest { topics: None }, 4).results;
    let partition = std::path::Path::new(&dirs[0].log_dir).join("t-0");
    eventually("its files are gone", || !partition.exists() && on_disk(&mut third).is_empty());
    cluster.shutdown().await.unwrap();
}
