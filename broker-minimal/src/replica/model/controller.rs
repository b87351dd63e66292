//! A controller that never fails: it elects from the ISR, and takes ISRs on top of the newest state alone.

use kinglet_protocol::ErrorCode;

use super::world::REPLICAS;
use crate::meta::image::PartitionImage;
use crate::replica::IsrChange;

/// One image: the partition, and the brokers that may be in its ISR with their epochs.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) partition: PartitionImage,
    pub(super) eligible: Vec<(i32, i64)>,
}

/// Everything it ever decided, and the brokers as it knows them.
#[derive(Debug)]
pub(super) struct Controller {
    pub(super) images: Vec<Image>,
    /// Epochs of brokers that are registered and not fenced.
    alive: Vec<(i32, i64)>,
    next_broker_epoch: i64,
}

impl Controller {
    pub(super) fn new() -> Self {
        let replicas: Vec<i32> = (1..=REPLICAS).collect();
        let alive: Vec<(i32, i64)> = replicas.iter().map(|id| (*id, i64::from(*id))).collect();
        let partition = PartitionImage {
            leader: 1,
            leader_epoch: 0,
            partition_epoch: 0,
            replicas: replicas.clone(),
            isr: replicas,
            elr: Vec::new(),
            last_known_elr: Vec::new(),
            adding: Vec::new(),
            removing: Vec::new(),
            is_recovering: false,
            dirs: Vec::new(),
        };
        let image = Image { partition, eligible: alive.clone() };
        Self { images: vec![image], alive, next_broker_epoch: 100 }
    }

    pub(super) fn newest(&self) -> &Image {
        self.images.last().unwrap()
    }

    pub(super) fn is_alive(&self, id: i32) -> bool {
        self.alive.iter().any(|(alive, _)| *alive == id)
    }

    /// A broker is not heard any more: it leads nothing and leaves the ISR, unless it is the last who has everything.
    pub(super) fn fence(&mut self, id: i32) {
        self.alive.retain(|(alive, _)| *alive != id);
        let mut next = self.newest().partition.clone();
        if next.isr.len() > 1 {
            next.isr.retain(|member| *member != id);
        }
        let leader = if next.leader == id { self.candidate(&next) } else { next.leader };
        self.publish(next, leader);
    }

    /// A broker starts: what its earlier life held is given up first.
    pub(super) fn register(&mut self, id: i32) -> i64 {
        if self.is_alive(id) {
            self.fence(id);
        }
        let epoch = self.next_broker_epoch;
        self.next_broker_epoch += 1;
        self.alive.push((id, epoch));
        let next = self.newest().partition.clone();
        let leader = if next.leader < 0 { self.candidate(&next) } else { next.leader };
        self.publish(next, leader);
        epoch
    }

    /// Hands leadership to another member, while the old leader lives.
    pub(super) fn hand_on(&mut self, to: i32) -> bool {
        let next = self.newest().partition.clone();
        let may = next.isr.contains(&to) && self.is_alive(to) && next.leader >= 0 && next.leader != to;
        if may {
            self.publish(next, to);
        }
        may
    }

    pub(super) fn alter(&mut self, from: i32, change: &IsrChange) -> Result<(), ErrorCode> {
        let mut next = self.newest().partition.clone();
        if change.leader_epoch != next.leader_epoch || from != next.leader {
            return Err(ErrorCode::FENCED_LEADER_EPOCH);
        }
        if change.partition_epoch != next.partition_epoch {
            return Err(ErrorCode::INVALID_UPDATE_VERSION);
        }
        let known = |(id, epoch): &(i32, i64)| {
            self.alive.iter().any(|(alive, now)| alive == id && (*epoch < 0 || epoch == now))
        };
        if !change.isr.iter().all(known) {
            return Err(ErrorCode::INELIGIBLE_REPLICA);
        }
        next.isr = change.isr.iter().map(|(id, _)| *id).collect();
        let leader = next.leader;
        self.publish(next, leader);
        Ok(())
    }

    fn candidate(&self, partition: &PartitionImage) -> i32 {
        let alive = |id: &&i32| self.is_alive(**id);
        partition.isr.iter().find(alive).copied().unwrap_or(-1)
    }

    fn publish(&mut self, mut next: PartitionImage, leader: i32) {
        let before = &self.newest().partition;
        if leader != before.leader {
            next.leader = leader;
            next.leader_epoch += 1;
        }
        if next != *before {
            next.partition_epoch += 1;
        }
        self.images.push(Image { partition: next, eligible: self.alive.clone() });
    }
}
