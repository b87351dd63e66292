//! Bad input at a running `kbroker`: spoilt frames, connections that stop half-way, readers that do not read. It lives, stays
//! small, and a good client beside them notices nothing.
//!
//! The seed is printed; `KINGLET_SEED=<number>` repeats a run.

#[path = "bad_input/attack.rs"]
mod attack;
#[path = "bad_input/held.rs"]
mod held;
#[path = "bad_input/mutation.rs"]
mod mutation;
#[path = "bad_input/witness.rs"]
mod witness;

use std::hash::{BuildHasher, RandomState};
use std::net::TcpStream;
use std::time::Duration;

use kinglet::admin::NewTopic;
use kinglet::{Assignment, Client, Config, Position, TopicPartition};
use kinglet_harness::binaries::{Binaries, Kbroker};
use kinglet_harness::golden::{advertised, exchange};
use kinglet_harness::process::Usage;
use kinglet_protocol::ErrorCode;

use held::Held;
use mutation::{FORGED, Seeds, TARGET};
use witness::Witness;

/// Topics, producers and connections that are there anyway appear in the first of them.
const WARM_UP_FRAMES: u64 = 2_000;
const FRAMES: u64 = 10_000;
const WITNESS_RECORDS: u64 = 5_000;
const GROWTH_MAX: u64 = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn ten_thousand_spoilt_frames_harm_neither_the_broker_nor_a_good_client() {
    let seed = seed();
    println!("KINGLET_SEED={seed}");
    let binaries = Binaries::build().expect("our programs compile");
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let broker = Kbroker::start(&binaries, data_dir.path(), &[]).expect("kbroker starts");
    let address = broker.bootstrap();
    create_topics(&address);
    let seeds = Seeds::new(&advertised(&mut connect(&address)).expect("ApiVersions is answered"));
    let witness = Witness::start(&address);
    attack::run(&address, &seeds, seed, WARM_UP_FRAMES);
    let before = Usage::of(broker.pid()).expect("it lives");

    let held = Held::open(&address).expect("the broker accepts");
    let tally = attack::run(&address, &seeds, seed.wrapping_add(1_000), FRAMES);
    exchange(&mut connect(&address), &held::api_versions()).expect("a new connection is served");
    let after = Usage::of(broker.pid()).expect("it lives");
    let slow_answered = held.close().expect("slow writers are answered");
    let saw = witness.stop().expect("the good client has no error");

    println!(
        "{tally}{} frames, {} connections held, {slow_answered} of them slow and answered",
        tally.sent(),
        Held::count()
    );
    println!(
        "memory {} KiB before, {} after, peak {}",
        before.rss_bytes >> 10,
        after.rss_bytes >> 10,
        after.rss_peak_bytes >> 10
    );
    println!("good client: {} records back, slowest round {:?}", saw.records, saw.slowest_round);
    assert!(u64::from(tally.sent()) >= FRAMES, "{tally}");
    assert_eq!(tally.without_effect(), [], "kinds that were neither answered nor closed\n{tally}");
    assert!(after.rss_bytes.saturating_sub(before.rss_bytes) <= GROWTH_MAX, "{before:?} {after:?}");
    assert!(saw.records >= WITNESS_RECORDS, "{saw:?}");
    assert_silent(&broker);
    comes_back(&binaries, broker, data_dir.path());
}

/// What it accepted must be readable, also after a kill: recovery meets the forged batches as well.
fn comes_back(binaries: &Binaries, broker: Kbroker, data_dir: &std::path::Path) {
    let written = read_target(&broker.bootstrap());
    broker.kill().expect("the broker is killed");
    let broker = Kbroker::start(binaries, data_dir, &[]).expect("kbroker starts again");
    assert_eq!(read_target(&broker.bootstrap()), written, "records of {TARGET} after a kill");
    exchange(&mut connect(&broker.bootstrap()), &mutation::fetch(FORGED)).expect("forged batches are served");
    assert_silent(&broker);
    let status = broker.stop().expect("it stops");
    assert!(status.success(), "{status}");
}

#[test]
fn an_absurd_number_of_partitions_is_refused_with_a_sentence() {
    let binaries = Binaries::build().expect("our programs compile");
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let broker = Kbroker::start(&binaries, data_dir.path(), &[]).expect("kbroker starts");
    let created = block_on(async {
        let client = Client::connect(Config::new(broker.bootstrap())).await.expect("connects");
        client.admin().create_topics([NewTopic::new("wide", i32::MAX, 1)]).await.expect("an answer")
    });
    let (_, result) = created.into_iter().next().expect("one answer for one topic");
    let error = result.expect_err("two thousand million partitions are refused");
    assert_eq!(
        error.broker_message(),
        Some("Excessively large number of partitions per request."),
        "{error}"
    );
}

#[test]
fn a_fetch_that_names_one_partition_many_times_is_answered_in_bounds() {
    let binaries = Binaries::build().expect("our programs compile");
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let broker = Kbroker::start(&binaries, data_dir.path(), &[]).expect("kbroker starts");
    create_topics(&broker.bootstrap());
    let mut stream = connect(&broker.bootstrap());
    for _ in 0..8 {
        exchange(&mut stream, &mutation::produce(TARGET, mutation::batch(20_000))).expect("an answer");
    }
    // Some 5 MiB of records, a hundred times.
    let response =
        exchange(&mut stream, &mutation::fetch_repeated(TARGET, 100, i32::MAX)).expect("an answer");
    println!("{} bytes were asked for 100 times: {} came", data_size(data_dir.path()), response.len());
    assert!((4 << 20..60 << 20).contains(&response.len()), "{}", response.len());

    // Where records are converted, which takes memory, still fewer come.
    let old =
        exchange(&mut stream, &mutation::fetch_version(TARGET, 200_000, i32::MAX, 1)).expect("an answer");
    println!("asked for 200,000 times by an old client: {} came", old.len());
    let answers = 200_000 * 18;
    assert!((answers..answers + (5 << 20)).contains(&old.len()), "{}", old.len());
}

fn data_size(data_dir: &std::path::Path) -> u64 {
    let log = data_dir.join(format!("{TARGET}-0")).join("00000000000000000000.log");
    std::fs::metadata(log).expect("a segment").len()
}

/// Reads the target topic to its end, checksums included, and returns its number of records.
fn read_target(address: &str) -> u64 {
    block_on(async {
        let config = Config::new(address).set("check.crcs", true).expect("a boolean");
        let client = Client::connect(config).await.expect("connects");
        let partition = TopicPartition::new(TARGET, 0);
        let assignment = Assignment::partitions([(partition.clone(), Position::Beginning)]);
        let consumer = client.consumer(assignment).await.expect("a consumer");
        let ends = consumer.end_offsets(std::slice::from_ref(&partition)).await.expect("end offsets");
        let end = ends[0].1;
        let (mut records, mut next) = (0, 0);
        while next < end {
            let batch = tokio::time::timeout(PATIENCE, consumer.recv()).await;
            let batch = batch.unwrap_or_else(|_| panic!("nothing at offset {next} of {end}"));
            let batch = batch.expect("no corrupt batch").expect("the consumer goes on");
            records += u64::try_from(batch.iter().count()).expect("a count");
            next = batch.next_offset();
        }
        records
    })
}

fn create_topics(address: &str) {
    block_on(async {
        let client = Client::connect(Config::new(address)).await.expect("connects");
        // The records there carry old timestamps, and forged ones any.
        let topics = [TARGET, FORGED].map(|topic| NewTopic::new(topic, 1, 1).config("retention.ms", "-1"));
        for (topic, created) in client.admin().create_topics(topics).await.expect("an answer") {
            created
                .unwrap_or_else(|error| panic!("{topic}: {error}, {:?}", error.code().map(ErrorCode::name)));
        }
    });
}

fn assert_silent(broker: &Kbroker) {
    let lines = broker.lines();
    let bad: Vec<&String> =
        lines.iter().filter(|line| line.contains("panicked") || line.contains("ERROR")).collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the broker accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

fn seed() -> u64 {
    let given = std::env::var("KINGLET_SEED").ok();
    given.map_or_else(
        || RandomState::new().hash_one(()),
        |text| text.parse().expect("KINGLET_SEED is a number"),
    )
}
