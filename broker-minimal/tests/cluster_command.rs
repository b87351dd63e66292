//! `kbroker --cluster`: real processes, and what becomes of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};

use kinglet_protocol::ErrorCode;
use rustix::process::{Pid, Signal, kill_process};
use wire::{LIMIT, Wire, batch, eventually, is_running, now_ms};

const KBROKER: &str = env!("CARGO_BIN_EXE_kbroker");

/// A supervisor, its brokers' process ids, and what it says.
struct Cluster {
    supervisor: Child,
    lines: Receiver<String>,
    brokers: Vec<Pid>,
    bootstrap: Vec<SocketAddr>,
}

fn spawn(arguments: &[&str], dir: Option<&Path>) -> (Child, Receiver<String>) {
    let mut command = Command::new(KBROKER);
    command.args(arguments).env_remove("KAFKA_LOG").env_remove("RUST_LOG");
    if let Some(dir) = dir {
        command.arg("--data-dir").arg(dir);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (sender, lines) = channel();
    for stream in [
        Box::new(child.stdout.take().unwrap()) as Box<dyn Read + Send>,
        Box::new(child.stderr.take().unwrap()),
    ] {
        let sender = sender.clone();
        // It ends with the stream, and that with the process.
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
    }
    (child, lines)
}

impl Cluster {
    /// Brokers of which every one serves.
    fn start(arguments: &[&str], dir: Option<&Path>) -> Self {
        let (supervisor, lines) = spawn(arguments, dir);
        let mut cluster = Self { supervisor, lines, brokers: Vec::new(), bootstrap: Vec::new() };
        cluster.wait_for(|line| line.starts_with("  ready in "));
        loop {
            let line = cluster.wait_for(|line| line.starts_with("  broker ") || line.starts_with("  stop"));
            let words: Vec<&str> = line.split_whitespace().collect();
            let ["broker", _, address, "pid", pid, _] = words[..] else { return cluster };
            cluster.brokers.push(Pid::from_raw(pid.parse().unwrap()).unwrap());
            let (host, port) = address.rsplit_once(':').unwrap();
            assert_eq!(host, "localhost");
            cluster.bootstrap.push((Ipv4Addr::LOCALHOST, port.parse().unwrap()).into());
        }
    }

    #[track_caller]
    fn wait_for(&self, is_it: impl Fn(&str) -> bool) -> String {
        let mut said = String::new();
        while let Ok(line) = self.lines.recv_timeout(LIMIT) {
            if is_it(&line) {
                return line;
            }
            said += &format!("{line}\n");
        }
        panic!("it did not say that, but:\n{said}");
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.supervisor), signal).unwrap();
    }

    fn end(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the supervisor ends", || {
            status = self.supervisor.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.end();
        assert!(status.success(), "{status}: {:?}", self.lines.try_iter().collect::<Vec<_>>());
        assert!(self.brokers.iter().all(|pid| !is_running(*pid)));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind: the brokers end with their supervisor.
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

/// The first of as many ports in a row that nobody uses now.
fn free_ports(count: u16) -> u16 {
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    loop {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        if first.checked_add(count).is_some() && (first..first + count).all(is_free) {
            return first;
        }
    }
}

#[test]
fn brokers_serve_on_ports_in_a_row_and_keep_their_data_for_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let first = free_ports(2);
    let arguments = ["--cluster", "2", "--port", &first.to_string()];
    let cluster = Cluster::start(&arguments, Some(dir.path()));
    let ports: Vec<u16> = cluster.bootstrap.iter().map(SocketAddr::port).collect();
    assert_eq!(ports, [first, first + 1]);
    let mut wire = Wire::open(cluster.bootstrap[0]);
    assert_eq!(wire.create("t", &[]).error_code, ErrorCode::NONE);
    let mut leader = leader_of(&mut wire, "t");
    // The other broker may hear of the topic a moment later, as in Kafka.
    let produced = std::iter::repeat_with(|| leader.produce("t", batch(now_ms(), 10)).error_code);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(produced.take(1000).find(|code| *code != unknown), Some(ErrorCode::NONE));
    drop((wire, leader));
    cluster.stop();
    for name in ["broker-1", "broker-2"] {
        assert!(dir.path().join(name).join("meta.properties").exists(), "{name}");
        assert!(dir.path().join(format!("{name}.log")).metadata().unwrap().len() > 0, "{name}");
    }

    let cluster = Cluster::start(&arguments, Some(dir.path()));
    let mut wire = Wire::open(cluster.bootstrap[0]);
    assert_eq!(leader_of(&mut wire, "t").offset("t", -1), 1);
    cluster.stop();
}

/// A connection to the leader of the only partition of a topic.
fn leader_of(wire: &mut Wire, topic: &str) -> Wire {
    let mut port = None;
    eventually("the topic has a leader", || {
        let metadata = wire.metadata(topic);
        let leader = metadata.topics[0].partitions.first().map(|partition| partition.leader_id);
        port =
            metadata.brokers.iter().find(|broker| Some(broker.node_id) == leader).map(|broker| broker.port);
        port.is_some()
    });
    Wire::open((Ipv4Addr::LOCALHOST, u16::try_from(port.unwrap()).unwrap()).into())
}

#[test]
fn a_killed_broker_is_told_with_the_command_that_starts_it_again_and_the_last_one_ends_the_supervisor() {
    let mut cluster = Cluster::start(&["--cluster", "3", "--port", "0", "--ephemeral"], None);
    kill_process(cluster.brokers[1], Signal::KILL).unwrap();
    assert!(
        cluster.wait_for(|line| line.starts_with("broker ")).starts_with("broker 2 has ended: signal: 9")
    );
    let note = cluster.wait_for(|line| line.starts_with("note: "));
    let (_, command) = note.split_once("to do so: ").unwrap();

    let mut again = Command::new("sh");
    let mut again = again
        .args(["-c", &format!("exec {command}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("it listens again", || TcpStream::connect(cluster.bootstrap[1]).is_ok());
    assert_eq!(
        Wire::open(cluster.bootstrap[1])
            .metadata("t")
            .brokers
            .iter()
            .filter(|broker| broker.node_id == 2)
            .count(),
        1
    );
    again.kill().unwrap();
    again.wait().unwrap();

    kill_process(cluster.brokers[0], Signal::KILL).unwrap();
    cluster.wait_for(|line| line.starts_with("broker 1 has ended: signal: 9"));
    kill_process(cluster.brokers[2], Signal::KILL).unwrap();
    cluster.wait_for(|line| line == "error: no broker is left");
    assert_eq!(cluster.end().code(), Some(1));
}

#[test]
fn brokers_end_with_a_supervisor_that_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(&["--cluster", "2", "--port", "0"], Some(dir.path()));
    cluster.signal(Signal::KILL);
    assert!(!cluster.end().success());
    for pid in &cluster.brokers {
        eventually("the broker ends", || !is_running(*pid));
    }
}

#[test]
fn ctrl_c_stops_all_in_order_and_leaves_no_ephemeral_data() {
    let mut cluster = Cluster::start(&["--cluster", "2", "--port", "0", "--ephemeral"], None);
    let command_line = std::fs::read(format!("/proc/{}/cmdline", cluster.brokers[0].as_raw_pid())).unwrap();
    let words: Vec<String> =
        command_line.split(|byte| *byte == 0).map(|word| String::from_utf8(word.to_vec()).unwrap()).collect();
    let at = words.iter().position(|word| word == "--data-dir").unwrap();
    let dir = Path::new(&words[at + 1]).parent().unwrap();
    assert!(dir.join("broker-2").exists());
    cluster.signal(Signal::INT);
    assert!(cluster.end().success());
    assert!(!dir.exists(), "{}", dir.display());
}

#[test]
fn a_broker_that_does_not_stop_is_killed_at_the_second_signal_and_said_to_be_unclean() {
    let mut cluster = Cluster::start(&["--cluster", "2", "--port", "0", "--ephemeral"], None);
    kill_process(cluster.brokers[0], Signal::STOP).unwrap();
    cluster.signal(Signal::TERM);
    cluster.wait_for(|line| line.starts_with("stopping all brokers"));
    eventually("the other broker ends", || !is_running(cluster.brokers[1]));
    cluster.signal(Signal::TERM);
    cluster.wait_for(|line| line.starts_with("error: not stopped cleanly: broker 1;"));
    assert_eq!(cluster.end().code(), Some(1));
    assert!(!is_running(cluster.brokers[0]));
}

#[test]
fn a_port_that_is_taken_is_said_with_the_broker_s_own_words() {
    let first = free_ports(1);
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
    let arguments = ["--cluster", "1", "--ephemeral", "--port", &first.to_string()];
    let (mut child, lines) = spawn(&arguments, None);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let said: Vec<String> = lines.iter().collect();
    assert!(said.iter().any(|line| line.starts_with("broker 1 has ended: exit status: 1")), "{said:?}");
    assert!(said.iter().any(|line| line.contains(&format!("{first} is in use"))), "{said:?}");
}

#[test]
fn a_cluster_needs_brokers_and_ports() {
    for arguments in [
        &["--cluster", "0"][..],
        &["--cluster", "101"],
        &["--cluster", "3", "--port", "65534", "--ephemeral"],
    ] {
        let (mut child, lines) = spawn(arguments, None);
        assert!(!child.wait().unwrap().success());
        let said: Vec<String> = lines.iter().collect();
        assert!(said.iter().any(|line| line.starts_with("error: ")), "{said:?}");
    }
}
