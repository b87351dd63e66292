//! The recorded output of kafka-topics 4.3.1 against three nodes is the measure.

use super::*;

fn id(text: &str) -> Option<Uuid> {
    Some(text.parse().expect("a topic id"))
}

fn partition(index: i32, leader: Option<i32>, replicas: &[i32], isr: &[i32]) -> Partition {
    Partition {
        index,
        leader,
        replicas: replicas.to_vec(),
        isr: isr.to_vec(),
        elr: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
    }
}

/// The 33 topic settings of a 4.3.1 broker, of which some are set.
fn configs(set: &[(&str, &str)]) -> Vec<Config> {
    const NAMES: [&str; 33] = [
        "compression.type",
        "remote.log.delete.on.disable",
        "leader.replication.throttled.replicas",
        "remote.storage.enable",
        "message.downconversion.enable",
        "min.insync.replicas",
        "segment.jitter.ms",
        "local.retention.ms",
        "cleanup.policy",
        "flush.ms",
        "follower.replication.throttled.replicas",
        "compression.lz4.level",
        "segment.bytes",
        "retention.ms",
        "compression.gzip.level",
        "flush.messages",
        "compression.zstd.level",
        "message.format.version",
        "max.compaction.lag.ms",
        "file.delete.delay.ms",
        "max.message.bytes",
        "min.compaction.lag.ms",
        "message.timestamp.type",
        "local.retention.bytes",
        "preallocate",
        "min.cleanable.dirty.ratio",
        "index.interval.bytes",
        "unclean.leader.election.enable",
        "retention.bytes",
        "delete.retention.ms",
        "message.timestamp.after.max.ms",
        "message.timestamp.before.max.ms",
        "segment.ms",
    ];
    let value = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    NAMES
        .iter()
        .map(|name| Config {
            name: (*name).to_owned(),
            is_override: value(name).is_some(),
            value: value(name).unwrap_or_default(),
        })
        .collect()
}

fn t3() -> Topic {
    Topic {
        name: "t3".to_owned(),
        id: id("HcQtgME_QIWOS7lv2CqhlQ"),
        partitions: vec![
            partition(0, Some(1), &[1, 2, 3], &[1, 2, 3]),
            partition(1, Some(2), &[2, 3, 1], &[2, 3, 1]),
            partition(2, Some(3), &[3, 1, 2], &[3, 1, 2]),
        ],
        configs: configs(&[("segment.bytes", "1073741824"), ("min.insync.replicas", "1")]),
    }
}

fn cfg() -> Topic {
    Topic {
        name: "cfg".to_owned(),
        id: id("IEtBgajrQaCA5tsjAI2B6g"),
        partitions: vec![partition(0, Some(3), &[3, 1], &[3, 1]), partition(1, Some(1), &[1, 2], &[1, 2])],
        configs: configs(&[
            ("retention.ms", "3600000"),
            ("cleanup.policy", "compact"),
            ("segment.bytes", "1073741824"),
            ("min.insync.replicas", "1"),
        ]),
    }
}

fn as_kafka(topics: &[Topic], filter: DescribeFilter) -> String {
    describe(topics, &[1, 2, 3], filter, Shape::Kafka)
}

#[test]
fn a_topic_is_described_as_kafka_does() {
    assert_eq!(
        as_kafka(&[t3()], DescribeFilter::default()),
        "Topic: t3\tTopicId: HcQtgME_QIWOS7lv2CqhlQ\tPartitionCount: 3\tReplicationFactor: 3\tConfigs: min.insync.replicas=1,segment.bytes=1073741824\n\
         \tTopic: t3\tPartition: 0\tLeader: 1\tReplicas: 1,2,3\tIsr: 1,2,3\tElr: \tLastKnownElr: \n\
         \tTopic: t3\tPartition: 1\tLeader: 2\tReplicas: 2,3,1\tIsr: 2,3,1\tElr: \tLastKnownElr: \n\
         \tTopic: t3\tPartition: 2\tLeader: 3\tReplicas: 3,1,2\tIsr: 3,1,2\tElr: \tLastKnownElr: \n"
    );
}

#[test]
fn configurations_stand_in_the_order_of_kafkas_hash_map() {
    let text = as_kafka(&[cfg()], DescribeFilter { overrides_only: true, ..DescribeFilter::default() });

    assert_eq!(
        text,
        "Topic: cfg\tTopicId: IEtBgajrQaCA5tsjAI2B6g\tPartitionCount: 2\tReplicationFactor: 2\t\
         Configs: min.insync.replicas=1,cleanup.policy=compact,segment.bytes=1073741824,retention.ms=3600000\n"
    );
}

#[test]
fn topics_stand_in_the_order_of_kafkas_hash_map() {
    let names = ["cfg", "defaults", "manual", "my.topic_x", "t3"];

    let order: Vec<&str> = java_map_order(&names, names.len()).into_iter().map(|i| names[i]).collect();

    assert_eq!(order, ["defaults", "manual", "cfg", "my.topic_x", "t3"]);
}

#[test]
fn a_topic_without_leader_id_and_elr_is_described_as_kafka_does() {
    let lost =
        Partition { elr: Some(vec![3]), last_known_elr: Some(vec![3]), ..partition(0, None, &[3], &[]) };
    let topic =
        Topic { name: "autocreated".to_owned(), id: None, partitions: vec![lost], configs: Vec::new() };
    let filter = DescribeFilter { unavailable: true, ..DescribeFilter::default() };
    assert_eq!(
        as_kafka(std::slice::from_ref(&topic), filter),
        "\tTopic: autocreated\tPartition: 0\tLeader: none\tReplicas: 3\tIsr: \tElr: 3\tLastKnownElr: 3\n"
    );

    let old = Partition { elr: None, last_known_elr: None, ..partition(0, Some(1), &[1], &[1]) };
    let topic = Topic { partitions: vec![old], ..topic };
    assert_eq!(
        as_kafka(&[topic], DescribeFilter::default()),
        "Topic: autocreated\tPartitionCount: 1\tReplicationFactor: 1\tConfigs: \n\
         \tTopic: autocreated\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: N/A\tLastKnownElr: N/A\n"
    );
}

#[test]
fn an_empty_list_is_one_empty_line_as_in_kafka() {
    assert_eq!(list(&[], Shape::Kafka), "\n");
    assert_eq!(list(&["cfg", "defaults"], Shape::Kafka), "cfg\ndefaults\n");
    assert_eq!(list(&[], Shape::Human), "");
}

#[test]
fn create_says_what_kafka_says() {
    assert_eq!(created("t3", Shape::Kafka), "Created topic t3.\n");
    assert!(
        collision_warning("my.topic_x")
            .is_some_and(|text| text.ends_with("it is best to use either, but not both."))
    );
    assert_eq!(collision_warning("t3"), None);
}

#[test]
fn json_has_a_schema_and_raw_numbers() {
    let parsed: Value =
        serde_json::from_str(&describe(&[t3()], &[1, 2, 3], DescribeFilter::default(), Shape::Json))
            .expect("JSON");

    assert_eq!(parsed["schema"], "kinglet/topics.describe/v1");
    assert_eq!(parsed["topics"][0]["partitions"][2]["replicas"], json!([3, 1, 2]));
    assert_eq!(parsed["topics"][0]["configs"]["segment.bytes"], "1073741824");
}

#[test]
fn a_person_sees_a_mark_where_replicas_are_missing() {
    let topic = Topic { partitions: vec![partition(0, Some(1), &[1, 2], &[1])], configs: Vec::new(), ..t3() };

    let text = describe(&[topic], &[1], DescribeFilter::default(), Shape::Human);

    assert_eq!(
        text,
        "t3  id HcQtgME_QIWOS7lv2CqhlQ  partitions 1  replication 2\nPARTITION  LEADER  REPLICAS  ISR\n0          1       1,2       1!\n"
    );
}
