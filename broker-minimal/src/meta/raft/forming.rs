//! How a cluster comes into being. All who are listed must be there and without a cluster; then the lowest of them forms
//! one, and the others take its id. A cluster that is there already is joined, never formed again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::QuorumError;
use super::network::{Answer, CallError, Caller, Greeting, Message, Refusal, Role};
use super::types::Node;

/// How long one who is asked may think.
const HELLO_LIMIT: Duration = Duration::from_secs(2);

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Ask again: these have not answered, or another forms the cluster.
    Wait { missing: Vec<String> },
    /// Form a cluster of these voters, by raft id.
    Form(BTreeMap<u64, Node>),
    /// Take this cluster's id.
    Adopt(String),
}

/// What was heard at one listed address.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) at: (String, u16),
    pub(super) greeting: Option<Greeting>,
}

/// Decides by what every listed peer has said, this node among them.
pub(super) fn decide(me: &Greeting, heard: &[Heard]) -> Result<Decision, QuorumError> {
    let greetings = || heard.iter().filter_map(|heard| heard.greeting.as_ref());
    let mut by_node_id: BTreeMap<i32, &Node> = BTreeMap::from([(me.node.node_id, &me.node)]);
    for Greeting { node, .. } in greetings() {
        let other = by_node_id.entry(node.node_id).or_insert(node);
        if other.directory() != node.directory() {
            return Err(QuorumError::NodeId {
                node_id: node.node_id,
                one: format!("{}:{}", other.host, other.port),
                other: format!("{}:{}", node.host, node.port),
            });
        }
    }
    let mut formed = greetings().filter_map(|greeting| greeting.cluster.as_ref());
    if let Some(cluster) = formed.next() {
        return match formed.find(|other| *other != cluster) {
            Some(other) => Err(QuorumError::Clusters { one: cluster.clone(), other: other.clone() }),
            None => Ok(Decision::Adopt(cluster.clone())),
        };
    }
    let missing = heard.iter().filter(|heard| heard.greeting.is_none());
    let missing: Vec<String> = missing.map(|heard| format!("{}:{}", heard.at.0, heard.at.1)).collect();
    let voters = || greetings().filter(|greeting| greeting.role == Role::Voter);
    let is_listed = voters().any(|greeting| greeting.node.directory() == me.node.directory());
    if !missing.is_empty() || !is_listed {
        return Ok(Decision::Wait { missing });
    }
    if let Some(other) = voters().find(|greeting| sorted(&greeting.peers) != sorted(&me.peers)) {
        return Err(QuorumError::Peers {
            ours: list(&me.peers),
            other: format!("{}:{}", other.node.host, other.node.port),
            theirs: list(&other.peers),
        });
    }
    let lowest = voters().map(|greeting| greeting.node.node_id).min();
    if lowest == Some(me.node.node_id) {
        let voters = voters().map(|greeting| (greeting.node.raft_id(), greeting.node.clone()));
        return Ok(Decision::Form(voters.collect()));
    }
    Ok(Decision::Wait { missing })
}

fn sorted(peers: &[(String, u16)]) -> Vec<&(String, u16)> {
    let mut peers: Vec<_> = peers.iter().collect();
    peers.sort();
    peers.dedup();
    peers
}

fn list(peers: &[(String, u16)]) -> String {
    let peers: Vec<String> = peers.iter().map(|(host, port)| format!("{host}:{port}")).collect();
    peers.join(",")
}

/// Asks every listed peer who it is, all at once. This node answers for itself.
pub(super) async fn ask(caller: &Caller, me: &Greeting) -> Vec<Heard> {
    let mut asked = tokio::task::JoinSet::new();
    for at in &me.peers {
        let (caller, me, at) = (caller.clone(), me.clone(), at.clone());
        asked.spawn(async move {
            let is_self = at.0 == me.node.host && at.1 == me.node.port;
            let greeting = if is_self { Some(me) } else { hello(&caller, &at, &me).await };
            Heard { at, greeting }
        });
    }
    asked.join_all().await
}

/// Asks one process who it is.
pub(super) async fn hello(caller: &Caller, at: &(String, u16), me: &Greeting) -> Option<Greeting> {
    let answer = caller.call((&at.0, at.1), None, Message::Hello(me.clone()), HELLO_LIMIT).await;
    match answer {
        Ok(Answer::Hello(greeting)) => {
            caller.contacts.heard(&greeting.node);
            Some(greeting)
        }
        Ok(_) => None,
        Err(
            error @ (CallError::Transport(_)
            | CallError::Timeout(_)
            | CallError::Refused(Refusal::NotRunning)),
        ) => {
            tracing::debug!(peer = %format_args!("{}:{}", at.0, at.1), %error, "peer of the quorum does not answer");
            None
        }
        Err(error @ (CallError::Refused(_) | CallError::Malformed(_))) => {
            tracing::warn!(peer = %format_args!("{}:{}", at.0, at.1), %error, "peer of the quorum answers with an error");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use kinglet_protocol::Uuid;

    use super::*;

    fn greeting(node_id: i32, directory: u8) -> Greeting {
        let port = u16::try_from(node_id).unwrap();
        Greeting {
            node: Node::new(node_id, Uuid([directory; 16]), "h", port),
            role: Role::Voter,
            cluster: None,
            peers: (1..=3).map(|port| ("h".to_owned(), port)).collect(),
        }
    }

    fn at(port: u16, greeting: Option<Greeting>) -> Heard {
        Heard { at: ("h".to_owned(), port), greeting }
    }

    fn all() -> Vec<Heard> {
        (1..=3_u8).map(|id| at(u16::from(id), Some(greeting(i32::from(id), id)))).collect()
    }

    #[test]
    fn the_lowest_node_forms_the_cluster_when_all_have_answered() {
        let Ok(Decision::Form(voters)) = decide(&greeting(1, 1), &all()) else { panic!("the lowest forms") };
        assert_eq!(voters.values().map(|node| node.node_id).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(decide(&greeting(2, 2), &all()).unwrap(), Decision::Wait { missing: vec![] });
        let mut heard = all();
        heard[2].greeting = None;
        let missing = vec!["h:3".to_owned()];
        assert_eq!(decide(&greeting(1, 1), &heard).unwrap(), Decision::Wait { missing });
    }

    #[test]
    fn a_cluster_that_is_there_is_joined_whoever_is_missing() {
        let mut heard = all();
        heard[1].greeting = None;
        heard[2].greeting.as_mut().unwrap().cluster = Some("c".to_owned());
        assert_eq!(decide(&greeting(1, 1), &heard).unwrap(), Decision::Adopt("c".to_owned()));
    }

    #[test]
    fn two_clusters_two_lists_or_one_node_id_twice_are_refused() {
        let mut heard = all();
        heard[1].greeting.as_mut().unwrap().cluster = Some("a".to_owned());
        heard[2].greeting.as_mut().unwrap().cluster = Some("b".to_owned());
        let error = decide(&greeting(1, 1), &heard).unwrap_err().to_string();
        assert!(error.contains('a') && error.contains('b'), "{error}");

        let mut heard = all();
        heard[2].greeting.as_mut().unwrap().peers.pop();
        let error = decide(&greeting(1, 1), &heard).unwrap_err().to_string();
        assert!(error.contains("h:1,h:2,h:3") && error.contains("h:3"), "{error}");

        let mut heard = all();
        heard[2].greeting = Some(greeting(2, 9));
        let error = decide(&greeting(1, 1), &heard).unwrap_err().to_string();
        assert!(error.contains("node id 2") && error.contains("h:2"), "{error}");
    }

    #[test]
    fn an_observer_forms_nothing_and_is_no_voter() {
        let mut heard = all();
        heard[0].greeting.as_mut().unwrap().role = Role::Observer;
        let Ok(Decision::Form(voters)) = decide(&greeting(2, 2), &heard) else {
            panic!("the lowest voter forms")
        };
        assert_eq!(voters.len(), 2);
        let mut me = greeting(4, 4);
        me.role = Role::Observer;
        assert_eq!(decide(&me, &all()).unwrap(), Decision::Wait { missing: vec![] });
    }
}
