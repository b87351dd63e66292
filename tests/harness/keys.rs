//! Random keys, and which partition each of them went to.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::process::{Input, run_ok};
use crate::tools::Tools;

const LIMIT: Duration = Duration::from_secs(120);

/// A file of lines `key<TAB>v`, as the console producers read them with `parse.key=true`.
#[derive(Debug)]
pub struct KeyFile {
    file: tempfile::NamedTempFile,
    count: usize,
}

impl KeyFile {
    /// `count` different keys of 1 to 40 characters, some of them of several bytes. The seed is printed; `KINGLET_SEED` sets it.
    ///
    /// # Errors
    /// When the file cannot be written.
    #[expect(clippy::disallowed_methods, reason = "a test's seed comes from anywhere, and is printed")]
    pub fn new(count: usize) -> io::Result<Self> {
        let seed = std::env::var("KINGLET_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed: u64 = seed.unwrap_or_else(|| rand::rng().random());
        println!("KINGLET_SEED={seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        let mut text = String::new();
        for index in 0..count {
            let len = rng.random_range(1..=40);
            let key: String = (0..len).map(|_| rng.random_range('!'..='\u{3ff}')).collect();
            // The number makes it a key of its own; control characters would end the line or the key.
            let key: String = key.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
            text += &format!("{key}{index}\tv\n");
        }
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), text)?;
        Ok(Self { file, count })
    }

    /// Where it lies.
    pub fn path(&self) -> PathBuf {
        self.file.path().to_owned()
    }

    /// The partition of each key in a topic that holds each of them once, as `kconsume` reads it.
    ///
    /// # Panics
    /// When `kconsume` fails, or a key is missing or there twice.
    pub fn places(&self, tools: &Tools, topic: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut kconsume = tools.command("kconsume");
        kconsume.args(["--topic", topic, "--from-beginning", "--max-messages", &self.count.to_string()]);
        kconsume.args(["--property", "print.partition=true", "--property", "print.key=true"]);
        let read = run_ok(&mut kconsume, Input::Nothing, LIMIT).expect("kconsume").stdout;
        let mut places = BTreeMap::new();
        for line in crate::text::lines(&read) {
            let mut columns = line.split(|byte| *byte == b'\t');
            let (Some(partition), Some(key)) = (columns.next(), columns.next()) else {
                panic!("{:?} has no key", String::from_utf8_lossy(line));
            };
            let before = places.insert(key.to_owned(), partition.to_owned());
            assert!(before.is_none(), "{} came twice", String::from_utf8_lossy(key));
        }
        assert_eq!(places.len(), self.count);
        places
    }
}
