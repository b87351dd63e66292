//! What a description of groups is made of: members, committed offsets, and where the partitions end.

use std::collections::{HashMap, HashSet};

use kinglet::OffsetAndMetadata;
use kinglet::admin::{GroupDescription, GroupOffsets, GroupState};
use kinglet::{Admin, Position, TopicPartition};

use super::render::{Described, OffsetRow};
use super::report::{Stop, Worded};
use crate::error::{Exit, Failure};
use crate::java::{CAPACITY, in_map_order, partition_hash};
use crate::tool::warn;

/// What a group has committed, in the order of Kafka's tool; `None` where the broker knows a partition, but no offset.
pub(super) type Committed = Vec<(TopicPartition, Option<OffsetAndMetadata>)>;

/// These groups with their members, by name; all of them or a failure.
pub(super) async fn describe(admin: &Admin, groups: Vec<String>) -> Result<Vec<GroupDescription>, Stop> {
    let what = "cannot describe the groups";
    let results = admin.describe_groups(groups).await;
    let mut described = Vec::new();
    for (group, result) in results.map_err(|error| Stop::of(&error, what, Worded::Class))? {
        let what = format!("cannot describe group '{group}'");
        let group = result.map_err(|error| Stop::of(&error, what, Worded::Class))?;
        check_consumer(&group, "java.lang.IllegalArgumentException: ")?;
        described.push(group);
    }
    described.sort_by(|a, b| a.id.encode_utf16().cmp(b.id.encode_utf16()));
    Ok(described)
}

/// Groups of Kafka Connect and the like have no partitions to speak of.
pub(super) fn check_consumer(group: &GroupDescription, exception: &str) -> Result<(), Stop> {
    if group.protocol_type.is_empty() || group.protocol_type == "consumer" {
        return Ok(());
    }
    let said = format!("GroupId {} is not a consumer group ({}).", group.id, group.protocol_type);
    let failure = Failure::new(Exit::Failed, format!("'{}' is no group of consumers", group.id)).cause(&said);
    Err(Stop::failed(failure, format!("{exception}{said}")))
}

/// The groups with their partitions.
pub(super) async fn with_offsets(
    admin: &Admin,
    groups: Vec<GroupDescription>,
) -> Result<Vec<Described>, Stop> {
    let mut committed = committed(admin, groups.iter().map(|group| group.id.clone()).collect()).await?;
    let assigned = groups.iter().flat_map(|group| group.members.iter().flat_map(|member| &member.assignment));
    let read = committed.values().flatten().map(|(at, _)| at);
    let partitions: HashSet<TopicPartition> = assigned.chain(read).cloned().collect();
    let ends = ends(admin, partitions).await?;
    let described = |mut group: GroupDescription| {
        let offsets = rows(&group, committed.remove(&group.id).unwrap_or_default(), &ends);
        if group.state == GroupState::Dead && !offsets.is_empty() {
            // Brokers before 0.10.1 forget a group with its last member, but not what it has committed.
            group.state = GroupState::Empty;
        }
        Described { group, offsets }
    };
    Ok(groups.into_iter().map(described).collect())
}

/// What the groups have committed.
pub(super) async fn committed(
    admin: &Admin,
    groups: Vec<String>,
) -> Result<HashMap<String, Committed>, Stop> {
    let asked = admin.list_group_offsets(groups.into_iter().map(GroupOffsets::all)).await;
    let failed = |error, group: &str| {
        Stop::of(&error, format!("cannot read the offsets of group '{group}'"), Worded::Cause)
    };
    let mut all = HashMap::new();
    for (group, result) in asked.map_err(|error| failed(error, "…"))? {
        let mut committed = Committed::new();
        for (at, result) in result.map_err(|error| failed(error, &group))? {
            match result {
                Ok(offset) => committed.push((at, offset)),
                Err(error) => warn(&format!("group {group}, {at}: no committed offset: {error}")),
            }
        }
        let committed = in_map_order(committed, CAPACITY, |(at, _)| partition_hash(at));
        all.insert(group, committed);
    }
    Ok(all)
}

/// The ends of these partitions; without those that have no leader or do not exist.
async fn ends(
    admin: &Admin,
    partitions: HashSet<TopicPartition>,
) -> Result<HashMap<TopicPartition, i64>, Stop> {
    let asked = admin.list_offsets(partitions.into_iter().map(|at| (at, Position::End))).await;
    let asked = asked.map_err(|error| Stop::of(&error, "cannot read the partitions' ends", Worded::Cause))?;
    let mut ends = HashMap::new();
    for (at, result) in asked {
        match result {
            Ok(end) => drop(ends.insert(at, end.offset)),
            Err(error) => warn(&format!("{at}: the end is not known: {error}")),
        }
    }
    Ok(ends)
}

/// The partitions of each member, of those with the most first; then those that nobody reads.
fn rows(
    group: &GroupDescription,
    committed: Committed,
    ends: &HashMap<TopicPartition, i64>,
) -> Vec<OffsetRow> {
    let by_partition: HashMap<&TopicPartition, &OffsetAndMetadata> =
        committed.iter().filter_map(|(at, offset)| Some((at, offset.as_ref()?))).collect();
    let row = |at: &TopicPartition, member| OffsetRow {
        at: at.clone(),
        offset: by_partition.get(at).map(|committed| committed.offset),
        leader_epoch: by_partition.get(at).and_then(|committed| committed.leader_epoch),
        end: ends.get(at).copied(),
        member,
    };
    let sorted = |mut partitions: Vec<&TopicPartition>, member: Option<usize>| {
        partitions.sort_unstable();
        partitions.dedup();
        partitions.into_iter().map(|at| row(at, member)).collect::<Vec<_>>()
    };
    let mut members: Vec<usize> = (0..group.members.len()).collect();
    let partitions = |member: &usize| group.members.get(*member).map_or(&[][..], |member| &member.assignment);
    members.sort_by_key(|member| std::cmp::Reverse(partitions(member).len()));

    let mut rows = Vec::new();
    for member in members {
        rows.extend(sorted(partitions(&member).iter().collect(), Some(member)));
    }
    let assigned: HashSet<&TopicPartition> =
        group.members.iter().flat_map(|member| &member.assignment).collect();
    let unread = committed.iter().map(|(at, _)| at).filter(|at| !assigned.contains(at));
    rows.extend(sorted(unread.collect(), None));
    rows
}

#[cfg(test)]
mod tests {
    use kinglet::admin::{BrokerInfo, GroupMember, GroupType};

    use super::*;

    fn at(topic: &str, partition: i32) -> TopicPartition {
        TopicPartition::new(topic, partition)
    }

    fn member(id: &str, assignment: Vec<TopicPartition>) -> GroupMember {
        GroupMember {
            id: id.to_owned(),
            instance_id: None,
            client_id: "c".to_owned(),
            host: "/127.0.0.1".to_owned(),
            subscription: Vec::new(),
            assignment,
            target_assignment: None,
            epoch: None,
            upgraded: None,
        }
    }

    #[test]
    fn the_member_with_the_most_partitions_comes_first_and_what_nobody_reads_last() {
        let group = GroupDescription {
            id: "g".to_owned(),
            state: GroupState::Stable,
            group_type: GroupType::Classic,
            protocol_type: "consumer".to_owned(),
            assignor: "range".to_owned(),
            coordinator: BrokerInfo { id: 1, host: "h".to_owned(), port: 9092, rack: None },
            members: vec![
                member("one", vec![at("t", 2)]),
                member("none", Vec::new()),
                member("two", vec![at("t", 1), at("t", 0)]),
            ],
            group_epoch: None,
            assignment_epoch: None,
        };
        let committed = vec![
            (at("u", 0), Some(OffsetAndMetadata::from(7))),
            (at("t", 0), Some(OffsetAndMetadata::from(1))),
            (at("t", 1), None),
        ];
        let ends = HashMap::from([(at("t", 0), 4), (at("t", 1), 5), (at("u", 0), 9)]);

        let rows = rows(&group, committed, &ends);

        let seen: Vec<_> = rows.iter().map(|row| (row.at.to_string(), row.member, row.lag())).collect();
        let expected = [
            ("t-0", Some(2), Some(3)),
            ("t-1", Some(2), None),
            ("t-2", Some(0), None),
            ("u-0", None, Some(2)),
        ];
        assert_eq!(seen, expected.map(|(at, member, lag)| (at.to_owned(), member, lag)));
    }
}
