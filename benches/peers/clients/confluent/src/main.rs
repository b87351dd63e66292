//! The crate `confluent-kafka` under measurement.

mod consume;
mod produce;

use std::process::ExitCode;

use peers_kit::{Task, run};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    run(|task| {
        Runtime::new()?.block_on(async {
            match task {
                Task::Produce(order) => produce::produce(order).await,
                Task::Consume(reading) => consume::consume(reading).await,
            }
        })
    })
}
