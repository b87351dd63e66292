//! Requests as Apache Kafka's own classes write them, and the raw exchange of frames with a broker.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use bytes::{BufMut, Bytes, BytesMut};
use kinglet_protocol::messages::{ApiVersionsRequest, REGISTRY};
use kinglet_protocol::{ApiInfo, ApiKey, decode_response, encode_request, request_header_version};

/// The correlation id of every frame made here.
pub const CORRELATION_ID: i32 = 7;
/// A response beyond this is none.
const RESPONSE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The body of one request of Apache Kafka's classes.
#[derive(Debug, Clone)]
pub struct Golden {
    /// Its API.
    pub key: ApiKey,
    /// Its version.
    pub version: i16,
    /// How its fields are filled: 0 is empty, higher numbers are longer.
    pub fill: i64,
    /// The bytes behind the request header.
    pub body: Vec<u8>,
}

/// All golden requests of the repository.
///
/// # Panics
/// When the file that holds them is not as it was committed.
pub fn requests() -> Vec<Golden> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../protocol/tests/data/vectors.jsonl");
    let text = std::fs::read_to_string(path).expect(path);
    let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line));
    rows.filter(|row| row["kind"] == "request").map(|row| Golden::of(&row)).collect()
}

impl Golden {
    fn of(row: &serde_json::Value) -> Self {
        let number = |field: &str| row[field].as_i64().expect(field);
        Self {
            key: ApiKey(i16::try_from(number("key")).expect("key")),
            version: i16::try_from(number("version")).expect("version"),
            fill: number("fill"),
            body: unhex(row["hex"].as_str().expect("hex")),
        }
    }
}

/// A whole frame around a request body: length prefix, header, body.
///
/// # Panics
/// When the body is longer than a frame can be.
pub fn frame(info: &ApiInfo, version: i16, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(info.key.0);
    out.put_i16(version);
    out.put_i32(CORRELATION_ID);
    out.put_i16(4);
    out.put_slice(b"test");
    if request_header_version(info.key, version, info.flexible_from) == 2 {
        out.put_u8(0);
    }
    out.put_slice(body);
    let mut framed = BytesMut::new();
    framed.put_i32(i32::try_from(out.len()).expect("a frame is below 2 GiB"));
    framed.put_slice(&out);
    framed.freeze()
}

/// Sends a frame and returns the next response, without its length prefix.
///
/// # Errors
/// When the peer closes, answers late or answers nonsense.
pub fn exchange(stream: &mut TcpStream, request: &[u8]) -> io::Result<Bytes> {
    stream.write_all(request)?;
    read_response(stream)
}

/// The next response, without its length prefix.
///
/// # Errors
/// As [`exchange`].
pub fn read_response(stream: &mut TcpStream) -> io::Result<Bytes> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix)?;
    let length = usize::try_from(i32::from_be_bytes(prefix)).ok().filter(|len| *len <= RESPONSE_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a response's length"))?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body.into())
}

/// The APIs and versions that a broker says it has and serves.
///
/// # Errors
/// As [`exchange`].
///
/// # Panics
/// When the answer does not decode, or names an API that is not declared.
pub fn advertised(stream: &mut TcpStream) -> io::Result<Vec<(&'static ApiInfo, i16)>> {
    let request = encode_request(&ApiVersionsRequest::default(), 0, CORRELATION_ID, None).expect("encodes");
    let response = exchange(stream, &request.to_bytes())?;
    let (_, response) = decode_response::<ApiVersionsRequest>(response, 0).expect("decodes");
    let mut all = Vec::new();
    for row in response.api_keys {
        let info = REGISTRY.iter().find(|info| info.key.0 == row.api_key).expect("a declared API");
        all.extend((row.min_version..=row.max_version).map(|version| (info, version)));
    }
    Ok(all)
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex")).collect()
}
