//! Kinglet and other clients side by side, at `kbroker` and at Apache Kafka, in one run. `run` beside this workspace builds all
//! of it first; `README.md` says what counts.

mod bench;
mod broker;
mod cell;
mod client;
mod cluster;
mod connections;
mod consume;
mod failover;
mod figures;
mod latency;
mod produce;
mod reading;
mod rebalance;
mod scale;
mod values;

use std::process::ExitCode;

use clap::{Args, Parser, ValueEnum};
use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::Jars;
use peers_kit::Fallible;
use serde::Serialize;
use serde_json::json;

use bench::Bench;
use broker::{Broker, BrokerKind};
use cell::{Amounts, CELLS, Cell};
use client::{CLIENTS, Client, Programs};
use connections::ConnectionsOptions;
use failover::{FailoverOptions, Findings};
use figures::Figures;
use reading::{READ_CELLS, ReadAmounts, ReadCell};
use rebalance::GroupOptions;
use scale::ScaleOptions;
use values::Values;

/// Measures clients side by side.
#[derive(Debug, Parser)]
enum Command {
    /// Producers.
    Produce(Options),
    /// Consumers.
    Consume(Options),
    /// Records on their own, from Kinglet's producer to a client's consumer.
    Latency(Options),
    /// Producers at three brokers that replicate to each other. Without `--clients` and `--cells` the usual few.
    Cluster(Options),
    /// A large group of Kinglet's consumers.
    Rebalance {
        #[command(flatten)]
        options: Options,
        #[command(flatten)]
        group: GroupOptions,
    },
    /// Thousands of connections, silent ones and such as come and go, beside a good client.
    Connections {
        #[command(flatten)]
        options: ConnectionsOptions,
        /// How the figures are shown.
        #[arg(short, long, default_value = "table")]
        output: Output,
    },
    /// Three brokers, one of which dies, freezes or leaves while producers work.
    Failover {
        #[command(flatten)]
        options: FailoverOptions,
        /// How the figures are shown.
        #[arg(short, long, default_value = "table")]
        output: Output,
    },
    /// Three brokers with thousands of partitions: what those cost, and how soon things are done.
    Scale {
        #[command(flatten)]
        options: ScaleOptions,
        /// How the figures are shown.
        #[arg(short, long, default_value = "table")]
        output: Output,
    },
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
    /// Only these cells: parts of their names, with commas between; a name in full is that one alone. Without it all but those
    /// that tell little beyond the others, such as LZ4 with default settings.
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

/// What is measured, of those that are wanted.
enum Work<'a> {
    Produce(Vec<&'a Cell>, Amounts),
    Consume(Vec<&'a ReadCell>, ReadAmounts),
    Latency(ReadAmounts),
}

fn main() -> ExitCode {
    let command = Command::parse();
    let work = async { run(&command).await };
    let done = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| runtime.block_on(work));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: &Command) -> Fallible<()> {
    let binaries = Binaries::build()?;
    let jars = match command {
        Command::Scale { options, .. } if !options.wants_kafka() => None,
        _ => or_skip("Apache Kafka and the Java client", Jars::fetch()),
    };
    let (options, work, can): (_, _, fn(&Client) -> bool) = match command {
        Command::Produce(options) => {
            let amounts = if options.quick { Amounts::QUICK } else { Amounts::FULL.times(options.times) };
            (
                options,
                Work::Produce(options.cells(CELLS, |cell| (cell.name, cell.is_extra())), amounts),
                Client::sends,
            )
        }
        Command::Consume(options) => {
            let cells = options.cells(READ_CELLS, |cell| (cell.name, cell.is_extra()));
            (options, Work::Consume(cells, options.read_amounts()), Client::reads)
        }
        Command::Latency(options) => (options, Work::Latency(options.read_amounts()), Client::reads),
        Command::Cluster(options) => return cluster::run(options, &binaries, jars.as_ref()).await,
        Command::Rebalance { options, group } => {
            return rebalance(options, group, &binaries, jars.as_ref()).await;
        }
        Command::Connections { options, output } => {
            return connections(options, *output, &binaries, jars.as_ref()).await;
        }
        Command::Failover { options, output } => {
            return failover(options, *output, &binaries, jars.as_ref()).await;
        }
        Command::Scale { options, output } => {
            return scale(options, *output, &binaries, jars.as_ref()).await;
        }
    };
    let programs = Programs::find(jars.as_ref())?;
    let clients: Vec<&Client> = CLIENTS
        .iter()
        .filter(|client| can(client))
        .filter(|client| is_wanted(client.name, &options.clients, CLIENTS.iter().map(|other| other.name)))
        .filter(|client| programs.has(client))
        .collect();
    let (values, mut figures) = (Values::new()?, Figures::default());
    let (rounds, load_before) = (options.rounds(), load_average()?);
    for kind in &options.brokers {
        let Some(broker) = Broker::start(*kind, &binaries, jars.as_ref()).await? else { continue };
        let bench = Bench { kind: *kind, broker, programs: &programs, clients: &clients, values: &values };
        match &work {
            Work::Produce(_, amounts) => bench.warm_up(*amounts).await?,
            Work::Consume(cells, amounts) => bench.fill(cells, *amounts).await?,
            Work::Latency(_) => {}
        }
        for round in 0..rounds {
            eprintln!("{}, round {} of {rounds}, load {}", kind.name(), round + 1, load_average()?);
            match &work {
                Work::Produce(cells, amounts) => bench.produce(round, cells, *amounts, &mut figures).await?,
                Work::Consume(cells, amounts) => bench.consume(round, cells, *amounts, &mut figures),
                Work::Latency(amounts) => bench.latency(round, *amounts, &mut figures).await?,
            }
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

/// What was found, by this name, with how busy the machine was before and is now.
fn show(
    output: Output,
    table: &str,
    name: &str,
    found: &impl Serialize,
    load_before: String,
) -> Fallible<()> {
    let load = [load_before, load_average()?];
    match output {
        Output::Table => println!("{table}load average {} before, {} after", load[0], load[1]),
        Output::Json => println!("{}", json!({"load_average": load, name: found})),
    }
    Ok(())
}

/// Without rounds: each event is one anyway, of many members.
async fn rebalance(
    options: &Options,
    group: &GroupOptions,
    binaries: &Binaries,
    jars: Option<&Jars>,
) -> Fallible<()> {
    let (mut steps, load_before) = (Vec::new(), load_average()?);
    for kind in &options.brokers {
        let Some(broker) = Broker::start(*kind, binaries, jars).await? else { continue };
        steps.extend(rebalance::measure(*kind, &broker, group).await?);
        broker.stop().await?;
    }
    show(options.output, &rebalance::table(&steps), "steps", &steps, load_before)
}

/// What was found is shown also when a cluster could not be put in order any more.
async fn failover(
    options: &FailoverOptions,
    output: Output,
    binaries: &Binaries,
    jars: Option<&Jars>,
) -> Fallible<()> {
    let (mut findings, load_before) = (Findings::default(), load_average()?);
    let programs = Programs::find(jars)?;
    let mut broken = Ok(());
    for kind in &options.brokers {
        let measured = failover::measure(*kind, options, (binaries, jars, &programs), &mut findings).await;
        broken = broken.and(measured);
    }
    show(output, &findings.table(), "findings", &findings, load_before)?;
    broken
}

/// What was found is shown also when it is not as it should be.
async fn connections(
    options: &ConnectionsOptions,
    output: Output,
    binaries: &Binaries,
    jars: Option<&Jars>,
) -> Fallible<()> {
    let (mut findings, load_before) = (connections::Findings::default(), load_average()?);
    for kind in &options.brokers {
        connections::measure(*kind, options, (binaries, jars), &mut findings).await?;
    }
    show(output, &findings.table(), "findings", &findings, load_before)?;
    let faults = findings.faults(options.are_latencies_judged());
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ").into()) }
}

/// What was found is shown also when a cluster could not be had.
async fn scale(
    options: &ScaleOptions,
    output: Output,
    binaries: &Binaries,
    jars: Option<&Jars>,
) -> Fallible<()> {
    let (mut findings, load_before) = (scale::Findings::default(), load_average()?);
    let measured = scale::measure(options, (binaries, jars), &mut findings).await;
    show(output, &findings.table(), "findings", &findings, load_before)?;
    measured
}

impl Options {
    fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds }
    }

    fn read_amounts(&self) -> ReadAmounts {
        if self.quick { ReadAmounts::QUICK } else { ReadAmounts::FULL.times(self.times) }
    }

    /// The cells that were asked for. `describe` gives a cell's name, and whether it has to be asked for.
    fn cells<'a, C>(&self, all: &'a [C], describe: fn(&C) -> (&'static str, bool)) -> Vec<&'a C> {
        let name = |cell: &C| describe(cell).0;
        all.iter()
            .filter(|cell| is_wanted(name(cell), &self.cells, all.iter().map(name)))
            .filter(|cell| !self.cells.is_empty() || !describe(cell).1)
            .collect()
    }
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
