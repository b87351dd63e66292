//! The producer's task: does what the accumulator plans, and brings back what became of it.

mod report;
mod silence;
mod tasks;
mod ways;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::accumulator::{Accumulator, Plan};
use super::delivery::Written;
use super::metrics::{self, Measure};
use super::parcel::{Outcome, Parcel};
use super::request;
use super::sequence::Identity;
use super::shared::Shared;
use crate::metadata::{Broker, Leader};
use crate::net::{Connection, Lane};
use crate::protocol::decode_response_front;
use crate::protocol::messages::{InitProducerIdResponse, ProduceRequest, ProduceResponse};
use crate::trouble::Trouble;
use crate::{Error, ErrorKind, Result, clock, rng};
use tasks::{Repeat, encode, identify, refresh};

pub(super) struct Sender {
    shared: Arc<Shared>,
    connections: HashMap<i32, Arc<Connection>>,
    connecting: HashSet<i32>,
    unreachable: HashMap<i32, Trouble>,
    unrefreshed: Trouble,
    unidentified: Trouble,
    /// Requests without an answer yet, by the number in their event.
    flying: HashMap<u64, Flight>,
    next_flight: u64,
    events: JoinSet<Event>,
    refresh: Repeat,
    identify: Repeat,
    refreshed: Instant,
    reported: Instant,
}

/// A request without an answer.
struct Flight {
    broker: i32,
    parcels: Vec<Parcel>,
    began: Instant,
    version: i16,
}

/// What the tasks of the sender come back with.
enum Event {
    Landed(u64, Result<ProduceResponse>),
    Told(u64, Result<()>),
    Connected(i32, Result<Arc<Connection>>),
    Refreshed(Result<()>),
    Identified(Result<InitProducerIdResponse>),
}

impl Sender {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            connections: HashMap::new(),
            connecting: HashSet::new(),
            unreachable: HashMap::new(),
            unrefreshed: Trouble::default(),
            unidentified: Trouble::default(),
            flying: HashMap::new(),
            next_flight: 0,
            events: JoinSet::new(),
            refresh: Repeat::default(),
            identify: Repeat::default(),
            refreshed: clock::now(),
            reported: clock::now(),
        }
    }

    /// Runs until the producer is closed and everything is delivered or has failed.
    pub(super) async fn run(mut self) {
        loop {
            self.drop_closed();
            let now = clock::now();
            let (mut plan, over) = self.with(|acc| {
                let plan = acc.plan(now);
                (plan, acc.is_over())
            });
            if over {
                return;
            }
            for (broker, parcels) in std::mem::take(&mut plan.requests) {
                self.dispatch(broker, parcels);
            }
            self.start_others(&mut plan, now);
            self.report(now);
            self.wait(plan.deadline).await;
        }
    }

    /// Works on the accumulator, then tells those who wait what is finished.
    fn with<T>(&self, work: impl FnOnce(&mut Accumulator) -> T) -> T {
        self.shared.with(work)
    }

    async fn wait(&mut self, deadline: Option<Instant>) {
        let sleep = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(event) = self.events.join_next() => match event {
                Ok(event) => self.on_event(event),
                Err(e) => warn!(error = %e, "a task of the producer failed"),
            },
            () = self.shared.wake.notified() => {}
            () = sleep => {}
            () = self.shared.abandoned.notified() => self.abandon(),
        }
        while let Some(Ok(event)) = self.events.try_join_next() {
            self.on_event(event);
        }
    }

    fn dispatch(&mut self, broker: i32, parcels: Vec<Parcel>) {
        let lost = |error: Error| move |_: &Parcel| Outcome::Lost { error: error.clone(), sent: false };
        let (connection, version) = match self.way_to(broker) {
            Ok(way) => way,
            Err(error) => {
                self.forget(broker);
                return self.land(broker, parcels, lost(error));
            }
        };
        let settings = &self.shared.settings;
        let mut batches = Vec::with_capacity(parcels.len());
        let mut sealed = Vec::with_capacity(parcels.len());
        for mut parcel in parcels {
            match encode(&mut parcel, &connection, version, settings) {
                Ok(bytes) => {
                    batches.push(bytes);
                    sealed.push(parcel);
                }
                Err(e) => self.with(|acc| acc.unsendable(parcel, e, clock::now())),
            }
        }
        if sealed.is_empty() {
            self.with(|acc| acc.request_done(broker));
            return;
        }
        self.measure(&sealed, &batches);
        let request = request::build(sealed.iter().zip(batches), settings);
        if let Err(error) = self.send(broker, connection, version, &request, &mut sealed) {
            self.forget(broker);
            self.land(broker, sealed, lost(error));
        }
    }

    /// The connection to a broker, and the version of Produce it takes.
    fn way_to(&self, broker: i32) -> Result<(Arc<Connection>, i16)> {
        let gone = || Error::new(ErrorKind::Disconnected, format!("lost the connection to broker {broker}"));
        let connection = self.connections.get(&broker).ok_or_else(gone)?.clone();
        let version = connection.version::<ProduceRequest>(request::VERSION_MAX)?;
        Ok((connection, version))
    }

    /// On success the parcels are taken; on failure nothing was sent.
    fn send(
        &mut self,
        broker: i32,
        connection: Arc<Connection>,
        version: i16,
        request: &ProduceRequest,
        parcels: &mut Vec<Parcel>,
    ) -> Result<()> {
        let flight = self.next_flight;
        if self.shared.settings.acks == 0 {
            // The broker says nothing: written is what the socket has taken.
            let end = connection.tell(request, version)?;
            self.events.spawn(async move { Event::Told(flight, connection.told(end).await) });
        } else {
            let answer = connection.start(request, version)?;
            self.events.spawn(async move {
                let limit = connection.request_timeout();
                let frame = connection.finish::<ProduceRequest>(answer, limit).await;
                let decode = |frame| Ok(decode_response_front::<ProduceRequest>(frame, version)?.1);
                Event::Landed(flight, frame.and_then(decode))
            });
        }
        self.next_flight += 1;
        let parcels = std::mem::take(parcels);
        self.flying.insert(flight, Flight { broker, parcels, began: clock::now(), version });
        Ok(())
    }

    fn start_others(&mut self, plan: &mut Plan, now: Instant) {
        for broker in plan.connect.drain(..) {
            if self.connecting.insert(broker) {
                let core = self.shared.core.clone();
                self.events.spawn(async move {
                    Event::Connected(broker, core.metadata.broker(&core.pool, broker, Lane::Produce).await)
                });
            }
        }
        let max_age = self.shared.core.config.duration("metadata.max.age.ms");
        let aged = now >= self.refreshed + max_age && self.shared.in_use();
        let doubted = self.doubts_somebody(plan, now);
        if (plan.refresh || aged || doubted) && self.refresh.may_start(now, plan) {
            let shared = self.shared.clone();
            self.events.spawn(async move { Event::Refreshed(refresh(&shared).await) });
        }
        if plan.identify && self.identify.may_start(now, plan) {
            let core = self.shared.core.clone();
            self.events.spawn(async move { Event::Identified(identify(&core).await) });
        }
    }

    fn on_event(&mut self, event: Event) {
        let now = clock::now();
        match event {
            Event::Landed(flight, result) => {
                if let Ok(response) = &result {
                    self.on_throttled(flight, response.throttle_time_ms, now);
                }
                let moved = result.as_ref().map(|response| self.moved(response)).unwrap_or_default();
                self.on_landed(flight, result, request::outcome);
                self.with(|acc| {
                    for (topic, partition, broker) in &moved {
                        acc.on_moved(topic, *partition, *broker);
                    }
                });
            }
            Event::Told(flight, result) => self.on_landed(flight, result, |_, (), _| {
                Outcome::Written(Written { base_offset: None, append_time_ms: None })
            }),
            Event::Connected(broker, connected) => self.on_connected(broker, connected, now),
            Event::Refreshed(result) => {
                // Also after a success: if the leader is still unknown, asking at once again would not help.
                self.refresh.done(now, self.shared.core.retry.delay(self.refresh.failures + 1, rng::unit()));
                match result {
                    Ok(()) => {
                        self.refreshed = now;
                        self.refresh.failures = 0;
                        if let Some(after) = self.unrefreshed.is_over(now) {
                            info!(?after, "the metadata is refreshed again");
                        }
                        let cluster = self.shared.core.metadata.cluster();
                        self.with(|acc| acc.on_cluster(&cluster, now));
                        self.leave_silent(&cluster, now);
                    }
                    Err(error) if self.unrefreshed.is_there(now) => warn!(%error, "cannot refresh metadata"),
                    Err(error) => debug!(%error, "still cannot refresh metadata"),
                }
            }
            Event::Identified(result) => self.on_identified(result, now),
        }
    }

    /// The leaders that an answer names, where that is news.
    fn moved(&self, response: &ProduceResponse) -> Vec<(String, i32, i32)> {
        let metadata = &self.shared.core.metadata;
        if !response.node_endpoints.is_empty() {
            let named = response.node_endpoints.iter();
            metadata.on_brokers(named.filter_map(|node| Broker::at(node.node_id, &node.host, node.port)));
        }
        let mut moved = Vec::new();
        for (topic, answer) in
            response.responses.iter().flat_map(|t| t.partition_responses.iter().map(move |p| (&t.name, p)))
        {
            let (broker, epoch) = (answer.current_leader.leader_id, answer.current_leader.leader_epoch);
            if broker >= 0 && metadata.on_moved(topic, answer.index, Leader { broker: Some(broker), epoch }) {
                moved.push((topic.clone(), answer.index, broker));
            }
        }
        moved
    }

    fn on_landed<T>(
        &mut self,
        flight: u64,
        result: Result<T>,
        outcome: impl Fn(&Parcel, &T, &str) -> Outcome,
    ) {
        let Some(Flight { broker, parcels, began, .. }) = self.flying.remove(&flight) else { return };
        let now = clock::now();
        self.shared.metrics().add(Measure::Latency, metrics::ms(now - began), now);
        match result {
            Ok(response) => {
                let address = self.connections.get(&broker).map_or("", |connection| connection.address());
                let name = format!("{broker} ({address})");
                self.land(broker, parcels, |parcel| outcome(parcel, &response, &name));
            }
            Err(error) => {
                debug!(broker, %error, "produce failed");
                if self.connections.get(&broker).is_some_and(|connection| !connection.is_open()) {
                    self.forget(broker);
                }
                self.land(broker, parcels, |_| Outcome::Lost { error: error.clone(), sent: true });
            }
        }
    }

    fn land(&self, broker: i32, parcels: Vec<Parcel>, outcome: impl Fn(&Parcel) -> Outcome) {
        let now = clock::now();
        self.with(|acc| {
            acc.request_done(broker);
            for parcel in parcels {
                let outcome = outcome(&parcel);
                acc.landed(parcel, outcome, now, rng::unit());
            }
        });
    }

    /// Brokers close connections that were idle for long: a new one is made before anything is sent.
    fn drop_closed(&mut self) {
        let closed = self.connections.iter().filter(|(_, connection)| !connection.is_open());
        for broker in closed.map(|(broker, _)| *broker).collect::<Vec<_>>() {
            self.forget(broker);
        }
    }

    fn forget(&mut self, broker: i32) {
        self.connections.remove(&broker);
        // Without acks no answer ever says that somebody else leads; the end of the connection is all there is.
        let silent = self.shared.settings.acks == 0;
        self.with(|acc| {
            acc.on_broker(broker, false);
            if silent {
                acc.doubt_leader(broker);
            }
        });
    }

    fn on_identified(&mut self, result: Result<InitProducerIdResponse>, now: Instant) {
        let answered = result.and_then(|answer| match answer.error_code.ok() {
            Ok(()) => Ok(Identity::Known { id: answer.producer_id, epoch: answer.producer_epoch }),
            Err(code) => Err(Error::broker(code, "no producer id")),
        });
        self.identify.done(now, self.shared.core.retry.delay(self.identify.failures + 1, rng::unit()));
        match answered {
            Ok(identity) => {
                self.identify.failures = 0;
                if let Some(after) = self.unidentified.is_over(now) {
                    info!(?after, "there is a producer id");
                }
                self.with(|acc| acc.on_identity(identity));
            }
            Err(error) if error.is_retriable() => {
                if self.unidentified.is_there(now) {
                    warn!(%error, "cannot get a producer id");
                }
                self.with(|acc| acc.on_no_identity(error));
            }
            Err(error) if self.shared.idempotence_required => {
                self.with(|acc| acc.fail_unsent(&error, now));
            }
            Err(error) => {
                debug!(%error, "going on without idempotence");
                self.with(|acc| acc.without_identity(1));
            }
        }
    }

    /// The time to close is over: whatever is left fails.
    fn abandon(&mut self) {
        let error = Error::closed("producer");
        let flying: Vec<_> = self.flying.drain().map(|(_, flight)| flight).collect();
        for Flight { broker, parcels, .. } in flying {
            self.land(broker, parcels, |_| Outcome::Lost { error: error.clone(), sent: true });
        }
        self.with(|acc| acc.fail_unsent(&error, clock::now()));
    }
}

impl Drop for Sender {
    /// The runtime goes down before the producer was closed: nobody will send what is left.
    fn drop(&mut self) {
        let left = self.with(|acc| {
            acc.close();
            !acc.is_over()
        });
        if left {
            self.abandon();
            let (enqueued, delivered, _) = self.with(|acc| acc.totals());
            warn!(
                lost = enqueued.saturating_sub(delivered),
                "the runtime ended before all records were delivered"
            );
        }
    }
}
