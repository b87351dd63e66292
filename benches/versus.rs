//! The codec side by side with the crate `kafka-protocol`: the same messages, the same bytes, alternating in one run.
//!
//! `cargo bench -p kinglet-benches --bench versus`, or `-- --quick` to see that it works, or `-- Metadata` for the rows that are
//! called so. Both sides must first agree on every byte. The ratios count; the times are those of the machine and of what else it does.
#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use kafka_protocol::records::{
    self as their_records, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions,
};
use kinglet_protocol::messages::fetch::{FetchableTopicResponse, PartitionData};
use kinglet_protocol::messages::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kinglet_protocol::messages::produce::{PartitionProduceData, TopicProduceData};
use kinglet_protocol::messages::{
    FetchRequest, FetchResponse, MetadataRequest, MetadataResponse, ProduceRequest,
};
use kinglet_protocol::records::{Batch, BatchBuilder, Seal};
use kinglet_protocol::{RecordBytes, Request, Uuid, encode_request, encode_response};

const PARTITIONS: i32 = 10;
/// Kafka's default `batch.size`.
const BATCH_BYTES: usize = 16 << 10;
const RECORD_BYTES: usize = 100;
const TIMESTAMP: i64 = 1_700_000_000_000;
const VERSION: i16 = 12;

/// One thing that both do.
struct Row<'a> {
    name: &'static str,
    ours: Box<dyn Fn() + 'a>,
    theirs: Box<dyn Fn() + 'a>,
}

fn main() {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let (rounds, sample) =
        if quick { (3, Duration::from_micros(200)) } else { (41, Duration::from_millis(4)) };
    let values = values();
    let produce = produce_request(&values);
    let fetch = fetch_response(&values);
    let metadata = metadata_response();
    let mut rows = Vec::new();
    rows.extend(produce_rows(&produce, &values));
    rows.extend(fetch_rows(&fetch));
    rows.extend(metadata_rows(&metadata));
    if let Some(name) = std::env::args().skip(1).find(|arg| !arg.starts_with('-')) {
        rows.retain(|row| row.name.contains(&name));
    }
    println!("{:<44} {:>12} {:>14} {:>7}", "median of one call", "kinglet ns", "kafka-protocol", "ratio");
    for row in &rows {
        let [ours, theirs] = compare(row, rounds, sample);
        println!("{:<44} {ours:>12.0} {theirs:>14.0} {:>6.1}x", row.name, theirs / ours);
    }
    building(&values, rounds);
}

/// The median time of one call of each, in nanoseconds, from rounds that alternate.
fn compare(row: &Row, rounds: usize, sample: Duration) -> [f64; 2] {
    let sides: [&dyn Fn(); 2] = [&*row.ours, &*row.theirs];
    // So many calls that one sample lasts long enough to be measured.
    let calls = sides.map(|call| {
        let mut calls = 1u32;
        while time(call, calls) < sample {
            calls *= 2;
        }
        calls
    });
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for side in 0..2 {
            let spent = time(sides[side], calls[side]);
            times[side].push(spent.as_secs_f64() * 1e9 / f64::from(calls[side]));
        }
    }
    times.map(median)
}

fn time(call: &dyn Fn(), calls: u32) -> Duration {
    let started = Instant::now();
    (0..calls).for_each(|_| call());
    started.elapsed()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn values() -> Vec<Vec<u8>> {
    let value = |n: usize| format!("{:<width$}", format!("value {n} of a record"), width = RECORD_BYTES);
    (0..BATCH_BYTES / RECORD_BYTES).map(|n| value(n).into_bytes()).collect()
}

fn batch(values: &[Vec<u8>]) -> Bytes {
    let mut builder = BatchBuilder::new(BATCH_BYTES + BATCH_BYTES / 4);
    for value in values {
        builder.push(TIMESTAMP, None, Some(value), &[]);
    }
    builder.seal(Seal::default()).expect("no compression, no failure")
}

fn their_batch(values: &[Vec<u8>]) -> Bytes {
    let record = |(offset, value): (i64, &Vec<u8>)| their_records::Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: their_records::TimestampType::Creation,
        offset,
        // It splits batches where the sequence does not follow the offset.
        sequence: i32::try_from(offset).expect("a small batch") - 1,
        timestamp: TIMESTAMP,
        key: None,
        value: Some(Bytes::copy_from_slice(value)),
        headers: Default::default(),
    };
    let records: Vec<_> = (0..).zip(values).map(record).collect();
    let options = RecordEncodeOptions { version: 2, compression: their_records::Compression::None };
    let mut out = BytesMut::new();
    RecordBatchEncoder::encode(&mut out, &records, &options).expect("records encode");
    out.freeze()
}

fn produce_request(values: &[Vec<u8>]) -> ProduceRequest {
    produce_with(&batch(values))
}

fn produce_with(batch: &Bytes) -> ProduceRequest {
    let data = |index| PartitionProduceData { index, records: Some(batch.clone().into()) };
    let partition_data = (0..PARTITIONS).map(data).collect();
    let topic = TopicProduceData { name: "orders".to_owned(), topic_id: Uuid::ZERO, partition_data };
    ProduceRequest { transactional_id: None, acks: -1, timeout_ms: 30_000, topic_data: vec![topic] }
}

fn their_produce_with(batch: &Bytes) -> theirs::ProduceRequest {
    use theirs::produce_request::{PartitionProduceData, TopicProduceData};
    let data = |index| PartitionProduceData::default().with_index(index).with_records(Some(batch.clone()));
    let topic = TopicProduceData::default()
        .with_name(StrBytes::from_static_str("orders").into())
        .with_partition_data((0..PARTITIONS).map(data).collect());
    theirs::ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic])
}

fn produce_rows<'a>(request: &'a ProduceRequest, values: &'a [Vec<u8>]) -> Vec<Row<'a>> {
    let body = request.encode_body(VERSION).expect("it fits");
    let their_request = their_decode::<theirs::ProduceRequest>(&body);
    assert_eq!(their_encode(&their_request), body, "both write the same Produce");
    let decoded = body.clone();
    vec![
        Row {
            name: "Produce, 10 x 16 KiB: encode",
            ours: Box::new(|| {
                let _ = black_box(encode_request(black_box(request), VERSION, 1, Some("bench")));
            }),
            theirs: Box::new(move || {
                black_box(their_encode(black_box(&their_request)));
            }),
        },
        Row {
            name: "Produce, 10 x 16 KiB: decode",
            ours: Box::new(move || {
                black_box(ProduceRequest::decode_body(black_box(body.clone()), VERSION).expect("whole"));
            }),
            theirs: Box::new({
                let body = decoded.clone();
                move || {
                    black_box(their_decode::<theirs::ProduceRequest>(black_box(&body)));
                }
            }),
        },
        Row {
            name: "Produce: build the batches, encode",
            ours: Box::new(|| {
                let batches: Vec<_> = (0..PARTITIONS).map(|_| batch(black_box(values))).collect();
                let request = produce_with(batches.last().expect("ten of them"));
                let _ = black_box(encode_request(&request, VERSION, 1, Some("bench")));
            }),
            theirs: Box::new(|| {
                let batches: Vec<_> = (0..PARTITIONS).map(|_| their_batch(black_box(values))).collect();
                let request = their_produce_with(batches.last().expect("ten of them"));
                black_box(their_encode(&request));
            }),
        },
        Row {
            name: "Produce: decode, check and read the records",
            ours: Box::new({
                let body = decoded.clone();
                move || {
                    let request = ProduceRequest::decode_body(body.clone(), VERSION).expect("whole");
                    let partitions = request.topic_data.into_iter().flat_map(|topic| topic.partition_data);
                    black_box(partitions.map(|partition| read(partition.records)).sum::<usize>());
                }
            }),
            theirs: Box::new(move || {
                let request = their_decode::<theirs::ProduceRequest>(&decoded);
                let partitions = request.topic_data.into_iter().flat_map(|topic| topic.partition_data);
                black_box(partitions.map(|partition| their_read(partition.records)).sum::<usize>());
            }),
        },
    ]
}

fn fetch_response(values: &[Vec<u8>]) -> FetchResponse {
    let batch = batch(values);
    let data = |partition_index| PartitionData {
        partition_index,
        high_watermark: 1_000,
        last_stable_offset: 1_000,
        log_start_offset: 0,
        records: Some(batch.clone().into()),
        ..PartitionData::default()
    };
    let partitions = (0..PARTITIONS).map(data).collect();
    let topic = FetchableTopicResponse { topic: "orders".to_owned(), topic_id: Uuid::ZERO, partitions };
    FetchResponse { responses: vec![topic], ..FetchResponse::default() }
}

fn fetch_rows(response: &FetchResponse) -> Vec<Row<'_>> {
    let body = FetchRequest::encode_response_body(response, VERSION).expect("it fits");
    let their_response = their_decode::<theirs::FetchResponse>(&body);
    assert_eq!(their_encode(&their_response), body, "both write the same Fetch");
    let decoded = body.clone();
    vec![
        Row {
            name: "Fetch, 10 x 16 KiB: encode",
            ours: Box::new(|| {
                let _ = black_box(encode_response::<FetchRequest>(black_box(response), VERSION, 1));
            }),
            theirs: Box::new(move || {
                black_box(their_encode(black_box(&their_response)));
            }),
        },
        Row {
            name: "Fetch, 10 x 16 KiB: decode",
            ours: Box::new(move || {
                let body = black_box(body.clone());
                black_box(FetchRequest::decode_response_body(body, VERSION).expect("whole"));
            }),
            theirs: Box::new({
                let body = decoded.clone();
                move || {
                    black_box(their_decode::<theirs::FetchResponse>(black_box(&body)));
                }
            }),
        },
        Row {
            name: "Fetch: decode, check and read the records",
            ours: Box::new({
                let body = decoded.clone();
                move || {
                    let body = FetchRequest::decode_response_body(body.clone(), VERSION).expect("whole");
                    let partitions = body.responses.into_iter().flat_map(|topic| topic.partitions);
                    black_box(partitions.map(|partition| read(partition.records)).sum::<usize>());
                }
            }),
            theirs: Box::new(move || {
                let body = their_decode::<theirs::FetchResponse>(&decoded);
                let partitions = body.responses.into_iter().flat_map(|topic| topic.partitions);
                black_box(partitions.map(|partition| their_read(partition.records)).sum::<usize>());
            }),
        },
    ]
}

fn metadata_response() -> MetadataResponse {
    let broker = |node_id| MetadataResponseBroker {
        node_id,
        host: format!("broker-{node_id}.example.com"),
        port: 9092,
        rack: None,
    };
    let partition = |partition_index: i32| MetadataResponsePartition {
        partition_index,
        leader_id: partition_index % 3,
        leader_epoch: 4,
        replica_nodes: vec![0, 1, 2],
        isr_nodes: vec![0, 1, 2],
        ..MetadataResponsePartition::default()
    };
    let topic = |n: u8| MetadataResponseTopic {
        name: Some(format!("topic-{n}")),
        topic_id: Uuid([n; 16]),
        partitions: (0..100).map(partition).collect(),
        ..MetadataResponseTopic::default()
    };
    MetadataResponse {
        brokers: (0..3).map(broker).collect(),
        cluster_id: Some("a-cluster".to_owned()),
        controller_id: 1,
        topics: (0..10).map(topic).collect(),
        ..MetadataResponse::default()
    }
}

fn metadata_rows(response: &MetadataResponse) -> Vec<Row<'_>> {
    let body = MetadataRequest::encode_response_body(response, VERSION).expect("it fits");
    let their_response = their_decode::<theirs::MetadataResponse>(&body);
    assert_eq!(their_encode(&their_response), body, "both write the same Metadata");
    let decoded = body.clone();
    vec![
        Row {
            name: "Metadata, 1,000 partitions: encode",
            ours: Box::new(|| {
                let _ = black_box(encode_response::<MetadataRequest>(black_box(response), VERSION, 1));
            }),
            theirs: Box::new(move || {
                black_box(their_encode(black_box(&their_response)));
            }),
        },
        Row {
            name: "Metadata, 1,000 partitions: decode",
            ours: Box::new(move || {
                let body = black_box(body.clone());
                black_box(MetadataRequest::decode_response_body(body, VERSION).expect("whole"));
            }),
            theirs: Box::new(move || {
                black_box(their_decode::<theirs::MetadataResponse>(black_box(&decoded)));
            }),
        },
    ]
}

fn their_decode<M: Decodable>(body: &Bytes) -> M {
    M::decode(&mut body.clone(), VERSION).expect("it is whole")
}

fn their_encode<M: Encodable>(message: &M) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out, VERSION).expect("it fits");
    out.freeze()
}

/// Checks the checksum and reads every record; the bytes of their values.
fn read(records: Option<RecordBytes>) -> usize {
    let mut bytes = records.map(RecordBytes::into_bytes).unwrap_or_default();
    let mut total = 0;
    while let Some(batch) = Batch::split(&mut bytes).expect("a batch") {
        batch.verify_crc().expect("it is as it was");
        let records = batch.records(usize::MAX).expect("not compressed");
        total +=
            records.iter().map(|record| record.expect("whole").value.map_or(0, <[u8]>::len)).sum::<usize>();
    }
    total
}

fn their_read(records: Option<Bytes>) -> usize {
    let mut bytes = records.unwrap_or_default();
    let sets = RecordBatchDecoder::decode_all(&mut bytes).expect("batches");
    let records = sets.iter().flat_map(|set| &set.records);
    records.map(|record| record.value.as_ref().map_or(0, Bytes::len)).sum()
}

/// Batches of 1 MiB out of ready values, sealed with their checksum: records a second on one core.
fn building(values: &[Vec<u8>], rounds: usize) {
    const BATCH: usize = 1 << 20;
    let mut rates = Vec::new();
    for _ in 0..rounds {
        let started = Instant::now();
        let mut builder = BatchBuilder::new(BATCH);
        for value in values.iter().cycle() {
            if builder.len() + RECORD_BYTES + 16 > BATCH {
                break;
            }
            builder.push(TIMESTAMP, None, Some(black_box(value)), &[]);
        }
        let count = f64::from(builder.count());
        black_box(builder.seal(Seal::default()).expect("no compression, no failure"));
        rates.push(count / started.elapsed().as_secs_f64() / 1e6);
    }
    println!("batch building: {:.1} M records of {RECORD_BYTES} bytes a second on one core", median(rates));
}
