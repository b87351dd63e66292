//! What `kapi` prints of versions: Kafka's lines, tables, JSON. Pure.

use kinglet::admin::BrokerInfo;
use kinglet::protocol::messages::REGISTRY;
use kinglet::protocol::releases::is_client_facing;
use kinglet::protocol::{ApiKey, VersionRange, negotiate};
use serde_json::{Value, json};

use crate::output::{Shape, table};

/// A broker and what it serves, or why it does not say.
#[derive(Clone, Debug)]
pub struct Node {
    /// The broker.
    pub broker: BrokerInfo,
    /// Its APIs.
    pub apis: Result<Vec<(ApiKey, VersionRange)>, String>,
}

/// What every broker serves.
pub fn versions(nodes: &[Node], shape: Shape) -> String {
    match shape {
        Shape::Kafka => nodes.iter().map(kafka).collect(),
        Shape::Human => nodes.iter().map(human).collect(),
        Shape::Json => {
            let brokers: Vec<Value> = nodes.iter().map(json_of).collect();
            json!({"schema": "kinglet/api-versions/v1", "brokers": brokers}).to_string() + "\n"
        }
    }
}

/// What can be sent.
pub fn list(shape: Shape) -> String {
    match shape {
        Shape::Kafka => {
            REGISTRY.iter().map(|api| format!("{}: {}\n", api.key, range(api.versions))).collect()
        }
        Shape::Human => {
            let row = |api: &kinglet::protocol::ApiInfo| {
                [api.key.name().to_owned(), api.key.0.to_string(), range(api.versions)]
            };
            table(["API", "KEY", "VERSIONS"], REGISTRY.iter().map(row))
        }
        Shape::Json => {
            let apis: Vec<Value> = REGISTRY.iter().map(|api| entry(api.key, api.versions)).collect();
            json!({"schema": "kinglet/apis/v1", "apis": apis}).to_string() + "\n"
        }
    }
}

/// Byte for byte as kafka-broker-api-versions.
fn kafka(node: &Node) -> String {
    let name = name(&node.broker);
    match &node.apis {
        Ok(apis) => {
            let lines: Vec<String> = rows(apis).iter().map(|row| format!("\t{}", line(row))).collect();
            format!("{name} -> (\n{}\n)\n", lines.join(",\n"))
        }
        Err(error) => format!("{name} -> ERROR: {error}\n"),
    }
}

fn line((key, served): &Row) -> String {
    let Some(served) = served else { return format!("{key}: UNSUPPORTED") };
    if key.name() == "Unknown" {
        return format!("UNKNOWN({}): {}", key.0, range(*served));
    }
    let usable = match usable(*key, *served) {
        Usable::In(version) => format!("usable: {version}"),
        Usable::TooOld => "unusable: node too old".to_owned(),
        Usable::TooNew => "unusable: node too new".to_owned(),
    };
    format!("{key}: {} [{usable}]", range(*served))
}

fn human(node: &Node) -> String {
    let BrokerInfo { id, host, port, rack } = &node.broker;
    let rack = rack.as_ref().map(|rack| format!(", rack {rack}")).unwrap_or_default();
    let title = format!("broker {id} at {host}:{port}{rack}");
    let apis = match &node.apis {
        Ok(apis) => apis,
        Err(error) => return format!("{title}: {error}\n\n"),
    };
    let row = |(key, served): &Row| {
        let usable = served.map_or("-".to_owned(), |served| match usable(*key, served) {
            Usable::In(version) => version.to_string(),
            Usable::TooOld => "too old".to_owned(),
            Usable::TooNew => "too new".to_owned(),
        });
        [key.name().to_owned(), key.0.to_string(), served.map_or("-".to_owned(), range), usable]
    };
    format!("{title}\n{}\n", table(["API", "KEY", "VERSIONS", "USABLE"], rows(apis).iter().map(row)))
}

fn json_of(node: &Node) -> Value {
    let BrokerInfo { id, host, port, rack } = &node.broker;
    let mut document = json!({"id": id, "host": host, "port": port, "rack": rack});
    match &node.apis {
        Ok(apis) => {
            let mut apis = apis.clone();
            apis.sort_by_key(|(key, _)| *key);
            let usable = |key, served| match usable(key, served) {
                Usable::In(version) => Some(version),
                Usable::TooOld | Usable::TooNew => None,
            };
            let api = |(key, served): &(ApiKey, VersionRange)| {
                let mut entry = entry(*key, *served);
                entry["usable"] = json!(usable(*key, *served));
                entry
            };
            document["apis"] = apis.iter().map(api).collect();
        }
        Err(error) => document["error"] = json!(error),
    }
    document
}

fn entry(key: ApiKey, versions: VersionRange) -> Value {
    json!({"name": key.name(), "key": key.0, "min_version": versions.first, "max_version": versions.last})
}

/// An API and what the broker serves of it.
type Row = (ApiKey, Option<VersionRange>);

/// What the broker serves and what else clients could ask for, by key.
fn rows(apis: &[(ApiKey, VersionRange)]) -> Vec<Row> {
    let mut rows: Vec<Row> = apis.iter().map(|(key, served)| (*key, Some(*served))).collect();
    let missing = REGISTRY.iter().map(|api| api.key).filter(|key| is_client_facing(*key));
    rows.extend(missing.filter(|key| !apis.iter().any(|(of, _)| of == key)).map(|key| (key, None)));
    rows.sort_by_key(|(key, _)| *key);
    rows
}

enum Usable {
    In(i16),
    TooOld,
    TooNew,
}

fn usable(key: ApiKey, served: VersionRange) -> Usable {
    let Some(api) = REGISTRY.iter().find(|api| api.key == key) else { return Usable::TooNew };
    match negotiate(api.versions, served) {
        Some(version) => Usable::In(version),
        None if served.last < api.versions.first => Usable::TooOld,
        None => Usable::TooNew,
    }
}

fn range(versions: VersionRange) -> String {
    if versions.first == versions.last {
        versions.first.to_string()
    } else {
        format!("{} to {}", versions.first, versions.last)
    }
}

/// As Java writes a node.
fn name(broker: &BrokerInfo) -> String {
    let BrokerInfo { id, host, port, rack } = broker;
    let rack = rack.as_deref().unwrap_or("null");
    format!("{host}:{port} (id: {id} rack: {rack} isFenced: false)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(apis: Result<Vec<(ApiKey, VersionRange)>, String>) -> Node {
        Node { broker: BrokerInfo { id: 1, host: "h".to_owned(), port: 9092, rack: None }, apis }
    }

    #[test]
    fn lines_are_those_of_kafkas_tool() {
        let apis = vec![
            (ApiKey::FETCH, VersionRange::new(0, 99)),
            (ApiKey::PRODUCE, VersionRange::new(0, 0)),
            (ApiKey::METADATA, VersionRange::new(90, 99)),
            (ApiKey(4321), VersionRange::new(0, 1)),
        ];
        let text = versions(&[node(Ok(apis))], Shape::Kafka);
        let lines: Vec<&str> = text.lines().collect();

        assert_eq!(lines[0], "h:9092 (id: 1 rack: null isFenced: false) -> (");
        assert_eq!(lines[1], "\tProduce(0): 0 [usable: 0],");
        assert_eq!(lines[2], "\tFetch(1): 0 to 99 [usable: 18],");
        assert_eq!(lines[3], "\tListOffsets(2): UNSUPPORTED,");
        assert_eq!(lines[4], "\tMetadata(3): 90 to 99 [unusable: node too new],");
        assert_eq!(lines[5], "\tOffsetCommit(8): UNSUPPORTED,");
        assert_eq!(lines[lines.len() - 2], "\tUNKNOWN(4321): 0 to 1");
        assert_eq!(lines[lines.len() - 1], ")");
    }

    #[test]
    fn a_broker_that_does_not_say_stands_among_the_others() {
        let text = versions(&[node(Err("too old".to_owned()))], Shape::Kafka);
        assert_eq!(text, "h:9092 (id: 1 rack: null isFenced: false) -> ERROR: too old\n");
    }

    #[test]
    fn json_has_every_api_that_is_served() {
        let apis = vec![(ApiKey::PRODUCE, VersionRange::new(0, 3))];
        let text = versions(&[node(Ok(apis))], Shape::Json);
        let parsed: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            parsed["brokers"][0]["apis"],
            json!([{"name": "Produce", "key": 0, "min_version": 0, "max_version": 3, "usable": 3}])
        );
    }
}
