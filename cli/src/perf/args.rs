//! The options of `kperf`: those of kafka-producer-perf-test from 0.9 to 4.3. Those of `kperf consume` are its own.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use super::consume::args::ConsumeArgs;
use super::throttle::Throttle;
use crate::args::CommonArgs;
use crate::connect::read_file;
use crate::error::Failure;
use crate::settings::Settings;

/// Measure what a cluster can bear.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kperf",
    display_name = "kinglet",
    version,
    arg_required_else_help = false,
    disable_help_subcommand = true,
    after_help = "kperf produce --help and kperf consume --help show the options.\n\n\
                  Examples:\n  kperf produce --bootstrap-server b1:9092 --topic demo --num-records 1000000 --record-size 100\n  \
                  kperf consume --bootstrap-server b1:9092 --topic demo --num-records 1000000"
)]
pub struct PerfArgs {
    /// What is measured.
    #[command(subcommand)]
    pub action: Action,
}

/// What is measured.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Send records and measure the rate, and the time from sending to acknowledgement
    Produce(ProduceArgs),
    /// Read records and measure the rate, and the time until the group is joined
    Consume(ConsumeArgs),
}

/// The options of `kperf produce`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    // Kafka's tool takes several words after one option, which no other tool does.
    mut_arg("command_property", |option| option.alias("producer-props").num_args(1..).allow_hyphen_values(false)),
    after_help = "The time before the topic is known is not measured. A record's latency begins when it is handed to the producer, and so\n\
                  includes the wait for memory.\n\n\
                  Examples:\n  kperf produce --topic demo --num-records 1000000 --record-size 100\n  \
                  kperf produce --topic demo --num-records 60000 --record-size 1000 --throughput 1000 --command-property acks=1 linger.ms=10\n  \
                  kperf produce -b b1:9092 --topic demo --num-records 100000 --payload-file lines.txt --warmup-records 10000 -o json"
)]
pub struct ProduceArgs {
    /// The topic to send to
    #[arg(short, long, value_name = "TOPIC")]
    pub topic: String,
    /// How many records
    #[arg(short, long, value_name = "N")]
    pub num_records: u64,
    /// Records a second, spread evenly; -1 as fast as possible
    #[arg(long, value_name = "N", default_value_t = -1.0, allow_negative_numbers = true)]
    pub throughput: f64,
    /// So many of them first, to be left out of a second summary
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub warmup_records: u64,

    /// Random letters, so many bytes a record
    #[arg(long, value_name = "BYTES", group = "payload", help_heading = "Payload")]
    pub record_size: Option<usize>,
    /// Pieces of a file, in random order
    #[arg(long, value_name = "FILE", group = "payload", help_heading = "Payload")]
    pub payload_file: Option<PathBuf>,
    /// What stands between the pieces: a text, with \n, \r, \t and \\
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "\\n",
        allow_hyphen_values = true,
        help_heading = "Payload"
    )]
    pub payload_delimiter: String,
    /// The record's number
    #[arg(long, group = "payload", help_heading = "Payload")]
    pub payload_monotonic: bool,

    /// Milliseconds between two lines of progress
    #[arg(long, value_name = "MS", default_value_t = 5000, help_heading = "Output")]
    pub reporting_interval: u64,
    /// Print the producer's counts at the end
    #[arg(long, help_heading = "Output")]
    pub print_metrics: bool,

    #[arg(long, hide = true, value_name = "ID", alias = "transaction-id")]
    transactional_id: Option<String>,
    #[arg(long, hide = true, value_name = "MS")]
    transaction_duration_ms: Option<String>,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What is to be sent, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The topic of all records.
    pub topic: String,
    /// How many there are.
    pub records: u64,
    /// How many of them, from the first on, only warm up.
    pub warmup: u64,
    /// How fast.
    pub throttle: Throttle,
    /// How often progress is told.
    pub interval: Duration,
}

impl PerfArgs {
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
        if self.num_records == 0 {
            return Err(Failure::usage("--num-records 0 measures nothing"));
        }
        if self.warmup_records >= self.num_records {
            return Err(Failure::usage("--warmup-records must be fewer than --num-records"));
        }
        if self.reporting_interval == 0 {
            return Err(Failure::usage("--reporting-interval must be at least 1"));
        }
        let throttle = Throttle::new(self.throughput).ok_or_else(|| {
            Failure::usage(format!("--throughput {} would never end", self.throughput))
                .hint("-1 sends as fast as possible")
        })?;
        if self.transactional_id.is_some() || self.transaction_duration_ms.is_some() {
            return Err(no_transactions());
        }
        self.check_payload()?;
        Ok(Load {
            topic: self.topic.clone(),
            records: self.num_records,
            warmup: self.warmup_records,
            throttle,
            interval: Duration::from_millis(self.reporting_interval),
        })
    }

    /// The delimiter with its escapes resolved.
    pub fn delimiter(&self) -> Result<Vec<u8>, Failure> {
        let wrong = |what| Failure::usage(format!("--payload-delimiter '{}' {what}", self.payload_delimiter));
        let mut delimiter = String::new();
        let mut characters = self.payload_delimiter.chars();
        while let Some(character) = characters.next() {
            delimiter.push(match character {
                '\\' => match characters.next() {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some('\\') => '\\',
                    _ => return Err(wrong("has an unknown escape").hint("\\n, \\r, \\t and \\\\ are known")),
                },
                other => other,
            });
        }
        if delimiter.is_empty() {
            return Err(wrong("is empty"));
        }
        Ok(delimiter.into_bytes())
    }

    /// The common flags, with the servers of a property or of the file where no flag names any: so Kafka's tool has it.
    pub fn connection(&self) -> Result<CommonArgs, Failure> {
        let mut settings = Settings::default();
        if let Some(path) = &self.common.command_config {
            settings.merge(Settings::parse_properties(&read_file(path)?));
        }
        settings.merge(self.common.properties()?);
        if settings.value("transactional.id").is_some_and(|id| !id.is_empty()) {
            return Err(no_transactions());
        }
        let mut common = self.common.clone();
        if common.bootstrap_server.is_none() {
            common.bootstrap_server = settings.value("bootstrap.servers").map(str::to_owned);
        }
        Ok(common)
    }

    fn check_payload(&self) -> Result<(), Failure> {
        if self.record_size == Some(0) {
            return Err(Failure::usage("--record-size must be at least 1"));
        }
        if self.record_size.is_none() && self.payload_file.is_none() && !self.payload_monotonic {
            return Err(Failure::usage("nothing says what the records hold")
                .hint("--record-size BYTES, --payload-file FILE or --payload-monotonic"));
        }
        self.delimiter().map(drop)
    }
}

fn no_transactions() -> Failure {
    Failure::usage("transactions are not supported yet").hint("without them kperf measures single records")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Line, read};
    use crate::error::{ErrorStyle, Exit};

    fn line(line: &str) -> Line<PerfArgs> {
        read(["kperf", "produce"].into_iter().chain(line.split_whitespace()).map(Into::into))
    }

    fn parsed(text: &str) -> ProduceArgs {
        match line(text) {
            Line::Run(PerfArgs { action: Action::Produce(args) }) => args,
            other => panic!("{text} gave {other:?}"),
        }
    }

    fn refusal(text: &str) -> String {
        let args = parsed(text);
        let failure = args.load().and_then(|_| args.connection()).expect_err("it is wrong");
        assert_eq!(failure.exit(), Exit::Usage);
        failure.render(ErrorStyle::Text)
    }

    #[test]
    fn every_option_of_every_version_is_read() {
        for text in [
            "--topic t --num-records 9 --record-size 100 --throughput -1 --producer-props bootstrap.servers=b:1 acks=1 linger.ms=5",
            "--topic t --num-records 9 --payload-file f --payload-delimiter ; --throughput 1000 --producer.config /dev/null",
            "--producer-props acks=1 --topic t --num-records 9 --payload-monotonic --throughput 0.5 --print-metrics",
            "--bootstrap-server b:1 --topic t --num-records 9 --record-size 1 --throughput -1 --command-property a=b c=d --command-config /dev/null",
            "--topic t --num-records 9 --record-size 1 --throughput -1 --warmup-records 8 --reporting-interval 100",
        ] {
            let args = parsed(text);
            args.load().and_then(|_| args.connection()).unwrap_or_else(|failure| panic!("{text}: {failure}"));
        }
    }

    #[test]
    fn a_load_is_as_fast_as_possible_unless_told_otherwise() {
        let load = parsed("-t t -n 9 --record-size 1").load().expect("valid");

        let expected = Load {
            topic: "t".to_owned(),
            records: 9,
            warmup: 0,
            throttle: Throttle::new(-1.0).expect("unlimited"),
            interval: Duration::from_secs(5),
        };
        assert_eq!(load, expected);
    }

    #[test]
    fn exactly_one_payload_is_named() {
        assert!(refusal("-t t -n 9").contains("hint: --record-size BYTES"));
        for two in ["--record-size 1 --payload-monotonic", "--payload-file f --record-size 1"] {
            assert!(matches!(line(&format!("-t t -n 9 {two}")), Line::Wrong(..)), "{two}");
        }
    }

    #[test]
    fn a_wrong_line_names_the_help_that_helps() {
        let Line::Wrong(failure, _) = line("-n 9") else { panic!("no topic is named") };
        let text = failure.render(ErrorStyle::Text);
        assert!(text.contains("--topic <TOPIC>") && text.contains("hint: kperf produce --help"), "{text}");
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        assert!(refusal("-t t -n 0 --record-size 1").contains("--num-records"));
        assert!(refusal("-t t -n 9 --record-size 0").contains("--record-size"));
        assert!(refusal("-t t -n 9 --record-size 1 --throughput 0").contains("-1"));
        assert!(refusal("-t t -n 9 --record-size 1 --throughput NaN").contains("-1"));
        assert!(refusal("-t t -n 9 --record-size 1 --warmup-records 9").contains("--warmup-records"));
        assert!(refusal("-t t -n 9 --record-size 1 --reporting-interval 0").contains("--reporting-interval"));
    }

    #[test]
    fn transactions_are_refused_however_they_are_asked_for() {
        for option in
            ["--transactional-id t", "--transaction-duration-ms 100", "--producer-props transactional.id=t"]
        {
            assert!(refusal(&format!("-t t -n 9 --record-size 1 {option}")).contains("not supported yet"));
        }
    }

    #[test]
    fn the_delimiter_is_a_text_with_escapes() {
        let delimiter = |text: &str| {
            parsed(&format!("-t t -n 9 --payload-file f --payload-delimiter {text}")).delimiter().ok()
        };
        assert_eq!(parsed("-t t -n 9 --payload-file f").delimiter().expect("the default"), b"\n".as_slice());
        assert_eq!(delimiter("\\r\\n\\t\\\\").as_deref(), Some(b"\r\n\t\\".as_slice()));
        assert_eq!(delimiter("-;-").as_deref(), Some(b"-;-".as_slice()));
        assert_eq!(delimiter("\\d"), None);
    }

    #[test]
    fn a_property_names_the_servers_where_no_flag_does() {
        let servers = |more: &str| {
            let common = parsed(&format!("-t t -n 9 --record-size 1 {more}")).connection().expect("valid");
            common.bootstrap(|_| None).expect("servers")
        };
        assert_eq!(servers("--producer-props bootstrap.servers=b:1 acks=1"), "b:1");
        assert_eq!(servers("--producer-props bootstrap.servers=b:1 -b c:1"), "c:1");
        assert_eq!(servers(""), "localhost:9092");
    }
}
