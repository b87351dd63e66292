//! A controller that is nothing else, and brokers that are nothing else: who is asked what, and what each says of the others.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use std::net::{Ipv4Addr, TcpListener};

use kinglet_broker::Handle;
use kinglet_protocol::messages::create_topics::CreatableTopic;
use kinglet_protocol::messages::describe_quorum::{PartitionData, ReplicaState, TopicData};
use kinglet_protocol::messages::{
    ApiVersionsRequest, DescribeClusterRequest, DescribeClusterResponse, DescribeQuorumRequest,
    MetadataRequest,
};
use kinglet_protocol::{ApiKey, ErrorCode};

use wire::{Wire, eventually, start};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Controller 11, and brokers 1 and 2.
struct Apart {
    controller: Handle,
    port: u16,
    brokers: Vec<Handle>,
}

impl Apart {
    async fn start() -> Self {
        // The controller's port must be known in advance.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let quorum = format!("controller.quorum.bootstrap.servers=localhost:{port}");
        let controller = start(&format!(
            "node.id=11\nprocess.roles=controller\nlisteners=CONTROLLER://localhost:{port}\n\
             controller.listener.names=CONTROLLER\n{quorum}"
        ))
        .await;
        let mut brokers = Vec::new();
        for id in [1, 2] {
            let names = "controller.listener.names=CONTROLLER";
            brokers.push(start(&format!("node.id={id}\nprocess.roles=broker\n{names}\n{quorum}")).await);
        }
        Self { controller, port, brokers }
    }

    async fn stop(self) {
        for broker in self.brokers {
            broker.shutdown().await.unwrap();
        }
        self.controller.shutdown().await.unwrap();
    }
}

fn described(wire: &mut Wire, endpoint_type: i8) -> DescribeClusterResponse {
    wire.call(&DescribeClusterRequest { endpoint_type, ..Default::default() }, 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_answers_brokers_and_administrators_and_hangs_up_on_clients() {
    let apart = Apart::start().await;
    let mut wire = Wire::to(&apart.controller);
    let advertised = wire.call(&ApiVersionsRequest::default(), 0).api_keys;
    let is_advertised = |key: ApiKey| advertised.iter().any(|row| row.api_key == key.0);
    for key in [
        ApiKey::API_VERSIONS,
        ApiKey::BROKER_REGISTRATION,
        ApiKey::BROKER_HEARTBEAT,
        ApiKey::ALTER_PARTITION,
        ApiKey::CREATE_TOPICS,
        ApiKey::DESCRIBE_QUORUM,
        ApiKey::DESCRIBE_CLUSTER,
    ] {
        assert!(is_advertised(key), "{key}");
    }
    for key in [ApiKey::PRODUCE, ApiKey::FETCH, ApiKey::METADATA, ApiKey::FIND_COORDINATOR] {
        assert!(!is_advertised(key), "{key}");
    }
    assert!(wire.try_call(&MetadataRequest::default(), 12).is_err());
    assert!(wire.is_closed());

    let mut wire = Wire::to(&apart.controller);
    let controllers = described(&mut wire, CONTROLLERS);
    assert_eq!((controllers.error_code, controllers.controller_id), (ErrorCode::NONE, 11));
    let nodes = controllers.brokers.iter().map(|node| (node.broker_id, node.port));
    assert_eq!(nodes.collect::<Vec<_>>(), [(11, i32::from(apart.port))]);
    assert_eq!(described(&mut wire, BROKERS).error_code, ErrorCode::MISMATCHED_ENDPOINT_TYPE);
    let topic = CreatableTopic {
        name: "by-the-controller".to_owned(),
        num_partitions: 2,
        replication_factor: 2,
        ..Default::default()
    };
    assert_eq!(wire.create_as(topic).error_code, ErrorCode::NONE);
    apart.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_observe_the_quorum_keep_the_partitions_and_are_all_that_clients_see() {
    let apart = Apart::start().await;
    let mut wire = Wire::to(&apart.brokers[1]);
    let topic = CreatableTopic {
        name: "t".to_owned(),
        num_partitions: 2,
        replication_factor: 2,
        ..Default::default()
    };
    assert_eq!(wire.create_as(topic).error_code, ErrorCode::NONE);
    let metadata = wire.metadata("t");
    assert_eq!(metadata.brokers.iter().map(|broker| broker.node_id).collect::<Vec<_>>(), [1, 2]);
    assert!([1, 2].contains(&metadata.controller_id), "clients reach brokers alone");
    for partition in &metadata.topics[0].partitions {
        let mut replicas = partition.replica_nodes.clone();
        replicas.sort_unstable();
        assert_eq!(replicas, [1, 2]);
        assert!(replicas.contains(&partition.leader_id));
    }
    let brokers = described(&mut wire, BROKERS);
    assert_eq!(brokers.brokers.iter().map(|node| node.broker_id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(described(&mut wire, CONTROLLERS).error_code, ErrorCode::MISMATCHED_ENDPOINT_TYPE);

    let ids = |replicas: &[ReplicaState]| {
        let mut ids: Vec<i32> = replicas.iter().map(|replica| replica.replica_id).collect();
        ids.sort_unstable();
        ids
    };
    let topic = TopicData {
        topic_name: "__cluster_metadata".to_owned(),
        partitions: vec![PartitionData { partition_index: 0 }],
    };
    let request = DescribeQuorumRequest { topics: vec![topic] };
    eventually("both brokers observe", || {
        let told = wire.call(&request, 2);
        let quorum = &told.topics[0].partitions[0];
        let node = &told.nodes[0];
        assert_eq!((quorum.leader_id, ids(&quorum.current_voters)), (11, vec![11]));
        assert_eq!((node.listeners[0].name.as_str(), node.listeners[0].port), ("CONTROLLER", apart.port));
        ids(&quorum.observers) == [1, 2]
    });
    apart.stop().await;
}
