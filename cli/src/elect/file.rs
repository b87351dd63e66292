//! The file of `kelect`: the partitions whose leaders are to be elected.

use kinglet::TopicPartition;
use serde_json::Value;

use crate::error::Failure;

/// Reads `{"partitions": [{"topic": …, "partition": …}]}`.
pub fn parse(text: &str) -> Result<Vec<TopicPartition>, Failure> {
    let wrong = |cause: String| {
        Failure::usage("the partitions cannot be read")
            .cause(cause)
            .hint("for example {\"partitions\": [{\"topic\": \"orders\", \"partition\": 1}]}")
    };
    let json: Value = serde_json::from_str(text)
        .map_err(|error| wrong(format!("Replica election data is empty: {error}")))?;
    let missing = "Replica election data is missing \"partitions\" field";
    let entries = json.get("partitions").ok_or_else(|| wrong(missing.to_owned()))?;
    let entries =
        entries.as_array().ok_or_else(|| wrong(format!("Expected JSON array, received {entries}")))?;
    let mut partitions: Vec<TopicPartition> = Vec::new();
    for entry in entries {
        for field in ["topic", "partition"] {
            if entry.get(field).is_none() {
                return Err(wrong(format!("No such field exists: `{field}` in {entry}")));
            }
        }
        let number =
            entry.get("partition").and_then(Value::as_i64).and_then(|number| i32::try_from(number).ok());
        let (Some(topic), Some(partition)) = (entry.get("topic").and_then(Value::as_str), number) else {
            return Err(wrong(format!("{entry} does not say topic and partition")));
        };
        let at = TopicPartition::new(topic, partition);
        if partitions.contains(&at) {
            return Err(wrong(format!("Replica election data contains duplicate partitions: [{at}]")));
        }
        partitions.push(at);
    }
    Ok(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorStyle;

    #[test]
    fn partitions_are_read_in_the_order_of_the_file() {
        let text = r#"{"partitions": [{"topic": "t", "partition": 1}, {"topic": "t", "partition": 0}]}"#;

        assert_eq!(parse(text).expect("valid"), [TopicPartition::new("t", 1), TopicPartition::new("t", 0)]);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_in_kafkas_words() {
        let twice = r#"{"partitions": [{"topic": "t", "partition": 0}, {"topic": "t", "partition": 0}]}"#;
        for (text, said) in [
            ("", "Replica election data is empty"),
            ("{}", "Replica election data is missing \"partitions\" field"),
            (twice, "contains duplicate partitions: [t-0]"),
            (r#"{"partitions": 5}"#, "Expected JSON array, received 5"),
            (r#"{"partitions": [{"topic": "t"}]}"#, "No such field exists: `partition`"),
            (r#"{"partitions": [{"topic": "t", "partition": "x"}]}"#, "does not say topic and partition"),
        ] {
            let failure = parse(text).expect_err(text).render(ErrorStyle::Text);
            assert!(failure.contains(said), "{text}: {failure}");
        }
    }
}
