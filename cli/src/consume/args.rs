//! The options of `kconsume`: those of kafka-console-consumer from 0.9 to 4.3, and a few of our own.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::args::CommonArgs;
use crate::error::Failure;
use crate::settings::Settings;

/// Print records.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kconsume",
    display_name = "kinglet",
    version,
    after_help = "Without a group all partitions are read, from their end unless --from-beginning or --offset say otherwise; nobody else notices.\n\
                  In a group only what was written to stdout is committed.\n\n\
                  Examples:\n  kconsume demo --from-beginning -e\n  kconsume --topic demo --partition 0 --offset 100 --max-messages 5\n  \
                  kconsume --topic demo --property print.key=true --property print.timestamp=true\n  kconsume demo --group g --from-beginning\n  kconsume demo -o json | jq .value"
)]
pub struct ConsumeArgs {
    /// The topic, as --topic
    #[arg(value_name = "TOPIC", conflicts_with_all = ["topic", "include"])]
    pub word_topic: Option<String>,
    /// The topic to read
    #[arg(short, long, value_name = "TOPIC", conflicts_with = "include")]
    pub topic: Option<String>,
    /// Read every topic that this regular expression matches when we start
    #[arg(long, visible_alias = "whitelist", value_name = "REGEX")]
    pub include: Option<String>,
    /// Read this partition only
    #[arg(short, long, value_name = "N", allow_negative_numbers = true)]
    pub partition: Option<i32>,
    /// Where to begin: a number (with --partition), earliest or latest
    #[arg(long, value_name = "OFFSET", allow_negative_numbers = true, conflicts_with = "from_beginning")]
    pub offset: Option<String>,
    /// Begin with the first record there is
    #[arg(long)]
    pub from_beginning: bool,
    /// Share the partitions with the other members of this group, and go on where it left off
    #[arg(short, long, value_name = "GROUP")]
    pub group: Option<String>,
    /// read_uncommitted (default) or read_committed
    #[arg(long, value_name = "LEVEL")]
    pub isolation_level: Option<String>,

    /// Stop after so many records
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true, help_heading = "Stopping")]
    pub max_messages: Option<i64>,
    /// Stop when no record came for so long
    #[arg(long, value_name = "MS", allow_negative_numbers = true, help_heading = "Stopping")]
    pub timeout_ms: Option<i64>,
    /// Exit with 5 if it was --timeout-ms that stopped us
    #[arg(long, requires = "timeout_ms", help_heading = "Stopping")]
    pub fail_on_timeout: bool,
    /// Stop at the end the partitions have when we start
    #[arg(short, long, help_heading = "Stopping")]
    pub exit_at_end: bool,

    /// What is printed: print.timestamp, print.partition, print.offset, print.epoch, print.headers, print.key, print.value, key.separator, line.separator, headers.separator, null.literal
    #[arg(
        long,
        visible_alias = "property",
        value_name = "KEY=VALUE",
        allow_hyphen_values = true,
        help_heading = "Printing"
    )]
    pub formatter_property: Vec<String>,
    /// The same out of a properties file
    #[arg(long, value_name = "FILE", help_heading = "Printing")]
    pub formatter_config: Option<PathBuf>,
    /// Kafka's class of this name: DefaultMessageFormatter or NoOpMessageFormatter
    #[arg(long, value_name = "CLASS", hide_short_help = true, help_heading = "Printing")]
    pub formatter: Option<String>,
    /// How keys are printed: Kafka's String, ByteArray, Short, Integer, Long, Float, Double or UUID deserializer
    #[arg(long, value_name = "CLASS", hide_short_help = true, help_heading = "Printing")]
    pub key_deserializer: Option<String>,
    /// The same for values
    #[arg(long, value_name = "CLASS", hide_short_help = true, help_heading = "Printing")]
    pub value_deserializer: Option<String>,
    /// Do not escape control bytes on a terminal
    #[arg(long, help_heading = "Printing")]
    pub raw: bool,

    /// No count at the end
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,

    #[arg(long, hide = true)]
    skip_message_on_error: bool,
    #[arg(long, hide = true)]
    enable_systest_events: bool,
    #[arg(long, hide = true)]
    new_consumer: bool,
    #[arg(long, hide = true)]
    delete_consumer_offsets: bool,
    #[arg(long, hide = true)]
    csv_reporter_enabled: bool,
    #[arg(long, hide = true, value_name = "DIR")]
    metrics_dir: Option<PathBuf>,
    #[arg(long, hide = true, value_name = "REGEX")]
    blacklist: Option<String>,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Which topics are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// One topic.
    Topic(&'a str),
    /// All whose name matches.
    Matching(&'a str),
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The first record there is.
    Earliest,
    /// The next one to come.
    Latest,
    /// This one.
    Offset(i64),
}

impl ConsumeArgs {
    /// Checks of the line that need no server.
    pub fn check(&self) -> Result<(), Failure> {
        self.source()?;
        self.check_group()?;
        if self.blacklist.is_some() {
            return Err(
                Failure::usage("--blacklist is not available").hint("--include takes a regular expression")
            );
        }
        if self.partition.is_some_and(|partition| partition < 0) {
            return Err(Failure::usage("--partition must not be negative"));
        }
        if self.partition.is_some() && self.include.is_some() {
            return Err(Failure::usage("--partition needs one topic")
                .cause("The topic is required when partition is specified."));
        }
        self.start()?;
        Ok(())
    }

    fn check_group(&self) -> Result<(), Failure> {
        let properties = self.common.properties()?;
        let property = properties.value("group.id");
        if let (Some(option), Some(property)) = (self.group.as_deref(), property)
            && option != property
        {
            return Err(Failure::usage(format!("--group {option} and group.id={property} are two groups"))
                .cause("The group ids provided in different places (directly using '--group', via '--consumer-property', or via '--consumer.config') do not match."));
        }
        if self.group.is_some() && self.partition.is_some() {
            return Err(Failure::usage("a member of a group gets its partitions from the group")
                .cause("Options group and partition cannot be specified together.")
                .hint("leave --group or --partition out"));
        }
        Ok(())
    }

    /// What is read.
    pub fn source(&self) -> Result<Source<'_>, Failure> {
        match (self.topic.as_deref().or(self.word_topic.as_deref()), self.include.as_deref()) {
            (Some(topic), _) => Ok(Source::Topic(topic)),
            (None, Some(pattern)) => Ok(Source::Matching(pattern)),
            (None, None) => Err(Failure::usage("no topic is named")
                .cause("Exactly one of --include/--topic is required. ")
                .hint("kconsume --topic NAME --from-beginning")),
        }
    }

    /// Where reading begins. As in Kafka, `auto.offset.reset=earliest` is another way to say `--from-beginning`.
    pub fn start(&self) -> Result<Start, Failure> {
        let reset = self.common.properties()?.value("auto.offset.reset").map(str::to_owned);
        match (self.offset.as_deref(), reset.as_deref()) {
            (Some(offset), _) => self.start_of(offset),
            (None, Some(reset)) if self.from_beginning && reset != "earliest" => {
                Err(Failure::usage("--from-beginning contradicts the consumer property")
                    .cause(format!("Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option"))
                    .hint("leave one of them out"))
            }
            (None, Some("earliest")) => Ok(Start::Earliest),
            (None, _) if self.from_beginning => Ok(Start::Earliest),
            (None, _) => Ok(Start::Latest),
        }
    }

    fn start_of(&self, offset: &str) -> Result<Start, Failure> {
        match offset.to_ascii_lowercase().as_str() {
            "earliest" => Ok(Start::Earliest),
            "latest" => Ok(Start::Latest),
            number => {
                let offset = number.parse().ok().filter(|offset: &i64| *offset >= 0).ok_or_else(|| {
                    Failure::usage(format!("--offset '{offset}' is no offset")).cause(format!(
                        "The provided offset value '{offset}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long."
                    ))
                })?;
                if self.partition.is_none() {
                    return Err(Failure::usage("--offset with a number needs --partition")
                        .cause("The partition is required when offset is specified."));
                }
                Ok(Start::Offset(offset))
            }
        }
    }

    /// How many records are printed at most; a negative number means all, as in Kafka.
    pub fn limit(&self) -> Option<u64> {
        self.max_messages.and_then(|count| u64::try_from(count).ok())
    }

    /// How long to wait for a record; a negative number means for ever, as in Kafka.
    pub fn patience(&self) -> Option<Duration> {
        self.timeout_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis)
    }

    /// Where an offset that is gone continues, unless a file or property says so: where a reader without one would begin.
    pub fn consumer_defaults(&self, start: Start) -> Settings {
        let mut settings = Settings::default();
        settings.set("auto.offset.reset", if start == Start::Earliest { "earliest" } else { "latest" });
        settings
    }

    /// What the flags set of the consumer's configuration. They are stronger than properties.
    pub fn consumer_settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.set_given("isolation.level", self.isolation_level.as_deref());
        settings.set_given("group.id", self.group.as_deref());
        settings.set_given("auto.offset.reset", self.from_beginning.then_some("earliest"));
        settings
    }

    /// What `--formatter-property` and its older spelling say, over what the flags of 0.9 say.
    pub fn formatter_settings(&self) -> Result<Settings, Failure> {
        let mut settings = Settings::default();
        settings.set_given("key.deserializer", self.key_deserializer.as_deref());
        settings.set_given("value.deserializer", self.value_deserializer.as_deref());
        settings.merge(Settings::parse("--formatter-property", &self.formatter_property)?);
        Ok(settings)
    }

    /// True if a record that cannot be printed does not end the run.
    pub fn skips_unprintable(&self) -> bool {
        self.skip_message_on_error
    }

    /// The options that are read for old scripts' sake and do nothing.
    pub fn without_effect(&self) -> Vec<&'static str> {
        let given = [
            (self.enable_systest_events, "--enable-systest-events"),
            (self.delete_consumer_offsets, "--delete-consumer-offsets"),
            (self.csv_reporter_enabled, "--csv-reporter-enabled"),
            (self.metrics_dir.is_some(), "--metrics-dir"),
        ];
        given.into_iter().filter(|(given, _)| *given).map(|(_, option)| option).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Line, read};
    use crate::connect::{ToolSettings, config};
    use crate::error::Exit;

    fn parsed(line: &str) -> ConsumeArgs {
        match read(std::iter::once("kconsume").chain(line.split_whitespace()).map(Into::into)) {
            Line::Run(args) => args,
            other => panic!("{line} gave {other:?}"),
        }
    }

    #[test]
    fn every_option_of_every_version_is_read() {
        for line in [
            "--zookeeper z:2181 --topic t --from-beginning --new-consumer --delete-consumer-offsets",
            "--topic t --csv-reporter-enabled --metrics-dir d --property print.key=true --consumer.config f",
            "--bootstrap-server b:1 --topic t --partition 0 --offset 5 --max-messages -1 --timeout-ms -1",
            "--topic t --offset latest --partition 1 --isolation-level read_committed --skip-message-on-error",
            "--whitelist a.* --formatter kafka.tools.DefaultMessageFormatter --enable-systest-events",
            "--topic t --group g --consumer-property group.id=g",
            "--include a.* --formatter-property print.value=false --formatter-config f --command-property a=b --command-config f",
            "--topic t --key-deserializer LongDeserializer --value-deserializer StringDeserializer --consumer-property a=b",
        ] {
            parsed(line).check().unwrap_or_else(|failure| panic!("{line}: {failure}"));
        }
    }

    #[test]
    fn reading_begins_at_the_end_unless_something_says_otherwise() {
        let start = |line| parsed(line).start().expect("valid");

        assert_eq!(start("t"), Start::Latest);
        assert_eq!(start("t --from-beginning"), Start::Earliest);
        assert_eq!(start("t --consumer-property auto.offset.reset=earliest"), Start::Earliest);
        assert_eq!(start("t --partition 0 --offset 7"), Start::Offset(7));
        assert_eq!(start("t --partition 0 --offset EARLIEST"), Start::Earliest);
    }

    #[test]
    fn what_a_property_says_of_offsets_that_are_gone_holds_unless_a_flag_says_otherwise() {
        let reset = |line: &str| {
            let args = parsed(line);
            let defaults = args.consumer_defaults(args.start().expect("valid"));
            let tool = ToolSettings { defaults, flags: args.consumer_settings() };
            let config = config(&args.common, &tool, &mut |_| {}).expect("valid");
            config.get("auto.offset.reset").map(str::to_owned)
        };

        for value in ["none", "earliest", "latest", "by_duration:PT1H"] {
            let line = format!("t --partition 0 --offset 7 -X auto.offset.reset={value}");
            assert_eq!(reset(&line).as_deref(), Some(value));
        }
        assert_eq!(reset("t -g g -X auto.offset.reset=none").as_deref(), Some("none"));
        assert_eq!(reset("t -g g --from-beginning").as_deref(), Some("earliest"));
        assert_eq!(reset("t --partition 0 --offset 7").as_deref(), Some("latest"));
    }

    #[test]
    fn lines_that_contradict_themselves_are_usage_errors() {
        for line in [
            "",
            "t --group g --consumer-property group.id=h",
            "t --group g --partition 0",
            "t --offset 5",
            "t --partition 0 --offset -5",
            "t --partition 0 --offset x",
            "t --partition -1",
            "--include a.* --partition 0",
            "t --from-beginning --consumer-property auto.offset.reset=latest",
            "--blacklist a --topic t",
        ] {
            assert_eq!(parsed(line).check().expect_err("contradiction").exit(), Exit::Usage, "{line}");
        }
    }

    #[test]
    fn negative_limits_mean_none() {
        let args = parsed("t --max-messages -1 --timeout-ms -1");

        assert_eq!((args.limit(), args.patience()), (None, None));
        assert_eq!(parsed("t -n 0 --timeout-ms 5").limit(), Some(0));
    }

    #[test]
    fn a_formatter_property_beats_the_deserializer_flag() {
        let settings = parsed("t --value-deserializer a --property value.deserializer=b")
            .formatter_settings()
            .expect("pairs");

        assert_eq!(settings.value("value.deserializer"), Some("b"));
    }
}
