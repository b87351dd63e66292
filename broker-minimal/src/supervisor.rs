//! `kbroker --cluster N`: N brokers of this machine, each a process of its own that can be killed, and one that looks after them.
//!
//! Here is what they are told and what is said about them; `processes` starts, watches and stops them.

pub(crate) mod processes;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kinglet_broker::log::DirError;

/// What the brokers of a cluster have in common.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// Where the data of all lies, each in a directory of its own.
    pub(crate) dir: PathBuf,
    pub(crate) members: Vec<Member>,
    /// Whether the data goes at the end.
    pub(crate) is_ephemeral: bool,
    /// `kbroker`, as it was called.
    pub(crate) program: OsString,
}

/// One broker and what it is told.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: usize,
    pub(crate) port: u16,
    pub(crate) dir: PathBuf,
    /// Where what it says goes.
    pub(crate) log: PathBuf,
    pub(crate) arguments: Vec<OsString>,
}

/// What the user said, but for the place of the data.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) count: u16,
    /// The first port; 0 picks free ones.
    pub(crate) port: u16,
    pub(crate) file: Option<PathBuf>,
    pub(crate) overrides: Vec<String>,
}

/// Why there is no cluster, or not any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    #[error("--port {port}: {count} brokers need as many ports from there on, and the last one is 65535")]
    Ports { port: u16, count: u16 },
    #[error("no free ports: {0}")]
    NoPorts(io::Error),
    #[error("{}: {source}", path.display())]
    Dir { path: PathBuf, source: io::Error },
    #[error(transparent)]
    InUse(DirError),
    #[error("broker {id} cannot be started: {source}")]
    Spawn { id: usize, source: io::Error },
    #[error("no broker is left")]
    NoneLeft,
    #[error("not stopped cleanly: broker {}; the next start checks the logs", list(.0))]
    Unclean(Vec<usize>),
}

impl Cluster {
    /// The brokers under `dir`, which has to be absolute: the commands are to hold in every directory.
    pub(crate) fn plan(
        wish: &Wish,
        dir: &Path,
        is_ephemeral: bool,
        program: OsString,
    ) -> Result<Self, ClusterError> {
        let ports = ports(wish.port, wish.count)?;
        let servers: Vec<String> = ports.iter().map(|port| format!("localhost:{port}")).collect();
        let replicas = wish.count.min(3);
        // What a cluster has to agree on first, so that the user's own wishes go before it.
        let shared = [
            format!("controller.quorum.bootstrap.servers={}", servers.join(",")),
            format!("default.replication.factor={replicas}"),
            format!("offsets.topic.replication.factor={replicas}"),
            format!("min.insync.replicas={}", if replicas >= 3 { 2 } else { 1 }),
        ];
        let member = |(id, port): (usize, u16)| {
            let name = format!("broker-{id}");
            let (dir, log) = (dir.join(&name), dir.join(format!("{name}.log")));
            let mut arguments: Vec<OsString> = wish.file.iter().map(|file| file.clone().into()).collect();
            arguments.extend([
                "--port".into(),
                port.to_string().into(),
                "--data-dir".into(),
                dir.clone().into(),
            ]);
            let own = format!("node.id={id}");
            for text in std::iter::once(&own).chain(&shared).chain(&wish.overrides) {
                arguments.extend(["--override".into(), text.into()]);
            }
            Member { id, port, dir, log, arguments }
        };
        let members = (1..).zip(ports).map(member).collect();
        Ok(Self { dir: dir.to_path_buf(), members, is_ephemeral, program })
    }

    /// What a person types to start a broker again.
    pub(crate) fn command(&self, member: &Member) -> String {
        let words = std::iter::once(&self.program).chain(&member.arguments);
        words.map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }

    fn bootstrap(&self) -> String {
        let servers: Vec<String> = self.members.iter().map(Member::address).collect();
        servers.join(",")
    }

    /// The screen, with the process ids of the brokers that run.
    pub(crate) fn screen<'a>(&'a self, pids: &'a [Option<u32>], ready_in: Option<Duration>) -> Screen<'a> {
        Screen { cluster: self, pids, ready_in }
    }
}

impl Member {
    pub(crate) fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }
}

/// What is said once the brokers run.
pub(crate) struct Screen<'a> {
    cluster: &'a Cluster,
    pids: &'a [Option<u32>],
    /// `None`: not all are ready yet.
    ready_in: Option<Duration>,
}

impl fmt::Display for Screen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, pids, ready_in } = self;
        let bootstrap = cluster.bootstrap();
        let brokers = if cluster.members.len() == 1 { "broker" } else { "brokers" };
        writeln!(
            f,
            "kinglet {}  {} {brokers}, each a process",
            env!("CARGO_PKG_VERSION"),
            cluster.members.len()
        )?;
        let ready = match ready_in {
            Some(time) => format!("ready in {} ms", time.as_millis()),
            None => "not all are ready yet".to_owned(),
        };
        writeln!(f, "  {ready}   plaintext  {bootstrap}   <- clients connect here")?;
        for (member, pid) in cluster.members.iter().zip(*pids) {
            let pid = pid.map_or_else(|| "ended".to_owned(), |pid| format!("pid {pid}"));
            writeln!(f, "  broker {}   {}   {pid}   {}", member.id, member.address(), member.dir.display())?;
        }
        let kept = if cluster.is_ephemeral { ", removed at the end" } else { "" };
        let logs: Vec<String> =
            cluster.members.iter().map(|member| member.log.display().to_string()).collect();
        writeln!(f, "  logs   {}{kept}", logs.join(" "))?;
        let server = if cluster.members.first().is_some_and(|member| member.port == 9092) {
            String::new()
        } else {
            format!(" --bootstrap-server {bootstrap}")
        };
        writeln!(f, "  try    ktopics{server} --create --topic demo --partitions 3")?;
        writeln!(f, "         echo hi | kproduce{server} --topic demo")?;
        writeln!(f, "         kill -9 one of the pids, and then: ktopics{server} --describe --topic demo")?;
        write!(f, "  stop   Ctrl-C")
    }
}

fn ports(first: u16, count: u16) -> Result<Vec<u16>, ClusterError> {
    if first != 0 {
        let last = first.checked_add(count - 1).ok_or(ClusterError::Ports { port: first, count })?;
        return Ok((first..=last).collect());
    }
    // All at once, so that they differ; the brokers must know each other's before they start.
    let listeners: Result<Vec<TcpListener>, _> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    let port = |listener: &TcpListener| Ok(listener.local_addr()?.port());
    listeners.and_then(|all| all.iter().map(port).collect()).map_err(ClusterError::NoPorts)
}

fn list(ids: &[usize]) -> String {
    ids.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// A word as the shell takes it back.
fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(count: u16, port: u16, overrides: &[&str]) -> Cluster {
        let overrides = overrides.iter().map(|text| (*text).to_owned()).collect();
        let wish = Wish { count, port, file: None, overrides };
        Cluster::plan(&wish, Path::new("/my data"), false, "kbroker".into()).unwrap()
    }

    #[test]
    fn the_command_of_each_broker_can_be_typed() {
        let cluster = plan(3, 9092, &["num.partitions=4"]);
        assert_eq!(
            cluster.command(&cluster.members[1]),
            "kbroker --port 9093 --data-dir '/my data/broker-2' --override node.id=2 \
             --override controller.quorum.bootstrap.servers=localhost:9092,localhost:9093,localhost:9094 \
             --override default.replication.factor=3 --override offsets.topic.replication.factor=3 \
             --override min.insync.replicas=2 --override num.partitions=4"
        );
    }

    #[test]
    fn small_clusters_ask_for_no_more_replicas_than_they_have() {
        for (count, replicas, in_sync) in [(1, 1, 1), (2, 2, 1), (3, 3, 2), (5, 3, 2)] {
            let cluster = plan(count, 1000, &[]);
            let command = cluster.command(&cluster.members[0]);
            for key in ["default.replication.factor", "offsets.topic.replication.factor"] {
                assert!(command.contains(&format!("{key}={replicas} ")), "{command}");
            }
            assert!(command.ends_with(&format!("min.insync.replicas={in_sync}")), "{command}");
        }
    }

    #[test]
    fn the_screen_says_where_every_broker_is() {
        let cluster = plan(2, 9094, &[]);
        let screen = cluster.screen(&[Some(7), None], Some(Duration::from_millis(40))).to_string();
        let expected = "\n  ready in 40 ms   plaintext  localhost:9094,localhost:9095   <- clients connect here\n  \
                        broker 1   localhost:9094   pid 7   /my data/broker-1\n  \
                        broker 2   localhost:9095   ended   /my data/broker-2\n  \
                        logs   /my data/broker-1.log /my data/broker-2.log\n";
        assert!(screen.contains(expected), "{screen}");
        assert_eq!(screen.matches("--bootstrap-server localhost:9094,localhost:9095").count(), 3);
        assert!(!plan(2, 9092, &[]).screen(&[None, None], None).to_string().contains("--bootstrap-server"));
    }

    #[test]
    fn ports_end_at_65535() {
        assert_eq!(ports(65_534, 2).unwrap(), [65_534, 65_535]);
        assert!(matches!(ports(65_534, 3), Err(ClusterError::Ports { .. })));
        let free = ports(0, 3).unwrap();
        assert!(free.iter().all(|port| *port != 0) && free[0] != free[1] && free[1] != free[2]);
    }

    #[test]
    fn the_shell_gets_every_word_back() {
        assert_eq!(quoted(OsStr::new("it's")), r"'it'\''s'");
        assert_eq!(quoted(OsStr::new("")), "''");
        assert_eq!(quoted(OsStr::new("/a/b-1.c=d,e:f")), "/a/b-1.c=d,e:f");
    }
}
