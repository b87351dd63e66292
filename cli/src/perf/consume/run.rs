//! Runs `kperf consume`: joins the group, counts what comes, tells the figures.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kinglet::{Batch, Client, Config, Consumer, RebalanceListener, TopicPartition};
use tokio::time::timeout;

use super::args::{ConsumeArgs, Load};
use super::joining::Joining;
use super::meter::{Meter, Read};
use super::report::{self, Measured, Rows, Times, Totals};
use crate::connect::{self, failure_of};
use crate::consume::open::member;
use crate::consume::trouble::Trouble;
use crate::dates;
use crate::error::{Exit, Failure};
use crate::output::{Shape, print};
use crate::perf::clock::Clock;
use crate::perf::screen::Screen;
use crate::signals::StopRequest;
use crate::tool::{warn, warn_without_effect};

/// How often the progress on a terminal is drawn anew.
const REDRAWN_EVERY: Duration = Duration::from_millis(200);
/// How long the last commit and leaving the group may take.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// Does what the line says.
pub fn run(args: &ConsumeArgs) -> Result<Exit, Failure> {
    let load = args.load()?;
    warn_without_effect(&args.without_effect());
    let config = connect::config(&args.common, &args.tool_settings(), &mut warn)?;
    // This thread counts, the other fetches.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
    let result = runtime.block_on(measure(args, load, config));
    // What was read is committed and the group is left.
    runtime.shutdown_background();
    result
}

/// Who names no group gets one that nobody else can mean, and that is to be gone afterwards.
fn grouped(config: Config) -> Result<(Config, Option<String>), Failure> {
    if config.get("group.id").is_some() {
        return Ok((config, None));
    }
    let id = format!("perf-consumer-{}", std::process::id() % 100_000);
    let config = config.group_id(id.as_str());
    let config = config
        .set("enable.auto.commit", false)
        .map_err(|error| failure_of(&error, "cannot use the configuration"))?;
    Ok((config, Some(id)))
}

async fn measure(args: &ConsumeArgs, load: Load, config: Config) -> Result<Exit, Failure> {
    let shape = args.common.shape();
    let (config, own_group) = grouped(config)?;
    let client_id = config.get("client.id").unwrap_or_default().to_owned();
    let mut stop =
        StopRequest::listen().map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
    let times = Times { began: dates::now(), format: load.dates.clone() };
    let clock = Clock::start();
    let joining = Arc::new(Mutex::new(Joining::default()));
    let config = config.rebalance_listener(Waits { clock, joining: joining.clone() });
    let (client, consumer) = tokio::select! {
        opened = open(config, args) => opened?,
        _ = stop.received() => return Err(Failure::new(Exit::Failed, "stopped before anything was read")),
    };
    if shape == Shape::Kafka && !args.hide_header {
        print(report::header(load.rows))?;
    }
    let mut reader = Reader {
        consumer: &consumer,
        meter: Meter::new(load.interval),
        screen: Screen::new(shape, load.records),
        trouble: Trouble::default(),
        last_record_at: Duration::ZERO,
        load: &load,
        shape,
        clock,
        joining,
        times,
    };
    let ended = tokio::select! {
        ended = reader.read_all() => ended,
        _ = stop.received() => Ok(Ended::Stopped),
    };
    let totals = reader.totals();
    let told = reader.tell(&totals, &ended);
    let Reader { joining, screen, .. } = reader;
    drop(screen);
    if told.is_ok() && args.print_metrics && shape != Shape::Json {
        let rebalances = lock(&joining).count();
        let (assigned, lag) = (consumer.assignment().len(), consumer.lag());
        print(&report::metrics(&Measured { client_id: &client_id, totals, rebalances, assigned, lag }))?;
    }
    // Of what is lost meanwhile the group hears by itself.
    let _ = timeout(CLOSE_MAX, consumer.close()).await;
    if let Some(group) = own_group {
        // Brokers before 1.1 cannot, and forget it by themselves.
        let _ = timeout(CLOSE_MAX, client.admin().delete_groups([group])).await;
    }
    told?;
    judge(args, ended?, totals.read.records)
}

async fn open(config: Config, args: &ConsumeArgs) -> Result<(Client, Consumer), Failure> {
    let client = connect::connect(config).await?;
    let consumer = member(&client, args.source(), args.common.manner()).await?;
    Ok((client, consumer))
}

/// The exit code, or the failure that says that it was cut short.
fn judge(args: &ConsumeArgs, ended: Ended, records: u64) -> Result<Exit, Failure> {
    match ended {
        Ended::Complete => Ok(Exit::Done),
        Ended::TimedOut if args.fail_on_timeout => Ok(Exit::Unmet),
        Ended::TimedOut => Ok(Exit::Done),
        Ended::Stopped => Err(Failure::new(Exit::Failed, "stopped before the last record")
            .note(format!("read {records} of {}", args.num_records))),
    }
}

/// Measures the waits for a share of the group.
#[derive(Debug)]
struct Waits {
    clock: Clock,
    joining: Arc<Mutex<Joining>>,
}

impl RebalanceListener for Waits {
    async fn assigned(&self, _: &Consumer, partitions: &[TopicPartition]) {
        lock(&self.joining).assigned(self.clock.now(), partitions);
    }

    async fn revoked(&self, _: &Consumer, partitions: &[TopicPartition], _: Duration) {
        lock(&self.joining).revoked(self.clock.now(), partitions);
    }

    async fn lost(&self, _: &Consumer, partitions: &[TopicPartition]) {
        lock(&self.joining).revoked(self.clock.now(), partitions);
    }
}

fn lock(joining: &Mutex<Joining>) -> MutexGuard<'_, Joining> {
    joining.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// All that was asked for is read.
    Complete,
    /// No record came for too long.
    TimedOut,
    /// By a signal.
    Stopped,
}

/// The reading under way.
struct Reader<'a> {
    consumer: &'a Consumer,
    load: &'a Load,
    shape: Shape,
    clock: Clock,
    times: Times,
    joining: Arc<Mutex<Joining>>,
    meter: Meter,
    screen: Screen,
    trouble: Trouble,
    last_record_at: Duration,
}

impl Reader<'_> {
    async fn read_all(&mut self) -> Result<Ended, Failure> {
        // The wait for the first record includes joining the group, as in Kafka's tool, but not connecting.
        self.last_record_at = self.clock.now();
        while self.meter.total().records < self.load.records {
            let Some(batch) = self.next().await? else { return Ok(Ended::TimedOut) };
            self.trouble.clear();
            self.count(&batch)?;
            // Signals are looked at between batches, also when there is always one more.
            tokio::task::yield_now().await;
        }
        Ok(Ended::Complete)
    }

    /// The next records; `None` if they did not come in time.
    async fn next(&mut self) -> Result<Option<Batch>, Failure> {
        match self.consumer.try_recv() {
            Ok(Some(batch)) => return Ok(Some(batch)),
            Ok(None) => {}
            Err(error) => self.trouble.bear(&error)?,
        }
        loop {
            let now = self.clock.now();
            let left = self.last_record_at.saturating_add(self.load.timeout).saturating_sub(now);
            if left.is_zero() {
                return Ok(None);
            }
            self.draw(now);
            match timeout(left.min(REDRAWN_EVERY), self.consumer.recv()).await {
                Ok(Ok(batch)) => return Ok(batch),
                Ok(Err(error)) => self.trouble.bear(&error)?,
                Err(_) => {}
            }
        }
    }

    fn count(&mut self, batch: &Batch) -> Result<(), Failure> {
        let wanted = self.load.records - self.meter.total().records;
        let (mut read, mut last) = (Read::default(), None);
        let size = |field: Option<&[u8]>| field.map_or(0, <[u8]>::len) as u64;
        for record in batch.iter() {
            if read.records == wanted {
                break;
            }
            read.records += 1;
            read.bytes += size(record.key) + size(record.value);
            last = Some(record.offset);
        }
        match last {
            Some(offset) if read.records == wanted => batch.done_through(offset),
            _ => batch.done(),
        }
        let now = self.clock.now();
        self.last_record_at = now;
        if let Some(window) = self.meter.add(now, read) {
            let waited = lock(&self.joining).take_round();
            if self.load.rows == Rows::Intervals {
                self.screen.print(&match self.shape {
                    Shape::Human => report::window_sentence(&window),
                    Shape::Kafka | Shape::Json => report::window(&window, waited, &self.times),
                })?;
            }
        }
        self.draw(now);
        Ok(())
    }

    fn draw(&mut self, now: Duration) {
        if self.screen.is_watched() {
            let read = self.meter.total();
            self.screen.draw(read.records, now, report::progress(&read, now));
        }
    }

    fn totals(&self) -> Totals {
        let (elapsed, joining) = (self.clock.now(), lock(&self.joining).total());
        Totals { read: self.meter.total(), elapsed, joining }
    }

    /// Prints the figures, also those of a reading that failed.
    fn tell(&mut self, totals: &Totals, ended: &Result<Ended, Failure>) -> Result<(), Failure> {
        let is_late = matches!(ended, Ok(Ended::TimedOut));
        match self.shape {
            Shape::Kafka if is_late => self.screen.print(&report::too_few(self.load.timeout))?,
            Shape::Human | Shape::Json if is_late => warn(&format!(
                "no record came for {} ms: read {} of {}; --timeout waits longer",
                self.load.timeout.as_millis(),
                totals.read.records,
                self.load.records
            )),
            Shape::Kafka | Shape::Human | Shape::Json => {}
        }
        match (self.shape, self.load.rows) {
            (Shape::Json, _) => print(&report::json(totals)),
            (Shape::Human, _) => self.screen.print(&report::sentence(totals)),
            (Shape::Kafka, Rows::Total) => self.screen.print(&report::total(totals, &self.times)),
            (Shape::Kafka, Rows::Intervals) => Ok(()),
        }
    }
}
