//! What `kelect` prints: the lines of Kafka's two tools byte for byte, who led before and after for people, JSON.

use kinglet::TopicPartition;
use serde_json::{Value, json};

use super::args::ElectionChoice;
use crate::java::{CAPACITY, in_map_order, partition_hash};
use crate::output::{Shape, table};

/// Whose lines a pipe gets: they follow from how the tool was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Those of kafka-leader-election.
    Election(ElectionChoice),
    /// Those of kafka-preferred-replica-election, which has no `--election-type`.
    PreferredReplica,
}

/// What became of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elected {
    /// Which one.
    pub at: TopicPartition,
    /// The outcome.
    pub outcome: Outcome,
    /// Who led it before; `None` when nobody did or nobody looked.
    pub before: Option<i32>,
    /// Who leads it now.
    pub after: Option<i32>,
}

/// How an election ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Another leader was elected.
    Elected,
    /// Such a replica leads already.
    NotNeeded,
    /// The exception that Java names.
    Failed(String),
}

/// All that goes to stdout.
pub fn render(rows: &[Elected], words: Words, shape: Shape) -> String {
    match (shape, words) {
        (Shape::Kafka, Words::Election(choice)) => as_leader_election(rows, choice),
        (Shape::Kafka, Words::PreferredReplica) => as_preferred_replica_election(rows),
        (Shape::Human, _) => for_people(rows),
        (Shape::Json, _) => {
            let row = |row: &Elected| {
                let (status, error) = status(&row.outcome);
                json!({
                    "topic": &*row.at.topic, "partition": row.at.partition, "status": status, "error": error,
                    "leader_before": row.before, "leader": row.after,
                })
            };
            let rows: Vec<Value> = rows.iter().map(row).collect();
            json!({"schema": "kinglet/elect/v1", "partitions": rows}).to_string() + "\n"
        }
    }
}

fn status(outcome: &Outcome) -> (&'static str, Option<&str>) {
    match outcome {
        Outcome::Elected => ("elected", None),
        Outcome::NotNeeded => ("not needed", None),
        Outcome::Failed(error) => ("failed", Some(error)),
    }
}

fn as_leader_election(rows: &[Elected], choice: ElectionChoice) -> String {
    let election = match choice {
        ElectionChoice::Preferred => "PREFERRED",
        ElectionChoice::Unclean => "UNCLEAN",
    };
    let mut out = String::new();
    let elected = names(rows, |outcome| *outcome == Outcome::Elected);
    if !elected.is_empty() {
        out += &format!("Successfully completed leader election ({election}) for partitions {elected}\n");
    }
    let noop = names(rows, |outcome| *outcome == Outcome::NotNeeded);
    if !noop.is_empty() {
        out += &format!("Valid replica already elected for partitions {noop}\n");
    }
    for row in of(rows, |outcome| matches!(outcome, Outcome::Failed(_))) {
        if let Outcome::Failed(error) = &row.outcome {
            out += &format!(
                "Error completing leader election ({election}) for partition: {}: {error}\n",
                row.at
            );
        }
    }
    out
}

/// Brokers of its time did not tell whether an election had been needed; failures are not on stdout.
fn as_preferred_replica_election(rows: &[Elected]) -> String {
    match names(rows, |outcome| !matches!(outcome, Outcome::Failed(_))) {
        done if done.is_empty() => done,
        done => format!("Successfully completed preferred replica election for partitions {done}\n"),
    }
}

fn names(rows: &[Elected], wanted: impl Fn(&Outcome) -> bool) -> String {
    of(rows, wanted).iter().map(|row| row.at.to_string()).collect::<Vec<_>>().join(", ")
}

/// Those with such an outcome, in Java's order: they come out of one map and go into another.
fn of(rows: &[Elected], wanted: impl Fn(&Outcome) -> bool) -> Vec<&Elected> {
    let hash = |row: &&Elected| partition_hash(&row.at);
    let mut all = in_map_order(rows.iter().collect(), CAPACITY, hash);
    all.retain(|row| wanted(&row.outcome));
    in_map_order(all, CAPACITY, hash)
}

fn for_people(rows: &[Elected]) -> String {
    if rows.is_empty() {
        return "every partition is led by its preferred leader\n".to_owned();
    }
    let mut rows: Vec<&Elected> = rows.iter().collect();
    rows.sort_by(|a, b| a.at.cmp(&b.at));
    let leader = |id: Option<i32>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let row = |row: &Elected| {
        let (status, error) = status(&row.outcome);
        let leaders = match row.before == row.after {
            true => leader(row.after),
            false => format!("{} → {}", leader(row.before), leader(row.after)),
        };
        [row.at.topic.to_string(), row.at.partition.to_string(), leaders, error.unwrap_or(status).to_owned()]
    };
    table(["TOPIC", "PARTITION", "LEADER", "STATUS"], rows.into_iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(partition: i32, outcome: Outcome) -> Elected {
        Elected { at: TopicPartition::new("t3", partition), outcome, before: Some(1), after: Some(2) }
    }

    fn rows() -> Vec<Elected> {
        let failed = "org.apache.kafka.common.errors.E: no".to_owned();
        vec![
            row(0, Outcome::Elected),
            row(1, Outcome::NotNeeded),
            row(2, Outcome::Elected),
            row(3, Outcome::Failed(failed)),
        ]
    }

    #[test]
    fn the_lines_are_those_of_kafkas_tools() {
        assert_eq!(
            render(&rows(), Words::Election(ElectionChoice::Preferred), Shape::Kafka),
            "Successfully completed leader election (PREFERRED) for partitions t3-0, t3-2\n\
             Valid replica already elected for partitions t3-1\n\
             Error completing leader election (PREFERRED) for partition: t3-3: org.apache.kafka.common.errors.E: no\n"
        );
        assert_eq!(
            render(&rows(), Words::PreferredReplica, Shape::Kafka),
            "Successfully completed preferred replica election for partitions t3-0, t3-2, t3-1\n"
        );
        assert_eq!(render(&[], Words::PreferredReplica, Shape::Kafka), "");
    }

    /// Whoever reads the line as a list of fields has it in that order; only in a bucket of a map it is that of the answer.
    #[test]
    fn partitions_come_in_the_order_that_kafkas_tool_was_seen_to_print() {
        let internal = [40, 0, 4, 8, 10, 13, 17, 20, 23, 26, 27, 32, 34, 38, 42, 45, 48];
        let internal = internal.map(|partition| ("__consumer_offsets", partition));
        let all = [[("cfg", 0), ("cfg", 2)].as_slice(), &internal, &[("t3", 2)]].concat();
        let row = |(topic, partition): (&str, i32)| Elected {
            at: TopicPartition::new(topic, partition),
            ..row(partition, Outcome::Elected)
        };
        let rows: Vec<Elected> = all.into_iter().map(row).collect();

        let seen = "Successfully completed leader election (PREFERRED) for partitions __consumer_offsets-48, cfg-2, \
                    __consumer_offsets-13, __consumer_offsets-45, cfg-0, __consumer_offsets-10, __consumer_offsets-42, \
                    __consumer_offsets-23, __consumer_offsets-20, __consumer_offsets-17, __consumer_offsets-0, \
                    __consumer_offsets-32, __consumer_offsets-27, __consumer_offsets-26, __consumer_offsets-40, \
                    __consumer_offsets-8, __consumer_offsets-38, __consumer_offsets-4, t3-2, __consumer_offsets-34\n";
        assert_eq!(render(&rows, Words::Election(ElectionChoice::Preferred), Shape::Kafka), seen);
    }

    #[test]
    fn people_see_who_led_before_and_after() {
        let text = render(&rows()[..1], Words::PreferredReplica, Shape::Human);

        assert_eq!(text, "TOPIC  PARTITION  LEADER  STATUS\nt3     0          1 → 2   elected\n");
    }
}
