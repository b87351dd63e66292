//! The topics' keys: one table of name, type, default, the broker's keys that stand in, and meaning; and what a log makes of them.

use std::collections::BTreeMap;

use kinglet_protocol::records::TimestampType;

use super::value::{InvalidValue, Kind, Quoted, list};
use super::{Config, Entry, Source, Synonym};
use crate::log::LogConfig;

/// What a topic carries of its own.
pub(crate) type Overrides = BTreeMap<String, String>;

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct TopicKey {
    /// Kafka's name.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// What holds when neither the topic nor the broker says anything.
    pub default: &'static str,
    /// The broker's keys that set the default, the first given one wins, and what a unit of each is in the topic's.
    pub synonyms: &'static [(&'static str, i64)],
    /// Whether this broker acts on it. The others are kept and described for tools that set them.
    pub effect: bool,
    /// What it does.
    pub doc: &'static str,
}

const fn key(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    synonyms: &'static [(&'static str, i64)],
    doc: &'static str,
) -> TopicKey {
    TopicKey { name, kind, default, synonyms, effect: true, doc }
}

/// A key that is kept and described, no more.
const fn kept(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> TopicKey {
    TopicKey { name, kind, default, synonyms: &[], effect: false, doc }
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const MAX: &str = "9223372036854775807";
const CODECS: Kind = Kind::Text(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]);
const POLICIES: Kind = Kind::List(&["compact", "delete"]);
const TIMESTAMPS: Kind = Kind::Text(&["CreateTime", "LogAppendTime"]);

/// Every topic key of Kafka 4.3, by name.
#[rustfmt::skip]
pub const TOPIC_KEYS: &[TopicKey] = &[
    key("cleanup.policy", POLICIES, "delete", &[("log.cleanup.policy", 1)], "What becomes of old segments: delete, compact or both."),
    kept("compression.gzip.level", Kind::Int(-1, 9), "-1", "Level of gzip, when the broker recompresses."),
    kept("compression.lz4.level", Kind::Int(1, 17), "9", "Level of lz4, when the broker recompresses."),
    kept("compression.type", CODECS, "producer", "The codec that batches are stored with; here always the producer's."),
    kept("compression.zstd.level", Kind::Int(-131_072, 22), "3", "Level of zstd, when the broker recompresses."),
    key("delete.retention.ms", Kind::long(0), "86400000", &[("log.cleaner.delete.retention.ms", 1)], "How long compaction keeps a tombstone."),
    key("file.delete.delay.ms", Kind::long(0), "60000", &[("log.segment.delete.delay.ms", 1)], "How long a dropped segment's files stay for readers that have them open."),
    key("flush.messages", Kind::long(1), MAX, &[("log.flush.interval.messages", 1)], "Unflushed records at which an append waits for the disk."),
    key("flush.ms", Kind::long(0), MAX, &[("log.flush.interval.ms", 1)], "How long a record may stay unflushed."),
    key("follower.replication.throttled.replicas", Kind::Replicas, "", &[], "Replicas whose fetching is throttled, as partition:broker, or * for all, while they are not in sync."),
    key("index.interval.bytes", Kind::int(0), "4096", &[("log.index.interval.bytes", 1)], "Bytes of log for which the index has one entry."),
    key("leader.replication.throttled.replicas", Kind::Replicas, "", &[], "Leaders, as partition:broker, or * for all, whose serving of followers that are not in sync is throttled."),
    kept("local.retention.bytes", Kind::long(-2), "-2", "Bytes kept on this broker's disk with tiered storage."),
    kept("local.retention.ms", Kind::long(-2), "-2", "Milliseconds kept on this broker's disk with tiered storage."),
    key("max.compaction.lag.ms", Kind::long(1), MAX, &[("log.cleaner.max.compaction.lag.ms", 1)], "How long a record may stay uncompacted."),
    key("max.message.bytes", Kind::int(0), "1048588", &[("message.max.bytes", 1)], "Bytes of a record batch at most, as sent."),
    key("message.timestamp.after.max.ms", Kind::long(0), "3600000", &[("log.message.timestamp.after.max.ms", 1)], "How far a record's time may lie in the future."),
    key("message.timestamp.before.max.ms", Kind::long(0), MAX, &[("log.message.timestamp.before.max.ms", 1)], "How far a record's time may lie in the past."),
    key("message.timestamp.type", TIMESTAMPS, "CreateTime", &[("log.message.timestamp.type", 1)], "Whose clock a record's time is: the producer's or the broker's."),
    key("min.cleanable.dirty.ratio", Kind::Double(0.0, 1.0), "0.5", &[("log.cleaner.min.cleanable.ratio", 1)], "Share of uncompacted bytes at which compaction starts."),
    key("min.compaction.lag.ms", Kind::long(0), "0", &[("log.cleaner.min.compaction.lag.ms", 1)], "How long a record stays uncompacted at least."),
    key("min.insync.replicas", Kind::int(1), "1", &[("min.insync.replicas", 1)], "Replicas that must have a record before acks=all is answered."),
    kept("preallocate", Kind::Boolean, "false", "Whether a segment's file is made in full size at once."),
    kept("remote.log.copy.disable", Kind::Boolean, "false", "Whether tiered storage copies no more."),
    kept("remote.log.delete.on.disable", Kind::Boolean, "false", "Whether switching tiered storage off deletes its data."),
    kept("remote.storage.enable", Kind::Boolean, "false", "Whether the topic uses tiered storage."),
    key("retention.bytes", Kind::long(i64::MIN), "-1", &[("log.retention.bytes", 1)], "Bytes of a partition that are kept; -1 is no limit."),
    key("retention.ms", Kind::long(-1), "604800000", &[("log.retention.ms", 1), ("log.retention.minutes", MINUTE), ("log.retention.hours", HOUR)], "Milliseconds that records are kept; -1 is for ever."),
    key("segment.bytes", Kind::int(14), "1073741824", &[("log.segment.bytes", 1)], "Bytes of a segment file at most."),
    kept("segment.index.bytes", Kind::int(4), "10485760", "Bytes of an index file at most; here it grows as needed."),
    kept("segment.jitter.ms", Kind::long(0), "0", "Milliseconds by which partitions may roll earlier, so that not all do so at once."),
    key("segment.ms", Kind::long(1), "604800000", &[("log.roll.ms", 1), ("log.roll.hours", HOUR)], "Milliseconds after which a segment is closed even if it is not full."),
    key("unclean.leader.election.enable", Kind::Boolean, "false", &[("unclean.leader.election.enable", 1)], "Whether a replica that lags may lead when no other is left."),
];

/// The key of this name.
pub(crate) fn find(name: &str) -> Option<&'static TopicKey> {
    TOPIC_KEYS.iter().find(|key| key.name == name)
}

/// The broker's keys that say the same in other units, the one of this name among them; none when it has no such topic's key.
pub(super) fn alike(name: &str) -> Vec<&'static str> {
    let names = |key: &TopicKey| key.synonyms.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    TOPIC_KEYS.iter().map(names).find(|names| names.contains(&name)).unwrap_or_default()
}

/// A topic configuration that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TopicConfigError {
    #[error("Unknown topic config name: {}", Quoted(.0))]
    Unknown(String),
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
}

/// Says whether a topic may carry this entry.
pub(crate) fn check(name: &str, value: &str) -> Result<(), TopicConfigError> {
    let key = find(name).ok_or_else(|| TopicConfigError::Unknown(name.to_owned()))?;
    Ok(key.kind.check(name, value)?)
}

impl TopicKey {
    /// The broker's key that decides, with its value as given.
    fn given(&self, config: &Config) -> Option<(&'static str, i64, String)> {
        let value = |(name, unit): &(&'static str, i64)| Some((*name, *unit, config.given(name)?.to_owned()));
        self.synonyms.iter().find_map(value)
    }

    /// What holds for a topic that says nothing.
    fn broker_value(&self, config: &Config) -> String {
        match self.given(config) {
            None => self.default.to_owned(),
            Some((_, 1, value)) => value,
            // Kafka takes every negative time for "for ever".
            Some((_, unit, value)) => {
                let n = value.parse::<i64>().unwrap_or(-1);
                if n < 0 { "-1".to_owned() } else { n.saturating_mul(unit).to_string() }
            }
        }
    }

    fn entry(&self, config: &Config, overrides: &Overrides) -> Entry {
        let own = overrides.get(self.name);
        let source = match (own, self.given(config)) {
            (Some(_), _) => Source::Topic,
            (None, Some((name, ..))) => config.source(name),
            (None, None) => Source::Default,
        };
        let names: Vec<&'static str> = self.synonyms.iter().map(|(name, _)| *name).collect();
        let own_synonym =
            own.map(|value| Synonym { name: self.name.to_owned(), value: Some(value.clone()), source });
        let synonyms = own_synonym.into_iter().chain(config.found(&names)).collect();
        Entry {
            name: self.name.into(),
            value: Some(own.cloned().unwrap_or_else(|| self.broker_value(config))),
            source,
            kind: self.kind,
            is_sensitive: false,
            read_only: false,
            synonyms,
            doc: self.doc,
        }
    }
}

/// What holds for topics that do not say otherwise; empty for a name that is not in the table.
pub(crate) fn default_value(config: &Config, name: &str) -> String {
    find(name).map(|key| key.broker_value(config)).unwrap_or_default()
}

/// Everything that holds for a topic, by name.
pub(crate) fn entries(config: &Config, overrides: &Overrides) -> impl Iterator<Item = Entry> {
    TOPIC_KEYS.iter().map(|key| key.entry(config, overrides))
}

/// What the topic's logs are run by.
pub(crate) fn resolve(config: &Config, overrides: &Overrides) -> LogConfig {
    let text = |name: &str| overrides.get(name).cloned().unwrap_or_else(|| default_value(config, name));
    // Values were checked when they were set; one that an older release let in falls back to Kafka's default.
    let number = |name: &str, default: i64| text(name).parse().unwrap_or(default);
    let size = |name: &str, default: u32| text(name).parse().unwrap_or(default);
    let kafka = LogConfig::default();
    let policy = text("cleanup.policy");
    let compact = list(&policy).any(|word| word == "compact");
    let max_compaction_lag_ms = number("max.compaction.lag.ms", kafka.max_compaction_lag_ms);
    let segment_ms = number("segment.ms", kafka.segment_ms);
    LogConfig {
        segment_bytes: size("segment.bytes", kafka.segment_bytes),
        // A segment that stays open cannot be compacted.
        segment_ms: if compact { segment_ms.min(max_compaction_lag_ms) } else { segment_ms },
        segment_jitter_ms: kafka.segment_jitter_ms,
        index_interval_bytes: size("index.interval.bytes", kafka.index_interval_bytes),
        retention_ms: number("retention.ms", kafka.retention_ms),
        retention_bytes: number("retention.bytes", kafka.retention_bytes),
        max_message_bytes: size("max.message.bytes", kafka.max_message_bytes),
        timestamp_type: match text("message.timestamp.type").as_str() {
            "LogAppendTime" => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        timestamp_before_max_ms: number("message.timestamp.before.max.ms", kafka.timestamp_before_max_ms),
        timestamp_after_max_ms: number("message.timestamp.after.max.ms", kafka.timestamp_after_max_ms),
        flush_messages: number("flush.messages", kafka.flush_messages),
        flush_ms: number("flush.ms", kafka.flush_ms),
        delete: list(&policy).any(|word| word == "delete"),
        compact,
        min_cleanable_dirty_ppm: ppm(&text("min.cleanable.dirty.ratio"))
            .unwrap_or(kafka.min_cleanable_dirty_ppm),
        min_compaction_lag_ms: number("min.compaction.lag.ms", kafka.min_compaction_lag_ms),
        max_compaction_lag_ms,
        delete_retention_ms: number("delete.retention.ms", kafka.delete_retention_ms),
        file_delete_delay_ms: number("file.delete.delay.ms", kafka.file_delete_delay_ms),
        producer_id_expiration_ms: config.number("producer.id.expiration.ms"),
    }
}

/// `min.insync.replicas` of a topic.
pub(crate) fn min_insync_replicas(config: &Config, overrides: &Overrides) -> usize {
    let text = |name: &str| overrides.get(name).cloned().unwrap_or_else(|| default_value(config, name));
    text("min.insync.replicas").parse().unwrap_or(1)
}

/// A fraction in millionths; `None` if it is none.
fn ppm(fraction: &str) -> Option<u32> {
    let ppm = fraction.parse::<f64>().ok()? * 1e6;
    // Rounded text is a whole number, which a cast would have to promise.
    format!("{ppm:.0}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_valid_and_every_synonym_is_a_broker_key() {
        for key in TOPIC_KEYS {
            assert_eq!(key.kind.check(key.name, key.default), Ok(()));
            for (name, _) in key.synonyms {
                assert!(crate::config::broker::find(name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn a_topic_that_says_nothing_has_kafkas_defaults() {
        assert_eq!(resolve(&Config::default(), &Overrides::new()), LogConfig::default());
    }

    #[test]
    fn the_topic_goes_before_the_broker_and_smaller_units_before_larger() {
        let file =
            "log.retention.hours=1\nlog.retention.minutes=2\nlog.roll.hours=3\nlog.retention.bytes=5\n";
        let config = Config::from_properties(file).unwrap();
        let own = Overrides::from([("retention.bytes".to_owned(), "7".to_owned())]);
        let log = resolve(&config, &own);
        assert_eq!((log.retention_ms, log.segment_ms, log.retention_bytes), (120_000, 10_800_000, 7));
    }

    #[test]
    fn an_entry_says_where_its_value_comes_from() {
        let config = Config::from_properties("log.retention.hours=1").unwrap();
        let own = Overrides::from([("segment.bytes".to_owned(), "1000".to_owned())]);
        let by_name = |name: &str| entries(&config, &own).find(|entry| entry.name == name).unwrap();
        let retention = by_name("retention.ms");
        assert_eq!((retention.value.as_deref(), retention.source), (Some("3600000"), Source::BrokerFile));
        let names: Vec<_> =
            retention.synonyms.iter().map(|s| (s.name.as_str(), s.value.as_deref().unwrap())).collect();
        assert_eq!(names, [("log.retention.hours", "1"), ("log.retention.hours", "168")]);
        assert_eq!(by_name("segment.bytes").source, Source::Topic);
        assert_eq!(by_name("cleanup.policy").source, Source::Default);
    }

    #[test]
    fn negative_hours_keep_for_ever() {
        let config = Config::from_properties("log.retention.hours=-5").unwrap();
        assert_eq!(resolve(&config, &Overrides::new()).retention_ms, -1);
    }
}
