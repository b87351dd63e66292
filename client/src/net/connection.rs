//! One TCP connection: requests are pipelined, answers come back in order.
//!
//! A request is written by the task that sends it, as far as the socket takes it at once; the connection's own task
//! writes the rest and reads the answers.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::debug;

use super::dial::{Address, dial};
use super::versions::Versions;
use crate::protocol::frame::{PREFIX_LEN, frame_len};
use crate::protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::wire::{Chunk, Frame};
use crate::protocol::{ErrorCode, Request, correlation_id, decode_response, encode_request};
use crate::{Error, ErrorKind, Result};

/// Frames up to this size are read together and copied out; larger ones are read straight into their own buffer.
const SCRATCH: usize = 16 * 1024;
/// What a large frame is given at first. It doubles as bytes arrive, so that a length alone costs nothing.
const FIRST_RESERVE: usize = 1024 * 1024;
/// How many pieces one system call writes.
const SLICES: usize = 64;
/// Requests that may wait for an answer on one connection: more are a leak, not a load.
const WAITING_MAX: usize = 10_000;

/// What every connection of a client has in common.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) client_id: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    /// The largest answer, in bytes.
    pub(crate) response_max: usize,
}

/// An open connection whose broker has said what it serves. Dropped = closed.
#[derive(Debug)]
pub(crate) struct Connection {
    link: std::sync::Arc<Link>,
    versions: Versions,
    settings: Settings,
    task: JoinHandle<()>,
}

/// Both the senders and the connection's task hold it.
#[derive(Debug)]
struct Link {
    stream: TcpStream,
    address: String,
    next_id: AtomicI32,
    /// Held while an entry is added to `waiting`, so that both are in one order.
    unsent: Mutex<Unsent>,
    /// Wakes the task to write `unsent`.
    unsent_added: Notify,
    /// Wakes those who wait until their bytes are written.
    written_more: Notify,
    waiting: Mutex<Waiting>,
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
    Open(VecDeque<(i32, oneshot::Sender<Result<Bytes>>)>),
    /// Ended, for this reason.
    Ended(Error),
}

impl Connection {
    /// Dials, and asks for the versions.
    pub(crate) async fn open(address: &Address, settings: &Settings) -> Result<Self> {
        let stream = dial(address, settings.connect_timeout).await?;
        let link = std::sync::Arc::new(Link {
            stream,
            address: address.to_string(),
            next_id: AtomicI32::new(0),
            unsent: Mutex::default(),
            unsent_added: Notify::new(),
            written_more: Notify::new(),
            waiting: Mutex::new(Waiting::Open(VecDeque::new())),
        });
        let task = tokio::spawn(run(link.clone(), settings.response_max));
        let mut connection = Self { link, versions: Versions::default(), settings: settings.clone(), task };
        connection.versions = Versions::new(&connection.ask_versions().await?);
        Ok(connection)
    }

    /// `host:port` as it was dialled.
    pub(crate) fn address(&self) -> &str {
        &self.link.address
    }

    /// False once it has ended: a new one is needed.
    pub(crate) fn is_open(&self) -> bool {
        matches!(*lock(&self.link.waiting), Waiting::Open(_))
    }

    /// The highest version of `R` that both sides know, up to `cap`.
    pub(crate) fn version<R: Request>(&self, cap: i16) -> Result<i16> {
        self.versions.best::<R>(cap).ok_or_else(|| Error::unsupported(R::KEY, self.address()))
    }

    /// Whether the broker serves `R` at all.
    pub(crate) fn serves<R: Request>(&self) -> bool {
        self.versions.best::<R>(i16::MAX).is_some()
    }

    /// Sends a request in the best version and waits for the answer.
    pub(crate) async fn call<R: Request>(&self, request: &R) -> Result<R::Response> {
        let version = self.version::<R>(i16::MAX)?;
        self.call_version(request, version, Duration::ZERO).await
    }

    /// Sends a request in this version and waits; `extra` is how long the broker itself may hold the answer back.
    ///
    /// When no answer comes in time the connection is closed, as nothing behind it could be answered either.
    pub(crate) async fn call_version<R: Request>(
        &self,
        request: &R,
        version: i16,
        extra: Duration,
    ) -> Result<R::Response> {
        let answer = self.start(request, version)?;
        let limit = self.settings.request_timeout + extra;
        let frame = self.finish::<R>(answer, limit).await?;
        Ok(decode_response::<R>(frame, version)?.1)
    }

    /// Sends a request that is not answered (Produce with acks=0); [`told`](Self::told) waits for its last byte.
    pub(crate) fn tell<R: Request>(&self, request: &R, version: i16) -> Result<u64> {
        let frame = encode_request(request, version, self.link.id(), Some(&self.settings.client_id))?;
        self.link.send(frame, None)
    }

    /// Waits until the socket has taken what [`tell`](Self::tell) gave it.
    pub(crate) async fn told(&self, end: u64) -> Result<()> {
        loop {
            let written = self.link.written_more.notified();
            tokio::pin!(written);
            written.as_mut().enable();
            if lock(&self.link.unsent).written >= end {
                return Ok(());
            }
            if let Waiting::Ended(error) = &*lock(&self.link.waiting) {
                return Err(error.clone());
            }
            written.await;
        }
    }

    /// Sends a request; the answer is awaited apart, so that the order of several requests is fixed here.
    pub(crate) fn start<R: Request>(
        &self,
        request: &R,
        version: i16,
    ) -> Result<oneshot::Receiver<Result<Bytes>>> {
        let id = self.link.id();
        let frame = encode_request(request, version, id, Some(&self.settings.client_id))?;
        debug!(peer = self.address(), api = R::KEY.name(), version, correlation = id, "request");
        let (reply, answer) = oneshot::channel();
        self.link.send(frame, Some((id, reply)))?;
        Ok(answer)
    }

    /// Waits for what [`start`](Self::start) has begun.
    pub(crate) async fn finish<R: Request>(
        &self,
        answer: oneshot::Receiver<Result<Bytes>>,
        limit: Duration,
    ) -> Result<Bytes> {
        match timeout(limit, answer).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(_)) => Err(self.link.ended("the connection was closed")),
            Err(_) => {
                let error = Error::new(
                    ErrorKind::Timeout,
                    format!("{} did not answer {} within {limit:?}", self.address(), R::KEY.name()),
                )
                .around(|c| c.broker = Some(self.address().to_owned()));
                self.link.end(error.clone());
                self.task.abort();
                Err(error)
            }
        }
    }

    /// The time that an answer may take.
    pub(crate) fn request_timeout(&self) -> Duration {
        self.settings.request_timeout
    }

    async fn ask_versions(&self) -> Result<ApiVersionsResponse> {
        let request = ApiVersionsRequest {
            client_software_name: "kinglet".to_owned(),
            client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let mut version = ApiVersionsRequest::VERSIONS.last;
        let limit = self.settings.request_timeout.min(self.settings.connect_timeout);
        for _ in 0..2 {
            let answer = self.start(&request, version)?;
            let frame = self.finish::<ApiVersionsRequest>(answer, limit).await.map_err(not_kafka)?;
            // A broker that does not know the version answers in version 0, with the ones it knows (KIP-511).
            let refused = frame.get(4..6) == Some(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes());
            let answered = if refused { 0 } else { version };
            let response =
                decode_response::<ApiVersionsRequest>(frame, answered).map_err(|e| not_kafka(e.into()))?.1;
            if !refused {
                response.error_code.ok().map_err(|code| Error::broker(code, self.address()))?;
                return Ok(response);
            }
            version = Versions::new(&response).best::<ApiVersionsRequest>(version).unwrap_or(0);
        }
        Err(Error::unsupported(ApiVersionsRequest::KEY, self.address()))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The first answer failed: the port is probably not what the user takes it for.
fn not_kafka(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Disconnected | ErrorKind::Protocol => {
            error.hinted("the port may belong to another service, or expect TLS, which is not supported yet")
        }
        _ => error,
    }
}

impl Link {
    fn id(&self) -> i32 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Queues a frame and writes what the socket takes at once. The answer is how far the stream then goes.
    fn send(&self, frame: Frame, reply: Option<(i32, oneshot::Sender<Result<Bytes>>)>) -> Result<u64> {
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
    fn end(&self, error: Error) {
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

    fn ended(&self, cause: impl Into<String>) -> Error {
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

async fn run(link: std::sync::Arc<Link>, response_max: usize) {
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
    let mut frame = BytesMut::with_capacity(len.min(FIRST_RESERVE));
    frame.extend_from_slice(scratch);
    scratch.clear();
    while frame.len() < len {
        if frame.len() == frame.capacity() {
            frame.reserve((len - frame.len()).min(frame.capacity()));
        }
        let left = len - frame.len();
        read_some(link, &mut (&mut frame).limit(left)).await?;
    }
    Ok(frame.freeze())
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
