//! What is moved through the brokers: lines with headers, keys and values, some of them null, as far as a release has them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use kinglet_harness::kafka::Release;
use kinglet_harness::text::{LineSet, lines, write_lines};

/// Enough for several batches in each partition, few enough for a quick test.
const COUNT: usize = 2_000;

/// The lines, on disk and in memory.
pub(crate) struct Material {
    /// `headers TAB key TAB value`, for the Java client.
    pub(crate) java_file: PathBuf,
    /// What `kproduce` reads: the same, without the headers when the release has none.
    pub(crate) our_file: PathBuf,
    /// As a consumer prints the content of each record, in the order of the files.
    pub(crate) shown: Vec<String>,
    pub(crate) has_headers: bool,
    pub(crate) has_timestamps: bool,
}

impl Material {
    pub(crate) fn write(folder: &Path, release: Release) -> io::Result<Self> {
        let values = folder.join("values");
        write_lines(&values, u64::try_from(COUNT).expect("a small number"))?;
        let values = std::fs::read(values)?;
        let has_headers = release >= Release::V0_11;
        let mut material = Self {
            java_file: folder.join("java-lines"),
            our_file: folder.join("our-lines"),
            shown: Vec::with_capacity(COUNT),
            has_headers,
            has_timestamps: release >= Release::V0_11,
        };
        let mut java_file = io::BufWriter::new(std::fs::File::create(&material.java_file)?);
        let mut our_file = io::BufWriter::new(std::fs::File::create(&material.our_file)?);
        for (number, value) in lines(&values).enumerate() {
            let value = String::from_utf8_lossy(value);
            // Key or value may be null, not both: no two records are the same.
            let is_null = [number % 5 == 2, number % 97 == 5 && number % 5 != 2];
            let value = if is_null[1] { "null" } else { &value };
            let key = if is_null[0] { "null".to_owned() } else { format!("key {number} größer") };
            let headers = match number % 3 {
                0 => "null".to_owned(),
                1 => format!("one:{number}"),
                _ => format!("a:1,a:été,none:null,n:{number}"),
            };
            writeln!(java_file, "{headers}\t{key}\t{value}")?;
            if has_headers {
                writeln!(our_file, "{headers}\t{key}\t{value}")?;
                let headers = if headers == "null" { "NO_HEADERS" } else { &headers };
                material.shown.push(format!("{headers}\t{key}\t{value}"));
            } else {
                writeln!(our_file, "{key}\t{value}")?;
                material.shown.push(format!("{key}\t{value}"));
            }
        }
        java_file.flush()?;
        our_file.flush()?;
        Ok(material)
    }

    pub(crate) fn count(&self) -> usize {
        self.shown.len()
    }
}

/// One line of a consumer's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// `CreateTime:…` or `LogAppendTime:…`; empty when the release has no timestamps.
    pub(crate) timestamp: String,
    pub(crate) partition: usize,
    pub(crate) offset: u64,
    /// Headers, key and value.
    pub(crate) content: String,
}

impl Row {
    /// Reads `[timestamp TAB] Partition:n TAB Offset:n TAB content`.
    pub(crate) fn all(text: &[u8], has_timestamps: bool) -> Result<Vec<Self>, String> {
        lines(text).map(|line| Self::of(&String::from_utf8_lossy(line), has_timestamps)).collect()
    }

    fn of(line: &str, has_timestamps: bool) -> Result<Self, String> {
        let parse = || {
            let (timestamp, rest) = if has_timestamps { line.split_once('\t')? } else { ("", line) };
            let (partition, rest) = rest.strip_prefix("Partition:")?.split_once('\t')?;
            let (offset, content) = rest.strip_prefix("Offset:")?.split_once('\t')?;
            Some(Self {
                timestamp: timestamp.to_owned(),
                partition: partition.parse().ok()?,
                offset: offset.parse().ok()?,
                content: content.to_owned(),
            })
        };
        parse().ok_or_else(|| format!("no record's line: {line:?}"))
    }
}

/// The rows of each partition; their offsets count from 0 without a gap.
pub(crate) fn by_partition(rows: Vec<Row>, count: usize) -> Result<Vec<Vec<Row>>, String> {
    let mut partitions = vec![Vec::new(); count];
    for row in rows {
        let number = row.partition;
        let rows: &mut Vec<Row> =
            partitions.get_mut(number).ok_or_else(|| format!("there is no partition {number}"))?;
        if row.offset != u64::try_from(rows.len()).unwrap_or(u64::MAX) {
            return Err(format!("partition {number}: offset {} is record {}", row.offset, rows.len()));
        }
        rows.push(row);
    }
    Ok(partitions)
}

/// The content as a multiset: count and hash.
pub(crate) fn set_of<'a>(content: impl IntoIterator<Item = &'a str>) -> LineSet {
    let mut set = LineSet::default();
    content.into_iter().for_each(|line| set.add(line.as_bytes()));
    set
}
