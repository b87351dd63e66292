//! Two brokers' shards with one partition between them: the metadata and the follower's fetches are made by hand.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kinglet_protocol::messages::metadata_records::{
    PartitionChangeRecord, PartitionRecord, RegisterBrokerRecord, TopicRecord,
};
use kinglet_protocol::records::{Batch, BatchBuilder, Seal};
use kinglet_protocol::{ErrorCode, Uuid};
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::config::Config;
use crate::log::{Appended, FileSlice, LogDirs};
use crate::meta::image::Image;
use crate::meta::record::Record;
use crate::replica::Acks;
use crate::shard::command::{
    Append, AppendFailure, AppendFollower, Cut, Fetcher, FindOffset, FollowerState, IsrProposal, OffsetAt,
    Read, ReadAt, ReadRecords, ReadReply, Waiter,
};
use crate::shard::storage::Storage;
use crate::shard::{Command, PartitionId, Shards};

pub(super) const TOPIC: Uuid = Uuid([9; 16]);
pub(crate) const ID: PartitionId = PartitionId { topic: TOPIC, index: 0 };
pub(super) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) type Acked = oneshot::Receiver<Result<Appended, AppendFailure>>;

/// One broker's shards.
pub(crate) struct Broker {
    pub(super) id: i32,
    pub(crate) storage: Storage,
    pub(super) image: Arc<Image>,
    pub(super) proposals: mpsc::UnboundedReceiver<IsrProposal>,
    pub(super) dir: Arc<tempfile::TempDir>,
    properties: String,
}

impl Broker {
    pub(super) fn new(id: i32, properties: &str) -> Self {
        Self::open(id, properties, Arc::new(tempfile::tempdir().unwrap()), &Image::default())
    }

    pub(super) fn open(id: i32, properties: &str, dir: Arc<tempfile::TempDir>, image: &Image) -> Self {
        Self::open_as(id, properties, dir, image, None)
    }

    /// With the incarnation that it registers with; without one it is alone.
    pub(super) fn open_as(
        id: i32,
        properties: &str,
        dir: Arc<tempfile::TempDir>,
        image: &Image,
        incarnation: Option<Uuid>,
    ) -> Self {
        let mut config = Config::from_properties(properties).unwrap();
        config.set("node.id", &id.to_string()).unwrap();
        config.set("log.dirs", &dir.path().display().to_string()).unwrap();
        let dirs = LogDirs::open(&config.log_dirs, id, Some("c"), crate::rng::uuid).unwrap();
        let (isr, proposals) = mpsc::unbounded_channel();
        let shards = Arc::new(Shards::start(2, &isr).unwrap());
        let mut storage = Storage::new(shards, Arc::new(config), dirs);
        if let Some(incarnation) = incarnation {
            storage = storage.registering_as(incarnation);
        }
        storage.open_all(image).unwrap();
        let image = Arc::new(image.clone());
        Self { id, storage, image, proposals, dir, properties: properties.to_owned() }
    }

    /// The metadata becomes this.
    pub(super) fn follow(&mut self, image: &Image) {
        let image = Arc::new(image.clone());
        self.storage.on_change(&self.image, &image).unwrap();
        self.image = image;
    }

    pub(super) fn send(&self, command: Command) {
        self.storage.shards.send_blocking(ID, command).unwrap();
    }

    pub(crate) fn append_as(&self, batch: Batch, acks: Acks) -> Acked {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Append(Append {
            id: ID,
            batches: vec![batch],
            current_leader_epoch: -1,
            acks,
            timeout: LIMIT,
            now_ms: clock::now_ms(),
            reply,
        }));
        answer
    }

    pub(super) fn append(&self, value: &str) -> Acked {
        self.append_as(batch(value, Seal::default()), Acks::All)
    }

    pub(super) fn read(
        &self,
        offset: i64,
        replica: Option<Fetcher>,
        epochs: (i32, i32),
        waiter: Option<Arc<Waiter>>,
    ) -> ReadReply {
        let (current_leader_epoch, last_fetched_epoch) = epochs;
        let at = ReadAt {
            id: ID,
            slot: 0,
            offset,
            max_bytes: 1 << 20,
            current_leader_epoch,
            last_fetched_epoch,
            log_start: -1,
        };
        let (reply, answer) = oneshot::channel();
        self.send(Command::Read(Read { reads: vec![at], waiter, replica, reply }));
        answer.blocking_recv().unwrap().remove(0)
    }

    pub(super) fn consume(&self, offset: i64) -> ReadReply {
        self.read(offset, None, (-1, -1), None)
    }

    pub(super) fn end(&self) -> Result<i64, ErrorCode> {
        let (reply, answer) = oneshot::channel();
        let (at, current_leader_epoch) = (OffsetAt::End, -1);
        self.send(Command::Offset(FindOffset {
            id: ID,
            at,
            uncommitted: false,
            current_leader_epoch,
            reply,
        }));
        answer.blocking_recv().unwrap().map(|found| found.offset)
    }

    pub(super) fn state(&self) -> FollowerState {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let states = runtime.block_on(self.storage.shards.follower_states(&[ID]));
        states.unwrap().remove(0).1.expect("it follows")
    }

    /// Fetches from the leader once, as a follower does.
    pub(crate) fn fetch_from(&self, leader: &Self) -> FollowerState {
        let state = self.state();
        let replica = Fetcher { id: self.id, broker_epoch: -1, is_new: true };
        let reply = leader.read(state.log_end, Some(replica), (state.leader_epoch, state.last_epoch), None);
        match reply.records.expect("the leader answers") {
            ReadRecords::Slice(slice) => {
                let batches = slice.map(|slice| batches(&slice)).unwrap_or_default();
                self.copy(&state, batches, reply.high_watermark).expect("the log goes on")
            }
            ReadRecords::Diverging { epoch, end_offset } => {
                let cut = Cut::Diverging { epoch, end_offset };
                let cuts = [(ID, state.leader_epoch, cut)];
                let truncated = self.storage.truncate(&cuts);
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(truncated).remove(0).unwrap()
            }
        }
    }

    pub(super) fn copy(
        &self,
        state: &FollowerState,
        batches: Vec<Batch>,
        high_watermark: i64,
    ) -> Result<FollowerState, AppendFailure> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::AppendFollower(AppendFollower {
            id: ID,
            leader_epoch: state.leader_epoch,
            fetch_offset: state.log_end,
            batches,
            high_watermark,
            log_start: 0,
            now_ms: clock::now_ms(),
            reply,
        }));
        answer.blocking_recv().unwrap()
    }

    /// What lies in the partition's first segment.
    pub(super) fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.dir.path().join("t-0/00000000000000000000.log")).unwrap()
    }

    /// Stops cleanly and starts with this metadata.
    pub(super) fn restart(self, image: &Image) -> Self {
        let (id, properties) = (self.id, self.properties.clone());
        Self::open(id, &properties, self.stop(), image)
    }

    /// Stops cleanly; its directory stays.
    pub(super) fn stop(self) -> Arc<tempfile::TempDir> {
        let Self { storage, image: before, dir, .. } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let closed = runtime.block_on(storage.shards.close());
        storage.finish(&closed, closed.len() == storage.count(&before), -1).unwrap();
        dir
    }
}

pub(super) fn batch(value: &str, seal: Seal) -> Batch {
    let mut builder = BatchBuilder::new(128);
    builder.push(clock::now_ms(), None, Some(value.as_bytes()), &[]);
    Batch::split(&mut builder.seal(seal).unwrap()).unwrap().unwrap()
}

pub(super) fn batches(slice: &FileSlice) -> Vec<Batch> {
    let mut bytes = vec![0; slice.len];
    slice.file.read_exact_at(&mut bytes, slice.position).unwrap();
    let mut bytes = Bytes::from(bytes);
    std::iter::from_fn(|| Batch::split(&mut bytes).unwrap()).collect()
}

pub(super) fn len(reply: &ReadReply) -> usize {
    match &reply.records {
        Ok(ReadRecords::Slice(slice)) => slice.as_ref().map_or(0, |slice| slice.len),
        other => panic!("no records but {other:?}"),
    }
}

/// A topic with one partition on brokers 1 and 2, led by 1.
pub(super) fn cluster() -> Image {
    let mut image = Image::default();
    for broker_id in [1, 2] {
        let record = RegisterBrokerRecord {
            broker_id,
            broker_epoch: i64::from(broker_id),
            fenced: false,
            ..Default::default()
        };
        image.replay(&Record::RegisterBroker(record)).unwrap();
    }
    image.replay(&Record::Topic(TopicRecord { name: "t".to_owned(), topic_id: TOPIC })).unwrap();
    let partition = PartitionRecord {
        partition_id: 0,
        leader_epoch: 0,
        partition_epoch: 0,
        topic_id: TOPIC,
        replicas: vec![1, 2],
        isr: vec![1, 2],
        leader: 1,
        ..Default::default()
    };
    image.replay(&Record::Partition(partition)).unwrap();
    image
}

pub(super) fn change(image: &mut Image, leader: i32, isr: Option<&[i32]>) {
    let isr = isr.map(<[i32]>::to_vec);
    let record =
        PartitionChangeRecord { partition_id: 0, topic_id: TOPIC, leader, isr, ..Default::default() };
    image.replay(&Record::PartitionChange(record)).unwrap();
}

pub(crate) fn two(properties: &str) -> (Broker, Broker, Image) {
    let (mut leader, mut follower) = (Broker::new(1, properties), Broker::new(2, properties));
    let image = cluster();
    leader.follow(&image);
    follower.follow(&image);
    (leader, follower, image)
}
