//! A producer with few retries, and what became of its records.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kinglet::{Client, Config, Producer, Record};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::Fallible;
use crate::workload::read;

/// Between two records.
const PACE: Duration = Duration::from_millis(2);
/// How often it is looked whether something is so.
const LOOK: Duration = Duration::from_millis(20);
/// What is not so by then is never so.
const LIMIT: Duration = Duration::from_secs(30);
/// So many acks say that it goes on.
const SOME: usize = 20;

/// One record after the other, to a topic of one partition.
pub(crate) struct Retrying {
    topic: String,
    sent: Arc<Mutex<Sent>>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// By the records' numbers.
#[derive(Default)]
struct Sent {
    /// The offset.
    acked: BTreeMap<usize, i64>,
    /// Whether it may be there, and the error.
    failed: BTreeMap<usize, (bool, String)>,
}

/// How many records had which fate. What was acked is in the log where it was acked; what was reported as not written is not.
pub(crate) struct Fates {
    pub(crate) acked: usize,
    pub(crate) failed: usize,
    /// The errors, each once.
    errors: Vec<String>,
}

impl fmt::Display for Fates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} acked, {} reported as failed", self.acked, self.failed)?;
        self.errors.iter().try_for_each(|error| write!(f, "\n    {error}"))
    }
}

impl Retrying {
    /// Begins; the topic is there. Returns when it sends.
    pub(crate) async fn start(bootstrap: &str, topic: String, retries: u32) -> Fallible<Self> {
        let config = Config::new(bootstrap).set("retries", retries)?.set("linger.ms", 0)?;
        let producer = Client::connect(config).await?.producer()?;
        let (sent, stop) = (Arc::<Mutex<Sent>>::default(), Arc::<AtomicBool>::default());
        let task = tokio::spawn(send(producer, topic.clone(), Arc::clone(&sent), Arc::clone(&stop)));
        let retrying = Self { topic, sent, stop, task };
        retrying.goes_on().await?;
        Ok(retrying)
    }

    /// Waits until some more are acked.
    pub(crate) async fn goes_on(&self) -> Fallible<()> {
        let acked = || self.sent.lock().unwrap_or_else(PoisonError::into_inner).acked.len();
        let enough = acked() + SOME;
        let looking = async {
            while acked() < enough {
                sleep(LOOK).await;
            }
        };
        let done = timeout(LIMIT, looking).await;
        done.map_err(|_| format!("{} is not written after {LIMIT:?}", self.topic).into())
    }

    /// Ends it, and compares with the log what it was told.
    pub(crate) async fn finish(self, bootstrap: &str) -> Fallible<Fates> {
        self.stop.store(true, Ordering::Relaxed);
        timeout(LIMIT, self.task).await??;
        let log = read(bootstrap, &self.topic, &[0]).await?.remove(&0).unwrap_or_default();
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let at: BTreeMap<i64, usize> = log.iter().copied().collect();
        if let Some((number, offset)) = sent.acked.iter().find(|(n, offset)| at.get(offset) != Some(n)) {
            return Err(format!("{number}, acked at {offset}, is {:?}", at.get(offset)).into());
        }
        let is_there = |number: &usize| log.iter().any(|(_, other)| other == number);
        let wrong = sent.failed.iter().find(|(number, (may_be, _))| !may_be && is_there(number));
        if let Some((number, (_, error))) = wrong {
            return Err(format!("{number} is there, and was reported as not written: {error}").into());
        }
        let mut errors: Vec<String> = sent.failed.values().map(|(_, error)| error.clone()).collect();
        errors.dedup();
        Ok(Fates { acked: sent.acked.len(), failed: sent.failed.len(), errors })
    }
}

async fn send(producer: Producer, topic: String, sent: Arc<Mutex<Sent>>, stop: Arc<AtomicBool>) {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let result = producer.send(Record::to(&topic).value(&number.to_string())).await;
        {
            let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok(ack) => drop(sent.acked.insert(number, ack.offset.unwrap_or(-1))),
                Err(error) => {
                    drop(sent.failed.insert(number, (error.possibly_written(), error.to_string())));
                }
            }
        }
        number += 1;
        pace.tick().await;
    }
}
