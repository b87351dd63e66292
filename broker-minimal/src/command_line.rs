//! The command line of `kbroker`, and how its failures are told.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use kinglet_broker::config::ConfigError;
use kinglet_broker::log::DirError;
use kinglet_broker::{Config, ShutdownError, StartError};
use tempfile::TempDir;

use crate::daemon::DaemonError;
use crate::stop::StopError;
use crate::supervisor::{Cluster, ClusterError, Wish};

/// A Kafka broker that keeps data and recovers it.
///
/// Without arguments it serves this machine on localhost:9092 and keeps its data in ~/.local/share/kinglet/dev.
#[derive(Debug, Parser)]
#[command(name = "kbroker", version, args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
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
    /// Run in the background: ends when the broker serves, or cannot. What it says goes to kbroker.log in its (first) data
    /// directory, its process id to .lock beside it
    #[arg(long, conflicts_with = "ephemeral")]
    daemon: bool,
    /// Print every key with the value that would hold and where that was said, and start nothing
    #[arg(long, conflicts_with_all = ["cluster", "daemon"])]
    print_config: bool,
    /// What --daemon starts
    #[arg(long, hide = true)]
    pub(crate) detached: bool,
    /// Stop when standard input ends: whoever started this is gone
    #[arg(long, hide = true, conflicts_with = "daemon")]
    pub(crate) stop_with_stdin: bool,
}

/// What is done besides starting brokers.
#[derive(Debug, Subcommand)]
enum Action {
    /// Stop a running kbroker, in the background or not, and wait until it has ended
    Stop {
        /// The server.properties that it was started with
        file: Option<PathBuf>,
        /// Where its data lies; of `--cluster`, the directory of all
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Look at configurations
    #[command(subcommand)]
    Config(OnConfig),
}

#[derive(Debug, Subcommand)]
enum OnConfig {
    /// Tell everything that is wrong or odd in a server.properties, by line; status 1 if no broker starts with it
    Check {
        /// The server.properties
        file: PathBuf,
    },
}

/// What the command line asks for.
pub(crate) enum Asked {
    /// One broker, in this process.
    Broker(Box<Config>),
    /// Some, each in one of its own; the temporary directory goes when they have stopped.
    Cluster(Cluster, Option<TempDir>),
    /// The same in the background, with its log in this directory.
    Daemon(PathBuf),
    /// The process that uses this directory is to stop.
    Stop(PathBuf),
    /// A file is to be looked at.
    Check(PathBuf),
    /// What would hold, and the file that it was read from.
    Print(Box<Config>, Option<PathBuf>),
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
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    #[error(transparent)]
    Stop(#[from] StopError),
    #[error(transparent)]
    Dir(#[from] DirError),
    #[error("a session of its own: {0}")]
    Session(io::Error),
    #[error("{}: no broker starts with it", .0.display())]
    Refused(PathBuf),
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
            Self::File { .. } => Some("all that is wrong with a file at once: kbroker config check FILE"),
            Self::Stop(StopError::NoneRuns(_)) => Some(
                "which one is said by its FILE or --data-dir DIR; of --cluster, DIR is the one above the brokers'",
            ),
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
    /// What is to be done, with all that it takes.
    pub(crate) fn asked(mut self) -> Result<Asked, Failure> {
        match self.action.take() {
            None => {}
            Some(Action::Stop { file, data_dir: Some(dir) }) => {
                // A file that is named has to be there all the same.
                read(file)?;
                return Ok(Asked::Stop(dir));
            }
            Some(Action::Stop { file, data_dir: None }) => return Ok(Asked::Stop(first_dir(read(file)?))),
            Some(Action::Config(OnConfig::Check { file })) => return Ok(Asked::Check(file)),
        }
        let in_background = self.daemon && !self.detached;
        match self.cluster {
            None if self.print_config => {
                let file = self.file.clone();
                Ok(Asked::Print(Box::new(self.config()?), file))
            }
            None if in_background => Ok(Asked::Daemon(first_dir(self.config()?))),
            None => Ok(Asked::Broker(Box::new(self.config()?))),
            Some(count) => match self.cluster(count)? {
                Asked::Cluster(cluster, _) if in_background => Ok(Asked::Daemon(cluster.dir)),
                asked => Ok(asked),
            },
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
            (None, None) => first_dir(Config::default()).with_file_name("cluster"),
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
        let mut config = read(self.file)?;
        for text in self.overrides {
            let Some((key, value)) = text.split_once('=') else { return Err(Failure::Override(text)) };
            config.set(key, value)?;
        }
        if let Some(dir) = self.data_dir {
            config.set_by("--data-dir", "log.dirs", &dir.to_string_lossy())?;
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

/// A file's configuration; the defaults without one.
fn read(file: Option<PathBuf>) -> Result<Config, Failure> {
    let Some(path) = file else { return Ok(Config::default()) };
    let text = text_of(&path)?;
    Config::from_properties(&text).map_err(|source| Failure::File { path, source })
}

/// What a file says.
pub(crate) fn text_of(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|source| Failure::Read { path: path.to_path_buf(), source })
}

fn first_dir(mut config: Config) -> PathBuf {
    config.log_dirs.swap_remove(0)
}
