//! A `kbroker` for groups, and what the tests do with it over and over.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use kinglet::admin::{NewPartitions, NewTopic};
use kinglet::{Batch, Client, Config, Consumer, Record};
use kinglet_harness::binaries::{Binaries, Kbroker};
use tempfile::TempDir;

/// How long anything may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// How often a state is looked at that is expected soon.
const LOOK: Duration = Duration::from_millis(5);

pub(crate) struct Site {
    binaries: Binaries,
    data: TempDir,
    broker: Option<Kbroker>,
    bootstrap: String,
}

impl Site {
    pub(crate) fn start() -> Self {
        let binaries = Binaries::build().expect("our programs compile");
        let data = tempfile::tempdir().expect("a temporary folder");
        let broker = start(&binaries, 0, data.path().into(), &[]);
        let bootstrap = broker.bootstrap();
        Self { binaries, data, broker: Some(broker), bootstrap }
    }

    /// Kills the broker with -9 and starts it again.
    pub(crate) fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// As [`restart`](Self::restart), with these settings besides.
    pub(crate) fn restart_with(&mut self, settings: &[&str]) {
        let broker = self.broker.take().expect("it runs");
        let port = broker.port();
        broker.kill().expect("it is killed");
        self.broker = Some(start(&self.binaries, port, self.data.path().into(), settings));
    }

    pub(crate) fn config(&self, group: &str, settings: &[(&str, &str)]) -> Config {
        let usual = [
            ("auto.offset.reset", "earliest"),
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "200"),
        ];
        let config = Config::new(&*self.bootstrap).group_id(group);
        let all = usual.iter().chain(settings);
        all.fold(config, |config, (key, value)| config.set(key, value).expect("a key of Kafka's"))
    }

    pub(crate) async fn member(&self, group: &str, settings: &[(&str, &str)]) -> Client {
        Client::connect(self.config(group, settings)).await.expect("kbroker is there")
    }

    async fn client(&self) -> Client {
        Client::connect(Config::new(&*self.bootstrap)).await.expect("kbroker is there")
    }

    pub(crate) async fn create(&self, topic: &str, partitions: i32) {
        let created = self.client().await.admin().create_topics([NewTopic::new(topic, partitions, 1)]).await;
        for (_, result) in created.expect("kbroker answers") {
            result.expect("it is new");
        }
    }

    pub(crate) async fn delete(&self, topic: &str) {
        let deleted = self.client().await.admin().delete_topics([topic]).await;
        deleted.expect("kbroker answers").into_iter().for_each(|(_, result)| result.expect("it is there"));
    }

    /// Gives a topic more partitions.
    pub(crate) async fn grow(&self, topic: &str, partitions: i32) {
        let grown =
            self.client().await.admin().create_partitions([NewPartitions::to(topic, partitions)]).await;
        for (_, result) in grown.expect("kbroker answers") {
            result.expect("it is there");
        }
    }

    /// Sends these numbers, spread over the partitions by number.
    pub(crate) async fn send(&self, topic: &str, numbers: Range<u32>) {
        let producer = self.client().await.producer().expect("a runtime");
        for number in numbers {
            let text = number.to_string();
            drop(producer.enqueue(Record::to(topic).key(&text).value(&text)).await.expect("there is room"));
        }
        let report = producer.flush().await.expect("it is open");
        assert_eq!(report.failed, 0, "{report:?}");
    }
}

fn start(binaries: &Binaries, port: u16, data: PathBuf, settings: &[&str]) -> Kbroker {
    let mut command = binaries.command("kbroker");
    command.args(["--port", &port.to_string()]).arg("--data-dir").arg(data);
    for setting in settings.iter().chain(&["group.initial.rebalance.delay.ms=0"]) {
        command.args(["--override", setting]);
    }
    Kbroker::run(&mut command).expect("kbroker starts")
}

/// At least so many records.
pub(crate) async fn read(consumer: &Consumer, count: usize) -> Vec<u32> {
    let mut got = Vec::new();
    while got.len() < count {
        let batch = consumer.recv().await.expect("no trouble").expect("it is open");
        got.extend(numbers(&batch));
    }
    got
}

/// What was sent in these records.
pub(crate) fn numbers(batch: &Batch) -> impl Iterator<Item = u32> {
    let number = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).parse::<u32>();
    batch.iter().map(move |record| number(record.value).expect("a number"))
}

/// Exactly so many records.
pub(crate) async fn read_until(consumer: &Consumer, count: usize) -> BTreeSet<u32> {
    let got = tokio::time::timeout(LIMIT, read(consumer, count)).await;
    let got = got.unwrap_or_else(|_| panic!("{count} records did not come: {:?}", consumer.assignment()));
    assert_eq!(got.len(), count, "{got:?}");
    got.into_iter().collect()
}

/// Waits until it is so.
pub(crate) async fn soon(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(tokio::time::timeout(LIMIT, wait).await.is_ok(), "not within {LIMIT:?}: {what}");
}
