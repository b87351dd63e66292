//! The command line of `kbroker`, and how its failures are told.

use std::io;
use std::path::PathBuf;

use clap::Parser;
use kinglet_broker::config::ConfigError;
use kinglet_broker::{Config, ShutdownError, StartError};
use tempfile::TempDir;

use crate::supervisor::{Cluster, ClusterError, Wish};

/// A Kafka broker that keeps data and recovers it.
///
/// Without arguments it serves this machine on localhost:9092 and keeps its data in ~/.local/share/kinglet/dev.
#[derive(Debug, Parser)]
#[command(name = "kbroker", version)]
pub(crate) struct Args {
    /// A server.properties with Kafka's keys, of any release
    file: Option<PathBuf>,
    /// Set one key, whatever the file says
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Listen on another port; 0 picks a free one
    #[arg(long)]
    port: Option<u16>,
    /// Keep the data in this directory
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Keep the data in a temporary directory that goes at the end
    #[arg(long, conflicts_with = "data_dir")]
    ephemeral: bool,
    /// Start so many brokers, each a process, on this port (9092) and the next ones, in DIR/broker-1 and so on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    cluster: Option<u16>,
    /// Stop when standard input ends: whoever started this is gone
    #[arg(long, hide = true)]
    pub(crate) stop_with_stdin: bool,
}

/// What the command line asks for.
pub(crate) enum Asked {
    /// One broker, in this process.
    Broker(Box<Config>),
    /// Some, each in one of its own; the temporary directory goes when they have stopped.
    Cluster(Cluster, Option<TempDir>),
}

/// Why `kbroker` ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: ConfigError },
    #[error("--override {0}: not of the form key=value")]
    Override(String),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("temporary directory: {0}")]
    Temporary(io::Error),
    #[error("{}", start(.0))]
    Start(#[from] StartError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("runtime: {0}")]
    Runtime(io::Error),
    #[error(transparent)]
    Shutdown(#[from] ShutdownError),
    #[error("others take over, as {0}")]
    Disk(String),
    #[error("ended by a second signal; the next start checks the logs")]
    Impatient,
}

impl Failure {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Start(StartError::Listen { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => {
                Some("stop the other program, or choose another port: kbroker --port 9093")
            }
            _ => None,
        }
    }
}

fn start(error: &StartError) -> String {
    match error {
        StartError::Listen { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
            format!("{address} is in use")
        }
        other => other.to_string(),
    }
}

/// The port of the first broker of a cluster.
const FIRST_PORT: u16 = 9092;

impl Args {
    /// One broker or a cluster.
    pub(crate) fn asked(self) -> Result<Asked, Failure> {
        match self.cluster {
            None => Ok(Asked::Broker(Box::new(self.config()?))),
            Some(count) => self.cluster(count),
        }
    }

    fn cluster(self, count: u16) -> Result<Asked, Failure> {
        let temporary = if self.ephemeral {
            Some(tempfile::Builder::new().prefix("kinglet-").tempdir().map_err(Failure::Temporary)?)
        } else {
            None
        };
        let dir = match (&temporary, self.data_dir) {
            (Some(temporary), _) => temporary.path().to_path_buf(),
            (None, Some(dir)) => dir,
            // Beside the data of a broker that is alone.
            (None, None) => Config::default().log_dirs.swap_remove(0).with_file_name("cluster"),
        };
        // The commands that start a broker again are to hold in every directory.
        let absolute = |path: PathBuf| match std::path::absolute(&path) {
            Ok(path) => Ok(path),
            Err(source) => Err(ClusterError::Dir { path, source }),
        };
        let dir = absolute(dir)?;
        let program = std::env::args_os().next().map_or_else(|| "kbroker".into(), PathBuf::from);
        // A name alone is looked up by the shell.
        let program = if program.components().count() > 1 { absolute(program)? } else { program };
        let file = self.file.map(absolute).transpose()?;
        let overrides = self.overrides;
        let wish = Wish { count, port: self.port.unwrap_or(FIRST_PORT), file, overrides };
        Ok(Asked::Cluster(Cluster::plan(&wish, &dir, temporary.is_some(), program.into())?, temporary))
    }

    /// The file, then the overrides, then the options.
    fn config(self) -> Result<Config, Failure> {
        let mut config = match self.file {
            None => Config::default(),
            Some(path) => {
                let text = match std::fs::read_to_string(&path) {
                    Ok(text) => text,
                    Err(source) => return Err(Failure::Read { path, source }),
                };
                Config::from_properties(&text).map_err(|source| Failure::File { path, source })?
            }
        };
        for text in self.overrides {
            let Some((key, value)) = text.split_once('=') else { return Err(Failure::Override(text)) };
            config.set(key, value)?;
        }
        if let Some(dir) = self.data_dir {
            config.set("log.dirs", &dir.to_string_lossy())?;
        }
        if let Some(port) = self.port {
            config.set_port(port);
        }
        if self.ephemeral {
            config.set_ephemeral().map_err(Failure::Temporary)?;
        }
        Ok(config)
    }
}
