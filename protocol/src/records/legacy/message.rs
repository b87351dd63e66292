//! One message on the wire: taken off a set, checked, and written.

use bytes::{Buf, Bytes};

use super::MessageFormat;
use crate::records::batch::BatchError;
use crate::records::compression::Compression;
use crate::records::header::{LOG_OVERHEAD, MAGIC_AT, TimestampType};

/// What the checksum covers starts with the magic.
const CRC_AT: std::ops::Range<usize> = LOG_OVERHEAD..MAGIC_AT;
const CODEC_MASK: u8 = 0x07;
const LOG_APPEND_TIME: u8 = 0x08;
/// Neither a v0 message nor a producer that has no clock has a time.
pub(super) const NO_TIMESTAMP: i64 = -1;

/// A message of an old format, with its offset in the partition and without what wrapped it.
///
/// Key and value share the memory of the set, or of what a wrapper was decompressed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its own format.
    pub format: MessageFormat,
    /// Offset in the partition; in what a producer sends, any number.
    pub offset: i64,
    /// Milliseconds since 1970; -1 if there is none, as always with [`MessageFormat::V0`].
    pub timestamp: i64,
    /// Whose clock the timestamp is; `None` with [`MessageFormat::V0`].
    pub timestamp_type: Option<TimestampType>,
    /// The key, if it has one.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
}

/// A message as it lies in its set: with a codec, it wraps others.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) message: Message,
    pub(super) codec: Compression,
}

impl Entry {
    /// Takes the first message off `from`; `None` when nothing is left. After an error `from` is as it was.
    pub(super) fn split(from: &mut Bytes) -> Result<Option<Self>, BatchError> {
        if from.is_empty() {
            return Ok(None);
        }
        let (format, size) = measure(from)?;
        let whole = from.slice(..size);
        check_crc(&whole)?;
        let offset = whole.clone().get_i64();
        let entry = Self::decode(format, offset, whole.slice(MAGIC_AT + 1..))?;
        from.advance(size);
        Ok(Some(entry))
    }

    fn decode(format: MessageFormat, offset: i64, mut rest: Bytes) -> Result<Self, BatchError> {
        // `measure` saw to it that everything but key and value is there.
        let attributes = rest.get_u8();
        let (timestamp, timestamp_type) = match format {
            MessageFormat::V0 => (NO_TIMESTAMP, None),
            MessageFormat::V1 if attributes & LOG_APPEND_TIME == 0 => {
                (rest.get_i64(), Some(TimestampType::CreateTime))
            }
            MessageFormat::V1 => (rest.get_i64(), Some(TimestampType::LogAppendTime)),
        };
        let key = take_nullable(&mut rest)?;
        let value = take_nullable(&mut rest)?;
        if !rest.is_empty() {
            return Err(BatchError::Corrupt("bytes left behind the value of a message"));
        }
        let id = i16::from(attributes & CODEC_MASK);
        let codec = Compression::from_id(id).ok_or(BatchError::UnknownCompression(id))?;
        if codec == Compression::Zstd {
            return Err(BatchError::Corrupt("zstd in a message of a format before v2"));
        }
        let message = Message { format, offset, timestamp, timestamp_type, key, value };
        Ok(Self { message, codec })
    }
}

/// Format and size of the message that starts here, once all of it is there.
fn measure(from: &[u8]) -> Result<(MessageFormat, usize), BatchError> {
    let have = from.len();
    let magic = from.get(MAGIC_AT).map(|magic| magic.cast_signed());
    let format = match magic {
        // The format decides over the size only once it is known; until then the shorter one is asked for.
        None => MessageFormat::V0,
        Some(magic) => MessageFormat::from_magic(magic).ok_or(BatchError::Magic(magic))?,
    };
    let least = LOG_OVERHEAD + format.overhead();
    let Some(size) = from.get(8..).and_then(|rest| rest.first_chunk()) else {
        return Err(BatchError::Truncated { need: least, have });
    };
    let size = i32::from_be_bytes(*size);
    let whole = usize::try_from(size).ok().and_then(|size| size.checked_add(LOG_OVERHEAD));
    match whole.filter(|whole| *whole >= least) {
        None => Err(BatchError::MessageLength(size)),
        Some(need) if need > have => Err(BatchError::Truncated { need, have }),
        Some(whole) => Ok((format, whole)),
    }
}

fn check_crc(whole: &[u8]) -> Result<(), BatchError> {
    let stored = whole.get(CRC_AT).and_then(|crc| crc.first_chunk()).copied().unwrap_or_default();
    let (stored, computed) = (u32::from_be_bytes(stored), checksum(whole));
    if stored == computed { Ok(()) } else { Err(BatchError::Crc { stored, computed }) }
}

/// The CRC-32 of gzip and zip, not the one of batches.
fn checksum(whole: &[u8]) -> u32 {
    crc_fast::crc32_iso_hdlc(whole.get(MAGIC_AT..).unwrap_or_default())
}

/// A key or value; as in Java, every negative length means null.
fn take_nullable(rest: &mut Bytes) -> Result<Option<Bytes>, BatchError> {
    let cut = BatchError::Corrupt("a length in a message is larger than what is left");
    let len = rest.try_get_i32().map_err(|_| cut.clone())?;
    match usize::try_from(len) {
        Ok(len) if len > rest.len() => Err(cut),
        Ok(len) => Ok(Some(rest.split_to(len))),
        Err(_) => Ok(None),
    }
}

/// Everything of a message to write but its key and value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) format: MessageFormat,
    pub(super) offset: i64,
    pub(super) codec: Compression,
    pub(super) timestamp: i64,
    pub(super) timestamp_type: TimestampType,
}

impl Head {
    /// Appends a message with this head.
    pub(super) fn put(
        &self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), BatchError> {
        let len = |field: Option<&[u8]>| field.map_or(0, <[u8]>::len);
        let size = self.format.overhead() + len(key) + len(value);
        let length = i32::try_from(size).map_err(|_| BatchError::TooLarge { limit: MAX_SIZE })?;
        let start = out.len();
        out.reserve(LOG_OVERHEAD + size);
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        // The checksum, for which all that follows has to be there.
        out.extend_from_slice(&[0; 4]);
        out.push(self.format.magic().cast_unsigned());
        out.push(self.attributes());
        if self.format == MessageFormat::V1 {
            // A time before 1970 is none to old peers, but for this one number.
            out.extend_from_slice(&self.timestamp.max(NO_TIMESTAMP).to_be_bytes());
        }
        put_nullable(key, out);
        put_nullable(value, out);
        let whole = out.get_mut(start..).unwrap_or_default();
        let crc = checksum(whole);
        whole[CRC_AT].copy_from_slice(&crc.to_be_bytes());
        Ok(())
    }

    fn attributes(&self) -> u8 {
        let codec = self.codec.id().to_be_bytes()[1];
        match (self.format, self.timestamp_type) {
            (MessageFormat::V1, TimestampType::LogAppendTime) => codec | LOG_APPEND_TIME,
            _ => codec,
        }
    }
}

/// What fits the size field of a message.
const MAX_SIZE: usize = i32::MAX as usize;

fn put_nullable(field: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(field) = field else {
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        return;
    };
    let len = i32::try_from(field.len()).expect("the whole message fits its size field");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(field);
}
