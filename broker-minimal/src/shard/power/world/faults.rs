//! Brokers whose power fails, or that are killed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Faults, NODES, Node, WINDOW_MS, World};
use crate::disk::recording;
use crate::disk::tree::Bites;

impl World {
    /// Whether all is well again, where that is waited for.
    pub(super) fn may_fail(&mut self) -> bool {
        let is_whole = self.cluster.at().isr.len() == NODES.len() && self.live().len() == NODES.len();
        let since_ms = *self.whole_since_ms.get_or_insert(self.ms);
        self.whole_since_ms = self.whole_since_ms.filter(|_| is_whole);
        match self.play.faults {
            Faults::Any => true,
            Faults::One => is_whole,
            Faults::All => is_whole && self.ms - since_ms >= WINDOW_MS,
        }
    }

    /// The process of one broker is killed, or the power of some fails; now and then in the middle of what it does.
    pub(super) fn fault(&mut self) {
        let is_any = self.play.faults == Faults::Any;
        let is_power = !is_any || self.play.flush_messages != 1 || self.one_in(2);
        let mut ids = self.live();
        let count = match self.play.faults {
            Faults::Any if is_power => self.rng.random_range(1..=NODES.len()),
            Faults::Any | Faults::One => 1,
            Faults::All => NODES.len(),
        };
        while ids.len() > count {
            let index = self.rng.random_range(0..ids.len());
            ids.remove(index);
        }
        // What a follower has is not known while its log is cut.
        let leader = ids.iter().copied().find(|id| self.node(*id).leads());
        if let Some(id) = leader.filter(|_| self.rng.random()) {
            self.bite("cut within a step");
            let steps = self.rng.random_range(0..8);
            recording::die_after(Some(steps));
            self.act(id);
            recording::die_after(None);
            self.collect();
        }
        self.bite(match (is_power, ids.len()) {
            (_, 0) => "nobody is there",
            (false, _) => "killed",
            (true, 1) => "power cut on 1",
            (true, 2) => "power cut on 2",
            (true, _) => "power cut on 3",
        });
        for id in ids {
            self.crash(id, is_power);
        }
    }

    fn crash(&mut self, id: i32, is_power: bool) {
        let now_ms = self.now_ms();
        let mut acked = std::mem::take(&mut self.acked);
        for record in &mut acked {
            let has_it = self.at(id).records.get(&record.offset) == Some(&record.value);
            let is_member = record.holders.remove(&id) || self.cluster.at().isr.contains(&id) && has_it;
            if is_power && is_member && self.may_lose(self.at(id), record.offset, now_ms) {
                record.lost_by.insert(id);
            }
        }
        self.acked = acked;
        let (mut rng, mut bites) = (StdRng::seed_from_u64(self.rng.random()), Bites::new());
        self.node(id).end(is_power.then_some((&mut rng, &mut bites)));
        bites.into_iter().for_each(|(what, times)| *self.bites.entry(what).or_default() += times);
        let (missed, back) = (self.rng.random_range(1..200), self.rng.random_range(5..500));
        self.missed.insert(id, self.ms + missed);
        self.back.insert(id, self.ms + back);
        self.tell(&format!("{id} ends, by a power cut: {is_power}"));
        self.node(id).cut_ms = is_power.then_some(now_ms);
    }

    /// Whether a power cut at that time may take the record from the broker's log.
    pub(super) fn may_lose(&self, node: &Node, offset: i64, cut_ms: i64) -> bool {
        let since_ms = node.since_ms.get(&offset).copied().unwrap_or(cut_ms);
        self.play.flush_messages != 1 && since_ms > cut_ms - WINDOW_MS
    }
}
