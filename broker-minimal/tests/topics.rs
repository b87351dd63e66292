//! Topics over the wire: made, found, described, changed, deleted, and still there after a restart.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use kinglet_broker::{Broker, Config, Handle};
use kinglet_protocol::messages::create_partitions::CreatePartitionsTopic;
use kinglet_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use kinglet_protocol::messages::delete_topics::DeleteTopicState;
use kinglet_protocol::messages::describe_configs::{DescribeConfigsResource, DescribeConfigsResult};
use kinglet_protocol::messages::describe_topic_partitions::TopicRequest;
use kinglet_protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use kinglet_protocol::messages::metadata::MetadataRequestTopic;
use kinglet_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeConfigsRequest, DescribeTopicPartitionsRequest, IncrementalAlterConfigsRequest,
    InitProducerIdRequest, MetadataRequest, MetadataResponse,
};
use kinglet_protocol::{ErrorCode, Uuid};

use wire::{Wire, batch, now_ms, start};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

async fn broker() -> (Handle, Wire) {
    let broker = start("").await;
    let wire = Wire::to(&broker);
    (broker, wire)
}

fn names(metadata: &MetadataResponse) -> Vec<&str> {
    metadata.topics.iter().filter_map(|topic| topic.name.as_deref()).collect()
}

fn all(topics: Option<Vec<MetadataRequestTopic>>) -> MetadataRequest {
    MetadataRequest { topics, ..Default::default() }
}

fn partitions(name: &str, count: i32) -> CreatePartitionsRequest {
    let topic = CreatePartitionsTopic { name: name.to_owned(), count, assignments: None };
    CreatePartitionsRequest { topics: vec![topic], ..Default::default() }
}

fn describe(wire: &mut Wire, resource_type: i8, resource_name: &str) -> DescribeConfigsResult {
    let resource = DescribeConfigsResource {
        resource_type,
        resource_name: resource_name.to_owned(),
        configuration_keys: None,
    };
    let request = DescribeConfigsRequest {
        resources: vec![resource],
        include_synonyms: true,
        include_documentation: true,
    };
    wire.call(&request, 4).results.remove(0)
}

fn alter(wire: &mut Wire, name: &str, value: Option<&str>) -> (ErrorCode, Option<String>) {
    let config_operation = if value.is_some() { 0 } else { 1 };
    let change = AlterableConfig { name: name.to_owned(), config_operation, value: value.map(str::to_owned) };
    let resource =
        AlterConfigsResource { resource_type: TOPIC, resource_name: "t".to_owned(), configs: vec![change] };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let response = wire.call(&request, 1).responses.remove(0);
    (response.error_code, response.error_message)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_survive_a_restart_with_ids_partitions_and_configuration() {
    let data = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.set("log.dirs", &data.path().display().to_string()).unwrap();
    config.set_port(0);
    let broker = Broker::start(config.clone()).await.unwrap();
    let mut wire = Wire::to(&broker);
    let id = wire.create("t", &[("retention.ms", "-1")]).topic_id;
    assert_eq!(wire.call(&partitions("t", 4), 3).results[0].error_code, ErrorCode::NONE);
    let cluster = broker.cluster_id().to_owned();
    broker.shutdown().await.unwrap();

    let broker = Broker::start(config).await.unwrap();
    let mut wire = Wire::to(&broker);
    let metadata = wire.metadata("t");
    assert_eq!((metadata.topics[0].topic_id, metadata.topics[0].partitions.len()), (id, 4));
    assert_eq!(metadata.cluster_id.as_deref(), Some(cluster.as_str()));
    let retention =
        describe(&mut wire, TOPIC, "t").configs.into_iter().find(|c| c.name == "retention.ms").unwrap();
    assert_eq!((retention.value.as_deref(), retention.config_source), (Some("-1"), 1));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_for_a_topic_creates_it_only_if_allowed() {
    let (broker, mut wire) = broker().await;
    let topic = || Some(vec![MetadataRequestTopic { name: Some("t".to_owned()), ..Default::default() }]);
    let forbidden = MetadataRequest { allow_auto_topic_creation: false, ..all(topic()) };
    assert_eq!(wire.call(&forbidden, 12).topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let made = wire.call(&all(topic()), 1);
    assert_eq!((made.topics[0].error_code, made.topics[0].partitions.len()), (ErrorCode::NONE, 1));
    assert_eq!(wire.produce("t", batch(now_ms(), 10)).base_offset, 0, "it can be used at once");
    let bad = wire.metadata("bad name!");
    assert_eq!(bad.topics[0].error_code, ErrorCode::INVALID_TOPIC_EXCEPTION);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_topics_are_asked_for_by_null_and_in_version_0_by_nothing() {
    let (broker, mut wire) = broker().await;
    wire.create("b", &[]);
    wire.create("a", &[]);
    assert_eq!(names(&wire.call(&all(None), 12)), ["a", "b"]);
    assert_eq!(names(&wire.call(&all(Some(Vec::new())), 0)), ["a", "b"]);
    assert_eq!(names(&wire.call(&all(Some(Vec::new())), 1)), Vec::<&str>::new());
    for version in 0..=12 {
        let one = MetadataRequestTopic { name: Some("a".to_owned()), ..Default::default() };
        assert_eq!(
            names(&wire.call(&all(Some(vec![one.clone(), one])), version)),
            ["a"],
            "version {version}"
        );
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_found_by_id() {
    let (broker, mut wire) = broker().await;
    let id = wire.create("t", &[]).topic_id;
    let by_id = |topic_id| Some(vec![MetadataRequestTopic { topic_id, name: None }]);
    assert_eq!(names(&wire.call(&all(by_id(id)), 12)), ["t"]);
    for version in 10..=12 {
        let unknown = wire.call(&all(by_id(Uuid([9; 16]))), version);
        assert_eq!(unknown.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    }
    // Java's admin sends an empty name beside the id.
    for name in ["", "other"] {
        let named = |topic_id| Some(vec![MetadataRequestTopic { topic_id, name: Some(name.to_owned()) }]);
        assert_eq!(names(&wire.call(&all(named(id)), 12)), ["t"]);
        let unknown = wire.call(&all(named(Uuid([9; 16]))), 12).topics.remove(0);
        assert_eq!((unknown.error_code, unknown.topic_id), (ErrorCode::UNKNOWN_TOPIC_ID, Uuid([9; 16])));
    }
    assert_eq!(names(&wire.call(&all(None), 12)), ["t"], "nothing was made by such a name");
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_are_told_when_asked() {
    let (broker, mut wire) = broker().await;
    wire.create("t", &[]);
    let ask = |topic, cluster| MetadataRequest {
        include_topic_authorized_operations: topic,
        include_cluster_authorized_operations: cluster,
        ..all(None)
    };
    let silent = wire.call(&ask(false, false), 8);
    assert_eq!(
        (silent.topics[0].topic_authorized_operations, silent.cluster_authorized_operations),
        (i32::MIN, i32::MIN)
    );
    let told = wire.call(&ask(true, true), 8);
    assert_eq!(
        (told.topics[0].topic_authorized_operations, told.cluster_authorized_operations),
        (3576, 8096)
    );
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creating_answers_in_every_version_and_validating_creates_nothing() {
    let (broker, mut wire) = broker().await;
    for version in 2..=7 {
        let topic = |name: String| CreatableTopic {
            name,
            num_partitions: 2,
            replication_factor: 1,
            ..Default::default()
        };
        let topics = vec![topic(format!("t{version}")), topic("bad name!".to_owned())];
        let dry = CreateTopicsRequest { topics, validate_only: true, ..Default::default() };
        let codes = |wire: &mut Wire, request: &CreateTopicsRequest| -> Vec<ErrorCode> {
            wire.call(request, version).topics.iter().map(|topic| topic.error_code).collect()
        };
        let expected = [ErrorCode::NONE, ErrorCode::INVALID_TOPIC_EXCEPTION];
        assert_eq!(codes(&mut wire, &dry), expected);
        let real = CreateTopicsRequest { validate_only: false, ..dry };
        assert_eq!(codes(&mut wire, &real), expected, "nothing was there in version {version}");
        assert_eq!(codes(&mut wire, &real)[0], ErrorCode::TOPIC_ALREADY_EXISTS);
    }
    let created = wire.create("configured", &[("retention.ms", "7")]);
    assert!(!created.topic_id.is_zero());
    let retention =
        created.configs.unwrap().into_iter().find(|config| config.name == "retention.ms").unwrap();
    assert_eq!((retention.value.as_deref(), retention.config_source), (Some("7"), 1));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_topic_is_gone_and_its_name_is_free() {
    let (broker, mut wire) = broker().await;
    wire.create("t", &[]);
    wire.produce("t", batch(now_ms(), 10));
    let by_name = |names: &[&str]| DeleteTopicsRequest {
        topic_names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    };
    let responses = wire.call(&by_name(&["t", "nosuch"]), 5).responses;
    let codes: Vec<_> = responses.iter().map(|r| r.error_code).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION], "{responses:?}");
    let id = wire.create("t", &[]).topic_id;
    assert_eq!(
        (wire.offset("t", -2), wire.offset("t", -1)),
        (0, 0),
        "the old records are not in the new topic"
    );
    let topics = vec![DeleteTopicState { name: None, topic_id: id }];
    let by_id = wire.call(&DeleteTopicsRequest { topics, ..Default::default() }, 6).responses.remove(0);
    assert_eq!((by_id.error_code, by_id.name.as_deref()), (ErrorCode::NONE, Some("t")));
    assert_eq!(names(&wire.call(&all(None), 12)), Vec::<&str>::new());
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn added_partitions_take_records() {
    let (broker, mut wire) = broker().await;
    wire.create("t", &[]);
    for (version, count) in (0..=3).zip(2..) {
        assert_eq!(wire.call(&partitions("t", count), version).results[0].error_code, ErrorCode::NONE);
    }
    assert_eq!(wire.metadata("t").topics[0].partitions.len(), 5);
    let fewer = wire.call(&partitions("t", 2), 3).results.remove(0);
    assert_eq!(fewer.error_code, ErrorCode::INVALID_PARTITIONS);
    let text = "The topic t currently has 5 partition(s); 2 would not be an increase.";
    assert_eq!(fewer.error_message.as_deref(), Some(text));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configurations_are_described_and_changed_at_once() {
    let (broker, mut wire) = broker().await;
    wire.create("t", &[]);
    let described = describe(&mut wire, TOPIC, "t");
    assert_eq!(described.configs.len(), 33, "all of Kafka 4.3's");
    assert!(
        described.configs.iter().all(|config| config.config_source == 5 && config.documentation.is_some())
    );
    assert_eq!(alter(&mut wire, "max.message.bytes", Some("100")), (ErrorCode::NONE, None));
    assert_eq!(wire.produce("t", batch(now_ms(), 200)).error_code, ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(alter(&mut wire, "max.message.bytes", None), (ErrorCode::NONE, None));
    assert_eq!(wire.produce("t", batch(now_ms(), 200)).error_code, ErrorCode::NONE);
    let unknown = Some("Unknown topic config name: no.such".to_owned());
    assert_eq!(alter(&mut wire, "no.such", Some("1")), (ErrorCode::INVALID_CONFIG, unknown));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_this_broker_and_topics_have_a_configuration() {
    let (broker, mut wire) = broker().await;
    let own = describe(&mut wire, BROKER, "1");
    assert!(own.configs.iter().any(|config| config.name == "num.partitions" && config.read_only));
    assert_eq!(describe(&mut wire, BROKER, "2").error_code, ErrorCode::INVALID_REQUEST);
    assert_eq!(describe(&mut wire, TOPIC, "nosuch").error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(describe(&mut wire, 16, "1").error_code, ErrorCode::INVALID_REQUEST);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cluster_is_one_broker() {
    let (broker, mut wire) = broker().await;
    let cluster = wire.call(&DescribeClusterRequest::default(), 1);
    assert_eq!(cluster.cluster_id, broker.cluster_id());
    assert_eq!((cluster.brokers.len(), cluster.brokers[0].broker_id, cluster.controller_id), (1, 1, 1));
    let controllers = DescribeClusterRequest { endpoint_type: 2, ..Default::default() };
    assert_eq!(wire.call(&controllers, 1).error_code, ErrorCode::MISMATCHED_ENDPOINT_TYPE);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producers_get_ids_of_their_own_and_transactions_none() {
    let (broker, mut wire) = broker().await;
    let ids: Vec<_> = (0..=4).map(|version| wire.call(&InitProducerIdRequest::default(), version)).collect();
    let given: Vec<_> = ids.iter().map(|id| (id.error_code, id.producer_id, id.producer_epoch)).collect();
    assert_eq!(given, [0, 1, 2, 3, 4].map(|id| (ErrorCode::NONE, id, 0)));
    let again = InitProducerIdRequest { producer_id: 3, producer_epoch: 0, ..Default::default() };
    assert_eq!(wire.call(&again, 4).producer_id, 5);
    let half = InitProducerIdRequest { producer_id: 3, ..Default::default() };
    assert_eq!(wire.call(&half, 4).error_code, ErrorCode::INVALID_REQUEST);
    let transaction = InitProducerIdRequest { transactional_id: Some("x".to_owned()), ..Default::default() };
    assert_eq!(wire.call(&transaction, 4).error_code, ErrorCode::INVALID_REQUEST);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_described_page_by_page() {
    let (broker, mut wire) = broker().await;
    for name in ["a", "b", "c"] {
        let topic = CreatableTopic {
            num_partitions: 3,
            replication_factor: 1,
            name: name.to_owned(),
            ..Default::default()
        };
        assert_eq!(wire.create_as(topic).error_code, ErrorCode::NONE);
    }
    let mut seen = Vec::new();
    let mut request = DescribeTopicPartitionsRequest { response_partition_limit: 2, ..Default::default() };
    loop {
        let page = wire.call(&request, 0);
        for topic in &page.topics {
            let name = topic.name.clone().unwrap();
            seen.extend(
                topic.partitions.iter().map(|partition| format!("{name}-{}", partition.partition_index)),
            );
        }
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    let expected: Vec<_> =
        ["a", "b", "c"].iter().flat_map(|t| (0..3).map(move |p| format!("{t}-{p}"))).collect();
    assert_eq!(seen, expected);
    let topics = vec![TopicRequest { name: "nosuch".to_owned() }];
    let unknown = wire.call(&DescribeTopicPartitionsRequest { topics, ..Default::default() }, 0);
    assert_eq!(unknown.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_as_long_as_a_string_are_refused_in_an_answer() {
    let (broker, mut wire) = broker().await;
    wire.create("t", &[]);
    // Two bytes a character, so that a cut in the middle of one would show.
    let long = "ü".repeat(16_350);
    for version in 2..=7 {
        let named = CreatableTopic { name: long.clone(), num_partitions: 1, ..Default::default() };
        let request = CreateTopicsRequest { topics: vec![named], ..Default::default() };
        let refused = wire.call(&request, version).topics.remove(0);
        assert_eq!((refused.error_code, &refused.name), (ErrorCode::INVALID_TOPIC_EXCEPTION, &long));
    }
    for (key, value) in [(long.as_str(), Some("1")), (&long, None), ("retention.ms", Some(&long))] {
        let config = CreatableTopicConfig { name: key.to_owned(), value: value.map(str::to_owned) };
        let configured = CreatableTopic {
            name: "c".to_owned(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        };
        let topics = vec![CreatableTopic { configs: vec![config], ..configured }];
        let request = CreateTopicsRequest { topics, ..Default::default() };
        assert_eq!(wire.call(&request, 4).topics[0].error_code, ErrorCode::INVALID_CONFIG);
    }
    for (version, resource_type) in (1..=4).flat_map(|version| [(version, TOPIC), (version, BROKER)]) {
        let resource =
            DescribeConfigsResource { resource_type, resource_name: long.clone(), configuration_keys: None };
        let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
        let refused = wire.call(&request, version).results.remove(0);
        assert_ne!(refused.error_code, ErrorCode::NONE);
        assert_eq!(refused.resource_name, long);
    }
    for (topic, key, value) in
        [(long.as_str(), "retention.ms", "1"), ("t", &long, "1"), ("t", "retention.ms", &long)]
    {
        for version in 0..=1 {
            let change =
                AlterableConfig { name: key.to_owned(), config_operation: 0, value: Some(value.to_owned()) };
            let resource = AlterConfigsResource {
                resource_type: TOPIC,
                resource_name: topic.to_owned(),
                configs: vec![change.clone(), change],
            };
            let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
            let refused = wire.call(&request, version).responses.remove(0);
            assert_ne!(refused.error_code, ErrorCode::NONE);
            assert!(refused.error_message.unwrap().len() < 1000);
        }
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_that_is_asked_for_again_is_described_once() {
    let (broker, mut wire) = broker().await;
    wire.create("t", &[]);
    let resource = |(resource_type, name): &(i8, &str)| DescribeConfigsResource {
        resource_type: *resource_type,
        resource_name: (*name).to_owned(),
        configuration_keys: None,
    };
    let asked =
        [(TOPIC, "t"), (BROKER, "1"), (TOPIC, "t"), (TOPIC, "nosuch"), (BROKER, "1"), (TOPIC, "nosuch")];
    let request =
        DescribeConfigsRequest { resources: asked.iter().map(resource).collect(), ..Default::default() };
    let results = wire.call(&request, 4).results;
    let told: Vec<_> =
        results.iter().map(|result| (result.resource_type, result.resource_name.as_str())).collect();
    assert_eq!(told, [(TOPIC, "t"), (BROKER, "1"), (TOPIC, "nosuch")]);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_named_with_many_ids_is_told_once() {
    let (broker, mut wire) = broker().await;
    let own = wire.create("t", &[]).topic_id;
    let named = |id| MetadataRequestTopic { name: Some("t".to_owned()), topic_id: Uuid([id; 16]) };
    for version in 10..=11 {
        assert_eq!(names(&wire.call(&all(Some((0..5).map(named).collect())), version)), ["t"]);
    }
    let other = |n: i32| MetadataRequestTopic { name: Some(n.to_string()), topic_id: own };
    assert_eq!(names(&wire.call(&all(Some((0..5).map(other).collect())), 12)), ["t"]);
    broker.shutdown().await.unwrap();
}

/// Where each name costs a look at all the others, these take minutes; the connection's limit is far below that.
const MANY: usize = 140_000;

fn many_names() -> impl Iterator<Item = String> {
    (0..MANY).map(|n| format!("many.{n:06}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_unknown_topics_are_refused_in_time() {
    let (broker, mut wire) = broker().await;
    let asked = many_names().map(|name| MetadataRequestTopic { name: Some(name), ..Default::default() });
    let refused = wire.call(&all(Some(asked.collect())), 9).topics;
    assert_eq!(refused.len(), MANY);
    assert!(refused.iter().all(|topic| topic.error_code == ErrorCode::POLICY_VIOLATION));
    assert_eq!(names(&wire.call(&all(None), 12)), Vec::<&str>::new(), "none was made");
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_names_that_could_collide_are_checked_in_time() {
    let (broker, mut wire) = broker().await;
    // Partitions are bounded for a request, names are not: those behind the bound ask for none.
    let count = |n| if n < 10_000 { 1 } else { 0 };
    let topic = |(n, name)| CreatableTopic {
        name,
        num_partitions: count(n),
        replication_factor: 1,
        ..Default::default()
    };
    let topics = (0..).zip(many_names()).map(topic).collect();
    let request = CreateTopicsRequest { topics, validate_only: true, ..Default::default() };
    let results = wire.call(&request, 4).topics;
    let made = results.iter().filter(|topic| topic.error_code == ErrorCode::NONE).count();
    assert_eq!((results.len(), made), (MANY, 10_000));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_unknown_topics_grow_in_time_by_nothing() {
    let (broker, mut wire) = broker().await;
    let topics = many_names().map(|name| CreatePartitionsTopic { name, count: 2, assignments: None });
    let request = CreatePartitionsRequest { topics: topics.collect(), ..Default::default() };
    let results = wire.call(&request, 3).results;
    assert_eq!(results.len(), MANY);
    assert!(results.iter().all(|topic| topic.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_unknown_topics_are_configured_in_time_by_nothing() {
    let (broker, mut wire) = broker().await;
    let resource =
        |resource_name| AlterConfigsResource { resource_type: TOPIC, resource_name, configs: Vec::new() };
    let resources = many_names().map(resource).collect();
    let request = IncrementalAlterConfigsRequest { resources, validate_only: false };
    let responses = wire.call(&request, 1).responses;
    assert_eq!(responses.len(), MANY);
    assert!(responses.iter().all(|topic| topic.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    broker.shutdown().await.unwrap();
}
