//! Stdout for events, which come from more than one task.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::event::Event;
use crate::consume::pipe::{Pipe, Reader, WriteError};
use crate::dates;
use crate::error::{Exit, Failure};

/// Where the lines go.
#[derive(Debug)]
pub(super) struct Lines(Mutex<Pipe>);

impl Lines {
    /// Standard output, and its other end.
    pub(super) fn of_stdout() -> Result<(Self, Reader), Failure> {
        let no_stdout = |error| Failure::new(Exit::Failed, "cannot write to stdout").cause(error);
        let pipe = Pipe::of_stdout().map_err(no_stdout)?;
        let reader = pipe.reader().map_err(no_stdout)?;
        Ok((Self(Mutex::new(pipe)), reader))
    }

    /// Adds a line; it is written when enough have come, or by [`flush`](Self::flush).
    pub(super) fn add(&self, event: &Event<'_>) -> Result<(), WriteError> {
        let line = event.line(dates::now());
        let mut pipe = self.lock();
        pipe.buffer().extend_from_slice(line.as_bytes());
        if pipe.is_full() { pipe.flush() } else { Ok(()) }
    }

    /// Adds a line and writes all there is.
    pub(super) fn say(&self, event: &Event<'_>) -> Result<(), WriteError> {
        self.add(event)?;
        self.flush()
    }

    /// Writes all there is.
    pub(super) fn flush(&self) -> Result<(), WriteError> {
        let mut pipe = self.lock();
        if pipe.buffer().is_empty() { Ok(()) } else { pipe.flush() }
    }

    fn lock(&self) -> MutexGuard<'_, Pipe> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who reads the lines has enough, or they cannot be written.
pub(super) fn unwritten(error: WriteError) -> Result<Exit, Failure> {
    match error {
        WriteError::ReaderGone => Ok(Exit::Done),
        WriteError::Output(error) => Err(Failure::new(Exit::Failed, "cannot write to stdout").cause(error)),
    }
}
