//! Gzip (RFC 1952): one member written, any number read.

use std::cell::RefCell;

use bytes::{BufMut, BytesMut};
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

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

/// What stands in front of the content: no time, and of no known system.
const HEADER: [u8; 8] = [MAGIC[0], MAGIC[1], DEFLATE, 0, 0, 0, 0, 0];
const UNKNOWN_SYSTEM: u8 = 255;
/// Room for the compressed bytes is made in steps of this size, and more for large inputs.
const STEP: usize = 4 << 10;

// The states are kept: they are hundreds of kilobytes, dearer to make than a small batch to pack, and aligned so that some
// allocators never use their place again.
thread_local! {
    static PACK: RefCell<Option<(u32, Compress)>> = const { RefCell::new(None) };
    static UNPACK: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

pub(super) fn compress(level: Option<i32>, input: &[u8], out: &mut BytesMut) -> Result<(), CompressError> {
    let level = match level.map(u32::try_from) {
        Some(Ok(level)) => flate2::Compression::new(level),
        // Levels were checked by the caller, none is negative.
        Some(Err(_)) | None => flate2::Compression::default(),
    };
    let speed = match level.level() {
        9.. => 2,
        0..=1 => 4,
        _ => 0,
    };
    out.put_slice(&HEADER);
    out.put_slice(&[speed, UNKNOWN_SYSTEM]);
    PACK.with_borrow_mut(|kept| {
        let of_level = kept.take().filter(|(kept, _)| *kept == level.level());
        let (_, pack) = kept.insert(of_level.unwrap_or_else(|| (level.level(), Compress::new(level, false))));
        pack.reset();
        deflate(pack, input, out)
    })?;
    out.put_u32_le(crc_fast::crc32_iso_hdlc(input));
    out.put_u32_le(low_bits(input.len()));
    Ok(())
}

fn deflate(pack: &mut Compress, mut input: &[u8], out: &mut BytesMut) -> Result<(), CompressError> {
    let failed =
        |reason: &dyn ToString| CompressError::Codec { codec: Compression::Gzip, reason: reason.to_string() };
    loop {
        let filled = out.len();
        out.resize(filled + STEP.max(input.len() / RATIO_GUESS), 0);
        let (read, written) = (pack.total_in(), pack.total_out());
        let to = out.get_mut(filled..).unwrap_or_default();
        let status = pack.compress(input, to, FlushCompress::Finish).map_err(|e| failed(&e))?;
        let (read, written) = (advanced(read, pack.total_in()), advanced(written, pack.total_out()));
        input = input.get(read..).unwrap_or_default();
        out.truncate(filled + written);
        if status == Status::StreamEnd {
            return Ok(());
        }
        if read == 0 && written == 0 {
            return Err(failed(&"it stands still"));
        }
    }
}

/// How far a count has come: at most the length of a slice.
fn advanced(before: u64, now: u64) -> usize {
    usize::try_from(now - before).unwrap_or(usize::MAX)
}

pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    let mut output = Output::new(input.len().saturating_mul(RATIO_GUESS), limit);
    UNPACK.with_borrow_mut(|inflate| {
        let mut rest = input;
        loop {
            inflate.reset(false);
            rest = member(inflate, rest, &mut output)?;
            // Java's GZIPInputStream takes what does not look like a member for padding.
            if !rest.starts_with(&MAGIC) {
                return Ok(output.bytes);
            }
        }
    })
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
        let read = advanced(read_before, inflate.total_in());
        let written = advanced(written_before, inflate.total_out());
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
