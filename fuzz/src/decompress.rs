//! Compressed records of every codec.

use bytes::BytesMut;
use kinglet_protocol::records::{BatchError, Compression, DecompressError, compress, decompress as unpack};

use super::{LIMIT, bounded, tell, unpacking};

/// Codec (the remainder by five), limit and level (the quotient), then what is compressed.
pub fn decompress(data: &[u8]) {
    let [choice, packed @ ..] = data else { return };
    let codec = Compression::ALL[usize::from(choice % 5)];
    let limit = if (choice / 5) & 1 == 0 { LIMIT } else { LIMIT / 64 };
    let output = match bounded(packed.len(), unpacking(Some(codec), limit), || unpack(codec, packed, limit)) {
        Ok(output) => output,
        Err(error) => {
            tell(&error);
            let is_too_large = matches!(error, DecompressError::TooLarge { .. });
            return assert_eq!(is_too_large, BatchError::from(error) == BatchError::TooLarge { limit });
        }
    };
    assert!(output.len() <= limit, "the limit holds");
    let level = codec.levels().map(|levels| *levels.start()).filter(|_| (choice / 5) & 2 == 0);
    let mut again = BytesMut::new();
    compress(codec, level, &output, &mut again).expect("the codec is built in");
    assert_eq!(unpack(codec, &again, output.len()), Ok(output), "{codec}");
}
