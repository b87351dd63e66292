//! Producers, one at a time: a topic, a client, and what is in the topic afterwards.

use peers_kit::{Codec, Fallible, Mode, Order, Settings};

use crate::broker::{Broker, BrokerKind, PARTITIONS};
use crate::cell::{Amounts, Cell, Kind};
use crate::client::{CLIENTS, Client, Programs};
use crate::figures::{Figures, Row, Sample};
use crate::values::{Values, touch_memory};

/// A virtual machine has compiled its hot code after so many runs of the client that loads it most.
const WARM_UPS: usize = 3;

/// What every run needs.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) kind: BrokerKind,
    pub(crate) broker: Broker,
    pub(crate) programs: &'a Programs,
    pub(crate) values: &'a Values,
    pub(crate) amounts: Amounts,
}

impl Bench<'_> {
    /// Keeps the broker busy for a while; nothing of it counts.
    pub(crate) async fn warm_up(&self) -> Fallible<()> {
        let cell = Cell {
            name: "warm-up",
            size: 100,
            settings: Settings::Tuned,
            codec: Codec::None,
            kind: Kind::Load,
        };
        for client in CLIENTS.iter().take(1).filter(|client| self.programs.has(client)) {
            for round in 0..WARM_UPS {
                self.run(round, client, &cell, Mode::Dropped).await?;
            }
        }
        Ok(())
    }

    /// Every cell with every client; each round another client begins.
    pub(crate) async fn round(
        &self,
        round: usize,
        clients: &[&Client],
        cells: &[&Cell],
        figures: &mut Figures,
    ) -> Fallible<()> {
        for cell in cells {
            let turn = clients.iter().cycle().skip(round % clients.len().max(1)).take(clients.len());
            for client in turn {
                for mode in client.modes(cell) {
                    let (samples, failures) = match self.run(round, client, cell, mode).await {
                        Ok(sample) => (vec![sample], Vec::new()),
                        Err(error) => (Vec::new(), vec![one_line(&error.to_string())]),
                    };
                    self.tell(client, cell, mode, &samples, &failures);
                    figures.add(Row {
                        broker: self.kind.name(),
                        cell: cell.name,
                        client: client.name,
                        mode: mode_name(mode),
                        samples,
                        failures,
                    });
                }
            }
        }
        Ok(())
    }

    /// One client, one cell. The topic goes again whatever comes of it.
    async fn run(&self, round: usize, client: &Client, cell: &Cell, mode: Mode) -> Fallible<Sample> {
        let topic = format!("{}-{}-{}-{round}", cell.name, client.name, mode_name(mode));
        self.broker.create_topic(&topic).await?;
        let sample = self.run_at(&topic, client, cell, mode).await;
        self.broker.delete_topic(&topic).await?;
        sample
    }

    async fn run_at(&self, topic: &str, client: &Client, cell: &Cell, mode: Mode) -> Fallible<Sample> {
        let (records, warm_up) = self.amounts.of(cell);
        let payloads = self.values.file(cell.size)?;
        let order = Order {
            bootstrap: self.broker.bootstrap(),
            topic: topic.to_owned(),
            partitions: PARTITIONS,
            size: cell.size,
            records,
            warm_up,
            settings: cell.settings,
            codec: cell.codec,
            mode,
            payloads,
        };
        touch_memory((records + warm_up) * cell.size as u64)?;
        let broker_before = self.broker.cpu_seconds()?;
        let run = self.programs.run(client, &order)?;
        let broker_cpu = self.broker.cpu_seconds()? - broker_before;
        if run.outcome.failed > 0 {
            let why = run.outcome.first_error.unwrap_or_default();
            return Err(format!("{} records failed, the first with {why}", run.outcome.failed).into());
        }
        let expected = Values::expected(&order.payloads, cell.size, warm_up, records)?;
        let read = self.broker.read_back(topic).await?;
        if read != expected {
            let (was, is) = (expected.count, read.count);
            return Err(format!("{is} records were read, {was} were sent, and they are not the same").into());
        }
        let (count, outcome) = (records as f64, run.outcome);
        Ok(Sample {
            records_per_second: count / outcome.seconds,
            megabytes_per_second: count * cell.size as f64 / 1e6 / outcome.seconds,
            cpu_seconds_per_million: outcome.cpu_seconds / count * 1e6,
            records_per_cpu_second: count / outcome.cpu_seconds,
            rss_peak_megabytes: run.rss_peak_bytes as f64 / 1e6,
            broker_cpu_seconds_per_million: broker_cpu / (records + warm_up) as f64 * 1e6,
            p50_us: outcome.p50_us,
            p99_us: outcome.p99_us,
        })
    }

    /// How it goes, for whoever watches.
    fn tell(&self, client: &Client, cell: &Cell, mode: Mode, samples: &[Sample], failures: &[String]) {
        let broker = self.kind.name();
        for s in samples {
            eprintln!(
                "  {broker}, {}, {} {}: {:.0} k records/s, {:.2} CPU-s per million, {:.0} MB, p50 {:.0} µs, p99 {:.0} µs",
                cell.name,
                client.name,
                mode_name(mode),
                s.records_per_second / 1e3,
                s.cpu_seconds_per_million,
                s.rss_peak_megabytes,
                s.p50_us,
                s.p99_us
            );
        }
        for failure in failures {
            eprintln!("  {broker}, {}, {} {}: {failure}", cell.name, client.name, mode_name(mode));
        }
    }
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Dropped => "dropped",
        Mode::Awaited => "awaited",
        Mode::Single => "single",
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(160).collect()
}
