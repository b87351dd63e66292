//! Several nodes of today's Kafka that form one cluster, each broker and controller in one process.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::jars::{Jars, Logged};
use super::{READY_LIMIT, StartError};
use crate::process::{Daemon, Input, run_ok};

/// Any valid id will do.
const CLUSTER_ID: &str = "a2luZ2xldC10ZXN0cy0tLQ";

/// A running cluster; its data goes when it is dropped.
#[derive(Debug)]
pub struct KafkaCluster {
    // In this order when dropped: the brokers, their folder.
    _daemons: Vec<Daemon>,
    ports: Vec<u16>,
    _dir: TempDir,
}

impl KafkaCluster {
    /// Starts nodes 1 to `count` on free loopback ports with Kafka's defaults, and waits until all serve.
    ///
    /// # Errors
    /// When one of them is not ready within two minutes.
    pub fn start(jars: &Jars, count: usize) -> Result<Self, StartError> {
        let dir = tempfile::Builder::new().prefix("apache-kafka-").tempdir()?;
        // Nodes must know each other's ports in advance; all are held until the last is known, so that none comes twice.
        let held: Vec<TcpListener> =
            (0..2 * count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>()?;
        let ports: Vec<u16> =
            held.iter().map(|held| held.local_addr().map(|at| at.port())).collect::<Result<_, _>>()?;
        drop(held);
        let (ports, controllers) = ports.split_at(count);
        let voters: Vec<String> =
            (1..).zip(controllers).map(|(id, port)| format!("{id}@127.0.0.1:{port}")).collect();
        let mut daemons = Vec::new();
        for (id, (port, controller)) in (1..).zip(ports.iter().zip(controllers)) {
            let node = dir.path().join(format!("node-{id}"));
            fs::create_dir(&node)?;
            let text = properties(id, &node, *port, *controller, &voters.join(","));
            fs::write(node.join("server.properties"), text)?;
            let mut format = java(jars, "-Xmx128m");
            format.args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config"]);
            run_ok(format.arg(node.join("server.properties")), Input::Nothing, READY_LIMIT)?;
            let mut server = java(jars, "-Xmx384m");
            daemons.push(Daemon::start(server.arg("kafka.Kafka").arg(node.join("server.properties")))?);
        }
        for daemon in &mut daemons {
            daemon.wait_for(|line| line.contains("Kafka Server started").then_some(()), READY_LIMIT)?;
        }
        Ok(Self { _daemons: daemons, ports: ports.to_vec(), _dir: dir })
    }

    /// All brokers, as `bootstrap.servers` has them.
    pub fn bootstrap(&self) -> String {
        let brokers: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        brokers.join(",")
    }
}

fn java(jars: &Jars, heap: &str) -> Command {
    let mut java = Command::new("java");
    java.args([heap, "-XX:TieredStopAtLevel=1"]);
    jars.class_path_for(&mut java, Logged::Progress);
    java
}

fn properties(id: i32, node: &Path, port: u16, controller: u16, voters: &str) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id={id}\n\
         controller.quorum.voters={voters}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         log.dirs={}\n",
        node.join("data").display()
    )
}
