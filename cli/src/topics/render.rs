//! What `ktopics` prints: kafka-topics' lines byte for byte, tables for people, JSON.

use std::fmt::Display;

use kinglet::protocol::Uuid;
use serde_json::{Value, json};

use super::filter::DescribeFilter;
use crate::java::{map_order, string_hash};
use crate::output::{Shape, table};

/// A topic as it is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id; brokers before 2.8 have none.
    pub id: Option<Uuid>,
    /// Its partitions, by number.
    pub partitions: Vec<Partition>,
    /// Its configuration in the broker's order, defaults too: how many there are decides the order Kafka prints them in.
    pub configs: Vec<Config>,
}

/// A partition as it is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub index: i32,
    /// The leading broker.
    pub leader: Option<i32>,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub isr: Vec<i32>,
    /// Eligible leader replicas (KIP-966), if the broker tells.
    pub elr: Option<Vec<i32>>,
    /// The last known ones, if the broker tells.
    pub last_known_elr: Option<Vec<i32>>,
}

/// A configuration value of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Kafka's name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Set for the topic or in the broker's file, so not the built-in default.
    pub is_override: bool,
}

impl Topic {
    /// The effective `min.insync.replicas`, if the broker told.
    pub fn min_insync_replicas(&self) -> Option<usize> {
        self.configs.iter().find(|config| config.name == "min.insync.replicas")?.value.parse().ok()
    }

    fn replication_factor(&self) -> usize {
        self.partitions.first().map_or(0, |partition| partition.replicas.len())
    }

    fn overrides(&self) -> String {
        let names: Vec<&str> = self.configs.iter().map(|config| config.name.as_str()).collect();
        let order = java_map_order(&names, 16);
        joined(
            order
                .into_iter()
                .map(|i| &self.configs[i])
                .filter(|c| c.is_override)
                .map(|c| format!("{}={}", c.name, c.value)),
        )
    }
}

/// The names as `--list` prints them. Kafka prints an empty line when there are none.
pub fn list(names: &[&str], shape: Shape) -> String {
    match shape {
        Shape::Kafka => names.join("\n") + "\n",
        Shape::Human => names.iter().flat_map(|name| [*name, "\n"]).collect(),
        Shape::Json => document("topics.list", "topics", json!(names)),
    }
}

/// What `--create` prints before it creates, for names that could collide in Kafka's metrics.
pub fn collision_warning(name: &str) -> Option<&'static str> {
    name.contains(['.', '_']).then_some(
        "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. \
         To avoid issues it is best to use either, but not both.",
    )
}

/// What `--create` prints when it has.
pub fn created(name: &str, shape: Shape) -> String {
    match shape {
        Shape::Kafka | Shape::Human => format!("Created topic {name}.\n"),
        Shape::Json => document("topics.create", "topic", json!({ "name": name })),
    }
}

/// What `--alter` and `--delete` print when they have: nothing, as Kafka, but the names to a person.
pub fn changed(verb: Verb, names: &[&str], shape: Shape) -> String {
    let (past, operation) = match verb {
        Verb::Alter => ("Altered", "topics.alter"),
        Verb::Delete => ("Deleted", "topics.delete"),
    };
    match shape {
        Shape::Kafka => String::new(),
        Shape::Human => names.iter().map(|name| format!("{past} topic {name}.\n")).collect(),
        Shape::Json => document(operation, "topics", json!(names)),
    }
}

/// What was done to existing topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `--alter`
    Alter,
    /// `--delete`
    Delete,
}

/// What `--describe` prints.
pub fn describe(topics: &[Topic], live_brokers: &[i32], filter: DescribeFilter, shape: Shape) -> String {
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let order = java_map_order(&names, names.len());
    let shown = |topic: &Topic| -> Vec<Partition> {
        topic.partitions.iter().filter(|p| filter.shows_partition(topic, p, live_brokers)).cloned().collect()
    };
    match shape {
        Shape::Kafka => order
            .into_iter()
            .map(|i| &topics[i])
            .map(|topic| describe_as_kafka(topic, filter.shows_header(topic), &shown(topic)))
            .collect(),
        Shape::Human => {
            let parts: Vec<String> = topics
                .iter()
                .map(|topic| describe_for_people(topic, filter.shows_header(topic), &shown(topic)))
                .filter(|part| !part.is_empty())
                .collect();
            parts.join("\n")
        }
        Shape::Json => {
            let rows: Vec<Value> = topics
                .iter()
                .map(|topic| (topic, shown(topic)))
                .filter(|(topic, partitions)| filter.shows_header(topic) || !partitions.is_empty())
                .map(|(topic, partitions)| topic_as_json(topic, &partitions))
                .collect();
            document("topics.describe", "topics", json!(rows))
        }
    }
}

fn describe_as_kafka(topic: &Topic, header: bool, partitions: &[Partition]) -> String {
    let mut out = String::new();
    if header {
        out += &format!("Topic: {}", topic.name);
        if let Some(id) = topic.id {
            out += &format!("\tTopicId: {id}");
        }
        out += &format!(
            "\tPartitionCount: {}\tReplicationFactor: {}\tConfigs: {}\n",
            topic.partitions.len(),
            topic.replication_factor(),
            topic.overrides()
        );
    }
    for partition in partitions {
        out += &format!(
            "\tTopic: {}\tPartition: {}\tLeader: {}\tReplicas: {}\tIsr: {}\tElr: {}\tLastKnownElr: {}\n",
            topic.name,
            partition.index,
            leader(partition),
            joined(&partition.replicas),
            joined(&partition.isr),
            known(partition.elr.as_deref()),
            known(partition.last_known_elr.as_deref()),
        );
    }
    out
}

fn describe_for_people(topic: &Topic, header: bool, partitions: &[Partition]) -> String {
    if !header && partitions.is_empty() {
        return String::new();
    }
    let mut out = topic.name.clone();
    if let Some(id) = topic.id {
        out += &format!("  id {id}");
    }
    out += &format!("  partitions {}  replication {}\n", topic.partitions.len(), topic.replication_factor());
    let overrides = topic.overrides();
    if !overrides.is_empty() {
        out += &format!("config {}\n", overrides.replace(',', " "));
    }
    if !partitions.is_empty() {
        // A mark beside what needs attention, since colour alone must not carry it.
        let mark =
            |p: &Partition| if p.isr.len() < p.replicas.len() || p.leader.is_none() { "!" } else { "" };
        let row =
            |p: &Partition| [p.index.to_string(), leader(p), joined(&p.replicas), joined(&p.isr) + mark(p)];
        out += &table(["PARTITION", "LEADER", "REPLICAS", "ISR"], partitions.iter().map(row));
    }
    out
}

fn topic_as_json(topic: &Topic, partitions: &[Partition]) -> Value {
    let configs: serde_json::Map<String, Value> = topic
        .configs
        .iter()
        .filter(|config| config.is_override)
        .map(|config| (config.name.clone(), json!(config.value)))
        .collect();
    let partition = |p: &Partition| {
        json!({
            "partition": p.index, "leader": p.leader, "replicas": p.replicas, "isr": p.isr,
            "elr": p.elr, "last_known_elr": p.last_known_elr,
        })
    };
    json!({
        "name": topic.name,
        "id": topic.id.map(|id| id.to_string()),
        "partition_count": topic.partitions.len(),
        "replication_factor": topic.replication_factor(),
        "configs": configs,
        "partitions": partitions.iter().map(partition).collect::<Vec<_>>(),
    })
}

fn document(operation: &str, field: &str, value: Value) -> String {
    let mut document = serde_json::Map::new();
    document.insert("schema".to_owned(), json!(format!("kinglet/{operation}/v1")));
    document.insert(field.to_owned(), value);
    Value::Object(document).to_string() + "\n"
}

fn leader(partition: &Partition) -> String {
    partition.leader.map_or_else(|| "none".to_owned(), |id| id.to_string())
}

fn known(ids: Option<&[i32]>) -> String {
    ids.map_or_else(|| "N/A".to_owned(), joined)
}

fn joined<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}

/// The order in which Kafka's tool prints names it has put into a `java.util.HashMap` of that capacity.
fn java_map_order(names: &[&str], capacity: usize) -> Vec<usize> {
    let hashes: Vec<u32> = names.iter().map(|name| string_hash(name)).collect();
    map_order(&hashes, capacity)
}

#[cfg(test)]
mod tests;
