//! The codecs of record batches, both ways, with bounded output. Which codec a batch uses is in its header.
//!
//! Every decompressor takes bytes from strangers: output grows as it is produced, never past the caller's limit,
//! and no size that the input merely declares is allocated. Checksums inside the frames are not compared, but for
//! gzip's as in Java: the checksum of the batch covers the same bytes.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "snappy")]
mod snappy;
mod spare;
#[cfg(feature = "zstd-c")]
mod zstd_c;
#[cfg(all(feature = "zstd", any(test, not(feature = "zstd-c"))))]
mod zstd_rust;

use std::ops::RangeInclusive;
use std::str::FromStr;

use bytes::{Bytes, BytesMut};

/// A codec of record batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Records as they are.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy blocks in xerial's framing, as Java writes; read without framing too.
    Snappy,
    /// The LZ4 frame format.
    Lz4,
    /// RFC 8878 (KIP-110; Produce and Fetch know it from version 7 and 10 on).
    Zstd,
}

impl Compression {
    /// All codecs, by id.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The id in the attributes of a batch.
    pub const fn id(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The codec with this id.
    pub fn from_id(id: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.id() == id)
    }

    /// Kafka's name, as in `compression.type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The levels that Kafka allows (KIP-390); `None` for a codec without levels. -1 is gzip's default there, too.
    pub const fn levels(self) -> Option<RangeInclusive<i32>> {
        match self {
            Self::None | Self::Snappy => None,
            Self::Gzip => Some(1..=9),
            Self::Lz4 => Some(1..=17),
            Self::Zstd => Some(-131_072..=22),
        }
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compression {
    type Err = UnknownCodec;

    fn from_str(name: &str) -> Result<Self, UnknownCodec> {
        Self::ALL.into_iter().find(|codec| codec.name() == name).ok_or_else(|| UnknownCodec(name.to_owned()))
    }
}

/// Java's `Deflater.DEFAULT_COMPRESSION`.
const GZIP_DEFAULT: i32 = -1;

/// A name that is no codec's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown compression {0:?}: one of none, gzip, snappy, lz4, zstd")]
pub struct UnknownCodec(pub String);

/// Why records could not be compressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompressError {
    /// The crate was built without this codec's feature.
    #[error("this build has no {0} support")]
    Disabled(Compression),
    /// Kafka has no such level.
    #[error("{codec} has no compression level {level}")]
    Level {
        /// The codec.
        codec: Compression,
        /// The level that was asked for.
        level: i32,
    },
    /// The sealed batch does not fit its length field.
    #[error("batch of {size} bytes is larger than a batch can be")]
    TooLarge {
        /// Bytes of the batch.
        size: usize,
    },
    /// The codec itself failed.
    #[error("{codec}: {reason}")]
    Codec {
        /// The codec.
        codec: Compression,
        /// In its own words.
        reason: String,
    },
}

/// Why records could not be decompressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecompressError {
    /// The crate was built without this codec's feature.
    #[error("this build has no {0} support")]
    Disabled(Compression),
    /// The output passes the caller's limit.
    #[error("decompressed bytes exceed {limit}")]
    TooLarge {
        /// The caller's limit.
        limit: usize,
    },
    /// The bytes are not what the codec writes.
    #[error("broken {codec} data: {reason}")]
    Corrupt {
        /// The codec.
        codec: Compression,
        /// What is wrong with them.
        reason: String,
    },
}

/// Appends the compressed `input` to `out`. `None` as level is Kafka's default of the codec.
///
/// LZ4 has one speed here, and zstd too without the feature `zstd-c`: their level is checked and otherwise ignored.
pub fn compress(
    codec: Compression,
    level: Option<i32>,
    input: &[u8],
    out: &mut BytesMut,
) -> Result<(), CompressError> {
    // Kafka's own name for gzip's default (`compression.gzip.level`).
    let level = level.filter(|level| (codec, *level) != (Compression::Gzip, GZIP_DEFAULT));
    if let (Some(levels), Some(level)) = (codec.levels(), level)
        && !levels.contains(&level)
    {
        return Err(CompressError::Level { codec, level });
    }
    match codec {
        Compression::None => {
            out.extend_from_slice(input);
            Ok(())
        }
        #[cfg(feature = "gzip")]
        Compression::Gzip => gzip::compress(level, input, out),
        #[cfg(feature = "snappy")]
        Compression::Snappy => snappy::compress(input, out),
        #[cfg(feature = "lz4")]
        Compression::Lz4 => lz4::compress(input, out),
        #[cfg(feature = "zstd-c")]
        Compression::Zstd => zstd_c::compress(level, input, out),
        #[cfg(all(feature = "zstd", not(feature = "zstd-c")))]
        Compression::Zstd => {
            zstd_rust::compress(input, out);
            Ok(())
        }
        #[cfg(not(all(
            feature = "gzip",
            feature = "snappy",
            feature = "lz4",
            any(feature = "zstd", feature = "zstd-c")
        )))]
        disabled => Err(CompressError::Disabled(disabled)),
    }
}

/// Appends the compressed `input` to `out` as messages of format v0 hold it.
///
/// Their lz4 frames carry a wrong header checksum: clients of that time compute it so and refuse the right one
/// (KAFKA-3160).
pub(super) fn compress_for_v0(
    codec: Compression,
    input: &[u8],
    out: &mut BytesMut,
) -> Result<(), CompressError> {
    match codec {
        #[cfg(feature = "lz4")]
        Compression::Lz4 => {
            let start = out.len();
            lz4::compress(input, out)?;
            lz4::spoil_header_checksum(out.get_mut(start..).unwrap_or_default());
            Ok(())
        }
        codec => compress(codec, None, input, out),
    }
}

/// Decompresses `input` to at most `limit` bytes.
pub fn decompress(codec: Compression, input: &[u8], limit: usize) -> Result<Bytes, DecompressError> {
    let mut output = match codec {
        Compression::None => {
            let mut output = Output::new(0, limit);
            output.extend(input)?;
            output.bytes
        }
        #[cfg(feature = "gzip")]
        Compression::Gzip => gzip::decompress(input, limit)?,
        #[cfg(feature = "snappy")]
        Compression::Snappy => snappy::decompress(input, limit)?,
        #[cfg(feature = "lz4")]
        Compression::Lz4 => lz4::decompress(input, limit)?,
        #[cfg(feature = "zstd-c")]
        Compression::Zstd => zstd_c::decompress(input, limit)?,
        #[cfg(all(feature = "zstd", not(feature = "zstd-c")))]
        Compression::Zstd => zstd_rust::decompress(input, limit)?,
        #[cfg(not(all(
            feature = "gzip",
            feature = "snappy",
            feature = "lz4",
            any(feature = "zstd", feature = "zstd-c")
        )))]
        disabled => return Err(DecompressError::Disabled(disabled)),
    };
    // A consumer may keep the records for a while: what was guessed too much goes back.
    if output.capacity() / 2 > output.len() {
        output.shrink_to_fit();
    }
    Ok(spare::lend(output))
}

/// Decompressed bytes: room is made step by step, and never beyond the limit.
struct Output {
    bytes: Vec<u8>,
    limit: usize,
}

impl Output {
    fn new(guess: usize, limit: usize) -> Self {
        let mut bytes = spare::take(limit);
        bytes.reserve_exact(guess.min(limit));
        Self { bytes, limit }
    }

    fn too_large(&self) -> DecompressError {
        DecompressError::TooLarge { limit: self.limit }
    }

    /// Bytes that may still follow.
    fn room(&self) -> usize {
        self.limit.saturating_sub(self.bytes.len())
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), DecompressError> {
        if bytes.len() > self.room() {
            return Err(self.too_large());
        }
        self.reserve(bytes.len());
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Lengthens the output by `len` zeros, for the caller to write over.
    #[cfg(any(feature = "gzip", feature = "snappy", feature = "lz4", feature = "zstd"))]
    fn lengthen(&mut self, len: usize) {
        self.reserve(len);
        self.bytes.resize(self.bytes.len() + len, 0);
    }

    /// Doubles like a `Vec`, but never asks for more than the limit.
    fn reserve(&mut self, more: usize) {
        let need = self.bytes.len() + more;
        if need > self.bytes.capacity() {
            let target = self.bytes.capacity().saturating_mul(2).min(self.limit).max(need);
            self.bytes.reserve_exact(target - self.bytes.len());
        }
    }
}

#[cfg(test)]
mod tests;
