//! Three nodes of today's Kafka that form one cluster, each broker and controller in one process.

use std::io;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;

use super::jars::Jars;
use super::kraft::{KafkaNode, Member};
use super::{READY_LIMIT, StartError};
use crate::ports::free_ports;
use crate::process::{Daemon, DaemonError};

/// A node that leaves lets others take over first.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A running cluster; its data goes when it is dropped.
#[derive(Debug)]
pub struct KafkaCluster {
    // In this order when dropped: the brokers, their folders.
    daemons: Vec<Option<Daemon>>,
    nodes: Vec<KafkaNode>,
    controllers: Vec<u16>,
    command: fn(&KafkaNode) -> Command,
}

impl KafkaCluster {
    /// Starts nodes 1 to 3 on free loopback ports with Kafka's defaults, each in a rack of its own (`r1` to `r3`) whose
    /// consumers are sent to the replica in it, in small virtual machines, and waits until all serve.
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
        let small = |node: &KafkaNode| node.command_with(&["-Xmx384m", "-XX:TieredStopAtLevel=1"]);
        Self::start_all(jars, |id| racks(id) + more, small)
    }

    /// Starts nodes 1 to 3 as Kafka's own scripts do, without racks, for measurements.
    ///
    /// # Errors
    /// As [`KafkaCluster::start`].
    pub fn start_as_shipped(jars: &Jars) -> Result<Self, StartError> {
        Self::start_all(jars, |_| String::new(), KafkaNode::command)
    }

    fn start_all(
        jars: &Jars,
        more: impl Fn(usize) -> String,
        command: fn(&KafkaNode) -> Command,
    ) -> Result<Self, StartError> {
        let mut all = Self::format_all(jars, more, command)?;
        for id in 1..=all.nodes.len() {
            all.spawn(id)?;
        }
        for daemon in all.daemons.iter_mut().flatten() {
            wait_started(daemon)?;
        }
        Ok(all)
    }

    /// The three of [`KafkaCluster::start_as_shipped`], none of them started yet: for who measures how they start.
    ///
    /// # Errors
    /// When ports or folders cannot be had, or Kafka's storage tool fails.
    pub fn as_shipped(jars: &Jars) -> Result<Self, StartError> {
        Self::format_all(jars, |_| String::new(), KafkaNode::command)
    }

    fn format_all(
        jars: &Jars,
        more: impl Fn(usize) -> String,
        command: fn(&KafkaNode) -> Command,
    ) -> Result<Self, StartError> {
        // Nodes must know each other's ports in advance.
        let ports: [u16; 6] = free_ports()?;
        let (ports, controllers) = ports.split_at(3);
        let voters: Vec<String> =
            (1..).zip(controllers).map(|(id, port)| format!("{id}@127.0.0.1:{port}")).collect();
        let voters = voters.join(",");
        let mut nodes = Vec::new();
        for (id, (port, controller_port)) in (1..).zip(ports.iter().zip(controllers)) {
            let member = Member { id, port: *port, controller_port: *controller_port, voters: &voters };
            nodes.push(KafkaNode::format_member(jars, &member, None, &more(id))?);
        }
        let daemons = nodes.iter().map(|_| None).collect();
        Ok(Self { daemons, nodes, controllers: controllers.to_vec(), command })
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

    /// The processes of the nodes that were not killed.
    pub fn pids(&self) -> Vec<u32> {
        self.daemons.iter().flatten().map(Daemon::pid).collect()
    }

    /// `kill -9` for a node, by its id; its data stays until the cluster is dropped.
    ///
    /// # Errors
    /// When there is no such node any more, or the system refuses.
    pub fn kill(&mut self, id: usize) -> io::Result<ExitStatus> {
        self.take(id)?.kill()
    }

    /// Stops a node in order (SIGTERM).
    ///
    /// # Errors
    /// When it does not run, or still does after a minute.
    pub fn stop(&mut self, id: usize) -> Result<ExitStatus, DaemonError> {
        self.take(id)?.terminate(STOP_LIMIT)
    }

    /// Stops in order (SIGTERM) all nodes that run, at the same time.
    ///
    /// # Errors
    /// When one of them still runs after that time; then it is killed.
    pub fn stop_all(&mut self, limit: Duration) -> Result<(), DaemonError> {
        let running = self.daemons.iter_mut().filter_map(Option::take).collect();
        let ends = Daemon::terminate_all(running, limit);
        ends.into_iter().try_for_each(|(status, _)| status.map(drop))
    }

    /// Halts a node's process (SIGSTOP), until [`KafkaCluster::thaw`].
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&mut self, id: usize) -> io::Result<()> {
        self.daemon(id)?.signal(Signal::STOP)
    }

    /// Lets a halted process go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&mut self, id: usize) -> io::Result<()> {
        self.daemon(id)?.signal(Signal::CONT)
    }

    /// Starts a node again on its data, and does not wait.
    ///
    /// # Errors
    /// When there is no such node, it runs, or the program cannot be started.
    pub fn spawn(&mut self, id: usize) -> io::Result<()> {
        let slot = id.checked_sub(1).and_then(|index| self.daemons.get_mut(index).zip(self.nodes.get(index)));
        match slot {
            Some((slot @ None, node)) => *slot = Some(Daemon::start(&mut (self.command)(node))?),
            Some((Some(_), _)) => return Err(io::Error::other(format!("node {id} runs already"))),
            None => return Err(absent(id)),
        }
        Ok(())
    }

    /// Waits until a node serves.
    ///
    /// # Errors
    /// When it does not run, or is not ready within two minutes.
    pub fn wait_ready(&mut self, id: usize) -> Result<(), DaemonError> {
        wait_started(self.daemon(id)?)
    }

    fn take(&mut self, id: usize) -> io::Result<Daemon> {
        let daemon = id.checked_sub(1).and_then(|index| self.daemons.get_mut(index)).and_then(Option::take);
        daemon.ok_or_else(|| absent(id))
    }

    fn daemon(&mut self, id: usize) -> io::Result<&mut Daemon> {
        let daemon = id.checked_sub(1).and_then(|index| self.daemons.get_mut(index)).and_then(Option::as_mut);
        daemon.ok_or_else(|| absent(id))
    }

    fn alive(&self) -> impl Iterator<Item = (&KafkaNode, u16)> {
        let all = self.nodes.iter().zip(&self.controllers).zip(&self.daemons);
        all.filter(|(_, daemon)| daemon.is_some()).map(|((node, port), _)| (node, *port))
    }
}

fn wait_started(daemon: &mut Daemon) -> Result<(), DaemonError> {
    daemon.wait_for(|line| line.contains("Kafka Server started").then_some(()), READY_LIMIT)
}

fn absent(id: usize) -> io::Error {
    io::Error::other(format!("node {id} does not run"))
}

fn racks(id: usize) -> String {
    let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
    format!("broker.rack=r{id}\nreplica.selector.class={selector}\n")
}
