//! Consumers of Apache Kafka and of the C client share topics of `kbroker` in groups, and Kafka's tools look after the groups.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::{Binaries, Kbroker};
use kinglet_harness::kafka::{Jars, Jvm, Release, Tool};
use kinglet_harness::kcat::Kcat;
use kinglet_harness::process::{Daemon, Input, run_ok};
use kinglet_harness::tools::Tools;

const PARTITIONS: usize = 4;
const LINES: usize = 2000;
const LIMIT: Duration = Duration::from_secs(120);
/// How often a tool is asked for what takes a while to become so.
const LOOKS: usize = 20;

#[test]
fn groups_of_java_and_c_clients_read_everything_and_kafkas_tools_look_after_them() {
    let Some(world) = World::new("groups, kafka-consumer-groups") else { return };
    let Some(kcat) = or_skip("groups of kcat", Kcat::find()) else { return };
    world.create("t");
    let sent = world.produce("t", 0..LINES);

    let mut consumer = world.console_consumer("t", "java");
    let read = run_ok(consumer.args(["--max-messages", &LINES.to_string()]), Input::Nothing, LIMIT);
    assert_eq!(numbers(&read.expect("console consumer").stdout), sent);
    let mut kcat = kcat.command(world.tools.bootstrap());
    kcat.args(["-X", "auto.offset.reset=earliest", "-c", &LINES.to_string(), "-G", "kcat", "t"]);
    let read = run_ok(&mut kcat, Input::Nothing, LIMIT).expect("kcat -G").stdout;
    assert_eq!(numbers(&read), sent);

    let listed = world.groups(&["--list"]);
    assert_eq!(lines(listed.as_bytes()), names(&["java", "kcat"]));
    let described = world.groups(&["--describe", "--group", "java"]);
    let positions = positions(&described);
    assert_eq!(positions.len(), PARTITIONS, "{described}");
    assert!(positions.iter().all(|(current, end)| current == end), "{described}");
    assert_eq!(positions.iter().map(|(current, _)| current).sum::<usize>(), LINES, "{described}");

    world.groups(&["--reset-offsets", "--group", "java", "--topic", "t", "--to-earliest", "--execute"]);
    let described = world.groups(&["--describe", "--group", "java"]);
    assert!(self::positions(&described).iter().all(|(current, _)| *current == 0), "{described}");
    world.groups(&["--delete-offsets", "--group", "java", "--topic", "t:0,1"]);
    let described = world.groups(&["--describe", "--group", "java"]);
    assert_eq!(self::positions(&described).len(), PARTITIONS - 2, "{described}");
    world.groups(&["--delete", "--group", "java"]);
    let listed = world.groups(&["--list", "--state", "Empty"]);
    assert!(listed.contains("kcat") && !listed.contains("java"), "{listed}");

    let wanted = world.data_dir.path().join("delete.json");
    std::fs::write(&wanted, r#"{"version":1,"partitions":[{"topic":"t","partition":0,"offset":-1},{"topic":"t","partition":1,"offset":3}]}"#)
        .expect("a file");
    let mut tool = world.jars.tool_for(Tool::DeleteRecords, world.tools.bootstrap());
    let said =
        run_ok(tool.arg("--offset-json-file").arg(&wanted), Input::Nothing, LIMIT).expect("delete-records");
    let said = text(&said.stdout);
    assert!(said.contains("partition: t-1\tlow_watermark: 3"), "{said}");
    let starts = |world: &World| {
        let mut tool = world.jars.tool_for(Tool::GetOffsets, world.tools.bootstrap());
        tool.args(["--topic", "t", "--time", "-2"]);
        text(&run_ok(&mut tool, Input::Nothing, LIMIT).expect("get-offsets").stdout)
    };
    let before = starts(&world);
    assert!(before.contains("t:1:3"), "{before}");
    let world = world.after_a_kill();
    assert_eq!(starts(&world), before);
}

#[test]
fn consumers_of_old_releases_read_in_groups_and_their_tools_see_them() {
    let Some(world) = World::new("groups of old releases") else { return };
    world.create("t");
    let sent = world.produce("t", 0..LINES);
    for release in [Release::V0_9, Release::V0_11, Release::V2_2] {
        let test = format!("groups of {release:?}");
        let Some(jars) = or_skip(&test, Jars::fetch_release(release)) else { return };
        let group = format!("{release:?}");
        let properties = world.data_dir.path().join("consumer.properties");
        std::fs::write(&properties, format!("group.id={group}\n")).expect("a file");
        let tool = |tool| {
            let mut tool = jars.tool_for(tool, world.tools.bootstrap());
            if release == Release::V0_9 {
                tool.arg("--new-consumer");
            }
            tool
        };
        let mut consumer = tool(Tool::ConsoleConsumer);
        consumer.args(["--topic", "t", "--from-beginning", "--max-messages", &LINES.to_string()]);
        consumer.arg("--consumer.config").arg(&properties);
        let read = run_ok(&mut consumer, Input::Nothing, LIMIT).expect("console consumer").stdout;
        assert_eq!(numbers(&read), sent, "{group}");
        let listed = run_ok(tool(Tool::ConsumerGroups).arg("--list"), Input::Nothing, LIMIT).expect("list");
        assert!(lines(&listed.stdout).contains(&group), "{}", text(&listed.stdout));
    }
}

#[test]
fn two_members_share_the_partitions_and_go_on_after_the_broker_was_killed() {
    let Some(world) = World::new("two members, a kill") else { return };
    world.create("t");
    let start = || Daemon::start(&mut world.console_consumer("t", "pair")).expect("a console consumer");
    let (mut one, mut two) = (start(), start());
    let described = world.described_when("pair", "two members with two partitions each", |described| {
        let shares =
            described.lines().filter_map(|line| line.split_whitespace().nth(4)).filter(|n| *n == "2");
        shares.count() == 2
    });
    assert!(described.contains("/127.0.0.1"), "{described}");

    let mut sent = world.produce("t", 0..LINES);
    let last = |daemon: &mut Daemon, from: usize, to: usize| {
        let in_range = |line: &str| line.trim().parse::<usize>().ok().filter(|n| (from..to).contains(n));
        daemon.wait_for(in_range, LIMIT).expect("records of its partitions")
    };
    last(&mut one, 0, LINES);
    last(&mut two, 0, LINES);
    // Both have committed before the kill: by then nothing is read twice.
    world.offsets_when("pair", "everything is committed", |described| {
        positions(described).iter().map(|(current, _)| current).sum::<usize>() == LINES
    });
    let members = world.members("pair");

    let world = world.after_a_kill();
    assert_eq!(world.members("pair"), members, "the group is as it was");
    sent.extend(world.produce("t", LINES..LINES * 2));
    last(&mut one, LINES, LINES * 2);
    last(&mut two, LINES, LINES * 2);
    world.offsets_when("pair", "everything is committed again", |described| {
        positions(described).iter().map(|(current, _)| current).sum::<usize>() == LINES * 2
    });
    let number = |line: String| line.trim().parse::<usize>().ok();
    let read: Vec<usize> = [one.lines(), two.lines()].into_iter().flatten().filter_map(number).collect();
    let told: BTreeSet<String> = read.iter().map(usize::to_string).collect();
    assert_eq!(told, sent);
    assert_eq!(read.len(), told.len(), "nothing is read twice");
    drop((one, two));

    let dump = world.dumped_offsets();
    for wanted in
        ["\"group\":\"pair\"", "\"topic\":\"t\"", "\"protocolType\":\"consumer\"", "\"generation\":"]
    {
        assert!(dump.contains(wanted), "{wanted} is not in the dump:\n{dump}");
    }
}

/// A broker and Kafka's tools.
struct World {
    binaries: Binaries,
    jars: Jars,
    tools: Tools,
    broker: Kbroker,
    // Last: the broker must be gone before its data is.
    data_dir: tempfile::TempDir,
}

impl World {
    fn new(test: &str) -> Option<Self> {
        let jars = or_skip(test, Jars::fetch())?;
        let binaries = Binaries::build().expect("our programs compile");
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        let broker = Kbroker::start(&binaries, data_dir.path(), &[]).expect("kbroker starts");
        let tools = Tools::new(binaries.clone(), broker.bootstrap());
        Some(Self { binaries, jars, tools, broker, data_dir })
    }

    fn after_a_kill(self) -> Self {
        let Self { binaries, jars, tools, broker, data_dir } = self;
        let port = broker.port();
        broker.kill().expect("it is killed");
        let broker = Kbroker::start_on(&binaries, port, data_dir.path(), &[]).expect("kbroker starts again");
        Self { binaries, jars, tools, broker, data_dir }
    }

    fn create(&self, topic: &str) {
        self.tools.create_topic(topic, PARTITIONS, &[]).expect("ktopics --create");
    }

    /// Each number once, as its own key, so that they spread over the partitions.
    fn produce(&self, topic: &str, numbers: std::ops::Range<usize>) -> BTreeSet<String> {
        let input: String = numbers.clone().map(|n| format!("{n}\t{n}\n")).collect();
        let mut kproduce = self.tools.command("kproduce");
        kproduce.args(["--topic", topic, "--property", "parse.key=true"]);
        run_ok(&mut kproduce, Input::Bytes(input.as_bytes()), LIMIT).expect("kproduce");
        numbers.map(|n| n.to_string()).collect()
    }

    fn console_consumer(&self, topic: &str, group: &str) -> Command {
        let mut consumer = self.jars.tool_for(Tool::ConsoleConsumer, self.tools.bootstrap());
        consumer.args(["--topic", topic, "--group", group, "--from-beginning"]);
        consumer.args(["--consumer-property", "auto.commit.interval.ms=500"]);
        consumer
    }

    /// What `kafka-consumer-groups` prints.
    fn groups(&self, arguments: &[&str]) -> String {
        let mut tool = self.jars.tool_for(Tool::ConsumerGroups, self.tools.bootstrap());
        let output = run_ok(tool.args(arguments), Input::Nothing, LIMIT).expect("kafka-consumer-groups");
        let said = text(&output.stdout);
        assert!(!said.contains("Error"), "{arguments:?}: {said}");
        said
    }

    fn described_when(&self, group: &str, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        self.when(&["--describe", "--group", group, "--members"], what, is_so)
    }

    fn offsets_when(&self, group: &str, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        self.when(&["--describe", "--group", group], what, is_so)
    }

    fn when(&self, arguments: &[&str], what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let mut tool = || {
            let mut tool = self.jars.tool_for(Tool::ConsumerGroups, self.tools.bootstrap());
            // A group that is not there yet is an error.
            let output = kinglet_harness::process::run(tool.args(arguments), Input::Nothing, LIMIT);
            text(&output.expect("kafka-consumer-groups").stdout)
        };
        let looks: Vec<String> = std::iter::repeat_with(&mut tool)
            .take(LOOKS)
            .scan(false, |found, said| {
                let before = *found;
                *found |= is_so(&said);
                (!before).then_some(said)
            })
            .collect();
        let last = looks.last().cloned().unwrap_or_default();
        assert!(is_so(&last), "{what}: not after {LOOKS} looks:\n{last}");
        last
    }

    /// The members' ids.
    fn members(&self, group: &str) -> BTreeSet<String> {
        let described = self.groups(&["--describe", "--group", group, "--members"]);
        let rows = described.lines().filter(|line| line.starts_with(group));
        rows.filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned)).collect()
    }

    /// What Kafka's dump tool makes of `__consumer_offsets`. Stops the broker.
    fn dumped_offsets(self) -> String {
        let Self { jars, broker, data_dir, .. } = self;
        let status = broker.stop().expect("it stops");
        assert!(status.success(), "kbroker ends with {status}");
        let folders = std::fs::read_dir(data_dir.path()).expect("the data's folder");
        let folders = folders.map(|entry| entry.expect("an entry").path());
        let is_groups = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("__consumer_offsets-"))
        };
        let files: Vec<PathBuf> =
            folders.filter(is_groups).map(|folder| folder.join("00000000000000000000.log")).collect();
        assert_eq!(files.len(), 50);
        let files = files.iter().map(|file| file.as_os_str()).collect::<Vec<_>>().join(OsStr::new(","));
        let mut tool = jars.tool(Tool::DumpLog, Jvm::Quick);
        tool.arg("--offsets-decoder").arg("--files").arg(files);
        let output = run_ok(&mut tool, Input::Nothing, LIMIT).expect("dump-log");
        assert_eq!(text(&output.stderr), "", "the dump tool complains");
        text(&output.stdout)
    }
}

/// The columns CURRENT-OFFSET and LOG-END-OFFSET of `--describe`.
fn positions(described: &str) -> Vec<(usize, usize)> {
    let row = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        Some((columns.get(3)?.parse().ok()?, columns.get(4)?.parse().ok()?))
    };
    described.lines().filter_map(row).collect()
}

fn lines(bytes: &[u8]) -> BTreeSet<String> {
    text(bytes).lines().map(str::to_owned).collect()
}

/// The records; the console consumer also says what it thinks of its protocol.
fn numbers(bytes: &[u8]) -> BTreeSet<String> {
    let mut numbers = lines(bytes);
    numbers.retain(|line| line.parse::<usize>().is_ok());
    numbers
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
