//! The decoding cursor.

use bytes::{Buf, Bytes};

use super::varint;
use super::{DecodeError, DecodeErrorKind};

/// A cursor over one frame that can only ever split what is there.
///
/// Version and flexibility ride along, so that the same `String` or `Vec<T>` reads its classic or its compact form.
#[derive(Debug)]
pub struct Reader {
    buf: Bytes,
    version: i16,
    flexible: bool,
}

/// Which of the two classic length prefixes a type has; compact ones look alike, but say no more than these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// Two bytes: strings.
    Short,
    /// Four bytes: arrays, bytes, records.
    Long,
}

impl Prefix {
    /// The longest length that it can say. Kafka holds compact strings to it too, and closes the connection of a peer
    /// who does not; and what came in compactly must also fit into a classic answer.
    pub(crate) const fn max(self) -> i64 {
        match self {
            Self::Short => 0x7fff,
            Self::Long => 0x7fff_ffff,
        }
    }
}

impl Reader {
    /// A cursor at the front of `buf`.
    pub fn new(buf: Bytes, version: i16, flexible: bool) -> Self {
        Self { buf, version, flexible }
    }

    /// The version that is being read.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// True when lengths are compact and tagged fields follow.
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.buf.len()
    }

    /// The rest of the frame.
    pub fn into_rest(self) -> Bytes {
        self.buf
    }

    fn need(&self, need: usize) -> Result<(), DecodeError> {
        let have = self.buf.len();
        if need <= have { Ok(()) } else { Err(DecodeErrorKind::Truncated { need, have }.into()) }
    }

    /// The next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some(head) = self.buf.first_chunk::<N>() else {
            return Err(DecodeErrorKind::Truncated { need: N, have: self.buf.len() }.into());
        };
        let head = *head;
        self.buf.advance(N);
        Ok(head)
    }

    /// The next `len` bytes as a slice of the frame: no copy, the frame stays alive with it.
    pub fn slice(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        self.need(len)?;
        Ok(self.buf.split_to(len))
    }

    /// The next `len` bytes as text of its own.
    pub fn text(&mut self, len: usize) -> Result<String, DecodeError> {
        self.need(len)?;
        let head = self.buf.get(..len).unwrap_or_default();
        let text = std::str::from_utf8(head).map_err(|_| DecodeError::new(DecodeErrorKind::Utf8))?.to_owned();
        self.buf.advance(len);
        Ok(text)
    }

    /// An unsigned variable-length integer.
    #[inline]
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let Some((n, len)) = varint::read_uvarint(&self.buf) else {
            return Err(DecodeErrorKind::Varint.into());
        };
        self.buf.advance(len);
        Ok(n)
    }

    /// A length or count, `None` for null. `min_each` is the least that one element takes: a count that the bytes
    /// left cannot hold is refused before anything is reserved for it.
    pub(crate) fn length(&mut self, prefix: Prefix, min_each: usize) -> Result<Option<usize>, DecodeError> {
        let n = match (self.flexible, prefix) {
            (true, _) => i64::from(self.uvarint()?) - 1,
            (false, Prefix::Short) => i64::from(i16::from_be_bytes(self.array()?)),
            (false, Prefix::Long) => i64::from(i32::from_be_bytes(self.array()?)),
        };
        if n == -1 {
            return Ok(None);
        }
        let impossible = || DecodeError::new(DecodeErrorKind::Length(n));
        let n = usize::try_from(n).ok().filter(|_| n <= prefix.max()).ok_or_else(impossible)?;
        self.need(n.saturating_mul(min_each))?;
        Ok(Some(n))
    }

    /// Reads the tagged fields of a flexible version; `known` gets each with a cursor over just its bytes and returns
    /// false for tags it does not know. Those are skipped: a newer peer may send them.
    pub fn tags(
        &mut self,
        mut known: impl FnMut(u32, &mut Reader) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.flexible {
            return Ok(());
        }
        let count = self.uvarint()?;
        // Each takes a tag and a size at least.
        self.need(usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(2))?;
        for _ in 0..count {
            let tag = self.uvarint()?;
            let size = usize::try_from(self.uvarint()?).unwrap_or(usize::MAX);
            let mut field = Reader::new(self.slice(size)?, self.version, true);
            if known(tag, &mut field)? && field.remaining() > 0 {
                return Err(DecodeErrorKind::Trailing(field.remaining()).into());
            }
        }
        Ok(())
    }

    /// Refuses bytes after the last field.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.buf.is_empty() { Ok(()) } else { Err(DecodeErrorKind::Trailing(self.buf.len()).into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{EncodeErrorKind, Wire, Writer};

    /// The string in its classic and in its compact form, as written and as declared by a peer who does not check.
    fn forms(len: usize) -> [(bool, Vec<u8>); 2] {
        let classic = u16::try_from(len).unwrap().to_be_bytes().to_vec();
        let mut compact = Writer::new(0, true);
        compact.uvarint(u32::try_from(len + 1).unwrap());
        [(false, classic), (true, compact.into_bytes().to_vec())].map(|(flexible, mut frame)| {
            frame.resize(frame.len() + len, b'x');
            (flexible, frame)
        })
    }

    #[test]
    fn a_string_is_as_long_in_every_form_as_its_classic_prefix_can_say() {
        for (flexible, frame) in forms(32_767) {
            let text = String::decode(&mut Reader::new(frame.clone().into(), 0, flexible)).unwrap();
            let mut w = Writer::new(0, flexible);
            text.encode(&mut w).unwrap();
            assert_eq!(w.into_bytes(), frame);
        }
        for (flexible, frame) in forms(32_768) {
            let refused = String::decode(&mut Reader::new(frame.into(), 0, flexible))
                .map(|text| text.len())
                .unwrap_err();
            assert!(matches!(refused.kind, DecodeErrorKind::Length(_)), "{refused}");
            let refused = "x".repeat(32_768).encode(&mut Writer::new(0, flexible)).unwrap_err();
            assert_eq!(refused.kind, EncodeErrorKind::TooLong(32_768));
        }
    }

    #[test]
    fn bytes_may_be_longer_than_a_string_in_the_compact_form() {
        let bytes = Bytes::from(vec![7; 40_000]);
        let mut w = Writer::new(0, true);
        bytes.encode(&mut w).unwrap();
        assert_eq!(Bytes::decode(&mut Reader::new(w.into_bytes(), 0, true)), Ok(bytes));
    }
}
