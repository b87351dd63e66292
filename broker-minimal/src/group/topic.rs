//! The topic that groups are kept in, and which of its partitions a group belongs to.

use kinglet_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};

use crate::config::Config;

/// Its name.
pub(crate) const NAME: &str = "__consumer_offsets";

/// What is created when the first group looks for its coordinator. A broker alone has one replica of it; a cluster waits for as many
/// brokers as there shall be replicas, as in Kafka.
pub(crate) fn creatable(config: &Config) -> CreatableTopic {
    let entry =
        |name: &str, value: String| CreatableTopicConfig { name: name.to_owned(), value: Some(value) };
    let wanted = i16::try_from(config.number("offsets.topic.replication.factor")).unwrap_or(i16::MAX);
    CreatableTopic {
        name: NAME.to_owned(),
        num_partitions: i32::try_from(config.number("offsets.topic.num.partitions")).unwrap_or(i32::MAX),
        replication_factor: if config.quorum.is_some() { wanted } else { 1 },
        configs: vec![
            entry("cleanup.policy", "compact".to_owned()),
            entry("compression.type", "producer".to_owned()),
            entry("segment.bytes", config.number("offsets.topic.segment.bytes").to_string()),
        ],
        ..Default::default()
    }
}

/// The partition of a group, by Java's hash of its name: every broker must come to the same one.
pub(crate) fn partition_of(group: &str, partitions: usize) -> Option<i32> {
    let hash =
        group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // As Kafka has it: the one number without an absolute value counts as 0.
    let hash = hash.checked_abs().unwrap_or(0);
    let count = i32::try_from(partitions).ok().filter(|count| *count > 0)?;
    Some(hash % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_partition_is_that_of_java() {
        // "polygenelubricants".hashCode() is Integer.MIN_VALUE.
        assert_eq!(partition_of("polygenelubricants", 50), Some(0));
        assert_eq!(partition_of("", 50), Some(0));
        assert_eq!(partition_of("a", 50), Some(97 % 50));
        assert_eq!(partition_of("ab", 50), Some((97 * 31 + 98) % 50));
        // U+1F600 is two units in Java.
        assert_eq!(partition_of("\u{1F600}", 50), Some((0xD83D * 31 + 0xDE00) % 50));
        assert_eq!(partition_of("g", 0), None);
    }

    #[test]
    fn a_broker_alone_has_no_replicas_elsewhere() {
        let topic = creatable(&Config::default());
        assert_eq!((topic.num_partitions, topic.replication_factor), (50, 1));
        let text = "controller.quorum.bootstrap.servers=a:1,b:2,c:3";
        assert_eq!(creatable(&Config::from_properties(text).unwrap()).replication_factor, 3);
    }
}
