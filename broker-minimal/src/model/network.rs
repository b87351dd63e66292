//! What processes tell each other, and what becomes of it on the way.

use kinglet_protocol::ErrorCode;

use super::log::Record;
use super::world::{Event, Letter, World};
use crate::mutant::Mutant;
use crate::replica::FollowerFetch;
use crate::replica::divergence::{cut_at, diverges};

/// A follower's fetch.
#[derive(Debug, Clone)]
pub(super) struct Fetch {
    leader_epoch: i32,
    broker_epoch: i64,
    offset: i64,
    last_epoch: i32,
}

/// What it is answered.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Records {
        records: Vec<Record>,
        high_watermark: i64,
    },
    Diverging((i32, i64)),
    /// The leader cannot place what the follower has; its high watermark.
    OutOfRange(i64),
    Refused,
}

impl World {
    /// A message that may be lost, come twice, or late.
    pub(super) fn send(&mut self, from: i32, to: i32, letter: Letter) {
        if from == to {
            return self.at(1, Event::Sent { from, to, letter });
        }
        if self.chance(20) {
            return self.bites.count("lost");
        }
        if self.chance(20) {
            self.bites.count("repeated");
            let delay = self.delay();
            self.at(delay, Event::Sent { from, to, letter: letter.clone() });
        }
        let delay = self.delay();
        self.at(delay, Event::Sent { from, to, letter });
    }

    /// Most messages are fast, some very slow.
    pub(super) fn delay(&mut self) -> u64 {
        if self.chance(25) {
            self.bites.count("late");
            self.between(50, 3000)
        } else {
            self.between(1, 12)
        }
    }

    pub(super) fn deliver(&mut self, from: i32, to: i32, letter: Letter) {
        let is_cut = |id| self.ms < self.node(id).isolated_until;
        if from != to && (is_cut(from) || is_cut(to)) {
            return self.bites.count("lost");
        }
        if self.node(to).live.is_none() {
            return;
        }
        match letter {
            Letter::Fetch(fetch) => self.on_fetch(from, to, fetch),
            Letter::Fetched(life, fetch, answer) => {
                if self.node(to).is_alive(life) {
                    self.on_answer(to, &fetch, answer);
                }
            }
            Letter::Quorum(message) => {
                let now = self.steady_ms(to);
                self.with_voter(to, |voter, out| voter.on_message(from, message, now, out));
            }
            Letter::Asked(asked) => self.on_asked(to, asked),
            Letter::Told(life, number, told) => {
                if self.node(to).is_alive(life) {
                    self.on_told(to, number, told);
                }
            }
        }
    }

    /// A follower asks its leader.
    pub(super) fn look(&mut self, id: i32) {
        let node = self.node(id);
        let live = node.live.as_ref().unwrap();
        let to = live.core.leader_id();
        if live.core.leads() || to < 0 {
            return;
        }
        let fetch = Fetch {
            leader_epoch: live.core.leader_epoch(),
            broker_epoch: live.epoch,
            offset: node.log.end(),
            last_epoch: node.log.last_epoch(),
        };
        if to != id {
            self.send(id, to, Letter::Fetch(fetch));
        }
    }

    fn on_fetch(&mut self, from: i32, to: i32, fetch: Fetch) {
        let mut answer = Answer::Refused;
        let mut refused = None;
        self.with_core(to, |core, now, log, out| {
            if let Err(code) = core.check_leads(fetch.leader_epoch) {
                refused = Some(code);
                return;
            }
            if fetch.last_epoch >= 0 {
                let ours = log.epoch_end(fetch.last_epoch);
                if ours.0 < 0 {
                    answer = Answer::OutOfRange(core.high_watermark());
                    return;
                }
                if diverges(ours, fetch.last_epoch, fetch.offset) {
                    answer = Answer::Diverging(ours);
                    return;
                }
            }
            if fetch.offset > log.end() {
                answer = Answer::OutOfRange(core.high_watermark());
                return;
            }
            let records: Vec<Record> = log.from(fetch.offset).iter().take(20).copied().collect();
            let (broker, broker_epoch, offset) = (from, fetch.broker_epoch, fetch.offset);
            if core
                .on_follower_fetch(FollowerFetch { broker, broker_epoch, offset, log_start: 0 }, now, out)
                .is_ok()
            {
                answer = Answer::Records { records, high_watermark: core.high_watermark() };
            }
        });
        if let Some(ErrorCode::FENCED_LEADER_EPOCH | ErrorCode::UNKNOWN_LEADER_EPOCH) = refused {
            self.bites.count("epoch refused");
        }
        let life = self.node(from).life;
        self.send(to, from, Letter::Fetched(life, fetch, answer));
    }

    fn on_answer(&mut self, id: i32, fetch: &Fetch, answer: Answer) {
        let mut has_cut = false;
        let remembers = self.mutant != Some(Mutant::ForgetCopied);
        self.with_core(id, |core, _, log, _| match answer {
            Answer::Records { records, high_watermark } => {
                if core.check_follower(fetch.leader_epoch).is_ok()
                    && fetch.offset == log.end()
                    && log.copy(records, remembers).is_ok()
                {
                    core.on_copied(log.end(), high_watermark);
                }
            }
            Answer::Diverging(leaders) => {
                if core.check_cut(fetch.leader_epoch).is_ok() {
                    log.cut(cut_at(leaders, log.epoch_end(leaders.0), log.end()));
                    core.on_cut(log.end());
                    has_cut = true;
                }
            }
            Answer::OutOfRange(high_watermark) => {
                if core.check_cut(fetch.leader_epoch).is_ok() {
                    log.cut(high_watermark.max(0));
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
}
