//! The file of `kdelete`, and what it prints.

use kinglet::TopicPartition;
use serde_json::{Value, json};

use crate::error::Failure;
use crate::output::{Shape, table};

/// Reads `{"partitions": [{"topic": …, "partition": …, "offset": …}], "version": 1}`.
pub fn parse(text: &str) -> Result<Vec<(TopicPartition, i64)>, Failure> {
    let wrong = |cause: String| {
        Failure::usage("the offsets cannot be read").cause(cause).hint(
        "for example {\"partitions\": [{\"topic\": \"orders\", \"partition\": 0, \"offset\": 1000}], \"version\": 1}",
    )
    };
    let json: Value = serde_json::from_str(text)
        .map_err(|error| wrong(format!("The input string is not a valid JSON: {error}")))?;
    match json.get("version") {
        None => {}
        Some(version) if version.as_i64() == Some(1) => {}
        Some(version) => return Err(wrong(format!("Not supported version field value {version}"))),
    }
    let partitions = json.get("partitions").ok_or_else(|| wrong("Missing partitions field".to_owned()))?;
    let partitions =
        partitions.as_array().ok_or_else(|| wrong("the field partitions is no array".to_owned()))?;
    let mut offsets: Vec<(TopicPartition, i64)> = Vec::new();
    let mut twice: Vec<String> = Vec::new();
    for entry in partitions {
        let number = |field: &str| entry.get(field).and_then(Value::as_i64);
        let partition = number("partition").and_then(|number| i32::try_from(number).ok());
        let (Some(topic), Some(partition), Some(offset)) =
            (entry.get("topic").and_then(Value::as_str), partition, number("offset"))
        else {
            return Err(wrong(format!("{entry} does not say topic, partition and offset")));
        };
        let at = TopicPartition::new(topic, partition);
        let name = at.to_string();
        if offsets.iter().any(|(known, _)| *known == at) {
            if !twice.contains(&name) {
                twice.push(name);
            }
        } else {
            offsets.push((at, offset));
        }
    }
    if twice.is_empty() {
        Ok(offsets)
    } else {
        Err(wrong(format!("Offset json file contains duplicate topic partitions: {}", twice.join(","))))
    }
}

/// What became of a partition: its low watermark, or the exception that Java names.
pub type Deleted = (TopicPartition, Result<i64, String>);

/// What is printed when all is done; Kafka's tool has no order of its own.
pub fn render(rows: &[Deleted], shape: Shape) -> String {
    match shape {
        Shape::Kafka => {
            let row = |(at, result): &Deleted| match result {
                Ok(low) => format!("partition: {at}\tlow_watermark: {low}\n"),
                Err(error) => format!("partition: {at}\terror: {error}\n"),
            };
            let rows: String = rows.iter().map(row).collect();
            format!("Executing records delete operation\nRecords delete operation completed:\n{rows}")
        }
        Shape::Human => {
            let row = |(at, result): &Deleted| {
                let low = result.as_ref().map_or_else(|error| error.clone(), i64::to_string);
                [at.topic.to_string(), at.partition.to_string(), low]
            };
            table(["TOPIC", "PARTITION", "BEGINS AT"], rows.iter().map(row))
        }
        Shape::Json => {
            let row = |(at, result): &Deleted| {
                json!({
                    "topic": &*at.topic, "partition": at.partition,
                    "low_watermark": result.as_ref().ok(), "error": result.as_ref().err(),
                })
            };
            let rows: Vec<Value> = rows.iter().map(row).collect();
            json!({"schema": "kinglet/records.delete/v1", "partitions": rows}).to_string() + "\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorStyle;

    #[test]
    fn offsets_are_read_in_the_order_of_the_file() {
        let text = r#"{"partitions": [{"topic": "t", "partition": 1, "offset": 5}, {"topic": "t", "partition": 0, "offset": -1}], "version": 1}"#;

        let offsets = parse(text).expect("valid");

        assert_eq!(offsets, [(TopicPartition::new("t", 1), 5), (TopicPartition::new("t", 0), -1)]);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_in_kafkas_words() {
        for (text, said) in [
            ("{", "The input string is not a valid JSON"),
            ("{}", "Missing partitions field"),
            (r#"{"version": 2, "partitions": []}"#, "Not supported version field value 2"),
            (r#"{"partitions": {}}"#, "no array"),
            (r#"{"partitions": [{"topic": "t", "partition": 0}]}"#, "does not say"),
            (r#"{"partitions": [{"topic": "t", "partition": 4294967296, "offset": 1}]}"#, "does not say"),
            (
                r#"{"partitions": [{"topic": "t", "partition": 0, "offset": 1}, {"topic": "t", "partition": 0, "offset": 2}]}"#,
                "duplicate topic partitions: t-0",
            ),
        ] {
            let failure = parse(text).expect_err(text).render(ErrorStyle::Text);
            assert!(failure.contains(said), "{text}: {failure}");
        }
    }

    #[test]
    fn partitions_are_printed_as_kafkas_tool_prints_them() {
        let rows = [
            (TopicPartition::new("t", 0), Ok(3)),
            (TopicPartition::new("t", 1), Err("org.apache.kafka.common.errors.E: no".to_owned())),
        ];

        assert_eq!(
            render(&rows, Shape::Kafka),
            "Executing records delete operation\nRecords delete operation completed:\n\
             partition: t-0\tlow_watermark: 3\npartition: t-1\terror: org.apache.kafka.common.errors.E: no\n"
        );
    }
}
