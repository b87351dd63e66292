//! One node: what outlives its processes, and the process that runs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kinglet_protocol::{ErrorCode, Uuid};
use rand::RngExt;

use super::broker::{Purpose, Timer};
use super::clients::Reply;
use super::controller::Task;
use super::log::Log;
use super::world::{Event, World, partition};
use crate::meta::image::Image;
use crate::meta::raft::model::{Disk, Voter};
use crate::mutant::Mutant;
use crate::replica::{Effect, Partition, ReplyId, Settings, as_known, eligible};

/// `replica.lag.time.max.ms`.
const LAG_MS: u64 = 1_500;

/// What is left when a process ends, and the process that runs.
#[derive(Default)]
pub(super) struct Node {
    pub(super) log: Log,
    pub(super) saved_high_watermark: i64,
    pub(super) disk: Disk,
    /// Id of its log directory.
    pub(super) directory: u8,
    /// The epoch of a life that ended in order.
    pub(super) clean: Option<i64>,
    /// The power failed, and no life since has registered.
    pub(super) is_torn: bool,
    /// The power failed, and nobody has led since it registered again.
    pub(super) is_missed: bool,
    /// Processes so far.
    pub(super) life: u64,
    /// How far its clocks are off.
    pub(super) steady_ms: i64,
    pub(super) wall_ms: i64,
    /// It does nothing until then, or hears of no other node.
    pub(super) paused_until: u64,
    pub(super) isolated_until: u64,
    pub(super) live: Option<Live>,
}

/// What goes with the process.
pub(super) struct Live {
    pub(super) core: Partition,
    pub(super) voter: Voter,
    /// The controller, which may be active.
    pub(super) task: Task,
    /// Images that the partition has not followed yet.
    pub(super) images: VecDeque<Arc<Image>>,
    pub(super) followed: Arc<Image>,
    pub(super) incarnation: Uuid,
    /// The epoch of the life before, if that ended in order; else -1.
    pub(super) previous: i64,
    /// -1 until it has registered.
    pub(super) epoch: i64,
    pub(super) wants_to_stop: bool,
    /// What it has asked a controller.
    pub(super) asked: BTreeMap<u64, Purpose>,
    /// Appends that are not acked, with where they are.
    pub(super) waiting: BTreeMap<ReplyId, (i64, Option<Reply>)>,
    pub(super) next_reply: ReplyId,
    /// The newest high watermark that it told as a leader, with its epoch.
    pub(super) told: (i32, i64),
}

impl Node {
    pub(super) fn is_alive(&self, life: u64) -> bool {
        self.live.is_some() && self.life == life
    }
}

impl World {
    pub(super) fn start(&mut self, id: i32) {
        if self.node(id).live.is_some() {
            return;
        }
        let settings = Settings {
            min_insync_replicas: self.min_insync_replicas,
            lag_time_max: Duration::from_millis(LAG_MS),
        };
        let (now_ms, now, mutant) = (self.steady_ms(id), self.now(id), self.mutant);
        if self.node(id).life > 0 {
            self.bites.count("started");
        }
        let node = self.node_mut(id);
        node.life += 1;
        let life = node.life;
        node.log.replay();
        let previous = node.clean.take().unwrap_or(-1);
        let mut core = Partition::new(id, settings, node.saved_high_watermark.min(node.log.end()));
        core.mutant = mutant;
        let voter = Voter::start(id, &node.disk, now_ms, mutant == Some(Mutant::KeepStale));
        let mut incarnation = [u8::try_from(id).unwrap(); 16];
        incarnation[..8].copy_from_slice(&life.to_be_bytes());
        node.live = Some(Live {
            core,
            images: VecDeque::from([Arc::clone(&voter.image)]),
            voter,
            task: Task::new(now),
            followed: Arc::default(),
            incarnation: Uuid(incarnation),
            previous,
            epoch: -1,
            wants_to_stop: false,
            asked: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_reply: 0,
            told: (-1, -1),
        });
        self.follow(id);
        for timer in
            [Timer::Quorum, Timer::Controls, Timer::Beats, Timer::Fetches, Timer::Follows, Timer::Ticks]
        {
            let first = self.between(1, 20);
            self.at(first, Event::Timer(id, life, timer));
        }
        let first = self.between(50, 400);
        self.at(first, Event::Timer(id, life, Timer::Saves));
    }

    /// The partition follows the metadata, to the newest image or only to the next.
    pub(super) fn follow(&mut self, id: i32) {
        let jumps = self.rng.random();
        let mutant = self.mutant;
        let Some(live) = self.node_mut(id).live.as_mut() else { return };
        let next = if jumps { live.images.drain(..).next_back() } else { live.images.pop_front() };
        let Some(image) = next else { return };
        live.followed = Arc::clone(&image);
        let Some(state) = partition(&image) else { return };
        let registered = image.broker(id).map(|broker| broker.incarnation);
        let is_registered = registered == Some(live.incarnation) || mutant == Some(Mutant::LeadUnregistered);
        let known = as_known(state, id, is_registered);
        let before = (live.core.leader_epoch(), live.core.leads());
        self.with_core(id, |core, now, log, out| {
            core.on_image(&known, &eligible(&image, state), now, log.end(), out);
            if core.leads() {
                log.begin(core.leader_epoch());
            }
        });
        let node = self.node_mut(id);
        let Some(live) = node.live.as_ref() else { return };
        let (epoch, leads) = (live.core.leader_epoch(), live.core.leads());
        if before == (epoch, leads) {
            return;
        }
        if leads {
            self.bites.count("elected");
            self.check_leader(id);
        } else if mutant == Some(Mutant::TruncateToHighWatermark) {
            let high_watermark = live.core.high_watermark();
            node.log.cut(high_watermark);
        }
    }

    /// Lets a core work on its log, and does what it wants.
    pub(super) fn with_core(
        &mut self,
        id: i32,
        work: impl FnOnce(&mut Partition, Instant, &mut Log, &mut Vec<Effect>),
    ) {
        let now = self.now(id);
        let mut out = Vec::new();
        let node = self.node_mut(id);
        let Some(live) = node.live.as_mut() else { return };
        work(&mut live.core, now, &mut node.log, &mut out);
        for effect in out {
            match effect {
                Effect::Progress | Effect::Moved => {}
                Effect::Ack(reply) => self.ack(id, reply),
                Effect::Fail(reply, code) => {
                    self.bites.count(match code {
                        ErrorCode::REQUEST_TIMED_OUT => "timed out",
                        ErrorCode::NOT_LEADER_OR_FOLLOWER => "not leader",
                        _ => "too few replicas",
                    });
                    let live = self.node_mut(id).live.as_mut().unwrap();
                    if let Some((_, Some(reply))) = live.waiting.remove(&reply) {
                        self.answer(reply, Err(code));
                    }
                }
                Effect::ProposeIsr(change) => self.propose(id, change),
            }
        }
        self.check_committed(id);
    }

    fn ack(&mut self, id: i32, reply: ReplyId) {
        let node = self.node_mut(id);
        let live = node.live.as_mut().unwrap();
        let (offset, reply) = live.waiting.remove(&reply).unwrap();
        let value = node.log.from(offset)[0].value;
        let epoch = live.core.leader_epoch();
        self.acked.push((offset, value, epoch));
        self.bites.count("acked");
        if let Some(reply) = reply {
            self.answer(reply, Ok(value));
        }
    }

    /// The process ends, now.
    pub(super) fn kill(&mut self, id: i32) {
        let passes_for_clean = self.mutant == Some(Mutant::PassForClean);
        let node = self.node_mut(id);
        let ended = node.live.take().expect("it runs");
        if passes_for_clean {
            node.clean = Some(ended.epoch);
        }
        let life = node.life;
        let (noticed, back) = (self.between(5, 1000), self.between(20, 2000));
        self.at(noticed, Event::Noticed(id, life));
        self.at(back, Event::Starts(id));
    }
}
