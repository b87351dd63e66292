//! The 61 bytes in front of a batch's records: parsed, checked for sense, written. The records are not looked at.

use std::ops::Range;

use super::batch::BatchError;
use super::compression::Compression;

/// Bytes of a batch up to and including the record count.
pub const HEADER_LEN: usize = 61;
/// Bytes in front of what the length field counts: the base offset and the length itself.
pub const LOG_OVERHEAD: usize = 12;

/// The smallest length field a v2 batch can have: its header and no records.
const MIN_BATCH_LENGTH: i32 = 49;
const _: () = assert!(MIN_BATCH_LENGTH as usize == HEADER_LEN - LOG_OVERHEAD);
/// A record is at least six one-byte fields behind its one-byte length.
const MIN_RECORD_LEN: usize = 7;

/// Where the format's number stands, in batches and in the messages before them.
pub const MAGIC_AT: usize = 16;
pub(super) const CRC_AT: Range<usize> = 17..21;
/// The checksum covers everything from here; base offset, length, leader epoch and magic stay outside, so that
/// a broker may assign offsets without computing it again.
pub(super) const CRC_COVERS_FROM: usize = 21;
pub(super) const ATTRIBUTES_AT: Range<usize> = 21..23;
pub(super) const MAX_TIMESTAMP_AT: Range<usize> = 35..43;
pub(super) const PRODUCER_AT: Range<usize> = 43..57;

/// The flags of a batch, as on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const CODEC_MASK: i16 = 0x07;
    const LOG_APPEND_TIME: i16 = 0x08;
    const TRANSACTIONAL: i16 = 0x10;
    const CONTROL: i16 = 0x20;
    const DELETE_HORIZON: i16 = 0x40;

    /// The codec of the records; the ids 5 to 7 belong to none.
    pub fn compression(self) -> Result<Compression, BatchError> {
        let id = self.0 & Self::CODEC_MASK;
        Compression::from_id(id).ok_or(BatchError::UnknownCompression(id))
    }

    /// Whose clock the timestamps are.
    pub const fn timestamp_type(self) -> TimestampType {
        if self.has(Self::LOG_APPEND_TIME) { TimestampType::LogAppendTime } else { TimestampType::CreateTime }
    }

    /// The batch is part of a transaction (KIP-98).
    pub const fn is_transactional(self) -> bool {
        self.has(Self::TRANSACTIONAL)
    }

    /// The batch carries a control record, which no consumer hands to its user.
    pub const fn is_control(self) -> bool {
        self.has(Self::CONTROL)
    }

    /// The base timestamp is the time at which compaction may drop the tombstones (KIP-534).
    pub const fn has_delete_horizon(self) -> bool {
        self.has(Self::DELETE_HORIZON)
    }

    /// The same flags with this codec.
    #[must_use]
    pub const fn with_compression(self, codec: Compression) -> Self {
        Self(self.0 & !Self::CODEC_MASK | codec.id())
    }

    /// The same flags with this timestamp type.
    #[must_use]
    pub const fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        match timestamp_type {
            TimestampType::CreateTime => Self(self.0 & !Self::LOG_APPEND_TIME),
            TimestampType::LogAppendTime => Self(self.0 | Self::LOG_APPEND_TIME),
        }
    }

    /// The same flags, in a transaction.
    #[must_use]
    pub const fn with_transactional(self) -> Self {
        Self(self.0 | Self::TRANSACTIONAL)
    }

    /// The same flags, with the time at which tombstones may go as base timestamp.
    #[must_use]
    pub const fn with_delete_horizon(self) -> Self {
        Self(self.0 | Self::DELETE_HORIZON)
    }

    /// The same flags, for a control record.
    #[must_use]
    pub const fn with_control(self) -> Self {
        Self(self.0 | Self::CONTROL)
    }

    const fn has(self, flag: i16) -> bool {
        self.0 & flag != 0
    }
}

/// Whose clock the timestamps of a batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's: each record has its own.
    CreateTime,
    /// The broker's: every record of the batch has `max_timestamp`.
    LogAppendTime,
}

/// The header of a v2 batch; the fields are those of the wire, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; compaction keeps it when that record goes.
    pub base_offset: i64,
    /// Bytes behind this field.
    pub batch_length: i32,
    /// Epoch of the leader that appended the batch; -1 from a producer.
    pub partition_leader_epoch: i32,
    /// Format version: 2.
    pub magic: i8,
    /// CRC32C of everything behind it.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: Attributes,
    /// Offset of the last record minus the base offset; compaction keeps it.
    pub last_offset_delta: i32,
    /// Timestamp that the records' deltas count from, in ms since 1970.
    pub base_timestamp: i64,
    /// Largest timestamp of the records, in ms since 1970.
    pub max_timestamp: i64,
    /// Id of an idempotent producer, else -1.
    pub producer_id: i64,
    /// Epoch of the producer id, else -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, else -1.
    pub base_sequence: i32,
    /// Records in the batch; 0 for one that compaction emptied.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads a header from the first [`HEADER_LEN`] bytes and checks that its numbers can be true together.
    ///
    /// The CRC is not computed and the bytes behind the header need not be there.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        // The magic comes first: an old message may be shorter than our header and would look cut off.
        if let Some(&magic) = bytes.get(MAGIC_AT)
            && magic != 2
        {
            return Err(BatchError::Magic(magic.cast_signed()));
        }
        let Some(header) = bytes.first_chunk() else {
            return Err(BatchError::Truncated { need: HEADER_LEN, have: bytes.len() });
        };
        let header = Self::read(header);
        header.check()?;
        Ok(header)
    }

    /// Bytes of the whole batch.
    pub fn size(&self) -> usize {
        // Negative only in a header made by hand: `parse` refuses it.
        LOG_OVERHEAD + usize::try_from(self.batch_length).unwrap_or(0)
    }

    /// Offset of the last record the batch was written with.
    pub const fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(self.last_offset_delta as i64)
    }

    /// Offset behind the batch: where a reader goes on, even if compaction dropped the last records (KAFKA-5443).
    pub const fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// Sequence number of the last record; after `i32::MAX` comes 0. -1 without a sequence.
    pub const fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return -1;
        }
        let last = self.base_sequence.wrapping_add(self.last_offset_delta);
        // Wrapped into the negatives at i32::MAX + 1, which is 0 in the sequence.
        if last < 0 { last.wrapping_sub(i32::MIN) } else { last }
    }

    /// Whether the producer is idempotent.
    pub const fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    /// Writes the header as it is, the `crc` field included.
    pub fn write(&self, out: &mut [u8; HEADER_LEN]) {
        let mut out = &mut out[..];
        put(&mut out, self.base_offset.to_be_bytes());
        put(&mut out, self.batch_length.to_be_bytes());
        put(&mut out, self.partition_leader_epoch.to_be_bytes());
        put(&mut out, self.magic.to_be_bytes());
        put(&mut out, self.crc.to_be_bytes());
        put(&mut out, self.attributes.0.to_be_bytes());
        put(&mut out, self.last_offset_delta.to_be_bytes());
        put(&mut out, self.base_timestamp.to_be_bytes());
        put(&mut out, self.max_timestamp.to_be_bytes());
        put(&mut out, self.producer_id.to_be_bytes());
        put(&mut out, self.producer_epoch.to_be_bytes());
        put(&mut out, self.base_sequence.to_be_bytes());
        put(&mut out, self.record_count.to_be_bytes());
    }

    fn read(bytes: &[u8; HEADER_LEN]) -> Self {
        let mut from = &bytes[..];
        Self {
            base_offset: i64::from_be_bytes(take(&mut from)),
            batch_length: i32::from_be_bytes(take(&mut from)),
            partition_leader_epoch: i32::from_be_bytes(take(&mut from)),
            magic: i8::from_be_bytes(take(&mut from)),
            crc: u32::from_be_bytes(take(&mut from)),
            attributes: Attributes(i16::from_be_bytes(take(&mut from))),
            last_offset_delta: i32::from_be_bytes(take(&mut from)),
            base_timestamp: i64::from_be_bytes(take(&mut from)),
            max_timestamp: i64::from_be_bytes(take(&mut from)),
            producer_id: i64::from_be_bytes(take(&mut from)),
            producer_epoch: i16::from_be_bytes(take(&mut from)),
            base_sequence: i32::from_be_bytes(take(&mut from)),
            record_count: i32::from_be_bytes(take(&mut from)),
        }
    }

    fn check(&self) -> Result<(), BatchError> {
        if self.batch_length < MIN_BATCH_LENGTH {
            return Err(BatchError::Length(self.batch_length));
        }
        let count = self.record_count;
        let error = BatchError::Count { count, last_offset_delta: self.last_offset_delta };
        // Compaction may leave fewer records than offsets, never more.
        if count < 0 || self.last_offset_delta < 0 || i64::from(count) > i64::from(self.last_offset_delta) + 1
        {
            return Err(error);
        }
        // A count the bytes cannot hold is a lie; a codec may pack any number of records into few bytes.
        let fits = (self.size() - HEADER_LEN) / MIN_RECORD_LEN;
        if self.attributes.compression() == Ok(Compression::None)
            && usize::try_from(count).is_ok_and(|count| count > fits)
        {
            return Err(error);
        }
        Ok(())
    }
}

/// Size of the batch that starts here, from its first [`LOG_OVERHEAD`] bytes alone.
///
/// `None`: there are fewer bytes, or the length is below that of an empty batch.
pub fn peek_size(bytes: &[u8]) -> Option<usize> {
    let length = i32::from_be_bytes(*bytes.get(8..)?.first_chunk()?);
    if length < MIN_BATCH_LENGTH {
        return None;
    }
    usize::try_from(length).ok()?.checked_add(LOG_OVERHEAD)
}

/// Takes `N` bytes off a header: the callers' fields sum up to `HEADER_LEN`.
#[inline]
fn take<const N: usize>(from: &mut &[u8]) -> [u8; N] {
    let (field, rest) = from.split_first_chunk().expect("the fields sum up to HEADER_LEN");
    *from = rest;
    *field
}

#[inline]
fn put<const N: usize>(out: &mut &mut [u8], field: [u8; N]) {
    let (to, rest) = std::mem::take(out).split_first_chunk_mut().expect("the fields sum up to HEADER_LEN");
    *to = field;
    *out = rest;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> BatchHeader {
        BatchHeader {
            base_offset: 7,
            batch_length: 49 + 70,
            partition_leader_epoch: 3,
            magic: 2,
            crc: 0xdead_beef,
            attributes: Attributes::default(),
            last_offset_delta: 9,
            base_timestamp: 1_700_000_000_000,
            max_timestamp: 1_700_000_000_090,
            producer_id: 4711,
            producer_epoch: 2,
            base_sequence: 42,
            record_count: 10,
        }
    }

    fn written(header: &BatchHeader) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        header.write(&mut out);
        out
    }

    #[test]
    fn a_written_header_comes_back() {
        assert_eq!(BatchHeader::parse(&written(&header())), Ok(header()));
        assert_eq!((header().size(), header().last_offset(), header().next_offset()), (131, 16, 17));
        assert_eq!(peek_size(&written(&header())), Some(131));
        assert_eq!(peek_size(&written(&header())[..11]), None);
    }

    #[test]
    fn numbers_that_cannot_be_true_are_refused() {
        type Spoil = fn(&mut BatchHeader);
        let cases: [(Spoil, &str); 7] = [
            (|h| h.batch_length = 48, "a length below the header's"),
            (|h| h.batch_length = -1, "a negative length"),
            (|h| h.record_count = -1, "a negative count"),
            (|h| h.last_offset_delta = -1, "a negative last offset"),
            (|h| h.record_count = 11, "more records than offsets"),
            (|h| (h.record_count, h.last_offset_delta) = (i32::MAX, i32::MAX), "more records than bytes"),
            (|h| h.magic = 1, "an old format"),
        ];
        for (spoil, what) in cases {
            let mut bad = header();
            spoil(&mut bad);
            assert!(BatchHeader::parse(&written(&bad)).is_err(), "{what}");
        }
        let short = BatchHeader::parse(&written(&header())[..60]);
        assert_eq!(short, Err(BatchError::Truncated { need: 61, have: 60 }));
    }

    #[test]
    fn sequences_wrap_to_zero_as_in_kafka() {
        let at = |base_sequence, last_offset_delta| {
            BatchHeader { base_sequence, last_offset_delta, ..header() }.last_sequence()
        };
        assert_eq!(at(i32::MAX - 1, 1), i32::MAX);
        assert_eq!(at(i32::MAX, 1), 0);
        assert_eq!(at(i32::MAX - 1, 4), 2);
        assert_eq!(at(-1, 4), -1);
    }

    #[test]
    fn flags_are_independent_of_the_codec() {
        let flags = Attributes::default().with_compression(Compression::Zstd).with_transactional();
        assert_eq!(flags, Attributes(0x14));
        let flags = flags.with_timestamp_type(TimestampType::LogAppendTime).with_control();
        assert_eq!(flags.with_compression(Compression::None), Attributes(0x38));
        assert_eq!(Attributes(5).compression(), Err(BatchError::UnknownCompression(5)));
    }
}
