//! Kafka's wire protocol: every message and version from one table, record batches, compression.
//!
//! Nothing here does input or output: bytes go in, values come out, and back.
//!
//! ```
//! use bytes::Bytes;
//! use kinglet_protocol::messages::{MetadataRequest, MetadataResponse};
//! use kinglet_protocol::{RequestHead, decode_response, encode_request, encode_response};
//!
//! // A client asks for all topics, version 12 ...
//! let frame = encode_request(&MetadataRequest::default(), 12, 7, Some("me"))?.to_bytes();
//! // ... a broker reads the frame behind its length prefix ...
//! let (header, request) = RequestHead::decode(frame.slice(4..))?.body::<MetadataRequest>()?;
//! assert_eq!((header.correlation_id, request.topics), (7, None));
//! // ... and answers.
//! let answer = encode_response::<MetadataRequest>(&MetadataResponse::default(), 12, 7)?.to_bytes();
//! let (id, _response) = decode_response::<MetadataRequest>(answer.slice(4..), 12)?;
//! assert_eq!(id, 7);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
    RequestHead, RequestHeader, correlation_id, decode_response, encode_request, encode_response,
    frame_request, request_header_version, response_body, response_header_version,
};
pub use wire::{DecodeError, EncodeError, Frame, RecordBytes, Uuid, VersionRange};
