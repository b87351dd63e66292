//! `kverify produce`: one future sends, one waits for the acknowledgements and prints them.

use std::pin::pin;
use std::time::Duration;

use kinglet::{Ack, Config, Delivery, ErrorKind, Producer, Record};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::args::{Load, ProduceArgs};
use super::event::{Event, Sent};
use super::lines::{Lines, unwritten};
use super::run::stopped;
use crate::connect::{self, failure_of};
use crate::consume::pipe::{Reader, WriteError};
use crate::dates;
use crate::error::{Exit, Failure, Manner};
use crate::java::Exception;
use crate::perf;
use crate::perf::clock::Clock;
use crate::signals::{STOP_MAX, Stop, StopRequest};
use crate::tool::warn;

/// Records on their way from the sending side; more would only hide that the other is slower.
const SENT_MAX: usize = 1024;
/// Records whose acknowledgements are awaited. When there are as many, no more are sent.
const IN_FLIGHT_MAX: usize = 16 * 1024;

pub(super) fn run(args: &ProduceArgs) -> Result<Exit, Failure> {
    let load = args.load()?;
    let config = connect::config(&args.common, &args.tool_settings(), &mut warn)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
    let result = runtime.block_on(verify(args, load, config));
    // All that was sent is settled; the name lookup of a connection that nobody wants any more is not waited for.
    runtime.shutdown_background();
    result
}

async fn verify(args: &ProduceArgs, load: Load, config: Config) -> Result<Exit, Failure> {
    let mut stop =
        StopRequest::listen().map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
    let (lines, reader) = Lines::of_stdout()?;
    let (_client, producer) = tokio::select! {
        opened = perf::run::open(config, &load.topic) => opened?,
        _ = stop.received() => return Err(Failure::new(Exit::Failed, "stopped before anything was sent")),
    };
    let mut checked = Checked { lines: &lines, load: &load, counts: Counts::default() };
    let clock = Clock::start();
    let sent = match lines.say(&Event::StartupComplete) {
        Ok(()) => checked.send_all(&producer, clock, &mut stop, reader).await,
        Err(error) => Err(error),
    };
    let counts = checked.counts;
    let ended = sent.and_then(|signal| {
        lines.add(&Event::ShutdownComplete)?;
        lines.say(&counts.tool_data(args.throughput, clock.now()))?;
        Ok(signal)
    });
    match ended {
        Ok(signal) => counts.judge(args, signal),
        Err(error) => unwritten(error),
    }
}

/// A record on its way, by its number.
struct Pending {
    number: u64,
    delivery: kinglet::Result<Delivery>,
}

/// What became of a record.
struct Settled {
    number: u64,
    result: kinglet::Result<Ack>,
}

#[derive(Clone, Debug, Default)]
struct Counts {
    sent: u64,
    acked: u64,
    first_error: Option<kinglet::Error>,
}

/// The printing side.
struct Checked<'a> {
    lines: &'a Lines,
    load: &'a Load,
    counts: Counts,
}

impl Checked<'_> {
    /// Sends and prints until everything is settled, and tells which signal ended it.
    async fn send_all(
        &mut self,
        producer: &Producer,
        clock: Clock,
        stop: &mut StopRequest,
        mut reader: Reader,
    ) -> Result<Option<Stop>, WriteError> {
        let (pending, incoming) = mpsc::channel(SENT_MAX);
        let (keep_on, asked) = oneshot::channel();
        let feed = feed(producer, self.load, clock, pending, asked);
        let mut work = pin!(async { tokio::join!(feed, self.print_all(incoming)).1 });
        tokio::select! {
            printed = &mut work => printed.map(|()| None),
            signal = stop.received() => {
                drop(keep_on);
                let (_, printed) = tokio::join!(producer.close(STOP_MAX), work);
                printed.map(|()| Some(signal))
            }
            () = reader.gone() => {
                drop(keep_on);
                Err(WriteError::ReaderGone)
            }
        }
    }

    async fn print_all(&mut self, mut incoming: mpsc::Receiver<Pending>) -> Result<(), WriteError> {
        let mut in_flight = JoinSet::new();
        let mut all_sent = false;
        while !(all_sent && in_flight.is_empty()) {
            tokio::select! {
                pending = incoming.recv(), if !all_sent && in_flight.len() < IN_FLIGHT_MAX => match pending {
                    Some(pending) => drop(in_flight.spawn(settle(pending))),
                    None => all_sent = true,
                },
                Some(settled) = in_flight.join_next() => {
                    // A task that panicked has said so; its record counts as not acknowledged.
                    settled.into_iter().try_for_each(|settled| self.print(&settled))?;
                    while let Some(settled) = in_flight.try_join_next() {
                        settled.into_iter().try_for_each(|settled| self.print(&settled))?;
                    }
                    self.lines.flush()?;
                }
            }
        }
        Ok(())
    }

    fn print(&mut self, Settled { number, result }: &Settled) -> Result<(), WriteError> {
        let (key, value) = self.load.record(*number);
        let sent = Sent { topic: &self.load.topic, key: key.as_deref(), value: &value };
        self.counts.sent += 1;
        match result {
            Ok(ack) => {
                self.counts.acked += 1;
                let offset = ack.offset.unwrap_or(-1);
                self.lines.add(&Event::SendSuccess { sent, partition: ack.partition, offset })
            }
            Err(error) => {
                let exception = Exception::of(error);
                self.counts.first_error.get_or_insert_with(|| error.clone());
                let (exception, message) =
                    (format!("class {}", exception.class()), exception.message().to_owned());
                self.lines.add(&Event::SendError { sent, exception, message })
            }
        }
    }
}

/// Sends all records, until somebody asks it to end.
async fn feed(
    producer: &Producer,
    load: &Load,
    clock: Clock,
    pending: mpsc::Sender<Pending>,
    mut asked: oneshot::Receiver<()>,
) {
    let began = i64::try_from(dates::now().as_millis()).unwrap_or(i64::MAX);
    for number in 0..load.records.unwrap_or(u64::MAX) {
        let (key, value) = load.record(number);
        let mut record = Record::to(&load.topic).value(&value);
        record.key = key.as_deref().map(str::as_bytes);
        record.timestamp_ms = load.create_time.map(|first| {
            let now = i64::try_from(dates::now().as_millis()).unwrap_or(i64::MAX);
            first.saturating_add(now.saturating_sub(began))
        });
        let delivery = tokio::select! {
            delivery = producer.enqueue(record) => delivery,
            _ = &mut asked => return,
        };
        if delivery.as_ref().is_err_and(|error| error.kind() == ErrorKind::Closed)
            || pending.send(Pending { number, delivery }).await.is_err()
        {
            return;
        }
        if let Some(pause) = load.throttle.pause(number + 1, clock.now())
            && load.records != Some(number + 1)
        {
            tokio::select! {
                () = sleep(pause) => {}
                _ = &mut asked => return,
            }
        }
    }
}

async fn settle(Pending { number, delivery }: Pending) -> Settled {
    let result = match delivery {
        Ok(delivery) => delivery.await,
        Err(error) => Err(error),
    };
    Settled { number, result }
}

impl Counts {
    fn tool_data(&self, throughput: i64, elapsed: Duration) -> Event<'static> {
        let avg_throughput = self.acked as f64 / elapsed.max(Duration::from_millis(1)).as_secs_f64();
        Event::ToolData { sent: self.sent, acked: self.acked, target_throughput: throughput, avg_throughput }
    }

    /// The exit code, or the failure that says what did not arrive.
    fn judge(self, args: &ProduceArgs, signal: Option<Stop>) -> Result<Exit, Failure> {
        let manner = args.common.manner();
        let counts = format!("sent {}, acked {}, failed {}", self.sent, self.acked, self.sent - self.acked);
        match (&self.first_error, signal) {
            (Some(error), _) if manner == Manner::Kinglet => {
                let what = format!("{} of {} records were not delivered", self.sent - self.acked, self.sent);
                Err(failure_of(error, what).note(counts).exiting(Exit::Failed))
            }
            (_, Some(_)) if manner == Manner::Kinglet && args.max_messages >= 0 => {
                Err(Failure::new(Exit::Failed, "stopped before the last record").note(counts))
            }
            (_, Some(signal)) => Ok(stopped(signal, manner)),
            (_, None) => Ok(Exit::Done),
        }
    }
}
