//! The encoding side: small fields are gathered, record bytes are passed on by reference.

use bytes::{BufMut, Bytes, BytesMut};

use super::reader::Prefix;
use super::varint;
use super::{EncodeError, EncodeErrorKind, Place, RecordBytes, field_name};

/// Record bytes up to this size are copied into the frame: a separate write vector would cost more than the copy.
const INLINE_RECORDS: usize = 512;

/// What a frame is given at first: most requests and responses fit.
const FIRST_RESERVE: usize = 256;

/// A piece of an encoded frame, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// Bytes to send as they are.
    Bytes(Bytes),
    /// `len` bytes that the sender fetches itself, a range of a file for instance; `id` is what was put into
    /// [`RecordBytes::external`].
    External {
        /// The caller's name for the range.
        id: u32,
        /// How many bytes the range has.
        len: usize,
    },
}

/// One encoded request or response with its length prefix, as pieces for a vectored write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    chunks: Vec<Chunk>,
    len: usize,
}

impl Frame {
    /// The pieces in order; the first begins with the four-byte length prefix.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Takes the pieces.
    pub fn into_chunks(self) -> Vec<Chunk> {
        self.chunks
    }

    /// Bytes on the wire, the length prefix included.
    pub fn wire_len(&self) -> usize {
        self.len
    }

    /// The frame in one buffer, for tests and small frames. External ranges are filled with zeros.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.len);
        for chunk in &self.chunks {
            match chunk {
                Chunk::Bytes(bytes) => out.put_slice(bytes),
                Chunk::External { len, .. } => out.put_bytes(0, *len),
            }
        }
        out.freeze()
    }
}

#[derive(Debug)]
enum Piece {
    Own(Vec<u8>),
    Chunk(Chunk),
}

/// Gathers one frame. Version and flexibility ride along, as in the reader.
#[derive(Debug)]
pub struct Writer {
    buf: Vec<u8>,
    done: Vec<Piece>,
    done_len: usize,
    version: i16,
    flexible: bool,
    /// Where an error lies, if the next step fails.
    pub(crate) place: &'static Place,
}

impl Writer {
    /// An empty frame of this version.
    pub fn new(version: i16, flexible: bool) -> Self {
        Self {
            buf: Vec::with_capacity(FIRST_RESERVE),
            done: Vec::new(),
            done_len: 0,
            version,
            flexible,
            place: &Place::NOWHERE,
        }
    }

    /// The error of a step that failed, with the place of the field that was being written.
    pub fn fail(&self, kind: EncodeErrorKind) -> EncodeError {
        EncodeError { kind, part: self.place.part, field: field_name(self.place.field) }
    }

    /// The version that is being written.
    #[inline]
    pub fn version(&self) -> i16 {
        self.version
    }

    /// True when lengths are compact and tagged fields follow.
    #[inline]
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// Switches between classic and compact forms: headers and bodies differ.
    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// Appends plain bytes.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// Makes room for `more` bytes at once.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.buf.reserve(more);
    }

    /// Appends an unsigned variable-length integer.
    #[inline]
    pub fn uvarint(&mut self, n: u32) {
        match u8::try_from(n) {
            Ok(byte @ ..0x80) => self.buf.push(byte),
            _ => self.long_uvarint(n),
        }
    }

    fn long_uvarint(&mut self, n: u32) {
        let mut out = [0; 10];
        let len = varint::encode_uvarlong(u64::from(n), &mut out);
        self.buf.extend_from_slice(out.get(..len).unwrap_or_default());
    }

    /// A length prefix; `None` is null.
    #[inline]
    pub(crate) fn length(&mut self, prefix: Prefix, len: Option<usize>) -> Result<(), EncodeErrorKind> {
        match (self.flexible, prefix) {
            (true, _) => {
                let fits = |n: &u32| i64::from(*n) <= prefix.max();
                let n = match len {
                    None => 0,
                    Some(n) => 1 + u32::try_from(n).ok().filter(fits).ok_or(EncodeErrorKind::TooLong(n))?,
                };
                self.uvarint(n);
            }
            (false, Prefix::Short) => {
                let n = len.map_or(Ok(-1), |n| i16::try_from(n).map_err(|_| EncodeErrorKind::TooLong(n)))?;
                self.put(&n.to_be_bytes());
            }
            (false, Prefix::Long) => {
                let n = len.map_or(Ok(-1), |n| i32::try_from(n).map_err(|_| EncodeErrorKind::TooLong(n)))?;
                self.put(&n.to_be_bytes());
            }
        }
        Ok(())
    }

    /// Appends record bytes without copying them, unless they are tiny.
    pub(crate) fn records(&mut self, records: &RecordBytes) {
        let chunk = match records {
            RecordBytes::Here(bytes) if bytes.len() <= INLINE_RECORDS => return self.put(bytes),
            RecordBytes::Here(bytes) => Chunk::Bytes(bytes.clone()),
            RecordBytes::External { len: 0, .. } => return,
            RecordBytes::External { id, len } => Chunk::External { id: *id, len: *len },
        };
        let own = std::mem::take(&mut self.buf);
        self.done_len += own.len() + records.len();
        if !own.is_empty() {
            self.done.push(Piece::Own(own));
        }
        self.done.push(Piece::Chunk(chunk));
    }

    /// Ends a structure that has no tagged field.
    #[inline]
    pub(crate) fn no_tags(&mut self) {
        if self.flexible {
            self.uvarint(0);
        }
    }

    /// Appends one tagged field: the tag, its size, and what `body` writes.
    pub fn tagged(
        &mut self,
        tag: u32,
        body: impl FnOnce(&mut Self) -> Result<(), EncodeErrorKind>,
    ) -> Result<(), EncodeErrorKind> {
        let start = self.buf.len();
        body(self)?;
        self.put_tag_before(tag, start)
    }

    /// The size goes in front of a body whose length was not known before: tagged fields are rare and small, so moving the body
    /// once is cheaper than measuring every message first.
    fn put_tag_before(&mut self, tag: u32, start: usize) -> Result<(), EncodeErrorKind> {
        let len = self.buf.len() - start;
        let size = u32::try_from(len).map_err(|_| EncodeErrorKind::TooLong(len))?;
        self.uvarint(tag);
        self.uvarint(size);
        if let Some(field) = self.buf.get_mut(start..) {
            field.rotate_left(len);
        }
        Ok(())
    }

    /// The bytes gathered so far in one piece, without a length prefix.
    pub fn into_bytes(self) -> Bytes {
        if self.done.is_empty() {
            return self.buf.into();
        }
        let chunks = self.into_chunks();
        let len = chunks.iter().map(chunk_len).sum();
        Frame { chunks, len }.to_bytes()
    }

    /// The finished frame. The writer must have begun with four bytes kept free for the prefix.
    pub(crate) fn into_frame(mut self) -> Result<Frame, EncodeErrorKind> {
        let len = self.done_len + self.buf.len();
        let body = len.saturating_sub(4);
        let prefix = i32::try_from(body).map_err(|_| EncodeErrorKind::TooLong(body))?;
        let head = match self.done.first_mut() {
            Some(Piece::Own(head)) => head,
            _ => &mut self.buf,
        };
        if let Some(place) = head.first_chunk_mut::<4>() {
            *place = prefix.to_be_bytes();
        }
        Ok(Frame { chunks: self.into_chunks(), len })
    }

    fn into_chunks(self) -> Vec<Chunk> {
        let mut chunks = Vec::with_capacity(self.done.len() + 1);
        for piece in self.done {
            chunks.push(match piece {
                Piece::Own(bytes) => Chunk::Bytes(bytes.into()),
                Piece::Chunk(chunk) => chunk,
            });
        }
        if !self.buf.is_empty() {
            chunks.push(Chunk::Bytes(self.buf.into()));
        }
        chunks
    }
}

fn chunk_len(chunk: &Chunk) -> usize {
    match chunk {
        Chunk::Bytes(bytes) => bytes.len(),
        Chunk::External { len, .. } => *len,
    }
}
