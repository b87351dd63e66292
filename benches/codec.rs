//! What the codec costs: checksums, batches, compression, and the two messages that carry records.
//!
//! `cargo bench -p kinglet-benches --bench codec`

use std::hint::black_box;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use kinglet_protocol::messages::fetch::{FetchableTopicResponse, PartitionData};
use kinglet_protocol::messages::produce::{PartitionProduceData, TopicProduceData};
use kinglet_protocol::messages::{FetchRequest, FetchResponse, ProduceRequest};
use kinglet_protocol::records::{
    Batch, BatchBuilder, Compression, Depth, Seal, compress, decompress, validate,
};
use kinglet_protocol::{RequestHead, Uuid, decode_response, encode_request, encode_response};

const MIB: usize = 1 << 20;
/// Kafka's default `batch.size`.
const BATCH_BYTES: usize = 16 << 10;
const RECORD_BYTES: usize = 100;
const VERSION: i16 = 12;

fn group_of<'a>(c: &'a mut Criterion, name: &str, per_round: Throughput) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.throughput(per_round);
    group
}

fn bytes(count: usize) -> Throughput {
    Throughput::Bytes(u64::try_from(count).expect("64 bits"))
}

/// Lines of text, as a pipe into `kproduce` has them: they compress about as well as logs do.
fn lines(bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + RECORD_BYTES);
    for n in 0u64.. {
        if text.len() >= bytes {
            break;
        }
        let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let line = format!(
            "line {n:>8}: user {id:016x} asked for /item/{:<6} and got 200 in {:>4} ms",
            id % 9973,
            n % 2000
        );
        text.extend(format!("{line:<99}\n").into_bytes());
    }
    text.truncate(bytes);
    text
}

fn batch(bytes: usize, compression: Compression) -> Bytes {
    let text = lines(bytes);
    let mut builder = BatchBuilder::new(bytes + bytes / 4);
    for line in text.chunks(RECORD_BYTES) {
        builder.push(1_700_000_000_000, None, Some(line), &[]);
    }
    builder.seal(Seal { compression, ..Seal::default() }).expect("every codec is built in")
}

fn split(mut bytes: Bytes) -> Batch {
    Batch::split(&mut bytes).expect("a batch").expect("a whole one")
}

fn batches(c: &mut Criterion) {
    let big = split(batch(MIB, Compression::None));
    let mut group = group_of(c, "checksum", bytes(big.bytes().len()));
    group.bench_function("crc32c of 1 MiB", |b| b.iter(|| black_box(&big).verify_crc()));
    group.finish();

    let text = lines(BATCH_BYTES);
    let mut group = group_of(c, "batch of 100-byte records", bytes(BATCH_BYTES));
    group.bench_function("push and seal", |b| {
        b.iter(|| {
            let mut builder = BatchBuilder::new(BATCH_BYTES);
            for line in text.chunks(RECORD_BYTES) {
                builder.push(1_700_000_000_000, None, Some(black_box(line)), &[]);
            }
            builder.seal(Seal::default())
        });
    });
    let small = split(batch(BATCH_BYTES, Compression::None));
    group.bench_function("validate", |b| b.iter(|| validate(black_box(&small), Depth::Records, MIB)));
    group.bench_function("iterate", |b| {
        b.iter(|| {
            let records = black_box(&small).records(MIB).expect("whole records");
            records.iter().map(|record| record.map_or(0, |r| r.value.map_or(0, <[u8]>::len))).sum::<usize>()
        });
    });
    group.finish();
}

fn compression(c: &mut Criterion) {
    let text = lines(MIB);
    let mut group = group_of(c, "compression of 1 MiB of text", bytes(text.len()));
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let mut out = BytesMut::new();
        group.bench_function(format!("{codec} compress"), |b| {
            b.iter(|| {
                out.clear();
                compress(codec, None, black_box(&text), &mut out)
            });
        });
        group.bench_function(format!("{codec} decompress"), |b| {
            b.iter(|| decompress(codec, black_box(&out), MIB).map(|bytes| bytes.len()));
        });
    }
    group.finish();
}

fn messages(c: &mut Criterion) {
    let records = batch(BATCH_BYTES, Compression::None);
    let mut group = group_of(c, "messages of 10 partitions", Throughput::Elements(10));

    let data = |index| PartitionProduceData { index, records: Some(records.clone().into()) };
    let topic = TopicProduceData {
        name: "lines".to_owned(),
        partition_data: (0..10).map(data).collect(),
        ..TopicProduceData::default()
    };
    let request = ProduceRequest { acks: -1, topic_data: vec![topic], ..ProduceRequest::default() };
    let frame = encode_request(&request, VERSION, 1, Some("bench")).expect("it fits").to_bytes().slice(4..);
    group.bench_function("ProduceRequest encode", |b| {
        b.iter(|| encode_request(black_box(&request), VERSION, 1, Some("bench")));
    });
    group.bench_function("ProduceRequest decode", |b| {
        b.iter(|| RequestHead::decode(frame.clone()).and_then(RequestHead::body::<ProduceRequest>));
    });

    let data = |partition_index| PartitionData {
        partition_index,
        records: Some(records.clone().into()),
        ..PartitionData::default()
    };
    let topic = FetchableTopicResponse {
        topic: "lines".to_owned(),
        topic_id: Uuid::ZERO,
        partitions: (0..10).map(data).collect(),
    };
    let response = FetchResponse { responses: vec![topic], ..FetchResponse::default() };
    let frame =
        encode_response::<FetchRequest>(&response, VERSION, 1).expect("it fits").to_bytes().slice(4..);
    group.bench_function("FetchResponse encode", |b| {
        b.iter(|| encode_response::<FetchRequest>(black_box(&response), VERSION, 1));
    });
    group.bench_function("FetchResponse decode", |b| {
        b.iter(|| decode_response::<FetchRequest>(frame.clone(), VERSION));
    });
    group.finish();
}

criterion_group!(codec, batches, compression, messages);
criterion_main!(codec);
