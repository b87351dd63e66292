//! Gzip (RFC 1952): one member written, any number read.

use std::io::{Read, Write};

use bytes::{BufMut, BytesMut};
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use super::{CompressError, Compression, DecompressError, Output};

const MAGIC: [u8; 2] = [0x1f, 0x8b];
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
    let mut rest = input;
    loop {
        let mut member = GzDecoder::new(rest);
        fill(&mut output, &mut member)?;
        rest = member.into_inner();
        // Java's GZIPInputStream takes what does not look like a member for padding.
        if !rest.starts_with(&MAGIC) {
            return Ok(output.bytes);
        }
    }
}

/// Reads one member to its end.
fn fill(output: &mut Output, member: &mut impl Read) -> Result<(), DecompressError> {
    const STEP: usize = 4 << 10;
    let corrupt =
        |e: std::io::Error| DecompressError::Corrupt { codec: Compression::Gzip, reason: e.to_string() };
    let mut filled = output.bytes.len();
    loop {
        if filled == output.bytes.len() {
            if output.room() == 0 {
                // Full to the limit: fine, if this was all.
                return match member.read(&mut [0]).map_err(corrupt)? {
                    0 => Ok(()),
                    _ => Err(output.too_large()),
                };
            }
            output.reserve(STEP.min(output.room()));
            output.lengthen(output.bytes.capacity().min(output.limit) - filled);
        }
        match member.read(&mut output.bytes[filled..]).map_err(corrupt)? {
            0 => break,
            read => filled += read,
        }
    }
    output.bytes.truncate(filled);
    Ok(())
}
