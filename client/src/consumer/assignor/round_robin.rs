//! All partitions of all topics in turn.

use std::collections::HashMap;

use super::{Assignor, Member, TopicPartitions, by_member, in_order, subscribed};
use crate::TopicPartition;

/// `roundrobin`: the partitions, sorted, go to the members, sorted, in turn; a member that does not subscribe to the topic is
/// skipped. Members whose subscriptions are equal get equal shares.
#[derive(Debug)]
pub(super) struct RoundRobin;

impl Assignor for RoundRobin {
    fn name(&self) -> &str {
        "roundrobin"
    }

    fn assign(&self, topics: &TopicPartitions, members: &[Member]) -> HashMap<String, Vec<TopicPartition>> {
        let members = in_order(members);
        let mut shares = vec![Vec::new(); members.len()];
        // Whose turn it is; the turn goes on from topic to topic.
        let mut turn = 0;
        for topic in subscribed(topics, &members) {
            for index in 0..topic.count {
                let at = topic.members.partition_point(|member| *member < turn);
                let Some(member) = topic.members.get(at).or_else(|| topic.members.first()) else { break };
                if let Some(share) = shares.get_mut(*member) {
                    share.push(topic.partition(index));
                }
                turn = (member + 1) % members.len();
            }
        }
        by_member(&members, shares)
    }
}
