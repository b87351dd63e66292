//! A record batch over the bytes it arrived in, and what is checked about it. Records are decoded in `record.rs`.

use bytes::Bytes;

use super::compression::{CompressError, Compression, DecompressError, decompress};
use super::record::{Frame, RecordIter};
use crate::ErrorCode;

pub use super::header::{Attributes, BatchHeader, HEADER_LEN, LOG_OVERHEAD, TimestampType, peek_size};
use super::header::{CRC_COVERS_FROM, TimestampType::LogAppendTime};

/// One whole batch: its header and a share of the bytes it came in.
#[derive(Clone, Debug)]
pub struct Batch {
    header: BatchHeader,
    bytes: Bytes,
}

impl Batch {
    /// Takes the first batch off `from`; `None` when nothing is left.
    ///
    /// [`BatchError::Truncated`] if only a part of it is there: a fetch response may end so, and a consumer asks
    /// again from that batch. After an error `from` is as it was.
    pub fn split(from: &mut Bytes) -> Result<Option<Self>, BatchError> {
        if from.is_empty() {
            return Ok(None);
        }
        let header = match BatchHeader::parse(from) {
            Ok(header) => header,
            Err(BatchError::Truncated { need, have }) => {
                return Err(BatchError::Truncated { need: peek_size(from).unwrap_or(need), have });
            }
            Err(error) => return Err(error),
        };
        let (need, have) = (header.size(), from.len());
        if need > have {
            return Err(BatchError::Truncated { need, have });
        }
        Ok(Some(Self { header, bytes: from.split_to(need) }))
    }

    /// The parsed header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The bytes of the batch, header included.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Computes the checksum and compares it with the stored one.
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let (stored, computed) = (self.header.crc, checksum(&self.bytes));
        if stored == computed { Ok(()) } else { Err(BatchError::Crc { stored, computed }) }
    }

    /// The records, decompressed into a buffer of their own of at most `limit` bytes.
    ///
    /// Without compression they stay where they are, and `limit` has nothing to bound.
    pub fn records(&self, limit: usize) -> Result<Records, BatchError> {
        let packed = self.bytes.slice(HEADER_LEN..);
        let bytes = match self.header.attributes.compression()? {
            Compression::None => packed,
            // A batch that compaction emptied has a codec in its header and no frame behind it.
            _ if packed.is_empty() => packed,
            codec => decompress(codec, &packed, limit)?,
        };
        let header = &self.header;
        let append_time =
            (header.attributes.timestamp_type() == LogAppendTime).then_some(header.max_timestamp);
        let frame = Frame {
            base_offset: header.base_offset,
            last_offset_delta: header.last_offset_delta,
            base_timestamp: header.base_timestamp,
            append_time,
            count: usize::try_from(header.record_count).unwrap_or(0),
        };
        Ok(Records { frame, bytes })
    }
}

/// The uncompressed records of one batch, independent of where the batch came from.
#[derive(Clone, Debug)]
pub struct Records {
    frame: Frame,
    bytes: Bytes,
}

impl Records {
    /// Decodes record by record, in place.
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter::new(self.frame, &self.bytes)
    }

    /// How many records the batch declares; [`iter`](Self::iter) yields that many or ends with an error.
    pub fn count(&self) -> usize {
        self.frame.count
    }

    /// Takes the first `count` records off; they share the bytes with those that stay. Everything is taken when there are no
    /// more, and when the records cannot be told apart: whoever decodes them finds out why.
    #[must_use = "the records are not in `self` any more"]
    pub fn split_to(&mut self, count: usize) -> Self {
        let mut front = self.clone();
        let len = self.iter().len_of(count).filter(|_| count < self.frame.count);
        let (count, len) = len.map_or((self.frame.count, self.bytes.len()), |len| (count, len));
        front.bytes.truncate(len);
        front.frame.count = count;
        self.bytes = self.bytes.slice(len..);
        self.frame.count -= count;
        front
    }

    /// The bytes the records point into: `bytes().slice_ref(key)` makes a key of its own without a copy.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = Result<super::RecordRef<'a>, BatchError>;
    type IntoIter = RecordIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// How deep [`validate`] looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// The header alone.
    Header,
    /// The header and the checksum: every byte is as the producer sent it.
    Crc,
    /// Also each record, decompressed.
    Records,
}

/// Checks a batch that a **producer** sent, before it is appended.
///
/// Producers number their records without gaps and write no control records; both are refused here. A follower's
/// batches come from a log, where compaction leaves gaps: for those it is [`Batch::verify_crc`].
/// `limit` bounds the decompressed bytes at [`Depth::Records`].
pub fn validate(batch: &Batch, depth: Depth, limit: usize) -> Result<(), BatchError> {
    let header = batch.header();
    let (count, last_offset_delta) = (header.record_count, header.last_offset_delta);
    if count < 1 || i64::from(count) != i64::from(last_offset_delta) + 1 {
        return Err(BatchError::Count { count, last_offset_delta });
    }
    if header.attributes.is_control() {
        return Err(BatchError::Corrupt("a control record from a producer"));
    }
    if header.has_producer_id() && (header.base_sequence < 0 || header.producer_epoch < 0) {
        return Err(BatchError::Corrupt("a producer id without epoch or sequence"));
    }
    if header.attributes.is_transactional() && !header.has_producer_id() {
        return Err(BatchError::Corrupt("a transaction without a producer id"));
    }
    header.attributes.compression()?;
    if depth >= Depth::Crc {
        batch.verify_crc()?;
    }
    if depth >= Depth::Records {
        for record in &batch.records(limit)? {
            record?;
        }
    }
    Ok(())
}

/// Why bytes are not a usable record batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The bytes end inside a batch.
    #[error("batch cut off: {have} bytes of {need}")]
    Truncated {
        /// Bytes of the whole batch, or of its header while that is not complete.
        need: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// Another record format than is read here: batches are 2, message sets are 0 and 1 ([`super::legacy`]).
    #[error("record format (magic) {0} cannot be here")]
    Magic(i8),
    /// A length field below that of an empty batch.
    #[error("batch length {0} is below the 49 of an empty batch")]
    Length(i32),
    /// A size field below that of an empty message of the formats v0 and v1.
    #[error("message size {0} is below that of an empty message")]
    MessageLength(i32),
    /// Bytes have changed since the producer sealed the batch.
    #[error("checksum {stored:#010x} stored, {computed:#010x} computed")]
    Crc {
        /// As the header has it.
        stored: u32,
        /// As the bytes have it.
        computed: u32,
    },
    /// Record count, offsets and bytes do not go together.
    #[error("{count} records cannot be, with last offset delta {last_offset_delta}")]
    Count {
        /// As the header has it.
        count: i32,
        /// As the header has it.
        last_offset_delta: i32,
    },
    /// A record or a rule about records is broken.
    #[error("{0}")]
    Corrupt(&'static str),
    /// The codec id belongs to none.
    #[error("unknown compression id {0}")]
    UnknownCompression(i16),
    /// The records do not decompress.
    #[error(transparent)]
    Codec(DecompressError),
    /// The formats v0 and v1, which the batch should become, have no such codec.
    #[error("record formats before 2 have no {0}")]
    TooOldFor(Compression),
    /// Converted records do not compress.
    #[error(transparent)]
    Compress(#[from] CompressError),
    /// The decompressed records are larger than the caller allows.
    #[error("decompressed records exceed {limit} bytes")]
    TooLarge {
        /// The caller's limit.
        limit: usize,
    },
}

impl BatchError {
    /// Kafka's error code for it.
    pub fn code(&self) -> i16 {
        let code = match self {
            Self::Magic(0 | 1) => ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT,
            Self::Truncated { .. }
            | Self::Magic(_)
            | Self::Length(_)
            | Self::MessageLength(_)
            | Self::Crc { .. } => ErrorCode::CORRUPT_MESSAGE,
            Self::Count { .. } | Self::Corrupt(_) => ErrorCode::INVALID_RECORD,
            Self::UnknownCompression(_)
            | Self::TooOldFor(_)
            | Self::Compress(CompressError::Disabled(_))
            | Self::Codec(DecompressError::Disabled(_)) => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            Self::Compress(CompressError::TooLarge { .. }) => ErrorCode::MESSAGE_TOO_LARGE,
            Self::Compress(_) => ErrorCode::UNKNOWN_SERVER_ERROR,
            Self::Codec(DecompressError::Corrupt { .. }) => ErrorCode::CORRUPT_MESSAGE,
            Self::TooLarge { .. } | Self::Codec(DecompressError::TooLarge { .. }) => {
                ErrorCode::MESSAGE_TOO_LARGE
            }
        };
        code.0
    }
}

impl From<DecompressError> for BatchError {
    fn from(error: DecompressError) -> Self {
        match error {
            DecompressError::TooLarge { limit } => Self::TooLarge { limit },
            other => Self::Codec(other),
        }
    }
}

/// CRC32C over what a batch's checksum covers; `batch` starts at its base offset.
pub(super) fn checksum(batch: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(batch.get(CRC_COVERS_FROM..).unwrap_or_default())
}
