//! What can be wrong with a message, and where.

use std::fmt;

/// A field of a table, for errors.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) part: &'static str,
    pub(crate) field: &'static str,
}

impl Place {
    /// Outside of any table.
    pub(crate) const NOWHERE: Self = Self { part: "", field: "" };
}

/// Bytes that are not the message they claim to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind}{}", At(self.part, self.field))]
pub struct DecodeError {
    /// What was wrong.
    pub kind: DecodeErrorKind,
    /// The table the field belongs to; empty when the fault lies outside of any.
    pub part: &'static str,
    /// The field that was being read; empty when the fault lies between fields.
    pub field: &'static str,
}

/// The ways in which bytes fail to be a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// More bytes were promised than are there.
    #[error("{need} bytes needed, {have} left")]
    Truncated {
        /// Bytes that the declared length or type asks for.
        need: usize,
        /// Bytes that are left.
        have: usize,
    },
    /// A length below -1, or above what the type can have: 32,767 for a string.
    #[error("length {0} is impossible")]
    Length(i64),
    /// A variable-length integer that does not end or does not fit.
    #[error("malformed variable-length integer")]
    Varint,
    /// A string that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// Null where this version has none.
    #[error("null where version {0} allows none")]
    Null(i16),
    /// Bytes left over after the last field.
    #[error("{0} bytes left over")]
    Trailing(usize),
    /// A version that the table does not declare.
    #[error("version {0} is not declared")]
    Version(i16),
}

impl DecodeError {
    /// An error that does not know its place yet.
    pub const fn new(kind: DecodeErrorKind) -> Self {
        Self { kind, part: "", field: "" }
    }

    /// Says where the fault lies; the innermost place wins.
    #[must_use]
    pub fn at(mut self, part: &'static str, field: &'static str) -> Self {
        if self.part.is_empty() {
            self.part = part;
            self.field = field;
        }
        self
    }
}

impl From<DecodeErrorKind> for DecodeError {
    fn from(kind: DecodeErrorKind) -> Self {
        Self::new(kind)
    }
}

/// A value that the chosen version cannot carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind}{}", At(self.part, self.field))]
pub struct EncodeError {
    /// What was wrong.
    pub kind: EncodeErrorKind,
    /// The table the field belongs to.
    pub part: &'static str,
    /// The field that was being written.
    pub field: &'static str,
}

/// The ways in which a value fails to fit a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeErrorKind {
    /// The field is set but this version has no such field; leaving it out would change the meaning in silence.
    #[error("set, but version {0} has no such field")]
    Absent(i16),
    /// Null where this version has none.
    #[error("null, but version {0} allows none")]
    Null(i16),
    /// More elements or bytes than the type's classic length prefix can say, which compact lengths are held to.
    #[error("length {0} does not fit its prefix")]
    TooLong(usize),
    /// A version that the table does not declare.
    #[error("version {0} is not declared")]
    Version(i16),
}

impl EncodeError {
    /// An error that does not know its place yet.
    pub const fn new(kind: EncodeErrorKind) -> Self {
        Self { kind, part: "", field: "" }
    }

    /// Says where the fault lies; the innermost place wins.
    #[must_use]
    pub fn at(mut self, part: &'static str, field: &'static str) -> Self {
        if self.part.is_empty() {
            self.part = part;
            self.field = field;
        }
        self
    }
}

impl From<EncodeErrorKind> for EncodeError {
    fn from(kind: EncodeErrorKind) -> Self {
        Self::new(kind)
    }
}

struct At(&'static str, &'static str);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            ("", _) => Ok(()),
            (part, "") => write!(f, " in {part}"),
            (part, field) => write!(f, " in {part}.{field}"),
        }
    }
}
