//! The files of `kreassign`: partitions with their replicas, and topics to propose replicas for.

use std::collections::{BTreeMap, HashMap};

use kinglet::TopicPartition;
use kinglet::admin::PartitionReplica;
use serde_json::Value;

use crate::error::Failure;

/// Any log directory will do.
const ANY: &str = "any";

/// Partitions and the replicas that they get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order of the file.
    pub partitions: Vec<(TopicPartition, Vec<i32>)>,
    /// Where replicas shall lie that may not lie anywhere.
    pub log_dirs: Vec<(PartitionReplica, String)>,
}

fn wrong(cause: impl std::fmt::Display) -> Failure {
    Failure::usage("the reassignment cannot be read").cause(cause)
}

impl Plan {
    /// Reads `{"version": 1, "partitions": [{"topic": …, "partition": …, "replicas": […], "log_dirs": […]}]}`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let json = versioned(text)?;
        let mut plan = Self::default();
        for entry in entries(&json, "partitions")? {
            let hint = "for example {\"topic\": \"orders\", \"partition\": 0, \"replicas\": [1, 2, 3]}";
            let unclear = || wrong(format!("{entry} does not say topic, partition and replicas")).hint(hint);
            let number = |value: &Value| value.as_i64().and_then(|number| i32::try_from(number).ok());
            let topic = entry.get("topic").and_then(Value::as_str).ok_or_else(unclear)?;
            let partition = entry.get("partition").and_then(number).ok_or_else(unclear)?;
            let replicas = entry.get("replicas").and_then(Value::as_array).ok_or_else(unclear)?;
            let replicas = replicas.iter().map(number).collect::<Option<Vec<i32>>>().ok_or_else(unclear)?;
            let at = TopicPartition::new(topic, partition);
            if let Some(dirs) = entry.get("log_dirs") {
                let dirs = dirs.as_array().ok_or_else(unclear)?;
                let dirs =
                    dirs.iter().map(Value::as_str).collect::<Option<Vec<&str>>>().ok_or_else(unclear)?;
                if dirs.len() != replicas.len() {
                    return Err(wrong(format!(
                        "Size of replicas list {} is different from size of log dirs list {} for partition {at}",
                        listed(&replicas),
                        listed(&dirs)
                    )));
                }
                for (broker, dir) in replicas.iter().zip(dirs).filter(|(_, dir)| *dir != ANY) {
                    let replica = PartitionReplica { partition: at.clone(), broker: *broker };
                    plan.log_dirs.push((replica, dir.to_owned()));
                }
            }
            plan.partitions.push((at, replicas));
        }
        Ok(plan)
    }

    /// What a plan needs in order to be executed.
    pub fn check(&self) -> Result<(), Failure> {
        if self.partitions.is_empty() {
            return Err(wrong("Partition reassignment list cannot be empty"));
        }
        if self.partitions.iter().any(|(_, replicas)| replicas.is_empty()) {
            return Err(wrong("Partition replica list cannot be empty"));
        }
        let twice = duplicates(self.partitions.iter().map(|(at, _)| at));
        if !twice.is_empty() {
            let names = joined(twice);
            return Err(wrong(format!(
                "Partition reassignment contains duplicate topic partitions: {names}"
            )));
        }
        let twice: Vec<String> = self
            .partitions
            .iter()
            .map(|(at, replicas)| (at, duplicates(replicas)))
            .filter(|(_, twice)| !twice.is_empty())
            .map(|(at, twice)| format!("{at} contains multiple entries for {}", joined(twice)))
            .collect();
        if !twice.is_empty() {
            let entries = twice.join(". ");
            return Err(wrong(format!(
                "Partition replica lists may not contain duplicate entries: {entries}"
            )));
        }
        Ok(())
    }
}

/// Reads `{"topics": [{"topic": …}], "version": 1}`.
pub fn parse_topics(text: &str) -> Result<Vec<String>, Failure> {
    let json = versioned(text)?;
    let mut topics = Vec::new();
    for entry in entries(&json, "topics")? {
        let topic = entry.get("topic").and_then(Value::as_str);
        topics.push(topic.ok_or_else(|| wrong(format!("{entry} names no topic")))?.to_owned());
    }
    let twice = duplicates(&topics);
    if twice.is_empty() {
        Ok(topics)
    } else {
        Err(wrong(format!(
            "List of topics to reassign contains duplicate entries: [{}]",
            twice.into_iter().cloned().collect::<Vec<_>>().join(", ")
        )))
    }
}

/// Reads the ids of brokers, with commas between.
pub fn parse_brokers(text: &str) -> Result<Vec<i32>, Failure> {
    let ids = text.split(',').map(str::parse).collect::<Result<Vec<i32>, _>>();
    let ids = ids.map_err(|_| {
        Failure::usage(format!("--broker-list '{text}' is no list of ids")).hint("for example 1,2,3")
    })?;
    let twice = duplicates(&ids);
    if twice.is_empty() {
        return Ok(ids);
    }
    let twice = listed(&twice.into_iter().copied().collect::<Vec<_>>());
    Err(Failure::usage("--broker-list names a broker twice")
        .cause(format!("Broker list contains duplicate entries: {twice}")))
}

/// The JSON of a plan, by topic and partition; a directory that is not known is any.
pub fn to_json(
    partitions: &BTreeMap<TopicPartition, Vec<i32>>,
    dirs: &HashMap<PartitionReplica, String>,
) -> String {
    let dir = |at: &TopicPartition, broker: i32| {
        let dir = dirs.get(&PartitionReplica { partition: at.clone(), broker });
        Value::from(dir.map_or(ANY, String::as_str)).to_string()
    };
    let entry = |(at, replicas): (&TopicPartition, &Vec<i32>)| {
        let dirs: Vec<String> = replicas.iter().map(|broker| dir(at, *broker)).collect();
        format!(
            "{{\"topic\":{},\"partition\":{},\"replicas\":[{}],\"log_dirs\":[{}]}}",
            Value::from(&*at.topic),
            at.partition,
            joined(replicas),
            dirs.join(",")
        )
    };
    let entries: Vec<String> = partitions.iter().map(entry).collect();
    format!("{{\"version\":1,\"partitions\":[{}]}}", entries.join(","))
}

fn versioned(text: &str) -> Result<Value, Failure> {
    if text.is_empty() {
        return Err(wrong("The input string shouldn't be empty"));
    }
    let json: Value = serde_json::from_str(text)
        .map_err(|error| wrong(format!("The input string is not a valid JSON: {error}")))?;
    match json.get("version") {
        Some(version) if version.as_i64() != Some(1) => {
            Err(wrong(format!("Not supported version field value {version}")))
        }
        _ => Ok(json),
    }
}

/// The entries of an array; none if there is no such field.
fn entries<'a>(json: &'a Value, field: &str) -> Result<&'a [Value], Failure> {
    match json.get(field) {
        None => Ok(&[]),
        Some(Value::Array(entries)) => Ok(entries),
        Some(_) => Err(wrong(format!("the field {field} is no array"))),
    }
}

/// Each thing that comes more than once, once.
fn duplicates<'a, T: PartialEq + 'a>(all: impl IntoIterator<Item = &'a T>) -> Vec<&'a T> {
    let (mut seen, mut twice): (Vec<&T>, Vec<&T>) = (Vec::new(), Vec::new());
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        } else if !twice.contains(&one) {
            twice.push(one);
        }
    }
    twice
}

/// With commas between.
pub fn joined<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    all.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(",")
}

/// As Java's lists print themselves.
fn listed<T: ToString>(all: &[T]) -> String {
    format!("[{}]", all.iter().map(T::to_string).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorStyle;

    #[test]
    fn what_is_written_is_what_is_read() {
        let text = r#"{"version":1,"partitions":[{"topic":"a","partition":0,"replicas":[2,1],"log_dirs":["/d \"1\"","any"]},{"topic":"b","partition":3,"replicas":[1],"log_dirs":["any"]}]}"#;

        let plan = Plan::parse(text).expect("valid");

        plan.check().expect("it can be executed");
        assert_eq!(plan.log_dirs.len(), 1);
        let partitions = plan.partitions.iter().cloned().collect();
        assert_eq!(to_json(&partitions, &plan.log_dirs.iter().cloned().collect()), text);
    }

    #[test]
    fn what_is_wrong_with_a_plan_is_said_in_kafkas_words() {
        let of = |entries: &str| format!("{{\"partitions\": [{entries}]}}");
        let one =
            |replicas: &str| format!("{{\"topic\": \"t\", \"partition\": 0, \"replicas\": {replicas}}}");
        for (text, said) in [
            (String::new(), "The input string shouldn't be empty"),
            ("{".to_owned(), "not a valid JSON"),
            (r#"{"version": 2}"#.to_owned(), "Not supported version field value 2"),
            ("{}".to_owned(), "Partition reassignment list cannot be empty"),
            (of(&one("[]")), "Partition replica list cannot be empty"),
            (of(&one("[1, 4294967296]")), "does not say topic, partition and replicas"),
            (of(&[one("[1]"), one("[2]")].join(",")), "duplicate topic partitions: t-0"),
            (of(&one("[1,2,1]")), "duplicate entries: t-0 contains multiple entries for 1"),
            (
                of(r#"{"topic": "t", "partition": 0, "replicas": [1, 2], "log_dirs": ["any"]}"#),
                "Size of replicas list [1, 2] is different from size of log dirs list [any] for partition t-0",
            ),
        ] {
            let failure = Plan::parse(&text).and_then(|plan| plan.check()).expect_err(&text);
            let failure = failure.render(ErrorStyle::Text);
            assert!(failure.contains(said), "{text}: {failure}");
        }
    }

    #[test]
    fn topics_and_brokers_are_named_once() {
        assert_eq!(
            parse_topics(r#"{"topics": [{"topic": "b"}, {"topic": "a"}]}"#).expect("valid"),
            ["b", "a"]
        );
        assert!(parse_topics(r#"{"topics": [{"topic": "b"}, {"topic": "b"}]}"#).is_err());
        assert_eq!(parse_brokers("3,1").expect("valid"), [3, 1]);
        assert!(parse_brokers("1,1").is_err() && parse_brokers("a").is_err());
    }
}
