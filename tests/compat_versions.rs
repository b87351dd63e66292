//! The version matrix: our tools with brokers of old and new releases of Apache Kafka, and their Java clients and tools with `kbroker`.
//!
//! Every cell of the table in `docs/TESTING.md` is tried here. A cell passes, or what it needs does not exist in that
//! release; then the words of the table are what the user is told. `KINGLET_BLESS=1` rewrites the table.

#[path = "compat_versions/console.rs"]
mod console;
#[path = "compat_versions/groups.rs"]
mod groups;
#[path = "compat_versions/java_client.rs"]
mod java_client;
#[path = "compat_versions/material.rs"]
mod material;
#[path = "compat_versions/moves.rs"]
mod moves;
#[path = "compat_versions/table.rs"]
mod table;
#[path = "compat_versions/topics.rs"]
mod topics;
#[path = "compat_versions/world.rs"]
mod world;

use std::sync::{Mutex, PoisonError};

use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::{Jars, Release};

use table::{Row, Who};
use world::World;

/// One release at a time: two virtual machines are enough for a small computer.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn kafka_0_9_and_kinglet_do_what_the_matrix_says() {
    check(Release::V0_9);
}

#[test]
fn kafka_0_11_and_kinglet_do_what_the_matrix_says() {
    check(Release::V0_11);
}

#[test]
fn kafka_2_2_and_kinglet_do_what_the_matrix_says() {
    check(Release::V2_2);
}

#[test]
fn kafka_4_3_and_kinglet_do_what_the_matrix_says() {
    check(Release::V4_3);
}

#[test]
fn the_matrix_has_a_row_for_each_release_and_direction_and_no_other() {
    table::check_shape();
}

fn check(release: Release) {
    let Some(jars) = or_skip(&format!("the matrix, {release}"), Jars::fetch_release(release)) else { return };
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let binaries = Binaries::build().expect("our programs compile");
    let rows = [ours_with_theirs(&jars, &binaries), theirs_with_ours(&jars, &binaries)];
    for row in &rows {
        println!("{}", row.line());
    }
    let failures: Vec<String> = rows.iter().flat_map(Row::failures).collect();
    assert!(failures.is_empty(), "{} cells failed:\n\n{}", failures.len(), failures.join("\n\n"));
    table::check_rows(&rows);
}

/// Our tools work with their broker; their client prepares and judges.
fn ours_with_theirs(jars: &Jars, binaries: &Binaries) -> Row {
    let mut world = World::theirs(jars, binaries);
    Row {
        release: jars.release(),
        who: Who::OurTools,
        produce: moves::ours_to_java(&mut world),
        fetch: moves::java_to_ours(&mut world),
        groups: groups::handed_over(&mut world),
        create: topics::our_create(&mut world),
        describe: topics::our_describe(&mut world),
        delete: topics::our_delete(&mut world),
    }
}

/// Their client and console tools work with our broker; our tools judge.
fn theirs_with_ours(jars: &Jars, binaries: &Binaries) -> Row {
    let mut world = World::ours(jars, binaries);
    Row {
        release: jars.release(),
        who: Who::TheirClient,
        produce: moves::java_to_ours(&mut world).and_then(|cell| console::produce(&world).map(|()| cell)),
        fetch: moves::ours_to_java(&mut world).and_then(|cell| console::consume(&world).map(|()| cell)),
        groups: groups::handed_over(&mut world),
        create: topics::java_create(&mut world).and_then(|cell| console::topics(&world).map(|()| cell)),
        describe: topics::java_describe(&mut world),
        delete: topics::java_delete(&mut world),
    }
}
