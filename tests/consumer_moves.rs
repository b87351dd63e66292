//! A consumer whose records move: to a replica that is near, to the next leader, to a topic that was made anew; and members
//! of groups who get what is near.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kinglet::admin::NewTopic;
use kinglet::protocol::messages::AlterPartitionReassignmentsRequest;
use kinglet::protocol::messages::ElectLeadersRequest;
use kinglet::protocol::messages::alter_partition_reassignments::{ReassignablePartition, ReassignableTopic};
use kinglet::protocol::messages::elect_leaders::TopicPartitions;
use kinglet::{Assignment, Client, Config, Consumer, Position, Record, Target};
use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::{Binaries, Kbroker};
use kinglet_harness::kafka::{Jars, Kafka, KafkaCluster};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as Values};
use tracing::{Event, Metadata, Subscriber};

type Fallible<T> = Result<T, Box<dyn Error>>;

const LIMIT: Duration = Duration::from_secs(60);
/// How often it is looked whether something is so.
const LOOK: Duration = Duration::from_millis(20);
const RECORDS: usize = 3_000;

#[test]
fn a_consumer_reads_from_the_replica_in_its_rack_and_follows_a_leader_that_moves() {
    let Some(jars) = or_skip("a consumer in a rack", Jars::fetch()) else { return };
    let kafka = KafkaCluster::start(&jars).expect("three Apache Kafkas start");
    let told = Told::default();
    tracing::subscriber::with_default(told.clone(), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .expect("a runtime")
            .block_on(in_a_cluster(&kafka.bootstrap(), &told))
            .expect("the cluster serves");
    });
}

async fn in_a_cluster(bootstrap: &str, told: &Told) -> Fallible<()> {
    let client = Client::connect(Config::new(bootstrap)).await?;
    create(&client, 3).await?;
    send(&client, 0..RECORDS).await?;
    // Whoever leads, the consumers of two of the racks have a replica that is nearer.
    for rack in ["r1", "r2", "r3"] {
        let config = Config::new(bootstrap).set("client.rack", rack)?;
        let consumer = consumer(&Client::connect(config).await?).await?;
        assert_eq!(read(&consumer, RECORDS).await?, numbers(0..RECORDS), "{rack}");
        consumer.close().await;
    }
    assert_eq!(told.count("read from a replica that is near"), 2, "{told:?}");

    let consumer = consumer(&client).await?;
    assert_eq!(read(&consumer, RECORDS).await?, numbers(0..RECORDS));
    for leader in 1..=3 {
        lead(&client, leader).await?;
        let behind = RECORDS * usize::try_from(leader)?;
        send(&client, behind..behind + RECORDS).await?;
        assert_eq!(read(&consumer, RECORDS).await?, numbers(behind..behind + RECORDS), "led by {leader}");
    }
    println!("followed a leader three times; {} named by the one before", told.count("the leader has moved"));
    for strategy in ["sticky", "cooperative-sticky"] {
        group_in_racks(bootstrap, strategy).await?;
    }
    Ok(())
}

/// Members who join one after the other, the leader in no rack: in the end each of the others has what is in its rack.
async fn group_in_racks(bootstrap: &str, strategy: &str) -> Fallible<()> {
    let client = Client::connect(Config::new(bootstrap)).await?;
    let topic = NewTopic::assigned(strategy, (0..12).map(|partition| vec![partition % 3 + 1]).collect());
    for (_, result) in client.admin().create_topics([topic]).await? {
        result?;
    }
    let mut members = Vec::new();
    for rack in ["", "r1", "r2", "r3"] {
        let config = Config::new(bootstrap)
            .set("group.id", strategy)?
            .set("client.rack", rack)?
            .set("partition.assignment.strategy", strategy)?;
        members.push(Client::connect(config).await?.consumer([strategy]).await?);
        // The first leads, has everything, and in the end one partition of each rack: near to it are all.
        until(|| members.first().is_some_and(|first| !first.assignment().is_empty())).await?;
    }
    let described = client.admin().describe_topics([strategy]).await?;
    let mut replicas = BTreeMap::new();
    for (_, topic) in described {
        replicas.extend(topic?.partitions.into_iter().map(|p| (p.partition, p.replicas)));
    }
    let racks = |member: &Consumer| -> Vec<Vec<i32>> {
        member.assignment().iter().filter_map(|at| replicas.get(&at.partition).cloned()).collect()
    };
    let all_near = || {
        (0..).zip(&members).all(|(rack, member)| {
            let racks = racks(member);
            racks.len() == 3 && (rack == 0 || racks.iter().all(|replicas| *replicas == [rack]))
        })
    };
    let settled = until(all_near).await;
    let found: Vec<_> = members.iter().map(racks).collect();
    println!("{strategy}: the members' partitions are in the racks {found:?}");
    settled?;
    for member in members {
        member.close().await;
    }
    Ok(())
}

async fn until(is_so: impl Fn() -> bool) -> Fallible<()> {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(LOOK).await;
        }
    };
    Ok(tokio::time::timeout(LIMIT, wait).await?)
}

/// Makes a broker the preferred leader, and has it elected.
async fn lead(client: &Client, leader: i32) -> Fallible<()> {
    let order = [leader, leader % 3 + 1, (leader + 1) % 3 + 1];
    let partition = ReassignablePartition { partition_index: 0, replicas: Some(order.to_vec()) };
    let topic = ReassignableTopic { name: "t".to_owned(), partitions: vec![partition] };
    let request = AlterPartitionReassignmentsRequest { topics: vec![topic], ..Default::default() };
    client.request(request, Target::Controller).await?.error_code.ok()?;
    let partitions = TopicPartitions { topic: "t".to_owned(), partitions: vec![0] };
    let elect = ElectLeadersRequest { topic_partitions: Some(vec![partitions]), ..Default::default() };
    client.request(elect, Target::Controller).await?.error_code.ok()?;
    Ok(())
}

#[test]
fn a_topic_that_is_made_anew_is_read_from_its_beginning() {
    let Some(jars) = or_skip("a topic made anew", Jars::fetch()) else { return };
    let binaries = Binaries::build().expect("our programs compile");
    let data = tempfile::tempdir().expect("a temporary folder");
    let kbroker = Kbroker::start(&binaries, data.path(), &[]).expect("kbroker starts");
    let kafka = Kafka::start(&jars).expect("Apache Kafka starts");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    for (broker, bootstrap) in [("kbroker", kbroker.bootstrap()), ("Apache Kafka", kafka.bootstrap())] {
        runtime.block_on(made_anew(&bootstrap)).unwrap_or_else(|error| panic!("{broker}: {error}"));
    }
}

async fn made_anew(bootstrap: &str) -> Fallible<()> {
    let client = Client::connect(Config::new(bootstrap)).await?;
    create(&client, 1).await?;
    send(&client, 0..10).await?;
    let consumer = consumer(&client).await?;
    assert_eq!(read(&consumer, 10).await?, numbers(0..10));
    for (_, result) in client.admin().delete_topics(["t"]).await? {
        result?;
    }
    create(&client, 1).await?;
    // Another producer: this one may think of the old topic.
    let fresh = Client::connect(Config::new(bootstrap)).await?;
    // More than there were, so that the old position would be one in the new topic.
    send(&fresh, 100..150).await?;
    assert_eq!(read(&consumer, 50).await?, numbers(100..150));
    Ok(())
}

async fn create(client: &Client, replicas: i16) -> Fallible<()> {
    let made = async {
        // A topic that has just been deleted may still be there for a moment.
        loop {
            let topic = NewTopic::new("t", 1, replicas);
            let results = client.admin().create_topics([topic]).await?;
            match results.into_iter().next().map(|(_, result)| result) {
                Some(Err(error)) if error.to_string().contains("exists") => tokio::task::yield_now().await,
                Some(result) => return Fallible::Ok(result.map(drop)?),
                None => return Err("no answer".into()),
            }
        }
    };
    tokio::time::timeout(LIMIT, made).await?
}

async fn send(client: &Client, numbers: std::ops::Range<usize>) -> Fallible<()> {
    let producer = client.producer()?;
    let mut handles = Vec::new();
    for number in numbers {
        handles.push(producer.enqueue(Record::to("t").value(&number.to_string())).await?);
    }
    producer.flush().await?;
    for handle in handles {
        handle.await?;
    }
    Ok(())
}

async fn consumer(client: &Client) -> Fallible<Consumer> {
    Ok(client.consumer(Assignment::topics(["t"], Position::Beginning)).await?)
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

async fn read(consumer: &Consumer, count: usize) -> Fallible<Vec<String>> {
    let mut values = Vec::new();
    while values.len() < count {
        let batch = tokio::time::timeout(LIMIT, consumer.recv()).await??.ok_or("the consumer ended")?;
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        values.extend(batch.iter().map(|record| text(record.value)));
    }
    Ok(values)
}

/// What the library says.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn count(&self, message: &str) -> usize {
        let all = self.0.lock().expect("nobody panics while it is held");
        all.iter().filter(|told| told.contains(message)).count()
    }
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().expect("nobody panics while it is held").push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("kinglet")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Values<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
