//! Frames: a four-byte length, then that many bytes. The limit is checked before anything is reserved.

/// Bytes of the length prefix.
pub const PREFIX_LEN: usize = 4;

/// A length prefix that cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The prefix is negative: the peer speaks another protocol or is out of step.
    #[error("negative frame length {0}: the peer does not speak Kafka's protocol or is out of step")]
    Negative(i32),
    /// The prefix is above the limit.
    #[error("frame of {len} bytes, limit {limit}")]
    TooLarge {
        /// What the prefix says.
        len: usize,
        /// What is allowed.
        limit: usize,
    },
}

/// What the prefix says, if it stays within `limit`.
pub fn frame_len(prefix: [u8; PREFIX_LEN], limit: usize) -> Result<usize, FrameError> {
    let len = i32::from_be_bytes(prefix);
    let len = usize::try_from(len).map_err(|_| FrameError::Negative(len))?;
    if len <= limit { Ok(len) } else { Err(FrameError::TooLarge { len, limit }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_bounded_on_both_sides() {
        assert_eq!(frame_len(10i32.to_be_bytes(), 10), Ok(10));
        assert_eq!(frame_len(11i32.to_be_bytes(), 10), Err(FrameError::TooLarge { len: 11, limit: 10 }));
        assert_eq!(frame_len((-1i32).to_be_bytes(), 10), Err(FrameError::Negative(-1)));
    }
}
