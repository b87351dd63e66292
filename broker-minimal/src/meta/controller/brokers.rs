//! The life of a broker: it registers, is unfenced when it has caught up, and goes, by its own will or not (KIP-631).

use std::collections::HashSet;
use std::ops::Range;
use std::time::Instant;

use kinglet_protocol::Uuid;
use kinglet_protocol::messages::metadata_records::{
    BrokerEndpoint, BrokerFeature, BrokerRegistrationChangeRecord, ProducerIdsRecord, RegisterBrokerRecord,
    UnregisterBrokerRecord,
};
use kinglet_protocol::messages::{BrokerHeartbeatRequest, BrokerRegistrationRequest};

use super::election::Lost;
use super::{Controller, PRODUCER_ID_BLOCK};
use crate::meta::image::{Broker, FENCE, UNFENCE};
use crate::meta::record::Record;
use crate::meta::sessions::Sessions;
use crate::meta::{Own, Refusal};

/// What a broker is told that has sent a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Beat {
    /// It has seen its own registration.
    pub(crate) is_caught_up: bool,
    pub(crate) is_fenced: bool,
    pub(crate) should_shut_down: bool,
}

impl Controller<'_> {
    /// Registers a broker, which is fenced then, and says its epoch.
    ///
    /// What it led goes to others. It leaves the ISRs too: after a stop that was not clean it may have lost records.
    pub(crate) fn register_broker(
        &self,
        request: &BrokerRegistrationRequest,
        sessions: &mut Sessions,
        now: Instant,
    ) -> (Vec<Record>, Result<i64, Refusal>) {
        let id = request.broker_id;
        let existing = self.image.broker(id);
        if let Err(refusal) = self.check_registration(request, sessions, now) {
            return (Vec::new(), Err(refusal));
        }
        if let Some(same) = existing.filter(|existing| existing.incarnation == request.incarnation_id) {
            sessions.hear(id, -1, now);
            return (Vec::new(), Ok(same.epoch));
        }
        let is_clean = existing.is_some_and(|existing| existing.epoch == request.previous_broker_epoch);
        let mut records = self.remove_from_isrs(id, if is_clean { Lost::Nothing } else { Lost::Maybe });
        let epoch = self.image.offset.saturating_add(i64::try_from(records.len()).unwrap_or(i64::MAX));
        records.push(Record::RegisterBroker(registration(request, epoch)));
        sessions.end(id);
        sessions.hear(id, -1, now);
        (records, Ok(epoch))
    }

    fn check_registration(
        &self,
        request: &BrokerRegistrationRequest,
        sessions: &Sessions,
        now: Instant,
    ) -> Result<(), Refusal> {
        if request.cluster_id != self.cluster_id {
            let (expected, got) = (self.cluster_id.to_owned(), request.cluster_id.clone());
            return Err(Refusal::ForeignCluster { expected, got });
        }
        if request.broker_id < 0 {
            return Err(Refusal::BrokerId(request.broker_id));
        }
        if request.log_dirs.is_empty() {
            return Err(Refusal::NoDirs);
        }
        let mut seen = HashSet::new();
        if let Some(twice) = request.log_dirs.iter().find(|dir| !seen.insert(**dir)) {
            return Err(Refusal::DirTwice(*twice));
        }
        let Some(existing) = self.image.broker(request.broker_id) else { return Ok(()) };
        // Whoever holds the lock of a directory is the one process that can: the other has ended.
        let has_its_lock = existing.dirs.iter().any(|dir| seen.contains(dir));
        let is_other = existing.incarnation != request.incarnation_id;
        if is_other && !has_its_lock && !existing.is_shutting_down && sessions.is_alive(existing, now) {
            return Err(Refusal::DuplicateBroker);
        }
        Ok(())
    }

    /// The record of a broker that is its own cluster: it needs no heartbeats, and a new one only when it is reached in
    /// another way than before.
    pub(crate) fn register_lone(&self, own: &Own, incarnation: Uuid) -> Option<Record> {
        let wanted = Broker {
            id: self.config.node_id,
            epoch: self.image.offset,
            incarnation,
            endpoints: own.endpoints.clone(),
            rack: self.config.rack.clone(),
            is_fenced: false,
            is_shutting_down: false,
            dirs: own.dirs.clone(),
            failed_dirs: Vec::new(),
        };
        let is_same = self.image.broker(wanted.id).is_some_and(|there| {
            **there == Broker { epoch: there.epoch, incarnation: there.incarnation, ..wanted.clone() }
        });
        (!is_same).then(|| Record::RegisterBroker(wanted.to_record()))
    }

    /// The broker of this id, if the epoch is that of its registration.
    pub(super) fn registered(&self, id: i32, epoch: i64) -> Result<&Broker, Refusal> {
        let broker = self.image.broker(id).ok_or(Refusal::NotRegistered(id))?;
        if broker.epoch == epoch {
            Ok(broker)
        } else {
            Err(Refusal::StaleBrokerEpoch { expected: broker.epoch, got: epoch })
        }
    }

    /// Keeps the broker's session, and moves it on between fenced, unfenced and stopping.
    pub(crate) fn heartbeat(
        &self,
        request: &BrokerHeartbeatRequest,
        sessions: &mut Sessions,
        now: Instant,
    ) -> (Vec<Record>, Result<Beat, Refusal>) {
        let broker = match self.registered(request.broker_id, request.broker_epoch) {
            Ok(broker) => broker,
            Err(refusal) => return (Vec::new(), Err(refusal)),
        };
        sessions.hear(broker.id, request.current_metadata_offset, now);
        let is_caught_up = request.current_metadata_offset >= broker.epoch;
        // One that stops or comes back says so again; its directories first.
        if let Some(records) = self.dirs_failed(broker, &request.offline_log_dirs) {
            let (is_fenced, should_shut_down) = (broker.is_fenced, false);
            return (records, Ok(Beat { is_caught_up, is_fenced, should_shut_down }));
        }
        let beat = |is_fenced, should_shut_down| Ok(Beat { is_caught_up, is_fenced, should_shut_down });
        if broker.is_fenced {
            if request.want_shut_down {
                return (Vec::new(), beat(true, true));
            }
            if request.want_fence || !is_caught_up {
                return (Vec::new(), beat(true, false));
            }
            return (self.unfence(broker), beat(false, false));
        }
        if request.want_fence {
            return (self.fence(broker), beat(true, request.want_shut_down));
        }
        if !request.want_shut_down && !broker.is_shutting_down {
            return (Vec::new(), beat(false, false));
        }
        if self.leads_any(broker.id) || !broker.is_shutting_down {
            let records = self.shut_down(broker);
            let seen = self.image.offset.saturating_add(i64::try_from(records.len()).unwrap_or(0)) - 1;
            sessions.leaves_at(broker.id, seen);
            return (records, beat(false, false));
        }
        // Clients that still ask it for a leader are sent on by the others, who must know the new ones for that.
        let seen = sessions.leaves_at(broker.id, self.image.offset - 1);
        let mut others =
            self.image.brokers.values().filter(|other| other.id != broker.id && !other.is_fenced);
        if others.all(|other| sessions.has_seen(other.id, seen)) {
            return (self.fence(broker), beat(true, true));
        }
        (Vec::new(), beat(false, false))
    }

    /// What becomes of partitions whose log directories have failed; `None` if none has that is not known yet. The last one takes the
    /// broker along, which ends by itself.
    fn dirs_failed(&self, broker: &Broker, offline: &[Uuid]) -> Option<Vec<Record>> {
        let (failed, left): (Vec<Uuid>, Vec<Uuid>) =
            broker.dirs.iter().partition(|dir| offline.contains(dir));
        if failed.is_empty() || left.is_empty() {
            return None;
        }
        let mut records = self.remove_from_dirs(broker.id, &failed);
        let mut after = broker.clone();
        after.dirs = left;
        after.failed_dirs.extend(failed);
        records.extend(after.to_failure());
        Some(records)
    }

    fn leads_any(&self, broker: i32) -> bool {
        self.partitions().any(|(_, _, partition)| partition.leader == broker)
    }

    fn unfence(&self, broker: &Broker) -> Vec<Record> {
        let mut records = vec![change(broker, UNFENCE, 0)];
        records.extend(self.elect_offline(Some(broker.id)));
        records
    }

    /// A broker that stops in order: what it leads goes to others while it still serves.
    fn shut_down(&self, broker: &Broker) -> Vec<Record> {
        let mut records = self.remove_from_isrs(broker.id, Lost::Nothing);
        if !broker.is_shutting_down {
            records.push(change(broker, 0, FENCE));
        }
        records
    }

    fn fence(&self, broker: &Broker) -> Vec<Record> {
        let mut records = self.remove_from_isrs(broker.id, Lost::Nothing);
        records.push(change(broker, FENCE, 0));
        records
    }

    /// Fences one broker whose session is over; the next one is decided when this has been replayed.
    pub(crate) fn fence_expired(&self, sessions: &Sessions, now: Instant) -> Vec<Record> {
        sessions.expired(self.image, now).first().map_or_else(Vec::new, |broker| self.fence(broker))
    }

    /// Fences a broker whose process is known to have ended.
    pub(crate) fn broker_lost(&self, id: i32, epoch: i64, sessions: &mut Sessions) -> Vec<Record> {
        match self.registered(id, epoch) {
            Ok(broker) => {
                sessions.end(id);
                if broker.is_fenced { Vec::new() } else { self.fence(broker) }
            }
            // It is back already, or gone for good.
            Err(_) => Vec::new(),
        }
    }

    /// Removes a broker's registration for good.
    pub(crate) fn unregister_broker(
        &self,
        id: i32,
        sessions: &mut Sessions,
    ) -> (Vec<Record>, Result<(), Refusal>) {
        let Some(broker) = self.image.broker(id) else {
            return (Vec::new(), Err(Refusal::NotRegistered(id)));
        };
        let mut records = self.remove_from_isrs(id, Lost::Nothing);
        records.push(Record::UnregisterBroker(UnregisterBrokerRecord {
            broker_id: id,
            broker_epoch: broker.epoch,
        }));
        sessions.end(id);
        (records, Ok(()))
    }

    /// Takes the next block of producer ids for a broker.
    pub(crate) fn allocate_producer_ids(
        &self,
        broker_id: i32,
        broker_epoch: i64,
    ) -> (Vec<Record>, Result<Range<i64>, Refusal>) {
        if let Err(refusal) = self.registered(broker_id, broker_epoch) {
            return (Vec::new(), Err(refusal));
        }
        let first = self.image.next_producer_id;
        let next_producer_id = first.saturating_add(PRODUCER_ID_BLOCK);
        let record = ProducerIdsRecord { broker_id, broker_epoch, next_producer_id };
        (vec![Record::ProducerIds(record)], Ok(first..next_producer_id))
    }
}

fn change(broker: &Broker, fenced: i8, in_controlled_shutdown: i8) -> Record {
    Record::BrokerChange(BrokerRegistrationChangeRecord {
        broker_id: broker.id,
        broker_epoch: broker.epoch,
        fenced,
        in_controlled_shutdown,
        ..Default::default()
    })
}

fn registration(request: &BrokerRegistrationRequest, epoch: i64) -> RegisterBrokerRecord {
    let end_points = request.listeners.iter().map(|listener| BrokerEndpoint {
        name: listener.name.clone(),
        host: listener.host.clone(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    });
    let features = request.features.iter().map(|feature| BrokerFeature {
        name: feature.name.clone(),
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
    });
    RegisterBrokerRecord {
        broker_id: request.broker_id,
        incarnation_id: request.incarnation_id,
        broker_epoch: epoch,
        end_points: end_points.collect(),
        features: features.collect(),
        rack: request.rack.clone(),
        fenced: true,
        log_dirs: request.log_dirs.clone(),
        ..Default::default()
    }
}
