//! What happens to the model's brokers, and what they do.

use std::time::Duration;

use kinglet_protocol::messages::BrokerHeartbeatRequest;
use kinglet_protocol::messages::alter_partition::{BrokerState, PartitionData};

use super::super::cluster::{TIMEOUT, heartbeat, registration};
use super::*;
use crate::meta::controller::Election;

impl World {
    pub(super) fn step(&mut self) {
        let id = self.one();
        match self.roll(100) {
            0..10 => self.pass(),
            10..25 => self.beat(id),
            25..40 => self.look(id),
            40..60 => self.append(id),
            60..80 => self.fetch(id),
            80..88 => self.ask(id),
            88..90 => self.crash(id),
            90..94 => self.start(id),
            94..95 => self.nodes.get_mut(&id).unwrap().stops = true,
            95..96 => self.nodes.get_mut(&id).unwrap().is_paused ^= true,
            96..97 => self.stale(id),
            97..98 => {
                // Another node leads the quorum.
                self.cluster.sessions = Sessions::new(TIMEOUT, self.cluster.now);
            }
            98..99 => {
                let records = self.cluster.controller().elect_leaders(Election::Preferred, None).0;
                self.keep(&records);
            }
            _ => {
                if self.roll(20) == 0 && self.cluster.at().leader == -1 {
                    let records = self.cluster.controller().elect_leaders(Election::Unclean, None).0;
                    self.is_lossy |= self.cluster.at().leader == -1 && !records.is_empty();
                    self.keep(&records);
                }
            }
        }
    }

    pub(super) fn keep(&mut self, records: &[Record]) {
        self.cluster.keep(records);
    }

    pub(super) fn pass(&mut self) {
        let most = if self.roll(10) == 0 { 30_000 } else { 3_000 };
        let ms = u64::try_from(self.roll(most)).unwrap();
        self.cluster.now += Duration::from_millis(ms);
        if self.roll(2) == 0 {
            self.cluster.sessions.look(self.cluster.now);
        }
        let fenced = |world: &Self| world.cluster.image.brokers.values().filter(|b| b.is_fenced).count();
        let before = fenced(self);
        self.cluster.expire();
        if fenced(self) > before {
            self.bite("fenced");
        }
    }

    pub(super) fn acts(&self, id: i32) -> bool {
        self.nodes[&id].is_up && !self.nodes[&id].is_paused
    }

    pub(super) fn beat(&mut self, id: i32) {
        if !self.acts(id) {
            return;
        }
        let node = &self.nodes[&id];
        let request = BrokerHeartbeatRequest {
            broker_epoch: node.epoch,
            want_shut_down: node.stops,
            ..heartbeat(&self.cluster, id)
        };
        let told = self.cluster.heartbeat(request).unwrap();
        if told.should_shut_down {
            let node = self.nodes.get_mut(&id).unwrap();
            (node.is_up, node.stops, node.clean) = (false, false, Some(node.epoch));
        }
    }

    /// Somebody who was there before says something.
    pub(super) fn stale(&mut self, id: i32) {
        let epoch = self.nodes[&id].epoch;
        let offset = self.cluster.image.offset;
        let request = BrokerHeartbeatRequest {
            broker_epoch: epoch - 1,
            want_fence: true,
            ..heartbeat(&self.cluster, id)
        };
        assert_eq!(self.cluster.heartbeat(request), Err(ErrorCode::STALE_BROKER_EPOCH));
        assert_eq!(self.cluster.image.offset, offset);
    }

    pub(super) fn crash(&mut self, id: i32) {
        let node = self.nodes.get_mut(&id).unwrap();
        (node.is_up, node.is_paused, node.stops) = (false, false, false);
        if self.roll(2) == 0 {
            // The others find that nobody listens there any more.
            self.cluster.lose(id);
        }
    }

    pub(super) fn start(&mut self, id: i32) {
        if self.nodes[&id].is_up {
            return;
        }
        let keeps = self.roll(3) > 0;
        let left = self.roll(1 + self.nodes[&id].log.len());
        let node = self.nodes.get_mut(&id).unwrap();
        let previous = node.clean.take();
        if previous.is_none() && !keeps {
            // The power failed.
            node.log.truncate(left);
        }
        node.life += 1;
        (node.is_up, node.is_paused, node.view, node.leads) = (true, false, None, Leading::default());
        let before = self.cluster.image.topic("t").map(|topic| topic.partitions[0].clone());
        let registered =
            self.cluster.register_with(registration(id, self.nodes[&id].life, previous.unwrap_or(-1)));
        self.nodes.get_mut(&id).unwrap().epoch = registered.unwrap();
        let was_last = |at: PartitionImage| at.isr.iter().chain(&at.elr).all(|member| *member == id);
        if previous.is_none() && before.is_some_and(was_last) {
            self.is_lossy = true;
            self.bite("lost");
        }
    }

    /// The broker follows the metadata.
    pub(super) fn look(&mut self, id: i32) {
        if !self.acts(id) {
            return;
        }
        let at = self.cluster.at().clone();
        let node = self.nodes.get_mut(&id).unwrap();
        let is_new = node.view.as_ref().is_none_or(|view| view.partition_epoch < at.partition_epoch);
        if at.leader == id && node.leads.epoch != at.leader_epoch {
            node.leads = Leading { epoch: at.leader_epoch, start: node.log.len(), ..Leading::default() };
        }
        if is_new {
            node.leads.pending.clear();
        }
        node.view = Some(at);
    }

    /// Whether the broker takes itself for the leader.
    pub(super) fn leads(&self, id: i32) -> bool {
        self.acts(id) && self.nodes[&id].view.as_ref().is_some_and(|view| view.leader == id)
    }

    pub(super) fn append(&mut self, id: i32) {
        if self.leads(id) {
            self.records += 1;
            let record = self.records;
            self.nodes.get_mut(&id).unwrap().log.push(record);
            self.commit(id);
        }
    }

    /// A follower fetches from whom it takes for the leader, if that one has the same epoch.
    pub(super) fn fetch(&mut self, id: i32) {
        let Some(view) = self.nodes[&id].view.clone().filter(|_| self.acts(id)) else { return };
        let leader = view.leader;
        if leader == id || leader == -1 || !self.leads(leader) {
            return;
        }
        if self.nodes[&leader].view.as_ref().unwrap().leader_epoch != view.leader_epoch {
            return;
        }
        let mut log = std::mem::take(&mut self.nodes.get_mut(&id).unwrap().log);
        let source = &self.nodes[&leader].log;
        let same = log.iter().zip(source).take_while(|(mine, theirs)| mine == theirs).count();
        log.truncate(same);
        let epoch = self.nodes[&id].epoch;
        // The request says what it has, the answer brings the rest.
        let more = self.roll(4);
        log.extend(self.nodes[&leader].log.iter().skip(same).take(more));
        self.nodes.get_mut(&id).unwrap().log = log;
        self.nodes.get_mut(&leader).unwrap().leads.fetched.insert(id, (same, epoch));
        self.commit(leader);
    }

    /// Moves the leader's high watermark: all of the ISR, and of the one that may come, have it.
    pub(super) fn commit(&mut self, id: i32) {
        let node = &self.nodes[&id];
        let view = node.view.as_ref().unwrap();
        if view.isr.len() < self.min_isr {
            return;
        }
        let has = |member: &i32| match *member == id {
            true => node.log.len(),
            false => node.leads.fetched.get(member).map_or(0, |(end, _)| *end),
        };
        let hw = view.isr.iter().chain(&node.leads.pending).map(has).min().unwrap();
        let prefix = &node.log[..hw];
        if self.is_lossy {
            return;
        }
        let both = prefix.len().min(self.committed.len());
        assert_eq!(prefix[..both], self.committed[..both], "{id} commits something else");
        if prefix.len() > both {
            self.committed = prefix.to_vec();
            self.bite("committed");
        }
    }

    /// A leader asks for the ISR that it sees, sometimes for a smaller one.
    pub(super) fn ask(&mut self, id: i32) {
        if !self.leads(id) {
            return;
        }
        let shrinks = self.roll(2) == 0;
        let answered = self.roll(4) > 0;
        let node = &self.nodes[&id];
        let view = node.view.clone().unwrap();
        let hw = view.isr.iter().filter(|member| **member != id);
        let hw = hw.map(|member| node.leads.fetched.get(member).map_or(0, |(end, _)| *end)).min();
        let hw = hw.unwrap_or(node.log.len()).min(node.log.len());
        let member = |other: &i32| {
            let (end, epoch) = node.leads.fetched.get(other).copied().unwrap_or((0, -1));
            let stays = view.isr.contains(other) && (!shrinks || end >= node.log.len());
            let joins = !view.isr.contains(other) && end >= hw.max(node.leads.start) && epoch >= 0;
            let epoch = if *other == id { node.epoch } else { epoch };
            (*other == id || stays || joins).then_some(BrokerState { broker_id: *other, broker_epoch: epoch })
        };
        let new_isr_with_epochs: Vec<BrokerState> = BROKERS.iter().filter_map(member).collect();
        let isr: Vec<i32> = new_isr_with_epochs.iter().map(|member| member.broker_id).collect();
        let wish = PartitionData {
            partition_index: 0,
            leader_epoch: view.leader_epoch,
            new_isr_with_epochs,
            partition_epoch: view.partition_epoch,
            ..Default::default()
        };
        if isr == view.isr {
            return;
        }
        // Until it knows better, the leader counts on both.
        self.nodes.get_mut(&id).unwrap().leads.pending.extend(&isr);
        let before = self.cluster.at().clone();
        let code = self.cluster.ask(id, wish);
        let what = match (code, isr.len().cmp(&before.isr.len())) {
            (ErrorCode::NONE, std::cmp::Ordering::Less) => "shrunk",
            (ErrorCode::NONE, std::cmp::Ordering::Greater) => "grown",
            (ErrorCode::NONE, std::cmp::Ordering::Equal) => "exchanged",
            _ => "refused",
        };
        self.bite(what);
        if code != ErrorCode::NONE {
            assert_eq!(*self.cluster.at(), before, "{code:?} changes nothing");
        }
        // Nothing has changed since what it knows, and nothing will; any other refusal means that something has.
        if code == ErrorCode::INELIGIBLE_REPLICA && answered {
            self.nodes.get_mut(&id).unwrap().leads.pending.clear();
        }
    }
}
