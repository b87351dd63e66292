//! The small files beside a log, in Kafka's formats: index entries, checkpoints, ids, and the names of segments.
//!
//! Bytes and text in, values out, and back; who reads and writes the files, and how durably, is the caller's
//! affair. The broker and the dump tool share these.

use std::fmt::Write;

use crate::wire::Uuid;

const CHECKPOINT_VERSION: &str = "0";

/// One entry of an `.index` file: a batch's offset and where it lies in the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetIndexEntry {
    /// Offset minus the base offset of the segment.
    pub relative_offset: i32,
    /// Byte position in the `.log` file.
    pub position: i32,
}

impl OffsetIndexEntry {
    /// Bytes of an entry.
    pub const LEN: usize = 8;

    /// The entry as it lies on disk.
    pub fn encode(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..4].copy_from_slice(&self.relative_offset.to_be_bytes());
        out[4..].copy_from_slice(&self.position.to_be_bytes());
        out
    }

    /// Reads one entry.
    pub fn decode(bytes: &[u8; Self::LEN]) -> Self {
        let [o0, o1, o2, o3, p0, p1, p2, p3] = *bytes;
        Self {
            relative_offset: i32::from_be_bytes([o0, o1, o2, o3]),
            position: i32::from_be_bytes([p0, p1, p2, p3]),
        }
    }

    /// All entries of a file, without a cut-off one at its end. An open index ends in zeros, which come as entries.
    pub fn entries(file: &[u8]) -> impl ExactSizeIterator<Item = Self> {
        file.as_chunks().0.iter().map(Self::decode)
    }
}

/// One entry of a `.timeindex` file: no record up to the offset is later than the timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeIndexEntry {
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Offset minus the base offset of the segment.
    pub relative_offset: i32,
}

impl TimeIndexEntry {
    /// Bytes of an entry.
    pub const LEN: usize = 12;

    /// The entry as it lies on disk.
    pub fn encode(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..8].copy_from_slice(&self.timestamp.to_be_bytes());
        out[8..].copy_from_slice(&self.relative_offset.to_be_bytes());
        out
    }

    /// Reads one entry.
    pub fn decode(bytes: &[u8; Self::LEN]) -> Self {
        let [t0, t1, t2, t3, t4, t5, t6, t7, o0, o1, o2, o3] = *bytes;
        Self {
            timestamp: i64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
            relative_offset: i32::from_be_bytes([o0, o1, o2, o3]),
        }
    }

    /// All entries of a file, without a cut-off one at its end. An open index ends in zeros, which come as entries.
    pub fn entries(file: &[u8]) -> impl ExactSizeIterator<Item = Self> {
        file.as_chunks().0.iter().map(Self::decode)
    }
}

/// One line of `leader-epoch-checkpoint`: from which offset on a leader wrote (KIP-101).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    /// The leader's epoch.
    pub epoch: i32,
    /// The first offset of that epoch.
    pub start_offset: i64,
}

/// One line of `recovery-point-offset-checkpoint`, `replication-offset-checkpoint` and their like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetEntry {
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// What the file keeps about it.
    pub offset: i64,
}

/// The text of `leader-epoch-checkpoint`.
pub fn write_epochs(entries: &[EpochEntry]) -> String {
    checkpoint(entries.iter().map(|e| format!("{} {}", e.epoch, e.start_offset)))
}

/// Reads `leader-epoch-checkpoint`.
pub fn parse_epochs(text: &str) -> Result<Vec<EpochEntry>, FileError> {
    parse_checkpoint(text, "\"<epoch> <start offset>\"", |line| {
        let (epoch, start_offset) = line.split_once(' ')?;
        Some(EpochEntry { epoch: epoch.parse().ok()?, start_offset: start_offset.parse().ok()? })
    })
}

/// The text of an offset checkpoint.
pub fn write_offsets<'a>(entries: impl ExactSizeIterator<Item = &'a OffsetEntry>) -> String {
    checkpoint(entries.map(|e| format!("{} {} {}", e.topic, e.partition, e.offset)))
}

/// Reads an offset checkpoint.
pub fn parse_offsets(text: &str) -> Result<Vec<OffsetEntry>, FileError> {
    parse_checkpoint(text, "\"<topic> <partition> <offset>\"", |line| {
        let mut words = line.split(' ');
        let (topic, partition, offset) = (words.next()?, words.next()?, words.next()?);
        let entry = OffsetEntry {
            topic: topic.to_owned(),
            partition: partition.parse().ok()?,
            offset: offset.parse().ok()?,
        };
        words.next().is_none().then_some(entry)
    })
}

/// The text of `partition.metadata`, which ties a directory to a topic's id (KIP-516).
pub fn write_partition_metadata(topic_id: Uuid) -> String {
    format!("version: 0\ntopic_id: {topic_id}")
}

/// Reads `partition.metadata`.
pub fn parse_partition_metadata(text: &str) -> Result<Uuid, FileError> {
    let mut lines = Lines::new(text);
    lines.expect("\"version: 0\"", |line| (line == "version: 0").then_some(()))?;
    lines.expect("\"topic_id: <22 base64 characters>\"", |line| line.strip_prefix("topic_id: ")?.parse().ok())
}

/// `meta.properties`: whose a log directory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// The broker's id.
    pub node_id: i32,
    /// The directory's own id (KIP-858); Kafka before 3.7 wrote none.
    pub directory_id: Option<Uuid>,
    /// The cluster's id.
    pub cluster_id: String,
}

impl MetaProperties {
    /// The file's text.
    pub fn write(&self) -> String {
        let mut text = String::from("#\n");
        let mut put = |key: &str, value: &dyn std::fmt::Display| {
            writeln!(text, "{key}={value}").expect("writing to a String does not fail");
        };
        put("cluster.id", &self.cluster_id);
        if let Some(id) = &self.directory_id {
            put("directory.id", id);
        }
        put("node.id", &self.node_id);
        put("version", &1);
        text
    }

    /// Reads version 1 of the file. Version 0 (`broker.id`) is of clusters with ZooKeeper and is refused.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let mut lines = Lines::new(text);
        let (mut version, mut node_id, mut directory_id, mut cluster_id) = (None, None, None, None);
        while let Some(line) = lines.next() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            let (key, value) = line.split_once('=').ok_or_else(|| lines.error("\"<key>=<value>\""))?;
            let value = value.trim();
            match key.trim_end() {
                "version" if value == "1" => version = Some(()),
                "version" => return Err(lines.error("\"version=1\"")),
                "node.id" => node_id = Some(value.parse().map_err(|_| lines.error("a number"))?),
                "directory.id" => directory_id = Some(value.parse().map_err(|_| lines.error("an id"))?),
                "cluster.id" => cluster_id = Some(value.to_owned()),
                // Keys of later releases are not ours to judge.
                _ => {}
            }
        }
        let missing = |key| FileError { line: lines.number + 1, content: String::new(), expected: key };
        version.ok_or_else(|| missing("\"version=1\""))?;
        Ok(Self {
            node_id: node_id.ok_or_else(|| missing("\"node.id=<number>\""))?,
            directory_id,
            cluster_id: cluster_id.ok_or_else(|| missing("\"cluster.id=<id>\""))?,
        })
    }
}

/// The name of a segment's file: its base offset in 20 digits, and a suffix such as `log` or `timeindex`.
pub fn segment_file_name(base_offset: i64, suffix: &str) -> String {
    format!("{base_offset:020}.{suffix}")
}

/// Base offset and suffix of a segment's file; `None` for any other name.
pub fn parse_segment_file_name(name: &str) -> Option<(i64, &str)> {
    let (digits, suffix) = name.split_once('.')?;
    if digits.len() != 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, suffix))
}

/// A line that does not belong in such a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}, found {content:?}")]
pub struct FileError {
    /// Counted from 1.
    pub line: usize,
    /// What the line says; empty behind the end of the file.
    pub content: String,
    /// What should be there.
    pub expected: &'static str,
}

/// Version, number of entries, and a line for each.
fn checkpoint(entries: impl ExactSizeIterator<Item = String>) -> String {
    let mut text = format!("{CHECKPOINT_VERSION}\n{}\n", entries.len());
    for entry in entries {
        text.push_str(&entry);
        text.push('\n');
    }
    text
}

fn parse_checkpoint<T>(
    text: &str,
    expected: &'static str,
    entry: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, FileError> {
    let mut lines = Lines::new(text);
    lines.expect("version \"0\"", |line| (line == CHECKPOINT_VERSION).then_some(()))?;
    let count: usize = lines.expect("the number of entries", |line| line.parse().ok())?;
    // A half-written file must not pass for a shorter one, nor is its count a size to allocate.
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(lines.expect(expected, &entry)?);
    }
    match lines.next() {
        Some(_) => Err(lines.error("the end of the file")),
        None => Ok(entries),
    }
}

/// Lines that know their number, for errors.
struct Lines<'a> {
    lines: std::str::Lines<'a>,
    number: usize,
    current: &'a str,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self { lines: text.lines(), number: 0, current: "" }
    }

    fn next(&mut self) -> Option<&'a str> {
        let line = self.lines.next();
        self.number += 1;
        self.current = line.unwrap_or_default();
        line
    }

    fn expect<T>(
        &mut self,
        expected: &'static str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, FileError> {
        self.next().and_then(parse).ok_or_else(|| self.error(expected))
    }

    fn error(&self, expected: &'static str) -> FileError {
        FileError { line: self.number, content: self.current.to_owned(), expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_entries_are_big_endian_and_a_cut_off_one_is_not_read() {
        let entry = OffsetIndexEntry { relative_offset: 7, position: 4096 };
        assert_eq!(entry.encode(), [0, 0, 0, 7, 0, 0, 16, 0]);
        let mut file = [entry.encode(), entry.encode()].concat();
        file.push(1);
        assert_eq!(OffsetIndexEntry::entries(&file).collect::<Vec<_>>(), [entry, entry]);

        let entry = TimeIndexEntry { timestamp: 1_700_000_000_000, relative_offset: 9 };
        assert_eq!(entry.encode(), [0, 0, 1, 0x8b, 0xcf, 0xe5, 0x68, 0, 0, 0, 0, 9]);
        assert_eq!(TimeIndexEntry::entries(&entry.encode()).collect::<Vec<_>>(), [entry]);
    }

    #[test]
    fn checkpoints_come_back_as_kafka_writes_them() {
        let epochs = [EpochEntry { epoch: 0, start_offset: 0 }, EpochEntry { epoch: 3, start_offset: 4711 }];
        let text = "0\n2\n0 0\n3 4711\n";
        assert_eq!(write_epochs(&epochs), text);
        assert_eq!(parse_epochs(text).unwrap(), epochs);

        let offsets = [OffsetEntry { topic: "logs.web-1".into(), partition: 2, offset: 1 << 40 }];
        let text = "0\n1\nlogs.web-1 2 1099511627776\n";
        assert_eq!(write_offsets(offsets.iter()), text);
        assert_eq!(parse_offsets(text).unwrap(), offsets);
    }

    #[test]
    fn a_broken_checkpoint_names_line_and_content() {
        let error = |text| parse_offsets(text).unwrap_err().to_string();
        assert_eq!(error(""), r#"line 1: expected version "0", found """#);
        assert_eq!(error("1\n0\n"), r#"line 1: expected version "0", found "1""#);
        assert_eq!(error("0\nmany\n"), r#"line 2: expected the number of entries, found "many""#);
        let expected = r#"expected "<topic> <partition> <offset>", found"#;
        assert_eq!(error("0\n9999999999\na 0 1\n"), format!(r#"line 4: {expected} """#));
        assert_eq!(error("0\n1\na 0 x\n"), format!(r#"line 3: {expected} "a 0 x""#));
        assert_eq!(error("0\n1\na 0 1 2\n"), format!(r#"line 3: {expected} "a 0 1 2""#));
        assert_eq!(error("0\n0\na 0 1\n"), r#"line 3: expected the end of the file, found "a 0 1""#);
    }

    #[test]
    fn ids_come_back() {
        let id = Uuid([0x11; 16]);
        let text = write_partition_metadata(id);
        assert_eq!(text, format!("version: 0\ntopic_id: {id}"));
        assert_eq!(parse_partition_metadata(&text).unwrap(), id);
        assert_eq!(parse_partition_metadata("version: 1\n").unwrap_err().line, 1);

        let meta = MetaProperties {
            node_id: 1,
            directory_id: Some(id),
            cluster_id: "4L6g3nShT-eMCtK--X86sw".into(),
        };
        assert_eq!(MetaProperties::parse(&meta.write()).unwrap(), meta);
    }

    #[test]
    fn meta_properties_of_kafka_are_read_and_broken_ones_named() {
        let kafka =
            "#\n#Sat Nov 21 08:27:00 UTC 2026\ncluster.id=abc\nnode.id=5\nsome.new.key=1\nversion=1\n";
        let meta = MetaProperties::parse(kafka).unwrap();
        assert_eq!((meta.node_id, meta.directory_id, meta.cluster_id.as_str()), (5, None, "abc"));
        let error = |text| MetaProperties::parse(text).unwrap_err().to_string();
        assert_eq!(error("version=0\nbroker.id=1\n"), r#"line 1: expected "version=1", found "version=0""#);
        assert_eq!(error("version=1\nnode.id=x\n"), r#"line 2: expected a number, found "node.id=x""#);
        assert_eq!(error("version=1\ncluster.id=a\n"), r#"line 4: expected "node.id=<number>", found """#);
    }

    #[test]
    fn segment_names_have_twenty_digits() {
        assert_eq!(segment_file_name(4711, "log"), "00000000000000004711.log");
        assert_eq!(parse_segment_file_name("00000000000000004711.timeindex"), Some((4711, "timeindex")));
        assert_eq!(parse_segment_file_name("00000000000000004711.log.deleted"), Some((4711, "log.deleted")));
        for other in
            ["4711.log", "leader-epoch-checkpoint", "+0000000000000004711.log", "99999999999999999999.log"]
        {
            assert_eq!(parse_segment_file_name(other), None, "{other}");
        }
    }
}
