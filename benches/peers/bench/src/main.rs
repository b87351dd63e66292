//! Kinglet and other clients side by side, at `kbroker` and at Apache Kafka, in one run. `run` beside this workspace builds all
//! of it first; `README.md` says what counts.

mod broker;
mod cell;
mod client;
mod figures;
mod produce;
mod values;

use std::process::ExitCode;

use clap::{Args, Parser, ValueEnum};
use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::Jars;
use peers_kit::Fallible;
use serde_json::json;

use broker::{Broker, BrokerKind};
use cell::{Amounts, CELLS, Cell};
use client::{CLIENTS, Client, Programs};
use figures::Figures;
use produce::Bench;
use values::Values;

/// Measures clients side by side.
#[derive(Debug, Parser)]
enum Command {
    /// Producers.
    Produce(Options),
}

/// What is measured, and how it is shown.
#[derive(Debug, Clone, Args)]
struct Options {
    /// Only these clients: parts of their names, with commas between.
    #[arg(long, value_delimiter = ',')]
    clients: Vec<String>,
    /// Only these brokers.
    #[arg(long, value_delimiter = ',', default_value = "kbroker,kafka")]
    brokers: Vec<BrokerKind>,
    /// Only these cells: parts of their names, with commas between; a name in full is that one alone. Without it all but LZ4 with
    /// default settings, which tells little beyond the others.
    #[arg(long, value_delimiter = ',')]
    cells: Vec<String>,
    /// Rounds at each broker; medians count.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// So many times as many records in a load.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    times: u64,
    /// One small round, to see that everything works.
    #[arg(long)]
    quick: bool,
    /// How the figures are shown.
    #[arg(short, long, default_value = "table")]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

fn main() -> ExitCode {
    let Command::Produce(options) = Command::parse();
    let work = async { measure(&options).await };
    let done = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| runtime.block_on(work));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(options: &Options) -> Fallible<()> {
    let binaries = Binaries::build()?;
    let jars = or_skip("Apache Kafka and the Java client", Jars::fetch());
    let programs = Programs::find(jars.as_ref())?;
    let clients: Vec<&Client> = CLIENTS
        .iter()
        .filter(|client| is_wanted(client.name, &options.clients, CLIENTS.iter().map(|other| other.name)))
        .filter(|client| programs.has(client))
        .collect();
    let cells: Vec<&Cell> = CELLS
        .iter()
        .filter(|cell| is_wanted(cell.name, &options.cells, CELLS.iter().map(|other| other.name)))
        .filter(|cell| !options.cells.is_empty() || !cell.is_extra())
        .collect();
    let (amounts, rounds) = if options.quick {
        (Amounts::QUICK, 1)
    } else {
        (Amounts::FULL.times(options.times), options.rounds)
    };
    let values = Values::new()?;
    let mut figures = Figures::default();
    let load_before = load_average()?;
    for kind in &options.brokers {
        let Some(broker) = Broker::start(*kind, &binaries, jars.as_ref()).await? else { continue };
        let bench = Bench { kind: *kind, broker, programs: &programs, values: &values, amounts };
        bench.warm_up().await?;
        for round in 0..rounds {
            eprintln!("{}, round {} of {rounds}, load {}", kind.name(), round + 1, load_average()?);
            bench.round(round, &clients, &cells, &mut figures).await?;
        }
        bench.broker.stop().await?;
    }
    let load = [load_before, load_average()?];
    match options.output {
        Output::Table => println!("{}load average {} before, {} after", figures.tables(), load[0], load[1]),
        Output::Json => {
            println!("{}", json!({"rounds": rounds, "load_average": load, "rows": figures.rows()}))
        }
    }
    Ok(())
}

/// Whether a name was asked for. One that is a name in full stands for itself only.
fn is_wanted(name: &str, wanted: &[String], mut all: impl Iterator<Item = &'static str> + Clone) -> bool {
    wanted.is_empty()
        || wanted
            .iter()
            .any(|part| name == part || (name.contains(part.as_str()) && !all.any(|other| other == part)))
}

/// The machine's, over one, five and fifteen minutes.
fn load_average() -> Fallible<String> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}
