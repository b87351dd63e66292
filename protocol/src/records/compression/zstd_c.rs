//! Zstandard (RFC 8878) by the C library, a whole batch at once.
//!
//! One shot instead of streaming: the output is its own window then, while a stream allocates the window that
//! the frame declares, up to 128 MiB for a frame of 18 bytes. Contexts are kept per thread, as making one costs
//! more than a small batch.

use std::cell::RefCell;

use bytes::BytesMut;
use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall;
use zstd::zstd_safe::{
    CCtx, CParameter, DCtx, ErrorCode, compress_bound, get_error_name, get_frame_content_size,
};

use super::{CompressError, Compression, DecompressError};

/// The first guess, and the steps in which a wrong one grows; all wrong ones cost a third of the right one.
const RATIO_GUESS: usize = 8;
const GROWTH: usize = 4;
/// Below this a guess is not worth saving.
const MIN_GUESS: usize = 4 << 10;
/// No block is larger, or takes fewer bytes than its header.
const MAX_BLOCK_SIZE: usize = 128 << 10;
const MIN_BLOCK_LEN: usize = 3;
/// Up to here a declared size is believed: good text gets there, and a liar gains little.
const RATIO_BELIEVED: usize = 32;

thread_local! {
    static COMPRESS: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
    static DECOMPRESS: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

pub(super) fn compress(level: Option<i32>, input: &[u8], out: &mut BytesMut) -> Result<(), CompressError> {
    let failed = |code: ErrorCode| CompressError::Codec {
        codec: Compression::Zstd,
        reason: get_error_name(code).to_owned(),
    };
    let start = out.len();
    out.resize(start + compress_bound(input.len()), 0);
    let len = COMPRESS.with_borrow_mut(|context| {
        let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
        context.set_parameter(CParameter::CompressionLevel(level)).map_err(failed)?;
        context.compress2(&mut out[start..], input).map_err(failed)
    })?;
    out.truncate(start + len);
    Ok(())
}

pub(super) fn decompress(input: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    // More than its blocks can hold is never tried, however often zstd asks for more room.
    let most = (input.len() / MIN_BLOCK_LEN).saturating_mul(MAX_BLOCK_SIZE).min(limit);
    let mut size = first_size(input)?.min(most);
    let mut output = Vec::new();
    loop {
        output.reserve_exact(size);
        let code = match DECOMPRESS.with_borrow_mut(|context| context.decompress(&mut output, input)) {
            // The allocator may have given more than was asked for.
            Ok(len) if len > limit => return Err(DecompressError::TooLarge { limit }),
            Ok(_) => return Ok(output),
            Err(code) => code,
        };
        // zstd returns its error codes negated.
        let too_small = (ZSTD_error_dstSize_tooSmall as ErrorCode).wrapping_neg();
        if code != too_small {
            return Err(corrupt(get_error_name(code)));
        }
        if size == limit {
            return Err(DecompressError::TooLarge { limit });
        }
        if size == most {
            return Err(corrupt(get_error_name(code)));
        }
        size = size.saturating_mul(GROWTH).max(MIN_GUESS).min(most);
    }
}

/// Room for the first try: what the frame declares, if that is credible.
fn first_size(input: &[u8]) -> Result<usize, DecompressError> {
    let guess = input.len().saturating_mul(RATIO_GUESS).max(MIN_GUESS);
    let declared = get_frame_content_size(input).map_err(|_| corrupt("no zstd frame"))?;
    Ok(match declared.map(usize::try_from) {
        Some(Ok(declared)) if declared <= input.len().saturating_mul(RATIO_BELIEVED) => declared,
        _ => guess,
    })
}

fn corrupt(reason: &str) -> DecompressError {
    DecompressError::Corrupt { codec: Compression::Zstd, reason: reason.to_owned() }
}
