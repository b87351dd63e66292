//! Producers, one at a time: a topic, a client, and what is in the topic afterwards.

use peers_kit::{Codec, Fallible, Mode, Order, Settings};

use crate::bench::{Bench, Place};
use crate::broker::PARTITIONS;
use crate::cell::{Amounts, Cell, Kind};
use crate::client::{CLIENTS, Client};
use crate::figures::{Figures, Sample};
use crate::values::{Values, touch_memory};

/// A virtual machine has compiled its hot code after so many runs of the client that loads it most.
const WARM_UPS: usize = 3;

impl Bench<'_> {
    /// Keeps the broker busy for a while; nothing of it counts.
    pub(crate) async fn warm_up(&self, amounts: Amounts) -> Fallible<()> {
        let cell = Cell {
            name: "warm-up",
            size: 100,
            settings: Settings::Tuned,
            codec: Codec::None,
            kind: Kind::Load,
        };
        for client in CLIENTS.iter().take(1).filter(|client| self.programs.has(client)) {
            for round in 0..WARM_UPS {
                self.run(round, client, &cell, Mode::Dropped, amounts).await?;
            }
        }
        Ok(())
    }

    /// Every cell with every client.
    pub(crate) async fn produce(
        &self,
        round: usize,
        cells: &[&Cell],
        amounts: Amounts,
        figures: &mut Figures,
    ) -> Fallible<()> {
        for cell in cells {
            for client in self.turn(round) {
                for mode in client.modes(cell) {
                    let sample = self.run(round, client, cell, mode, amounts).await;
                    let mode = mode_name(mode);
                    let place = Place { kind: cell.kind, cell: cell.name, client: client.name, mode };
                    self.note(place, sample, figures);
                }
            }
        }
        Ok(())
    }

    /// One client, one cell. The topic goes again whatever comes of it.
    async fn run(
        &self,
        round: usize,
        client: &Client,
        cell: &Cell,
        mode: Mode,
        amounts: Amounts,
    ) -> Fallible<Sample> {
        let topic = format!("{}-{}-{}-{round}", cell.name, client.name, mode_name(mode));
        self.broker.create_topic(&topic).await?;
        let sample = self.run_at(&topic, client, cell, mode, amounts.of(cell)).await;
        self.broker.delete_topic(&topic).await?;
        sample
    }

    async fn run_at(
        &self,
        topic: &str,
        client: &Client,
        cell: &Cell,
        mode: Mode,
        (records, warm_up): (u64, u64),
    ) -> Fallible<Sample> {
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
        let run = self.programs.run(client, order.to_args())?;
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
        Ok(Sample::new(&run, records, records + warm_up, cell.size, broker_cpu))
    }
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Dropped => "dropped",
        Mode::Awaited => "awaited",
        Mode::Single => "single",
    }
}
