//! Which partition a record goes to. Keys are spread exactly as the Java client spreads them, or librdkafka.

use std::fmt;
use std::sync::Arc;

use super::queue::PartitionQueue;
use crate::{Config, Record};

/// Chooses partitions in code: [`Config::partitioner`].
///
/// ```
/// use kinglet::{Config, Partitioner, Record, TopicView};
///
/// /// All records of a tenant, the first byte of the key, in one partition.
/// struct ByTenant;
///
/// impl Partitioner for ByTenant {
///     fn partition(&self, record: &Record<'_>, topic: &TopicView<'_>) -> Option<i32> {
///         Some(i32::from(*record.key?.first()?) % topic.partition_count())
///     }
/// }
///
/// let config = Config::new("localhost:9092").partitioner(ByTenant);
/// ```
pub trait Partitioner: Send + Sync + 'static {
    /// The partition of a record that names none; `None` for one that shares its batch with others of the kind, as records
    /// without a key do by default (KIP-480). It is called for every record and should neither wait nor use the producer.
    fn partition(&self, record: &Record<'_>, topic: &TopicView<'_>) -> Option<i32>;
}

/// What a [`Partitioner`] may know of a topic.
#[derive(Debug)]
pub struct TopicView<'a> {
    pub(super) name: &'a str,
    pub(super) partitions: &'a [PartitionQueue],
}

impl TopicView<'_> {
    /// The topic's name.
    pub fn name(&self) -> &str {
        self.name
    }

    /// How many partitions it has: at least one.
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    /// Whether the partition has a leader, as far as it is known.
    pub fn has_leader(&self, partition: i32) -> bool {
        let queue = usize::try_from(partition).ok().and_then(|index| self.partitions.get(index));
        queue.is_some_and(|queue| queue.leader.is_some())
    }
}

/// A user's partitioner.
#[derive(Clone)]
pub(crate) struct Custom(pub(crate) Arc<dyn Partitioner>);

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Custom")
    }
}

/// How partitions are chosen.
#[derive(Clone, Debug)]
pub(crate) enum Choice {
    /// By the key; without one as [`Sticky`](Self::Sticky), or as if the key were empty.
    Key {
        hash: Hash,
        /// Which records count as without a key.
        keyless: Keyless,
    },
    /// All records of a batch to one partition, the next batch to another.
    Sticky,
    /// Each record to the next partition.
    RoundRobin,
    Custom(Custom),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    /// Java's.
    Murmur2,
    /// librdkafka's default.
    Crc32,
    /// Sarama's.
    Fnv1a,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyless {
    Null,
    NullOrEmpty,
    Never,
}

/// Where a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goes {
    To(usize),
    /// Where the others go until that batch is closed.
    WithOthers,
    /// One partition further than the last one.
    Next,
    /// To a partition that is not there.
    Nowhere(i32),
}

impl Choice {
    pub(crate) fn new(config: &Config) -> Self {
        if let Some(custom) = &config.partitioner {
            return Self::Custom(custom.clone());
        }
        if config.flag("partitioner.ignore.keys") {
            return Self::Sticky;
        }
        let (hash, keyless) = match config.text("partitioner.class") {
            "murmur2" => (Hash::Murmur2, Keyless::Never),
            "consistent" => (Hash::Crc32, Keyless::Never),
            "consistent_random" => (Hash::Crc32, Keyless::NullOrEmpty),
            "fnv1a" => (Hash::Fnv1a, Keyless::Never),
            "fnv1a_random" => (Hash::Fnv1a, Keyless::Null),
            "random" | "uniformstickypartitioner" => return Self::Sticky,
            "roundrobinpartitioner" => return Self::RoundRobin,
            // "murmur2_random", and Java's default.
            _ => (Hash::Murmur2, Keyless::Null),
        };
        Self::Key { hash, keyless }
    }

    /// `topic` has partitions.
    #[inline]
    pub(super) fn of(&self, record: &Record<'_>, topic: &TopicView<'_>) -> Goes {
        let count = topic.partitions.len();
        let place = |wanted: i32| match usize::try_from(wanted).ok().filter(|index| *index < count) {
            Some(index) => Goes::To(index),
            None => Goes::Nowhere(wanted),
        };
        match (record.partition, self) {
            (Some(wanted), _) => place(wanted),
            (None, Self::Key { hash, keyless }) => match (record.key, keyless) {
                (None, Keyless::Null | Keyless::NullOrEmpty) | (Some([]), Keyless::NullOrEmpty) => {
                    Goes::WithOthers
                }
                (key, _) => Goes::To(hash.partition(key.unwrap_or_default(), count)),
            },
            (None, Self::Sticky) => Goes::WithOthers,
            (None, Self::RoundRobin) => Goes::Next,
            (None, Self::Custom(custom)) => custom.0.partition(record, topic).map_or(Goes::WithOthers, place),
        }
    }
}

impl Hash {
    /// The partition of a key among `count`, which is not 0.
    #[inline]
    fn partition(self, key: &[u8], count: usize) -> usize {
        let hash = match self {
            // Java makes the hash positive by dropping its sign.
            Self::Murmur2 => murmur2::murmur2(key, SEED) & 0x7fff_ffff,
            Self::Crc32 => crc_fast::crc32_iso_hdlc(key),
            // Sarama makes it positive by turning its sign.
            Self::Fnv1a => fnv1a(key).cast_signed().unsigned_abs(),
        };
        usize::try_from(hash).unwrap_or(0) % count
    }
}

/// The seed of Java's `Utils.murmur2`.
const SEED: u32 = 0x9747_b28c;

fn fnv1a(key: &[u8]) -> u32 {
    key.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The next partition for records that share batches: of those with a leader the one with the least to send, the first of these
/// after `last`; simply the next one if nobody leads.
pub(super) fn rotate(last: usize, partitions: &[PartitionQueue], adaptive: bool) -> usize {
    let count = partitions.len().max(1);
    let candidates = (1..=count).map(|step| (last + step) % count);
    let led =
        candidates.filter_map(|at| Some((at, partitions.get(at).filter(|queue| queue.leader.is_some())?)));
    let best = led.min_by_key(|(_, queue)| if adaptive { queue.backlog() } else { 0 });
    best.map_or((last + 1) % count, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_java() {
        let vectors: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2::murmur2(key.as_bytes(), SEED).cast_signed(), hash, "{key}");
        }
        let want = usize::try_from(-790_332_482i32 & 0x7fff_ffff).unwrap() % 7;
        assert_eq!(Hash::Murmur2.partition(b"foobar", 7), want);
    }

    #[test]
    fn the_published_checks_of_crc32_and_fnv1a_hold() {
        let all = usize::try_from(u32::MAX).unwrap();
        assert_eq!(Hash::Crc32.partition(b"123456789", all), 0xcbf4_3926);
        assert_eq!((fnv1a(b""), fnv1a(b"a"), fnv1a(b"foobar")), (0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968));
        assert_eq!(Hash::Fnv1a.partition(b"a", all), 0x1bf3_d6d4, "the absolute value of a negative number");
    }

    fn queues(leaders: &[bool]) -> Vec<PartitionQueue> {
        let mut queues: Vec<_> = leaders.iter().map(|_| PartitionQueue::default()).collect();
        queues.iter_mut().zip(leaders).for_each(|(queue, led)| queue.leader = led.then_some(1));
        queues
    }

    fn goes(class: &str, key: Option<&[u8]>) -> Goes {
        let config = Config::new("a").set("partitioner.class", class).unwrap();
        let partitions = queues(&[true; 7]);
        let record = Record { topic: "t", key, ..Record::default() };
        Choice::new(&config).of(&record, &TopicView { name: "t", partitions: &partitions })
    }

    #[test]
    fn each_partitioner_has_its_way_with_records_without_a_key() {
        for (class, null, empty) in [
            ("murmur2_random", Goes::WithOthers, Goes::To(Hash::Murmur2.partition(b"", 7))),
            ("murmur2", Goes::To(Hash::Murmur2.partition(b"", 7)), Goes::To(Hash::Murmur2.partition(b"", 7))),
            ("consistent", Goes::To(0), Goes::To(0)),
            ("consistent_random", Goes::WithOthers, Goes::WithOthers),
            ("fnv1a_random", Goes::WithOthers, Goes::To(Hash::Fnv1a.partition(b"", 7))),
            ("random", Goes::WithOthers, Goes::WithOthers),
            ("org.apache.kafka.clients.producer.RoundRobinPartitioner", Goes::Next, Goes::Next),
            (
                "org.apache.kafka.clients.producer.UniformStickyPartitioner",
                Goes::WithOthers,
                Goes::WithOthers,
            ),
        ] {
            assert_eq!((goes(class, None), goes(class, Some(b""))), (null, empty), "{class}");
        }
        assert!(Config::new("a").set("partitioner.class", "com.example.Mine").is_err());
    }

    #[test]
    fn the_rotation_skips_partitions_without_a_leader() {
        assert_eq!(rotate(0, &queues(&[true, false, true]), true), 2);
        assert_eq!(rotate(2, &queues(&[true, false, true]), true), 0);
        assert_eq!(rotate(1, &queues(&[false, false, false]), true), 2);
        assert_eq!(rotate(0, &queues(&[true]), true), 0);
    }

    #[test]
    fn the_rotation_prefers_partitions_with_less_to_send() {
        let mut partitions = queues(&[true; 4]);
        partitions[1].in_flight = 3;
        partitions[2].in_flight = 1;
        partitions[3].in_flight = 1;
        assert_eq!(rotate(0, &partitions, true), 0);
        partitions[0].in_flight = 2;
        assert_eq!(rotate(0, &partitions, true), 2);
        assert_eq!(rotate(0, &partitions, false), 1);
    }
}
