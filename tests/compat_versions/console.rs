//! The console tools of a release with `kbroker`, as far as they need no `ZooKeeper`.

use std::process::Command;
use std::time::Duration;

use kinglet_harness::kafka::{Jvm, Release, Tool};
use kinglet_harness::process::{Input, run_ok};
use kinglet_harness::text::{LineFile, LineSet};

use crate::topics::partition_lines;
use crate::world::{World, said};

const LIMIT: Duration = Duration::from_secs(60);
const COUNT: u64 = 1_000;

/// `kafka-console-producer` writes, `kconsume` reads.
pub(crate) fn produce(world: &World) -> Result<(), String> {
    let file = LineFile::new(COUNT).map_err(|error| error.to_string())?;
    let mut producer = tool(world, Tool::ConsoleProducer);
    producer.args(["--topic", "console"]);
    run_ok(&mut producer, Input::File(&file.path()), LIMIT).map_err(|error| error.to_string())?;
    let read = world.tools.consume_labelled("console", COUNT).map_err(|error| error.to_string())?;
    let mut found = LineSet::default();
    for line in kinglet_harness::text::lines(&read) {
        let tab = line.iter().position(|byte| *byte == b'\t').ok_or("a line without a label")?;
        found.add(line.get(tab + 1..).unwrap_or_default());
    }
    if found == file.lines() {
        Ok(())
    } else {
        Err(format!("console producer wrote {}, kconsume read {found}", file.lines()))
    }
}

/// `kproduce` writes, the console tool that reads one partition reads: `kafka-console-consumer`, or in 0.9, whose
/// console consumer knows groups and `ZooKeeper` only, `kafka-simple-consumer-shell`.
pub(crate) fn consume(world: &World) -> Result<(), String> {
    let file = LineFile::new(COUNT).map_err(|error| error.to_string())?;
    let text = |error: &dyn std::fmt::Display| error.to_string();
    world.tools.create_topic("read-by-console", 1, &[]).map_err(|error| text(&error))?;
    world.tools.produce("read-by-console", "gzip", &file.path()).map_err(|error| text(&error))?;
    let (name, earliest) = match world.release {
        Release::V0_9 => (Tool::SimpleConsumer, "-2"),
        Release::V0_11 | Release::V2_2 | Release::V4_3 => (Tool::ConsoleConsumer, "earliest"),
    };
    let mut consumer = tool(world, name);
    consumer.args(["--topic", "read-by-console", "--partition", "0", "--offset", earliest]);
    consumer.args(["--max-messages", &COUNT.to_string()]);
    let read = run_ok(&mut consumer, Input::Nothing, LIMIT).map_err(|error| text(&error))?.stdout;
    let found = LineSet::of(&read);
    if found == file.lines() {
        Ok(())
    } else {
        Err(format!("kproduce wrote {}, {consumer:?} read {found}", file.lines()))
    }
}

/// `kafka-topics` speaks to brokers from 2.2 on.
pub(crate) fn topics(world: &World) -> Result<(), String> {
    if world.release < Release::V2_2 {
        return Ok(());
    }
    let topics = |arguments: &[&str]| {
        let mut command = world.jars.tool_for(Tool::Topics, world.tools.bootstrap());
        said(command.args(arguments))
    };
    topics(&["--create", "--topic", "by-topics", "--partitions", "2", "--replication-factor", "1"])?;
    let theirs = partition_lines(&topics(&["--describe", "--topic", "by-topics"])?);
    let ours = partition_lines(&world.ours_says("ktopics", &["--describe", "--topic", "by-topics"])?);
    if theirs != ours || theirs.is_empty() {
        return Err(format!("kafka-topics describes {theirs:?}, ktopics {ours:?}"));
    }
    topics(&["--delete", "--topic", "by-topics"])?;
    let left = topics(&["--list"])?;
    if left.lines().any(|name| name == "by-topics") { Err(format!("still there: {left}")) } else { Ok(()) }
}

fn tool(world: &World, tool: Tool) -> Command {
    let mut command = world.jars.tool(tool, Jvm::Quick);
    // The name that all tools share now came to the producer last.
    let is_old = match tool {
        Tool::SimpleConsumer => true,
        Tool::ConsoleProducer => world.release < Release::V4_3,
        _ => false,
    };
    command.args([if is_old { "--broker-list" } else { "--bootstrap-server" }, world.tools.bootstrap()]);
    command
}
