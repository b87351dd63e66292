//! The brokers that are sent to: started and stopped here, and read back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use kinglet::admin::NewTopic;
use kinglet::{Assignment, Client, Config, Position};
use kinglet_harness::binaries::{Binaries, Kbroker};
use kinglet_harness::cluster::Brokers;
use kinglet_harness::kafka::{Jars, Kafka, KafkaCluster};
use kinglet_harness::process::Usage;
use peers_kit::Fallible;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::values::Multiset;

/// Partitions of every topic that is sent to or read.
pub(crate) const PARTITIONS: i32 = 6;
const READ_LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);

/// Whose broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BrokerKind {
    /// Kinglet's own.
    Kbroker,
    /// Apache Kafka 4.3.1.
    Kafka,
}

/// A running broker, or three of them that form a cluster.
#[derive(Debug)]
pub(crate) struct Broker {
    process: Process,
    client: Client,
}

#[derive(Debug)]
enum Process {
    // In this order when dropped: the broker, its folder.
    Kbroker { broker: Kbroker, _data: TempDir },
    Kafka(Kafka),
    Kbrokers(Brokers),
    Kafkas(KafkaCluster),
}

/// What broker processes use, all together.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    pub(crate) cpu_seconds: f64,
    pub(crate) rss_bytes: u64,
}

impl BrokerKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kbroker => "kbroker",
            Self::Kafka => "Apache Kafka 4.3.1",
        }
    }
}

impl Broker {
    /// Starts one with its defaults; `None` after saying why it cannot be had.
    pub(crate) async fn start(
        kind: BrokerKind,
        binaries: &Binaries,
        jars: Option<&Jars>,
    ) -> Fallible<Option<Self>> {
        let process = match (kind, jars) {
            (BrokerKind::Kbroker, _) => {
                let data = tempfile::Builder::new().prefix("peers-kbroker-").tempdir()?;
                Process::Kbroker { broker: Kbroker::start(binaries, data.path(), &[])?, _data: data }
            }
            (BrokerKind::Kafka, Some(jars)) => Process::Kafka(Kafka::start(jars)?),
            (BrokerKind::Kafka, None) => return Ok(None),
        };
        Self::connect(process).await.map(Some)
    }

    /// Three of them with their defaults; topics have three replicas then, of which two must be in sync.
    pub(crate) async fn start_cluster(
        kind: BrokerKind,
        binaries: &Binaries,
        jars: Option<&Jars>,
    ) -> Fallible<Option<Self>> {
        let process = match (kind, jars) {
            (BrokerKind::Kbroker, _) => Process::Kbrokers(Brokers::start_as_shipped(binaries)?),
            (BrokerKind::Kafka, Some(jars)) => Process::Kafkas(KafkaCluster::start_as_shipped(jars)?),
            (BrokerKind::Kafka, None) => return Ok(None),
        };
        Self::connect(process).await.map(Some)
    }

    async fn connect(process: Process) -> Fallible<Self> {
        let client = Client::connect(Config::new(process.bootstrap())).await?;
        Ok(Self { process, client })
    }

    pub(crate) fn bootstrap(&self) -> String {
        self.process.bootstrap()
    }

    /// Processor time it has used so far.
    pub(crate) fn cpu_seconds(&self) -> Fallible<f64> {
        Ok(self.used()?.cpu_seconds)
    }

    /// What it uses, with the others if they are several.
    pub(crate) fn used(&self) -> Fallible<Used> {
        let mut used = Used::default();
        for pid in self.process.pids() {
            let usage = Usage::of(pid)?;
            used.cpu_seconds += usage.cpu_seconds;
            used.rss_bytes += usage.rss_bytes;
        }
        Ok(used)
    }

    /// Where the one broker listens.
    pub(crate) fn address(&self) -> Fallible<SocketAddr> {
        Ok(self.bootstrap().parse()?)
    }

    /// What it needs now: resident, or of a virtual machine's heap.
    pub(crate) fn memory(&self, heap: impl Fn(u32) -> Option<u64>) -> Fallible<u64> {
        let used = self.used()?.rss_bytes;
        Ok(match &self.process {
            Process::Kbroker { .. } | Process::Kbrokers(_) => used,
            Process::Kafka(_) | Process::Kafkas(_) => {
                self.process.pids().into_iter().map(heap).sum::<Option<u64>>().unwrap_or(used)
            }
        })
    }

    /// Descriptors that it has open.
    pub(crate) fn open_files(&self) -> Fallible<usize> {
        let mut count = 0;
        for pid in self.process.pids() {
            count += std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        }
        Ok(count)
    }

    pub(crate) async fn create_topic(&self, topic: &str) -> Fallible<()> {
        self.create_topic_of(topic, PARTITIONS).await
    }

    pub(crate) async fn create_topic_of(&self, topic: &str, partitions: i32) -> Fallible<()> {
        let mut topic_of = NewTopic::new(topic, partitions, self.process.replicas());
        if self.process.replicas() > 1 {
            topic_of = topic_of.config("min.insync.replicas", "2");
        }
        for (_, created) in self.client.admin().create_topics([topic_of]).await? {
            created?;
        }
        timeout(READ_LIMIT, self.hosts(topic, partitions)).await?
    }

    /// Waits until the broker knows of what the controller has created.
    async fn hosts(&self, topic: &str, partitions: i32) -> Fallible<()> {
        let producer = self.client.producer()?;
        // Before that it does not know the topic, or not all of it.
        while !producer.partitions_for(topic).await.is_ok_and(|count| i32::try_from(count) == Ok(partitions))
        {
            sleep(LOOK).await;
        }
        Ok(())
    }

    pub(crate) async fn delete_topic(&self, topic: &str) -> Fallible<()> {
        self.client.admin().delete_topics([topic]).await?;
        Ok(())
    }

    /// Reads a topic from its beginning to where it ends now.
    pub(crate) async fn read_back(&self, topic: &str) -> Fallible<Multiset> {
        let topic: Arc<str> = topic.into();
        let consumer = self.client.consumer(Assignment::topics([topic], Position::Beginning)).await?;
        let ends = consumer.end_offsets(&consumer.assignment()).await?;
        // Without transactions and compaction every offset is a record.
        let count: u64 = ends.iter().filter_map(|(_, end)| u64::try_from(*end).ok()).sum();
        let mut read = Multiset::default();
        while read.count < count {
            let batch = timeout(READ_LIMIT, consumer.recv()).await??.ok_or("the consumer has ended")?;
            for record in batch.iter() {
                read.add(record.value.unwrap_or_default());
            }
        }
        consumer.close().await;
        Ok(read)
    }

    /// Stops it in order.
    pub(crate) async fn stop(self) -> Fallible<()> {
        self.client.close(READ_LIMIT).await;
        match self.process {
            Process::Kbroker { broker, .. } => broker.stop().map(drop)?,
            other => drop(other),
        }
        Ok(())
    }
}

impl Process {
    fn bootstrap(&self) -> String {
        match self {
            Self::Kbroker { broker, .. } => broker.bootstrap(),
            Self::Kafka(kafka) => kafka.bootstrap(),
            Self::Kbrokers(brokers) => brokers.bootstrap(),
            Self::Kafkas(kafkas) => kafkas.bootstrap(),
        }
    }

    fn pids(&self) -> Vec<u32> {
        match self {
            Self::Kbroker { broker, .. } => vec![broker.pid()],
            Self::Kafka(kafka) => vec![kafka.pid()],
            Self::Kbrokers(brokers) => brokers.pids(),
            Self::Kafkas(kafkas) => kafkas.pids(),
        }
    }

    /// How many places a topic's records are kept in.
    fn replicas(&self) -> i16 {
        match self {
            Self::Kbroker { .. } | Self::Kafka(_) => 1,
            Self::Kbrokers(_) | Self::Kafkas(_) => 3,
        }
    }
}
