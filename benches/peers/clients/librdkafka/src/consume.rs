//! Its consumer, by batches of its queue.

use peers_kit::{Fallible, Outcome, READ_LIMIT, Reader, Reading};

use crate::raw::consumer::Consumer;

pub(crate) fn consume(reading: Reading) -> Fallible<Outcome> {
    let mut consumer = Consumer::new(&reading.librdkafka_settings())?;
    if reading.group.is_some() {
        consumer.subscribe(&reading.topic)?;
    } else {
        consumer.assign(&reading.topic, 0..reading.partitions)?;
    }
    let mut reader = Reader::new(&reading);
    while reader.wants_more() {
        if consumer.consume(READ_LIMIT, |value| reader.take(value))? == 0 {
            return Err("nothing to read".into());
        }
    }
    reader.outcome()
}
