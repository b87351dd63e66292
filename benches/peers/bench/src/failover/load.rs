//! Producers that send numbers at a steady pace to every partition of a topic of their own: Kinglet's in this process, Java's in
//! one of its own.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use kinglet::{Client, Config, Delivery, Producer, Record};
use kinglet_harness::process::Daemon;
use peers_kit::Fallible;
use serde::Serialize;
use tempfile::NamedTempFile;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::PARTITIONS;
use super::acks::{Ack, Acks, now};
use crate::client::Programs;

/// Bytes of a value.
const SIZE: usize = 100;
/// How often the acks that Java has written down are read.
const LOOK: Duration = Duration::from_millis(20);
/// How long what is under way at the end may take.
const END_LIMIT: Duration = Duration::from_secs(60);

/// Whose producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Whose {
    Kinglet,
    Java,
}

/// One of them at work.
pub(super) struct Load {
    pub(super) whose: Whose,
    pub(super) topic: &'static str,
    pub(super) acks: Acks,
    stop: watch::Sender<bool>,
    task: JoinHandle<Fallible<()>>,
}

impl Whose {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kinglet => "kinglet",
            Self::Java => "java",
        }
    }

    pub(super) fn topic(self) -> &'static str {
        match self {
            Self::Kinglet => "failover-kinglet",
            Self::Java => "failover-java",
        }
    }
}

impl Load {
    /// Begins; the topic is there.
    pub(super) async fn start(
        whose: Whose,
        bootstrap: &str,
        pause: Duration,
        programs: &Programs,
    ) -> Fallible<Self> {
        let (acks, topic) = (Acks::new(), whose.topic());
        let (stop, stopped) = watch::channel(false);
        let task = match whose {
            Whose::Kinglet => {
                let producer = Client::connect(Config::new(bootstrap)).await?.producer()?;
                tokio::spawn(produce(producer, topic, pause, acks.clone(), stopped))
            }
            Whose::Java => {
                let file = NamedTempFile::with_prefix("peers-acks-")?;
                let mut java = programs.java("Steady").ok_or("there is no Java")?;
                java.args([bootstrap, topic, &PARTITIONS.to_string(), &pause.as_millis().to_string()]);
                let daemon = Daemon::start(java.arg(file.path()))?;
                tokio::spawn(follow(daemon, file, acks.clone(), stopped))
            }
        };
        Ok(Self { whose, topic, acks, stop, task })
    }

    /// Whether it has ended by itself, which it should not.
    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Ends it when everything under way is acked or has failed.
    pub(super) async fn finish(self) -> Fallible<Acks> {
        self.stop.send_replace(true);
        timeout(END_LIMIT, self.task).await.map_err(|_| "what is under way takes too long")???;
        Ok(self.acks)
    }
}

async fn produce(
    producer: Producer,
    topic: &'static str,
    pause: Duration,
    acks: Acks,
    stop: watch::Receiver<bool>,
) -> Fallible<()> {
    let (mut queues, mut tasks) = (Vec::new(), JoinSet::new());
    for partition in 0..PARTITIONS {
        // One task a partition: those that go on must not wait for one that does not.
        let (queue, deliveries) = mpsc::unbounded_channel();
        tasks.spawn(take_acks(usize::try_from(partition)?, deliveries, acks.clone()));
        queues.push((partition, queue));
    }
    let mut pace = interval(pause);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut number = 0;
    while !*stop.borrow() {
        for (partition, queue) in &queues {
            let record = Record::to(topic).partition(*partition);
            let value = format!("{number:0SIZE$}");
            queue.send((number, producer.enqueue(record.value(&value)).await?))?;
            number += 1;
        }
        pace.tick().await;
    }
    drop(queues);
    while tasks.join_next().await.transpose()?.is_some() {}
    Ok(())
}

async fn take_acks(partition: usize, mut deliveries: mpsc::UnboundedReceiver<(u64, Delivery)>, acks: Acks) {
    while let Some((number, delivery)) = deliveries.recv().await {
        match delivery.await {
            Ok(ack) => {
                let offset = ack.offset.unwrap_or(-1);
                acks.acked(partition, Ack { number, offset, at: now() });
            }
            Err(error) => acks.failed(format!("{number}: {error}")),
        }
    }
}

/// Reads what Java writes down until it has ended.
async fn follow(
    daemon: Daemon,
    file: NamedTempFile,
    acks: Acks,
    mut stop: watch::Receiver<bool>,
) -> Fallible<()> {
    let mut lines = Lines::open(file.path())?;
    while !*stop.borrow() {
        lines.read(&acks)?;
        tokio::select! {
            () = sleep(LOOK) => {}
            changed = stop.changed() => if changed.is_err() { return Ok(()) },
        }
    }
    let ended = tokio::task::spawn_blocking(move || daemon.terminate_with_lines(END_LIMIT));
    let (status, said) = ended.await?;
    status?;
    lines.read(&acks)?;
    // A problem of the program itself is not in the file.
    match said.iter().find(|line| line.starts_with("Exception in thread")) {
        Some(line) => Err(line.clone().into()),
        None => Ok(()),
    }
}

/// A file that grows.
struct Lines {
    file: BufReader<File>,
    /// The beginning of a line whose rest is not written yet.
    line: String,
}

impl Lines {
    fn open(path: &Path) -> Fallible<Self> {
        Ok(Self { file: BufReader::new(File::open(path)?), line: String::new() })
    }

    fn read(&mut self, acks: &Acks) -> Fallible<()> {
        while self.file.read_line(&mut self.line)? > 0 && self.line.ends_with('\n') {
            match parse(&self.line) {
                Some((partition, ack)) => acks.acked(partition, ack),
                None => acks.failed(self.line.trim_end().to_owned()),
            }
            self.line.clear();
        }
        Ok(())
    }
}

fn parse(line: &str) -> Option<(usize, Ack)> {
    let mut words = line.split_whitespace();
    let partition = words.next()?.parse().ok()?;
    let (number, offset) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some((partition, Ack { number, offset, at: Duration::from_nanos(words.next()?.parse().ok()?) }))
}
