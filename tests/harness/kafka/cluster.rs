//! Three nodes of today's Kafka that form one cluster, each broker and controller in one process.

use std::io;
use std::process::ExitStatus;

use super::jars::Jars;
use super::kraft::{KafkaNode, Member};
use super::{READY_LIMIT, StartError};
use crate::ports::free_ports;
use crate::process::Daemon;

/// A running cluster; its data goes when it is dropped.
#[derive(Debug)]
pub struct KafkaCluster {
    // In this order when dropped: the brokers, their folders.
    daemons: Vec<Option<Daemon>>,
    nodes: Vec<KafkaNode>,
    controllers: Vec<u16>,
}

impl KafkaCluster {
    /// Starts nodes 1 to 3 on free loopback ports with Kafka's defaults, each in a rack of its own (`r1` to `r3`) whose
    /// consumers are sent to the replica in it, and waits until all serve.
    ///
    /// # Errors
    /// When one of them is not ready within two minutes.
    pub fn start(jars: &Jars) -> Result<Self, StartError> {
        Self::start_with(jars, "")
    }

    /// [`KafkaCluster::start`], with further lines in the configuration of each node.
    ///
    /// # Errors
    /// As [`KafkaCluster::start`].
    pub fn start_with(jars: &Jars, more: &str) -> Result<Self, StartError> {
        // Nodes must know each other's ports in advance.
        let ports: [u16; 6] = free_ports()?;
        let (ports, controllers) = ports.split_at(3);
        let voters: Vec<String> =
            (1..).zip(controllers).map(|(id, port)| format!("{id}@127.0.0.1:{port}")).collect();
        let voters = voters.join(",");
        let (mut nodes, mut daemons) = (Vec::new(), Vec::new());
        for (id, (port, controller_port)) in (1..).zip(ports.iter().zip(controllers)) {
            let member = Member { id, port: *port, controller_port: *controller_port, voters: &voters };
            let node = KafkaNode::format_member(jars, &member, None, &(racks(id) + more))?;
            daemons.push(Daemon::start(&mut node.command_with(&["-Xmx384m", "-XX:TieredStopAtLevel=1"]))?);
            nodes.push(node);
        }
        for daemon in &mut daemons {
            daemon.wait_for(|line| line.contains("Kafka Server started").then_some(()), READY_LIMIT)?;
        }
        let daemons = daemons.into_iter().map(Some).collect();
        Ok(Self { daemons, nodes, controllers: controllers.to_vec() })
    }

    /// All brokers that were not killed, as `bootstrap.servers` has them.
    pub fn bootstrap(&self) -> String {
        let brokers: Vec<String> = self.alive().map(|(node, _)| node.bootstrap()).collect();
        brokers.join(",")
    }

    /// The controller listeners of the nodes that were not killed, as `bootstrap.controllers` has them.
    pub fn controllers(&self) -> String {
        let controllers: Vec<String> = self.alive().map(|(_, port)| format!("127.0.0.1:{port}")).collect();
        controllers.join(",")
    }

    /// `kill -9` for a node, by its id; its data stays until the cluster is dropped.
    ///
    /// # Errors
    /// When there is no such node any more, or the system refuses.
    pub fn kill(&mut self, id: usize) -> io::Result<ExitStatus> {
        let daemon = id.checked_sub(1).and_then(|index| self.daemons.get_mut(index)).and_then(Option::take);
        daemon.ok_or_else(|| io::Error::other(format!("node {id} does not run")))?.kill()
    }

    fn alive(&self) -> impl Iterator<Item = (&KafkaNode, u16)> {
        let all = self.nodes.iter().zip(&self.controllers).zip(&self.daemons);
        all.filter(|(_, daemon)| daemon.is_some()).map(|((node, port), _)| (node, *port))
    }
}

fn racks(id: usize) -> String {
    let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
    format!("broker.rack=r{id}\nreplica.selector.class={selector}\n")
}
