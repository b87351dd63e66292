//! The broker's side of the model, the network, and the clients' steps.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::offset_fetch::OffsetFetchRequestTopics;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::bites::Bites;
use super::client::{Client, GROUP, Phase, REBALANCE_MS, delay_ms};
use crate::group::core::Core;
use crate::group::effects::{Effects, Now, Reply, ReplyId, Request};
use crate::group::records::Record;
use crate::group::settings::Settings;

pub(super) const CLIENTS: usize = 5;
/// Milliseconds with faults, and without any after them.
const STORMY_MS: i64 = 180_000;
const CALM_MS: i64 = 120_000;
/// Who sent a request, and which of its requests it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender {
    pub(super) client: usize,
    pub(super) token: u64,
}

#[derive(Debug)]
enum Event {
    Arrives(Sender, Request),
    Answered(Sender, Reply),
    Acts(usize),
    /// The log has the oldest records that are under way.
    Commits,
    Crashes,
}

/// A request that the broker has not answered.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) sender: Sender,
    pub(super) since_ms: i64,
    /// Where the newest acked offset was in the log when a fetch came.
    pub(super) floor: usize,
    #[expect(dead_code, reason = "for the message of a failure")]
    pub(super) request: String,
}

pub(super) struct World {
    pub(super) rng: StdRng,
    pub(super) start: Instant,
    pub(super) ms: i64,
    events: BTreeMap<(i64, u64), Event>,
    pub(super) next: u64,
    pub(super) core: Core,
    /// What the records alone say.
    pub(super) shadow: Core,
    pub(super) log: Vec<Record>,
    pub(super) underway: VecDeque<Effects>,
    pub(super) open: HashMap<ReplyId, Open>,
    pub(super) clients: Vec<Client>,
    pub(super) next_offset: i64,
    pub(super) acked_at: usize,
    pub(super) incarnation: u32,
    pub(super) assigners: HashMap<(u32, i32), String>,
    /// Nonce and owners by generation.
    pub(super) assignments: HashMap<i32, (Vec<u8>, HashMap<u8, String>)>,
    pub(super) bites: Bites,
}

/// The member and the generation that a request says it is of.
fn claim(request: &Request) -> Option<(String, i32)> {
    match request {
        Request::Sync(request) => Some((request.member_id.clone(), request.generation_id)),
        Request::Heartbeat(request) => Some((request.member_id.clone(), request.generation_id)),
        Request::Commit { request, .. } => {
            Some((request.member_id.clone(), request.generation_id_or_member_epoch))
        }
        _ => None,
    }
}

fn settings() -> Settings {
    let mut settings = Settings::new(&crate::Config::default());
    settings.initial_rebalance_delay = Duration::from_secs(3);
    settings
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            #[expect(clippy::disallowed_methods, reason = "where the model's time begins does not matter")]
            start: Instant::now(),
            ms: 0,
            events: BTreeMap::new(),
            next: 0,
            core: Core::new(settings()),
            shadow: Core::new(settings()),
            log: Vec::new(),
            underway: VecDeque::new(),
            open: HashMap::new(),
            clients: (0..CLIENTS).map(Client::new).collect(),
            next_offset: 1,
            acked_at: 0,
            incarnation: 0,
            assigners: HashMap::new(),
            assignments: HashMap::new(),
            bites: Bites::default(),
        }
    }

    pub(super) fn run(mut self) -> Bites {
        for client in 0..CLIENTS {
            self.at(self.ms, Event::Acts(client));
        }
        while self.ms < STORMY_MS {
            self.step(true);
        }
        for client in &mut self.clients {
            client.is_dead = false;
        }
        while self.ms < STORMY_MS + CALM_MS {
            self.step(false);
        }
        self.everyone_is_assigned();
        self.bites
    }

    fn at(&mut self, ms: i64, event: Event) {
        self.next += 1;
        self.events.insert((ms, self.next), event);
    }

    fn now(&self) -> Now {
        let since = Duration::from_millis(u64::try_from(self.ms).unwrap());
        Now { at: self.start + since, ms: 1_000_000 + self.ms }
    }

    fn step(&mut self, is_stormy: bool) {
        let deadline = self.core.deadline().map(|at| {
            let ms = at.saturating_duration_since(self.start).as_millis();
            i64::try_from(ms).unwrap().max(self.ms)
        });
        let (&(due, _), _) = self.events.first_key_value().expect("clients go on for ever");
        let mut effects = Effects::default();
        if deadline.is_some_and(|deadline| deadline < due) {
            self.ms = deadline.unwrap();
            self.core.on_deadline(self.now(), &mut effects);
        } else {
            self.ms = due;
            let (_, event) = self.events.pop_first().unwrap();
            self.on_event(event, is_stormy, &mut effects);
        }
        self.take(effects);
        self.check();
    }

    fn on_event(&mut self, event: Event, is_stormy: bool, effects: &mut Effects) {
        match event {
            Event::Acts(client) => {
                self.act(client, is_stormy);
                let pause = self.rng.random_range(300..1500);
                self.at(self.ms + pause, Event::Acts(client));
                if is_stormy && self.rng.random_ratio(1, 400) {
                    self.at(self.ms + 1, Event::Crashes);
                }
            }
            Event::Arrives(sender, mut request) => {
                self.next += 1;
                if let Request::Join(_, joiner) = &mut request {
                    joiner.fresh = self.next.to_string();
                }
                let open =
                    Open { sender, since_ms: self.ms, floor: self.acked_at, request: format!("{request:?}") };
                self.open.insert(self.next, open);
                let claim = claim(&request);
                self.core.on_request(self.now(), self.next, request, effects);
                if let Some((member, generation)) = claim {
                    self.check_fenced(&member, generation, self.next, effects);
                }
            }
            Event::Answered(sender, reply) => {
                let client = &mut self.clients[sender.client];
                if !client.is_dead && client.waits.is_some_and(|(token, _)| token == sender.token) {
                    client.waits = None;
                    client.on_reply(&reply, u32::try_from(sender.token).unwrap());
                }
            }
            Event::Commits => self.commit(),
            Event::Crashes => self.crash(),
        }
    }

    /// A client does something, if it does not wait.
    fn act(&mut self, number: usize, is_stormy: bool) {
        let roll = self.rng.random_range(0..400);
        let client = &mut self.clients[number];
        if is_stormy {
            match roll {
                0 | 42..=44 => client.restart(),
                1..=2 => {
                    client.is_dead = true;
                    self.bites.died += 1;
                }
                3..=40 if client.is_dead => {
                    client.is_dead = false;
                    client.restart();
                }
                41 => client.metadata = (client.metadata + 1) % 3,
                _ => {}
            }
        }
        let waits = client.waits.is_some_and(|(_, until)| until > self.ms);
        if is_stormy && waits && !client.is_dead && roll % 20 == 5 && !client.member.is_empty() {
            // It is closed while it waits for the others.
            let request = client.leave();
            client.restart();
            self.bites.left += 1;
            self.next += 1;
            return self.send(Sender { client: number, token: self.next }, request, is_stormy);
        }
        if client.is_dead || waits {
            return;
        }
        self.next += 1;
        let token = self.next;
        let (request, wait) = match client.phase.clone() {
            Phase::Join => (client.join(), i64::from(REBALANCE_MS) + 5000),
            Phase::Sync(assignments) => (client.sync(assignments), i64::from(REBALANCE_MS)),
            Phase::Stable => match roll {
                100..=180 => {
                    self.next_offset += 1;
                    (client.commit(self.next_offset), 3000)
                }
                181..=220 => {
                    let asked = OffsetFetchRequestTopics {
                        name: "t".to_owned(),
                        partition_indexes: vec![0],
                        ..Default::default()
                    };
                    (Request::Fetch { group: GROUP.to_owned(), topics: Some(vec![asked]) }, 3000)
                }
                221..=223 if is_stormy => {
                    let request = client.leave();
                    client.member.clear();
                    client.rejoin();
                    self.bites.left += 1;
                    (request, 3000)
                }
                // Metadata that changed makes it join again; so do leaders now and then.
                224..=226 if is_stormy => {
                    client.rejoin();
                    (client.join(), i64::from(REBALANCE_MS) + 5000)
                }
                _ => (client.heartbeat(), 3000),
            },
        };
        client.waits = Some((token, self.ms + wait));
        self.send(Sender { client: number, token }, request, is_stormy);
    }

    fn send(&mut self, sender: Sender, request: Request, is_stormy: bool) {
        if !is_stormy {
            return self.at(self.ms + 1, Event::Arrives(sender, request));
        }
        if self.rng.random_ratio(1, 40) {
            self.bites.lost += 1;
            return;
        }
        if self.rng.random_ratio(1, 40) {
            self.bites.repeated += 1;
            let again = self.ms + delay_ms(&mut self.rng);
            self.at(again, Event::Arrives(sender, request.clone()));
        }
        let delay = delay_ms(&mut self.rng);
        self.bites.delayed += u64::from(delay > 1000);
        self.at(self.ms + delay, Event::Arrives(sender, request));
    }

    /// Records are under way to the log, replies behind them.
    fn take(&mut self, effects: Effects) {
        for record in &effects.records {
            let encoded = record.encode().unwrap();
            let decoded = Record::decode(&encoded.key, encoded.value.as_ref()).unwrap();
            let crate::group::records::Decoded::Known(decoded) = decoded else { panic!("{decoded:?}") };
            self.shadow.replay(decoded);
        }
        if effects.records.is_empty() && self.underway.is_empty() {
            return self.answer(effects.replies);
        }
        if effects.records.is_empty() {
            return self.underway.back_mut().unwrap().replies.extend(effects.replies);
        }
        self.underway.push_back(effects);
        let delay = self.rng.random_range(1..30);
        self.at(self.ms + delay, Event::Commits);
        if self.ms < STORMY_MS && self.rng.random_ratio(1, 60) {
            let soon = self.rng.random_range(0..delay);
            self.at(self.ms + soon, Event::Crashes);
        }
    }

    fn commit(&mut self) {
        let Some(Effects { records, replies }) = self.underway.pop_front() else { return };
        self.log.extend(records);
        self.answer(replies);
    }

    fn crash(&mut self) {
        self.bites.crashed += 1;
        self.bites.crashed_with_uncommitted += u64::from(!self.underway.is_empty());
        // Some of what was under way is in the log, and nobody was told.
        let written = self.rng.random_range(0..=self.underway.len());
        for Effects { records, .. } in self.underway.drain(..written) {
            self.log.extend(records);
        }
        self.underway.clear();
        self.open.clear();
        self.incarnation += 1;
        (self.core, self.shadow) = (Core::new(settings()), Core::new(settings()));
        for record in &self.log {
            self.core.replay(record.clone());
            self.shadow.replay(record.clone());
        }
        self.core.on_loaded(self.now());
    }

    /// Replies leave the broker: what they promise must hold from here on.
    fn answer(&mut self, replies: Vec<(ReplyId, Reply)>) {
        for (id, reply) in replies {
            let open = self.open.remove(&id).expect("a request is answered once");
            match &reply {
                Reply::Join(joined) => self.check_joined(joined),
                Reply::Sync(synced) if synced.error_code == ErrorCode::NONE => {
                    self.bites.stable += 1;
                    self.check_assigned(&synced.assignment, &open.sender);
                }
                Reply::Sync(synced) => self.count(synced.error_code),
                Reply::Heartbeat(code) => self.count(*code),
                Reply::Commit(topics) => {
                    let code = topics[0].partitions[0].error_code;
                    self.count(code);
                    if code == ErrorCode::NONE {
                        self.bites.commits += 1;
                        // The newest offset in the log is this one's, or one that came after it.
                        self.acked_at = self
                            .acked_at
                            .max(self.newest_offset_at().expect("an acked offset is in the log"));
                    }
                }
                Reply::Fetch(topics) => {
                    self.bites.fetches += 1;
                    let offset = topics[0].partitions[0].committed_offset;
                    let found = self.log.iter().rposition(
                        |record| matches!(record, Record::Offset(_, Some(value)) if value.offset == offset),
                    );
                    assert!(
                        found.map_or(0, |at| at + 1) >= open.floor,
                        "offset {offset} is older than an acked one"
                    );
                }
                _ => {}
            }
            let is_lost = self.ms < STORMY_MS && self.rng.random_ratio(1, 40);
            let delay = if self.ms < STORMY_MS { delay_ms(&mut self.rng) } else { 1 };
            if !is_lost {
                self.at(self.ms + delay, Event::Answered(open.sender, reply));
            }
        }
    }
}
