//! The golden vectors: message bodies printed by Apache Kafka 4.3.1's own classes, each with the same message as Kafka's JSON.
#![allow(dead_code, reason = "every test binary compiles this file and uses its own part of it")]

use bytes::Bytes;
use kinglet_protocol::ApiInfo;
use kinglet_protocol::messages::REGISTRY;
use serde_json::Value;

use crate::model::{self, Direction};

/// One line of `data/vectors.jsonl`.
pub(crate) struct Vector {
    pub(crate) key: i16,
    pub(crate) direction: Direction,
    pub(crate) version: i16,
    /// The version of the header in front of this body.
    pub(crate) header_version: i16,
    pub(crate) body: Bytes,
    /// Kafka's JSON of the message; `records` is left empty there.
    pub(crate) json: Value,
    /// What to call the line in a failure.
    pub(crate) name: String,
}

impl Vector {
    /// The declared API, `None` when its message is not declared here (yet).
    pub(crate) fn api(&self) -> Option<&'static ApiInfo> {
        REGISTRY.iter().find(|api| api.key.0 == self.key && api.versions.contains(self.version))
    }
}

/// Every line of the file.
pub(crate) fn all() -> Vec<Vector> {
    include_str!("../data/vectors.jsonl").lines().map(parse).collect()
}

fn parse(line: &str) -> Vector {
    let mut line: Value = serde_json::from_str(line).expect("a vector is JSON");
    let number = |name: &str| {
        let number = line[name].as_i64().and_then(|n| i16::try_from(n).ok());
        number.unwrap_or_else(|| panic!("{name} is a number"))
    };
    let text = |name: &str| line[name].as_str().unwrap_or_else(|| panic!("{name} is text"));
    Vector {
        key: number("key"),
        direction: if text("kind") == "request" { Direction::Request } else { Direction::Response },
        version: number("version"),
        header_version: number("headerVersion"),
        body: model::unhex(text("hex")).into(),
        name: format!("{} {} v{} fill {}", text("api"), text("kind"), number("version"), number("fill")),
        json: line["json"].take(),
    }
}
