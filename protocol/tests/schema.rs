//! The field tables against the schemas inside Kafka's own jars.
//!
//! What is declared here is the union of two releases: 4.3.1, and 3.9.1 for the versions that 4.0 dropped. One difference
//! is meant: a nullable field without a default of its own is null here when it is absent, and empty in Kafka. Where it
//! has a tag it is empty here, too, for there the default decides what is written.

mod jars;
mod model;

use std::collections::BTreeSet;
use std::path::Path;

use kinglet_protocol::ApiKey;
use kinglet_protocol::messages::{DATA, REGISTRY};
use kinglet_protocol::wire::{Field, FieldType, VersionRange};
use serde_json::{Value, json};

use crate::jars::{CLIENTS, GROUPS, METADATA, OLD_CLIENTS, RAFT, SHARE, TRANSACTIONS};

#[test]
fn every_table_is_the_union_of_kafkas_schemas() {
    let jars = OLD_CLIENTS.find().and_then(|old| Ok([old, CLIENTS.find()?]));
    let Some(jars) = jars::or_skip("every_table_is_the_union_of_kafkas_schemas", jars) else { return };
    let mut differences = Vec::new();
    for api in REGISTRY {
        for (kind, ours) in [("Request", api.request), ("Response", api.response)] {
            let name = format!("{}{kind}", api.key.name());
            let schemas = jars.iter().filter_map(|jar| {
                let name = if jar == &jars[0] { name_before(&name) } else { &name };
                schema(jar, &format!("common/message/{name}.json"))
            });
            let theirs = schemas.reduce(Schema::merge).unwrap_or_else(|| panic!("no schema of {name}"));
            compare(&mut differences, &name, (api.versions, api.flexible_from), ours, &theirs);
        }
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

/// The name in 3.9.
fn name_before(name: &str) -> &str {
    match name {
        "ListConfigResourcesRequest" => "ListClientMetricsResourcesRequest",
        "ListConfigResourcesResponse" => "ListClientMetricsResourcesResponse",
        name => name,
    }
}

#[test]
fn no_message_of_kafkas_is_missing() {
    let jars = OLD_CLIENTS.find().and_then(|old| Ok([old, CLIENTS.find()?]));
    let Some(jars) = jars::or_skip("no_message_of_kafkas_is_missing", jars) else { return };
    let declared: BTreeSet<ApiKey> = REGISTRY.iter().map(|api| api.key).collect();
    let (mut found, mut clients) = (BTreeSet::new(), BTreeSet::new());
    for jar in &jars {
        for file in jars::files(jar, "common/message/").unwrap_or_else(|e| panic!("{e}")) {
            let Some(schema) = jars::schema(jar, &file).unwrap_or_else(|e| panic!("{e}")) else { continue };
            if schema["type"] != "request" || schema["validVersions"] == "none" {
                continue;
            }
            let key = schema["apiKey"].as_i64().and_then(|key| i16::try_from(key).ok()).map(ApiKey);
            let key = key.unwrap_or_else(|| panic!("no key in {file}"));
            found.insert(key);
            if schema["listeners"].as_array().is_some_and(|names| names.iter().any(|name| name == "broker")) {
                clients.insert(key);
            }
        }
    }
    println!("{} requests, {} of them for clients", found.len(), clients.len());
    assert!(clients.len() >= 77, "{clients:?}");
    assert_eq!(found, declared);
}

#[test]
fn everything_stored_or_embedded_is_kafkas() {
    let jars = [&METADATA, &GROUPS, &TRANSACTIONS, &SHARE, &RAFT, &CLIENTS];
    let jars = jars.into_iter().map(jars::Jar::find).collect::<Result<Vec<_>, _>>();
    let Some(jars) = jars::or_skip("everything_stored_or_embedded_is_kafkas", jars) else { return };
    let mut differences = Vec::new();
    let mut found = BTreeSet::new();
    for jar in &jars {
        for file in jars::files(jar, "common/m").unwrap_or_else(|e| panic!("{e}")) {
            let raw = jars::schema(jar, &file).unwrap_or_else(|e| panic!("{e}")).expect("it is listed");
            let name = raw["name"].as_str().expect("a schema has a name").to_owned();
            if matches!(raw["type"].as_str(), Some("request" | "response" | "header")) {
                continue;
            }
            found.insert(name.clone());
            let Some(data) = DATA.iter().find(|data| data.name == name) else { continue };
            let theirs = Schema::parse(&raw).expect("valid in some version");
            let id = raw["apiKey"].as_i64();
            if data.id.map(i64::from) != id {
                differences.push(format!("{name}: type: ours {:?}, Kafka's {id:?}", data.id));
            }
            compare(&mut differences, &name, (data.versions, data.flexible_from), data.fields, &theirs);
        }
    }
    let declared: BTreeSet<String> = DATA.iter().map(|data| data.name.to_owned()).collect();
    assert_eq!(found, declared);
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

fn schema(jar: &Path, file: &str) -> Option<Schema> {
    jars::schema(jar, file).unwrap_or_else(|e| panic!("{e}")).and_then(|schema| Schema::parse(&schema))
}

fn compare(
    out: &mut Vec<String>,
    name: &str,
    (versions, flexible_from): (VersionRange, i16),
    ours: &[Field],
    theirs: &Schema,
) {
    let flexible = (flexible_from <= versions.last).then_some(flexible_from);
    let mut differ = Differences { out, declared: versions };
    differ.check(name, "versions", &versions, &theirs.valid);
    differ.check(name, "flexible from", &flexible, &theirs.flexible.map(|range| range.first));
    differ.tables(name, ours, &theirs.fields);
}

/// A message's schema.
struct Schema {
    name: String,
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
    /// `None`: valid in no version any more.
    fn parse(schema: &Value) -> Option<Self> {
        let all = VersionRange::new(0, i16::MAX);
        let valid = range(&schema["validVersions"], all)?;
        let commons = schema["commonStructs"].as_array().map(Vec::as_slice).unwrap_or_default();
        Some(Self {
            name: schema["name"].as_str()?.to_owned(),
            valid,
            flexible: range(&schema["flexibleVersions"], valid),
            fields: fields(&schema["fields"], commons, valid),
        })
    }

    fn merge(old: Self, new: Self) -> Self {
        let flexible = match (old.flexible, new.flexible) {
            (Some(old), Some(new)) => Some(union(old, new)),
            (old, new) => old.or(new),
        };
        let fields = merge(&new.name, old.fields, new.fields);
        Self { name: new.name, valid: union(old.valid, new.valid), flexible, fields }
    }
}

fn fields(list: &Value, commons: &[Value], valid: VersionRange) -> Vec<Theirs> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let fields = list.iter().filter_map(|field| {
        // A tagged field may leave its versions to those of its tag.
        let versions =
            if field["versions"].is_null() { &field["taggedVersions"] } else { &field["versions"] };
        let versions = range(versions, valid)?;
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
            tag: field["tag"].as_u64().or_else(|| field["tag"].as_str().and_then(|tag| tag.parse().ok())),
            ignorable: field["ignorable"] == true,
            default: field["default"].clone(),
            fields: fields(&common.unwrap_or(field)["fields"], commons, valid),
            name,
            ty,
        })
    });
    fields.collect()
}

/// Fields that are called otherwise since 3.9: of Vote, and of ListConfigResources.
const RENAMED: [(&str, &str, &str); 5] = [
    ("VoteRequest", "CandidateEpoch", "ReplicaEpoch"),
    ("VoteRequest", "CandidateId", "ReplicaId"),
    ("VoteRequest", "CandidateDirectoryId", "ReplicaDirectoryId"),
    ("ListConfigResourcesResponse", "ClientMetricsResources", "ConfigResources"),
    ("ListConfigResourcesResponse", "Name", "ResourceName"),
];

/// The fields of both; what both have has the versions of both, and is otherwise as in the new one.
fn merge(message: &str, old: Vec<Theirs>, new: Vec<Theirs>) -> Vec<Theirs> {
    let mut merged = new;
    for (at, old) in old.into_iter().enumerate() {
        // The same place on the wire, and no other name for it is declared.
        let renamed = RENAMED.iter().find(|(of, before, _)| *of == message && *before == old.name);
        let name = renamed.map_or(&*old.name, |(.., now)| now);
        let Some(new) = merged.iter_mut().find(|new| new.name == name) else {
            merged.insert(at.min(merged.len()), old);
            continue;
        };
        new.versions = union(old.versions, new.versions);
        new.null = match (old.null, new.null) {
            (Some(old), Some(new)) => Some(union(old, new)),
            (old, new) => old.or(new),
        };
        new.fields = merge(message, old.fields, std::mem::take(&mut new.fields));
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
                (*inner, versions.and_then(|versions| versions.intersect(ours.null)))
            }
            ty => (ty, None),
        };
        self.check(place, "nullable versions", &null, &theirs.null);
        self.check(place, "tag", &ours.tag.map(u64::from), &theirs.tag);
        self.check(place, "ignorable", &ours.ignorable, &theirs.ignorable);
        let theirs_ty = kafka_type(&theirs.ty);
        self.check(place, "type", &our_type(ty), &theirs_ty);
        // A structure that nobody set has the defaults of its fields.
        let default = model::default_value(ours, self.declared.last);
        let their_default = kafka_default(theirs, &theirs_ty);
        if theirs_ty != "struct" {
            self.check(place, "default", &default, &their_default);
        } else if null.is_some() {
            self.check(place, "null by default", &default.is_null(), &their_default.is_null());
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
        (None, _) if theirs.default.is_null() && theirs.null.is_some() && theirs.tag.is_none() => Value::Null,
        (None, _) if theirs.default.is_null() => match ty {
            "string" | "bytes" | "records" => json!(""),
            "uuid" => json!("AAAAAAAAAAAAAAAAAAAAAA"),
            "bool" => json!(false),
            "float64" => json!(0),
            ty if ty.starts_with("[]") => json!([]),
            "struct" => json!({}),
            _ => json!(0),
        },
        (None, "string") if theirs.default.is_null() => json!(""),
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
