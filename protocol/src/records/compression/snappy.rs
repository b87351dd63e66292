//! Snappy: written in the framing of xerial's snappy-java as Java clients do, read with it and without
//! (librdkafka and franz-go send one bare block).

use bytes::{BufMut, BytesMut};
use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::{CompressError, Compression, DecompressError, Output};

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Behind the magic: the version of the format and the oldest one that can read it.
const VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
const BLOCK_SIZE: usize = 32 << 10;
/// No element of the format is better than 64 bytes for 3, so a block that declares more than this is broken.
const MAX_RATIO: usize = 22;

pub(super) fn compress(input: &[u8], out: &mut BytesMut) -> Result<(), CompressError> {
    let mut encoder = Encoder::new();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSIONS);
    for block in input.chunks(BLOCK_SIZE) {
        let start = out.len() + 4;
        out.resize(start + max_compress_len(block.len()), 0);
        let len = encoder
            .compress(block, &mut out[start..])
            .map_err(|e| CompressError::Codec { codec: Compression::Snappy, reason: e.to_string() })?;
        let prefix = u32::try_from(len).expect("a block of 32 KiB does not compress to 4 GiB");
        (&mut out[start - 4..start]).put_u32(prefix);
        out.truncate(start + len);
    }
    Ok(())
}

pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    let mut output = Output::new(0, limit);
    let Some(framed) = input.strip_prefix(&MAGIC) else {
        block(input, &mut output)?;
        return Ok(output.bytes);
    };
    let mut rest = framed.get(VERSIONS.len()..).ok_or_else(|| corrupt("frame header cut off"))?;
    while !rest.is_empty() {
        let (&len, behind) = rest.split_first_chunk().ok_or_else(|| corrupt("block length cut off"))?;
        let len = usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX);
        let (data, behind) = behind.split_at_checked(len).ok_or_else(|| corrupt("block cut off"))?;
        block(data, &mut output)?;
        rest = behind;
    }
    Ok(output.bytes)
}

fn block(data: &[u8], output: &mut Output) -> Result<(), DecompressError> {
    let len = decompress_len(data).map_err(corrupt)?;
    if len > data.len().saturating_mul(MAX_RATIO) {
        return Err(corrupt("a block declares more than it can hold"));
    }
    if len > output.room() {
        return Err(output.too_large());
    }
    let start = output.bytes.len();
    output.lengthen(len);
    Decoder::new().decompress(data, &mut output.bytes[start..]).map_err(corrupt)?;
    Ok(())
}

fn corrupt(reason: impl ToString) -> DecompressError {
    DecompressError::Corrupt { codec: Compression::Snappy, reason: reason.to_string() }
}
