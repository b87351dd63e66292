//! librdkafka under measurement, by its C interface: what a program in C would call, without the crate `rdkafka` around it.

mod consume;
mod produce;
mod raw;

use std::process::ExitCode;

use peers_kit::{Task, run};

fn main() -> ExitCode {
    run(|task| match task {
        Task::Produce(order) => produce::produce(order),
        Task::Consume(reading) => consume::consume(reading),
    })
}
