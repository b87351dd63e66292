//! What happens to processes and their clocks.

use rand::RngExt;

use super::controller::Ask;
use super::world::{Event, Fault, World};
use crate::meta::raft::model::VOTERS;

/// Clocks are off by this much at most.
const STEADY_MS: i64 = 4_000;
const WALL_MS: i64 = 10 * 3_600_000;

impl World {
    pub(super) fn on_fault(&mut self, fault: Fault) {
        let next = match fault {
            Fault::Ends => self.between(200, 2000),
            Fault::Jumps => self.between(200, 3000),
            Fault::Pauses | Fault::Isolates => self.between(300, 5000),
        };
        self.at(next, Event::Fault(fault));
        if !self.is_stormy() {
            return;
        }
        let id = self.whom();
        match fault {
            Fault::Ends => self.end(id),
            Fault::Pauses => {
                self.bites.count("paused");
                self.node_mut(id).paused_until = self.ms + self.between(50, 2500);
            }
            Fault::Isolates => {
                self.bites.count("isolated");
                self.node_mut(id).isolated_until = self.ms + self.between(50, 2500);
            }
            Fault::Jumps => self.jump(id),
        }
    }

    /// A node, rather one that leads something.
    fn whom(&mut self) -> i32 {
        let controller = self.nodes.iter().find_map(|node| node.live.as_ref()?.voter.leader());
        let wanted = match self.rng.random_range(0..3) {
            0 => self.partition().map(|state| state.leader).filter(|leader| *leader > 0),
            1 => controller,
            _ => None,
        };
        wanted.unwrap_or_else(|| self.one())
    }

    fn end(&mut self, id: i32) {
        // While a disk has lost records no other process may end: what two lost at once may be gone. That is over when somebody leads
        // again: until then any end without order counts as another loss, and whoever led last is waited for, lost records or not.
        let is_missed = self.nodes.iter().any(|node| node.is_missed);
        if is_missed || self.node(id).live.is_none() {
            return;
        }
        match self.rng.random_range(0..8) {
            0 => self.node_mut(id).live.as_mut().unwrap().wants_to_stop = true,
            1..=3 if self.may_lose_power() => self.lose_power(id),
            4 => self.task(id).add(Ask::Preferred),
            _ => {
                self.bites.count("killed");
                self.kill(id);
            }
        }
    }

    /// One disk may lose records if two others have what was acked: with `min.insync.replicas=2` that is so as long as every
    /// process that ended has come back before.
    fn may_lose_power(&self) -> bool {
        let has_come_back = |id: &i32| self.node(*id).live.as_ref().is_some_and(|live| live.epoch >= 0);
        let members = self.partition().map_or(0, |state| state.isr.len() + state.elr.len());
        self.min_insync_replicas == 2 && members >= 2 && VOTERS.iter().all(has_come_back)
    }

    fn lose_power(&mut self, id: i32) {
        let seed = self.rng.random();
        let is_emptied = self.rng.random_ratio(1, 4);
        self.bites.count(if is_emptied { "emptied" } else { "power cut" });
        let node = self.node(id);
        let end = node.log.end();
        let left = if is_emptied { 0 } else { self.rng.random_range(node.log.flushed()..=end) };
        let node = self.node_mut(id);
        node.disk.lose_power(seed);
        node.log.cut(left);
        node.is_torn = true;
        node.is_missed = true;
        if is_emptied {
            // Another directory in its place; the quorum's is a disk of its own.
            node.directory += 1;
            node.saved_high_watermark = 0;
        }
        self.kill(id);
    }

    fn jump(&mut self, id: i32) {
        let by = self.rng.random_range(-3_000..5_000_i64);
        let wall = self.rng.random_range(-WALL_MS..WALL_MS);
        self.bites.count(if by < 0 { "clock back" } else { "clock forward" });
        let node = self.node_mut(id);
        node.steady_ms = (node.steady_ms + by).clamp(-STEADY_MS, STEADY_MS);
        node.wall_ms = wall;
    }
}
