//! What brokers tell each other, and the controller: fetches, their answers, proposals.

use kinglet_protocol::ErrorCode;

use super::log::Record;
use super::world::{Answer, Event, Fate, Fetch, PROPOSAL_MS, World};
use crate::replica::divergence::{cut_at, diverges};
use crate::replica::{FollowerFetch, IsrChange};

impl World {
    /// A follower asks its leader, and goes on asking.
    pub(super) fn look(&mut self, id: i32, life: i64) {
        if self.life(id) != life {
            return;
        }
        let again = self.between(10, 120);
        self.at(again, Event::Looks { id, life });
        let tells = self.tells_broker_epoch;
        let node = self.node(id);
        let Some(live) = &node.live else { return };
        let to = live.core.leader_id();
        if live.core.leads() || to < 0 {
            return;
        }
        let fetch = Fetch {
            from: id,
            to,
            leader_epoch: live.core.leader_epoch(),
            broker_epoch: if tells { node.broker_epoch } else { -1 },
            offset: node.log.end(),
            last_epoch: node.log.last_epoch(),
        };
        self.send(Event::Fetches(fetch));
    }

    pub(super) fn on_fetch(&mut self, fetch: Fetch) {
        let mut answer = Answer::Refused;
        self.with_core(fetch.to, |core, now, log, out| {
            if core.check_leads(fetch.leader_epoch).is_err() {
                return;
            }
            if fetch.last_epoch >= 0 {
                let ours = log.epoch_end(fetch.last_epoch);
                if ours.0 < 0 {
                    return;
                }
                if diverges(ours, fetch.last_epoch, fetch.offset) {
                    answer = Answer::Diverging(ours);
                    return;
                }
            }
            if fetch.offset > log.end() {
                return;
            }
            let records: Vec<Record> = log.from(fetch.offset).iter().take(20).copied().collect();
            let (broker, broker_epoch, offset) = (fetch.from, fetch.broker_epoch, fetch.offset);
            if core
                .on_follower_fetch(FollowerFetch { broker, broker_epoch, offset, log_start: 0 }, now, out)
                .is_ok()
            {
                answer = Answer::Records { records, high_watermark: core.high_watermark() };
            }
        });
        self.send(Event::Answered(fetch, answer));
    }

    pub(super) fn on_answer(&mut self, fetch: &Fetch, answer: Answer) {
        let mut has_cut = false;
        self.with_core(fetch.from, |core, _, log, _| match answer {
            Answer::Records { records, high_watermark } => {
                if core.check_follower(fetch.leader_epoch).is_err() || fetch.offset != log.end() {
                    return;
                }
                records.into_iter().for_each(|record| log.append(record));
                core.on_copied(log.end(), high_watermark);
            }
            Answer::Diverging(leaders) => {
                if core.check_cut(fetch.leader_epoch).is_ok() {
                    let at = cut_at(leaders, log.epoch_end(leaders.0), log.end());
                    log.cut(at);
                    core.on_cut(log.end());
                    has_cut = true;
                }
            }
            Answer::Refused => {}
        });
        if has_cut {
            self.bites.count("cut");
        }
    }

    pub(super) fn propose(&mut self, id: i32, life: i64, change: &IsrChange, fate: Fate) {
        let partition_epoch = change.partition_epoch;
        let answered = |result| Event::ProposalAnswered(id, life, partition_epoch, result);
        if fate == Fate::RequestLost {
            self.bites.count("proposal lost");
            return self.at(PROPOSAL_MS, answered(Err(ErrorCode::REQUEST_TIMED_OUT)));
        }
        let before = self.controller.newest().partition.isr.len();
        let result = self.controller.alter(id, change);
        match result {
            Ok(()) if change.isr.len() > before => self.bites.count("grown"),
            Ok(()) => self.bites.count("shrunk"),
            Err(ErrorCode::INELIGIBLE_REPLICA) => self.bites.count("ineligible"),
            Err(_) => {}
        }
        if fate == Fate::AnswerLost {
            self.bites.count("answer lost");
            return self.at(PROPOSAL_MS, answered(Err(ErrorCode::REQUEST_TIMED_OUT)));
        }
        let delay = self.between(1, 50);
        self.at(delay, answered(result));
    }

    /// A message that may be lost or come twice.
    pub(super) fn send(&mut self, event: Event) {
        if self.chance(15) {
            self.bites.count("lost");
            return;
        }
        if self.chance(15) {
            self.bites.count("repeated");
            let delay = self.delay();
            self.at(delay, event.clone());
        }
        let delay = self.delay();
        self.at(delay, event);
    }
}
