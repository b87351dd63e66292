//! Kafka's 128-bit ids, printed as URL-safe base64 without padding (22 characters).

use std::fmt;
use std::str::FromStr;

/// A 128-bit id: topic ids, directory ids, cluster ids.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uuid(pub [u8; 16]);

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Uuid {
    /// The id that means "none".
    pub const ZERO: Self = Self([0; 16]);

    /// True for [`Uuid::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// A version 4 id out of 16 random bytes.
    ///
    /// The text of an id never begins with `-`, because tools would take it for an option; Kafka draws again then,
    /// and so must the caller: `None` asks for other bytes.
    pub fn from_random(mut bytes: [u8; 16]) -> Option<Self> {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let id = Self(bytes);
        (!id.to_string().starts_with('-')).then_some(id)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = u128::from_be_bytes(self.0);
        let mut text = [0u8; 22];
        for (i, out) in text.iter_mut().enumerate() {
            // 22 six-bit digits cover 132 bits: the last four are zero padding.
            let digit = if i < 21 { n >> (128 - 6 * (i + 1)) } else { n << 4 };
            *out = ALPHABET[usize::try_from(digit & 0x3f).unwrap_or(0)];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of 22 base64 characters: '{0}'")]
pub struct ParseUuidError(String);

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseUuidError(text.chars().take(40).collect());
        let body = text.trim_end_matches('=');
        if body.len() != 22 {
            return Err(bad());
        }
        let mut n = 0u128;
        for (i, byte) in body.bytes().enumerate() {
            let digit = ALPHABET.iter().position(|&c| c == byte).ok_or_else(bad)?;
            let digit = u128::try_from(digit).map_err(|_| bad())?;
            n = if i < 21 { (n << 6) | digit } else { (n << 2) | (digit >> 4) };
        }
        Ok(Self(n.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree_with_kafka() {
        // Taken from a real `kafka-topics --describe`.
        let id: Uuid = "HcQtgME_QIWOS7lv2CqhlQ".parse().unwrap();
        assert_eq!(id.0[..4], [0x1d, 0xc4, 0x2d, 0x80]);
        assert_eq!(id.to_string(), "HcQtgME_QIWOS7lv2CqhlQ");
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(Uuid([0xff; 16]).to_string().parse(), Ok(Uuid([0xff; 16])));
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "abc", "HcQtgME_QIWOS7lv2Cqhl!", "HcQtgME_QIWOS7lv2CqhlQQ"] {
            assert!(text.parse::<Uuid>().is_err(), "{text}");
        }
    }
}
