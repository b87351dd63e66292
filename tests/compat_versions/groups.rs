//! A group that passes from our tool to a release's Java client and back, and is shared by both.

use std::time::Duration;

use kinglet_harness::kafka::Release;
use kinglet_harness::process::{Daemon, Input, run, run_ok};

use crate::material::{Row, set_of};
use crate::moves::{kproduce, printing};
use crate::world::{Cell, PARTITIONS, World, says};

const LIMIT: Duration = Duration::from_secs(60);
const TOPIC: &str = "grouped";
const GROUP: &str = "both";
/// The client id of our member, where both share.
const OURS: &str = "ours";

/// Each goes on where the other has committed; together they share the partitions; `kgroups` sees it all.
pub(crate) fn handed_over(world: &mut World) -> Cell {
    world.make_topic(TOPIC)?;
    kproduce(world, TOPIC, "none", "all")?;
    let count = world.material.count().to_string();
    let ours = run_ok(kconsume(world).args(["--max-messages", &count]), Input::Nothing, LIMIT);
    let ours = ours.map_err(|error| error.to_string())?.stdout;
    is_all(world, 0, &ours).map_err(|error| format!("kconsume, first: {error}"))?;

    kproduce(world, TOPIC, "none", "all")?;
    let file = world.folder().join("grouped");
    world.java.run(&["group", TOPIC, GROUP, &count, &file.display().to_string()])?;
    let theirs = std::fs::read(&file).map_err(|error| error.to_string())?;
    is_all(world, 1, &theirs).map_err(|error| format!("java client, second: {error}"))?;

    kproduce(world, TOPIC, "none", "all")?;
    let ours = run_ok(kconsume(world).args(["--max-messages", &count]), Input::Nothing, LIMIT);
    is_all(world, 2, &ours.map_err(|error| error.to_string())?.stdout)
        .map_err(|error| format!("kconsume, third: {error}"))?;
    let mut command = kconsume(world);
    command.args(["--consumer-property", &format!("client.id={OURS}")]);
    let member = Daemon::start(&mut command).map_err(|error| error.to_string())?;
    let shared = world.java.run(&["share", TOPIC, GROUP, &PARTITIONS.to_string()])?;
    if shared.is_empty() {
        return Err("the java client has no partition of the group".to_owned());
    }
    member.terminate(LIMIT).map_err(|error| error.to_string())?;
    let left = members(world)?;
    if left.iter().any(|client| client == OURS) {
        return Err(format!("kconsume ended and is still in the group: {left:?}"));
    }
    // Java's client of 0.9 closes its socket right behind its farewell, which a broker may then not read: its session ends.
    world.until("the java client has left", |world| members(world), Vec::is_empty)?;
    all_read(world, &world.ours_says("kgroups", &["--describe", "--group", GROUP, "-o", "json"])?)?;
    managed(world).map(|needs| format!("pass{needs}"))
}

/// `kgroups` does with the group what the release can do, and says of the rest since when Kafka can. That is added to the cell.
fn managed(world: &World) -> Result<String, String> {
    let group = ["--group", GROUP];
    let kgroups = |arguments: &[&str]| world.ours_says("kgroups", arguments);
    if world.is_ours() || world.release > Release::V0_9 {
        says(&kgroups(&["--list"])?, &[GROUP])?;
        return Ok(String::new());
    }
    let reset =
        |to: &[&'static str]| [&["--reset-offsets", "--topic", TOPIC, "--execute"], &group[..], to].concat();
    kgroups(&reset(&["--to-earliest"]))?;
    let described = kgroups(&["--describe", "--group", GROUP, "-o", "json"])?;
    if committed(&described)? != 0 {
        return Err(format!("not reset: {described}"));
    }
    let refused: [(Vec<&str>, &[&str]); 3] = [
        (reset(&["--to-datetime", "2026-01-01T00:00:00.000"]), &["0.10.1", "KIP-79"]),
        ([&["--delete"], &group[..]].concat(), &["1.1", "KIP-229"]),
        ([&["--delete-offsets", "--topic", TOPIC], &group[..]].concat(), &["2.4", "KIP-496"]),
    ];
    for (arguments, words) in refused {
        says(&world.ours_refuses("kgroups", &arguments, Input::Nothing)?, words)?;
    }
    Ok("; reset by time: needs Kafka >= 0.10.1 (KIP-79), delete: >= 1.1 (KIP-229), delete offsets: >= 2.4 (KIP-496)".to_owned())
}

/// The client ids of the group's members. A release of which groups end with their last member knows none then.
fn members(world: &World) -> Result<Vec<String>, String> {
    let mut kgroups = world.tools.command("kgroups");
    kgroups.args(["--describe", "--members", "--group", GROUP, "-o", "json"]);
    let output = run(&mut kgroups, Input::Nothing, LIMIT).map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let described: serde_json::Value =
        serde_json::from_str(&said).map_err(|error| format!("{error}: {said}"))?;
    let members = described["groups"][0]["members"].as_array().ok_or(said)?;
    Ok(members.iter().map(|member| member["client_id"].as_str().unwrap_or_default().to_owned()).collect())
}

fn kconsume(world: &World) -> std::process::Command {
    let mut command = world.tools.command("kconsume");
    command.args(["--topic", TOPIC, "--group", GROUP, "--from-beginning", "--timeout-ms", "60000"]);
    command.args(printing(world));
    command
}

/// The rows are those of one round of the material, each once: in every partition without a gap, and none of another round.
fn is_all(world: &World, round: usize, text: &[u8]) -> Result<(), String> {
    let rows = Row::all(text, world.material.has_timestamps)?;
    let wanted = set_of(world.material.shown.iter().map(String::as_str));
    let found = set_of(rows.iter().map(|row| row.content.as_str()));
    if wanted != found {
        return Err(format!("round {round}: wanted {wanted}, read {found}"));
    }
    for partition in 0..PARTITIONS {
        let offsets: Vec<u64> =
            rows.iter().filter(|row| row.partition == partition).map(|row| row.offset).collect();
        if offsets.windows(2).any(|pair| pair[1] != pair[0] + 1) {
            return Err(format!("round {round}, partition {partition}: gaps in {offsets:?}"));
        }
    }
    Ok(())
}

/// Everything is committed, as `kgroups` shows it.
fn all_read(world: &World, described: &str) -> Result<(), String> {
    let wanted = u64::try_from(world.material.count() * 3).unwrap_or(0);
    let sum = committed(described)?;
    if sum == wanted { Ok(()) } else { Err(format!("{sum} of {wanted} committed: {described}")) }
}

/// What is committed of all partitions together.
fn committed(described: &str) -> Result<u64, String> {
    let json: serde_json::Value =
        serde_json::from_str(described).map_err(|error| format!("{error}: {described}"))?;
    let offsets = json["groups"][0]["offsets"].as_array().ok_or_else(|| described.to_owned())?;
    Ok(offsets.iter().filter_map(|row| row["offset"].as_u64()).sum())
}
