//! Apache Kafka judges `kgroups` and `kdelete`: kafka-consumer-groups and kafka-delete-records print the same bytes about the same
//! groups, which Java's console consumers have made.

#[path = "compat_kgroups/world.rs"]
mod world;

use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::{Binaries, Kbroker};
use kinglet_harness::kafka::{Jars, Kafka};
use kinglet_harness::process::{Input, run_ok};
use serde_json::Value;

use world::{LIMIT, RECORDS, World, lag, members};

/// Long enough to widen columns, and for CSV to quote it.
const LONG: &str = "a-topic-whose-name-is-longer-than-others";

/// Valid ones and others; each error of RE2/J is among them.
const REGEXES: [&str; 94] = [
    r"a.*|b+?",
    r"(a|b){2,5}",
    r"(?i:x)(?P<n>y)(?<m>z)",
    r"a{",
    r"a{,2}",
    r"a{02}",
    r"a{2",
    r"a{2,",
    r"a{2,}",
    r"a{x}",
    r"[]a-]",
    r"[^a-z\d[:alpha:]]",
    r"[[:^word:]-]",
    r"\Qa*(\E+",
    r"\Q\E*",
    r"\Qab",
    r"a\Q\E*",
    r"\p{Greek}\PL\p{^Lu}",
    r"\p{Any}",
    r"\p{Nosuch}",
    r"\pX",
    r"\p",
    r"\p{L",
    r"\p{Vithkuqi}",
    r"\x41\x{10FFFF}\012\0",
    r"\x{110000}",
    r"\x{}",
    r"\x{4",
    r"\x4",
    r"\xg1",
    r"a(?i)*",
    r"(?i)*",
    r"^*",
    r"$+",
    r"\b*",
    r"\_\.",
    r"\Z",
    r"\C",
    r"\G",
    r"\8",
    r"\1",
    r"\11",
    r"\q",
    r"(?)",
    r"(?:",
    r"(?:)*",
    r"()",
    r"()*",
    r"(?-)",
    r"(?i-)",
    r"(?-i)",
    r"(?i-s:x)",
    r"(?--i)",
    r"(?x)",
    r"(?=a)",
    r"(?<=a)",
    r"(?P=n)",
    r"(?P<n",
    r"(?P<>a)",
    r"(?P<n-n>a)",
    r"(?P<n>a)(?<n>b)",
    r"a(",
    r"a)",
    r"(a))",
    r"a|)",
    r"a**",
    r"a+*?",
    r"a{2}{3}",
    r"a{*",
    r"a{x}*",
    r"**",
    r"(|*)",
    r"a|*",
    r"a{1001}",
    r"a{1000}",
    r"a{3,2}",
    r"a{123456789}",
    r"a{0,99999999}",
    r"[z-a]",
    r"[a-\x{7a}]",
    r"[a-\d]",
    r"[\d-z]",
    r"[[:nosuch:]]",
    r"[[:]",
    r"[[:a]",
    r"[a",
    r"[]",
    r"[^]",
    r"[\b]",
    r"[\",
    r"a\",
    r"\",
    r"\é",
    r"é*",
];

#[test]
fn kgroups_and_kdelete_print_what_kafkas_tools_print_about_apache_kafka() {
    let Some(jars) = or_skip("kgroups, Apache Kafka", Jars::fetch()) else { return };
    let kafka = Kafka::start(&jars).expect("Apache Kafka starts");
    World::new(jars, kafka.bootstrap(), &["active", "modern", "empty", "other"]).check();
}

#[test]
fn kgroups_and_kdelete_print_what_kafkas_tools_print_about_kbroker() {
    let Some(jars) = or_skip("kgroups, kbroker", Jars::fetch()) else { return };
    let binaries = Binaries::build().expect("our programs compile");
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let broker = Kbroker::start(&binaries, data_dir.path(), &[]).expect("kbroker starts");
    World::new(jars, broker.bootstrap(), &["active", "empty", "other"]).check();
}

impl World {
    fn check(mut self) {
        self.make_groups();
        self.check_regexes();
        self.check_lists();
        self.check_descriptions();
        self.check_refusals_of_active_groups();
        self.check_resets();
        self.check_unknown();
        self.check_deletions();
        self.check_records();
    }

    /// `active` has two members, one of them static, and a topic of its own; `modern` one of the consumer protocol; `empty` and
    /// `other` are left with what they have committed.
    fn make_groups(&mut self) {
        for (topic, partitions) in [("t", 3), ("u", 12), (LONG, 1)] {
            self.tools.create_topic(topic, partitions, &[]).expect("ktopics --create");
            self.produce(topic, 60);
        }
        let both = format!("t|{LONG}");
        self.members = vec![
            self.consumer("active", &["--topic", "t"]),
            self.consumer("active", &["--topic", "t", "--command-property", "group.instance.id=static-1"]),
        ];
        let has_modern = self.groups.contains(&"modern");
        if has_modern {
            let options = ["--include", &both, "--command-property", "group.protocol=consumer"];
            self.members.push(self.consumer("modern", &options));
        }
        for (group, options) in [
            ("empty", ["--include", &both, "--max-messages", "120"]),
            ("other", ["--include", "t|u", "--max-messages", "120"]),
        ] {
            let mut consumer = self.consume(group, &options);
            run_ok(&mut consumer, Input::Nothing, LIMIT).expect("the console consumer");
        }
        self.wait_for("active", |group| members(group) == 2 && lag(group) == Some(0));
        if has_modern {
            self.wait_for("modern", |group| members(group) == 1 && lag(group) == Some(0));
        }
        // So that there is lag, and a partition without a committed offset.
        self.produce("u", 7);
        self.kgroups(&["--delete-offsets", "--group", "empty", "--topic", "t:1"]).ok().expect("it succeeds");
    }

    fn check_regexes(&mut self) {
        for regex in REGEXES {
            let line = ["--validate-regex", regex];
            let (theirs, ours) = (self.theirs(&line), self.kgroups(&[&line[..], &["--compat"]].concat()));
            assert_eq!(
                (ours.status, ours.stdout),
                (theirs.status, theirs.stdout),
                "{regex}: {}",
                ours.stderr
            );
        }
    }

    fn check_lists(&mut self) {
        for line in [
            &["--list"][..],
            &["--list", "--state"],
            &["--list", "--type"],
            &["--list", "--type", "--state"],
            &["--list", "--state", "empty,stable"],
            &["--list", "--type", "consumer"],
            &["--list", "--state", "dead"],
        ] {
            self.same(line);
        }
    }

    fn check_descriptions(&mut self) {
        for group in self.groups {
            for view in [&[][..], &["--members"], &["--state"]] {
                for detail in [&[][..], &["--verbose"]] {
                    self.same(&[&["--describe", "--group", group], view, detail].concat());
                }
            }
        }
        let said = self.same(&["--describe", "--all-groups"]);
        assert_eq!(
            said.stderr,
            "\nConsumer group 'empty' has no active members.\n\nConsumer group 'other' has no active members.\n"
        );
        self.same(&["--describe", "--group", "other", "--group", "active", "--state"]);
    }

    fn check_refusals_of_active_groups(&mut self) {
        self.same_failure(&[
            "--reset-offsets",
            "--group",
            "active",
            "--topic",
            "t",
            "--to-earliest",
            "--execute",
        ]);
        self.same_failure(&["--delete", "--group", "active"]);
        self.same_failure(&["--delete-offsets", "--group", "active", "--topic", "t"]);
    }

    fn check_resets(&mut self) {
        let everything = &["--all-topics"][..];
        // Where nothing is that young, Kafka's tool says so of each partition in the order of hashes that are salted.
        let one_topic = &["--topic", "u"][..];
        let specs: [(&[&str], &[&str]); 12] = [
            (everything, &["--to-earliest"]),
            (everything, &["--to-latest"]),
            (everything, &["--to-current"]),
            (everything, &["--to-offset", "2"]),
            (everything, &["--to-offset", "1000"]),
            (everything, &["--shift-by", "-3"]),
            (everything, &["--shift-by", "1000"]),
            (everything, &["--by-duration", "PT1H"]),
            (one_topic, &["--by-duration", "PT0S"]),
            (everything, &["--to-datetime", "2001-01-01T00:00:00.000"]),
            (one_topic, &["--to-datetime", "2101-01-01T00:00:00.000+01:00"]),
            (everything, &["--to-offset", "-4"]),
        ];
        for (scope, spec) in specs {
            let reset = [&["--reset-offsets", "--group", "other"], scope, spec].concat();
            for how in [&["--dry-run"][..], &["--export", "--dry-run"]] {
                self.same(&[&reset, how].concat());
            }
            // What is not relative comes out the same the second time.
            if spec[0] != "--shift-by" {
                self.same(&[&reset[..], &["--execute"]].concat());
                self.same(&["--describe", "--group", "other"]);
            }
        }
        let shift = ["--reset-offsets", "--group", "other", "--topic", "t:0", "--execute", "--shift-by"];
        self.kgroups(&[&shift[..], &["2"]].concat()).ok().expect("it succeeds");
        self.same(&["--describe", "--group", "other"]);

        for scope in [
            &["--topic", "u", "--topic", "t:2,0"][..],
            &["--topic", LONG, "--topic", "t"],
            &["--topic", "t:1"],
        ] {
            for group in ["empty", "never-seen"] {
                self.same(
                    &[&["--reset-offsets", "--group", group, "--to-earliest", "--dry-run"], scope].concat(),
                );
                self.same(
                    &[&["--reset-offsets", "--group", group, "--to-current", "--export", "--dry-run"], scope]
                        .concat(),
                );
            }
        }
        let said = self.same(&["--reset-offsets", "--group", "empty", "--topic", "t", "--to-latest"]);
        assert!(
            said.stderr.starts_with("WARN: No action will be performed as the --execute option is missing.")
        );
        self.same(&[
            "--reset-offsets",
            "--all-groups",
            "--all-topics",
            "--to-latest",
            "--export",
            "--dry-run",
            "--compat",
        ]);
        self.check_plans();
    }

    fn check_plans(&mut self) {
        let reset = ["--reset-offsets", "--group", "other", "--dry-run", "--from-file"];
        for (name, text) in [
            ("one", format!("t,0,1\n\"{LONG}\",0,2\nu,11,9999\n")),
            ("many", "other,t,2,1\nmore,t,1,1\n".to_owned()),
        ] {
            let path = self.dir.path().join(name);
            std::fs::write(&path, text).expect("a plan");
            self.same(&[&reset[..], &[&path.display().to_string()]].concat());
        }
        let path = self.dir.path().join("more");
        std::fs::write(&path, "more,t,1,1\n").expect("a plan");
        self.same_failure(&[&reset[..], &[&path.display().to_string()]].concat());
    }

    fn check_unknown(&mut self) {
        for line in [
            &["--describe", "--group", "nosuch"][..],
            &["--describe", "--group", "nosuch", "--state"],
            &["--delete", "--group", "nosuch"],
            &["--delete-offsets", "--group", "nosuch", "--topic", "t"],
            &["--delete-offsets", "--group", "empty", "--topic", "nosuch"],
            &["--delete-offsets", "--group", "empty", "--topic", "t:77"],
            &["--reset-offsets", "--group", "empty", "--topic", "nosuch", "--to-latest", "--dry-run"],
            &["--reset-offsets", "--group", "empty", "--topic", "nosuch:0", "--to-latest", "--dry-run"],
            &["--reset-offsets", "--group", "empty", "--topic", "t:0,77", "--to-latest", "--dry-run"],
        ] {
            self.same_failure(line);
        }
        let ours = self.kgroups(&["--describe", "--group", "nosuch"]);
        assert_eq!((ours.status, ours.stdout.as_str()), (4, ""), "{}", ours.stderr);
        assert!(ours.stderr.contains("Group nosuch not found."), "{}", ours.stderr);
    }

    fn check_deletions(&mut self) {
        self.same(&["--delete-offsets", "--group", "other", "--topic", "u", "--topic", "t:0"]);
        self.same(&["--describe", "--group", "other"]);
        let gone = ["--delete", "--group", "gone-a", "--group", "gone-b"];
        let partly = [&gone[..], &["--group", "active", "--group", "nosuch", "--compat"]].concat();
        for line in [&gone[..], &partly] {
            self.make_gone();
            let theirs = self.theirs(line);
            self.make_gone();
            let ours = self.kgroups(line);
            assert_eq!(ours.stdout, theirs.stdout, "{line:?}: {}", ours.stderr);
            assert_eq!((ours.status, theirs.status), (0, 0), "{line:?}");
        }
        self.same(&["--list"]);
    }

    /// Two groups that are nothing but committed offsets.
    fn make_gone(&self) {
        for group in ["gone-a", "gone-b"] {
            let line = ["--reset-offsets", "--to-earliest", "--execute", "--topic", "t", "--group", group];
            self.kgroups(&line).ok().expect("it succeeds");
        }
    }

    fn check_records(&mut self) {
        let offsets = [("t", 0, 1), ("t", 1, -1), ("u", 0, 99_999), (LONG, 0, 3)];
        let partitions: Vec<Value> = offsets
            .iter()
            .map(|(topic, partition, offset)| serde_json::json!({"topic": topic, "partition": partition, "offset": offset}))
            .collect();
        let path = self.dir.path().join("offsets.json");
        let text = serde_json::json!({"partitions": partitions, "version": 1}).to_string();
        std::fs::write(&path, text).expect("the offsets");
        let line = ["--offset-json-file", &path.display().to_string()];
        let theirs = self.ask(RECORDS, &line);
        let ours = self.ours("kdelete", &[&line[..], &["--compat"]].concat());
        // Theirs come in another order in each virtual machine.
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&ours.stdout), sorted(&theirs.stdout), "{}", ours.stderr);
        assert_eq!(
            ours.stdout.lines().take(2).collect::<Vec<_>>(),
            theirs.stdout.lines().take(2).collect::<Vec<_>>()
        );
        assert_eq!((ours.status, theirs.status), (0, 0));
        assert_eq!(self.ours("kdelete", &line).status, 1, "a partition failed");
        self.same(&["--describe", "--group", "empty"]);
    }
}
