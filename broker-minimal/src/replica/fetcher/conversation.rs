//! What is said on one connection to a leader, as long as the same is followed there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::FetchResponse;
use kinglet_protocol::messages::fetch::{EpochEndOffset, PartitionData};
use tokio::sync::{oneshot, watch};

use super::state::{State, batches, request};
use super::{Fetchers, Followed, Leader, RECONNECT, Wanted};
use crate::clock;
use crate::peer::Peer;
use crate::shard::command::{AppendFailure, AppendFollower, Cut, FollowerState};
use crate::shard::cutting::WantedCut;
use crate::shard::{Command, PartitionId};
use crate::trouble::Trouble;

/// The version that is spoken: with truncation in band, topic ids, and the epoch of the broker (KIP-903).
const VERSION: i16 = 15;
/// A partition whose leader does not know yet that it leads is asked for again after this.
const RETRY: Duration = Duration::from_millis(20);
/// A replica whose rate is used up is asked for again after this.
const THROTTLED: Duration = Duration::from_millis(200);

type Answer = oneshot::Receiver<Result<FollowerState, AppendFailure>>;

/// Why a conversation with a leader is over.
pub(super) enum Ended {
    Done,
    /// Other partitions are followed now.
    Changed,
    Failed(String),
}

/// What came of what a leader said of one partition.
enum Taken {
    /// Its log stays as it is.
    Nothing,
    /// The shard was told, and will say where the log ends then.
    Sent(Answer),
    /// The log is to be cut.
    Cut(Cut),
}

impl Fetchers {
    pub(super) async fn converse(
        &self,
        leader: &Leader,
        peer: &Peer,
        wanted: &mut watch::Receiver<Wanted>,
        trouble: &mut Trouble,
    ) -> Ended {
        // What is followed stays the same for as long as this goes on.
        let followed = Arc::clone(&wanted.borrow_and_update());
        let by_id: HashMap<PartitionId, &Followed> =
            followed.iter().map(|followed| (followed.id, followed)).collect();
        let mut states: HashMap<PartitionId, State> = HashMap::with_capacity(followed.len());
        loop {
            if let Err(error) = self.learn(&followed, &mut states).await {
                return Ended::Failed(error);
            }
            let now = clock::now();
            for (id, state) in &mut states {
                // What is not in sync waits while others have used up the rate (KIP-73).
                if state.lags() && self.storage.throttles.follower.holds(*id, now) {
                    state.not_before = now + THROTTLED;
                }
            }
            let asked: Vec<&Followed> = followed
                .iter()
                .filter(|followed| states.get(&followed.id).is_some_and(|state| state.may_ask(now)))
                .collect();
            let retry = states.values().map(|state| state.not_before).filter(|at| *at > now).min();
            if asked.is_empty() {
                tokio::select! {
                    changed = wanted.changed() => return ended(changed.is_ok()),
                    () = sleep_until(retry) => {}
                }
                continue;
            }
            let request = request(
                &self.config,
                *self.epoch.borrow(),
                &asked,
                &states,
                retry.map(|at| at.duration_since(now)),
            );
            let held = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
            let response = tokio::select! {
                response = peer.request(&request, VERSION, held) => response,
                // Its answer may be long in coming, and new partitions cannot wait for it: another connection asks anew.
                changed = wanted.changed() => return ended(changed.is_ok()),
            };
            let response = match response {
                Ok(response) if response.error_code.is_err() => {
                    return Ended::Failed(response.error_code.to_string());
                }
                Ok(response) => response,
                Err(error) => return Ended::Failed(error.to_string()),
            };
            if let Some(after) = trouble.is_over(clock::now()) {
                tracing::info!(leader = leader.id, ?after, "this leader is fetched from again");
            }
            if let Err(error) = self.take_all(leader, &by_id, &mut states, response).await {
                return Ended::Failed(error);
            }
        }
    }

    /// Hands what came to the shards, and waits until it is in the logs.
    async fn take_all(
        &self,
        leader: &Leader,
        by_id: &HashMap<PartitionId, &Followed>,
        states: &mut HashMap<PartitionId, State>,
        response: FetchResponse,
    ) -> Result<(), String> {
        let (mut sent, mut cuts) = (Vec::new(), Vec::new());
        for topic in response.responses {
            for data in topic.partitions {
                let id = PartitionId { topic: topic.topic_id, index: data.partition_index };
                let Some(followed) = by_id.get(&id) else { continue };
                let Some(state) = states.get_mut(&id) else { continue };
                match self.take(leader, followed, state, data).await? {
                    Taken::Nothing => {}
                    Taken::Sent(answer) => sent.push((id, answer)),
                    Taken::Cut(cut) => cuts.push((id, followed.leader_epoch, cut)),
                }
            }
        }
        for (id, answer) in sent {
            let Some(state) = states.get_mut(&id) else { continue };
            match answer.await {
                Ok(Ok(end)) => state.go_on(end),
                Ok(Err(failure)) => {
                    tracing::debug!(?id, ?failure, "what was fetched is not in the log");
                    state.forget(clock::now() + RETRY);
                }
                Err(_) => return Err("the shard has stopped".to_owned()),
            }
        }
        self.cut(&cuts, states).await;
        Ok(())
    }

    /// Asks the shards where the logs of what is newly followed end.
    async fn learn(
        &self,
        followed: &[Followed],
        states: &mut HashMap<PartitionId, State>,
    ) -> Result<(), String> {
        let now = clock::now();
        let is_unknown = |id: &PartitionId| states.get(id).is_none_or(|state| state.is_unknown(now));
        let ids: Vec<PartitionId> = followed.iter().map(|followed| followed.id).filter(is_unknown).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let learned = self.storage.shards.follower_states(&ids).await;
        for (id, state) in learned.map_err(|error| error.to_string())? {
            // One that is not there yet, or no follower yet, is asked again.
            let Ok(end) = state else { continue };
            states.insert(id, State::new(end));
        }
        Ok(())
    }

    /// Hands what came of one partition to its shard.
    async fn take(
        &self,
        leader: &Leader,
        followed: &Followed,
        state: &mut State,
        data: PartitionData,
    ) -> Result<Taken, String> {
        let Followed { id, leader_epoch, .. } = *followed;
        let (topic, partition) = (&followed.topic, id.index);
        match data.error_code {
            ErrorCode::NONE if data.diverging_epoch.end_offset >= 0 => {
                let EpochEndOffset { epoch, end_offset } = data.diverging_epoch;
                return Ok(Taken::Cut(Cut::Diverging { epoch, end_offset }));
            }
            ErrorCode::NONE => {
                let batches = match batches(data.records) {
                    Ok(batches) => batches,
                    Err(error) => {
                        tracing::error!(
                            topic,
                            partition,
                            leader = leader.id,
                            error,
                            "the leader sent what cannot be kept"
                        );
                        state.not_before = clock::now() + RECONNECT;
                        return Ok(Taken::Nothing);
                    }
                };
                let bytes = batches.iter().map(|batch| batch.bytes().len()).sum();
                self.storage.throttles.follower.record(id, bytes, clock::now());
                let is_news =
                    data.high_watermark != state.high_watermark || data.log_start_offset > state.log_start;
                if batches.is_empty() && !is_news {
                    return Ok(Taken::Nothing);
                }
                state.high_watermark = data.high_watermark;
                let (reply, answer) = oneshot::channel();
                let append = AppendFollower {
                    id,
                    leader_epoch,
                    fetch_offset: state.offset,
                    batches,
                    high_watermark: data.high_watermark,
                    log_start: data.log_start_offset,
                    now_ms: clock::now_ms(),
                    reply,
                };
                let sent = self.storage.shards.send(id, Command::AppendFollower(append)).await;
                return sent.map(|()| Taken::Sent(answer)).map_err(|error| error.to_string());
            }
            ErrorCode::OFFSET_OUT_OF_RANGE if data.log_start_offset > state.offset => {
                return Ok(Taken::Cut(Cut::RestartAt(data.log_start_offset)));
            }
            ErrorCode::OFFSET_OUT_OF_RANGE if data.high_watermark >= 0 => {
                return Ok(Taken::Cut(Cut::To(data.high_watermark)));
            }
            code => {
                tracing::debug!(topic, partition, leader = leader.id, %code, "not fetched");
                state.not_before = clock::now() + RETRY;
            }
        }
        Ok(Taken::Nothing)
    }

    /// All cuts of an answer at once: what the checkpoint files say is then written once.
    async fn cut(&self, cuts: &[WantedCut], states: &mut HashMap<PartitionId, State>) {
        if cuts.is_empty() {
            return;
        }
        for ((id, ..), cut) in cuts.iter().zip(self.storage.truncate(cuts).await) {
            let Some(state) = states.get_mut(id) else { continue };
            match cut {
                Ok(end) => state.go_on(end),
                Err(code) => {
                    tracing::debug!(?id, %code, "log not cut");
                    state.not_before = clock::now() + RETRY;
                }
            }
        }
    }
}

/// Why it ends when what is followed changes, or nothing is any more.
fn ended(has_changed: bool) -> Ended {
    if has_changed { Ended::Changed } else { Ended::Done }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => tokio::time::sleep(RETRY).await,
    }
}
