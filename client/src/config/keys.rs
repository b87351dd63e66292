//! The table of configuration keys: Kafka's names, types and defaults, and what each does here.

use crate::protocol::releases::Release;

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// A whole number within bounds, both included.
    Int(i64, i64),
    /// `true` or `false`.
    Bool,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A release of Kafka.
    Release,
    /// Where to go on: a word or a duration.
    Reset,
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Empty: the client chooses, as the documentation of the key says.
    pub(super) default: &'static str,
    pub(super) doc: &'static str,
}

const MS: Kind = Kind::Int(0, i32::MAX as i64);
const BYTES: Kind = Kind::Int(0, i32::MAX as i64);
const ANY_INT: Kind = Kind::Int(i64::MIN, i64::MAX);

/// librdkafka's names, then those of Java's classes without their package.
const PARTITIONERS: &[&str] = &[
    "murmur2_random",
    "murmur2",
    "consistent_random",
    "consistent",
    "fnv1a_random",
    "fnv1a",
    "random",
    "roundrobinpartitioner",
    "uniformstickypartitioner",
    "defaultpartitioner",
];

macro_rules! keys {
    ($( $name:literal $kind:expr, $default:literal, $doc:literal; )*) => {
        &[ $( Key { name: $name, kind: $kind, default: $default, doc: $doc }, )* ]
    };
}

/// Keys with an effect.
pub(super) const KEYS: &[Key] = keys! {
    "bootstrap.servers" Kind::Text, "localhost:9092", "host:port,… to begin with";
    "client.id" Kind::Text, "kinglet", "the name in the broker's logs and quotas";
    "request.timeout.ms" MS, "30000", "how long to wait for an answer before the connection is given up";
    "default.api.timeout.ms" MS, "60000", "bounds connecting, metadata and admin calls, retries included";
    "socket.connection.setup.timeout.ms" MS, "10000", "how long one connection attempt may take";
    "retry.backoff.ms" MS, "100", "the wait before the first retry; it doubles each time";
    "retry.backoff.max.ms" MS, "1000", "the longest wait before a retry";
    "reconnect.backoff.ms" MS, "50", "the wait before a broker is dialled again; it doubles each time";
    "reconnect.backoff.max.ms" MS, "1000", "the longest wait before a broker is dialled again";
    "metadata.max.age.ms" MS, "300000", "after this time topics are asked for again, to see new partitions";
    "api.version.request" Kind::Bool, "true", "whether brokers are asked what they serve; false takes them for broker.version.fallback";
    "broker.version.fallback" Kind::Release, "0.10.0", "the release of brokers that are not asked, for tests and odd proxies";
    "security.protocol" Kind::OneOf(&["PLAINTEXT"]), "PLAINTEXT", "how connections are secured: only PLAINTEXT so far";
    "allow.auto.create.topics" Kind::Bool, "true", "whether asking for a topic may create it, for producers too";
    "acks" Kind::OneOf(&["all", "-1", "1", "0"]), "all", "which replicas must have a batch before it counts as written";
    "linger.ms" MS, "", "how long a batch waits for more; unset: not at all while the broker is idle, else up to 5";
    "batch.size" BYTES, "", "bytes at which a batch is full; unset: 1 MiB, memory follows the data";
    "buffer.memory" Kind::Int(0, i64::MAX), "33554432", "bytes of unsent records at which enqueue waits";
    "max.block.ms" MS, "60000", "how long enqueue waits for memory or metadata";
    "max.request.size" BYTES, "1048576", "the largest record, before compression";
    "max.in.flight.requests.per.connection" Kind::Int(1, 1000), "5", "Produce requests under way at a broker";
    "compression.type" Kind::OneOf(&["none", "gzip", "snappy", "lz4", "zstd"]), "none", "codec of the batches";
    "compression.gzip.level" Kind::Int(-1, 9), "", "level of gzip";
    "compression.lz4.level" Kind::Int(1, 17), "", "level of lz4: checked, but all levels write as the fastest does";
    "compression.zstd.level" Kind::Int(-131_072, 22), "", "level of zstd";
    "delivery.timeout.ms" MS, "120000", "how long a record may take, retries included";
    "retries" MS, "2147483647", "how often a batch is sent again";
    "enable.idempotence" Kind::Bool, "", "no duplicates and no reordering through retries; unset: if acks, retries and in-flight limit allow";
    "partitioner.class" Kind::OneOf(PARTITIONERS), "murmur2_random", "how records without a partition get one: Java's and librdkafka's ways";
    "partitioner.ignore.keys" Kind::Bool, "false", "spread records with keys like those without";
    "partitioner.adaptive.partitioning.enable" Kind::Bool, "true", "batches without keys go where least waits to be sent";
    "statistics.interval.ms" MS, "10000", "how often a busy producer logs what it measured, at level debug; 0: never";
    "group.id" Kind::Text, "", "the group whose members share partitions, and that offsets are committed for";
    "group.instance.id" Kind::Text, "", "a static member: restarted within session.timeout.ms it goes on without a rebalance (KIP-345)";
    "session.timeout.ms" MS, "45000", "a member that was silent for so long is dead";
    "heartbeat.interval.ms" MS, "3000", "how often a member says that it is alive";
    "max.poll.interval.ms" MS, "300000", "a member whose user gets nothing done for so long makes way; also how long a rebalance waits for members";
    "partition.assignment.strategy" Kind::Text, "range,cooperative-sticky", "how partitions are shared: range, roundrobin, sticky, cooperative-sticky, or Java's class names; several: the first that all members have";
    "enable.auto.commit" Kind::Bool, "true", "whether what is done is committed by itself";
    "auto.commit.interval.ms" MS, "5000", "how often";
    "exclude.internal.topics" Kind::Bool, "true", "whether a pattern leaves out internal topics";
    "client.rack" Kind::Text, "", "where this client is: told to the group, for range and the sticky assignors, which give what is near (KIP-881), and to leaders, which may name a replica that is nearer (KIP-392)";
    "auto.offset.reset" Kind::Reset, "latest", "earliest, latest, none, or by_duration:PT1H and the like (KIP-1106): where to go on when a position is outside of its partition";
    "isolation.level" Kind::OneOf(&["read_uncommitted", "read_committed"]), "read_uncommitted", "whether records of aborted transactions are seen";
    "fetch.min.bytes" BYTES, "1", "the broker waits until it has this much";
    "fetch.max.wait.ms" MS, "500", "… or until this time is over";
    "fetch.max.bytes" BYTES, "52428800", "the largest answer to one fetch";
    "max.partition.fetch.bytes" BYTES, "", "the largest share of a partition; unset: 1 MiB to 8 MiB by the number of partitions";
    "queued.max.messages.kbytes" Kind::Int(1, 2_097_151), "65536", "KiB fetched ahead of the reader, as they are on the wire: at so many no more is asked for (librdkafka's key)";
    "max.poll.records" Kind::Int(1, i32::MAX as i64), "", "the most records of one batch that is handed out; unset: as they were fetched, about 256 KiB of them";
    "check.crcs" Kind::Bool, "true", "whether checksums of fetched batches are verified";
};

/// Keys of Kafka's clients that are accepted and do nothing here, so that existing files can be used.
pub(super) const WITHOUT_EFFECT: &[Key] = keys! {
    "client.dns.lookup" Kind::Text, "", "every address of a name is tried";
    "connections.max.idle.ms" ANY_INT, "", "";
    "send.buffer.bytes" ANY_INT, "", "the operating system sizes socket buffers";
    "receive.buffer.bytes" ANY_INT, "", "the operating system sizes socket buffers";
    "socket.connection.setup.timeout.max.ms" MS, "", "";
    "metadata.max.idle.ms" MS, "", "";
    "metadata.recovery.strategy" Kind::Text, "", "";
    "metadata.recovery.rebootstrap.trigger.ms" MS, "", "";
    "metric.reporters" Kind::Text, "", "";
    "metrics.num.samples" ANY_INT, "", "";
    "metrics.recording.level" Kind::Text, "", "";
    "metrics.sample.window.ms" ANY_INT, "", "";
    "auto.include.jmx.reporter" Kind::Text, "", "";
    "enable.metrics.push" Kind::Bool, "", "";
    "interceptor.classes" Kind::Text, "", "";
    "key.serializer" Kind::Text, "", "keys are bytes";
    "value.serializer" Kind::Text, "", "values are bytes";
    "key.deserializer" Kind::Text, "", "keys are bytes";
    "value.deserializer" Kind::Text, "", "values are bytes";
    "partitioner.availability.timeout.ms" ANY_INT, "", "";
    "transactional.id" Kind::Text, "", "";
    "transaction.timeout.ms" MS, "", "";
    "group.protocol" Kind::Text, "", "";
    "group.remote.assignor" Kind::Text, "", "";
};

/// Other clients' names for the same thing.
const ALIASES: &[(&str, &str)] = &[
    ("metadata.broker.list", "bootstrap.servers"),
    ("message.timeout.ms", "delivery.timeout.ms"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("compression.codec", "compression.type"),
    ("request.required.acks", "acks"),
    ("message.send.max.retries", "retries"),
    ("fetch.wait.max.ms", "fetch.max.wait.ms"),
    ("fetch.message.max.bytes", "max.partition.fetch.bytes"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("partitioner", "partitioner.class"),
];

/// The row of a key, by its own name or another client's.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, key)| key);
    KEYS.iter().chain(WITHOUT_EFFECT).find(|key| key.name == name)
}

/// The known name that looks most like `name`, if one does.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let names = KEYS.iter().chain(WITHOUT_EFFECT).map(|key| key.name);
    let scored = names.map(|known| (strsim::jaro_winkler(known, name), known));
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.8).map(|(_, known)| known)
}

impl Kind {
    /// Why `value` is not of this kind.
    pub(super) fn refuse(self, value: &str) -> Option<String> {
        match self {
            Self::Text => None,
            Self::Bool => (!matches!(value, "true" | "false")).then(|| "true or false".to_owned()),
            Self::Release => {
                value.parse::<Release>().err().map(|_| "a release of Kafka, like 0.9.0.1 or 2.8".to_owned())
            }
            Self::Reset => super::reset::parse(value)
                .is_none()
                .then(|| "earliest, latest, none, or by_duration: and a duration like PT1H".to_owned()),
            Self::OneOf(words) => (!words.contains(&value)).then(|| format!("one of {}", words.join(", "))),
            Self::Int(low, high) => match value.parse::<i64>() {
                Ok(n) if (low..=high).contains(&n) => None,
                Ok(_) | Err(_) if (low, high) == (i64::MIN, i64::MAX) => Some("a whole number".to_owned()),
                Ok(_) | Err(_) => Some(format!("a whole number from {low} to {high}")),
            },
        }
    }
}
