//! The primitive layer: a [`Reader`] that only splits what is there, a [`Writer`] that never copies record bytes,
//! and the [`Wire`] types between them. Nothing here knows a message.

mod error;
mod primitive;
mod reader;
mod uuid;
pub mod varint;
mod writer;

pub use error::{DecodeError, DecodeErrorKind, EncodeError, EncodeErrorKind};
pub use primitive::{Field, FieldType, Nullable, RecordBytes, VersionRange, Wire};
pub use reader::Reader;
pub use uuid::{ParseUuidError, Uuid};
pub use writer::{Chunk, Frame, Writer};
