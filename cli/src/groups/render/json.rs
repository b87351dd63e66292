//! The JSON documents of `kgroups`.

use kinglet::TopicPartition;
use kinglet::admin::GroupMember;
use serde_json::{Value, json};

use super::{Described, OffsetRow};

/// One document with its schema.
pub fn document(operation: &str, field: &str, rows: Vec<Value>) -> String {
    let mut document = serde_json::Map::new();
    document.insert("schema".to_owned(), json!(format!("kinglet/{operation}/v1")));
    document.insert(field.to_owned(), Value::Array(rows));
    Value::Object(document).to_string() + "\n"
}

/// Groups with members and state; the offsets too where they were asked for.
pub(super) fn described(groups: &[Described], with_offsets: bool) -> String {
    let row = |described: &Described| {
        let group = &described.group;
        let mut value = json!({
            "group": group.id,
            "state": group.state.name(),
            "type": group.group_type.name(),
            "protocol_type": group.protocol_type,
            "assignor": group.assignor,
            "coordinator": {
                "id": group.coordinator.id, "host": group.coordinator.host, "port": group.coordinator.port,
            },
            "group_epoch": group.group_epoch,
            "assignment_epoch": group.assignment_epoch,
            "members": group.members.iter().map(member).collect::<Vec<_>>(),
        });
        if with_offsets {
            value["offsets"] = described.offsets.iter().map(|row| offset(described, row)).collect();
        }
        value
    };
    document("groups.describe", "groups", groups.iter().map(row).collect())
}

fn member(member: &GroupMember) -> Value {
    json!({
        "id": member.id,
        "instance_id": member.instance_id,
        "client_id": member.client_id,
        "host": member.host,
        "subscription": member.subscription,
        "assignment": partitions(&member.assignment),
        "target_assignment": member.target_assignment.as_deref().map(partitions),
        "epoch": member.epoch,
    })
}

fn partitions(partitions: &[TopicPartition]) -> Value {
    partitions.iter().map(|at| json!({"topic": &*at.topic, "partition": at.partition})).collect()
}

fn offset(described: &Described, row: &OffsetRow) -> Value {
    json!({
        "topic": &*row.at.topic,
        "partition": row.at.partition,
        "offset": row.offset,
        "leader_epoch": row.leader_epoch,
        "end": row.end,
        "lag": row.lag(),
        "member": row.member.and_then(|index| described.group.members.get(index)).map(|member| &member.id),
    })
}
