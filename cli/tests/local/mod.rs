//! A broker in this process, and the tools as processes that talk to it.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use kinglet_broker::{Broker, Config, Handle};
use rustix::process::Pid;
use tokio::runtime::Runtime;

pub(crate) const KTOPICS: &str = env!("CARGO_BIN_EXE_ktopics");
pub(crate) const KPRODUCE: &str = env!("CARGO_BIN_EXE_kproduce");
pub(crate) const KCONSUME: &str = env!("CARGO_BIN_EXE_kconsume");

/// No tool takes as long, unless it hangs.
const RUN_MAX: Duration = Duration::from_secs(60);

/// A broker on a free port, with data that goes when it goes.
pub(crate) struct Local {
    address: String,
    data: PathBuf,
    /// Taken only when this is dropped.
    broker: Option<Handle>,
    /// Drives the broker.
    runtime: Runtime,
}

/// How a tool ended and what it printed.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Local {
    pub(crate) fn start() -> Self {
        Self::with(Config::ephemeral().expect("a temporary folder"))
    }

    /// A broker that sends its clients elsewhere.
    pub(crate) fn advertising(address: &str) -> Self {
        let mut config = Config::ephemeral().expect("a temporary folder");
        config.set("advertised.listeners", &format!("PLAINTEXT://{address}")).expect("a valid address");
        Self::with(config)
    }

    fn with(mut config: Config) -> Self {
        // No group here waits for members that are still to come.
        config.set("group.initial.rebalance.delay.ms", "0").expect("a valid number");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let data = config.log_dirs[0].clone();
        let broker = runtime.block_on(Broker::start(config)).expect("the broker starts");
        let address = broker.addrs()[0].to_string();
        Self { address, data, broker: Some(broker), runtime }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The first file of the only partition of a topic.
    pub(crate) fn log_file(&self, topic: &str) -> PathBuf {
        self.data.join(format!("{topic}-0/00000000000000000000.log"))
    }

    /// Stops the broker; the tools go on.
    pub(crate) fn stop(&mut self) {
        let broker = self.broker.take().expect("it is stopped once");
        self.runtime.block_on(broker.shutdown()).expect("a clean stop");
    }

    /// Makes a topic.
    pub(crate) fn create(&self, topic: &str, partitions: usize) {
        let partitions = partitions.to_string();
        self.run(KTOPICS, &["create", topic, "--partitions", &partitions], b"")
            .check(0, &format!("Created topic {topic}.\n"));
    }

    /// Runs a tool to its end.
    pub(crate) fn run(&self, tool: &str, arguments: &[&str], stdin: &[u8]) -> Ran {
        let mut child = self.spawn(tool, arguments);
        let mut input = child.stdin.take().expect("piped");
        let bytes = stdin.to_vec();
        // A tool that refuses its line does not read its input.
        let writer = std::thread::spawn(move || drop(input.write_all(&bytes)));
        let ran = wait(child);
        writer.join().expect("it only writes");
        ran
    }

    /// Starts a tool with all its streams piped.
    pub(crate) fn spawn(&self, tool: &str, arguments: &[&str]) -> Child {
        Command::new(tool)
            .args(arguments)
            .env("KAFKA_BOOTSTRAP", &self.address)
            .env_remove("KAFKA_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tool starts")
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take() {
            // Its data goes with it; a failed stop is no fact that these tests check.
            let _ = self.runtime.block_on(broker.shutdown());
        }
    }
}

/// Waits for the end of a tool, but not for ever.
pub(crate) fn wait(child: Child) -> Ran {
    let pid = pid(&child);
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait_with_output()));
    let Ok(output) = end.recv_timeout(RUN_MAX) else {
        // It may have ended just now; the test fails in any case.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        panic!("the tool hangs");
    };
    let output = output.expect("it was started");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        bytes: output.stdout,
    }
}

/// The process id, for signals.
pub(crate) fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

impl Ran {
    /// It ended and printed like this.
    #[track_caller]
    pub(crate) fn check(&self, code: i32, stdout: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), stdout), "stderr: {}", self.stderr);
    }
}
