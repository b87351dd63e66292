//! The LZ4 frame format: written as Java does (independent blocks of 64 KiB, no checksums), read in every form.
//!
//! The frame is ours and only the blocks are the library's: its frame reader allocates two blocks of the size
//! the header declares, up to 8 MiB for a frame of 15 bytes, and copies every byte once more.

use bytes::{BufMut, BytesMut};
use lz4_flex::block::{
    CompressTable, DecompressError as BlockError, compress_into_with_table, decompress_into_with_dict,
    get_maximum_output_size,
};

use super::{CompressError, Compression, DecompressError, Output};

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
/// Behind the magic: version 1 with independent blocks, blocks of 64 KiB, and the checksum of these two bytes.
const DESCRIPTOR: [u8; 3] = [0x60, 0x40, 0x82];
/// The checksum that clients before Kafka 0.10 compute: over the magic as well.
const SPOILT_CHECKSUM: u8 = 0x1a;
const CHECKSUM_AT: usize = MAGIC.len() + DESCRIPTOR.len() - 1;
const BLOCK_SIZE: usize = 64 << 10;
/// Set in the length of a block that is stored as it is.
const STORED: u32 = 1 << 31;
/// A match may reach this far back, into earlier blocks too if they are linked.
const WINDOW: usize = 64 << 10;
/// No byte of a block stands for more than this many.
const MAX_RATIO: usize = 255;
const RATIO_GUESS: usize = 8;

pub(super) fn compress(input: &[u8], out: &mut BytesMut) -> Result<(), CompressError> {
    let mut table = CompressTable::default();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&DESCRIPTOR);
    for block in input.chunks(BLOCK_SIZE) {
        let start = out.len() + 4;
        out.resize(start + get_maximum_output_size(block.len()), 0);
        let len = compress_into_with_table(block, &mut out[start..], &mut table)
            .map_err(|e| CompressError::Codec { codec: Compression::Lz4, reason: e.to_string() })?;
        let (len, flag) = if len < block.len() { (len, 0) } else { (block.len(), STORED) };
        if flag == STORED {
            out[start..start + len].copy_from_slice(block);
        }
        let prefix = u32::try_from(len).expect("a block is at most 64 KiB") | flag;
        (&mut out[start - 4..start]).put_u32_le(prefix);
        out.truncate(start + len);
    }
    out.put_u32_le(0);
    Ok(())
}

/// Gives a frame that [`compress`] wrote the header checksum of old clients.
pub(super) fn spoil_header_checksum(frame: &mut [u8]) {
    if let Some(checksum) = frame.get_mut(CHECKSUM_AT) {
        *checksum = SPOILT_CHECKSUM;
    }
}

pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    let (frame, mut rest) = Frame::parse(input)?;
    let mut output = Output::new(0, limit);
    loop {
        let length = u32::from_le_bytes(take(&mut rest)?);
        if length == 0 {
            // As in Java, what follows the end mark (a content checksum, padding) is not looked at.
            return Ok(output.bytes);
        }
        let len = usize::try_from(length & !STORED).unwrap_or(usize::MAX);
        let (data, behind) = rest.split_at_checked(len).ok_or_else(|| corrupt("block cut off"))?;
        rest = behind;
        if frame.has_block_checksums {
            take::<4>(&mut rest)?;
        }
        if data.len() > frame.block_size {
            return Err(corrupt("a block is larger than the frame allows"));
        }
        if length & STORED == 0 {
            block(data, &frame, &mut output)?;
        } else {
            output.extend(data)?;
        }
    }
}

/// What the frame descriptor says about the blocks.
struct Frame {
    block_size: usize,
    linked: bool,
    has_block_checksums: bool,
}

impl Frame {
    /// The checksum of the descriptor is skipped: clients of Kafka 0.9 computed it wrongly (KAFKA-3160).
    fn parse(mut input: &[u8]) -> Result<(Self, &[u8]), DecompressError> {
        if take(&mut input)? != MAGIC {
            return Err(corrupt("no LZ4 frame"));
        }
        let [flags, sizes] = take(&mut input)?;
        if flags >> 6 != 1 {
            return Err(corrupt("unknown version of the LZ4 frame format"));
        }
        if flags & 0x01 != 0 {
            return Err(corrupt("a dictionary is needed"));
        }
        let block_size = match (sizes >> 4) & 0x07 {
            4 => 64 << 10,
            5 => 256 << 10,
            6 => 1 << 20,
            7 => 4 << 20,
            _ => return Err(corrupt("unknown block size")),
        };
        if flags & 0x08 != 0 {
            // The content size: nothing depends on whether it is true.
            take::<8>(&mut input)?;
        }
        take::<1>(&mut input)?;
        Ok((Self { block_size, linked: flags & 0x20 == 0, has_block_checksums: flags & 0x10 != 0 }, input))
    }
}

fn block(data: &[u8], frame: &Frame, output: &mut Output) -> Result<(), DecompressError> {
    let start = output.bytes.len();
    let most = frame.block_size.min(data.len().saturating_mul(MAX_RATIO));
    let most_allowed = most.min(output.room());
    // A block does not say how long its content is: first what is usual, then what is possible at all.
    let mut len = data.len().saturating_mul(RATIO_GUESS).min(most_allowed);
    loop {
        output.bytes.truncate(start);
        output.lengthen(len);
        let (before, to) = output.bytes.split_at_mut(start);
        let window = if frame.linked { &before[start.saturating_sub(WINDOW)..] } else { &[] };
        match decompress_into_with_dict(data, to, window) {
            Ok(written) => {
                output.bytes.truncate(start + written);
                return Ok(());
            }
            Err(BlockError::OutputTooSmall { .. }) if len < most_allowed => len = most_allowed,
            Err(BlockError::OutputTooSmall { .. }) if most_allowed < most => return Err(output.too_large()),
            Err(error) => return Err(corrupt(error)),
        }
    }
}

fn take<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], DecompressError> {
    let (taken, rest) = from.split_first_chunk().ok_or_else(|| corrupt("frame cut off"))?;
    *from = rest;
    Ok(*taken)
}

fn corrupt(reason: impl ToString) -> DecompressError {
    DecompressError::Corrupt { codec: Compression::Lz4, reason: reason.to_string() }
}
