//! Configuration by Kafka's names: one key space for code, property files and command lines.
//!
//! Values are checked when they are set. What the client does with them is read from here when it starts.

mod keys;
mod properties;
mod reset;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::consumer::{Assignor, Listener, RebalanceListener};
use crate::producer::{Custom, Interceptors, Partitioner, ProducerInterceptor};
use crate::protocol::records::Compression;
use crate::protocol::releases::Release;
use crate::{Error, ErrorKind, Result};
use keys::Kind;

pub use properties::parse_properties;
pub(crate) use reset::Reset;

/// How to reach a cluster and how to behave there.
///
/// ```
/// use kinglet::Config;
///
/// let config = Config::new("localhost:9092").set("linger.ms", 5)?.set("acks", "all")?;
/// assert_eq!(config.get("linger.ms"), Some("5"));
/// let error = config.set("linger.sm", 5).unwrap_err();
/// assert_eq!(error.hint(), Some("did you mean linger.ms?"));
/// # Ok::<(), kinglet::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Config {
    values: BTreeMap<&'static str, String>,
    unknown: Vec<UnknownKey>,
    pub(crate) partitioner: Option<Custom>,
    pub(crate) interceptors: Interceptors,
    pub(crate) assignor: Option<Arc<dyn Assignor>>,
    pub(crate) listener: Option<Listener>,
}

/// A key of a property file that no Kafka client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKey {
    /// As it stands in the file.
    pub key: String,
    /// The known key that looks most like it.
    pub nearest: Option<&'static str>,
}

/// Which replicas must have a batch before it counts as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// The leader and all replicas in sync.
    All,
    /// The leader.
    Leader,
    /// Nobody: the broker does not answer, and losses go unseen.
    None,
}

impl Config {
    /// Begins with the servers to ask first, `host:port` separated by commas; the port may be left out.
    pub fn new(bootstrap: impl Into<String>) -> Self {
        let mut config = Self::default();
        config.values.insert("bootstrap.servers", bootstrap.into());
        config
    }

    /// Reads the text of a Java properties file. Keys that nobody knows are kept in [`unknown`](Self::unknown).
    pub fn from_properties(text: &str) -> Result<Self> {
        Self::default().apply_properties(text)
    }

    /// Reads a Java properties file.
    pub fn from_properties_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::new(ErrorKind::Config, format!("cannot read {}", path.display())).because(e.to_string())
        })?;
        Self::from_properties(&text)
    }

    /// Sets what the text of a Java properties file says; what it does not mention stays.
    pub fn apply_properties(mut self, text: &str) -> Result<Self> {
        for (key, value) in parse_properties(text) {
            if keys::find(&key).is_some() {
                self.put(&key, value.trim_end())?;
            } else {
                let nearest = keys::nearest(&key);
                self.unknown.push(UnknownKey { key, nearest });
            }
        }
        Ok(self)
    }

    /// Sets one key. An unknown key is an error with the nearest name as its hint; a bad value names key and value.
    pub fn set(mut self, key: &str, value: impl ToString) -> Result<Self> {
        self.put(key, &value.to_string())?;
        Ok(self)
    }

    /// What was set for the key; defaults are not reported.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(keys::find(key)?.name).map(String::as_str)
    }

    /// Keys of property files that are not Kafka's.
    pub fn unknown(&self) -> &[UnknownKey] {
        &self.unknown
    }

    /// Keys that were set, are Kafka's, and do nothing here.
    pub fn without_effect(&self) -> Vec<&'static str> {
        let idle = |name: &&str| keys::WITHOUT_EFFECT.iter().any(|key| key.name == *name);
        self.values.keys().copied().filter(idle).collect()
    }

    /// Every key with an effect: name, default and meaning. An empty default is explained in the meaning.
    pub fn keys() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
        keys::KEYS.iter().map(|key| (key.name, key.default, key.doc))
    }

    /// Sets `client.id`.
    #[must_use]
    pub fn client_id(self, id: impl Into<String>) -> Self {
        self.with("client.id", id.into())
    }

    /// Sets `linger.ms`.
    #[must_use]
    pub fn linger(self, linger: Duration) -> Self {
        self.with("linger.ms", millis(linger))
    }

    /// Sets `compression.type`.
    #[must_use]
    pub fn compression(self, codec: Compression) -> Self {
        self.with("compression.type", codec.name().to_owned())
    }

    /// Sets `acks`.
    #[must_use]
    pub fn acks(self, acks: Acks) -> Self {
        let value = match acks {
            Acks::All => "all",
            Acks::Leader => "1",
            Acks::None => "0",
        };
        self.with("acks", value.to_owned())
    }

    /// Sets `allow.auto.create.topics`.
    #[must_use]
    pub fn allow_auto_create_topics(self, allow: bool) -> Self {
        self.with("allow.auto.create.topics", allow.to_string())
    }

    /// Chooses partitions by code, instead of `partitioner.class`.
    #[must_use]
    pub fn partitioner(mut self, partitioner: impl Partitioner) -> Self {
        self.partitioner = Some(Custom(Arc::new(partitioner)));
        self
    }

    /// Adds code that sees every record before it is sent, behind what was added before.
    #[must_use]
    pub fn interceptor(mut self, interceptor: impl ProducerInterceptor) -> Self {
        self.interceptors.add(interceptor);
        self
    }

    /// Shares partitions among the group's members by code, instead of `partition.assignment.strategy`.
    #[must_use]
    pub fn assignor(mut self, assignor: impl Assignor) -> Self {
        self.assignor = Some(Arc::new(assignor));
        self
    }

    /// Code that hears which partitions come and go.
    #[must_use]
    pub fn rebalance_listener(mut self, listener: impl RebalanceListener) -> Self {
        self.listener = Some(Listener::new(listener));
        self
    }

    /// Sets `group.id`.
    #[must_use]
    pub fn group_id(self, id: impl Into<String>) -> Self {
        self.with("group.id", id.into())
    }

    /// Sets `request.timeout.ms`.
    #[must_use]
    pub fn request_timeout(self, timeout: Duration) -> Self {
        self.with("request.timeout.ms", millis(timeout))
    }

    /// Sets `default.api.timeout.ms`.
    #[must_use]
    pub fn api_timeout(self, timeout: Duration) -> Self {
        self.with("default.api.timeout.ms", millis(timeout))
    }

    fn with(mut self, key: &'static str, value: String) -> Self {
        self.values.insert(key, value);
        self
    }

    fn put(&mut self, name: &str, value: &str) -> Result<()> {
        let Some(key) = keys::find(name) else {
            let error = Error::new(ErrorKind::Config, format!("unknown configuration key {name}"));
            return Err(match keys::nearest(name) {
                Some(nearest) => error.hinted(format!("did you mean {nearest}?")),
                None => error,
            });
        };
        let value = match key.kind {
            // Kafka takes these words in any case.
            Kind::Bool => value.to_ascii_lowercase(),
            Kind::OneOf(_) if key.name == "security.protocol" => value.to_ascii_uppercase(),
            // Java's classes are known without their package.
            Kind::OneOf(_) if key.name == "partitioner.class" => {
                let class = value.strip_prefix("org.apache.kafka.clients.producer.").unwrap_or(value);
                class.strip_prefix("internals.").unwrap_or(class).to_ascii_lowercase()
            }
            Kind::OneOf(_) => value.to_ascii_lowercase(),
            Kind::Reset if !value.contains(':') => value.to_ascii_lowercase(),
            Kind::Text | Kind::Int(..) | Kind::Release | Kind::Reset => value.to_owned(),
        };
        if let Some(wanted) = key.kind.refuse(&value) {
            let error = Error::new(ErrorKind::Config, format!("{}={value} is not valid", key.name));
            return Err(error.hinted(format!("{} takes {wanted}", key.name)));
        }
        self.values.insert(key.name, value);
        Ok(())
    }
}

/// What the client reads: values that were set, else the table's defaults. Both were checked against the table.
impl Config {
    pub(crate) fn text(&self, key: &'static str) -> &str {
        match self.values.get(key) {
            Some(value) => value,
            None => keys::find(key).map_or("", |key| key.default),
        }
    }

    /// `None` when unset and without a default.
    pub(crate) fn int(&self, key: &'static str) -> Option<i64> {
        self.text(key).parse().ok()
    }

    pub(crate) fn flag(&self, key: &'static str) -> bool {
        self.text(key) == "true"
    }

    pub(crate) fn size(&self, key: &'static str) -> Option<usize> {
        usize::try_from(self.int(key)?).ok()
    }

    pub(crate) fn int32(&self, key: &'static str) -> Option<i32> {
        i32::try_from(self.int(key)?).ok()
    }

    pub(crate) fn duration(&self, key: &'static str) -> Duration {
        Duration::from_millis(self.int(key).and_then(|ms| u64::try_from(ms).ok()).unwrap_or_default())
    }

    /// The release all brokers are taken to be of, if they are not to be asked.
    pub(crate) fn pinned_release(&self) -> Option<Release> {
        let asked = self.flag("api.version.request");
        if asked { None } else { self.text("broker.version.fallback").parse().ok() }
    }

    /// Where to begin without an offset. It was checked when it was set.
    pub(crate) fn reset(&self) -> Reset {
        reset::parse(self.text("auto.offset.reset")).unwrap_or(Reset::Latest)
    }

    /// The servers to ask first.
    pub(crate) fn bootstrap(&self) -> Result<Vec<(String, u16)>> {
        let text = self.text("bootstrap.servers");
        let servers = text.split(',').map(str::trim).filter(|server| !server.is_empty());
        let servers = servers.map(server).collect::<Result<Vec<_>>>()?;
        if servers.is_empty() {
            return Err(Error::new(ErrorKind::Config, "bootstrap.servers names no server"));
        }
        Ok(servers)
    }
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

const DEFAULT_PORT: u16 = 9092;

/// `host`, `host:port`, `[v6]`, `[v6]:port`, a bare v6 address, each with or without `PLAINTEXT://` in front.
fn server(text: &str) -> Result<(String, u16)> {
    let bad = || {
        Error::new(ErrorKind::Config, format!("bootstrap.servers: {text:?} is not host:port"))
            .hinted("write host:port, several separated by commas")
    };
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(bad)?)),
        None if rest.matches(':').count() > 1 => (rest, None),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(DEFAULT_PORT), |port| port.parse().map_err(|_| bad()))?;
    if host.is_empty() || host.contains(char::is_whitespace) {
        Err(bad())
    } else {
        Ok((host.to_owned(), port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_value_names_key_value_and_what_is_allowed() {
        let error = Config::new("a").set("linger.ms", "soon").unwrap_err();
        assert_eq!(error.to_string(), "linger.ms=soon is not valid");
        assert_eq!(error.hint(), Some("linger.ms takes a whole number from 0 to 2147483647"));
        assert!(Config::new("a").set("acks", "2").is_err());
    }

    #[test]
    fn unknown_keys_of_a_file_are_kept_with_the_nearest_name() {
        let config = Config::from_properties("acks=1\nbatch.sise=5\nmetric.reporters=r\nx=1").unwrap();
        let nearest: Vec<_> = config.unknown().iter().map(|k| (k.key.as_str(), k.nearest)).collect();
        assert_eq!(nearest, [("batch.sise", Some("batch.size")), ("x", None)]);
        assert_eq!(config.without_effect(), ["metric.reporters"]);
        assert_eq!(config.get("acks"), Some("1"));
    }

    #[test]
    fn other_clients_names_mean_the_same() {
        let config = Config::new("a").set("queue.buffering.max.ms", 7).unwrap();
        assert_eq!((config.get("linger.ms"), config.int("linger.ms")), (Some("7"), Some(7)));
    }

    #[test]
    fn the_table_refuses_none_of_its_own_defaults() {
        for key in keys::KEYS.iter().filter(|key| !key.default.is_empty()) {
            assert_eq!(key.kind.refuse(key.default), None, "{}", key.name);
        }
    }

    #[test]
    fn servers_are_read_in_every_usual_form() {
        let servers = |text: &str| Config::new(text).bootstrap();
        let at = |host: &str, port| (host.to_owned(), port);
        let text = "a, b:1,[::1]:2,[::1],::1,PLAINTEXT://c:3,";
        let want = [at("a", 9092), at("b", 1), at("::1", 2), at("::1", 9092), at("::1", 9092), at("c", 3)];
        assert_eq!(servers(text).unwrap(), want);
        for bad in ["", ",", "a:b", "a b", ":9092", "[::1]9"] {
            assert!(servers(bad).is_err(), "{bad}");
        }
    }
}
