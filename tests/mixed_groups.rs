//! One group, members of five clients: ours, the C client's, Java's, kafka-python's and kafkajs' come, leave and are killed with
//! -9, at `kbroker` and at Apache Kafka.
//!
//! Every record is handled at least once, no partition belongs to two members at once, and what a dead member had is read
//! again by the others within its session timeout, a heartbeat and two seconds.
#![expect(clippy::disallowed_methods, reason = "how long a group takes to settle is what is tested")]

#[path = "mixed_groups/member.rs"]
mod member;
#[path = "mixed_groups/watch.rs"]
mod watch;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kinglet::admin::NewTopic;
use kinglet::{Client, Config, Record};
use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::{Binaries, Kbroker};
use kinglet_harness::clients::{KafkaPython, Kafkajs};
use kinglet_harness::kafka::{Jars, Kafka};
use kinglet_harness::kcat::Kcat;
use tokio::time::timeout;

use member::{Fate, Kind, Member, Programs, last_lines};
use watch::Watch;

/// Nobody may be left without: there are eleven members at most.
const PARTITIONS: i32 = 12;
const ALL: [Kind; 5] = [Kind::Ours, Kind::C, Kind::Java, Kind::Python, Kind::JavaScript];
const STRATEGIES: &str = "range,roundrobin,cooperative-sticky";
/// What every member says of itself, in ms.
const SESSION: u64 = 6_000;
const HEARTBEAT: u64 = 1_000;
/// Session, heartbeat and two seconds.
const DEATH_MAX: Duration = Duration::from_millis(SESSION + HEARTBEAT + 2_000);
/// How long a Java program may take to start and join, on a busy machine.
const JOIN_MAX: Duration = Duration::from_secs(60);
/// How long what was sent last may be on its way.
const TAIL_MAX: Duration = Duration::from_secs(30);

/// How long those that are late are watched, to see who it was.
const LATE_MAX: Duration = Duration::from_secs(40);

/// One broker at a time: a dozen members are enough for a small computer, and their deaths are timed.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn members_of_five_clients_share_kbroker() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(programs) = programs("mixed groups at kbroker") else { return };
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut command = programs.binaries.command("kbroker");
    command.arg("--port").arg("0").arg("--data-dir").arg(data.path());
    command.args(["--override", "group.initial.rebalance.delay.ms=0"]);
    let broker = Kbroker::run(&mut command).expect("kbroker starts");
    share(&programs, "kbroker", &broker.bootstrap(), &|| broker.lines());
    let lines = broker.lines();
    let bad: Vec<_> = lines.iter().filter(|l| l.contains("panicked") || l.contains("ERROR")).collect();
    assert!(bad.is_empty(), "kbroker says: {bad:#?}");
}

#[test]
fn members_of_five_clients_share_apache_kafka() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(programs) = programs("mixed groups at Apache Kafka") else { return };
    let kafka = Kafka::start(&programs.jars).expect("Apache Kafka starts");
    share(&programs, "Apache Kafka", &kafka.bootstrap(), &|| kafka.lines());
}

fn programs(test: &str) -> Option<Programs> {
    let kcat = or_skip(test, Kcat::find())?;
    let jars = or_skip(test, Jars::fetch())?;
    let python = or_skip(&format!("{test}, members of kafka-python"), KafkaPython::fetch());
    let kafkajs = or_skip(&format!("{test}, members of kafkajs"), Kafkajs::fetch());
    Some(Programs { binaries: Binaries::build().expect("our programs compile"), kcat, jars, python, kafkajs })
}

/// All strategies, or those of `KINGLET_STRATEGIES`, each for its part of `KINGLET_SECONDS`, one round at least.
fn share(programs: &Programs, at: &str, bootstrap: &str, log: &dyn Fn() -> Vec<String>) {
    let chosen = std::env::var("KINGLET_STRATEGIES").unwrap_or_else(|_| STRATEGIES.to_owned());
    let seconds = std::env::var("KINGLET_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for strategy in chosen.split(',') {
            let run = Run::new(programs, bootstrap, strategy, log).await;
            let tally = run.go(Instant::now() + Duration::from_secs(seconds)).await;
            println!("{at}, {strategy}: {tally:?}");
            assert!(tally.rebalances > 0, "{tally:?}");
            let founder = programs.founder(strategy);
            assert!(founder == Kind::Ours || tally.assigned.contains_key(&founder), "{tally:?}");
            for kind in programs.kinds(strategy) {
                for (what, counts) in
                    [("joined", &tally.joins), ("killed", &tally.kills), ("left", &tally.leaves)]
                {
                    let never_asked = what == "left" && !kind.can_leave();
                    assert!(never_asked || counts.contains_key(&kind), "no {kind:?} {what}: {tally:?}");
                }
            }
        }
    });
}

/// Of UTC, as most of the logs have it.
fn time_of_day() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (now.as_secs(), now.subsec_millis());
    let [hour, minute, second] = [seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60];
    format!("{hour:02}:{minute:02}:{second:02}.{millis:03} ({seconds})")
}

/// Whose member handled a record, and whether it was killed later.
type Handler = (Kind, Fate);

/// How often what happened.
#[derive(Debug, Default)]
struct Tally {
    joins: BTreeMap<Kind, u32>,
    kills: BTreeMap<Kind, u32>,
    leaves: BTreeMap<Kind, u32>,
    /// How often which of the scripts was the leader.
    assigned: BTreeMap<Kind, usize>,
    rebalances: usize,
    records: u32,
    /// Handled more than once, by how many of whom: at least once is what was promised.
    again: BTreeMap<Vec<Handler>, usize>,
    longest_after_kill: Duration,
    /// What took longest until each member had handled something.
    slowest: (Duration, String),
}

struct Run<'a> {
    programs: &'a Programs,
    bootstrap: &'a str,
    strategy: &'a str,
    /// The broker's.
    log: &'a dyn Fn() -> Vec<String>,
    topic: String,
    client: Client,
    watch: Watch,
    members: Vec<Member>,
    /// Files of those that are gone: what they printed was handled.
    gone: Vec<Member>,
    tally: Tally,
}

impl<'a> Run<'a> {
    async fn new(
        programs: &'a Programs,
        bootstrap: &'a str,
        strategy: &'a str,
        log: &'a dyn Fn() -> Vec<String>,
    ) -> Self {
        let client = Client::connect(Config::new(bootstrap)).await.expect("the broker is there");
        let topic = format!("mixed-{strategy}");
        let created = client.admin().create_topics([NewTopic::new(&*topic, PARTITIONS, 1)]).await;
        for (_, result) in created.expect("it answers") {
            result.expect("it is new");
        }
        let watch = Watch::start(client.clone(), topic.clone());
        Self {
            programs,
            bootstrap,
            strategy,
            log,
            topic,
            client,
            watch,
            members: Vec::new(),
            gone: Vec::new(),
            tally: Tally::default(),
        }
    }

    async fn go(mut self, until: Instant) -> Tally {
        let producer = self.client.producer().expect("a runtime");
        let topic = self.topic.clone();
        let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
        let feeding = tokio::spawn(async move {
            let mut number = 0_u32;
            let mut tick = tokio::time::interval(Duration::from_millis(5));
            while stopped.try_recv().is_err() {
                tick.tick().await;
                let text = number.to_string();
                drop(
                    producer
                        .enqueue(Record::to(&topic).key(&text).value(&text))
                        .await
                        .expect("there is room"),
                );
                number += 1;
            }
            let report = producer.flush().await.expect("it is open");
            assert_eq!(report.failed, 0, "{report:?}");
            number
        });
        let founder = self.programs.founder(self.strategy);
        let others = [Kind::Ours, Kind::Python, Kind::JavaScript].into_iter().filter(|kind| *kind != founder);
        let others: Vec<_> = others.collect();
        loop {
            self.join(&[founder]).await;
            self.join(&[Kind::C, Kind::Java]).await;
            self.join(&others).await;
            self.join(&ALL).await;
            // Each client dies, the leader among the dead, and each has to take over what the dead had.
            self.kill(&ALL).await;
            self.leave(&[Kind::Java, Kind::Python, Kind::JavaScript]).await;
            self.leave(&[Kind::Ours]).await;
            if Instant::now() >= until {
                break;
            }
            // One stays: a group without members is shared by nobody.
            if self.members.len() > 1 {
                self.kill(&[Kind::C]).await;
            }
        }
        stop.send(()).expect("it still feeds");
        self.tally.records = feeding.await.expect("the feeder ends in order");
        self.see_everything().await;
        // It would hold the others up for half a minute: joining may take as long, so no limit above tells.
        for member in self.members.iter().chain(&self.gone).filter(|member| member.kind == Kind::Ours) {
            let slow = member.lines_with("the user is not done with partitions");
            assert!(slow.is_empty(), "{}: {slow:#?}", member.name());
        }
        for member in self.members.iter().chain(&self.gone).filter(|member| member.assigned() > 0) {
            *self.tally.assigned.entry(member.kind).or_default() += member.assigned();
        }
        self.tally.rebalances = self.watch.stop().await;
        self.tally
    }

    /// Those of the kinds that are members here.
    fn here(&self, kinds: &[Kind]) -> Vec<Kind> {
        let here = self.programs.kinds(self.strategy);
        kinds.iter().copied().filter(|kind| here.contains(kind)).collect()
    }

    /// Starts one of each kind at once.
    async fn join(&mut self, kinds: &[Kind]) {
        let kinds = self.here(kinds);
        if kinds.is_empty() {
            return;
        }
        for kind in &kinds {
            let number = self.members.len() + self.gone.len();
            let member =
                Member::start(*kind, number, self.programs, self.bootstrap, &self.topic, self.strategy);
            self.members.push(member);
            *self.tally.joins.entry(*kind).or_default() += 1;
        }
        self.settle(JOIN_MAX, &format!("{kinds:?} joined")).await;
    }

    /// Kills one of each kind at once, with -9.
    async fn kill(&mut self, kinds: &[Kind]) {
        let kinds = self.here(kinds);
        for kind in &kinds {
            let mut member = self.take(*kind);
            member.kill();
            self.gone.push(member);
            *self.tally.kills.entry(*kind).or_default() += 1;
        }
        let took = self.settle(DEATH_MAX, &format!("{kinds:?} were killed")).await;
        self.tally.longest_after_kill = self.tally.longest_after_kill.max(took);
    }

    /// Asks one of each kind to end, one after the other.
    async fn leave(&mut self, kinds: &[Kind]) {
        let kinds = self.here(kinds);
        for kind in &kinds {
            let mut member = self.take(*kind);
            member.ask_to_end();
            self.gone.push(member);
            *self.tally.leaves.entry(*kind).or_default() += 1;
        }
        self.settle(DEATH_MAX, &format!("{kinds:?} left")).await;
    }

    fn take(&mut self, kind: Kind) -> Member {
        let index = self.members.iter().position(|member| member.kind == kind).expect("there is one");
        self.members.remove(index)
    }

    /// Until those that live share all partitions, and each has handled something since.
    async fn settle(&mut self, limit: Duration, why: &str) -> Duration {
        let (began, at) = (Instant::now(), time_of_day());
        let count = self.members.len();
        self.members.iter_mut().for_each(Member::mark);
        let shared = timeout(limit, self.watch.shared_by(count, PARTITIONS)).await;
        if shared.is_err() {
            let since = format!("at {at} {why}, and {limit:?} later they do not share");
            // Who is late may come yet: its log tells why only then.
            let late = timeout(LATE_MAX, self.watch.shared_by(count, PARTITIONS)).await.is_ok();
            let then = if late { "; they did at " } else { " and still did not at " };
            panic!("{}: {since}{then}{}\n{}", self.strategy, time_of_day(), self.told());
        }
        let took = began.elapsed();
        let before: Vec<_> = self.members.iter().map(Member::size).collect();
        let busy = async {
            while self.members.iter().zip(&before).any(|(member, before)| member.size() == *before) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if timeout(TAIL_MAX, busy).await.is_err() {
            let idle = self.members.iter().zip(&before).filter(|(member, before)| member.size() == **before);
            let idle: Vec<_> = idle.map(|(member, _)| member.name()).collect();
            panic!("{}: at {at} {why}, and these handle nothing: {idle:?}\n{}", self.strategy, self.told());
        }
        if began.elapsed() > self.tally.slowest.0 {
            self.tally.slowest = (began.elapsed(), why.to_owned());
        }
        took
    }

    /// The group's last states, and what the broker and the members said of it.
    fn told(&self) -> String {
        let lines = (self.log)();
        let of_group = lines.iter().map(String::as_str).filter(|line| line.contains(&self.topic));
        let said = self.members.iter().chain(self.gone.iter().rev().take(ALL.len())).map(Member::said);
        let said: String = said.collect();
        format!("{}\nthe broker:\n{}{said}", self.watch.describe(), last_lines(of_group))
    }

    async fn see_everything(&mut self) {
        let began = Instant::now();
        loop {
            let all: Vec<u32> = self.members.iter().chain(&self.gone).flat_map(Member::handled).collect();
            let seen: HashSet<u32> = all.iter().copied().collect();
            let missing: Vec<u32> = (0..self.tally.records).filter(|number| !seen.contains(number)).collect();
            if missing.is_empty() {
                return self.count_again();
            }
            assert!(began.elapsed() < TAIL_MAX, "{}: never handled: {missing:?}", self.strategy);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    /// Who handled what again. A member of ours that was not killed has committed what it handled before another had the
    /// partition, so that no other of ours comes across it, nor itself.
    fn count_again(&mut self) {
        let mut handlers: BTreeMap<u32, Vec<Handler>> = BTreeMap::new();
        for member in self.members.iter().chain(&self.gone) {
            for number in member.handled() {
                handlers.entry(number).or_default().push((member.kind, member.fate));
            }
        }
        for (number, mut handlers) in handlers {
            handlers.sort_unstable();
            let of_ours = handlers.iter().filter(|handler| **handler == (Kind::Ours, Fate::InOrder)).count();
            assert!(of_ours < 2, "{}: {number} was handled by {handlers:?}", self.strategy);
            if handlers.len() > 1 {
                *self.tally.again.entry(handlers).or_default() += 1;
            }
        }
    }
}
