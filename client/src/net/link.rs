//! What the senders and the task of one connection share: bytes on their way out, and who waits for an answer.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tracing::debug;

use super::buffers::Buffers;
use crate::protocol::correlation_id;
use crate::protocol::frame::{PREFIX_LEN, frame_len};
use crate::protocol::wire::{Chunk, Frame};
use crate::{Error, ErrorKind, Result};

/// Frames up to this size are read together and copied out; larger ones are read straight into their own buffer.
const SCRATCH: usize = 16 * 1024;
/// What a large frame is given at first. It doubles as bytes arrive, so that a length alone costs nothing.
const FIRST_RESERVE: usize = 1024 * 1024;
/// How many pieces one system call writes.
const SLICES: usize = 64;
/// Requests that may wait for an answer on one connection: more are a leak, not a load.
const WAITING_MAX: usize = 10_000;

/// Both the senders and the connection's task hold it.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    pub(super) address: String,
    next_id: AtomicI32,
    /// Held while an entry is added to `waiting`, so that both are in one order.
    unsent: Mutex<Unsent>,
    /// Wakes the task to write `unsent`.
    unsent_added: Notify,
    /// Wakes those who wait until their bytes are written.
    written_more: Notify,
    waiting: Mutex<Waiting>,
    /// An answer has come.
    answered: AtomicBool,
    buffers: Arc<Buffers>,
}

/// Bytes the socket did not take at once.
#[derive(Debug, Default)]
struct Unsent {
    queue: VecDeque<Bytes>,
    /// All bytes that were ever put in.
    queued: u64,
    /// All bytes that the socket has taken.
    written: u64,
}

#[derive(Debug)]
enum Waiting {
    Open(VecDeque<Reply>),
    /// Ended, for this reason.
    Ended(Error),
}

/// Whoever asked, and the correlation id of the answer.
pub(super) type Reply = (i32, oneshot::Sender<Result<Bytes>>);

impl Link {
    pub(super) fn new(stream: TcpStream, address: String) -> Self {
        Self {
            stream,
            address,
            next_id: AtomicI32::new(0),
            unsent: Mutex::default(),
            unsent_added: Notify::new(),
            written_more: Notify::new(),
            waiting: Mutex::new(Waiting::Open(VecDeque::new())),
            answered: AtomicBool::new(false),
            buffers: Arc::default(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(*lock(&self.waiting), Waiting::Open(_))
    }

    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// The next correlation id.
    pub(super) fn id(&self) -> i32 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Queues a frame and writes what the socket takes at once. The answer is how far the stream then goes.
    pub(super) fn send(&self, frame: Frame, reply: Option<Reply>) -> Result<u64> {
        let mut unsent = lock(&self.unsent);
        match &mut *lock(&self.waiting) {
            Waiting::Ended(error) => return Err(error.clone()),
            Waiting::Open(waiting) if waiting.len() >= WAITING_MAX => {
                return Err(Error::new(ErrorKind::Timeout, "too many requests wait for an answer"));
            }
            Waiting::Open(waiting) => waiting.extend(reply),
        }
        let idle = unsent.queue.is_empty();
        unsent.add(frame);
        // What the socket does not take now, and errors, are the task's: it sees them when it tries again.
        if idle && !matches!(self.write_some(&mut unsent), Ok(true)) {
            self.unsent_added.notify_one();
        }
        Ok(unsent.queued)
    }

    /// Waits until the socket has taken everything up to `end`, a place in the stream.
    pub(super) async fn written(&self, end: u64) -> Result<()> {
        loop {
            let written = self.written_more.notified();
            tokio::pin!(written);
            written.as_mut().enable();
            if lock(&self.unsent).written >= end {
                return Ok(());
            }
            if let Waiting::Ended(error) = &*lock(&self.waiting) {
                return Err(error.clone());
            }
            written.await;
        }
    }

    /// Writes until all is written (true) or the socket is full (false).
    fn write_some(&self, unsent: &mut Unsent) -> io::Result<bool> {
        while !unsent.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = unsent.queue.len().min(SLICES);
            for (slice, bytes) in slices.iter_mut().zip(&unsent.queue) {
                *slice = IoSlice::new(bytes);
            }
            match self.stream.try_write_vectored(slices.get(..count).unwrap_or_default()) {
                Ok(written) => unsent.consume(written),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Ends the connection: whoever waits gets the error, and so does whoever comes later.
    pub(super) fn end(&self, error: Error) {
        let before = std::mem::replace(&mut *lock(&self.waiting), Waiting::Ended(error.clone()));
        match before {
            Waiting::Open(waiting) => {
                for (_, reply) in waiting {
                    // The one who asked may have given up: then nobody misses the answer.
                    let _ = reply.send(Err(error.clone()));
                }
            }
            // The first reason is the right one.
            Waiting::Ended(first) => *lock(&self.waiting) = Waiting::Ended(first),
        }
        self.written_more.notify_waiters();
    }

    pub(super) fn ended(&self, cause: impl Into<String>) -> Error {
        Error::new(ErrorKind::Disconnected, format!("lost the connection to {}", self.address))
            .because(cause)
            .around(|c| c.broker = Some(self.address.clone()))
    }

    fn deliver(&self, frame: Bytes) -> Result<()> {
        let id = correlation_id(&frame)?;
        let next = match &mut *lock(&self.waiting) {
            Waiting::Open(waiting) => waiting.pop_front(),
            Waiting::Ended(_) => return Ok(()),
        };
        match next {
            Some((expected, reply)) if expected == id => {
                self.answered.store(true, Ordering::Relaxed);
                // The one who asked may have given up: then nobody misses the answer.
                let _ = reply.send(Ok(frame));
                Ok(())
            }
            other => {
                let expected = other.map_or("none".to_owned(), |(id, _)| id.to_string());
                Err(Error::new(ErrorKind::Protocol, format!("{} answered out of order", self.address))
                    .because(format!("correlation id {id}, expected {expected}")))
            }
        }
    }
}

impl Unsent {
    fn add(&mut self, frame: Frame) {
        for chunk in frame.into_chunks() {
            match chunk {
                Chunk::Bytes(bytes) => {
                    self.queued += as_u64(bytes.len());
                    self.queue.push_back(bytes);
                }
                // Only a broker sends ranges of files.
                Chunk::External { .. } => {}
            }
        }
    }

    fn consume(&mut self, mut written: usize) {
        self.written += as_u64(written);
        while let Some(first) = self.queue.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.queue.pop_front();
        }
    }
}

fn as_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// The connection's task: reads answers and writes what is left, until it ends.
pub(super) async fn run(link: Arc<Link>, response_max: usize) {
    let error = tokio::select! {
        error = read(&link, response_max) => error,
        error = write(&link) => error,
    };
    debug!(peer = link.address, %error, "connection ended");
    link.end(error);
}

async fn write(link: &Link) -> Error {
    loop {
        link.unsent_added.notified().await;
        loop {
            let written = link.write_some(&mut lock(&link.unsent));
            link.written_more.notify_waiters();
            match written {
                Ok(true) => break,
                Ok(false) => {}
                Err(e) => return link.ended(e.to_string()),
            }
            if let Err(e) = link.stream.writable().await {
                return link.ended(e.to_string());
            }
        }
    }
}

async fn read(link: &Link, response_max: usize) -> Error {
    let mut scratch = BytesMut::with_capacity(SCRATCH);
    loop {
        while let Some(prefix) = scratch.first_chunk::<PREFIX_LEN>() {
            let len = match frame_len(*prefix, response_max) {
                Ok(len) => len,
                Err(e) => {
                    let error =
                        Error::new(ErrorKind::Protocol, format!("{} does not speak Kafka", link.address));
                    return error.because(e.to_string());
                }
            };
            let frame = if PREFIX_LEN + len <= scratch.len() {
                scratch.advance(PREFIX_LEN);
                let frame = Bytes::copy_from_slice(scratch.get(..len).unwrap_or_default());
                scratch.advance(len);
                link.buffers.shrink();
                frame
            } else if PREFIX_LEN + len <= SCRATCH {
                break;
            } else {
                scratch.advance(PREFIX_LEN);
                match read_large(link, &mut scratch, len).await {
                    Ok(frame) => frame,
                    Err(e) => return e,
                }
            };
            if let Err(e) = link.deliver(frame) {
                return e;
            }
        }
        scratch.reserve(SCRATCH - scratch.len().min(SCRATCH));
        if let Err(e) = read_some(link, &mut scratch).await {
            return e;
        }
    }
}

/// Reads a frame of `len` bytes, which begins with what is in `scratch`, into a buffer of its own.
async fn read_large(link: &Link, scratch: &mut BytesMut, len: usize) -> Result<Bytes> {
    let mut frame = link.buffers.take(len, len.min(FIRST_RESERVE));
    frame.extend_from_slice(scratch);
    scratch.clear();
    while frame.len() < len {
        if frame.len() == frame.capacity() {
            // Exactly: whoever holds the frame would hold what is too much of it.
            frame.reserve_exact((len - frame.len()).min(frame.capacity()));
        }
        let left = len - frame.len();
        read_some(link, &mut (&mut frame).limit(left)).await?;
    }
    Ok(link.buffers.lend(frame))
}

async fn read_some(link: &Link, into: &mut impl BufMut) -> Result<()> {
    loop {
        match link.stream.try_read_buf(into) {
            Ok(0) => return Err(link.ended("the broker closed it")),
            Ok(_) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(link.ended(e.to_string())),
        }
        link.stream.readable().await.map_err(|e| link.ended(e.to_string()))?;
    }
}

/// A poisoned lock means that a holder panicked between two steps that cannot panic: the data is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
