//! `kreassign` beside kafka-reassign-partitions.

use serde_json::Value;

use super::world::{CONFIGS, REASSIGN, World};

const TOOL: &str = "kreassign";

pub(crate) fn reassign(world: &mut World) {
    world.same(REASSIGN, TOOL, &["--list"]);
    world.same_by_controllers(REASSIGN, TOOL, &["--list"]);
    let topics =
        world.file("topics.json", r#"{"topics": [{"topic": "t3"}, {"topic": "cfg"}], "version": 1}"#);
    let line = ["--generate", "--topics-to-move-json-file", &topics, "--broker-list", "1,2,3"];
    let (theirs, ours) = (world.theirs(REASSIGN, &line), world.ours(TOOL, &line));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (theirs, ours) = (lines(&theirs.stdout), lines(&ours.stdout));
    assert_eq!(ours[..4], theirs[..4], "what is there is told alike");
    let shape = |line: &str| {
        let json: Value = serde_json::from_str(line).expect("JSON");
        let partitions = json["partitions"].as_array().expect("partitions");
        let row = |p: &Value| {
            (
                p["topic"].clone(),
                p["partition"].clone(),
                p["replicas"].as_array().map(Vec::len),
                p["log_dirs"].clone(),
            )
        };
        partitions.iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!((ours.len(), shape(&ours[4])), (theirs.len(), shape(&theirs[4])));

    let plan = world.file("plan.json", &ours[4]);
    world.theirs(REASSIGN, &["--execute", "--reassignment-json-file", &plan]);
    world.wait_for(&["--verify", "--reassignment-json-file", &plan], "is completed.", 5);
    world.same(REASSIGN, TOOL, &["--verify", "--reassignment-json-file", &plan]);
    world.same(REASSIGN, TOOL, &["--verify", "--preserve-throttles", "--reassignment-json-file", &plan]);
    world.same(REASSIGN, TOOL, &["--cancel", "--reassignment-json-file", &plan]);
    world.same(REASSIGN, TOOL, &["--cancel", "--preserve-throttles", "--reassignment-json-file", &plan]);
    world.same(REASSIGN, TOOL, &["--execute", "--reassignment-json-file", &plan]);
    world.same(
        REASSIGN,
        TOOL,
        &["--execute", "--reassignment-json-file", &plan, "--disallow-replication-factor-change"],
    );

    refuse(world, &topics);
}

/// What cannot be, in the plan or on the line.
fn refuse(world: &mut World, topics: &str) {
    let other = world.plan("other.json", "only", &[&[1]]);
    let nosuch = world.plan("nosuch.json", "nosuch", &[&[1]]);
    let none = world.file("none.json", r#"{"version": 1, "partitions": []}"#);
    let of = |file: &str, action: &str| format!("{action} --reassignment-json-file {file}");
    world.all_same(
        REASSIGN,
        TOOL,
        &[
            &*of(&other, "--verify --preserve-throttles"),
            &of(&nosuch, "--verify --preserve-throttles"),
            &of(&nosuch, "--cancel --preserve-throttles"),
            &of(&none, "--verify"),
            &of(&none, "--cancel"),
        ],
    );
    world.all_refused(
        REASSIGN,
        TOOL,
        &[&*of(&nosuch, "--verify"), &of(&nosuch, "--cancel"), &of(&none, "--execute")],
    );
    let wrong: [(&str, &[&[i32]]); 5] = [
        ("only", &[&[9]]),
        ("only", &[&[]]),
        ("only", &[&[1, 1]]),
        ("only", &[&[1], &[2]]),
        ("nosuch", &[&[1]]),
    ];
    for (topic, replicas) in wrong {
        let wrong = world.plan("wrong.json", topic, replicas);
        world.all_refused(REASSIGN, TOOL, &[&of(&wrong, "--execute")]);
    }
    let wrong = world.plan("wrong.json", "only", &[&[1, 2]]);
    world.all_refused(REASSIGN, TOOL, &[&of(&wrong, "--execute --disallow-replication-factor-change")]);
    let entry = r#"{"topic": "only", "partition": 0, "replicas": [1]}"#;
    for text in [
        r#"{"version": 2, "partitions": []}"#,
        &format!(r#"{{"version": 1, "partitions": [{entry}, {entry}]}}"#),
        "",
    ] {
        let wrong = world.file("wrong.json", text);
        world.all_refused(REASSIGN, TOOL, &[&of(&wrong, "--execute")]);
    }
    let malformed = world.file("malformed.json", "{");
    for action in ["--execute", "--verify", "--cancel"] {
        let line = [action, "--reassignment-json-file", &malformed];
        world.refused_in_other_words(REASSIGN, TOOL, &line);
    }
    let twice = world.file("twice.json", r#"{"topics": [{"topic": "t3"}, {"topic": "t3"}]}"#);
    let of_three = world.file("three.json", r#"{"topics": [{"topic": "t3"}]}"#);
    let lost = world.file("lost.json", r#"{"topics": [{"topic": "nosuch"}]}"#);
    let generate = |file: &str, brokers: &str| {
        format!("--generate --topics-to-move-json-file {file} --broker-list {brokers}")
    };
    world.all_refused(
        REASSIGN,
        TOOL,
        &[
            &*generate(&twice, "1"),
            &generate(&twice, "1,1"),
            &generate(&lost, "1"),
            &generate(topics, "9"),
            &generate(&of_three, "2,9"),
            &format!("--generate --topics-to-move-json-file {topics}"),
            "--list --verify",
            "--execute",
            "--verify",
            "--list --additional",
            "--list --throttle 5",
        ],
    );
}

/// A move that does not get on, begun by each, seen and cancelled by the other.
pub(crate) fn reassign_slowly(world: &mut World) {
    let plan = world.plan("slow.json", "slow", &[&[2]]);
    let file = ["--reassignment-json-file", plan.as_str()];
    let execute =
        [&["--execute", "--throttle", "1", "--replica-alter-log-dirs-throttle", "1000000"], &file[..]]
            .concat();
    let cancel = [&["--cancel"], &file[..]].concat();
    let throttles = |world: &mut World| {
        let topic = world.theirs(CONFIGS, &["--describe", "--topic", "slow"]).stdout;
        topic + &world.theirs(CONFIGS, &["--describe", "--entity-type", "brokers"]).stdout
    };
    let none = throttles(world);

    let theirs = world.theirs(REASSIGN, &execute);
    let set_by_them = throttles(world);
    assert!(set_by_them.contains("replication.throttled.replicas=0:2"), "{set_by_them}");
    world.same(REASSIGN, TOOL, &["--list"]);
    world.same(REASSIGN, TOOL, &[&["--verify"], &file[..]].concat());
    world.refused(REASSIGN, TOOL, &execute);
    world.same(REASSIGN, TOOL, &[&execute[..], &["--additional"]].concat());
    let ours_cancelled = world.ours(TOOL, &cancel);
    assert_eq!(throttles(world), none, "the throttles are gone");

    let ours = world.ours(TOOL, &execute);
    assert_eq!((&ours.stdout, ours.status), (&theirs.stdout, theirs.status), "{}", ours.stderr);
    assert_eq!(throttles(world), set_by_them, "the throttles are set alike");
    let theirs_cancelled = world.theirs(REASSIGN, &cancel);
    assert_eq!(ours_cancelled.stdout, theirs_cancelled.stdout, "{}", ours_cancelled.stderr);
    assert_eq!(throttles(world), none, "the throttles are gone");

    // From one directory of a broker to another there is nothing to move: each has one.
    let dirs = world.ours("klogdirs", &["-o", "json", "--broker-list", "1"]).stdout;
    let dirs: Value = serde_json::from_str(&dirs).expect("JSON");
    let dir = dirs["brokers"][0]["log_dirs"][0]["path"].as_str().expect("a path").to_owned();
    let entry = format!(r#"{{"topic": "slow", "partition": 0, "replicas": [1], "log_dirs": ["{dir}"]}}"#);
    let here = world.file("here.json", &format!(r#"{{"version": 1, "partitions": [{entry}]}}"#));
    world.same(REASSIGN, TOOL, &["--execute", "--reassignment-json-file", &here]);
    world.same(REASSIGN, TOOL, &["--verify", "--reassignment-json-file", &here]);
}
