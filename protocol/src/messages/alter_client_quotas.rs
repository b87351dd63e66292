//! AlterClientQuotas.

use crate::ErrorCode;

api! {
    /// Changes quotas of clients (KIP-546).
    AlterClientQuotasRequest -> AlterClientQuotasResponse = 49, versions 0-1, flexible 1+;
    request {
        entries:       Vec<EntryData> [0+],
        validate_only: bool           [0+],
    }
    response {
        throttle_time_ms: i32                    [0+],
        entries:          Vec<EntryDataResponse> [0+],
    }
    EntryData {
        entity: Vec<EntityData> [0+],
        ops:    Vec<OpData>     [0+],
    }
    EntityData {
        entity_type: String         [0+],
        entity_name: Option<String> [0+],
    }
    OpData {
        key:    String [0+],
        value:  f64    [0+],
        remove: bool   [0+],
    }
    EntryDataResponse {
        error_code:    ErrorCode       [0+],
        error_message: Option<String>  [0+],
        entity:        Vec<EntityData> [0+],
    }
}
