//! The handle of a cluster. It knows whom to ask; what is asked is the business of producer, consumer and admin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use crate::coordinator::Coordinated;
use crate::metadata::{Metadata, Wanted};
use crate::net::{Backoff, Connection, Lane, Pool};
use crate::protocol::{ErrorCode, Request};
use crate::{
    Admin, Config, Consumer, Error, ErrorKind, Producer, Result, Subscription, TopicPartition, api_versions,
    clock, rng,
};

/// How often a request is sent to a broker that cannot be reached or closes the connection.
const ATTEMPTS: u32 = 4;

/// One cluster: its connections, and what is known of its topics. A clone is another handle of the same.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) core: Arc<Core>,
}

/// What client, producers and consumers share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) pool: Pool,
    pub(crate) metadata: Metadata,
    pub(crate) retry: Backoff,
    lanes: AtomicU64,
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Any broker.
    Any,
    /// The controller, as the metadata has it; KRaft brokers pass requests on themselves.
    Controller,
    /// The broker with this id.
    Broker(i32),
    /// The leader of this partition.
    Leader(TopicPartition),
    /// The broker that coordinates the group with this id.
    Group(String),
    /// The broker that coordinates the transactions of this transactional id.
    TransactionalId(String),
}

impl Client {
    /// Reaches a broker and learns what it serves. Fails at once when none of `bootstrap.servers` can be reached;
    /// at the latest after `default.api.timeout.ms`. Cancel safe.
    pub async fn connect(config: Config) -> Result<Self> {
        let retry = Backoff {
            base: config.duration("retry.backoff.ms"),
            max: config.duration("retry.backoff.max.ms"),
        };
        let core = Core {
            pool: Pool::new(&config),
            metadata: Metadata::new(&config)?,
            retry,
            config,
            lanes: AtomicU64::new(0),
        };
        let deadline = core.api_deadline();
        match timeout_at(deadline.into(), core.metadata.any(&core.pool)).await {
            Ok(connected) => connected?,
            Err(_) => return Err(core.api_timeout("connecting")),
        };
        Ok(Self { core: Arc::new(core) })
    }

    /// A producer with the client's configuration. Its task runs until the last handle is dropped and everything
    /// enqueued is delivered or has failed.
    pub fn producer(&self) -> Result<Producer> {
        Producer::start(self.core.clone())
    }

    /// A consumer of topics whose partitions the members of `group.id` share (`client.consumer(["orders"])`), or of
    /// given partitions ([`Assignment`](crate::Assignment)), which fails when a topic or partition does not exist.
    ///
    /// Cancel safe: dropped before it is ready, there is no consumer and nobody has joined the group.
    pub async fn consumer(&self, subscription: impl Into<Subscription>) -> Result<Consumer> {
        Consumer::start(self.core.clone(), subscription.into()).await
    }

    /// Topics, configurations, offsets and the cluster itself.
    pub fn admin(&self) -> Admin {
        Admin::new(self.core.clone())
    }

    /// The broker that answered last, as `host:port`.
    pub fn bootstrap_address(&self) -> String {
        self.core.metadata.answered().map_or_else(String::new, |address| address.to_string())
    }

    /// Closes the connections. Producers and consumers should be closed before: they fail from now on, as far as
    /// they do not connect again.
    pub async fn close(self, deadline: Duration) {
        // Connections close without talking; the deadline is for what may have to be said one day.
        let _ = deadline;
        self.core.pool.close();
    }
}

impl Core {
    /// A number for a lane of one's own.
    pub(crate) fn lane(&self) -> u64 {
        self.lanes.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn api_deadline(&self) -> Instant {
        clock::now() + self.config.duration("default.api.timeout.ms")
    }

    /// The milliseconds a broker may take for a change.
    pub(crate) fn request_timeout_ms(&self) -> i32 {
        self.config.int32("request.timeout.ms").unwrap_or(i32::MAX)
    }

    /// The time for `what` is over; if nobody can be reached at the moment, that is why.
    pub(crate) fn api_timeout(&self, what: &str) -> Error {
        let limit = self.config.duration("default.api.timeout.ms");
        let message = format!("{what} took longer than {limit:?}");
        let Some(last) = self.metadata.last_failure() else { return Error::new(ErrorKind::Timeout, message) };
        let error = Error::new(last.kind(), message).because(last.to_string());
        let error = error.around(|c| *c = last.context().clone());
        match last.hint() {
            Some(hint) => error.hinted(hint.to_owned()),
            None => error,
        }
    }

    /// A connection to whoever `target` means.
    pub(crate) async fn connection(&self, target: &Target) -> Result<Arc<Connection>> {
        let id = match target {
            Target::Any => return self.metadata.any(&self.pool).await,
            Target::Broker(id) => *id,
            Target::Controller => {
                self.metadata.refresh(&self.pool, Wanted::None).await?;
                match self.metadata.cluster().controller {
                    Some(id) => id,
                    None => return self.metadata.any(&self.pool).await,
                }
            }
            Target::Leader(at) => self.leader(at).await?,
            Target::Group(id) => self.coordinator(Coordinated::Group, id).await?,
            Target::TransactionalId(id) => self.coordinator(Coordinated::Transactions, id).await?,
        };
        self.broker(id, Lane::General).await
    }

    /// A connection to the broker with this id, which somebody named.
    pub(crate) async fn broker(&self, id: i32, lane: Lane) -> Result<Arc<Connection>> {
        if self.metadata.cluster().broker(id).is_none() {
            self.metadata.refresh(&self.pool, Wanted::None).await?;
        }
        self.metadata.broker(&self.pool, id, lane).await
    }

    /// Sends a request and tries again when the connection fails, a few times.
    pub(crate) async fn request<R: Request>(&self, request: &R, target: &Target) -> Result<R::Response> {
        debug_assert!(api_versions().iter().any(|(key, _)| *key == R::KEY), "{} is not declared", R::KEY);
        let attempts = async {
            let mut attempt = 1;
            loop {
                match self.request_once(request, target).await {
                    Err(e) if transient(&e) && attempt < ATTEMPTS => {
                        tokio::time::sleep(self.retry.delay(attempt, rng::unit())).await;
                        attempt += 1;
                    }
                    Err(e) => return Err(e.around(|c| c.attempts = attempt)),
                    Ok(response) => return Ok(response),
                }
            }
        };
        self.within_api_timeout(R::KEY.name(), attempts).await
    }

    pub(crate) async fn within_api_timeout<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match timeout_at(self.api_deadline().into(), work).await {
            Ok(result) => result,
            Err(_) => Err(self.api_timeout(what)),
        }
    }

    /// Asks for a topic until its partitions are known, for a bounded number of rounds: a topic that is just being
    /// created needs a few, one that does not exist should not cost a minute.
    pub(crate) async fn topic(&self, name: &str, wanted: Wanted<'_>) -> Result<Arc<crate::metadata::Topic>> {
        const ROUNDS: u32 = 6;
        let mut last = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        for round in 1..=ROUNDS {
            let response = self.metadata.refresh(&self.pool, wanted).await?;
            let answer = response.topics.iter().find(|topic| topic.name.as_deref() == Some(name));
            last = answer.map_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, |topic| topic.error_code);
            if let Some(topic) = self.metadata.cluster().topics.get(name).filter(|_| last == ErrorCode::NONE)
            {
                return Ok(topic.clone());
            }
            let hopeless =
                last == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION && !self.may_create(wanted) && round >= 2;
            if !last.is_retriable() || hopeless {
                break;
            }
            tokio::time::sleep(self.retry.delay(round, rng::unit())).await;
        }
        let error = Error::broker(last, format_args!("topic {name}"));
        Err(match last {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => error.hinted("create it, or check the name"),
            _ => error,
        })
    }

    fn may_create(&self, wanted: Wanted<'_>) -> bool {
        matches!(wanted, Wanted::Topics(_)) && self.config.flag("allow.auto.create.topics")
    }

    /// The leader of a partition, asking for it if it is not known.
    pub(crate) async fn leader(&self, at: &TopicPartition) -> Result<i32> {
        if let Some(id) = self.metadata.cluster().leader(&at.topic, at.partition).and_then(|l| l.broker) {
            return Ok(id);
        }
        let topic = self.topic(&at.topic, Wanted::Existing(&[&at.topic])).await?;
        let Some(leader) = topic.leader(at.partition) else { return Err(unknown_partition(at, &topic)) };
        leader.broker.ok_or_else(|| {
            Error::broker(ErrorCode::LEADER_NOT_AVAILABLE, at)
                .around(|c| c.topic_partition = Some(at.clone()))
        })
    }

    pub(crate) async fn request_once<R: Request>(&self, request: &R, target: &Target) -> Result<R::Response> {
        self.connection(target).await?.call(request).await
    }
}

pub(crate) fn unknown_partition(at: &TopicPartition, topic: &crate::metadata::Topic) -> Error {
    let count = topic.partitions.len();
    Error::new(ErrorKind::UnknownPartition, format!("topic {} has no partition {}", at.topic, at.partition))
        .hinted(format!("it has {count}: 0 to {}", count.saturating_sub(1)))
        .around(|c| c.topic_partition = Some(at.clone()))
}

fn transient(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Disconnected)
}
