//! Three brokers with the network between them, and what can be done to them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use kinglet::admin::{NewTopic, PartitionDescription};
use kinglet::protocol::messages::MetadataRequest;
use kinglet::protocol::messages::metadata::MetadataRequestTopic;
use kinglet::{Client, Config, Target};
use kinglet_harness::binaries::Binaries;
use kinglet_harness::cluster::Brokers;
use rand::Rng;
use rand::seq::IndexedRandom;
use tokio::time::{Instant, sleep};

use crate::Fallible;
use crate::disk::{Disk, waiting_threads};
use crate::history::Event;
use crate::load::{PARTITIONS, TOPIC, tail};
use crate::net::{Net, Who};
use crate::report::Violation;
use crate::warnings::{Counted, count};

pub(crate) const IDS: [i32; 3] = [1, 2, 3];
/// Whose disk may be its own.
const ON_DISK: i32 = 3;
/// What a system says of a full disk.
const FULL: &str = "No space left on device";
/// How often it is looked whether something is so.
const LOOK: Duration = Duration::from_millis(50);
/// A broker that says nothing for so long is fenced; longer would only make rounds longer. A leader finds that a follower lags before
/// that, so that both take somebody out of an ISR. Heartbeats come as often in a session as they do by default.
const SESSION_MS: u64 = 2_000;
const OPTIONS: [&str; 4] = [
    "broker.session.timeout.ms=2000",
    "broker.heartbeat.interval.ms=400",
    "replica.lag.time.max.ms=1500",
    "auto.leader.rebalance.enable=false",
];

/// A partition, as a broker knows it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    partition: i32,
    leader: i32,
    epoch: i32,
    isr: Vec<i32>,
}

/// The cluster.
pub(crate) struct Site {
    // Before its disk, so that it is dropped first.
    brokers: Brokers,
    disk: Option<Disk>,
    pub(crate) net: Net,
    admin: Client,
    frozen: BTreeSet<i32>,
    dead: BTreeSet<i32>,
    /// Started, and not yet waited for.
    starting: BTreeSet<i32>,
    dirs: BTreeMap<i32, PathBuf>,
}

impl Site {
    /// Starts it, with a topic of three replicas. Within a runtime of several threads.
    pub(crate) async fn start(binaries: &Binaries, disk: Option<Disk>) -> Fallible<Self> {
        let mut brokers = Brokers::behind(binaries, &OPTIONS)?;
        if let Some(disk) = &disk {
            let data = disk.path().join("data");
            std::fs::create_dir(&data)?;
            std::os::unix::fs::symlink(data, brokers.data_dir(ON_DISK)?)?;
        }
        let mut net = Net::new(brokers.ports())?;
        for id in IDS {
            net.open(id).await?;
            brokers.spawn(id)?;
        }
        for id in IDS {
            tokio::task::block_in_place(|| brokers.wait_ready(id))?;
        }
        let config = Config::new(brokers.bootstrap()).set("request.timeout.ms", 2_000)?;
        let admin = Client::connect(config.set("default.api.timeout.ms", 10_000)?).await?;
        for (_, created) in admin.admin().create_topics([NewTopic::new(TOPIC, PARTITIONS, 3)]).await? {
            created?;
        }
        let (frozen, dead, starting) = Default::default();
        let mut site = Self { brokers, disk, net, admin, frozen, dead, starting, dirs: BTreeMap::new() };
        site.learn_dirs()?;
        Ok(site)
    }

    pub(crate) fn bootstrap(&self) -> String {
        self.brokers.bootstrap()
    }

    /// A client that knows the cluster.
    pub(crate) fn admin(&self) -> &Client {
        &self.admin
    }

    /// The leaders by partition, as far as anybody knows.
    pub(crate) async fn partitions(&self) -> Fallible<Vec<PartitionDescription>> {
        let (_, topic) =
            self.admin.admin().describe_topics([TOPIC]).await?.into_iter().next().ok_or("no answer")?;
        Ok(topic?.partitions)
    }

    /// Who leads the first partition.
    pub(crate) async fn leader(&self) -> Fallible<i32> {
        let partitions = self.partitions().await?;
        partitions.first().and_then(|partition| partition.leader).ok_or_else(|| "nobody leads".into())
    }

    /// How many partitions a broker leads.
    pub(crate) async fn led_by(&self, id: i32) -> Fallible<u64> {
        Ok(self.partitions().await?.iter().filter(|partition| partition.leader == Some(id)).count() as u64)
    }

    /// Who leads the metadata.
    pub(crate) async fn controller(&self) -> Fallible<i32> {
        self.admin.admin().describe_quorum().await?.leader.ok_or_else(|| "nobody leads the metadata".into())
    }

    pub(crate) fn kill(&mut self, id: i32) -> Fallible<()> {
        self.brokers.kill(id)?;
        self.net.close(id);
        self.starting.remove(&id);
        self.dead.insert(id);
        Ok(())
    }

    /// SIGTERM, until it has ended.
    pub(crate) fn stop(&mut self, id: i32) -> Fallible<()> {
        let status = tokio::task::block_in_place(|| self.brokers.stop(id))?;
        self.net.close(id);
        self.dead.insert(id);
        if status.success() { Ok(()) } else { Err(format!("broker {id} stopped with {status}").into()) }
    }

    /// Starts it again; it may have to wait for others.
    pub(crate) async fn revive(&mut self, id: i32) -> Fallible<()> {
        self.net.open(id).await?;
        self.brokers.spawn(id)?;
        self.dead.remove(&id);
        self.starting.insert(id);
        Ok(())
    }

    /// One whose directory may be another.
    pub(crate) fn replaceable(&self, random: &mut impl Rng) -> Fallible<i32> {
        let ids: Vec<i32> = IDS.into_iter().filter(|id| self.disk.is_none() || *id != ON_DISK).collect();
        ids.choose(random).copied().ok_or_else(|| "all have disks of their own".into())
    }

    /// Starts it with an empty directory.
    pub(crate) async fn replace(&mut self, id: i32) -> Fallible<()> {
        self.net.open(id).await?;
        self.brokers.spawn_empty(id)?;
        self.dead.remove(&id);
        self.starting.insert(id);
        self.learn_dirs()
    }

    pub(crate) fn freeze(&mut self, id: i32) -> Fallible<()> {
        self.brokers.freeze(id)?;
        self.frozen.insert(id);
        Ok(())
    }

    pub(crate) fn thaw(&mut self, id: i32) -> Fallible<()> {
        self.brokers.thaw(id)?;
        self.frozen.remove(&id);
        Ok(())
    }

    /// The disk that one broker has for itself.
    pub(crate) fn disk(&mut self) -> Fallible<&mut Disk> {
        self.disk.as_mut().ok_or_else(|| "no broker has a disk of its own".into())
    }

    /// Whether the broker with a disk of its own waits for it.
    pub(crate) fn waits_for_disk(&self) -> Fallible<bool> {
        let pid = IDS.into_iter().zip(self.brokers.pids()).find(|(id, _)| *id == ON_DISK);
        let (_, pid) = pid.ok_or("its broker does not run")?;
        Ok(waiting_threads(pid)? > 0)
    }

    /// Nothing more goes to that disk for a while; how often its broker was told so. It is started again at the end, as the one who
    /// made space would do: the metadata's log may not go on after such a failure.
    pub(crate) async fn fill_disk(&mut self) -> Fallible<u64> {
        let told = |site: &Self| -> Fallible<usize> {
            Ok(site.brokers.lines(ON_DISK)?.iter().filter(|line| line.contains(FULL)).count())
        };
        let before = told(self)?;
        self.disk()?.fill()?;
        sleep(Self::too_long()).await;
        let after = told(self)?;
        self.kill(ON_DISK)?;
        Ok(after.saturating_sub(before) as u64)
    }

    /// Longer than a broker may be silent.
    pub(crate) fn too_long() -> Duration {
        Duration::from_millis(SESSION_MS * 3 / 2)
    }

    /// Everything that was done to it ends: the network is clear, and all brokers run.
    pub(crate) async fn heal(&mut self) -> Fallible<()> {
        self.net.clear();
        if let Some(disk) = &mut self.disk {
            disk.heal()?;
        }
        for id in self.frozen.clone() {
            self.thaw(id)?;
        }
        for id in self.dead.clone() {
            self.revive(id).await?;
        }
        for id in std::mem::take(&mut self.starting) {
            tokio::task::block_in_place(|| self.brokers.wait_ready(id))?;
        }
        Ok(())
    }

    /// Waits until every partition has its leader and all replicas are in sync, as all brokers say with one voice: one that was cut off
    /// may not know yet that others lead since, and says that all is as it was.
    pub(crate) async fn whole(&self, limit: Duration) -> Fallible<()> {
        let deadline = Instant::now() + limit;
        loop {
            let mut told = Vec::new();
            for id in IDS {
                told.push(self.told_by(id).await);
            }
            let first = told.first().and_then(|told| told.as_ref().ok());
            let is_whole = first.is_some_and(|first| {
                let mut all = first.iter();
                all.all(|told| told.leader >= 0 && told.isr.len() == IDS.len())
                    && told.iter().all(|other| other.as_ref().is_ok_and(|other| other == first))
            });
            if is_whole {
                return Ok(());
            }
            if Instant::now() > deadline {
                let late = format!("alive: not every replica is in sync after {limit:?}: {told:?}");
                return Err(Violation(late).into());
            }
            sleep(LOOK).await;
        }
    }

    /// What one broker says of the partitions.
    async fn told_by(&self, id: i32) -> Fallible<Vec<Told>> {
        let topic = MetadataRequestTopic { name: Some(TOPIC.to_owned()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
        let response = self.admin.request(request, Target::Broker(id)).await?;
        let topic = response.topics.into_iter().next().ok_or("no answer")?;
        let told = topic.partitions.into_iter().map(|partition| {
            let mut isr = partition.isr_nodes;
            isr.sort_unstable();
            let (partition, leader, epoch) =
                (partition.partition_index, partition.leader_id, partition.leader_epoch);
            Told { partition, leader, epoch, isr }
        });
        let mut told: Vec<Told> = told.collect();
        told.sort_unstable();
        Ok(told)
    }

    /// Waits until it is so for all partitions.
    pub(crate) async fn until(
        &self,
        limit: Duration,
        what: &str,
        is_so: impl Fn(&PartitionDescription) -> bool,
    ) -> Fallible<()> {
        let deadline = Instant::now() + limit;
        loop {
            let described = self.partitions().await;
            if described.as_ref().is_ok_and(|partitions| partitions.iter().all(&is_so)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let late = format!("alive: not so after {limit:?}: {what}: {described:?}");
                return Err(Violation(late).into());
            }
            sleep(LOOK).await;
        }
    }

    /// Between one broker and the others, both ways.
    pub(crate) fn peers_of(id: i32) -> Vec<(Who, Who)> {
        let others = IDS.into_iter().filter(|other| *other != id);
        others.flat_map(|other| both(Who::Broker(id), Who::Broker(other))).collect()
    }

    /// All that comes from or goes to one broker.
    pub(crate) fn all_of(id: i32) -> Vec<(Who, Who)> {
        Self::peers_of(id).into_iter().chain(both(Who::Broker(id), Who::Client)).collect()
    }

    /// The folders of a partition's replicas.
    pub(crate) fn replicas(&self, partition: i32) -> Vec<PathBuf> {
        self.dirs.values().map(|dir| dir.join(format!("{TOPIC}-{partition}"))).collect()
    }

    /// What must not stand in a broker's log.
    pub(crate) fn bad_lines(&self) -> Fallible<Vec<String>> {
        let mut bad = Vec::new();
        for id in IDS {
            let lines = self.brokers.lines(id)?;
            // A full disk may take the log directory with it, if it is met while a log is cut.
            let is_of_disk = |line: &str| line.contains(FULL) || line.contains("log directory failed");
            let is_bad = |line: &&String| {
                line.contains("panicked")
                    || (line.contains(" ERROR ") && !(id == ON_DISK && is_of_disk(line)))
            };
            bad.extend(lines.iter().filter(is_bad).map(|line| format!("broker {id}: {line}")));
        }
        Ok(tail(&bad, 20).into())
    }

    /// What the brokers warned of.
    pub(crate) fn warnings(&self) -> Counted {
        let mut counted = Counted::new();
        IDS.iter()
            .filter_map(|id| self.brokers.lines(*id).ok())
            .for_each(|lines| count(&lines, &mut counted));
        counted
    }

    /// What the brokers said stays in files.
    pub(crate) fn keep_lines(&self) -> Fallible<()> {
        Ok(self.brokers.keep_lines()?)
    }

    /// Who says that it leads a partition, and in which epoch.
    pub(crate) fn claims(&self) -> Fallible<Vec<Event>> {
        let mut claims = Vec::new();
        for broker in IDS {
            let lines = self.brokers.lines(broker)?;
            claims.extend(lines.iter().filter_map(|line| claim(broker, line)));
        }
        Ok(claims)
    }

    fn learn_dirs(&mut self) -> Fallible<()> {
        for id in IDS {
            let dir = self.brokers.data_dir(id)?;
            self.dirs.insert(id, dir);
        }
        Ok(())
    }
}

/// Both directions between two.
pub(crate) fn both(one: Who, other: Who) -> [(Who, Who); 2] {
    [(one, other), (other, one)]
}

/// What a broker says when it leads: `… leads topic="storm" partition=3 epoch=7 offset=1815`.
fn claim(broker: i32, line: &str) -> Option<Event> {
    let (_, said) = line.split_once(" leads ")?;
    let field = |key: &str| said.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    if field("topic")?.trim_matches('"') != TOPIC {
        return None;
    }
    let (partition, epoch) = (field("partition")?.parse().ok()?, field("epoch")?.parse().ok()?);
    Some(Event::Leads { partition, epoch, broker })
}
