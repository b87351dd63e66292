//! Which APIs a broker serves, in which versions, and the highest that both sides know.

use crate::protocol::messages::ApiVersionsResponse;
use crate::protocol::{ApiKey, Request, VersionRange, negotiate};

/// What one broker serves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions(Vec<(ApiKey, VersionRange)>);

impl Versions {
    pub(crate) fn new(response: &ApiVersionsResponse) -> Self {
        let row = |api: &crate::protocol::messages::api_versions::ApiVersion| {
            (ApiKey(api.api_key), VersionRange::new(api.min_version, api.max_version))
        };
        Self(response.api_keys.iter().map(row).collect())
    }

    /// The highest version of `R` up to `cap` that both sides know.
    pub(crate) fn best<R: Request>(&self, cap: i16) -> Option<i16> {
        let theirs = self.0.iter().find(|(key, _)| *key == R::KEY)?.1;
        negotiate(VersionRange::new(R::VERSIONS.first, R::VERSIONS.last.min(cap)), theirs)
    }
}
