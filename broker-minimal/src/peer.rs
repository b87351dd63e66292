//! Connections to other brokers: the only user of the client's network code here.
//!
//! A connection is made when it is first needed and made again after it ended; whoever needs the same one waits for the attempt that is
//! under way.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
pub(crate) use kinglet::peer::Peer;
use kinglet::peer::PeerConfig;
use kinglet_protocol::messages::{EnvelopeRequest, EnvelopeResponse};
use kinglet_protocol::wire::{Reader, Wire, Writer};
use kinglet_protocol::{ApiInfo, ApiKey, Request};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Mutex as Gate;
use tokio::time::timeout;

use crate::meta::raft::{Sending, Transport, TransportError};

/// The private API by which the nodes of a quorum talk: nobody else knows it, so it is not advertised. Its bodies are those of Envelope.
pub(crate) const QUORUM: ApiKey = ApiKey(10_000);
const QUORUM_API: ApiInfo = ApiInfo { key: QUORUM, ..ApiInfo::of::<EnvelopeRequest>() };

const CONNECT: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(30);
/// How long a probe waits for a process that does not refuse.
const PROBE: Duration = Duration::from_millis(500);
/// Besides records an answer has little in it.
const RESPONSE_MAX: usize = 128 * 1024 * 1024;

/// What a connection is for: what waits on one must not hold up another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// Votes and the metadata log.
    Quorum,
    /// Registration, heartbeats, changes of ISRs.
    Control,
    /// Requests of clients that are passed on.
    Forward,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    /// Nobody listens there: the process is gone.
    #[error("{0} refuses connections")]
    Refused(String),
    #[error(transparent)]
    Client(#[from] kinglet::Error),
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("there is no active controller")]
    NoController,
    #[error("the answer makes no sense: {0}")]
    Malformed(String),
}

type Key = (String, u16, Lane);
type Slot = Arc<Gate<Option<Arc<Peer>>>>;

/// All connections of this process to others.
#[derive(Debug)]
pub(crate) struct Peers {
    config: PeerConfig,
    slots: Mutex<HashMap<Key, Slot>>,
}

impl Peers {
    pub(crate) fn new(node_id: i32) -> Self {
        Self { config: config(&format!("broker-{node_id}")), slots: Mutex::default() }
    }

    /// A connection of its own, for a fetcher.
    pub(crate) async fn dial(&self, host: &str, port: u16) -> Result<Peer, PeerError> {
        match Peer::connect(host, port, &self.config).await {
            Ok(peer) => Ok(peer),
            Err(error) => Err(refined(host, port, error).await),
        }
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn request<R: Request>(
        &self,
        (host, port): (&str, u16),
        lane: Lane,
        request: &R,
    ) -> Result<R::Response, PeerError> {
        let peer = self.connection(host, port, lane).await?;
        match peer.request(request, R::VERSIONS.last, Duration::ZERO).await {
            Ok(response) => Ok(response),
            Err(error) => Err(refined(host, port, error).await),
        }
    }

    /// Passes a body on as it is, and gives the body of the answer.
    pub(crate) async fn request_raw(
        &self,
        (host, port): (&str, u16),
        lane: Lane,
        (api, version): (&ApiInfo, i16),
        body: &[u8],
    ) -> Result<Bytes, PeerError> {
        let peer = self.connection(host, port, lane).await?;
        match peer.request_raw(api, version, body).await {
            Ok(response) => Ok(response),
            Err(error) => Err(refined(host, port, error).await),
        }
    }

    /// Sends a message of the quorum.
    pub(crate) async fn quorum(
        &self,
        (host, port): (&str, u16),
        message: Bytes,
        limit: Duration,
    ) -> Result<Bytes, PeerError> {
        let envelope = EnvelopeRequest { request_data: message, ..Default::default() };
        let mut w = Writer::new(0, true);
        let encoded = envelope.encode(&mut w).map_err(|kind| w.fail(kind));
        encoded.map_err(|error| PeerError::Malformed(error.to_string()))?;
        let body = w.into_bytes();
        let asked = self.request_raw((host, port), Lane::Quorum, (&QUORUM_API, 0), &body);
        let answer = timeout(limit, asked).await.map_err(|_| PeerError::Late(limit))??;
        let mut r = Reader::new(&answer, 0, true);
        let decoded = EnvelopeResponse::decode(&mut r).map_err(|kind| r.fail(kind));
        let response = decoded.map_err(|error| PeerError::Malformed(error.to_string()))?;
        if response.error_code.is_err() {
            return Err(PeerError::Malformed(format!("{}", response.error_code)));
        }
        Ok(response.response_data.unwrap_or_default())
    }

    pub(crate) async fn connection(&self, host: &str, port: u16, lane: Lane) -> Result<Arc<Peer>, PeerError> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry((host.to_owned(), port, lane)).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some(peer) = slot.as_ref().filter(|peer| peer.is_open()) {
            return Ok(Arc::clone(peer));
        }
        *slot = None;
        let peer = Arc::new(self.dial(host, port).await?);
        *slot = Some(Arc::clone(&peer));
        Ok(peer)
    }
}

fn config(client_id: &str) -> PeerConfig {
    PeerConfig {
        client_id: client_id.to_owned(),
        connect_timeout: CONNECT,
        request_timeout: ANSWER,
        response_max: RESPONSE_MAX,
    }
}

/// An error, with what a second look at the address says of the process behind it.
async fn refined(host: &str, port: u16, error: kinglet::Error) -> PeerError {
    if is_refused(host, port).await { PeerError::Refused(format!("{host}:{port}")) } else { error.into() }
}

/// Whether nobody listens at an address: its process is dead, and not only slow or cut off.
pub(crate) async fn is_refused(host: &str, port: u16) -> bool {
    let Ok(Ok(addresses)) = timeout(PROBE, lookup_host((host, port))).await else { return false };
    let mut refused = false;
    for address in addresses {
        match timeout(PROBE, TcpStream::connect(address)).await {
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => refused = true,
            Ok(Ok(_) | Err(_)) | Err(_) => return false,
        }
    }
    refused
}

/// How the quorum's messages travel.
#[derive(Debug)]
pub(crate) struct QuorumTransport(pub(crate) Arc<Peers>);

impl Transport for QuorumTransport {
    fn send(&self, host: &str, port: u16, message: Bytes, limit: Duration) -> Sending {
        let (peers, host) = (Arc::clone(&self.0), host.to_owned());
        Box::pin(async move {
            peers.quorum((&host, port), message, limit).await.map_err(|error| match error {
                PeerError::Refused(_) => TransportError::Refused,
                other => TransportError::Other(other.to_string()),
            })
        })
    }
}
