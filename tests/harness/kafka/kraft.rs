//! A node of today's Kafka: broker and controller in one process (`KRaft`).

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::jars::{Jars, Logged};
use super::{READY_LIMIT, StartError, free_ports};
use crate::process::{Input, run_ok};

/// Any valid id will do; the same one every time makes logs comparable.
const CLUSTER_ID: &str = "a2luZ2xldC10ZXN0cy0tLQ";

/// The formatted storage and the configuration of a node that need not run. Its data goes when it is dropped.
#[derive(Debug)]
pub struct KafkaNode {
    dir: TempDir,
    port: u16,
    jars: Jars,
}

impl KafkaNode {
    /// Formats a temporary folder for a node on loopback ports that are free now.
    ///
    /// # Errors
    /// When Kafka's storage tool fails.
    pub fn format(jars: &Jars) -> Result<Self, StartError> {
        let dir = tempfile::Builder::new().prefix("apache-kafka-").tempdir()?;
        let [port, controller_port] = free_ports()?;
        let node = Self { dir, port, jars: jars.clone() };
        fs::write(node.properties(), server_properties(&node.data_dir(), port, controller_port))?;
        let mut format = Command::new("java");
        format.arg("-XX:TieredStopAtLevel=1");
        jars.class_path_for(&mut format, Logged::Progress);
        format.args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config"]);
        run_ok(format.arg(node.properties()), Input::Nothing, READY_LIMIT)?;
        Ok(node)
    }

    /// The command that runs the server, with a heap of 1 GiB.
    pub fn command(&self) -> Command {
        let mut server = Command::new("java");
        server.args(["-Xmx1g", "-Xms1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]);
        server.args(["-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"]);
        self.jars.class_path_for(&mut server, Logged::Progress);
        server.arg("kafka.Kafka").arg(self.properties());
        server
    }

    /// What clients are told: `127.0.0.1:<port>`.
    pub fn bootstrap(&self) -> String {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)).to_string()
    }

    /// The folder that holds one folder per partition.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn properties(&self) -> PathBuf {
        self.dir.path().join("server.properties")
    }
}

/// A Java heap and folder settings apart, everything is Kafka's default; the internal topics have to
/// fit on one node.
fn server_properties(data_dir: &Path, port: u16, controller_port: u16) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller_port}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         log.dirs={}\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n",
        data_dir.display()
    )
}
