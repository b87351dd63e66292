//! What a broker does by itself: it registers, beats, fetches, proposes, saves.

use kinglet_protocol::messages::alter_partition::{BrokerState, PartitionData, TopicData};
use kinglet_protocol::messages::{AlterPartitionRequest, BrokerHeartbeatRequest, BrokerRegistrationRequest};
use kinglet_protocol::{ErrorCode, Uuid};
use rand::RngExt;

use super::controller::{Ask, Asked, CLUSTER};
use super::world::{Event, Letter, TOPIC, World};
use crate::log::LogConfig;
use crate::meta::controller::Beat;
use crate::replica::IsrChange;

/// How long a broker waits for the controller's answer.
const PATIENCE_MS: u64 = 100;

#[derive(Debug, Clone)]
pub(super) enum Timer {
    Quorum,
    Controls,
    Beats,
    Fetches,
    Follows,
    Ticks,
    Saves,
    /// No answer has come to what was asked by this number.
    Late(u64),
}

/// Why the controller was asked.
#[derive(Debug, Clone)]
pub(super) enum Purpose {
    Live,
    /// On this partition epoch.
    Isr(i32),
}

/// What a controller answers.
#[derive(Debug, Clone)]
pub(super) enum Told {
    NotController,
    Registered(Result<i64, ErrorCode>),
    Beat(Result<Beat, ErrorCode>),
    Altered(Result<(), ErrorCode>),
    Nothing,
}

impl World {
    pub(super) fn on_timer(&mut self, id: i32, timer: Timer) {
        let life = self.node(id).life;
        let again = match &timer {
            Timer::Quorum => Some(50),
            Timer::Controls => Some(40),
            Timer::Beats => {
                let live = self.node(id).live.as_ref().unwrap();
                Some(if live.epoch < 0 || live.wants_to_stop { 30 } else { 250 })
            }
            Timer::Fetches => Some(self.between(10, 120)),
            Timer::Follows => {
                Some(if self.chance(10) { self.between(100, 2500) } else { self.between(5, 40) })
            }
            Timer::Ticks => Some(100),
            Timer::Saves => Some(self.between(50, 1500)),
            Timer::Late(_) => None,
        };
        if let Some(again) = again {
            self.at(again, Event::Timer(id, life, timer.clone()));
        }
        match timer {
            Timer::Quorum => {
                let (now, patience) = (self.steady_ms(id), self.between(300, 900));
                self.with_voter(id, |voter, out| voter.tick(now, patience, out));
            }
            Timer::Controls => self.control(id),
            Timer::Beats => self.beat(id),
            Timer::Fetches => self.look(id),
            Timer::Follows => self.follow(id),
            Timer::Ticks => self.with_core(id, |core, now, _, out| {
                if core.deadline().is_some_and(|deadline| deadline <= now) {
                    core.on_deadline(now, out);
                }
            }),
            Timer::Saves => self.save(id),
            Timer::Late(number) => self.on_told(id, number, Told::NotController),
        }
    }

    fn save(&mut self, id: i32) {
        let now_ms = self.wall_ms(id);
        let node = self.node_mut(id);
        node.saved_high_watermark = node.live.as_ref().unwrap().core.high_watermark();
        node.log.flush();
        node.log.producers.expire(now_ms, LogConfig::default().producer_id_expiration_ms);
    }

    /// Registers, or says that it is alive.
    fn beat(&mut self, id: i32) {
        let node = self.node(id);
        let live = node.live.as_ref().unwrap();
        if live.asked.values().any(|purpose| matches!(purpose, Purpose::Live)) {
            return;
        }
        let ask = if live.epoch < 0 {
            Ask::Register(BrokerRegistrationRequest {
                broker_id: id,
                cluster_id: CLUSTER.to_owned(),
                incarnation_id: live.incarnation,
                log_dirs: vec![Uuid([u8::try_from(id).unwrap() * 16 + node.directory % 16; 16])],
                previous_broker_epoch: live.previous,
                ..Default::default()
            })
        } else {
            Ask::Beat(BrokerHeartbeatRequest {
                broker_id: id,
                broker_epoch: live.epoch,
                current_metadata_offset: live.followed.offset - 1,
                want_shut_down: live.wants_to_stop,
                ..Default::default()
            })
        };
        self.ask(id, ask, Purpose::Live);
    }

    pub(super) fn propose(&mut self, id: i32, change: IsrChange) {
        let live = self.node(id).live.as_ref().unwrap();
        let Some(topic) = live.followed.topic(TOPIC) else { return };
        let member = |&(broker_id, broker_epoch): &(i32, i64)| BrokerState { broker_id, broker_epoch };
        let wish = PartitionData {
            partition_index: 0,
            leader_epoch: change.leader_epoch,
            new_isr_with_epochs: change.isr.iter().map(member).collect(),
            partition_epoch: change.partition_epoch,
            ..Default::default()
        };
        let topics = vec![TopicData { topic_id: topic.id, partitions: vec![wish], ..Default::default() }];
        let request = AlterPartitionRequest { broker_id: id, broker_epoch: live.epoch, topics };
        self.ask(id, Ask::Alter(request), Purpose::Isr(change.partition_epoch));
    }

    /// Asks whom it takes for the controller, sometimes another.
    fn ask(&mut self, id: i32, ask: Ask, purpose: Purpose) {
        let known = self.node(id).live.as_ref().unwrap().voter.leader();
        let to = known.filter(|_| self.rng.random_ratio(9, 10)).unwrap_or_else(|| self.one());
        self.next += 1;
        let number = self.next;
        let node = self.node_mut(id);
        let life = node.life;
        node.live.as_mut().unwrap().asked.insert(number, purpose);
        self.at(PATIENCE_MS, Event::Timer(id, life, Timer::Late(number)));
        self.send(id, to, Letter::Asked(Asked { from: id, life, number, ask }));
    }

    /// What was asked by this number is answered, or is not.
    pub(super) fn on_told(&mut self, id: i32, number: u64, told: Told) {
        let node = self.node_mut(id);
        let Some(live) = node.live.as_mut() else { return };
        let Some(purpose) = live.asked.remove(&number) else { return };
        match (purpose, told) {
            (Purpose::Isr(partition_epoch), told) => {
                let result = match told {
                    Told::Altered(result) => result,
                    _ => Err(ErrorCode::NOT_CONTROLLER),
                };
                if result == Err(ErrorCode::INELIGIBLE_REPLICA) {
                    self.bites.count("ineligible");
                }
                self.with_core(id, |core, now, _, out| core.on_isr_answer(partition_epoch, result, now, out));
            }
            (Purpose::Live, Told::Registered(Ok(epoch))) => {
                live.epoch = epoch;
                node.is_torn = false;
            }
            (Purpose::Live, Told::Beat(Ok(beat))) if beat.should_shut_down => {
                node.clean = Some(live.epoch);
                node.saved_high_watermark = live.core.high_watermark();
                node.log.flush();
                self.bites.count("stopped");
                self.kill(id);
            }
            (
                Purpose::Live,
                Told::Beat(Err(ErrorCode::STALE_BROKER_EPOCH | ErrorCode::BROKER_ID_NOT_REGISTERED)),
            ) => live.epoch = -1,
            (Purpose::Live, _) => {}
        }
    }
}
