//! Asks brokers for metadata and keeps the newest snapshot.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tracing::debug;

use super::{Broker, Cluster, Leader};
use crate::net::{Address, Connection, Lane, Pool};
use crate::protocol::ErrorCode;
use crate::protocol::messages::metadata::{MetadataRequestTopic, MetadataResponseTopic};
use crate::protocol::messages::{MetadataRequest, MetadataResponse};
use crate::{Config, Error, ErrorKind, Result};

/// A broker that has not answered for so long may be frozen or cut off: the next one is asked. Once all were, each is given
/// twice the time.
const PATIENCE: Duration = Duration::from_secs(1);

/// The snapshot and the addresses to ask.
#[derive(Debug)]
pub(crate) struct Metadata {
    bootstrap: Vec<Address>,
    allow_auto_create: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    cluster: Arc<Cluster>,
    /// Who answered last: asked first next time, as the connection is probably open.
    answered: Option<Address>,
    /// Why the last attempt to reach anybody, or a certain broker, failed, if it did: the cause when time runs out
    /// meanwhile. That somebody answers for metadata does not undo that a certain broker cannot be reached.
    last_failure: Option<(Sought, Error)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sought {
    Anybody,
    Certain,
}

/// Which topics to ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'a> {
    /// Brokers only.
    None,
    /// These topics; the configuration says whether asking may create them.
    Topics(&'a [&'a str]),
    /// These topics, and asking creates nothing.
    Existing(&'a [&'a str]),
    /// Every topic.
    All,
}

impl Metadata {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let address = |(host, port): (String, u16)| Address { host: Arc::from(host), port };
        Ok(Self {
            bootstrap: config.bootstrap()?.into_iter().map(address).collect(),
            allow_auto_create: config.flag("allow.auto.create.topics"),
            state: Mutex::default(),
        })
    }

    /// The newest snapshot.
    pub(crate) fn cluster(&self) -> Arc<Cluster> {
        self.with(|state| state.cluster.clone())
    }

    /// Who answered last, if anybody has.
    pub(crate) fn answered(&self) -> Option<Address> {
        self.with(|state| state.answered.clone())
    }

    /// Why nobody was reached at the last attempt, if that failed.
    pub(crate) fn last_failure(&self) -> Option<Error> {
        self.with(|state| state.last_failure.as_ref().map(|(_, error)| error.clone()))
    }

    /// A connection to some broker: the last that answered, else any known one, else one to begin with.
    pub(crate) async fn any(&self, pool: &Pool) -> Result<Arc<Connection>> {
        let (mut failures, mut silent) = (Vec::new(), Vec::new());
        let candidates = self.candidates();
        // Whoever is frozen takes connections and says nothing there.
        let is_hurried = candidates.len() > 1;
        for address in candidates {
            let patience = is_hurried.then_some(PATIENCE);
            match self.reach_within(patience, pool, address.clone(), &mut failures).await {
                Ok(Some(connection)) => return Ok(connection),
                Ok(None) => {}
                Err(_) => silent.push(address),
            }
        }
        // Nobody is quick.
        for address in silent {
            if let Some(connection) = Box::pin(self.reach(pool, address, &mut failures)).await {
                return Ok(connection);
            }
        }
        Err(unreachable(failures))
    }

    /// Who may be asked, in this order.
    fn candidates(&self) -> Vec<Address> {
        let (cluster, answered) = self.with(|state| (state.cluster.clone(), state.answered.clone()));
        let known = cluster.brokers.iter().map(|broker| broker.address.clone());
        let mut candidates: Vec<Address> = Vec::new();
        for address in answered.into_iter().chain(known).chain(self.bootstrap.iter().cloned()) {
            if !candidates.contains(&address) {
                candidates.push(address);
            }
        }
        candidates
    }

    /// An error: it takes longer. On the heap: every request that looks for a broker would carry it otherwise.
    async fn reach_within(
        &self,
        patience: Option<Duration>,
        pool: &Pool,
        address: Address,
        failures: &mut Vec<(Address, Error)>,
    ) -> std::result::Result<Option<Arc<Connection>>, Elapsed> {
        let reach = Box::pin(self.reach(pool, address, failures));
        match patience {
            Some(patience) => timeout(patience, reach).await,
            None => Ok(reach.await),
        }
    }

    async fn reach(
        &self,
        pool: &Pool,
        address: Address,
        failures: &mut Vec<(Address, Error)>,
    ) -> Option<Arc<Connection>> {
        match pool.connection(&address, Lane::General).await {
            Ok(connection) => {
                self.with(|state| {
                    state.answered = Some(address);
                    state.last_failure.take_if(|(sought, _)| *sought == Sought::Anybody);
                });
                Some(connection)
            }
            Err(e) => {
                failures.push((address, e));
                // At once: whoever set a time limit may not wait for the next address.
                let error = unreachable(failures.clone());
                self.with(|state| state.last_failure = Some((Sought::Anybody, error)));
                None
            }
        }
    }

    /// A connection to a broker by its id; its address is whatever the cluster advertises.
    pub(crate) async fn broker(&self, pool: &Pool, id: i32, lane: Lane) -> Result<Arc<Connection>> {
        let cluster = self.cluster();
        let reached = match cluster.broker(id) {
            Some(broker) => {
                pool.connection(&broker.address, lane).await.map_err(|e| self.advertised(broker, e))
            }
            None => Err(Error::new(
                ErrorKind::Unreachable,
                format!("the cluster has no broker {id} at the moment"),
            )),
        };
        let failure = reached.as_ref().err().map(|e| (Sought::Certain, e.clone()));
        self.with(|state| state.last_failure = failure);
        reached
    }

    /// Asks for topics and keeps what is answered.
    pub(crate) async fn refresh(&self, pool: &Pool, wanted: Wanted<'_>) -> Result<MetadataResponse> {
        let mut patience = PATIENCE;
        loop {
            let (mut failures, mut is_silent) = (Vec::new(), false);
            let candidates = self.candidates();
            // Whoever is frozen takes new connections too, and says nothing there either. Where all are slow, or there is only one,
            // dialling may take the time that it is given.
            let is_hurried = patience == PATIENCE && candidates.len() > 1;
            for address in candidates {
                let within = is_hurried.then_some(patience);
                let Ok(reached) = self.reach_within(within, pool, address, &mut failures).await else {
                    is_silent = true;
                    continue;
                };
                let Some(connection) = reached else { continue };
                // On the heap: every request that looks for a leader would carry it otherwise.
                match timeout(patience, Box::pin(self.ask(&connection, wanted))).await {
                    Ok(answer) => return answer,
                    Err(_) => is_silent = true,
                }
            }
            if !is_silent {
                return Err(unreachable(failures));
            }
            // This ends: a connection gives up by itself what is not answered within `request.timeout.ms`.
            patience *= 2;
        }
    }

    async fn ask(&self, connection: &Connection, wanted: Wanted<'_>) -> Result<MetadataResponse> {
        let version = connection.version::<MetadataRequest>(i16::MAX)?;
        let request = self.request(wanted, version);
        let mut response = connection.call_version(&request, version, Duration::ZERO).await?;
        if let Some(names) = self.quietly(wanted, version) {
            only(&mut response, names);
        }
        response.error_code.ok().map_err(|code| Error::broker(code, connection.address()))?;
        debug!(peer = connection.address(), topics = response.topics.len(), "metadata");
        self.with(|state| state.cluster = Arc::new(state.cluster.updated(&response)));
        Ok(response)
    }

    /// Keeps the addresses that a broker's answer names.
    pub(crate) fn on_brokers(&self, named: impl Iterator<Item = Broker>) {
        self.with(|state| state.cluster = Arc::new(state.cluster.with_brokers(named)));
    }

    /// Keeps the leader that a broker's answer names, and says whether it was news.
    pub(crate) fn on_moved(&self, topic: &str, partition: i32, leader: Leader) -> bool {
        self.with(|state| {
            let moved = state.cluster.moved(topic, partition, leader);
            moved.map(|moved| state.cluster = Arc::new(moved)).is_some()
        })
    }

    fn request(&self, wanted: Wanted<'_>, version: i16) -> MetadataRequest {
        let named = |names: &[&str]| {
            let topic =
                |name: &&str| MetadataRequestTopic { name: Some((*name).to_owned()), ..Default::default() };
            Some(names.iter().map(topic).collect())
        };
        // Version 0 has no way to ask for no topic: an empty list means all of them there.
        let all = if version == 0 { Some(Vec::new()) } else { None };
        let (topics, create) = match wanted {
            Wanted::Topics(_) | Wanted::Existing(_) if self.quietly(wanted, version).is_some() => (all, true),
            Wanted::None => (Some(Vec::new()), false),
            Wanted::Topics(names) => (named(names), self.allow_auto_create),
            Wanted::Existing(names) => (named(names), false),
            Wanted::All => (all, false),
        };
        // Before version 4 there is no such field, and its value must be the default.
        MetadataRequest { topics, allow_auto_topic_creation: create || version < 4, ..Default::default() }
    }

    /// The topics that may not be created by asking for them, where asking for a topic by name creates it if the
    /// broker is so configured: there all are asked for.
    fn quietly<'a>(&self, wanted: Wanted<'a>, version: i16) -> Option<&'a [&'a str]> {
        match wanted {
            Wanted::Topics(names) if !self.allow_auto_create && version < 4 => Some(names),
            Wanted::Existing(names) if version < 4 => Some(names),
            Wanted::Topics(_) | Wanted::Existing(_) | Wanted::None | Wanted::All => None,
        }
    }

    /// The classic trap: the cluster answers where we asked, but tells us to go where we cannot, or where another
    /// service listens.
    fn advertised(&self, broker: &Broker, error: Error) -> Error {
        let (id, address) = (broker.id, &broker.address);
        let named = |error: Error| error.around(|c| c.broker = Some(format!("{id} ({address})")));
        let Some(asked) = self.answered().filter(|asked| asked != address) else { return named(error) };
        let set = format!("set advertised.listeners on broker {id} to an address this machine can reach");
        let (trouble, cause, hint) = match error.kind() {
            ErrorKind::Unreachable => {
                ("cannot be reached", error.cause().unwrap_or_default().to_owned(), set)
            }
            // It does speak Kafka: the address is not to blame.
            ErrorKind::UnsupportedVersion | ErrorKind::Broker => return named(error),
            _ => {
                let own = error.hint().map_or(String::new(), |hint| format!("; {hint}"));
                ("does not answer as a Kafka broker", error.to_string(), set + &own)
            }
        };
        let message = format!("{asked} answers, but says that broker {id} is at {address}, which {trouble}");
        let context = error.context().clone();
        named(Error::new(error.kind(), message).because(cause).hinted(hint).around(|c| *c = context))
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The answer as if only these topics had been asked for.
fn only(response: &mut MetadataResponse, names: &[&str]) {
    response.topics.retain(|topic| topic.name.as_deref().is_some_and(|name| names.contains(&name)));
    for name in names {
        if !response.topics.iter().any(|topic| topic.name.as_deref() == Some(name)) {
            response.topics.push(MetadataResponseTopic {
                error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                name: Some((*name).to_owned()),
                ..Default::default()
            });
        }
    }
}

/// No candidate could be reached: one error that names them all.
fn unreachable(mut failures: Vec<(Address, Error)>) -> Error {
    if failures.len() == 1
        && let Some((address, error)) = failures.pop()
    {
        return if error.kind() == ErrorKind::Unreachable { hint(error, &address) } else { error };
    }
    let names: Vec<String> = failures.iter().map(|(address, _)| address.to_string()).collect();
    let causes: Vec<String> = failures
        .iter()
        .map(|(address, e)| e.cause().map_or(format!("{address}: {e}"), str::to_owned))
        .collect();
    let addresses = failures.iter().flat_map(|(_, e)| e.context().addresses.clone()).collect();
    let error = Error::new(ErrorKind::Unreachable, format!("cannot reach any of {}", names.join(", ")))
        .because(causes.join("; "))
        .around(|c| c.addresses = addresses);
    match failures.first() {
        Some((address, _)) => hint(error, address),
        None => error,
    }
}

fn hint(error: Error, address: &Address) -> Error {
    error.hinted(format!("is a broker running at {address}? bootstrap.servers says where to look"))
}
