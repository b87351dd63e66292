//! The events as JSON lines: keys and their order are those of Kafka's tools. Pure.

use std::fmt::{Display, Write};
use std::time::Duration;

use kinglet::TopicPartition;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// The tool begins.
    StartupComplete,
    /// It was asked to end.
    ShutdownRequested,
    /// It is done.
    ShutdownComplete,
    /// A record is acknowledged.
    SendSuccess {
        /// What was sent.
        sent: Sent<'a>,
        /// Where it is.
        partition: i32,
        /// -1 if the broker did not say.
        offset: i64,
    },
    /// A record is not delivered.
    SendError {
        /// What was sent.
        sent: Sent<'a>,
        /// Java's class.
        exception: String,
        /// Why.
        message: String,
    },
    /// The producer's counts at the end.
    ToolData {
        /// Records sent.
        sent: u64,
        /// Records acknowledged.
        acked: u64,
        /// The rate that was asked for, -1 for none.
        target_throughput: i64,
        /// The rate of acknowledged records.
        avg_throughput: f64,
    },
    /// The member of the group has more to read.
    PartitionsAssigned(&'a [TopicPartition]),
    /// It has less.
    PartitionsRevoked(&'a [TopicPartition]),
    /// Records came.
    RecordsConsumed(&'a [Consumed]),
    /// One of them.
    RecordData {
        /// Its partition.
        at: &'a TopicPartition,
        /// Its offset.
        offset: i64,
        /// Its key; bytes that are no text are replaced.
        key: Option<&'a [u8]>,
        /// Its value.
        value: Option<&'a [u8]>,
    },
    /// Offsets were committed, or not.
    OffsetsCommitted {
        /// Where the group goes on.
        offsets: &'a [(TopicPartition, i64)],
        /// Why not.
        error: Option<String>,
    },
}

/// A record that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent<'a> {
    /// Where to.
    pub topic: &'a str,
    /// Its key.
    pub key: Option<&'a str>,
    /// Its value.
    pub value: &'a str,
}

/// Records of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumed {
    /// Which.
    pub at: TopicPartition,
    /// How many.
    pub count: u64,
    /// The first one's offset.
    pub min_offset: i64,
    /// The last one's.
    pub max_offset: i64,
}

impl Event<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::StartupComplete => "startup_complete",
            Self::ShutdownRequested => "shutdown_requested",
            Self::ShutdownComplete => "shutdown_complete",
            Self::SendSuccess { .. } => "producer_send_success",
            Self::SendError { .. } => "producer_send_error",
            Self::ToolData { .. } => "tool_data",
            Self::PartitionsAssigned(_) => "partitions_assigned",
            Self::PartitionsRevoked(_) => "partitions_revoked",
            Self::RecordsConsumed(_) => "records_consumed",
            Self::RecordData { .. } => "record_data",
            Self::OffsetsCommitted { .. } => "offsets_committed",
        }
    }

    /// The line, of something that happened so long after 1970.
    pub fn line(&self, at: Duration) -> String {
        let mut line = format!("{{\"timestamp\":{},\"name\":\"{}\"", at.as_millis(), self.name());
        match self {
            Self::StartupComplete | Self::ShutdownRequested | Self::ShutdownComplete => {}
            Self::SendSuccess { sent, partition, offset } => {
                put(&mut line, "key", or_null(sent.key));
                put(&mut line, "value", text(sent.value));
                put(&mut line, "offset", offset);
                put(&mut line, "topic", text(sent.topic));
                put(&mut line, "partition", partition);
            }
            Self::SendError { sent, exception, message } => {
                put(&mut line, "topic", text(sent.topic));
                put(&mut line, "key", or_null(sent.key));
                put(&mut line, "value", text(sent.value));
                put(&mut line, "exception", text(exception));
                put(&mut line, "message", text(message));
            }
            Self::ToolData { sent, acked, target_throughput, avg_throughput } => {
                put(&mut line, "sent", sent);
                put(&mut line, "acked", acked);
                put(&mut line, "target_throughput", target_throughput);
                put(&mut line, "avg_throughput", serde_json::Value::from(*avg_throughput));
            }
            Self::PartitionsAssigned(partitions) | Self::PartitionsRevoked(partitions) => {
                put(&mut line, "partitions", array(partitions.iter().map(|at| place(at) + "}")));
            }
            Self::RecordsConsumed(consumed) => {
                put(&mut line, "count", consumed.iter().map(|of| of.count).sum::<u64>());
                put(&mut line, "partitions", array(consumed.iter().map(summary)));
            }
            Self::RecordData { at, offset, key, value } => {
                let lossy = |bytes: &Option<&[u8]>| or_null(bytes.map(String::from_utf8_lossy).as_deref());
                put(&mut line, "key", lossy(key));
                put(&mut line, "value", lossy(value));
                put(&mut line, "topic", text(&at.topic));
                put(&mut line, "partition", at.partition);
                put(&mut line, "offset", offset);
            }
            Self::OffsetsCommitted { offsets, error } => {
                let commit = |(at, offset): &(TopicPartition, i64)| {
                    let mut object = place(at);
                    put(&mut object, "offset", offset);
                    object + "}"
                };
                put(&mut line, "offsets", array(offsets.iter().map(commit)));
                if let Some(error) = error {
                    put(&mut line, "error", text(error));
                }
                put(&mut line, "success", error.is_none());
            }
        }
        line + "}\n"
    }
}

fn summary(of: &Consumed) -> String {
    let mut object = place(&of.at);
    put(&mut object, "count", of.count);
    put(&mut object, "minOffset", of.min_offset);
    put(&mut object, "maxOffset", of.max_offset);
    object + "}"
}

/// An object that is still open.
fn place(at: &TopicPartition) -> String {
    format!("{{\"topic\":{},\"partition\":{}", text(&at.topic), at.partition)
}

fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn put(object: &mut String, key: &str, value: impl Display) {
    write!(object, ",\"{key}\":{value}").expect("a String takes all text");
}

fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn or_null(value: Option<&str>) -> String {
    value.map_or_else(|| "null".to_owned(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: &Event<'_>) -> String {
        event.line(Duration::from_millis(7))
    }

    #[test]
    fn a_producers_lines_are_kafkas() {
        let sent = Sent { topic: "v", key: Some("1"), value: "7.1" };
        for (event, expected) in [
            (Event::StartupComplete, r#"{"timestamp":7,"name":"startup_complete"}"#),
            (
                Event::SendSuccess { sent, partition: 1, offset: 0 },
                r#"{"timestamp":7,"name":"producer_send_success","key":"1","value":"7.1","offset":0,"topic":"v","partition":1}"#,
            ),
            (
                Event::SendError {
                    sent: Sent { key: None, ..sent },
                    exception: "class C".into(),
                    message: "a \"b\"".into(),
                },
                r#"{"timestamp":7,"name":"producer_send_error","topic":"v","key":null,"value":"7.1","exception":"class C","message":"a \"b\""}"#,
            ),
            (
                Event::ToolData {
                    sent: 3,
                    acked: 3,
                    target_throughput: -1,
                    avg_throughput: 8.152173913043478,
                },
                r#"{"timestamp":7,"name":"tool_data","sent":3,"acked":3,"target_throughput":-1,"avg_throughput":8.152173913043478}"#,
            ),
        ] {
            assert_eq!(line(&event), format!("{expected}\n"));
        }
    }

    #[test]
    fn a_consumers_lines_are_kafkas() {
        let [a, b] = [0, 1].map(|partition| TopicPartition::new("v", partition));
        let both = [a.clone(), b.clone()];
        let consumed = [Consumed { at: b.clone(), count: 1, min_offset: 4, max_offset: 4 }];
        let offsets = [(b.clone(), 5)];
        for (event, expected) in [
            (
                Event::PartitionsAssigned(&both),
                r#"{"timestamp":7,"name":"partitions_assigned","partitions":[{"topic":"v","partition":0},{"topic":"v","partition":1}]}"#,
            ),
            (Event::PartitionsRevoked(&[]), r#"{"timestamp":7,"name":"partitions_revoked","partitions":[]}"#),
            (
                Event::RecordData { at: &a, offset: 2, key: None, value: Some(b"x\xff") },
                "{\"timestamp\":7,\"name\":\"record_data\",\"key\":null,\"value\":\"x\u{fffd}\",\"topic\":\"v\",\"partition\":0,\"offset\":2}",
            ),
            (
                Event::RecordsConsumed(&consumed),
                r#"{"timestamp":7,"name":"records_consumed","count":1,"partitions":[{"topic":"v","partition":1,"count":1,"minOffset":4,"maxOffset":4}]}"#,
            ),
            (
                Event::OffsetsCommitted { offsets: &offsets, error: None },
                r#"{"timestamp":7,"name":"offsets_committed","offsets":[{"topic":"v","partition":1,"offset":5}],"success":true}"#,
            ),
            (
                Event::OffsetsCommitted { offsets: &[], error: Some("no".into()) },
                r#"{"timestamp":7,"name":"offsets_committed","offsets":[],"error":"no","success":false}"#,
            ),
        ] {
            assert_eq!(line(&event), format!("{expected}\n"));
        }
    }
}
