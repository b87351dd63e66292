//! From what was given, by name, to the typed settings.

use std::path::PathBuf;
use std::time::Duration;

use super::listener::ListenerKeys;
use super::{
    Config, FOLLOWER_THROTTLE, InvalidValue, LEADER_THROTTLE, Overrides, QuorumConfig, Roles, broker, dirs,
    quorum, topic_log_config, value,
};

impl Config {
    /// Brings the typed settings up to date with what was given.
    pub(super) fn resolve(&mut self) -> Result<(), InvalidValue> {
        self.roles = Roles::parse(self.given(quorum::ROLES))?;
        let listener_keys = ListenerKeys {
            roles: self.roles,
            listeners: self.given("listeners"),
            advertised: self.given("advertised.listeners"),
            protocol_map: self.given("listener.security.protocol.map"),
            controller_names: self.given("controller.listener.names"),
            host: self.given("host.name"),
            port: self.given("port").and_then(|port| port.parse().ok()),
            advertised_host: self.given("advertised.host.name"),
            advertised_port: self.given("advertised.port").and_then(|port| port.parse().ok()),
        };
        let listeners = listener_keys.listeners()?;
        let quorum = QuorumConfig::parse(self.given(quorum::BOOTSTRAP), self.given(quorum::VOTERS))?;
        // A broker without a quorum has nobody who would come by its controllers' listener.
        let controllers = if quorum.is_some() { listener_keys.controllers()? } else { Vec::new() };
        let advertised = listener_keys.advertised(&listeners, &controllers, hostname)?;
        (self.quorum, self.controllers) = (quorum, controllers);
        (self.listeners, self.advertised) = (listeners, advertised);
        if let Some(port) = self.port {
            self.move_to(port);
        }
        self.log_dirs = self.dirs()?;
        let broker_id = self.given("broker.id").and_then(|id| id.parse().ok()).filter(|id| *id >= 0);
        self.node_id = match (self.given("node.id"), broker_id) {
            (None, Some(id)) => id,
            _ => self.int("node.id"),
        };
        self.num_partitions = self.int("num.partitions");
        let factor = self.number("default.replication.factor");
        self.default_replication_factor = i16::try_from(factor).unwrap_or(i16::MAX);
        self.auto_create = self.boolean("auto.create.topics.enable");
        self.delete_topic_enable = self.boolean("delete.topic.enable");
        self.request_max_bytes = self.size("socket.request.max.bytes");
        // Without a limit when it is negative, as in Kafka.
        let idle = u64::try_from(self.number("connections.max.idle.ms"));
        self.idle = idle.map_or(Duration::MAX, Duration::from_millis);
        self.network_threads = self.threads("num.network.threads", 3);
        self.io_threads = self.threads("num.io.threads", 8);
        self.rack = self.given("broker.rack").filter(|rack| !rack.is_empty()).map(str::to_owned);
        self.broker_session_timeout = self.duration("broker.session.timeout.ms");
        self.broker_heartbeat_interval = self.duration("broker.heartbeat.interval.ms");
        self.leader_rebalance = self.boolean("auto.leader.rebalance.enable");
        let check_interval = u64::try_from(self.number("leader.imbalance.check.interval.seconds"));
        self.leader_check_interval = Duration::from_secs(check_interval.unwrap_or(0));
        self.retention_check_interval = self.duration("log.retention.check.interval.ms");
        self.cleaner_enable = self.boolean("log.cleaner.enable");
        self.replica_lag_time_max = self.duration("replica.lag.time.max.ms");
        self.fetch_sessions_max = self.size("max.incremental.fetch.session.cache.slots");
        self.resolve_dynamic();
        Ok(())
    }

    /// The settings that may change while the broker runs.
    pub(super) fn resolve_dynamic(&mut self) {
        self.max_connections = self.size("max.connections");
        self.max_connection_creation_rate =
            u32::try_from(self.number("max.connection.creation.rate")).unwrap_or(u32::MAX);
        self.max_connections_per_ip = self.size("max.connections.per.ip");
        let overrides = self.text("max.connections.per.ip.overrides");
        self.max_connections_per_ip_overrides = value::list(overrides).filter_map(value::per_host).collect();
        self.cleaner_backoff = self.duration("log.cleaner.backoff.ms");
        self.cleaner_buffer_bytes = u64::try_from(self.number("log.cleaner.dedupe.buffer.size")).unwrap_or(0);
        self.leader_throttle = self.number(LEADER_THROTTLE);
        self.follower_throttle = self.number(FOLLOWER_THROTTLE);
        self.log = topic_log_config(self, &Overrides::new());
    }

    fn dirs(&self) -> Result<Vec<PathBuf>, InvalidValue> {
        if let Some(temporary) = &self.temporary {
            return Ok(vec![temporary.path().to_path_buf()]);
        }
        let given = ["log.dirs", "log.dir"].into_iter().find_map(|key| Some((key, self.given(key)?)));
        given.map_or_else(|| Ok(vec![dirs::default_dir()]), |(key, text)| dirs::parse(key, text))
    }

    /// A number, as given or from the table.
    pub(crate) fn number(&self, name: &str) -> i64 {
        self.text(name).parse().expect("numbers are checked when they are given")
    }

    fn duration(&self, name: &str) -> Duration {
        Duration::from_millis(u64::try_from(self.number(name)).unwrap_or(0))
    }

    fn int(&self, name: &str) -> i32 {
        self.text(name).parse().expect("numbers are checked when they are given")
    }

    fn size(&self, name: &str) -> usize {
        self.text(name).parse().expect("sizes are checked when they are given")
    }

    fn boolean(&self, name: &str) -> bool {
        value::parse_bool(self.text(name)).expect("booleans are checked when they are given")
    }

    fn threads(&self, name: &str, most: usize) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        self.given(name).and_then(|n| n.parse().ok()).unwrap_or_else(|| processors().min(most))
    }

    fn text(&self, name: &str) -> &str {
        let default =
            || broker::find(name).and_then(|key| key.default).expect("the table has a default for it");
        self.given(name).unwrap_or_else(default)
    }
}

/// The name that other machines may know this one by.
fn hostname() -> String {
    let name = rustix::system::uname();
    match name.nodename().to_str() {
        Ok(name) if !name.is_empty() => name.to_owned(),
        _ => "localhost".to_owned(),
    }
}
