//! A well-behaved client at work while others are not: it writes, reads everything back and compares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kinglet::admin::NewTopic;
use kinglet::{Assignment, Client, Config, Consumer, Position, Producer, Record};
use kinglet_harness::text::LineSet;

const TOPIC: &str = "witness";
const ROUND: u64 = 500;
/// One round is some milliseconds of work; waiting this long means that it never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client on a thread of its own, until it is told to stop.
#[derive(Debug)]
pub(crate) struct Witness {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Report, String>>,
}

/// What it saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    /// Records that were written, acked, read back and compared.
    pub(crate) records: u64,
    /// The longest that one round of [`ROUND`] records took.
    pub(crate) slowest_round: Duration,
}

impl Witness {
    /// Connects and begins.
    pub(crate) fn start(address: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (address, told) = (address.to_owned(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| error.to_string())?.block_on(work(&address, &told))
        });
        Self { stop, thread }
    }

    /// Lets it end its round and says what it saw.
    ///
    /// # Errors
    /// The first thing that went wrong.
    pub(crate) fn stop(self) -> Result<Report, String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the witness panicked".to_owned())?
    }
}

async fn work(address: &str, stop: &AtomicBool) -> Result<Report, String> {
    let client = Client::connect(Config::new(address)).await.map_err(say)?;
    for (_, created) in client.admin().create_topics([NewTopic::new(TOPIC, 3, 1)]).await.map_err(say)? {
        created.map_err(say)?;
    }
    let producer = client.producer().map_err(say)?;
    let consumer = client.consumer(Assignment::topics([TOPIC], Position::Beginning)).await.map_err(say)?;
    let mut report = Report { records: 0, slowest_round: Duration::ZERO };
    while !stop.load(Ordering::Relaxed) {
        let started = now();
        let round = tokio::time::timeout(PATIENCE, round(&producer, &consumer, report.records)).await;
        round.map_err(|_| format!("a round was not done after {PATIENCE:?}"))??;
        report.records += ROUND;
        report.slowest_round = report.slowest_round.max(now().duration_since(started));
    }
    producer.close(PATIENCE).await.map_err(say)?;
    consumer.close().await;
    Ok(report)
}

/// Writes one round's records and reads exactly them.
async fn round(producer: &Producer, consumer: &Consumer, first: u64) -> Result<(), String> {
    let mut written = LineSet::default();
    for number in first..first + ROUND {
        let value = format!("{number} and some bytes that make it a record worth comparing");
        written.add(value.as_bytes());
        drop(producer.enqueue(Record::to(TOPIC).value(&value)).await.map_err(say)?);
    }
    let flushed = producer.flush().await.map_err(say)?;
    if let Some(error) = flushed.first_error {
        return Err(format!("{} records failed: {error}", flushed.failed));
    }
    let mut read = LineSet::default();
    while read.count() < ROUND {
        let batch = consumer.recv().await.map_err(say)?.ok_or("the consumer ended")?;
        batch.iter().for_each(|record| read.add(record.value.unwrap_or_default()));
    }
    if read == written { Ok(()) } else { Err(format!("wrote {written}, read {read}")) }
}

#[expect(clippy::disallowed_methods, reason = "a round is measured, not simulated")]
fn now() -> Instant {
    Instant::now()
}

fn say(error: kinglet::Error) -> String {
    format!("{error}: {:?}", error.cause())
}
