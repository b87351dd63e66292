//! The record formats before v2: message sets of magic 0 (Kafka 0.8 and 0.9) and magic 1 (0.10), and the ways from them
//! to batches and back.
//!
//! A set is a row of messages, each with an offset, a size and a CRC-32 of its own. Compression wraps: the value of one
//! message holds a whole set, and the wrapper has the offset of the last message inside. With magic 1 the offsets
//! inside count from 0 (KIP-31) and the wrapper says whose clock the timestamps are (KIP-32); with magic 0 they are the
//! offsets of the log, and there are no timestamps.
//!
//! Reading is [`MessageSet`]. A broker makes one batch of what an old producer sent with [`to_batch`], a client batches
//! of what an old broker answered with [`to_batches`], and for an old peer there is [`from_batches`].
//! Nothing here knows zstd, headers, transactions or idempotent producers: those came with v2.
//!
//! ```
//! use kinglet_protocol::records::legacy::{MessageFormat, MessageSet, Tail, from_batches, to_batches};
//! use kinglet_protocol::records::{BatchBuilder, Compression, Seal};
//!
//! let mut builder = BatchBuilder::new(1024);
//! builder.push(1_700_000_000_000, Some(b"key"), Some(b"value"), &[]);
//! let batch = builder.seal(Seal { compression: Compression::Gzip, ..Seal::default() })?;
//!
//! let set = from_batches(batch, MessageFormat::V1, 0, 1 << 20)?;
//! for message in MessageSet::new(set.clone(), Tail::Whole).messages(1 << 20) {
//!     assert_eq!(message?.value.as_deref(), Some(&b"value"[..]));
//! }
//! let batches = to_batches(set, Tail::MayBeCut, 1 << 20)?;
//! # assert!(!batches.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod downgrade;
mod message;
mod set;
mod upgrade;
mod writer;

pub use downgrade::{from_batch, from_batches};
pub use message::Message;
pub use set::{MessageSet, Messages};
pub use upgrade::{to_batch, to_batches};

/// Which of the two old formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageFormat {
    /// Magic 0: no timestamps. Produce and Fetch carry it in version 0 and 1.
    V0,
    /// Magic 1: timestamps, offsets inside a wrapper count from 0. Produce carries it in version 2, Fetch in 2 and 3.
    V1,
}

impl MessageFormat {
    /// The byte that says so in each message.
    pub const fn magic(self) -> i8 {
        match self {
            Self::V0 => 0,
            Self::V1 => 1,
        }
    }

    /// The format of messages with this byte; `None` for that of batches and for what is no format.
    pub const fn from_magic(magic: i8) -> Option<Self> {
        match magic {
            0 => Some(Self::V0),
            1 => Some(Self::V1),
            _ => None,
        }
    }

    /// Bytes of a message without key and value, behind its offset and size: checksum, magic, attributes, the
    /// timestamp if there is one, and two lengths.
    const fn overhead(self) -> usize {
        match self {
            Self::V0 => 14,
            Self::V1 => 22,
        }
    }
}

/// Whether bytes may end inside a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// They may not: a producer sends whole messages.
    Whole,
    /// They may: an old broker cuts what it answers at the size that was asked for.
    MayBeCut,
}
