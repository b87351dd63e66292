//! What happens to brokers: they crash, start, lose or hand on leadership, and learn of it late.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;

use super::Mutant;
use super::world::{Event, LAG_MS, Live, Node, REPLICAS, World};
use crate::replica::{Partition, Settings, as_known};

impl World {
    pub(super) fn go_live(&mut self, id: i32, seen: usize) {
        let settings = Settings {
            min_insync_replicas: self.min_insync_replicas,
            lag_time_max: Duration::from_millis(LAG_MS),
        };
        let mutant = self.mutant;
        let node = self.node(id);
        let mut core = Partition::new(id, settings, node.saved_high_watermark.min(node.log.end()));
        core.mutant = mutant;
        node.live =
            Some(Live { core, seen: seen - 1, waiting: BTreeMap::new(), next_reply: 0, told: (-1, -1) });
        let life = node.broker_epoch;
        self.see(id);
        self.at(1, Event::Looks { id, life });
        self.at(100, Event::Ticks { id, life });
    }

    pub(super) fn restart(&mut self, id: i32) {
        if self.node(id).live.is_some() {
            return;
        }
        self.bites.count("restarted");
        self.node(id).broker_epoch = self.controller.register(id);
        // A process that starts knows the cluster up to some point.
        let all = self.controller.images.len();
        let seen =
            if self.rng.random() { all } else { self.rng.random_range(1..=all).max(all.saturating_sub(3)) };
        self.go_live(id, seen.max(1));
    }

    pub(super) fn crash(&mut self) {
        if self.is_stormy() {
            let next = self.between(200, 2500);
            self.at(next, Event::Crashes);
            let id = self.rng.random_range(1..=REPLICAS);
            let life = self.life(id);
            if self.node(id).live.take().is_some() {
                self.bites.count("crashed");
                let (noticed, back) = (self.between(5, 1500), self.between(20, 4000));
                self.at(noticed, Event::Fences { id, life });
                self.at(back, Event::Starts(id));
            }
        }
    }

    pub(super) fn hand_on(&mut self) {
        if self.is_stormy() {
            let next = self.between(200, 2500);
            self.at(next, Event::HandsOn);
            let to = self.rng.random_range(1..=REPLICAS);
            if self.controller.hand_on(to) {
                self.bites.count("handed on");
            }
        }
    }

    pub(super) fn save(&mut self) {
        let next = self.between(50, 1500);
        self.at(next, Event::Saves);
        for node in &mut self.nodes {
            if let Some(live) = &node.live {
                node.saved_high_watermark = live.core.high_watermark();
            }
        }
    }

    /// A broker learns of the next images; some are slow.
    pub(super) fn follow(&mut self, id: i32) {
        let next = if self.chance(10) { self.between(100, 2500) } else { self.between(5, 40) };
        self.at(next, Event::Follows(id));
        self.see(id);
    }

    pub(super) fn see(&mut self, id: i32) {
        let newest = self.controller.images.len();
        let Some(live) = self.node(id).live.as_ref() else { return };
        if live.seen >= newest {
            return;
        }
        let seen = live.seen;
        let upto = if self.rng.random() { newest } else { seen + 1 };
        let image = self.controller.images[upto - 1].clone();
        let life = (id, self.life(id));
        let is_registered = image.eligible.contains(&life) || self.mutant == Some(Mutant::LeadUnregistered);
        let known = as_known(&image.partition, id, is_registered);
        let before = live_state(self.node(id));
        self.with_core(id, |core, now, log, out| {
            core.on_image(&known, &image.eligible, now, log.end(), out);
            if core.leads() {
                log.begin(core.leader_epoch());
            }
        });
        let mutant = self.mutant;
        let node = self.node(id);
        let after = live_state(node);
        let Some(live) = node.live.as_mut() else { return };
        live.seen = upto;
        if before == after {
            return;
        }
        if live.core.leads() {
            if live.core.is_settling() {
                self.bites.count("settling");
            }
            self.bites.count("elected");
            self.check_leader(id);
        } else if mutant == Some(Mutant::TruncateToHighWatermark) {
            let high_watermark = live.core.high_watermark();
            node.log.cut(high_watermark);
        }
    }
}

fn live_state(node: &Node) -> Option<(i32, bool)> {
    node.live.as_ref().map(|live| (live.core.leader_epoch(), live.core.leads()))
}
