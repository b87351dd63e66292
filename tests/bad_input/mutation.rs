//! Good requests, and what can go wrong with their bytes.

use std::fmt;

use bytes::{Bytes, BytesMut};
use kinglet_harness::golden::{self, CORRELATION_ID};
use kinglet_protocol::messages::fetch::{FetchPartition, FetchTopic};
use kinglet_protocol::messages::produce::{PartitionProduceData, TopicProduceData};
use kinglet_protocol::messages::{FetchRequest, ProduceRequest};
use kinglet_protocol::records::legacy::{MessageFormat, from_batches};
use kinglet_protocol::records::{BatchBuilder, Compression, Seal};
use kinglet_protocol::{ApiInfo, RecordBytes, encode_request};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

/// Frames with records are altered on their way to this topic, so that their batches reach a log.
pub(crate) const TARGET: &str = "target";
/// Batches whose checksum is right and whose content is not go here.
pub(crate) const FORGED: &str = "forged";

const PREFIX: usize = 4;
/// Where the checksum of a batch stands, and what it covers.
const CRC_AT: std::ops::Range<usize> = 17..21;
const CRC_COVERS_FROM: usize = 21;
/// The same of a message.
const MESSAGE_CRC_AT: std::ops::Range<usize> = 12..16;
const MESSAGE_CRC_COVERS_FROM: usize = 16;

/// One way to spoil a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Some bits are turned.
    BitFlips,
    /// The end is missing; the length says so.
    Truncated,
    /// The end is missing; the length does not say so, and nothing follows.
    CutOff,
    /// The head of one request, the tail of another.
    Spliced,
    /// A number in it is as large, or as negative, as it gets.
    ExtremeNumber,
    /// A version that nobody has declared for this API.
    WrongVersion,
    /// An API that nobody serves.
    WrongApi,
    /// A length beyond every limit.
    HugePrefix,
    /// A negative length.
    NegativePrefix,
    /// A frame too small for a header.
    TinyFrame,
    /// No request at all.
    Noise,
    /// A record batch of nonsense under a valid checksum.
    ForgedBatch,
    /// A compressed message of the format before batches, of nonsense under a valid checksum.
    ForgedMessage,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 13] = [
        Self::BitFlips,
        Self::Truncated,
        Self::CutOff,
        Self::Spliced,
        Self::ExtremeNumber,
        Self::WrongVersion,
        Self::WrongApi,
        Self::HugePrefix,
        Self::NegativePrefix,
        Self::TinyFrame,
        Self::Noise,
        Self::ForgedBatch,
        Self::ForgedMessage,
    ];

    /// Whether the broker can tell where the next request starts.
    pub(crate) fn is_one_frame(self) -> bool {
        !matches!(self, Self::CutOff | Self::HugePrefix | Self::NegativePrefix)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

/// Good frames to start from.
#[derive(Debug)]
pub(crate) struct Seeds(Vec<Bytes>);

impl Seeds {
    /// Golden requests of everything the broker serves, and requests about a topic that it has.
    pub(crate) fn new(served: &[(&'static ApiInfo, i16)]) -> Self {
        let is_served = |request: &golden::Golden| {
            served.iter().find(|(info, version)| info.key == request.key && *version == request.version)
        };
        let golden = golden::requests();
        let mut frames: Vec<Bytes> = golden
            .iter()
            .filter_map(|request| Some((is_served(request)?, request)))
            .map(|((info, version), request)| golden::frame(info, *version, &request.body))
            .collect();
        // As many again with records that find their partition: golden requests name topics that are not there.
        let live = [
            produce(TARGET, batch(5)),
            produce(TARGET, batch(200)),
            fetch(TARGET),
            produce_old(TARGET, message(5)),
            fetch_old(TARGET, 1),
            fetch_old(FORGED, 3),
        ];
        let live_count = frames.len() / live.len();
        frames.extend(live.iter().cycle().take(live_count * live.len()).cloned());
        Self(frames)
    }

    /// A frame spoilt in that way.
    pub(crate) fn spoil(&self, kind: Kind, random: &mut StdRng) -> Vec<u8> {
        let mut bytes = self.pick(random).to_vec();
        match kind {
            Kind::BitFlips => flip_bits(&mut bytes, random),
            Kind::Truncated => truncate(&mut bytes, random),
            Kind::CutOff => bytes.truncate(random.random_range(1..bytes.len())),
            Kind::Spliced => splice(&mut bytes, self.pick(random), random),
            Kind::ExtremeNumber => put_extreme(&mut bytes, random),
            Kind::WrongVersion => put(&mut bytes, PREFIX + 2, &wrong_version(random).to_be_bytes()),
            Kind::WrongApi => put(&mut bytes, PREFIX, &wrong_api(random).to_be_bytes()),
            Kind::HugePrefix => put(&mut bytes, 0, &huge_length(random).to_be_bytes()),
            Kind::NegativePrefix => put(&mut bytes, 0, &random.random_range(i32::MIN..0).to_be_bytes()),
            Kind::TinyFrame => bytes.truncate(PREFIX + random.random_range(0..8)),
            Kind::Noise => {
                bytes.resize(random.random_range(PREFIX..512), 0);
                random.fill_bytes(&mut bytes);
            }
            Kind::ForgedBatch => bytes = produce(FORGED, forge(batch(20), random)).to_vec(),
            Kind::ForgedMessage => {
                bytes = produce_old(FORGED, forge_message(message(20), random)).to_vec();
            }
        }
        if kind.is_one_frame() {
            let length = i32::try_from(bytes.len() - PREFIX).expect("a frame made here is small");
            put(&mut bytes, 0, &length.to_be_bytes());
        }
        bytes
    }

    fn pick(&self, random: &mut StdRng) -> &Bytes {
        self.0.choose(random).expect("there are seeds")
    }
}

/// A request that reads a topic's first partition from its beginning and does not wait.
pub(crate) fn fetch(topic: &str) -> Bytes {
    fetch_repeated(topic, 1, 1 << 20)
}

/// The same from a client that gets messages of the format before batches.
fn fetch_old(topic: &str, version: i16) -> Bytes {
    fetch_version(topic, 1, 1 << 20, version)
}

/// A request that reads the same records so many times.
pub(crate) fn fetch_repeated(topic: &str, times: usize, partition_max_bytes: i32) -> Bytes {
    fetch_version(topic, times, partition_max_bytes, 12)
}

/// The same in a version of which records are converted.
pub(crate) fn fetch_version(topic: &str, times: usize, partition_max_bytes: i32, version: i16) -> Bytes {
    let partition = FetchPartition { partition_max_bytes, ..FetchPartition::default() };
    let topics = vec![FetchTopic {
        topic: topic.to_owned(),
        partitions: vec![partition; times],
        ..FetchTopic::default()
    }];
    let request = FetchRequest { max_wait_ms: 0, min_bytes: 1, topics, ..FetchRequest::default() };
    encode_request(&request, version, CORRELATION_ID, Some("bad")).expect("up to 12 it has names").to_bytes()
}

/// A request that appends a batch to a topic's first partition.
pub(crate) fn produce(topic: &str, batch: Bytes) -> Bytes {
    produce_version(topic, batch, 9)
}

/// The same from a client that knows no batches.
fn produce_old(topic: &str, set: Bytes) -> Bytes {
    produce_version(topic, set, 2)
}

fn produce_version(topic: &str, batch: Bytes, version: i16) -> Bytes {
    let partition = PartitionProduceData { index: 0, records: Some(RecordBytes::from(batch)) };
    let topic =
        TopicProduceData { name: topic.to_owned(), partition_data: vec![partition], ..Default::default() };
    let request =
        ProduceRequest { acks: -1, timeout_ms: 1_000, topic_data: vec![topic], ..Default::default() };
    encode_request(&request, version, CORRELATION_ID, Some("bad")).expect("up to 12 it has names").to_bytes()
}

/// A good batch.
pub(crate) fn batch(records: i64) -> Bytes {
    sealed(records, Compression::None)
}

/// A good compressed message with others inside.
fn message(records: i64) -> Bytes {
    let batch = sealed(records, Compression::Lz4);
    from_batches(batch, MessageFormat::V1, 0, 1 << 20).expect("a batch made here")
}

fn sealed(records: i64, compression: Compression) -> Bytes {
    let mut builder = BatchBuilder::new(16 * 1024);
    for number in 0..records {
        builder.push(1_700_000_000_000 + number, None, Some(b"a value that is read again"), &[]);
    }
    builder.seal(Seal { compression, ..Seal::default() }).expect("the codec is built in")
}

fn flip_bits(bytes: &mut [u8], random: &mut StdRng) {
    for _ in 0..random.random_range(1..=8) {
        let at = random.random_range(PREFIX..bytes.len());
        bytes[at] ^= 1 << random.random_range(0..8);
    }
}

fn truncate(bytes: &mut Vec<u8>, random: &mut StdRng) {
    // Behind the fixed part of the header: what is shorter is a kind of its own.
    bytes.truncate(random.random_range((PREFIX + 8).min(bytes.len() - 1)..bytes.len()));
}

fn splice(bytes: &mut Vec<u8>, other: &[u8], random: &mut StdRng) {
    bytes.truncate(random.random_range(PREFIX + 8..=bytes.len()));
    bytes.extend_from_slice(&other[random.random_range(PREFIX..other.len())..]);
}

/// Overwrites some bytes by a number that is a length or a count nowhere: fixed width and varint, all at their limits.
fn put_extreme(bytes: &mut [u8], random: &mut StdRng) {
    const EXTREMES: [&[u8]; 12] = [
        &i32::MAX.to_be_bytes(),
        &i32::MIN.to_be_bytes(),
        &(-1_i32).to_be_bytes(),
        &(-2_i32).to_be_bytes(),
        &1_000_001_i32.to_be_bytes(),
        &i64::MAX.to_be_bytes(),
        &i64::MIN.to_be_bytes(),
        &i16::MAX.to_be_bytes(),
        &i16::MIN.to_be_bytes(),
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff; 10],
        &[0x80; 6],
    ];
    let value = EXTREMES.choose(random).expect("there are some");
    // The API and version stay: else nearly all of these would be refused at the door.
    put(bytes, random.random_range(PREFIX + 8..bytes.len()), value);
}

fn wrong_version(random: &mut StdRng) -> i16 {
    if random.random() { random.random_range(i16::MIN..0) } else { random.random_range(25..=i16::MAX) }
}

fn wrong_api(random: &mut StdRng) -> i16 {
    if random.random() { random.random_range(i16::MIN..0) } else { random.random_range(93..=i16::MAX) }
}

fn huge_length(random: &mut StdRng) -> i32 {
    const SOCKET_REQUEST_MAX_BYTES: i32 = 100 * 1024 * 1024;
    if random.random() { i32::MAX } else { random.random_range(SOCKET_REQUEST_MAX_BYTES + 1..i32::MAX) }
}

fn forge(batch: Bytes, random: &mut StdRng) -> Bytes {
    let mut bytes = BytesMut::from(&*batch);
    for _ in 0..random.random_range(1..=6) {
        let at = random.random_range(CRC_COVERS_FROM..bytes.len());
        bytes[at] = random.random();
    }
    let crc = crc32c::crc32c(&bytes[CRC_COVERS_FROM..]);
    bytes[CRC_AT].copy_from_slice(&crc.to_be_bytes());
    bytes.freeze()
}

fn forge_message(message: Bytes, random: &mut StdRng) -> Bytes {
    let mut bytes = BytesMut::from(&*message);
    for _ in 0..random.random_range(1..=6) {
        // Behind the format's number, which decides whether it is looked at as a message at all.
        let at = random.random_range(MESSAGE_CRC_COVERS_FROM + 1..bytes.len());
        bytes[at] = random.random();
    }
    let crc = crc32(&bytes[MESSAGE_CRC_COVERS_FROM..]);
    bytes[MESSAGE_CRC_AT].copy_from_slice(&crc.to_be_bytes());
    bytes.freeze()
}

/// The checksum of the format before batches; a small message needs no table.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes.iter_mut().skip(at).zip(value).for_each(|(byte, new)| *byte = *new);
}
