//! The broker's configuration: Kafka's keys, those of old releases too, into typed settings.
//!
//! Files are text here: reading them, and starting anything, is done elsewhere.

mod broker;
mod dirs;
mod dynamic;
mod entry;
mod error;
mod known;
mod listener;
mod origin;
mod properties;
mod quorum;
mod resolve;
mod review;
mod topic;
mod value;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

pub use broker::{BROKER_KEYS, BrokerKey};
pub(crate) use dynamic::{
    Dynamic, DynamicError, Scope, check as check_broker_configs, default_value as broker_default,
    is_list as is_broker_list,
};
pub(crate) use entry::{Entry, Source, Synonym};
pub use error::ConfigError;
pub use listener::Listener;
pub(crate) use listener::Purpose;
pub use origin::{Effective, Origin};
pub use quorum::{QuorumConfig, Roles};
pub use review::{Finding, Severity};
pub(crate) use topic::{
    Overrides, TopicConfigError, check as check_topic_config, default_value as topic_default,
    entries as topic_entries, find as topic_key, min_insync_replicas as topic_min_insync_replicas,
    resolve as topic_log_config,
};
pub use topic::{TOPIC_KEYS, TopicKey};
pub use value::{InvalidValue, Kind, PerHost};
pub(crate) use value::{Quoted, list, replica};

use crate::log::LogConfig;

const LEADER_THROTTLE: &str = "leader.replication.throttled.rate";
const FOLLOWER_THROTTLE: &str = "follower.replication.throttled.rate";

/// Everything a broker is told. [`Config::default`] is a broker for development on this machine.
#[derive(Debug, Clone)]
pub struct Config {
    /// `node.id` or `broker.id`.
    pub node_id: i32,
    /// What to listen on for clients and other brokers; nothing for a process that is a controller alone.
    pub listeners: Vec<Listener>,
    /// What others are told, one for each of `listeners` and then of `controllers`; port 0 stands for the port that was bound.
    pub advertised: Vec<Listener>,
    /// `process.roles`.
    pub roles: Roles,
    /// `controller.quorum.voters` or `controller.quorum.bootstrap.servers`; a broker without either is alone.
    pub quorum: Option<QuorumConfig>,
    /// Those of `listeners` that `controller.listener.names` keeps for controllers; all of a process that is nothing else and
    /// names none. None without a quorum.
    pub controllers: Vec<Listener>,
    /// `log.dirs`. The first one also holds the metadata log.
    pub log_dirs: Vec<PathBuf>,
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i16,
    /// `auto.create.topics.enable`.
    pub auto_create: bool,
    /// `delete.topic.enable`.
    pub delete_topic_enable: bool,
    /// `socket.request.max.bytes`.
    pub request_max_bytes: usize,
    /// `connections.max.idle.ms`.
    pub idle: Duration,
    /// `max.connections`.
    pub max_connections: usize,
    /// `max.connection.creation.rate`, in a second.
    pub max_connection_creation_rate: u32,
    /// `max.connections.per.ip`.
    pub max_connections_per_ip: usize,
    /// `max.connections.per.ip.overrides`.
    pub max_connections_per_ip_overrides: Vec<PerHost>,
    /// `num.network.threads`: threads of the runtime.
    pub network_threads: usize,
    /// `num.io.threads`: threads that own partitions.
    pub io_threads: usize,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// `broker.session.timeout.ms`.
    pub broker_session_timeout: Duration,
    /// `broker.heartbeat.interval.ms`.
    pub broker_heartbeat_interval: Duration,
    /// `auto.leader.rebalance.enable`.
    pub leader_rebalance: bool,
    /// `leader.imbalance.check.interval.seconds`.
    pub leader_check_interval: Duration,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
    /// `log.cleaner.enable`.
    pub cleaner_enable: bool,
    /// `log.cleaner.backoff.ms`.
    pub cleaner_backoff: Duration,
    /// `log.cleaner.dedupe.buffer.size`.
    pub cleaner_buffer_bytes: u64,
    /// `replica.lag.time.max.ms`.
    pub replica_lag_time_max: Duration,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_sessions_max: usize,
    /// `leader.replication.throttled.rate`, in bytes per second.
    pub leader_throttle: i64,
    /// `follower.replication.throttled.rate`, in bytes per second.
    pub follower_throttle: i64,
    /// What holds for a topic that says nothing.
    pub log: LogConfig,
    /// Where the data of a broker lies that keeps none; it goes with the last clone of this.
    temporary: Option<Arc<TempDir>>,
    /// The port that was asked for besides the keys: it holds whatever else is set.
    port: Option<u16>,
    given: BTreeMap<&'static str, String>,
    /// Where the keys that were given stand, also those that have no effect.
    origins: BTreeMap<String, Origin>,
    dynamic: Dynamic,
    unknown: Vec<String>,
    without_effect: Vec<String>,
    zookeeper: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        let mut config = Self {
            node_id: 0,
            listeners: Vec::new(),
            advertised: Vec::new(),
            roles: Roles::default(),
            quorum: None,
            controllers: Vec::new(),
            log_dirs: Vec::new(),
            num_partitions: 0,
            default_replication_factor: 0,
            auto_create: false,
            delete_topic_enable: false,
            request_max_bytes: 0,
            idle: Duration::ZERO,
            max_connections: 0,
            max_connection_creation_rate: 0,
            max_connections_per_ip: 0,
            max_connections_per_ip_overrides: Vec::new(),
            network_threads: 0,
            io_threads: 0,
            rack: None,
            broker_session_timeout: Duration::ZERO,
            broker_heartbeat_interval: Duration::ZERO,
            leader_rebalance: false,
            leader_check_interval: Duration::ZERO,
            retention_check_interval: Duration::ZERO,
            cleaner_enable: true,
            cleaner_backoff: Duration::ZERO,
            cleaner_buffer_bytes: 0,
            replica_lag_time_max: Duration::ZERO,
            fetch_sessions_max: 0,
            leader_throttle: 0,
            follower_throttle: 0,
            log: LogConfig::default(),
            temporary: None,
            port: None,
            given: BTreeMap::new(),
            origins: BTreeMap::new(),
            dynamic: Dynamic::default(),
            unknown: Vec::new(),
            without_effect: Vec::new(),
            zookeeper: None,
        };
        config.resolve().expect("the table's defaults are valid");
        config
    }
}

impl Config {
    /// Reads a `server.properties`. The first thing that is wrong with it is the error; [`Config::review`] tells all.
    pub fn from_properties(text: &str) -> Result<Self, ConfigError> {
        let (config, refused) = Self::read(text);
        refused.into_iter().next().map_or(Ok(config), Err)
    }

    /// Whom a listener is for.
    pub(crate) fn purpose(&self, listener: &str) -> Purpose {
        let is_controllers = self.controllers.iter().any(|controllers| controllers.name == listener);
        if is_controllers { Purpose::Controllers } else { Purpose::Clients }
    }

    /// A broker that keeps nothing, on a free port of this machine: for tests, and for trying things.
    pub fn ephemeral() -> io::Result<Self> {
        let mut config = Self::default();
        config.set_port(0);
        config.set_ephemeral()?;
        Ok(config)
    }

    /// Lets the data lie in a temporary directory, whatever `log.dirs` says.
    pub fn set_ephemeral(&mut self) -> io::Result<()> {
        let temporary = tempfile::Builder::new().prefix("kinglet-").tempdir()?;
        self.log_dirs = vec![temporary.path().to_path_buf()];
        self.temporary = Some(Arc::new(temporary));
        Ok(())
    }

    /// Whether the data goes when the broker stops.
    pub fn is_ephemeral(&self) -> bool {
        self.temporary.is_some()
    }

    /// Moves the first listener to another port; 0 picks a free one. What clients are told moves along, unless another
    /// port was advertised than listened on.
    pub fn set_port(&mut self, port: u16) {
        self.port = Some(port);
        self.move_to(port);
    }

    fn move_to(&mut self, port: u16) {
        let listener = self.listeners.iter_mut().chain(&mut self.controllers).next();
        let (Some(listener), Some(told)) = (listener, self.advertised.first_mut()) else {
            return;
        };
        if told.port == listener.port {
            told.port = port;
        }
        listener.port = port;
    }

    /// Sets one key, as `--override` does. An unknown key is kept as a notice; after an error the broker must not start.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        self.set_by("--override", key, value)
    }

    /// [`Config::set`], by an option of the command line that is to be named as the origin.
    pub fn set_by(&mut self, option: &'static str, key: &str, value: &str) -> Result<(), ConfigError> {
        self.give(key.trim(), value.trim(), Origin::Option(option))?;
        self.resolve().map_err(|invalid| ConfigError { line: None, invalid })
    }

    /// Whether the keys go together. Each one alone is checked when it is set, these when all are: the start has to ask.
    pub fn check(&self) -> Result<(), ConfigError> {
        let roles = (self.roles, self.given(quorum::ROLES));
        let port = self.advertised.first().map_or(listener::DEFAULT_PORT, |at| at.port);
        if self.max_connections_per_ip == 0 && self.max_connections_per_ip_overrides.is_empty() {
            let reason = "can be set to zero only if max.connections.per.ip.overrides property is set.";
            let invalid = InvalidValue::new("max.connections.per.ip", "0", reason);
            return Err(ConfigError { line: None, invalid });
        }
        quorum::check(roles, self.quorum.as_ref(), self.node_id, self.given(quorum::VOTERS))
            .and_then(|()| match (&self.zookeeper, &self.quorum) {
                (Some(zookeeper), None) => quorum::check_zookeeper(zookeeper, port),
                _ => Ok(()),
            })
            .map_err(|invalid| ConfigError { line: None, invalid })
    }

    /// What the user should know at start: keys that are unknown or have no effect.
    pub fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        if self.zookeeper.is_some() {
            notices.push(self.zookeeper_notice());
        }
        for key in &self.unknown {
            notices.push(unknown_notice(key));
        }
        if !self.without_effect.is_empty() {
            notices.push(format!("accepted, but without an effect here: {}", self.without_effect.join(", ")));
        }
        notices
    }

    fn zookeeper_notice(&self) -> String {
        let own = self.advertised.first().map(|at| format!("{}:{}", at.host, at.port)).unwrap_or_default();
        quorum::zookeeper_notice(self.quorum.as_ref(), &own)
    }

    /// The value that was given for a broker key, at run time or in the file, if one was.
    pub(crate) fn given(&self, key: &str) -> Option<&str> {
        let in_file = || self.given.get(key).map(String::as_str);
        self.dynamic.get(key).map(|(value, _)| value).or_else(in_file)
    }

    /// The value of a key that was not given, where more than the table decides.
    fn in_force(&self, key: &BrokerKey) -> Option<String> {
        match key.name {
            "num.io.threads" => Some(self.io_threads.to_string()),
            "num.network.threads" => Some(self.network_threads.to_string()),
            "node.id" | "broker.id" => Some(self.node_id.to_string()),
            _ => key.default.map(str::to_owned),
        }
    }

    fn give(&mut self, key: &str, value: &str, origin: Origin) -> Result<(), ConfigError> {
        self.origins.insert(key.to_owned(), origin);
        let Some(row) = broker::find(key) else {
            if key == "zookeeper.connect" {
                self.zookeeper = Some(value.to_owned());
            } else if known::is_known(key) {
                push_once(&mut self.without_effect, key);
            } else {
                push_once(&mut self.unknown, key);
            }
            return Ok(());
        };
        let checked = if value.contains(" #") || value.contains("\t#") {
            Err(InvalidValue::new(key, value, "it has a comment in it"))
        } else {
            row.kind.check(key, value)
        };
        checked.map_err(|invalid| ConfigError { line: None, invalid })?;
        self.given.insert(row.name, value.to_owned());
        Ok(())
    }
}

fn push_once(keys: &mut Vec<String>, key: &str) {
    if !keys.iter().any(|other| other == key) {
        keys.push(key.to_owned());
    }
}

fn unknown_notice(key: &str) -> String {
    match nearest(key) {
        Some(near) => format!("{key}: unknown configuration, did you mean {near}?"),
        None => format!("{key}: unknown configuration"),
    }
}

/// The key that was probably meant.
fn nearest(key: &str) -> Option<&'static str> {
    const ALIKE: f64 = 0.8;
    let candidates = BROKER_KEYS.iter().map(|row| row.name).chain(known::names());
    let scored = candidates.map(|name| (strsim::normalized_damerau_levenshtein(key, name), name));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

#[cfg(test)]
mod tests;
