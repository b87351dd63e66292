//! What must hold after a crash, when a broker begins to lead, and at the end.

use std::collections::BTreeMap;

use super::{Faults, NODES, Record, WINDOW_MS, World};

impl World {
    /// Whether the broker may lead without the record.
    fn may_lack(&self, id: i32, record: &Record) -> bool {
        match self.play.faults {
            // Nobody has had it ever since: the last leader leads, and had it for a moment only.
            Faults::Any => record.holders.is_empty() && record.lost_by.contains(&id),
            Faults::One => false,
            Faults::All => self.at(id).cut_ms.is_some_and(|cut_ms| record.acked_ms > cut_ms - WINDOW_MS),
        }
    }

    /// What a crash left of a log is its beginning, and long enough.
    pub(super) fn after_start(&mut self, id: i32) {
        let (is_sync, now_ms) = (self.play.flush_messages == 1, self.now_ms());
        let node = self.node(id);
        let found = node.read();
        let differs = node.records.iter().zip(&found).any(|(before, after)| before != after);
        let lost: Vec<i64> =
            node.records.keys().copied().filter(|offset| !found.contains_key(offset)).collect();
        let since = |offset: &i64| node.since_ms.get(offset).copied().unwrap_or(i64::MIN);
        let oldest = lost.iter().map(since).min().unwrap_or(i64::MAX);
        let cut_ms = node.cut_ms;
        if differs {
            self.broken = Some(format!("{id} has other records after a crash"));
        } else if cut_ms.is_none() && !lost.is_empty() {
            self.broken = Some(format!("{id} was killed, and {} records are gone", lost.len()));
        } else if is_sync && !lost.is_empty() {
            self.broken = Some(format!("{id} had {} records flushed that are gone", lost.len()));
        } else if let Some(cut_ms) = cut_ms.filter(|cut_ms| oldest <= cut_ms - WINDOW_MS) {
            self.broken = Some(format!("{id} lost what it had for {} ms", cut_ms - oldest));
        }
        if !lost.is_empty() {
            self.bite("records lost");
        }
        self.node(id).note(now_ms);
    }

    pub(super) fn check_leader(&mut self, id: i32) {
        let epoch = self.node(id).leader_epoch();
        let log = self.node(id).read();
        let is_there =
            |record: &Record| record.epoch >= epoch || log.get(&record.offset) == Some(&record.value);
        let gone: Vec<usize> = (0..self.acked.len()).filter(|index| !is_there(&self.acked[*index])).collect();
        let lost = gone.iter().map(|index| &self.acked[*index]).find(|record| !self.may_lack(id, record));
        if let Some(record) = lost {
            let Record { offset, value, .. } = record;
            self.broken = Some(format!("{value} was acked at {offset}, and {id} leads without it"));
        }
        for index in gone.into_iter().rev() {
            self.bite("acked records lost");
            self.acked.remove(index);
        }
    }

    /// With nothing failing all is as it should be.
    pub(super) fn check_the_end(&mut self) {
        let at = self.cluster.at().clone();
        if at.isr.len() != NODES.len() || at.leader < 0 {
            self.broken = Some(format!("not healed: {at:?}"));
            return;
        }
        self.check_leader(at.leader);
        let logs: Vec<_> = NODES.into_iter().map(|id| self.node(id).read()).collect();
        let shortest = logs.iter().map(BTreeMap::len).min().unwrap();
        let is_same = logs.windows(2).all(|pair| pair[0].iter().zip(&pair[1]).all(|(a, b)| a == b));
        let longest = logs.iter().map(BTreeMap::len).max().unwrap();
        if !is_same || longest - shortest > 60 {
            self.broken = Some(format!("logs of {shortest} to {longest} records differ at the end"));
        }
    }
}
