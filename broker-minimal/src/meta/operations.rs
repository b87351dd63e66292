//! What a client may do, as bits of Kafka's operation numbers (KIP-430). Without an authorizer that is everything.

const CREATE: i32 = 1 << 5;
const ALTER: i32 = 1 << 7;
const DESCRIBE: i32 = 1 << 8;
const DESCRIBE_CONFIGS: i32 = 1 << 10;
const ALTER_CONFIGS: i32 = 1 << 11;
const COMMON: i32 = CREATE | ALTER | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS;

const READ: i32 = 1 << 3;
const WRITE: i32 = 1 << 4;
const DELETE: i32 = 1 << 6;
/// Everything that can be done to a topic.
pub(crate) const TOPIC: i32 = COMMON | READ | WRITE | DELETE;

const CLUSTER_ACTION: i32 = 1 << 9;
const IDEMPOTENT_WRITE: i32 = 1 << 12;
/// Everything that can be done to the cluster.
pub(crate) const CLUSTER: i32 = COMMON | CLUSTER_ACTION | IDEMPOTENT_WRITE;

/// Everything that can be done to a group.
pub(crate) const GROUP: i32 = READ | DELETE | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS;
