//! Those who write and read all the time: our producers, Java's, and the members of two groups, ours and Java's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kinglet::{Client, Config, Consumer, Delivery, Record};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::Fallible;
use crate::history::{Event, History, Id, Reader};

pub(crate) const TOPIC: &str = "storm";
pub(crate) const PARTITIONS: i32 = 6;
/// Between two records to each partition.
const PACE: Duration = Duration::from_millis(12);
/// Every record has a result by then: the delivery timeout, and some.
const RESULT_LIMIT: Duration = Duration::from_secs(150);

/// A producer of ours, numbered, to all partitions in turn; it may not give up anything while it is not told to stop.
pub(crate) struct Writer {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Writer {
    pub(crate) async fn start(bootstrap: &str, number: u32, history: History) -> Fallible<Self> {
        let config =
            Config::new(bootstrap).set("linger.ms", 2)?.set("client.id", format!("writer-{number}"))?;
        let client = Client::connect(config).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            if let Err(error) = write(&client, number, &history, &told).await {
                history.complain(format_args!("writer {number}: {error}"));
            }
        });
        Ok(Self { stop, task })
    }

    /// Stops it, and waits for the fate of every record.
    pub(crate) async fn stop(self) -> Fallible<()> {
        self.stop.store(true, Ordering::Relaxed);
        timeout(RESULT_LIMIT, self.task).await.map_err(|_| "a record has no result")??;
        Ok(())
    }
}

async fn write(client: &Client, producer_number: u32, history: &History, stop: &AtomicBool) -> Fallible<()> {
    let producer = client.producer()?;
    let mut queues = Vec::new();
    let mut takers = Vec::new();
    for partition in 0..PARTITIONS {
        // One task a partition: those that go on must not wait for one that does not.
        let (queue, deliveries) = mpsc::unbounded_channel();
        takers.push(tokio::spawn(take_fates(deliveries, history.clone())));
        queues.push((partition, queue));
    }
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        for (partition, queue) in &queues {
            let id = Id { producer: producer_number, number };
            history.note(Event::Sent(id));
            let value = text(id);
            let record = Record::to(TOPIC).partition(*partition).value(&value);
            queue.send((id, producer.enqueue(record).await?))?;
            number += 1;
        }
        pace.tick().await;
    }
    drop(queues);
    for taker in takers {
        taker.await?;
    }
    Ok(())
}

async fn take_fates(mut deliveries: mpsc::UnboundedReceiver<(Id, Delivery)>, history: History) {
    while let Some((id, delivery)) = deliveries.recv().await {
        match delivery.await {
            Ok(ack) => match ack.offset {
                Some(offset) => history.note(Event::Acked { id, partition: ack.partition, offset }),
                None => history.complain(format_args!("{id:?} was acked without an offset")),
            },
            Err(error) => {
                history.note(Event::Failed { id, never: !error.possibly_written() });
                // Two minutes are longer than any fault.
                history.complain(format_args!("{id:?} was given up: {error} {:?}", error.context()));
            }
        }
    }
}

/// When a member of a group lets a record be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// When it has noted it.
    Careful,
    /// While it still holds it: a mistake that must be found.
    Hasty,
}

/// A member of a group of ours.
pub(crate) struct Member {
    task: JoinHandle<()>,
}

impl Member {
    pub(crate) async fn start(
        bootstrap: &str,
        group: usize,
        habit: Habit,
        history: History,
    ) -> Fallible<Self> {
        let config = Config::new(bootstrap)
            .set("group.id", group_id(group))?
            .set("auto.offset.reset", "earliest")?
            .set("session.timeout.ms", 6_000)?
            .set("heartbeat.interval.ms", 1_000)?
            .set("auto.commit.interval.ms", 200)?;
        let consumer = Client::connect(config).await?.consumer([TOPIC]).await?;
        let task = tokio::spawn(async move {
            if let Err(error) = read(&consumer, Reader::Group(group), habit, &history).await {
                history.complain(format_args!("a member of group {group}: {error}"));
            }
        });
        Ok(Self { task })
    }

    /// It dies: nobody hears that it leaves.
    pub(crate) fn kill(self) {
        self.task.abort();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn group_id(group: usize) -> String {
    format!("group-{group}")
}

/// Reads until it is stopped.
async fn read(consumer: &Consumer, by: Reader, habit: Habit, history: &History) -> Fallible<()> {
    let holds = match habit {
        Habit::Careful => 0,
        Habit::Hasty => 500,
    };
    let mut held = VecDeque::new();
    while let Some(batch) = consumer.recv().await? {
        for record in batch.iter() {
            let (partition, offset, id) = (batch.partition(), record.offset, parse(record.value));
            held.push_back(Event::Read { by, partition, offset, id });
        }
        while held.len() > holds {
            held.pop_front().into_iter().for_each(|event| history.note(event));
        }
    }
    Ok(())
}

/// What a record of ours holds.
fn text(id: Id) -> String {
    format!("{}.{}", id.producer, id.number)
}

/// Whose record it is: `<producer>.<number>`, as Kafka's verifiable producer has them too.
pub(crate) fn parse(value: Option<&[u8]>) -> Option<Id> {
    let (producer, number) = str::from_utf8(value?).ok()?.split_once('.')?;
    Some(Id { producer: producer.parse().ok()?, number: number.parse().ok()? })
}

/// The last of a list, for a message.
pub(crate) fn tail(lines: &[String], count: usize) -> VecDeque<String> {
    lines.iter().skip(lines.len().saturating_sub(count)).cloned().collect()
}
