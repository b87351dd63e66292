use bytes::{Bytes, BytesMut};

use super::super::batch::tests::one;
use super::super::buffer::Next;
use super::super::cursor::Cursors;
use super::*;
use crate::net::Backoff;

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

fn ask(offset: i64) -> Ask {
    let at = TopicPartition::new("t", 0);
    Ask { index: 0, generation: 0, at, offset, leader_epoch: -1, max_bytes: 1000, grown: false }
}

fn settings(reset: Reset) -> Settings {
    Settings { min_bytes: 1, max_wait_ms: 1, max_bytes: 1000, isolation: 0, reset, check_crcs: true }
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
        on_partition(&mut buffer, &settings, &ask(5), &found(&[one(5, -1, None)]), now).unwrap();
        on_partition(&mut buffer, &settings, &ask(6), &out_of_range(), now).unwrap();
        let asks = buffer.cursors.asks(now, &Cluster::default(), |_| false);
        assert_eq!(asks.deadline, Some(now + Duration::from_millis(100)));
        let Next::Share { share, .. } = buffer.take().0 else { panic!("{reset:?}") };
        assert_eq!(share.next_offset, 6);
        let result = on_partition(&mut buffer, &settings, &ask(6), &out_of_range(), now);
        let lookup = buffer.cursors.get(0).unwrap().lookup;
        let to = (reset == Reset::Latest).then_some(Position::End);
        assert_eq!((result.is_ok(), lookup), (to.is_some(), to));
    }
}
