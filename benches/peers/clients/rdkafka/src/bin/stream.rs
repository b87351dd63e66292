//! `StreamConsumer` of the crate `rdkafka` under measurement.

use std::process::ExitCode;

use peer_rdkafka::{begin, consumer_config};
use peers_kit::{Fallible, Outcome, Reader, Reading, run};
use rdkafka::Message;
use rdkafka::consumer::StreamConsumer;

fn main() -> ExitCode {
    run(|task| tokio::runtime::Runtime::new()?.block_on(consume(task.reading()?)))
}

async fn consume(reading: Reading) -> Fallible<Outcome> {
    let consumer: StreamConsumer = consumer_config(&reading).create()?;
    begin(&consumer, &reading)?;
    let mut reader = Reader::new(&reading);
    while reader.wants_more() {
        let message = consumer.recv().await?;
        reader.take(message.payload().unwrap_or_default())?;
    }
    reader.outcome()
}
