//! Equal shares, few moves, near replicas.

mod claims;
mod equal;
mod moves;
mod uneven;

use std::collections::HashMap;

use bytes::Bytes;

use super::wire::{decode_previous, encode_previous};
use super::{Assignor, Member, TopicPartitions};
use crate::TopicPartition;
use claims::Group;

/// `sticky`: members give up everything when they rebalance, and get most of it back (KIP-54). What they had travels in the
/// user data.
///
/// Where members and replicas say on which racks they are, members get partitions with a replica near them as far as shares
/// stay equal, and do not get back what is far (KIP-881). A leader of Kafka's own decides alike.
#[derive(Debug)]
pub(super) struct Sticky;

/// `cooperative-sticky`: members keep what they have while they rebalance, and give up only what goes to others (KIP-429).
/// That takes a second rebalance in which the others get it. Of racks it thinks as `sticky` does.
#[derive(Debug)]
pub(super) struct CooperativeSticky;

impl Assignor for Sticky {
    fn name(&self) -> &str {
        "sticky"
    }

    fn user_data(&self, owned: &[TopicPartition], generation: i32) -> Option<Bytes> {
        if generation < 0 && owned.is_empty() {
            return None;
        }
        encode_previous(owned, generation)
    }

    fn assign(&self, topics: &TopicPartitions, members: &[Member]) -> HashMap<String, Vec<TopicPartition>> {
        let claim = |member: &Member| member.user_data.as_ref().map_or((Vec::new(), -1), decode_previous);
        let group = Group::new(topics, members, claim);
        group.shares(&group.takers())
    }
}

impl Assignor for CooperativeSticky {
    fn name(&self) -> &str {
        "cooperative-sticky"
    }

    fn is_cooperative(&self) -> bool {
        true
    }

    fn user_data(&self, _: &[TopicPartition], generation: i32) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(&generation.to_be_bytes()))
    }

    fn assign(&self, topics: &TopicPartitions, members: &[Member]) -> HashMap<String, Vec<TopicPartition>> {
        let group = Group::new(topics, members, |member| (member.owned.clone(), generation(member)));
        let mut takers = group.takers();
        group.leave_out(&mut takers);
        group.shares(&takers)
    }
}

/// The subscription says it from its version 2 on; before, the user data does.
fn generation(member: &Member) -> i32 {
    let said = member.user_data.as_ref().and_then(|data| data.first_chunk::<4>());
    match said {
        Some(said) if member.generation < 0 => i32::from_be_bytes(*said),
        _ => member.generation,
    }
}
