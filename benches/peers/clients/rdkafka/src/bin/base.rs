//! `BaseConsumer` of the crate `rdkafka` under measurement.

use std::process::ExitCode;

use peer_rdkafka::{begin, consumer_config};
use peers_kit::{Fallible, Outcome, READ_LIMIT, Reader, Reading, run};
use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;

fn main() -> ExitCode {
    run(|task| consume(task.reading()?))
}

fn consume(reading: Reading) -> Fallible<Outcome> {
    let consumer: BaseConsumer = consumer_config(&reading).create()?;
    begin(&consumer, &reading)?;
    let mut reader = Reader::new(&reading);
    while reader.wants_more() {
        // It also returns for what is no message, such as a rebalance.
        if let Some(message) = consumer.poll(READ_LIMIT) {
            reader.take(message?.payload().unwrap_or_default())?;
        }
    }
    reader.outcome()
}
