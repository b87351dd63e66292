//! Whole frames as a broker and a client get them, and messages that are stored or embedded.

use bytes::{Bytes, BytesMut};
use kinglet_protocol::frame::frame_len;
use kinglet_protocol::messages::{
    ApiVersionsRequest, ControlledShutdownRequest, DATA, FetchRequest, FetchResponse, MetadataRequest,
    ProduceRequest, REGISTRY,
};
use kinglet_protocol::wire::{Chunk, Reader};
use kinglet_protocol::{
    ApiInfo, ApiKey, DecodeError, Frame, Recode, RecordBytes, Request, RequestHead, RequestHeader,
    correlation_id, decode_response, encode_request, encode_response, frame_request, request_header_version,
    response_body,
};

use super::{bounded, tell};

/// A request frame of any API and version, without its length prefix.
pub fn request(data: &[u8]) {
    let frame = Bytes::copy_from_slice(data);
    let head = match bounded(data.len(), 0, || RequestHead::decode(frame.clone())) {
        Ok(head) => head,
        Err(error) => return tell(&error),
    };
    let header = head.header;
    let Some(api) = find(header.key, header.version) else { return };
    let body = match request_body(api, &header, &frame) {
        Ok(body) => body,
        Err(error) => return tell(&error),
    };
    let client_id = header.client_id.as_deref();
    let again = frame_request(api, header.version, header.correlation_id, client_id, &body);
    let again = unprefixed(again.expect("it came in the same form"));
    assert_eq!(RequestHead::decode(again.clone()).expect("what was encoded decodes").header, header);
    assert_eq!(request_body(api, &header, &again).expect("what was encoded decodes"), body);
    recode(api.recode_request, body, header.version);
    match api.key {
        ApiKey::PRODUCE => typed_request::<ProduceRequest>(frame),
        ApiKey::FETCH => typed_request::<FetchRequest>(frame),
        ApiKey::METADATA => typed_request::<MetadataRequest>(frame),
        ApiKey::API_VERSIONS => typed_request::<ApiVersionsRequest>(frame),
        ApiKey::CONTROLLED_SHUTDOWN => typed_request::<ControlledShutdownRequest>(frame),
        _ => {}
    }
}

/// Key and version of the API, a byte each, and the frame that answers it.
pub fn response(data: &[u8]) {
    let [key, version, frame @ ..] = data else { return };
    let version = i16::from(*version);
    let Some(api) = find(ApiKey(i16::from(*key)), version) else { return };
    let frame = Bytes::copy_from_slice(frame);
    let id = correlation_id(&frame).inspect_err(|error| tell(error)).ok();
    match bounded(frame.len(), 0, || response_body(api, frame.clone(), version)) {
        Ok((same_id, body)) => {
            assert_eq!(id, Some(same_id));
            recode(api.recode_response, body, version);
        }
        Err(error) => return tell(&error),
    }
    match api.key {
        ApiKey::PRODUCE => drop(typed_response::<ProduceRequest>(frame, version)),
        ApiKey::FETCH => {
            if let Some(fetched) = typed_response::<FetchRequest>(frame, version) {
                spliced(fetched, version);
            }
        }
        ApiKey::METADATA => drop(typed_response::<MetadataRequest>(frame, version)),
        ApiKey::API_VERSIONS => drop(typed_response::<ApiVersionsRequest>(frame, version)),
        _ => {}
    }
}

/// The place in the table of what is stored or embedded and a version, a byte each, and the fields.
pub fn data(data: &[u8]) {
    let [place, version, fields @ ..] = data else { return };
    let version = i16::from(*version);
    let Some(info) = DATA.get(usize::from(*place)) else { return };
    recode(info.recode, Bytes::copy_from_slice(fields), version);
}

fn find(key: ApiKey, version: i16) -> Option<&'static ApiInfo> {
    REGISTRY.iter().find(|api| api.key == key && api.versions.contains(version))
}

/// What follows the header of a request.
fn request_body(api: &ApiInfo, header: &RequestHeader, frame: &Bytes) -> Result<Bytes, DecodeError> {
    let header_version = request_header_version(api.key, header.version, api.flexible_from);
    let id_len = header.client_id.as_ref().map_or(0, String::len);
    let rest = frame.slice(if header_version == 0 { 8 } else { 10 + id_len }..);
    let mut r = Reader::new(&rest, header.version, header_version > 1);
    r.skip_tags().map_err(|kind| r.fail(kind))?;
    Ok(r.rest())
}

fn recode(recode: Recode, body: Bytes, version: i16) {
    let encoded = match bounded(body.len(), 0, || recode(body.clone(), version)) {
        Ok(encoded) => encoded.expect("what was decoded fits its version"),
        Err(error) => return tell(&error),
    };
    let again = bounded(encoded.len(), 0, || recode(encoded.clone(), version));
    let again = again.expect("what was encoded decodes").expect("and encodes");
    assert_eq!(again, encoded);
}

fn typed_request<R: Request>(frame: Bytes) {
    let Ok((header, request)) = RequestHead::decode(frame).and_then(RequestHead::body::<R>) else { return };
    let (version, id) = (header.version, header.correlation_id);
    let encoded = encode_request(&request, version, id, header.client_id.as_deref()).expect("it was decoded");
    let head = RequestHead::decode(unprefixed(encoded)).expect("what was encoded decodes");
    assert_eq!(head.body::<R>().expect("what was encoded decodes"), (header, request.clone()));
    // To a peer of another version it is said, or it is told what cannot be.
    for version in [R::VERSIONS.first, R::VERSIONS.last, R::VERSIONS.last + 1] {
        if let Err(error) = encode_request(&request, version, id, None) {
            tell(&error);
        }
    }
}

fn typed_response<R: Request>(frame: Bytes, version: i16) -> Option<R::Response> {
    let (id, response) = decode_response::<R>(frame, version).ok()?;
    let encoded = encode_response::<R>(&response, version, id).expect("it was decoded");
    let again = decode_response::<R>(unprefixed(encoded), version).expect("what was encoded decodes");
    assert_eq!(again, (id, response));
    Some(again.1)
}

/// Records that the sender splices in take the place that they would have as bytes.
fn spliced(mut fetched: FetchResponse, version: i16) {
    let whole = encode_response::<FetchRequest>(&fetched, version, 7).expect("it was decoded");
    let mut ranges = Vec::new();
    for partition in fetched.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
        let Some(records) = &mut partition.records else { continue };
        let id = u32::try_from(ranges.len()).expect("fewer partitions than bytes");
        let external = RecordBytes::external(id, records.len());
        assert_eq!(external.is_empty(), records.is_empty());
        ranges.push(std::mem::replace(records, external).into_bytes());
    }
    let frame = encode_response::<FetchRequest>(&fetched, version, 7).expect("it was decoded");
    assert_eq!((frame.wire_len(), frame.to_bytes().len()), (whole.wire_len(), whole.wire_len()));
    let mut filled = BytesMut::new();
    for chunk in frame.into_chunks() {
        match chunk {
            Chunk::Bytes(bytes) => filled.extend_from_slice(&bytes),
            Chunk::External { id, len } => {
                let range = &ranges[usize::try_from(id).expect("as it was given")];
                assert_eq!(range.len(), len);
                filled.extend_from_slice(range);
            }
        }
    }
    assert_eq!(filled, whole.to_bytes());
    let mut ranges = ranges.into_iter();
    for partition in fetched.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if partition.records.is_some() {
            partition.records = ranges.next().map(RecordBytes::from);
        }
    }
    assert_eq!(encode_response::<FetchRequest>(&fetched, version, 7).expect("as before"), whole);
}

/// The frame behind its length prefix, which must be right.
fn unprefixed(frame: Frame) -> Bytes {
    let bytes = frame.to_bytes();
    let prefix = *bytes.first_chunk().expect("a frame has a prefix");
    assert_eq!(frame_len(prefix, usize::MAX).expect("it fits"), bytes.len() - 4);
    assert_eq!(frame.wire_len(), bytes.len());
    assert!(frame.chunks().iter().all(|chunk| matches!(chunk, Chunk::Bytes(bytes) if !bytes.is_empty())));
    bytes.slice(4..)
}
