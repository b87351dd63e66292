//! One TCP connection: requests are pipelined, answers come back in order.
//!
//! A request is written by the task that sends it, as far as the socket takes it at once; the connection's own task
//! writes the rest and reads the answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::{Instrument, Span, debug_span};

use super::dial::{Address, dial};
use super::link::{Link, run};
use super::versions::Versions;
use crate::protocol::releases::{Origin, Release};
use crate::protocol::{
    ApiInfo, ApiKey, Frame, Request, VersionRange, decode_response_front, encode_request, frame_request,
    response_body,
};
use crate::{Error, ErrorKind, Result};

/// What every connection of a client has in common.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) client_id: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    /// The largest answer, in bytes.
    pub(crate) response_max: usize,
    /// Brokers are not asked what they serve: they are of this release.
    pub(crate) pinned: Option<Release>,
}

/// A request that was sent and waits for its answer, with the span that covers both.
#[derive(Debug)]
pub(crate) struct Asked {
    answer: oneshot::Receiver<Result<Bytes>>,
    span: Span,
}

/// An open connection whose broker has said what it serves. Dropped = closed.
#[derive(Debug)]
pub(crate) struct Connection {
    link: Arc<Link>,
    versions: Versions,
    settings: Settings,
    task: JoinHandle<()>,
}

impl Connection {
    /// Dials. What the broker serves is not known yet.
    pub(super) async fn dial(address: &Address, settings: &Settings) -> Result<Self> {
        let stream = dial(address, settings.connect_timeout).await?;
        let link = Arc::new(Link::new(stream, address.to_string()));
        let task = tokio::spawn(run(link.clone(), settings.response_max));
        Ok(Self { link, versions: Versions::default(), settings: settings.clone(), task })
    }

    /// With what the broker serves.
    pub(super) fn with(mut self, versions: Versions) -> Self {
        self.versions = versions;
        self
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the broker has ever answered.
    pub(super) fn has_answered(&self) -> bool {
        self.link.has_answered()
    }

    /// `host:port` as it was dialled.
    pub(crate) fn address(&self) -> &str {
        &self.link.address
    }

    /// False once it has ended: a new one is needed.
    pub(crate) fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// Waits until it has ended.
    pub(crate) async fn closed(&self) {
        // The socket will never have taken this much.
        let _ended = self.link.written(u64::MAX).await;
    }

    /// The highest version of `R` that both sides know, up to `cap`.
    pub(crate) fn version<R: Request>(&self, cap: i16) -> Result<i16> {
        self.version_of(R::KEY, VersionRange::new(R::VERSIONS.first, R::VERSIONS.last.min(cap)))
    }

    /// The highest of our versions of an API that the broker knows.
    pub(crate) fn version_of(&self, key: ApiKey, ours: VersionRange) -> Result<i16> {
        self.versions.best_of(key, ours).ok_or_else(|| self.versions.lacks(key, ours, self.address()))
    }

    /// Sends a body that is encoded already, and waits for the body of the answer.
    pub(crate) async fn call_raw(&self, api: &ApiInfo, version: i16, body: &[u8]) -> Result<Bytes> {
        let id = self.link.id();
        let frame = frame_request(api, version, id, Some(&self.settings.client_id), body)?;
        let answer = self.post(api.key, version, id, frame)?;
        let frame = self.await_answer(api.key, answer, self.settings.request_timeout).await?;
        Ok(response_body(api, frame, version)?.1)
    }

    /// The broker is too old for `what`, though it serves the API.
    pub(crate) fn too_old(&self, what: &str, needs: Origin) -> Error {
        self.versions.too_old(what, needs, self.address())
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
        Ok(decode_response_front::<R>(frame, version)?.1)
    }

    /// Sends a request that is not answered (Produce with acks=0); [`told`](Self::told) waits for its last byte.
    pub(crate) fn tell<R: Request>(&self, request: &R, version: i16) -> Result<u64> {
        let frame = encode_request(request, version, self.link.id(), Some(&self.settings.client_id))?;
        self.link.send(frame, None)
    }

    /// Waits until the socket has taken what [`tell`](Self::tell) gave it.
    ///
    /// A broker that does not read in time loses the connection, as nothing behind it would be read either.
    pub(crate) async fn told(&self, end: u64) -> Result<()> {
        let limit = self.settings.request_timeout;
        match timeout(limit, self.link.written(end)).await {
            Ok(told) => told,
            Err(_) => {
                Err(self.give_up(format!("{} did not read a request within {limit:?}", self.address())))
            }
        }
    }

    /// Sends a request; the answer is awaited apart, so that the order of several requests is fixed here.
    pub(crate) fn start<R: Request>(&self, request: &R, version: i16) -> Result<Asked> {
        let id = self.link.id();
        let frame = encode_request(request, version, id, Some(&self.settings.client_id))?;
        self.post(R::KEY, version, id, frame)
    }

    fn post(&self, key: ApiKey, version: i16, id: i32, frame: Frame) -> Result<Asked> {
        let span = debug_span!("request", peer = self.address(), api = key.name(), version, correlation = id);
        let (reply, answer) = oneshot::channel();
        span.in_scope(|| self.link.send(frame, Some((id, reply))))?;
        Ok(Asked { answer, span })
    }

    /// Waits for what [`start`](Self::start) has begun.
    pub(crate) async fn finish<R: Request>(&self, asked: Asked, limit: Duration) -> Result<Bytes> {
        self.await_answer(R::KEY, asked, limit).await
    }

    async fn await_answer(&self, key: ApiKey, asked: Asked, limit: Duration) -> Result<Bytes> {
        let Asked { answer, span } = asked;
        match timeout(limit, answer).instrument(span).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(_)) => Err(self.link.ended("the connection was closed")),
            Err(_) => {
                let name = key.name();
                Err(self.give_up(format!("{} did not answer {name} within {limit:?}", self.address())))
            }
        }
    }

    /// Ends the connection because the peer took too long. Who waits for an answer gets this error.
    pub(crate) fn give_up(&self, message: String) -> Error {
        let error =
            Error::new(ErrorKind::Timeout, message).around(|c| c.broker = Some(self.address().to_owned()));
        self.link.end(error.clone());
        self.task.abort();
        error
    }

    /// The time that an answer may take.
    pub(crate) fn request_timeout(&self) -> Duration {
        self.settings.request_timeout
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::protocol::messages::ProduceRequest;
    use crate::protocol::messages::produce::{PartitionProduceData, TopicProduceData};

    #[tokio::test]
    async fn a_broker_that_stops_reading_loses_the_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let stream = TcpStream::connect(address).await.expect("it listens");
        let link = Arc::new(Link::new(stream, address.to_string()));
        let settings = Settings {
            client_id: String::new(),
            connect_timeout: Duration::from_secs(1),
            request_timeout: Duration::from_millis(50),
            response_max: 0,
            pinned: None,
        };
        let task = tokio::spawn(run(link.clone(), 0));
        let connection = Connection { link, versions: Versions::default(), settings, task };
        // More than the sockets' buffers hold.
        let records = Bytes::from(vec![0; 64 * 1024 * 1024]);
        let partition = PartitionProduceData { index: 0, records: Some(records.into()) };
        let topic = TopicProduceData { partition_data: vec![partition], ..Default::default() };
        let request = ProduceRequest { topic_data: vec![topic], ..Default::default() };
        let end = connection.tell(&request, 7).expect("it is open");
        let error = connection.told(end).await.expect_err("nobody reads");
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        assert!(!connection.is_open());
    }
}
