//! kcat, the C client, writes to and reads from `kbroker`, alone and together with our own tools.
//! Without a consumer group: it reads partitions by their number, from the beginning to the end.

use std::time::Duration;

use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::{Binaries, Kbroker};
use kinglet_harness::kcat::Kcat;
use kinglet_harness::keys::KeyFile;
use kinglet_harness::process::{Input, run_ok};
use kinglet_harness::text::{LineFile, Partitions, lines_wanted};
use kinglet_harness::tools::Tools;

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const PARTITIONS: usize = 3;
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn kcat_reads_every_line_that_kcat_wrote_in_order_with_every_codec() {
    let Some(world) = World::new("kcat to kcat") else { return };
    for codec in CODECS {
        world.create_topic(codec);
        world.kcat_writes(codec, codec);
        world.check(codec, &world.kcat_reads(codec));
    }
}

#[test]
fn kconsume_reads_every_line_that_kcat_wrote_in_order_with_every_codec() {
    let Some(world) = World::new("kcat to kconsume") else { return };
    for codec in CODECS {
        world.create_topic(codec);
        world.kcat_writes(codec, codec);
        let count = world.file.lines().count();
        world.check(codec, &world.tools.consume_labelled(codec, count).expect("kconsume"));
    }
}

#[test]
fn kcat_reads_every_line_that_kproduce_wrote_in_order_with_every_codec() {
    let Some(world) = World::new("kproduce to kcat") else { return };
    for codec in CODECS {
        world.create_topic(codec);
        world.tools.produce(codec, codec, &world.file.path()).expect("kproduce");
        world.check(codec, &world.kcat_reads(codec));
    }
}

#[test]
fn kcat_lists_the_broker_and_the_partitions_of_a_topic() {
    let Some(world) = World::new("kcat -L") else { return };
    world.create_topic("listed");
    let mut kcat = world.kcat.command(&world.broker.bootstrap());
    let listing = run_ok(kcat.args(["-L", "-t", "listed"]), Input::Nothing, LIMIT).expect("kcat -L");
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let address = format!("at localhost:{}", world.broker.port());
    assert!(listing.contains(&address), "{listing}");
    assert!(listing.contains("topic \"listed\" with 3 partitions"), "{listing}");
}

/// librdkafka counts no key and an empty one as it likes; what has a key goes where librdkafka sends it.
#[test]
fn keys_go_to_the_partitions_that_librdkafka_sends_them_to() {
    let Some(world) = World::new("partitioners of librdkafka") else { return };
    let keys = KeyFile::new(10_000).expect("the keys are written");
    let partitioners =
        ["consistent_random", "consistent", "murmur2_random", "murmur2", "fnv1a_random", "fnv1a"];
    for partitioner in partitioners {
        let (theirs, ours) = (format!("theirs-{partitioner}"), format!("ours-{partitioner}"));
        world.tools.create_topic(&theirs, 7, &[]).expect("ktopics --create");
        world.tools.create_topic(&ours, 7, &[]).expect("ktopics --create");
        let mut kcat = world.kcat.command(&world.broker.bootstrap());
        kcat.args(["-P", "-t", &theirs, "-K", "\t", "-X", &format!("topic.partitioner={partitioner}")]);
        run_ok(&mut kcat, Input::File(&keys.path()), LIMIT).expect("kcat -P");
        let mut kproduce = world.tools.command("kproduce");
        kproduce.args(["--topic", &ours, "--property", "parse.key=true"]);
        kproduce.args(["--producer-property", &format!("partitioner={partitioner}")]);
        run_ok(&mut kproduce, Input::File(&keys.path()), LIMIT).expect("kproduce");
        assert_eq!(keys.places(&world.tools, &ours), keys.places(&world.tools, &theirs), "{partitioner}");
    }
}

struct World {
    kcat: Kcat,
    broker: Kbroker,
    tools: Tools,
    file: LineFile,
    // Last: the broker must be gone before its data is.
    _data_dir: tempfile::TempDir,
}

impl World {
    fn new(test: &str) -> Option<Self> {
        let kcat = or_skip(test, Kcat::find())?;
        let binaries = Binaries::build().expect("our programs compile");
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        let broker = Kbroker::start(&binaries, data_dir.path(), &[]).expect("kbroker starts");
        let tools = Tools::new(binaries, broker.bootstrap());
        let file = LineFile::new(lines_wanted(100_000)).expect("the lines are written");
        Some(Self { kcat, broker, tools, file, _data_dir: data_dir })
    }

    fn create_topic(&self, topic: &str) {
        self.tools.create_topic(topic, PARTITIONS, &[]).expect("ktopics --create");
    }

    fn kcat_writes(&self, topic: &str, codec: &str) {
        let mut kcat = self.kcat.command(&self.broker.bootstrap());
        kcat.args(["-P", "-t", topic, "-z", codec]);
        run_ok(&mut kcat, Input::File(&self.file.path()), LIMIT).expect("kcat -P");
    }

    fn kcat_reads(&self, topic: &str) -> Vec<u8> {
        let mut kcat = self.kcat.command(&self.broker.bootstrap());
        kcat.args(["-C", "-t", topic, "-o", "beginning", "-e", "-q", "-X", "check.crcs=true"]);
        kcat.args(["-f", r"Partition:%p\t%s\n"]);
        run_ok(&mut kcat, Input::Nothing, LIMIT).expect("kcat -C").stdout
    }

    fn check(&self, codec: &str, labelled: &[u8]) {
        Partitions::from_labelled(labelled, PARTITIONS)
            .and_then(|partitions| partitions.check(self.file.lines()))
            .unwrap_or_else(|error| panic!("codec {codec}: {error}"));
    }
}
