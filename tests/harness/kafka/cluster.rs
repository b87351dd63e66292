//! Three nodes of today's Kafka that form one cluster, each broker and controller in one process.

use super::jars::Jars;
use super::kraft::{KafkaNode, Member};
use super::{READY_LIMIT, StartError};
use crate::ports::free_ports;
use crate::process::Daemon;

/// A running cluster; its data goes when it is dropped.
#[derive(Debug)]
pub struct KafkaCluster {
    // In this order when dropped: the brokers, their folders.
    _daemons: Vec<Daemon>,
    nodes: Vec<KafkaNode>,
}

impl KafkaCluster {
    /// Starts nodes 1 to 3 on free loopback ports with Kafka's defaults, each in a rack of its own (`r1` to `r3`) whose
    /// consumers are sent to the replica in it, and waits until all serve.
    ///
    /// # Errors
    /// When one of them is not ready within two minutes.
    pub fn start(jars: &Jars) -> Result<Self, StartError> {
        // Nodes must know each other's ports in advance.
        let ports: [u16; 6] = free_ports()?;
        let (ports, controllers) = ports.split_at(3);
        let voters: Vec<String> =
            (1..).zip(controllers).map(|(id, port)| format!("{id}@127.0.0.1:{port}")).collect();
        let voters = voters.join(",");
        let (mut nodes, mut daemons) = (Vec::new(), Vec::new());
        for (id, (port, controller_port)) in (1..).zip(ports.iter().zip(controllers)) {
            let member = Member { id, port: *port, controller_port: *controller_port, voters: &voters };
            let node = KafkaNode::format_member(jars, &member, None, &racks(id))?;
            daemons.push(Daemon::start(&mut node.command_with(&["-Xmx384m", "-XX:TieredStopAtLevel=1"]))?);
            nodes.push(node);
        }
        for daemon in &mut daemons {
            daemon.wait_for(|line| line.contains("Kafka Server started").then_some(()), READY_LIMIT)?;
        }
        Ok(Self { _daemons: daemons, nodes })
    }

    /// All brokers, as `bootstrap.servers` has them.
    pub fn bootstrap(&self) -> String {
        let brokers: Vec<String> = self.nodes.iter().map(KafkaNode::bootstrap).collect();
        brokers.join(",")
    }
}

fn racks(id: usize) -> String {
    let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
    format!("broker.rack=r{id}\nreplica.selector.class={selector}\n")
}
