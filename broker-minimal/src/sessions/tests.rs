//! What a client of sessions relies on.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use super::*;
use crate::clock;

fn line(topic: &str, index: i32, offset: i64) -> Line {
    let topic = TopicRef { name: topic.into(), id: Uuid::ZERO };
    Line {
        key: Key { topic, index },
        current_leader_epoch: -1,
        fetch_offset: offset,
        last_fetched_epoch: -1,
        log_start: -1,
        max_bytes: 1000,
    }
}

fn asked(session_id: i32, session_epoch: i32, is_follower: bool, now: Instant) -> Asked {
    Asked { session_id, session_epoch, by_id: false, is_follower, now }
}

fn told(high_watermark: i64) -> Told {
    Told { high_watermark, log_start_offset: 0, has_records: false, is_trouble: false }
}

/// Ids that no test draws twice.
fn next_id() -> i32 {
    static NEXT: AtomicI32 = AtomicI32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Sessions, and the time of the test.
struct Test {
    sessions: Sessions,
    now: Instant,
}

impl Test {
    fn new(slots: usize) -> Self {
        Self { sessions: Sessions::new(slots, next_id), now: clock::now() }
    }

    /// Asks for a new session over these partitions; its id, 0 if there is none.
    fn full(&self, lines: Vec<Line>, is_follower: bool) -> i32 {
        let count = lines.len();
        let fetch = self.sessions.open(asked(0, 0, is_follower, self.now), lines, Vec::new()).unwrap();
        self.sessions.close(&fetch, &vec![told(5); count]).unwrap().0
    }

    fn next(&self, id: i32, epoch: i32, lines: Vec<Line>, forgotten: Vec<Key>) -> Result<Fetch, ErrorCode> {
        self.sessions.open(asked(id, epoch, false, self.now), lines, forgotten)
    }
}

fn named(fetch: &Fetch) -> Vec<(i32, i64)> {
    fetch.lines.iter().map(|line| (line.key.index, line.fetch_offset)).collect()
}

#[test]
fn a_session_remembers_what_was_asked_for_and_tells_what_has_changed() {
    let test = Test::new(10);
    let id = test.full(vec![line("t", 0, 0), line("t", 1, 0), line("t", 2, 0)], false);
    assert!(id > 0);
    let fetch = test.next(id, 1, vec![line("t", 1, 7)], Vec::new()).unwrap();
    assert_eq!(named(&fetch), [(0, 0), (1, 7), (2, 0)]);
    let answers = [told(5), Told { has_records: true, ..told(5) }, told(6)];
    assert_eq!(test.sessions.close(&fetch, &answers), Ok((id, vec![false, true, true])));
    // What gave records is served last, so that none starves.
    let fetch = test.next(id, 2, Vec::new(), vec![line("t", 0, 0).key]).unwrap();
    assert_eq!(named(&fetch), [(2, 0), (1, 7)]);
    assert_eq!(test.sessions.close(&fetch, &[told(6), told(5)]), Ok((id, vec![false, false])));
}

#[test]
fn a_partition_that_is_new_to_the_session_is_told_whatever_it_is() {
    let test = Test::new(10);
    let id = test.full(vec![line("t", 0, 0)], false);
    let fetch = test.next(id, 1, vec![line("u", 0, 0)], Vec::new()).unwrap();
    assert_eq!(test.sessions.close(&fetch, &[told(5), told(0)]), Ok((id, vec![false, true])));
}

#[test]
fn trouble_is_told_as_long_as_it_lasts_and_so_is_its_end() {
    let test = Test::new(10);
    let id = test.full(vec![line("t", 0, 0)], false);
    let trouble = Told { is_trouble: true, ..told(-1) };
    for (epoch, answer, is_told) in
        [(1, trouble, true), (2, trouble, true), (3, told(5), true), (4, told(5), false)]
    {
        let fetch = test.next(id, epoch, Vec::new(), Vec::new()).unwrap();
        assert_eq!(test.sessions.close(&fetch, &[answer]), Ok((id, vec![is_told])), "epoch {epoch}");
    }
}

#[test]
fn an_unknown_session_and_a_wrong_epoch_are_refused() {
    let test = Test::new(10);
    assert_eq!(
        test.next(99_999_999, 1, Vec::new(), Vec::new()).err(),
        Some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)
    );
    let id = test.full(vec![line("t", 0, 0)], false);
    assert_eq!(test.next(id, 2, Vec::new(), Vec::new()).err(), Some(ErrorCode::INVALID_FETCH_SESSION_EPOCH));
    let by_id = Asked { by_id: true, ..asked(id, 1, false, test.now) };
    let mixed = test.sessions.open(by_id, Vec::new(), Vec::new());
    assert_eq!(mixed.err(), Some(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR));
    let first = test.next(id, 1, Vec::new(), Vec::new()).unwrap();
    test.next(id, 2, Vec::new(), Vec::new()).unwrap();
    let late = test.sessions.close(&first, &[told(5)]);
    assert_eq!(late, Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH), "it has asked again meanwhile");
}

#[test]
fn a_whole_request_ends_the_session_that_it_names() {
    let test = Test::new(10);
    for epoch in [INITIAL, FINAL] {
        let id = test.full(vec![line("t", 0, 0)], false);
        test.next(id, epoch, vec![line("t", 0, 0)], Vec::new()).unwrap();
        assert_eq!(
            test.next(id, 1, Vec::new(), Vec::new()).err(),
            Some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)
        );
    }
}

#[test]
fn a_session_that_asks_for_nothing_more_ends() {
    let test = Test::new(10);
    let id = test.full(vec![line("t", 0, 0)], false);
    let fetch = test.next(id, 1, Vec::new(), vec![line("t", 0, 0).key]).unwrap();
    assert_eq!(test.sessions.close(&fetch, &[]), Ok((NONE, Vec::new())));
    assert_eq!(test.next(id, 2, Vec::new(), Vec::new()).err(), Some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
}

#[test]
fn without_room_a_client_gets_no_session_but_a_follower_displaces_a_consumer() {
    let mut test = Test::new(2);
    let small = test.full(vec![line("t", 0, 0)], false);
    let large = test.full(vec![line("t", 0, 0), line("t", 1, 0)], false);
    assert_eq!(test.full(vec![line("u", 0, 0)], false), NONE);
    assert!(test.full(vec![line("u", 0, 0)], true) > 0);
    assert!(test.next(small, 1, Vec::new(), Vec::new()).is_err(), "the smaller one went");
    assert!(test.next(large, 1, Vec::new(), Vec::new()).is_ok());
    // One that nobody has used for two minutes goes for anybody.
    test.now += Duration::from_secs(121);
    assert!(test.full(vec![line("u", 0, 0)], false) > 0);
}

#[test]
fn what_all_sessions_hold_together_is_bounded() {
    let test = Test::new(10);
    let many = |from: i32| (from..from + 150_000).map(|index| line("t", index, 0)).collect::<Vec<_>>();
    let id = test.full(many(0), false);
    assert!(id > 0);
    assert_eq!(test.full(many(0), false), NONE);
    let grown = test.next(id, 1, many(150_000), Vec::new());
    assert_eq!(grown.err(), Some(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    assert!(test.full(many(0), false) > 0, "what it held is free again");
    assert_eq!(test.full(vec![line(&"x".repeat(250), 0, 0)], false), NONE, "no topic has such a name");
}
