//! Kafka's own message classes judge the codec: random messages of every declared kind and version, from either side.
//!
//! A message is made here by the field tables, encoded by the codec, decoded and encoded again by Java; another is made by
//! Java through the setters of its classes, encoded by them, decoded and encoded again by the codec. All bytes must be the same.

#[path = "../protocol/tests/model/mod.rs"]
mod model;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use kinglet_harness::absent::{Absent, or_skip};
use kinglet_harness::dialogue::Dialogue;
use kinglet_harness::kafka::{JarSet, Jars, class_path};
use model::{Case, hex, random, unhex};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const LIMIT: Duration = Duration::from_secs(60);
/// Messages of each case from each side.
const ROUNDS: u64 = 20;
/// Messages that 4.x changed within a version, all of early access in 3.9: the older classes do not judge them.
const CHANGED_IN_PLACE: [&str; 1] = ["ReadShareGroupStateSummaryResponse"];
/// Differences that are shown.
const SHOWN_MAX: usize = 10;

#[test]
fn java_classes_and_the_codec_give_the_same_bytes_for_random_messages_of_either_side() {
    let Some(mut judges) = or_skip("random messages, Java's classes", Judge::all()) else { return };
    let rounds = std::env::var("KINGLET_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a number"));
    let mut rng = StdRng::seed_from_u64(random::seed());
    let mut counts = BTreeMap::<String, u64>::new();
    let mut differences = Vec::new();
    for case in Case::all() {
        let count = counts.entry(case.to_string()).or_default();
        let mut judged = false;
        for judge in &mut judges {
            if !judge.knows(case) || (judged && CHANGED_IN_PLACE.contains(&case.subject.name().as_str())) {
                continue;
            }
            for _ in 0..rounds {
                let seed = rng.random();
                let outcomes = [judge.reads_ours(case, seed), judge.writes_theirs(case, seed)];
                for outcome in outcomes {
                    *count += 1;
                    differences.extend(
                        outcome.err().map(|why| format!("{case}, {}, seed {seed}: {why}", judge.name)),
                    );
                }
            }
            judged = true;
        }
        assert!(judged, "{case}: in none of the two jars");
    }
    report(&counts);
    assert!(counts.values().all(|count| *count > 0), "a version without a message: {counts:?}");
    let mut names: Vec<&str> = differences.iter().filter_map(|text| text.split(',').next()).collect();
    names.dedup();
    let shown = differences.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join("\n\n");
    assert!(differences.is_empty(), "{} differences, in {names:?}:\n\n{shown}", differences.len());
}

fn report(counts: &BTreeMap<String, u64>) {
    let least = counts.values().min().copied().unwrap_or_default();
    let total: u64 = counts.values().sum();
    println!(
        "{total} messages compared: {} versions of requests, responses and stored messages, at least {least} of each",
        counts.len()
    );
}

/// The classes of one release, running.
struct Judge {
    name: &'static str,
    java: Dialogue,
    /// The versions of each message that was asked for.
    known: BTreeMap<String, Option<(i16, i16)>>,
}

impl Judge {
    /// The newest release, then the last one with the versions that 4.0 dropped.
    fn all() -> Result<Vec<Self>, Absent> {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/java/Messages.java");
        let newest = Jars::fetch()?.source(Path::new(source));
        let last = source_on(&class_path(JarSet::CLIENTS_3_9)?, source);
        Ok([("4.3.1", newest), ("3.9.1", last)].map(|(name, command)| Self::start(name, command)).into())
    }

    fn start(name: &'static str, mut command: Command) -> Self {
        Self { name, java: Dialogue::start(&mut command).expect("java starts"), known: BTreeMap::new() }
    }

    fn knows(&mut self, case: Case) -> bool {
        let (name, java) = (case.subject.name(), &mut self.java);
        let versions = self.known.entry(name.clone()).or_insert_with(|| {
            let answer = java.ask(&format!("versions {name}"), LIMIT).expect("java answers");
            let mut words = answer.split(' ').skip(1).map(|word| word.parse().expect("a version"));
            words.next().zip(words.next())
        });
        versions.is_some_and(|(first, last)| (first..=last).contains(&case.version))
    }

    /// Ours, through Java.
    fn reads_ours(&mut self, case: Case, seed: u64) -> Result<(), String> {
        let value = random::message(&mut StdRng::seed_from_u64(seed), case.fields(), case.version);
        let ours = recode(case, case.encode(&value).into())?;
        let theirs =
            self.ask("recode", case, &hex(&ours)).map_err(|why| format!("{why}\nours: {}", hex(&ours)))?;
        same(&ours, &theirs)
    }

    /// Java's, through the codec.
    fn writes_theirs(&mut self, case: Case, seed: u64) -> Result<(), String> {
        // Java's seeds are signed.
        let theirs = self.ask("random", case, &(seed >> 1).to_string())?;
        let ours =
            recode(case, theirs.clone().into()).map_err(|why| format!("{why}\nJava: {}", hex(&theirs)))?;
        same(&ours, &theirs)
    }

    fn ask(&mut self, what: &str, case: Case, argument: &str) -> Result<Vec<u8>, String> {
        let question = format!("{what} {} {} {argument}", case.subject.name(), case.version);
        let answer = self.java.ask(&question, LIMIT).expect("java answers");
        match answer.split_once(' ') {
            Some(("ok", digits)) => Ok(unhex(digits)),
            _ => Err(format!("Java, {what}: {answer}")),
        }
    }
}

fn recode(case: Case, body: Bytes) -> Result<Bytes, String> {
    match case.recode(body) {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(format!("the codec does not encode: {error}")),
        Err(error) => Err(format!("the codec does not decode: {error}")),
    }
}

fn same(ours: &[u8], theirs: &[u8]) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("ours: {}\nJava: {}", hex(ours), hex(theirs))) }
}

fn source_on(class_path: &OsStr, source: &str) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-cp"]).arg(class_path).arg(source);
    command
}
