//! What each release of Apache Kafka speaks: for brokers that are too old to say it themselves, and for errors that
//! tell which release brought what is missing.

use std::fmt;
use std::str::FromStr;

use crate::api::ApiKey;
use crate::wire::VersionRange;

/// A release of Apache Kafka, as far as the protocol depends on it: three numbers before 1.0, two since then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    major: u16,
    minor: u16,
    patch: u16,
}

/// Text that names no release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no release of Kafka; write it as 0.9.0.1 or 2.8")]
pub struct ParseReleaseError(String);

impl Release {
    /// 0.8.2: groups' offsets are kept in Kafka, groups are not.
    pub const V0_8_2: Self = Self::new(0, 8, 2);
    /// 0.9.0: the last whose brokers cannot be asked for their versions.
    pub const V0_9_0: Self = Self::new(0, 9, 0);
    /// 0.10.0: brokers answer ApiVersions (KIP-35).
    pub const V0_10_0: Self = Self::new(0, 10, 0);
    /// 0.11.0: batches of format 2, headers, transactions.
    pub const V0_11_0: Self = Self::new(0, 11, 0);

    /// A release by its numbers; `patch` counts before 1.0 only.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch: if major == 0 { patch } else { 0 } }
    }

    /// The versions of an API that a broker of this release serves, `None` when it does not know the API. Releases
    /// newer than the table's last are taken for that one.
    pub fn serves(self, key: ApiKey) -> Option<VersionRange> {
        if self >= KRAFT_ONLY && ZOOKEEPER_ONLY.contains(&key.0) {
            return None;
        }
        let rows = HISTORY.iter().take_while(|(release, _)| *release <= self);
        let last = rows.filter_map(|(_, row)| last_of(row, key)).last()?;
        Some(VersionRange::new(self.first(key), last))
    }

    /// Every API that a broker of this release serves, with the versions, by key.
    pub fn api_versions(self) -> Vec<(ApiKey, VersionRange)> {
        (0..=LAST_KEY).map(ApiKey).filter_map(|key| Some((key, self.serves(key)?))).collect()
    }

    fn first(self, key: ApiKey) -> i16 {
        let row = DROPPED.iter().find(|(dropped, ..)| *dropped == key.0);
        row.filter(|(_, since, until, _)| *since <= self && self < *until).map_or(0, |(.., first)| *first)
    }

    /// The newest release whose marks are all in what a broker says it serves. `None` for brokers that are not Apache
    /// Kafka's: they lack what every release has.
    pub fn of_broker(serves: impl Fn(ApiKey) -> Option<VersionRange>) -> Option<Self> {
        let has = |key: i16, version: i16| serves(ApiKey(key)).is_some_and(|range| range.last >= version);
        if !EVERYWHERE.iter().all(|key| has(*key, 0)) {
            return None;
        }
        let marks = MARKS.iter().take_while(|(_, key, version)| has(*key, *version));
        marks.last().map(|(release, ..)| *release)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.major {
            0 => write!(f, "0.{}.{}", self.minor, self.patch),
            _ => write!(f, "{}.{}", self.major, self.minor),
        }
    }
}

impl FromStr for Release {
    type Err = ParseReleaseError;

    fn from_str(text: &str) -> Result<Self, ParseReleaseError> {
        let bad = || ParseReleaseError(text.to_owned());
        let mut numbers = text.trim().split('.').map(str::parse::<u16>);
        let major = numbers.next().and_then(Result::ok).ok_or_else(bad)?;
        let minor = numbers.next().and_then(Result::ok).ok_or_else(bad)?;
        let rest: Vec<u16> = numbers.collect::<Result<_, _>>().map_err(|_| bad())?;
        let release = Self::new(major, minor, rest.first().copied().unwrap_or(0));
        if rest.len() > 2 || release < OLDEST { Err(bad()) } else { Ok(release) }
    }
}

/// Where an API comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The first release that serves it for use.
    pub release: Release,
    /// The proposal that describes it, if it is younger than proposals.
    pub kip: Option<u16>,
}

impl Origin {
    /// Record headers.
    pub const HEADERS: Self = Self { release: Release::V0_11_0, kip: Some(82) };
    /// zstd.
    pub const ZSTD: Self = Self { release: Release::new(2, 1, 0), kip: Some(110) };
    /// The offset at a timestamp, exactly.
    pub const OFFSETS_BY_TIME: Self = Self { release: Release::new(0, 10, 1), kip: Some(79) };
    /// New topics with the broker's number of partitions and replicas.
    pub const TOPIC_DEFAULTS: Self = Self { release: Release::new(2, 4, 0), kip: Some(464) };
    /// Fenced brokers in DescribeCluster.
    pub const FENCED_BROKERS: Self = Self { release: Release::new(4, 0, 0), kip: Some(1073) };

    /// Where this API comes from; `None` for keys that are not in the table.
    pub fn of(key: ApiKey) -> Option<Self> {
        let row = HISTORY.iter().find(|(_, row)| last_of(row, key).is_some());
        Some(Self { release: row?.0, kip: kip(key) })
    }
}

impl fmt::Display for Origin {
    /// `Kafka >= 0.10.1 (KIP-4)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kafka >= {}", self.release)?;
        self.kip.map_or(Ok(()), |kip| write!(f, " (KIP-{kip})"))
    }
}

/// Whether clients may ask a broker for this API: the others are between brokers and controllers.
pub fn is_client_facing(key: ApiKey) -> bool {
    Origin::of(key).is_some() && !ZOOKEEPER_ONLY.contains(&key.0) && !CONTROLLER_ONLY.contains(&key.0)
}

fn last_of(row: &[(i16, i16)], key: ApiKey) -> Option<i16> {
    row.iter().find(|(of, _)| *of == key.0).map(|(_, last)| *last)
}

fn kip(key: ApiKey) -> Option<u16> {
    Some(match key.0 {
        15 | 16 => 40,
        17 => 43,
        18 => 35,
        19 | 20 => 4,
        21 => 107,
        22 | 24..=28 => 98,
        23 => 101,
        29..=31 => 140,
        32 | 33 => 133,
        34 | 35 => 113,
        36 => 152,
        37 => 195,
        38..=41 => 48,
        42 => 229,
        43 => 183,
        44 => 339,
        45 | 46 => 455,
        47 => 496,
        48 | 49 => 546,
        50 | 51 => 554,
        52..=55 => 595,
        56 => 497,
        57 => 584,
        58 => 590,
        59 => 630,
        60 => 700,
        61 | 65 | 66 => 664,
        62..=64 => 631,
        67 => 730,
        68 | 69 => 848,
        70 => 919,
        71 | 72 | 74 => 714,
        73 => 858,
        75 => 966,
        76..=79 | 83..=87 | 90..=92 => 932,
        80..=82 => 853,
        88 | 89 => 1071,
        _ => return None,
    })
}

const OLDEST: Release = Release::new(0, 8, 0);
const KRAFT_ONLY: Release = Release::new(4, 0, 0);
const ALWAYS: Release = Release::new(u16::MAX, 0, 0);
const LAST_KEY: i16 = 92;

/// Went with ZooKeeper: LeaderAndIsr, StopReplica, UpdateMetadata, ControlledShutdown.
const ZOOKEEPER_ONLY: &[i16] = &[4, 5, 6, 7];

/// Served by controllers, or from broker to broker: the raft requests, AlterPartition, Envelope, registration and heartbeats,
/// AllocateProducerIds, AssignReplicasToDirs.
const CONTROLLER_ONLY: &[i16] = &[52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82];

/// Every release since 0.9 has these: records, metadata, classic groups.
const EVERYWHERE: &[i16] = &[0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16];

macro_rules! history {
    ($( ($($release:literal),*) $( ($key:literal, $last:literal) ),*; )*) => {
        &[ $( (Release::new($($release),*), &[$( ($key, $last) ),*]), )* ]
    };
}

/// For each release the newest version of every API that it was the first to have, as far as those are for use: taken
/// from the tables in the releases' own kafka-clients jars, without the versions marked as unstable there.
#[rustfmt::skip]
const HISTORY: &[(Release, &[(i16, i16)])] = history! {
    (0, 8, 0) (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0);
    (0, 8, 1) (8, 0), (9, 0);
    (0, 8, 2) (8, 1), (9, 1), (10, 0);
    (0, 9, 0) (0, 1), (1, 1), (6, 1), (7, 1), (8, 2), (11, 0), (12, 0), (13, 0), (14, 0), (15, 0), (16, 0);
    (0, 10, 0) (0, 2), (1, 2), (3, 1), (6, 2), (17, 0), (18, 0);
    (0, 10, 1) (1, 3), (2, 1), (3, 2), (11, 1), (19, 0), (20, 0);
    (0, 10, 2) (6, 3), (9, 2), (19, 1);
    (0, 11, 0) (0, 3), (1, 5), (2, 2), (3, 4), (8, 3), (9, 3), (10, 1), (11, 2), (12, 1), (13, 1), (14, 1), (15, 1), (16, 1), (18, 1), (19, 2), (20, 1), (21, 0), (22, 0), (23, 0), (24, 0), (25, 0), (26, 0), (27, 0), (28, 0), (29, 0), (30, 0), (31, 0), (32, 0), (33, 0);
    (1, 0, 0) (0, 5), (1, 6), (3, 5), (4, 1), (6, 4), (17, 1), (34, 0), (35, 0), (36, 0), (37, 0);
    (1, 1, 0) (1, 7), (32, 1), (38, 0), (39, 0), (40, 0), (41, 0), (42, 0);
    (2, 0, 0) (0, 6), (1, 8), (2, 3), (3, 6), (8, 4), (9, 4), (10, 2), (11, 3), (12, 2), (13, 2), (14, 2), (15, 2), (16, 2), (18, 2), (19, 3), (20, 2), (21, 1), (22, 1), (23, 1), (24, 1), (25, 1), (26, 1), (28, 1), (29, 1), (30, 1), (31, 1), (32, 2), (33, 1), (34, 1), (35, 1), (37, 1), (38, 1), (39, 1), (40, 1), (41, 1), (42, 1);
    (2, 1, 0) (0, 7), (1, 10), (2, 4), (3, 7), (8, 6), (9, 5), (20, 3), (23, 2), (28, 2);
    (2, 2, 0) (2, 5), (4, 2), (5, 1), (6, 5), (7, 2), (11, 4), (36, 1), (43, 0);
    (2, 3, 0) (1, 11), (3, 8), (8, 7), (11, 5), (12, 3), (14, 3), (15, 3), (23, 3), (44, 0);
    (2, 4, 0) (0, 8), (3, 9), (4, 4), (5, 2), (6, 6), (7, 3), (8, 8), (9, 6), (10, 3), (11, 6), (12, 4), (13, 4), (14, 4), (15, 5), (16, 3), (18, 3), (19, 5), (20, 4), (22, 2), (38, 2), (42, 2), (43, 2), (44, 1), (45, 0), (46, 0), (47, 0);
    (2, 5, 0) (9, 7), (11, 7), (14, 5), (22, 3), (28, 3), (29, 2), (30, 2), (31, 2), (36, 2), (37, 2), (39, 2), (40, 2), (41, 2);
    (2, 6, 0) (5, 3), (16, 4), (21, 2), (32, 3), (35, 2), (48, 0), (49, 0);
    (2, 7, 0) (1, 12), (19, 6), (20, 5), (22, 4), (24, 2), (25, 2), (26, 2), (37, 3), (50, 0), (51, 0), (52, 0), (53, 0), (54, 0), (55, 0), (56, 0), (57, 0);
    (2, 8, 0) (0, 9), (2, 6), (3, 11), (4, 5), (6, 7), (19, 7), (20, 6), (23, 4), (24, 3), (25, 3), (26, 3), (27, 1), (32, 4), (33, 2), (34, 2), (48, 1), (49, 1), (58, 0), (59, 0), (60, 0), (61, 0), (62, 0), (63, 0), (64, 0);
    (3, 0, 0) (2, 7), (9, 8), (10, 4), (65, 0), (66, 0), (67, 0);
    (3, 1, 0) (1, 13), (3, 12);
    (3, 2, 0) (4, 6), (11, 9), (13, 5), (35, 3), (56, 1);
    (3, 3, 0) (29, 3), (30, 3), (31, 3), (35, 4), (38, 3), (41, 3), (55, 1), (56, 2), (57, 1);
    (3, 4, 0) (4, 7), (5, 4), (6, 8), (62, 1);
    (3, 5, 0) (1, 15), (2, 8), (56, 3);
    (3, 6, 0) (24, 4);
    (3, 7, 0) (0, 10), (1, 16), (8, 9), (9, 9), (60, 1), (62, 3), (63, 1), (68, 0), (70, 0), (71, 0), (72, 0), (73, 0), (74, 0);
    (3, 8, 0) (0, 11), (10, 5), (16, 5), (22, 5), (24, 5), (25, 4), (26, 4), (28, 4), (66, 1), (69, 0), (75, 0);
    (3, 9, 0) (1, 17), (2, 9), (10, 6), (18, 4), (52, 1), (53, 1), (54, 1), (55, 2), (59, 1), (62, 4), (80, 0), (81, 0), (82, 0);
    (4, 0, 0) (0, 12), (2, 10), (3, 13), (15, 6), (26, 5), (28, 5), (52, 2), (57, 2), (60, 2), (68, 1), (69, 1);
    (4, 1, 0) (0, 13), (1, 18), (45, 1), (66, 2), (74, 1), (76, 1), (77, 1), (78, 1), (79, 1), (83, 0), (84, 0), (85, 0), (86, 0), (87, 0), (90, 0), (91, 0), (92, 0);
    (4, 2, 0) (2, 11), (8, 10), (9, 10), (27, 2), (78, 2), (79, 2), (80, 1), (85, 1), (87, 1), (88, 0), (89, 0), (90, 1);
    (4, 3, 0) (35, 5), (63, 2);
};

/// Versions that were given up (KIP-896): the key, since which release, until which one, and the first that is left.
/// JoinGroup's came back in 4.1, as other clients could not do without.
const DROPPED: &[(i16, Release, Release, i16)] = &[
    (0, KRAFT_ONLY, ALWAYS, 3),
    (1, KRAFT_ONLY, ALWAYS, 4),
    (2, KRAFT_ONLY, ALWAYS, 1),
    (8, KRAFT_ONLY, ALWAYS, 2),
    (9, KRAFT_ONLY, ALWAYS, 1),
    (11, KRAFT_ONLY, Release::new(4, 1, 0), 2),
    (19, KRAFT_ONLY, ALWAYS, 2),
    (20, KRAFT_ONLY, ALWAYS, 1),
    (23, KRAFT_ONLY, ALWAYS, 2),
    (27, KRAFT_ONLY, ALWAYS, 1),
    (29, KRAFT_ONLY, ALWAYS, 1),
    (30, KRAFT_ONLY, ALWAYS, 1),
    (31, KRAFT_ONLY, ALWAYS, 1),
    (32, KRAFT_ONLY, ALWAYS, 1),
    (34, KRAFT_ONLY, ALWAYS, 1),
    (35, KRAFT_ONLY, ALWAYS, 1),
    (38, KRAFT_ONLY, ALWAYS, 1),
    (39, KRAFT_ONLY, ALWAYS, 1),
    (40, KRAFT_ONLY, ALWAYS, 1),
    (41, KRAFT_ONLY, ALWAYS, 1),
    (76, Release::new(4, 1, 0), ALWAYS, 1),
    (77, Release::new(4, 1, 0), ALWAYS, 1),
    (78, Release::new(4, 1, 0), ALWAYS, 1),
    (79, Release::new(4, 1, 0), ALWAYS, 1),
];

/// The newest mark of each release in what brokers say: a key and a version.
const MARKS: &[(Release, i16, i16)] = &[
    (Release::new(0, 10, 0), 18, 0),
    (Release::new(0, 10, 1), 19, 0),
    (Release::new(0, 10, 2), 19, 1),
    (Release::new(0, 11, 0), 0, 3),
    (Release::new(1, 0, 0), 37, 0),
    (Release::new(1, 1, 0), 1, 7),
    (Release::new(2, 0, 0), 1, 8),
    (Release::new(2, 1, 0), 1, 10),
    (Release::new(2, 2, 0), 2, 5),
    (Release::new(2, 3, 0), 1, 11),
    (Release::new(2, 4, 0), 3, 9),
    (Release::new(2, 5, 0), 9, 7),
    (Release::new(2, 6, 0), 16, 4),
    (Release::new(2, 7, 0), 1, 12),
    (Release::new(2, 8, 0), 0, 9),
    (Release::new(3, 0, 0), 10, 4),
    (Release::new(3, 1, 0), 3, 12),
    (Release::new(3, 2, 0), 11, 9),
    (Release::new(3, 3, 0), 29, 3),
    (Release::new(3, 5, 0), 1, 15),
    (Release::new(3, 6, 0), 24, 4),
    (Release::new(3, 7, 0), 1, 16),
    (Release::new(3, 8, 0), 0, 11),
    (Release::new(3, 9, 0), 1, 17),
    (Release::new(4, 0, 0), 3, 13),
    (Release::new(4, 1, 0), 1, 18),
    (Release::new(4, 2, 0), 2, 11),
    (Release::new(4, 3, 0), 35, 5),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::REGISTRY;

    fn release(text: &str) -> Release {
        text.parse().expect("it is a release")
    }

    #[test]
    fn releases_are_read_and_written_as_kafka_names_them() {
        assert_eq!(release("0.9.0.1"), Release::V0_9_0);
        assert_eq!(release("0.10.2.2").to_string(), "0.10.2");
        assert_eq!(release("2.8.2").to_string(), "2.8");
        assert!(release("0.11.0") < release("1.0") && release("3.9.1") < release("4.0.0"));
        for bad in ["", "1", "0.7.2", "x.y", "1.2.3.4.5", "-1.0"] {
            assert!(bad.parse::<Release>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_broker_of_0_9_serves_what_its_own_table_says() {
        let last = |key| Release::V0_9_0.serves(key).map(|range| (range.first, range.last));
        assert_eq!(last(ApiKey::PRODUCE), Some((0, 1)));
        assert_eq!(last(ApiKey::FETCH), Some((0, 1)));
        assert_eq!(last(ApiKey::METADATA), Some((0, 0)));
        assert_eq!(last(ApiKey::OFFSET_COMMIT), Some((0, 2)));
        assert_eq!(last(ApiKey::LIST_GROUPS), Some((0, 0)));
        assert_eq!(last(ApiKey::API_VERSIONS), None);
        assert_eq!(Release::V0_9_0.api_versions().len(), 17);
        assert_eq!(Release::V0_8_2.serves(ApiKey::PRODUCE), Some(VersionRange::new(0, 0)));
        assert_eq!(Release::V0_8_2.serves(ApiKey::JOIN_GROUP), None);
    }

    #[test]
    fn versions_that_were_dropped_are_not_served() {
        assert_eq!(release("3.9").serves(ApiKey::FETCH), Some(VersionRange::new(0, 17)));
        assert_eq!(release("4.0").serves(ApiKey::FETCH), Some(VersionRange::new(4, 17)));
        assert_eq!(release("4.3").serves(ApiKey::JOIN_GROUP), Some(VersionRange::new(0, 9)));
        assert_eq!(release("4.0").serves(ApiKey::LEADER_AND_ISR), None);
        assert_eq!(release("99.0").serves(ApiKey::PRODUCE), Some(VersionRange::new(3, 13)));
    }

    #[test]
    fn origins_name_release_and_proposal() {
        let origin = |key| Origin::of(key).expect("it is in the table").to_string();
        assert_eq!(origin(ApiKey::CREATE_TOPICS), "Kafka >= 0.10.1 (KIP-4)");
        assert_eq!(origin(ApiKey::DESCRIBE_CONFIGS), "Kafka >= 0.11.0 (KIP-133)");
        assert_eq!(origin(ApiKey::INCREMENTAL_ALTER_CONFIGS), "Kafka >= 2.3 (KIP-339)");
        assert_eq!(origin(ApiKey::DESCRIBE_TOPIC_PARTITIONS), "Kafka >= 3.8 (KIP-966)");
        assert_eq!(origin(ApiKey::CONSUMER_GROUP_HEARTBEAT), "Kafka >= 3.7 (KIP-848)");
        assert_eq!(origin(ApiKey::JOIN_GROUP), "Kafka >= 0.9.0");
        assert_eq!(Origin::of(ApiKey(999)), None);
    }

    #[test]
    fn every_declared_api_has_an_origin_and_no_release_is_ahead_of_the_tables() {
        for api in REGISTRY {
            assert!(Origin::of(api.key).is_some(), "{}", api.key);
            let newest = ALWAYS.serves(api.key).map_or(-1, |range| range.last);
            assert!(newest <= api.versions.last, "{}: {newest}", api.key);
        }
    }

    #[test]
    fn clients_may_ask_for_77_apis() {
        assert_eq!((0..=LAST_KEY).filter(|key| is_client_facing(ApiKey(*key))).count(), 77);
    }

    #[test]
    fn a_release_is_known_again_by_what_it_serves() {
        for (known, ..) in MARKS {
            assert_eq!(Release::of_broker(|key| known.serves(key)), Some(*known));
        }
        assert_eq!(Release::of_broker(|key| release("2.2.2").serves(key)), Some(Release::new(2, 2, 0)));
        let no_groups = |key: ApiKey| ALWAYS.serves(key).filter(|_| key != ApiKey::JOIN_GROUP);
        assert_eq!(Release::of_broker(no_groups), None);
    }
}
