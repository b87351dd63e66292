//! From one generation to the next.

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::SyncGroupRequest;

use super::super::effects::{ReplyId, Request};
use super::super::records::Record;
use super::super::settings::Settings;
use super::{READS_B, Table, Who, settings};
#[test]
fn assignments_come_when_the_leader_has_brought_them_and_they_are_written_down() {
    let mut table = Table::new();
    let joins = [table.newcomer(Who::default()), table.newcomer(Who::default())];
    table.pass(6000);
    let [one, two] = joins.map(|id| table.joined(id).member_id);
    let follower = table.sync(&two, 1, &[]);
    assert!(table.waits(follower));
    assert!(table.records.is_empty());
    let leader = table.sync(&one, 1, &[(&one, "first"), (&two, "second")]);
    assert_eq!(table.synced(leader).assignment, "first");
    assert_eq!(table.synced(follower).assignment, "second");
    assert!(matches!(&table.records[..], [Record::Group(_, Some(value))] if value.members.len() == 2));
    let again = table.sync(&two, 1, &[]);
    assert_eq!(table.synced(again).assignment, "second", "asking again is fine");
}

#[test]
fn sync_with_another_generation_or_protocol_is_refused() {
    let mut table = Table::new();
    let members = table.settled(1);
    let old = table.sync(&members[0], 0, &[]);
    assert_eq!(table.synced(old).error_code, ErrorCode::ILLEGAL_GENERATION);
    let stranger = table.sync("stranger", 1, &[]);
    assert_eq!(table.synced(stranger).error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    let other = table.ask(Request::Sync(SyncGroupRequest {
        group_id: "g".to_owned(),
        generation_id: 1,
        member_id: members[0].clone(),
        protocol_name: Some("sticky".to_owned()),
        ..Default::default()
    }));
    assert_eq!(table.synced(other).error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
}

#[test]
fn members_hear_of_a_rebalance_by_their_heartbeats_and_the_leader_stays() {
    let mut table = Table::new();
    let members = table.settled(2);
    let third = table.newcomer(Who::default());
    for member in &members {
        assert_eq!(table.heartbeat(member, 1), ErrorCode::REBALANCE_IN_PROGRESS);
    }
    assert_eq!(table.commit(&members[1], 1, "a", 5), ErrorCode::NONE, "what was read may be committed first");
    let again: Vec<ReplyId> =
        members.iter().map(|member| table.join(Who::default().as_member(member))).collect();
    let joined = table.joined(third);
    assert_eq!((joined.generation_id, &joined.leader), (2, &members[0]));
    for id in again {
        assert_eq!(table.joined(id).generation_id, 2);
    }
    assert_eq!(table.commit(&members[1], 1, "a", 6), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(table.commit(&members[1], 2, "a", 6), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn a_follower_that_asks_again_gets_its_generation_and_a_leader_makes_a_new_one() {
    let mut table = Table::new();
    let members = table.settled(2);
    let follower = table.join(Who::default().as_member(&members[1]));
    assert_eq!(table.joined(follower).generation_id, 1);
    assert_eq!(table.state(), "Stable");
    let leader = table.join(Who::default().as_member(&members[0]));
    assert!(table.waits(leader));
    assert_eq!(table.state(), "PreparingRebalance");
}

#[test]
fn a_member_that_reads_something_else_makes_the_group_assign_anew() {
    let mut table = Table::new();
    let members = table.settled(2);
    let who = Who { protocols: vec![("range", READS_B)], ..Who::default() };
    table.join(who.as_member(&members[1]));
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn a_member_that_is_not_heard_of_is_out_after_its_session() {
    let mut table = Table::new();
    let members = table.settled(2);
    table.pass(9000);
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::NONE);
    table.pass(1000);
    assert_eq!(table.heartbeat(&members[1], 1), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn members_that_do_not_join_again_are_out_after_the_rebalance_timeout() {
    let mut table = Table::new();
    let members = table.settled(2);
    let newcomer = table.newcomer(Who::default());
    for _ in 0..3 {
        table.pass(9000);
        table.heartbeat(&members[0], 1);
        table.heartbeat(&members[1], 1);
    }
    assert!(table.waits(newcomer));
    table.pass(3000);
    let joined = table.joined(newcomer);
    assert_eq!((joined.generation_id, &joined.leader), (2, &joined.member_id));
    assert_eq!(joined.members.len(), 1);
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn members_that_join_and_never_sync_are_out_after_the_rebalance_timeout() {
    let mut table = Table::new();
    let joins = [table.newcomer(Who::default()), table.newcomer(Who::default())];
    table.pass(6000);
    let [one, two] = joins.map(|id| table.joined(id).member_id);
    let leader = table.sync(&one, 1, &[]);
    assert_eq!(table.synced(leader).error_code, ErrorCode::NONE);
    for _ in 0..4 {
        table.pass(7500);
        table.heartbeat(&one, 1);
        table.heartbeat(&two, 1);
    }
    assert_eq!(table.heartbeat(&two, 1), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(table.heartbeat(&one, 1), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn who_leaves_is_out_at_once_and_the_last_one_leaves_an_empty_group() {
    let mut table = Table::new();
    let members = table.settled(2);
    assert_eq!(table.leave(&[(&members[1], None)]), [ErrorCode::NONE]);
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(
        table.leave(&[(&members[0], None), ("stranger", None)]),
        [ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID]
    );
    assert_eq!(table.state(), "Empty");
    assert!(
        matches!(table.records.last(), Some(Record::Group(_, Some(value))) if value.members.is_empty() && value.generation == 2)
    );
}

#[test]
fn a_stable_group_outlives_its_coordinator() {
    let mut table = Table::new();
    let members = table.settled(2);
    table.commit(&members[0], 1, "a", 7);
    table.reload();
    assert_eq!(table.state(), "Stable");
    for member in &members {
        assert_eq!(table.heartbeat(member, 1), ErrorCode::NONE);
        let id = table.sync(member, 1, &[]);
        assert_eq!(table.synced(id).assignment, "share");
    }
    assert_eq!(table.offsets(), [("a".to_owned(), 7)]);
    table.pass(10_000);
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::UNKNOWN_MEMBER_ID, "sessions count from the load");
}

#[test]
fn a_rebalance_that_was_not_finished_is_forgotten_with_its_coordinator() {
    let mut table = Table::new();
    let members = table.settled(1);
    let id = table.join(Who::default().as_member(&members[0]));
    assert_eq!(table.joined(id).generation_id, 2);
    table.reload();
    assert_eq!(table.heartbeat(&members[0], 2), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::NONE);
}

#[test]
fn an_assignment_that_the_log_cannot_take_fails_for_its_leader() {
    let mut table = Table::with(Settings { record_size_max: 400, ..settings() });
    let id = table.newcomer(Who::default());
    table.pass(3000);
    let member = table.joined(id).member_id;
    let id = table.sync(&member, 1, &[(&member, "x")]);
    assert_eq!(table.synced(id).error_code, ErrorCode::UNKNOWN_SERVER_ERROR);
    assert!(table.records.is_empty());
}
