//! The metadata quorum (KIP-595): who votes, who only follows, and how far each is.

use super::{Admin, result};
use crate::client::Target;
use crate::protocol::Uuid;
use crate::protocol::messages::describe_quorum::{
    Node, PartitionData, PartitionDataResponse, ReplicaState, TopicData,
};
use crate::protocol::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use crate::{Error, ErrorKind, Result, rng};

/// The topic whose one partition the quorum replicates.
const TOPIC: &str = "__cluster_metadata";
/// How often the quorum is asked while it has no leader.
const ROUNDS: u32 = 5;

/// The metadata quorum as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumDescription {
    /// The leader's node id; `None` while there is none.
    pub leader: Option<i32>,
    /// How often a leader was elected.
    pub leader_epoch: i32,
    /// The offset before which everything is committed; -1 while a new leader does not know it.
    pub high_watermark: i64,
    /// Who elects the leader, in the order of the answer.
    pub voters: Vec<QuorumReplica>,
    /// Who only follows: brokers that are no controllers, and controllers that are no voters.
    pub observers: Vec<QuorumReplica>,
    /// Where voters are reached; empty from clusters before 3.9 (KIP-853).
    pub nodes: Vec<QuorumNode>,
}

/// One replica of the metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumReplica {
    /// Its node id.
    pub id: i32,
    /// The id of the directory it keeps the log in; `None` where that is not known (KIP-853).
    pub directory: Option<Uuid>,
    /// The end of its log, as far as the leader knows; -1 if it has not fetched yet.
    pub log_end_offset: i64,
    /// When it last fetched from the leader, in milliseconds since 1970 by the leader's clock (KIP-836).
    pub last_fetch_ms: Option<i64>,
    /// When it last had everything that the leader had.
    pub last_caught_up_ms: Option<i64>,
}

/// A node of the quorum and its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumNode {
    /// Its id.
    pub id: i32,
    /// Its controller listeners.
    pub endpoints: Vec<QuorumEndpoint>,
}

/// An address of a node of the quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumEndpoint {
    /// The listener's name.
    pub listener: String,
    /// The host name or address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl QuorumDescription {
    /// The leader among the voters.
    pub fn leading(&self) -> Option<&QuorumReplica> {
        let leader = self.leader?;
        self.voters.iter().find(|voter| voter.id == leader)
    }

    /// The addresses of a node, none if they are not known.
    pub fn endpoints(&self, id: i32) -> &[QuorumEndpoint] {
        self.nodes.iter().find(|node| node.id == id).map_or(&[], |node| &node.endpoints)
    }
}

impl Admin {
    /// The metadata quorum: leader, voters and observers, as the active controller knows them. Any broker may be asked,
    /// and passes the question on; a controller that is asked itself has to be the active one. Needs Kafka 3.3 (KIP-836;
    /// in 2.7 with KIP-595 only controllers answer).
    ///
    /// While no leader is elected, the question is repeated a few times.
    ///
    /// ```no_run
    /// # async fn run(client: kinglet::Client) -> kinglet::Result<()> {
    /// let quorum = client.admin().describe_quorum().await?;
    /// for voter in &quorum.voters {
    ///     println!("{}: {} of {}", voter.id, voter.log_end_offset, quorum.high_watermark);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn describe_quorum(&self) -> Result<QuorumDescription> {
        let request = DescribeQuorumRequest {
            topics: vec![TopicData {
                topic_name: TOPIC.to_owned(),
                partitions: vec![PartitionData { partition_index: 0 }],
            }],
        };
        let work = async {
            let mut round = 1;
            loop {
                let answer = described(self.core.request(&request, &Target::Any).await?);
                match answer {
                    Err(error) if round < ROUNDS && error.code().is_some_and(|code| code.is_retriable()) => {
                        tokio::time::sleep(self.core.retry.delay(round, rng::unit())).await;
                        round += 1;
                    }
                    answer => return answer,
                }
            }
        };
        self.core.within_api_timeout("DescribeQuorum", work).await
    }
}

fn described(answer: DescribeQuorumResponse) -> Result<QuorumDescription> {
    result(answer.error_code, answer.error_message, "the quorum", ())?;
    let topic = answer.topics.into_iter().find(|topic| topic.topic_name == TOPIC);
    let partition = topic.and_then(|topic| topic.partitions.into_iter().find(|p| p.partition_index == 0));
    let Some(partition) = partition else {
        return Err(Error::new(ErrorKind::Protocol, format!("the answer does not mention {TOPIC}-0")));
    };
    let PartitionDataResponse { error_code, error_message, .. } = partition;
    result(error_code, error_message, "the quorum", ())?;
    Ok(QuorumDescription {
        leader: (partition.leader_id >= 0).then_some(partition.leader_id),
        leader_epoch: partition.leader_epoch,
        high_watermark: partition.high_watermark,
        voters: partition.current_voters.into_iter().map(replica).collect(),
        observers: partition.observers.into_iter().map(replica).collect(),
        nodes: answer.nodes.into_iter().map(node).collect(),
    })
}

fn replica(state: ReplicaState) -> QuorumReplica {
    let known = |timestamp: i64| (timestamp >= 0).then_some(timestamp);
    QuorumReplica {
        id: state.replica_id,
        directory: (!state.replica_directory_id.is_zero()).then_some(state.replica_directory_id),
        log_end_offset: state.log_end_offset,
        last_fetch_ms: known(state.last_fetch_timestamp),
        last_caught_up_ms: known(state.last_caught_up_timestamp),
    }
}

fn node(node: Node) -> QuorumNode {
    let endpoints = node.listeners.into_iter();
    let endpoints = endpoints.map(|at| QuorumEndpoint { listener: at.name, host: at.host, port: at.port });
    QuorumNode { id: node.node_id, endpoints: endpoints.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ErrorCode;
    use crate::protocol::messages::describe_quorum::{Listener, TopicDataResponse};

    fn state(replica_id: i32, log_end_offset: i64) -> ReplicaState {
        ReplicaState { replica_id, log_end_offset, ..Default::default() }
    }

    fn answer(partition: PartitionDataResponse) -> DescribeQuorumResponse {
        let topics = vec![TopicDataResponse { topic_name: TOPIC.to_owned(), partitions: vec![partition] }];
        DescribeQuorumResponse { topics, ..Default::default() }
    }

    #[test]
    fn an_answer_of_version_0_knows_neither_times_nor_directories() {
        let partition = PartitionDataResponse {
            leader_id: 2,
            leader_epoch: 5,
            high_watermark: 40,
            current_voters: vec![state(1, 39), state(2, 41)],
            observers: vec![state(3, -1)],
            ..Default::default()
        };
        let quorum = described(answer(partition)).unwrap();
        assert_eq!((quorum.leader, quorum.leader_epoch, quorum.high_watermark), (Some(2), 5, 40));
        assert_eq!(quorum.leading().map(|leader| leader.log_end_offset), Some(41));
        let unknown = QuorumReplica {
            id: 3,
            directory: None,
            log_end_offset: -1,
            last_fetch_ms: None,
            last_caught_up_ms: None,
        };
        assert_eq!(quorum.observers, [unknown]);
        assert_eq!(quorum.endpoints(1), []);
    }

    #[test]
    fn times_directories_and_addresses_are_told_where_they_are_known() {
        let directory = Uuid([7; 16]);
        let voter = ReplicaState {
            replica_directory_id: directory,
            last_fetch_timestamp: 9,
            last_caught_up_timestamp: 8,
            ..state(1, 3)
        };
        let listener = Listener { name: "CONTROLLER".into(), host: "h".into(), port: 9093 };
        let answer = DescribeQuorumResponse {
            nodes: vec![Node { node_id: 1, listeners: vec![listener] }],
            ..answer(PartitionDataResponse {
                leader_id: -1,
                current_voters: vec![voter],
                ..Default::default()
            })
        };
        let quorum = described(answer).unwrap();
        assert_eq!((quorum.leader, quorum.leading()), (None, None));
        let voter = &quorum.voters[0];
        assert_eq!(
            (voter.directory, voter.last_fetch_ms, voter.last_caught_up_ms),
            (Some(directory), Some(9), Some(8))
        );
        assert_eq!(quorum.endpoints(1)[0].port, 9093);
    }

    #[test]
    fn a_refusal_of_all_or_of_the_partition_is_an_error_with_its_code() {
        let all = DescribeQuorumResponse {
            error_code: ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
            error_message: Some("no".into()),
            ..Default::default()
        };
        let error = described(all).unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
        assert_eq!(error.broker_message(), Some("no"));
        let partition =
            PartitionDataResponse { error_code: ErrorCode::NOT_LEADER_OR_FOLLOWER, ..Default::default() };
        let error = described(answer(partition)).unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        assert_eq!(described(DescribeQuorumResponse::default()).unwrap_err().kind(), ErrorKind::Protocol);
    }
}
