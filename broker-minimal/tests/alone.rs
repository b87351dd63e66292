//! What a broker that is a cluster of its own says of its quorum, its leaders and its brokers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use kinglet_protocol::messages::describe_quorum::{PartitionData, TopicData};
use kinglet_protocol::messages::elect_leaders::TopicPartitions;
use kinglet_protocol::messages::{
    AllocateProducerIdsRequest, AlterPartitionRequest, ApiVersionsRequest, BrokerHeartbeatRequest,
    BrokerRegistrationRequest, DescribeQuorumRequest, ElectLeadersRequest, UnregisterBrokerRequest,
};
use kinglet_protocol::{ApiKey, ErrorCode};

use wire::{Wire, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_brokers_ask_is_not_advertised() {
    let broker = start("").await;
    let advertised = Wire::to(&broker).call(&ApiVersionsRequest::default(), 0).api_keys;
    let is_advertised = |key: ApiKey| advertised.iter().any(|row| row.api_key == key.0);
    for key in [ApiKey::ELECT_LEADERS, ApiKey::DESCRIBE_QUORUM, ApiKey::UNREGISTER_BROKER] {
        assert!(is_advertised(key), "{key}");
    }
    for key in [
        ApiKey::ALTER_PARTITION,
        ApiKey::BROKER_REGISTRATION,
        ApiKey::BROKER_HEARTBEAT,
        ApiKey::ALLOCATE_PRODUCER_IDS,
    ] {
        assert!(!is_advertised(key), "{key}");
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quorum_is_this_broker() {
    let broker = start("node.id=7").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    let topic = |topic_name: &str, partition_index| TopicData {
        topic_name: topic_name.to_owned(),
        partitions: vec![PartitionData { partition_index }],
    };
    let topics = vec![topic("__cluster_metadata", 0), topic("__cluster_metadata", 1), topic("t", 0)];
    for version in 0..=2 {
        let told = wire.call(&DescribeQuorumRequest { topics: topics.clone() }, version);
        assert_eq!(told.error_code, ErrorCode::NONE);
        let quorum = &told.topics[0].partitions[0];
        assert_eq!((quorum.error_code, quorum.leader_id, quorum.observers.len()), (ErrorCode::NONE, 7, 0));
        assert_eq!(quorum.current_voters.iter().map(|voter| voter.replica_id).collect::<Vec<_>>(), [7]);
        // The log's beginning, this broker, a topic and its partition.
        assert_eq!((quorum.high_watermark, quorum.current_voters[0].log_end_offset), (4, 4));
        for unknown in &told.topics[1..] {
            assert_eq!(unknown.partitions[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        let nodes: Vec<_> = told.nodes.iter().map(|node| (node.node_id, node.listeners[0].port)).collect();
        let here = (7, broker.addrs()[0].port());
        assert_eq!(nodes, if version < 2 { vec![] } else { vec![here] });
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn elections_find_the_one_replica_leading() {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    let asked = vec![TopicPartitions { topic: "t".to_owned(), partitions: vec![0, 9] }];
    for version in 0..=2 {
        let request = ElectLeadersRequest { topic_partitions: Some(asked.clone()), ..Default::default() };
        let told = wire.call(&request, version).replica_election_results.remove(0);
        let codes: Vec<_> = told.partition_result.iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [ErrorCode::ELECTION_NOT_NEEDED, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);
    }
    let everything = ElectLeadersRequest { topic_partitions: None, ..Default::default() };
    assert!(wire.call(&everything, 2).replica_election_results.is_empty());
    let unknown = ElectLeadersRequest { election_type: 5, ..everything };
    assert_eq!(wire.call(&unknown, 2).error_code, ErrorCode::INVALID_REQUEST);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_joins_or_leaves() {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    let unregister =
        |wire: &mut Wire, broker_id| wire.call(&UnregisterBrokerRequest { broker_id }, 0).error_code;
    assert_eq!(unregister(&mut wire, 1), ErrorCode::INVALID_REQUEST);
    assert_eq!(unregister(&mut wire, 2), ErrorCode::BROKER_ID_NOT_REGISTERED);
    let stranger = BrokerRegistrationRequest {
        broker_id: 2,
        cluster_id: broker.cluster_id().to_owned(),
        ..Default::default()
    };
    assert_eq!(wire.call(&stranger, 4).error_code, ErrorCode::INVALID_REQUEST);
    let heartbeat = BrokerHeartbeatRequest { broker_id: 2, broker_epoch: 0, ..Default::default() };
    assert_eq!(wire.call(&heartbeat, 2).error_code, ErrorCode::BROKER_ID_NOT_REGISTERED);
    let stale = AlterPartitionRequest { broker_id: 1, broker_epoch: 99, ..Default::default() };
    assert_eq!(wire.call(&stale, 3).error_code, ErrorCode::STALE_BROKER_EPOCH);
    let ids = AllocateProducerIdsRequest { broker_id: 1, broker_epoch: 1 };
    let told = wire.call(&ids, 0);
    assert_eq!((told.error_code, told.producer_id_start, told.producer_id_len), (ErrorCode::NONE, 0, 1000));
    wire.create("t", &[]);
    broker.shutdown().await.unwrap();
}
