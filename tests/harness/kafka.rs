//! Apache Kafka, the outside judge: servers and tools of several releases, run from the jars in Maven Central.
//!
//! Not a distribution unpacked: every class of it is in Maven, so `mvn` fetches what `java` needs, once
//! per machine and release, into a cache folder (`KINGLET_CACHE`, else `~/.cache/kinglet`).

mod cluster;
mod jars;
mod java_tools;
mod kraft;
mod zookeeper;

pub use cluster::KafkaCluster;
pub use jars::{JarSet, Jars, Jvm, Tool, class_path};
pub use java_tools::{JavaTools, Ran};
pub use kraft::KafkaNode;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::process::{Daemon, DaemonError, RunError};
use zookeeper::ZookeeperNode;

/// The release that most tests speak about: the newest whose tools are all in Maven.
pub const VERSION: &str = Release::NEWEST.version();

const READY_LIMIT: Duration = Duration::from_secs(120);
/// Another program may take a port between our look and Kafka's start.
const START_TRIES: usize = 3;

/// A release of Apache Kafka that tests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// 0.9.0.1: record format 0, no `ApiVersions`, topics are made through `ZooKeeper`.
    V0_9,
    /// 0.11.0.1: the first record batches of format 2.
    V0_11,
    /// 2.2.2: the last one before flexible versions.
    V2_2,
    /// 4.3.1: no `ZooKeeper` any more, and no versions from before 2.1 (KIP-896).
    V4_3,
}

impl Release {
    /// All of them, oldest first.
    pub const ALL: [Self; 4] = [Self::V0_9, Self::V0_11, Self::V2_2, Self::V4_3];
    /// The one that judges where no other is named.
    pub const NEWEST: Self = Self::V4_3;

    /// As Kafka writes it.
    pub const fn version(self) -> &'static str {
        match self {
            Self::V0_9 => "0.9.0.1",
            Self::V0_11 => "0.11.0.1",
            Self::V2_2 => "2.2.2",
            Self::V4_3 => "4.3.1",
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.version())
    }
}

/// A running Apache Kafka: one broker with Kafka's defaults, but for groups that begin at once, and its controller or `ZooKeeper`. Its data goes when it is dropped.
#[derive(Debug)]
pub struct Kafka {
    // In this order when dropped: the broker, what it leans on, their folder.
    daemon: Daemon,
    _zookeeper: Option<Daemon>,
    node: Node,
}

#[derive(Debug)]
enum Node {
    Kraft(KafkaNode),
    Zookeeper(ZookeeperNode),
}

/// Why Apache Kafka is not running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its folder or ports could not be had.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Its storage tool failed.
    #[error("formatting the storage: {0}")]
    Format(#[from] RunError),
    /// The server itself failed.
    #[error("starting the server: {0}")]
    Server(#[from] DaemonError),
}

impl Kafka {
    /// Starts a broker of the release the jars are of, on free loopback ports, and waits until it serves.
    ///
    /// # Errors
    /// When it is not ready within two minutes.
    pub fn start(jars: &Jars) -> Result<Self, StartError> {
        Self::start_with(jars, None)
    }

    /// [`Kafka::start`], with a second listener for clients behind the proxy at that port. Only of a release without
    /// `ZooKeeper`.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub fn start_behind(jars: &Jars, proxy: u16) -> Result<Self, StartError> {
        Self::start_with(jars, Some(proxy))
    }

    fn start_with(jars: &Jars, proxy: Option<u16>) -> Result<Self, StartError> {
        let mut tries = 1;
        loop {
            match Self::start_once(jars, proxy) {
                Err(StartError::Server(DaemonError::Ended { said, .. }))
                    if tries < START_TRIES && said.contains("Address already in use") =>
                {
                    tries += 1;
                }
                started => return started,
            }
        }
    }

    /// What clients are told: `127.0.0.1:<port>`.
    pub fn bootstrap(&self) -> String {
        match &self.node {
            Node::Kraft(node) => node.bootstrap(),
            Node::Zookeeper(node) => node.bootstrap(),
        }
    }

    /// What the proxy connects to, if there is one.
    pub fn behind(&self) -> Option<SocketAddr> {
        match &self.node {
            Node::Kraft(node) => node.behind(),
            Node::Zookeeper(_) => None,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// The folder that holds one folder per partition.
    pub fn data_dir(&self) -> PathBuf {
        match &self.node {
            Node::Kraft(node) => node.data_dir(),
            Node::Zookeeper(node) => node.data_dir(),
        }
    }

    /// The lines of its log that are kept.
    pub fn lines(&self) -> Vec<String> {
        self.daemon.lines()
    }

    /// The last lines of its log, for a message.
    pub fn last_lines(&self) -> String {
        self.daemon.last_lines()
    }

    fn start_once(jars: &Jars, proxy: Option<u16>) -> Result<Self, StartError> {
        match jars.release() {
            Release::V0_9 | Release::V0_11 | Release::V2_2 => {
                let node = ZookeeperNode::new(jars)?;
                let zookeeper = node.start_zookeeper()?;
                let daemon = node.start_broker()?;
                Ok(Self { daemon, _zookeeper: Some(zookeeper), node: Node::Zookeeper(node) })
            }
            Release::V4_3 => {
                let node = KafkaNode::format_with(jars, proxy)?;
                let mut daemon = Daemon::start(&mut node.command())?;
                daemon.wait_for(|line| line.contains("Kafka Server started").then_some(()), READY_LIMIT)?;
                Ok(Self { daemon, _zookeeper: None, node: Node::Kraft(node) })
            }
        }
    }
}
