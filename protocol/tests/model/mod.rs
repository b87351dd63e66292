//! A second, slow encoder: a message as JSON values and a field table in, bytes out. It shares no code with the one under test.
//!
//! Values have the form of Kafka's own JSON: ids and bytes are base64 text, names may be in camel or snake case.
//! Besides an array of values there is `{"repeat": n, "of": value}`, so that a huge array costs no memory here.
#![allow(dead_code, reason = "every test binary compiles this file and uses its own part of it")]

pub(crate) mod random;

use bytes::Bytes;
use kinglet_protocol::messages::{DATA, REGISTRY};
use kinglet_protocol::wire::{Field, FieldType};
use kinglet_protocol::{ApiInfo, DataInfo, DecodeError, EncodeError, Recode, VersionRange};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

/// One version of one declared message: what every test here goes through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) subject: Subject,
    pub(crate) version: i16,
}

/// Which message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject {
    Api(&'static ApiInfo, Direction),
    Data(&'static DataInfo),
}

impl Subject {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Api(api, direction) => format!("{}{direction:?}", api.key.name()),
            Self::Data(data) => data.name.to_owned(),
        }
    }

    pub(crate) fn versions(self) -> VersionRange {
        match self {
            Self::Api(api, _) => api.versions,
            Self::Data(data) => data.versions,
        }
    }

    pub(crate) fn flexible_from(self) -> i16 {
        match self {
            Self::Api(api, _) => api.flexible_from,
            Self::Data(data) => data.flexible_from,
        }
    }

    pub(crate) fn fields(self) -> &'static [Field] {
        match self {
            Self::Api(api, Direction::Request) => api.request,
            Self::Api(api, Direction::Response) => api.response,
            Self::Data(data) => data.fields,
        }
    }

    fn recode(self) -> Recode {
        match self {
            Self::Api(api, Direction::Request) => api.recode_request,
            Self::Api(api, Direction::Response) => api.recode_response,
            Self::Data(data) => data.recode,
        }
    }

    /// Every declared message: requests, responses, and what is neither.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let directions = [Direction::Request, Direction::Response];
        let apis = REGISTRY.iter().flat_map(move |api| directions.map(|direction| Self::Api(api, direction)));
        apis.chain(DATA.iter().map(Self::Data))
    }
}

impl Case {
    /// Every version of every declared message.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Subject::all().flat_map(|subject| {
            let versions = subject.versions();
            (versions.first..=versions.last).map(move |version| Self { subject, version })
        })
    }

    /// Those that are requests or responses.
    pub(crate) fn of_apis() -> impl Iterator<Item = (Self, &'static ApiInfo, Direction)> {
        Self::all().filter_map(|case| match case.subject {
            Subject::Api(api, direction) => Some((case, api, direction)),
            Subject::Data(_) => None,
        })
    }

    pub(crate) fn fields(self) -> &'static [Field] {
        self.subject.fields()
    }

    pub(crate) fn flexible(self) -> bool {
        self.version >= self.subject.flexible_from()
    }

    /// Decodes and encodes again with the codec under test.
    pub(crate) fn recode(self, body: Bytes) -> Result<Result<Bytes, EncodeError>, DecodeError> {
        self.subject.recode()(body, self.version)
    }

    /// The bytes of `value`.
    pub(crate) fn encode(self, value: &Value) -> Vec<u8> {
        Encoder::new(self.version, self.flexible()).message(self.fields(), value)
    }

    /// The same with tagged fields that nobody knows in every structure, as a newer peer may send them.
    pub(crate) fn encode_with_unknown_tags(self, value: &Value, seed: u64) -> Vec<u8> {
        let mut encoder = Encoder::new(self.version, self.flexible());
        encoder.unknown = Some(seed);
        encoder.message(self.fields(), value)
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} v{}", self.subject.name(), self.version)
    }
}

/// The value of a field that nobody set.
pub(crate) fn default_value(field: &Field, version: i16) -> Value {
    match (field.ty, field.default) {
        (FieldType::Nullable(_), "" | "None") => Value::Null,
        (FieldType::Nullable(FieldType::Array(_)), "Some(Vec::new())") => json!([]),
        (FieldType::Nullable(FieldType::Struct(fields)), text) if text.ends_with("::default())") => {
            struct_default(fields, version)
        }
        (FieldType::Array(_), "") => json!([]),
        (FieldType::Struct(fields), "") => struct_default(fields, version),
        (FieldType::Plain("string" | "bytes" | "records"), "") => json!(""),
        (FieldType::Plain("uuid"), "") => json!("AAAAAAAAAAAAAAAAAAAAAA"),
        (FieldType::Plain("bool"), text) => json!(text == "true"),
        (FieldType::Plain(_), "") => json!(0),
        (FieldType::Plain(_), "i32::MIN") => json!(i32::MIN),
        (FieldType::Plain(_), "i32::MAX") => json!(i32::MAX),
        (FieldType::Plain(_), "i64::MAX") => json!(i64::MAX),
        (FieldType::Plain(_), number) => {
            json!(number.parse::<i64>().unwrap_or_else(|_| panic!("default of {}: {number}", field.name)))
        }
        (ty, text) => panic!("default of {}: {ty:?} {text}", field.name),
    }
}

fn struct_default(fields: &[Field], version: i16) -> Value {
    let present = fields.iter().filter(|f| f.versions.contains(version));
    present.map(|f| (f.name.to_owned(), default_value(f, version))).collect::<Map<_, _>>().into()
}

/// Finds a field by its name, whatever the case.
pub(crate) fn lookup<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let plain = name.replace('_', "");
    let object = value.as_object()?;
    object.iter().find(|(key, _)| key.replace('_', "").eq_ignore_ascii_case(&plain)).map(|(_, value)| value)
}

struct Encoder {
    version: i16,
    flexible: bool,
    /// The seed of tagged fields that nobody knows.
    unknown: Option<u64>,
    out: Vec<u8>,
}

impl Encoder {
    fn new(version: i16, flexible: bool) -> Self {
        Self { version, flexible, unknown: None, out: Vec::new() }
    }

    fn message(mut self, fields: &[Field], value: &Value) -> Vec<u8> {
        self.table(fields, value);
        self.out
    }

    fn table(&mut self, fields: &[Field], value: &Value) {
        assert!(value.is_object(), "a structure is an object: {value}");
        let present = fields.iter().filter(|f| f.versions.contains(self.version));
        let (plain, tagged): (Vec<&Field>, Vec<&Field>) = present.partition(|f| f.tag.is_none());
        for field in plain {
            match lookup(value, field.name) {
                Some(value) => self.value(field.ty, value),
                None => self.value(field.ty, &default_value(field, self.version)),
            }
        }
        if self.flexible {
            self.tags(&tagged, value);
        }
    }

    fn tags(&mut self, fields: &[&Field], value: &Value) {
        let mut tags = Vec::new();
        for field in fields {
            let Some(value) = lookup(value, field.name) else { continue };
            // A tagged field that has its default value is left out, so the comparison must not see unknown tags.
            let default = self.content(field.ty, &default_value(field, self.version), None);
            if self.content(field.ty, value, None) != default {
                tags.push((field.tag.expect("tagged"), self.content(field.ty, value, self.unknown)));
            }
        }
        tags.sort();
        if let Some(seed) = &mut self.unknown {
            let mut rng = StdRng::seed_from_u64(*seed);
            *seed = rng.random();
            tags.push((rng.random_range(1_000..=u32::MAX), vec![0xff; rng.random_range(0..200)]));
        }
        self.uvarint(tags.len());
        for (tag, bytes) in tags {
            self.uvarint(usize::try_from(tag).expect("64 bits"));
            self.uvarint(bytes.len());
            self.out.extend(bytes);
        }
    }

    /// What stands in a tagged field: there a nullable structure that is null is marked by 0, not by -1.
    fn content(&self, ty: FieldType, value: &Value, unknown: Option<u64>) -> Vec<u8> {
        match ty {
            FieldType::Nullable(FieldType::Struct(_)) if value.is_null() => vec![0],
            ty => self.apart(ty, value, unknown),
        }
    }

    fn apart(&self, ty: FieldType, value: &Value, unknown: Option<u64>) -> Vec<u8> {
        let mut inner = Self { version: self.version, flexible: self.flexible, unknown, out: Vec::new() };
        inner.value(ty, value);
        inner.out
    }

    fn value(&mut self, ty: FieldType, value: &Value) {
        match ty {
            FieldType::Nullable(inner) => self.nullable(*inner, value),
            FieldType::Struct(fields) => self.table(fields, value),
            FieldType::Array(element) => self.array(*element, value),
            FieldType::Plain(name) => self.plain(name, value),
        }
    }

    fn nullable(&mut self, ty: FieldType, value: &Value) {
        match (ty, value.is_null()) {
            (FieldType::Struct(_), null) => {
                self.out.push(if null { 0xff } else { 1 });
                if !null {
                    self.value(ty, value);
                }
            }
            (_, false) => self.value(ty, value),
            (_, true) if self.flexible => self.out.push(0),
            (FieldType::Plain("string"), true) => self.out.extend([0xff; 2]),
            (_, true) => self.out.extend([0xff; 4]),
        }
    }

    fn array(&mut self, element: FieldType, value: &Value) {
        if let Some(count) = value.get("repeat").and_then(Value::as_u64) {
            let count = usize::try_from(count).expect("64 bits");
            self.long_length(count);
            let one = self.apart(element, &value["of"], None);
            self.out.extend(one.repeat(count));
            return;
        }
        let items = value.as_array().unwrap_or_else(|| panic!("an array: {value}"));
        self.long_length(items.len());
        for item in items {
            self.value(element, item);
        }
    }

    fn plain(&mut self, name: &str, value: &Value) {
        let text = || value.as_str().unwrap_or_else(|| panic!("{name} as text: {value}"));
        match name {
            "string" if self.flexible => self.counted(text().as_bytes()),
            "string" => {
                let bytes = text().as_bytes();
                self.out.extend(i16::try_from(bytes.len()).expect("a short text").to_be_bytes());
                self.out.extend(bytes);
            }
            "bytes" | "records" => self.counted(&unbase64(text())),
            "uuid" => self.out.extend(&unbase64(text())[..16]),
            "bool" => self.out.push(u8::from(value.as_bool().expect("a bool"))),
            "float64" => self.out.extend(value.as_f64().expect("a float").to_be_bytes()),
            number => {
                let size = match number {
                    "int8" => 1,
                    "int16" | "uint16" => 2,
                    "int32" | "uint32" => 4,
                    "int64" => 8,
                    other => panic!("no such type: {other}"),
                };
                let value = value.as_i64().unwrap_or_else(|| panic!("{number} as a number: {value}"));
                self.out.extend(&value.to_be_bytes()[8 - size..]);
            }
        }
    }

    fn counted(&mut self, bytes: &[u8]) {
        self.long_length(bytes.len());
        self.out.extend(bytes);
    }

    fn long_length(&mut self, len: usize) {
        if self.flexible {
            self.uvarint(len + 1);
        } else {
            self.out.extend(i32::try_from(len).expect("a length").to_be_bytes());
        }
    }

    fn uvarint(&mut self, mut n: usize) {
        while n >= 0x80 {
            self.out.push(n.to_le_bytes()[0] | 0x80);
            n >>= 7;
        }
        self.out.push(n.to_le_bytes()[0]);
    }
}

/// The bytes of base64 text, of either alphabet, padded or not.
fn unbase64(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut bits, mut held) = (0u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            other => panic!("not base64: {other}"),
        };
        (bits, held) = (bits << 6 | u32::from(digit), held + 6);
        if held >= 8 {
            held -= 8;
            out.push((bits >> held).to_le_bytes()[0]);
        }
    }
    out
}

/// The bytes of hexadecimal text.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).expect("ASCII"), 16).expect("hex")).collect()
}

/// Bytes as hexadecimal text, for failures.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
