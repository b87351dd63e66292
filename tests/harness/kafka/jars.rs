//! Kafka's jars, fetched once with `mvn`, and the programs in them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Release;
use crate::absent::Absent;
use crate::cache::{self, DOWNLOAD_LIMIT};
use crate::process::{Input, run_ok};

/// Jars of Maven Central that belong together: a folder of the cache.
#[derive(Debug, Clone, Copy)]
pub struct JarSet {
    folder: &'static str,
    /// `group:artifact:version`; what these depend on comes with them.
    artifacts: &'static [&'static str],
}

impl JarSet {
    /// The classes of the last client with the versions that 4.0 dropped (KIP-896); no broker.
    pub const CLIENTS_3_9: Self = Self {
        folder: "clients-3.9.1",
        artifacts: &["org.apache.kafka:kafka-clients:3.9.1", "org.slf4j:slf4j-simple:1.7.36"],
    };

    const fn of(release: Release) -> Self {
        match release {
            Release::V0_9 => {
                Self { folder: "kafka-0.9.0.1", artifacts: &["org.apache.kafka:kafka_2.11:0.9.0.1"] }
            }
            // The package javax.xml.bind left the JDK with Java 11.
            Release::V0_11 => Self {
                folder: "kafka-0.11.0.1",
                artifacts: &["org.apache.kafka:kafka_2.12:0.11.0.1", "javax.xml.bind:jaxb-api:2.3.1"],
            },
            // Its own ZooKeeper client, 3.4.13, finds no server on Java 14 and later: it parses what
            // InetSocketAddress.toString prints, which changed there (ZOOKEEPER-3779, mended in 3.5.8).
            Release::V2_2 => Self {
                folder: "kafka-2.2.2",
                artifacts: &[
                    "org.apache.kafka:kafka_2.12:2.2.2",
                    "org.apache.zookeeper:zookeeper:3.5.10",
                    "org.slf4j:slf4j-log4j12:1.7.25",
                ],
            },
            // slf4j-simple writes to stderr and needs no configuration file.
            Release::V4_3 => Self {
                folder: "kafka-4.3.1",
                artifacts: &[
                    "org.apache.kafka:kafka_2.13:4.3.1",
                    "org.apache.kafka:kafka-tools:4.3.1",
                    "org.slf4j:slf4j-simple:1.7.36",
                ],
            },
        }
    }

    fn pom(self) -> String {
        let dependencies = self.artifacts.iter().map(|artifact| {
            let mut parts = artifact.split(':');
            let mut part = || parts.next().unwrap_or_default();
            format!(
                "    <dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>\n",
                part(),
                part(),
                part()
            )
        });
        POM.replace("DEPENDENCIES", &dependencies.collect::<String>())
    }
}

/// Finds jars in the cache, or fetches them with `mvn`, and returns the class path that holds them all.
///
/// # Errors
/// When there is no `java`, or no `mvn`, or the registry does not answer.
pub fn class_path(set: JarSet) -> Result<OsString, Absent> {
    Ok(folder(set)?.join("libs/*").into_os_string())
}

/// The jars of one release on this machine, and a Java to run them.
#[derive(Debug, Clone)]
pub struct Jars {
    release: Release,
    class_path: OsString,
    log4j: PathBuf,
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
    /// `kafka-simple-consumer-shell.sh`, of old releases only
    SimpleConsumer,
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
    /// `kafka-consumer-groups.sh`
    ConsumerGroups,
    /// `kafka-delete-records.sh`
    DeleteRecords,
    /// `kafka-verifiable-producer.sh`
    VerifiableProducer,
    /// `kafka-verifiable-consumer.sh`
    VerifiableConsumer,
}

/// How the Java virtual machine of a tool is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jvm {
    /// Quick to start, for tests.
    Quick,
    /// With the flags of Kafka's own scripts, for measurements.
    AsShipped,
}

/// What a Java program of Kafka's writes to its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logged {
    /// Warnings only: tools.
    Warnings,
    /// How it goes, too: servers.
    Progress,
}

impl Jars {
    /// The newest release: found in the cache, or fetched with `mvn` (54 MB, about 10 s).
    ///
    /// # Errors
    /// As [`class_path`].
    pub fn fetch() -> Result<Self, Absent> {
        Self::fetch_release(Release::NEWEST)
    }

    /// A release of choice: found in the cache, or fetched with `mvn` (14 to 54 MB).
    ///
    /// # Errors
    /// As [`class_path`].
    pub fn fetch_release(release: Release) -> Result<Self, Absent> {
        let folder = folder(JarSet::of(release))?;
        Ok(Self {
            release,
            class_path: folder.join("libs/*").into_os_string(),
            log4j: folder.join("log4j.properties"),
        })
    }

    /// Which release they are.
    pub fn release(&self) -> Release {
        self.release
    }

    /// As `java -cp` and `javac -cp` take it.
    pub fn class_path(&self) -> &OsStr {
        &self.class_path
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
        self.class_path_for(&mut command, Logged::Warnings);
        command.arg(tool.main_class(self.release));
        command
    }

    /// A command for one of the tools that talk to a cluster.
    pub fn tool_for(&self, tool: Tool, bootstrap: &str) -> Command {
        let mut command = self.tool(tool, Jvm::Quick);
        command.args(["--bootstrap-server", bootstrap]);
        command
    }

    /// A command for a Java program of ours, given as its source file, on these classes; its arguments follow.
    pub fn source(&self, file: &Path) -> Command {
        let mut command = Command::new("java");
        command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        self.class_path_for(&mut command, Logged::Warnings);
        command.arg(file);
        command
    }

    /// The arguments of `java` for these classes and their logging.
    pub(super) fn class_path_for(&self, command: &mut Command, logged: Logged) {
        let (log4j, simple) = match logged {
            Logged::Warnings => ("WARN", "warn"),
            Logged::Progress => ("INFO", "info"),
        };
        match self.release {
            Release::V0_9 | Release::V0_11 | Release::V2_2 => {
                command.arg(format!("-Dlog4j.configuration=file:{}", self.log4j.display()));
                command.arg(format!("-Dlevel={log4j}"));
            }
            Release::V4_3 => {
                command.arg(format!("-Dorg.slf4j.simpleLogger.defaultLogLevel={simple}"));
                command.arg("-Dorg.slf4j.simpleLogger.showDateTime=true");
                command.arg("-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS");
            }
        }
        command.arg("-cp").arg(&self.class_path);
    }
}

impl Tool {
    fn main_class(self, release: Release) -> &'static str {
        let is_scala = release < Release::V4_3;
        match self {
            Self::Topics if is_scala => "kafka.admin.TopicCommand",
            Self::ConsoleProducer if is_scala => "kafka.tools.ConsoleProducer",
            Self::ConsoleConsumer if is_scala => "kafka.tools.ConsoleConsumer",
            Self::SimpleConsumer => "kafka.tools.SimpleConsumerShell",
            Self::GetOffsets if is_scala => "kafka.tools.GetOffsetShell",
            Self::DumpLog if is_scala => "kafka.tools.DumpLogSegments",
            Self::ApiVersions if is_scala => "kafka.admin.BrokerApiVersionsCommand",
            Self::ConsumerGroups if is_scala => "kafka.admin.ConsumerGroupCommand",
            Self::DeleteRecords if is_scala => "kafka.admin.DeleteRecordsCommand",
            Self::Topics => "org.apache.kafka.tools.TopicCommand",
            Self::ConsoleProducer => "org.apache.kafka.tools.ConsoleProducer",
            Self::ConsoleConsumer => "org.apache.kafka.tools.consumer.ConsoleConsumer",
            Self::Configs => "kafka.admin.ConfigCommand",
            Self::GetOffsets => "org.apache.kafka.tools.GetOffsetShell",
            Self::DumpLog => "org.apache.kafka.tools.DumpLogSegments",
            Self::ProducerPerf => "org.apache.kafka.tools.ProducerPerformance",
            Self::ConsumerPerf => "org.apache.kafka.tools.ConsumerPerformance",
            Self::ApiVersions => "org.apache.kafka.tools.BrokerApiVersionsCommand",
            Self::ConsumerGroups => "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
            Self::DeleteRecords => "org.apache.kafka.tools.DeleteRecordsCommand",
            Self::VerifiableProducer => "org.apache.kafka.tools.VerifiableProducer",
            Self::VerifiableConsumer => "org.apache.kafka.tools.VerifiableConsumer",
        }
    }
}

/// The folder whose `libs` has the jars; filled when it is not there.
fn folder(set: JarSet) -> Result<PathBuf, Absent> {
    run_ok(Command::new("java").arg("-version"), Input::Nothing, Duration::from_secs(30))
        .map_err(|error| Absent::Program { program: "java", reason: error.to_string() })?;
    let absent = |reason| Absent::Download { what: format!("the jars of {}", set.folder), reason };
    let dir = cache::folder(set.folder).map_err(absent)?;
    let (pom, wanted) = (dir.join("pom.xml"), set.pom());
    let is_whole = |_: &Path| fs::read_to_string(&pom).is_ok_and(|text| text == wanted);
    cache::fill(&dir, "libs", is_whole, |libs| {
        fs::write(&pom, &wanted)?;
        fs::write(dir.join("log4j.properties"), LOG4J)?;
        let mut mvn = Command::new("mvn");
        mvn.current_dir(&dir).args(["--quiet", "--batch-mode"]);
        mvn.arg("org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies");
        mvn.arg(format!("-DoutputDirectory={}", libs.display())).arg("-DincludeScope=runtime");
        run_ok(&mut mvn, Input::Nothing, DOWNLOAD_LIMIT)?;
        Ok(())
    })
    .map_err(|error| absent(format!("{}: {error}", dir.display())))?;
    Ok(dir)
}

const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>kinglet</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
DEPENDENCIES  </dependencies>
</project>
"#;

/// Everything to stderr; `level` is a property of the virtual machine.
const LOG4J: &str = "\
log4j.rootLogger=${level}, stderr
log4j.appender.stderr=org.apache.log4j.ConsoleAppender
log4j.appender.stderr.Target=System.err
log4j.appender.stderr.layout=org.apache.log4j.PatternLayout
log4j.appender.stderr.layout.ConversionPattern=%p %c{1}: %m%n
";
