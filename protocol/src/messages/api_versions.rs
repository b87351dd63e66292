//! ApiVersions.

use crate::ErrorCode;

api! {
    /// Asks which APIs a broker serves, in which versions (KIP-35).
    ///
    /// Version 3 tells who the client is (KIP-511) and brings features (KIP-584). A broker that does not know the version answers in
    /// version 0 with error 35.
    ApiVersionsRequest -> ApiVersionsResponse = 18, versions 0-4, flexible 3+;
    request {
        client_software_name:    String [3+ ignorable],
        client_software_version: String [3+ ignorable],
    }
    response {
        error_code:               ErrorCode                [0+],
        api_keys:                 Vec<ApiVersion>          [0+],
        throttle_time_ms:         i32                      [1+ ignorable],
        supported_features:       Vec<SupportedFeatureKey> [3+ ignorable] tag 0,
        finalized_features_epoch: i64                      [3+ ignorable] tag 1 = -1,
        finalized_features:       Vec<FinalizedFeatureKey> [3+ ignorable] tag 2,
        zk_migration_ready:       bool                     [3+ ignorable] tag 3,
    }
    ApiVersion {
        api_key:     i16 [0+],
        min_version: i16 [0+],
        max_version: i16 [0+],
    }
    SupportedFeatureKey {
        name:        String [3+],
        min_version: i16    [3+],
        max_version: i16    [3+],
    }
    FinalizedFeatureKey {
        name:              String [3+],
        max_version_level: i16    [3+],
        min_version_level: i16    [3+],
    }
}
