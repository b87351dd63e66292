//! Records through a broker, from our producer to their consumer and the other way round.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kinglet_harness::kafka::Release;
use kinglet_harness::process::{Input, run_ok};

use crate::material::{Row, by_partition, set_of};
use crate::world::{Cell, PARTITIONS, World, says};

const LIMIT: Duration = Duration::from_secs(60);
/// Codec, acks.
const ROUNDS: [(&str, &str); 7] = [
    ("none", "all"),
    ("none", "1"),
    ("none", "0"),
    ("gzip", "all"),
    ("snappy", "all"),
    ("lz4", "all"),
    ("zstd", "all"),
];

/// The rounds that the release can pass: with a codec that it knows, and with acks=0 where the broker reads what a client
/// sent before it closed its connection. That of 0.9 drops some of it, whoever sends (KAFKA-3703).
fn rounds(world: &World) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
    let knows_zstd = world.release >= Release::V2_2;
    let reads_all = world.is_ours() || world.release > Release::V0_9;
    ROUNDS
        .into_iter()
        .filter(move |(codec, acks)| (knows_zstd || *codec != "zstd") && (reads_all || *acks != "0"))
}

/// `kproduce` writes; their consumer and `kconsume` read the same.
pub(crate) fn ours_to_java(world: &mut World) -> Cell {
    let mut passed = Vec::new();
    for (codec, acks) in rounds(world) {
        let topic = format!("ours-{codec}-{acks}");
        ours_to_java_once(world, &topic, codec, acks)
            .map_err(|error| format!("{codec}, acks {acks}: {error}"))?;
        passed.push(codec);
    }
    if world.release >= Release::V0_11 {
        log_append_time(world).map_err(|error| format!("LogAppendTime: {error}"))?;
    }
    if !world.is_ours() {
        refused_by_old_brokers(world)?;
    }
    passed.dedup();
    Ok(format!("pass ({})", passed.join(", ")))
}

/// Their producer writes; `kconsume` and their consumer read the same.
pub(crate) fn java_to_ours(world: &mut World) -> Cell {
    let mut passed = Vec::new();
    for (codec, acks) in rounds(world) {
        let topic = format!("java-{codec}-{acks}");
        java_to_ours_once(world, &topic, codec, acks)
            .map_err(|error| format!("{codec}, acks {acks}: {error}"))?;
        passed.push(codec);
    }
    passed.dedup();
    Ok(format!("pass ({})", passed.join(", ")))
}

fn ours_to_java_once(world: &mut World, topic: &str, codec: &str, acks: &str) -> Result<(), String> {
    world.make_topic(topic)?;
    let before = now_ms();
    kproduce(world, topic, codec, acks)?;
    let rows = both_read(world, topic)?;
    for row in rows.iter().flatten().filter(|row| !row.timestamp.is_empty()) {
        let sent = row.timestamp.strip_prefix("CreateTime:").and_then(|text| text.parse().ok());
        if !sent.is_some_and(|sent: u128| (before..=now_ms()).contains(&sent)) {
            return Err(format!("sent between {before} and now: {row:?}"));
        }
    }
    // Where a record goes is the producer's choice; in each partition the order is that of the file.
    let order: HashMap<&str, usize> =
        world.material.shown.iter().enumerate().map(|(number, line)| (line.as_str(), number)).collect();
    for rows in &rows {
        let numbers: Vec<Option<&usize>> = rows.iter().map(|row| order.get(row.content.as_str())).collect();
        if !numbers.is_sorted_by(|one, next| one < next) {
            return Err(format!("partition {:?} is out of order", rows.first().map(|row| row.partition)));
        }
    }
    same_content(world, &rows)
}

/// The broker's time takes the place of the producer's, also in a compressed batch that is not written anew.
fn log_append_time(world: &mut World) -> Result<(), String> {
    let topic = "log-append-time";
    let options = ["--replication-factor", "1", "--config", "message.timestamp.type=LogAppendTime"];
    world.tools.create_topic(topic, PARTITIONS, &options).map_err(|error| error.to_string())?;
    world.java.run(&["touch", topic])?;
    kproduce(world, topic, "gzip", "all")?;
    let rows = both_read(world, topic)?;
    match rows.iter().flatten().find(|row| !row.timestamp.starts_with("LogAppendTime:")) {
        Some(row) => Err(format!("{row:?}")),
        None => same_content(world, &rows),
    }
}

fn java_to_ours_once(world: &mut World, topic: &str, codec: &str, acks: &str) -> Result<(), String> {
    world.make_topic(topic)?;
    let file = world.material.java_file.display().to_string();
    let sent = world.java.run(&["produce", topic, &PARTITIONS.to_string(), codec, acks, &file])?;
    let (count, first_timestamp) = sent.split_once('\t').ok_or_else(|| sent.clone())?;
    let first_timestamp: usize = first_timestamp.parse().map_err(|error| format!("{sent}: {error}"))?;
    if count != world.material.count().to_string() {
        return Err(format!("sent {count} records of {}", world.material.count()));
    }
    let rows = both_read(world, topic)?;
    for (number, content) in world.material.shown.iter().enumerate() {
        let (partition, index) = (number % PARTITIONS, number / PARTITIONS);
        let timestamp = match world.material.has_timestamps {
            true => format!("CreateTime:{}", first_timestamp + number),
            false => String::new(),
        };
        let offset = u64::try_from(index).unwrap_or(u64::MAX);
        let wanted = Row { timestamp, partition, offset, content: content.clone() };
        if rows[partition].get(index) != Some(&wanted) {
            return Err(format!("wanted {wanted:?}, read {:?}", rows[partition].get(index)));
        }
    }
    same_content(world, &rows)
}

/// Reads all of a topic with both consumers, which must print the same.
fn both_read(world: &mut World, topic: &str) -> Result<Vec<Vec<Row>>, String> {
    let file = world.folder().join("consumed");
    let (partitions, count) = (PARTITIONS.to_string(), world.material.count().to_string());
    world.java.run(&["consume", topic, &partitions, &count, &file.display().to_string()])?;
    let text = std::fs::read(&file).map_err(|error| error.to_string())?;
    let theirs = by_partition(Row::all(&text, world.material.has_timestamps)?, PARTITIONS)
        .map_err(|error| format!("java client: {error}"))?;
    for (partition, theirs) in theirs.iter().enumerate() {
        let ours = Row::all(&kconsume(world, topic, partition)?, world.material.has_timestamps)?;
        if let Some(at) = (0..theirs.len().max(ours.len())).find(|at| theirs.get(*at) != ours.get(*at)) {
            return Err(format!(
                "{topic}-{partition}, record {at}: java client reads {:?}, kconsume {:?}",
                theirs.get(at),
                ours.get(at)
            ));
        }
    }
    Ok(theirs)
}

fn same_content(world: &World, rows: &[Vec<Row>]) -> Result<(), String> {
    let wanted = set_of(world.material.shown.iter().map(String::as_str));
    let found = set_of(rows.iter().flatten().map(|row| row.content.as_str()));
    if wanted == found { Ok(()) } else { Err(format!("wrote {wanted}, read {found}")) }
}

pub(crate) fn kproduce(world: &World, topic: &str, codec: &str, acks: &str) -> Result<(), String> {
    let mut command = world.tools.command("kproduce");
    command.args(["--topic", topic, "--compression-codec", codec, "--request-required-acks", acks]);
    command.args(["--property", "parse.key=true", "--property", "key.separator=\t"]);
    command.args(["--property", "null.marker=null"]);
    if world.material.has_headers {
        command.args(["--property", "parse.headers=true"]);
    }
    run_ok(&mut command, Input::File(&world.material.our_file), LIMIT).map_err(|error| error.to_string())?;
    Ok(())
}

fn kconsume(world: &World, topic: &str, partition: usize) -> Result<Vec<u8>, String> {
    let mut command = world.tools.command("kconsume");
    command.args(["--topic", topic, "--partition", &partition.to_string(), "--offset", "earliest"]);
    command.arg("--exit-at-end").args(printing(world));
    Ok(run_ok(&mut command, Input::Nothing, LIMIT).map_err(|error| error.to_string())?.stdout)
}

/// What makes `kconsume` print rows as the Java client writes them.
pub(crate) fn printing(world: &World) -> impl Iterator<Item = String> + use<> {
    let (timestamps, headers) = (world.material.has_timestamps, world.material.has_headers);
    let properties = [
        ("print.timestamp", timestamps),
        ("print.partition", true),
        ("print.offset", true),
        ("print.headers", headers),
        ("print.key", true),
    ];
    properties.into_iter().flat_map(|(name, wanted)| ["--property".to_owned(), format!("{name}={wanted}")])
}

/// What the records of a release cannot hold is refused with the release that can.
fn refused_by_old_brokers(world: &mut World) -> Result<(), String> {
    let topic = "refused";
    world.make_topic(topic)?;
    if world.release < Release::V2_2 {
        let zstd = ["--topic", topic, "--compression-codec", "zstd"];
        let said = world.ours_refuses("kproduce", &zstd, Input::Bytes(b"line\n"))?;
        says(&said, &["zstd", "2.1", "KIP-110"])?;
    }
    if world.release < Release::V0_11 {
        let headers = ["--topic", topic, "--property", "parse.headers=true"];
        let said = world.ours_refuses("kproduce", &headers, Input::Bytes(b"a:b\tline\n"))?;
        says(&said, &["headers", "0.11", "KIP-82"])?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "compared with timestamps of records")]
fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}
