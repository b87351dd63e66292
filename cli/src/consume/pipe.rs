//! Stdout for a stream of records: one large buffer, written when it is full or when there is nothing to add.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Written at once: enough that system calls cost little, little enough that the reader gets to work early.
const FULL: usize = 128 * 1024;

/// Stdout and what is to be written to it.
#[derive(Debug)]
pub struct Pipe {
    file: File,
    buffer: Vec<u8>,
}

/// Why stdout takes nothing more.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The reader closed its end: it has what it wanted, as `head` does.
    #[error("nobody reads stdout")]
    ReaderGone,
    /// Anything else, such as a full disk.
    #[error(transparent)]
    Output(io::Error),
}

impl Pipe {
    /// The process's stdout, past the line buffer of the standard library.
    pub fn of_stdout() -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self { file, buffer: Vec::with_capacity(2 * FULL) })
    }

    /// Where to append what is to be written.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// True if it is time to [`flush`](Self::flush).
    #[inline]
    pub fn is_full(&self) -> bool {
        self.buffer.len() >= FULL
    }

    /// True if a person looks at it.
    pub fn is_terminal(&self) -> bool {
        self.file.is_terminal()
    }

    /// Writes all there is; waits for the reader.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => WriteError::ReaderGone,
            _ => WriteError::Output(error),
        })
    }

    /// Watches the other end.
    pub fn reader(&self) -> Reader {
        let watched = self.file.as_fd().try_clone_to_owned().ok();
        // A regular file cannot be watched, nor does it ever go away.
        Reader(watched.and_then(|fd| AsyncFd::with_interest(fd, Interest::ERROR).ok()))
    }
}

/// The other end of stdout.
#[derive(Debug)]
pub struct Reader(Option<AsyncFd<OwnedFd>>);

impl Reader {
    /// Waits until the reader has gone, so that an idle topic does not keep us alive for nobody; cancel safe.
    pub async fn gone(&self) {
        match &self.0 {
            Some(fd) if fd.ready(Interest::ERROR).await.is_ok() => {}
            _ => std::future::pending().await,
        }
    }
}
