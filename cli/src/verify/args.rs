//! The options of `kverify`: those of kafka-verifiable-producer and kafka-verifiable-consumer from 0.9 to 4.3.

use clap::{Parser, Subcommand};

use crate::args::CommonArgs;
use crate::connect::ToolSettings;
use crate::error::{Failure, Manner};
use crate::perf::throttle::Throttle;

/// Say as JSON lines what was sent and acknowledged, or read and committed.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kverify",
    display_name = "kinglet",
    version,
    arg_required_else_help = false,
    disable_help_subcommand = true,
    after_help = "kverify produce --help and kverify consume --help show the options.\n\n\
                  Examples:\n  kverify produce -b b1:9092 --topic demo --max-messages 1000\n  \
                  kverify consume -b b1:9092 --topic demo --group-id g --verbose"
)]
pub struct VerifyArgs {
    /// What is done.
    #[command(subcommand)]
    pub action: Action,
}

/// What is done.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Send ascending numbers; a line for each that is acknowledged, and for each that is not
    Produce(ProduceArgs),
    /// Read as a member of a group; lines for its partitions, what came, and what was committed
    Consume(ConsumeArgs),
}

/// The options of `kverify produce`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Nothing is sent again (retries=0) unless a property or a file says otherwise. The exit code is 1 if a record was not\n\
                        delivered, with --compat 0 as Kafka's. Ctrl-C ends when all that was sent is settled.\n\n\
                        Examples:\n  kverify produce --topic demo --max-messages 1000 --acks 1\n  \
                        kverify produce --topic demo --throughput 100 --repeating-keys 10 --value-prefix 3"
)]
pub struct ProduceArgs {
    /// The topic to send to
    #[arg(short, long, value_name = "TOPIC")]
    pub topic: String,
    /// How many records; -1 until it is stopped
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true)]
    pub max_messages: i64,
    /// Records a second, spread evenly; -1 as fast as possible
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true)]
    pub throughput: i64,
    /// Who has a record before it is acknowledged: 0 nobody, 1 the leader, -1 all replicas in sync
    #[arg(long, value_name = "ACKS", allow_negative_numbers = true, value_parser = ["0", "1", "-1"])]
    pub acks: Option<String>,
    /// This number and a dot before each value
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub value_prefix: Option<i32>,
    /// Keys from 0 up to this number, itself excluded, over and over
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub repeating_keys: Option<u32>,
    /// The first record's time in ms since 1970; later ones are as much later as they are sent later
    #[arg(long, value_name = "MS", default_value_t = -1, allow_negative_numbers = true)]
    pub message_create_time: i64,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// The options of `kverify consume`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    // The word belongs to the records here; -v still says more on stderr.
    mut_arg("verbose", |option| option.long(None)),
    after_help = "Offsets are committed after each group of records, which a line tells, unless --enable-autocommit. Ctrl-C commits and\n\
                  leaves the group.\n\n\
                  Examples:\n  kverify consume --topic demo --group-id g --max-messages 1000\n  \
                  kverify consume --topic demo --group-id g --verbose --assignment-strategy cooperative-sticky"
)]
pub struct ConsumeArgs {
    /// The topic to read
    #[arg(short, long, value_name = "TOPIC")]
    pub topic: String,
    /// The group to be a member of
    #[arg(long, value_name = "GROUP")]
    pub group_id: String,
    /// A static member (KIP-345)
    #[arg(long, value_name = "ID")]
    pub group_instance_id: Option<String>,
    /// classic, the only protocol there is here
    #[arg(long, value_name = "PROTOCOL", default_value = "classic")]
    pub group_protocol: String,
    /// How many records; -1 until it is stopped
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true)]
    pub max_messages: i64,
    /// A member that was silent for so long is dead
    #[arg(long, value_name = "MS")]
    pub session_timeout: Option<u32>,
    /// A line for each record, too
    #[arg(long = "verbose", id = "records")]
    pub records: bool,
    /// Let the consumer commit by itself, now and then
    #[arg(long)]
    pub enable_autocommit: bool,
    /// Where to begin without a committed offset: earliest (default), latest, or none, which is an error
    #[arg(long, value_name = "POLICY", value_parser = ["earliest", "latest", "none"])]
    pub reset_policy: Option<String>,
    /// How partitions are shared: range (default), roundrobin, sticky, cooperative-sticky, or Java's class
    #[arg(long, value_name = "CLASS")]
    pub assignment_strategy: Option<String>,
    #[arg(long, hide = true, value_name = "ASSIGNOR")]
    group_remote_assignor: Option<String>,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The topic of all records.
    pub topic: String,
    /// How many there are; `None` without end.
    pub records: Option<u64>,
    /// How fast.
    pub throttle: Throttle,
    /// Before each value.
    pub prefix: Option<i32>,
    /// How many keys there are.
    pub keys: Option<u32>,
    /// The first record's time, in ms since 1970.
    pub create_time: Option<i64>,
}

impl VerifyArgs {
    /// The flags that every tool has.
    pub fn common(&self) -> &CommonArgs {
        match &self.action {
            Action::Produce(args) => &args.common,
            Action::Consume(args) => &args.common,
        }
    }
}

impl ProduceArgs {
    /// What the line asks for, if it can be done.
    pub fn load(&self) -> Result<Load, Failure> {
        let throttle = Throttle::new(self.throughput as f64).ok_or_else(|| {
            Failure::usage("--throughput 0 would never send anything").hint("-1 sends as fast as possible")
        })?;
        Ok(Load {
            topic: self.topic.clone(),
            records: u64::try_from(self.max_messages).ok(),
            throttle,
            prefix: self.value_prefix,
            keys: self.repeating_keys,
            create_time: (self.message_create_time != -1).then_some(self.message_create_time),
        })
    }

    /// Of the producer's configuration.
    pub fn tool_settings(&self) -> ToolSettings {
        let mut tool = ToolSettings::default();
        tool.defaults.set("acks", "-1");
        tool.defaults.set("retries", 0);
        tool.flags.set_given("acks", self.acks.as_deref());
        with_defaults(tool, &self.common)
    }
}

impl Load {
    /// Key and value of a record, counted from 0.
    pub fn record(&self, number: u64) -> (Option<String>, String) {
        let key = self.keys.map(|keys| (number % u64::from(keys)).to_string());
        let value = match self.prefix {
            Some(prefix) => format!("{prefix}.{number}"),
            None => number.to_string(),
        };
        (key, value)
    }
}

impl ConsumeArgs {
    /// Checks of the line that need no server.
    pub fn check(&self) -> Result<(), Failure> {
        let protocol = &self.group_protocol;
        if protocol.eq_ignore_ascii_case("classic") {
            return Ok(());
        }
        let failure = if protocol.eq_ignore_ascii_case("consumer") {
            Failure::usage("--group-protocol consumer is not supported yet")
        } else {
            Failure::usage(format!("--group-protocol '{protocol}' is no group protocol"))
        };
        Err(failure.hint("--group-protocol classic, or leave it out"))
    }

    /// How many records are read at most.
    pub fn limit(&self) -> Option<u64> {
        u64::try_from(self.max_messages).ok()
    }

    /// Of the consumer's configuration.
    pub fn tool_settings(&self) -> ToolSettings {
        let mut tool = ToolSettings::default();
        tool.defaults.set("auto.offset.reset", "earliest");
        tool.defaults.set("partition.assignment.strategy", "range");
        let flags = &mut tool.flags;
        flags.set("group.id", &self.group_id);
        // The lines tell of commits, so who commits is not the file's to say.
        flags.set("enable.auto.commit", self.enable_autocommit);
        flags.set_given("group.instance.id", self.group_instance_id.as_deref());
        flags.set_given("session.timeout.ms", self.session_timeout);
        flags.set_given("auto.offset.reset", self.reset_policy.as_deref());
        flags.set_given("partition.assignment.strategy", self.assignment_strategy.as_deref());
        with_defaults(tool, &self.common)
    }
}

fn with_defaults(mut tool: ToolSettings, common: &CommonArgs) -> ToolSettings {
    tool.defaults.set("default.api.timeout.ms", 10_000);
    // A mistyped topic name must not become a topic, unless Kafka's manner is asked for.
    tool.defaults.set("allow.auto.create.topics", common.manner() == Manner::Kafka);
    tool
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Line, read};
    use crate::error::{ErrorStyle, Exit};

    fn line(line: &str) -> Line<VerifyArgs> {
        read(std::iter::once("kverify").chain(line.split_whitespace()).map(Into::into))
    }

    fn produce(text: &str) -> ProduceArgs {
        match line(&format!("produce {text}")) {
            Line::Run(VerifyArgs { action: Action::Produce(args) }) => args,
            other => panic!("{text} gave {other:?}"),
        }
    }

    fn consume(text: &str) -> ConsumeArgs {
        match line(&format!("consume {text}")) {
            Line::Run(VerifyArgs { action: Action::Consume(args) }) => args,
            other => panic!("{text} gave {other:?}"),
        }
    }

    #[test]
    fn every_option_of_every_version_is_read() {
        for text in [
            "--topic t --broker-list b:1 --max-messages 5 --throughput 10 --acks -1 --value-prefix 3 --producer.config f",
            "--topic t --bootstrap-server b:1 --message-create-time 5 --repeating-keys 2 --acks 0 --command-config f",
        ] {
            produce(text).load().unwrap_or_else(|failure| panic!("{text}: {failure}"));
        }
        for text in [
            "--topic t --group-id g --broker-list b:1 --max-messages -1 --session-timeout 5 --verbose --enable-autocommit",
            "--topic t --group-id g --reset-policy none --assignment-strategy org.apache.kafka.clients.consumer.RangeAssignor",
            "--topic t --group-id g --group-instance-id i --group-protocol CLASSIC --group-remote-assignor u --consumer.config f",
        ] {
            consume(text).check().unwrap_or_else(|failure| panic!("{text}: {failure}"));
        }
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for text in [
            "produce --topic t --acks 5",
            "produce --max-messages 1",
            "produce --topic t --repeating-keys 0",
            "consume --topic t",
            "consume --topic t --group-id g --reset-policy never",
        ] {
            assert!(matches!(line(text), Line::Wrong(..)), "{text}");
        }
        assert_eq!(produce("-t t --throughput 0").load().expect_err("never").exit(), Exit::Usage);
        let failure = consume("-t t --group-id g --group-protocol consumer").check().expect_err("not yet");
        assert_eq!(failure.exit(), Exit::Usage);
        assert!(failure.render(ErrorStyle::Text).contains("not supported yet"));
    }

    #[test]
    fn records_are_numbers_with_keys_in_turn() {
        let load = produce("-t t --value-prefix 7 --repeating-keys 2").load().expect("valid");
        let records: Vec<_> = (0..3).map(|number| load.record(number)).collect();
        let expected = [("0", "7.0"), ("1", "7.1"), ("0", "7.2")];
        assert_eq!(records, expected.map(|(key, value)| (Some(key.to_owned()), value.to_owned())));
        assert_eq!(produce("-t t").load().expect("valid").record(5), (None, "5".to_owned()));
    }
}
