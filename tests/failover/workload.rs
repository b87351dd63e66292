//! A producer and a member of a group that work all the time, and the judge of what they saw.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kinglet::{Assignment, Client, Config, Consumer, Delivery, Position, Record, TopicPartition};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::Fallible;

pub(crate) const TOPIC: &str = "orders";
/// Between two records.
const PACE: Duration = Duration::from_millis(2);
/// How often it is looked whether something is so.
const LOOK: Duration = Duration::from_millis(20);
/// What is not so by then is never so.
const LIMIT: Duration = Duration::from_secs(30);
/// So many acks of a partition say that it is being written.
const SOME: usize = 20;

/// The two at work.
pub(crate) struct Workload {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    producer: JoinHandle<()>,
    consumer: JoinHandle<()>,
}

/// What they saw, by partition.
#[derive(Default)]
struct Seen {
    partitions: Vec<Partition>,
    complaints: Vec<String>,
}

#[derive(Default)]
struct Partition {
    /// Number and offset, in the order in which they were sent.
    acked: Vec<(usize, i64)>,
    /// Number by offset, as the member of the group got them.
    read: BTreeMap<i64, usize>,
    last_ack: Option<Instant>,
    longest_gap: Duration,
}

/// The longest time without an ack, by partition.
pub(crate) struct Gaps(Vec<Duration>);

impl fmt::Display for Gaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "longest gap between acks")?;
        for (partition, gap) in self.0.iter().enumerate() {
            write!(f, "{} {} ms ({partition})", if partition == 0 { "" } else { "," }, gap.as_millis())?;
        }
        Ok(())
    }
}

impl Workload {
    /// Begins; the topic is there. Returns when all partitions are written and read.
    pub(crate) async fn start(bootstrap: &str, partitions: usize) -> Fallible<Self> {
        let partitions = (0..partitions).map(|_| Partition::default()).collect();
        let seen = Arc::new(Mutex::new(Seen { partitions, ..Seen::default() }));
        let stop = Arc::new(AtomicBool::new(false));
        let producing = Client::connect(Config::new(bootstrap).set("linger.ms", 1)?).await?;
        let reading = Config::new(bootstrap).set("group.id", "g")?.set("auto.offset.reset", "earliest")?;
        let reading = Client::connect(reading).await?;
        let consumer = reading.consumer([TOPIC]).await?;
        let workload = Self {
            producer: tokio::spawn(produce(producing, Arc::clone(&seen), Arc::clone(&stop))),
            consumer: tokio::spawn(consume(consumer, Arc::clone(&seen))),
            seen,
            stop,
        };
        workload.goes_on().await?;
        workload.is_read().await?;
        workload.forget_gaps();
        Ok(workload)
    }

    /// Waits until every partition has been written some more.
    pub(crate) async fn goes_on(&self) -> Fallible<()> {
        let counts = |seen: &Seen| -> Vec<usize> { seen.partitions.iter().map(|p| p.acked.len()).collect() };
        let before = counts(&self.seen());
        self.until("every partition is written", |seen| {
            counts(seen).iter().zip(&before).all(|(now, before)| *now >= before + SOME)
        })
        .await
    }

    /// Waits until the member of the group has got everything that is acked now.
    pub(crate) async fn is_read(&self) -> Fallible<()> {
        let ends: Vec<_> = self.seen().partitions.iter().map(|p| p.acked.last().map(|(_, at)| *at)).collect();
        self.until("everything acked is read", |seen| {
            seen.partitions.iter().zip(&ends).all(|(partition, end)| {
                end.is_none_or(|end| partition.read.last_key_value().is_some_and(|(at, _)| *at >= end))
            })
        })
        .await
    }

    /// The gaps since the last time this was asked.
    pub(crate) fn gaps(&self) -> Gaps {
        let now = Instant::now();
        let gap = |p: &Partition| p.last_ack.map_or(p.longest_gap, |last| p.longest_gap.max(now - last));
        let gaps = Gaps(self.seen().partitions.iter().map(gap).collect());
        self.forget_gaps();
        gaps
    }

    /// Ends it, and judges: everything was acked, everything acked was read by the group and is read again by somebody new, in
    /// order, at its offset, and nothing is there twice.
    pub(crate) async fn finish(self, bootstrap: &str) -> Fallible<()> {
        self.stop.store(true, Ordering::Relaxed);
        let (seen, consumer) = (self.seen, self.consumer);
        timeout(LIMIT, self.producer).await.map_err(|_| "some records are neither acked nor failed")??;
        wait(&seen, "everything acked is read", |seen| {
            seen.partitions.iter().all(|partition| {
                let end = partition.acked.last().map(|(_, offset)| *offset);
                end <= partition.read.last_key_value().map(|(offset, _)| *offset)
            })
        })
        .await?;
        consumer.abort();
        let count = i32::try_from(lock(&seen).partitions.len())?;
        let again = read(bootstrap, TOPIC, &Vec::from_iter(0..count)).await?;
        let seen = lock(&seen);
        let mut complaints = seen.complaints.clone();
        let mut count = 0;
        for (index, (partition, again)) in seen.partitions.iter().zip(again.values()).enumerate() {
            count += partition.acked.len();
            complaints.extend(judge(index, partition, again));
        }
        println!("  {count} records acked and read");
        if complaints.is_empty() {
            return Ok(());
        }
        let first: Vec<&str> = complaints.iter().take(10).map(String::as_str).collect();
        Err(format!("{} broken promises: {}", complaints.len(), first.join("; ")).into())
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Seen) -> bool) -> Fallible<()> {
        wait(&self.seen, what, is_so).await
    }

    fn forget_gaps(&self) {
        let now = Instant::now();
        for partition in &mut lock(&self.seen).partitions {
            partition.last_ack = Some(now);
            partition.longest_gap = Duration::ZERO;
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn wait(seen: &Mutex<Seen>, what: &str, is_so: impl Fn(&Seen) -> bool) -> Fallible<()> {
    let looking = async {
        loop {
            {
                let seen = lock(seen);
                if let Some(complaint) = seen.complaints.first() {
                    return Err(complaint.clone());
                }
                if is_so(&seen) {
                    return Ok(());
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    match timeout(LIMIT, looking).await {
        Ok(result) => Ok(result?),
        Err(_) => {
            let seen = lock(seen);
            let state: Vec<_> =
                seen.partitions.iter().map(|p| (p.acked.last(), p.read.last_key_value())).collect();
            Err(format!("not so after {LIMIT:?}: {what}; last acked (number, offset) and read (offset, number): {state:?}").into())
        }
    }
}

/// Numbers, to all partitions in turn, until it is told to stop.
async fn produce(client: Client, seen: Arc<Mutex<Seen>>, stop: Arc<AtomicBool>) {
    let mut acks = Vec::new();
    if let Err(error) = send(&client, &seen, &stop, &mut acks).await {
        lock(&seen).complaints.push(format!("sending: {error}"));
    }
    for task in acks {
        if let Err(error) = task.await {
            lock(&seen).complaints.push(format!("waiting for acks: {error}"));
        }
    }
}

async fn send(
    client: &Client,
    seen: &Arc<Mutex<Seen>>,
    stop: &AtomicBool,
    acks: &mut Vec<JoinHandle<()>>,
) -> Fallible<()> {
    let producer = client.producer()?;
    let mut queues = Vec::new();
    let partitions = lock(seen).partitions.len();
    for partition in 0..partitions {
        // One task a partition: those that go on must not wait for one that does not.
        let (queue, deliveries) = mpsc::unbounded_channel();
        acks.push(tokio::spawn(take_acks(partition, deliveries, Arc::clone(seen))));
        queues.push((i32::try_from(partition)?, queue));
    }
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        for (partition, queue) in &queues {
            let record = Record::to(TOPIC).partition(*partition);
            let delivery = producer.enqueue(record.value(&number.to_string())).await?;
            queue.send((number, delivery))?;
            number += 1;
        }
        pace.tick().await;
    }
    let report = producer.flush().await?;
    match report.first_error {
        None => Ok(()),
        Some(error) => Err(error.into()),
    }
}

async fn take_acks(
    partition: usize,
    mut deliveries: mpsc::UnboundedReceiver<(usize, Delivery)>,
    seen: Arc<Mutex<Seen>>,
) {
    while let Some((number, delivery)) = deliveries.recv().await {
        let result = delivery.await;
        let now = Instant::now();
        let mut seen = lock(&seen);
        let acked = match result {
            Ok(ack) => ack.offset.ok_or_else(|| "an ack without an offset".to_owned()),
            Err(error) => Err(format!("record {number} failed: {error}")),
        };
        match (acked, seen.partitions.get_mut(partition)) {
            (Ok(offset), Some(of_partition)) => {
                of_partition.acked.push((number, offset));
                let gap = of_partition.last_ack.replace(now).map_or(Duration::ZERO, |last| now - last);
                of_partition.longest_gap = of_partition.longest_gap.max(gap);
            }
            (Err(complaint), _) => seen.complaints.push(complaint),
            (Ok(_), None) => {}
        }
    }
}

async fn consume(consumer: Consumer, seen: Arc<Mutex<Seen>>) {
    loop {
        match consumer.recv().await {
            Ok(Some(batch)) => {
                let mut seen = lock(&seen);
                let mut complaints = Vec::new();
                let index = usize::try_from(batch.partition()).unwrap_or(usize::MAX);
                if let Some(partition) = seen.partitions.get_mut(index) {
                    for record in batch.iter() {
                        let number = number(record.value);
                        // After a rebalance some come again, but none is another one now.
                        let before = partition.read.insert(record.offset, number);
                        if before.is_some_and(|before| before != number) {
                            complaints
                                .push(format!("{index}@{} was {before:?} and is {number}", record.offset));
                        }
                    }
                }
                seen.complaints.append(&mut complaints);
            }
            Ok(None) => return,
            Err(error) => {
                lock(&seen).complaints.push(format!("reading: {error}"));
                return;
            }
        }
    }
}

fn number(value: Option<&[u8]>) -> usize {
    let text = value.and_then(|value| str::from_utf8(value).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(usize::MAX)
}

/// Everything in some partitions, offset and number, read by somebody who knows nothing of them.
pub(crate) async fn read(
    bootstrap: &str,
    topic: &str,
    partitions: &[i32],
) -> Fallible<BTreeMap<i32, Vec<(i64, usize)>>> {
    let client = Client::connect(Config::new(bootstrap)).await?;
    let at: Vec<_> = partitions.iter().map(|partition| TopicPartition::new(topic, *partition)).collect();
    let begin = at.iter().map(|at| (at.clone(), Position::Beginning));
    let consumer = client.consumer(Assignment::partitions(begin)).await?;
    let ends = timeout(LIMIT, consumer.end_offsets(&at)).await??;
    let mut read: BTreeMap<i32, Vec<(i64, usize)>> = partitions.iter().map(|p| (*p, Vec::new())).collect();
    while ends.iter().any(|(at, end)| consumer.position(at).is_none_or(|position| position < *end)) {
        let batch = timeout(LIMIT, consumer.recv()).await;
        let batch = batch.map_err(|_| format!("nothing to read; the ends are {ends:?}"))??;
        let batch = batch.ok_or("the consumer ended")?;
        let records = batch.iter().map(|record| (record.offset, number(record.value)));
        read.entry(batch.partition()).or_default().extend(records);
    }
    consumer.close().await;
    Ok(read)
}

fn judge(index: usize, partition: &Partition, again: &[(i64, usize)]) -> Vec<String> {
    let mut complaints = Vec::new();
    let by_offset: BTreeMap<i64, usize> = again.iter().copied().collect();
    for (number, offset) in &partition.acked {
        for (who, read) in [("the group", &partition.read), ("somebody new", &by_offset)] {
            let found = read.get(offset);
            if found != Some(number) {
                complaints.push(format!("{number}, acked as {index}@{offset}, is {found:?} for {who}"));
            }
        }
    }
    let is_next = |pair: &[(i64, usize)]| match pair {
        [(at, number), (next_at, next)] => *next_at == at + 1 && next > number,
        _ => true,
    };
    if let Some(pair) = again.windows(2).find(|pair| !is_next(pair)) {
        complaints.push(format!("{index}: not in order, or there twice: {pair:?}"));
    }
    if partition.read != by_offset {
        let (group, new) = (partition.read.len(), again.len());
        complaints.push(format!("{index}: the group read {group} records, somebody new {new}"));
    }
    complaints
}
