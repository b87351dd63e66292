//! What `kgroups` prints: kafka-consumer-groups' lines byte for byte, tables for people, JSON.

mod describe;
mod json;

use kinglet::TopicPartition;
use kinglet::admin::{GroupDescription, GroupListing, GroupState};
use serde_json::json;

use super::plan::GroupPlan;
use crate::output::{Shape, table};

pub use describe::{members, offsets, states};
pub use json::document;

/// What stands where there is nothing to say.
const MISSING: &str = "-";
/// What a column is at least wide.
const WIDTH: usize = 15;

/// A group with the partitions it reads or has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// The group.
    pub group: GroupDescription,
    /// In the order in which they are printed.
    pub offsets: Vec<OffsetRow>,
}

/// One partition of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetRow {
    /// Which one.
    pub at: TopicPartition,
    /// What the group has committed.
    pub offset: Option<i64>,
    /// The epoch of the leader at that offset.
    pub leader_epoch: Option<i32>,
    /// The end of the partition; unknown without a leader.
    pub end: Option<i64>,
    /// Who reads it: the index among the group's members.
    pub member: Option<usize>,
}

impl OffsetRow {
    /// How many records the group has still to read.
    pub fn lag(&self) -> Option<i64> {
        self.end?.checked_sub(self.offset?)
    }
}

/// Which columns `--list` has beside the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListColumns {
    /// `--type`
    pub types: bool,
    /// `--state`
    pub states: bool,
}

/// What `--list` prints.
pub fn list(groups: &[GroupListing], columns: ListColumns, shape: Shape) -> String {
    match (shape, columns) {
        (Shape::Kafka, ListColumns { types: false, states: false }) => {
            groups.iter().flat_map(|group| [group.id.as_str(), "\n"]).collect()
        }
        (Shape::Kafka, columns) => list_with(groups, columns),
        (Shape::Human, _) => {
            let row = |g: &GroupListing| {
                let kind = if g.protocol_type.is_empty() { MISSING } else { &g.protocol_type };
                [g.id.clone(), g.state.to_string(), g.group_type.to_string(), kind.to_owned()]
            };
            table(["GROUP", "STATE", "TYPE", "PROTOCOL"], groups.iter().map(row))
        }
        (Shape::Json, _) => {
            let row = |g: &GroupListing| {
                json!({
                    "group": g.id, "state": g.state.name(), "type": g.group_type.name(),
                    "protocol_type": g.protocol_type,
                })
            };
            document("groups.list", "groups", groups.iter().map(row).collect())
        }
    }
}

fn list_with(groups: &[GroupListing], columns: ListColumns) -> String {
    let longest = groups.iter().map(|group| width(&group.id)).max().unwrap_or(0);
    let wide = longest.max(WIDTH) + 10;
    let line = |id: &str, kind: &str, state: &str| {
        let mut line = format!("{id:<wide$}");
        for (shown, text) in [(columns.types, kind), (columns.states, state)] {
            if shown {
                line += &format!(" {text:<20}");
            }
        }
        line + "\n"
    };
    let rows = groups.iter().map(|group| line(&group.id, group.group_type.name(), group.state.name()));
    std::iter::once(line("GROUP", "TYPE", "STATE")).chain(rows).collect()
}

/// What the state of a group makes of a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// Nothing.
    None,
    /// For stderr.
    Say(String),
    /// The group is not there, in Kafka's words.
    Missing(String),
    /// No state that a consumer group can have, in Kafka's words.
    Unexpected(String),
}

/// What there is to say about a group beside its description.
pub fn remark(group: &GroupDescription) -> Remark {
    let id = &group.id;
    match group.state {
        GroupState::Stable => Remark::None,
        GroupState::Dead => Remark::Missing(format!("Consumer group '{id}' does not exist.")),
        GroupState::Empty => Remark::Say(format!("Consumer group '{id}' has no active members.")),
        GroupState::PreparingRebalance
        | GroupState::CompletingRebalance
        | GroupState::Assigning
        | GroupState::Reconciling => Remark::Say(format!("Warning: Consumer group '{id}' is rebalancing.")),
        state => Remark::Unexpected(format!("Expected a valid consumer group state, but found '{state}'.")),
    }
}

/// What a group had committed before a reset, where it is known.
pub type Before<'a> = &'a dyn Fn(&str, &TopicPartition) -> Option<i64>;

/// What `--reset-offsets` prints.
pub fn reset(plans: &[GroupPlan], executed: bool, before: Before<'_>, shape: Shape) -> String {
    let rows =
        || plans.iter().flat_map(|plan| plan.offsets.iter().map(|(at, offset)| (&plan.group, at, *offset)));
    match shape {
        Shape::Kafka => reset_as_kafka(plans),
        Shape::Human => {
            let row = |(group, at, offset): (&String, &TopicPartition, i64)| {
                let before = before(group, at);
                let text = |number: Option<i64>| number.map_or_else(|| MISSING.to_owned(), |n| n.to_string());
                let change = before.and_then(|before| offset.checked_sub(before));
                [
                    group.clone(),
                    at.topic.to_string(),
                    at.partition.to_string(),
                    text(before),
                    offset.to_string(),
                    change.map_or_else(|| MISSING.to_owned(), |change| format!("{change:+}")),
                ]
            };
            table(["GROUP", "TOPIC", "PARTITION", "BEFORE", "AFTER", "CHANGE"], rows().map(row))
        }
        Shape::Json => {
            let row = |(group, at, offset): (&String, &TopicPartition, i64)| {
                json!({
                    "group": group, "topic": &*at.topic, "partition": at.partition,
                    "before": before(group, at), "offset": offset, "executed": executed,
                })
            };
            document("groups.reset", "offsets", rows().map(row).collect())
        }
    }
}

fn reset_as_kafka(plans: &[GroupPlan]) -> String {
    let topics = plans.iter().flat_map(|plan| &plan.offsets).map(|(at, _)| width(&at.topic));
    let topic_wide = topics.max().unwrap_or(0).max(WIDTH);
    let group_wide = plans.iter().map(|plan| width(&plan.group)).max().unwrap_or(0).max(WIDTH);
    let mut out = String::new();
    if !plans.is_empty() {
        out += &format!("\n{:<group_wide$} {:<topic_wide$} {:<10} NEW-OFFSET", "GROUP", "TOPIC", "PARTITION");
    }
    for plan in plans {
        for (at, offset) in &plan.offsets {
            let (group, topic, partition) = (&plan.group, &at.topic, at.partition);
            out += &format!("\n{group:<group_wide$} {topic:<topic_wide$} {partition:<10} {offset}");
        }
    }
    out + "\n"
}

/// What `--delete-offsets` prints of each partition; `None` stands for a topic that is not there.
pub type DeletedOffset = (String, Option<i32>, Result<(), String>);

/// What `--delete-offsets` prints below its first line. Kafka sorts by topic and number as one text.
pub fn deleted_offsets(group: &str, rows: &[DeletedOffset], shape: Shape) -> String {
    let mut rows: Vec<&DeletedOffset> = rows.iter().collect();
    rows.sort_by_key(|(topic, partition, _)| format!("{topic}{}", partition.unwrap_or(-1)));
    let number = |partition: &Option<i32>| partition.map_or_else(|| MISSING.to_owned(), |p| p.to_string());
    let status = |result: &Result<(), String>| match result {
        Ok(()) => "Successful".to_owned(),
        Err(error) => format!("Error: {error}"),
    };
    match shape {
        Shape::Kafka => {
            let wide = rows.iter().map(|(topic, ..)| width(topic)).max().unwrap_or(0).max(WIDTH);
            let line = |topic: &str, partition: &str, status: &str| {
                format!("\n{topic:<wide$} {partition:<10} {status:<15}")
            };
            let lines = rows.iter().map(|(topic, at, result)| line(topic, &number(at), &status(result)));
            std::iter::once(line("TOPIC", "PARTITION", "STATUS")).chain(lines).collect::<String>() + "\n"
        }
        Shape::Human => {
            let row = |(topic, at, result): &&DeletedOffset| [topic.clone(), number(at), status(result)];
            table(["TOPIC", "PARTITION", "STATUS"], rows.iter().map(row))
        }
        Shape::Json => {
            let row = |(topic, at, result): &&DeletedOffset| json!({"group": group, "topic": topic, "partition": at, "error": result.as_ref().err()});
            document("groups.delete_offsets", "offsets", rows.iter().map(row).collect())
        }
    }
}

/// As Java counts the characters of a column.
fn width(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests;
