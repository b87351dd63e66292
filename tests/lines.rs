//! Lines in through `kproduce`, kept by `kbroker`, out through `kconsume`: every one, in order, also
//! when the broker is killed in between.

use kinglet_harness::binaries::{Binaries, Kbroker};
use kinglet_harness::text::{LineFile, LineSet, Partitions, lines_wanted};
use kinglet_harness::tools::Tools;

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const PARTITIONS: usize = 3;

#[test]
fn every_line_comes_back_in_order_with_every_codec() {
    let world = World::new();
    for codec in CODECS {
        world.tools.create_topic(codec, PARTITIONS, &[]).expect("ktopics");
        world.tools.produce(codec, codec, &world.file.path()).expect("kproduce");
        check(&world.tools, codec, world.file.lines());
    }
}

#[test]
fn every_acked_line_is_there_after_the_broker_was_killed() {
    let World { binaries, broker, tools, file, data_dir } = World::new();
    tools.create_topic("killed", PARTITIONS, &[]).expect("ktopics");
    tools.produce("killed", "none", &file.path()).expect("kproduce");
    let port = broker.port();
    broker.kill().expect("the broker is killed");

    let _broker = Kbroker::start_on(&binaries, port, data_dir.path(), &[]).expect("kbroker starts again");
    check(&tools, "killed", file.lines());
}

#[test]
fn every_line_is_there_after_an_orderly_stop() {
    let World { binaries, broker, tools, file, data_dir } = World::new();
    tools.create_topic("stopped", PARTITIONS, &[]).expect("ktopics");
    tools.produce("stopped", "none", &file.path()).expect("kproduce");
    let port = broker.port();
    let status = broker.stop().expect("the broker stops");
    assert!(status.success(), "{status}");

    let _broker = Kbroker::start_on(&binaries, port, data_dir.path(), &[]).expect("kbroker starts again");
    check(&tools, "stopped", file.lines());
}

struct World {
    binaries: Binaries,
    broker: Kbroker,
    tools: Tools,
    file: LineFile,
    // Last: the broker must be gone before its data is.
    data_dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let binaries = Binaries::build().expect("our programs compile");
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        let broker = Kbroker::start(&binaries, data_dir.path(), &[]).expect("kbroker starts");
        let tools = Tools::new(binaries.clone(), broker.bootstrap());
        let file = LineFile::new(lines_wanted(100_000)).expect("the lines are written");
        Self { binaries, broker, tools, file, data_dir }
    }
}

fn check(tools: &Tools, topic: &str, wanted: LineSet) {
    let read = tools.consume_labelled(topic, wanted.count()).expect("kconsume");
    Partitions::from_labelled(&read, PARTITIONS)
        .and_then(|partitions| partitions.check(wanted))
        .unwrap_or_else(|error| panic!("topic {topic}: {error}"));
}
