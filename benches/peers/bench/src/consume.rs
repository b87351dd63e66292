//! Consumers, one at a time: topics that are filled once, and what each client reads of them.

use std::collections::BTreeSet;

use kinglet::{Client as Kinglet, Config, Record, TryEnqueueError};
use peers_kit::{Fallible, Pace, Payloads, Reading};

use crate::bench::{Bench, Place};
use crate::broker::PARTITIONS;
use crate::cell::Kind;
use crate::client::{CLIENTS, Client};
use crate::figures::{Figures, Sample};
use crate::reading::{READ_CELLS, ReadAmounts, ReadCell, Way};
use crate::values::{tally, touch_memory};

/// A virtual machine has compiled its hot code after so many readings.
const WARM_UPS: usize = 3;
/// Batches as they lie in the topics: between the defaults of Java (16 KiB) and of librdkafka (1 MB).
const BATCH_BYTES: usize = 64 * 1024;
/// More than a client fetches ahead.
const CLIENT_BYTES: u64 = 512 * 1024 * 1024;

impl Bench<'_> {
    /// Fills the topics of these cells, and has them read a few times; nothing of it counts.
    pub(crate) async fn fill(&self, cells: &[&ReadCell], amounts: ReadAmounts) -> Fallible<()> {
        let topics: BTreeSet<(usize, &str)> =
            cells.iter().map(|cell| (cell.size, cell.codec.name())).collect();
        for (size, codec) in topics {
            self.fill_topic(size, codec, amounts.of(size)).await?;
        }
        let is_filled = |cell: &&ReadCell| cells.iter().any(|wanted| topic(wanted) == topic(cell));
        let cell = READ_CELLS.iter().filter(|cell| cell.way == Way::Assign).find(is_filled);
        let kinglet = CLIENTS.iter().take(1).find(|client| self.programs.has(client));
        if let (Some(cell), Some(kinglet)) = (cell, kinglet) {
            for _ in 0..WARM_UPS {
                self.read(0, kinglet, cell, amounts)?;
            }
        }
        Ok(())
    }

    /// Every cell with every client.
    pub(crate) fn consume(
        &self,
        round: usize,
        cells: &[&ReadCell],
        amounts: ReadAmounts,
        figures: &mut Figures,
    ) {
        for cell in cells {
            for client in self.turn(round).filter(|client| client.reads_cell(self.kind, cell)) {
                let sample = self.read(round, client, cell, amounts);
                let mode = cell.way.name();
                let place = Place { kind: Kind::Load, cell: cell.name, client: client.name, mode };
                self.note(place, sample, figures);
            }
        }
    }

    fn read(&self, round: usize, client: &Client, cell: &ReadCell, amounts: ReadAmounts) -> Fallible<Sample> {
        let in_all = amounts.of(cell.size);
        let warm_up = ReadAmounts::warm_up(in_all);
        let reading = Reading {
            bootstrap: self.broker.bootstrap(),
            topic: topic(cell),
            partitions: PARTITIONS,
            records: in_all - warm_up,
            warm_up,
            settings: cell.settings,
            pace: Pace::Load,
            group: (cell.way == Way::Group).then(|| format!("{}-{}-{round}", cell.name, client.name)),
        };
        touch_memory(CLIENT_BYTES)?;
        let broker_before = self.broker.cpu_seconds()?;
        let run = self.programs.run(client, reading.to_args())?;
        let broker_cpu = self.broker.cpu_seconds()? - broker_before;
        let (read, expected) = (run.outcome.read, tally(&self.values.file(cell.size)?, cell.size, in_all)?);
        if read != expected {
            return Err(format!("it read {read:?}, there is {expected:?}").into());
        }
        Ok(Sample::new(&run, reading.records, in_all, cell.size, broker_cpu))
    }

    async fn fill_topic(&self, size: usize, codec: &str, records: u64) -> Fallible<()> {
        let topic = topic_name(size, codec);
        self.broker.create_topic(&topic).await?;
        let payloads = Payloads::read(&self.values.file(size)?, size)?;
        let config = Config::new(self.broker.bootstrap())
            .set("compression.type", codec)?
            .set("batch.size", BATCH_BYTES)?
            .set("linger.ms", 50)?;
        let producer = Kinglet::connect(config).await?.producer()?;
        for value in payloads.take(records) {
            let record = Record::to(&topic).value(value);
            match producer.try_push(record) {
                Ok(()) => {}
                Err(TryEnqueueError::Failed(error)) => return Err(error.into()),
                Err(_) => drop(producer.enqueue(record).await?),
            }
        }
        match producer.flush().await?.first_error {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}

fn topic(cell: &ReadCell) -> String {
    topic_name(cell.size, cell.codec.name())
}

fn topic_name(size: usize, codec: &str) -> String {
    format!("read-{size}-{codec}")
}
