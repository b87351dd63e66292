//! Bodies as JSON and back, by table, for tools that learn only at run time which message it is.
//!
//! The form is that of Kafka's own converters: names in camel case, ids as text, bytes as base64.
//!
//! ```
//! use kinglet_protocol::messages::REGISTRY;
//! use kinglet_protocol::json;
//! use serde_json::json;
//!
//! let metadata = REGISTRY.iter().find(|api| api.key.name() == "Metadata").expect("it is declared");
//! // What is left out has its default.
//! let body = json::encode(metadata.request, metadata.flexible_from, 9, &json!({"topics": [{"name": "orders"}]}))?;
//! let back = json::decode(metadata.request, metadata.flexible_from, 9, body)?;
//! assert_eq!(back["topics"], json!([{"name": "orders"}]));
//! # Ok::<(), json::JsonError>(())
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::Uuid;
use crate::wire::{DecodeErrorKind, EncodeErrorKind, Field, FieldType, Prefix, Reader, Wire, Writer};

/// Why JSON and bytes do not turn into each other. The first part is where: `topics[2].name`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The value has another type, or does not fit it.
    #[error("{place}: {found} is not {wanted}")]
    Type {
        /// Where.
        place: Place,
        /// What was to be there.
        wanted: &'static str,
        /// What is there.
        found: String,
    },
    /// The table has no field of this name.
    #[error("{place}: no such field; there are {}", .names.join(", "))]
    Unknown {
        /// Where.
        place: Place,
        /// Those that the version has.
        names: Vec<String>,
    },
    /// The field is set, but this version has none.
    #[error("{place}: version {version} has no such field")]
    Absent {
        /// Where.
        place: Place,
        /// The version.
        version: i16,
    },
    /// Null where this version has none.
    #[error("{place}: version {version} allows no null")]
    Null {
        /// Where.
        place: Place,
        /// The version.
        version: i16,
    },
    /// A value that fits JSON and not the wire.
    #[error("{place}: {kind}")]
    Encode {
        /// Where.
        place: Place,
        /// What is wrong with it.
        kind: EncodeErrorKind,
    },
    /// The bytes are not this message.
    #[error("{place}: {kind}")]
    Decode {
        /// Where.
        place: Place,
        /// What is wrong with them.
        kind: DecodeErrorKind,
    },
}

/// A path into a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place(String);

impl Place {
    fn field(&self, name: &str) -> Self {
        if self.0.is_empty() { Self(name.to_owned()) } else { Self(format!("{}.{name}", self.0)) }
    }

    fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "the message" } else { &self.0 })
    }
}

/// The body of a message. Fields that are left out have their defaults; unknown ones are errors, and so are set ones that the
/// version lacks, unless the table lets them go.
pub fn encode(fields: &[Field], flexible_from: i16, version: i16, json: &Value) -> Result<Bytes, JsonError> {
    let mut w = Writer::new(version, version >= flexible_from);
    write_table(&mut w, fields, json, &Place::default())?;
    Ok(w.into_bytes())
}

/// The JSON of a body: the fields that the version has.
pub fn decode(fields: &[Field], flexible_from: i16, version: i16, body: Bytes) -> Result<Value, JsonError> {
    let mut r = Reader::new(&body, version, version >= flexible_from);
    let json = read_table(&mut r, fields, &Place::default())?;
    r.end().map_err(|kind| broken(&Place::default(), kind))?;
    Ok(json.into())
}

/// `throttle_time_ms` as Kafka's JSON has it: `throttleTimeMs`.
pub fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

fn write_table(w: &mut Writer, fields: &[Field], json: &Value, place: &Place) -> Result<(), JsonError> {
    let Value::Object(object) = json else { return Err(mismatch(place, "an object", json)) };
    check_names(fields, object, w.version(), place)?;
    let version = w.version();
    let mut tagged = Vec::new();
    for field in fields.iter().filter(|field| field.versions.contains(version)) {
        let name = camel_case(field.name);
        let default = default(field);
        let value = object.get(&name).unwrap_or(&default);
        let place = place.field(&name);
        if value.is_null() && is_nullable(field) && !field.null.contains(version) {
            return Err(JsonError::Null { place, version });
        }
        match field.tag {
            None => write(w, field.ty, value, &place)?,
            Some(tag) if *value != default => {
                let mut own = Writer::new(version, true);
                write_tagged(&mut own, field.ty, value, &place)?;
                // A field that is written out in full may still be the default.
                let mut other = Writer::new(version, true);
                write_tagged(&mut other, field.ty, &default, &place)?;
                let (own, other) = (own.into_bytes(), other.into_bytes());
                if own != other {
                    tagged.push((tag, own, place));
                }
            }
            Some(_) => {}
        }
    }
    if w.flexible() {
        tagged.sort_by_key(|(tag, ..)| *tag);
        // A table has a few fields.
        w.uvarint(u32::try_from(tagged.len()).unwrap_or(u32::MAX));
        for (tag, bytes, place) in tagged {
            let written = w.tagged(tag, |w| {
                w.put(&bytes);
                Ok(())
            });
            written.map_err(|kind| JsonError::Encode { place, kind })?;
        }
    }
    Ok(())
}

/// Refuses names that nobody knows, and values that would be lost.
fn check_names(
    fields: &[Field],
    object: &Map<String, Value>,
    version: i16,
    place: &Place,
) -> Result<(), JsonError> {
    for (name, value) in object {
        let place = place.field(name);
        match fields.iter().find(|field| camel_case(field.name) == *name) {
            None => {
                let present = fields.iter().filter(|field| field.versions.contains(version));
                return Err(JsonError::Unknown {
                    place,
                    names: present.map(|field| camel_case(field.name)).collect(),
                });
            }
            Some(field)
                if !field.versions.contains(version) && !field.ignorable && *value != default(field) =>
            {
                return Err(JsonError::Absent { place, version });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn write(w: &mut Writer, ty: FieldType, json: &Value, place: &Place) -> Result<(), JsonError> {
    match (ty, json) {
        (FieldType::Struct(fields), json) => write_table(w, fields, json, place),
        (FieldType::Nullable(inner), Value::Null) => write_null(w, *inner, place),
        (FieldType::Nullable(FieldType::Struct(fields)), json) => {
            put(w, &1i8, place)?;
            write_table(w, fields, json, place)
        }
        (FieldType::Nullable(inner), json) => write(w, *inner, json, place),
        (FieldType::Array(element), Value::Array(items)) => {
            let length = w.length(Prefix::Long, Some(items.len()));
            length.map_err(|kind| JsonError::Encode { place: place.clone(), kind })?;
            items.iter().enumerate().try_for_each(|(at, item)| write(w, *element, item, &place.item(at)))
        }
        (FieldType::Array(_), json) => Err(mismatch(place, "an array", json)),
        (FieldType::Plain(name), json) => write_plain(w, name, json, place),
    }
}

/// The content of a tagged field: there a nullable structure has another mark in front.
fn write_tagged(w: &mut Writer, ty: FieldType, json: &Value, place: &Place) -> Result<(), JsonError> {
    let FieldType::Nullable(FieldType::Struct(fields)) = ty else { return write(w, ty, json, place) };
    w.uvarint(u32::from(!json.is_null()));
    if json.is_null() { Ok(()) } else { write_table(w, fields, json, place) }
}

fn write_null(w: &mut Writer, inner: FieldType, place: &Place) -> Result<(), JsonError> {
    match inner {
        FieldType::Struct(_) => put(w, &-1i8, place),
        FieldType::Plain("string") => put(w, &None::<String>, place),
        _ => put(w, &None::<Bytes>, place),
    }
}

fn write_plain(w: &mut Writer, name: &str, json: &Value, place: &Place) -> Result<(), JsonError> {
    let text = |wanted| json.as_str().ok_or_else(|| mismatch(place, wanted, json));
    match name {
        "bool" => put(w, &json.as_bool().ok_or_else(|| mismatch(place, "true or false", json))?, place),
        "int8" => put(w, &number::<i8>(json, "a number of 8 bits", place)?, place),
        "int16" => put(w, &number::<i16>(json, "a number of 16 bits", place)?, place),
        "int32" => put(w, &number::<i32>(json, "a number of 32 bits", place)?, place),
        "int64" => put(w, &number::<i64>(json, "a number of 64 bits", place)?, place),
        "uint16" => put(w, &number::<u16>(json, "a number from 0 to 65535", place)?, place),
        "uint32" => put(w, &number::<u32>(json, "a number from 0 to 4294967295", place)?, place),
        "float64" => put(w, &json.as_f64().ok_or_else(|| mismatch(place, "a number", json))?, place),
        "string" => put(w, &text("text")?.to_owned(), place),
        "uuid" => {
            let id = text("an id")?.parse::<Uuid>();
            put(w, &id.map_err(|_| mismatch(place, "an id of 22 base64 characters", json))?, place)
        }
        // Bytes and records look alike.
        _ => {
            let bytes = STANDARD.decode(text("base64")?).map_err(|_| mismatch(place, "base64", json))?;
            put(w, &Bytes::from(bytes), place)
        }
    }
}

fn number<N: TryFrom<i64>>(json: &Value, wanted: &'static str, place: &Place) -> Result<N, JsonError> {
    json.as_i64().and_then(|n| N::try_from(n).ok()).ok_or_else(|| mismatch(place, wanted, json))
}

fn put<T: Wire>(w: &mut Writer, value: &T, place: &Place) -> Result<(), JsonError> {
    value.encode(w).map_err(|kind| JsonError::Encode { place: place.clone(), kind })
}

fn mismatch(place: &Place, wanted: &'static str, found: &Value) -> JsonError {
    const SHOWN: usize = 40;
    let text = found.to_string();
    let found = if text.chars().count() <= SHOWN {
        text
    } else {
        text.chars().take(SHOWN).chain("...".chars()).collect()
    };
    JsonError::Type { place: place.clone(), wanted, found }
}

fn is_nullable(field: &Field) -> bool {
    matches!(field.ty, FieldType::Nullable(_))
}

/// What a field has that nobody set.
fn default(field: &Field) -> Value {
    match (field.ty, field.default) {
        (FieldType::Nullable(_), "" | "None") => Value::Null,
        (FieldType::Nullable(FieldType::Array(_)), _) => Value::Array(Vec::new()),
        (FieldType::Nullable(_), _) => Value::Object(Map::new()),
        (FieldType::Array(_), _) => Value::Array(Vec::new()),
        // Its own fields' defaults.
        (FieldType::Struct(_), _) => Value::Object(Map::new()),
        (FieldType::Plain("string" | "bytes" | "records"), _) => "".into(),
        (FieldType::Plain("uuid"), _) => Uuid::ZERO.to_string().into(),
        (FieldType::Plain("bool"), text) => (text == "true").into(),
        (FieldType::Plain("float64"), _) => 0.0.into(),
        (FieldType::Plain(_), "i32::MIN") => i32::MIN.into(),
        (FieldType::Plain(_), "i32::MAX") => i32::MAX.into(),
        (FieldType::Plain(_), "i64::MAX") => i64::MAX.into(),
        // Every other default is a plain number; a test encodes an empty object for each table.
        (FieldType::Plain(_), number) => number.parse::<i64>().unwrap_or_default().into(),
    }
}

fn read_table(r: &mut Reader, fields: &[Field], place: &Place) -> Result<Map<String, Value>, JsonError> {
    let version = r.version();
    let mut object = Map::new();
    for field in fields.iter().filter(|field| field.versions.contains(version)) {
        let name = camel_case(field.name);
        let value = if field.tag.is_some() {
            full_default(field, version)
        } else {
            let place = place.field(&name);
            let value = read(r, field.ty, &place)?;
            if value.is_null() && !field.null.contains(version) {
                return Err(JsonError::Null { place, version });
            }
            value
        };
        object.insert(name, value);
    }
    for _ in 0..r.tags().map_err(|kind| broken(place, kind))? {
        let (tag, mut own) = r.tag().map_err(|kind| broken(place, kind))?;
        let known = fields.iter().find(|field| field.tag == Some(tag) && field.versions.contains(version));
        if let Some(field) = known {
            let name = camel_case(field.name);
            let place = place.field(&name);
            let value = read_tagged(&mut own, field.ty, &place)?;
            own.end().map_err(|kind| broken(&place, kind))?;
            object.insert(name, value);
        }
    }
    Ok(object)
}

/// A default with the fields of structures written out.
fn full_default(field: &Field, version: i16) -> Value {
    let FieldType::Struct(fields) = field.ty else { return default(field) };
    let present = fields.iter().filter(|field| field.versions.contains(version));
    Value::Object(present.map(|field| (camel_case(field.name), full_default(field, version))).collect())
}

fn read(r: &mut Reader, ty: FieldType, place: &Place) -> Result<Value, JsonError> {
    match ty {
        FieldType::Struct(fields) => read_table(r, fields, place).map(Value::Object),
        FieldType::Nullable(FieldType::Struct(fields)) => match get::<i8>(r, place)? {
            ..0 => Ok(Value::Null),
            _ => read_table(r, fields, place).map(Value::Object),
        },
        FieldType::Nullable(FieldType::Array(element)) => read_array(r, **element, place),
        FieldType::Nullable(FieldType::Plain("string")) => get::<Option<String>>(r, place).map(Value::from),
        FieldType::Nullable(_) => Ok(get::<Option<Bytes>>(r, place)?.map_or(Value::Null, base64)),
        FieldType::Array(element) => match read_array(r, *element, place)? {
            Value::Null => Err(JsonError::Null { place: place.clone(), version: r.version() }),
            array => Ok(array),
        },
        FieldType::Plain(name) => read_plain(r, name, place),
    }
}

fn read_tagged(r: &mut Reader, ty: FieldType, place: &Place) -> Result<Value, JsonError> {
    let FieldType::Nullable(FieldType::Struct(fields)) = ty else { return read(r, ty, place) };
    match r.uvarint().map_err(|kind| broken(place, kind))? {
        0 => Ok(Value::Null),
        _ => read_table(r, fields, place).map(Value::Object),
    }
}

fn read_array(r: &mut Reader, element: FieldType, place: &Place) -> Result<Value, JsonError> {
    // Every element takes a byte at least; the array grows as they are read.
    let count = r.length(Prefix::Long, 1).map_err(|kind| broken(place, kind))?;
    let Some(count) = count else { return Ok(Value::Null) };
    (0..count).map(|at| read(r, element, &place.item(at))).collect()
}

fn read_plain(r: &mut Reader, name: &str, place: &Place) -> Result<Value, JsonError> {
    Ok(match name {
        "bool" => get::<bool>(r, place)?.into(),
        "int8" => get::<i8>(r, place)?.into(),
        "int16" => get::<i16>(r, place)?.into(),
        "int32" => get::<i32>(r, place)?.into(),
        "int64" => get::<i64>(r, place)?.into(),
        "uint16" => get::<u16>(r, place)?.into(),
        "uint32" => get::<u32>(r, place)?.into(),
        "float64" => get::<f64>(r, place)?.into(),
        "string" => get::<String>(r, place)?.into(),
        "uuid" => get::<Uuid>(r, place)?.to_string().into(),
        _ => base64(get::<Bytes>(r, place)?),
    })
}

fn get<T: Wire>(r: &mut Reader, place: &Place) -> Result<T, JsonError> {
    T::decode(r).map_err(|kind| broken(place, kind))
}

fn broken(place: &Place, kind: DecodeErrorKind) -> JsonError {
    JsonError::Decode { place: place.clone(), kind }
}

fn base64(bytes: Bytes) -> Value {
    STANDARD.encode(bytes).into()
}
