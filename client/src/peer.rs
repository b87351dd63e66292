//! One connection to one broker, by its address: what a broker is to another broker.
//!
//! Nothing is looked up, retried or shared here. A service wants a [`Client`](crate::Client) instead.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::Result;
use crate::net::{Address, Connection, Settings, open};
use crate::protocol::{ApiInfo, Request};

/// How connections are made.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// `client.id` of every request.
    pub client_id: String,
    /// How long an attempt to connect may take.
    pub connect_timeout: Duration,
    /// How long an answer may take, besides what the request itself lets the other side wait.
    pub request_timeout: Duration,
    /// The largest answer, in bytes.
    pub response_max: usize,
}

/// An open connection. Requests are pipelined and answered in their order; dropped = closed.
#[derive(Debug)]
pub struct Peer(Connection);

impl Peer {
    /// Connects and asks what is served. Dropped before it is ready, nothing is left.
    pub async fn connect(host: &str, port: u16, config: &PeerConfig) -> Result<Self> {
        let settings = Settings {
            client_id: config.client_id.clone(),
            connect_timeout: config.connect_timeout,
            request_timeout: config.request_timeout,
            response_max: config.response_max,
            pinned: None,
        };
        let address = Address { host: Arc::from(host), port };
        Box::pin(open(&address, &settings)).await.map(Self)
    }

    /// False once it has ended: a new one is needed.
    pub fn is_open(&self) -> bool {
        self.0.is_open()
    }

    /// Waits until it has ended, whoever ended it. Dropped before it is ready, nothing has changed.
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    /// Sends a request in this version, whatever the other side says that it serves, and waits for the answer; `held` is how long the
    /// other side may hold it back. Dropped before it is ready, the request was carried out or not.
    pub async fn request<R: Request>(
        &self,
        request: &R,
        version: i16,
        held: Duration,
    ) -> Result<R::Response> {
        self.0.call_version(request, version, held).await
    }

    /// Sends a body that is encoded already and gives the body of the answer, whatever the other side says that it serves. Dropped
    /// before it is ready, the request was carried out or not.
    pub async fn request_raw(&self, api: &ApiInfo, version: i16, body: &[u8]) -> Result<Bytes> {
        self.0.call_raw(api, version, body).await
    }
}
