//! AlterConfigs.

use crate::ErrorCode;

api! {
    /// Replaces the whole dynamic configuration of resources (KIP-133).
    /// [`IncrementalAlterConfigsRequest`](super::IncrementalAlterConfigsRequest) changes single entries.
    AlterConfigsRequest -> AlterConfigsResponse = 33, versions 0-2, flexible 2+;
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
        name:  String         [0+],
        value: Option<String> [0+],
    }
    AlterConfigsResourceResponse {
        error_code:    ErrorCode      [0+],
        error_message: Option<String> [0+],
        resource_type: i8             [0+],
        resource_name: String         [0+],
    }
}
