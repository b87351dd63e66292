//! What is set while brokers run: it holds at once, outlives them, and what cannot be is refused as by Kafka.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use kinglet_broker::Cluster;
use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::alter_configs as whole;
use kinglet_protocol::messages::alter_partition_reassignments::{ReassignablePartition, ReassignableTopic};
use kinglet_protocol::messages::create_topics::{CreatableReplicaAssignment, CreatableTopic};
use kinglet_protocol::messages::describe_configs::{DescribeConfigsResource, DescribeConfigsResourceResult};
use kinglet_protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use kinglet_protocol::messages::{
    AlterConfigsRequest, AlterPartitionReassignmentsRequest, DescribeConfigsRequest, DescribeLogDirsRequest,
    IncrementalAlterConfigsRequest, ListPartitionReassignmentsRequest,
};

use wire::{Wire, batch, eventually, now_ms, start};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const LOGGERS: i8 = 8;
const SET: i8 = 0;
const DELETE: i8 = 1;

/// Where a value comes from, in Kafka's numbers.
const OF_TOPIC: i8 = 1;
const OF_BROKER: i8 = 2;
const OF_ALL_BROKERS: i8 = 3;
const OF_FILE: i8 = 4;

type Told = (ErrorCode, Option<String>);

fn change(wire: &mut Wire, resource: (i8, &str), operation: i8, entries: &[(&str, &str)]) -> Told {
    let change = |&(name, value): &(&str, &str)| AlterableConfig {
        name: name.to_owned(),
        config_operation: operation,
        value: (operation != DELETE).then(|| value.to_owned()),
    };
    let (resource_type, name) = resource;
    let configs = entries.iter().map(change).collect();
    let resource = AlterConfigsResource { resource_type, resource_name: name.to_owned(), configs };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let answer = wire.call(&request, 1).responses.remove(0);
    (answer.error_code, answer.error_message)
}

fn set(wire: &mut Wire, resource: (i8, &str), entries: &[(&str, &str)]) {
    assert_eq!(change(wire, resource, SET, entries), (ErrorCode::NONE, None));
}

fn describe(
    wire: &mut Wire,
    (resource_type, name): (i8, &str),
    key: &str,
) -> Option<DescribeConfigsResourceResult> {
    let resource = DescribeConfigsResource {
        resource_type,
        resource_name: name.to_owned(),
        configuration_keys: Some(vec![key.to_owned()]),
    };
    let request =
        DescribeConfigsRequest { resources: vec![resource], include_synonyms: true, ..Default::default() };
    let mut result = wire.call(&request, 4).results.remove(0);
    assert_eq!(result.error_code, ErrorCode::NONE, "{:?}", result.error_message);
    result.configs.pop()
}

/// Value and source.
fn told(wire: &mut Wire, resource: (i8, &str), key: &str) -> Option<(String, i8)> {
    let entry = describe(wire, resource, key)?;
    Some((entry.value?, entry.config_source))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_at_run_time_holds_at_once_and_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let file = format!("log.dirs={}\nmessage.max.bytes=5000", data.path().display());
    let broker = start(&file).await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    let large = || batch(now_ms(), 3000);
    assert_eq!(wire.produce("t", large()).error_code, ErrorCode::NONE);

    set(&mut wire, (BROKER, ""), &[("message.max.bytes", "2000")]);
    assert_eq!(wire.produce("t", large()).error_code, ErrorCode::MESSAGE_TOO_LARGE);
    set(&mut wire, (BROKER, "1"), &[("message.max.bytes", "4000")]);
    assert_eq!(wire.produce("t", large()).error_code, ErrorCode::NONE);
    let synonyms = |wire: &mut Wire| {
        let entry = describe(wire, (BROKER, "1"), "message.max.bytes").unwrap();
        assert!(!entry.read_only);
        entry.synonyms.iter().map(|s| (s.value.clone().unwrap(), s.source)).collect::<Vec<_>>()
    };
    let expected = [("4000", OF_BROKER), ("2000", OF_ALL_BROKERS), ("5000", OF_FILE), ("1048588", 5)];
    assert_eq!(synonyms(&mut wire), expected.map(|(value, source)| (value.to_owned(), source)));
    assert_eq!(told(&mut wire, (BROKER, ""), "message.max.bytes"), Some(("2000".to_owned(), OF_ALL_BROKERS)));
    assert_eq!(told(&mut wire, (TOPIC, "t"), "max.message.bytes"), Some(("4000".to_owned(), OF_BROKER)));
    set(&mut wire, (TOPIC, "t"), &[("max.message.bytes", "1000")]);
    assert_eq!(told(&mut wire, (TOPIC, "t"), "max.message.bytes"), Some(("1000".to_owned(), OF_TOPIC)));
    assert_eq!(wire.produce("t", large()).error_code, ErrorCode::MESSAGE_TOO_LARGE);
    broker.shutdown().await.unwrap();

    let broker = start(&file).await;
    let mut wire = Wire::to(&broker);
    assert_eq!(synonyms(&mut wire), expected.map(|(value, source)| (value.to_owned(), source)));
    let none = [("max.message.bytes", "")];
    assert_eq!(change(&mut wire, (TOPIC, "t"), DELETE, &none), (ErrorCode::NONE, None));
    assert_eq!(wire.produce("t", large()).error_code, ErrorCode::NONE, "4000 is allowed again");
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_set_is_refused_in_kafkas_words() {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    let mut refused = |resource, entries: &[(&str, &str)]| {
        let (code, message) = change(&mut wire, resource, SET, entries);
        (code, message.unwrap())
    };
    let invalid = |text: &str| (ErrorCode::INVALID_REQUEST, text.to_owned());
    assert_eq!(
        refused((BROKER, "1"), &[("node.id", "2"), ("log.roll.ms", "5")]),
        invalid("Cannot update these configs dynamically: [node.id]")
    );
    assert_eq!(
        refused((BROKER, "1"), &[("log.cleaner.backoff.ms", "soon")]),
        invalid("Invalid value soon for configuration log.cleaner.backoff.ms: Not a number of type LONG")
    );
    let relogin = "sasl.kerberos.min.time.before.relogin";
    assert_eq!(
        refused((BROKER, ""), &[(relogin, "58000")]),
        invalid(&format!(
            "Cannot update these configs at default cluster level, broker id must be specified: [{relogin}]"
        ))
    );
    assert_eq!(
        refused((BROKER, "1"), &[(relogin, "soon")]),
        invalid(&format!("Invalid value soon for configuration {relogin}: Not a number of type LONG"))
    );
    assert_eq!(
        refused((BROKER, "one"), &[("log.roll.ms", "5")]),
        invalid("Node id must be an integer, but it is: one")
    );
    let (code, message) = refused((BROKER, "9"), &[("log.roll.ms", "5")]);
    assert_eq!((code, message.as_str()), (ErrorCode::BROKER_ID_NOT_REGISTERED, "No node with id 9 found."));
    assert_eq!(
        refused((TOPIC, "t"), &[("retention.ms", "1"), ("retention.ms", "2")]),
        invalid("Error due to duplicate config keys")
    );
    assert_eq!(refused((7, "x"), &[("a", "1")]), invalid("Unknown resource type 7"));
    assert_eq!(refused((BROKER, "1"), &[("min.insync.replicas", "2")]).0, ErrorCode::INVALID_CONFIG);
    let list = "leader.replication.throttled.replicas";
    let (code, message) = refused((TOPIC, "t"), &[(list, "0:1,x")]);
    let format = format!(
        "Invalid value [0:1, x] for configuration {list}: {list} must be the literal '*' or a list of replicas in the \
         following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    );
    assert_eq!((code, message), (ErrorCode::INVALID_CONFIG, format));
    assert_eq!(
        refused((TOPIC, ""), &[("retention.ms", "1")]),
        invalid("Default topic resources are not allowed.")
    );
    let appended = change(&mut wire, (BROKER, "1"), 2, &[("log.roll.ms", "1")]);
    let not_a_list = "Config value append is not allowed for config key: log.roll.ms".to_owned();
    assert_eq!(appended, (ErrorCode::INVALID_CONFIG, Some(not_a_list)));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_configuration_takes_the_place_of_the_one_before() {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[("retention.ms", "5"), ("segment.bytes", "2000")]);
    let mut replace = |resource: (i8, &str), entries: &[(&str, Option<&str>)]| {
        let config = |&(name, value): &(&str, Option<&str>)| whole::AlterableConfig {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        };
        let resource = whole::AlterConfigsResource {
            resource_type: resource.0,
            resource_name: resource.1.to_owned(),
            configs: entries.iter().map(config).collect(),
        };
        let request = AlterConfigsRequest { resources: vec![resource], validate_only: false };
        wire.call(&request, 2).responses.remove(0).error_code
    };
    assert_eq!(replace((TOPIC, "t"), &[("retention.ms", Some("6"))]), ErrorCode::NONE);
    assert_eq!(replace((TOPIC, "t"), &[("retention.ms", None)]), ErrorCode::INVALID_REQUEST);
    assert_eq!(replace((BROKER, "1"), &[("log.roll.ms", Some("7"))]), ErrorCode::NONE);
    assert_eq!(replace((BROKER, "1"), &[("max.connections", Some("70"))]), ErrorCode::NONE);
    assert_eq!(told(&mut wire, (TOPIC, "t"), "retention.ms"), Some(("6".to_owned(), OF_TOPIC)));
    assert_eq!(told(&mut wire, (TOPIC, "t"), "segment.bytes").unwrap().1, 5);
    assert_eq!(told(&mut wire, (BROKER, "1"), "log.roll.ms"), None);
    assert_eq!(told(&mut wire, (BROKER, "1"), "max.connections"), Some(("70".to_owned(), OF_BROKER)));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_for_all_brokers_reaches_all_of_them() {
    let cluster = Cluster::start(3).await.unwrap();
    let mut wires: Vec<Wire> = (1..=3).map(|id| Wire::to(cluster.broker(id).unwrap())).collect();
    set(&mut wires[2], (BROKER, ""), &[("log.retention.ms", "70000")]);
    set(&mut wires[0], (BROKER, "2"), &[("log.retention.ms", "80000")]);
    for (wire, id, expected) in [
        (0, "1", ("70000", OF_ALL_BROKERS)),
        (1, "2", ("80000", OF_BROKER)),
        (2, "3", ("70000", OF_ALL_BROKERS)),
    ] {
        let expected = Some((expected.0.to_owned(), expected.1));
        eventually("the broker follows", || {
            told(&mut wires[wire], (BROKER, id), "log.retention.ms") == expected
        });
    }
    cluster.shutdown().await.unwrap();
}

/// The log of this process is the test's, so there are no loggers; but who says so is each broker for itself, the active controller or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn levels_of_loggers_are_the_business_of_the_broker_that_is_asked() {
    let cluster = Cluster::start(3).await.unwrap();
    for id in 1..=3 {
        let mut wire = Wire::to(cluster.broker(id).unwrap());
        let own = change(&mut wire, (LOGGERS, &id.to_string()), SET, &[("root", "WARN")]);
        assert_eq!(own, (ErrorCode::INVALID_CONFIG, Some("Logger root does not exist!".to_owned())));
        let other = change(&mut wire, (LOGGERS, "9"), SET, &[("root", "WARN")]);
        let words = format!("Unexpected node id. Expected {id}, but received 9");
        assert_eq!(other, (ErrorCode::INVALID_REQUEST, Some(words)));
    }
    cluster.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rates_are_also_taken_from_the_file() {
    let broker = start("leader.replication.throttled.rate=5\nfollower.replication.throttled.rate=6").await;
    let mut wire = Wire::to(&broker);
    for (side, value) in [("leader", "5"), ("follower", "6")] {
        let key = format!("{side}.replication.throttled.rate");
        assert_eq!(told(&mut wire, (BROKER, "1"), &key), Some((value.to_owned(), OF_FILE)));
    }
    broker.shutdown().await.unwrap();
}

/// Bytes of "t" that a broker has.
fn size(wire: &mut Wire) -> i64 {
    let response = wire.call(&DescribeLogDirsRequest { topics: None }, 4);
    let topics = response.results.into_iter().flat_map(|dir| dir.topics);
    topics.flat_map(|topic| topic.partitions).map(|partition| partition.partition_size).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_goes_no_faster_than_it_may() {
    const RECORDS: i64 = 40;
    const BYTES: usize = 50_000;
    for (side, replicas) in [("leader", "*"), ("follower", "0:2")] {
        let cluster = Cluster::start_with(3, &[("replica.fetch.max.bytes", "60000")]).await.unwrap();
        let mut wires: Vec<Wire> = (1..=2).map(|id| Wire::to(cluster.broker(id).unwrap())).collect();
        let assignment = CreatableReplicaAssignment { partition_index: 0, broker_ids: vec![1] };
        let topic = CreatableTopic {
            name: "t".to_owned(),
            num_partitions: -1,
            replication_factor: -1,
            assignments: vec![assignment],
            ..Default::default()
        };
        assert_eq!(wires[0].create_as(topic).error_code, ErrorCode::NONE);
        for _ in 0..RECORDS {
            assert_eq!(wires[0].produce("t", batch(now_ms(), BYTES)).error_code, ErrorCode::NONE);
        }
        let rate = format!("{side}.replication.throttled.rate");
        let list = format!("{side}.replication.throttled.replicas");
        set(&mut wires[0], (BROKER, ""), &[(&rate, "1")]);
        set(&mut wires[0], (TOPIC, "t"), &[(&list, replicas)]);
        for wire in &mut wires {
            eventually("the broker knows", || {
                told(wire, (TOPIC, "t"), &list).is_some_and(|(value, _)| value == replicas)
            });
        }
        let wish = ReassignablePartition { partition_index: 0, replicas: Some(vec![1, 2]) };
        let topic = ReassignableTopic { name: "t".to_owned(), partitions: vec![wish] };
        let request = AlterPartitionReassignmentsRequest { topics: vec![topic], ..Default::default() };
        assert_eq!(wires[0].call(&request, 1).responses[0].partitions[0].error_code, ErrorCode::NONE);
        eventually("it begins", || size(&mut wires[1]) > 0);
        // A fetch that is taken uses up hours of this rate; none follows before eleven seconds have gone.
        let some = size(&mut wires[1]);
        assert!(some < 10 * i64::try_from(BYTES).unwrap(), "{side}: {some} bytes went");
        let ongoing =
            |wire: &mut Wire| wire.call(&ListPartitionReassignmentsRequest::default(), 0).topics.len();
        assert_eq!(ongoing(&mut wires[0]), 1, "{side}");
        set(&mut wires[0], (BROKER, ""), &[(&rate, "100000000")]);
        eventually("it ends", || ongoing(&mut wires[0]) == 0);
        eventually("all of it is there", || size(&mut wires[1]) > RECORDS * i64::try_from(BYTES).unwrap());
        cluster.shutdown().await.unwrap();
    }
}
