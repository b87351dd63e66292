//! Groups in the admin API: coordinators that move, and brokers that know only old requests.
#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

mod fake;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fake::{Fake, Script, commit_answered};
use kinglet::OffsetAndMetadata;
use kinglet::admin::{GroupFilter, GroupOffsets, GroupState, GroupType, MemberToRemove};
use kinglet::protocol::messages::describe_groups::{DescribedGroup, DescribedGroupMember};
use kinglet::protocol::messages::embedded::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicPartitionConsumerProtocolAssignment,
};
use kinglet::protocol::messages::find_coordinator::Coordinator;
use kinglet::protocol::messages::list_groups::ListedGroup;
use kinglet::protocol::messages::offset_commit::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kinglet::protocol::messages::offset_fetch::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use kinglet::protocol::messages::{
    DescribeGroupsRequest, DescribeGroupsResponse, FetchRequest, FindCoordinatorRequest,
    FindCoordinatorResponse, LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse,
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
};
use kinglet::protocol::{Data, ErrorCode};
use kinglet::{Admin, Assignment, Client, Config, ErrorKind, Position, TopicPartition};

/// Broker 1 coordinates every group.
fn coordinating(script: Script, newest: i16) -> Script {
    script.on::<FindCoordinatorRequest>(newest, |request| {
        let found = |key: String| Coordinator { key, node_id: 1, ..Default::default() };
        Some(FindCoordinatorResponse {
            node_id: if request.coordinator_keys.is_empty() { 1 } else { 0 },
            coordinators: request.coordinator_keys.into_iter().map(found).collect(),
            ..Default::default()
        })
    })
}

async fn broker(newest_lookup: i16, more: impl FnOnce(Script) -> Script) -> (Fake, Admin) {
    let fake =
        Fake::start(|address| more(coordinating(Script::default().with_topic(address), newest_lookup))).await;
    let config = Config::new(&fake.address).set("default.api.timeout.ms", "3000").unwrap();
    let config = config.set("retry.backoff.ms", "5").unwrap();
    let admin = Client::connect(config).await.unwrap().admin();
    (fake, admin)
}

fn committed(request: OffsetFetchRequest, code: ErrorCode) -> OffsetFetchResponse {
    let partition = OffsetFetchResponsePartitions {
        partition_index: 2,
        committed_offset: 40,
        committed_leader_epoch: 5,
        metadata: Some("noted".to_owned()),
        ..Default::default()
    };
    let unset = OffsetFetchResponsePartitions { committed_offset: -1, ..Default::default() };
    let topic = OffsetFetchResponseTopics {
        name: "t".to_owned(),
        partitions: vec![partition, unset],
        ..Default::default()
    };
    let group = |group_id| OffsetFetchResponseGroup {
        group_id,
        error_code: code,
        topics: if code == ErrorCode::NONE { vec![topic.clone()] } else { Vec::new() },
    };
    OffsetFetchResponse {
        groups: request.groups.into_iter().map(|asked| group(asked.group_id)).collect(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_coordinator_that_loads_or_has_moved_is_found_and_asked_again() {
    let answers = AtomicUsize::new(0);
    let (fake, admin) = broker(4, |script| {
        script.on::<OffsetFetchRequest>(9, move |request| {
            let code = match answers.fetch_add(1, Ordering::Relaxed) {
                0 => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
                1 => ErrorCode::NOT_COORDINATOR,
                _ => ErrorCode::NONE,
            };
            Some(committed(request, code))
        })
    })
    .await;

    let groups = ["a", "b"].map(GroupOffsets::all);
    let results = admin.list_group_offsets(groups).await.unwrap();

    let expected = OffsetAndMetadata { offset: 40, leader_epoch: Some(5), metadata: "noted".to_owned() };
    for ((group, result), name) in results.into_iter().zip(["a", "b"]) {
        assert_eq!(group, name);
        let offsets: Vec<_> = result.unwrap().into_iter().map(|(at, offset)| (at, offset.unwrap())).collect();
        let at = |partition| TopicPartition::new("t", partition);
        assert_eq!(offsets, [(at(2), Some(expected.clone())), (at(0), None)]);
    }
    assert_eq!(fake.asked::<OffsetFetchRequest>(), 3, "both groups share each request");
}

#[tokio::test]
async fn a_coordinator_that_never_is_one_fails_the_group_when_the_time_is_over() {
    let (fake, _) = broker(4, |script| {
        script.on::<OffsetFetchRequest>(9, |request| Some(committed(request, ErrorCode::NOT_COORDINATOR)))
    })
    .await;
    let config = Config::new(&fake.address).set("default.api.timeout.ms", "200").unwrap();
    let admin = Client::connect(config).await.unwrap().admin();

    let asking = admin.list_group_offsets([GroupOffsets::all("g")]);
    let results = tokio::time::timeout(Duration::from_secs(5), asking).await.unwrap().unwrap();

    let error = results.into_iter().next().unwrap().1.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("this broker is not the coordinator"), "{error}");
}

#[tokio::test]
async fn an_offset_that_cannot_be_committed_fails_alone() {
    let (_fake, admin) = broker(3, |script| {
        script.on::<OffsetCommitRequest>(7, |request| {
            assert_eq!((request.generation_id_or_member_epoch, request.member_id.as_str()), (-1, ""));
            let partition =
                |index, error_code| OffsetCommitResponsePartition { partition_index: index, error_code };
            let topic = OffsetCommitResponseTopic {
                name: "t".to_owned(),
                partitions: vec![partition(1, ErrorCode::UNKNOWN_MEMBER_ID), partition(0, ErrorCode::NONE)],
                ..Default::default()
            };
            Some(OffsetCommitResponse { topics: vec![topic], ..Default::default() })
        })
    })
    .await;
    let offsets = (0..2).map(|partition| (TopicPartition::new("t", partition), OffsetAndMetadata::from(3)));

    let results = admin.alter_group_offsets("g", offsets).await.unwrap();

    let codes: Vec<_> =
        results.into_iter().map(|(at, result)| (at.partition, result.err().and_then(|e| e.code()))).collect();
    assert_eq!(codes, [(0, None), (1, Some(ErrorCode::UNKNOWN_MEMBER_ID))]);
}

#[tokio::test]
async fn a_commit_between_two_generations_is_tried_again_and_one_of_a_stranger_is_not() {
    let codes = [ErrorCode::REBALANCE_IN_PROGRESS, ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID];
    let asked = AtomicUsize::new(0);
    let (fake, _) = broker(3, |script| {
        // Reading is no part of it: whoever fetches is not answered.
        script.on::<FetchRequest>(12, |_| None).on::<OffsetCommitRequest>(7, move |_| {
            let error_code = codes[asked.fetch_add(1, Ordering::Relaxed)];
            Some(commit_answered(error_code))
        })
    })
    .await;
    let config = Config::new(&fake.address).group_id("g").set("retry.backoff.ms", "5").unwrap();
    let at = TopicPartition::new("t", 0);
    let given = Assignment::partitions([(at.clone(), Position::Offset(0))]);
    let consumer = Client::connect(config).await.unwrap().consumer(given).await.unwrap();

    consumer.commit_offsets([(at.clone(), 5.into())]).await.unwrap();
    let error = consumer.commit_offsets([(at, 6.into())]).await.unwrap_err();

    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(fake.asked::<OffsetCommitRequest>(), 3);
}

#[tokio::test]
async fn a_topic_that_is_gone_does_not_hold_up_later_commits() {
    let (fake, _) = broker(3, |script| {
        script.on::<FetchRequest>(12, |_| None).on::<OffsetCommitRequest>(7, |request| {
            let asked = request.topics.first()?;
            let error_code = match asked.partitions.first()?.committed_offset {
                5 => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                _ => ErrorCode::NONE,
            };
            Some(commit_answered(error_code))
        })
    })
    .await;
    let config = Config::new(&fake.address).group_id("g").set("retry.backoff.ms", "5").unwrap();
    let at = TopicPartition::new("t", 0);
    let given = Assignment::partitions([(at.clone(), Position::Offset(0))]);
    let consumer = Client::connect(config).await.unwrap().consumer(given).await.unwrap();

    let both = async {
        let error = consumer.commit_offsets([(at.clone(), 5.into())]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownTopic);
        // As often as a coordinator that has just started needs.
        assert_eq!(fake.asked::<OffsetCommitRequest>(), 5);
        consumer.commit_offsets([(at, 6.into())]).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(20), both).await.expect("it does not wait for the API's limit");
}

#[tokio::test]
async fn members_of_a_classic_group_have_their_partitions() {
    let (_fake, admin) = broker(3, |script| {
        script.on::<DescribeGroupsRequest>(5, |request| {
            let topic =
                TopicPartitionConsumerProtocolAssignment { topic: "t".to_owned(), partitions: vec![0, 2] };
            let assignment = ConsumerProtocolAssignment { assigned_partitions: vec![topic], user_data: None };
            let subscription =
                ConsumerProtocolSubscription { topics: vec!["t".to_owned()], ..Default::default() };
            let member = DescribedGroupMember {
                member_id: "m".to_owned(),
                group_instance_id: Some("i".to_owned()),
                member_metadata: subscription.encode_versioned(1).unwrap(),
                member_assignment: assignment.encode_versioned(1).unwrap(),
                ..Default::default()
            };
            let group = |group_id: String| match group_id.as_str() {
                "g" => DescribedGroup {
                    group_state: "Stable".to_owned(),
                    protocol_type: "consumer".to_owned(),
                    protocol_data: "range".to_owned(),
                    members: vec![member.clone()],
                    group_id,
                    ..Default::default()
                },
                // What brokers before 4.0 say of groups that are not there.
                _ => DescribedGroup { group_state: "Dead".to_owned(), group_id, ..Default::default() },
            };
            Some(DescribeGroupsResponse {
                groups: request.groups.into_iter().map(group).collect(),
                ..Default::default()
            })
        })
    })
    .await;

    let results = admin.describe_groups(["nosuch", "g"]).await.unwrap();
    let [(_, nosuch), (_, group)] = <[_; 2]>::try_from(results).unwrap();

    assert_eq!(nosuch.unwrap().state, GroupState::Dead);
    let group = group.unwrap();
    assert_eq!(
        (group.state, group.group_type, group.coordinator.id),
        (GroupState::Stable, GroupType::Classic, 1)
    );
    let member = &group.members[0];
    assert_eq!(member.instance_id.as_deref(), Some("i"));
    assert_eq!(member.subscription, ["t"]);
    assert_eq!(member.assignment, [0, 2].map(|partition| TopicPartition::new("t", partition)));
}

#[tokio::test]
async fn what_a_broker_is_too_old_for_is_named_with_the_release_that_brought_it() {
    let (_fake, admin) = broker(1, |script| {
        script.on::<LeaveGroupRequest>(2, |_| Some(LeaveGroupResponse::default())).on::<ListGroupsRequest>(
            2,
            |_| {
                let group = ListedGroup { group_id: "g".to_owned(), ..Default::default() };
                Some(ListGroupsResponse { groups: vec![group], ..Default::default() })
            },
        )
    })
    .await;

    let error = admin.remove_members("g", [MemberToRemove::Id("m".to_owned())], None).await.unwrap_err();
    assert!(error.to_string().contains("Kafka >= 2.4 (KIP-345)"), "{error}");

    let error = admin.list_groups(GroupFilter::all().states([GroupState::Empty])).await.unwrap_err();
    assert!(error.to_string().contains("Kafka >= 2.6 (KIP-518)"), "{error}");
    let groups = admin.list_groups(GroupFilter::all().types([GroupType::Classic])).await.unwrap();
    assert_eq!((groups[0].id.as_str(), groups[0].state), ("g", GroupState::Unknown));
}
