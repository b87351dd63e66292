//! The reading side of `kproduce`: one plain thread takes lines from stdin to the producer.
//!
//! Reading a pipe blocks, so it has a thread of its own; the runtime's thread sends meanwhile. Per line there is one search for the
//! newline and one copy into the batch, no task, no channel and no allocation.

use std::io::{Read, Write};
use std::sync::atomic::Ordering;

use kinglet::{ErrorKind, Producer, Record};
use tokio::runtime::Handle;

use super::lines::Lines;
use super::parser::LineParser;
use super::progress::BytesRead;
use crate::connect::failure_of;
use crate::error::{Exit, Failure};

/// The longest line that is read. No broker takes a record of this size; it only keeps memory bounded.
const LINE_SIZE_MAX: usize = 256 * 1024 * 1024;

/// Where lines go.
#[derive(Debug)]
pub struct Feed {
    /// Takes the records.
    pub producer: Producer,
    /// The topic of all of them.
    pub topic: String,
    /// Splits the lines.
    pub parser: LineParser,
    /// When the next line is read.
    pub pace: Pace,
    /// Whether somebody types the lines.
    pub prompt: Prompt,
    /// For the progress line.
    pub bytes: BytesRead,
}

/// When the next line is read.
#[derive(Clone, Debug)]
pub enum Pace {
    /// When there is memory for it.
    Streaming,
    /// When the broker has acknowledged this one (`--sync`).
    Acknowledged(Handle),
}

/// Whether a prompt is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// On stderr, before each line.
    Shown,
    /// Not at all: no person types.
    Hidden,
}

/// How the reading ended.
#[derive(Debug)]
pub struct Fed {
    /// Lines that became records and were taken.
    pub sent: u64,
    /// Lines whose record was refused at once, such as one that is too large.
    pub refused: u64,
    /// Why the first of them was.
    pub first_refusal: Option<kinglet::Error>,
    /// Why the reading stopped before the end of the input.
    pub stopped: Option<Failure>,
}

impl Feed {
    /// Reads `input` to its end.
    pub fn run(&self, input: impl Read) -> Fed {
        let mut fed = Fed { sent: 0, refused: 0, first_refusal: None, stopped: None };
        fed.stopped = self.feed(input, &mut fed).err();
        fed
    }

    fn feed(&self, input: impl Read, fed: &mut Fed) -> Result<(), Failure> {
        let mut lines = Lines::new(input, LINE_SIZE_MAX);
        let (mut number, mut bytes) = (0u64, 0u64);
        loop {
            self.prompt();
            let line = lines
                .next_line()
                .map_err(|error| Failure::new(Exit::Failed, "cannot read stdin").cause(error))?;
            let Some(line) = line else { return Ok(()) };
            number += 1;
            bytes += line.len() as u64 + 1;
            self.bytes.store(bytes, Ordering::Relaxed);
            let mut headers = Vec::new();
            let parsed = self.parser.parse(line, number, &mut headers).map_err(|error| {
                Failure::new(Exit::Failed, format!("line {number} is not what --reader-property says"))
                    .cause(error)
                    .hint("ignore.error=true takes such lines as values")
            })?;
            let record =
                Record { key: parsed.key, value: parsed.value, headers: &headers, ..Record::to(&self.topic) };
            match self.send(record) {
                Ok(()) => fed.sent += 1,
                // Kafka's producer logs such a record and goes on; so do we, but it counts.
                Err(error) if error.kind() == ErrorKind::TooLarge => {
                    fed.refused += 1;
                    fed.first_refusal.get_or_insert(error);
                }
                Err(error) => {
                    fed.refused += 1;
                    return Err(failure_of(&error, format!("cannot send to topic '{}'", self.topic)));
                }
            }
        }
    }

    #[inline]
    fn send(&self, record: Record<'_>) -> kinglet::Result<()> {
        match &self.pace {
            Pace::Streaming => self.producer.enqueue_blocking(record).map(drop),
            Pace::Acknowledged(runtime) => runtime.block_on(self.producer.send(record)).map(drop),
        }
    }

    fn prompt(&self) {
        if self.prompt == Prompt::Shown {
            // Not worth an error: the lines go to the broker, with or without a prompt.
            let _ = std::io::stderr().write_all(b">");
        }
    }
}
