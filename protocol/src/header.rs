//! Request and response headers, and the requests that break their rules.
//!
//! | case | rule | reason |
//! |---|---|---|
//! | any request of a flexible version | request header 2: tagged fields, but the client id stays a classic string | brokers must read the id before they know the version (KIP-482) |
//! | ControlledShutdown version 0 | request header 0: no client id | older than client ids |
//! | any response of a flexible version | response header 1: tagged fields | KIP-482 |
//! | ApiVersions response, every version | response header 0 | a client that asked with a version too new must be able to read the refusal (KIP-511) |

use bytes::Bytes;

use crate::api::{ApiInfo, ApiKey, Request};
use crate::wire::{
    DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind, Frame, Nullable, Prefix, Reader,
    VersionRange, Wire, Writer,
};

/// The head of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// Which API.
    pub key: ApiKey,
    /// Which version of it.
    pub version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<String>,
}

/// The header's version for a request: 0 without client id, 1 with it, 2 with tagged fields.
pub fn request_header_version(key: ApiKey, version: i16, flexible_from: i16) -> i16 {
    match (key, version) {
        (ApiKey::CONTROLLED_SHUTDOWN, 0) => 0,
        _ if version >= flexible_from => 2,
        _ => 1,
    }
}

/// The header's version for a response: 1 with tagged fields.
pub fn response_header_version(key: ApiKey, version: i16, flexible_from: i16) -> i16 {
    if key != ApiKey::API_VERSIONS && version >= flexible_from { 1 } else { 0 }
}

/// A request header whose tagged fields have not been read yet: whether it has any depends on the API's table.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// What every header version has.
    pub header: RequestHeader,
    rest: Bytes,
}

impl RequestHead {
    /// Takes the header off the front of a frame (without its length prefix).
    pub fn decode(frame: Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(&frame, 0, false);
        let header = Self::decode_fields(&mut r);
        let header = header.map_err(|kind| DecodeError::new(kind).at("RequestHeader", ""))?;
        Ok(Self { header, rest: r.rest() })
    }

    fn decode_fields(r: &mut Reader) -> Result<RequestHeader, DecodeErrorKind> {
        let key = ApiKey(i16::decode(r)?);
        let version = i16::decode(r)?;
        let correlation_id = i32::decode(r)?;
        let client_id = match (key, version) {
            (ApiKey::CONTROLLED_SHUTDOWN, 0) => None,
            _ => String::decode_nullable(r)?,
        };
        Ok(RequestHeader { key, version, correlation_id, client_id })
    }

    /// Reads the rest of the header and the body as `R`.
    ///
    /// Bytes behind the last field are passed over, as Kafka's brokers do: librdkafka from 2.1 on has three there when it asks
    /// for all topics (Metadata 9 and later), and clients that cannot list topics cannot subscribe by pattern either.
    pub fn body<R: Request>(self) -> Result<(RequestHeader, R), DecodeError> {
        let version = self.header.version;
        if !R::VERSIONS.contains(version) {
            return Err(DecodeError::new(DecodeErrorKind::Version(version)).at(R::KEY.name(), ""));
        }
        let mut r = Reader::new(&self.rest, version, version >= R::FLEXIBLE_FROM);
        r.skip_tags().map_err(|kind| DecodeError::new(kind).at("RequestHeader", "tagged fields"))?;
        let body = R::decode(&mut r).map_err(|kind| r.fail(kind))?;
        Ok((self.header, body))
    }

    /// Reads the rest of the header and leaves the body as it is, for those who pass it on.
    pub fn raw_body(self, api: &ApiInfo) -> Result<(RequestHeader, Bytes), DecodeError> {
        let version = self.header.version;
        let mut r = Reader::new(&self.rest, version, version >= api.flexible_from);
        r.skip_tags().map_err(|kind| DecodeError::new(kind).at("RequestHeader", "tagged fields"))?;
        Ok((self.header, r.rest()))
    }
}

/// Encodes a whole request frame.
pub fn encode_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
) -> Result<Frame, EncodeError> {
    let mut w = writer::<R>(version)?;
    put_request_header(&mut w, R::KEY, R::FLEXIBLE_FROM, correlation_id, client_id)?;
    finish(w, request)
}

/// Makes a whole request frame of a body that is encoded already, for those who learn only at run time which message it is.
pub fn frame_request(
    api: &ApiInfo,
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    body: &[u8],
) -> Result<Frame, EncodeError> {
    let mut w = frame_writer(api.key, api.versions, api.flexible_from, version)?;
    put_request_header(&mut w, api.key, api.flexible_from, correlation_id, client_id)?;
    w.put(body);
    w.into_frame().map_err(EncodeError::new)
}

fn put_request_header(
    w: &mut Writer,
    key: ApiKey,
    flexible_from: i16,
    correlation_id: i32,
    client_id: Option<&str>,
) -> Result<(), EncodeError> {
    let version = w.version();
    let header_version = request_header_version(key, version, flexible_from);
    w.set_flexible(false);
    w.put(&key.0.to_be_bytes());
    w.put(&version.to_be_bytes());
    w.put(&correlation_id.to_be_bytes());
    if header_version > 0 {
        let too_long = |kind| EncodeError::new(kind).at("RequestHeader", "client_id");
        w.length(Prefix::Short, client_id.map(str::len)).map_err(too_long)?;
        w.put(client_id.unwrap_or_default().as_bytes());
    }
    if header_version > 1 {
        w.uvarint(0);
    }
    w.set_flexible(version >= flexible_from);
    Ok(())
}

/// Appends the body, and fills in how long it all is.
fn finish<M: Wire>(mut w: Writer, body: &M) -> Result<Frame, EncodeError> {
    body.encode(&mut w).map_err(|kind| w.fail(kind))?;
    w.into_frame().map_err(EncodeError::new)
}

/// Encodes a whole response frame.
pub fn encode_response<R: Request>(
    response: &R::Response,
    version: i16,
    correlation_id: i32,
) -> Result<Frame, EncodeError> {
    let mut w = writer::<R>(version)?;
    w.put(&correlation_id.to_be_bytes());
    if response_header_version(R::KEY, version, R::FLEXIBLE_FROM) > 0 {
        w.uvarint(0);
    }
    finish(w, response)
}

/// Makes a whole response frame of a body that is encoded already.
pub fn frame_response(
    api: &ApiInfo,
    version: i16,
    correlation_id: i32,
    body: &[u8],
) -> Result<Frame, EncodeError> {
    let mut w = frame_writer(api.key, api.versions, api.flexible_from, version)?;
    w.put(&correlation_id.to_be_bytes());
    if response_header_version(api.key, version, api.flexible_from) > 0 {
        w.uvarint(0);
    }
    w.put(body);
    w.into_frame().map_err(EncodeError::new)
}

/// Reads the correlation id off the front of a response frame, so that the reader can find which request it answers.
pub fn correlation_id(frame: &Bytes) -> Result<i32, DecodeError> {
    let have = frame.len();
    let id = frame.first_chunk::<4>().ok_or(DecodeErrorKind::Truncated { need: 4, have });
    Ok(i32::from_be_bytes(*id.map_err(|kind| DecodeError::new(kind).at("ResponseHeader", "correlation_id"))?))
}

/// Decodes a whole response frame (without its length prefix): the correlation id and the body.
pub fn decode_response<R: Request>(frame: Bytes, version: i16) -> Result<(i32, R::Response), DecodeError> {
    let (id, body, r) = decode_front::<R>(&frame, version)?;
    r.end().map_err(|kind| DecodeError::new(kind).at(R::KEY.name(), "end"))?;
    Ok((id, body))
}

/// As [`decode_response`], for clients: bytes behind the last field are passed over, as by librdkafka and franz-go. There
/// are brokers that leave some there, as librdkafka's mock cluster does behind Metadata.
pub fn decode_response_front<R: Request>(
    frame: Bytes,
    version: i16,
) -> Result<(i32, R::Response), DecodeError> {
    decode_front::<R>(&frame, version).map(|(id, body, _)| (id, body))
}

fn decode_front<R: Request>(
    frame: &Bytes,
    version: i16,
) -> Result<(i32, R::Response, Reader<'_>), DecodeError> {
    if !R::VERSIONS.contains(version) {
        return Err(DecodeError::new(DecodeErrorKind::Version(version)).at(R::KEY.name(), ""));
    }
    let flexible = version >= R::FLEXIBLE_FROM;
    let mut r = Reader::new(frame, version, flexible);
    let id = response_header(&mut r, response_header_version(R::KEY, version, R::FLEXIBLE_FROM))?;
    let body = R::Response::decode(&mut r).map_err(|kind| r.fail(kind))?;
    Ok((id, body, r))
}

/// Takes the header off a response frame (without its length prefix): the correlation id and the body, still encoded.
pub fn response_body(api: &ApiInfo, frame: Bytes, version: i16) -> Result<(i32, Bytes), DecodeError> {
    let mut r = Reader::new(&frame, version, version >= api.flexible_from);
    let id = response_header(&mut r, response_header_version(api.key, version, api.flexible_from))?;
    Ok((id, r.rest()))
}

fn response_header(r: &mut Reader, header_version: i16) -> Result<i32, DecodeError> {
    let at = |field| move |kind| DecodeError::new(kind).at("ResponseHeader", field);
    let id = i32::decode(r).map_err(at("correlation_id"))?;
    if header_version > 0 {
        r.skip_tags().map_err(at("tagged fields"))?;
    }
    Ok(id)
}

fn writer<R: Request>(version: i16) -> Result<Writer, EncodeError> {
    frame_writer(R::KEY, R::VERSIONS, R::FLEXIBLE_FROM, version)
}

fn frame_writer(
    key: ApiKey,
    versions: VersionRange,
    flexible_from: i16,
    version: i16,
) -> Result<Writer, EncodeError> {
    if !versions.contains(version) {
        return Err(EncodeError::new(EncodeErrorKind::Version(version)).at(key.name(), ""));
    }
    let mut w = Writer::new(version, version >= flexible_from);
    // Room for the length prefix.
    w.put(&[0; 4]);
    Ok(w)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse};

    #[test]
    fn header_versions_follow_the_table() {
        let request = |key, version| request_header_version(key, version, 3);
        assert_eq!((request(ApiKey::METADATA, 2), request(ApiKey::METADATA, 3)), (1, 2));
        assert_eq!(request(ApiKey::CONTROLLED_SHUTDOWN, 0), 0);
        assert_eq!(
            (request(ApiKey::CONTROLLED_SHUTDOWN, 1), request(ApiKey::CONTROLLED_SHUTDOWN, 3)),
            (1, 2)
        );
        let response = |key, version| response_header_version(key, version, 3);
        assert_eq!((response(ApiKey::METADATA, 2), response(ApiKey::METADATA, 3)), (0, 1));
        assert_eq!((response(ApiKey::API_VERSIONS, 2), response(ApiKey::API_VERSIONS, 3)), (0, 0));
    }

    #[test]
    fn a_request_comes_back_with_its_header_in_every_version() {
        for client_id in [None, Some(""), Some("me")] {
            for version in 1..=13 {
                let request = MetadataRequest::default();
                let frame = encode_request(&request, version, 7, client_id).unwrap().to_bytes();
                let head = RequestHead::decode(frame.slice(4..)).unwrap();
                let (header, body) = head.body::<MetadataRequest>().unwrap();
                let client_id = client_id.map(str::to_owned);
                let sent = RequestHeader { key: ApiKey::METADATA, version, correlation_id: 7, client_id };
                assert_eq!((header, body), (sent, request));
            }
        }
    }

    #[test]
    fn the_client_id_stays_classic_in_a_flexible_header() {
        let frame = encode_request(&ApiVersionsRequest::default(), 3, 1, Some("me")).unwrap().to_bytes();
        // Key, version, correlation id; two bytes of length in front of the id; no tagged fields; the body.
        let wanted = [0, 18, 0, 3, 0, 0, 0, 1, 0, 2, b'm', b'e', 0, 1, 1, 0];
        assert_eq!(frame.slice(4..), wanted[..]);
    }

    #[test]
    fn an_api_versions_response_has_no_tagged_fields_in_its_header() {
        let plain = encode_response::<ApiVersionsRequest>(&ApiVersionsResponse::default(), 3, 9).unwrap();
        // Correlation id, error code, empty list, throttle time, no tagged fields.
        assert_eq!(plain.to_bytes().slice(4..), [0, 0, 0, 9, 0, 0, 1, 0, 0, 0, 0, 0][..]);
        for version in [8, 9] {
            let response = MetadataResponse::default();
            let frame = encode_response::<MetadataRequest>(&response, version, 9).unwrap().to_bytes();
            let decoded = decode_response::<MetadataRequest>(frame.slice(4..), version).unwrap();
            assert_eq!(decoded, (9, response));
        }
    }

    #[test]
    fn a_body_that_is_encoded_already_makes_the_same_frames() {
        for version in [1, 12] {
            let api = ApiInfo::of::<MetadataRequest>();
            let (request, response) = (MetadataRequest::default(), MetadataResponse::default());
            let whole = encode_request(&request, version, 7, Some("me")).unwrap().to_bytes();
            let body = request.encode_body(version).unwrap();
            let framed = frame_request(&api, version, 7, Some("me"), &body).unwrap().to_bytes();
            assert_eq!(framed, whole);
            let answer = encode_response::<MetadataRequest>(&response, version, 7).unwrap().to_bytes();
            let body = MetadataRequest::encode_response_body(&response, version).unwrap();
            assert_eq!(response_body(&api, answer.slice(4..), version), Ok((7, body)));
        }
        let newest = ApiInfo::of::<MetadataRequest>().versions.last;
        assert!(frame_request(&ApiInfo::of::<MetadataRequest>(), newest + 1, 7, None, &[]).is_err());
    }

    #[test]
    fn bytes_behind_a_request_are_passed_over_and_behind_a_response_refused() {
        let request = MetadataRequest::default();
        for version in [1, 12] {
            let frame = encode_request(&request, version, 7, None).unwrap().to_bytes();
            let more = [&frame[4..], &[1, 0, 0]].concat();
            let (_, body) = RequestHead::decode(more.into()).unwrap().body::<MetadataRequest>().unwrap();
            assert_eq!(body, request);
            let response = MetadataResponse::default();
            let frame = encode_response::<MetadataRequest>(&response, version, 7).unwrap().to_bytes();
            let more = [&frame[4..], &[0]].concat();
            assert!(decode_response::<MetadataRequest>(more.into(), version).is_err());
        }
    }

    #[test]
    fn a_header_cut_anywhere_is_an_error() {
        let frame = encode_request(&MetadataRequest::default(), 12, 7, Some("me")).unwrap().to_bytes();
        for end in 4..frame.len() {
            let head = RequestHead::decode(frame.slice(4..end));
            assert!(head.and_then(RequestHead::body::<MetadataRequest>).is_err(), "cut at {end}");
        }
        assert!(correlation_id(&Bytes::from_static(&[0; 3])).is_err());
        assert_eq!(correlation_id(&Bytes::from_static(&[0, 0, 0, 5, 1])), Ok(5));
    }
}
