//! Clients: idempotent producers that send again until they are answered, writers that do not care, and consumers.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kinglet_protocol::ErrorCode;
use rand::RngExt;

use super::log::{Appended, Record};
use super::world::{Event, World, partition};
use crate::meta::raft::model::VOTERS;
use crate::mutant::Mutant;
use crate::replica::Acks;

/// `max.in.flight.requests.per.connection`, which idempotence allows.
const IN_FLIGHT: usize = 5;
/// How long a client waits for an answer before it connects anew.
const PATIENCE_MS: u64 = 700;

/// Whom a client takes for the leader, and in which epoch.
#[derive(Debug, Clone, Copy)]
struct Known {
    leader: i32,
    epoch: i32,
}

/// One producer of one partition. What it sends on one connection arrives in order, or not at all.
#[derive(Debug)]
pub(super) struct Producer {
    id: i64,
    next: i32,
    /// What is not acked, oldest first: sequence and value.
    unacked: VecDeque<(i32, u64)>,
    /// What the broker said about some of them.
    answers: BTreeMap<i32, Result<u64, ErrorCode>>,
    /// How many of those were sent on this connection.
    sent: usize,
    known: Known,
    connection: u64,
    /// When the last thing that was sent on it arrives.
    arrives_ms: u64,
    /// Since when nothing was answered.
    since_ms: u64,
}

/// A batch on its way.
#[derive(Debug, Clone)]
pub(super) struct Produce {
    pub(super) to: i32,
    reply: Reply,
    value: u64,
}

/// Where an answer goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reply {
    producer: usize,
    connection: u64,
    sequence: i32,
}

/// What comes back: the value that is committed.
#[derive(Debug, Clone)]
pub(super) struct Produced {
    reply: Reply,
    result: Result<u64, ErrorCode>,
}

/// One consumer, which never goes back to an older epoch.
#[derive(Debug)]
pub(super) struct Consumer {
    known: Known,
    position: i64,
    /// The newest end that it was told.
    end: i64,
}

impl Default for Consumer {
    fn default() -> Self {
        Self { known: Known { leader: -1, epoch: -1 }, position: 0, end: 0 }
    }
}

impl Producer {
    pub(super) fn new(id: i64) -> Self {
        Self {
            id,
            next: 0,
            unacked: VecDeque::new(),
            answers: BTreeMap::new(),
            sent: 0,
            known: Known { leader: -1, epoch: -1 },
            connection: 0,
            arrives_ms: 0,
            since_ms: 0,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.unacked.is_empty()
    }
}

impl World {
    /// Asks any broker for metadata; what is older than what is known is not taken.
    fn refresh(&mut self, known: Known) -> Known {
        let id = self.one();
        let state = self.node(id).live.as_ref().and_then(|live| partition(&live.followed));
        let newer = state.filter(|state| state.leader_epoch >= known.epoch && state.leader >= 0);
        newer.map_or(known, |state| Known { leader: state.leader, epoch: state.leader_epoch })
    }

    pub(super) fn produce(&mut self, index: usize) {
        let next = self.between(4, 60);
        self.at(next, Event::Produces(index));
        let (ms, may_add) = (self.ms, self.is_writing() && self.partition().is_some());
        let value = self.next_value;
        let producer = &mut self.producers[index];
        // A producer that nobody knows is taken at any sequence: its first batch goes alone, or what follows may overtake it.
        let is_known = producer.next > 0 && producer.unacked.front().is_none_or(|first| first.0 > 0);
        let room = if is_known { IN_FLIGHT } else { 1 };
        if may_add && producer.unacked.len() < room {
            producer.unacked.push_back((producer.next, value));
            producer.next += 1;
            self.next_value += 1;
        }
        if !producer.is_idle() && (producer.known.leader < 0 || ms - producer.since_ms > PATIENCE_MS) {
            self.connect(index);
        }
        loop {
            let producer = &self.producers[index];
            let to = producer.known.leader;
            let Some(&(sequence, value)) = producer.unacked.get(producer.sent).filter(|_| to >= 0) else {
                return;
            };
            let (connection, before) = (producer.connection, producer.arrives_ms);
            if self.chance(40) {
                self.bites.count("reset");
                self.reset.insert(connection);
            }
            let arrives = before.max(self.ms + self.delay());
            let producer = &mut self.producers[index];
            producer.arrives_ms = arrives;
            producer.sent += 1;
            let reply = Reply { producer: index, connection, sequence };
            self.at_ms(arrives, Event::Arrives(Produce { to, reply, value }));
        }
    }

    /// Everything that is not acked goes again, in order, to whoever leads now.
    fn connect(&mut self, index: usize) {
        let known = self.refresh(self.producers[index].known);
        self.next += 1;
        let (connection, ms) = (self.next, self.ms);
        let producer = &mut self.producers[index];
        (producer.connection, producer.known) = (connection, known);
        producer.answers.clear();
        (producer.sent, producer.arrives_ms, producer.since_ms) = (0, ms, ms);
    }

    pub(super) fn on_produce(&mut self, produce: Produce) {
        let Produce { to, reply, value } = produce;
        // What was on the way when a connection broke arrives, or does not: nothing after it does.
        if self.node(to).live.is_none() || self.reset.contains(&reply.connection) {
            self.reset.insert(reply.connection);
            return;
        }
        let producer = Some((self.producers[reply.producer].id, reply.sequence));
        if let Err(code) = self.append(to, (value, producer), Acks::All, Some(reply)) {
            self.answer(reply, Err(code));
        }
    }

    pub(super) fn answer(&mut self, reply: Reply, result: Result<u64, ErrorCode>) {
        if self.chance(30) {
            self.bites.count("reset");
            self.reset.insert(reply.connection);
        }
        let delay = self.delay();
        self.at(delay, Event::Answered(Produced { reply, result }));
    }

    pub(super) fn on_produced(&mut self, produced: Produced) {
        let Produced { reply, result } = produced;
        let ms = self.ms;
        let producer = &mut self.producers[reply.producer];
        if producer.connection != reply.connection || self.reset.contains(&reply.connection) {
            return;
        }
        producer.answers.insert(reply.sequence, result);
        // Answers leave a broker in the order of the requests.
        while let Some(&(sequence, sent)) = producer.unacked.front()
            && let Some(result) = producer.answers.remove(&sequence)
        {
            match result {
                Ok(value) => {
                    producer.unacked.pop_front();
                    producer.sent -= 1;
                    producer.since_ms = ms;
                    if sent != value {
                        self.broken = Some(format!("{sent} was sent, {value} was acked"));
                    }
                }
                Err(_) => {
                    // Nothing of this connection counts any more.
                    producer.connection = 0;
                    producer.sent = producer.unacked.len();
                    producer.answers.clear();
                    producer.since_ms = ms.saturating_sub(PATIENCE_MS);
                }
            }
        }
    }

    /// Writers that do not send again. Every broker that thinks that it leads is asked: clients may not know better.
    pub(super) fn write(&mut self) {
        let next = self.between(10, 120);
        self.at(next, Event::Writes);
        if !self.is_writing() {
            return;
        }
        for id in VOTERS {
            let node = self.node(id);
            let leads = node.live.as_ref().is_some_and(|live| live.core.leads());
            if leads && self.ms >= node.paused_until {
                let acks = if self.rng.random_ratio(1, 4) { Acks::Leader } else { Acks::All };
                let value = self.next_value;
                self.next_value += 1;
                // A refusal is counted where it is made.
                let _refused = self.append(id, (value, None), acks, None);
            }
        }
    }

    /// As a leader's shard does it.
    fn append(
        &mut self,
        id: i32,
        (value, producer): (u64, Option<(i64, i32)>),
        acks: Acks,
        reply: Option<Reply>,
    ) -> Result<(), ErrorCode> {
        let timeout = Duration::from_millis(self.between(50, 3000));
        let (timestamp, dedups) = (self.wall_ms(id), self.mutant != Some(Mutant::ForgetDuplicates));
        let mut done = Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        let mut deadline = None;
        self.with_core(id, |core, now, log, out| {
            done = core.check_leads(-1).and_then(|()| core.check_append(acks)).and_then(|()| {
                log.append(Record { epoch: core.leader_epoch(), value, producer, timestamp }, dedups)
            });
            if let Ok(Appended::At(_)) = done {
                core.on_append(now, log.end(), out);
            }
            deadline = now.checked_add(timeout);
        });
        match done {
            Ok(Appended::Duplicate(_)) => self.bites.count("duplicate"),
            Err(ErrorCode::NOT_ENOUGH_REPLICAS) => self.bites.count("too few replicas"),
            Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER) => self.bites.count("out of order"),
            Err(ErrorCode::NOT_LEADER_OR_FOLLOWER) => self.bites.count("not leader"),
            _ => {}
        }
        let (Appended::At(offset) | Appended::Duplicate(offset)) = done?;
        if acks == Acks::All {
            let live = self.node_mut(id).live.as_mut().unwrap();
            let number = live.next_reply;
            live.next_reply += 1;
            live.waiting.insert(number, (offset, reply));
            let deadline = deadline.unwrap();
            self.with_core(id, |core, _, _, out| core.on_ack_wanted(number, offset + 1, deadline, out));
        }
        Ok(())
    }

    /// A consumer asks for the end, and reads what is new.
    pub(super) fn consume(&mut self, index: usize) {
        let next = self.between(20, 150);
        self.at(next, Event::Consumes(index));
        let known = self.refresh(self.consumers[index].known);
        self.consumers[index].known = known;
        if known.leader < 0 || self.ms < self.node(known.leader).paused_until {
            return;
        }
        let Some(live) = self.node(known.leader).live.as_ref() else { return };
        if live.core.check_leads(known.epoch).is_err() {
            return self.bites.count("epoch refused");
        }
        if live.core.is_settling() && self.mutant != Some(Mutant::TellUnsettled) {
            return self.bites.count("settling");
        }
        let told = live.core.high_watermark();
        let Consumer { position, end, .. } = self.consumers[index];
        if told < end {
            self.broken = Some(format!("a consumer was told that the log ends at {end}, and then at {told}"));
            return;
        }
        let read = self.node(known.leader).log.upto(told).iter().skip(usize::try_from(position).unwrap());
        let expected = self.committed.iter().skip(usize::try_from(position).unwrap());
        if read.zip(expected).any(|(read, expected)| read != expected) {
            self.broken =
                Some(format!("a consumer reads other records behind {position} than were committed"));
            return;
        }
        self.bites.count("read");
        let consumer = &mut self.consumers[index];
        (consumer.position, consumer.end) = (told, told);
    }

    /// Whether everything that was sent was acked, and read to the end.
    pub(super) fn check_clients(&self, end: i64) -> Result<(), String> {
        if let Some(producer) = self.producers.iter().find(|producer| !producer.is_idle()) {
            return Err(format!("not acked: {producer:?}"));
        }
        match self.consumers.iter().find(|consumer| consumer.position != end) {
            Some(consumer) => Err(format!("not read to the end at {end}: {consumer:?}")),
            None => Ok(()),
        }
    }
}
