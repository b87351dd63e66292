//! Kafka's tools and ours with three kbrokers: what both print is the same there too, and so is what both do.

use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::Binaries;
use kinglet_harness::cluster::Brokers;
use kinglet_harness::kafka::Jars;

use super::configs::{configure_brokers, configure_loggers, configure_topics, configure_what_is_not_there};
use super::moves::{reassign, reassign_slowly};
use super::world::World;
use super::{create_topics, describe_cluster, describe_log_dirs, elect, unregister};

#[test]
fn kbrokers_are_administered_as_apache_kafkas_are() {
    let Some(jars) = or_skip("Kafka's tools for clusters with kbrokers", Jars::fetch()) else { return };
    let binaries = Binaries::build().expect("our programs compile");
    // One of the topics has one replica, and writes to it are to be acked.
    let options = ["min.insync.replicas=1", "offsets.topic.num.partitions=2"];
    let mut brokers = Brokers::start_apart(&binaries, &options).expect("three controllers and three brokers");
    let mut world = World::new(&jars, brokers.bootstrap(), brokers.controllers());
    create_topics(&world);
    describe_cluster(&mut world);
    describe_log_dirs(&mut world);
    configure_topics(&mut world);
    configure_brokers(&mut world);
    configure_loggers(&mut world);
    configure_what_is_not_there(&mut world);
    elect(&mut world);
    reassign(&mut world);
    reassign_slowly(&mut world);

    brokers.kill(3).expect("it runs");
    let alive = [1, 2].map(|id| brokers.address(id).expect("it is of the cluster"));
    world.without(alive.join(","), brokers.controllers());
    unregister(&mut world);
}
