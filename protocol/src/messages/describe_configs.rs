//! DescribeConfigs.

use crate::ErrorCode;

api! {
    /// Asks for the configuration of topics and brokers, with its sources (KIP-133, KIP-226).
    DescribeConfigsRequest -> DescribeConfigsResponse = 32, versions 0-4, flexible 4+;
    request {
        resources:             Vec<DescribeConfigsResource> [0+],
        include_synonyms:      bool                         [1+],
        include_documentation: bool                         [3+],
    }
    response {
        throttle_time_ms: i32                        [0+],
        results:          Vec<DescribeConfigsResult> [0+],
    }
    DescribeConfigsResource {
        resource_type:      i8                  [0+],
        resource_name:      String              [0+],
        configuration_keys: Option<Vec<String>> [0+],
    }
    DescribeConfigsResult {
        error_code:    ErrorCode                          [0+],
        error_message: Option<String>                     [0+],
        resource_type: i8                                 [0+],
        resource_name: String                             [0+],
        configs:       Vec<DescribeConfigsResourceResult> [0+],
    }
    DescribeConfigsResourceResult {
        name:          String                      [0+],
        value:         Option<String>              [0+],
        read_only:     bool                        [0+],
        is_default:    bool                        [0],
        config_source: i8                          [1+ ignorable] = -1,
        is_sensitive:  bool                        [0+],
        synonyms:      Vec<DescribeConfigsSynonym> [1+ ignorable],
        config_type:   i8                          [3+ ignorable],
        documentation: Option<String>              [3+ ignorable],
    }
    DescribeConfigsSynonym {
        name:   String         [1+],
        value:  Option<String> [1+],
        source: i8             [1+],
    }
}
