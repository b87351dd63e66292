//! The types that fields are made of.

use bytes::Bytes;

use super::reader::Prefix;
use super::{DecodeErrorKind, EncodeErrorKind, Reader, Uuid, Writer};

/// The versions in which something exists, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    /// The first version.
    pub first: i16,
    /// The last version; `i16::MAX` when open.
    pub last: i16,
}

impl VersionRange {
    /// `first..=last`.
    pub const fn new(first: i16, last: i16) -> Self {
        Self { first, last }
    }

    /// True when `version` lies within.
    pub const fn contains(self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }

    /// The versions both ranges have, `None` when there are none.
    pub fn intersect(self, other: Self) -> Option<Self> {
        let both = Self { first: self.first.max(other.first), last: self.last.min(other.last) };
        (both.first <= both.last).then_some(both)
    }
}

/// What a field is, for tests that compare the tables with outside schemas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldType {
    /// A type without inner structure, by Kafka's name for it.
    Plain(&'static str),
    /// A nested table.
    Struct(&'static [Field]),
    /// An array.
    Array(&'static FieldType),
    /// Something that may be null.
    Nullable(&'static FieldType),
}

/// One line of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    /// The name in snake case.
    pub name: &'static str,
    /// The type.
    pub ty: FieldType,
    /// The versions that have the field.
    pub versions: VersionRange,
    /// The versions in which it may be null, when its type can be.
    pub null: VersionRange,
    /// The tag, when it is a tagged field.
    pub tag: Option<u32>,
    /// Whether a set value may be dropped when the version has no such field.
    pub ignorable: bool,
    /// The default as it is written in the table; empty for the type's own.
    pub default: &'static str,
}

/// The name of a field as it is written in its table: a keyword of Rust stands there as `r#type`.
pub(crate) const fn field_name(written: &'static str) -> &'static str {
    match written.as_bytes() {
        [b'r', b'#', ..] => written.split_at(2).1,
        _ => written,
    }
}

/// A type that can stand in a message.
pub trait Wire: Sized {
    /// The least number of bytes that a value takes in any version. A declared count is checked against it.
    const MIN: usize;
    /// What it is.
    const TYPE: FieldType;

    /// Appends the value in the writer's version.
    fn encode(&self, w: &mut Writer) -> Result<(), EncodeErrorKind>;

    /// Takes a value in the reader's version.
    fn decode(r: &mut Reader) -> Result<Self, DecodeErrorKind>;

    /// Whether the value is what its type has where nobody set it, so that nothing is lost when it is left out.
    fn is_default(&self) -> bool
    where
        Self: Default + PartialEq,
    {
        *self == Self::default()
    }

    /// Appends the value as the content of a tagged field: the same, but for a nullable structure.
    fn encode_tagged(&self, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        self.encode(w)
    }

    /// Takes the content of a tagged field.
    fn decode_tagged(r: &mut Reader) -> Result<Self, DecodeErrorKind> {
        Self::decode(r)
    }

    /// True for null.
    fn is_null(&self) -> bool {
        false
    }

    /// Appends all items of an array.
    fn encode_all(items: &[Self], w: &mut Writer) -> Result<(), EncodeErrorKind> {
        for item in items {
            item.encode(w)?;
        }
        Ok(())
    }

    /// Takes `count` items of an array. What a count promises is reserved by and by, as items are really there.
    fn decode_all(count: usize, r: &mut Reader) -> Result<Vec<Self>, DecodeErrorKind> {
        let reserve = RESERVE + RESERVE_PER_BYTE * r.remaining();
        let mut out = Vec::with_capacity(count.min(reserve / size_of::<Self>().max(1)));
        for _ in 0..count {
            out.push(Self::decode(r)?);
        }
        Ok(out)
    }
}

/// A type that has a null form on the wire; `Option` of it is a [`Wire`] too.
pub trait Nullable: Wire {
    /// Appends a value or null.
    fn encode_nullable(value: Option<&Self>, w: &mut Writer) -> Result<(), EncodeErrorKind>;

    /// Takes a value or null.
    fn decode_nullable(r: &mut Reader) -> Result<Option<Self>, DecodeErrorKind>;

    /// Appends a value or null as the content of a tagged field.
    fn encode_nullable_tagged(value: Option<&Self>, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        Self::encode_nullable(value, w)
    }

    /// Takes a value or null out of a tagged field.
    fn decode_nullable_tagged(r: &mut Reader) -> Result<Option<Self>, DecodeErrorKind> {
        Self::decode_nullable(r)
    }
}

/// A structure of a table. Its null form is the same for all: a byte in front (KIP-893).
pub trait Part: Wire {}

impl<T: Part> Nullable for T {
    fn encode_nullable(value: Option<&Self>, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        match value {
            None => (-1i8).encode(w),
            Some(value) => {
                1i8.encode(w)?;
                value.encode(w)
            }
        }
    }

    fn decode_nullable(r: &mut Reader) -> Result<Option<Self>, DecodeErrorKind> {
        if i8::decode(r)? < 0 {
            return Ok(None);
        }
        Self::decode(r).map(Some)
    }

    // In a tagged field Kafka marks null by 0, not by -1.
    fn encode_nullable_tagged(value: Option<&Self>, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        w.uvarint(u32::from(value.is_some()));
        value.map_or(Ok(()), |value| value.encode(w))
    }

    fn decode_nullable_tagged(r: &mut Reader) -> Result<Option<Self>, DecodeErrorKind> {
        if r.uvarint()? == 0 {
            return Ok(None);
        }
        Self::decode(r).map(Some)
    }
}

/// Decodes what must not be null.
#[inline]
pub(crate) fn present<T: Nullable>(r: &mut Reader) -> Result<T, DecodeErrorKind> {
    let version = r.version();
    T::decode_nullable(r)?.ok_or(DecodeErrorKind::Null(version))
}

macro_rules! numbers {
    ($($t:ty = $name:literal),* $(,)?) => { $(
        impl Wire for $t {
            const MIN: usize = size_of::<$t>();
            const TYPE: FieldType = FieldType::Plain($name);

            #[inline]
            fn encode(&self, w: &mut Writer) -> Result<(), EncodeErrorKind> {
                w.put(&self.to_be_bytes());
                Ok(())
            }

            #[inline]
            fn decode(r: &mut Reader) -> Result<Self, DecodeErrorKind> {
                Ok(<$t>::from_be_bytes(r.array()?))
            }

            #[inline]
            fn is_default(&self) -> bool {
                *self == <$t>::default()
            }

            fn encode_all(items: &[Self], w: &mut Writer) -> Result<(), EncodeErrorKind> {
                w.reserve(size_of_val(items));
                for item in items {
                    w.put(&item.to_be_bytes());
                }
                Ok(())
            }

            // The bytes are there, so all of them are taken at once.
            #[inline]
            fn decode_all(count: usize, r: &mut Reader) -> Result<Vec<Self>, DecodeErrorKind> {
                let (numbers, _) = r.take(count.saturating_mul(size_of::<$t>()))?.as_chunks();
                Ok(numbers.iter().map(|number| <$t>::from_be_bytes(*number)).collect())
            }
        }
    )* };
}

numbers!(
    i8 = "int8",
    i16 = "int16",
    i32 = "int32",
    i64 = "int64",
    u16 = "uint16",
    u32 = "uint32",
    f64 = "float64",
);

impl Wire for bool {
    const MIN: usize = 1;
    const TYPE: FieldType = FieldType::Plain("bool");

    fn encode(&self, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        w.put(&[u8::from(*self)]);
        Ok(())
    }

    fn decode(r: &mut Reader) -> Result<Self, DecodeErrorKind> {
        Ok(r.array::<1>()? != [0])
    }

    fn is_default(&self) -> bool {
        !*self
    }
}

impl Wire for Uuid {
    const MIN: usize = 16;
    const TYPE: FieldType = FieldType::Plain("uuid");

    fn encode(&self, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        w.put(&self.0);
        Ok(())
    }

    fn decode(r: &mut Reader) -> Result<Self, DecodeErrorKind> {
        r.array().map(Self)
    }

    fn is_default(&self) -> bool {
        self.is_zero()
    }
}

impl Wire for String {
    const MIN: usize = 1;
    const TYPE: FieldType = FieldType::Plain("string");

    fn encode(&self, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        Self::encode_nullable(Some(self), w)
    }

    #[inline]
    fn decode(r: &mut Reader) -> Result<Self, DecodeErrorKind> {
        present(r)
    }

    fn is_default(&self) -> bool {
        self.is_empty()
    }
}

impl Nullable for String {
    fn encode_nullable(value: Option<&Self>, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        w.length(Prefix::Short, value.map(String::len))?;
        w.put(value.map(String::as_bytes).unwrap_or_default());
        Ok(())
    }

    fn decode_nullable(r: &mut Reader) -> Result<Option<Self>, DecodeErrorKind> {
        let Some(len) = r.length(Prefix::Short, 1)? else { return Ok(None) };
        r.text(len).map(Some)
    }
}

impl Wire for Bytes {
    const MIN: usize = 1;
    const TYPE: FieldType = FieldType::Plain("bytes");

    fn encode(&self, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        Self::encode_nullable(Some(self), w)
    }

    #[inline]
    fn decode(r: &mut Reader) -> Result<Self, DecodeErrorKind> {
        present(r)
    }

    fn is_default(&self) -> bool {
        self.is_empty()
    }
}

impl Nullable for Bytes {
    fn encode_nullable(value: Option<&Self>, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        w.length(Prefix::Long, value.map(Self::len))?;
        w.put(value.map(Self::as_ref).unwrap_or_default());
        Ok(())
    }

    #[inline]
    fn decode_nullable(r: &mut Reader) -> Result<Option<Self>, DecodeErrorKind> {
        let Some(len) = r.length(Prefix::Long, 1)? else { return Ok(None) };
        r.slice(len).map(Some)
    }
}

/// The record batches of a produce or fetch: a counted slice of the frame, or bytes that only the sender has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordBytes {
    /// The bytes themselves.
    Here(Bytes),
    /// A range that the sender of the frame splices in, so that a broker serves files without reading them.
    External {
        /// The caller's name for the range, handed back in [`super::Chunk::External`].
        id: u32,
        /// How many bytes it has.
        len: usize,
    },
}

impl RecordBytes {
    /// A range of `len` bytes that the sender knows as `id`.
    pub fn external(id: u32, len: usize) -> Self {
        Self::External { id, len }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Here(bytes) => bytes.len(),
            Self::External { len, .. } => *len,
        }
    }

    /// True when there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, empty for an external range (which never comes from the wire).
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Here(bytes) => bytes,
            Self::External { .. } => Bytes::new(),
        }
    }
}

impl Default for RecordBytes {
    fn default() -> Self {
        Self::Here(Bytes::new())
    }
}

impl From<Bytes> for RecordBytes {
    fn from(bytes: Bytes) -> Self {
        Self::Here(bytes)
    }
}

impl Wire for RecordBytes {
    const MIN: usize = 1;
    const TYPE: FieldType = FieldType::Plain("records");

    fn encode(&self, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        Self::encode_nullable(Some(self), w)
    }

    #[inline]
    fn decode(r: &mut Reader) -> Result<Self, DecodeErrorKind> {
        present(r)
    }

    fn is_default(&self) -> bool {
        self.is_empty()
    }
}

impl Nullable for RecordBytes {
    fn encode_nullable(value: Option<&Self>, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        w.length(Prefix::Long, value.map(Self::len))?;
        if let Some(records) = value {
            w.records(records);
        }
        Ok(())
    }

    #[inline]
    fn decode_nullable(r: &mut Reader) -> Result<Option<Self>, DecodeErrorKind> {
        Ok(Bytes::decode_nullable(r)?.map(Self::Here))
    }
}

/// What the first reserve of an array may take, and how much more for each byte that is left in the frame: enough for honest
/// arrays, and small beside what the structures inside can come to. More is reserved only when the items read so far have earned it.
const RESERVE: usize = 4096;
const RESERVE_PER_BYTE: usize = 8;

impl<T: Wire> Wire for Vec<T> {
    const MIN: usize = 1;
    const TYPE: FieldType = FieldType::Array(&T::TYPE);

    fn encode(&self, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        Self::encode_nullable(Some(self), w)
    }

    #[inline]
    fn decode(r: &mut Reader) -> Result<Self, DecodeErrorKind> {
        present(r)
    }

    fn is_default(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Wire> Nullable for Vec<T> {
    fn encode_nullable(value: Option<&Self>, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        w.length(Prefix::Long, value.map(Self::len))?;
        value.map_or(Ok(()), |items| T::encode_all(items, w))
    }

    #[inline]
    fn decode_nullable(r: &mut Reader) -> Result<Option<Self>, DecodeErrorKind> {
        match r.length(Prefix::Long, T::MIN)? {
            Some(count) => T::decode_all(count, r).map(Some),
            None => Ok(None),
        }
    }
}

impl<T: Nullable> Wire for Option<T> {
    const MIN: usize = 1;
    const TYPE: FieldType = FieldType::Nullable(&T::TYPE);

    fn encode(&self, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        T::encode_nullable(self.as_ref(), w)
    }

    fn decode(r: &mut Reader) -> Result<Self, DecodeErrorKind> {
        T::decode_nullable(r)
    }

    fn encode_tagged(&self, w: &mut Writer) -> Result<(), EncodeErrorKind> {
        T::encode_nullable_tagged(self.as_ref(), w)
    }

    fn decode_tagged(r: &mut Reader) -> Result<Self, DecodeErrorKind> {
        T::decode_nullable_tagged(r)
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }

    fn is_default(&self) -> bool {
        self.is_none()
    }
}
