//! What `klogdirs` prints: the lines of kafka-log-dirs byte for byte, tables for people, JSON alone.

use indicatif::BinaryBytes;
use kinglet::TopicPartition;
use kinglet::admin::{LogDirDescription, LogDirReplica};
use serde_json::{Value, json};

use crate::java::{CAPACITY, Exception, in_map_order, partition_hash, string_hash};
use crate::output::{Shape, table};

/// Directories by broker.
pub type Brokers = Vec<(i32, Vec<LogDirDescription>)>;

/// What is printed when all brokers have answered; `topics` are those whose replicas are shown, none means all.
pub fn render(brokers: &Brokers, topics: &[&str], shape: Shape) -> String {
    match shape {
        Shape::Kafka => {
            let ids: Vec<String> =
                java_order(brokers, CAPACITY).iter().map(|(id, _)| id.to_string()).collect();
            format!(
                "Querying brokers for log directories information\nReceived log directory information from brokers {}\n{}\n",
                ids.join(","),
                as_kafka(brokers, topics)
            )
        }
        Shape::Human => for_people(brokers, topics),
        Shape::Json => as_json(brokers, topics).to_string() + "\n",
    }
}

fn is_shown(at: &TopicPartition, topics: &[&str]) -> bool {
    topics.is_empty() || topics.contains(&&*at.topic)
}

/// As Java's maps have the brokers: by their ids, which are their hashes.
fn java_order(brokers: &Brokers, capacity: usize) -> Vec<&(i32, Vec<LogDirDescription>)> {
    in_map_order(brokers.iter().collect(), capacity, |(id, _)| u32::from_ne_bytes(id.to_ne_bytes()))
}

/// The document of Kafka's tool, with the keys in the order of its maps.
fn as_kafka(brokers: &Brokers, topics: &[&str]) -> String {
    let replica = |one: &&LogDirReplica| {
        let LogDirReplica { partition, size, offset_lag, is_future } = one;
        let partition = Value::from(partition.to_string());
        format!(
            "{{\"partition\":{partition},\"size\":{size},\"offsetLag\":{offset_lag},\"isFuture\":{is_future}}}"
        )
    };
    let dir = |dir: &&LogDirDescription| {
        let all = in_map_order(dir.replicas.iter().collect(), CAPACITY, |one| partition_hash(&one.partition));
        let shown = all.into_iter().filter(|one| is_shown(&one.partition, topics)).collect();
        let shown = in_map_order(shown, CAPACITY, |one: &&LogDirReplica| partition_hash(&one.partition));
        let replicas: Vec<String> = shown.iter().map(replica).collect();
        let error = dir.error.map(|code| {
            Exception::of_code(code).map_or_else(|| code.name().to_owned(), |e| e.class().to_owned())
        });
        let (error, path) = (Value::from(error), Value::from(dir.path.as_str()));
        format!("{{\"partitions\":[{}],\"error\":{error},\"logDir\":{path}}}", replicas.join(","))
    };
    let broker = |(id, dirs): &&(i32, Vec<LogDirDescription>)| {
        let dirs = in_map_order(dirs.iter().collect(), dirs.len(), |dir| string_hash(&dir.path));
        let dirs: Vec<String> = dirs.iter().map(dir).collect();
        format!("{{\"broker\":{id},\"logDirs\":[{}]}}", dirs.join(","))
    };
    let all: Vec<String> = java_order(brokers, brokers.len()).iter().map(broker).collect();
    format!("{{\"brokers\":[{}],\"version\":1}}", all.join(","))
}

fn as_json(brokers: &Brokers, topics: &[&str]) -> Value {
    let replica = |one: &LogDirReplica| {
        json!({
            "topic": &*one.partition.topic, "partition": one.partition.partition, "size": one.size,
            "offset_lag": one.offset_lag, "is_future": one.is_future,
        })
    };
    let dir = |dir: &LogDirDescription| {
        let shown = dir.replicas.iter().filter(|one| is_shown(&one.partition, topics));
        json!({
            "path": dir.path, "error": dir.error.map(|code| code.name()), "total_bytes": dir.total_bytes,
            "usable_bytes": dir.usable_bytes, "is_cordoned": dir.is_cordoned,
            "replicas": shown.map(replica).collect::<Vec<_>>(),
        })
    };
    let broker = |(id, dirs): &(i32, Vec<LogDirDescription>)| json!({"broker": id, "log_dirs": dirs.iter().map(dir).collect::<Vec<_>>()});
    json!({"schema": "kinglet/logdirs/v1", "brokers": brokers.iter().map(broker).collect::<Vec<_>>()})
}

/// A line for each directory; with topics, a line for each of their replicas behind them.
fn for_people(brokers: &Brokers, topics: &[&str]) -> String {
    let bytes = |count: i64| BinaryBytes(u64::try_from(count).unwrap_or(0)).to_string();
    let known = |count: Option<i64>| count.map_or_else(|| "-".to_owned(), bytes);
    let (mut dirs, mut replicas) = (Vec::new(), Vec::new());
    for (id, all) in brokers {
        for dir in all {
            let shown = dir.replicas.iter().filter(|one| is_shown(&one.partition, topics));
            let size = shown.clone().map(|one| one.size).sum();
            let state = match (dir.error, dir.is_cordoned) {
                (Some(code), _) => code.name(),
                (None, true) => "cordoned",
                (None, false) => "ok",
            };
            dirs.push([
                id.to_string(),
                dir.path.clone(),
                shown.clone().count().to_string(),
                bytes(size),
                known(dir.usable_bytes),
                known(dir.total_bytes),
                state.to_owned(),
            ]);
            replicas.extend(shown.map(|one| (one.partition.clone(), *id, one, &dir.path)));
        }
    }
    let mut out = table(["BROKER", "DIRECTORY", "REPLICAS", "SIZE", "FREE", "OF", "STATE"], dirs);
    if !topics.is_empty() {
        replicas.sort_by(|(a, x, ..), (b, y, ..)| (a, x).cmp(&(b, y)));
        let rows = replicas.into_iter().map(|(at, broker, one, path)| {
            let future = if one.is_future { " (moving here)" } else { "" };
            let size = bytes(one.size);
            [
                at.topic.to_string(),
                at.partition.to_string(),
                broker.to_string(),
                size,
                one.offset_lag.to_string(),
                format!("{path}{future}"),
            ]
        });
        out += "\n";
        out += &table(["TOPIC", "PARTITION", "BROKER", "SIZE", "LAG", "DIRECTORY"], rows);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers() -> Brokers {
        let replica = |topic: &str, partition| LogDirReplica {
            partition: TopicPartition::new(topic, partition),
            size: 2048,
            offset_lag: 0,
            is_future: false,
        };
        let dir = LogDirDescription {
            path: "/d".to_owned(),
            error: None,
            total_bytes: Some(4096),
            usable_bytes: None,
            is_cordoned: false,
            replicas: vec![replica("t3", 0), replica("other", 0), replica("t3", 1)],
        };
        vec![(1, vec![dir])]
    }

    #[test]
    fn only_the_replicas_of_the_topics_are_shown() {
        let document = as_json(&brokers(), &["t3"]);

        assert_eq!(document["brokers"][0]["log_dirs"][0]["replicas"].as_array().map(Vec::len), Some(2));
        let text = render(&brokers(), &["t3"], Shape::Kafka);
        let json = text.lines().nth(2).expect("the third line");
        let json: Value = serde_json::from_str(json).expect("it is JSON");
        let partitions = &json["brokers"][0]["logDirs"][0]["partitions"];
        assert_eq!(
            (&partitions[0]["partition"], &partitions[1]["partition"]),
            (&"t3-0".into(), &"t3-1".into())
        );
    }

    #[test]
    fn a_directory_that_has_failed_is_shown_as_such() {
        let mut brokers = brokers();
        let dir = &mut brokers[0].1[0];
        dir.error = Some(kinglet::protocol::ErrorCode::KAFKA_STORAGE_ERROR);
        (dir.total_bytes, dir.replicas) = (None, Vec::new());

        let kafkas = render(&brokers, &[], Shape::Kafka);
        assert!(
            kafkas.ends_with(
                "\n{\"brokers\":[{\"broker\":1,\"logDirs\":[{\"partitions\":[],\
                 \"error\":\"org.apache.kafka.common.errors.KafkaStorageException\",\"logDir\":\"/d\"}]}],\"version\":1}\n"
            ),
            "{kafkas}"
        );
        assert_eq!(as_json(&brokers, &[])["brokers"][0]["log_dirs"][0]["error"], "KAFKA_STORAGE_ERROR");
        let human = render(&brokers, &[], Shape::Human);
        assert!(
            human.ends_with("1       /d         0         0 B   -     -   KAFKA_STORAGE_ERROR\n"),
            "{human}"
        );
    }

    #[test]
    fn people_see_sizes_and_what_is_free() {
        let text = render(&brokers(), &[], Shape::Human);

        assert!(text.ends_with("1       /d         3         6.00 KiB  -     4.00 KiB  ok\n"), "{text}");
    }
}
