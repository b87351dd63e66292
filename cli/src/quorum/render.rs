//! What `kquorum` prints: kafka-metadata-quorum's lines byte for byte, tables for people, JSON.

use kinglet::admin::{QuorumDescription, QuorumEndpoint, QuorumReplica};
use serde_json::{Value, json};

use crate::error::{Exit, Failure};
use crate::output::{Shape, table};

const COLUMNS: [&str; 7] =
    ["NodeId", "DirectoryId", "LogEndOffset", "Lag", "LastFetchTimestamp", "LastCaughtUpTimestamp", "Status"];

/// How the times of replicas are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Milliseconds since 1970.
    Absolute,
    /// How long before this time, in milliseconds since 1970.
    Before(i64),
}

/// The largest lag of a voter, in records and in milliseconds; no time if one of the two is not known.
fn largest_lag(quorum: &QuorumDescription, leader: &QuorumReplica) -> (i64, Option<i64>) {
    let last = quorum.voters.iter().min_by_key(|voter| voter.log_end_offset).unwrap_or(leader);
    let lag = leader.log_end_offset.saturating_sub(last.log_end_offset);
    let times = (leader.last_caught_up_ms, last.last_caught_up_ms);
    match times {
        _ if std::ptr::eq(last, leader) => (lag, Some(0)),
        (Some(leader), Some(last)) => (lag, Some(leader.saturating_sub(last))),
        _ => (lag, None),
    }
}

/// The leader among the voters; without one nothing can be compared.
fn leader_of(quorum: &QuorumDescription) -> Result<&QuorumReplica, Failure> {
    quorum.leading().ok_or_else(|| {
        Failure::new(Exit::Failed, "the metadata quorum has no leader")
            .hint("try again; if it stays so, more than half of the controllers have to run")
    })
}

/// What `describe --status` prints.
pub fn status(cluster_id: &str, quorum: &QuorumDescription, shape: Shape) -> Result<String, Failure> {
    let leader = leader_of(quorum)?;
    let (lag, lag_ms) = largest_lag(quorum, leader);
    let QuorumDescription { leader_epoch, high_watermark, voters, observers, .. } = quorum;
    Ok(match shape {
        Shape::Kafka => {
            let lag_ms = lag_ms.unwrap_or(-1);
            let rows = [
                ("ClusterId", cluster_id.to_owned()),
                ("LeaderId", leader.id.to_string()),
                ("LeaderEpoch", leader_epoch.to_string()),
                ("HighWatermark", high_watermark.to_string()),
                ("MaxFollowerLag", lag.to_string()),
                ("MaxFollowerLagTimeMs", lag_ms.to_string()),
                ("CurrentVoters", nodes_as_kafka(quorum, voters)),
                ("CurrentObservers", nodes_as_kafka(quorum, observers)),
            ];
            rows.into_iter().map(|(name, value)| format!("{:<24}{value}\n", format!("{name}:"))).collect()
        }
        Shape::Human => {
            let ids = |replicas: &[QuorumReplica]| match replicas {
                [] => "none".to_owned(),
                replicas => replicas.iter().map(|r| r.id.to_string()).collect::<Vec<_>>().join(", "),
            };
            let lag_ms = lag_ms.map_or_else(String::new, |ms| format!(", {ms} ms"));
            format!(
                "cluster {cluster_id}\nleader    {}, elected {leader_epoch} times\ncommitted {high_watermark} of {}\n\
                 lag       {lag} records at most{lag_ms}\nvoters    {}\nobservers {}\n",
                leader.id,
                leader.log_end_offset,
                ids(voters),
                ids(observers)
            )
        }
        Shape::Json => {
            let document = json!({
                "schema": "kinglet/quorum.status/v1",
                "cluster_id": cluster_id, "leader": leader.id, "leader_epoch": leader_epoch,
                "high_watermark": high_watermark, "max_follower_lag": lag, "max_follower_lag_ms": lag_ms,
                "voters": nodes_as_json(quorum, voters), "observers": nodes_as_json(quorum, observers),
            });
            document.to_string() + "\n"
        }
    })
}

/// What `describe --replication` prints.
pub fn replication(quorum: &QuorumDescription, times: Times, shape: Shape) -> Result<String, Failure> {
    let leader = leader_of(quorum)?;
    let followers = quorum.voters.iter().filter(|voter| voter.id != leader.id);
    let all = std::iter::once((leader, "Leader"))
        .chain(followers.map(|voter| (voter, "Follower")))
        .chain(quorum.observers.iter().map(|observer| (observer, "Observer")));
    let lag = |replica: &QuorumReplica| leader.log_end_offset.saturating_sub(replica.log_end_offset);
    if shape == Shape::Json {
        let rows: Vec<Value> = all
            .map(|(replica, status)| {
                json!({
                    "id": replica.id, "directory_id": replica.directory.map(|id| id.to_string()),
                    "log_end_offset": replica.log_end_offset, "lag": lag(replica),
                    "last_fetch_ms": replica.last_fetch_ms, "last_caught_up_ms": replica.last_caught_up_ms,
                    "status": status,
                })
            })
            .collect();
        return Ok(json!({"schema": "kinglet/quorum.replication/v1", "replicas": rows}).to_string() + "\n");
    }
    let mut rows: Vec<[String; 7]> = Vec::new();
    for (replica, status) in all {
        rows.push([
            replica.id.to_string(),
            replica.directory.unwrap_or_default().to_string(),
            replica.log_end_offset.to_string(),
            lag(replica).to_string(),
            time(replica.last_fetch_ms, times, "last fetch")?,
            time(replica.last_caught_up_ms, times, "last caught up")?,
            status.to_owned(),
        ]);
    }
    Ok(match shape {
        Shape::Human => {
            table(["NODE", "DIRECTORY", "LOG END", "LAG", "LAST FETCH", "CAUGHT UP", "STATUS"], rows)
        }
        Shape::Kafka | Shape::Json => rows_as_kafka(&rows),
    })
}

/// Columns as wide as their widest value, with a tab behind each.
fn rows_as_kafka(rows: &[[String; 7]]) -> String {
    let rows = || std::iter::once(COLUMNS).chain(rows.iter().map(|row| row.each_ref().map(String::as_str)));
    let mut widths = [0; 7];
    for row in rows() {
        for (width, value) in widths.iter_mut().zip(row) {
            *width = value.chars().count().max(*width);
        }
    }
    let line = |row: [&str; 7]| {
        let cells = row.into_iter().zip(widths).map(|(value, width)| format!("{value:<width$}\t"));
        cells.collect::<String>() + "\n"
    };
    rows().map(line).collect()
}

/// A time that may not be known. One that lies ahead shows that two clocks differ, as Kafka says.
fn time(at: Option<i64>, times: Times, what: &str) -> Result<String, Failure> {
    match (at, times) {
        (None, _) => Ok("-1".to_owned()),
        (Some(at), Times::Absolute) => Ok(at.to_string()),
        (Some(at), Times::Before(now)) if at > 0 && at <= now => Ok(format!("{} ms ago", now - at)),
        (Some(at), Times::Before(now)) => Err(Failure::new(Exit::Failed, "cannot say how long ago that was").cause(format!(
            "Error while computing relative time, possible drift in system clock.\nCurrent timestamp is {now}, {what} timestamp is {at}"
        ))),
    }
}

fn nodes_as_kafka(quorum: &QuorumDescription, replicas: &[QuorumReplica]) -> String {
    let node = |replica: &QuorumReplica| {
        let mut text = format!("{{\"id\": {}", replica.id);
        if let Some(directory) = replica.directory {
            text += &format!(", \"directoryId\": \"{directory}\"");
        }
        let endpoints = quorum.endpoints(replica.id);
        if !endpoints.is_empty() {
            let all: Vec<String> = endpoints.iter().map(|at| format!("\"{}\"", url(at))).collect();
            text += &format!(", \"endpoints\": [{}]", all.join(", "));
        }
        text + "}"
    };
    format!("[{}]", replicas.iter().map(node).collect::<Vec<_>>().join(", "))
}

fn nodes_as_json(quorum: &QuorumDescription, replicas: &[QuorumReplica]) -> Vec<Value> {
    let node = |replica: &QuorumReplica| {
        let endpoints: Vec<String> = quorum.endpoints(replica.id).iter().map(url).collect();
        json!({"id": replica.id, "directory_id": replica.directory.map(|id| id.to_string()), "endpoints": endpoints})
    };
    replicas.iter().map(node).collect()
}

fn url(at: &QuorumEndpoint) -> String {
    let QuorumEndpoint { listener, host, port } = at;
    if host.contains(':') {
        format!("{listener}://[{host}]:{port}")
    } else {
        format!("{listener}://{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kinglet::admin::QuorumNode;
    use kinglet::protocol::Uuid;

    fn replica(id: i32, log_end_offset: i64, times: Option<(i64, i64)>) -> QuorumReplica {
        QuorumReplica {
            id,
            directory: None,
            log_end_offset,
            last_fetch_ms: times.map(|(fetch, _)| fetch),
            last_caught_up_ms: times.map(|(_, caught_up)| caught_up),
        }
    }

    /// As the recorded cluster of three, with one voter behind.
    fn quorum() -> QuorumDescription {
        let node = |id: i32| {
            let endpoint = QuorumEndpoint {
                listener: "CONTROLLER".to_owned(),
                host: "127.0.0.1".to_owned(),
                port: u16::try_from(19191 + id).expect("a port"),
            };
            QuorumNode { id, endpoints: vec![endpoint] }
        };
        QuorumDescription {
            leader: Some(1),
            leader_epoch: 3,
            high_watermark: 1307,
            voters: vec![
                replica(1, 1307, Some((900, 900))),
                replica(2, 1307, Some((890, 880))),
                replica(3, 1300, Some((700, 600))),
            ],
            observers: Vec::new(),
            nodes: [1, 2, 3].map(node).to_vec(),
        }
    }

    #[test]
    fn the_status_reads_as_kafkas_tool_was_seen_to_print_it() {
        let mut quorum = quorum();
        quorum.voters[2] = replica(3, 1307, None);
        let text = status("aqLHdWcpSWCzK8uMMHw3RA", &quorum, Shape::Kafka).expect("a leader");
        assert_eq!(
            text,
            "ClusterId:              aqLHdWcpSWCzK8uMMHw3RA\n\
             LeaderId:               1\n\
             LeaderEpoch:            3\n\
             HighWatermark:          1307\n\
             MaxFollowerLag:         0\n\
             MaxFollowerLagTimeMs:   0\n\
             CurrentVoters:          [{\"id\": 1, \"endpoints\": [\"CONTROLLER://127.0.0.1:19192\"]}, \
             {\"id\": 2, \"endpoints\": [\"CONTROLLER://127.0.0.1:19193\"]}, {\"id\": 3, \"endpoints\": [\"CONTROLLER://127.0.0.1:19194\"]}]\n\
             CurrentObservers:       []\n"
        );
    }

    #[test]
    fn the_largest_lag_is_that_of_the_voter_whose_log_is_shortest() {
        let mut quorum = quorum();
        let lag = |quorum: &QuorumDescription| largest_lag(quorum, quorum.leading().expect("a leader"));
        assert_eq!(lag(&quorum), (7, Some(300)));
        quorum.voters[2].last_caught_up_ms = None;
        assert_eq!(lag(&quorum), (7, None));
        assert!(
            status("c", &quorum, Shape::Kafka).expect("a leader").contains("MaxFollowerLagTimeMs:   -1\n")
        );
    }

    #[test]
    fn directories_and_addresses_of_ipv6_are_printed_as_kafka_does() {
        let mut quorum = quorum();
        quorum.voters.truncate(1);
        quorum.voters[0].directory = Some(Uuid([1; 16]));
        quorum.nodes[0].endpoints[0].host = "::1".to_owned();
        quorum.observers = vec![replica(9, 5, None)];
        let text = status("c", &quorum, Shape::Kafka).expect("a leader");
        assert!(text.contains("[{\"id\": 1, \"directoryId\": \"AQEBAQEBAQEBAQEBAQEBAQ\", \"endpoints\": [\"CONTROLLER://[::1]:19192\"]}]\n"), "{text}");
        assert!(text.ends_with("CurrentObservers:       [{\"id\": 9}]\n"), "{text}");
    }

    #[test]
    fn replicas_stand_under_each_other_the_leader_first() {
        let mut quorum = quorum();
        quorum.leader = Some(2);
        quorum.observers = vec![replica(9, -1, None)];
        let zero = "AAAAAAAAAAAAAAAAAAAAAA";
        let text = replication(&quorum, Times::Absolute, Shape::Kafka).expect("a leader");
        assert_eq!(
            text,
            format!(
                "NodeId\tDirectoryId           \tLogEndOffset\tLag \tLastFetchTimestamp\tLastCaughtUpTimestamp\tStatus  \t\n\
                 2     \t{zero}\t1307        \t0   \t890               \t880                  \tLeader  \t\n\
                 1     \t{zero}\t1307        \t0   \t900               \t900                  \tFollower\t\n\
                 3     \t{zero}\t1300        \t7   \t700               \t600                  \tFollower\t\n\
                 9     \t{zero}\t-1          \t1308\t-1                \t-1                   \tObserver\t\n"
            )
        );
    }

    #[test]
    fn times_are_counted_back_from_now_and_one_ahead_is_no_time() {
        let text = replication(&quorum(), Times::Before(1000), Shape::Kafka).expect("a leader");
        assert!(text.contains("\t100 ms ago") && text.contains("\t400 ms ago"), "{text}");
        let ahead =
            replication(&quorum(), Times::Before(899), Shape::Kafka).expect_err("the clock is behind");
        let said = ahead.render(crate::error::ErrorStyle::Text);
        assert!(said.contains("Current timestamp is 899, last fetch timestamp is 900"), "{said}");
    }

    #[test]
    fn without_a_leader_nothing_is_printed() {
        let quorum = QuorumDescription { leader: None, ..quorum() };
        for shape in [Shape::Kafka, Shape::Human, Shape::Json] {
            assert_eq!(status("c", &quorum, shape).expect_err("no leader").exit(), Exit::Failed);
            assert_eq!(
                replication(&quorum, Times::Absolute, shape).expect_err("no leader").exit(),
                Exit::Failed
            );
        }
    }

    #[test]
    fn json_has_numbers_and_nulls() {
        let mut quorum = quorum();
        quorum.voters[2].last_fetch_ms = None;
        let text = replication(&quorum, Times::Absolute, Shape::Json).expect("a leader");
        let document: Value = serde_json::from_str(&text).expect("one JSON object");
        assert_eq!(
            (&document["replicas"][0]["status"], &document["replicas"][2]["lag"]),
            (&"Leader".into(), &7.into())
        );
        assert_eq!(
            (&document["replicas"][2]["last_fetch_ms"], &document["replicas"][2]["directory_id"]),
            (&Value::Null, &Value::Null)
        );
        let document: Value = serde_json::from_str(&status("c", &quorum, Shape::Json).expect("a leader"))
            .expect("one JSON object");
        assert_eq!(document["voters"][0]["endpoints"][0], "CONTROLLER://127.0.0.1:19192");
        assert_eq!(
            (&document["schema"], &document["max_follower_lag_ms"]),
            (&"kinglet/quorum.status/v1".into(), &300.into())
        );
    }
}
