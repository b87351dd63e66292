//! What the fuzz targets do with their bytes. An ordinary test of `protocol` includes this file and replays the corpus through it.
//!
//! Each target holds its bytes to the same promises: no panic; what decodes encodes again, to bytes that decode to the same;
//! and no more memory than [`bounded`] allows.

#[path = "../../protocol/tests/allocation/mod.rs"]
mod allocation;
mod batches;
mod decompress;
mod legacy;
mod messages;
mod segment;

use kinglet_protocol::records::Compression;

pub use batches::batch;
pub use decompress::decompress;
pub use legacy::legacy;
pub use messages::{data, request, response};
pub use segment::segment;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its corpus.
pub const TARGETS: [(&str, Target); 7] = [
    ("request", request),
    ("response", response),
    ("data", data),
    ("batch", batch),
    ("legacy", legacy),
    ("decompress", decompress),
    ("segment", segment),
];

/// The decompressed bytes that one batch or wrapper may have here.
const LIMIT: usize = 64 << 10;
/// What decompressing to [`LIMIT`] may take where there is no zstd: the output's old and new place while it grows.
const UNPACKING: usize = 2 * LIMIT;
/// What zstd's decoder takes for a block of any size: the window, the literals, and the sequences, up to 98,047 of them, that it
/// makes room for when a block declares them, 12 bytes each in a list that may be moved while it doubles.
const ZSTD_BLOCK: usize = 4 << 20;
/// What a conversion may take besides: the state of gzip's encoder, the records in both formats, and what they are packed to.
const PACKING: usize = 10 * LIMIT;

/// What decompressing to `limit` may take.
fn unpacking(codec: Option<Compression>, limit: usize) -> usize {
    2 * limit + if codec == Some(Compression::Zstd) { ZSTD_BLOCK } else { 0 }
}

/// Runs `work` on `received` bytes and holds it to the memory that a peer may make us allocate: 64 KiB and 96 times what it sent.
/// What the caller's limit bounds instead is `apart`.
fn bounded<T>(received: usize, apart: usize, work: impl FnOnce() -> T) -> T {
    let (result, peak) = allocation::peak_of(work);
    let allowed = (64 << 10) + 96 * received + apart;
    assert!(peak <= allowed, "{received} bytes took {peak}, allowed were {allowed}");
    result
}

/// An error must be able to say what it is.
fn tell(error: &dyn std::error::Error) {
    assert!(!error.to_string().is_empty());
}
