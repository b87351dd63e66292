//! DescribeClientQuotas.

use crate::ErrorCode;

api! {
    /// Asks for quotas of clients (KIP-546).
    DescribeClientQuotasRequest -> DescribeClientQuotasResponse = 48, versions 0-1, flexible 1+;
    request {
        components: Vec<ComponentData> [0+],
        strict:     bool               [0+],
    }
    response {
        throttle_time_ms: i32                    [0+],
        error_code:       ErrorCode              [0+],
        error_message:    Option<String>         [0+],
        entries:          Option<Vec<EntryData>> [0+],
    }
    ComponentData {
        entity_type: String         [0+],
        match_type:  i8             [0+],
        r#match:     Option<String> [0+],
    }
    EntryData {
        entity: Vec<EntityData> [0+],
        values: Vec<ValueData>  [0+],
    }
    EntityData {
        entity_type: String         [0+],
        entity_name: Option<String> [0+],
    }
    ValueData {
        key:   String [0+],
        value: f64    [0+],
    }
}
