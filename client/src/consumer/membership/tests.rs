use std::time::Duration;

use super::super::assignor::parse_strategy;
use super::*;
use crate::ErrorKind;
use crate::protocol::ErrorCode;
use crate::protocol::messages::join_group::JoinGroupResponseMember;
use crate::protocol::messages::{HeartbeatResponse, JoinGroupResponse, SyncGroupResponse};

const MS: Duration = Duration::from_millis(1);

fn settings(strategy: &str) -> Settings {
    Settings {
        group_id: "g".to_owned(),
        instance_id: None,
        rack: None,
        session_timeout: 6000 * MS,
        shorter_session: None,
        rebalance_timeout: 60_000 * MS,
        heartbeat_interval: 1000 * MS,
        retry: Backoff { base: 100 * MS, max: 1000 * MS },
        patience: 60_000 * MS,
        assignors: parse_strategy(strategy).unwrap(),
    }
}

#[expect(clippy::disallowed_methods, reason = "tests begin at any time and go on from there by hand")]
fn start() -> Instant {
    Instant::now()
}

fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

/// One that has found its coordinator and is about to join.
fn found(strategy: &str, now: Instant) -> Membership {
    let mut member = Membership::new(settings(strategy), now);
    member.subscribe(vec!["t".into()]);
    assert!(matches!(member.next(now), Some(Action::Find)));
    assert!(member.next(now).is_none(), "it is asked for once");
    member.on_found(Ok(1), now, 0.5);
    member
}

fn join(member: &mut Membership, now: Instant) -> (u64, JoinGroupRequest) {
    match member.next(now) {
        Some(Action::Join(era, request)) => (era, request),
        other => panic!("it joins: {other:?}"),
    }
}

fn joined(leader: &str, generation_id: i32) -> Result<JoinGroupResponse> {
    let protocol_name = Some("range".to_owned());
    Ok(JoinGroupResponse {
        generation_id,
        protocol_name,
        leader: leader.to_owned(),
        member_id: "me".to_owned(),
        ..Default::default()
    })
}

fn refusal(error_code: ErrorCode) -> Result<JoinGroupResponse> {
    Ok(JoinGroupResponse { error_code, member_id: "me".to_owned(), ..Default::default() })
}

#[test]
fn a_broker_that_allows_no_session_as_long_as_the_default_gets_a_shorter_one() {
    let now = start();
    let ask = |member: &mut Membership| join(member, now);
    for shorter_session in [Some(3000 * MS), None] {
        let mut member = Membership::new(Settings { shorter_session, ..settings("range") }, now);
        member.subscribe(vec!["t".into()]);
        assert!(matches!(member.next(now), Some(Action::Find)));
        member.on_found(Ok(1), now, 0.5);
        let (era, _) = ask(&mut member);
        member.on_joined(era, refusal(ErrorCode::INVALID_SESSION_TIMEOUT), now, 0.5);
        if shorter_session.is_some() {
            let (era, request) = ask(&mut member);
            assert_eq!(request.session_timeout_ms, 3000);
            member.on_joined(era, refusal(ErrorCode::INVALID_SESSION_TIMEOUT), now, 0.5);
        }
        let told =
            std::iter::from_fn(|| member.next(now)).any(|action| matches!(action, Action::Tell { .. }));
        assert!(told, "there is nothing else to try");
    }
}

fn share(partitions: &[TopicPartition]) -> Result<SyncGroupResponse> {
    let assignment = encode_assignment(partitions, None)?;
    Ok(SyncGroupResponse { assignment, ..Default::default() })
}

fn beaten(error_code: ErrorCode) -> Result<HeartbeatResponse> {
    Ok(HeartbeatResponse { error_code, ..Default::default() })
}

/// Goes through a whole round as a follower, to these partitions.
fn settle(
    member: &mut Membership,
    strategy: &str,
    generation: i32,
    partitions: &[TopicPartition],
    now: Instant,
) {
    let (era, _) = join(member, now);
    let answer = joined("other", generation)
        .map(|answer| JoinGroupResponse { protocol_name: Some(strategy.to_owned()), ..answer });
    member.on_joined(era, answer, now, 0.5);
    let Some(Action::Sync(era, _)) = member.next(now) else { panic!("it syncs") };
    member.on_synced(era, share(partitions), now, 0.5);
}

fn assigned(member: &mut Membership, now: Instant) -> Vec<TopicPartition> {
    match member.next(now) {
        Some(Action::Assign { partitions }) => partitions,
        other => panic!("it is assigned something: {other:?}"),
    }
}

fn revoked(member: &mut Membership, now: Instant) -> (u64, Vec<TopicPartition>, bool) {
    match member.next(now) {
        Some(Action::Revoke { era, partitions, lost }) => (era, partitions, lost),
        other => panic!("it gives up something: {other:?}"),
    }
}

#[test]
fn a_first_join_is_repeated_with_the_id_that_the_coordinator_gave() {
    let now = start();
    let mut member = found("range", now);
    let (era, request) = join(&mut member, now);
    assert_eq!((request.member_id.as_str(), request.protocol_type.as_str()), ("", "consumer"));
    member.on_joined(era, refusal(ErrorCode::MEMBER_ID_REQUIRED), now, 0.5);
    let (_, request) = join(&mut member, now);
    assert_eq!(request.member_id, "me");
}

#[test]
fn a_join_that_is_refused_is_not_repeated_at_once() {
    for code in
        [ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::ILLEGAL_GENERATION, ErrorCode::REBALANCE_IN_PROGRESS]
    {
        let mut now = start();
        let mut member = found("range", now);
        for delay in [100, 200, 400] {
            let (era, _) = join(&mut member, now);
            member.on_joined(era, refusal(code), now, 0.5);
            assert!(member.next(now).is_none(), "{code}");
            assert_eq!(member.deadline(), Some(now + delay * MS), "{code}");
            now += delay * MS;
        }
        settle(&mut member, "range", 1, &[at(0)], now);
        assert_eq!(assigned(&mut member, now), [at(0)]);
    }
}

#[test]
fn a_generation_that_ends_before_it_has_begun_is_followed_at_once_and_the_next_ones_a_little_later() {
    for code in [ErrorCode::REBALANCE_IN_PROGRESS, ErrorCode::ILLEGAL_GENERATION] {
        let mut now = start();
        let mut member = found("range", now);
        for (generation, delay) in [(1, 0), (2, 100), (3, 200)] {
            let (era, _) = join(&mut member, now);
            member.on_joined(era, joined("other", generation), now, 0.5);
            let Some(Action::Sync(era, _)) = member.next(now) else { panic!("it syncs") };
            let refusal = SyncGroupResponse { error_code: code, ..Default::default() };
            member.on_synced(era, Ok(refusal), now, 0.5);
            if delay > 0 {
                assert!(member.next(now).is_none(), "{code}, generation {generation}");
            }
            now += delay * MS;
        }
        settle(&mut member, "range", 4, &[at(0)], now);
        assert_eq!(assigned(&mut member, now), [at(0)]);
    }
}

#[test]
fn the_leader_shares_out_what_all_members_subscribe_to() {
    let now = start();
    let mut member = found("range", now);
    let (era, request) = join(&mut member, now);
    let metadata = request.protocols[0].metadata.clone();
    let other = encode_subscription(&["t".into(), "u".into()], &[], -1, None, None).unwrap();
    let of = |id: &str, metadata| JoinGroupResponseMember {
        member_id: id.to_owned(),
        metadata,
        ..Default::default()
    };
    let members = vec![of("me", metadata), of("you", other)];
    member.on_joined(era, joined("me", 3).map(|answer| JoinGroupResponse { members, ..answer }), now, 0.5);
    let Some(Action::Look(era, topics)) = member.next(now) else { panic!("it looks up the topics") };
    assert_eq!(topics, ["t".into(), "u".into()]);
    let mut known = TopicPartitions::default();
    known.insert("t".into(), 2);
    known.insert("u".into(), 1);
    member.on_topics(era, Ok(known), now, 0.5);
    let Some(Action::Sync(era, request)) = member.next(now) else { panic!("it hands in the shares") };
    assert_eq!((request.generation_id, request.assignments.len()), (3, 2));
    member.on_synced(era, share(&[at(0)]), now, 0.5);
    assert_eq!(assigned(&mut member, now), [at(0)]);
    assert!(member.is_leader());
}

#[test]
fn an_eager_member_gives_up_all_before_it_joins_again_and_a_cooperative_one_what_it_is_asked_for_after() {
    let now = start();
    let mut eager = found("range", now);
    settle(&mut eager, "range", 1, &[at(0), at(1)], now);
    assert_eq!(assigned(&mut eager, now), [at(0), at(1)]);
    eager.on_heartbeat(&eager.identity(), beaten(ErrorCode::REBALANCE_IN_PROGRESS), now, 0.5);
    let (era, partitions, lost) = revoked(&mut eager, now);
    assert_eq!((partitions, lost), (vec![at(0), at(1)], false));
    assert!(eager.next(now).is_none(), "it waits for the user");
    eager.on_revoked(era);
    settle(&mut eager, "range", 2, &[at(1)], now);
    assert_eq!(assigned(&mut eager, now), [at(1)]);

    let mut keeps = found("cooperative-sticky", now);
    settle(&mut keeps, "cooperative-sticky", 1, &[at(0), at(1)], now);
    assert_eq!(assigned(&mut keeps, now), [at(0), at(1)]);
    keeps.on_heartbeat(&keeps.identity(), beaten(ErrorCode::REBALANCE_IN_PROGRESS), now, 0.5);
    settle(&mut keeps, "cooperative-sticky", 2, &[at(1)], now);
    assert_eq!(assigned(&mut keeps, now), []);
    let (era, partitions, lost) = revoked(&mut keeps, now);
    assert_eq!((partitions, lost), (vec![at(0)], false));
    keeps.on_revoked(era);
    let (_, request) = join(&mut keeps, now);
    assert_eq!(request.member_id, "me", "the one it goes to can have it only in the next generation");
}

#[test]
fn while_the_user_is_asked_to_give_up_the_member_stays_alive() {
    let now = start();
    let mut member = found("range", now);
    settle(&mut member, "range", 1, &[at(0)], now);
    assigned(&mut member, now);
    member.rejoin("for a test");
    revoked(&mut member, now);
    let later = now + 1000 * MS;
    assert_eq!(member.deadline(), Some(later));
    assert!(matches!(member.next(later), Some(Action::Heartbeat(_))));
    assert!(member.next(later).is_none(), "one at a time");
}

#[test]
fn a_member_that_was_forgotten_loses_what_it_has_and_joins_as_a_new_one() {
    for (code, id) in [(ErrorCode::UNKNOWN_MEMBER_ID, ""), (ErrorCode::ILLEGAL_GENERATION, "me")] {
        let now = start();
        let mut member = found("range", now);
        settle(&mut member, "range", 1, &[at(0)], now);
        assigned(&mut member, now);
        member.on_heartbeat(&member.identity(), beaten(code), now, 0.5);
        let (era, partitions, lost) = revoked(&mut member, now);
        assert_eq!((partitions, lost), (vec![at(0)], true));
        member.on_revoked(era);
        assert_eq!(join(&mut member, now).1.member_id, id, "{code}");
    }
}

#[test]
fn what_is_answered_to_an_earlier_generation_changes_nothing() {
    let now = start();
    let mut member = found("range", now);
    settle(&mut member, "range", 1, &[at(0)], now);
    assigned(&mut member, now);
    let before = member.identity();
    member.on_heartbeat(&before, beaten(ErrorCode::REBALANCE_IN_PROGRESS), now, 0.5);
    let (era, ..) = revoked(&mut member, now);
    member.on_revoked(era);
    settle(&mut member, "range", 2, &[at(0)], now);
    assigned(&mut member, now);
    member.on_heartbeat(&before, beaten(ErrorCode::ILLEGAL_GENERATION), now, 0.5);
    member.on_commit_refused(ErrorCode::ILLEGAL_GENERATION, &before, now);
    member.on_joined(era, refusal(ErrorCode::UNKNOWN_MEMBER_ID), now, 0.5);
    assert!(member.next(now).is_none());
    assert_eq!(member.identity().generation, 2);
}

#[test]
fn a_coordinator_that_falls_silent_is_looked_for_and_nothing_is_given_up() {
    let now = start();
    let mut member = found("range", now);
    settle(&mut member, "range", 1, &[at(0)], now);
    assigned(&mut member, now);
    let down = || Error::new(ErrorKind::Disconnected, "down");
    member.on_heartbeat(&member.identity(), Err(down()), now, 0.5);
    let later = member.deadline().unwrap();
    assert!(later > now, "not at once");
    assert!(matches!(member.next(later), Some(Action::Find)));
    member.on_found(Ok(2), later, 0.5);
    assert!(matches!(member.next(later), Some(Action::Heartbeat(_))), "the new one hears at once");
    assert!(member.owns(&at(0)));
}

#[test]
fn trouble_that_lasts_is_told_and_tried_on() {
    let now = start();
    let mut member = found("range", now);
    let down = || Err(Error::new(ErrorKind::Disconnected, "down"));
    let (era, _) = join(&mut member, now);
    member.on_joined(era, down(), now, 0.5);
    assert!(member.next(now).is_none());
    let later = now + 61_000 * MS;
    assert!(matches!(member.next(later), Some(Action::Find)));
    member.on_found(Err(Error::new(ErrorKind::Unreachable, "down")), later, 0.5);
    assert!(matches!(member.next(later), Some(Action::Tell { lasting: false, .. })));
    assert!(matches!(member.next(later + 2000 * MS), Some(Action::Find)));
}

#[test]
fn a_fenced_static_member_ends_for_good() {
    let now = start();
    let mut member = Membership::new(Settings { instance_id: Some("one".into()), ..settings("range") }, now);
    member.subscribe(vec!["t".into()]);
    member.next(now);
    member.on_found(Ok(1), now, 0.5);
    settle(&mut member, "range", 1, &[at(0)], now);
    assigned(&mut member, now);
    assert_eq!(member.farewell("x"), None, "a restart should move nothing");
    member.on_heartbeat(&member.identity(), beaten(ErrorCode::FENCED_INSTANCE_ID), now, 0.5);
    let (_, _, lost) = revoked(&mut member, now);
    assert!(lost);
    assert!(matches!(member.next(now), Some(Action::Tell { lasting: true, .. })));
    assert!(member.next(now + 10_000 * MS).is_none() && member.deadline().is_none());
}

#[test]
fn a_user_that_stalls_makes_way_and_comes_back_when_it_goes_on() {
    let now = start();
    let mut member = found("range", now);
    settle(&mut member, "range", 1, &[at(0)], now);
    assigned(&mut member, now);
    member.on_stalled();
    assert!(matches!(member.next(now), Some(Action::Leave(_))));
    let (era, _, lost) = revoked(&mut member, now);
    assert!(lost, "others have it at once");
    assert!(member.next(now).is_none());
    member.on_progress();
    assert!(member.next(now).is_none(), "not before the user has given it up");
    member.on_revoked(era);
    assert_eq!(join(&mut member, now).1.member_id, "");
}

#[test]
fn a_subscription_that_changes_while_joining_is_told_in_the_next_round() {
    let now = start();
    let mut member = found("range", now);
    let (era, _) = join(&mut member, now);
    member.subscribe(vec!["t".into(), "u".into()]);
    member.on_joined(era, joined("other", 1), now, 0.5);
    let Some(Action::Sync(era, _)) = member.next(now) else { panic!("it syncs") };
    member.on_synced(era, share(&[]), now, 0.5);
    assert_eq!(assigned(&mut member, now), []);
    join(&mut member, now);
}
