//! A large group of Kinglet's consumers in this process: how long it takes to share partitions, and what that costs.

use std::collections::HashSet;
use std::time::Duration;

use clap::Args;
use kinglet::{Client, Config, Consumer};
use peers_kit::{Fallible, Stopwatch};
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep};

use crate::broker::{Broker, BrokerKind, PARTITIONS};

/// Between two looks at who has what.
const LOOK: Duration = Duration::from_millis(10);
/// What has not changed for so long stays: longer than the delay of a group's first rebalance.
const SETTLED: Duration = Duration::from_secs(4);
const STABLE_LIMIT: Duration = Duration::from_secs(180);
const AT_REST: Duration = Duration::from_secs(10);

/// The group.
#[derive(Debug, Clone, Args)]
pub(crate) struct GroupOptions {
    /// Members.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(3..))]
    members: u16,
    /// Partitions of their topic.
    #[arg(long, default_value_t = 1000)]
    partitions: u16,
    /// `session.timeout.ms`: how long it takes until a dead member is noticed.
    #[arg(long, default_value_t = 10_000)]
    session_timeout_ms: u32,
    /// `partition.assignment.strategy`, one group for each.
    #[arg(long, value_delimiter = ',', default_value = "range,cooperative-sticky")]
    assignors: Vec<String>,
}

/// What an event took.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Step {
    pub(crate) broker: &'static str,
    pub(crate) assignor: String,
    pub(crate) event: &'static str,
    /// Until every partition is owned by one member, for good.
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) broker_cpu_seconds: f64,
}

/// Members of one group.
struct Group<'a> {
    broker: &'a Broker,
    partitions: usize,
    members: Vec<Consumer>,
}

/// Dies with all its tasks when it is dropped; waiting for them is not possible here.
struct Doomed(Option<Runtime>);

/// When and at what cost the group was where it is to be.
#[derive(Debug, Clone, Copy)]
struct Rest {
    since: Instant,
    generation: i32,
    seconds: f64,
    cpu_seconds: f64,
    broker_cpu_seconds: f64,
}

/// Joins, leaves and kills, with each assignor.
pub(crate) async fn measure(
    kind: BrokerKind,
    broker: &Broker,
    options: &GroupOptions,
) -> Fallible<Vec<Step>> {
    let mut steps = Vec::new();
    warm_up(broker).await?;
    for assignor in &options.assignors {
        let mut add = |event, (seconds, cpu_seconds, broker_cpu_seconds)| {
            let (broker, assignor) = (kind.name(), assignor.clone());
            eprintln!(
                "  {broker}, {assignor}, {event}: {seconds:.2} s, CPU-s {cpu_seconds:.2}, broker {broker_cpu_seconds:.2}"
            );
            steps.push(Step { broker, assignor, event, seconds, cpu_seconds, broker_cpu_seconds });
        };
        steps_of(broker, options, assignor, &mut add).await?;
    }
    Ok(steps)
}

/// A broker's first group waits until `__consumer_offsets` is there, which is not what is measured.
async fn warm_up(broker: &Broker) -> Fallible<()> {
    let topic = "group-warm-up".to_owned();
    broker.create_topic(&topic).await?;
    let config = Config::new(broker.bootstrap()).set("group.id", &topic)?;
    let (partitions, members) = (usize::try_from(PARTITIONS)?, vec![member(config, topic).await?]);
    let group = Group { broker, partitions, members };
    group.comes_to_rest().await?;
    for member in &group.members {
        member.close().await;
    }
    Ok(())
}

async fn steps_of(
    broker: &Broker,
    options: &GroupOptions,
    assignor: &str,
    add: &mut impl FnMut(&'static str, (f64, f64, f64)),
) -> Fallible<()> {
    let topic = format!("group-{assignor}");
    broker.create_topic_of(&topic, i32::from(options.partitions)).await?;
    let config = Config::new(broker.bootstrap())
        .set("group.id", &topic)?
        .set("auto.offset.reset", "earliest")?
        .set("session.timeout.ms", options.session_timeout_ms)?
        .set("partition.assignment.strategy", assignor)?;
    let mut group = Group { broker, partitions: options.partitions.into(), members: Vec::new() };

    // With a runtime of its own it can die with all its tasks, as a process would.
    let doomed = Doomed(Some(Builder::new_multi_thread().worker_threads(1).enable_all().build()?));
    let runtime = doomed.0.as_ref().ok_or("it is dead already")?;
    let start = runtime.spawn(member(config.clone(), topic.clone()));
    let (cpu, broker_cpu) = (Stopwatch::start()?, broker.cpu_seconds()?);
    group.members.push(start.await??);
    for _ in 1..options.members {
        group.members.push(member(config.clone(), topic.clone()).await?);
    }
    let (_, joining_cpu) = cpu.stop()?;
    let joining_broker_cpu = broker.cpu_seconds()? - broker_cpu;
    let (seconds, cpu, broker_cpu) = group.comes_to_rest().await?;
    add("all have joined", (seconds, cpu + joining_cpu, broker_cpu + joining_broker_cpu));

    let (cpu, broker_cpu) = (Stopwatch::start()?, broker.cpu_seconds()?);
    sleep(AT_REST).await;
    let (seconds, cpu) = cpu.stop()?;
    add("at rest", (seconds, cpu, broker.cpu_seconds()? - broker_cpu));

    let leaver = group.members.pop().ok_or("no member is left")?;
    let leaving = async {
        leaver.close().await;
        Ok(())
    };
    add("one has left", group.after(leaving).await?);

    let dead = group.members.remove(0);
    let killing = async {
        drop(doomed);
        // Its handle would say good-bye, if anybody were there to hear it.
        std::mem::forget(dead);
        Ok(())
    };
    add("one was killed", group.after(killing).await?);

    for member in &group.members {
        member.close().await;
    }
    broker.delete_topic(&topic).await
}

/// A member that has a connection of its own and takes what comes, which is nothing.
async fn member(config: Config, topic: String) -> Fallible<Consumer> {
    let consumer = Client::connect(config).await?.consumer([topic]).await?;
    let reader = consumer.clone();
    tokio::spawn(async move { while let Ok(Some(_)) = reader.recv().await {} });
    Ok(consumer)
}

impl Drop for Doomed {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Group<'_> {
    /// Makes something happen, and waits until the partitions are shared again.
    async fn after(&self, event: impl Future<Output = Fallible<()>>) -> Fallible<(f64, f64, f64)> {
        let (resting, happening) = tokio::join!(self.comes_to_rest(), event);
        happening?;
        resting
    }

    /// Waits until each partition has one owner and that stays so. The time and the cost of what comes after that do not count.
    async fn comes_to_rest(&self) -> Fallible<(f64, f64, f64)> {
        let (began, clock, broker_before) = (Instant::now(), Stopwatch::start()?, self.broker.cpu_seconds()?);
        let mut rest: Option<Rest> = None;
        loop {
            sleep(LOOK).await;
            rest = match (self.generation_at_rest(), rest) {
                (None, _) => None,
                (Some(generation), Some(rest)) if rest.generation == generation => Some(rest),
                (Some(generation), _) => {
                    let (seconds, cpu_seconds) = clock.stop()?;
                    let broker_cpu_seconds = self.broker.cpu_seconds()? - broker_before;
                    Some(Rest { since: Instant::now(), generation, seconds, cpu_seconds, broker_cpu_seconds })
                }
            };
            match rest {
                Some(rest) if rest.since.elapsed() > SETTLED => {
                    return Ok((rest.seconds, rest.cpu_seconds, rest.broker_cpu_seconds));
                }
                None if began.elapsed() > STABLE_LIMIT => {
                    let owned: usize = self.members.iter().map(|member| member.assignment().len()).sum();
                    return Err(format!("{owned} of {} partitions are owned", self.partitions).into());
                }
                Some(_) | None => {}
            }
        }
    }

    /// The generation that all members are of, if each partition has exactly one of them.
    fn generation_at_rest(&self) -> Option<i32> {
        let mut generations = self.members.iter().map(|member| member.group().map(|group| group.generation));
        let first = generations.next()??;
        if !generations.all(|generation| generation == Some(first)) {
            return None;
        }
        let (mut owned, mut count) = (HashSet::with_capacity(self.partitions), 0);
        for at in self.members.iter().flat_map(Consumer::assignment) {
            owned.insert(at.partition);
            count += 1;
        }
        (count == self.partitions && owned.len() == count).then_some(first)
    }
}

/// The steps as a table.
pub(crate) fn table(steps: &[Step]) -> String {
    let mut builder = tabled::builder::Builder::new();
    builder.push_record(["broker", "assignor", "event", "s", "CPU-s of the members", "CPU-s of the broker"]);
    for step in steps {
        let digits = |value: f64| format!("{value:.2}");
        builder.push_record([
            step.broker.to_owned(),
            step.assignor.clone(),
            step.event.to_owned(),
            digits(step.seconds),
            digits(step.cpu_seconds),
            digits(step.broker_cpu_seconds),
        ]);
    }
    format!("{}\n\n", builder.build().with(tabled::settings::Style::markdown()))
}
