//! One seed: a topic, a producer behind the proxy, faults while it works, and the judge's word at the end.

use std::time::Duration;

use kinglet::admin::NewTopic;
use kinglet::{Assignment, Client, Config, Delivery, Error, Position, Record, TopicPartition};
use kinglet_harness::proxy::{Plan, Proxy, Tally};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::timeout;

use crate::check::{Fate, Found, Order, Sent, Summary, check};

const RECORDS: usize = 20_000;
const PARTITIONS: i32 = 3;
const REQUEST_TIMEOUT: Duration = Duration::from_millis(150);
/// Longer than the client waits.
const STALL: Duration = Duration::from_millis(220);
/// Produce requests between two faults, at most.
const CALM_MAX: u32 = 24;
/// What must be over by then hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the producer is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The defaults: acks=all, idempotent, and it tries for minutes.
    Idempotent,
    /// The same, but records are soon given up: numbers are lost and a new producer id is asked for.
    Impatient,
    /// acks=1 and retries=0.
    Once,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::Idempotent, Self::Impatient, Self::Once];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Idempotent => "idempotent",
            Self::Impatient => "impatient",
            Self::Once => "once",
        }
    }

    pub(crate) fn is_idempotent(self) -> bool {
        match self {
            Self::Idempotent | Self::Impatient => true,
            Self::Once => false,
        }
    }

    /// What differs from the defaults.
    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Idempotent => &[("enable.idempotence", "true")],
            Self::Impatient => &[("enable.idempotence", "true"), ("delivery.timeout.ms", "250")],
            Self::Once => &[("acks", "1"), ("retries", "0"), ("delivery.timeout.ms", "250")],
        }
    }

    fn order(self) -> Order {
        if self.is_idempotent() { Order::Kept } else { Order::Free }
    }
}

/// A broker, and the proxy in front of its second listener.
#[derive(Debug)]
pub(crate) struct Site {
    /// Past the proxy.
    pub(crate) direct: String,
    pub(crate) proxy: Proxy,
}

/// What happened in one round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    pub(crate) records: Summary,
    pub(crate) faults: Tally,
}

/// Runs a round.
///
/// # Errors
/// What went wrong, or each broken promise, in sentences.
pub(crate) async fn run(site: &Site, mode: Mode, seed: u64) -> Result<Report, String> {
    let topic = format!("{}-{seed}", mode.text());
    let direct = Client::connect(Config::new(&site.direct)).await.map_err(say)?;
    let created = direct.admin().create_topics([NewTopic::new(&topic, PARTITIONS, 1)]).await.map_err(say)?;
    for (_, created) in created {
        created.map_err(say)?;
    }
    // The broker that created it may take a moment to know it.
    direct.producer().map_err(say)?.partitions_for(&topic).await.map_err(say)?;
    let sent = produce(site, mode, seed, &topic).await?;
    if !site.proxy.settled(PATIENCE).await {
        return Err("the proxy still has connections".to_owned());
    }
    let faults = site.proxy.tally();
    let log = read(&direct, &topic, sent.len()).await?;
    let records = check(&sent, &log, mode.order()).map_err(|violations| {
        let first: Vec<String> = violations.iter().take(10).map(ToString::to_string).collect();
        format!("{} broken promises: {}", violations.len(), first.join("; "))
    })?;
    if !faults.doubled.is_empty() {
        return Err(format!("the broker wrote batches twice: {}", faults.doubled.join("; ")));
    }
    for (_, deleted) in direct.admin().delete_topics([&topic]).await.map_err(say)? {
        deleted.map_err(say)?;
    }
    direct.close(PATIENCE).await;
    Ok(Report { records, faults })
}

/// Sends the records through the faults, and waits until it is known what became of each.
async fn produce(site: &Site, mode: Mode, seed: u64, topic: &str) -> Result<Vec<Sent>, String> {
    let mut config = Config::new(site.proxy.bootstrap())
        .set("request.timeout.ms", REQUEST_TIMEOUT.as_millis())
        .map_err(say)?;
    // Small numbers throughout: many requests, many of them at once, and a producer that is often full.
    let small = [
        ("linger.ms", "1"),
        ("batch.size", "1500"),
        ("buffer.memory", "100000"),
        ("retry.backoff.ms", "5"),
        ("retry.backoff.max.ms", "40"),
        ("reconnect.backoff.ms", "5"),
        ("reconnect.backoff.max.ms", "40"),
    ];
    for (key, value) in small.iter().chain(mode.settings()) {
        config = config.set(key, value).map_err(say)?;
    }
    let client = Client::connect(config).await.map_err(say)?;
    let producer = client.producer().map_err(say)?;
    site.proxy.begin(Plan::new(seed, CALM_MAX, STALL));
    let mut random = StdRng::seed_from_u64(seed);
    let mut deliveries: Vec<(Option<i32>, Delivery)> = Vec::with_capacity(RECORDS);
    for number in 0..RECORDS {
        let (value, key) = (value(number), format!("key {}", number % 50));
        let record = Record::to(topic).value(&value).key(&key);
        let wanted = random.random_bool(0.5).then(|| random.random_range(0..PARTITIONS));
        let record = wanted.map_or(record, |partition| record.partition(partition));
        let enqueued = timeout(PATIENCE, producer.enqueue(record)).await;
        let enqueued = enqueued.map_err(|_| format!("record {number} was not taken in {PATIENCE:?}"))?;
        deliveries.push((wanted, enqueued.map_err(say)?));
    }
    site.proxy.heal();
    let sent = timeout(PATIENCE, fates(mode, deliveries)).await;
    let sent = sent.map_err(|_| format!("after {PATIENCE:?} some records have no result"))??;
    producer.close(PATIENCE).await.map_err(say)?;
    client.close(PATIENCE).await;
    Ok(sent)
}

async fn fates(mode: Mode, deliveries: Vec<(Option<i32>, Delivery)>) -> Result<Vec<Sent>, String> {
    let mut sent = Vec::with_capacity(deliveries.len());
    for (wanted, delivery) in deliveries {
        let fate = match delivery.await {
            Ok(ack) => Fate::Acked { partition: ack.partition, offset: ack.offset },
            // Two minutes are not over.
            Err(error) if mode == Mode::Idempotent => {
                return Err(format!("record {} was given up: {}", sent.len(), say(error)));
            }
            Err(error) => Fate::Failed { possibly_written: error.possibly_written() },
        };
        sent.push(Sent { wanted, fate });
    }
    Ok(sent)
}

/// All records of the topic, by partition.
async fn read(client: &Client, topic: &str, count: usize) -> Result<Vec<Vec<Found>>, String> {
    let partitions: Vec<_> = (0..PARTITIONS).map(|partition| TopicPartition::new(topic, partition)).collect();
    let begin = partitions.iter().map(|at| (at.clone(), Position::Beginning));
    let consumer = client.consumer(Assignment::partitions(begin)).await.map_err(say)?;
    let ends = consumer.end_offsets(&partitions).await.map_err(say)?;
    let mut log = vec![Vec::new(); partitions.len()];
    while ends.iter().any(|(at, end)| consumer.position(at).is_none_or(|position| position < *end)) {
        let batch = timeout(PATIENCE, consumer.recv()).await;
        let batch = batch.map_err(|_| format!("nothing to read; the ends are {ends:?}"))?.map_err(say)?;
        let batch = batch.ok_or("the consumer ended")?;
        let index = usize::try_from(batch.partition()).map_err(|error| error.to_string())?;
        let of_partition = log.get_mut(index).ok_or("a partition that was not asked for")?;
        for record in &batch {
            let number = number(record.value.unwrap_or_default(), count)?;
            of_partition.push(Found { offset: record.offset, number });
        }
    }
    consumer.close().await;
    Ok(log)
}

/// The record's number, and bytes that follow from it.
fn value(number: usize) -> String {
    format!("{number} {}", "x".repeat(number * 7 % 60))
}

/// The number in a value, if it is one that was sent.
fn number(bytes: &[u8], count: usize) -> Result<usize, String> {
    let text = str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let number = text.split(' ').next().and_then(|number| number.parse().ok());
    number
        .filter(|number| *number < count && value(*number) == text)
        .ok_or_else(|| format!("{text:?} was never sent"))
}

fn say(error: Error) -> String {
    format!("{error} {:?} {:?}", error.context(), error.hint())
}
