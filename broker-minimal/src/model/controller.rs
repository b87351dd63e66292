//! The controller's task on each node, around the real decisions: one proposal at a time, on the newest image that the node has. Several
//! nodes may take themselves for the active one.

use std::collections::VecDeque;
use std::time::Instant;

use kinglet_protocol::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kinglet_protocol::messages::{AlterPartitionRequest, BrokerHeartbeatRequest, BrokerRegistrationRequest};
use kinglet_protocol::{ErrorCode, Uuid};
use rand::seq::SliceRandom;

use super::broker::Told;
use super::world::{Event, Letter, TOPIC, World, partition};
use crate::meta::controller::{Controller, Election};
use crate::meta::log::Proposal;
use crate::meta::raft::model::{Out, Place, VOTERS, Voter};
use crate::meta::record::Record;
use crate::meta::sessions::Sessions;

pub(super) const CLUSTER: &str = "c";
/// `broker.session.timeout.ms`.
const SESSION: std::time::Duration = std::time::Duration::from_millis(1_500);
/// How long a proposal may be under way.
const PROPOSE_MS: u64 = 150;
/// How often lost leaderships and preferred replicas are looked after.
const BALANCE_MS: u64 = 1_500;

/// A request to a controller.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) from: i32,
    pub(super) life: u64,
    pub(super) number: u64,
    pub(super) ask: Ask,
}

/// What is to be decided.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Register(BrokerRegistrationRequest),
    Beat(BrokerHeartbeatRequest),
    Alter(AlterPartitionRequest),
    First,
    Create(CreatableTopic),
    Lost(i32, i64),
    Expire,
    ElectOffline,
    Balance,
    Preferred,
}

/// With whom waits for it; nobody for what the controller does by itself.
struct Job {
    ask: Ask,
    from: Option<(i32, u64, u64)>,
}

/// What goes with the process.
pub(super) struct Task {
    /// The epoch that it has begun to lead in.
    epoch: Option<i32>,
    sessions: Sessions,
    queue: VecDeque<Job>,
    under_way: Option<UnderWay>,
    due_ms: u64,
    balance_ms: u64,
}

struct UnderWay {
    job: Job,
    told: Told,
    place: Place,
    since_ms: u64,
}

impl Task {
    pub(super) fn new(now: Instant) -> Self {
        let sessions = Sessions::new(SESSION, now);
        Self { epoch: None, sessions, queue: VecDeque::new(), under_way: None, due_ms: 0, balance_ms: 0 }
    }

    pub(super) fn add(&mut self, ask: Ask) {
        self.queue.push_back(Job { ask, from: None });
    }
}

impl World {
    /// The task of a process that runs.
    pub(super) fn task(&mut self, id: i32) -> &mut Task {
        &mut self.node_mut(id).live.as_mut().unwrap().task
    }

    /// Lets a voter work, sends what it says, and works on what has come of it.
    pub(super) fn with_voter(&mut self, id: i32, work: impl FnOnce(&mut Voter, &mut Out)) {
        let Some(live) = self.node_mut(id).live.as_mut() else { return };
        let before = live.voter.image.offset;
        let mut out = Vec::new();
        work(&mut live.voter, &mut out);
        let image = live.voter.image.clone();
        if image.offset > before {
            live.images.push_back(image.clone());
        }
        let outcomes = std::mem::take(&mut live.voter.outcomes);
        for (to, message) in out {
            self.send(id, to, Letter::Quorum(message));
        }
        self.check_image(&image);
        for (place, made) in outcomes {
            self.on_outcome(id, place, made);
        }
    }

    pub(super) fn on_asked(&mut self, to: i32, asked: Asked) {
        let Asked { from, life, number, ask } = asked;
        let is_of_the_dead = !self.node(from).is_alive(life);
        if is_of_the_dead && matches!(ask, Ask::Register(_)) && self.nodes.iter().any(|node| node.is_missed) {
            // It would count as another life that ended without order while a disk has lost records: two faults at once.
            return;
        }
        let job = Job { ask, from: Some((from, life, number)) };
        self.task(to).queue.push_back(job);
        self.control(to);
    }

    /// The task looks at who leads, at the clock, and at what waits.
    pub(super) fn control(&mut self, id: i32) {
        let (now, now_ms) = (self.now(id), self.steady_ms(id));
        let live = self.node_mut(id).live.as_mut().unwrap();
        let epoch = live.voter.leads(now_ms);
        let task = &mut live.task;
        if task.epoch != epoch {
            task.epoch = epoch;
            task.sessions = Sessions::new(SESSION, now);
            task.due_ms = now_ms;
            task.balance_ms = now_ms + BALANCE_MS;
            if epoch.is_some() {
                self.begin(id);
            }
        }
        self.on_time(id);
        self.work(id);
    }

    /// Whoever begins to lead looks at every process: one that died with the last controller has nobody to miss it.
    fn begin(&mut self, id: i32) {
        self.bites.count("controller");
        self.task(id).add(Ask::First);
        for broker in VOTERS {
            let life = self.node(broker).life;
            self.at(1, Event::Noticed(broker, life));
        }
    }

    fn on_time(&mut self, id: i32) {
        let (now, now_ms) = (self.now(id), self.steady_ms(id));
        let is_new = partition(&self.newest).is_none();
        let live = self.node_mut(id).live.as_mut().unwrap();
        let task = &mut live.task;
        if task.epoch.is_none() || now_ms < task.due_ms {
            return;
        }
        let interval = u64::try_from(task.sessions.interval().as_millis()).unwrap();
        task.due_ms = now_ms + interval;
        task.sessions.look(now);
        let image = &live.voter.image;
        let expired = task.sessions.expired(image, now).len();
        (0..expired).for_each(|_| task.add(Ask::Expire));
        if now_ms >= task.balance_ms {
            task.balance_ms = now_ms + BALANCE_MS;
            task.add(Ask::ElectOffline);
            task.add(Ask::Balance);
        }
        let serve = image.brokers.values().filter(|broker| !broker.is_fenced).count();
        if is_new && serve == VOTERS.len() {
            let ask = self.creation();
            self.task(id).add(ask);
        }
    }

    fn creation(&mut self) -> Ask {
        let mut broker_ids = VOTERS.to_vec();
        broker_ids.shuffle(&mut self.rng);
        let min_isr = self.min_insync_replicas.to_string();
        Ask::Create(CreatableTopic {
            name: TOPIC.to_owned(),
            num_partitions: -1,
            replication_factor: -1,
            assignments: vec![CreatableReplicaAssignment { partition_index: 0, broker_ids }],
            configs: vec![CreatableTopicConfig {
                name: "min.insync.replicas".to_owned(),
                value: Some(min_isr),
            }],
        })
    }

    fn work(&mut self, id: i32) {
        let now_ms = self.steady_ms(id);
        loop {
            let live = self.node_mut(id).live.as_mut().unwrap();
            let leads = live.voter.leads(now_ms);
            if let Some(under_way) = &live.task.under_way {
                if leads.is_some() && now_ms.saturating_sub(under_way.since_ms) < PROPOSE_MS {
                    return;
                }
                // Whether it will be made is not known.
                let given_up = live.task.under_way.take().unwrap();
                self.bites.count("gave up");
                self.tell(id, given_up.job, Told::NotController);
                continue;
            }
            let Some(job) = live.task.queue.pop_front() else { return };
            match leads {
                Some(epoch) => self.decide(id, epoch, job),
                None => {
                    self.bites.count("not controller");
                    self.tell(id, job, Told::NotController);
                }
            }
        }
    }

    fn decide(&mut self, id: i32, epoch: i32, job: Job) {
        let (now, now_ms) = (self.now(id), self.steady_ms(id));
        let index = usize::try_from(id - 1).unwrap();
        let live = self.nodes[index].live.as_mut().unwrap();
        let image = live.voter.image.clone();
        let controller = Controller {
            image: &image,
            config: &self.config,
            cluster_id: CLUSTER,
            seed: 0,
            new_id: || Uuid([7; 16]),
        };
        let (records, told) = decide(controller, &job.ask, &mut live.task.sessions, now);
        if records.is_empty() {
            return self.tell(id, job, told);
        }
        let proposal = Proposal { epoch, base: image.offset, records };
        let mut place = None;
        self.with_voter(id, |voter, out| place = voter.propose(&proposal, out));
        let place = place.expect("it leads");
        let live = self.node_mut(id).live.as_mut().unwrap();
        live.task.under_way = Some(UnderWay { job, told, place, since_ms: now_ms });
    }

    fn on_outcome(&mut self, id: i32, place: Place, made: bool) {
        let task = self.task(id);
        let Some(UnderWay { job, told, .. }) = task.under_way.take_if(|under_way| under_way.place == place)
        else {
            return;
        };
        if made {
            if matches!(job.ask, Ask::Expire) {
                self.bites.count("missed");
            }
            self.tell(id, job, told);
        } else {
            self.bites.count("stale");
            self.task(id).queue.push_front(job);
        }
        self.work(id);
    }

    fn tell(&mut self, id: i32, job: Job, told: Told) {
        if let Some((to, life, number)) = job.from {
            self.send(id, to, Letter::Told(life, number, told));
        }
    }

    /// Nobody listens any more where a broker's process was: whoever leads the quorum fences it.
    pub(super) fn notice(&mut self, broker: i32, life: u64) {
        let node = self.node(broker);
        if node.live.is_some() || node.life != life {
            return;
        }
        for id in VOTERS {
            let now_ms = self.steady_ms(id);
            let is_paused = self.ms < self.node(id).paused_until;
            let Some(live) = self.node_mut(id).live.as_mut() else { continue };
            let Some(lost) = live.voter.image.broker(broker).map(|lost| lost.epoch) else { continue };
            if !is_paused && live.voter.leads(now_ms).is_some() {
                live.task.add(Ask::Lost(broker, lost));
                self.control(id);
            }
        }
    }
}

fn decide(
    controller: Controller<'_>,
    ask: &Ask,
    sessions: &mut Sessions,
    now: Instant,
) -> (Vec<Record>, Told) {
    let unasked = |records| (records, Told::Nothing);
    match ask {
        Ask::Register(request) => {
            let (records, answer) = controller.register_broker(request, sessions, now);
            (records, Told::Registered(answer.map_err(|refusal| refusal.code())))
        }
        Ask::Beat(request) => {
            let (records, answer) = controller.heartbeat(request, sessions, now);
            (records, Told::Beat(answer.map_err(|refusal| refusal.code())))
        }
        Ask::Alter(request) => {
            let (records, answer) = controller.alter_partition(request);
            let code = answer.map_or(ErrorCode::NOT_CONTROLLER, |topics| topics[0].partitions[0].error_code);
            (records, Told::Altered(if code.is_err() { Err(code) } else { Ok(()) }))
        }
        Ask::First if controller.image.metadata_version == 0 => unasked(Controller::first_records()),
        Ask::First => unasked(Vec::new()),
        Ask::Create(topic) if controller.image.topic(TOPIC).is_none() => {
            unasked(controller.create_topics(std::slice::from_ref(topic)).0)
        }
        Ask::Create(_) => unasked(Vec::new()),
        Ask::Lost(id, epoch) => unasked(controller.broker_lost(*id, *epoch, sessions)),
        Ask::Expire => unasked(controller.fence_expired(sessions, now)),
        Ask::ElectOffline => unasked(controller.elect_offline(None)),
        Ask::Balance => unasked(controller.balance(1)),
        Ask::Preferred => unasked(controller.elect_leaders(Election::Preferred, None).0),
    }
}
