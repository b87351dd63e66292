//! The values that everybody sends, and what must come back of them.

use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use peers_kit::Tally;
use tempfile::TempDir;

/// Different values: their bytes fit the processor's cache, and no two of a codec's window are the same.
const VALUES: usize = 4096;
/// Text of numbers and a few words: codecs find about half of it.
const WORDS: &[&str] = &[
    "order",
    "created",
    "paid",
    "shipped",
    "customer",
    "price",
    "currency",
    "EUR",
    "warehouse",
    "berlin",
    "item",
    "quantity",
    "status",
    "pending",
    "address",
    "street",
];

/// Files of values, one for each size.
#[derive(Debug)]
pub(crate) struct Values {
    dir: TempDir,
}

/// How many records, and the sum of their values' hashes: the same for the same records in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Multiset {
    pub(crate) count: u64,
    sum: u128,
}

impl Values {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { dir: tempfile::Builder::new().prefix("peers-values-").tempdir()? })
    }

    /// The file of values of this size.
    pub(crate) fn file(&self, size: usize) -> io::Result<PathBuf> {
        let path = self.dir.path().join(size.to_string());
        if !path.exists() {
            std::fs::write(&path, values(size).concat())?;
        }
        Ok(path)
    }

    /// What a topic holds after a warm-up and the records that count.
    pub(crate) fn expected(path: &Path, size: usize, warm_up: u64, records: u64) -> io::Result<Multiset> {
        let bytes = std::fs::read(path)?;
        let hashes: Vec<u128> = bytes.chunks_exact(size).map(hash).collect();
        let mut expected = Multiset::default();
        for count in [warm_up, records] {
            for (hash, _) in hashes.iter().cycle().zip(0..count) {
                expected.count += 1;
                expected.sum = expected.sum.wrapping_add(*hash);
            }
        }
        Ok(expected)
    }
}

/// What a consumer has read that was given the first `count` records.
pub(crate) fn tally(path: &Path, size: usize, count: u64) -> io::Result<Tally> {
    let bytes = std::fs::read(path)?;
    let mut tally = Tally::default();
    for (value, _) in bytes.chunks_exact(size).cycle().zip(0..count) {
        tally.add(value);
    }
    Ok(tally)
}

impl Multiset {
    pub(crate) fn add(&mut self, value: &[u8]) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash(value));
    }
}

/// Writes as much to a file that goes again. A virtual machine gets memory that lay free back from its host page by page, which
/// would be added to the work of whoever comes first.
pub(crate) fn touch_memory(bytes: u64) -> io::Result<()> {
    let mut file = tempfile::tempfile()?;
    let block = vec![0; 1 << 20];
    for _ in 0..=bytes >> 20 {
        file.write_all(&block)?;
    }
    Ok(())
}

fn values(size: usize) -> Vec<Vec<u8>> {
    let mut state = 0x6b69_6e67_6c65_7431_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut value = |_| {
        let mut text = Vec::with_capacity(size + 32);
        while text.len() < size {
            let (number, word) = (next(), next());
            let word = usize::try_from(word).ok().and_then(|word| WORDS.get(word % WORDS.len()));
            text.extend(format!("{} {number:x} ", word.copied().unwrap_or_default()).into_bytes());
        }
        text.truncate(size);
        text
    };
    (0..VALUES).map(&mut value).collect()
}

fn hash(value: &[u8]) -> u128 {
    let half = |half: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(half);
        hasher.write(value);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}
