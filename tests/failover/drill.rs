//! A cluster under work, and what a drill does with it.

#[path = "moving.rs"]
mod moving;

use std::collections::BTreeMap;
use std::time::Duration;

use kinglet::admin::{NewTopic, PartitionDescription};
use kinglet::{Client, Config, Position, Record, TopicPartition};
use kinglet_harness::binaries::Binaries;
use kinglet_harness::cluster::Brokers;
use kinglet_harness::process::{Input, run_ok};
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

use crate::Fallible;
use crate::retries::{Fates, Retrying};
use crate::workload::{TOPIC, Workload, read};
pub(crate) use moving::drill_moving;

/// A topic that nobody counts in, led by broker 1.
const ASIDE: &str = "aside";
/// How often it is looked whether something is so.
const LOOK: Duration = Duration::from_millis(20);
/// What is not so by then is never so.
const LIMIT: Duration = Duration::from_secs(30);

/// Three brokers and two clients that work.
pub(crate) struct Drill<'a> {
    name: &'static str,
    runtime: Runtime,
    admin: Client,
    workload: Workload,
    pub(crate) brokers: &'a mut Brokers,
}

/// Runs one drill on a cluster of its own; the partitions are led by these brokers at first. Afterwards everything that was
/// acked must be there.
pub(crate) fn drill(
    name: &'static str,
    leaders: [i32; 3],
    work: impl FnOnce(&mut Drill<'_>) -> Fallible<()>,
) {
    drill_told(name, leaders, &[], work);
}

/// [`drill`], with further `key=value`s for all.
pub(crate) fn drill_told(
    name: &'static str,
    leaders: [i32; 3],
    options: &[&str],
    work: impl FnOnce(&mut Drill<'_>) -> Fallible<()>,
) {
    let brokers = Brokers::start(&binaries(), options).expect("three kbrokers form a cluster");
    drill_with(brokers, name, &on_all(leaders), work);
}

/// [`drill_told`], with two partitions on brokers 1 and 2, each of which is preferred for one; broker 3 only votes.
pub(crate) fn drill_of_two(
    name: &'static str,
    options: &[&str],
    work: impl FnOnce(&mut Drill<'_>) -> Fallible<()>,
) {
    let brokers = Brokers::start(&binaries(), options).expect("three kbrokers form a cluster");
    drill_with(brokers, name, &[vec![1, 2], vec![2, 1]], work);
}

/// [`drill_told`], on brokers whose controllers are processes of their own.
pub(crate) fn drill_apart(
    name: &'static str,
    leaders: [i32; 3],
    options: &[&str],
    work: impl FnOnce(&mut Drill<'_>) -> Fallible<()>,
) {
    let brokers = Brokers::start_apart(&binaries(), options);
    drill_with(
        brokers.expect("three controllers and three brokers form a cluster"),
        name,
        &on_all(leaders),
        work,
    );
}

/// Three replicas of each partition, the first of which leads.
fn on_all(leaders: [i32; 3]) -> [Vec<i32>; 3] {
    leaders.map(|leader| vec![leader, leader % 3 + 1, (leader + 1) % 3 + 1])
}

fn binaries() -> Binaries {
    Binaries::build().expect("our programs compile")
}

fn drill_with(
    mut brokers: Brokers,
    name: &'static str,
    replicas: &[Vec<i32>],
    work: impl FnOnce(&mut Drill<'_>) -> Fallible<()>,
) {
    // The brokers outlive a failure, so that what they said is kept.
    if let Err(error) = run(name, replicas, &mut brokers, work) {
        panic!("{name}: {error}");
    }
}

fn run(
    name: &'static str,
    replicas: &[Vec<i32>],
    brokers: &mut Brokers,
    work: impl FnOnce(&mut Drill<'_>) -> Fallible<()>,
) -> Fallible<()> {
    let mut drill = Drill::start(name, replicas, brokers)?;
    work(&mut drill)?;
    let Drill { runtime, workload, brokers, .. } = drill;
    runtime.block_on(workload.finish(&brokers.bootstrap()))
}

impl<'a> Drill<'a> {
    fn start(name: &'static str, replicas: &[Vec<i32>], brokers: &'a mut Brokers) -> Fallible<Self> {
        let runtime = Runtime::new()?;
        let bootstrap = brokers.bootstrap();
        let (admin, workload) = runtime.block_on(async {
            let admin = Client::connect(Config::new(&bootstrap)).await?;
            create(&admin, TOPIC, replicas.to_vec()).await?;
            create(&admin, ASIDE, vec![vec![1, 2, 3]]).await?;
            Fallible::Ok((admin, Workload::start(&bootstrap, replicas.len()).await?))
        })?;
        Ok(Self { name, runtime, admin, workload, brokers })
    }

    pub(crate) fn kill(&mut self, id: i32) -> Fallible<()> {
        Ok(self.brokers.kill(id)?)
    }

    pub(crate) fn restart(&mut self, id: i32) -> Fallible<()> {
        Ok(self.brokers.restart(id)?)
    }

    /// The partitions, as a client is told.
    pub(crate) fn partitions(&self) -> Fallible<Vec<PartitionDescription>> {
        self.runtime.block_on(describe(&self.admin))
    }

    /// Reads partitions, as somebody who knows nothing of them.
    pub(crate) fn read(&self, partitions: &[i32]) -> Fallible<BTreeMap<i32, Vec<(i64, usize)>>> {
        self.runtime.block_on(read(&self.brokers.bootstrap(), TOPIC, partitions))
    }

    /// Starts a producer with so many retries on a topic of its own, which lies where partition 0 does.
    pub(crate) fn send_with_retries(&self, retries: u32) -> Fallible<Retrying> {
        let replicas = self.partitions()?.into_iter().next().ok_or("there is no partition")?.replicas;
        self.runtime.block_on(async {
            let topic = format!("retries-{retries}");
            create(&self.admin, &topic, vec![replicas]).await?;
            Retrying::start(&self.brokers.bootstrap(), topic, retries).await
        })
    }

    /// Waits until such a producer has sent some more.
    pub(crate) fn sends_on(&self, retrying: &Retrying) -> Fallible<()> {
        self.runtime.block_on(retrying.goes_on())
    }

    /// Ends such a producer; what became of its records is looked up in the log.
    pub(crate) fn fates(&self, retrying: Retrying) -> Fallible<Fates> {
        self.runtime.block_on(retrying.finish(&self.brokers.bootstrap()))
    }

    /// Runs `kelect`, which gives the partitions back to the brokers that are preferred; again while some of these are still
    /// catching up.
    pub(crate) fn elect(&self) -> Fallible<()> {
        let mut last = None;
        let electing = async {
            let mut kelect = binaries().tool("kelect", &self.brokers.bootstrap());
            while let Err(error) = run_ok(&mut kelect, Input::Nothing, LIMIT) {
                last = Some(error);
                sleep(LOOK).await;
            }
        };
        let elected = self.runtime.block_on(async { timeout(LIMIT, electing).await });
        elected.map_err(|_| format!("kelect does not elect: {last:?}").into())
    }

    /// Writes one record elsewhere than where they are counted, to a partition of broker 1, and gives up soon.
    pub(crate) fn write_aside(&self) -> Fallible<kinglet::Result<()>> {
        self.runtime.block_on(async {
            let config = Config::new(self.brokers.bootstrap());
            let config = config.set("delivery.timeout.ms", 3000)?.set("request.timeout.ms", 1000)?;
            let producer = Client::connect(config.set("linger.ms", 0)?).await?.producer()?;
            Ok(producer.send(Record::to(ASIDE).value("x")).await.map(drop))
        })
    }

    /// Deletes what lies before an offset where nobody counts.
    pub(crate) fn delete_aside(&self, before: i64) -> Fallible<i64> {
        let at = TopicPartition::new(ASIDE, 0);
        let deleted = self.runtime.block_on(self.admin.admin().delete_records([(at, before)]))?;
        Ok(deleted.into_iter().next().ok_or("no answer")?.1?)
    }

    /// The first offset that is there, where nobody counts.
    pub(crate) fn first_aside(&self) -> Fallible<i64> {
        let at = (TopicPartition::new(ASIDE, 0), Position::Beginning);
        let found = self.runtime.block_on(self.admin.admin().list_offsets([at]))?;
        Ok(found.into_iter().next().ok_or("no answer")?.1?.offset)
    }

    /// Connects a client.
    pub(crate) fn connect(&self, bootstrap: &str) -> kinglet::Result<()> {
        self.runtime.block_on(async {
            let config = Config::new(bootstrap).set("default.api.timeout.ms", 3000)?;
            Client::connect(config.set("request.timeout.ms", 1000)?).await.map(drop)
        })
    }

    /// The active controller's id.
    pub(crate) fn metadata_leader(&self) -> Fallible<i32> {
        let quorum = self.runtime.block_on(self.admin.admin().describe_quorum())?;
        quorum.leader.ok_or_else(|| "nobody leads the metadata".into())
    }

    pub(crate) fn leaders(&self) -> Fallible<Vec<Option<i32>>> {
        Ok(self.partitions()?.iter().map(|partition| partition.leader).collect())
    }

    /// Waits until every partition is so.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&PartitionDescription) -> bool) -> Fallible<()> {
        self.runtime.block_on(async {
            let mut last = None;
            let looking = async {
                loop {
                    let described = describe(&self.admin).await;
                    if described.as_ref().is_ok_and(|partitions| partitions.iter().all(&is_so)) {
                        return;
                    }
                    last = Some(described);
                    sleep(LOOK).await;
                }
            };
            let done = timeout(LIMIT, looking).await;
            done.map_err(|_| format!("not so after {LIMIT:?}: {what}; {last:?}").into())
        })
    }

    /// Waits until every partition is led by its first replica.
    pub(crate) fn until_preferred(&self) -> Fallible<()> {
        self.until("the preferred replicas lead", |p| p.leader == p.replicas.first().copied())
    }

    /// Waits until every partition has been written some more, and is read.
    pub(crate) fn goes_on(&self) -> Fallible<()> {
        self.runtime.block_on(async {
            self.workload.goes_on().await?;
            self.workload.is_read().await
        })
    }

    /// Prints what the producer noticed since the last time.
    pub(crate) fn say(&self, when: &str) {
        println!("{}, {when}: {}", self.name, self.workload.gaps());
    }
}

async fn create(admin: &Client, topic: &str, replicas: Vec<Vec<i32>>) -> Fallible<()> {
    let created = admin.admin().create_topics([NewTopic::assigned(topic, replicas)]).await?;
    Ok(created.into_iter().try_for_each(|(_, created)| created.map(drop))?)
}

async fn describe(admin: &Client) -> Fallible<Vec<PartitionDescription>> {
    let (_, topic) = admin.admin().describe_topics([TOPIC]).await?.into_iter().next().ok_or("no answer")?;
    Ok(topic?.partitions)
}
