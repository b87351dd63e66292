//! The broker's keys: one table of name, type, default and meaning. A key is here only when it has an effect that a test sees.

use super::value::Kind;

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct BrokerKey {
    /// Kafka's name, of any release.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// What holds when it is not given; `None` when another key or the machine decides.
    pub default: Option<&'static str>,
    /// Whether it may change while the broker runs.
    pub is_dynamic: bool,
    /// What it does.
    pub doc: &'static str,
}

const fn key(name: &'static str, kind: Kind, default: Option<&'static str>, doc: &'static str) -> BrokerKey {
    BrokerKey { name, kind, default, is_dynamic: false, doc }
}

/// A key that may change while the broker runs.
const fn live(name: &'static str, kind: Kind, default: Option<&'static str>, doc: &'static str) -> BrokerKey {
    BrokerKey { is_dynamic: true, ..key(name, kind, default, doc) }
}

const PORT: Kind = Kind::Int(0, 65_535);
const TIMESTAMPS: Kind = Kind::Text(&["CreateTime", "LogAppendTime"]);
const POLICIES: Kind = Kind::List(&["compact", "delete"]);

/// Every broker key with an effect, by name.
#[rustfmt::skip]
pub const BROKER_KEYS: &[BrokerKey] = &[
    key("advertised.host.name", Kind::Text(&[]), None, "The host that clients are told, when listeners has none of its own (0.8 to 2.8)."),
    key("advertised.listeners", Kind::List(&[]), None, "The addresses that clients are told, as NAME://host:port; those of listeners when not given."),
    key("advertised.port", PORT, None, "The port that clients are told (0.8 to 2.8)."),
    key("auto.create.topics.enable", Kind::Boolean, Some("true"), "Whether asking for a topic that does not exist creates it."),
    key("auto.leader.rebalance.enable", Kind::Boolean, Some("true"), "Whether leaderships go back to the preferred replicas by themselves."),
    key("broker.heartbeat.interval.ms", Kind::int(1), Some("2000"), "How often a broker tells the active controller that it is alive."),
    key("broker.id", Kind::int(-1), None, "The older name of node.id; -1 leaves the choice to the broker."),
    key("broker.rack", Kind::Text(&[]), None, "The rack of this broker: replicas of a partition are spread over the racks."),
    key("broker.session.timeout.ms", Kind::int(1), Some("9000"), "How long a broker may go unheard before the controller fences it."),
    key("connections.max.idle.ms", Kind::long(i64::MIN), Some("600000"), "How long a connection may stay without a request; negative is for ever."),
    key("controller.listener.names", Kind::List(&[]), None, "Listeners for the metadata quorum alone; clients are not told of them, and a broker without a quorum does not open them."),
    key("controller.quorum.bootstrap.servers", Kind::List(&[]), None, "Where the brokers of the cluster are that keep its metadata, as host:port; alone when not given."),
    key("controller.quorum.voters", Kind::List(&[]), None, "The same with the node ids, as id@host:port; goes before controller.quorum.bootstrap.servers."),
    key("default.replication.factor", Kind::Int(1, 32_767), Some("1"), "Replicas of a topic whose creator states none."),
    key("delete.topic.enable", Kind::Boolean, Some("true"), "Whether topics may be deleted."),
    live("follower.replication.throttled.rate", Kind::long(0), Some("9223372036854775807"), "Bytes per second at which this broker fetches the throttled replicas that it follows and that are not in sync."),
    key("group.initial.rebalance.delay.ms", Kind::int(0), Some("3000"), "How long the first rebalance of a group waits for more members."),
    key("group.max.session.timeout.ms", Kind::int(0), Some("1800000"), "The longest that a member may go unheard before it is taken for dead."),
    key("group.max.size", Kind::int(1), Some("2147483647"), "Members of a group at most."),
    key("group.min.session.timeout.ms", Kind::int(0), Some("6000"), "The shortest such time that a member may ask for."),
    key("host.name", Kind::Text(&[]), None, "The host to listen on, when listeners is not given (0.8 to 2.8)."),
    key("leader.imbalance.check.interval.seconds", Kind::long(1), Some("300"), "How often it is looked for partitions that their preferred replica does not lead, or that nobody leads."),
    live("leader.replication.throttled.rate", Kind::long(0), Some("9223372036854775807"), "Bytes per second that this broker, as the leader, gives to throttled replicas that are not in sync."),
    key("listener.security.protocol.map", Kind::List(&[]), None, "The protocol that each listener speaks; only PLAINTEXT is served."),
    key("listeners", Kind::List(&[]), Some("PLAINTEXT://localhost:9092"), "What to listen on, as NAME://host:port; localhost is IPv4 and IPv6, no host is every interface."),
    live("log.cleaner.backoff.ms", Kind::long(0), Some("15000"), "How long the cleaner waits when no log is dirty enough."),
    live("log.cleaner.dedupe.buffer.size", Kind::long(0), Some("134217728"), "Bytes of the table of keys that compaction works with; what does not fit waits for the next round."),
    live("log.cleaner.delete.retention.ms", Kind::long(0), Some("86400000"), "How long compaction keeps a tombstone."),
    key("log.cleaner.enable", Kind::Boolean, Some("true"), "Whether logs are compacted at all."),
    live("log.cleaner.max.compaction.lag.ms", Kind::long(1), Some("9223372036854775807"), "How long a record may stay uncompacted."),
    live("log.cleaner.min.cleanable.ratio", Kind::Double(0.0, 1.0), Some("0.5"), "Share of uncompacted bytes at which compaction starts."),
    live("log.cleaner.min.compaction.lag.ms", Kind::long(0), Some("0"), "How long a record stays uncompacted at least."),
    live("log.cleanup.policy", POLICIES, Some("delete"), "What becomes of old segments: delete, compact or both."),
    key("log.dir", Kind::Text(&[]), None, "Where the data lies, when log.dirs is not given."),
    key("log.dirs", Kind::List(&[]), None, "Where the data lies; a new partition goes to the directory with the fewest."),
    live("log.flush.interval.messages", Kind::long(1), Some("9223372036854775807"), "Unflushed records at which an append waits for the disk."),
    live("log.flush.interval.ms", Kind::long(0), None, "How long a record may stay unflushed; the system decides when not given."),
    live("log.index.interval.bytes", Kind::int(0), Some("4096"), "Bytes of log for which the index has one entry."),
    live("log.message.timestamp.after.max.ms", Kind::long(0), Some("3600000"), "How far a record's time may lie in the future."),
    live("log.message.timestamp.before.max.ms", Kind::long(0), Some("9223372036854775807"), "How far a record's time may lie in the past."),
    live("log.message.timestamp.type", TIMESTAMPS, Some("CreateTime"), "Whose clock a record's time is: the producer's or the broker's."),
    live("log.retention.bytes", Kind::long(i64::MIN), Some("-1"), "Bytes of a partition that are kept; -1 is no limit."),
    key("log.retention.check.interval.ms", Kind::long(1), Some("300000"), "How often segments are checked for deletion."),
    key("log.retention.hours", Kind::int(i32::MIN as i64), Some("168"), "Hours that records are kept; -1 is for ever."),
    key("log.retention.minutes", Kind::int(i32::MIN as i64), None, "Minutes that records are kept; goes before log.retention.hours."),
    live("log.retention.ms", Kind::long(-1), None, "Milliseconds that records are kept; goes before log.retention.minutes."),
    key("log.roll.hours", Kind::int(1), Some("168"), "Hours after which a segment is closed even if it is not full."),
    live("log.roll.ms", Kind::long(1), None, "Milliseconds after which a segment is closed; goes before log.roll.hours."),
    live("log.segment.bytes", Kind::int(14), Some("1073741824"), "Bytes of a segment file at most."),
    live("log.segment.delete.delay.ms", Kind::long(0), Some("60000"), "How long a dropped segment's files stay for readers that have them open."),
    live("max.connection.creation.rate", Kind::int(0), Some("2147483647"), "Connections that come in a second, in all; those above it wait."),
    live("max.connections", Kind::int(0), Some("2147483647"), "Connections at a time, in all; new ones wait for one to end."),
    live("max.connections.per.ip", Kind::int(0), Some("2147483647"), "Connections of one address at a time; more are closed at once."),
    live("max.connections.per.ip.overrides", Kind::PerHost, Some(""), "The same for some addresses, as host:count with commas between."),
    key("max.incremental.fetch.session.cache.slots", Kind::int(0), Some("1000"), "Fetch sessions that are kept at a time; clients beyond them send whole requests."),
    live("message.max.bytes", Kind::int(0), Some("1048588"), "Bytes of a record batch at most, as sent."),
    live("min.insync.replicas", Kind::int(1), Some("1"), "Replicas that must have a record before acks=all is answered."),
    key("node.id", Kind::int(0), Some("1"), "The broker's number in the cluster."),
    key("num.io.threads", Kind::Int(1, 1024), None, "Threads that own partitions; as many as processors, 8 at most, when not given."),
    key("num.network.threads", Kind::Int(1, 1024), None, "Threads that serve connections; as many as processors, 3 at most, when not given."),
    key("num.partitions", Kind::int(1), Some("1"), "Partitions of a topic whose creator states none."),
    key("offset.metadata.max.bytes", Kind::int(0), Some("4096"), "Bytes of the text that a client may commit with an offset."),
    key("offsets.retention.check.interval.ms", Kind::long(1), Some("600000"), "How often offsets that nobody uses any more are looked for."),
    key("offsets.retention.minutes", Kind::int(1), Some("10080"), "Minutes that offsets are kept once their group has no members, or no longer reads the topic."),
    key("offsets.topic.num.partitions", Kind::int(1), Some("50"), "Partitions of __consumer_offsets, when it is created."),
    key("offsets.topic.replication.factor", Kind::Int(1, 32_767), Some("3"), "Replicas of __consumer_offsets, when it is created; not more than there are brokers."),
    key("offsets.topic.segment.bytes", Kind::int(1), Some("104857600"), "Bytes of a segment of __consumer_offsets."),
    key("port", PORT, Some("9092"), "The port to listen on, when listeners is not given (0.8 to 2.8)."),
    key("process.roles", Kind::List(&["broker", "controller"]), None, "What the process is in its cluster: broker, controller or both, as when not given."),
    live("producer.id.expiration.ms", Kind::int(1), Some("86400000"), "How long an idle producer's sequence numbers are remembered."),
    key("replica.fetch.max.bytes", Kind::int(0), Some("1048576"), "Bytes of one partition that a follower fetches at once; a larger batch comes all the same."),
    key("replica.fetch.min.bytes", Kind::int(0), Some("1"), "How much there must be before a follower's fetch is answered."),
    key("replica.fetch.response.max.bytes", Kind::int(0), Some("10485760"), "Bytes of all partitions that a follower fetches at once."),
    key("replica.fetch.wait.max.ms", Kind::int(0), Some("500"), "How long a follower's fetch waits for records."),
    key("replica.lag.time.max.ms", Kind::Long(1, i64::MAX), Some("30000"), "How long a follower may not have had everything before it leaves the ISR."),
    key("socket.request.max.bytes", Kind::int(1), Some("104857600"), "Bytes of a request at most."),
    live("unclean.leader.election.enable", Kind::Boolean, Some("false"), "Whether a replica that lags may lead when no other is left."),
];

/// The key of this name.
pub(crate) fn find(name: &str) -> Option<&'static BrokerKey> {
    BROKER_KEYS.iter().find(|key| key.name == name)
}
