//! A partition with everything that belongs to it: its core, its log, and whoever waits for either.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use kinglet_protocol::ErrorCode;
use tokio::sync::oneshot;

use super::Needs;
use super::command::{
    AppendFailure, Checkpoint, Fetcher, FollowerState, IsrProposal, IsrSink, PartitionId, ReadAt, Waiter,
};
use super::waiter::Waiting;
use crate::log::{Appended, Log};
use crate::replica::{Effect, Partition, ReplyId};

/// Waiters of fetches that ended otherwise are swept out when a partition holds this many, and then twice what was left.
const WAITERS_SWEEP: usize = 64;

/// One partition.
pub(super) struct Replica {
    pub(super) topic: String,
    pub(super) core: Partition,
    pub(super) log: Log,
    /// The shard has it on its list of partitions with records that no flush was started for.
    pub(super) is_noted: bool,
    /// The shard has it on its list of partitions that time may change.
    pub(super) is_watched: bool,
    waiters: Vec<Waiting>,
    sweep_at: usize,
    /// Appends that are not acked, and deletions that followers have not made.
    unanswered: HashMap<ReplyId, Unanswered>,
    next_reply: ReplyId,
}

type AppendReply = oneshot::Sender<Result<Appended, AppendFailure>>;
type DeletionReply = oneshot::Sender<Result<i64, ErrorCode>>;

/// What is answered once the core says so.
enum Unanswered {
    Append { result: Result<Appended, AppendFailure>, reply: AppendReply },
    Deletion(DeletionReply),
}

impl Unanswered {
    fn is_closed(&self) -> bool {
        match self {
            Self::Append { reply, .. } => reply.is_closed(),
            Self::Deletion(reply) => reply.is_closed(),
        }
    }

    fn succeed(self, low_watermark: i64) {
        match self {
            Self::Append { result, reply } => drop(reply.send(result)),
            Self::Deletion(reply) => drop(reply.send(Ok(low_watermark))),
        }
    }

    fn fail(self, code: ErrorCode) {
        match self {
            Self::Append { reply, .. } => drop(reply.send(Err(AppendFailure::Replica(code)))),
            Self::Deletion(reply) => drop(reply.send(Err(code))),
        }
    }
}

impl Replica {
    pub(super) fn new(topic: String, core: Partition, log: Log) -> Self {
        Self {
            topic,
            core,
            log,
            is_noted: false,
            is_watched: false,
            waiters: Vec::new(),
            sweep_at: WAITERS_SWEEP,
            unanswered: HashMap::new(),
            next_reply: 0,
        }
    }

    /// Keeps a reply until everything before `until` is committed.
    pub(super) fn ack_later(
        &mut self,
        (result, reply): (Result<Appended, AppendFailure>, AppendReply),
        until: i64,
        deadline: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let id = self.keep(Unanswered::Append { result, reply });
        self.core.on_ack_wanted(id, until, deadline, effects);
    }

    /// Keeps a reply until no live replica has records before `start` any more.
    pub(super) fn answer_deletion_later(
        &mut self,
        reply: DeletionReply,
        start: i64,
        deadline: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let id = self.keep(Unanswered::Deletion(reply));
        self.core.on_delete_wanted(id, start, deadline, effects);
    }

    fn keep(&mut self, unanswered: Unanswered) -> ReplyId {
        let id = self.next_reply;
        self.next_reply += 1;
        self.unanswered.insert(id, unanswered);
        id
    }

    /// Does what the core wants.
    pub(super) fn carry_out(&mut self, id: PartitionId, effects: &mut Vec<Effect>, isr: &IsrSink) {
        let mut is_moving = false;
        for effect in effects.drain(..) {
            match effect {
                Effect::Progress | Effect::Moved => is_moving = true,
                Effect::Ack(reply) => {
                    if let Some(unanswered) = self.unanswered.remove(&reply) {
                        unanswered.succeed(self.core.low_watermark());
                    }
                }
                Effect::Fail(reply, code) => {
                    if let Some(unanswered) = self.unanswered.remove(&reply) {
                        unanswered.fail(code);
                    }
                }
                Effect::ProposeIsr(change) => {
                    let (topic, partition) = (&self.topic, id.index);
                    tracing::info!(topic, partition, isr = ?change.isr, "ISR proposed");
                    // Nobody takes it while the broker stops.
                    let _stopping = isr.send(IsrProposal { id, change });
                }
            }
        }
        // Replies left first: whoever waits for an ack is on the critical path, readers come after.
        if is_moving {
            self.wake_all();
        }
    }

    /// The log has grown: followers fetch what is not committed.
    pub(super) fn wake_followers(&mut self) {
        self.wake(Waiting::is_followers);
    }

    pub(super) fn wake_all(&mut self) {
        self.wake(|_| true);
    }

    fn wake(&mut self, is_concerned: impl Fn(&Waiting) -> bool) {
        let mut waiters = std::mem::take(&mut self.waiters);
        for waiting in waiters.extract_if(.., |waiting| is_concerned(waiting)) {
            waiting.wake(|at, fetcher| Some(self.read_again(at, fetcher)));
        }
        self.waiters = waiters;
    }

    pub(super) fn wait(&mut self, waiter: &Arc<Waiter>, at: ReadAt, fetcher: Option<Fetcher>) {
        // A request may name a partition more than once.
        if self.waiters.last().is_some_and(|last| last.is_of(waiter)) {
            return;
        }
        if self.waiters.len() >= self.sweep_at {
            self.waiters.retain(|waiting| !waiting.is_over());
            self.sweep_at = WAITERS_SWEEP.max(self.waiters.len() * 2);
        }
        self.waiters.push(Waiting::new(waiter, at, fetcher));
    }

    /// Comes on the shard's list of partitions that time may change, if it has a deadline.
    pub(super) fn watch(&mut self, id: PartitionId, watched: &mut Vec<PartitionId>, needs: &Needs) {
        if !self.is_watched && self.core.deadline().is_some() {
            self.is_watched = true;
            watched.push(id);
            needs.deadlines.store(true, Ordering::Relaxed);
        }
    }

    /// Lets go of requests whose clients have left.
    pub(super) fn forget_gone(&mut self) {
        self.unanswered.retain(|_, unanswered| !unanswered.is_closed());
        let unanswered = &self.unanswered;
        self.core.forget(|id| unanswered.contains_key(&id));
    }

    /// The partition goes: whoever waits for it is told.
    pub(super) fn dismiss(&mut self) {
        for (_, unanswered) in self.unanswered.drain() {
            unanswered.fail(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        self.waiters.drain(..).for_each(|waiting| waiting.wake(|_, _| None));
    }

    pub(super) fn follower_state(&self) -> FollowerState {
        FollowerState {
            leader: self.core.leader_id(),
            leader_epoch: self.core.leader_epoch(),
            log_end: self.log.end_offset(),
            last_epoch: self.log.latest_epoch(),
            log_start: self.log.start_offset(),
            high_watermark: self.core.high_watermark(),
        }
    }

    pub(super) fn checkpoint(&self, id: PartitionId, recovery_point: i64) -> Checkpoint {
        Checkpoint {
            dir: self.log.dir().parent().map(Into::into).unwrap_or_default(),
            topic: self.topic.clone(),
            index: id.index,
            recovery_point,
            log_start_offset: self.log.start_in_segment(),
            high_watermark: self.core.high_watermark(),
            first_dirty: self.log.first_dirty_offset(),
        }
    }
}
