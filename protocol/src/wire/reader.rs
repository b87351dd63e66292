//! The decoding cursor.

use bytes::Bytes;

use super::varint;
use super::{DecodeError, DecodeErrorKind, Place, field_name};

/// A cursor over one frame that can only ever split what is there.
///
/// Version and flexibility ride along, so that the same `String` or `Vec<T>` reads its classic or its compact form. So does the
/// place of the field that is being read, for [`fail`](Self::fail).
#[derive(Debug)]
pub struct Reader<'a> {
    frame: &'a Bytes,
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    /// Where an error lies, if the next step fails.
    pub(crate) place: &'static Place,
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

impl<'a> Reader<'a> {
    /// A cursor at the front of `frame`.
    pub fn new(frame: &'a Bytes, version: i16, flexible: bool) -> Self {
        Self { frame, rest: frame, version, flexible, place: &Place::NOWHERE }
    }

    /// The version that is being read.
    #[inline]
    pub fn version(&self) -> i16 {
        self.version
    }

    /// True when lengths are compact and tagged fields follow.
    #[inline]
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The rest of the frame.
    pub fn rest(&self) -> Bytes {
        self.frame.slice_ref(self.rest)
    }

    /// The error of a step that failed, with the place of the field that was being read.
    pub fn fail(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { kind, part: self.place.part, field: field_name(self.place.field) }
    }

    #[inline]
    fn need(&self, need: usize) -> Result<(), DecodeErrorKind> {
        let have = self.rest.len();
        if need <= have { Ok(()) } else { Err(DecodeErrorKind::Truncated { need, have }) }
    }

    /// The next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeErrorKind> {
        let Some((head, rest)) = self.rest.split_first_chunk() else {
            return Err(DecodeErrorKind::Truncated { need: N, have: self.rest.len() });
        };
        self.rest = rest;
        Ok(*head)
    }

    /// The next `len` bytes where they lie.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeErrorKind> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(DecodeErrorKind::Truncated { need: len, have: self.rest.len() });
        };
        self.rest = rest;
        Ok(head)
    }

    /// The next `len` bytes as a slice of the frame: no copy, the frame stays alive with it.
    pub fn slice(&mut self, len: usize) -> Result<Bytes, DecodeErrorKind> {
        let head = self.take(len)?;
        Ok(self.frame.slice_ref(head))
    }

    /// The next `len` bytes as text of its own.
    pub fn text(&mut self, len: usize) -> Result<String, DecodeErrorKind> {
        let head = self.take(len)?;
        Ok(std::str::from_utf8(head).map_err(|_| DecodeErrorKind::Utf8)?.to_owned())
    }

    /// An unsigned variable-length integer.
    #[inline]
    pub fn uvarint(&mut self) -> Result<u32, DecodeErrorKind> {
        match *self.rest {
            // Nearly all lengths and counts.
            [byte @ ..0x80, ref rest @ ..] => {
                self.rest = rest;
                Ok(u32::from(byte))
            }
            _ => self.long_uvarint(),
        }
    }

    fn long_uvarint(&mut self) -> Result<u32, DecodeErrorKind> {
        let (n, len) = varint::read_uvarint(self.rest).ok_or(DecodeErrorKind::Varint)?;
        self.take(len)?;
        Ok(n)
    }

    /// A length or count, `None` for null. `min_each` is the least that one element takes: a count that the bytes
    /// left cannot hold is refused before anything is reserved for it.
    #[inline]
    pub(crate) fn length(
        &mut self,
        prefix: Prefix,
        min_each: usize,
    ) -> Result<Option<usize>, DecodeErrorKind> {
        let n = match (self.flexible, prefix) {
            (true, _) => i64::from(self.uvarint()?) - 1,
            (false, Prefix::Short) => i64::from(i16::from_be_bytes(self.array()?)),
            (false, Prefix::Long) => i64::from(i32::from_be_bytes(self.array()?)),
        };
        if n == -1 {
            return Ok(None);
        }
        let impossible = DecodeErrorKind::Length(n);
        let n = usize::try_from(n).ok().filter(|_| n <= prefix.max()).ok_or(impossible)?;
        self.need(n.saturating_mul(min_each))?;
        Ok(Some(n))
    }

    /// How many tagged fields follow; [`tag`](Self::tag) reads each. None do in a version that is not flexible.
    #[inline]
    pub fn tags(&mut self) -> Result<u32, DecodeErrorKind> {
        if !self.flexible {
            return Ok(0);
        }
        let count = self.uvarint()?;
        if count > 0 {
            // Each takes a tag and a size at least.
            self.need(usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(2))?;
        }
        Ok(count)
    }

    /// One tagged field: its tag, and a cursor over just its bytes.
    pub fn tag(&mut self) -> Result<(u32, Self), DecodeErrorKind> {
        let tag = self.uvarint()?;
        let size = usize::try_from(self.uvarint()?).unwrap_or(usize::MAX);
        Ok((tag, Self { rest: self.take(size)?, ..*self }))
    }

    /// Passes over all tagged fields: a newer peer may send some that nobody here knows.
    #[inline]
    pub fn skip_tags(&mut self) -> Result<(), DecodeErrorKind> {
        for _ in 0..self.tags()? {
            self.tag()?;
        }
        Ok(())
    }

    /// Refuses bytes after the last field.
    #[inline]
    pub fn end(&self) -> Result<(), DecodeErrorKind> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(DecodeErrorKind::Trailing(left)),
        }
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
            let text = String::decode(&mut Reader::new(&frame.clone().into(), 0, flexible)).unwrap();
            let mut w = Writer::new(0, flexible);
            text.encode(&mut w).unwrap();
            assert_eq!(w.into_bytes(), frame);
        }
        for (flexible, frame) in forms(32_768) {
            let refused = String::decode(&mut Reader::new(&frame.into(), 0, flexible))
                .map(|text| text.len())
                .unwrap_err();
            assert!(matches!(refused, DecodeErrorKind::Length(_)), "{refused}");
            let refused = "x".repeat(32_768).encode(&mut Writer::new(0, flexible)).unwrap_err();
            assert_eq!(refused, EncodeErrorKind::TooLong(32_768));
        }
    }

    #[test]
    fn bytes_may_be_longer_than_a_string_in_the_compact_form() {
        let bytes = Bytes::from(vec![7; 40_000]);
        let mut w = Writer::new(0, true);
        bytes.encode(&mut w).unwrap();
        assert_eq!(Bytes::decode(&mut Reader::new(&w.into_bytes(), 0, true)), Ok(bytes));
    }
}
