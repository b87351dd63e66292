//! The command line of `kbroker`, and how its failures are told.

use std::io;
use std::path::PathBuf;

use clap::Parser;
use kinglet_broker::config::ConfigError;
use kinglet_broker::{Config, ShutdownError, StartError};

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
    #[error("runtime: {0}")]
    Runtime(io::Error),
    #[error(transparent)]
    Shutdown(#[from] ShutdownError),
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

impl Args {
    /// The file, then the overrides, then the options.
    pub(crate) fn config(self) -> Result<Config, Failure> {
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
