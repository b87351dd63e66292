//! The first words on a connection: what does the broker serve?
//!
//! Brokers since 0.10 say so. Of the older ones those of 0.8 close the connection on a question they do not know, and
//! those of 0.9 say nothing at all and leave it open. Both answer Metadata version 1 in the layout of version 0, as they
//! never look at its number, which no newer broker does: that is how they are told from a port that is none of Kafka's,
//! and from a broker that is slow.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use tracing::info;

use super::connection::{Connection, Settings};
use super::dial::Address;
use super::versions::Versions;
use crate::protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse, ProduceRequest,
};
use crate::protocol::releases::Release;
use crate::protocol::{ErrorCode, Request, decode_response};
use crate::{Error, ErrorKind, Result};

/// A broker that has not said what it serves by then may be one that does not understand the question.
const SILENCE: Duration = Duration::from_millis(250);

/// Addresses of brokers that are too old to say what they serve, so that this is found out once.
#[derive(Debug, Default)]
pub(super) struct OldBrokers(Mutex<HashMap<Address, Release>>);

impl OldBrokers {
    fn release(&self, address: &Address) -> Option<Release> {
        self.with(|known| known.get(address).copied())
    }

    fn remember(&self, address: &Address, release: Release) {
        self.with(|known| known.insert(address.clone(), release));
    }

    /// Something failed: the broker may be a newer one by now.
    pub(super) fn forget(&self, address: &Address) {
        self.with(|known| known.remove(address));
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Address, Release>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Opens a connection whose versions are known, to a broker that nothing is remembered of.
pub(crate) async fn open(address: &Address, settings: &Settings) -> Result<Connection> {
    greet(address, settings, &OldBrokers::default()).await
}

/// Opens a connection whose versions are known.
pub(super) async fn greet(address: &Address, settings: &Settings, old: &OldBrokers) -> Result<Connection> {
    if let Some(release) = settings.pinned {
        return Ok(Connection::dial(address, settings).await?.with(Versions::pinned(release)));
    }
    if let Some(release) = old.release(address) {
        return match Connection::dial(address, settings).await {
            Ok(connection) => Ok(connection.with(Versions::recognised(release))),
            Err(e) => {
                old.forget(address);
                Err(e)
            }
        };
    }
    let asking = introduce(Connection::dial(address, settings).await?);
    tokio::pin!(asking);
    let refused = match timeout(SILENCE, &mut asking).await {
        Ok(Err(e)) if e.kind() == ErrorKind::Disconnected => Some(e),
        Ok(told) => return told,
        Err(_) => None,
    };
    let recognising = recognise(address, settings);
    tokio::pin!(recognising);
    let (connection, release) = match refused {
        Some(error) => recognising.await.ok_or(error)?,
        // It is silent: whichever is known first, what it serves or what it is.
        None => tokio::select! {
            told = &mut asking => match told {
                Err(e) if e.kind() == ErrorKind::Disconnected => recognising.await.ok_or(e)?,
                told => return told,
            },
            found = &mut recognising => match found {
                Some(found) => found,
                None => return asking.await,
            },
        },
    };
    info!(peer = connection.address(), %release, "an old broker");
    old.remember(address, release);
    Ok(connection.with(Versions::recognised(release)))
}

/// Asks in our newest version, and in theirs if they do not know that one.
async fn introduce(connection: Connection) -> Result<Connection> {
    let request = ApiVersionsRequest {
        client_software_name: "kinglet".to_owned(),
        client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let mut version = ApiVersionsRequest::VERSIONS.last;
    for _ in 0..2 {
        let answer = connection.start(&request, version)?;
        let limit = limit(connection.settings());
        let frame = connection.finish::<ApiVersionsRequest>(answer, limit).await.map_err(not_kafka)?;
        if frame.get(4..6) == Some(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes()) {
            version = known_instead(frame, version);
            continue;
        }
        let response: ApiVersionsResponse =
            decode_response::<ApiVersionsRequest>(frame, version).map_err(|e| not_kafka(e.into()))?.1;
        response.error_code.ok().map_err(|code| Error::broker(code, connection.address()))?;
        return Ok(connection.with(Versions::told(&response)));
    }
    Err(Error::new(
        ErrorKind::Protocol,
        format!("{} refuses every version of ApiVersions", connection.address()),
    ))
}

/// The version to ask in when this one was refused. A broker answers in version 0 then (KIP-511): with the versions it knows, or,
/// before 2.4, with an empty list. librdkafka's mock cluster has a layout of its own for that; the code at the beginning of an
/// answer says enough, as version 0 is known to all.
fn known_instead(frame: Bytes, refused: i16) -> i16 {
    let known = decode_response::<ApiVersionsRequest>(frame, 0).ok();
    known.and_then(|(_, answer)| Versions::told(&answer).best::<ApiVersionsRequest>(refused)).unwrap_or(0)
}

/// Looks for an old broker, on a connection of its own.
async fn recognise(address: &Address, settings: &Settings) -> Option<(Connection, Release)> {
    let connection = Connection::dial(address, settings).await.ok()?;
    let nothing = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
    let answer = connection.start(&nothing, 1).ok()?;
    let frame = connection.finish::<MetadataRequest>(answer, limit(settings)).await.ok()?;
    let read = |version| decode_response::<MetadataRequest>(frame.clone(), version).map(|(_, m)| m);
    if read(1).is_ok() || !read(0).is_ok_and(|metadata| is_plausible(&metadata)) {
        return None;
    }
    // 0.9 has the throttle time in answers to version 1; 0.8 looks at that number neither.
    let nothing = ProduceRequest { acks: 1, ..Default::default() };
    let answer = connection.start(&nothing, 1).ok()?;
    let frame = connection.finish::<ProduceRequest>(answer, limit(settings)).await.ok()?;
    let read = |version| decode_response::<ProduceRequest>(frame.clone(), version).is_ok();
    let release = if read(1) { Release::V0_9_0 } else { Release::V0_8_2 };
    (read(1) || read(0)).then_some((connection, release))
}

/// A service of another kind that echoes what it is sent, or answers zeros, is none.
fn is_plausible(metadata: &MetadataResponse) -> bool {
    metadata.brokers.iter().all(|broker| !broker.host.is_empty() && u16::try_from(broker.port).is_ok())
}

fn limit(settings: &Settings) -> Duration {
    settings.request_timeout.min(settings.connect_timeout)
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
