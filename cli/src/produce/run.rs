//! Runs `kproduce`: connects, lets the lines in, waits until all are acknowledged, tells how many were not.

use std::io::{IsTerminal, stderr, stdin};
use std::time::Duration;

use kinglet::admin::NewTopic;
use kinglet::protocol::ErrorCode;
use kinglet::{Client, Config, ErrorKind, FlushReport, Producer};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::args::{NewTopicShape, ProduceArgs};
use super::feed::{Fed, Feed, Pace, Prompt};
use super::parser::{self, LineParser};
use super::progress::{BytesRead, Progress};
use crate::connect::{self, ToolSettings, failure_of, first_failure, read_file};
use crate::error::{Exit, Failure, Manner, nearest};
use crate::output::{Shape, print};
use crate::settings::Settings;
use crate::signals::{STOP_MAX, StopRequest};
use crate::tool::{say, warn, warn_without_effect};

/// How long a new topic may take to be known to the broker we ask.
const CREATED_WITHIN: Duration = Duration::from_secs(10);

/// Does what the line says.
pub fn run(args: &ProduceArgs) -> Result<Exit, Failure> {
    args.check()?;
    warn_without_effect(&args.without_effect());
    let parser = line_parser(args)?;
    let config = connect::config(&args.common, &tool_settings(args), &mut warn)?;
    // The reading thread is the second one; the machine's other cores belong to who writes into the pipe.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
    let result = runtime.block_on(async {
        let mut stop =
            StopRequest::listen().map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
        let (_client, producer) = tokio::select! {
            opened = open(config, args) => opened?,
            _ = stop.received() => {
                return Err(Failure::new(Exit::Failed, "stopped before anything was sent"));
            }
        };
        let sent = send_lines(args, parser, &producer, &mut stop).await?;
        sent.judge(args)
    });
    // All that was sent is settled; the name lookup of a connection that nobody wants any more is not waited for.
    runtime.shutdown_background();
    result
}

async fn open(config: Config, args: &ProduceArgs) -> Result<(Client, Producer), Failure> {
    let client = connect::connect(config).await?;
    let producer = client.producer().map_err(|error| failure_of(&error, "cannot produce"))?;
    ensure_topic(&client, &producer, args).await?;
    Ok((client, producer))
}

fn tool_settings(args: &ProduceArgs) -> ToolSettings {
    let mut defaults = Settings::default();
    defaults.set("default.api.timeout.ms", 10_000);
    // A mistyped topic name must not become a topic, unless Kafka's manner is asked for.
    defaults.set("allow.auto.create.topics", args.common.manner() == Manner::Kafka);
    if stdin().is_terminal() {
        // Who types a line wants it sent, not kept for company.
        defaults.set("linger.ms", 0);
    }
    ToolSettings { defaults, flags: args.producer_settings() }
}

fn line_parser(args: &ProduceArgs) -> Result<LineParser, Failure> {
    let mut properties = Settings::default();
    if let Some(path) = &args.reader_config {
        properties.merge(Settings::parse_properties(&read_file(path)?));
    }
    properties.merge(Settings::parse("--reader-property", &args.reader_property)?);
    for (key, _) in properties.iter().filter(|(key, _)| !parser::PROPERTIES.contains(key)) {
        let meant = nearest(key, parser::PROPERTIES)
            .map(|near| format!("; did you mean {near}?"))
            .unwrap_or_default();
        warn(&format!("{key} is not a reader property{meant}"));
    }
    LineParser::new(&properties)
        .map_err(|error| Failure::usage("the reader properties contradict each other").cause(error))
}

/// The topic exists, or is created with `--create`.
async fn ensure_topic(client: &Client, producer: &Producer, args: &ProduceArgs) -> Result<(), Failure> {
    let topic = args.required_topic()?;
    let missing = match producer.partitions_for(topic).await {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::UnknownTopic => error,
        Err(error) => return Err(first_failure(&error, format!("cannot produce to topic '{topic}'"))),
    };
    let Some(shape) = args.new_topic()? else {
        let failure = connect::unknown_topic(client, topic, "--create makes it").await;
        return Err(failure.cause(missing));
    };
    create(client, topic, shape).await?;
    let deadline = Instant::now() + CREATED_WITHIN;
    loop {
        match producer.partitions_for(topic).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::UnknownTopic && Instant::now() < deadline => {}
            Err(error) => return Err(failure_of(&error, format!("the new topic '{topic}' does not appear"))),
        }
    }
}

async fn create(client: &Client, topic: &str, shape: NewTopicShape) -> Result<(), Failure> {
    let what = format!("cannot create topic '{topic}'");
    let new = NewTopic::new(topic, shape.partitions, shape.replication_factor);
    let results = client.admin().create_topics([new]).await.map_err(|error| failure_of(&error, &what))?;
    for (_, result) in results {
        match result {
            // Somebody else was faster: as good.
            Err(error) if error.code() != Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
                return Err(failure_of(&error, what));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether the input was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Ended,
    /// A signal came first.
    Cut,
}

/// What became of the lines.
#[derive(Debug)]
struct Sent {
    input: Input,
    fed: Option<Fed>,
    report: FlushReport,
}

async fn send_lines(
    args: &ProduceArgs,
    parser: LineParser,
    producer: &Producer,
    stop: &mut StopRequest,
) -> Result<Sent, Failure> {
    let person = stdin().is_terminal() && stderr().is_terminal();
    let bytes = BytesRead::default();
    let feed = Feed {
        producer: producer.clone(),
        topic: args.required_topic()?.to_owned(),
        parser,
        pace: if args.sync { Pace::Acknowledged(Handle::current()) } else { Pace::Streaming },
        prompt: if person && !args.quiet { Prompt::Shown } else { Prompt::Hidden },
        bytes: bytes.clone(),
    };
    if person && !args.quiet {
        say(format_args!("every line goes to '{}'; Ctrl-D ends\n", feed.topic));
    }
    let (ended, mut end) = oneshot::channel();
    // Nobody joins this thread: a read from a terminal or pipe cannot be interrupted, the process's end must do.
    std::thread::spawn(move || {
        // The receiver is gone only when a signal ended the work.
        let _ = ended.send(feed.run(stdin().lock()));
    });
    let progress =
        (stderr().is_terminal() && !person && !args.quiet).then(|| Progress::show(producer.clone(), bytes));
    let failed = |error: kinglet::Error| failure_of(&error, "cannot tell whether the records arrived");
    let fed = tokio::select! {
        fed = &mut end => fed.ok(),
        _ = stop.received() => {
            let report = producer.close(STOP_MAX).await.map_err(failed)?;
            return Ok(Sent { input: Input::Cut, fed: None, report });
        }
    };
    let report = tokio::select! {
        report = producer.flush() => report,
        _ = stop.received() => producer.close(STOP_MAX).await,
    };
    drop(progress);
    Ok(Sent { input: Input::Ended, fed, report: report.map_err(failed)? })
}

impl Sent {
    /// The exit code, or the failure that says what did not arrive.
    fn judge(self, args: &ProduceArgs) -> Result<Exit, Failure> {
        let (refused, refusal, stopped) = match self.fed {
            Some(fed) => (fed.refused, fed.first_refusal, fed.stopped),
            None => (0, None, None),
        };
        let failed = self.report.failed + refused;
        let sent = self.report.delivered + failed;
        let counts = format!("sent {sent}, acked {}, failed {failed}", self.report.delivered);
        if args.common.shape() == Shape::Json {
            let summary = json!({
                "schema": "kinglet/produce.summary/v1",
                "sent": sent, "acked": self.report.delivered, "failed": failed,
            });
            print(&format!("{summary}\n"))?;
        }
        if let Some(failure) = stopped {
            let failure = failure.note(counts);
            // The reading may have stopped for want of memory only because nothing could be delivered: this says why.
            return Err(match &self.report.first_error {
                Some(error) => failure.note(format!("not delivered: {error}")),
                None => failure,
            });
        }
        if let Some(error) = self.report.first_error.or(refusal) {
            let failure =
                failure_of(&error, format!("{failed} of {sent} records were not delivered")).note(counts);
            let failure = if error.possibly_written() {
                failure.note("some of them may be in the log all the same")
            } else {
                failure
            };
            return Err(failure.exiting(Exit::Failed));
        }
        // Who types ends with Ctrl-C as well as with Ctrl-D; a pipe that was cut is not all that was to be sent.
        if self.input == Input::Cut && !stdin().is_terminal() {
            return Err(Failure::new(Exit::Failed, "stopped before the end of the input").note(counts));
        }
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::error::ErrorStyle;

    #[test]
    fn a_failure_of_the_reading_also_says_why_records_were_not_delivered() {
        let error = Config::new("localhost").set("linger.ms", "soon").expect_err("any error of the client");
        let report = FlushReport { delivered: 1, failed: 2, first_error: Some(error.clone()) };
        let stopped = Some(Failure::new(Exit::Failed, "cannot send"));
        let fed = Some(Fed { sent: 3, refused: 1, first_refusal: None, stopped });
        let args = ProduceArgs::parse_from(["kproduce", "--topic", "t"]);

        let failure = Sent { input: Input::Ended, fed, report }.judge(&args).expect_err("the reading failed");

        let expected = Failure::new(Exit::Failed, "cannot send")
            .note("sent 4, acked 1, failed 3")
            .note(format!("not delivered: {error}"));
        assert_eq!(failure.render(ErrorStyle::Text), expected.render(ErrorStyle::Text));
    }
}
