//! The field tables against the schemas inside Kafka's own jars.
//!
//! What is declared here is the union of two releases: 4.3.1, and 3.9.1 for the versions that 4.0 dropped. One difference
//! is meant: a nullable field without a default of its own is null here when it is absent, and empty in Kafka.

mod jars;
mod model;

use kinglet_protocol::messages::{REGISTRY, metadata_records as records};
use kinglet_protocol::wire::{Field, FieldType, VersionRange};
use serde_json::{Value, json};

use crate::jars::{CLIENTS, METADATA, OLD_CLIENTS};

#[test]
fn every_table_is_the_union_of_kafkas_schemas() {
    let jars = OLD_CLIENTS.find().and_then(|old| Ok([old, CLIENTS.find()?]));
    let Some(jars) = jars::or_skip("every_table_is_the_union_of_kafkas_schemas", jars) else { return };
    let mut differences = Vec::new();
    for api in REGISTRY {
        for (kind, ours) in [("Request", api.request), ("Response", api.response)] {
            let name = format!("{}{kind}", api.key.name());
            let schemas = jars.iter().filter_map(|jar| {
                let schema = jars::schema(jar, &format!("common/message/{name}.json"))
                    .unwrap_or_else(|e| panic!("{e}"));
                schema.map(|schema| Schema::parse(&schema))
            });
            let theirs = schemas.reduce(Schema::merge).unwrap_or_else(|| panic!("no schema of {name}"));
            let flexible = (api.flexible_from <= api.versions.last).then_some(api.flexible_from);
            let mut differ = Differences { out: &mut differences, declared: api.versions };
            differ.check(&name, "versions", &api.versions, &theirs.valid);
            differ.check(&name, "flexible from", &flexible, &theirs.flexible.map(|range| range.first));
            differ.tables(&name, ours, &theirs.fields);
        }
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

#[test]
fn every_metadata_record_is_kafkas() {
    let jar = METADATA.find();
    let Some(jar) = jars::or_skip("every_metadata_record_is_kafkas", jar) else { return };
    let tables = [
        ("TopicRecord", records::TopicRecord::FIELDS),
        ("PartitionRecord", records::PartitionRecord::FIELDS),
        ("ConfigRecord", records::ConfigRecord::FIELDS),
        ("RemoveTopicRecord", records::RemoveTopicRecord::FIELDS),
        ("FeatureLevelRecord", records::FeatureLevelRecord::FIELDS),
        ("ProducerIdsRecord", records::ProducerIdsRecord::FIELDS),
    ];
    let mut differences = Vec::new();
    for (name, ours) in tables {
        let schema =
            jars::schema(&jar, &format!("common/metadata/{name}.json")).unwrap_or_else(|e| panic!("{e}"));
        let theirs = Schema::parse(&schema.unwrap_or_else(|| panic!("no schema of {name}")));
        Differences { out: &mut differences, declared: theirs.valid }.tables(name, ours, &theirs.fields);
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

/// A message's schema.
struct Schema {
    valid: VersionRange,
    flexible: Option<VersionRange>,
    fields: Vec<Theirs>,
}

/// A field of a schema; ranges are cut to the versions that the schema is valid in.
struct Theirs {
    name: String,
    ty: String,
    versions: VersionRange,
    null: Option<VersionRange>,
    tag: Option<u64>,
    ignorable: bool,
    default: Value,
    fields: Vec<Theirs>,
}

impl Schema {
    fn parse(schema: &Value) -> Self {
        let all = VersionRange::new(0, i16::MAX);
        let valid = range(&schema["validVersions"], all).expect("valid in some version");
        let commons = schema["commonStructs"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self {
            valid,
            flexible: range(&schema["flexibleVersions"], valid),
            fields: fields(&schema["fields"], commons, valid),
        }
    }

    fn merge(old: Self, new: Self) -> Self {
        let flexible = match (old.flexible, new.flexible) {
            (Some(old), Some(new)) => Some(union(old, new)),
            (old, new) => old.or(new),
        };
        Self { valid: union(old.valid, new.valid), flexible, fields: merge(old.fields, new.fields) }
    }
}

fn fields(list: &Value, commons: &[Value], valid: VersionRange) -> Vec<Theirs> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let fields = list.iter().filter_map(|field| {
        let versions = range(&field["versions"], valid)?;
        let name = field["name"].as_str().expect("a field has a name").to_owned();
        let ty = field["type"].as_str().expect("a field has a type").to_owned();
        let common = commons.iter().find(|common| common["name"] == ty.trim_start_matches("[]"));
        let tagged = range(&field["taggedVersions"], valid);
        assert!(
            tagged.is_none_or(|tagged| tagged == versions),
            "{name} is tagged in some of its versions only"
        );
        Some(Theirs {
            versions,
            null: range(&field["nullableVersions"], versions),
            tag: field["tag"].as_u64(),
            ignorable: field["ignorable"] == true,
            default: field["default"].clone(),
            fields: fields(&common.unwrap_or(field)["fields"], commons, valid),
            name,
            ty,
        })
    });
    fields.collect()
}

/// The fields of both; what both have has the versions of both, and is otherwise as in the new one.
fn merge(old: Vec<Theirs>, new: Vec<Theirs>) -> Vec<Theirs> {
    let mut merged = new;
    for (at, old) in old.into_iter().enumerate() {
        let Some(new) = merged.iter_mut().find(|new| new.name == old.name) else {
            merged.insert(at.min(merged.len()), old);
            continue;
        };
        new.versions = union(old.versions, new.versions);
        new.null = match (old.null, new.null) {
            (Some(old), Some(new)) => Some(union(old, new)),
            (old, new) => old.or(new),
        };
        new.fields = merge(old.fields, std::mem::take(&mut new.fields));
    }
    merged
}

fn union(a: VersionRange, b: VersionRange) -> VersionRange {
    VersionRange::new(a.first.min(b.first), a.last.max(b.last))
}

/// `0+`, `3-7`, `4` or `none`, cut to `within`.
fn range(text: &Value, within: VersionRange) -> Option<VersionRange> {
    let text = text.as_str().filter(|text| *text != "none")?;
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("a version: {text}"));
    let range = match (text.strip_suffix('+'), text.split_once('-')) {
        (Some(first), _) => VersionRange::new(number(first), i16::MAX),
        (None, Some((first, last))) => VersionRange::new(number(first), number(last)),
        (None, None) => VersionRange::new(number(text), number(text)),
    };
    range.intersect(within)
}

struct Differences<'a> {
    out: &'a mut Vec<String>,
    declared: VersionRange,
}

impl Differences<'_> {
    fn check<T: PartialEq + std::fmt::Debug>(&mut self, place: &str, what: &str, ours: &T, theirs: &T) {
        if ours != theirs {
            self.out.push(format!("{place}: {what}: ours {ours:?}, Kafka's {theirs:?}"));
        }
    }

    fn tables(&mut self, place: &str, ours: &[Field], theirs: &[Theirs]) {
        // The order of plain fields is their order on the wire; tagged ones are ordered by their tags.
        let plain = |name: &str| name.replace('_', "").to_lowercase();
        let our_names: Vec<_> = ours.iter().filter(|f| f.tag.is_none()).map(|f| plain(f.name)).collect();
        let their_names: Vec<_> = theirs.iter().filter(|f| f.tag.is_none()).map(|f| plain(&f.name)).collect();
        self.check(place, "fields", &our_names, &their_names);
        for field in ours {
            match theirs.iter().find(|theirs| plain(&theirs.name) == plain(field.name)) {
                Some(theirs) => self.field(&format!("{place}.{}", field.name), field, theirs),
                None => self.out.push(format!("{place}.{}: not Kafka's", field.name)),
            }
        }
        self.check(place, "number of fields", &ours.len(), &theirs.len());
    }

    fn field(&mut self, place: &str, ours: &Field, theirs: &Theirs) {
        let versions = ours.versions.intersect(self.declared);
        self.check(place, "versions", &versions, &Some(theirs.versions));
        let (ty, null) = match ours.ty {
            FieldType::Nullable(inner) => {
                let null = VersionRange::new(ours.null_from, i16::MAX);
                (*inner, versions.and_then(|versions| versions.intersect(null)))
            }
            ty => (ty, None),
        };
        self.check(place, "nullable versions", &null, &theirs.null);
        self.check(place, "tag", &ours.tag.map(u64::from), &theirs.tag);
        self.check(place, "ignorable", &ours.ignorable, &theirs.ignorable);
        let theirs_ty = kafka_type(&theirs.ty);
        self.check(place, "type", &our_type(ty), &theirs_ty);
        // A structure that nobody set has the defaults of its fields.
        if theirs_ty != "struct" || null.is_some() {
            let default = model::default_value(ours, self.declared.last);
            self.check(place, "default", &default, &kafka_default(theirs, &theirs_ty));
        }
        let element = if let FieldType::Array(element) = ty { *element } else { ty };
        if let FieldType::Struct(fields) = element {
            self.tables(place, fields, &theirs.fields);
        }
    }
}

fn our_type(ty: FieldType) -> String {
    match ty {
        FieldType::Plain(name) => name.to_owned(),
        FieldType::Struct(_) => "struct".to_owned(),
        FieldType::Array(element) => format!("[]{}", our_type(*element)),
        FieldType::Nullable(inner) => format!("nullable {}", our_type(*inner)),
    }
}

/// A structure's name says nothing on the wire.
fn kafka_type(ty: &str) -> String {
    match ty.strip_prefix("[]") {
        Some(element) => format!("[]{}", kafka_type(element)),
        None if ty.starts_with(char::is_uppercase) => "struct".to_owned(),
        None => ty.to_owned(),
    }
}

/// Defaults are text or numbers in the schemas.
fn kafka_default(theirs: &Theirs, ty: &str) -> Value {
    match (theirs.default.as_str(), ty) {
        (Some("null"), _) => Value::Null,
        (None, _) if theirs.default.is_null() && theirs.null.is_some() => Value::Null,
        (None, _) if theirs.default.is_null() => match ty {
            "string" | "bytes" | "records" => json!(""),
            "uuid" => json!("AAAAAAAAAAAAAAAAAAAAAA"),
            "bool" => json!(false),
            ty if ty.starts_with("[]") => json!([]),
            _ => json!(0),
        },
        (None, _) => theirs.default.clone(),
        (Some(text), "string") => json!(text),
        (Some(text), "bool") => json!(text == "true"),
        (Some(text), _) => {
            let number = match text.strip_prefix("0x") {
                Some(digits) => i64::from_str_radix(digits, 16),
                None => text.parse(),
            };
            json!(number.unwrap_or_else(|_| panic!("default of {}: {text}", theirs.name)))
        }
    }
}
