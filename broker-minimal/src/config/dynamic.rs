//! What is set while brokers run: for one of them, or for all (KIP-226). The metadata keeps it, and it goes before the file.

use super::broker::{self, BROKER_KEYS, BrokerKey};
use super::value::InvalidValue;
use super::{Config, Entry, Kind, Overrides, Source, Synonym, known, topic};

/// Keys that Kafka changes at run time and that have no effect here: kept and described for tools that set them.
const KEPT: &[&str] = &[
    "background.threads",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "log.cleaner.io.buffer.load.factor",
    "log.cleaner.io.buffer.size",
    "log.cleaner.io.max.bytes.per.second",
    "log.cleaner.threads",
    "log.index.size.max.bytes",
    "log.preallocate",
    "log.roll.jitter.ms",
    "metric.reporters",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
    "replica.alter.log.dirs.io.max.bytes.per.second",
    "transaction.partition.verification.enable",
];

/// Keys of how one broker signs in, which Kafka changes at run time for each but never for all of them. Kept likewise.
const KEPT_FOR_ONE: &[(&str, Kind)] = &[
    ("sasl.kerberos.kinit.cmd", Kind::Text(&[])),
    ("sasl.kerberos.min.time.before.relogin", Kind::long(i64::MIN)),
    ("sasl.kerberos.principal.to.local.rules", Kind::List(&[])),
    ("sasl.kerberos.service.name", Kind::Text(&[])),
    ("sasl.kerberos.ticket.renew.jitter", Kind::Double(f64::MIN, f64::MAX)),
    ("sasl.kerberos.ticket.renew.window.factor", Kind::Double(f64::MIN, f64::MAX)),
    ("sasl.login.refresh.buffer.seconds", Kind::Int(0, 3600)),
    ("sasl.login.refresh.min.period.seconds", Kind::Int(0, 900)),
    ("sasl.login.refresh.window.factor", Kind::Double(0.5, 1.0)),
    ("sasl.login.refresh.window.jitter", Kind::Double(0.0, 0.25)),
];

fn kept_for_one(key: &str) -> Option<Kind> {
    KEPT_FOR_ONE.iter().find(|(kept, _)| *kept == key).map(|(_, kind)| *kind)
}

/// Whether a key that has no effect here is shown: what the others mean is not known.
fn is_kept(key: &str) -> bool {
    KEPT.contains(&key) || kept_for_one(key).is_some()
}

/// Whom an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One broker.
    One,
    /// All brokers that have no entry of their own.
    All,
}

/// What was set at run time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dynamic {
    /// For this broker.
    pub(crate) broker: Overrides,
    /// For all brokers.
    pub(crate) default: Overrides,
}

/// An entry that no broker can be given at run time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DynamicError {
    #[error("Cannot update these configs dynamically: [{}]", .0.join(", "))]
    Static(Vec<String>),
    #[error(
        "Cannot update these configs at default cluster level, broker id must be specified: [{}]",
        .0.join(", ")
    )]
    ForOne(Vec<String>),
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
}

impl Dynamic {
    /// The value, and who has set it.
    pub(super) fn get(&self, key: &str) -> Option<(&str, Source)> {
        let own = self.broker.get(key).map(|value| (value.as_str(), Source::Broker));
        own.or_else(|| self.default.get(key).map(|value| (value.as_str(), Source::AllBrokers)))
    }
}

/// Says whether these entries may be set. Keys that are nobody's are: they are a plug-in's, as far as a broker knows.
pub(crate) fn check(entries: &Overrides, scope: Scope) -> Result<(), DynamicError> {
    let is_static = |key: &&String| match broker::find(key) {
        Some(row) => !row.is_dynamic,
        None => known::is_known(key) && !is_kept(key),
    };
    let fixed: Vec<String> = entries.keys().filter(is_static).cloned().collect();
    if !fixed.is_empty() {
        return Err(DynamicError::Static(fixed));
    }
    let is_for_one = |key: &&String| kept_for_one(key).is_some();
    let misplaced: Vec<String> = entries.keys().filter(is_for_one).cloned().collect();
    if scope == Scope::All && !misplaced.is_empty() {
        return Err(DynamicError::ForOne(misplaced));
    }
    for (key, value) in entries {
        if let Some(kind) = broker::find(key).map(|row| row.kind).or_else(|| kept_for_one(key)) {
            kind.check(key, value)?;
        }
    }
    Ok(())
}

/// Whether the values of a key are lists, to which words can be added; `None` for a key that is not in the table.
pub(crate) fn is_list(key: &str) -> Option<bool> {
    broker::find(key).map(|row| row.kind.is_list())
}

/// What holds for brokers that nobody has said anything to; empty without a default.
pub(crate) fn default_value(config: &Config, key: &str) -> String {
    let default = || broker::find(key).and_then(|row| row.default);
    config.given.get(key).map(String::as_str).or_else(default).unwrap_or_default().to_owned()
}

impl Config {
    /// The configuration with what was set at run time. What the table would refuse, as another release may have let it in, is left out.
    pub(crate) fn with_dynamic(&self, mut dynamic: Dynamic) -> Self {
        let is_usable = |key: &str, value: &str| match broker::find(key) {
            Some(row) => row.is_dynamic && row.kind.check(key, value).is_ok(),
            None => true,
        };
        for entries in [&mut dynamic.broker, &mut dynamic.default] {
            entries.retain(|key, value| is_usable(key, value));
        }
        let mut config = Self { dynamic, ..self.clone() };
        config.resolve_dynamic();
        config
    }

    /// Everything that holds for the broker, by name; behind it what is no key of the table.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> {
        let others = self.dynamic.broker.keys().chain(self.dynamic.default.keys());
        let mut others: Vec<&String> = others.filter(|key| broker::find(key).is_none()).collect();
        others.sort_unstable();
        others.dedup();
        let others = others.into_iter().map(|key| self.other(key));
        BROKER_KEYS.iter().map(|key| self.entry(key)).chain(others)
    }

    /// What was set at run time for all brokers.
    pub(crate) fn default_entries(&self) -> impl Iterator<Item = Entry> {
        self.dynamic.default.iter().map(|(key, value)| {
            let entry = broker::find(key).map_or_else(|| self.other(key), |row| self.entry(row));
            let is_default = |synonym: &Synonym| synonym.source == Source::AllBrokers;
            Entry {
                value: Some(value.clone()).filter(|_| !entry.is_sensitive),
                source: Source::AllBrokers,
                synonyms: entry.synonyms.into_iter().filter(is_default).collect(),
                ..entry
            }
        })
    }

    fn entry(&self, key: &BrokerKey) -> Entry {
        let mut names = topic::alike(key.name);
        if names.is_empty() {
            names.push(key.name);
        }
        let synonyms = self.found(&names).into_iter().skip_while(|found| found.name != key.name).collect();
        let given = self.given(key.name);
        let value = given.map(str::to_owned).or_else(|| self.in_force(key));
        Entry {
            name: key.name.into(),
            value,
            source: self.source(key.name),
            kind: key.kind,
            is_sensitive: false,
            read_only: !key.is_dynamic,
            synonyms,
            doc: key.doc,
        }
    }

    /// A key that is not in the table. What it means is not known, so its value may be a secret, as in Kafka.
    fn other(&self, key: &str) -> Entry {
        let is_sensitive = !is_kept(key);
        let found = [(&self.dynamic.broker, Source::Broker), (&self.dynamic.default, Source::AllBrokers)];
        let found = found.into_iter().filter_map(|(entries, source)| Some((entries.get(key)?, source)));
        let shown = |value: &String| Some(value.clone()).filter(|_| !is_sensitive);
        let synonyms: Vec<Synonym> = found
            .map(|(value, source)| Synonym { name: key.to_owned(), value: shown(value), source })
            .collect();
        let first = synonyms.first();
        Entry {
            name: key.to_owned().into(),
            value: first.and_then(|first| first.value.clone()),
            source: first.map_or(Source::Default, |first| first.source),
            kind: kept_for_one(key).unwrap_or(Kind::Text(&[])),
            is_sensitive,
            read_only: is_sensitive,
            synonyms,
            doc: "",
        }
    }

    /// Who has said what holds for a key.
    pub(super) fn source(&self, key: &str) -> Source {
        let in_file = || self.given.get(key).map(|_| Source::BrokerFile);
        self.dynamic.get(key).map(|(_, source)| source).or_else(in_file).unwrap_or(Source::Default)
    }

    /// Where these keys have values, in the order in which they count.
    pub(super) fn found(&self, names: &[&'static str]) -> Vec<Synonym> {
        let default = |name: &str| broker::find(name).and_then(|row| row.default).map(str::to_owned);
        type LookUp<'a> = &'a dyn Fn(&str) -> Option<String>;
        let places: [(LookUp<'_>, Source); 4] = [
            (&|name| self.dynamic.broker.get(name).cloned(), Source::Broker),
            (&|name| self.dynamic.default.get(name).cloned(), Source::AllBrokers),
            (&|name| self.given.get(name).cloned(), Source::BrokerFile),
            (&default, Source::Default),
        ];
        let mut found = Vec::new();
        for (look_up, source) in places {
            found.extend(names.iter().filter_map(|name| {
                Some(Synonym { name: (*name).to_owned(), value: Some(look_up(name)?), source })
            }));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(entries: &[(&str, &str)]) -> Overrides {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_set_for_one_broker_goes_before_all_brokers_and_those_before_the_file() {
        let file = Config::from_properties("log.retention.ms=1\nlog.roll.ms=1\nmessage.max.bytes=1").unwrap();
        let dynamic = Dynamic {
            broker: overrides(&[("log.retention.ms", "3")]),
            default: overrides(&[("log.retention.ms", "2"), ("log.roll.ms", "2"), ("max.connections", "7")]),
        };
        let config = file.with_dynamic(dynamic);
        assert_eq!((config.log.retention_ms, config.log.segment_ms, config.log.max_message_bytes), (3, 2, 1));
        assert_eq!((config.max_connections, file.max_connections), (7, 2_147_483_647));
        let entry = config.entries().find(|entry| entry.name == "log.retention.ms").unwrap();
        let synonyms: Vec<_> =
            entry.synonyms.iter().map(|s| (s.value.as_deref().unwrap(), s.source)).collect();
        let expected = [
            ("3", Source::Broker),
            ("2", Source::AllBrokers),
            ("1", Source::BrokerFile),
            ("168", Source::Default),
        ];
        assert_eq!((synonyms, entry.source), (expected.to_vec(), Source::Broker));
        assert_eq!(config.default_entries().count(), 3);
    }

    #[test]
    fn what_only_a_start_can_change_is_refused_by_name() {
        let refused = |entries| check(&overrides(entries), Scope::One).unwrap_err().to_string();
        assert_eq!(
            refused(&[("node.id", "2"), ("log.dirs", "x"), ("log.roll.ms", "5")]),
            "Cannot update these configs dynamically: [log.dirs, node.id]"
        );
        assert!(refused(&[("ssl.keystore.location", "x")]).contains("ssl.keystore.location"));
        assert!(refused(&[("log.roll.ms", "x")]).ends_with("Not a number of type LONG"));
        let kept = overrides(&[("log.cleaner.threads", "2"), ("my.own.key", "x")]);
        assert_eq!((check(&kept, Scope::One), check(&kept, Scope::All)), (Ok(()), Ok(())));
    }

    #[test]
    fn how_a_broker_signs_in_is_set_for_one_at_a_time() {
        let entries = overrides(&[("sasl.kerberos.min.time.before.relogin", "58000"), ("log.roll.ms", "5")]);
        assert_eq!(check(&entries, Scope::One), Ok(()));
        assert_eq!(
            check(&entries, Scope::All).unwrap_err().to_string(),
            "Cannot update these configs at default cluster level, broker id must be specified: \
             [sasl.kerberos.min.time.before.relogin]"
        );
        let config = Config::default().with_dynamic(Dynamic { broker: entries, ..Default::default() });
        let entry = config.entries().last().unwrap();
        assert_eq!(
            (entry.value.as_deref(), entry.read_only, entry.kind.wire_type()),
            (Some("58000"), false, 5)
        );
        for (key, _) in KEPT_FOR_ONE {
            assert!(known::is_known(key), "{key} is no key of Kafka's");
        }
    }

    #[test]
    fn a_key_that_nobody_knows_may_hold_a_secret() {
        let dynamic = Dynamic { broker: overrides(&[("my.own.key", "x")]), ..Default::default() };
        let config = Config::default().with_dynamic(dynamic);
        let entry = config.entries().last().unwrap();
        assert_eq!((&*entry.name, entry.value, entry.is_sensitive), ("my.own.key", None, true));
    }
}
