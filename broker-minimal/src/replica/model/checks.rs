//! What must hold.

use super::world::World;

impl World {
    /// Everything that leaders of earlier epochs acked is in the log of a leader that begins. One that learns late that it led once
    /// may have missed what later ones acked.
    pub(super) fn check_leader(&mut self, id: i32) {
        let node = self.node(id);
        let log = node.log.clone();
        let Some(leader_epoch) = node.live.as_ref().map(|live| live.core.leader_epoch()) else { return };
        let is_there = |(offset, value, epoch): &&(i64, u64, i32)| {
            *epoch >= leader_epoch || log.from(*offset).first().is_some_and(|record| record.value == *value)
        };
        if let Some((offset, value, _)) = self.acked.iter().find(|acked| !is_there(acked)) {
            self.broken = Some(format!("{value} was acked at {offset}; replica {id} leads without it"));
        }
    }

    /// What a replica calls committed is what all call committed, and a leader never takes it back.
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
        let ours = node.log.upto(high_watermark);
        if ours.iter().zip(&self.committed).any(|(a, b)| a != b) {
            self.broken = Some(format!("replica {id} has committed other records than were committed"));
        }
        if let Some(more) = ours.get(self.committed.len()..) {
            self.committed.extend_from_slice(more);
        }
    }

    /// With nothing failing everything is as it should be.
    pub(super) fn check_the_end(&mut self) -> Result<(), String> {
        let partition = self.controller.newest().partition.clone();
        if partition.isr.len() != self.nodes.len() || partition.leader < 0 {
            let leader = usize::try_from(partition.leader - 1).ok().and_then(|index| self.nodes.get(index));
            let core = leader.and_then(|node| node.live.as_ref()).map(|live| &live.core);
            return Err(format!("not healed: {:?}, {core:?}", self.controller.newest()));
        }
        let leader = self.node(partition.leader).log.clone();
        for (id, node) in (1..).zip(&self.nodes) {
            let high_watermark = node.live.as_ref().map_or(-1, |live| live.core.high_watermark());
            // What is under way at the last moment may be missing.
            let is_near = leader.end() - high_watermark < 200;
            if !is_near || node.log.upto(high_watermark) != leader.upto(high_watermark) {
                return Err(format!("replica {id} has {high_watermark} of {} at the end", leader.end()));
            }
        }
        self.check_leader(partition.leader);
        self.broken.take().map_or(Ok(()), Err)
    }
}
