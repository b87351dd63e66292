//! The producer's promises under faults, at Apache Kafka: the same as `chaos_producer`, with the judge itself behind the
//! proxy.

#[path = "chaos_producer/check.rs"]
mod check;
#[path = "chaos_producer/round.rs"]
mod round;
#[path = "chaos_producer/seeds.rs"]
mod seeds;
#[path = "chaos_producer/table.rs"]
mod table;

use kinglet_harness::absent::or_skip;
use kinglet_harness::kafka::{Jars, Kafka};
use kinglet_harness::proxy::{Proxy, ProxyPort};

use round::Site;

#[test]
fn the_producers_promises_hold_through_faults_at_apache_kafka() {
    let Some(jars) = or_skip("the producer under faults, Apache Kafka", Jars::fetch()) else { return };
    let port = ProxyPort::bind().expect("a free port");
    let kafka = Kafka::start_behind(&jars, port.number()).expect("Apache Kafka starts");
    let behind = kafka.behind().expect("it has a second listener");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let proxy = Proxy::start(port, behind).expect("the proxy starts");
        seeds::run_all(&Site { direct: kafka.bootstrap(), proxy }).await;
    });
}
