//! Limits on connections: how many there may be, of whom, and what happens when descriptors run out.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kinglet_broker::{Broker, Config};
use kinglet_protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use kinglet_protocol::messages::{ApiVersionsRequest, IncrementalAlterConfigsRequest};
use kinglet_protocol::{ErrorCode, encode_request};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use wire::{Wire, batch, eventually, now_ms, start};

fn greet(wire: &mut Wire) -> bool {
    wire.try_call(&ApiVersionsRequest::default(), 0).is_ok()
}

/// Sets a key of broker 1 while it runs.
fn set(wire: &mut Wire, key: &str, value: &str) {
    let config =
        AlterableConfig { name: key.to_owned(), value: Some(value.to_owned()), ..Default::default() };
    let resource =
        AlterConfigsResource { resource_type: 4, resource_name: "1".to_owned(), configs: vec![config] };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    assert_eq!(wire.call(&request, 1).responses[0].error_code, ErrorCode::NONE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_max_connections_new_ones_wait_for_one_to_end() {
    // On both addresses of the listener it is one limit.
    let broker = start("max.connections=1").await;
    let mut first = Wire::to(&broker);
    assert!(greet(&mut first));
    let [mut second, mut third] = [0, 1].map(|at| {
        let mut wire = Wire::open(broker.addrs()[at % broker.addrs().len()]);
        let hello = encode_request(&ApiVersionsRequest::default(), 0, 7, Some("test")).unwrap();
        wire.send(&hello.to_bytes());
        wire
    });
    for _ in 0..100 {
        assert!(greet(&mut first));
    }
    assert!(!second.has_answer() && !third.has_answer());
    drop(first);
    eventually("one of them is served", || second.has_answer() || third.has_answer());
    let (served, waits) =
        if second.has_answer() { (&mut second, &mut third) } else { (&mut third, &mut second) };
    served.skip_answer();
    assert!(greet(served) && !waits.has_answer());
    set(served, "max.connections", "2");
    eventually("the other one is served", || waits.has_answer());
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_as_many_connections_as_it_may() {
    let broker = start("max.connections.per.ip=2").await;
    let mut wires = [Wire::to(&broker), Wire::to(&broker)];
    assert!(wires.iter_mut().all(greet));
    assert!(!greet(&mut Wire::to(&broker)), "a third connection is closed");
    set(&mut wires[0], "max.connections.per.ip", "3");
    let mut third = None;
    eventually("a third one is let in", || {
        let mut wire = Wire::to(&broker);
        let is_in = greet(&mut wire);
        third = Some(wire);
        is_in
    });
    assert!(!greet(&mut Wire::to(&broker)), "a fourth connection is closed");
    drop(third);
    eventually("a place comes free", || greet(&mut Wire::to(&broker)));
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_come_at_the_rate_that_they_may() {
    let broker = start("max.connection.creation.rate=100000").await;
    let mut first = Wire::to(&broker);
    assert!(greet(&mut first));
    set(&mut first, "max.connection.creation.rate", "0");
    let mut second = Wire::to(&broker);
    second.send(&encode_request(&ApiVersionsRequest::default(), 0, 7, Some("test")).unwrap().to_bytes());
    for _ in 0..100 {
        assert!(greet(&mut first));
    }
    assert!(!second.has_answer());
    set(&mut first, "max.connection.creation.rate", "5");
    eventually("it comes in", || second.has_answer());
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_addresses_have_a_limit_of_their_own() {
    for overrides in ["127.0.0.1:1,10.0.0.1:9", "localhost:1"] {
        let file = format!(
            "listeners=PLAINTEXT://127.0.0.1:0\nmax.connections.per.ip=0\nmax.connections.per.ip.overrides={overrides}"
        );
        let broker = start(&file).await;
        let mut first = None;
        eventually("names are looked up", || {
            let mut wire = Wire::to(&broker);
            let is_in = greet(&mut wire);
            first = Some(wire);
            is_in
        });
        assert!(!greet(&mut Wire::to(&broker)), "{overrides}");
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn nobody_can_be_kept_out_altogether() {
    let mut config = Config::from_properties("max.connections.per.ip=0\nport=0").unwrap();
    config.set_ephemeral().unwrap();
    let refused = Broker::start(config).await.err().unwrap().to_string();
    assert!(refused.contains("max.connections.per.ip.overrides"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_may_be_idle_for_ever() {
    let broker = start("connections.max.idle.ms=-1").await;
    assert!(greet(&mut Wire::to(&broker)));
    broker.shutdown().await.unwrap();
}

/// So many files may be open: a broker that has little to do has enough for itself.
const FILES: u64 = 100;

/// A `kbroker` that may have few files open; it ends with this.
struct Program {
    process: Child,
    addr: SocketAddr,
    said: PathBuf,
}

impl Program {
    fn start(dir: &Path, files: u64) -> Self {
        let said = dir.join("said");
        let script = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_kbroker"), "--port", "0", "--data-dir"]);
        command.arg(dir.join("data")).args(["--override", "log.segment.bytes=1000"]);
        command.stdout(Stdio::piped()).stderr(fs::File::create(&said).unwrap());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, rest) = line.split_once("localhost:")?;
            rest.split(|character: char| !character.is_ascii_digit()).next()?.parse::<u16>().ok()
        });
        Self { process, addr: (Ipv4Addr::LOCALHOST, port.unwrap()).into(), said }
    }

    /// From now on it may have so many files open.
    fn may_open(&self, files: u64) {
        let pid = Pid::from_child(&self.process);
        let limit = Rlimit { current: Some(files), maximum: Some(FILES) };
        prlimit(Some(pid), Resource::Nofile, limit).unwrap();
    }

    fn said(&self, text: &str) -> usize {
        fs::read_to_string(&self.said).unwrap().matches(text).count()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let _ended = self.process.wait();
    }
}

#[test]
fn a_broker_without_descriptors_serves_whom_it_has_and_takes_others_later() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Program::start(dir.path(), FILES);
    let mut wire = Wire::open(broker.addr);
    wire.create("t", &[]);
    assert_eq!(wire.produce("t", batch(now_ms(), 500)).error_code, ErrorCode::NONE);
    // All connect, as the system takes them; the broker lets in as many as it can.
    let crowd: Vec<TcpStream> = (0..FILES).map(|_| TcpStream::connect(broker.addr).unwrap()).collect();
    eventually("it says so", || broker.said("new connections wait") == 1);
    // Each of them opens another segment.
    for _ in 0..5 {
        assert_eq!(wire.produce("t", batch(now_ms(), 800)).error_code, ErrorCode::NONE);
    }
    wire.create("u", &[]);
    assert_eq!(wire.produce("u", batch(now_ms(), 500)).error_code, ErrorCode::NONE);
    assert_eq!(broker.said("new connections wait"), 1, "it was said already");
    assert_eq!(broker.said("accepted at once again"), 0, "it goes on");
    drop(crowd);
    assert!(greet(&mut Wire::open(broker.addr)));
    eventually("it is over", || broker.said("accepted at once again") == 1);
    assert_eq!(broker.said("ERROR"), 1, "{}", fs::read_to_string(&broker.said).unwrap());
}

#[test]
fn connections_that_cannot_be_accepted_wait_until_they_can() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Program::start(dir.path(), FILES);
    let mut wire = Wire::open(broker.addr);
    wire.create("t", &[]);
    assert_eq!(wire.produce("t", batch(now_ms(), 100)).error_code, ErrorCode::NONE);
    // It has more than these already.
    broker.may_open(4);
    let mut others = [0; 3].map(|_| Wire::open(broker.addr));
    eventually("it says so", || broker.said("cannot be accepted") == 1);
    assert_eq!(wire.produce("t", batch(now_ms(), 100)).error_code, ErrorCode::NONE);
    broker.may_open(FILES);
    assert!(others.iter_mut().all(greet));
    eventually("it is over", || broker.said("accepted at once again") == 1);
    assert_eq!(broker.said("cannot be accepted"), 1);
}
