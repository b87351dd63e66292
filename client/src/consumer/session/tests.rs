use super::*;

fn ask(partition: i32, offset: i64) -> Ask {
    Ask { at: TopicPartition::new("t", partition), ..Ask::from(offset) }
}

fn named(plan: &Plan<'_>) -> Vec<(i32, i64)> {
    plan.asks.iter().map(|ask| (ask.at.partition, ask.offset)).collect()
}

/// A session with the number 9, in which these were asked for.
fn opened(asks: &[Ask]) -> Session {
    let mut session = Session::default();
    let plan = session.plan(asks, 12);
    assert_eq!((plan.id, plan.epoch, plan.asks.len()), (0, 0, asks.len()));
    assert_eq!(session.on_answer(ErrorCode::NONE, 9), Reading::Whole);
    session
}

#[test]
fn only_what_has_changed_is_named_again() {
    let mut session = opened(&[ask(0, 5), ask(1, 5)]);
    let asks = [ask(0, 5), ask(1, 7), ask(2, 1)];
    let plan = session.plan(&asks, 12);
    assert_eq!((plan.id, plan.epoch, named(&plan)), (9, 1, vec![(1, 7), (2, 1)]));
    assert!(plan.forget.is_empty());
    assert_eq!(session.on_answer(ErrorCode::NONE, 9), Reading::News);
    let plan = session.plan(&asks, 12);
    assert_eq!((plan.epoch, named(&plan)), (2, vec![]));
}

#[test]
fn what_is_not_wanted_any_more_is_forgotten() {
    let mut session = opened(&[ask(0, 5), ask(1, 5)]);
    let asks = [ask(1, 5)];
    let plan = session.plan(&asks, 12);
    assert_eq!(plan.forget, [(TopicPartition::new("t", 0), Uuid::default())]);
    assert!(plan.asks.is_empty());
    assert!(session.plan(&asks, 12).forget.is_empty(), "once is enough");
}

#[test]
fn a_topic_that_was_made_anew_takes_the_place_of_the_old_one() {
    let with = |byte| Ask { topic_id: Uuid::from_random([byte; 16]).unwrap(), ..ask(0, 5) };
    let (old, new) = ([with(1)], [with(2)]);
    let mut session = opened(&old);
    session.by_id = true;
    let plan = session.plan(&new, 13);
    assert_eq!((plan.forget.len(), plan.asks.len()), (1, 1));
    assert_eq!(plan.forget[0].1, old[0].topic_id);
}

#[test]
fn a_broker_without_sessions_is_asked_in_full_each_time() {
    let asks = [ask(0, 5)];
    let mut session = Session::default();
    for _ in 0..3 {
        let plan = session.plan(&asks, 12);
        assert_eq!((plan.id, plan.epoch, plan.asks.len()), (0, 0, 1));
        assert_eq!(session.on_answer(ErrorCode::NONE, 0), Reading::Whole);
    }
    let plan = session.plan(&asks, 6);
    assert_eq!((plan.id, plan.epoch), (0, -1), "before version 7 nobody knows of sessions");
    assert!(session.close().is_none());
}

#[test]
fn a_session_that_the_broker_has_forgotten_is_opened_anew() {
    for (error, id) in
        [(ErrorCode::FETCH_SESSION_ID_NOT_FOUND, 0), (ErrorCode::INVALID_FETCH_SESSION_EPOCH, 9)]
    {
        let asks = [ask(0, 5)];
        let mut session = opened(&asks);
        session.plan(&asks, 12);
        assert_eq!(session.on_answer(error, 0), Reading::Forgotten);
        let plan = session.plan(&asks, 12);
        assert_eq!((plan.id, plan.epoch, plan.asks.len()), (id, 0, 1), "{error}");
        // It says so of a session that was not referred to: that is no reason to ask again at once.
        assert_eq!(session.on_answer(error, 0), Reading::Whole);
    }
}

#[test]
fn after_an_answer_that_did_not_come_everything_is_asked_anew() {
    let asks = [ask(0, 5)];
    let mut session = opened(&asks);
    session.plan(&asks, 12);
    session.restart();
    let plan = session.plan(&asks, 12);
    assert_eq!((plan.id, plan.epoch, plan.asks.len()), (9, 0, 1));
}

#[test]
fn a_session_that_goes_over_to_topic_ids_is_opened_anew() {
    let asks = [ask(0, 5)];
    let mut session = opened(&asks);
    let plan = session.plan(&asks, 13);
    assert_eq!((plan.id, plan.epoch, plan.asks.len()), (9, 0, 1));
}

#[test]
fn the_epoch_of_a_session_never_reaches_that_of_its_opening() {
    let asks = [ask(0, 5)];
    let mut session = opened(&asks);
    session.epoch = i32::MAX;
    session.plan(&asks, 12);
    session.on_answer(ErrorCode::NONE, 9);
    assert_eq!(session.plan(&asks, 12).epoch, 1);
    assert_eq!(session.close().map(|plan| (plan.id, plan.epoch)), Some((9, -1)));
}
