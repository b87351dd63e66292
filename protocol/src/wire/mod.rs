//! The primitive layer: a [`Reader`] that only splits what is there, a [`Writer`] that never copies record bytes,
//! and the [`Wire`] types between them. Nothing here knows a message.

mod error;
pub(crate) mod json;
mod primitive;
mod reader;
mod uuid;
pub mod varint;
mod writer;

pub(crate) use error::Place;
pub use error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
pub use json::Json;
pub(crate) use primitive::field_name;
pub use primitive::{Field, FieldType, Nullable, Part, RecordBytes, VersionRange, Wire};
pub(crate) use reader::Prefix;
pub use reader::Reader;
pub use uuid::{ParseUuidError, Uuid};
pub use writer::{Chunk, Frame, Writer};
