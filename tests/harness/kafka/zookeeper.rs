//! A broker of a release that needs a `ZooKeeper`, and the `ZooKeeper`: two processes with small heaps.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::jars::{Jars, Logged};
use super::{READY_LIMIT, StartError};
use crate::ports::free_ports;
use crate::process::Daemon;

/// The folder and the configuration of both. The data goes when it is dropped.
#[derive(Debug)]
pub(super) struct ZookeeperNode {
    dir: TempDir,
    port: u16,
    jars: Jars,
}

impl ZookeeperNode {
    /// A temporary folder, and loopback ports that are free now.
    pub(super) fn new(jars: &Jars) -> Result<Self, StartError> {
        let dir = tempfile::Builder::new().prefix("apache-kafka-").tempdir()?;
        let [port, zookeeper_port] = free_ports()?;
        let node = Self { dir, port, jars: jars.clone() };
        // The admin server of ZooKeeper 3.5 would take port 8080; 3.4 passes over the key.
        let zookeeper = format!(
            "dataDir={}\n\
             clientPort={zookeeper_port}\n\
             clientPortAddress=127.0.0.1\n\
             maxClientCnxns=0\n\
             admin.enableServer=false\n",
            node.dir.path().join("zookeeper").display()
        );
        fs::write(node.zookeeper_properties(), zookeeper)?;
        // Three partitions for topics that are made by use, which is how clients of 0.9 make them. Deleting was off
        // before 1.0. Everything else is Kafka's default; the internal topics have to fit on one node.
        let broker = format!(
            "broker.id=1\n\
             listeners=PLAINTEXT://127.0.0.1:{port}\n\
             zookeeper.connect=127.0.0.1:{zookeeper_port}\n\
             log.dirs={}\n\
             num.partitions=3\n\
             delete.topic.enable=true\n\
             offsets.topic.replication.factor=1\n\
             group.initial.rebalance.delay.ms=0\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n",
            node.data_dir().display()
        );
        fs::write(node.broker_properties(), broker)?;
        Ok(node)
    }

    /// Starts the `ZooKeeper`. Kafka tries again while it is not there, so its first line about its port is soon enough.
    pub(super) fn start_zookeeper(&self) -> Result<Daemon, StartError> {
        let mut command = self.java("-Xmx128m");
        command.arg("org.apache.zookeeper.server.quorum.QuorumPeerMain").arg(self.zookeeper_properties());
        let mut daemon = Daemon::start(&mut command)?;
        daemon.wait_for(|line| line.contains("binding to port").then_some(()), READY_LIMIT)?;
        Ok(daemon)
    }

    /// Starts the broker and waits until it says that it serves.
    pub(super) fn start_broker(&self) -> Result<Daemon, StartError> {
        let mut command = self.java("-Xmx256m");
        command.arg("kafka.Kafka").arg(self.broker_properties());
        let mut daemon = Daemon::start(&mut command)?;
        // `[Kafka Server 1], started`, later `[KafkaServer id=1] started`.
        let is_ready = |line: &str| line.contains("KafkaServer:") && line.ends_with("started");
        daemon.wait_for(|line| is_ready(line).then_some(()), READY_LIMIT)?;
        Ok(daemon)
    }

    /// What clients are told: `127.0.0.1:<port>`.
    pub(super) fn bootstrap(&self) -> String {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)).to_string()
    }

    /// The folder that holds one folder per partition.
    pub(super) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn java(&self, heap: &str) -> Command {
        let mut command = Command::new("java");
        command.args([heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        self.jars.class_path_for(&mut command, Logged::Progress);
        command
    }

    fn zookeeper_properties(&self) -> PathBuf {
        self.dir.path().join("zookeeper.properties")
    }

    fn broker_properties(&self) -> PathBuf {
        self.dir.path().join("server.properties")
    }
}
