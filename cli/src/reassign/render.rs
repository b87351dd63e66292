//! What `kreassign` prints of moves: the lines of kafka-reassign-partitions byte for byte, tables for people, JSON.

use std::collections::BTreeMap;

use kinglet::TopicPartition;
use kinglet::admin::{PartitionReassignment, PartitionReplica};
use serde_json::{Value, json};

use super::file::joined;
use crate::output::{Shape, table};

/// How far a partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// Its replicas now.
    pub current: Vec<i32>,
    /// Those it is to have.
    pub target: Vec<i32>,
    /// Whether anything is under way.
    pub progress: Progress,
}

/// Whether something moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It does.
    Ongoing,
    /// Nothing does, be it that it has arrived or that it never began.
    Over,
}

/// How far a replica is that was to go to a certain directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirState {
    /// Where it is; `None` if the broker has it nowhere.
    pub current: Option<String>,
    /// Where a copy of it grows.
    pub future: Option<String>,
    /// Where it is to be.
    pub target: String,
}

impl DirState {
    /// Whether a copy grows.
    pub fn progress(&self) -> Progress {
        match (&self.current, &self.future) {
            (Some(_), Some(_)) => Progress::Ongoing,
            _ => Progress::Over,
        }
    }
}

/// How far replicas between directories are.
pub type DirStates = Vec<(PartitionReplica, DirState)>;

/// What `--verify` prints first.
pub fn verified(states: &BTreeMap<TopicPartition, PartitionState>, dirs: &DirStates, shape: Shape) -> String {
    match shape {
        Shape::Kafka => {
            let lines = states.iter().map(|(at, state)| format!("{}\n", sentence(at, state)));
            let dirs: Vec<String> =
                dirs.iter().map(|(replica, state)| dir_sentence(replica, state)).collect();
            format!("Status of partition reassignment:\n{}{}\n", lines.collect::<String>(), dirs.join("\n"))
        }
        Shape::Human => {
            let row = |(at, state): (&TopicPartition, &PartitionState)| {
                let replicas = [&state.current, &state.target].map(joined);
                let [current, target] = replicas;
                [at.topic.to_string(), at.partition.to_string(), current, target, status(state).to_owned()]
            };
            let mut out =
                table(["TOPIC", "PARTITION", "REPLICAS", "WANTED", "STATUS"], states.iter().map(row));
            for (replica, state) in dirs {
                out += &format!("{}\n", dir_sentence(replica, state));
            }
            out
        }
        Shape::Json => {
            let row = |(at, state): (&TopicPartition, &PartitionState)| {
                json!({
                    "topic": &*at.topic, "partition": at.partition, "replicas": state.current,
                    "wanted": state.target, "status": status(state),
                })
            };
            let dir = |(replica, state): &(PartitionReplica, DirState)| {
                json!({
                    "topic": &*replica.partition.topic, "partition": replica.partition.partition,
                    "broker": replica.broker, "log_dir": state.current, "future_log_dir": state.future,
                    "wanted": state.target,
                })
            };
            let partitions: Vec<Value> = states.iter().map(row).collect();
            let log_dirs: Vec<Value> = dirs.iter().map(dir).collect();
            let document = json!({
                "schema": "kinglet/reassign.verify/v1", "partitions": partitions, "log_dirs": log_dirs,
            });
            document.to_string() + "\n"
        }
    }
}

fn status(state: &PartitionState) -> &'static str {
    match state.progress {
        Progress::Ongoing => "in progress",
        Progress::Over if state.current == state.target => "completed",
        Progress::Over => "not started",
    }
}

fn sentence(at: &TopicPartition, state: &PartitionState) -> String {
    match state.progress {
        Progress::Ongoing => format!("Reassignment of partition {at} is still in progress."),
        Progress::Over if state.current == state.target => {
            format!("Reassignment of partition {at} is completed.")
        }
        Progress::Over => format!(
            "There is no active reassignment of partition {at}, but replica set is {} rather than {}.",
            joined(&state.current),
            joined(&state.target)
        ),
    }
}

fn dir_sentence(replica: &PartitionReplica, state: &DirState) -> String {
    let PartitionReplica { partition: at, broker } = replica;
    let target = &state.target;
    match (&state.current, &state.future) {
        (None, _) => format!(
            "Partition {at} is not found in any live log dir on broker {broker}. \
             There is likely an offline log directory on the broker."
        ),
        (Some(_), Some(future)) if future == target => {
            format!("Reassignment of replica {at}-{broker} is still in progress.")
        }
        (Some(_), Some(future)) => format!(
            "Partition {at} on broker {broker} is being moved to log dir {future} instead of {target}."
        ),
        (Some(current), None) if current == target => {
            format!("Reassignment of replica {at}-{broker} completed successfully.")
        }
        (Some(current), None) => {
            format!(
                "Partition {at} on broker {broker} is not being moved from log dir {current} to {target}."
            )
        }
    }
}

/// What `--list` prints.
pub fn list(ongoing: &[(TopicPartition, PartitionReassignment)], shape: Shape) -> String {
    match shape {
        Shape::Kafka | Shape::Human if ongoing.is_empty() => "No partition reassignments found.\n".to_owned(),
        Shape::Kafka => {
            let of = |name: &str, ids: &[i32]| match ids {
                [] => String::new(),
                ids => format!(" {name}: {}.", joined(ids)),
            };
            let line = |(at, one): &(TopicPartition, PartitionReassignment)| {
                let (adding, removing) = (of("adding", &one.adding), of("removing", &one.removing));
                format!("{at}: replicas: {}.{adding}{removing}\n", joined(&one.replicas))
            };
            format!("Current partition reassignments:\n{}", ongoing.iter().map(line).collect::<String>())
        }
        Shape::Human => {
            let row = |(at, one): &(TopicPartition, PartitionReassignment)| {
                let [replicas, adding, removing] = [&one.replicas, &one.adding, &one.removing].map(joined);
                [at.topic.to_string(), at.partition.to_string(), replicas, adding, removing]
            };
            table(["TOPIC", "PARTITION", "REPLICAS", "ADDING", "REMOVING"], ongoing.iter().map(row))
        }
        Shape::Json => {
            let row = |(at, one): &(TopicPartition, PartitionReassignment)| {
                json!({
                    "topic": &*at.topic, "partition": at.partition, "replicas": one.replicas,
                    "adding": one.adding, "removing": one.removing,
                })
            };
            let rows: Vec<Value> = ongoing.iter().map(row).collect();
            json!({"schema": "kinglet/reassign.list/v1", "partitions": rows}).to_string() + "\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    #[test]
    fn each_state_has_kafkas_sentence() {
        let state = |current: &[i32], progress| PartitionState {
            current: current.to_vec(),
            target: vec![1, 2],
            progress,
        };
        let states = BTreeMap::from([
            (at(0), state(&[1, 2], Progress::Over)),
            (at(1), state(&[3], Progress::Ongoing)),
            (at(2), state(&[2, 1], Progress::Over)),
        ]);
        let dir = |current: Option<&str>, future: Option<&str>| {
            let [current, future] = [current, future].map(|path| path.map(str::to_owned));
            (
                PartitionReplica { partition: at(0), broker: 1 },
                DirState { current, future, target: "/t".to_owned() },
            )
        };
        let dirs = vec![
            dir(None, None),
            dir(Some("/a"), Some("/t")),
            dir(Some("/a"), Some("/b")),
            dir(Some("/t"), None),
            dir(Some("/a"), None),
        ];

        assert_eq!(
            verified(&states, &dirs, Shape::Kafka),
            "Status of partition reassignment:\n\
             Reassignment of partition t-0 is completed.\n\
             Reassignment of partition t-1 is still in progress.\n\
             There is no active reassignment of partition t-2, but replica set is 2,1 rather than 1,2.\n\
             Partition t-0 is not found in any live log dir on broker 1. There is likely an offline log directory on the broker.\n\
             Reassignment of replica t-0-1 is still in progress.\n\
             Partition t-0 on broker 1 is being moved to log dir /b instead of /t.\n\
             Reassignment of replica t-0-1 completed successfully.\n\
             Partition t-0 on broker 1 is not being moved from log dir /a to /t.\n"
        );
        assert!(verified(&states, &DirStates::new(), Shape::Kafka).ends_with("rather than 1,2.\n\n"));
    }

    #[test]
    fn what_is_under_way_is_listed_as_kafkas_tool_does() {
        let one = |adding: &[i32], removing: &[i32]| PartitionReassignment {
            replicas: vec![1, 2],
            adding: adding.to_vec(),
            removing: removing.to_vec(),
        };
        let ongoing = [(at(0), one(&[2], &[1])), (at(1), one(&[], &[2]))];

        assert_eq!(
            list(&ongoing, Shape::Kafka),
            "Current partition reassignments:\nt-0: replicas: 1,2. adding: 2. removing: 1.\nt-1: replicas: 1,2. removing: 2.\n"
        );
        assert_eq!(list(&[], Shape::Kafka), "No partition reassignments found.\n");
    }
}
