//! What keys mean: a table of the configuration of topics, groups, client metrics and brokers, with defaults and ranges of
//! Apache Kafka 4.3.

use serde_json::{Value, json};

use crate::error::{Exit, Failure, nearest};
use crate::output::{Shape, table};

/// A line for each key: kind, key, type, default, range, when it can be changed, the brokers' key with the default, what it
/// means; `|` between.
const TABLE: &str = include_str!("keys.txt");

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    /// What has it: topic, group, client metrics or broker.
    pub of: &'a str,
    /// The key.
    pub name: &'a str,
    /// Its type.
    pub kind: &'a str,
    /// The default; empty if it is unset or an empty list.
    pub default: &'a str,
    /// What it may be; empty for anything of its type.
    pub range: &'a str,
    /// Whether it can be changed while brokers run.
    pub is_dynamic: bool,
    /// The brokers' key that has the default; empty without one.
    pub at_brokers: &'a str,
    /// What it means.
    pub doc: &'a str,
}

fn keys() -> impl Iterator<Item = Key<'static>> {
    TABLE.lines().filter_map(|line| {
        let mut cells = line.splitn(8, '|').map(str::trim);
        Some(Key {
            of: cells.next()?,
            name: cells.next()?,
            kind: cells.next()?,
            default: cells.next()?,
            range: cells.next()?,
            is_dynamic: cells.next()? == "dynamic",
            at_brokers: cells.next()?,
            doc: cells.next()?,
        })
    })
}

/// What `explain` prints: all that is known of a key, or all keys in short.
pub fn explain(name: Option<&str>, shape: Shape) -> Result<String, Failure> {
    let found: Vec<Key> = keys().filter(|key| name.is_none_or(|name| key.name == name)).collect();
    if found.is_empty() {
        let name = name.unwrap_or_default();
        let failure = Failure::new(Exit::NotFound, format!("'{name}' is not in the table of keys"));
        return Err(match nearest(name, keys().map(|key| key.name)) {
            Some(near) => failure.hint(format!("did you mean {near}?")),
            None => failure.hint("kconfigs explain shows all there are"),
        });
    }
    Ok(match shape {
        Shape::Json => {
            let keys: Vec<Value> = found.iter().map(as_json).collect();
            json!({"schema": "kinglet/configs.explain/v1", "keys": keys}).to_string() + "\n"
        }
        Shape::Kafka | Shape::Human if name.is_some() => {
            found.iter().map(paragraph).collect::<Vec<_>>().join("\n")
        }
        Shape::Kafka | Shape::Human => {
            let row = |key: &Key| [key.of, key.name, key.default, key.doc].map(str::to_owned);
            table(["OF", "KEY", "DEFAULT", "MEANING"], found.iter().map(row))
        }
    })
}

fn paragraph(key: &Key) -> String {
    let or =
        |text: &str, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.to_owned() };
    let changed = if key.is_dynamic { "while brokers run" } else { "in the file, at the start" };
    let mut out = format!(
        "{} (of a {})\n  {}\n  type     {}\n  default  {}\n  range    {}\n  changed  {changed}\n",
        key.name,
        key.of,
        key.doc,
        key.kind,
        or(key.default, "none"),
        or(key.range, "any"),
    );
    if !key.at_brokers.is_empty() {
        out += &format!("  brokers  {} is the default of topics that do not say it\n", key.at_brokers);
    }
    out
}

fn as_json(key: &Key) -> Value {
    let or_null = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "of": key.of, "key": key.name, "type": key.kind, "default": or_null(key.default), "range": or_null(key.range),
        "is_dynamic": key.is_dynamic, "broker_key": or_null(key.at_brokers), "documentation": key.doc,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_key_with_a_meaning() {
        assert_eq!(keys().count(), TABLE.lines().count());
        for key in keys() {
            assert!(["topic", "group", "client metrics", "broker"].contains(&key.of), "{key:?}");
            assert!(key.doc.ends_with('.') && !key.kind.is_empty(), "{key:?}");
            let twice = keys().filter(|other| (other.of, other.name) == (key.of, key.name)).count();
            assert_eq!(twice, 1, "{key:?}");
        }
    }

    #[test]
    fn a_key_is_explained_with_default_and_range() {
        let text = explain(Some("retention.ms"), Shape::Human).expect("it is known");

        assert!(text.contains("default  604800000") && text.contains("range    -1 or more"), "{text}");
        assert!(text.contains("log.retention.ms is the default"), "{text}");
        assert!(explain(Some("retention.m"), Shape::Human).is_err());
    }
}
