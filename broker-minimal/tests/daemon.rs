//! `kbroker --daemon` and `kbroker stop`: real processes, as an init script meets them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use kinglet_protocol::ErrorCode;
use rustix::process::{Pid, Signal, getsid, kill_process};
use wire::{Wire, eventually, is_running};

fn kbroker(arguments: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kbroker"));
    command.args(arguments).arg("--data-dir").arg(dir).stdin(Stdio::null());
    command.env_remove("KAFKA_LOG").env_remove("RUST_LOG").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What is in the pid file.
fn pid(dir: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(dir.join(".lock")).ok()?;
    Pid::from_raw(text.trim().parse().ok()?)
}

/// Kills what a test that fails leaves behind.
struct Daemon(Pid);

impl Daemon {
    fn of(dir: &Path) -> Self {
        Self(pid(dir).expect("its process id is in .lock"))
    }

    fn has_ended(&self) -> bool {
        !is_running(self.0)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.has_ended() {
            // It may end by itself in between.
            let _gone = kill_process(self.0, Signal::KILL);
        }
    }
}

/// The address on the screen that says that it serves.
fn address(screen: &str) -> SocketAddr {
    let (_, rest) = screen.split_once("plaintext  localhost:").unwrap();
    let (port, _) = rest.split_once([' ', ',']).unwrap();
    (Ipv4Addr::LOCALHOST, port.parse().unwrap()).into()
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn a_daemon_serves_when_its_command_returns_and_has_ended_when_stop_returns() {
    let dir = tempfile::tempdir().unwrap();
    let started = kbroker(&["--daemon", "--port", "0"], dir.path());
    let screen = text(&started.stdout);
    assert!(started.status.success(), "{screen}{}", text(&started.stderr));
    let daemon = Daemon::of(dir.path());
    for said in [
        format!("  log    {}/kbroker.log\n", dir.path().display()),
        format!("  stop   kbroker stop --data-dir {}   (pid {}", dir.path().display(), daemon.0.as_raw_pid()),
    ] {
        assert!(screen.contains(&said), "{screen}");
    }
    assert!(!screen.contains("Ctrl-C"), "{screen}");
    assert_eq!(getsid(Some(daemon.0)).unwrap(), daemon.0, "it has a session of its own");
    assert_eq!(Wire::open(address(&screen)).create("t", &[]).error_code, ErrorCode::NONE);

    let again = kbroker(&["--daemon", "--port", "0"], dir.path());
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("another broker uses this directory"), "{}", text(&again.stderr));
    assert_eq!(pid(dir.path()), Some(daemon.0), "the first one is still the one to be stopped");

    let stopped = kbroker(&["stop"], dir.path());
    assert!(stopped.status.success(), "{}", text(&stopped.stderr));
    assert!(text(&stopped.stdout).starts_with(&format!("stopped: process {}", daemon.0.as_raw_pid())));
    assert!(daemon.has_ended());
    assert!(dir.path().join(".kafka_cleanshutdown").exists());
    let log = std::fs::read_to_string(dir.path().join("kbroker.log")).unwrap();
    assert!(log.contains("stopping"), "{log}");
}

#[test]
fn a_daemon_that_cannot_serve_tells_its_caller_why() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let failed = kbroker(&["--daemon", "--port", &port], dir.path());
    let said = text(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!(":{port} is in use")), "{said}");
    assert!(said.contains("kbroker.log"), "{said}");

    let refused = kbroker(&["--daemon", "--override", "num.partitions=many"], dir.path());
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).starts_with("error: Invalid value many for configuration num.partitions"));
}

#[test]
fn stop_says_so_when_nobody_runs_there() {
    let dir = tempfile::tempdir().unwrap();
    // As after a kill -9: a number that may be anybody's by now.
    std::fs::write(dir.path().join(".lock"), format!("{}\n", std::process::id())).unwrap();
    let none = kbroker(&["stop"], dir.path());
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).starts_with(&format!("error: no broker runs on {}", dir.path().display())));
}

#[test]
fn stop_finds_a_broker_by_the_file_that_it_was_started_with() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("server.properties"));
    std::fs::write(&file, format!("listeners=PLAINTEXT://localhost:0\nlog.dirs={}\n", data.display()))
        .unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kbroker"));
        command.args(arguments).arg(&file).stdin(Stdio::null()).output().unwrap()
    };
    let started = run(&["--daemon"]);
    assert!(started.status.success(), "{}", text(&started.stderr));
    let daemon = Daemon::of(&data);
    let stopped = run(&["stop"]);
    assert!(stopped.status.success(), "{}", text(&stopped.stderr));
    assert!(daemon.has_ended());
}

#[test]
fn a_cluster_is_a_daemon_and_stopped_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let started = kbroker(&["--daemon", "--cluster", "2", "--port", "0"], dir.path());
    assert!(started.status.success(), "{}", text(&started.stderr));
    let supervisor = Daemon::of(dir.path());
    let brokers = ["broker-1", "broker-2"].map(|name| Daemon::of(&dir.path().join(name)));
    Wire::open(address(&text(&started.stdout)));
    let stopped = kbroker(&["stop"], dir.path());
    assert!(stopped.status.success(), "{}", text(&stopped.stderr));
    assert!(supervisor.has_ended() && brokers.iter().all(Daemon::has_ended));
}

#[test]
fn a_daemon_that_waits_for_others_does_not_keep_its_caller_who_may_have_to_start_them() {
    let dir = tempfile::tempdir().unwrap();
    let ports = [free_port(), free_port()];
    let servers =
        format!("controller.quorum.bootstrap.servers=localhost:{},localhost:{}", ports[0], ports[1]);
    let start = |index: usize, dir: &Path| {
        let (port, id) = (ports[index].to_string(), format!("node.id={index}"));
        kbroker(&["--daemon", "--port", &port, "--override", &id, "--override", &servers], dir)
    };
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let waiting = start(0, &first);
    assert!(waiting.status.success(), "{}", text(&waiting.stderr));
    assert!(text(&waiting.stdout).contains("waiting for the other nodes of the cluster"));
    let daemons = [Daemon::of(&first), {
        let serving = start(1, &second);
        assert!(text(&serving.stdout).contains("  ready in "), "{}", text(&serving.stderr));
        Daemon::of(&second)
    }];
    eventually("the first one serves too", || {
        let mut wire = Wire::open((Ipv4Addr::LOCALHOST, ports[0]).into());
        wire.metadata("t").brokers.len() == 2
    });
    // The second one to stop has nobody to hand anything to, and stops all the same.
    for dir in [&first, &second] {
        assert!(kbroker(&["stop"], dir).status.success());
    }
    assert!(daemons.iter().all(Daemon::has_ended));
}
