//! One broker's shard on its disk.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kinglet_protocol::Uuid;
use kinglet_protocol::records::{Batch, BatchBuilder, Compression, Seal};
use tokio::sync::{mpsc, oneshot, watch};

use crate::disk::recording;
use crate::disk::tree::{Bites, Tree};
use crate::log::{Appended, LogConfig, LogDirs};
use crate::meta::image::Image;
use crate::replica::{Acks, Settings, as_known, eligible};
use crate::shard::command::{
    Append, AppendFailure, AppendFollower, Command, Cut, Fetcher, IsrProposal, NewReplica, Open, Read,
    ReadAt, ReadRecords, Truncate,
};
use crate::shard::flusher::Task;
use crate::shard::storage::by_dir;
use crate::shard::worker::Worker;
use crate::shard::{Needs, PartitionId};

pub(super) const LAG: Duration = Duration::from_millis(300);
pub(super) const LIMIT: Duration = Duration::from_millis(800);

pub(super) type Acked = oneshot::Receiver<Result<Appended, AppendFailure>>;
/// Values by offset.
pub(super) type Records = BTreeMap<i64, u64>;

/// One broker. What is in `live` goes with its process.
pub(super) struct Node {
    pub(super) id: i32,
    pub(super) root: PathBuf,
    pub(super) life: u8,
    pub(super) broker_epoch: i64,
    pub(super) live: Option<Live>,
    /// What its log held when that was last looked at, and when each record came there.
    pub(super) records: Records,
    pub(super) since_ms: BTreeMap<i64, i64>,
    /// When its power failed; `None` after a kill.
    pub(super) cut_ms: Option<i64>,
    /// How its log was when that was last looked at.
    seen: Option<(u8, (i64, i32, i64))>,
}

pub(super) struct Live {
    pub(super) worker: Worker,
    dirs: LogDirs,
    /// The image that it follows.
    image: Arc<Image>,
    proposals: mpsc::UnboundedReceiver<IsrProposal>,
    /// Flushes under way, and when they are done.
    flushes: Vec<(i64, Task)>,
    _own: mpsc::Sender<Command>,
}

impl Node {
    pub(super) fn new(id: i32, root: PathBuf) -> Self {
        Tree::default().write_to(&root).unwrap();
        recording::start(&root, Tree::default());
        let (records, since_ms) = (Records::new(), BTreeMap::new());
        Self { id, root, life: 0, broker_epoch: -1, live: None, records, since_ms, cut_ms: None, seen: None }
    }

    /// The process starts and opens what is on its disk.
    pub(super) fn start(&mut self, image: &Arc<Image>, flush_messages: i64, now_ms: i64) {
        let id = self.id;
        let dirs = LogDirs::open(std::slice::from_ref(&self.root), id, Some("c"), || Uuid([7; 16])).unwrap();
        let topic = image.topic("t").unwrap();
        let found = dirs.scan().unwrap().into_iter().find(|found| found.topic == "t");
        let (isr, proposals) = mpsc::unbounded_channel();
        let (own, _) = mpsc::channel(1);
        let mut worker =
            Worker::new(own.downgrade(), isr, watch::Sender::default(), Arc::new(Needs::default()));
        worker.flusher.held = Some(Vec::new());
        let state = as_known(&topic.partitions[0], id, false);
        let what = NewReplica {
            id: PartitionId { topic: topic.id, index: 0 },
            topic: "t".to_owned(),
            dir: self.root.join("t-0"),
            config: LogConfig {
                segment_bytes: 4_000,
                index_interval_bytes: 200,
                flush_messages,
                ..LogConfig::default()
            },
            settings: Settings { min_insync_replicas: 2, lag_time_max: LAG },
            node_id: id,
            high_watermark: found.as_ref().map_or(0, |found| found.high_watermark),
            eligible: eligible(image, &state),
            state,
        };
        let (reply, mut answer) = oneshot::channel();
        worker.open(Open { what, recovery: found.map(|found| found.recovery), now_ms, reply });
        answer.try_recv().unwrap().unwrap();
        let (image, flushes) = (Arc::clone(image), Vec::new());
        self.live = Some(Live { worker, dirs, image, proposals, flushes, _own: own });
        self.save();
    }

    /// The process ends, and with it what is not on disk, if the power fails.
    pub(super) fn end(&mut self, power: Option<(&mut rand::rngs::StdRng, &mut Bites)>) {
        self.live = None;
        if let Some((rng, bites)) = power {
            let tree = recording::stop(&self.root).0.after_power_cut(rng, bites);
            tree.write_to(&self.root).unwrap();
            recording::start(&self.root, tree);
        }
    }

    pub(super) fn partition(&self) -> PartitionId {
        PartitionId { topic: self.live.as_ref().unwrap().image.topic("t").unwrap().id, index: 0 }
    }

    pub(super) fn leads(&self) -> bool {
        let Some(live) = &self.live else { return false };
        live.worker.replicas[&self.partition()].core.leads()
    }

    pub(super) fn leader_epoch(&self) -> i32 {
        self.live.as_ref().map_or(-1, |live| live.worker.replicas[&self.partition()].core.leader_epoch())
    }

    /// Follows the metadata.
    pub(super) fn look(&mut self, image: &Arc<Image>) {
        let (id, life, partition) = (self.id, self.life, self.partition());
        let live = self.live.as_mut().unwrap();
        live.image = Arc::clone(image);
        let registered = image.broker(id).is_some_and(|broker| broker.incarnation == Uuid([life; 16]));
        let state = as_known(&image.topic("t").unwrap().partitions[0], id, registered);
        let able = eligible(image, &state);
        live.worker.on_image(partition, &state, &able);
    }

    pub(super) fn append(&mut self, values: &[u64], now_ms: i64) -> Acked {
        let id = self.partition();
        let mut builder = BatchBuilder::new(64);
        for value in values {
            builder.push(now_ms, None, Some(value.to_string().as_bytes()), &[]);
        }
        let seal = Seal { compression: Compression::None, ..Seal::default() };
        let batch = Batch::split(&mut builder.seal(seal).unwrap()).unwrap().unwrap();
        let (reply, answer) = oneshot::channel();
        let (batches, current_leader_epoch) = (vec![batch], -1);
        let append =
            Append { id, batches, current_leader_epoch, acks: Acks::All, timeout: LIMIT, now_ms, reply };
        self.live.as_mut().unwrap().worker.append(append);
        answer
    }

    /// One fetch from the leader, and what its answer makes of the log: whether it was cut.
    pub(super) fn fetch(&mut self, leader: &mut Self, now_ms: i64) -> bool {
        let id = self.partition();
        let worker = &mut self.live.as_mut().unwrap().worker;
        let Ok(state) = worker.follower_states(vec![id]).remove(0).1 else { return false };
        let at = ReadAt {
            id,
            slot: 0,
            offset: state.log_end,
            max_bytes: 600,
            current_leader_epoch: state.leader_epoch,
            last_fetched_epoch: state.last_epoch,
            log_start: state.log_start,
        };
        let replica = Some(Fetcher { id: self.id, broker_epoch: self.broker_epoch, is_new: true });
        let (reply, mut answer) = oneshot::channel();
        let from = &mut leader.live.as_mut().unwrap().worker;
        from.read(Read { reads: vec![at], waiter: None, replica, reply });
        let told = answer.try_recv().unwrap().remove(0);
        let (leader_epoch, high_watermark) = (state.leader_epoch, told.high_watermark);
        match told.records {
            Ok(ReadRecords::Slice(slice)) => {
                let batches = slice.map(|slice| {
                    let mut bytes = vec![0; slice.len];
                    slice.file.read_exact_at(&mut bytes, slice.position).unwrap();
                    let mut bytes = Bytes::from(bytes);
                    std::iter::from_fn(|| Batch::split(&mut bytes).unwrap()).collect()
                });
                let (reply, _) = oneshot::channel();
                worker.append_follower(AppendFollower {
                    id,
                    leader_epoch,
                    fetch_offset: state.log_end,
                    batches: batches.unwrap_or_default(),
                    high_watermark,
                    log_start: 0,
                    now_ms,
                    reply,
                });
                false
            }
            Ok(ReadRecords::Diverging { epoch, end_offset }) => {
                let cut = Cut::Diverging { epoch, end_offset };
                let (reply, mut answer) = oneshot::channel();
                worker.truncate(Truncate { id, leader_epoch, cut, reply });
                let cut = answer.try_recv().unwrap();
                if cut.is_ok_and(|cut| cut.lowers_checkpoint) {
                    self.save();
                }
                cut.is_ok()
            }
            Err(_) => false,
        }
    }

    /// Starts the flushes that are due, and ends those that have had their time.
    pub(super) fn flush(&mut self, now_ms: i64, takes_ms: i64) {
        let worker = &mut self.live.as_mut().unwrap().worker;
        worker.flush(now_ms);
        let begun = worker.flusher.held.replace(Vec::new()).unwrap();
        let flushes = &mut self.live.as_mut().unwrap().flushes;
        flushes.extend(begun.into_iter().map(|task| (now_ms + takes_ms, task)));
    }

    pub(super) fn end_flushes(&mut self, now_ms: i64) {
        let live = self.live.as_mut().unwrap();
        for (_, Task { id, job }) in live.flushes.extract_if(.., |(done_ms, _)| *done_ms <= now_ms) {
            let result = job.run();
            live.worker.on_command(Command::Flushed { id, job, result });
        }
    }

    pub(super) fn proposals(&mut self) -> Vec<IsrProposal> {
        let live = self.live.as_mut().unwrap();
        std::iter::from_fn(|| live.proposals.try_recv().ok()).collect()
    }

    /// Writes the checkpoints.
    pub(super) fn save(&mut self) {
        let live = self.live.as_mut().unwrap();
        let (reply, mut answer) = oneshot::channel();
        live.worker.on_command(Command::Checkpoint { reply });
        let checkpoints = answer.try_recv().unwrap();
        if let Some(checkpoints) = by_dir(&checkpoints).get(self.root.as_path()) {
            // A disk that fails is what some tests are about.
            let _fails = live.dirs.dirs()[0].save(checkpoints);
        }
    }

    /// What is in its log.
    pub(super) fn read(&self) -> Records {
        let log = &self.live.as_ref().unwrap().worker.replicas[&self.partition()].log;
        let mut found = Records::new();
        let mut offset = log.start_offset();
        while offset < log.end_offset() {
            let slice = log.read(offset, 1 << 20, i64::MAX, crate::log::FirstBatch::Always).unwrap();
            let mut bytes = vec![0; slice.len];
            slice.file.read_exact_at(&mut bytes, slice.position).unwrap();
            let mut bytes = Bytes::from(bytes);
            while let Some(batch) = Batch::split(&mut bytes).unwrap() {
                batch.verify_crc().unwrap();
                assert_eq!(batch.header().base_offset, offset, "a gap");
                for record in batch.records(1 << 20).unwrap().iter().map(Result::unwrap) {
                    let value = std::str::from_utf8(record.value.unwrap()).unwrap().parse().unwrap();
                    found.insert(record.offset, value);
                }
                offset = batch.header().next_offset();
            }
        }
        found
    }

    /// Remembers what is in its log now, and since when.
    pub(super) fn note(&mut self, now_ms: i64) {
        let log = &self.live.as_ref().unwrap().worker.replicas[&self.partition()].log;
        let seen = (log.end_offset(), log.latest_epoch(), log.recovery_point());
        if self.seen == Some((self.life, seen)) {
            return;
        }
        self.seen = Some((self.life, seen));
        let now = self.read();
        self.since_ms.retain(|offset, _| now.get(offset) == self.records.get(offset));
        for offset in now.keys() {
            self.since_ms.entry(*offset).or_insert(now_ms);
        }
        self.records = now;
    }
}
