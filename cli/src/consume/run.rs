//! Runs `kconsume`: records from the consumer to stdout until something says stop.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use kinglet::{Batch, Consumer, TopicPartition};
use tokio::time::{Instant, timeout};

use super::args::{ConsumeArgs, Start};
use super::ends::Ends;
use super::format::{self, BytesShown, Formatter, Place};
use super::group::Unwritten;
use super::json;
use super::open::{END_CHECKED_EVERY, Opened, joining, open};
use super::pipe::{Pipe, WriteError};
use super::trouble::Trouble;
use crate::connect::{self, ToolSettings, read_file};
use crate::error::{Exit, Failure, Manner, nearest};
use crate::output::{Shape, Stdout};
use crate::settings::Settings;
use crate::signals::StopRequest;
use crate::tool::{say, warn, warn_without_effect};

/// How long the first answer may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long the last commit and leaving the group may take.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// Does what the line says.
pub fn run(args: &ConsumeArgs) -> Result<Exit, Failure> {
    args.check()?;
    warn_without_effect(&args.without_effect());
    let printer = printer(args)?;
    let start = args.start()?;
    let mut defaults = args.consumer_defaults(start);
    // A mistyped topic name must not become a topic, unless Kafka's manner is asked for.
    defaults.set("allow.auto.create.topics", args.common.manner() == Manner::Kafka);
    let patience = args.patience().unwrap_or(CONNECT_MAX).min(CONNECT_MAX);
    defaults.set("default.api.timeout.ms", patience.as_millis().max(1));
    let tool = ToolSettings { defaults, flags: args.consumer_settings() };
    let config = connect::config(&args.common, &tool, &mut warn)?;
    let config = joining(config, args)?;
    // This thread prints, the other fetches: a full pipe must not stop the fetching, nor the signals.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
    let result = runtime.block_on(async {
        let mut stop =
            StopRequest::listen().map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
        let opened = tokio::select! {
            opened = open(config, args, start) => opened?,
            // Nothing was printed, and nothing is under way.
            _ = stop.received() => return Ok(Exit::Done),
        };
        consume(args, printer, opened, &mut stop).await
    });
    // What was written is committed and the group is left.
    runtime.shutdown_background();
    result
}

/// How a record is printed.
#[derive(Debug)]
enum Printer {
    Text(Formatter),
    Json,
    /// Counted only (NoOpMessageFormatter).
    Nothing,
}

fn printer(args: &ConsumeArgs) -> Result<Printer, Failure> {
    match &args.formatter {
        Some(class) if class.ends_with("NoOpMessageFormatter") => return Ok(Printer::Nothing),
        Some(class) if !class.ends_with("DefaultMessageFormatter") => {
            return Err(Failure::usage(format!(
                "--formatter {class} is a Java class that is not available here"
            ))
            .hint("-o json prints everything there is of a record"));
        }
        _ => {}
    }
    let shape = args.common.shape();
    if shape == Shape::Json {
        return Ok(Printer::Json);
    }
    let mut properties = Settings::default();
    if let Some(path) = &args.formatter_config {
        properties.merge(Settings::parse_properties(&read_file(path)?));
    }
    properties.merge(args.formatter_settings()?);
    for (key, _) in properties.iter().filter(|(key, _)| !format::PROPERTIES.contains(key)) {
        let meant = nearest(key, format::PROPERTIES)
            .map(|near| format!("; did you mean {near}?"))
            .unwrap_or_default();
        warn(&format!("{key} is not a formatter property{meant}"));
    }
    let escaped = shape == Shape::Human && Stdout::of_process() == Stdout::Terminal && !args.raw;
    let bytes = if escaped { BytesShown::Escaped } else { BytesShown::Raw };
    let formatter = Formatter::new(&properties, bytes);
    Ok(Printer::Text(formatter.map_err(|error| Failure::usage("unknown deserializer").cause(error))?))
}

/// Why printing stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// `--max-messages`, `--exit-at-end` or the consumer's close.
    Complete,
    /// `--timeout-ms`.
    TimedOut,
    /// The first signal.
    Stopped,
    /// Nobody reads stdout any more.
    ReaderGone,
}

async fn consume(
    args: &ConsumeArgs,
    printer: Printer,
    opened: Opened,
    stop: &mut StopRequest,
) -> Result<Exit, Failure> {
    let Opened { consumer, ends, _client } = opened;
    let no_stdout = |error| Failure::new(Exit::Failed, "cannot write to stdout").cause(error);
    let pipe = Pipe::of_stdout().map_err(no_stdout)?;
    let mut reader = pipe.reader().map_err(no_stdout)?;
    let unwritten = Unwritten::default();
    let mut run = Run {
        args,
        printer,
        consumer: &consumer,
        ends,
        pipe,
        count: 0,
        trouble: Trouble::default(),
        unwritten,
    };
    let ended = tokio::select! {
        ended = run.print_all() => ended,
        _ = stop.received() => Ok(Ended::Stopped),
        () = reader.gone() => Ok(Ended::ReaderGone),
    };
    let ended = match (ended, run.flush()) {
        (Err(failure), _) => Err(failure),
        (Ok(_), Err(WriteError::ReaderGone)) => Ok(Ended::ReaderGone),
        (Ok(_), Err(WriteError::Output(error))) => {
            Err(Failure::new(Exit::Failed, "cannot write to stdout").cause(error))
        }
        (Ok(ended), Ok(())) => Ok(ended),
    };
    // Of what is lost meanwhile the group hears by itself.
    let _ = timeout(CLOSE_MAX, consumer.close()).await;
    if !args.quiet && !matches!(ended, Ok(Ended::ReaderGone)) {
        say(format_args!("Processed a total of {} messages\n", run.count));
    }
    match ended? {
        Ended::TimedOut if args.fail_on_timeout => Ok(Exit::Unmet),
        Ended::Complete | Ended::TimedOut | Ended::Stopped | Ended::ReaderGone => Ok(Exit::Done),
    }
}

/// The printing under way.
struct Run<'a> {
    args: &'a ConsumeArgs,
    printer: Printer,
    consumer: &'a Consumer,
    ends: Option<Ends>,
    pipe: Pipe,
    count: u64,
    trouble: Trouble,
    unwritten: Unwritten,
}

impl Run<'_> {
    async fn print_all(&mut self) -> Result<Ended, Failure> {
        let limit = self.args.limit().unwrap_or(u64::MAX);
        self.say_when_waiting();
        while self.count < limit {
            let batch = match self.next_ready()? {
                Some(batch) => batch,
                None => match self.wait().await? {
                    Waited::Batch(batch) => batch,
                    Waited::Ended(ended) => return Ok(ended),
                },
            };
            self.trouble.clear();
            if let Some(ended) = self.print(&batch, limit)? {
                return Ok(ended);
            }
            // Signals and the reader's end are looked at between batches, also when there is always one more.
            tokio::task::yield_now().await;
        }
        Ok(Ended::Complete)
    }

    /// Nothing is ready: what is formatted goes out, then the next batch is awaited.
    async fn wait(&mut self) -> Result<Waited, Failure> {
        if let Some(ended) = written(self.flush())? {
            return Ok(Waited::Ended(ended));
        }
        // A time limit that no clock reaches is none.
        let deadline = self.args.patience().and_then(|patience| Instant::now().checked_add(patience));
        loop {
            let mut step =
                deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
            if let Some(ends) = &mut self.ends {
                // A partition that went to another member is that one's to read.
                let assigned = self.consumer.assignment();
                let position = |place: &TopicPartition| match assigned.contains(place) {
                    true => self.consumer.position(place),
                    false => Some(i64::MAX),
                };
                if ends.all_reached_at(position) {
                    // What arrived since the last look is still to be printed.
                    return Ok(match self.next_ready()? {
                        Some(batch) => Waited::Batch(batch),
                        None => Waited::Ended(Ended::Complete),
                    });
                }
                step = step.min(END_CHECKED_EVERY);
            }
            match timeout(step, self.consumer.recv()).await {
                Ok(Ok(Some(batch))) => return Ok(Waited::Batch(batch)),
                Ok(Ok(None)) => return Ok(Waited::Ended(Ended::Complete)),
                Ok(Err(error)) => self.trouble.bear(&error)?,
                Err(_) => {}
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Ok(Waited::Ended(Ended::TimedOut));
            }
        }
    }

    /// What is there right now; passing trouble counts as nothing.
    fn next_ready(&mut self) -> Result<Option<Batch>, Failure> {
        match self.consumer.try_recv() {
            Ok(batch) => Ok(batch),
            Err(error) => self.trouble.bear(&error).map(|()| None),
        }
    }

    fn print(&mut self, batch: &Batch, limit: u64) -> Result<Option<Ended>, Failure> {
        let place = Place {
            topic: batch.topic(),
            partition: batch.partition(),
            leader_epoch: batch.leader_epoch(),
            timestamp_type: batch.timestamp_type(),
        };
        let end = self.ends.as_ref().map_or(i64::MAX, |ends| ends.of(place.topic, place.partition));
        let mut through = None;
        let mut is_whole = true;
        for record in batch.iter() {
            if record.offset >= end || self.count >= limit {
                is_whole = false;
                break;
            }
            through = Some(record.offset);
            let out = self.pipe.buffer();
            let before = out.len();
            match &self.printer {
                Printer::Text(formatter) => {
                    if let Err(error) = formatter.write(place, &record, out) {
                        out.truncate(before);
                        self.unprintable(place, record.offset, error)?;
                        continue;
                    }
                }
                Printer::Json => json::write(place, &record, out),
                Printer::Nothing => {}
            }
            self.count += 1;
            if self.pipe.is_full() {
                self.unwritten.add(batch, record.offset);
                if let Some(ended) = written(self.flush())? {
                    return Ok(Some(ended));
                }
            }
        }
        if is_whole && !batch.is_damaged() {
            // Compaction may have left nothing behind the last record.
            through = Some(batch.next_offset().saturating_sub(1));
        }
        through.into_iter().for_each(|offset| self.unwritten.add(batch, offset));
        let is_due = self.unwritten.is_full() || matches!(self.printer, Printer::Nothing);
        if is_due && let Some(ended) = written(self.flush())? {
            return Ok(Some(ended));
        }
        if let Some(ends) = &mut self.ends {
            ends.advance(place.topic, place.partition, batch.next_offset());
            if ends.all_reached() {
                // A record that cannot be read ends the walk through its batch like the batch's end does: only
                // the next call tells. Whatever else that call brings lies behind the ends.
                self.next_ready()?;
                return Ok(Some(Ended::Complete));
            }
        }
        Ok(None)
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        self.pipe.flush()?;
        self.unwritten.written();
        Ok(())
    }

    fn unprintable(
        &self,
        place: Place<'_>,
        offset: i64,
        error: super::value::ValueError,
    ) -> Result<(), Failure> {
        let what = format!("cannot print {}-{} at offset {offset}", place.topic, place.partition);
        if self.args.skips_unprintable() {
            warn(&format!("{what}: {error}"));
            return Ok(());
        }
        Err(Failure::new(Exit::Failed, what).cause(error).hint("--skip-message-on-error goes on"))
    }

    fn say_when_waiting(&self) {
        let at_end = matches!(self.args.start(), Ok(Start::Latest));
        if at_end
            && self.ends.is_none()
            && !self.args.quiet
            && self.pipe.is_terminal()
            && stderr().is_terminal()
        {
            say("waiting for new records; --from-beginning prints the old ones too (Ctrl-C ends)\n");
        }
    }
}

enum Waited {
    Batch(Batch),
    Ended(Ended),
}

fn written(result: Result<(), WriteError>) -> Result<Option<Ended>, Failure> {
    match result {
        Ok(()) => Ok(None),
        Err(WriteError::ReaderGone) => Ok(Some(Ended::ReaderGone)),
        Err(WriteError::Output(error)) => {
            Err(Failure::new(Exit::Failed, "cannot write to stdout").cause(error))
        }
    }
}
