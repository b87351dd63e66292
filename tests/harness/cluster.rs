//! Several `kbroker` processes that form one cluster, to be killed and restarted one by one.

mod together;

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::binaries::Binaries;
use crate::ports::free_ports;
use crate::process::{Daemon, DaemonError};

/// How many brokers a cluster has, and how many controllers.
const BROKERS: usize = 3;
/// The id of the first controller, where they are processes of their own.
const FIRST_CONTROLLER: i32 = 11;
/// Forming the cluster and recovering the logs included.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// A broker that leaves lets others take over first.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// What tests want to know when something went wrong.
const LOGGED: Option<&str> = Some("info,kinglet_broker=debug");
/// Lines of each broker that are printed when a test fails; all of them are in a file.
const LAST_LINES: usize = 40;

/// Brokers 1 to 3, each of them a controller too, or beside controllers 11 to 13 which are processes of their own. Killed when
/// dropped; when that happens in a panic, what they said is kept.
#[derive(Debug)]
pub struct Brokers {
    // Before the folder, so that it is dropped first.
    members: Vec<Member>,
    binaries: Binaries,
    dir: TempDir,
    /// What they log beyond their defaults.
    logged: Option<&'static str>,
}

/// Why a broker is not what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokersError {
    /// Its folder or its port could not be had, or the system refuses to kill it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not ready, or does not stop.
    #[error("broker {id}: {source}")]
    Daemon {
        /// Its id.
        id: i32,
        /// What went wrong.
        source: DaemonError,
    },
    /// It does not run, or runs already, or is none of the cluster.
    #[error("broker {id} {what}")]
    State {
        /// The id.
        id: i32,
        /// What is the matter.
        what: &'static str,
    },
}

#[derive(Debug)]
struct Member {
    id: i32,
    port: u16,
    /// The port that others are told: its own, or that of what stands between.
    told: u16,
    /// Its `key=value`s.
    options: Vec<String>,
    daemon: Option<Daemon>,
    /// What the processes before this one said.
    said: Vec<String>,
    /// How many directories it has had.
    lives: usize,
}

impl Brokers {
    /// Starts three brokers on free loopback ports and waits until all serve. Topics of theirs have three replicas, two of which
    /// must be in sync. `options` are further `key=value` of their configuration.
    ///
    /// # Errors
    /// When one of them is not ready within a minute.
    pub fn start(binaries: &Binaries, options: &[&str]) -> Result<Self, BrokersError> {
        Self::start_logging(binaries, options, LOGGED)
    }

    fn start_logging(
        binaries: &Binaries,
        options: &[&str],
        logged: Option<&'static str>,
    ) -> Result<Self, BrokersError> {
        let ports: [u16; BROKERS] = free_ports()?;
        let options = common(&ports, options);
        let members = (1..).zip(ports).map(|(id, port)| Member::new(id, port, &options, &[]));
        Self::start_all(binaries, members.collect(), logged)
    }

    /// [`Brokers::start`], with controllers that are processes of their own.
    ///
    /// # Errors
    /// As [`Brokers::start`].
    pub fn start_apart(binaries: &Binaries, options: &[&str]) -> Result<Self, BrokersError> {
        const ROLE: [&str; 1] = ["process.roles=controller"];
        let (ports, controllers): ([u16; BROKERS], [u16; BROKERS]) = (free_ports()?, free_ports()?);
        let options = common(&controllers, options);
        let brokers =
            (1..).zip(ports).map(|(id, port)| Member::new(id, port, &options, &["process.roles=broker"]));
        let controllers =
            (FIRST_CONTROLLER..).zip(controllers).map(|(id, port)| Member::new(id, port, &options, &ROLE));
        Self::start_all(binaries, brokers.chain(controllers).collect(), LOGGED)
    }

    /// The three of [`Brokers::start`], none of them started yet, to be reached on other ports by clients and by each other: with
    /// something between. Start them with [`Brokers::spawn`].
    ///
    /// # Errors
    /// When no ports or no folder can be had.
    pub fn behind(binaries: &Binaries, options: &[&str]) -> Result<Self, BrokersError> {
        let ports: [u16; 2 * BROKERS] = free_ports()?;
        let (own, told) = ports.split_at(BROKERS);
        let options = common(told, options);
        let members = (1..).zip(own.iter().zip(told)).map(|(id, (&port, &told))| {
            let advertised = format!("advertised.listeners=PLAINTEXT://localhost:{told}");
            Member { told, ..Member::new(id, port, &options, &[&advertised]) }
        });
        Self::of(binaries, members.collect(), LOGGED)
    }

    fn of(
        binaries: &Binaries,
        members: Vec<Member>,
        logged: Option<&'static str>,
    ) -> Result<Self, BrokersError> {
        Ok(Self { members, binaries: binaries.clone(), dir: tempfile::tempdir()?, logged })
    }

    fn start_all(
        binaries: &Binaries,
        members: Vec<Member>,
        logged: Option<&'static str>,
    ) -> Result<Self, BrokersError> {
        let ids: Vec<i32> = members.iter().map(|member| member.id).collect();
        let mut brokers = Self::of(binaries, members, logged)?;
        for id in &ids {
            brokers.spawn(*id)?;
        }
        for id in &ids {
            brokers.wait_ready(*id)?;
        }
        Ok(brokers)
    }

    /// Of each its id, the port that others are told, and the one that it listens on.
    pub fn ports(&self) -> impl Iterator<Item = (i32, u16, u16)> {
        self.members.iter().map(|member| (member.id, member.told, member.port))
    }

    /// The addresses of all brokers, as `bootstrap.servers` has them.
    pub fn bootstrap(&self) -> String {
        self.addresses(|id| id < FIRST_CONTROLLER)
    }

    /// The addresses of the controllers that are processes of their own, as `bootstrap.controllers` has them.
    pub fn controllers(&self) -> String {
        self.addresses(|id| id >= FIRST_CONTROLLER)
    }

    fn addresses(&self, is_wanted: impl Fn(i32) -> bool) -> String {
        let members = self.members.iter().filter(|member| is_wanted(member.id));
        members.map(Member::address).collect::<Vec<_>>().join(",")
    }

    /// The address of one broker.
    ///
    /// # Errors
    /// When there is none of that id.
    pub fn address(&self, id: i32) -> Result<String, BrokersError> {
        let member = self.members.iter().find(|member| member.id == id);
        member.map(Member::address).ok_or(BrokersError::State { id, what: "is not there" })
    }

    /// Where the data of a broker lies.
    ///
    /// # Errors
    /// When there is none of that id.
    pub fn data_dir(&self, id: i32) -> Result<PathBuf, BrokersError> {
        let member = self.members.iter().find(|member| member.id == id);
        let member = member.ok_or(BrokersError::State { id, what: "is not there" })?;
        Ok(self.dir.path().join(format!("broker-{id}.{}", member.lives)))
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, id: i32) -> Result<(), BrokersError> {
        let (member, daemon) = self.running(id)?;
        // The lines before its end: those that come later are lost with it.
        member.said.extend(daemon.lines());
        daemon.kill()?;
        Ok(())
    }

    /// Halts its process (SIGSTOP), until [`Brokers::thaw`]: it says nothing any more, and its connections stay.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&mut self, id: i32) -> Result<(), BrokersError> {
        self.signal(id, Signal::STOP)
    }

    /// Lets a halted process go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&mut self, id: i32) -> Result<(), BrokersError> {
        self.signal(id, Signal::CONT)
    }

    /// Stops it in order (SIGTERM).
    ///
    /// # Errors
    /// When it does not run, or still does after half a minute.
    pub fn stop(&mut self, id: i32) -> Result<ExitStatus, BrokersError> {
        let (member, daemon) = self.running(id)?;
        let (status, said) = daemon.terminate_with_lines(STOP_LIMIT);
        member.said.extend(said);
        status.map_err(|source| BrokersError::Daemon { id, source })
    }

    /// Starts it again on its directory and waits until it serves.
    ///
    /// # Errors
    /// When it runs, or is not ready within a minute.
    pub fn restart(&mut self, id: i32) -> Result<(), BrokersError> {
        self.spawn(id)?;
        self.wait_ready(id)
    }

    /// Starts it again as one whose disk was replaced: the same id, an empty directory.
    ///
    /// # Errors
    /// As [`Brokers::restart`].
    pub fn restart_empty(&mut self, id: i32) -> Result<(), BrokersError> {
        self.spawn_empty(id)?;
        self.wait_ready(id)
    }

    /// [`Brokers::restart_empty`], and does not wait.
    ///
    /// # Errors
    /// As [`Brokers::spawn`].
    pub fn spawn_empty(&mut self, id: i32) -> Result<(), BrokersError> {
        self.member(id)?.lives += 1;
        self.spawn(id)
    }

    /// Starts it, and does not wait: alone it may have to wait for the others.
    ///
    /// # Errors
    /// When it runs already, or the program cannot be started.
    pub fn spawn(&mut self, id: i32) -> Result<(), BrokersError> {
        let mut command = self.binaries.command("kbroker");
        let dir = self.data_dir(id)?;
        let logged = self.logged;
        let member = self.member(id)?;
        if member.daemon.is_some() {
            return Err(BrokersError::State { id, what: "runs already" });
        }
        command.args(["--port", &member.port.to_string()]).arg("--data-dir").arg(dir);
        command.args(["--override", &format!("node.id={id}")]);
        for option in &member.options {
            command.args(["--override", option]);
        }
        command
            .env_remove("RUST_LOG")
            .env_remove("KAFKA_LOG")
            .envs(logged.map(|logged| ("RUST_LOG", logged)));
        member.daemon = Some(Daemon::start(&mut command)?);
        Ok(())
    }

    /// Waits until it serves.
    ///
    /// # Errors
    /// When it does not run, or is not ready within a minute.
    pub fn wait_ready(&mut self, id: i32) -> Result<(), BrokersError> {
        let member = self.member(id)?;
        let daemon = member.daemon.as_mut().ok_or(BrokersError::State { id, what: "does not run" })?;
        let is_ready = |line: &str| line.trim_start().starts_with("ready in").then_some(());
        daemon.wait_for(is_ready, READY_LIMIT).map_err(|source| BrokersError::Daemon { id, source })
    }

    /// The processes that run.
    pub fn pids(&self) -> Vec<u32> {
        self.members.iter().filter_map(|member| member.daemon.as_ref()).map(Daemon::pid).collect()
    }

    /// Everything a broker has written, in all its lives.
    ///
    /// # Errors
    /// When there is none of that id.
    pub fn lines(&self, id: i32) -> Result<Vec<String>, BrokersError> {
        let member = self.members.iter().find(|member| member.id == id);
        member.map(Member::lines).ok_or(BrokersError::State { id, what: "is not there" })
    }

    fn member(&mut self, id: i32) -> Result<&mut Member, BrokersError> {
        let member = self.members.iter_mut().find(|member| member.id == id);
        member.ok_or(BrokersError::State { id, what: "is not there" })
    }

    fn signal(&mut self, id: i32, signal: Signal) -> Result<(), BrokersError> {
        let daemon = self.member(id)?.daemon.as_ref();
        Ok(daemon.ok_or(BrokersError::State { id, what: "does not run" })?.signal(signal)?)
    }

    fn running(&mut self, id: i32) -> Result<(&mut Member, Daemon), BrokersError> {
        let member = self.member(id)?;
        let daemon = member.daemon.take().ok_or(BrokersError::State { id, what: "does not run" })?;
        Ok((member, daemon))
    }

    /// Writes what all have said to files that stay, and the end of it to standard error.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn keep_lines(&self) -> io::Result<()> {
        let kept = tempfile::Builder::new().prefix("kinglet-brokers-").tempdir()?.keep();
        for member in &self.members {
            let lines = member.lines();
            let mut text = String::new();
            for line in &lines {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{line}");
            }
            std::fs::write(kept.join(format!("broker-{}.log", member.id)), text)?;
            eprintln!("broker {} at the end:", member.id);
            for line in lines.iter().skip(lines.len().saturating_sub(LAST_LINES)) {
                eprintln!("  {line}");
            }
        }
        eprintln!("everything the brokers said is in {}", kept.display());
        Ok(())
    }
}

/// What all members are told. The ports are those of the quorum's voters.
fn common(voters: &[u16], options: &[&str]) -> Vec<String> {
    let servers: Vec<String> = voters.iter().map(|port| format!("localhost:{port}")).collect();
    let mut all = vec![
        format!("controller.quorum.bootstrap.servers={}", servers.join(",")),
        format!("default.replication.factor={BROKERS}"),
        format!("offsets.topic.replication.factor={BROKERS}"),
        "min.insync.replicas=2".to_owned(),
        "group.initial.rebalance.delay.ms=0".to_owned(),
    ];
    all.extend(options.iter().map(|option| (*option).to_owned()));
    all
}

impl Member {
    fn new(id: i32, port: u16, common: &[String], own: &[&str]) -> Self {
        let options = common.iter().cloned().chain(own.iter().map(|option| (*option).to_owned())).collect();
        Self { id, port, told: port, options, daemon: None, said: Vec::new(), lives: 0 }
    }

    fn address(&self) -> String {
        format!("localhost:{}", self.told)
    }

    fn lines(&self) -> Vec<String> {
        let now = self.daemon.as_ref().map(Daemon::lines).unwrap_or_default();
        self.said.iter().cloned().chain(now).collect()
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        if thread::panicking()
            && let Err(error) = self.keep_lines()
        {
            eprintln!("what the brokers said is lost: {error}");
        }
    }
}
