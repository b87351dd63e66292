//! Those who only look: watermarks, committed offsets, and who owns what, again and again, as well as the cluster lets them.

use std::time::Duration;

use kinglet::admin::{GroupOffsets, GroupState, OffsetInfo, PartitionDescription};
use kinglet::{Client, Config, PerItem, Position, TopicPartition};
use tokio::task::JoinHandle;

use crate::Fallible;
use crate::history::{Event, History};
use crate::load::{PARTITIONS, TOPIC, group_id};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(150);

/// Looks until it is dropped.
pub(crate) struct Observer {
    task: JoinHandle<()>,
}

impl Observer {
    pub(crate) async fn start(bootstrap: &str, groups: usize, history: History) -> Fallible<Self> {
        // A look that fails for a fault is no look.
        let config =
            Config::new(bootstrap).set("default.api.timeout.ms", 2_000)?.set("request.timeout.ms", 1_000)?;
        let client = Client::connect(config).await?;
        let task = tokio::spawn(async move {
            let mut shared = vec![Vec::new(); groups];
            loop {
                leaders(&client).await.unwrap_or_default().into_iter().for_each(|event| history.note(event));
                if let Some(watermarks) = watermarks(&client).await {
                    for (partition, start, high) in watermarks {
                        history.note(Event::Watermarks { observer: 0, partition, start, high });
                    }
                }
                for (group, last) in shared.iter_mut().enumerate() {
                    for event in committed(&client, group).await.unwrap_or_default() {
                        history.note(event);
                    }
                    if let Some(members) = owned(&client, group).await.filter(|members| members != last) {
                        last.clone_from(&members);
                        history.note(Event::Owned { group, members });
                    }
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        Ok(Self { task })
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn partitions() -> Vec<TopicPartition> {
    (0..PARTITIONS).map(|partition| TopicPartition::new(TOPIC, partition)).collect()
}

/// The high watermarks; `None` unless all are known.
pub(crate) async fn ends(client: &Client) -> Option<Vec<i64>> {
    Some(told_ends(client).await?.into_iter().map(|(end, _)| end).collect())
}

/// The high watermarks, with the epochs of the leaders that told them.
async fn told_ends(client: &Client) -> Option<Vec<(i64, i32)>> {
    let asked = partitions().into_iter().map(|at| (at, Position::End));
    let answered = client.admin().list_offsets(asked).await.ok()?;
    let mut ends = vec![(0, -1); answered.len()];
    for (at, info) in answered {
        let info = info.ok()?;
        *ends.get_mut(usize::try_from(at.partition).ok()?)? = (info.offset, info.leader_epoch.unwrap_or(-1));
    }
    Some(ends)
}

/// Partition, start and high watermark of those that answer.
async fn watermarks(client: &Client) -> Option<Vec<(i32, i64, i64)>> {
    let at = |position| partitions().into_iter().map(move |at| (at, position));
    let starts = client.admin().list_offsets(at(Position::Beginning)).await.ok()?;
    let ends = client.admin().list_offsets(at(Position::End)).await.ok()?;
    let offset = |list: &PerItem<TopicPartition, OffsetInfo>, partition: i32| {
        let found = list.iter().find(|(at, _)| at.partition == partition);
        found.and_then(|(_, info)| info.as_ref().ok()).map(|info| info.offset)
    };
    let known = |partition| Some((partition, offset(&starts, partition)?, offset(&ends, partition)?));
    Some((0..PARTITIONS).filter_map(known).collect())
}

/// As the metadata has them.
async fn leaders(client: &Client) -> Option<Vec<Event>> {
    let (_, topic) = client.admin().describe_topics([TOPIC]).await.ok()?.into_iter().next()?;
    let leads = |described: PartitionDescription| {
        let PartitionDescription { partition, leader_epoch: epoch, .. } = described;
        described.leader.map(|broker| Event::Leads { partition, epoch, broker })
    };
    Some(topic.ok()?.partitions.into_iter().filter_map(leads).collect())
}

/// First what is committed, then the high watermarks: those can only have grown meanwhile.
async fn committed(client: &Client, group: usize) -> Option<Vec<Event>> {
    let answered =
        client.admin().list_group_offsets([GroupOffsets::of(group_id(group), partitions())]).await.ok()?;
    let (_, offsets) = answered.into_iter().next()?;
    let ends = told_ends(client).await?;
    let mut events = Vec::new();
    for (at, offset) in offsets.ok()? {
        let (Ok(Some(offset)), Ok(index)) = (offset, usize::try_from(at.partition)) else { continue };
        let (high, epoch) = *ends.get(index)?;
        events.push(Event::Committed { group, partition: at.partition, offset: offset.offset, high, epoch });
    }
    Some(events)
}

/// Member by member what it has; `None` while the group is not stable.
async fn owned(client: &Client, group: usize) -> Option<Vec<(String, Vec<i32>)>> {
    let answered = client.admin().describe_groups([group_id(group)]).await.ok()?;
    let described = answered.into_iter().next()?.1.ok()?;
    if described.state != GroupState::Stable {
        return None;
    }
    let of = |assignment: Vec<TopicPartition>| assignment.iter().map(|at| at.partition).collect();
    Some(described.members.into_iter().map(|member| (member.id, of(member.assignment))).collect())
}
