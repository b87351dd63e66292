//! Topics made, described, listed and deleted by one side, looked at by the other.

use kinglet_harness::kafka::Release;
use kinglet_harness::process::Input;

use crate::world::{Cell, PARTITIONS, World, says};

const NO_CREATE: &str = "none: needs Kafka >= 0.10.1 (KIP-4)";

pub(crate) fn our_create(world: &mut World) -> Cell {
    let partitions = PARTITIONS.to_string();
    let create =
        ["--create", "--topic", "made-by-us", "--partitions", &partitions, "--replication-factor", "1"];
    if world.release < Release::V0_11 {
        let said = world.ours_refuses("ktopics", &create, Input::Nothing)?;
        says(&said, &["CreateTopics", "0.10.1", "KIP-4"])?;
        return Ok(NO_CREATE.to_owned());
    }
    world.ours_says("ktopics", &create)?;
    let seen = world.java.run(&["touch", "made-by-us"])?;
    if seen != partitions {
        return Err(format!("wanted {partitions} partitions, the Java client sees {seen}"));
    }
    let said = world.ours_refuses("ktopics", &create, Input::Nothing)?;
    says(&said, &["made-by-us", "exists"])?;
    // Before 2.4 (KIP-464) a request must name both numbers: they are read from the broker's configuration.
    world.ours_says("ktopics", &["--create", "--topic", "by-default"])?;
    let described = world.ours_says("ktopics", &["--describe", "--topic", "by-default"])?;
    says(&described, &["ReplicationFactor: 1"])?;
    Ok("pass".to_owned())
}

pub(crate) fn java_create(world: &mut World) -> Cell {
    world.make_topic("made-by-java")?;
    let described = world.ours_says("ktopics", &["--describe", "--topic", "made-by-java"])?;
    says(&described, &["PartitionCount: 3", "ReplicationFactor: 1"])?;
    Ok(if world.release > Release::V0_9 { "pass" } else { "pass: by use, as 0.9 does it" }.to_owned())
}

pub(crate) fn our_describe(world: &mut World) -> Cell {
    same_description(world)
}

pub(crate) fn java_describe(world: &mut World) -> Cell {
    same_description(world)
}

/// Both sides say the same of a topic, and name the same topics.
fn same_description(world: &mut World) -> Cell {
    world.make_topic("described")?;
    let mut commands = vec!["partitions"];
    if world.release > Release::V0_9 {
        commands.push("describe");
    }
    for command in commands {
        let theirs = world.java.run(&[command, "described"])?;
        let ours = partition_lines(&world.ours_says("ktopics", &["--describe", "--topic", "described"])?);
        if ours != theirs {
            return Err(format!("ktopics --describe says {ours:?}, {command} of the Java client {theirs:?}"));
        }
    }
    let theirs = world.java.run(&["topics"])?;
    let ours = world.ours_says("ktopics", &["--list"])?.lines().collect::<Vec<_>>().join(",");
    if ours != theirs {
        return Err(format!("ktopics --list says {ours:?}, listTopics {theirs:?}"));
    }
    Ok("pass".to_owned())
}

pub(crate) fn our_delete(world: &mut World) -> Cell {
    world.make_topic("deleted-by-us")?;
    let delete = ["--delete", "--topic", "deleted-by-us"];
    if world.release < Release::V0_11 {
        let said = world.ours_refuses("ktopics", &delete, Input::Nothing)?;
        says(&said, &["DeleteTopics", "0.10.1", "KIP-4"])?;
        return Ok(NO_CREATE.to_owned());
    }
    world.ours_says("ktopics", &delete)?;
    gone(world, "deleted-by-us")
}

pub(crate) fn java_delete(world: &mut World) -> Cell {
    if world.release < Release::V0_11 {
        return Ok("none: 0.9 deletes through ZooKeeper".to_owned());
    }
    world.make_topic("deleted-by-java")?;
    world.java.run(&["delete", "deleted-by-java"])?;
    gone(world, "deleted-by-java")
}

fn gone(world: &mut World, topic: &str) -> Cell {
    let is_gone = |names: &String| !names.split([',', '\n']).any(|name| name == topic);
    world.until("ktopics --list", |world| world.ours_says("ktopics", &["--list"]), is_gone)?;
    world.until("listTopics", |world| world.java.run(&["topics"]), is_gone)?;
    Ok("pass".to_owned())
}

/// The lines about partitions of a topics tool in the words of the Java program.
pub(crate) fn partition_lines(described: &str) -> String {
    let lines = described.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let wanted = ["Partition: ", "Leader: ", "Replicas: ", "Isr: "]
            .map(|name| fields.iter().find(|field| field.starts_with(name)).map(|field| (*field).to_owned()));
        wanted.into_iter().collect::<Option<Vec<_>>>().map(|fields| fields.join(" "))
    });
    lines.collect::<Vec<_>>().join("; ")
}
