//! IncrementalAlterConfigs.

use crate::ErrorCode;

api! {
    /// Changes single configuration entries and leaves the others alone (KIP-339).
    ///
    /// `config_operation`: 0 set, 1 delete, 2 append, 3 subtract.
    IncrementalAlterConfigsRequest -> IncrementalAlterConfigsResponse = 44, versions 0-1, flexible 1+;
    request {
        resources:     Vec<AlterConfigsResource> [0+],
        validate_only: bool                      [0+],
    }
    response {
        throttle_time_ms: i32                               [0+],
        responses:        Vec<AlterConfigsResourceResponse> [0+],
    }
    AlterConfigsResource {
        resource_type: i8                   [0+],
        resource_name: String               [0+],
        configs:       Vec<AlterableConfig> [0+],
    }
    AlterableConfig {
        name:             String         [0+],
        config_operation: i8             [0+],
        value:            Option<String> [0+],
    }
    AlterConfigsResourceResponse {
        error_code:    ErrorCode      [0+],
        error_message: Option<String> [0+],
        resource_type: i8             [0+],
        resource_name: String         [0+],
    }
}
