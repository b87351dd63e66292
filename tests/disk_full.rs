//! A full disk: the producer is told so, reading goes on, writing goes on when there is space again, and nothing acked is lost.
//!
//! Needs a small file system of its own, so it needs to be root; else it says that it was skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kinglet::admin::NewTopic;
use kinglet::protocol::messages::ProduceRequest;
use kinglet::protocol::messages::produce::{
    PartitionProduceData, PartitionProduceResponse, TopicProduceData,
};
use kinglet::protocol::records::{Batch, BatchBuilder, Seal};
use kinglet::protocol::{ErrorCode, RecordBytes, Uuid};
use kinglet::{Assignment, Client, Config, Position, Record, Target, TopicPartition};
use kinglet_harness::absent::{Absent, or_skip};
use kinglet_harness::binaries::{Binaries, Kbroker};
use kinglet_harness::process::{Input, run_ok};
use tempfile::TempDir;

const TOPIC: &str = "full";
const DISK_MIB: usize = 64;
const FILLER_MIB: usize = 24;
const RECORD_BYTES: usize = 20_000;
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_full_disk_is_reported_read_from_and_recovered_from() {
    let Some(disk) = or_skip("disk full", Disk::mount()) else { return };
    let filler = disk.path().join("filler");
    fs::write(&filler, vec![0x55; FILLER_MIB << 20]).expect("the filler fits");
    let binaries = Binaries::build().expect("our programs compile");
    let data_dir = disk.path().join("data");
    let broker = Kbroker::start(&binaries, &data_dir, &[]).expect("kbroker starts");
    let mut world = World::new(&broker.bootstrap()).await;

    let refusal = world.produce_until_refused().await;
    assert_eq!(refusal.error_code, ErrorCode::KAFKA_STORAGE_ERROR, "{refusal:?}");
    let message = refusal.error_message.unwrap_or_default();
    assert!(message.contains("No space left on device"), "the cause is named: {message:?}");
    println!("full after {} acked records; the broker says: {message}", world.acked.len());
    world.assert_all_read("what was acked is read while the disk is full").await;
    world.a_producer_is_told_why().await;

    fs::remove_file(&filler).expect("space is made");
    world.produce_until_accepted().await;
    for _ in 0..100 {
        let response = world.produce().await;
        assert_eq!(response.error_code, ErrorCode::NONE, "{response:?}");
    }
    world.assert_all_read("what was acked is read after there was space again").await;

    let broker = restart(&binaries, broker, &data_dir, Stop::InOrder);
    let again = World { acked: world.acked, ..World::connect(&broker.bootstrap()).await };
    again.assert_all_read("after an orderly stop").await;
    let broker = restart(&binaries, broker, &data_dir, Stop::Kill);
    let again = World { acked: again.acked, ..World::connect(&broker.bootstrap()).await };
    again.assert_all_read("after a kill").await;
    broker.stop().expect("it stops");
    assert_whole_batches(&data_dir.join(format!("{TOPIC}-0")));
}

#[tokio::test]
async fn a_broker_killed_on_a_full_disk_has_every_acked_record_when_there_is_space() {
    let Some(disk) = or_skip("killed on a full disk", Disk::mount()) else { return };
    let filler = disk.path().join("filler");
    fs::write(&filler, vec![0x55; FILLER_MIB << 20]).expect("the filler fits");
    let binaries = Binaries::build().expect("our programs compile");
    let data_dir = disk.path().join("data");
    let broker = Kbroker::start(&binaries, &data_dir, &[]).expect("kbroker starts");
    let mut world = World::new(&broker.bootstrap()).await;
    world.produce_until_refused().await;
    broker.kill().expect("it is killed");
    // Recovery writes, so it need not start; then it has to say why.
    if let Err(error) = Kbroker::start(&binaries, &data_dir, &[]) {
        assert!(error.to_string().contains("No space left on device"), "{error}");
    }

    fs::remove_file(&filler).expect("space is made");
    let broker = Kbroker::start(&binaries, &data_dir, &[]).expect("kbroker starts again");
    let again = World { acked: world.acked, ..World::connect(&broker.bootstrap()).await };
    again.assert_all_read("after a kill on a full disk").await;
    broker.stop().expect("it stops");
    assert_whole_batches(&data_dir.join(format!("{TOPIC}-0")));
}

enum Stop {
    InOrder,
    Kill,
}

fn restart(binaries: &Binaries, broker: Kbroker, data_dir: &Path, stop: Stop) -> Kbroker {
    let lines = broker.lines();
    assert!(!lines.iter().any(|line| line.contains("panicked")), "{lines:#?}");
    match stop {
        Stop::InOrder => assert!(broker.stop().expect("it stops").success()),
        Stop::Kill => drop(broker.kill().expect("it is killed")),
    }
    Kbroker::start(binaries, data_dir, &[]).expect("kbroker starts again")
}

/// A client, and the numbers of the records that the broker has acked.
struct World {
    client: Client,
    topic_id: Uuid,
    acked: Vec<u64>,
    next: u64,
}

impl World {
    async fn new(address: &str) -> Self {
        let mut world = Self::connect(address).await;
        // The records carry an old timestamp.
        let topic = NewTopic::new(TOPIC, 1, 1).config("retention.ms", "-1");
        for (_, created) in world.client.admin().create_topics([topic]).await.expect("an answer") {
            world.topic_id = created.expect("the topic is created").id;
        }
        world
    }

    async fn connect(address: &str) -> Self {
        let limits = [("delivery.timeout.ms", 3_000), ("request.timeout.ms", 1_000), ("linger.ms", 0)];
        let config = limits
            .into_iter()
            .fold(Config::new(address), |config, (key, value)| config.set(key, value).expect("a number"));
        let client = Client::connect(config).await.expect("connects");
        Self { client, topic_id: Uuid::default(), acked: Vec::new(), next: 0 }
    }

    /// Appends one record, without the retries of a producer; its number is remembered when it was acked.
    async fn produce(&mut self) -> PartitionProduceResponse {
        let number = self.next;
        self.next += 1;
        let partition = PartitionProduceData { index: 0, records: Some(RecordBytes::from(batch(number))) };
        // Name or id, whichever the version has that both sides know.
        let topic = TopicProduceData {
            name: TOPIC.to_owned(),
            topic_id: self.topic_id,
            partition_data: vec![partition],
        };
        let request =
            ProduceRequest { acks: -1, timeout_ms: 5_000, topic_data: vec![topic], ..Default::default() };
        let target = Target::Leader(TopicPartition::new(TOPIC, 0));
        let mut response = self.client.request(request, target).await.expect("an answer");
        let response = response.responses.remove(0).partition_responses.remove(0);
        if response.error_code == ErrorCode::NONE {
            self.acked.push(number);
        }
        response
    }

    async fn produce_until_refused(&mut self) -> PartitionProduceResponse {
        for _ in 0..2 * (DISK_MIB << 20) / RECORD_BYTES {
            let response = self.produce().await;
            if response.error_code != ErrorCode::NONE {
                return response;
            }
        }
        panic!("{} records of {RECORD_BYTES} bytes on a disk of {DISK_MIB} MiB", self.acked.len());
    }

    async fn produce_until_accepted(&mut self) {
        let started = now();
        loop {
            let response = self.produce().await;
            if response.error_code == ErrorCode::NONE {
                println!("accepted again {:?} after there was space", now().duration_since(started));
                return;
            }
            assert!(now().duration_since(started) < PATIENCE, "{response:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Through the library, which may retry for its delivery timeout: still an error that names the reason.
    async fn a_producer_is_told_why(&mut self) {
        let producer = self.client.producer().expect("a producer");
        let value = value(u64::MAX);
        let sending = producer.send(Record::to(TOPIC).partition(0).value(&value));
        let sent =
            tokio::time::timeout(PATIENCE, sending).await.expect("not later than the delivery timeout");
        let error = sent.expect_err("the disk is full");
        let said =
            format!("{error} | {:?} | {:?} | {:?}", error.code(), error.cause(), error.broker_message());
        println!("the producer says: {said}");
        assert!(said.contains("No space left on device"), "{said}");
    }

    async fn assert_all_read(&self, when: &str) {
        let read = self.read_all().await;
        assert!(read == self.acked, "{when}: read {}, acked {}", spans(&read), spans(&self.acked));
    }

    /// The numbers of all records up to the end of the log.
    async fn read_all(&self) -> Vec<u64> {
        let partition = TopicPartition::new(TOPIC, 0);
        let assignment = Assignment::partitions([(partition.clone(), Position::Beginning)]);
        let consumer = self.client.consumer(assignment).await.expect("a consumer");
        let end = consumer.end_offsets(&[partition]).await.expect("end offsets")[0].1;
        let (mut numbers, mut next) = (Vec::new(), 0);
        while next < end {
            let batch = tokio::time::timeout(PATIENCE, consumer.recv()).await.expect("a batch in time");
            let batch = batch.expect("no torn batch").expect("the consumer goes on");
            numbers.extend(batch.iter().map(|record| number_of(record.value.expect("a value"))));
            next = batch.next_offset();
        }
        consumer.close().await;
        numbers
    }
}

fn batch(number: u64) -> Bytes {
    let mut builder = BatchBuilder::new(RECORD_BYTES + 100);
    builder.push(1_700_000_000_000, None, Some(&value(number)), &[]);
    builder.seal(Seal::default()).expect("nothing to compress")
}

fn value(number: u64) -> Vec<u8> {
    let mut value = vec![0x2e; RECORD_BYTES];
    value[..8].copy_from_slice(&number.to_be_bytes());
    value
}

fn number_of(value: &[u8]) -> u64 {
    assert_eq!(value.len(), RECORD_BYTES);
    u64::from_be_bytes(*value.first_chunk().expect("eight bytes"))
}

/// Numbers as `0..10 12..20`.
fn spans(numbers: &[u64]) -> String {
    let runs = numbers.chunk_by(|number, next| *next == number + 1);
    runs.map(|run| format!("{}..{} ", run[0], run[0] + run.len() as u64)).collect()
}

/// Every segment is batches with valid checksums from its first to its last byte.
fn assert_whole_batches(partition: &Path) {
    for entry in fs::read_dir(partition).expect("the partition's folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let mut bytes = Bytes::from(fs::read(&path).expect("a segment"));
            while !bytes.is_empty() {
                let batch = Batch::split(&mut bytes).expect("a header").expect("a whole batch");
                batch.verify_crc().expect("a valid checksum");
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the recovery is measured, not simulated")]
fn now() -> Instant {
    Instant::now()
}

/// A small file system in memory; unmounted when dropped.
struct Disk(TempDir);

impl Disk {
    fn mount() -> Result<Self, Absent> {
        let absent = |reason: String| Absent::Program { program: "mount", reason };
        let dir =
            tempfile::Builder::new().prefix("kinglet-disk-").tempdir().map_err(|e| absent(e.to_string()))?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={DISK_MIB}m"), "kinglet-disk"]).arg(dir.path());
        run_ok(&mut mount, Input::Nothing, PATIENCE).map_err(|error| absent(error.to_string()))?;
        Ok(Self(dir))
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // `-l`: a failing test may still hold files open; the folder itself is removed after this.
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking(), "umount");
    }
}
