//! Which APIs a broker serves, in which versions, the highest that both sides know, and what to say when there is none.

use crate::protocol::messages::ApiVersionsResponse;
use crate::protocol::messages::api_versions::ApiVersion;
use crate::protocol::releases::{Origin, Release};
use crate::protocol::{ApiKey, Request, VersionRange, negotiate};
use crate::{Error, ErrorKind};

/// What one broker serves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions {
    rows: Vec<(ApiKey, VersionRange)>,
    source: Source,
}

/// How we know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Source {
    /// The broker says so.
    #[default]
    Told,
    /// It is too old to say so, and answers as this release does.
    Recognised(Release),
    /// The configuration says so.
    Pinned(Release),
}

/// What is asked of the controllers' quorum: while there was a ZooKeeper too, brokers of one release had it or not.
const OF_QUORUMS: [ApiKey; 2] = [ApiKey::DESCRIBE_QUORUM, ApiKey::UNREGISTER_BROKER];

impl Versions {
    pub(crate) fn told(response: &ApiVersionsResponse) -> Self {
        let row =
            |api: &ApiVersion| (ApiKey(api.api_key), VersionRange::new(api.min_version, api.max_version));
        Self { rows: response.api_keys.iter().map(row).collect(), source: Source::Told }
    }

    pub(crate) fn recognised(release: Release) -> Self {
        Self { rows: release.api_versions(), source: Source::Recognised(release) }
    }

    pub(crate) fn pinned(release: Release) -> Self {
        Self { rows: release.api_versions(), source: Source::Pinned(release) }
    }

    /// The highest version of `R` up to `cap` that both sides know.
    pub(crate) fn best<R: Request>(&self, cap: i16) -> Option<i16> {
        self.best_of(R::KEY, VersionRange::new(R::VERSIONS.first, R::VERSIONS.last.min(cap)))
    }

    /// The highest of our versions of an API that the broker knows.
    pub(crate) fn best_of(&self, key: ApiKey, ours: VersionRange) -> Option<i16> {
        negotiate(ours, self.range(key)?)
    }

    /// What the broker serves of an API.
    fn range(&self, key: ApiKey) -> Option<VersionRange> {
        self.rows.iter().find(|(of, _)| *of == key).map(|(_, range)| *range)
    }

    /// Why the broker at `address` cannot be asked this, when we could ask in the versions `ours`.
    pub(crate) fn lacks(&self, key: ApiKey, ours: VersionRange, address: &str) -> Error {
        let (name, who) = (key.name(), self.who());
        if self.range(key).is_none() && self.is_controllers() {
            let message = format!("at {address} a controller listens, for brokers, which has no {name}");
            let error = Error::new(ErrorKind::UnsupportedVersion, message);
            return error
                .hinted("name the address of a broker: of a listener that is not one of controller.listener.names")
                .around(|c| c.broker = Some(address.to_owned()));
        }
        let message = match (self.range(key), Origin::of(key)) {
            (Some(theirs), _) => {
                let needed = if ours.first == ours.last { "version" } else { "versions" };
                let (theirs, ours) = (text(theirs), text(ours));
                format!("{address}{who} serves {name} {theirs}, this needs {needed} {ours}")
            }
            (None, Some(origin))
                if OF_QUORUMS.contains(&key) && self.may_have_a_zookeeper(origin.release) =>
            {
                format!("{address}{who} has no {name}: only clusters without a ZooKeeper have it")
            }
            (None, Some(origin)) => format!("{address}{who} has no {name}: needs {origin}"),
            (None, None) => format!("{address}{who} has no {name}"),
        };
        Error::new(ErrorKind::UnsupportedVersion, message).around(|c| c.broker = Some(address.to_owned()))
    }

    /// The broker at `address` has the API, but is too old for `what`.
    pub(crate) fn too_old(&self, what: &str, needs: Origin, address: &str) -> Error {
        let message = format!("{address}{} has no {what}: needs {needs}", self.who());
        Error::new(ErrorKind::UnsupportedVersion, message).around(|c| c.broker = Some(address.to_owned()))
    }

    /// Whether brokers register there, and nobody else has any business.
    fn is_controllers(&self) -> bool {
        self.range(ApiKey::METADATA).is_none() && self.range(ApiKey::BROKER_HEARTBEAT).is_some()
    }

    /// Whether it is of this release or newer, and of those that worked with a ZooKeeper or without.
    fn may_have_a_zookeeper(&self, oldest: Release) -> bool {
        self.release().is_some_and(|release| (oldest..Release::new(4, 0, 0)).contains(&release))
    }

    /// The broker's release, as far as it can be told.
    fn release(&self) -> Option<Release> {
        match self.source {
            Source::Told => Release::of_broker(|key| self.range(key)),
            Source::Recognised(release) | Source::Pinned(release) => Some(release),
        }
    }

    /// The broker's release, in brackets, as far as it can be told.
    fn who(&self) -> String {
        match self.source {
            Source::Told => {
                self.release().map_or(String::new(), |release| format!(" (looks like Kafka {release})"))
            }
            Source::Recognised(release) => format!(" (answers like Kafka {release})"),
            Source::Pinned(release) => format!(" (Kafka {release} by broker.version.fallback)"),
        }
    }
}

fn text(range: VersionRange) -> String {
    if range.first == range.last {
        range.first.to_string()
    } else {
        format!("{}-{}", range.first, range.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::{
        CreateTopicsRequest, DescribeQuorumRequest, FetchRequest, MetadataRequest,
    };

    fn lacks<R: Request>(versions: &Versions, ours: VersionRange) -> String {
        versions.lacks(R::KEY, ours, "b:1").to_string()
    }

    #[test]
    fn what_is_missing_is_named_with_the_release_that_has_it() {
        let old = Versions::recognised(Release::V0_9_0);
        assert_eq!(
            lacks::<CreateTopicsRequest>(&old, CreateTopicsRequest::VERSIONS),
            "b:1 (answers like Kafka 0.9.0) has no CreateTopics: needs Kafka >= 0.10.1 (KIP-4)"
        );
        let other = Versions::told(&ApiVersionsResponse::default());
        let said = lacks::<CreateTopicsRequest>(&other, CreateTopicsRequest::VERSIONS);
        assert_eq!(said, "b:1 has no CreateTopics: needs Kafka >= 0.10.1 (KIP-4)");
    }

    #[test]
    fn what_a_cluster_with_a_zookeeper_lacks_does_not_need_a_newer_release() {
        let mut versions = Versions::recognised(Release::new(2, 8, 0));
        versions.rows.retain(|(key, _)| !OF_QUORUMS.contains(key));
        let said = lacks::<DescribeQuorumRequest>(&versions, DescribeQuorumRequest::VERSIONS);
        let expected =
            "b:1 (answers like Kafka 2.8) has no DescribeQuorum: only clusters without a ZooKeeper have it";
        assert_eq!(said, expected);
        let older = Versions::recognised(Release::new(2, 6, 0));
        let said = lacks::<DescribeQuorumRequest>(&older, DescribeQuorumRequest::VERSIONS);
        assert!(said.ends_with("needs Kafka >= 2.7 (KIP-595)"), "{said}");
    }

    #[test]
    fn a_controllers_listener_is_named_as_what_it_is() {
        let row = |key: ApiKey| ApiVersion { api_key: key.0, min_version: 0, max_version: 0 };
        let api_keys = [ApiKey::BROKER_HEARTBEAT, ApiKey::CREATE_TOPICS].map(row).into();
        let controller = Versions::told(&ApiVersionsResponse { api_keys, ..Default::default() });

        let error = controller.lacks(MetadataRequest::KEY, MetadataRequest::VERSIONS, "c:1");

        assert_eq!(error.to_string(), "at c:1 a controller listens, for brokers, which has no Metadata");
        assert!(error.hint().is_some_and(|hint| hint.starts_with("name the address of a broker")));
        let said = lacks::<CreateTopicsRequest>(&controller, VersionRange::new(2, 7));
        assert!(said.contains("serves CreateTopics 0, this needs versions 2-7"), "{said}");
    }

    #[test]
    fn versions_without_an_overlap_are_both_named() {
        let old = Versions::recognised(Release::V0_9_0);
        let said = lacks::<FetchRequest>(&old, VersionRange::new(4, 12));
        assert_eq!(said, "b:1 (answers like Kafka 0.9.0) serves Fetch 0-1, this needs versions 4-12");
    }
}
