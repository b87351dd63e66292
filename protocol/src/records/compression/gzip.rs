//! Gzip (RFC 1952): one member written, any number read.

use std::io::Write;

use bytes::{BufMut, BytesMut};
use flate2::write::GzEncoder;
use flate2::{Decompress, FlushDecompress, Status};

use super::{CompressError, Compression, DecompressError, Output};

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const DEFLATE: u8 = 8;
/// The flags say what stands between the ten bytes that every member begins with and the content.
const HEADER_CRC: u8 = 0x02;
const EXTRA: u8 = 0x04;
const NAME: u8 = 0x08;
const COMMENT: u8 = 0x10;
const RESERVED: u8 = 0xe0;
/// The first guess: what text compresses to.
const RATIO_GUESS: usize = 4;

pub(super) fn compress(level: Option<i32>, input: &[u8], out: &mut BytesMut) -> Result<(), CompressError> {
    let level = match level.map(u32::try_from) {
        Some(Ok(level)) => flate2::Compression::new(level),
        // Levels were checked by the caller, none is negative.
        Some(Err(_)) | None => flate2::Compression::default(),
    };
    let failed = |e: std::io::Error| CompressError::Codec { codec: Compression::Gzip, reason: e.to_string() };
    let mut encoder = GzEncoder::new(out.writer(), level);
    encoder.write_all(input).map_err(failed)?;
    encoder.finish().map_err(failed)?;
    Ok(())
}

pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    let mut output = Output::new(input.len().saturating_mul(RATIO_GUESS), limit);
    // One for all members: an attacker's may be many and empty.
    let mut inflate = Decompress::new(false);
    let mut rest = input;
    loop {
        rest = member(&mut inflate, rest, &mut output)?;
        // Java's GZIPInputStream takes what does not look like a member for padding.
        if !rest.starts_with(&MAGIC) {
            return Ok(output.bytes);
        }
        inflate.reset(false);
    }
}

/// Unpacks one member and returns what is behind it.
fn member<'a>(
    inflate: &mut Decompress,
    input: &'a [u8],
    output: &mut Output,
) -> Result<&'a [u8], DecompressError> {
    let start = output.bytes.len();
    let rest = body(inflate, behind_header(input)?, output)?;
    let (crc, rest) = rest.split_first_chunk().ok_or_else(cut_off)?;
    let (size, rest) = rest.split_first_chunk().ok_or_else(cut_off)?;
    let content = output.bytes.get(start..).unwrap_or_default();
    let is_size = u32::from_le_bytes(*size) == low_bits(content.len());
    if !is_size || u32::from_le_bytes(*crc) != crc_fast::crc32_iso_hdlc(content) {
        return Err(corrupt("the content is not what its checksum says"));
    }
    Ok(rest)
}

/// The header is ours and only the content is the library's: its reader allocates what a header field declares.
fn behind_header(input: &[u8]) -> Result<&[u8], DecompressError> {
    let ([m0, m1, method, flags, ..], mut rest) = input.split_first_chunk::<10>().ok_or_else(cut_off)?;
    if [*m0, *m1] != MAGIC || *method != DEFLATE {
        return Err(corrupt("no gzip member"));
    }
    if flags & RESERVED != 0 {
        return Err(corrupt("unknown flags"));
    }
    if flags & EXTRA != 0 {
        let (len, behind) = rest.split_first_chunk().ok_or_else(cut_off)?;
        rest = behind.get(usize::from(u16::from_le_bytes(*len))..).ok_or_else(cut_off)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0).ok_or_else(cut_off)?;
            rest = rest.get(end + 1..).unwrap_or_default();
        }
    }
    if flags & HEADER_CRC != 0 {
        rest = rest.get(2..).ok_or_else(cut_off)?;
    }
    Ok(rest)
}

/// Appends the content and returns what is behind it.
fn body<'a>(
    inflate: &mut Decompress,
    mut rest: &'a [u8],
    output: &mut Output,
) -> Result<&'a [u8], DecompressError> {
    const STEP: usize = 4 << 10;
    let mut filled = output.bytes.len();
    // Full to the limit is fine, if that was all.
    let mut beyond = [0];
    loop {
        if filled == output.bytes.len() && output.room() > 0 {
            output.reserve(STEP.min(output.room()));
            output.lengthen(output.bytes.capacity().min(output.limit) - filled);
        }
        let is_full = filled == output.bytes.len();
        let to = if is_full { &mut beyond[..] } else { &mut output.bytes[filled..] };
        let (read_before, written_before) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(rest, to, FlushDecompress::None).map_err(corrupt)?;
        // Both are at most the length of a slice.
        let read = usize::try_from(inflate.total_in() - read_before).unwrap_or(usize::MAX);
        let written = usize::try_from(inflate.total_out() - written_before).unwrap_or(usize::MAX);
        rest = rest.get(read..).unwrap_or_default();
        if is_full && written > 0 {
            return Err(output.too_large());
        }
        filled += written;
        if status == Status::StreamEnd {
            output.bytes.truncate(filled);
            return Ok(rest);
        }
        if read == 0 && written == 0 {
            return Err(cut_off());
        }
    }
}

/// The size of the content as a trailer has it.
fn low_bits(len: usize) -> u32 {
    (len & 0xffff_ffff) as u32
}

fn cut_off() -> DecompressError {
    corrupt("member cut off")
}

fn corrupt(reason: impl ToString) -> DecompressError {
    DecompressError::Corrupt { codec: Compression::Gzip, reason: reason.to_string() }
}
