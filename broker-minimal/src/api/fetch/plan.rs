//! From the lines of a request to the shards and back.

use std::collections::HashMap;
use std::sync::Arc;

use kinglet_protocol::ErrorCode;
use tokio::sync::oneshot;

use super::{IDS_FROM, Limits};
use crate::meta::image::Image;
use crate::sessions::{Key, Line};
use crate::shard::command::{Fetcher, Read, ReadAt, ReadRecords, ReadReply, Waiter};
use crate::shard::{Command, PartitionId};
use crate::{Context, clock};

/// Which partition each line of the request means.
pub(super) struct Plan {
    /// By shard.
    reads: Vec<Vec<ReadAt>>,
    /// By line, of those that no shard is asked for.
    refused: Vec<Option<ErrorCode>>,
    /// By slot: what a follower fetches of replicas whose rate is limited, and whether it is in sync.
    throttled: HashMap<usize, (PartitionId, InSync)>,
}

/// Whether a follower is a member of the ISR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InSync {
    Yes,
    No,
}

/// What the shards gave.
pub(super) struct Found {
    /// By line.
    pub(super) replies: Vec<Result<ReadReply, ErrorCode>>,
    pub(super) bytes: usize,
    /// An error or a divergence, or a follower does not know what is committed: it should know at once.
    pub(super) is_urgent: bool,
}

impl Plan {
    pub(super) fn new(
        ctx: &Context,
        version: i16,
        limits: &Limits,
        fetcher: Option<Fetcher>,
        lines: &[Line],
    ) -> Self {
        let image = ctx.meta.image();
        let mut throttled = HashMap::new();
        let mut reads = vec![Vec::new(); ctx.shards.count()];
        let mut refused = Vec::with_capacity(lines.len());
        for (slot, line) in lines.iter().enumerate() {
            let id = match identify(&image, version, &line.key, ctx.node_id) {
                Ok(id) => id,
                Err(code) => {
                    refused.push(Some(code));
                    continue;
                }
            };
            refused.push(None);
            if let Some(Fetcher { id: follower, .. }) = fetcher
                && ctx.storage.throttles.leader.has(id)
            {
                let at = image.partition(id.topic, id.index);
                let is_in_sync = at.is_some_and(|at| at.isr.contains(&follower));
                throttled.insert(slot, (id, if is_in_sync { InSync::Yes } else { InSync::No }));
            }
            let at = ReadAt {
                id,
                slot,
                offset: line.fetch_offset,
                max_bytes: usize::try_from(line.max_bytes).unwrap_or(0).min(limits.max_bytes),
                current_leader_epoch: line.current_leader_epoch,
                last_fetched_epoch: line.last_fetched_epoch,
                log_start: line.log_start,
            };
            if let Some(shard) = reads.get_mut(ctx.shards.index_of(id)) {
                shard.push(at);
            }
        }
        Self { reads, refused, throttled }
    }

    pub(super) async fn read(
        &self,
        ctx: &Context,
        replica: Option<Fetcher>,
        waiter: Option<&Arc<Waiter>>,
    ) -> Found {
        let mut answers = Vec::with_capacity(self.reads.len());
        for (shard, reads) in self.reads.iter().enumerate().filter(|(_, reads)| !reads.is_empty()) {
            let (reply, answer) = oneshot::channel();
            let read = Read { reads: reads.clone(), waiter: waiter.cloned(), replica, reply };
            if ctx.shards.send_to(shard, Command::Read(read)).await.is_ok() {
                answers.push(answer);
            }
        }
        let unanswered =
            |refused: &Option<ErrorCode>| Err(refused.unwrap_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        let mut found =
            Found { replies: self.refused.iter().map(unanswered).collect(), bytes: 0, is_urgent: false };
        for answer in answers {
            answer.await.unwrap_or_default().into_iter().for_each(|reply| self.take(ctx, reply, &mut found));
        }
        found.is_urgent |= found.replies.iter().any(Result::is_err);
        found
    }

    /// Takes what a partition gave.
    pub(super) fn take(&self, ctx: &Context, mut reply: ReadReply, found: &mut Found) {
        self.hold_back(ctx, &mut reply);
        found.put(reply);
    }

    /// Takes the records out of a reply that would exceed the rate of replicas that are not in sync (KIP-73).
    fn hold_back(&self, ctx: &Context, reply: &mut ReadReply) {
        let Some((id, InSync::No)) = self.throttled.get(&reply.slot) else { return };
        if let Ok(ReadRecords::Slice(slice @ Some(_))) = &mut reply.records
            && ctx.storage.throttles.leader.holds(*id, clock::now())
        {
            *slice = None;
        }
    }

    /// What a slot's records count for, when they are sent.
    pub(super) fn sent(&self, ctx: &Context, slot: usize, bytes: usize) {
        if let Some((id, _)) = self.throttled.get(&slot) {
            ctx.storage.throttles.leader.record(*id, bytes, clock::now());
        }
    }
}

impl Found {
    /// In the place of what its partition gave before.
    fn put(&mut self, reply: ReadReply) {
        self.is_urgent |= reply.is_news || !matches!(reply.records, Ok(ReadRecords::Slice(_)));
        self.bytes += bytes(&reply);
        let slot = reply.slot;
        if let Some(place) = self.replies.get_mut(slot) {
            let before = std::mem::replace(place, Ok(reply));
            self.bytes -= before.as_ref().map_or(0, bytes);
        }
    }
}

fn bytes(reply: &ReadReply) -> usize {
    match &reply.records {
        Ok(ReadRecords::Slice(Some(slice))) => slice.len,
        _ => 0,
    }
}

/// Which partition is meant, if it has a replica here.
fn identify(image: &Image, version: i16, key: &Key, me: i32) -> Result<PartitionId, ErrorCode> {
    let topic = if version >= IDS_FROM {
        image.topic_by_id(key.topic.id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?
    } else {
        image.topic(&key.topic.name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?
    };
    image.replica(topic.id, key.index, me)?;
    Ok(PartitionId { topic: topic.id, index: key.index })
}
