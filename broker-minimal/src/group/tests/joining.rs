//! Who comes in, and when.

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::JoinGroupRequest;

use super::super::effects::{Joiner, Request};
use super::super::settings::Settings;
use super::{READS_A, Table, Who, settings};
#[test]
fn a_new_member_is_given_an_id_and_comes_back_with_it() {
    let mut table = Table::new();
    let first = table.join(Who::default());
    let given = table.joined(first);
    assert_eq!((given.error_code, given.generation_id), (ErrorCode::MEMBER_ID_REQUIRED, -1));
    assert!(given.member_id.starts_with("me-"), "{}", given.member_id);
    let second = table.join(Who::default().as_member(&given.member_id));
    assert!(table.waits(second), "a new group waits for more members");
    table.pass(3000);
    assert_eq!(table.joined(second).member_id, given.member_id);
}

#[test]
fn clients_before_that_rule_are_members_at_once() {
    let mut table = Table::new();
    let id = table.join(Who { knows_ids: false, ..Who::default() });
    table.pass(3000);
    assert_eq!(table.joined(id).error_code, ErrorCode::NONE);
}

#[test]
fn an_id_that_does_not_come_back_is_forgotten_with_its_group() {
    let mut table = Table::new();
    let id = table.join(Who::default());
    let given = table.joined(id).member_id;
    table.pass(10_000);
    assert_eq!(table.state(), "Dead");
    let late = table.join(Who::default().as_member(&given));
    assert_eq!(table.joined(late).error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    assert!(table.records.is_empty(), "nothing was written of it");
}

#[test]
fn a_new_group_waits_longer_while_members_come_but_not_longer_than_a_rebalance() {
    let mut table = Table::new();
    let first = table.newcomer(Who::default());
    for _ in 0..9 {
        table.pass(2900);
        table.newcomer(Who::default());
    }
    assert!(table.waits(first), "26 seconds and somebody came in each delay");
    table.pass(3900);
    let joined = table.joined(first);
    assert_eq!((joined.generation_id, joined.error_code), (1, ErrorCode::NONE));
}

#[test]
fn the_leader_learns_of_all_members_and_the_others_of_the_leader() {
    let mut table = Table::new();
    let joins = [table.newcomer(Who::default()), table.newcomer(Who::default())];
    table.pass(6000);
    let [one, two] = joins.map(|id| table.joined(id));
    assert_eq!(one.leader, one.member_id, "whoever comes first leads");
    assert_eq!((two.leader.as_str(), two.generation_id), (one.member_id.as_str(), 1));
    assert_eq!((one.members.len(), two.members.len()), (2, 0));
    assert!(one.members.iter().all(|member| member.metadata == READS_A));
    assert_eq!(
        (one.protocol_name.as_deref(), one.protocol_type.as_deref()),
        (Some("range"), Some("consumer"))
    );
}

#[test]
fn the_protocol_is_one_that_all_have_and_most_prefer() {
    let mut table = Table::new();
    let prefers = |protocols: &[&'static str]| Who {
        protocols: protocols.iter().map(|name| (*name, READS_A)).collect(),
        ..Who::default()
    };
    let id = table.newcomer(prefers(&["only-mine", "range", "sticky"]));
    table.newcomer(prefers(&["sticky", "range"]));
    table.newcomer(prefers(&["sticky", "range"]));
    table.pass(6000);
    assert_eq!(table.joined(id).protocol_name.as_deref(), Some("sticky"));
}

#[test]
fn a_member_that_does_not_fit_the_others_is_refused() {
    let mut table = Table::new();
    table.settled(1);
    for who in [
        Who { protocols: vec![("other", READS_A)], ..Who::default() },
        Who { kind: "connect", ..Who::default() },
        Who { protocols: Vec::new(), ..Who::default() },
    ] {
        let id = table.join(who);
        assert_eq!(table.joined(id).error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
}

#[test]
fn requests_out_of_bounds_are_refused() {
    let mut table = Table::new();
    let short = table.join(Who { session_ms: 5999, ..Who::default() });
    assert_eq!(table.joined(short).error_code, ErrorCode::INVALID_SESSION_TIMEOUT);
    let long = table.join(Who { session_ms: 1_800_001, ..Who::default() });
    assert_eq!(table.joined(long).error_code, ErrorCode::INVALID_SESSION_TIMEOUT);
    let many = table.join(Who { protocols: vec![("p", READS_A); 101], ..Who::default() });
    assert_eq!(table.joined(many).error_code, ErrorCode::INVALID_REQUEST);
    let named = table.join(Who::instance(&"x".repeat(1025)));
    assert_eq!(table.joined(named).error_code, ErrorCode::INVALID_REQUEST);
    let mut nameless = Who::default().request();
    nameless.group_id.clear();
    let nameless = table.ask(Request::Join(nameless, Joiner::default()));
    assert_eq!(table.joined(nameless).error_code, ErrorCode::INVALID_GROUP_ID);
}

#[test]
fn a_full_group_takes_nobody_else() {
    let mut table = Table::with(Settings { group_size_max: 2, ..settings() });
    let members = table.settled(2);
    let third = table.join(Who::default());
    assert_eq!(table.joined(third).error_code, ErrorCode::GROUP_MAX_SIZE_REACHED);
    assert_eq!(table.heartbeat(&members[0], 1), ErrorCode::NONE);
}

#[test]
fn a_new_members_request_is_answered_after_five_minutes_at_the_latest() {
    let mut table = Table::new();
    let long = Who { session_ms: 1_800_000, ..Who::default() };
    let mut request = long.request();
    request.rebalance_timeout_ms = 3_600_000;
    let joins = [(); 2].map(|()| {
        let first = table.join(long.clone());
        let member_id = table.joined(first).member_id;
        table.ask(Request::Join(JoinGroupRequest { member_id, ..request.clone() }, long.joiner()))
    });
    table.pass(6000);
    let [one, two] = joins.map(|id| table.joined(id).member_id);
    table.sync(&one, 1, &[]);
    table.sync(&two, 1, &[]);
    let newcomer = table.newcomer(long.clone());
    table.pass(5 * 60_000);
    assert_eq!(table.joined(newcomer).error_code, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn an_older_request_of_a_member_does_not_wait_for_ever() {
    let mut table = Table::new();
    let members = table.settled(2);
    table.newcomer(Who::default());
    let first = table.join(Who::default().as_member(&members[0]));
    let second = table.join(Who::default().as_member(&members[0]));
    assert_eq!(table.joined(first).error_code, ErrorCode::REBALANCE_IN_PROGRESS);
    assert!(table.waits(second));
}
