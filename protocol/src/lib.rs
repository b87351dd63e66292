//! Kafka's wire protocol: every message and version from one table, record batches, compression.
//!
//! Nothing here does input or output: bytes go in, values come out, and back.
//!
//! One captured frame, behind its length prefix, to a request and back:
//!
//! ```
//! use bytes::Bytes;
//! use kinglet_protocol::messages::{MetadataRequest, MetadataResponse};
//! use kinglet_protocol::{RequestHead, encode_request, encode_response};
//!
//! let frame = Bytes::from_static(b"\0\x03\0\x01\0\0\0\x07\0\x02me\0\0\0\x01\0\x06orders");
//! let (header, request) = RequestHead::decode(frame.clone())?.body::<MetadataRequest>()?;
//! assert_eq!((header.key.name(), header.version, header.correlation_id), ("Metadata", 1, 7));
//! assert_eq!(request.topics.iter().flatten().map(|topic| topic.name.as_deref()).collect::<Vec<_>>(), [Some("orders")]);
//! assert_eq!(encode_request(&request, 1, 7, Some("me"))?.to_bytes().slice(4..), frame);
//! let _answer = encode_response::<MetadataRequest>(&MetadataResponse::default(), header.version, header.correlation_id)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | feature | brings |
//! |---|---|
//! | `gzip`, `snappy`, `lz4`, `zstd` (default) | the codecs of record batches, without C |
//! | `zstd-c` | zstd by the C library: all levels, better ratios, five times as fast |
//! | `registry` | all messages at run time, for tools: [`messages`]`::REGISTRY` and `DATA`; without it only those in use are compiled |
//! | `json` | bodies to and from Kafka's own JSON, by table |
//! | `serde` | serde's traits on every message, in the same form |

#[macro_use]
mod macros;

mod api;
mod error_code;
pub mod frame;
mod header;
#[cfg(feature = "json")]
pub mod json;
pub mod messages;
pub mod records;
pub mod releases;
pub mod wire;

pub use api::{ApiInfo, ApiKey, Data, DataInfo, Message, Recode, Request, negotiate};
pub use error_code::ErrorCode;
pub use header::{
    RequestHead, RequestHeader, correlation_id, decode_response, decode_response_front, encode_request,
    encode_response, frame_request, frame_response, request_header_version, response_body,
    response_header_version,
};
pub use wire::{DecodeError, EncodeError, Frame, RecordBytes, Uuid, VersionRange};
