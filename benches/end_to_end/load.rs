//! Records of 1,000 bytes through the library, the same bytes with the same settings to either broker, and what that costs it.

use std::io::Write;
use std::time::{Duration, Instant};

use kinglet::admin::NewTopic;
use kinglet::{Acks, Assignment, Client, Config, Position, Record};

use crate::Fallible;
use crate::server::Server;

const RECORD_BYTES: usize = 1_000;
const BATCH_BYTES: usize = 1024 * 1024;
const LINGER: Duration = Duration::from_millis(10);
const PARTITIONS: i32 = 6;
const PATIENCE: Duration = Duration::from_secs(120);
/// Different record bodies; each record carries its number besides.
const BODIES: usize = 64;

/// What moving records one way cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// The broker's processor time, user and system, per 10^9 bytes of records.
    pub(crate) cpu_seconds_per_gb: f64,
    /// 10^6 bytes of records per second.
    pub(crate) mb_per_second: f64,
}

/// Creates a topic.
pub(crate) async fn create_topic(server: &Server, topic: &str, partitions: i32) -> Fallible<()> {
    let client = Client::connect(Config::new(&server.bootstrap)).await?;
    for (_, created) in client.admin().create_topics([NewTopic::new(topic, partitions, 1)]).await? {
        created?;
    }
    client.close(PATIENCE).await;
    Ok(())
}

/// Writes `count` records, reads them back and compares.
pub(crate) async fn round_trip(server: &Server, topic: &str, count: u64) -> Fallible<(Cost, Cost)> {
    create_topic(server, topic, PARTITIONS).await?;
    let client = Client::connect(config(server)?).await?;
    let payload = Payload::new();
    touch_memory(RECORD_BYTES as u64 * count)?;
    let produced = measure(server, count, produce(&client, topic, &payload, count)).await?.1;
    let (sum, consumed) = measure(server, count, consume(&client, topic, count)).await?;
    client.admin().delete_topics([topic]).await?;
    client.close(PATIENCE).await;
    if sum != payload.sum(count) {
        return Err(format!("{:?}, {topic}: what was read is not what was written", server.side).into());
    }
    Ok((produced, consumed))
}

/// Writes as much to a file that goes again. A virtual machine gets memory that lay free back from its host page by page, which costs
/// whoever writes next about 1.7 s a GB; and the side that runs second would find what the first one has just freed.
fn touch_memory(bytes: u64) -> Fallible<()> {
    let mut file = tempfile::tempfile()?;
    let block = vec![0; 1 << 20];
    for _ in 0..=bytes >> 20 {
        file.write_all(&block)?;
    }
    Ok(())
}

/// Keeps a server busy both ways for a while: a virtual machine has compiled its hot code then.
pub(crate) async fn warm_up(server: &Server, time: Duration) -> Fallible<()> {
    let started = Instant::now();
    for number in 0.. {
        if started.elapsed() >= time {
            break;
        }
        round_trip(server, &format!("warm-up-{number}"), 200_000).await?;
    }
    Ok(())
}

fn config(server: &Server) -> Fallible<Config> {
    let config = Config::new(&server.bootstrap).acks(Acks::All).linger(LINGER);
    Ok(config.set("batch.size", BATCH_BYTES)?.set("check.crcs", true)?)
}

async fn measure<T>(
    server: &Server,
    count: u64,
    work: impl Future<Output = Fallible<T>>,
) -> Fallible<(T, Cost)> {
    let (before, started) = (server.usage()?, Instant::now());
    let value = work.await?;
    let (seconds, after) = (started.elapsed().as_secs_f64(), server.usage()?);
    let bytes = RECORD_BYTES as f64 * count as f64;
    let cpu_seconds_per_gb = (after.cpu_seconds - before.cpu_seconds) / (bytes / 1e9);
    Ok((value, Cost { cpu_seconds_per_gb, mb_per_second: bytes / 1e6 / seconds }))
}

async fn produce(client: &Client, topic: &str, payload: &Payload, count: u64) -> Fallible<()> {
    let producer = client.producer()?;
    producer.partitions_for(topic).await?;
    let mut value = [0; RECORD_BYTES];
    for number in 0..count {
        payload.write(number, &mut value);
        let record = Record::to(topic).value(&value);
        if producer.try_enqueue(record).is_err() {
            drop(producer.enqueue(record).await?);
        }
    }
    let report = producer.close(PATIENCE).await?;
    report.first_error.map_or(Ok(()), |error| Err(error.into()))
}

async fn consume(client: &Client, topic: &str, count: u64) -> Fallible<u128> {
    let consumer = client.consumer(Assignment::topics([topic], Position::Beginning)).await?;
    let (mut records, mut sum) = (0, 0);
    while records < count {
        let batch = tokio::time::timeout(PATIENCE, consumer.recv()).await??.ok_or("the consumer ended")?;
        for record in batch.iter() {
            records += 1;
            sum += u128::from(hash(record.value.unwrap_or_default()));
        }
    }
    consumer.close().await;
    if records == count { Ok(sum) } else { Err(format!("{records} records instead of {count}").into()) }
}

/// Record bodies that do not compress, made before the clock runs.
struct Payload(Vec<[u8; RECORD_BYTES]>);

impl Payload {
    fn new() -> Self {
        let mut state = 0x6b69_6e67_6c65_7431_u64;
        let mut body = || {
            std::array::from_fn(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
        };
        Self((0..BODIES).map(|_| body()).collect())
    }

    fn write(&self, number: u64, value: &mut [u8; RECORD_BYTES]) {
        *value = self.0[number as usize % BODIES];
        value[..8].copy_from_slice(&number.to_le_bytes());
    }

    /// What the hashes of the first `count` records add up to.
    fn sum(&self, count: u64) -> u128 {
        let mut value = [0; RECORD_BYTES];
        let hash_of = |number| {
            self.write(number, &mut value);
            u128::from(hash(&value))
        };
        (0..count).map(hash_of).sum()
    }
}

/// Quick enough not to be what is measured; every bit and its place counts.
fn hash(value: &[u8]) -> u64 {
    value.chunks(8).fold(value.len() as u64, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (hash.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x517c_c1b7_2722_0a95)
    })
}
