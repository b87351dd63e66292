//! Zstandard (RFC 8878) without C: every frame is read, at a fifth of the C library's speed, and all levels write as the
//! fastest does.

use std::io::Read;

use bytes::{BufMut, BytesMut};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::{self, CompressionLevel};

use super::{Compression, DecompressError, Output};

const MAGIC: u32 = 0xfd2f_b528;
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184d_2a50..=0x184d_2a5f;

/// Windows are declared by exponent and mantissa; this one is 128 KiB, the size of the largest block.
const BLOCK_WINDOW: u8 = 7 << 3;

pub(super) fn compress(input: &[u8], out: &mut BytesMut) {
    encoding::compress(input, out.writer(), CompressionLevel::Fastest);
}

pub(super) fn decompress(mut input: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    let mut output = Output::new(0, limit);
    loop {
        let magic = u32::from_le_bytes(take(&mut input)?);
        if magic == MAGIC {
            frame(&mut input, &mut output)?;
        } else if SKIPPABLE.contains(&magic) {
            let len = usize::try_from(u32::from_le_bytes(take(&mut input)?)).unwrap_or(usize::MAX);
            input = input.get(len..).ok_or_else(cut_off)?;
        } else {
            return Err(corrupt("no zstd frame"));
        }
        if input.is_empty() {
            return Ok(output.bytes);
        }
    }
}

/// One frame behind its magic number.
fn frame(input: &mut &[u8], output: &mut Output) -> Result<(), DecompressError> {
    let header = Header::take(input)?;
    let failed = |error: ruzstd::decoding::errors::FrameDecoderError| corrupt(&error.to_string());
    let mut decoder = FrameDecoder::new();
    decoder.init(header.with_small_window().as_slice()).map_err(failed)?;
    // Everything stays in the decoder until the end: it is the window too, however large the frame declares it.
    while !decoder.is_finished() {
        decoder.decode_blocks(&mut *input, BlockDecodingStrategy::UptoBlocks(1)).map_err(failed)?;
        if decoder.can_collect() > output.room() {
            return Err(output.too_large());
        }
    }
    let len = decoder.can_collect();
    if header.content_size.is_some_and(|declared| usize::try_from(declared) != Ok(len)) {
        return Err(corrupt("another length than its frame declares"));
    }
    let start = output.bytes.len();
    output.lengthen(len);
    let target = output.bytes.get_mut(start..).unwrap_or_default();
    decoder.read_exact(target).map_err(|error| corrupt(&error.to_string()))
}

/// What stands in front of a frame's blocks.
struct Header {
    window: u8,
    checksum: bool,
    content_size: Option<u64>,
}

impl Header {
    fn take(input: &mut &[u8]) -> Result<Self, DecompressError> {
        let [descriptor] = take(input)?;
        let single_segment = descriptor & 0x20 != 0;
        let window = if single_segment { BLOCK_WINDOW } else { take::<1>(input)?[0] };
        if descriptor & 0x08 != 0 {
            return Err(corrupt("a reserved bit is set"));
        }
        if descriptor & 0x03 != 0 {
            return Err(corrupt("it needs a dictionary"));
        }
        let content_size = match (descriptor >> 6, single_segment) {
            (0, false) => None,
            (0, true) => Some(take::<1>(input)?[0].into()),
            (1, _) => Some(u64::from(u16::from_le_bytes(take(input)?)) + 256),
            (2, _) => Some(u32::from_le_bytes(take(input)?).into()),
            _ => Some(u64::from_le_bytes(take(input)?)),
        };
        Ok(Self { window, checksum: descriptor & 0x04 != 0, content_size })
    }

    /// The same frame's header with no more window than a block needs: the library allocates at once what is declared.
    fn with_small_window(&self) -> [u8; 6] {
        let [a, b, c, d] = MAGIC.to_le_bytes();
        [a, b, c, d, u8::from(self.checksum) << 2, self.window.min(BLOCK_WINDOW)]
    }
}

fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], DecompressError> {
    let (head, rest) = input.split_first_chunk().ok_or_else(cut_off)?;
    *input = rest;
    Ok(*head)
}

fn cut_off() -> DecompressError {
    corrupt("it is cut off")
}

fn corrupt(reason: &str) -> DecompressError {
    DecompressError::Corrupt { codec: Compression::Zstd, reason: reason.to_owned() }
}
