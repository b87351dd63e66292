//! UpdateFeatures.

use crate::ErrorCode;

api! {
    /// Raises or lowers the levels of features (KIP-584).
    ///
    /// Version 1 brings kinds of downgrades and a mode that only checks (KIP-778), 2 no answer per feature any more (KIP-1022).
    UpdateFeaturesRequest -> UpdateFeaturesResponse = 57, versions 0-2, flexible 0+;
    request {
        timeout_ms:      i32                   [0+] = 60000,
        feature_updates: Vec<FeatureUpdateKey> [0+],
        validate_only:   bool                  [1+],
    }
    response {
        throttle_time_ms: i32                         [0+],
        error_code:       ErrorCode                   [0+],
        error_message:    Option<String>              [0+],
        results:          Vec<UpdatableFeatureResult> [0-1 ignorable],
    }
    FeatureUpdateKey {
        feature:           String [0+],
        max_version_level: i16    [0+],
        allow_downgrade:   bool   [0],
        upgrade_type:      i8     [1+] = 1,
    }
    UpdatableFeatureResult {
        feature:       String         [0+],
        error_code:    ErrorCode      [0+],
        error_message: Option<String> [0+],
    }
}
