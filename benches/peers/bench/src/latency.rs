//! Records on their own, from end to end: sent by Kinglet here, received by a client there.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kinglet::{Acks, Client as Kinglet, Config, Producer, Record};
use peers_kit::{Fallible, Pace, Reading, Settings};

use crate::bench::{Bench, Place};
use crate::broker::PARTITIONS;
use crate::cell::Kind;
use crate::client::{Client, Run};
use crate::figures::{Figures, Sample};
use crate::reading::ReadAmounts;

const SIZE: usize = 100;
/// Between a record and the next: the client waits at the broker again by then.
const PAUSE: Duration = Duration::from_millis(2);
const RECEIVED_LIMIT: Duration = Duration::from_secs(30);

impl Bench<'_> {
    /// Every client.
    pub(crate) async fn latency(
        &self,
        round: usize,
        amounts: ReadAmounts,
        figures: &mut Figures,
    ) -> Fallible<()> {
        if round == 0
            && let Some(first) = self.clients.first()
        {
            // A virtual machine compiles meanwhile: whoever is first must not pay for it.
            self.broker.create_topic("lone-first").await?;
            self.lone("lone-first", first, amounts.lone_records).await?;
            self.broker.delete_topic("lone-first").await?;
        }
        for client in self.turn(round) {
            let topic = format!("lone-{}-{round}", client.name);
            self.broker.create_topic(&topic).await?;
            let sample = self.lone(&topic, client, amounts.lone_records).await;
            self.broker.delete_topic(&topic).await?;
            let place = Place { kind: Kind::Single, cell: "end-to-end", client: client.name, mode: "assign" };
            self.note(place, sample, figures);
        }
        Ok(())
    }

    async fn lone(&self, topic: &str, client: &Client, records: u64) -> Fallible<Sample> {
        let warm_up = ReadAmounts::warm_up(records);
        let reading = Reading {
            bootstrap: self.broker.bootstrap(),
            topic: topic.to_owned(),
            partitions: PARTITIONS,
            records,
            warm_up,
            settings: Settings::Defaults,
            pace: Pace::Single,
            group: None,
        };
        let config = Config::new(self.broker.bootstrap()).acks(Acks::All).set("linger.ms", 0)?;
        let producer = Kinglet::connect(config).await?.producer()?;
        producer.partitions_for(topic).await?;
        let broker_before = self.broker.cpu_seconds()?;
        let mut daemon = self.programs.start(client, reading.to_args())?;
        for number in 1..=records + warm_up {
            send(&producer, topic).await?;
            let received = format!("received {number}");
            daemon.wait_for(|line| (line == received).then_some(()), RECEIVED_LIMIT)?;
            thread::sleep(PAUSE);
        }
        let run = Run::of(daemon)?;
        let broker_cpu = self.broker.cpu_seconds()? - broker_before;
        Ok(Sample::new(&run, records, records + warm_up, SIZE, broker_cpu))
    }
}

/// The value begins with the time: the machine has one clock for all its processes.
async fn send(producer: &Producer, topic: &str) -> Fallible<()> {
    let mut value = [0; SIZE];
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
    if let Some(time) = value.first_chunk_mut() {
        *time = now.to_le_bytes();
    }
    producer.send(Record::to(topic).value(&value)).await?;
    Ok(())
}
