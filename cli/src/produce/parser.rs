//! What a line means: headers, key and value, as Kafka's LineMessageReader splits it, but on bytes.

use std::mem;

use memchr::memmem;

use crate::settings::Settings;

/// How lines are split. Slices of the line are all it gives; nothing is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineParser {
    parse_key: bool,
    key_separator: Vec<u8>,
    parse_headers: bool,
    headers_delimiter: Vec<u8>,
    headers_separator: Vec<u8>,
    headers_key_separator: Vec<u8>,
    null_marker: Option<Vec<u8>>,
    ignore_error: bool,
}

/// One header: key and value.
pub type Header<'a> = (&'a str, Option<&'a [u8]>);

/// Key and value of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// `None` without `parse.key`, or for the null marker.
    pub key: Option<&'a [u8]>,
    /// `None` for the null marker.
    pub value: Option<&'a [u8]>,
}

/// Why the reader's properties cannot work together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// Lines could not be split unambiguously.
    #[error("{0} and {1} may not be equal")]
    Equal(&'static str, &'static str),
    /// A separator has no bytes.
    #[error("{0} may not be empty")]
    Empty(&'static str),
}

/// Why a line is no record. The texts are Kafka's, for those who look for them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The separator does not occur.
    #[error("No {name} found on line number {line}: '{text}'")]
    NoSeparator {
        /// Which separator.
        name: &'static str,
        /// Counted from 1.
        line: u64,
        /// The line, lossily.
        text: String,
    },
    /// A header has no value.
    #[error("No header key separator found in pair '{pair}' on line number {line}")]
    NoHeaderValue {
        /// The header, lossily.
        pair: String,
        /// Counted from 1.
        line: u64,
    },
    /// A header key is the null marker.
    #[error("Header keys should not be equal to the null marker '{marker}' as they can't be null")]
    NullHeaderKey {
        /// The marker, lossily.
        marker: String,
    },
    /// A header key is not UTF-8, which Kafka demands.
    #[error("Header key is not UTF-8 on line number {line}")]
    HeaderKeyEncoding {
        /// Counted from 1.
        line: u64,
    },
}

/// Every property that lines are read by.
pub const PROPERTIES: [&str; 8] = [
    "parse.key",
    "key.separator",
    "parse.headers",
    "headers.delimiter",
    "headers.separator",
    "headers.key.separator",
    "null.marker",
    "ignore.error",
];

impl LineParser {
    /// A parser as the reader properties say.
    pub fn new(properties: &Settings) -> Result<Self, PropertyError> {
        let bytes = |key, default: &str| properties.value(key).unwrap_or(default).as_bytes().to_vec();
        let parser = Self {
            parse_key: properties.is_true("parse.key", false),
            key_separator: bytes("key.separator", "\t"),
            parse_headers: properties.is_true("parse.headers", false),
            headers_delimiter: bytes("headers.delimiter", "\t"),
            headers_separator: bytes("headers.separator", ","),
            headers_key_separator: bytes("headers.key.separator", ":"),
            null_marker: properties.value("null.marker").map(|marker| marker.as_bytes().to_vec()),
            ignore_error: properties.is_true("ignore.error", false),
        };
        parser.check()?;
        Ok(parser)
    }

    fn check(&self) -> Result<(), PropertyError> {
        let key = ("key.separator", &self.key_separator);
        let delimiter = ("headers.delimiter", &self.headers_delimiter);
        let separator = ("headers.separator", &self.headers_separator);
        let header_key = ("headers.key.separator", &self.headers_key_separator);
        if let Some((name, _)) =
            [key, delimiter, separator, header_key].iter().find(|(_, bytes)| bytes.is_empty())
        {
            return Err(PropertyError::Empty(name));
        }
        // The key separator may equal the headers' delimiter: both default to a tab, and their places differ.
        for (a, b) in [(delimiter, separator), (delimiter, header_key), (separator, header_key)] {
            if a.1 == b.1 {
                return Err(PropertyError::Equal(a.0, b.0));
            }
        }
        match &self.null_marker {
            Some(marker) => {
                match [key, delimiter, separator, header_key].iter().find(|(_, bytes)| *bytes == marker) {
                    Some((name, _)) => Err(PropertyError::Equal("null.marker", name)),
                    None => Ok(()),
                }
            }
            None => Ok(()),
        }
    }

    /// Splits the line of this number (from 1). Its headers replace those in `headers`, a buffer to be used again.
    #[inline]
    pub fn parse<'a>(
        &self,
        line: &'a [u8],
        number: u64,
        headers: &mut Vec<Header<'a>>,
    ) -> Result<Parsed<'a>, LineError> {
        headers.clear();
        let mut rest = line;
        if self.parse_headers
            && let Some(part) =
                self.split(line, rest, &self.headers_delimiter, "headers delimiter", number)?
        {
            rest = part.after;
            if !self.is_null(part.before) {
                self.split_headers(part.before, number, headers)?;
            }
        }
        let mut key = None;
        if self.parse_key
            && let Some(part) = self.split(line, rest, &self.key_separator, "key separator", number)?
        {
            rest = part.after;
            key = self.unless_null(part.before);
        }
        Ok(Parsed { key, value: self.unless_null(rest) })
    }

    fn split<'a>(
        &self,
        line: &[u8],
        rest: &'a [u8],
        separator: &[u8],
        name: &'static str,
        number: u64,
    ) -> Result<Option<Split<'a>>, LineError> {
        match memmem::find(rest, separator) {
            Some(at) => Ok(Some(Split { before: &rest[..at], after: &rest[at + separator.len()..] })),
            None if self.ignore_error => Ok(None),
            None => Err(LineError::NoSeparator {
                name,
                line: number,
                text: String::from_utf8_lossy(line).into_owned(),
            }),
        }
    }

    fn split_headers<'a>(
        &self,
        text: &'a [u8],
        number: u64,
        headers: &mut Vec<Header<'a>>,
    ) -> Result<(), LineError> {
        if text.is_empty() {
            // Java's split of no text is one empty part.
            headers.push(self.header(text, number)?);
            return Ok(());
        }
        let mut empty_parts = 0;
        let mut rest = Some(text);
        while let Some(pairs) = rest {
            let pair = match memmem::find(pairs, &self.headers_separator) {
                Some(at) => {
                    rest = Some(&pairs[at + self.headers_separator.len()..]);
                    &pairs[..at]
                }
                None => {
                    rest = None;
                    pairs
                }
            };
            // Java's split drops the empty parts that nothing follows.
            if pair.is_empty() {
                empty_parts += 1;
                continue;
            }
            for _ in 0..mem::take(&mut empty_parts) {
                headers.push(self.header(&text[..0], number)?);
            }
            headers.push(self.header(pair, number)?);
        }
        Ok(())
    }

    fn header<'a>(&self, pair: &'a [u8], number: u64) -> Result<Header<'a>, LineError> {
        let (key, value) = match memmem::find(pair, &self.headers_key_separator) {
            Some(at) => (&pair[..at], self.unless_null(&pair[at + self.headers_key_separator.len()..])),
            None if self.ignore_error => (pair, None),
            None => {
                return Err(LineError::NoHeaderValue {
                    pair: String::from_utf8_lossy(pair).into_owned(),
                    line: number,
                });
            }
        };
        if self.is_null(key) {
            return Err(LineError::NullHeaderKey { marker: String::from_utf8_lossy(key).into_owned() });
        }
        let key = std::str::from_utf8(key).map_err(|_| LineError::HeaderKeyEncoding { line: number })?;
        Ok((key, value))
    }

    #[inline]
    fn unless_null<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        (!self.is_null(text)).then_some(text)
    }

    #[inline]
    fn is_null(&self, text: &[u8]) -> bool {
        self.null_marker.as_deref().is_some_and(|marker| marker == text)
    }
}

/// What stands before and after a separator.
struct Split<'a> {
    before: &'a [u8],
    after: &'a [u8],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parser(properties: &[(&str, &str)]) -> Result<LineParser, PropertyError> {
        let mut settings = Settings::default();
        for (key, value) in properties {
            settings.set(key, value);
        }
        LineParser::new(&settings)
    }

    /// Headers, key and value of one line.
    fn parsed(properties: &[(&str, &str)], line: &str) -> Result<String, LineError> {
        let show = |bytes: Option<&[u8]>| {
            bytes.map_or("null".to_owned(), |bytes| format!("'{}'", String::from_utf8_lossy(bytes)))
        };
        let mut headers = Vec::new();
        let parsed = parser(properties).expect("valid properties").parse(line.as_bytes(), 1, &mut headers)?;
        let headers: Vec<String> =
            headers.iter().map(|(key, value)| format!("{key}={}", show(*value))).collect();
        Ok(format!("[{}] {} {}", headers.join(" "), show(parsed.key), show(parsed.value)))
    }

    const KEY: (&str, &str) = ("parse.key", "true");
    const HEADERS: (&str, &str) = ("parse.headers", "true");
    const LENIENT: (&str, &str) = ("ignore.error", "true");

    #[test]
    fn a_line_is_a_value_by_default() {
        assert_eq!(parsed(&[], "k\tv").expect("a value"), "[] null 'k\tv'");
        assert_eq!(parsed(&[], "").expect("a value"), "[] null ''");
    }

    #[test]
    fn a_key_ends_at_the_first_separator() {
        assert_eq!(parsed(&[KEY], "k\tv\tw").expect("both"), "[] 'k' 'v\tw'");
        assert_eq!(parsed(&[KEY, ("key.separator", "::")], "k::v").expect("both"), "[] 'k' 'v'");
        assert_eq!(parsed(&[KEY], "\t").expect("both"), "[] '' ''");
    }

    #[test]
    fn a_line_without_separator_is_refused_in_kafkas_words() {
        let error = parsed(&[KEY], "no separator here").expect_err("no key");

        assert_eq!(error.to_string(), "No key separator found on line number 1: 'no separator here'");
    }

    #[test]
    fn ignore_error_makes_such_a_line_a_value() {
        assert_eq!(parsed(&[KEY, LENIENT], "no separator").expect("lenient"), "[] null 'no separator'");
        assert_eq!(parsed(&[KEY, HEADERS, LENIENT], "h:1").expect("lenient"), "[] null 'h:1'");
    }

    #[test]
    fn headers_stand_before_the_key() {
        assert_eq!(parsed(&[KEY, HEADERS], "h1:v1,h2:v2\tk\tv").expect("all"), "[h1='v1' h2='v2'] 'k' 'v'");
        assert_eq!(parsed(&[HEADERS], "h1:a:b,\tv").expect("all"), "[h1='a:b'] null 'v'");
    }

    #[test]
    fn empty_parts_of_the_headers_count_only_before_others() {
        for text in [",\tv", ",,\tv"] {
            assert_eq!(parsed(&[HEADERS], text).expect("no headers"), "[] null 'v'");
        }
        assert_eq!(parsed(&[HEADERS], "h:1,,,\tv").expect("one header"), "[h='1'] null 'v'");
        for text in ["\tv", ",h:1\tv", "h:1,,i:2\tv"] {
            let error = parsed(&[HEADERS], text).expect_err("an empty pair");
            assert_eq!(
                error.to_string(),
                "No header key separator found in pair '' on line number 1",
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_header_without_value_is_refused_or_null() {
        let error = parsed(&[HEADERS], "h1\tv").expect_err("no header value");
        assert_eq!(error.to_string(), "No header key separator found in pair 'h1' on line number 1");

        assert_eq!(parsed(&[HEADERS, LENIENT], "h1\tv").expect("lenient"), "[h1=null] null 'v'");
    }

    #[test]
    fn the_null_marker_makes_nulls() {
        let null = ("null.marker", "NULL");

        assert_eq!(parsed(&[KEY, null], "NULL\tNULL").expect("nulls"), "[] null null");
        assert_eq!(parsed(&[KEY, HEADERS, null], "NULL\tk\tv").expect("no headers"), "[] 'k' 'v'");
        assert_eq!(parsed(&[KEY, HEADERS, null], "h:NULL\tk\tv").expect("null header"), "[h=null] 'k' 'v'");
        assert!(parsed(&[HEADERS, null], "NULL:x\tv").is_err());
    }

    #[test]
    fn separators_that_cannot_be_told_apart_are_refused() {
        assert_eq!(
            parser(&[("headers.delimiter", ","), ("headers.separator", ",")]),
            Err(PropertyError::Equal("headers.delimiter", "headers.separator"))
        );
        assert_eq!(
            parser(&[("null.marker", "\t")]),
            Err(PropertyError::Equal("null.marker", "key.separator"))
        );
        assert_eq!(parser(&[("key.separator", "")]), Err(PropertyError::Empty("key.separator")));
        assert!(parser(&[("key.separator", ":")]).is_ok());
    }

    #[test]
    fn bytes_that_are_no_text_are_kept() {
        let parser = parser(&[KEY]).expect("valid");
        let mut headers = Vec::new();

        let parsed = parser.parse(b"\xff\t\x00\xfe", 1, &mut headers).expect("both");

        assert_eq!(parsed, Parsed { key: Some(b"\xff"), value: Some(b"\x00\xfe") });
    }
}
