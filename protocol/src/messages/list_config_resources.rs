//! ListConfigResources.

use crate::ErrorCode;

api! {
    /// Lists resources that have a configuration.
    ///
    /// Version 0 knows only those of client metrics (KIP-714, there called ListClientMetricsResources), 1 every type (KIP-1142).
    ListConfigResourcesRequest -> ListConfigResourcesResponse = 74, versions 0-1, flexible 0+;
    request {
        resource_types: Vec<i8> [1+],
    }
    response {
        throttle_time_ms: i32                 [0+],
        error_code:       ErrorCode           [0+],
        config_resources: Vec<ConfigResource> [0+],
    }
    ConfigResource {
        resource_name: String [0+],
        resource_type: i8     [1+ ignorable] = 16,
    }
}
