//! The options of `kproduce`: those of kafka-console-producer from 0.9 to 4.3, and a few of our own.

use std::path::PathBuf;

use clap::Parser;

use crate::args::CommonArgs;
use crate::error::Failure;
use crate::settings::Settings;

/// Send every line of stdin as a record.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kproduce",
    display_name = "kinglet",
    version,
    after_help = "Lines end with \\n, which is not sent; every other byte is sent as it is, \\r too. The last line needs no \\n.\n\
                  A topic that does not exist is refused, unlike with Kafka's tool; --create makes it.\n\n\
                  Examples:\n  echo hello | kproduce demo\n  kproduce --topic demo --property parse.key=true --property key.separator=: < lines\n  \
                  zcat big.gz | kproduce -b b1:9092 --topic demo --compression-codec zstd"
)]
pub struct ProduceArgs {
    /// The topic, as --topic
    #[arg(value_name = "TOPIC", conflicts_with = "topic")]
    pub word_topic: Option<String>,
    /// The topic to send to
    #[arg(short, long, value_name = "TOPIC")]
    pub topic: Option<String>,
    /// Create the topic if it does not exist, with so many partitions and replicas (the broker's defaults if not given)
    #[arg(long, value_name = "P[:R]", num_args = 0..=1, default_missing_value = "", require_equals = false)]
    pub create: Option<String>,

    /// Wait for each record's acknowledgement before the next is read
    #[arg(long, help_heading = "Sending")]
    pub sync: bool,
    /// none, gzip, snappy, lz4 or zstd; gzip if no name follows
    #[arg(long, value_name = "CODEC", num_args = 0..=1, default_missing_value = "gzip", help_heading = "Sending")]
    pub compression_codec: Option<String>,
    /// 0, 1 or all (-1), which is the default
    #[arg(
        long,
        visible_alias = "acks",
        value_name = "ACKS",
        allow_negative_numbers = true,
        help_heading = "Sending"
    )]
    pub request_required_acks: Option<String>,
    /// Largest batch in bytes
    #[arg(long, value_name = "BYTES", help_heading = "Sending")]
    pub batch_size: Option<u32>,
    /// How long a record may wait for others to go with it (linger.ms)
    #[arg(long, value_name = "MS", help_heading = "Sending")]
    pub timeout: Option<u64>,
    /// As --batch-size, which wins
    #[arg(long, value_name = "BYTES", hide = true)]
    pub max_partition_memory_bytes: Option<u32>,
    /// How long a request may take (request.timeout.ms)
    #[arg(long, value_name = "MS", hide_short_help = true, help_heading = "Sending")]
    pub request_timeout_ms: Option<u64>,
    /// How often a request is tried again (retries)
    #[arg(long, value_name = "N", hide_short_help = true, help_heading = "Sending")]
    pub message_send_max_retries: Option<u32>,
    /// Pause before it is (retry.backoff.ms)
    #[arg(long, value_name = "MS", hide_short_help = true, help_heading = "Sending")]
    pub retry_backoff_ms: Option<u64>,
    /// How long to wait for metadata and memory (max.block.ms)
    #[arg(long, value_name = "MS", hide_short_help = true, help_heading = "Sending")]
    pub max_block_ms: Option<u64>,
    /// Memory for what is not sent yet (buffer.memory)
    #[arg(long, value_name = "BYTES", hide_short_help = true, help_heading = "Sending")]
    pub max_memory_bytes: Option<u64>,
    /// Age at which metadata is asked for again (metadata.max.age.ms)
    #[arg(long, value_name = "MS", hide_short_help = true, help_heading = "Sending")]
    pub metadata_expiry_ms: Option<u64>,
    /// Size of the TCP send buffer (send.buffer.bytes)
    #[arg(
        long,
        value_name = "BYTES",
        hide_short_help = true,
        help_heading = "Sending",
        allow_negative_numbers = true
    )]
    pub socket_buffer_size: Option<i64>,

    /// How lines are read: parse.key, key.separator, parse.headers, headers.delimiter, headers.separator, headers.key.separator, null.marker, ignore.error
    #[arg(
        long,
        visible_alias = "property",
        value_name = "KEY=VALUE",
        allow_hyphen_values = true,
        help_heading = "Reading"
    )]
    pub reader_property: Vec<String>,
    /// The same out of a properties file
    #[arg(long, value_name = "FILE", help_heading = "Reading")]
    pub reader_config: Option<PathBuf>,
    /// Kafka's class of this name; only LineMessageReader
    #[arg(long, value_name = "CLASS", hide_short_help = true, help_heading = "Reading")]
    pub line_reader: Option<String>,

    /// No prompt, no progress, no summary
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,

    #[arg(long, hide = true, value_name = "N")]
    queue_size: Option<String>,
    #[arg(long, hide = true, value_name = "MS", allow_negative_numbers = true)]
    queue_enqueuetimeout_ms: Option<String>,
    #[arg(long, hide = true, value_name = "CLASS")]
    key_serializer: Option<String>,
    #[arg(long, hide = true, value_name = "CLASS")]
    value_serializer: Option<String>,
    #[arg(long, hide = true)]
    old_producer: bool,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What `--create` asks for; -1 leaves it to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewTopicShape {
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas of each.
    pub replication_factor: i16,
}

impl ProduceArgs {
    /// The topic by option or by word.
    pub fn required_topic(&self) -> Result<&str, Failure> {
        let topic = self.topic.as_deref().or(self.word_topic.as_deref());
        topic.ok_or_else(|| Failure::usage("no topic is named").hint("kproduce --topic NAME"))
    }

    /// Checks of the line that need no server.
    pub fn check(&self) -> Result<(), Failure> {
        self.required_topic()?;
        self.new_topic()?;
        match &self.line_reader {
            Some(class) if !class.ends_with("LineMessageReader") => {
                Err(Failure::usage(format!("--line-reader {class} is a Java class"))
                    .hint("without it lines are read as by LineMessageReader"))
            }
            _ => Ok(()),
        }
    }

    /// What `--create` asks for.
    pub fn new_topic(&self) -> Result<Option<NewTopicShape>, Failure> {
        let Some(text) = &self.create else { return Ok(None) };
        let wrong =
            || Failure::usage(format!("--create '{text}' is not P or P:R")).hint("for example --create 3:1");
        let (partitions, replicas) = text.split_once(':').unwrap_or((text, ""));
        let partitions = if partitions.is_empty() { -1 } else { partitions.parse().map_err(|_| wrong())? };
        let replication_factor =
            if replicas.is_empty() { -1 } else { replicas.parse().map_err(|_| wrong())? };
        if partitions == 0 || replication_factor == 0 {
            return Err(wrong());
        }
        Ok(Some(NewTopicShape { partitions, replication_factor }))
    }

    /// What the flags set of the producer's configuration. They are stronger than properties.
    pub fn producer_settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.set_given("batch.size", self.batch_size.or(self.max_partition_memory_bytes));
        settings.set_given("compression.type", self.compression_codec.as_deref());
        settings.set_given("acks", self.request_required_acks.as_deref());
        settings.set_given("linger.ms", self.timeout);
        settings.set_given("request.timeout.ms", self.request_timeout_ms);
        settings.set_given("retries", self.message_send_max_retries);
        settings.set_given("retry.backoff.ms", self.retry_backoff_ms);
        settings.set_given("max.block.ms", self.max_block_ms);
        settings.set_given("buffer.memory", self.max_memory_bytes);
        settings.set_given("metadata.max.age.ms", self.metadata_expiry_ms);
        settings.set_given("send.buffer.bytes", self.socket_buffer_size);
        settings
    }

    /// The options that are read for old scripts' sake and do nothing.
    pub fn without_effect(&self) -> Vec<&'static str> {
        let given = [
            (self.queue_size.is_some(), "--queue-size"),
            (self.queue_enqueuetimeout_ms.is_some(), "--queue-enqueuetimeout-ms"),
            (self.key_serializer.is_some(), "--key-serializer"),
            (self.value_serializer.is_some(), "--value-serializer"),
            (self.old_producer, "--old-producer"),
        ];
        given.into_iter().filter(|(given, _)| *given).map(|(_, option)| option).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Line, read};

    fn parsed(line: &str) -> ProduceArgs {
        match read(std::iter::once("kproduce").chain(line.split_whitespace()).map(Into::into)) {
            Line::Run(args) => args,
            other => panic!("{line} gave {other:?}"),
        }
    }

    #[test]
    fn every_option_of_every_version_is_read() {
        for line in [
            "--broker-list b:1 --topic t --sync --compression-codec --batch-size 200 --timeout 1000 --request-required-acks -1",
            "--topic t --queue-size 10000 --queue-enqueuetimeout-ms -1 --key-serializer k --value-serializer v --old-producer",
            "--topic t --request-timeout-ms 1500 --message-send-max-retries 3 --retry-backoff-ms 100 --max-block-ms 60000",
            "--topic t --max-memory-bytes 33554432 --metadata-expiry-ms 300000 --socket-buffer-size 102400 --max-partition-memory-bytes 16384",
            "--topic t --line-reader kafka.tools.ConsoleProducer$LineMessageReader --property parse.key=true --reader-config f",
            "--topic t --reader-property parse.key=true --producer-property a=b --producer.config f",
            "--topic t --command-property a=b --command-config f --bootstrap-server b:1",
        ] {
            parsed(line).check().unwrap_or_else(|failure| panic!("{line}: {failure}"));
        }
    }

    #[test]
    fn flags_become_producer_settings() {
        let settings = parsed("--topic t --compression-codec --timeout 7 --request-required-acks -1 --max-partition-memory-bytes 5").producer_settings();

        assert_eq!(
            settings.iter().collect::<Vec<_>>(),
            [("batch.size", "5"), ("compression.type", "gzip"), ("acks", "-1"), ("linger.ms", "7")]
        );
        assert_eq!(
            parsed("--topic t --compression-codec zstd").producer_settings().value("compression.type"),
            Some("zstd")
        );
    }

    #[test]
    fn create_takes_counts_or_leaves_them_to_the_broker() {
        let shape = |line| parsed(line).new_topic().expect("valid");

        assert_eq!(shape("t"), None);
        assert_eq!(shape("t --create"), Some(NewTopicShape { partitions: -1, replication_factor: -1 }));
        assert_eq!(shape("t --create 3"), Some(NewTopicShape { partitions: 3, replication_factor: -1 }));
        assert_eq!(shape("t --create 3:2"), Some(NewTopicShape { partitions: 3, replication_factor: 2 }));
        assert!(parsed("t --create x").check().is_err());
        assert!(parsed("t --create 0").check().is_err());
    }

    #[test]
    fn a_java_class_cannot_read_lines() {
        assert!(parsed("t --line-reader com.example.Reader").check().is_err());
    }

    #[test]
    fn a_topic_is_needed() {
        assert_eq!(parsed("-b h:1").check().expect_err("no topic").exit(), crate::error::Exit::Usage);
        assert_eq!(parsed("demo").required_topic().expect("by word"), "demo");
    }
}
