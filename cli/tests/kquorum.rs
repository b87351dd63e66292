//! `kquorum` as a process, against servers that say what a quorum would.

#[path = "../../client/tests/fake/mod.rs"]
mod fake;

use std::process::{Command, Output};

use fake::{Fake, Script};
use kinglet::protocol::ErrorCode;
use kinglet::protocol::messages::describe_cluster::DescribeClusterBroker;
use kinglet::protocol::messages::describe_quorum::{
    Listener, Node, PartitionDataResponse, ReplicaState, TopicDataResponse,
};
use kinglet::protocol::messages::{
    DescribeClusterRequest, DescribeClusterResponse, DescribeQuorumRequest, DescribeQuorumResponse,
};
use serde_json::Value;

/// Runs the tool while the servers answer.
async fn kquorum(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kquorum"));
    command.args(arguments).env_remove("KAFKA_LOG");
    tokio::task::spawn_blocking(move || command.output()).await.expect("it runs").expect("the tool starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// A quorum of the nodes 1 and 2 that the second one leads.
fn quorum(error_code: ErrorCode) -> DescribeQuorumResponse {
    let voter =
        |replica_id, log_end_offset| ReplicaState { replica_id, log_end_offset, ..Default::default() };
    let partition = PartitionDataResponse {
        error_code,
        leader_id: 2,
        leader_epoch: 4,
        high_watermark: 9,
        current_voters: vec![voter(1, 9), voter(2, 11)],
        ..Default::default()
    };
    let listener = Listener { name: "CONTROLLER".to_owned(), host: "h".to_owned(), port: 9093 };
    DescribeQuorumResponse {
        topics: vec![TopicDataResponse {
            topic_name: "__cluster_metadata".to_owned(),
            partitions: vec![partition],
        }],
        nodes: vec![Node { node_id: 2, listeners: vec![listener] }],
        ..Default::default()
    }
}

const STATUS: &str = "ClusterId:              c\nLeaderId:               2\nLeaderEpoch:            4\n\
    HighWatermark:          9\nMaxFollowerLag:         2\nMaxFollowerLagTimeMs:   -1\n\
    CurrentVoters:          [{\"id\": 1}, {\"id\": 2, \"endpoints\": [\"CONTROLLER://h:9093\"]}]\nCurrentObservers:       []\n";

fn cluster(request: &DescribeClusterRequest, wanted: i8) -> DescribeClusterResponse {
    let error_code =
        if request.endpoint_type == wanted { ErrorCode::NONE } else { ErrorCode::MISMATCHED_ENDPOINT_TYPE };
    DescribeClusterResponse { error_code, cluster_id: "c".to_owned(), ..Default::default() }
}

fn broker() -> Script {
    Script::default()
        .on::<DescribeClusterRequest>(1, |request| Some(cluster(&request, 1)))
        .on::<DescribeQuorumRequest>(2, |_| Some(quorum(ErrorCode::NONE)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_is_asked_for_the_quorum() {
    let fake = Fake::start(|_| broker()).await;
    let output = kquorum(&["--bootstrap-server", &fake.address, "describe", "--status"]).await;
    assert_eq!((text(&output.stdout), output.status.code()), (STATUS, Some(0)), "{}", text(&output.stderr));
    let output = kquorum(&["describe", "--replication", "-b", &fake.address, "-o", "json"]).await;
    let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!((&document["replicas"][0]["id"], &document["replicas"][1]["lag"]), (&2.into(), &2.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_controllers_the_active_one_is_asked_and_a_server_that_is_both_as_a_broker() {
    let active =
        Fake::start(|_| Script::default().on::<DescribeQuorumRequest>(2, |_| Some(quorum(ErrorCode::NONE))))
            .await;
    let (host, port) = active.address.rsplit_once(':').expect("host:port");
    let brokers = vec![DescribeClusterBroker {
        broker_id: 2,
        host: host.to_owned(),
        port: port.parse().expect("a port"),
        ..Default::default()
    }];
    let other = Fake::start(move |_| {
        Script::default()
            .on::<DescribeClusterRequest>(1, move |request| {
                Some(DescribeClusterResponse {
                    brokers: brokers.clone(),
                    controller_id: 2,
                    ..cluster(&request, 2)
                })
            })
            .on::<DescribeQuorumRequest>(2, |_| Some(quorum(ErrorCode::NOT_LEADER_OR_FOLLOWER)))
    })
    .await;
    let both = Fake::start(|_| broker()).await;
    for address in [&other.address, &both.address] {
        let output = kquorum(&["--bootstrap-controller", address, "describe", "--status"]).await;
        assert_eq!(
            (text(&output.stdout), output.status.code()),
            (STATUS, Some(0)),
            "{}",
            text(&output.stderr)
        );
    }
    assert_eq!((active.asked::<DescribeQuorumRequest>(), other.asked::<DescribeQuorumRequest>()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_on_stderr_with_its_code_and_an_old_broker_is_named_as_such() {
    let refusing = Fake::start(|_| {
        broker().on::<DescribeQuorumRequest>(2, |_| Some(quorum(ErrorCode::CLUSTER_AUTHORIZATION_FAILED)))
    })
    .await;
    let output = kquorum(&["-b", &refusing.address, "-o", "json", "describe", "--status"]).await;
    let error: Value = serde_json::from_slice(&output.stderr).expect("one JSON object");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert_eq!(error["error"]["code"], "CLUSTER_AUTHORIZATION_FAILED");

    let old = Fake::start(|_| {
        Script::default().on::<DescribeClusterRequest>(1, |request| Some(cluster(&request, 1)))
    })
    .await;
    let output = kquorum(&["-b", &old.address, "describe", "--replication"]).await;
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert!(text(&output.stderr).contains("has no DescribeQuorum: needs Kafka"), "{}", text(&output.stderr));
}
