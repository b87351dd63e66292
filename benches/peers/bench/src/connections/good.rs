//! A client that does what clients do, at a steady pace: one record of 1,000 bytes every few milliseconds, and a consumer that waits
//! for each of them. It has a thread of its own, so that what else this process does is not in its way.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use kinglet::{Acks, Assignment, Client, Config, Position, Record};
use peers_kit::Fallible;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::figures::Latency;

const SIZE: usize = 1000;
const PAUSE: Duration = Duration::from_millis(5);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// It works until it is stopped.
pub(super) struct Good {
    seen: Arc<Mutex<Seen>>,
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<Fallible<()>>,
}

/// Latencies, with the times at which they ended.
#[derive(Debug, Default)]
struct Seen {
    acked: Vec<(Instant, Duration)>,
    received: Vec<(Instant, Duration)>,
    failed: Vec<String>,
}

impl Good {
    pub(super) fn start(bootstrap: &str, topic: &'static str) -> Fallible<Self> {
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = oneshot::channel();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (bootstrap, shared) = (bootstrap.to_owned(), Arc::clone(&seen));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::spawn(move || {
            // Nobody waits for it any more when a measurement has failed.
            let _ = end.send(runtime.block_on(work(bootstrap, topic, shared, stopped)));
        });
        Ok(Self { seen, stop, ended })
    }

    /// What it saw between two moments: from a record to its acknowledgement, and to the consumer.
    pub(super) fn latencies(&self, from: Instant, to: Instant) -> Fallible<[Latency; 2]> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = seen.failed.first() {
            return Err(format!("the good client was failed {} times: {failure}", seen.failed.len()).into());
        }
        let within = |samples: &[(Instant, Duration)]| {
            let within = samples.iter().filter(|(at, _)| (from..to).contains(at));
            Latency::of(within.map(|(_, latency)| *latency).collect())
        };
        Ok([within(&seen.acked), within(&seen.received)])
    }

    pub(super) async fn stop(self) -> Fallible<()> {
        self.stop.send_replace(true);
        timeout(STOP_LIMIT, self.ended).await.map_err(|_| "the good client does not end")??
    }
}

async fn work(
    bootstrap: String,
    topic: &'static str,
    seen: Arc<Mutex<Seen>>,
    stop: watch::Receiver<bool>,
) -> Fallible<()> {
    let config = Config::new(bootstrap).acks(Acks::All).set("linger.ms", 0)?;
    let client = Client::connect(config).await?;
    let producer = client.producer()?;
    producer.partitions_for(topic).await?;
    let base = Instant::now();
    let consumer = client.consumer(Assignment::topics([topic], Position::End)).await?;
    let (reader, received) = (consumer.clone(), Arc::clone(&seen));
    let reading = tokio::spawn(async move {
        while let Ok(Some(batch)) = reader.recv().await {
            let now = Instant::now();
            let mut seen = received.lock().unwrap_or_else(PoisonError::into_inner);
            for record in batch.iter() {
                let sent =
                    record.value.and_then(|value| value.first_chunk().copied()).map(u64::from_le_bytes);
                let sent = base + Duration::from_nanos(sent.unwrap_or_default());
                seen.received.push((now, now.duration_since(sent)));
            }
        }
    });
    let mut pace = interval(PAUSE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while !*stop.borrow() {
        let due = pace.tick().await;
        // Whoever had to wait for the one before is late already; the clock that wakes us is not exact to the millisecond.
        let sent = if due.elapsed() > PAUSE { due } else { Instant::now() };
        let mut value = [0; SIZE];
        if let Some(time) = value.first_chunk_mut() {
            *time = u64::try_from(sent.duration_since(base).as_nanos())?.to_le_bytes();
        }
        let acked = producer.send(Record::to(topic).value(&value)).await;
        let now = Instant::now();
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        match acked {
            Ok(_) => seen.acked.push((now, now.duration_since(sent))),
            Err(error) => seen.failed.push(error.to_string()),
        }
    }
    consumer.close().await;
    reading.await?;
    client.close(STOP_LIMIT).await;
    Ok(())
}
