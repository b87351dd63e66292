//! Topics that `kbroker` has compacted: Java's consumer reads them, Kafka's dump tool finds nothing wrong with their segments.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::{Binaries, Kbroker};
use kinglet_harness::kafka::{Jars, Jvm, Tool};
use kinglet_harness::process::{Input, run_ok};
use kinglet_harness::tools::Tools;

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const LIMIT: Duration = Duration::from_secs(120);
const KEYS: usize = 50;
const LINES: usize = 8_000;
/// How often the size of a log is looked at until it must have become small.
const LOOKS: usize = 3_000;
const COMPACTED: [&str; 3] =
    ["cleanup.policy=compact", "segment.bytes=20000", "min.cleanable.dirty.ratio=0.01"];

#[test]
fn java_reads_what_compaction_left_and_the_dump_tool_finds_it_sound() {
    let Some(jars) = or_skip("compaction, Kafka's tools", Jars::fetch()) else { return };
    let binaries = Binaries::build().expect("our programs compile");
    let data = tempfile::tempdir().expect("a temporary folder");
    let broker = Kbroker::start(&binaries, data.path(), &["--override", "log.cleaner.backoff.ms=50"]);
    let broker = broker.expect("kbroker starts");
    let tools = Tools::new(binaries, broker.bootstrap());
    let lines: Vec<(String, String)> = (0..LINES).map(line).collect();
    let last: BTreeMap<_, _> = lines.iter().cloned().collect();
    let file = data.path().join("lines.txt");
    let text: String = lines.iter().map(|(key, value)| format!("{key}\t{value}\n")).collect();
    std::fs::write(&file, text).expect("a file");

    for codec in CODECS {
        let options: Vec<&str> = COMPACTED.iter().flat_map(|config| ["--config", *config]).collect();
        tools.create_topic(codec, 1, &options).expect("ktopics --create");
        let mut kproduce = tools.command("kproduce");
        kproduce.args(["--topic", codec, "--compression-codec", codec, "--property", "parse.key=true"]);
        kproduce.args(["--producer-property", "batch.size=4000"]);
        run_ok(&mut kproduce, Input::File(&file), LIMIT).expect("kproduce");
    }
    for codec in CODECS {
        let is_small = |_: &usize| {
            run_ok(tools.command("ktopics").arg("--list"), Input::Nothing, LIMIT).expect("ktopics --list");
            logs(data.path(), codec).iter().map(|log| log.metadata().map_or(0, |log| log.len())).sum::<u64>()
                < 60_000
        };
        assert!((0..LOOKS).any(|look| is_small(&look)), "{codec} is not compacted");
        let mut consumer = jars.tool_for(Tool::ConsoleConsumer, broker.bootstrap().as_str());
        consumer.args(["--topic", codec, "--partition", "0", "--offset", "earliest", "--timeout-ms", "5000"]);
        consumer.args(["--formatter-property", "print.key=true"]);
        let read = run_ok(&mut consumer, Input::Nothing, LIMIT).expect("console consumer").stdout;
        let read = String::from_utf8_lossy(&read).into_owned();
        let pairs: Vec<_> = read.lines().filter_map(|line| line.split_once('\t')).collect();
        assert!(pairs.len() < LINES / 2, "{codec}: {} records", pairs.len());
        let told: BTreeMap<_, _> =
            pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        assert!(told == last, "{codec}: other last values");
    }
    assert!(broker.stop().expect("it stops").success());

    for codec in CODECS {
        let logs = logs(data.path(), codec);
        let dump = dump(&jars, &logs, &["--deep-iteration"]);
        assert!(dump.contains("isvalid: true") && !dump.contains("isvalid: false"), "{codec}: a bad batch");
        let indexes: Vec<PathBuf> =
            logs.iter().flat_map(|log| ["index", "timeindex"].map(|end| log.with_extension(end))).collect();
        let said = self::dump(&jars, &indexes, &["--index-sanity-check"]);
        let fine = said.matches(" passed sanity check.").count() + said.matches(" is empty.").count();
        assert_eq!(fine, indexes.len(), "{codec}: {said}");
        self::dump(&jars, &indexes, &["--verify-index-only"]);
    }
}

/// A key that comes again and again, with a value that no codec makes small.
fn line(index: usize) -> (String, String) {
    let mut state = u64::try_from(index).unwrap_or(0) + 1;
    let words = (0..4).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{state:016x}")
    });
    (format!("key {}", index % KEYS), words.collect())
}

fn logs(data: &Path, topic: &str) -> Vec<PathBuf> {
    let folder = data.join(format!("{topic}-0"));
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut logs: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder entry").path()).collect();
    logs.retain(|file| file.extension() == Some(OsStr::new("log")));
    logs.sort();
    logs
}

/// What the dump tool says of these files. That offsets are missing it says on stderr, as of Kafka's own compacted segments.
fn dump(jars: &Jars, files: &[PathBuf], options: &[&str]) -> String {
    let files = files.iter().map(|file| file.as_os_str()).collect::<Vec<_>>().join(OsStr::new(","));
    let mut tool = jars.tool(Tool::DumpLog, Jvm::Quick);
    tool.arg("--files").arg(files).args(options);
    let dump = String::from_utf8_lossy(&run_ok(&mut tool, Input::Nothing, LIMIT).expect("dump-log").stdout)
        .into_owned();
    for complaint in ["Mismatch", "mismatch", "out of order", "Exception", "corrupt"] {
        assert_eq!(dump.lines().find(|line| line.contains(complaint)), None, "the dump tool complains");
    }
    dump
}
