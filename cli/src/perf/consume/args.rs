//! The options of `kperf consume`: those of kafka-consumer-perf-test from 0.9 to 4.3.

use std::time::Duration;

use crate::args::CommonArgs;
use crate::connect::ToolSettings;
use crate::consume::args::Source;
use crate::dates::DateFormat;
use crate::error::{Failure, Manner};
use crate::perf::consume::report::Rows;
use crate::settings::Settings;

/// The options of `kperf consume`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "The time counts from before the connection is made, as in Kafka's tool; how much of it went by until the group had\n\
                        given this member partitions is told beside it. Without --group a group of its own is joined, which leaves nothing behind.\n\n\
                        Examples:\n  kperf consume --topic demo --num-records 1000000\n  \
                        kperf consume -b b1:9092 --topic demo --num-records 5000000 --show-detailed-stats --reporting-interval 1000\n  \
                        kperf consume --topic demo --num-records 1000 --group g --timeout 60000 -o json"
)]
pub struct ConsumeArgs {
    /// The topic to read from
    #[arg(
        short,
        long,
        value_name = "TOPIC",
        required_unless_present = "include",
        conflicts_with = "include"
    )]
    pub topic: Option<String>,
    /// Read every topic whose whole name this regular expression matches
    #[arg(long, value_name = "REGEX")]
    pub include: Option<String>,
    /// How many records
    #[arg(short, long, alias = "messages", value_name = "N")]
    pub num_records: u64,
    /// The group to join, and to go on where it left off
    #[arg(short, long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Where the group has no offset, begin with what comes next, not with the first record there is
    #[arg(long)]
    pub from_latest: bool,
    /// The largest share of a partition in one answer; without it 1 MiB to 8 MiB by the number of partitions
    #[arg(long, value_name = "BYTES")]
    pub fetch_size: Option<u32>,

    /// Stop when no record came for so long
    #[arg(
        long,
        value_name = "MS",
        num_args = 0..=1,
        default_value_t = 10_000,
        default_missing_value = "10000",
        help_heading = "Stopping"
    )]
    pub timeout: u64,
    /// Exit with 5 if it was --timeout that stopped us
    #[arg(long, help_heading = "Stopping")]
    pub fail_on_timeout: bool,

    /// A row for each interval, and none at the end
    #[arg(long, help_heading = "Output")]
    pub show_detailed_stats: bool,
    /// Milliseconds of an interval
    #[arg(long, value_name = "MS", default_value_t = 5000, help_heading = "Output")]
    pub reporting_interval: u64,
    /// No line that names the columns
    #[arg(long, help_heading = "Output")]
    pub hide_header: bool,
    /// How times are printed, as Java's SimpleDateFormat takes it
    #[arg(long, value_name = "PATTERN", default_value = "yyyy-MM-dd HH:mm:ss:SSS", help_heading = "Output")]
    pub date_format: String,
    /// Print what is measured of the consumer at the end
    #[arg(long, help_heading = "Output")]
    pub print_metrics: bool,

    #[arg(long, hide = true, value_name = "BYTES")]
    socket_buffer_size: Option<String>,
    #[arg(long, hide = true, value_name = "N")]
    threads: Option<String>,
    #[arg(long, hide = true, value_name = "N")]
    num_fetch_threads: Option<String>,
    #[arg(long, hide = true)]
    new_consumer: bool,
    #[arg(long, hide = true, value_name = "BYTES")]
    message_size: Option<String>,
    #[arg(long, hide = true, value_name = "N")]
    batch_size: Option<String>,
    #[arg(long, hide = true, value_name = "CODEC")]
    compression_codec: Option<String>,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What is to be read, and what is told of it.
#[derive(Clone, Debug)]
pub struct Load {
    /// How many records.
    pub records: u64,
    /// How long to wait for one.
    pub timeout: Duration,
    /// How often progress is told, if it is.
    pub interval: Duration,
    /// Which rows there are.
    pub rows: Rows,
    /// How times are printed.
    pub dates: DateFormat,
}

impl ConsumeArgs {
    /// What the line asks for, if it can be done.
    pub fn load(&self) -> Result<Load, Failure> {
        if self.num_records == 0 {
            return Err(Failure::usage("--num-records 0 measures nothing"));
        }
        if self.reporting_interval == 0 {
            return Err(Failure::usage("--reporting-interval must be at least 1")
                .cause("Reporting interval must be greater than 0."));
        }
        Ok(Load {
            records: self.num_records,
            timeout: Duration::from_millis(self.timeout),
            interval: Duration::from_millis(self.reporting_interval),
            rows: if self.show_detailed_stats { Rows::Intervals } else { Rows::Total },
            dates: DateFormat::local(&self.date_format)?,
        })
    }

    /// What is read.
    pub fn source(&self) -> Source<'_> {
        match &self.include {
            Some(pattern) => Source::Matching(pattern),
            None => Source::Topic(self.topic.as_deref().unwrap_or_default()),
        }
    }

    /// Of the consumer's configuration: Kafka's tool does not verify checksums either.
    pub fn tool_settings(&self) -> ToolSettings {
        let mut tool = ToolSettings::default();
        tool.defaults.set("client.id", "perf-consumer-client");
        tool.defaults.set("default.api.timeout.ms", 10_000);
        tool.defaults.set("check.crcs", false);
        tool.defaults.set("auto.offset.reset", "earliest");
        // A mistyped topic name must not become a topic, unless Kafka's manner is asked for.
        tool.defaults.set("allow.auto.create.topics", self.common.manner() == Manner::Kafka);
        self.set_flags(&mut tool.flags);
        tool
    }

    fn set_flags(&self, flags: &mut Settings) {
        flags.set_given("group.id", self.group.as_deref());
        flags.set_given("max.partition.fetch.bytes", self.fetch_size);
        flags.set_given("auto.offset.reset", self.from_latest.then_some("latest"));
    }

    /// The options that are read for old scripts' sake and do nothing.
    pub fn without_effect(&self) -> Vec<&'static str> {
        let given = [
            (self.socket_buffer_size.is_some(), "--socket-buffer-size"),
            (self.threads.is_some(), "--threads"),
            (self.num_fetch_threads.is_some(), "--num-fetch-threads"),
            (self.message_size.is_some(), "--message-size"),
            (self.batch_size.is_some(), "--batch-size"),
            (self.compression_codec.is_some(), "--compression-codec"),
        ];
        given.into_iter().filter(|(given, _)| *given).map(|(_, option)| option).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Line, read};
    use crate::error::Exit;
    use crate::perf::args::{Action, PerfArgs};

    fn line(line: &str) -> Line<PerfArgs> {
        read(["kperf", "consume"].into_iter().chain(line.split_whitespace()).map(Into::into))
    }

    fn parsed(text: &str) -> ConsumeArgs {
        match line(text) {
            Line::Run(PerfArgs { action: Action::Consume(args) }) => args,
            other => panic!("{text} gave {other:?}"),
        }
    }

    #[test]
    fn every_option_of_every_version_is_read() {
        for text in [
            "--broker-list b:1 --topic t --messages 9 --threads 3 --num-fetch-threads 2 --new-consumer",
            "--zookeeper z:1 --topic t --messages 9 --message-size 1 --batch-size 2 --compression-codec 1 --hide-header",
            "--bootstrap-server b:1 --include a.* --num-records 9 --group g --fetch-size 7 --from-latest --timeout 5",
            "--topic t --num-records 9 --timeout --socket-buffer-size 5 --show-detailed-stats --reporting-interval 1",
            "--topic t --num-records 9 --date-format HH --print-metrics --consumer.config f --command-property a=b",
            "--topic t --num-records 9 --command-config f",
        ] {
            parsed(text).load().unwrap_or_else(|failure| panic!("{text}: {failure}"));
        }
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        for text in ["-t t -n 0", "-t t -n 9 --reporting-interval 0", "-t t -n 9 --date-format b"] {
            assert_eq!(parsed(text).load().expect_err("it is wrong").exit(), Exit::Usage, "{text}");
        }
        for text in ["-n 9", "-t t", "-t t --include a -n 9", "-t t -n -1", "-t t -n 9 --timeout -1"] {
            assert!(matches!(line(text), Line::Wrong(..)), "{text}");
        }
    }

    #[test]
    fn flags_are_stronger_than_properties_and_those_than_what_the_tool_sets() {
        let tool = parsed("-t t -n 9 --group g --from-latest").tool_settings();
        assert_eq!(
            (tool.flags.value("group.id"), tool.flags.value("auto.offset.reset")),
            (Some("g"), Some("latest"))
        );
        let tool = parsed("-t t -n 9").tool_settings();
        assert_eq!(tool.flags.iter().count(), 0);
        assert_eq!(tool.defaults.value("auto.offset.reset"), Some("earliest"));
    }
}
