//! What must hold.

use std::cmp::Ordering;
use std::sync::Arc;

use super::world::{World, partition};
use crate::meta::image::{Image, PartitionImage};
use crate::meta::raft::model::VOTERS;

impl World {
    /// A leader has everything that leaders of earlier epochs acked, and is the only one of its epoch. One that learns late that it led
    /// once may have missed what later ones acked.
    pub(super) fn check_leader(&mut self, id: i32) {
        let node = self.node(id);
        let Some(epoch) = node.live.as_ref().map(|live| live.core.leader_epoch()) else { return };
        let is_there = |(offset, value, acked_in): &&(i64, u64, i32)| {
            *acked_in >= epoch || node.log.from(*offset).first().is_some_and(|record| record.value == *value)
        };
        if let Some((offset, value, _)) = self.acked.iter().find(|acked| !is_there(acked)) {
            self.broken = Some(format!("{value} was acked at {offset}; replica {id} leads without it"));
        }
        let first = *self.leaders.entry(epoch).or_insert(id);
        if first != id {
            self.broken = Some(format!("{first} and {id} lead in epoch {epoch}"));
        }
    }

    /// What a replica calls committed is what all call committed, and a leader never takes it back. A producer's records are committed
    /// in its order, each once.
    pub(super) fn check_committed(&mut self, id: i32) {
        let node = &mut self.nodes[usize::try_from(id - 1).unwrap()];
        let Some(live) = node.live.as_mut() else { return };
        let high_watermark = live.core.high_watermark();
        if high_watermark > node.log.end() {
            self.broken = Some(format!("replica {id} has committed {high_watermark} of {}", node.log.end()));
            return;
        }
        if live.core.leads() {
            let (epoch, told) = live.told;
            if epoch == live.core.leader_epoch() && high_watermark < told {
                self.broken =
                    Some(format!("the high watermark of {id} goes from {told} to {high_watermark}"));
            }
            live.told = (live.core.leader_epoch(), high_watermark);
        }
        let checked = node.log.checked;
        if high_watermark <= checked {
            return;
        }
        let behind = |offset: i64| usize::try_from(offset).unwrap();
        let ours = &node.log.upto(high_watermark)[behind(checked)..];
        let known = self.committed.get(behind(checked)..).unwrap_or_default();
        if ours.iter().zip(known).any(|(a, b)| a != b) {
            self.broken = Some(format!("replica {id} has committed other records than were committed"));
        }
        let new = ours.get(known.len()..).unwrap_or_default().to_vec();
        node.log.checked = high_watermark;
        for record in &new {
            let Some((producer, sequence)) = record.producer else { continue };
            let expected = self.sequences.entry(producer).or_default();
            if sequence != *expected {
                self.broken =
                    Some(format!("producer {producer}'s {sequence} is committed where {expected} is due"));
            }
            *expected = sequence + 1;
        }
        let has_grown = !new.is_empty();
        self.committed.extend(new);
        if has_grown {
            self.check_members();
        }
    }

    /// An image comes after the ones before it: leaders change with their epochs, and whoever may be elected has what is committed.
    pub(super) fn check_image(&mut self, image: &Arc<Image>) {
        if image.offset <= self.newest.offset {
            return;
        }
        let before = std::mem::replace(&mut self.newest, Arc::clone(image));
        let fenced = |image: &Image| image.brokers.values().filter(|broker| broker.is_fenced).count();
        if fenced(image) > fenced(&before) {
            self.bites.count("fenced");
        }
        let (Some(before), Some(at)) = (partition(&before), partition(image)) else { return };
        if let Some(broken) = broken(before, at, image) {
            self.broken = Some(format!("{broken}: {before:?}, then {at:?}"));
        }
        match at.isr.len().cmp(&before.isr.len()) {
            Ordering::Less => self.bites.count("shrunk"),
            Ordering::Equal => {}
            Ordering::Greater => self.bites.count("grown"),
        }
        if at.leader != before.leader && before.elr.contains(&at.leader) {
            self.bites.count("eligible led");
        }
        if at.leader >= 0 {
            self.nodes.iter_mut().for_each(|node| node.is_missed &= node.is_torn);
        }
        self.check_members();
    }

    fn check_members(&mut self) {
        let Some(at) = partition(&self.newest) else { return };
        for id in at.isr.iter().chain(&at.elr) {
            let node = &self.nodes[usize::try_from(*id - 1).unwrap()];
            let from = usize::try_from(node.log.checked).unwrap();
            let ours = node.log.from(node.log.checked);
            let committed = self.committed.get(from..).unwrap_or_default();
            if !node.is_torn && !ours.starts_with(committed) {
                self.broken = Some(format!("replica {id} may lead without what is committed: {at:?}"));
            }
        }
    }

    /// With nothing failing everything is as it should be.
    pub(super) fn check_the_end(&mut self) -> Result<(), String> {
        let state = self.partition().cloned().ok_or("there is no topic")?;
        let end = i64::try_from(self.committed.len()).unwrap();
        if state.isr.len() != VOTERS.len() || state.leader < 0 {
            let node = self.nodes.get(usize::try_from(state.leader - 1).unwrap_or(usize::MAX));
            let core = node.and_then(|node| node.live.as_ref()).map(|live| &live.core);
            return Err(format!("not healed: {:?}, {core:?}", self.newest));
        }
        for id in VOTERS {
            let node = self.node(id);
            let high_watermark = node.live.as_ref().map_or(-1, |live| live.core.high_watermark());
            if high_watermark != end || node.log.upto(node.log.end()) != self.committed {
                return Err(format!(
                    "replica {id} has {high_watermark} of {end} at the end: {:?}",
                    self.newest
                ));
            }
        }
        self.check_leader(state.leader);
        self.broken.take().map_or(Ok(()), Err)?;
        self.check_clients(end)
    }
}

/// What is wrong with a partition that was another before.
fn broken(before: &PartitionImage, at: &PartitionImage, image: &Image) -> Option<&'static str> {
    let leads = at.leader != -1;
    [
        (at.isr.is_empty(), "nobody is in sync"),
        (at.elr.iter().any(|id| at.isr.contains(id)), "a member is eligible too"),
        (at.leader_epoch < before.leader_epoch, "the leader epoch goes back"),
        (at.partition_epoch < before.partition_epoch, "the partition epoch goes back"),
        (at.leader != before.leader && at.leader_epoch == before.leader_epoch, "a leader without an epoch"),
        (leads && !at.isr.contains(&at.leader), "the leader is not in sync"),
        (leads && image.broker(at.leader).is_none_or(|broker| broker.is_fenced), "the leader is fenced"),
    ]
    .into_iter()
    .find_map(|(is_wrong, what)| is_wrong.then_some(what))
}
