//! A broker with more to read than it holds: the same batches again and again, each at its own offset. Its memory is not
//! counted, as another process's would not be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kinglet::Compression;
use kinglet::protocol::messages::fetch::{FetchPartition, FetchableTopicResponse, PartitionData};
use kinglet::protocol::messages::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kinglet::protocol::messages::{FetchRequest, FetchResponse, MetadataRequest, MetadataResponse};
use kinglet::protocol::records::{BatchBuilder, Seal};
use tokio::sync::oneshot;

use crate::allocation;
use crate::fake::{Fake, Script};

/// How long a fetch waits at the end.
const PATIENCE: Duration = Duration::from_millis(20);

/// A partition that is full of this batch.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    batch: Bytes,
    records: i64,
    /// Bytes of keys and values in a batch.
    pub(crate) payload: u64,
    /// Batches in the partition.
    pub(crate) batches: i64,
    /// Batches in an answer, if so many fit.
    pub(crate) together: usize,
}

pub(crate) struct Backlog {
    pub(crate) address: String,
    served: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Shape {
    /// Batches of so many records with values of so many bytes: text that compresses somewhat, or zeros.
    pub(crate) fn new(records: i64, value: usize, compression: Compression, zeros: bool) -> Self {
        let mut builder = BatchBuilder::new(1024);
        let text = b"the quick brown fox jumps over the lazy dog, and over again; ";
        for record in 0..records {
            let mut value: Vec<u8> =
                if zeros { vec![0; value] } else { text.iter().copied().cycle().take(value).collect() };
            let number = record.to_be_bytes();
            if !zeros && let Some(place) = value.first_chunk_mut::<8>() {
                *place = number;
            }
            builder.push(record, None, Some(&value), &[]);
        }
        let payload = u64::try_from(records).unwrap() * u64::try_from(value).unwrap();
        let batch = builder.seal(Seal { compression, ..Seal::default() }).unwrap();
        Self { batch, records, payload, batches: i64::MAX / records, together: usize::MAX }
    }

    /// Bytes of a batch on the wire.
    pub(crate) fn wire(&self) -> usize {
        self.batch.len()
    }

    pub(crate) fn end(&self) -> i64 {
        self.batches * self.records
    }

    /// What lies behind an offset, up to the last byte that was asked for: a broker cuts its answer where that is.
    fn read(&self, asked: &FetchPartition) -> BytesMut {
        let first = asked.fetch_offset / self.records;
        let room = usize::try_from(asked.partition_max_bytes).unwrap().max(self.batch.len());
        let count = room.div_ceil(self.batch.len()).min(self.together);
        let count = count.min(usize::try_from(self.batches - first).unwrap());
        let mut bytes = BytesMut::with_capacity(count * self.batch.len());
        for index in (first..).take(count) {
            let start = bytes.len();
            bytes.extend_from_slice(&self.batch);
            bytes[start..start + 8].copy_from_slice(&(index * self.records).to_be_bytes());
        }
        bytes.truncate(room);
        bytes
    }
}

impl Backlog {
    /// A topic `t` with a partition of each shape.
    pub(crate) fn start(shapes: Vec<Shape>) -> Self {
        let served = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let counter = served.clone();
        let thread = std::thread::spawn(move || {
            allocation::leave_out();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let fake = Fake::start(|address| script(address, shapes, counter)).await;
                tell.send(fake.address.clone()).unwrap();
                // Also when the test fails: the sender is gone then.
                let _ = stopped.await;
                fake.stop().await;
            });
        });
        Self { address: told.recv().unwrap(), served, stop: Some(stop), thread: Some(thread) }
    }

    /// Bytes of records that were sent so far.
    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It panics only where a test has failed already.
            let _ = thread.join();
        }
    }
}

fn script(address: &str, shapes: Vec<Shape>, served: Arc<AtomicU64>) -> Script {
    let (host, port) = address.rsplit_once(':').unwrap();
    let broker =
        MetadataResponseBroker { node_id: 1, host: host.to_owned(), port: port.parse().unwrap(), rack: None };
    let partition =
        |partition_index| MetadataResponsePartition { partition_index, leader_id: 1, ..Default::default() };
    let partitions: Vec<_> = (0..).take(shapes.len()).map(partition).collect();
    Script::default()
        .on::<MetadataRequest>(8, move |_| {
            let topic = MetadataResponseTopic {
                name: Some("t".into()),
                partitions: partitions.clone(),
                ..Default::default()
            };
            Some(MetadataResponse {
                brokers: vec![broker.clone()],
                topics: vec![topic],
                ..Default::default()
            })
        })
        .on_after::<FetchRequest>(11, move |request| {
            let (mut partitions, mut wait) = (Vec::new(), PATIENCE);
            for asked in request.topics.iter().flat_map(|topic| &topic.partitions) {
                let shape = &shapes[usize::try_from(asked.partition).unwrap()];
                let records = shape.read(asked);
                if !records.is_empty() {
                    wait = Duration::ZERO;
                }
                served.fetch_add(u64::try_from(records.len()).unwrap(), Ordering::Relaxed);
                partitions.push(PartitionData {
                    partition_index: asked.partition,
                    high_watermark: shape.end(),
                    records: Some(records.freeze().into()),
                    ..Default::default()
                });
            }
            let topic = FetchableTopicResponse { topic: "t".into(), partitions, ..Default::default() };
            (wait, Some(FetchResponse { responses: vec![topic], ..Default::default() }))
        })
}
