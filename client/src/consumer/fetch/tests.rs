use bytes::{Bytes, BytesMut};

use super::super::batch::tests::one;
use super::super::buffer::Next;
use super::super::cursor::Cursors;
use super::answer::on_partition;
use super::*;
use crate::net::Backoff;
use crate::protocol::messages::fetch::{EpochEndOffset, FetchableTopicResponse, PartitionData};
use crate::protocol::wire::RecordBytes;

#[expect(clippy::disallowed_methods, reason = "tests begin at any time and go on from there by hand")]
fn start() -> Instant {
    Instant::now()
}

/// A buffer of the partition t-0, read from offset 5.
fn buffer() -> Buffer {
    let backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(1) };
    let mut cursors = Cursors::new(backoff, Duration::from_secs(60));
    cursors.add(TopicPartition::new("t", 0), Ok(5), 1000).unwrap();
    Buffer::new(cursors, 1 << 20)
}

#[test]
fn metadata_that_cannot_be_had_for_long_is_told_to_the_user() {
    let (mut buffer, now) = (buffer(), start());
    let down = || Err(Error::new(ErrorKind::Unreachable, "down"));
    on_refresh(&mut buffer, &Cluster::default(), down(), now);
    assert!(!buffer.is_ready(), "it may pass");
    on_refresh(&mut buffer, &Cluster::default(), down(), now + Duration::from_secs(61));
    assert!(matches!(buffer.take().0, Next::Failed(e) if e.kind() == ErrorKind::Unreachable));
    let again = now + Duration::from_secs(62) + Duration::from_secs(61);
    on_refresh(&mut buffer, &Cluster::default(), Ok(()), again);
    on_refresh(&mut buffer, &Cluster::default(), Ok(()), again + Duration::from_secs(61));
    let Next::Failed(error) = buffer.take().0 else { panic!("there is no leader all the time") };
    assert_eq!(error.code(), Some(ErrorCode::LEADER_NOT_AVAILABLE));
}

fn settings(reset: Reset) -> Settings {
    Settings {
        min_bytes: 1,
        max_wait_ms: 1,
        max_bytes: 1000,
        isolation: 0,
        reset,
        check_crcs: true,
        rack: String::new(),
        nearby_for: Duration::from_secs(300),
    }
}

/// An answer with these batches.
fn found(batches: &[BytesMut]) -> PartitionData {
    PartitionData { records: Some(RecordBytes::Here(Bytes::from(batches.concat()))), ..Default::default() }
}

fn out_of_range() -> PartitionData {
    PartitionData { error_code: ErrorCode::OFFSET_OUT_OF_RANGE, ..Default::default() }
}

#[test]
fn an_offset_out_of_range_takes_nothing_away_that_was_fetched_before() {
    for reset in [Reset::Latest, Reset::None] {
        let (mut buffer, now, settings) = (buffer(), start(), settings(reset));
        on_partition(&mut buffer, &settings, &Ask::from(5), &found(&[one(5, -1, None)]), now).unwrap();
        on_partition(&mut buffer, &settings, &Ask::from(6), &out_of_range(), now).unwrap();
        let asks = buffer.cursors.asks(now, &Cluster::default(), |_| false);
        assert_eq!(asks.deadline, Some(now + Duration::from_millis(100)));
        let Next::Share { share, .. } = buffer.take().0 else { panic!("{reset:?}") };
        assert_eq!(share.next_offset, 6);
        let result = on_partition(&mut buffer, &settings, &Ask::from(6), &out_of_range(), now);
        let lookup = buffer.cursors.get(0).unwrap().lookup;
        let to = (reset == Reset::Latest).then_some(Position::End);
        assert_eq!((result.is_ok(), lookup), (to.is_some(), to));
    }
}

fn truncated(end_offset: i64) -> PartitionData {
    PartitionData { diverging_epoch: EpochEndOffset { epoch: 1, end_offset }, ..Default::default() }
}

#[test]
fn a_log_that_was_truncated_is_read_on_from_where_it_ends() {
    let (mut buffer, now, settings) = (buffer(), start(), settings(Reset::Latest));
    let first = [one(5, -1, None), one(6, -1, None)];
    on_partition(&mut buffer, &settings, &Ask::from(5), &found(&first), now).unwrap();
    assert!(matches!(buffer.take().0, Next::Share { .. }));
    on_partition(&mut buffer, &settings, &Ask::from(7), &found(&[one(7, -1, None)]), now).unwrap();
    on_partition(&mut buffer, &settings, &Ask::from(8), &truncated(6), now).unwrap();
    assert!(matches!(buffer.take().0, Next::Nothing), "what is not in the log any more is not handed out");
    assert_eq!(buffer.cursors.get(0).unwrap().position, Some(6));
}

#[test]
fn a_log_that_was_truncated_behind_what_the_user_has_is_read_again_from_there() {
    let (mut buffer, now, settings) = (buffer(), start(), settings(Reset::Latest));
    let first = [one(5, -1, None), one(6, -1, None)];
    on_partition(&mut buffer, &settings, &Ask::from(5), &found(&first), now).unwrap();
    on_partition(&mut buffer, &settings, &Ask::from(7), &truncated(6), now).unwrap();
    assert!(matches!(buffer.take().0, Next::Nothing));
    assert_eq!(buffer.cursors.get(0).unwrap().position, Some(5));
}

#[test]
fn a_truncated_log_is_an_error_for_whoever_does_not_want_to_be_moved() {
    let (mut buffer, now, settings) = (buffer(), start(), settings(Reset::None));
    let error = on_partition(&mut buffer, &settings, &Ask::from(5), &truncated(3), now).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OffsetOutOfRange);
    assert!(error.hint().unwrap().contains("seek to 3"), "{error:?}");
}

#[test]
fn what_a_follower_cannot_answer_is_asked_of_the_leader() {
    let (mut buffer, now, settings) = (buffer(), start(), settings(Reset::Latest));
    let near = PartitionData { preferred_read_replica: 2, ..Default::default() };
    on_partition(&mut buffer, &settings, &Ask::from(5), &near, now).unwrap();
    on_partition(&mut buffer, &settings, &Ask::from(5), &out_of_range(), now).unwrap();
    assert_eq!(buffer.cursors.get(0).unwrap().lookup, None, "the position is as good as it was");
    on_partition(&mut buffer, &settings, &Ask::from(5), &out_of_range(), now).unwrap();
    assert_eq!(buffer.cursors.get(0).unwrap().lookup, Some(Position::End));
}

#[test]
fn an_answer_by_topic_id_finds_who_asked() {
    let topic_id = crate::protocol::Uuid::from_random([7; 16]).unwrap();
    let asks = [Ask { topic_id, ..Ask::from(5) }];
    let data = PartitionData { high_watermark: 9, ..Default::default() };
    let topic = FetchableTopicResponse { topic_id, partitions: vec![data], ..Default::default() };
    let answer = FetchResponse { responses: vec![topic], ..Default::default() };
    assert_eq!(by_ask(&asks, &answer)[0].1.map(|data| data.high_watermark), Some(9));
    let others = [Ask::from(5)];
    assert!(by_ask(&others, &answer)[0].1.is_none());
}

#[test]
fn in_a_session_no_news_is_no_failure() {
    let (mut buffer, now, settings) = (buffer(), start(), settings(Reset::Latest));
    let asks = [Ask::from(5)];
    let empty = FetchResponse::default();
    on_answer(&mut buffer, &settings, &asks, (&empty, Reading::News), &Moved::new(), now);
    assert_eq!(buffer.cursors.asks(now, &Cluster::default(), |_| false).deadline, None);
    on_answer(&mut buffer, &settings, &asks, (&empty, Reading::Whole), &Moved::new(), now);
    assert!(matches!(buffer.take().0, Next::Failed(e) if e.kind() == ErrorKind::Protocol));
}
