//! Stdout for a stream of records: one large buffer, written when it is full or when there is nothing to add.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use tokio::sync::oneshot;

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
    pub fn reader(&self) -> io::Result<Reader> {
        let watched = self.file.as_fd().try_clone_to_owned()?;
        let (gone, when_gone) = oneshot::channel();
        // Only a system call on the open pipe sees its reader go, so a thread waits in one. It holds nothing
        // and ends with the process; for a regular file it simply sleeps.
        std::thread::Builder::new().name("stdout reader".to_owned()).spawn(move || {
            let mut fds = [PollFd::new(&watched, PollFlags::empty())];
            while rustix::event::poll(&mut fds, None).is_err_and(|error| error == Errno::INTR) {}
            // The receiver is gone when the work ended first.
            let _ = gone.send(());
        })?;
        Ok(Reader(when_gone))
    }
}

/// The other end of stdout.
#[derive(Debug)]
pub struct Reader(oneshot::Receiver<()>);

impl Reader {
    /// Waits until the reader has gone, so that an idle topic does not keep us alive for nobody. Cancel safe.
    pub async fn gone(&mut self) {
        if (&mut self.0).await.is_err() {
            std::future::pending().await
        }
    }
}
