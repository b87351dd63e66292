//! What `kcluster` prints: kafka-cluster's lines byte for byte, tables for people, JSON.

use kinglet::admin::{BrokerInfo, ClusterDescription};
use serde_json::{Value, json};

use crate::output::{Shape, table};
use crate::session::Servers;

/// What `cluster-id` prints.
pub fn id(cluster_id: &str, shape: Shape) -> String {
    match (shape, cluster_id) {
        (Shape::Json, id) => json!({"schema": "kinglet/cluster.id/v1", "cluster_id": id}).to_string() + "\n",
        (Shape::Human, id) if !id.is_empty() => format!("{id}\n"),
        (_, "") => "No cluster ID found. The Kafka version is probably too old.\n".to_owned(),
        (_, id) => format!("Cluster ID: {id}\n"),
    }
}

/// What `unregister` prints.
pub fn unregistered(broker: i32, shape: Shape) -> String {
    match shape {
        Shape::Kafka | Shape::Human => format!("Broker {broker} is no longer registered.\n"),
        Shape::Json => {
            json!({"schema": "kinglet/cluster.unregister/v1", "broker": broker}).to_string() + "\n"
        }
    }
}

/// What `list-endpoints` prints.
pub fn endpoints(cluster: &ClusterDescription, servers: Servers, shape: Shape) -> String {
    let alive = cluster.brokers.iter().map(|node| (node, "unfenced"));
    let mut nodes: Vec<(&BrokerInfo, &str)> =
        alive.chain(cluster.fenced.iter().map(|node| (node, "fenced"))).collect();
    nodes.sort_by_key(|(node, _)| node.id);
    let kind = match servers {
        Servers::Brokers => "broker",
        Servers::Controllers => "controller",
    };
    match shape {
        Shape::Kafka => as_kafka(&nodes, servers, kind),
        Shape::Human => {
            let row = |(node, state): &(&BrokerInfo, &str)| {
                let rack = node.rack.clone().unwrap_or_else(|| "-".to_owned());
                let active = if cluster.controller == Some(node.id) && servers == Servers::Controllers {
                    "active"
                } else {
                    *state
                };
                [node.id.to_string(), node.host.clone(), node.port.to_string(), rack, active.to_owned()]
            };
            table(["ID", "HOST", "PORT", "RACK", "STATE"], nodes.iter().map(row))
        }
        Shape::Json => {
            let row = |(node, state): &(&BrokerInfo, &str)| {
                json!({
                    "id": node.id, "host": node.host, "port": node.port, "rack": node.rack,
                    "is_fenced": *state == "fenced", "type": kind,
                })
            };
            let nodes: Vec<Value> = nodes.iter().map(row).collect();
            json!({"schema": "kinglet/cluster.endpoints/v1", "endpoints": nodes}).to_string() + "\n"
        }
    }
}

/// Columns with a space between; host and rack are as wide as their widest value, whatever their headers are.
fn as_kafka(nodes: &[(&BrokerInfo, &str)], servers: Servers, kind: &str) -> String {
    let host = nodes.iter().map(|(node, _)| node.host.encode_utf16().count()).max().unwrap_or(100);
    let racks = nodes.iter().filter_map(|(node, _)| node.rack.as_ref());
    let rack = racks.map(|rack| rack.encode_utf16().count()).max().unwrap_or(10);
    let line = |[id, name, port, place, state, kind]: [&str; 6]| {
        let state = match servers {
            Servers::Brokers => format!("{state:<10} "),
            Servers::Controllers => String::new(),
        };
        format!("{id:<10} {name:<host$} {port:<10} {place:<rack$} {state}{kind:<15}\n")
    };
    let mut out = line(["ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE"]);
    for (node, state) in nodes {
        let place = node.rack.as_deref().unwrap_or("null");
        out += &line([&node.id.to_string(), &node.host, &node.port.to_string(), place, state, kind]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_listed_as_kafka_cluster_lists_them() {
        let node = |id, rack: Option<&str>| BrokerInfo {
            id,
            host: "h".to_owned(),
            port: 9092,
            rack: rack.map(str::to_owned),
        };
        let cluster = ClusterDescription {
            cluster_id: "c".to_owned(),
            controller: Some(1),
            brokers: vec![node(1, None), node(3, None)],
            fenced: vec![node(2, None)],
        };

        let line = |id, state| format!("{id:<10} h 9092       null       {state:<10} broker         \n");
        assert_eq!(
            endpoints(&cluster, Servers::Brokers, Shape::Kafka),
            format!(
                "ID         HOST PORT       RACK       STATE      ENDPOINT_TYPE  \n{}{}{}",
                line(1, "unfenced"),
                line(2, "fenced"),
                line(3, "unfenced")
            )
        );
        assert!(
            endpoints(&cluster, Servers::Controllers, Shape::Kafka)
                .starts_with("ID         HOST PORT       RACK       ENDPOINT_TYPE  \n")
        );
    }
}
