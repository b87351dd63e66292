//! Which message is meant, and its JSON to bytes and back: pure.

use bytes::Bytes;
use kinglet::protocol::json::{self, JsonError};
use kinglet::protocol::messages::REGISTRY;
use kinglet::protocol::{ApiInfo, ApiKey, ErrorCode};
use serde_json::Value;

use crate::error::{Exit, Failure, nearest};

/// The API of a name, in any case, or of a number.
pub fn find(name: &str) -> Result<&'static ApiInfo, Failure> {
    let number = name.parse::<i16>().ok().map(ApiKey);
    let is_meant = |api: &&ApiInfo| api.key.name().eq_ignore_ascii_case(name) || Some(api.key) == number;
    REGISTRY.iter().find(is_meant).ok_or_else(|| {
        let failure = Failure::usage(format!("unknown API '{name}'"));
        match nearest(name, REGISTRY.iter().map(|api| api.key.name())) {
            Some(near) => failure.hint(format!("did you mean {near}?")),
            None => failure.hint("kapi list shows all"),
        }
    })
}

/// The request as JSON; no text at all means that every field has its default.
pub fn parse(text: &str) -> Result<Value, Failure> {
    if text.trim().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_str(text)
        .map_err(|error| Failure::usage("the request is not JSON").cause(error).hint("--json '{...}'"))
}

/// The body of a request.
pub fn encode(api: &ApiInfo, version: i16, request: &Value) -> Result<Bytes, Failure> {
    if api.key == ApiKey::PRODUCE && request.get("acks").is_none_or(|acks| acks.as_i64() == Some(0)) {
        return Err(Failure::usage("a Produce request with acks 0 is never answered")
            .hint("set \"acks\" to 1 or -1, or use kproduce"));
    }
    json::encode(api.request, api.flexible_from, version, request).map_err(|error| {
        let name = api.key.name();
        let what = format!("this is no {name} request of version {version}");
        match &error {
            JsonError::Unknown { place, names } => {
                let place = place.to_string();
                let field = place.rsplit('.').next().unwrap_or_default();
                let failure = Failure::usage(format!("{name} version {version} has no field '{place}'"));
                match nearest(field, names.iter().map(String::as_str)) {
                    Some(near) => failure.hint(format!("did you mean '{near}'?")),
                    None if names.is_empty() => failure.hint("it has no fields there"),
                    None => failure.hint(format!("there are {}", names.join(", "))),
                }
            }
            JsonError::Absent { .. } => {
                Failure::usage(what).cause(&error).hint("another --api-version may have it")
            }
            _ => Failure::usage(what).cause(&error),
        }
    })
}

/// The answer as JSON.
pub fn decode(api: &ApiInfo, version: i16, body: Bytes) -> Result<Value, Failure> {
    json::decode(api.response, api.flexible_from, version, body).map_err(|error| {
        let what = format!("the answer is no {} response of version {version}", api.key.name());
        Failure::new(Exit::Failed, what).cause(error)
    })
}

/// The error that the whole answer reports; errors of single items are in its JSON.
pub fn refusal(api: &ApiInfo, answer: &Value) -> Option<Failure> {
    let code = answer.get("errorCode")?.as_i64().and_then(|code| i16::try_from(code).ok()).map(ErrorCode)?;
    code.ok().err().map(|code| {
        let failure = Failure::new(Exit::Failed, format!("{} was refused", api.key.name())).code(Some(code));
        match answer.get("errorMessage").and_then(Value::as_str).filter(|text| !text.is_empty()) {
            Some(said) => failure.cause(said),
            None => failure.cause(format!("{}: {}", code.name(), code.message())),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::ErrorStyle;

    fn refused(name: &str, version: i16, request: &Value) -> String {
        let api = find(name).expect("it is declared");
        encode(api, version, request).expect_err("it is wrong").render(ErrorStyle::Text)
    }

    #[test]
    fn apis_are_found_by_name_and_number_and_a_typing_error_names_the_nearest() {
        for name in ["Metadata", "metadata", "3"] {
            assert_eq!(find(name).expect("declared").key, ApiKey::METADATA);
        }
        let failure = find("Metdata").expect_err("a typing error").render(ErrorStyle::Text);
        assert_eq!(failure, "error: unknown API 'Metdata'\n  hint: did you mean Metadata?\n");
    }

    #[test]
    fn an_unknown_field_is_named_with_the_nearest() {
        let text = refused("Metadata", 9, &json!({"topics": [{"nmae": "t"}]}));
        assert_eq!(
            text,
            "error: Metadata version 9 has no field 'topics[0].nmae'\n  hint: did you mean 'name'?\n"
        );
        let text = refused("Metadata", 9, &json!({"zzzzzzzzzz": 1}));
        assert!(text.contains("there are topics, allowAutoTopicCreation"), "{text}");
    }

    #[test]
    fn what_an_older_version_lacks_is_not_dropped_in_silence() {
        let text = refused("Metadata", 1, &json!({"allowAutoTopicCreation": false}));
        assert!(text.contains("version 1 has no such field") && text.contains("--api-version"), "{text}");
    }

    #[test]
    fn a_request_that_is_never_answered_is_not_sent() {
        assert!(refused("Produce", 9, &json!({})).contains("never answered"));
        assert!(encode(find("Produce").expect("declared"), 9, &json!({"acks": 1})).is_ok());
    }

    #[test]
    fn an_empty_text_is_a_request_of_defaults() {
        assert_eq!(parse(" \n").ok(), Some(json!({})));
        assert!(parse("{").is_err());
    }

    #[test]
    fn a_refusal_is_what_the_whole_answer_reports() {
        let api = find("ApiVersions").expect("declared");
        assert!(refusal(api, &json!({"errorCode": 0})).is_none());
        assert!(refusal(api, &json!({"apiKeys": []})).is_none());
        let failure = refusal(api, &json!({"errorCode": 42})).expect("an error");
        assert!(failure.render(ErrorStyle::Text).contains("INVALID_REQUEST"));
    }
}
