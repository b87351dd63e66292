//! Where members and replicas are (KIP-881).

use std::collections::{BTreeMap, BTreeSet};

use super::Member;

/// The member's rack; an empty one is none.
pub(super) fn rack_of(member: &Member) -> Option<&str> {
    member.rack.as_deref().filter(|rack| !rack.is_empty())
}

/// Whether racks are known on both sides, meet, and some partition is not on all of them: only then they make a difference.
pub(super) fn racks_differ<'a>(
    members: impl Iterator<Item = &'a str>,
    partitions: impl Iterator<Item = &'a [String]> + Clone,
) -> bool {
    let all: BTreeSet<&str> = partitions.clone().flatten().map(String::as_str).collect();
    let mut members = members;
    members.any(|rack| all.contains(rack))
        && partitions.into_iter().any(|racks| {
            let here: BTreeSet<&str> = racks.iter().map(String::as_str).collect();
            here != all
        })
}

/// The racks of members, by their indices, where racks make a difference.
#[derive(Debug)]
pub(super) struct MemberRacks<'a> {
    racks: Vec<Option<&'a str>>,
    /// How many members there are in each.
    counts: BTreeMap<&'a str, usize>,
}

impl<'a> MemberRacks<'a> {
    /// `None` where racks make no difference.
    pub(super) fn new(
        members: &[&'a Member],
        partitions: impl Iterator<Item = &'a [String]> + Clone,
    ) -> Option<Self> {
        let racks: Vec<_> = members.iter().map(|member| rack_of(member)).collect();
        if !racks_differ(racks.iter().flatten().copied(), partitions) {
            return None;
        }
        let mut counts = BTreeMap::new();
        for rack in racks.iter().flatten() {
            *counts.entry(*rack).or_default() += 1;
        }
        Some(Self { racks, counts })
    }

    fn rack(&self, member: usize) -> Option<&'a str> {
        self.racks.get(member).copied().flatten()
    }

    /// Whether a replica is in the member's rack.
    pub(super) fn is_near(&self, member: usize, replicas: &[String]) -> bool {
        self.rack(member).is_some_and(|rack| replicas.iter().any(|replica| replica == rack))
    }

    /// Whether the member has a rack and no replica is there.
    pub(super) fn is_far(&self, member: usize, replicas: &[String]) -> bool {
        self.rack(member).is_some() && !self.is_near(member, replicas)
    }

    /// How many members a replica is near to.
    pub(super) fn near_count(&self, replicas: &[String]) -> usize {
        let distinct: BTreeSet<&str> = replicas.iter().map(String::as_str).collect();
        distinct.into_iter().filter_map(|rack| self.counts.get(rack)).sum()
    }
}
