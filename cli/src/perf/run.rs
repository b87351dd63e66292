//! Runs `kperf`: connects, lets the load off, waits until everything is settled, tells the figures.

use std::path::Path;
use std::pin::pin;
use std::sync::mpsc as std_mpsc;

use kinglet::{Client, Config, ErrorKind, Producer};
use tokio::sync::{mpsc, oneshot};

use super::args::{Action, Load, PerfArgs, ProduceArgs};
use super::clock::Clock;
use super::collect::{CHUNKS_WAITING_MAX, Collected, Collector, Lost};
use super::consume;
use super::feed::{Fed, Feed};
use super::payload::Payload;
use super::report::{self, Scope};
use super::screen::Screen;
use crate::connect::{self, ToolSettings, failure_of, first_failure};
use crate::error::{Exit, Failure, Manner};
use crate::output::{Shape, print};
use crate::settings::Settings;
use crate::signals::{STOP_MAX, StopRequest};
use crate::tool::warn;

/// Does what the line says.
pub fn run(args: &PerfArgs) -> Result<Exit, Failure> {
    match &args.action {
        Action::Produce(args) => produce(args),
        Action::Consume(args) => consume::run::run(args),
    }
}

fn produce(args: &ProduceArgs) -> Result<Exit, Failure> {
    let load = args.load()?;
    let config = connect::config(&args.connection()?, &tool_settings(args), &mut warn)?;
    let payload = payload(args)?;
    // As in kproduce: the thread that makes the records is the second one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
    let result = runtime.block_on(measure(args, load, payload, config));
    // All that was sent is settled; the name lookup of a connection that nobody wants any more is not waited for.
    runtime.shutdown_background();
    result
}

async fn measure(args: &ProduceArgs, load: Load, payload: Payload, config: Config) -> Result<Exit, Failure> {
    let client_id = config.get("client.id").unwrap_or_default().to_owned();
    let mut stop =
        StopRequest::listen().map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
    let (_client, producer) = tokio::select! {
        opened = open(config, &load.topic) => opened?,
        _ = stop.received() => return Err(Failure::new(Exit::Failed, "stopped before anything was sent")),
    };
    if load.warmup > 0 && args.common.shape() != Shape::Json {
        print(&report::warmup(load.warmup))?;
    }
    let screen = Screen::new(args.common.shape(), load.records);
    let sent = send(&producer, load, payload, screen, &mut stop).await?;
    sent.print(args.common.shape())?;
    if args.print_metrics && args.common.shape() != Shape::Json {
        print(&report::producer_metrics(producer.metrics().iter(), &client_id))?;
    }
    sent.judge()
}

pub(crate) async fn open(config: Config, topic: &str) -> Result<(Client, Producer), Failure> {
    let client = connect::connect(config).await?;
    let producer = client.producer().map_err(|error| failure_of(&error, "cannot produce"))?;
    match producer.partitions_for(topic).await {
        Ok(_) => Ok((client, producer)),
        Err(error) if error.kind() == ErrorKind::UnknownTopic => {
            let hint = format!("ktopics --create --topic {topic} makes it");
            Err(connect::unknown_topic(&client, topic, &hint).await.cause(error))
        }
        Err(error) => Err(first_failure(&error, format!("cannot produce to topic '{topic}'"))),
    }
}

fn tool_settings(args: &ProduceArgs) -> ToolSettings {
    let mut defaults = Settings::default();
    defaults.set("client.id", "perf-producer-client");
    defaults.set("default.api.timeout.ms", 10_000);
    // A mistyped topic name must not become a topic, unless Kafka's manner is asked for.
    defaults.set("allow.auto.create.topics", args.common.manner() == Manner::Kafka);
    ToolSettings { defaults, flags: Settings::default() }
}

fn payload(args: &ProduceArgs) -> Result<Payload, Failure> {
    match (&args.payload_file, args.record_size) {
        (Some(path), _) => pieces(args, path),
        (None, Some(size)) => Ok(Payload::letters(size)),
        (None, None) => Ok(Payload::numbers()),
    }
}

fn pieces(args: &ProduceArgs, path: &Path) -> Result<Payload, Failure> {
    let shown = path.display();
    let text =
        std::fs::read(path).map_err(|error| Failure::usage(format!("cannot read {shown}")).cause(error))?;
    let payload = Payload::pieces(&text, &args.delimiter()?)
        .ok_or_else(|| Failure::usage(format!("{shown} holds no payload")))?;
    if args.common.shape() != Shape::Json {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let count = payload.piece_count().unwrap_or_default();
        print(&format!("Reading payloads from: {}\nNumber of records read: {count}\n", whole.display()))?;
    }
    Ok(payload)
}

/// How a load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// With its last record.
    Whole,
    /// By a signal.
    Cut,
}

/// What became of a load.
#[derive(Debug)]
struct Sent {
    ending: Ending,
    collected: Collected,
    /// Those that were refused or given up.
    lost: Lost,
    stopped: Option<Failure>,
}

async fn send(
    producer: &Producer,
    load: Load,
    payload: Payload,
    screen: Screen,
    stop: &mut StopRequest,
) -> Result<Sent, Failure> {
    let (chunks, incoming) = mpsc::channel(CHUNKS_WAITING_MAX);
    let (keep_on, stopped) = std_mpsc::channel();
    let clock = Clock::start();
    let feed = Feed { producer: producer.clone(), load: load.clone(), clock, chunks, stop: stopped };
    let (ended, end) = oneshot::channel();
    // Its end is awaited through the channel: a thread that is joined would block the runtime.
    std::thread::spawn(move || {
        // The receiver is gone only when the figures could not be printed.
        let _ = ended.send(feed.run(payload));
    });
    let sending = async {
        let fed = end.await.unwrap_or_else(|_| Fed::broken());
        // Nothing lingers behind the last record.
        let flushed = producer.flush().await;
        flushed.map(|_| fed).map_err(|error| failure_of(&error, "cannot tell whether the records arrived"))
    };
    let collecting = Collector::new(clock, load, screen).run(incoming);
    let mut work = pin!(async { tokio::join!(sending, collecting) });
    let (ending, (fed, collected)) = tokio::select! {
        done = &mut work => (Ending::Whole, done),
        _ = stop.received() => {
            drop(keep_on);
            let (_, done) = tokio::join!(producer.close(STOP_MAX), work);
            (Ending::Cut, done)
        }
    };
    Ok(Sent::new(ending, fed?, collected?))
}

impl Sent {
    fn new(ending: Ending, fed: Fed, collected: Collected) -> Self {
        let mut lost = Lost { records: fed.refused, first_error: fed.first_refusal };
        lost.add(collected.lost.clone());
        Self { ending, collected, lost, stopped: fed.stopped }
    }

    fn print(&self, shape: Shape) -> Result<(), Failure> {
        let Collected { total, steady, .. } = &self.collected;
        let text = match shape {
            Shape::Json => report::json(total, steady.as_ref(), self.lost.records),
            Shape::Kafka | Shape::Human => {
                let steady = steady.as_ref().map(|steady| report::total(steady, Scope::Steady));
                report::total(total, Scope::All) + &steady.unwrap_or_default()
            }
        };
        print(&text)
    }

    /// The exit code, or the failure that says what did not arrive.
    fn judge(self) -> Result<Exit, Failure> {
        let (acked, failed) = (self.collected.total.tally.records, self.lost.records);
        let sent = acked + failed;
        let counts = format!("sent {sent}, acked {acked}, failed {failed}");
        if let Some(failure) = self.stopped {
            let failure = failure.note(counts);
            return Err(match &self.lost.first_error {
                Some(error) => failure.note(format!("not delivered: {error}")),
                None => failure,
            });
        }
        if let Some(error) = &self.lost.first_error {
            let failure = failure_of(error, format!("{failed} of {sent} records were not delivered"));
            return Err(failure.note(counts).exiting(Exit::Failed));
        }
        match self.ending {
            Ending::Whole => Ok(Exit::Done),
            Ending::Cut => Err(Failure::new(Exit::Failed, "stopped before the last record").note(counts)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::ErrorStyle;
    use crate::perf::stats::{Acked, Stats};

    fn sent(ending: Ending, fed: Fed, lost: Lost) -> Sent {
        let mut stats = Stats::new(Duration::ZERO, Duration::MAX);
        stats.add(&Acked { at: Duration::ZERO, latency: Duration::ZERO, records: 7, bytes: 7 });
        let total = stats.totals(Duration::from_secs(1));
        Sent::new(ending, fed, Collected { total, steady: None, lost })
    }

    fn error() -> kinglet::Error {
        Config::new("localhost").set("linger.ms", "soon").expect_err("any error of the client")
    }

    #[test]
    fn a_whole_load_is_done_and_a_cut_one_is_not() {
        assert_eq!(sent(Ending::Whole, Fed::default(), Lost::default()).judge(), Ok(Exit::Done));
        let failure = sent(Ending::Cut, Fed::default(), Lost::default()).judge().expect_err("cut");
        let text = failure.render(ErrorStyle::Text);
        assert_eq!(text, "error: stopped before the last record\n  note: sent 7, acked 7, failed 0\n");
    }

    #[test]
    fn refused_and_lost_records_fail_the_load_with_the_first_reason() {
        let fed = Fed { refused: 2, first_refusal: Some(error()), stopped: None };
        let lost = Lost { records: 3, first_error: None };

        let failure = sent(Ending::Whole, fed, lost).judge().expect_err("five are missing");

        assert_eq!(failure.exit(), Exit::Failed);
        let text = failure.render(ErrorStyle::Text);
        assert!(text.starts_with("error: 5 of 12 records were not delivered\ncause: "), "{text}");
        assert!(text.contains("note: sent 12, acked 7, failed 5\n"), "{text}");
    }

    #[test]
    fn what_ended_the_sending_is_the_failure() {
        let stopped = Some(Failure::new(Exit::NotFound, "the topic is gone"));
        let fed = Fed { refused: 1, first_refusal: None, stopped };

        let failure = sent(Ending::Whole, fed, Lost::default()).judge().expect_err("it ended early");

        assert_eq!(failure.exit(), Exit::NotFound);
        assert!(failure.render(ErrorStyle::Text).contains("sent 8, acked 7, failed 1"));
    }
}
