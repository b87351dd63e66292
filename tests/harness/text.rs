//! Files of text lines that carry their own number, and what to check when they come back:
//! the same lines as a multiset ([`LineSet`]), and their order within each partition ([`Partitions`]).

use std::fmt;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, BufWriter, Write};
use std::ops::AddAssign;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Digits of the number a line starts with.
const NUMBER_DIGITS: usize = 10;
/// A line ends with the word that reaches this many bytes; lines are 95 to 110 bytes long.
const LINE_BYTES: usize = 94;

/// Words to make lines of. Some are not ASCII: a tool that re-encodes text would be found out.
const WORDS: [&str; 48] = [
    "the",
    "of",
    "and",
    "river",
    "a",
    "to",
    "in",
    "kingfisher",
    "water",
    "light",
    "stone",
    "under",
    "with",
    "small",
    "blue",
    "wing",
    "over",
    "quiet",
    "morning",
    "reed",
    "it",
    "was",
    "he",
    "said",
    "that",
    "when",
    "fish",
    "waited",
    "branch",
    "for",
    "hours",
    "without",
    "sound",
    "Fluß",
    "été",
    "größer",
    "niño",
    "Eisvögel",
    "zimorodek",
    "翡翠",
    "вода",
    "“quoted”",
    "however,",
    "sudden",
    "silver",
    "dive.",
    "again;",
    "1887",
];

/// A file of numbered lines in a temporary folder.
#[derive(Debug)]
pub struct LineFile {
    dir: TempDir,
    lines: LineSet,
}

impl LineFile {
    /// Writes `count` lines of about 100 bytes, the same ones every time.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn new(count: u64) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("kinglet-lines-").tempdir()?;
        let lines = write_lines(&dir.path().join("lines"), count)?;
        Ok(Self { dir, lines })
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("lines")
    }

    /// What is in it.
    pub fn lines(&self) -> LineSet {
        self.lines
    }
}

/// The lines that were read from each partition of a topic, in the order they were read.
#[derive(Debug)]
pub struct Partitions(Vec<Vec<u8>>);

/// What came back is not what went in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// Lines are missing, changed or doubled.
    #[error("wrote {wanted}, read {found}; lines per partition: {counts:?}")]
    OtherLines {
        /// What was written.
        wanted: LineSet,
        /// What was read.
        found: LineSet,
        /// Lines read from each partition.
        counts: Vec<u64>,
    },
    /// The order within a partition is broken.
    #[error("partition {partition}, {source}")]
    Order {
        /// Which partition.
        partition: usize,
        /// What is wrong there.
        source: OrderError,
    },
    /// All lines are in one partition, so nothing was learned about several.
    #[error("only one partition has lines; lines per partition: {counts:?}")]
    OnePartition {
        /// Lines read from each partition.
        counts: Vec<u64>,
    },
    /// A line does not say which partition it is from.
    #[error("no `Partition:<number><TAB>` before {start:?}")]
    Unlabelled {
        /// The first bytes of the line.
        start: String,
    },
}

impl Partitions {
    /// From the outputs of one reader per partition.
    pub fn from_readers(outputs: Vec<Vec<u8>>) -> Self {
        Self(outputs)
    }

    /// From the output of one reader of all partitions that writes `Partition:<number><TAB>` before each line.
    ///
    /// # Errors
    /// When a line has no such label, or one beyond `count` partitions.
    pub fn from_labelled(text: &[u8], count: usize) -> Result<Self, ContentError> {
        let mut partitions = vec![Vec::new(); count];
        for line in lines(text) {
            let (partition, content) = split_label(line)
                .and_then(|(number, content)| Some((partitions.get_mut(number)?, content)))
                .ok_or_else(|| ContentError::Unlabelled { start: start_of(line) })?;
            partition.extend_from_slice(content);
            partition.push(b'\n');
        }
        Ok(Self(partitions))
    }

    /// Checks that these are the `wanted` lines, spread over more than one partition, ascending in each.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, wanted: LineSet) -> Result<(), ContentError> {
        let sets: Vec<LineSet> = self.0.iter().map(|text| LineSet::of(text)).collect();
        let counts: Vec<u64> = sets.iter().map(LineSet::count).collect();
        let mut found = LineSet::default();
        sets.into_iter().for_each(|set| found += set);
        if found != wanted {
            return Err(ContentError::OtherLines { wanted, found, counts });
        }
        for (partition, text) in self.0.iter().enumerate() {
            ascending(text).map_err(|source| ContentError::Order { partition, source })?;
        }
        if counts.iter().filter(|count| **count > 0).count() < 2 {
            return Err(ContentError::OnePartition { counts });
        }
        Ok(())
    }
}

/// A multiset of lines as a number: equal sets have equal values, whatever the order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineSet {
    count: u64,
    sum: u128,
}

impl LineSet {
    /// The lines of a text; a last line without line feed counts too.
    pub fn of(text: &[u8]) -> Self {
        let mut set = Self::default();
        lines(text).for_each(|line| set.add(line));
        set
    }

    /// Adds one line, given without its line feed.
    pub fn add(&mut self, line: &[u8]) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(line_hash(line));
    }

    /// Lines in the set, repeated ones as often as they are repeated.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl AddAssign for LineSet {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl fmt::Display for LineSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lines {:032x}", self.count, self.sum)
    }
}

/// Writes `count` numbered lines of about 100 bytes, the same ones every time, and returns their set.
///
/// # Errors
/// When the file cannot be written.
pub fn write_lines(path: &Path, count: u64) -> io::Result<LineSet> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut set = LineSet::default();
    let mut random = SplitMix(0x6b69_6e67_6c65_7431);
    let mut line = String::new();
    for number in 0..count {
        line.clear();
        line.push_str(&format!("{number:0width$}", width = NUMBER_DIGITS));
        while line.len() < LINE_BYTES {
            line.push(' ');
            line.push_str(random.word());
        }
        set.add(line.as_bytes());
        line.push('\n');
        file.write_all(line.as_bytes())?;
    }
    file.flush()?;
    Ok(set)
}

/// How many lines a test moves: `KINGLET_LINES`, or `default`.
pub fn lines_wanted(default: u64) -> u64 {
    std::env::var("KINGLET_LINES").ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// A line that is not where it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// The line before has the same or a higher number.
    #[error("line {at}: number {number} after {previous}")]
    NotAscending {
        /// Where, counted from 1.
        at: usize,
        /// The line's number.
        number: u64,
        /// The number of the line before it.
        previous: u64,
    },
    /// It does not start with a number.
    #[error("line {at} has no number: {start:?}")]
    NoNumber {
        /// Where, counted from 1.
        at: usize,
        /// The first bytes of the line.
        start: String,
    },
}

/// Checks that the numbers of these lines, one partition's content, ascend.
///
/// # Errors
/// The first line that breaks the order.
pub fn ascending(text: &[u8]) -> Result<(), OrderError> {
    let mut previous = None;
    for (index, line) in lines(text).enumerate() {
        let at = index + 1;
        let number = line.get(..NUMBER_DIGITS).and_then(|digits| str::from_utf8(digits).ok());
        let Some(number) = number.and_then(|digits| digits.parse::<u64>().ok()) else {
            return Err(OrderError::NoNumber { at, start: start_of(line) });
        };
        if let Some(previous) = previous.filter(|previous| *previous >= number) {
            return Err(OrderError::NotAscending { at, number, previous });
        }
        previous = Some(number);
    }
    Ok(())
}

/// The lines of a text, without their line feeds; nothing after the last line feed is no line.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

fn split_label(line: &[u8]) -> Option<(usize, &[u8])> {
    let rest = line.strip_prefix(b"Partition:")?;
    let tab = rest.iter().position(|byte| *byte == b'\t')?;
    let (number, content) = rest.split_at_checked(tab)?;
    Some((str::from_utf8(number).ok()?.parse().ok()?, content.get(1..)?))
}

fn start_of(line: &[u8]) -> String {
    String::from_utf8_lossy(line.get(..40).unwrap_or(line)).into_owned()
}

/// 128 bits, so that a sum over many millions of lines does not collide by accident.
fn line_hash(line: &[u8]) -> u128 {
    // `new` has fixed keys, so a set can be compared with one from another process.
    let [low, high] = [0_u8, 1].map(|half| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(half);
        hasher.write(line);
        u128::from(hasher.finish())
    });
    (high << 64) | low
}

/// The splitmix64 generator: small, and the same on every machine.
struct SplitMix(u64);

impl SplitMix {
    fn word(&mut self) -> &'static str {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        usize::try_from(bits % 48).ok().and_then(|index| WORDS.get(index)).copied().unwrap_or("the")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(count: u64) -> (Vec<u8>, LineSet) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        let set = write_lines(&path, count).unwrap();
        (std::fs::read(path).unwrap(), set)
    }

    #[test]
    fn written_lines_are_about_100_bytes_ascend_and_hash_to_the_returned_set() {
        let (text, set) = text_of(1_000);
        assert_eq!(LineSet::of(&text), set);
        assert_eq!(set.count(), 1_000);
        assert!((95_000..112_000).contains(&text.len()), "{}", text.len());
        ascending(&text).unwrap();
    }

    #[test]
    fn a_set_does_not_depend_on_order_but_on_every_line_and_its_repetitions() {
        assert_eq!(LineSet::of(b"a\nb\n"), LineSet::of(b"b\na"));
        assert_ne!(LineSet::of(b"a\nb\n"), LineSet::of(b"a\nc\n"));
        assert_ne!(LineSet::of(b"a\na\nb\n"), LineSet::of(b"a\nb\nb\n"));
        assert_ne!(LineSet::of(b"a\n"), LineSet::of(b"a\n\n"));
    }

    #[test]
    fn partitions_are_checked_for_content_order_and_spread() {
        let check = |labelled: &[u8]| {
            let wanted = LineSet::of(b"0000000000 a\n0000000001 b\n0000000002 c\n");
            Partitions::from_labelled(labelled, 2).and_then(|partitions| partitions.check(wanted))
        };
        check(b"Partition:1\t0000000001 b\nPartition:0\t0000000000 a\nPartition:1\t0000000002 c\n").unwrap();
        let swapped =
            check(b"Partition:1\t0000000002 c\nPartition:0\t0000000000 a\nPartition:1\t0000000001 b\n");
        assert!(matches!(swapped, Err(ContentError::Order { partition: 1, .. })), "{swapped:?}");
        let missing = check(b"Partition:1\t0000000001 b\nPartition:0\t0000000000 a\n");
        assert!(matches!(missing, Err(ContentError::OtherLines { .. })), "{missing:?}");
        let unknown = check(b"Partition:2\t0000000001 b\n");
        assert!(matches!(unknown, Err(ContentError::Unlabelled { .. })), "{unknown:?}");
    }

    #[test]
    fn exchanged_lines_are_found() {
        let error = ascending(b"0000000002 x\n0000000001 y\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: number 1 after 2");
    }
}
