//! Three Apache Kafkas, and a leader that moves from one to the next while records are sent.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use kinglet::protocol::ErrorCode;
use kinglet::protocol::messages::alter_partition_reassignments::{ReassignablePartition, ReassignableTopic};
use kinglet::protocol::messages::elect_leaders::TopicPartitions;
use kinglet::protocol::messages::metadata::MetadataRequestTopic;
use kinglet::protocol::messages::{AlterPartitionReassignmentsRequest, ElectLeadersRequest, MetadataRequest};
use kinglet::{Assignment, Client, Config, ErrorKind, Position, Producer, Record, Target};
use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::{Jars, KafkaCluster};
use kinglet_harness::tools::Tools;

type Fallible<T> = Result<T, Box<dyn Error>>;

const MOVES: usize = 6;
/// Records between two moves, at least.
const BETWEEN: usize = 20;
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn without_retries_the_record_that_meets_a_moved_leader_is_reported_and_with_three_none_is_lost() {
    let test = "a moving leader";
    let Some(jars) = or_skip(test, Jars::fetch()) else { return };
    let binaries = Binaries::build().expect("our programs compile");
    let kafka = KafkaCluster::start(&jars).expect("three Apache Kafkas start");
    let tools = Tools::new(binaries, kafka.bootstrap());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    for (retries, fails) in [(0, true), (3, false)] {
        let topic = format!("retries-{retries}");
        tools.create_topic(&topic, 1, &["--replication-factor", "3"]).expect("ktopics --create");
        let sent = runtime.block_on(send_while_moving(&kafka.bootstrap(), &topic, retries));
        let Sent { acked, failed, moves } = sent.expect("the cluster does what it is asked");
        let log = runtime.block_on(read(&kafka.bootstrap(), &topic, acked.len())).expect("it can be read");
        println!(
            "retries={retries}: {moves} moves, {} acked, {} reported as failed",
            acked.len(),
            failed.len()
        );
        assert_eq!(failed.is_empty(), !fails, "{failed:?}");
        for (value, offset) in &acked {
            assert_eq!(log.get(offset), Some(value), "an acked record is where it was acked");
        }
        for (value, possibly_written) in failed {
            let count = log.values().filter(|there| **there == value).count();
            assert!(possibly_written || count == 0, "{value} is there, and was reported as not written");
        }
        let all: Vec<_> = log.values().collect();
        assert!(all.is_sorted_by_key(|value| value.parse::<usize>().ok()), "records are in order");
    }
}

struct Sent {
    /// Value and offset.
    acked: Vec<(String, i64)>,
    /// Value, and whether it may be there.
    failed: Vec<(String, bool)>,
    moves: usize,
}

/// One record after the other, and every few records the leader moves on.
async fn send_while_moving(bootstrap: &str, topic: &str, retries: u32) -> Fallible<Sent> {
    let config = Config::new(bootstrap).set("retries", retries)?;
    // Another client than the one that moves leaders, so that it knows nothing of that.
    let producer = Client::connect(config).await?.producer()?;
    let admin = Client::connect(Config::new(bootstrap)).await?;
    let mut sent = Sent { acked: Vec::new(), failed: Vec::new(), moves: 0 };
    let mut number = 0;
    for _ in 0..MOVES {
        for _ in 0..BETWEEN {
            send(&producer, topic, number, &mut sent).await?;
            number += 1;
        }
        move_leader(&admin, topic).await?;
        sent.moves += 1;
    }
    send(&producer, topic, number, &mut sent).await?;
    Ok(sent)
}

async fn send(producer: &Producer, topic: &str, number: usize, sent: &mut Sent) -> Fallible<()> {
    let value = number.to_string();
    match producer.send(Record::to(topic).value(&value)).await {
        Ok(ack) => sent.acked.push((value, ack.offset.ok_or("acks=all has offsets")?)),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Broker, "{error}");
            assert_eq!(error.code(), Some(ErrorCode::NOT_LEADER_OR_FOLLOWER), "{error}");
            assert!(error.is_retriable() && error.context().attempts == 1, "{error}");
            sent.failed.push((value, error.possibly_written()));
        }
    }
    Ok(())
}

/// Makes the next replica the preferred one, has it elected, and waits until every broker knows.
async fn move_leader(admin: &Client, topic: &str) -> Fallible<()> {
    let leader = leader_at(admin, topic, Target::Any).await?;
    let order: Vec<i32> = (0..3).map(|step| (leader + step) % 3 + 1).collect();
    let next = order[0];
    let partition = ReassignablePartition { partition_index: 0, replicas: Some(order) };
    let request = AlterPartitionReassignmentsRequest {
        topics: vec![ReassignableTopic { name: topic.to_owned(), partitions: vec![partition] }],
        ..Default::default()
    };
    let response = admin.request(request, Target::Controller).await?;
    assert!(response.error_code.ok().is_ok() && response.responses[0].partitions[0].error_code.ok().is_ok());
    let partitions = TopicPartitions { topic: topic.to_owned(), partitions: vec![0] };
    let elect = ElectLeadersRequest { topic_partitions: Some(vec![partitions]), ..Default::default() };
    let elected = async {
        // The election may be asked for before the controller knows the new order, and brokers hear of it one by one.
        while !(elect_preferred(admin, elect.clone()).await? && all_know(admin, topic, next).await?) {}
        Fallible::Ok(())
    };
    tokio::time::timeout(LIMIT, elected).await.map_err(|_| format!("broker {next} does not lead"))?
}

async fn elect_preferred(admin: &Client, elect: ElectLeadersRequest) -> Fallible<bool> {
    let elected = admin.request(elect, Target::Controller).await?;
    let results = elected.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
    let is_done = |code: ErrorCode| code.ok().is_ok() || code == ErrorCode::ELECTION_NOT_NEEDED;
    Ok(results.map(|result| result.error_code).all(is_done))
}

async fn all_know(admin: &Client, topic: &str, leader: i32) -> Fallible<bool> {
    for broker in 1..=3 {
        if leader_at(admin, topic, Target::Broker(broker)).await? != leader {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn leader_at(client: &Client, topic: &str, target: Target) -> Fallible<i32> {
    let wanted = MetadataRequestTopic { name: Some(topic.to_owned()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![wanted]), ..Default::default() };
    let response = client.request(request, target).await?;
    let partition = response.topics.first().and_then(|topic| topic.partitions.first());
    Ok(partition.map_or(-1, |partition| partition.leader_id))
}

/// All records by their offset.
async fn read(bootstrap: &str, topic: &str, least: usize) -> Fallible<BTreeMap<i64, String>> {
    let client = Client::connect(Config::new(bootstrap)).await?;
    let consumer = client.consumer(Assignment::topics([topic], Position::Beginning)).await?;
    let mut log = BTreeMap::new();
    while log.len() < least {
        let batch = tokio::time::timeout(LIMIT, consumer.recv()).await??.ok_or("the consumer ended")?;
        for record in batch.iter() {
            log.insert(record.offset, String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned());
        }
    }
    Ok(log)
}
