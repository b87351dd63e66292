//! Every broker key has an effect, seen from outside.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use kinglet_broker::config::BROKER_KEYS;
use kinglet_broker::{Broker, Config, StartError};
use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::create_topics::CreatableTopic;
use kinglet_protocol::messages::describe_configs::DescribeConfigsResource;
use kinglet_protocol::messages::{
    ApiVersionsRequest, DeleteTopicsRequest, DescribeConfigsRequest, MetadataRequest,
};
use kinglet_protocol::records::Seal;

use wire::{Wire, batch, eventually, now_ms, sealed, start};

const HOUR: i64 = 60 * 60 * 1000;

#[test]
fn every_key_of_the_table_is_observed_here() {
    // What takes several brokers is seen beside the controller, and where two brokers share a process.
    let tests = concat!(
        include_str!("config.rs"),
        include_str!("group_configs.rs"),
        include_str!("cleaner.rs"),
        include_str!("connections.rs"),
        include_str!("dynamic_configs.rs"),
        include_str!("../src/meta/store/tests/quorum.rs"),
        include_str!("fetch_sessions.rs"),
        include_str!("../src/shard/tests.rs"),
        include_str!("../src/replica/fetcher/state.rs"),
    );
    let missing: Vec<_> =
        BROKER_KEYS.iter().map(|key| key.name).filter(|name| !tests.contains(&format!("{name}="))).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

/// The names of the files of a topic's only partition.
fn files(config: &Config, topic: &str) -> Vec<String> {
    let names = |dir: &Path| fs::read_dir(dir.join(format!("{topic}-0"))).into_iter().flatten();
    let all = config.log_dirs.iter().flat_map(|dir| names(dir));
    all.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn segments(config: &Config, topic: &str) -> usize {
    files(config, topic).iter().filter(|name| name.ends_with(".log")).count()
}

/// As [`start`], with the configuration to find the files by.
async fn start_with_files(properties: &str) -> (kinglet_broker::Handle, Config) {
    let mut config = Config::from_properties(properties).unwrap();
    config.set_port(0);
    config.set_ephemeral().unwrap();
    (Broker::start(config.clone()).await.unwrap(), config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_has_its_id() {
    for (file, id) in
        [("node.id=7", 7), ("broker.id=8", 8), ("broker.id=-1", 1), ("node.id=7\nbroker.id=8", 7)]
    {
        let broker = start(file).await;
        let metadata = Wire::to(&broker).metadata("t");
        assert_eq!((metadata.brokers[0].node_id, metadata.controller_id), (id, id), "{file}");
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_listens_where_it_is_told() {
    for file in ["listeners=PLAINTEXT://127.0.0.1:0", "port=0\nhost.name=127.0.0.1"] {
        let broker = start(file).await;
        assert_eq!(broker.addrs().len(), 1, "{file}");
        assert!(broker.addrs()[0].ip().is_loopback());
        Wire::to(&broker).call(&ApiVersionsRequest::default(), 0);
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn controller_listeners_stay_closed_and_names_are_mapped() {
    let file = "listeners=IN://127.0.0.1:0,OUT://127.0.0.1:0,CONTROLLER://127.0.0.1:0\n\
                listener.security.protocol.map=IN:PLAINTEXT,OUT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
                controller.listener.names=CONTROLLER\n\
                advertised.listeners=IN://in.example:1000,OUT://out.example:2000\n";
    let broker = start(file).await;
    let told: Vec<_> =
        broker.addrs().iter().map(|addr| Wire::open(*addr).metadata("t").brokers.remove(0)).collect();
    let told: Vec<_> = told.iter().map(|broker| (broker.host.as_str(), broker.port)).collect();
    assert_eq!(told, [("in.example", 1000), ("out.example", 2000)]);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_does_not_know_its_cluster_does_not_start() {
    for file in [
        "process.roles=broker",
        "zookeeper.connect=zk1:2181,zk2:2181",
        "node.id=3\ncontroller.quorum.voters=1@a:9093,2@b:9093",
    ] {
        let mut config = Config::from_properties(file).unwrap();
        config.set_ephemeral().unwrap();
        let refused = Broker::start(config).await.err().unwrap();
        assert!(matches!(refused, StartError::Config(_)), "{file}: {refused}");
    }
    let file = "zookeeper.connect=zk1:2181,zk2:2181\ncontroller.quorum.bootstrap.servers=b1:9092,b2:9092";
    Config::from_properties(file).unwrap().check().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_told_the_old_keys_address() {
    let file = "host.name=127.0.0.1\nport=0\nadvertised.host.name=kafka.example\nadvertised.port=9999";
    let broker = start(file).await;
    let told = Wire::to(&broker).metadata("t").brokers.remove(0);
    assert_eq!((told.host.as_str(), told.port), ("kafka.example", 9999));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_lies_in_the_named_directories() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let partitions = |dir: &Path| {
        let names =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("t-")).count()
    };
    let file = format!("log.dirs={},{}\nnum.partitions=4\n", a.path().display(), b.path().display());
    let broker = start(&file).await;
    assert_eq!(Wire::to(&broker).metadata("t").topics[0].partitions.len(), 4);
    assert_eq!((partitions(a.path()), partitions(b.path())), (2, 2));
    broker.shutdown().await.unwrap();
    let one = tempfile::tempdir().unwrap();
    let broker = start(&format!("log.dir={}", one.path().display())).await;
    Wire::to(&broker).create("t", &[]);
    assert_eq!(partitions(one.path()), 1);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_get_the_brokers_defaults() {
    let broker =
        start("num.partitions=3\ndefault.replication.factor=2\nauto.create.topics.enable=false").await;
    let mut wire = Wire::to(&broker);
    assert_eq!(wire.metadata("t").topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let with = |num_partitions, replication_factor| CreatableTopic {
        name: "t".to_owned(),
        num_partitions,
        replication_factor,
        ..Default::default()
    };
    assert_eq!(wire.create_as(with(1, -1)).error_code, ErrorCode::INVALID_REPLICATION_FACTOR);
    assert_eq!(wire.create_as(with(-1, 1)).num_partitions, 3);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_can_be_switched_off() {
    let broker = start("delete.topic.enable=false").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    let request = DeleteTopicsRequest { topic_names: vec!["t".to_owned()], ..Default::default() };
    let mut code = |version| wire.call(&request, version).responses[0].error_code;
    assert_eq!((code(1), code(5)), (ErrorCode::INVALID_REQUEST, ErrorCode::TOPIC_DELETION_DISABLED));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_have_limits() {
    let broker = start("socket.request.max.bytes=1000").await;
    let mut first = Wire::to(&broker);
    first.call(&ApiVersionsRequest::default(), 0);
    first.send(&1001i32.to_be_bytes());
    assert!(first.is_closed(), "a request above the limit");
    broker.shutdown().await.unwrap();
    let broker = start("connections.max.idle.ms=50").await;
    assert!(Wire::to(&broker).is_closed(), "an idle connection");
    broker.shutdown().await.unwrap();
}

/// Ends the program when the test ends, however it ends.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // Not `kill`: the program removes its temporary directory at the end. It may have ended by itself.
        let _ended = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.0),
            rustix::process::Signal::TERM,
        );
        let _ended = self.0.wait();
    }
}

#[test]
fn threads_are_as_many_as_told() {
    let overrides = ["--override", "num.io.threads=5", "--override", "num.network.threads=3"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_kbroker"));
    command.args(["--ephemeral", "--port", "0"]).args(overrides).stdout(Stdio::null());
    let program = Program(command.spawn().unwrap());
    let tasks = format!("/proc/{}/task", program.0.id());
    let count = |name: &str| {
        let tasks = fs::read_dir(&tasks).into_iter().flatten().flatten();
        let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|comm| comm.starts_with(name)).count()
    };
    eventually("five shards", || count("shard-") == 5);
    // Blocking tasks of the start have threads of the same name for a while.
    eventually("three workers", || count("tokio-rt-worker") == 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_records_go() {
    let small = "log.segment.bytes=300\nlog.retention.check.interval.ms=50\n";
    for key in [
        "log.retention.hours=1",
        "log.retention.minutes=90",
        "log.retention.ms=3600000",
        "log.retention.bytes=100",
    ] {
        let broker = start(&format!("{small}{key}")).await;
        let mut wire = Wire::to(&broker);
        wire.create("t", &[]);
        for _ in 0..3 {
            assert_eq!(wire.produce("t", batch(now_ms() - 2 * HOUR, 150)).error_code, ErrorCode::NONE);
        }
        eventually(key, || wire.offset("t", -2) >= 2);
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_dropped_segments_stay_for_the_delay() {
    let small = "log.segment.bytes=300\nlog.retention.check.interval.ms=50\nlog.retention.bytes=100\n";
    for (key, stay) in
        [("log.segment.delete.delay.ms=600000", true), ("log.segment.delete.delay.ms=0", false)]
    {
        let (broker, config) = start_with_files(&format!("{small}{key}")).await;
        let mut wire = Wire::to(&broker);
        wire.create("t", &[]);
        for _ in 0..3 {
            wire.produce("t", batch(now_ms(), 150));
        }
        eventually("retention", || wire.offset("t", -2) >= 2);
        let doomed = || files(&config, "t").iter().filter(|name| name.ends_with(".log.deleted")).count();
        eventually(key, || if stay { doomed() >= 2 } else { doomed() == 0 });
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_roll_by_size_and_time() {
    for (key, count) in [
        ("log.segment.bytes=500", 2),
        ("log.roll.hours=1", 2),
        ("log.roll.ms=3600000", 2),
        ("log.roll.hours=3", 1),
    ] {
        let (broker, config) = start_with_files(key).await;
        let mut wire = Wire::to(&broker);
        wire.create("t", &[]);
        wire.produce("t", batch(now_ms() - 2 * HOUR, 200));
        wire.produce("t", batch(now_ms(), 200));
        assert_eq!(segments(&config, "t"), count, "{key}");
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_is_as_dense_as_told() {
    for (key, entries) in [("log.index.interval.bytes=100", 9), ("log.index.interval.bytes=100000", 0)] {
        let (broker, config) = start_with_files(key).await;
        let mut wire = Wire::to(&broker);
        wire.create("t", &[]);
        for _ in 0..10 {
            wire.produce("t", batch(now_ms(), 200));
        }
        broker.shutdown().await.unwrap();
        let index = config.log_dirs[0].join("t-0").join("00000000000000000000.index");
        assert_eq!(fs::metadata(index).unwrap().len(), 8 * entries, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_above_the_limit_are_refused() {
    let broker = start("message.max.bytes=300").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    assert_eq!(wire.produce("t", batch(now_ms(), 200)).error_code, ErrorCode::NONE);
    assert_eq!(wire.produce("t", batch(now_ms(), 300)).error_code, ErrorCode::MESSAGE_TOO_LARGE);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_of_records_are_the_brokers_or_bounded() {
    let broker = start("log.message.timestamp.type=LogAppendTime").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    assert!(wire.produce("t", batch(1, 10)).log_append_time_ms > 1);
    broker.shutdown().await.unwrap();
    let file = "log.message.timestamp.before.max.ms=1000000\nlog.message.timestamp.after.max.ms=1000000";
    let broker = start(file).await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    let mut code = |timestamp| wire.produce("t", batch(timestamp, 10)).error_code;
    assert_eq!(code(now_ms() - HOUR), ErrorCode::INVALID_TIMESTAMP);
    assert_eq!(code(now_ms() + HOUR), ErrorCode::INVALID_TIMESTAMP);
    assert_eq!(code(now_ms()), ErrorCode::NONE);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_producers_are_forgotten() {
    let with_sequence = |base_sequence| {
        let seal = Seal { producer_id: 5, producer_epoch: 0, base_sequence, ..Seal::default() };
        sealed(now_ms(), Some(b"key"), 10, seal)
    };
    // What is remembered over a restart shows it without a wait.
    for (expiry, code) in [
        ("producer.id.expiration.ms=86400000", ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER),
        ("producer.id.expiration.ms=1", ErrorCode::NONE),
    ] {
        let data = tempfile::tempdir().unwrap();
        let file = format!("log.dirs={}\n{expiry}", data.path().display());
        let broker = start(&file).await;
        let mut wire = Wire::to(&broker);
        wire.create("t", &[]);
        assert_eq!(wire.produce("t", with_sequence(0)).error_code, ErrorCode::NONE);
        broker.shutdown().await.unwrap();
        let broker = start(&file).await;
        let mut wire = Wire::to(&broker);
        assert_eq!(wire.produce("t", with_sequence(9)).error_code, code, "{expiry}");
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_without_delete_keeps_everything() {
    let small = "log.segment.bytes=300\nlog.retention.check.interval.ms=50\nlog.retention.bytes=100\n";
    let broker = start(&format!("{small}log.cleanup.policy=compact")).await;
    let mut wire = Wire::to(&broker);
    wire.create("kept", &[]);
    wire.create("dropped", &[("cleanup.policy", "delete")]);
    for topic in ["kept", "dropped"] {
        for _ in 0..3 {
            wire.produce(topic, batch(now_ms(), 150));
        }
    }
    eventually("retention", || wire.offset("dropped", -2) >= 2);
    assert_eq!(wire.offset("kept", -2), 0);
    broker.shutdown().await.unwrap();
}

/// When bytes reach the disk is not to be seen from outside; that the log waits for it is tested beside the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flush_intervals_reach_the_topics() {
    let broker = start("log.flush.interval.messages=2\nlog.flush.interval.ms=3").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    let resource = DescribeConfigsResource {
        resource_type: 2,
        resource_name: "t".to_owned(),
        configuration_keys: Some(vec!["flush.messages".to_owned(), "flush.ms".to_owned()]),
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let entries = wire.call(&request, 4).results.remove(0).configs;
    let told: Vec<_> =
        entries.iter().map(|e| (e.name.as_str(), e.value.as_deref(), e.config_source)).collect();
    assert_eq!(told, [("flush.messages", Some("2"), 4), ("flush.ms", Some("3"), 4)]);
    broker.shutdown().await.unwrap();
}

/// What they do takes several brokers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_for_replicas_reach_the_topics() {
    let broker = start("min.insync.replicas=2\nunclean.leader.election.enable=true").await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    let keys = ["min.insync.replicas", "unclean.leader.election.enable"];
    let resource = DescribeConfigsResource {
        resource_type: 2,
        resource_name: "t".to_owned(),
        configuration_keys: Some(keys.map(str::to_owned).to_vec()),
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let entries = wire.call(&request, 4).results.remove(0).configs;
    let told: Vec<_> =
        entries.iter().map(|e| (e.name.as_str(), e.value.as_deref(), e.config_source)).collect();
    assert_eq!(told, [(keys[0], Some("2"), 4), (keys[1], Some("true"), 4)]);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_file_localhost_is_both_protocols() {
    let broker = Broker::start(Config::ephemeral().unwrap()).await.unwrap();
    let ports: Vec<u16> = broker.addrs().iter().map(|addr| addr.port()).collect();
    assert!(ports.iter().all(|port| *port == ports[0] && *port != 0), "{ports:?}");
    let all = MetadataRequest { topics: None, ..Default::default() };
    let metadata = Wire::to(&broker).call(&all, 12);
    assert_eq!(
        (metadata.brokers[0].host.as_str(), metadata.brokers[0].port),
        ("localhost", i32::from(ports[0]))
    );
    assert!(metadata.topics.is_empty());
    broker.shutdown().await.unwrap();
}
