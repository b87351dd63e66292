//! Members that keep their place over restarts (KIP-345).

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::HeartbeatRequest;

use super::super::effects::{Reply, Request};
use super::{READS_B, Table, Who};
#[test]
fn a_static_member_that_restarts_keeps_its_place_and_nobody_else_hears_of_it() {
    let mut table = Table::new();
    let one = table.join(Who::instance("i1"));
    let two = table.join(Who::instance("i2"));
    table.pass(6000);
    let [one, two] = [one, two].map(|id| table.joined(id).member_id);
    assert!(one.starts_with("i1-"), "{one}");
    table.sync(&two, 1, &[]);
    table.sync(&one, 1, &[(&one, "first"), (&two, "second")]);

    let again = table.join(Who::instance("i2"));
    let joined = table.joined(again);
    assert_eq!((joined.error_code, joined.generation_id, &joined.leader), (ErrorCode::NONE, 1, &one));
    assert_ne!(joined.member_id, two);
    let synced = table.sync(&joined.member_id, 1, &[]);
    assert_eq!(table.synced(synced).assignment, "second");
    assert_eq!(table.heartbeat(&one, 1), ErrorCode::NONE);
    table.reload();
    assert_eq!(table.heartbeat(&joined.member_id, 1), ErrorCode::NONE, "its new id was written down");

    // The process that was taken for dead still runs.
    let zombie = table.ask(Request::Heartbeat(HeartbeatRequest {
        group_id: "g".to_owned(),
        generation_id: 1,
        member_id: two,
        group_instance_id: Some("i2".to_owned()),
    }));
    assert_eq!(table.replies[&zombie], Reply::Heartbeat(ErrorCode::FENCED_INSTANCE_ID));
}

#[test]
fn a_static_leader_that_restarts_does_not_assign_anew() {
    for skips in [true, false] {
        let mut table = Table::new();
        let who = Who { skips, ..Who::instance("i1") };
        let id = table.join(who.clone());
        table.pass(3000);
        let old = table.joined(id).member_id;
        table.sync(&old, 1, &[(&old, "all")]);
        let again = table.join(who);
        let joined = table.joined(again);
        assert_eq!(joined.skip_assignment, skips);
        let leader = if skips { &joined.member_id } else { &old };
        assert_eq!(joined.leader, *leader, "before KIP-814 it must not take itself for the leader");
        assert_eq!(joined.members.len(), usize::from(skips));
    }
}

#[test]
fn a_static_member_that_comes_back_with_other_topics_makes_the_group_assign_anew() {
    let mut table = Table::new();
    let id = table.join(Who::instance("i1"));
    table.pass(3000);
    let old = table.joined(id).member_id;
    table.sync(&old, 1, &[]);
    let again = table.join(Who { protocols: vec![("range", READS_B)], ..Who::instance("i1") });
    assert_eq!(table.joined(again).generation_id, 2);
}

#[test]
fn a_static_member_can_be_made_to_leave_by_its_instance() {
    let mut table = Table::new();
    let id = table.join(Who::instance("i1"));
    table.pass(3000);
    let member = table.joined(id).member_id;
    table.sync(&member, 1, &[]);
    assert_eq!(
        table.leave(&[("", Some("i1")), ("", Some("i2"))]),
        [ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID]
    );
    assert_eq!(table.state(), "Empty");
}
