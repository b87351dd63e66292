//! A node of today's Kafka: broker and controller in one process (`KRaft`).

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::jars::{Jars, Logged};
use super::{READY_LIMIT, StartError};
use crate::ports::free_ports;
use crate::process::{Input, run_ok};

/// Any valid id will do; the same one every time makes logs comparable.
const CLUSTER_ID: &str = "a2luZ2xldC10ZXN0cy0tLQ";

/// The formatted storage and the configuration of a node that need not run. Its data goes when it is dropped.
#[derive(Debug)]
pub struct KafkaNode {
    dir: TempDir,
    port: u16,
    /// The port of the listener behind a proxy.
    behind: Option<u16>,
    jars: Jars,
}

impl KafkaNode {
    /// Formats a temporary folder for a node on loopback ports that are free now.
    ///
    /// # Errors
    /// When Kafka's storage tool fails.
    pub fn format(jars: &Jars) -> Result<Self, StartError> {
        Self::format_with(jars, None)
    }

    /// With a second listener for clients behind the proxy at that port, if there is one.
    pub(super) fn format_with(jars: &Jars, proxy: Option<u16>) -> Result<Self, StartError> {
        let [port, controller_port, behind] = free_ports()?;
        let voters = format!("1@127.0.0.1:{controller_port}");
        let member = Member { id: 1, port, controller_port, voters: &voters };
        Self::format_member(jars, &member, proxy.map(|proxy| (behind, proxy)), ALONE)
    }

    /// A node of a cluster. `behind` is the port of the listener behind a proxy and that of the proxy, `more` are further lines
    /// of its configuration.
    pub(super) fn format_member(
        jars: &Jars,
        member: &Member<'_>,
        behind: Option<(u16, u16)>,
        more: &str,
    ) -> Result<Self, StartError> {
        let dir = tempfile::Builder::new().prefix("apache-kafka-").tempdir()?;
        let node = Self { dir, port: member.port, behind: behind.map(|(port, _)| port), jars: jars.clone() };
        fs::write(node.properties(), server_properties(&node.data_dir(), member, behind) + more)?;
        let mut format = Command::new("java");
        format.arg("-XX:TieredStopAtLevel=1");
        jars.class_path_for(&mut format, Logged::Progress);
        format.args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config"]);
        run_ok(format.arg(node.properties()), Input::Nothing, READY_LIMIT)?;
        Ok(node)
    }

    /// The command that runs the server, with a heap of 1 GiB.
    pub fn command(&self) -> Command {
        self.command_with(&[
            "-Xmx1g",
            "-Xms1g",
            "-server",
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-XX:InitiatingHeapOccupancyPercent=35",
            "-XX:+ExplicitGCInvokesConcurrent",
        ])
    }

    /// The command that runs the server with these options of `java`.
    pub(super) fn command_with(&self, options: &[&str]) -> Command {
        let mut server = Command::new("java");
        server.args(options);
        self.jars.class_path_for(&mut server, Logged::Progress);
        server.arg("kafka.Kafka").arg(self.properties());
        server
    }

    /// What clients are told: `127.0.0.1:<port>`.
    pub fn bootstrap(&self) -> String {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)).to_string()
    }

    /// What the proxy connects to, if there is one.
    pub(super) fn behind(&self) -> Option<SocketAddr> {
        self.behind.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// The folder that holds one folder per partition.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn properties(&self) -> PathBuf {
        self.dir.path().join("server.properties")
    }
}

/// The internal topics have to fit on one node, and a test's groups need not wait for members to come.
const ALONE: &str = "offsets.topic.replication.factor=1\n\
     group.initial.rebalance.delay.ms=0\n\
     transaction.state.log.replication.factor=1\n\
     transaction.state.log.min.isr=1\n";

/// A node's place in its cluster.
pub(super) struct Member<'a> {
    pub(super) id: usize,
    pub(super) port: u16,
    pub(super) controller_port: u16,
    /// All controllers: `<id>@<host>:<port>`, with commas between.
    pub(super) voters: &'a str,
}

/// A Java heap and folder settings apart, everything is Kafka's default.
fn server_properties(data_dir: &Path, member: &Member<'_>, behind: Option<(u16, u16)>) -> String {
    let Member { id, port, controller_port, voters } = member;
    let listener = |port| format!(",BEHIND://127.0.0.1:{port}");
    let (behind, proxy, map) = match behind {
        Some((behind, proxy)) => (listener(behind), listener(proxy), ",BEHIND:PLAINTEXT"),
        None => Default::default(),
    };
    format!(
        "process.roles=broker,controller\n\
         node.id={id}\n\
         controller.quorum.voters={voters}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{behind}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}{proxy}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{map}\n\
         log.dirs={}\n",
        data_dir.display()
    )
}
