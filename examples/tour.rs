//! The whole journey in one process: three brokers that form a cluster, a topic with three replicas, real text through the producer, back
//! through a consumer of a group, while the leader of a partition is killed half-way; every line checked, in order.
//!
//! `cargo run --release --example tour [FILE]`: without a file it makes a million lines of its own.
#![allow(clippy::disallowed_methods, reason = "a program that measures itself reads the clock")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use kinglet::admin::NewTopic;
use kinglet::{Client, Config, Producer, Record};
use kinglet_broker::Cluster;

const PARTITIONS: usize = 3;
const TOPIC: &str = "tour";

/// What went in and what came out, partition by partition: the hash depends on every byte and on the order.
#[derive(Default)]
struct Tally {
    lines: u64,
    bytes: u64,
    partitions: [DefaultHasher; PARTITIONS],
}

impl Tally {
    fn add(&mut self, partition: usize, line: &[u8]) {
        self.lines += 1;
        self.bytes += line.len() as u64;
        self.partitions[partition].write(line);
        self.partitions[partition].write_u8(b'\n');
    }

    fn hashes(&self) -> Vec<u64> {
        self.partitions.iter().map(DefaultHasher::finish).collect()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let file = match std::env::args_os().nth(1) {
        Some(file) => PathBuf::from(file),
        None => make_text(&dir.path().join("lines.txt"))?,
    };

    let mut cluster = Cluster::start_with(3, &[("group.initial.rebalance.delay.ms", "0")]).await?;
    println!("brokers  {}", cluster.bootstrap());
    let config = Config::new(cluster.bootstrap()).group_id("tour").set("auto.offset.reset", "earliest")?;
    let client = Client::connect(config).await?;
    for (topic, created) in client.admin().create_topics([NewTopic::new(TOPIC, PARTITIONS as i32, 3)]).await?
    {
        created.map_err(|e| format!("{topic}: {e}"))?;
    }
    println!("topic    {TOPIC}, {PARTITIONS} partitions, 3 replicas each");

    let total = std::fs::metadata(&file)?.len();
    let started = Instant::now();
    let producer = client.producer()?;
    producer.partitions_for(TOPIC).await?;
    let sent_bytes = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent_bytes);
    let sending =
        tokio::task::spawn_blocking(move || send(&file, &producer, &counter).map(|t| (t, producer)));

    while sent_bytes.load(Ordering::Relaxed) < total / 2 && !sending.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let leader = leader(&client).await?;
    cluster.kill(leader).await;
    println!("killed   broker {leader}, the leader of {TOPIC}-0, half-way through");

    let (sent, producer) = sending.await??;
    let report = producer.close(Duration::from_secs(60)).await?;
    if let Some(error) = report.first_error {
        return Err(format!("{} records failed, the first with: {error}", report.failed).into());
    }
    say("in ", &sent, started.elapsed());

    let started = Instant::now();
    let read = receive(&client, sent.lines, total).await?;
    say("out", &read, started.elapsed());

    if sent.lines != read.lines || sent.hashes() != read.hashes() {
        return Err(format!("what came back differs: {} lines in, {} out", sent.lines, read.lines).into());
    }
    println!("check    {} lines came back byte for byte, in order within each partition", read.lines);
    cluster.restart(leader).await?;
    println!("back     broker {leader}; {TOPIC}-0 is led by broker {} now", self::leader(&client).await?);
    client.close(Duration::from_secs(5)).await;
    cluster.shutdown().await?;
    Ok(())
}

/// Who leads the first partition.
async fn leader(client: &Client) -> Result<i32, Box<dyn Error>> {
    let described = client.admin().describe_topics([TOPIC]).await?;
    let topic = described.into_iter().next().ok_or("the topic is there")?.1?;
    Ok(topic.partitions.first().and_then(|partition| partition.leader).ok_or("it has a leader")?)
}

/// Sends line i to partition i mod 3, so that the order within each partition is known.
fn send(file: &Path, producer: &Producer, sent: &AtomicU64) -> Result<Tally, String> {
    let mut input = BufReader::with_capacity(1 << 20, File::open(file).map_err(|e| e.to_string())?);
    let bar = bar("in ", input.get_ref().metadata().map_or(0, |m| m.len()));
    let (mut tally, mut line) = (Tally::default(), Vec::new());
    while input.read_until(b'\n', &mut line).map_err(|e| e.to_string())? > 0 {
        let value = line.strip_suffix(b"\n").unwrap_or(&line);
        let partition = (tally.lines % PARTITIONS as u64) as usize;
        let record = Record::to(TOPIC).value(value).partition(partition as i32);
        // The report at the end counts what failed: nobody needs to hold a million deliveries.
        let _counted = producer.enqueue_blocking(record).map_err(|e| e.to_string())?;
        tally.add(partition, value);
        if tally.lines.is_multiple_of(10_000) {
            bar.set_position(tally.bytes);
            sent.store(tally.bytes, Ordering::Relaxed);
        }
        line.clear();
    }
    bar.finish_and_clear();
    Ok(tally)
}

/// Reads everything as a member of a group. What comes again, as it may when a group moves to another broker, is told by its offset.
async fn receive(client: &Client, lines: u64, total: u64) -> Result<Tally, Box<dyn Error>> {
    let consumer = client.consumer([TOPIC]).await?;
    let bar = bar("out", total);
    let mut tally = Tally::default();
    let mut next: BTreeMap<i32, i64> = BTreeMap::new();
    while tally.lines < lines {
        let batch = consumer.recv().await?.ok_or("the consumer ended early")?;
        let next = next.entry(batch.partition()).or_default();
        for record in batch.iter().filter(|record| record.offset >= *next) {
            tally.add(batch.partition() as usize, record.value.unwrap_or_default());
        }
        *next = (*next).max(batch.next_offset());
        bar.set_position(tally.bytes);
    }
    bar.finish_and_clear();
    consumer.close().await;
    Ok(tally)
}

fn make_text(path: &Path) -> Result<PathBuf, Box<dyn Error>> {
    const WORDS: [&str; 8] = ["wing", "feather", "branch", "river", "morning", "seed", "nest", "song"];
    let mut out = BufWriter::new(File::create(path)?);
    let mut state = 7u64;
    for number in 0..1_000_000 {
        write!(out, "{number:08}")?;
        for _ in 0..14 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            write!(out, " {}", WORDS[(state >> 61) as usize])?;
        }
        writeln!(out)?;
    }
    out.flush()?;
    Ok(path.to_path_buf())
}

fn bar(what: &'static str, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix}      {bar:40} {bytes}/{total_bytes}  {bytes_per_sec}");
    ProgressBar::new(total)
        .with_prefix(what)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn say(what: &str, tally: &Tally, took: Duration) {
    let (lines, bytes, seconds) = (tally.lines as f64, tally.bytes as f64, took.as_secs_f64());
    let (rate, speed) = (lines / seconds, bytes / seconds / 1e6);
    println!(
        "{what}      {lines} lines, {:.0} MB in {seconds:.2} s: {rate:.0} lines/s, {speed:.0} MB/s",
        bytes / 1e6
    );
}
