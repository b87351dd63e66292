//! Records on their way out and in, past a broker that misbehaves as brokers do.
#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

mod fake;

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fake::{Fake, Script, produced};
use kinglet::protocol::messages::fetch::{FetchableTopicResponse, PartitionData};
use kinglet::protocol::messages::list_offsets::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kinglet::protocol::messages::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kinglet::protocol::messages::produce::{LeaderIdAndEpoch, NodeEndpoint};
use kinglet::protocol::messages::{
    FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse,
    ProduceRequest,
};
use kinglet::protocol::records::{Batch, BatchBuilder, Seal};
use kinglet::protocol::wire::RecordBytes;
use kinglet::protocol::{ErrorCode, Request};
use kinglet::{Assignment, Client, Config, ErrorKind, Position, Record, TopicPartition};
use tokio::net::TcpListener;

fn batch_of(request: &ProduceRequest) -> Batch {
    let records = request.topic_data[0].partition_data[0].records.clone();
    let Some(RecordBytes::Here(mut bytes)) = records else { panic!("a batch is sent") };
    Batch::split(&mut bytes).unwrap().unwrap()
}

fn fast(address: &str) -> Config {
    Config::new(address).set("retry.backoff.ms", 1).unwrap()
}

#[tokio::test]
async fn a_retriable_refusal_is_tried_again_with_the_same_number_and_counted() {
    let sequences = Arc::new(Mutex::new(Vec::new()));
    let seen = sequences.clone();
    let fake = Fake::start(move |at| {
        Script::default().with_topic(at).on::<ProduceRequest>(9, move |request| {
            let mut seen = seen.lock().unwrap();
            seen.push(batch_of(&request).header().base_sequence);
            let code = if seen.len() == 1 { ErrorCode::NOT_ENOUGH_REPLICAS } else { ErrorCode::NONE };
            Some(produced(code, 41))
        })
    })
    .await;
    let client = Client::connect(fast(&fake.address)).await.unwrap();
    let producer = client.producer().unwrap();
    let ack = producer.send(Record::to("t").value("v")).await.unwrap();
    assert_eq!((ack.partition, ack.offset), (0, Some(41)));
    assert_eq!(*sequences.lock().unwrap(), [0, 0]);
    let metrics = producer.metrics();
    let counts = ["record-send-total", "record-retry-total", "record-error-total", "request-total"];
    assert_eq!(counts.map(|name| metrics.get(name)), [1.0, 1.0, 0.0, 2.0].map(Some));
}

#[tokio::test]
async fn a_refusal_that_names_the_next_leader_is_followed_without_asking_anybody() {
    let next = Fake::start(|at| {
        Script::default().with_topic(at).on::<ProduceRequest>(12, |_| Some(produced(ErrorCode::NONE, 7)))
    })
    .await;
    let (host, port) = next.address.rsplit_once(':').unwrap();
    let endpoint =
        NodeEndpoint { node_id: 2, host: host.to_owned(), port: port.parse().unwrap(), rack: None };
    let first = Fake::start(|at| {
        Script::default().with_topic(at).on::<ProduceRequest>(12, move |_| {
            let mut answer = produced(ErrorCode::NOT_LEADER_OR_FOLLOWER, -1);
            answer.responses[0].partition_responses[0].current_leader =
                LeaderIdAndEpoch { leader_id: 2, leader_epoch: 5 };
            answer.node_endpoints = vec![endpoint.clone()];
            Some(answer)
        })
    })
    .await;
    let config = Config::new(&*first.address).set("retry.backoff.ms", 60_000).unwrap();
    let config = config.set("retry.backoff.max.ms", 60_000).unwrap();
    let producer = Client::connect(config).await.unwrap().producer().unwrap();
    let ack = producer.send(Record::to("t").value("v")).await.unwrap();
    assert_eq!((ack.partition, ack.offset), (0, Some(7)));
    let asked = (first.asked::<MetadataRequest>(), next.asked::<MetadataRequest>());
    assert_eq!(asked, (1, 0), "the topic was asked for, nothing else");
}

#[tokio::test]
async fn a_final_refusal_reaches_the_record_and_the_report_with_its_context() {
    let fake = Fake::start(|at| {
        Script::default()
            .with_topic(at)
            .on::<ProduceRequest>(9, |_| Some(produced(ErrorCode::TOPIC_AUTHORIZATION_FAILED, -1)))
    })
    .await;
    let client = Client::connect(fast(&fake.address)).await.unwrap();
    let producer = client.producer().unwrap();
    let error = producer.send(Record::to("t").value("v")).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert_eq!(error.context().topic_partition, Some(TopicPartition::new("t", 0)));
    assert!(error.context().broker.as_deref().unwrap().contains(&fake.address));
    assert!(!error.possibly_written());
    let report = producer.flush().await.unwrap();
    assert_eq!((report.delivered, report.failed), (0, 1));
    assert_eq!(report.first_error.unwrap().code(), error.code());
    assert_eq!(producer.flush().await.unwrap().failed, 0, "a report tells each failure once");
}

#[tokio::test]
async fn closing_with_a_deadline_gives_up_what_a_silent_broker_holds() {
    let fake = Fake::start(|at| Script::default().with_topic(at).on::<ProduceRequest>(9, |_| None)).await;
    let client = Client::connect(fast(&fake.address)).await.unwrap();
    let producer = client.producer().unwrap();
    let delivery = producer.enqueue(Record::to("t").value("v")).await.unwrap();
    let report = producer.close(Duration::from_millis(50)).await.unwrap();
    assert_eq!((report.delivered, report.failed), (0, 1));
    let error = delivery.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(matches!(
        producer.try_enqueue(Record::to("t")),
        Err(kinglet::TryEnqueueError::Failed(e)) if e.is_fatal()
    ));
}

#[tokio::test]
async fn a_record_that_finds_no_room_in_time_is_told_why() {
    let fake = Fake::start(|at| {
        Script::default()
            .with_topic(at)
            .on::<ProduceRequest>(9, |_| Some(produced(ErrorCode::NOT_ENOUGH_REPLICAS, -1)))
    })
    .await;
    let config = Config::new(&*fake.address).set("buffer.memory", 1024).unwrap();
    let client = Client::connect(config.set("max.block.ms", 300).unwrap()).await.unwrap();
    let producer = client.producer().unwrap();
    let value = "x".repeat(700);
    let _first = producer.enqueue(Record::to("t").value(&value)).await.unwrap();
    let error = producer.enqueue(Record::to("t").value(&value)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let cause = error.cause().unwrap();
    assert!(
        cause.contains(&fake.address) && cause.contains(ErrorCode::NOT_ENOUGH_REPLICAS.message()),
        "{cause}"
    );
}

#[tokio::test]
async fn the_last_handle_may_be_dropped_before_records_are_delivered() {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    let fake = Fake::start(move |at| {
        Script::default().with_topic(at).on::<ProduceRequest>(9, move |request| {
            seen.fetch_add(batch_of(&request).header().record_count.try_into().unwrap(), Ordering::SeqCst);
            Some(produced(ErrorCode::NONE, 0))
        })
    })
    .await;
    let client = Client::connect(fast(&fake.address)).await.unwrap();
    let producer = client.producer().unwrap();
    let mut last = None;
    for _ in 0..10 {
        last = Some(producer.enqueue(Record::to("t").value("v")).await.unwrap());
    }
    drop(producer);
    last.unwrap().await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 10);
}

/// A log of `count` batches of three records each; their values are their offsets.
fn log(count: i64) -> Bytes {
    let mut log = BytesMut::new();
    for base in (0..count).map(|n| n * 3) {
        let mut builder = BatchBuilder::new(1024);
        for offset in base..base + 3 {
            builder.push(offset, None, Some(offset.to_string().as_bytes()), &[]);
        }
        let start = log.len();
        log.extend_from_slice(&builder.seal(Seal::default()).unwrap());
        log[start..start + 8].copy_from_slice(&base.to_be_bytes());
    }
    log.freeze()
}

/// Serves `log`: whole batches from the one that holds the offset, the last of them cut off now and then.
fn serve(log: Bytes, script: Script) -> Script {
    let end = Arc::new(AtomicI64::new(0));
    let mut all = log.clone();
    while let Some(batch) = Batch::split(&mut all).unwrap() {
        end.store(batch.header().next_offset(), Ordering::SeqCst);
    }
    let (turn, listed) = (AtomicUsize::new(0), end.clone());
    script
        .on::<ListOffsetsRequest>(7, move |request| {
            let wanted = request.topics[0].partitions[0].timestamp;
            let offset = if wanted == -2 { 0 } else { listed.load(Ordering::SeqCst) };
            let partition = ListOffsetsPartitionResponse { offset, ..Default::default() };
            let topic = ListOffsetsTopicResponse { name: "t".into(), partitions: vec![partition] };
            Some(ListOffsetsResponse { topics: vec![topic], ..Default::default() })
        })
        .on::<FetchRequest>(12, move |request| {
            let from = request.topics[0].partitions[0].fetch_offset;
            let mut rest = log.clone();
            loop {
                let mut next = rest.clone();
                match Batch::split(&mut next).unwrap() {
                    Some(batch) if batch.header().next_offset() <= from => rest = next,
                    Some(_) | None => break,
                }
            }
            let turn = turn.fetch_add(1, Ordering::SeqCst);
            let cut = if turn.is_multiple_of(2) { rest.len() } else { rest.len().min(400) };
            let code = if turn == 1 { ErrorCode::NOT_LEADER_OR_FOLLOWER } else { ErrorCode::NONE };
            let code = if from > end.load(Ordering::SeqCst) { ErrorCode::OFFSET_OUT_OF_RANGE } else { code };
            let data = PartitionData {
                error_code: code,
                high_watermark: end.load(Ordering::SeqCst),
                records: (!code.is_err()).then(|| rest.slice(..cut).into()),
                ..Default::default()
            };
            let topic =
                FetchableTopicResponse { topic: "t".into(), partitions: vec![data], ..Default::default() };
            Some(FetchResponse { responses: vec![topic], ..Default::default() })
        })
}

async fn offsets(consumer: &kinglet::Consumer, end: i64) -> Vec<i64> {
    let mut out = Vec::new();
    while out.last().is_none_or(|last| *last < end - 1) {
        let batch = consumer.recv().await.unwrap().unwrap();
        for record in batch.iter() {
            assert_eq!(record.value, Some(record.offset.to_string().as_bytes()));
            out.push(record.offset);
        }
    }
    out
}

#[tokio::test]
async fn every_record_comes_once_whatever_is_cut_off_or_moved() {
    let fake = Fake::start(|at| serve(log(50), Script::default().with_topic(at))).await;
    let client = Client::connect(fast(&fake.address)).await.unwrap();
    let consumer = client.consumer(Assignment::topics(["t"], Position::Beginning)).await.unwrap();
    assert_eq!(offsets(&consumer, 150).await, (0..150).collect::<Vec<_>>());
    assert_eq!(consumer.position(&TopicPartition::new("t", 0)), Some(150));
    assert_eq!(consumer.lag(), [(TopicPartition::new("t", 0), 0)]);
    consumer.close().await;
    assert!(consumer.recv().await.unwrap().is_none());
}

#[tokio::test]
async fn a_leader_that_moved_to_another_broker_is_followed() {
    let new = Fake::start(|_| serve(log(4), Script::default())).await;
    let brokers = |addresses: [&str; 2]| -> Vec<MetadataResponseBroker> {
        let broker = |(node_id, address): (i32, &str)| {
            let (host, port) = address.rsplit_once(':').unwrap();
            let (host, port) = (host.to_owned(), port.parse().unwrap());
            MetadataResponseBroker { node_id, host, port, rack: None }
        };
        (1..).zip(addresses).map(broker).collect()
    };
    let leader = Arc::new(AtomicI32::new(1));
    let moved = leader.clone();
    let old = Fake::start(|at| {
        let brokers = brokers([at, &new.address]);
        Script::default()
            .on::<MetadataRequest>(12, move |_| {
                let leader_id = leader.load(Ordering::SeqCst);
                let partitions = vec![MetadataResponsePartition { leader_id, ..Default::default() }];
                let topic =
                    MetadataResponseTopic { name: Some("t".into()), partitions, ..Default::default() };
                Some(MetadataResponse { brokers: brokers.clone(), topics: vec![topic], ..Default::default() })
            })
            .on::<FetchRequest>(12, move |_| {
                moved.store(2, Ordering::SeqCst);
                let error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
                let partitions = vec![PartitionData { error_code, ..Default::default() }];
                let topic = FetchableTopicResponse { topic: "t".into(), partitions, ..Default::default() };
                Some(FetchResponse { responses: vec![topic], ..Default::default() })
            })
    })
    .await;
    let client = Client::connect(fast(&old.address)).await.unwrap();
    let from = Assignment::partitions([(TopicPartition::new("t", 0), Position::Offset(0))]);
    let consumer = client.consumer(from).await.unwrap();
    let all = tokio::time::timeout(Duration::from_secs(10), offsets(&consumer, 12)).await.unwrap();
    assert_eq!((all.len(), old.asked::<FetchRequest>()), (12, 1));
}

#[tokio::test]
async fn a_consumer_that_cannot_begin_in_time_names_what_it_could_not_reach() {
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let fake = Fake::start(|_| Script::default().with_topic(&nowhere)).await;
    let config = Config::new(&*fake.address).set("default.api.timeout.ms", 300).unwrap();
    let client = Client::connect(config).await.unwrap();
    let error = client.consumer(Assignment::topics(["t"], Position::Beginning)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().starts_with("finding the positions took longer than 300ms: "), "{error}");
    assert!(error.to_string().contains(&nowhere), "{error}");
    assert!(error.hint().unwrap().contains("advertised.listeners"), "{error}");
}

#[tokio::test]
async fn records_in_front_of_damaged_ones_are_received_before_the_error() {
    let mut bytes = BytesMut::from(&*log(3));
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    let bytes = bytes.freeze();
    let fake = Fake::start(|at| serve(bytes, Script::default().with_topic(at))).await;
    let client = Client::connect(fast(&fake.address)).await.unwrap();
    let consumer = client.consumer(Assignment::topics(["t"], Position::Beginning)).await.unwrap();
    assert_eq!(offsets(&consumer, 6).await, (0..6).collect::<Vec<_>>());
    assert_eq!(consumer.recv().await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(consumer.position(&TopicPartition::new("t", 0)), Some(6));
}

#[tokio::test]
async fn an_offset_inside_a_batch_begins_there_and_seeking_goes_back() {
    let fake = Fake::start(|at| serve(log(4), Script::default().with_topic(at))).await;
    let client = Client::connect(fast(&fake.address)).await.unwrap();
    let at = TopicPartition::new("t", 0);
    let from = Assignment::partitions([(at.clone(), Position::Offset(4))]);
    let consumer = client.consumer(from).await.unwrap();
    assert_eq!(offsets(&consumer, 12).await, (4..12).collect::<Vec<_>>());
    consumer.seek(&at, Position::Offset(10)).await.unwrap();
    assert_eq!(offsets(&consumer, 12).await, [10, 11]);
    consumer.seek(&at, Position::Beginning).await.unwrap();
    assert_eq!(offsets(&consumer, 12).await.len(), 12);
}

#[tokio::test]
async fn receiving_can_be_given_up_at_any_moment_without_a_loss() {
    let fake = Fake::start(|at| serve(log(100), Script::default().with_topic(at))).await;
    let client = Client::connect(fast(&fake.address)).await.unwrap();
    let consumer = client.consumer(Assignment::topics(["t"], Position::Beginning)).await.unwrap();
    let mut got = Vec::new();
    while got.len() < 300 {
        tokio::select! {
            biased;
            // Polled once and dropped, again and again.
            () = tokio::task::yield_now() => {}
            batch = consumer.recv() => got.extend(batch.unwrap().unwrap().iter().map(|record| record.offset)),
        }
        tokio::select! {
            biased;
            batch = consumer.recv() => got.extend(batch.unwrap().unwrap().iter().map(|record| record.offset)),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(got, (0..300).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_position_out_of_range_follows_auto_offset_reset() {
    let fake = Fake::start(|at| serve(log(4), Script::default().with_topic(at))).await;
    let at = TopicPartition::new("t", 0);
    let beyond = Assignment::partitions([(at, Position::Offset(99))]);
    for (policy, first) in [("earliest", Some(0)), ("none", None)] {
        let config = fast(&fake.address).set("auto.offset.reset", policy).unwrap();
        let client = Client::connect(config).await.unwrap();
        let consumer = client.consumer(beyond.clone()).await.unwrap();
        match (consumer.recv().await, first) {
            (Ok(batch), Some(first)) => assert_eq!(batch.unwrap().iter().next().unwrap().offset, first),
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::OffsetOutOfRange),
            (other, _) => panic!("{policy}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn damaged_records_are_an_error_in_front_of_them_unless_checks_are_off() {
    let mut bytes = BytesMut::from(&*log(1));
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    let bytes = bytes.freeze();
    let fake = Fake::start(|at| serve(bytes, Script::default().with_topic(at))).await;
    let at = TopicPartition::new("t", 0);
    for (check, ok) in [(true, false), (false, true)] {
        let config = fast(&fake.address).set("check.crcs", check).unwrap();
        let client = Client::connect(config).await.unwrap();
        let consumer = client.consumer(Assignment::topics(["t"], Position::Beginning)).await.unwrap();
        let result = consumer.recv().await;
        assert_eq!(result.is_ok(), ok);
        if let Err(error) = result {
            assert_eq!((error.kind(), consumer.position(&at)), (ErrorKind::Corrupt, Some(0)));
        }
    }
    assert!(fake.asked::<FetchRequest>() >= 2);
    assert!(FetchRequest::VERSIONS.contains(fake.versions::<FetchRequest>()[0]));
}
