//! Records as they travel and as they lie on disk: batches of format v2, the codecs, the small files beside a log, and in
//! [`legacy`] the message sets of the formats v0 and v1.
//!
//! Reading is zero-copy: a [`Batch`] is a view over the [`Bytes`](bytes::Bytes) it arrived in, and a
//! [`RecordRef`] points into them. Writing encodes each record once, into the buffer that goes on the wire.
//! Nothing here does IO or reads a clock.
//!
//! ```
//! use kinglet_protocol::records::{Batch, BatchBuilder, Compression, Seal};
//!
//! let mut builder = BatchBuilder::new(1024);
//! builder.push(1_700_000_000_000, Some(b"key"), Some(b"value"), &[]);
//! let mut wire = builder.seal(Seal { compression: Compression::None, ..Seal::default() })?;
//!
//! while let Some(batch) = Batch::split(&mut wire)? {
//!     batch.verify_crc()?;
//!     for record in batch.records(1 << 20)?.iter() {
//!         assert_eq!(record?.value, Some(&b"value"[..]));
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod batch;
pub mod builder;
pub mod compression;
pub mod control;
pub mod files;
pub mod header;
pub mod legacy;
pub mod record;
pub mod retain;

pub use batch::{Batch, BatchError, Depth, Records, validate};
pub use builder::{BatchBuilder, Seal, set_log_append_time, set_producer};
pub use compression::{CompressError, Compression, DecompressError, compress, decompress};
pub use header::{Attributes, BatchHeader, HEADER_LEN, LOG_OVERHEAD, MAGIC_AT, TimestampType, peek_size};
pub use record::{HeaderIter, RecordIter, RecordRef};
pub use retain::retain;
