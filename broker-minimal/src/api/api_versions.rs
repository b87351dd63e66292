//! ApiVersions, made from the dispatch table.
//!
//! Version 3 and later must name the client's software, in a form that can stand in a metric's name (KIP-511).

use std::sync::Arc;

use kinglet_protocol::messages::api_versions::ApiVersion;
use kinglet_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kinglet_protocol::{ApiKey, ErrorCode};

use crate::Context;
use crate::config::Purpose;
use crate::server::dispatch::SERVED;

pub(crate) async fn handle(
    ctx: &Arc<Context>,
    version: i16,
    request: ApiVersionsRequest,
) -> ApiVersionsResponse {
    let named = |text: &str| {
        let word = |c: char| c.is_ascii_alphanumeric();
        text.starts_with(word)
            && text.ends_with(word)
            && text.chars().all(|c| word(c) || c == '-' || c == '.')
    };
    if version >= 3 && !(named(&request.client_software_name) && named(&request.client_software_version)) {
        return ApiVersionsResponse { error_code: ErrorCode::INVALID_REQUEST, ..Default::default() };
    }
    ApiVersionsResponse { api_keys: table(ctx.purpose), ..Default::default() }
}

/// The answer to a version that is not served: error 35 and the versions of this API, so that the client can ask again.
pub(crate) fn unsupported(listener: Purpose) -> ApiVersionsResponse {
    let mut api_keys = table(listener);
    api_keys.retain(|row| row.api_key == ApiKey::API_VERSIONS.0);
    ApiVersionsResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, api_keys, ..Default::default() }
}

fn table(listener: Purpose) -> Vec<ApiVersion> {
    let row = |row: &crate::server::dispatch::Served| ApiVersion {
        api_key: row.key.0,
        min_version: row.versions.first,
        max_version: row.versions.last,
    };
    SERVED.iter().filter(|row| row.is_advertised(listener)).map(row).collect()
}
