//! What `kbroker` says when it is ready: one screen with the address, the place of the data and what to type next.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Handle;
use crate::config::Roles;

/// The port that the tools try when they are told none.
const TOOLS_PORT: &str = ":9092";

/// The screen, as text.
#[derive(Debug, Clone)]
pub struct Banner {
    cluster_id: String,
    node_id: i32,
    ready_in: Duration,
    bootstrap: String,
    roles: Roles,
    dirs: Vec<PathBuf>,
    bytes: u64,
    topics: usize,
    is_ephemeral: bool,
    scanned_bytes: u64,
    truncated_bytes: u64,
}

impl Banner {
    /// Asks a running broker. Looks at the sizes of the data files, so it blocks on the disk for a moment.
    pub fn new(broker: &Handle) -> Self {
        let dirs = broker.config.log_dirs.clone();
        Self {
            cluster_id: broker.cluster_id().to_owned(),
            node_id: broker.config.node_id,
            ready_in: broker.ready_in,
            bootstrap: broker.bootstrap.clone(),
            roles: broker.config.roles,
            bytes: dirs.iter().map(|dir| size(dir)).sum(),
            dirs,
            topics: broker.meta.image().topics.len(),
            is_ephemeral: broker.config.is_ephemeral(),
            scanned_bytes: broker.opened.scanned_bytes,
            truncated_bytes: broker.opened.truncated_bytes,
        }
    }
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = env!("CARGO_PKG_VERSION");
        writeln!(f, "kinglet {version}  cluster {}  node {}", self.cluster_id, self.node_id)?;
        let ready = self.ready_in.as_millis();
        let who = if self.roles.broker { "clients" } else { "brokers and controllers" };
        writeln!(f, "  ready in {ready} ms   plaintext  {}   <- {who} connect here", self.bootstrap)?;
        let dirs: Vec<String> = self.dirs.iter().map(|dir| dir.display().to_string()).collect();
        let topics = if self.topics == 1 { "1 topic".to_owned() } else { format!("{} topics", self.topics) };
        let kept = if self.is_ephemeral { ", removed at the end" } else { "" };
        writeln!(f, "  data   {} ({}, {topics}{kept})", dirs.join(", "), Bytes(self.bytes))?;
        if self.scanned_bytes > 0 {
            let (scanned, cut) = (Bytes(self.scanned_bytes), Bytes(self.truncated_bytes));
            writeln!(f, "         recovered after an unclean stop: {scanned} checked, {cut} cut off")?;
        }
        if !self.roles.broker {
            return write!(f, "  stop   Ctrl-C");
        }
        let server = if self.bootstrap == format!("localhost{TOOLS_PORT}") {
            String::new()
        } else {
            format!(" --bootstrap-server {}", self.bootstrap)
        };
        writeln!(f, "  try    ktopics{server} --create --topic demo --partitions 3")?;
        writeln!(f, "         echo hi | kproduce{server} --topic demo")?;
        writeln!(f, "         kconsume{server} --topic demo --from-beginning")?;
        write!(f, "  stop   Ctrl-C")
    }
}

/// A size as people read it.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const STEP: u64 = 1024;
        let units = [("GiB", STEP.pow(3)), ("MiB", STEP.pow(2)), ("KiB", STEP)];
        match units.into_iter().find(|(_, size)| self.0 >= *size) {
            Some((unit, size)) => write!(f, "{}.{} {unit}", self.0 / size, self.0 % size * 10 / size),
            None => write!(f, "{} B", self.0),
        }
    }
}

/// Bytes of the files in the partitions' directories under `dir`. What cannot be read counts as nothing.
fn size(dir: &Path) -> u64 {
    let children = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten();
    let partitions = children(dir).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let files = partitions.flat_map(|partition| children(&partition.path()));
    files.filter_map(|file| file.metadata().ok()).filter(|file| file.is_file()).map(|file| file.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner() -> Banner {
        Banner {
            cluster_id: "Rk3".to_owned(),
            node_id: 1,
            ready_in: Duration::from_millis(9),
            bootstrap: "localhost:9092".to_owned(),
            roles: Roles::default(),
            dirs: vec![PathBuf::from("/data")],
            bytes: 1_572_864,
            topics: 1,
            is_ephemeral: false,
            scanned_bytes: 0,
            truncated_bytes: 0,
        }
    }

    #[test]
    fn the_screen_says_where_and_what_next() {
        let expected = format!(
            "kinglet {}  cluster Rk3  node 1\n\
             \x20 ready in 9 ms   plaintext  localhost:9092   <- clients connect here\n\
             \x20 data   /data (1.5 MiB, 1 topic)\n\
             \x20 try    ktopics --create --topic demo --partitions 3\n\
             \x20        echo hi | kproduce --topic demo\n\
             \x20        kconsume --topic demo --from-beginning\n\
             \x20 stop   Ctrl-C",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(banner().to_string(), expected);
    }

    #[test]
    fn another_port_is_in_every_command() {
        let text = Banner { bootstrap: "localhost:9093".to_owned(), ..banner() }.to_string();
        assert_eq!(text.matches("--bootstrap-server localhost:9093").count(), 3);
    }

    #[test]
    fn a_recovery_is_told() {
        let text = Banner { scanned_bytes: 2048, truncated_bytes: 7, ..banner() }.to_string();
        assert!(text.contains("2.0 KiB checked, 7 B cut off"));
    }
}
