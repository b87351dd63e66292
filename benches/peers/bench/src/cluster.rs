//! Producers at three brokers: a topic of three replicas, every record acknowledged when two of them have it.
//!
//! The clients, their settings and what counts are those of the producers at one broker.

use std::fmt::Write as _;

use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::Jars;
use peers_kit::Fallible;
use serde::Serialize;
use serde_json::json;
use tabled::builder::Builder;
use tabled::settings::Style;

use crate::bench::Bench;
use crate::broker::Broker;
use crate::cell::{Amounts, CELLS, Cell, Kind};
use crate::client::{CLIENTS, Client, Programs};
use crate::figures::{Figures, Row, Sample};
use crate::values::Values;
use crate::{Options, Output, is_wanted, load_average};

/// Those that are measured when none are named: what replication costs shows with one client as with another.
const USUAL: &[&str] = &["kinglet", "java"];
const USUAL_CELLS: &[&str] = &["single-prompt", "100-defaults", "100-tuned", "1000-defaults", "1000-tuned"];

/// Resident memory of the three brokers together.
#[derive(Debug, Clone, Copy, Serialize)]
struct Memory {
    broker: &'static str,
    fresh_megabytes: f64,
    loaded_megabytes: f64,
}

pub(crate) async fn run(options: &Options, binaries: &Binaries, jars: Option<&Jars>) -> Fallible<()> {
    let programs = Programs::find(jars)?;
    let amounts = if options.quick { Amounts::QUICK } else { Amounts::FULL.times(options.times) };
    let cells: Vec<&Cell> = CELLS.iter().filter(|cell| wants_cell(options, cell)).collect();
    let clients: Vec<&Client> =
        CLIENTS.iter().filter(|client| wants_client(options, client) && programs.has(client)).collect();
    let (values, mut figures, mut memory) = (Values::new()?, Figures::default(), Vec::new());
    let (rounds, load_before) = (options.rounds(), load_average()?);
    for kind in &options.brokers {
        let Some(broker) = Broker::start_cluster(*kind, binaries, jars).await? else { continue };
        let fresh = broker.used()?;
        let bench = Bench { kind: *kind, broker, programs: &programs, clients: &clients, values: &values };
        bench.warm_up(amounts).await?;
        for round in 0..rounds {
            eprintln!("three of {}, round {} of {rounds}, load {}", kind.name(), round + 1, load_average()?);
            bench.produce(round, &cells, amounts, &mut figures).await?;
        }
        memory.push(Memory {
            broker: kind.name(),
            fresh_megabytes: fresh.rss_bytes as f64 / 1e6,
            loaded_megabytes: bench.broker.used()?.rss_bytes as f64 / 1e6,
        });
        bench.broker.stop().await?;
    }
    let load = [load_before, load_average()?];
    match options.output {
        Output::Table => {
            println!("{}load average {} before, {} after", text(&figures, &memory), load[0], load[1])
        }
        Output::Json => println!(
            "{}",
            json!({"rounds": rounds, "load_average": load, "memory": memory, "rows": figures.rows()})
        ),
    }
    Ok(())
}

fn wants_cell(options: &Options, cell: &Cell) -> bool {
    match options.cells.is_empty() {
        true => USUAL_CELLS.contains(&cell.name),
        false => is_wanted(cell.name, &options.cells, CELLS.iter().map(|other| other.name)),
    }
}

fn wants_client(options: &Options, client: &Client) -> bool {
    client.sends()
        && match options.clients.is_empty() {
            true => USUAL.contains(&client.name),
            false => is_wanted(client.name, &options.clients, CLIENTS.iter().map(|other| other.name)),
        }
}

/// One table of all brokers, cell by cell, and their memory.
fn text(figures: &Figures, memory: &[Memory]) -> String {
    let mut builder = Builder::new();
    builder.push_record([
        "cell",
        "client",
        "three of",
        "k records/s",
        "of rounds",
        "MB/s",
        "p50 ms",
        "p99 ms",
        "brokers' CPU-s per GB",
        "client's CPU-s per GB",
        "",
    ]);
    let mut rows: Vec<&Row> = figures.rows().iter().collect();
    rows.sort_by_key(|row| (row.cell, row.client, row.mode));
    for row in rows {
        builder.push_record(line(row));
    }
    let mut table = builder.build();
    let mut text = format!("{}\n\n", table.with(Style::markdown()));
    for Memory { broker, fresh_megabytes, loaded_megabytes } in memory {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "three of {broker}: {fresh_megabytes:.0} MB resident after the start, {loaded_megabytes:.0} MB after the load"
        );
    }
    text
}

fn line(row: &Row) -> Vec<String> {
    let size = CELLS.iter().find(|cell| cell.name == row.cell).map_or(1, |cell| cell.size);
    // Per million records of so many bytes.
    let per_gigabyte = |value: f64| value * 1e3 / size as f64;
    let kilo = |sample: &Sample| sample.records_per_second / 1e3;
    let if_known = |us: fn(&Sample) -> f64| {
        let has_any = row.samples.iter().any(|sample| us(sample) > 0.0);
        if has_any { row.show(1, |sample| us(sample) / 1e3) } else { "–".to_owned() }
    };
    let is_load = row.kind == Kind::Load;
    let if_load = |shown: String| if is_load { shown } else { "–".to_owned() };
    vec![
        row.cell.to_owned(),
        if row.mode == "awaited" { format!("{} awaited", row.client) } else { row.client.to_owned() },
        row.broker.to_owned(),
        row.show(if is_load { 0 } else { 2 }, kilo),
        if_load(row.spread(kilo)),
        if_load(row.show(0, |sample| sample.megabytes_per_second)),
        if_known(|sample| sample.p50_us),
        if_known(|sample| sample.p99_us),
        if_load(row.show(2, |sample| per_gigabyte(sample.broker_cpu_seconds_per_million))),
        if_load(row.show(2, |sample| per_gigabyte(sample.cpu_seconds_per_million))),
        row.note(),
    ]
}
