//! What `kconfigs` prints: kafka-configs' lines byte for byte, tables for people, JSON.

use kinglet::admin::{ConfigEntry, ConfigSource};
use serde_json::{Value, json};

use super::entity::{Entity, Kind};
use crate::output::{Shape, table};

/// Which entries are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Those that were set for the thing itself.
    Own,
    /// All.
    All,
}

/// The entries that are shown of a thing, by key.
pub fn shown(kind: Kind, entity: &Entity, entries: Vec<ConfigEntry>, which: Shown) -> Vec<ConfigEntry> {
    let own = kind.own_source(entity);
    let is_shown = |entry: &ConfigEntry| which == Shown::All || own.is_none_or(|own| entry.source == own);
    let mut entries: Vec<ConfigEntry> = entries.into_iter().filter(is_shown).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// What `--describe` prints of each thing.
pub fn describe(kind: Kind, things: &[(Entity, Vec<ConfigEntry>)], which: Shown, shape: Shape) -> String {
    match shape {
        Shape::Kafka => {
            things.iter().map(|(entity, entries)| as_kafka(kind, entity, entries, which)).collect()
        }
        Shape::Human => for_people(kind, things),
        Shape::Json => {
            let thing = |(entity, entries): &(Entity, Vec<ConfigEntry>)| {
                let name = (!entity.name.is_empty()).then_some(&entity.name);
                json!({"type": kind.name(), "name": name, "configs": entries.iter().map(entry).collect::<Vec<_>>()})
            };
            let things: Vec<Value> = things.iter().map(thing).collect();
            json!({"schema": "kinglet/configs.describe/v1", "entities": things}).to_string() + "\n"
        }
    }
}

fn as_kafka(kind: Kind, entity: &Entity, entries: &[ConfigEntry], which: Shown) -> String {
    let which = match which {
        Shown::Own => "Dynamic",
        Shown::All => "All",
    };
    let mut out = match &*entity.name {
        "" => format!("Default configs for {} in the cluster are:\n", kind.name()),
        name => format!("{which} configs for {} {name} are:\n", kind.singular()),
    };
    let or_null = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
    for entry in entries {
        let synonyms =
            entry.synonyms.iter().map(|s| format!("{}:{}={}", source(s.source), s.name, or_null(&s.value)));
        out += &format!(
            "  {}={} sensitive={} synonyms={{{}}}\n",
            entry.name,
            or_null(&entry.value),
            entry.sensitive,
            synonyms.collect::<Vec<_>>().join(", ")
        );
    }
    out
}

/// One table for all.
fn for_people(kind: Kind, things: &[(Entity, Vec<ConfigEntry>)]) -> String {
    let mut rows = Vec::new();
    for (entity, entries) in things {
        let name = if entity.name.is_empty() { "(default)" } else { &entity.name };
        for entry in entries {
            let value = match (&entry.value, entry.sensitive) {
                (_, true) => "(hidden)",
                (Some(value), false) => value,
                (None, false) => "",
            };
            rows.push([name, &entry.name, value, said_by(entry.source)].map(str::to_owned));
        }
    }
    if rows.is_empty() {
        return format!("nothing is set; --all shows what holds for the {}\n", kind.name());
    }
    table(["NAME", "KEY", "VALUE", "FROM"], rows)
}

fn entry(entry: &ConfigEntry) -> Value {
    let synonym = |s: &kinglet::admin::ConfigSynonym| json!({"key": s.name, "value": s.value, "source": source(s.source)});
    json!({
        "key": entry.name, "value": entry.value, "source": source(entry.source), "is_sensitive": entry.sensitive,
        "is_read_only": entry.read_only, "synonyms": entry.synonyms.iter().map(synonym).collect::<Vec<_>>(),
    })
}

/// As Java names it.
fn source(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::Topic => "DYNAMIC_TOPIC_CONFIG",
        ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
        ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
        ConfigSource::Default => "DEFAULT_CONFIG",
        ConfigSource::BrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
        ConfigSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
        ConfigSource::Group => "DYNAMIC_GROUP_CONFIG",
        _ => "UNKNOWN",
    }
}

fn said_by(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::DynamicBroker => "this broker, while it runs",
        ConfigSource::DynamicDefaultBroker => "all brokers, while they run",
        ConfigSource::StaticBroker => "the broker's file",
        ConfigSource::Default => "default",
        _ => "set here",
    }
}

/// What `--alter` prints.
pub fn altered(kind: Kind, entity: &Entity, shape: Shape) -> String {
    match (shape, &*entity.name) {
        (Shape::Json, name) => {
            json!({"schema": "kinglet/configs.alter/v1", "type": kind.name(), "name": name}).to_string()
                + "\n"
        }
        (_, "") => format!("Completed updating default config for {} in the cluster.\n", kind.name()),
        (_, name) => format!("Completed updating config for {} {name}.\n", kind.singular()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kinglet::admin::ConfigSynonym;

    fn entry(name: &str, source: ConfigSource) -> ConfigEntry {
        let synonym = |name: &str, value: Option<&str>, source| ConfigSynonym {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            source,
        };
        ConfigEntry {
            name: name.to_owned(),
            value: Some("compact".to_owned()),
            source,
            read_only: false,
            sensitive: false,
            synonyms: vec![
                synonym(name, Some("compact"), source),
                synonym("log.cleanup.policy", None, ConfigSource::Default),
            ],
            config_type: 0,
            documentation: None,
        }
    }

    #[test]
    fn only_what_was_set_is_shown_unless_all_is_asked_for() {
        let topic = Entity::new(Kind::Topics, "cfg").expect("a name");
        let entries = || {
            vec![
                entry("z", ConfigSource::Topic),
                entry("b", ConfigSource::Default),
                entry("a", ConfigSource::Topic),
            ]
        };

        let own = shown(Kind::Topics, &topic, entries(), Shown::Own);
        let all = shown(Kind::Topics, &topic, entries(), Shown::All);

        assert_eq!(own.iter().map(|entry| &*entry.name).collect::<Vec<_>>(), ["a", "z"]);
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn the_lines_are_those_of_kafka_configs() {
        let entity = |kind, name| Entity::new(kind, name).expect("a name");
        let things = [(entity(Kind::Topics, "cfg"), vec![entry("cleanup.policy", ConfigSource::Topic)])];
        let default = [(entity(Kind::Brokers, ""), Vec::new())];

        assert_eq!(
            describe(Kind::Topics, &things, Shown::Own, Shape::Kafka),
            "Dynamic configs for topic cfg are:\n  cleanup.policy=compact sensitive=false \
             synonyms={DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact, DEFAULT_CONFIG:log.cleanup.policy=null}\n"
        );
        assert_eq!(
            describe(Kind::Brokers, &default, Shown::Own, Shape::Kafka),
            "Default configs for brokers in the cluster are:\n"
        );
        assert_eq!(
            altered(Kind::Topics, &things[0].0, Shape::Kafka),
            "Completed updating config for topic cfg.\n"
        );
    }
}
