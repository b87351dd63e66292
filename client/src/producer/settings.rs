//! From the configuration to what the producer may do.

use super::accumulator::Limits;
use super::partitioner::Choice;
use super::request;
use super::sequence::{BATCHES_REMEMBERED, Identity};
use crate::net::Backoff;
use crate::protocol::records::Compression;
use crate::{Config, Error, ErrorKind, Result};

/// What requests carry.
pub(super) fn requests(config: &Config) -> request::Settings {
    let compression: Compression = config.text("compression.type").parse().unwrap_or_default();
    let level = match compression {
        Compression::None | Compression::Snappy => None,
        Compression::Gzip => config.int32("compression.gzip.level").filter(|level| *level > 0),
        Compression::Lz4 => config.int32("compression.lz4.level"),
        Compression::Zstd => config.int32("compression.zstd.level"),
    };
    let acks = match config.text("acks") {
        "0" => 0,
        "1" => 1,
        _ => -1,
    };
    let timeout_ms = config.int32("request.timeout.ms").unwrap_or(i32::MAX);
    request::Settings { acks, timeout_ms, compression, level }
}

/// Idempotence is on unless it was switched off, or other settings rule it out; asked for by name, those are an error.
pub(super) fn identity(config: &Config, acks: i16) -> Result<(Identity, bool)> {
    let in_flight = config.int("max.in.flight.requests.per.connection").unwrap_or_default();
    let is_remembered = u64::try_from(in_flight).is_ok_and(|count| count <= BATCHES_REMEMBERED);
    let possible = acks == -1 && config.int("retries") != Some(0) && is_remembered;
    match config.get("enable.idempotence") {
        Some("false") => Ok((Identity::Off, false)),
        Some(_) if !possible => Err(Error::new(ErrorKind::Config, "enable.idempotence=true cannot be kept")
            .hinted("it needs acks=all, retries above 0 and max.in.flight.requests.per.connection up to 5")),
        Some(_) => Ok((Identity::Wanted, true)),
        None => Ok((if possible { Identity::Wanted } else { Identity::Off }, false)),
    }
}

/// What `batch.size` is when it is unset: as much as a broker takes by default.
const BATCH_SIZE: usize = 1024 * 1024;
/// Batches in one request; brokers take 100 MiB.
const REQUEST_MAX: usize = 8 * 1024 * 1024;
/// A record is encoded with 31-bit lengths; nobody means to send one of this size.
const RECORD_MAX: usize = 1024 * 1024 * 1024;

/// What the accumulator may do.
pub(super) fn limits(config: &Config, identity: Identity, must_be_numbered: bool, acks: i16) -> Limits {
    let in_flight = config.size("max.in.flight.requests.per.connection").unwrap_or(1);
    // Without sequence numbers a retry could overtake; whoever sets the limit by name has chosen that.
    let may_overtake = identity != Identity::Off
        || acks == 0
        || config.get("max.in.flight.requests.per.connection").is_some();
    Limits {
        batch_size: config.size("batch.size").unwrap_or(BATCH_SIZE),
        linger: config.get("linger.ms").map(|_| config.duration("linger.ms")),
        memory: config.size("buffer.memory").unwrap_or(usize::MAX),
        record_max: config.size("max.request.size").unwrap_or(RECORD_MAX).min(RECORD_MAX),
        request_max: REQUEST_MAX,
        in_flight,
        partition_in_flight: if may_overtake { in_flight } else { 1 },
        delivery_timeout: config.duration("delivery.timeout.ms"),
        retries: config.int("retries").and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX),
        retry: retry(config),
        partitioner: Choice::new(config),
        adaptive: config.flag("partitioner.adaptive.partitioning.enable"),
        must_be_numbered,
    }
}

fn retry(config: &Config) -> Backoff {
    Backoff { base: config.duration("retry.backoff.ms"), max: config.duration("retry.backoff.max.ms") }
}
