//! The broker's keys for groups have an effect, and tools can list, describe and delete groups, seen from outside.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::delete_groups::DeletableGroupResult;
use kinglet_protocol::messages::describe_configs::DescribeConfigsResource;
use kinglet_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kinglet_protocol::messages::offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kinglet_protocol::messages::{
    DeleteGroupsRequest, DescribeConfigsRequest, DescribeGroupsRequest, ListGroupsRequest,
    OffsetCommitRequest, OffsetDeleteRequest,
};

use wire::groups::{Groups, QUICK};
use wire::{Wire, eventually, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_topic_of_groups_is_made_as_told() {
    let lines = "offsets.topic.num.partitions=3\noffsets.topic.replication.factor=2\noffsets.topic.segment.bytes=4096\n";
    let broker = start(lines).await;
    let mut wire = Wire::to(&broker);
    wire.find("g");
    let topic = wire.metadata("__consumer_offsets").topics.remove(0);
    assert_eq!(topic.partitions.len(), 3);
    assert_eq!(topic.partitions[0].replica_nodes.len(), 1, "there are not more replicas than brokers");
    let resource = DescribeConfigsResource {
        resource_type: 2,
        resource_name: "__consumer_offsets".to_owned(),
        configuration_keys: None,
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let configs = wire.call(&request, 4).results.remove(0).configs;
    let value =
        |name: &str| configs.iter().find(|config| config.name == name).unwrap().value.clone().unwrap();
    assert_eq!(value("segment.bytes"), "4096");
    assert_eq!(value("cleanup.policy"), "compact");
    assert_eq!(value("compression.type"), "producer");
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_and_their_sessions_are_bounded_as_told() {
    for (line, code) in [
        ("group.min.session.timeout.ms=10001\n", ErrorCode::INVALID_SESSION_TIMEOUT),
        ("group.max.session.timeout.ms=9999\n", ErrorCode::INVALID_SESSION_TIMEOUT),
        ("group.min.session.timeout.ms=10000\ngroup.max.session.timeout.ms=10000\n", ErrorCode::NONE),
    ] {
        let broker = start(&format!("{QUICK}{line}")).await;
        let mut wire = Wire::to(&broker);
        wire.find("g");
        assert_eq!(wire.join("", 3).error_code, code, "{line}");
        broker.shutdown().await.unwrap();
    }
    let broker = start(&format!("{QUICK}group.max.size=1\n")).await;
    let mut wire = Wire::to(&broker);
    wire.find("g");
    wire.settle(5);
    assert_eq!(wire.join("", 5).error_code, ErrorCode::GROUP_MAX_SIZE_REACHED);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_group_waits_for_more_members_as_long_as_told() {
    let broker = start("group.initial.rebalance.delay.ms=300\n").await;
    let mut wire = Wire::to(&broker);
    wire.find("g");
    let mut second = Wire::to(&broker);
    let mut third = Wire::to(&broker);
    let other = std::thread::spawn(move || third.join("", 3));
    let joined = second.join("", 3);
    let other = other.join().unwrap();
    assert_eq!((joined.generation_id, other.generation_id), (1, 1), "they wait for each other");
    assert_eq!(joined.members.len() + other.members.len(), 2);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_beside_an_offset_is_as_long_as_told_at_most() {
    for (line, code) in [
        ("offset.metadata.max.bytes=4\n", ErrorCode::NONE),
        ("offset.metadata.max.bytes=3\n", ErrorCode::OFFSET_METADATA_TOO_LARGE),
    ] {
        let broker = start(line).await;
        let mut wire = Wire::to(&broker);
        wire.create("t", &[]);
        wire.find("g");
        assert_eq!(wire.commit(("", -1), 1, 7), code, "the text is \"note\"");
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_that_nobody_uses_go_as_told() {
    let broker = start("offsets.retention.check.interval.ms=20\noffsets.retention.minutes=1\n").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    wire.find("g");
    let commit = |wire: &mut Wire, commit_timestamp: i64| {
        let partition =
            OffsetCommitRequestPartition { committed_offset: 5, commit_timestamp, ..Default::default() };
        let topic = OffsetCommitRequestTopic {
            name: "t".to_owned(),
            partitions: vec![partition],
            ..Default::default()
        };
        let request =
            OffsetCommitRequest { group_id: "g".to_owned(), topics: vec![topic], ..Default::default() };
        assert_eq!(wire.call(&request, 1).topics[0].partitions[0].error_code, ErrorCode::NONE);
    };
    let now = wire::now_ms();
    commit(&mut wire, now - 60_000);
    eventually("an offset of a minute ago goes", || wire.committed(7).0 == -1);
    commit(&mut wire, now);
    assert_eq!(wire.committed(7).0, 5);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_listed_described_and_deleted_in_every_version() {
    let broker = start(QUICK).await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    assert!(wire.call(&ListGroupsRequest::default(), 5).groups.is_empty(), "there is no topic of groups");
    wire.find("g");
    let (member, generation) = wire.settle(5);
    wire.commit((&member, generation), 5, 7);
    for version in 0..=5 {
        let listed = wire.call(&ListGroupsRequest::default(), version);
        assert_eq!((listed.error_code, listed.groups.len()), (ErrorCode::NONE, 1));
        let group = &listed.groups[0];
        assert_eq!((group.group_id.as_str(), group.protocol_type.as_str()), ("g", "consumer"));
        assert_eq!(group.group_state, if version >= 4 { "Stable" } else { "" });
        assert_eq!(group.group_type, if version >= 5 { "classic" } else { "" });
    }
    let list = |wire: &mut Wire, state: &str, kind: &str| {
        let filter = |text: &str| if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
        let request = ListGroupsRequest { states_filter: filter(state), types_filter: filter(kind) };
        wire.call(&request, 5).groups.len()
    };
    let found = [("Stable", ""), ("Empty", ""), ("", "Classic"), ("", "consumer")]
        .map(|(s, k)| list(&mut wire, s, k));
    assert_eq!(found, [1, 0, 1, 0]);

    for version in 0..=6 {
        let request = DescribeGroupsRequest {
            groups: vec!["g".to_owned(), "none".to_owned()],
            include_authorized_operations: version >= 3,
        };
        let groups = wire.call(&request, version).groups;
        let [group, none] = &groups[..] else { panic!("{groups:?}") };
        assert_eq!((group.error_code, group.group_state.as_str()), (ErrorCode::NONE, "Stable"));
        assert_eq!((group.protocol_data.as_str(), group.members.len()), ("range", 1));
        let found = &group.members[0];
        assert_eq!((&found.member_id, found.client_id.as_str()), (&member, "test"));
        assert_eq!(found.client_host, "/127.0.0.1");
        assert_eq!(
            (&found.member_metadata[..], &found.member_assignment[..]),
            (&b"m"[..], &b"all of it"[..])
        );
        assert_eq!(none.group_state, "Dead");
        let code = if version >= 6 { ErrorCode::GROUP_ID_NOT_FOUND } else { ErrorCode::NONE };
        assert_eq!(none.error_code, code);
    }

    let topic = |name: &str| OffsetDeleteRequestTopic {
        name: name.to_owned(),
        partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
    };
    let request = OffsetDeleteRequest { group_id: "g".to_owned(), topics: vec![topic("t"), topic("none")] };
    let deleted = wire.call(&request, 0);
    let codes: Vec<ErrorCode> = deleted.topics.iter().map(|topic| topic.partitions[0].error_code).collect();
    // What the member reads cannot be told from its metadata, so that everything counts as read.
    assert_eq!(codes, [ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);
    let request = OffsetDeleteRequest { group_id: "none".to_owned(), ..Default::default() };
    assert_eq!(wire.call(&request, 0).error_code, ErrorCode::GROUP_ID_NOT_FOUND);

    let delete = |wire: &mut Wire, version: i16| {
        let groups_names = vec!["g".to_owned(), "none".to_owned()];
        let results = wire.call(&DeleteGroupsRequest { groups_names }, version).results;
        let code = |result: &DeletableGroupResult| result.error_code;
        results.iter().map(code).collect::<Vec<_>>()
    };
    for version in 0..=2 {
        assert_eq!(delete(&mut wire, version), [ErrorCode::NON_EMPTY_GROUP, ErrorCode::GROUP_ID_NOT_FOUND]);
    }
    broker.shutdown().await.unwrap();
}
