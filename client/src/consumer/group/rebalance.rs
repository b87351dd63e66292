//! What a rebalance means for the user's partitions: given up after what was handed out is done, taken on where the
//! group left off.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{timeout, timeout_at};
use tracing::{info, warn};

use super::Group;
use crate::committed::OffsetAndMetadata;
use crate::consumer::batch::Place;
use crate::consumer::membership::Identity;
use crate::consumer::progress::Progress;
use crate::consumer::{Shared, start};
use crate::trouble::Trouble;
use crate::{Config, Error, ErrorKind, Position, Result, TopicPartition, clock};

/// The longest that the user is waited for: the group stands still meanwhile.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// What is done of a partition, and where that is noted once it is committed.
pub(in crate::consumer) type Commits = Vec<(TopicPartition, Arc<Progress>, OffsetAndMetadata)>;

/// What a listener hears.
#[derive(Clone, Copy, Debug)]
enum News {
    Assigned,
    Revoked,
    Lost,
}

impl Group {
    /// Takes partitions from the user. Nothing of them is handed out from now on; what was, the user may finish within
    /// the window.
    pub(super) async fn revoke(&self, shared: &Arc<Shared>, partitions: Vec<TopicPartition>, lost: bool) {
        // What is done counts for the generation in which it was done: in the next one somebody else may be further.
        let identity = self.identity();
        self.lock().pending.retain(|at| !partitions.contains(at));
        let taken = shared.with(|buffer| buffer.take_away(&partitions));
        // Whoever closes the consumer is done with it.
        let is_closing = self.lock().closing;
        let window = drain_window(&self.core.config);
        let deadline = clock::now() + window;
        if lost {
            warn!(group = self.id, ?partitions, "partitions are lost: another member may have them already");
            self.hear(shared, window, &partitions, News::Lost).await;
            return;
        }
        self.lock().revoking.extend(taken.iter().cloned());
        let watch = shared.with(|buffer| buffer.cursors.watch().clone());
        let drained = async {
            watch.start();
            while !is_closing && !taken.iter().all(|(_, progress)| progress.is_idle()) {
                watch.news().await;
            }
        };
        if timeout_at(deadline.into(), drained).await.is_err() {
            warn!(
                group = self.id,
                ?window,
                "the user is not done with partitions that are given up: others may repeat records"
            );
        }
        watch.stop();
        let left = deadline.saturating_duration_since(clock::now());
        self.hear(shared, left, &partitions, News::Revoked).await;
        if self.auto_commit.is_some() {
            let commits = to_commit(taken);
            // As long as the window, and a little for one that is used up.
            let limit = left.max(Duration::from_secs(1));
            match timeout(limit, self.commit_done_as(&identity, &commits)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(group = self.id, %error, "what is done is not committed"),
                Err(_) => warn!(group = self.id, ?limit, "what is done is not committed in time"),
            }
        }
        self.lock().revoking.retain(|(at, _)| !partitions.contains(at));
        info!(group = self.id, ?partitions, "partitions given up");
    }

    /// Partitions that are assigned from now on; [`locate`](Self::locate) gives them to the user.
    pub(super) fn expect(&self, partitions: &[TopicPartition]) {
        self.lock().pending.extend(partitions.iter().cloned());
    }

    /// Gives partitions to the user, each at its position, unless they are gone by then. It tries until it knows.
    pub(super) async fn locate(&self, shared: &Arc<Shared>, partitions: Vec<TopicPartition>) {
        let mut trouble = Trouble::default();
        loop {
            let wanted = self.pending(&partitions);
            if wanted.is_empty() {
                return;
            }
            match self.committed_offsets(&wanted).await {
                Ok(committed) => {
                    if let Some(after) = trouble.is_over(clock::now()) {
                        info!(group = self.id, ?after, "the committed offsets are known");
                    }
                    let wanted = self.pending(&wanted);
                    let begin = |at: TopicPartition| {
                        let place = committed.get(&at).map(|c| (c.offset, c.leader_epoch.unwrap_or(-1)));
                        (at, place)
                    };
                    return self.begin(shared, wanted.into_iter().map(begin).collect()).await;
                }
                Err(error) => {
                    if trouble.is_there(clock::now()) {
                        warn!(group = self.id, %error, "the committed offsets are not known");
                    }
                    shared.tell(error);
                    tokio::time::sleep(self.core.retry.max).await;
                }
            }
        }
    }

    /// Those of the partitions that wait for their position.
    fn pending(&self, partitions: &[TopicPartition]) -> Vec<TopicPartition> {
        let state = self.lock();
        partitions.iter().filter(|at| state.pending.contains(*at)).cloned().collect()
    }

    async fn begin(&self, shared: &Arc<Shared>, partitions: Vec<(TopicPartition, Option<Place>)>) {
        let reset = shared.settings.reset();
        let names: Vec<_> = partitions.iter().map(|(at, _)| at.clone()).collect();
        let heard = self.core.config.listener.is_some();
        let max_bytes = start::partition_bytes(&self.core.config, names.len());
        shared.with(|buffer| {
            let mut state = self.lock();
            for (at, committed) in partitions {
                if !state.pending.remove(&at) {
                    continue;
                }
                let from = committed.map(|(offset, _)| offset).ok_or(reset.unwrap_or(Position::End));
                let is_nowhere = committed.is_none() && reset.is_none();
                info!(group = self.id, partition = %at, ?from, committed = committed.is_some(), "assigned");
                // It is not there: it was taken away, or waits for its position.
                if buffer.cursors.add(at.clone(), from, max_bytes).is_ok() {
                    buffer.cursors.on_epoch(&at, committed.map_or(-1, |(_, epoch)| epoch));
                }
                if is_nowhere {
                    buffer.lost_way(&at, nowhere(&self.id, &at), clock::now());
                } else if heard {
                    buffer.set_paused(&at, true);
                }
            }
        });
        if heard {
            let limit = self.core.config.duration("max.poll.interval.ms");
            self.hear(shared, limit, &names, News::Assigned).await;
            shared.with(|buffer| names.iter().for_each(|at| buffer.set_paused(at, false)));
        }
        shared.wake.notify_one();
        shared.ready.notify_waiters();
    }

    /// Lets the user's listener hear, if there is one and the consumer is still held by somebody.
    async fn hear(&self, shared: &Arc<Shared>, limit: Duration, partitions: &[TopicPartition], news: News) {
        let (Some(listener), Some(consumer)) = (&self.core.config.listener, shared.consumer()) else {
            return;
        };
        let telling = async {
            match news {
                News::Assigned => listener.assigned(&consumer, partitions).await,
                News::Revoked => listener.revoked(&consumer, partitions, limit).await,
                News::Lost => listener.lost(&consumer, partitions).await,
            }
        };
        if timeout(limit, telling).await.is_err() {
            warn!(group = self.id, ?limit, "the rebalance listener took longer than there was time");
        }
    }

    /// Commits, and notes that it is done.
    pub(in crate::consumer) async fn commit_done(&self, commits: &Commits) -> Result<()> {
        self.commit_done_as(&self.identity(), commits).await
    }

    async fn commit_done_as(&self, identity: &Identity, commits: &Commits) -> Result<()> {
        let offsets: Vec<_> = commits.iter().map(|(at, _, offset)| (at.clone(), offset.clone())).collect();
        self.commit_as(identity, &offsets).await?;
        commits.iter().for_each(|(_, progress, offset)| progress.on_committed(offset.offset));
        Ok(())
    }
}

/// How long the user may finish what was handed out.
pub(in crate::consumer) fn drain_window(config: &Config) -> Duration {
    (config.duration("max.poll.interval.ms") / 2).min(DRAIN_MAX)
}

/// What of these partitions is done and not committed.
pub(in crate::consumer) fn to_commit(partitions: Vec<(TopicPartition, Arc<Progress>)>) -> Commits {
    let commit = |(at, progress): (TopicPartition, Arc<Progress>)| {
        let done = progress.to_commit()?;
        let leader_epoch = (done.leader_epoch >= 0).then_some(done.leader_epoch);
        let offset = OffsetAndMetadata { offset: done.offset, leader_epoch, metadata: String::new() };
        Some((at, progress, offset))
    };
    partitions.into_iter().filter_map(commit).collect()
}

fn nowhere(group: &str, at: &TopicPartition) -> Error {
    let message = format!("group {group} has no committed offset in {at}, and auto.offset.reset is none");
    Error::new(ErrorKind::OffsetOutOfRange, message)
        .hinted("seek, commit an offset, or set auto.offset.reset")
}
