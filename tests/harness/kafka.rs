//! Apache Kafka, the outside judge: one KRaft node and its tools, run from the jars in Maven Central.
//!
//! Not a distribution unpacked: every class of it is in Maven, so `mvn` fetches what `java` needs, once
//! per machine, into a cache folder (`KINGLET_CACHE`, else `~/.cache/kinglet`).

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::absent::Absent;
use crate::process::{Daemon, DaemonError, Input, RunError, run, run_ok};

/// The release the tests speak about: the newest whose tools are all in Maven.
pub const VERSION: &str = "4.3.1";

const DOWNLOAD_LIMIT: Duration = Duration::from_secs(10 * 60);
const READY_LIMIT: Duration = Duration::from_secs(120);
/// Another program may take a port between our look and Kafka's start.
const START_TRIES: usize = 3;
/// Any valid id will do; the same one every time makes logs comparable.
const CLUSTER_ID: &str = "a2luZ2xldC10ZXN0cy0tLQ";

/// Kafka's jars on this machine, and a Java to run them.
#[derive(Debug, Clone)]
pub struct Jars {
    class_path: OsString,
}

/// One of Kafka's command-line tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `kafka-topics.sh`
    Topics,
    /// `kafka-console-producer.sh`
    ConsoleProducer,
    /// `kafka-console-consumer.sh`
    ConsoleConsumer,
    /// `kafka-configs.sh`
    Configs,
    /// `kafka-get-offsets.sh`
    GetOffsets,
    /// `kafka-dump-log.sh`
    DumpLog,
    /// `kafka-producer-perf-test.sh`
    ProducerPerf,
    /// `kafka-consumer-perf-test.sh`
    ConsumerPerf,
    /// `kafka-broker-api-versions.sh`
    ApiVersions,
}

/// How the Java virtual machine of a tool is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jvm {
    /// Quick to start, for tests.
    Quick,
    /// With the flags of Kafka's own scripts, for measurements.
    AsShipped,
}

impl Jars {
    /// Finds Kafka's jars in the cache, or fetches them with `mvn` (54 MB, about 10 s).
    ///
    /// # Errors
    /// When there is no `java`, or no `mvn`, or the registry does not answer.
    pub fn fetch() -> Result<Self, Absent> {
        run_ok(Command::new("java").arg("-version"), Input::Nothing, Duration::from_secs(30))
            .map_err(|error| Absent::Program { program: "java", reason: error.to_string() })?;
        let libs = cached_libs()
            .map_err(|reason| Absent::Download { what: format!("Apache Kafka {VERSION}"), reason })?;
        Ok(Self { class_path: libs.join("*").into_os_string() })
    }

    /// A command for one of the tools; its arguments follow.
    pub fn tool(&self, tool: Tool, jvm: Jvm) -> Command {
        let mut command = Command::new("java");
        match jvm {
            Jvm::Quick => command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]),
            Jvm::AsShipped => command.args([
                "-Xmx512m",
                "-server",
                "-XX:+UseG1GC",
                "-XX:MaxGCPauseMillis=20",
                "-XX:InitiatingHeapOccupancyPercent=35",
                "-XX:+ExplicitGCInvokesConcurrent",
            ]),
        };
        command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
        command.arg("-cp").arg(&self.class_path).arg(tool.main_class());
        command
    }

    /// A command for one of the tools that talk to a cluster.
    pub fn tool_for(&self, tool: Tool, bootstrap: &str) -> Command {
        let mut command = self.tool(tool, Jvm::Quick);
        command.args(["--bootstrap-server", bootstrap]);
        command
    }
}

impl Tool {
    fn main_class(self) -> &'static str {
        match self {
            Self::Topics => "org.apache.kafka.tools.TopicCommand",
            Self::ConsoleProducer => "org.apache.kafka.tools.ConsoleProducer",
            Self::ConsoleConsumer => "org.apache.kafka.tools.consumer.ConsoleConsumer",
            Self::Configs => "kafka.admin.ConfigCommand",
            Self::GetOffsets => "org.apache.kafka.tools.GetOffsetShell",
            Self::DumpLog => "org.apache.kafka.tools.DumpLogSegments",
            Self::ProducerPerf => "org.apache.kafka.tools.ProducerPerformance",
            Self::ConsumerPerf => "org.apache.kafka.tools.ConsumerPerformance",
            Self::ApiVersions => "org.apache.kafka.tools.BrokerApiVersionsCommand",
        }
    }
}

/// A running Apache Kafka: broker and controller in one node, defaults, 1 GiB heap. Its data goes when it is dropped.
#[derive(Debug)]
pub struct Kafka {
    // Before the folder: fields are dropped in this order, and the process must be gone first.
    daemon: Daemon,
    node: KafkaNode,
}

/// The formatted storage and the configuration of a node that need not run. Its data goes when it is dropped.
#[derive(Debug)]
pub struct KafkaNode {
    dir: TempDir,
    port: u16,
    class_path: OsString,
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
    /// Formats a temporary folder, starts a node on free loopback ports and waits until it serves.
    ///
    /// # Errors
    /// When it is not ready within two minutes.
    pub fn start(jars: &Jars) -> Result<Self, StartError> {
        let mut tries = 1;
        loop {
            match Self::start_once(jars) {
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
        self.node.bootstrap()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// The folder that holds one folder per partition.
    pub fn data_dir(&self) -> PathBuf {
        self.node.data_dir()
    }

    fn start_once(jars: &Jars) -> Result<Self, StartError> {
        let node = KafkaNode::format(jars)?;
        let mut daemon = Daemon::start(&mut node.command())?;
        daemon.wait_for(|line| line.contains("Kafka Server started").then_some(()), READY_LIMIT)?;
        Ok(Self { daemon, node })
    }
}

impl KafkaNode {
    /// Formats a temporary folder for a node on loopback ports that are free now.
    ///
    /// # Errors
    /// When Kafka's storage tool fails.
    pub fn format(jars: &Jars) -> Result<Self, StartError> {
        let dir = tempfile::Builder::new().prefix("apache-kafka-").tempdir()?;
        let [port, controller_port] = free_ports()?;
        let node = Self { dir, port, class_path: jars.class_path.clone() };
        fs::write(node.properties(), server_properties(&node.data_dir(), port, controller_port))?;
        let mut format = Command::new("java");
        format.arg("-XX:TieredStopAtLevel=1").arg("-cp").arg(&jars.class_path);
        format.args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config"]);
        run_ok(format.arg(node.properties()), Input::Nothing, READY_LIMIT)?;
        Ok(node)
    }

    /// The command that runs the server.
    pub fn command(&self) -> Command {
        let mut server = Command::new("java");
        server.args(["-Xmx1g", "-Xms1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]);
        server.args(["-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"]);
        server.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=info");
        server.arg("-cp").arg(&self.class_path).arg("kafka.Kafka").arg(self.properties());
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

/// Two ports nobody listens on now. KRaft must know its controller's port in advance, so port 0 will not do.
fn free_ports() -> io::Result<[u16; 2]> {
    let [first, second] = [(), ()].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let (first, second) = (first?, second?);
    Ok([first.local_addr()?.port(), second.local_addr()?.port()])
}

/// The folder with Kafka's jars; filled when it is not there. The error is a sentence for [`Absent`].
fn cached_libs() -> Result<PathBuf, String> {
    let cache = match (std::env::var_os("KINGLET_CACHE"), std::env::home_dir()) {
        (Some(dir), _) => PathBuf::from(dir),
        (None, Some(home)) => home.join(".cache/kinglet"),
        (None, None) => return Err("neither KINGLET_CACHE nor a home folder is known".to_owned()),
    };
    let dir = cache.join(format!("kafka-{VERSION}"));
    let libs = dir.join("libs");
    fetch_into(&dir, &libs).map_err(|error| format!("{}: {error}", dir.display()))??;
    Ok(libs)
}

fn fetch_into(dir: &Path, libs: &Path) -> io::Result<Result<(), String>> {
    fs::create_dir_all(dir)?;
    // Several tests may come here at once; the lock goes with the file.
    let lock = File::create(dir.join("lock"))?;
    lock.lock()?;
    if libs.is_dir() {
        return Ok(Ok(()));
    }
    fs::write(dir.join("pom.xml"), POM.replace("VERSION", VERSION))?;
    let partial = dir.join("libs.partial");
    let mut mvn = Command::new("mvn");
    mvn.current_dir(dir).args(["--quiet", "--batch-mode"]);
    mvn.arg("org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies");
    mvn.arg(format!("-DoutputDirectory={}", partial.display())).arg("-DincludeScope=runtime");
    match run(&mut mvn, Input::Nothing, DOWNLOAD_LIMIT) {
        // Only a whole folder gets the name that counts.
        Ok(output) if output.status.success() => fs::rename(&partial, libs).map(Ok),
        Ok(output) => Ok(Err(format!("mvn: {}", String::from_utf8_lossy(&output.stdout)))),
        Err(error) => Ok(Err(error.to_string())),
    }
}

/// slf4j-simple is the logging backend: it writes to stderr and needs no configuration file.
const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>kinglet</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>VERSION</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>VERSION</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"#;
