//! What the fuzz targets do with their bytes. An ordinary test of `protocol` includes this file and runs the corpus through it.

use bytes::Bytes;
use kinglet_protocol::messages::REGISTRY;
use kinglet_protocol::records::{Batch, Depth, validate};

/// Decompressed bytes that one batch may have here.
const LIMIT: usize = 1 << 20;

/// One direction of the messages.
#[derive(Debug, Clone, Copy)]
pub enum Direction {
    /// Client to broker.
    Request,
    /// Broker to client.
    Response,
}

/// A byte for the API's key, one for the version, then a body: what decodes must encode, and stay the same from there on.
pub fn message(direction: Direction, data: &[u8]) {
    let [key, version, body @ ..] = data else { return };
    let (key, version) = (i16::from(*key), i16::from(*version));
    let Some(api) = REGISTRY.iter().find(|api| api.key.0 == key && api.versions.contains(version)) else {
        return;
    };
    let recode = match direction {
        Direction::Request => api.recode_request,
        Direction::Response => api.recode_response,
    };
    let Ok(encoded) = recode(Bytes::copy_from_slice(body), version) else { return };
    let encoded = encoded.expect("what was decoded fits its version");
    let again = recode(encoded.clone(), version).expect("what was encoded decodes").expect("and encodes");
    assert_eq!(again, encoded, "{} v{version}", api.key);
}

/// Record batches behind each other: every reader of them comes to an end.
pub fn batches(data: &[u8]) {
    let mut rest = Bytes::copy_from_slice(data);
    while let Ok(Some(batch)) = Batch::split(&mut rest) {
        // Nearly all checksums are wrong here: whether this one is says nothing about the records.
        let valid = validate(&batch, Depth::Records, LIMIT).is_ok();
        let Ok(records) = batch.records(LIMIT) else { continue };
        assert!(records.bytes().len() <= LIMIT.max(batch.bytes().len()), "the limit holds");
        let whole =
            records.iter().filter_map(Result::ok).inspect(|record| record.headers().for_each(drop)).count();
        assert!(
            !valid || whole == records.count(),
            "{whole} records in a valid batch of {}",
            records.count()
        );
    }
}
