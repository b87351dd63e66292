//! Committed offsets, and what is forgotten.

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kinglet_protocol::messages::offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kinglet_protocol::messages::{OffsetCommitRequest, OffsetDeleteRequest};

use super::super::effects::{Effects, Reply, Request};
use super::{DAY_MS, Table};
#[test]
fn offsets_are_committed_by_members_and_where_there_are_none_by_anybody() {
    let mut table = Table::new();
    assert_eq!(table.commit("", -1, "a", 1), ErrorCode::NONE);
    assert_eq!(table.commit("m", 3, "a", 1), ErrorCode::UNKNOWN_MEMBER_ID);
    let members = table.settled(1);
    assert_eq!(table.commit("", -1, "a", 2), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(table.commit("stranger", 1, "a", 2), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(table.commit(&members[0], 0, "a", 2), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(table.commit(&members[0], 1, "a", 3), ErrorCode::NONE);
    assert_eq!(table.offsets(), [("a".to_owned(), 3)]);
}

#[test]
fn a_commit_to_a_group_that_is_not_there_is_refused_as_its_version_can_say() {
    for (version, code) in [(8, ErrorCode::ILLEGAL_GENERATION), (9, ErrorCode::GROUP_ID_NOT_FOUND)] {
        let mut table = Table::new();
        let topic = OffsetCommitRequestTopic {
            partitions: vec![OffsetCommitRequestPartition::default()],
            ..Default::default()
        };
        let request = OffsetCommitRequest {
            group_id: "g".to_owned(),
            generation_id_or_member_epoch: 1,
            topics: vec![topic],
            ..Default::default()
        };
        let id = table.ask(Request::Commit { request, version, unknown: Default::default() });
        let Some(Reply::Commit(topics)) = table.replies.get(&id) else { panic!() };
        assert_eq!(topics[0].partitions[0].error_code, code);
    }
}

#[test]
fn metadata_of_an_offset_is_bounded_and_comes_back() {
    let mut table = Table::new();
    let fits = "x".repeat(4096);
    assert_eq!(table.commit_with("", -1, "a", 1, &fits, -1), ErrorCode::NONE);
    assert_eq!(
        table.commit_with("", -1, "a", 2, &"x".repeat(4097), -1),
        ErrorCode::OFFSET_METADATA_TOO_LARGE
    );
    assert_eq!(table.offsets(), [("a".to_owned(), 1)]);
    let id = table.ask(Request::Fetch { group: "g".to_owned(), topics: None });
    let Some(Reply::Fetch(topics)) = table.replies.get(&id) else { panic!() };
    assert_eq!(topics[0].partitions[0].metadata.as_deref(), Some(fits.as_str()));
}

#[test]
fn offsets_stay_as_long_as_the_group_has_members_that_read_the_topic() {
    let mut table = Table::new();
    let members = table.settled(1);
    table.commit(&members[0], 1, "a", 1);
    table.commit(&members[0], 1, "other", 1);
    for _ in 0..8 * 24 * 60 * 60 / 9 {
        table.pass(9000);
        assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::NONE);
    }
    table.expire();
    assert_eq!(table.offsets(), [("a".to_owned(), 1)], "what nobody reads any more goes");
    table.leave(&[(&members[0], None)]);
    table.pass(7 * DAY_MS - 1);
    table.expire();
    assert_eq!(table.offsets().len(), 1, "the time counts from when the group became empty");
    table.pass(1);
    table.expire();
    assert_eq!(table.offsets(), []);
    assert_eq!(table.state(), "Dead");
    table.reload();
    assert_eq!(table.state(), "Dead", "and the log says so");
}

#[test]
fn offsets_without_a_group_go_by_their_own_age_and_those_with_a_time_of_expiry_by_that() {
    let mut table = Table::new();
    table.commit("", -1, "a", 1);
    table.commit_with("", -1, "b", 1, "", DAY_MS);
    table.pass(DAY_MS);
    table.commit("", -1, "c", 1);
    table.expire();
    assert_eq!(table.offsets().len(), 2, "b has expired");
    table.pass(6 * DAY_MS);
    table.expire();
    assert_eq!(table.offsets(), [("c".to_owned(), 1)]);
}

#[test]
fn a_group_is_deleted_when_it_is_empty() {
    let mut table = Table::new();
    assert_eq!(table.delete(), ErrorCode::GROUP_ID_NOT_FOUND);
    let members = table.settled(1);
    table.commit(&members[0], 1, "a", 1);
    assert_eq!(table.delete(), ErrorCode::NON_EMPTY_GROUP);
    table.leave(&[(&members[0], None)]);
    assert_eq!(table.delete(), ErrorCode::NONE);
    assert_eq!((table.state().as_str(), table.offsets().len()), ("Dead", 0));
    table.reload();
    assert_eq!((table.state().as_str(), table.offsets().len()), ("Dead", 0));
}

#[test]
fn offsets_are_deleted_but_for_topics_that_the_group_reads() {
    let mut table = Table::new();
    let members = table.settled(1);
    table.commit(&members[0], 1, "a", 1);
    table.commit(&members[0], 1, "b", 1);
    let topic = |name: &str| OffsetDeleteRequestTopic {
        name: name.to_owned(),
        partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
    };
    let request = OffsetDeleteRequest { group_id: "g".to_owned(), topics: vec![topic("a"), topic("b")] };
    let id = table.ask(Request::DeleteOffsets { request, unknown: Default::default() });
    let Some(Reply::DeleteOffsets(ErrorCode::NONE, topics)) = table.replies.get(&id) else { panic!() };
    let codes: Vec<ErrorCode> = topics.iter().map(|topic| topic.partitions[0].error_code).collect();
    assert_eq!(codes, [ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode::NONE]);
    assert_eq!(table.offsets(), [("a".to_owned(), 1)]);
}

#[test]
fn offsets_of_a_deleted_topic_go_with_it() {
    let mut table = Table::new();
    table.commit("", -1, "a", 1);
    table.commit("", -1, "b", 1);
    let mut effects = Effects::default();
    table.core.forget_topics(table.now(), &|topic, _| topic == "a", &mut effects);
    table.take(effects);
    assert_eq!(table.offsets(), [("b".to_owned(), 1)]);
    table.reload();
    assert_eq!(table.offsets(), [("b".to_owned(), 1)]);
}
