//! The producer's promises under faults, at `kbroker`: a proxy in front of it cuts, drops, delays and stops what passes, and
//! whatever the producer says of a record is compared with the log.
//!
//! With the idempotent defaults every acked record is there exactly once and in order; with `acks=1` and `retries=0` an
//! acked record is there, a missing one was reported, and one that is called not written is not there.

#[path = "chaos_producer/check.rs"]
mod check;
#[path = "chaos_producer/check_tests.rs"]
mod check_tests;
#[path = "chaos_producer/round.rs"]
mod round;
#[path = "chaos_producer/seeds.rs"]
mod seeds;
#[path = "chaos_producer/table.rs"]
mod table;

use kinglet_harness::binaries::{Binaries, Kbroker};
use kinglet_harness::proxy::{Proxy, ProxyPort};

use round::Site;

#[test]
fn the_producers_promises_hold_through_faults_at_kbroker() {
    let binaries = Binaries::build().expect("our programs compile");
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let port = ProxyPort::bind().expect("a free port");
    let (broker, behind) =
        Kbroker::start_behind(&binaries, port.number(), data_dir.path()).expect("kbroker starts");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let proxy = Proxy::start(port, behind).expect("the proxy starts");
        seeds::run_all(&Site { direct: broker.bootstrap(), proxy }).await;
    });
    let lines = broker.lines();
    let bad: Vec<_> = lines.iter().filter(|l| l.contains("panicked") || l.contains("ERROR")).collect();
    assert!(bad.is_empty(), "kbroker says: {bad:#?}");
}
