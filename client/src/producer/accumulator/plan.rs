//! What is sent when: which batches are due, in which requests, and when to look again.

use std::time::{Duration, Instant};

use super::{Accumulator, Identity};
use crate::producer::parcel::{Parcel, Slot};
use crate::producer::sequence::{BATCHES_REMEMBERED, Stamp};
use crate::{Error, ErrorKind};

/// With `linger.ms` unset a batch waits this long at most, and only while its broker is busy.
const ADAPTIVE_LINGER: Duration = Duration::from_millis(5);

/// What is to be done now.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// One request each: the broker and its batches.
    pub(crate) requests: Vec<(i32, Vec<Parcel>)>,
    /// Brokers without a connection that something waits for.
    pub(crate) connect: Vec<i32>,
    /// A leader is not known.
    pub(crate) refresh: bool,
    /// A producer id is needed, and nothing is under way.
    pub(crate) identify: bool,
    /// When to look again, if nothing happens before.
    pub(crate) deadline: Option<Instant>,
}

impl Accumulator {
    /// What is to be sent now. Whoever sends it reports every batch back through [`landed`](Self::landed).
    pub(crate) fn plan(&mut self, now: Instant) -> Plan {
        self.signalled = false;
        self.starved &= self.used >= self.limits.memory / 2;
        if matches!(self.identity, Identity::Outworn { .. }) && self.under_way == 0 {
            self.on_identity(self.identity.next());
        }
        let identify = self.identity == Identity::Wanted && self.under_way == 0;
        let mut plan = Plan { identify, ..Plan::default() };
        self.expire(now, &mut plan);
        self.throttled.retain(|_, until| now < *until);
        let may_send = matches!(self.identity, Identity::Off | Identity::Known { .. });
        while may_send && self.pass(now, &mut plan) {}
        self.active.rotate_left(usize::from(self.active.len() > 1));
        self.drop_idle();
        plan
    }

    /// At most one batch of each partition, at most one request to each broker. False: there is nothing more.
    fn pass(&mut self, now: Instant, plan: &mut Plan) -> bool {
        let mut requests: Vec<(i32, usize, Vec<Parcel>)> = Vec::new();
        for slot in &self.active {
            let Some(topic) = self.topics.get_mut(slot.topic) else { continue };
            let Some(queue) = topic.partitions.get_mut(slot.partition) else { continue };
            let Some(leader) = queue.leader else {
                plan.refresh |= queue.has_unsent();
                continue;
            };
            let Some(busy) = self.brokers.get(&leader).copied() else {
                if queue.has_unsent() && !plan.connect.contains(&leader) {
                    plan.connect.push(leader);
                }
                continue;
            };
            if let Some(until) = self.throttled.get(&leader) {
                plan.look_again(*until);
                continue;
            }
            let planned = requests.iter_mut().find(|(broker, ..)| *broker == leader);
            let linger = self.limits.linger.or((busy > 0).then_some(ADAPTIVE_LINGER));
            let linger = if self.starved { None } else { linger };
            // A broker that knows nothing of a producer id takes any number as its first: a second batch could be
            // written while the first one fails, and in front of it. So the first ack is waited for.
            let is_numbered = matches!(self.identity, Identity::Known { .. });
            let is_alone = queue.in_flight > 0 && queue.is_outdated || is_numbered && !queue.is_known;
            let in_flight = match queue.span() {
                // Brokers know a batch again among so many. What failed could be written already and be sent again.
                BATCHES_REMEMBERED.. if is_numbered => 0,
                _ if is_alone => 1,
                _ => self.limits.partition_in_flight,
            };
            match queue.next_due(now, linger, topic.batch_size, in_flight) {
                Ok(_) if busy >= self.limits.in_flight => {}
                Ok(size)
                    if planned.as_ref().is_some_and(|(_, sum, _)| sum + size > self.limits.request_max) => {}
                Ok(_) => {
                    let Some(mut parcel) = queue.take_next(*slot, &topic.name) else { continue };
                    if queue.open.is_none() && topic.sticky == slot.partition {
                        topic.stick_to_next(self.limits.adaptive);
                    }
                    if let (Identity::Known { id, epoch }, Some(queue)) =
                        (self.identity, topic.partitions.get_mut(slot.partition))
                    {
                        let stamp = parcel.stamp.get_or_insert_with(|| Stamp {
                            id,
                            epoch,
                            sequence: queue.sequence.take(parcel.count),
                        });
                        queue.is_outdated = (stamp.id, stamp.epoch) != (id, epoch);
                    }
                    self.under_way += 1;
                    match planned {
                        Some((_, sum, parcels)) => {
                            *sum += parcel.size;
                            parcels.push(parcel);
                        }
                        None => requests.push((leader, parcel.size, vec![parcel])),
                    }
                }
                Err(Some(later)) => plan.look_again(later),
                Err(None) => {}
            }
        }
        let any = !requests.is_empty();
        for (broker, _, parcels) in requests {
            *self.brokers.entry(broker).or_default() += 1;
            plan.requests.push((broker, parcels));
        }
        any
    }

    /// Gives up what has waited too long, and notes when the next one will have.
    fn expire(&mut self, now: Instant, plan: &mut Plan) {
        let timeout = self.limits.delivery_timeout;
        let mut expired = Vec::new();
        for slot in &self.active {
            let Some(topic) = self.topics.get_mut(slot.topic) else { continue };
            let Some(queue) = topic.partitions.get_mut(slot.partition) else { continue };
            let before = expired.len();
            while let Some(oldest) = queue.oldest() {
                if now < oldest + timeout {
                    plan.look_again(oldest + timeout);
                    break;
                }
                expired.extend(queue.take_next(*slot, &topic.name).inspect(|_| queue.in_flight -= 1));
            }
            if expired.len() > before && topic.sticky == slot.partition {
                topic.stick_to_next(self.limits.adaptive);
            }
        }
        for parcel in expired {
            let error = Error::new(ErrorKind::Timeout, format!("not delivered within {timeout:?}"))
                .hinted("delivery.timeout.ms bounds retries; is the partition's leader reachable?");
            let error = match &self.last_error(parcel.slot) {
                Some(last) => error.because(last.to_string()),
                None => error,
            };
            self.give_up(parcel, error, now);
        }
    }

    fn last_error(&self, slot: Slot) -> Option<Error> {
        let queue = self.topics.get(slot.topic)?.partitions.get(slot.partition)?;
        queue.last_error.clone().or_else(|| self.no_identity.clone())
    }

    fn drop_idle(&mut self) {
        let topics = &mut self.topics;
        self.active.retain(|slot| {
            let queue = topics.get_mut(slot.topic).and_then(|t| t.partitions.get_mut(slot.partition));
            queue.is_some_and(|queue| {
                queue.active = queue.has_unsent();
                queue.active
            })
        });
    }
}

impl Plan {
    pub(crate) fn look_again(&mut self, at: Instant) {
        self.deadline = Some(self.deadline.map_or(at, |deadline| deadline.min(at)));
    }
}
