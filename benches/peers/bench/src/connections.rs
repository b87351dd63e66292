//! What thousands of connections cost a broker, and what they do to those who work: clients that say hello and fall silent, and
//! clients that come and go all the time.
//!
//! A good client, a producer and a consumer on a thread of their own, works through it all. Its latencies while nothing else
//! happens are what the others are compared with, in every round anew: the machine is not as fast all the time.

mod crowd;
mod figures;
mod good;
mod system;

use std::time::Duration;

use clap::Args;
use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::Jars;
use peers_kit::Fallible;
use tokio::time::{Instant, sleep, timeout};

use crate::broker::{Broker, BrokerKind};
use crowd::{Crowd, Passers};
pub(crate) use figures::Findings;
use figures::{Measured, Phase, Round};
use good::Good;

const TOPIC: &str = "connections";
/// A broker in Java has compiled by then what the good client needs.
const WARM_UP: Duration = Duration::from_secs(5);
/// What has just been opened or closed is not over yet for the broker.
const SETTLE: Duration = Duration::from_secs(1);
/// How long descriptors may take to come back.
const RETURN_LIMIT: Duration = Duration::from_secs(20);
/// A broker opens a file now and then whoever is there.
const FILES: usize = 10;

/// How many of them, and for how long.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConnectionsOptions {
    /// Only these brokers. Only kbroker is judged.
    #[arg(long, value_delimiter = ',', default_value = "kbroker,kafka")]
    pub(crate) brokers: Vec<BrokerKind>,
    /// Connections that say hello and fall silent.
    #[arg(long, default_value_t = 10_000)]
    idle: u32,
    /// Connections that are opened in a second, while those are held.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    opens: u32,
    /// For so many seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seconds for which the good client is alone, and alone with the silent ones.
    #[arg(long, default_value_t = 20)]
    quiet_seconds: u64,
    /// Rounds at each broker; medians count.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// One small round, to see that everything works. Latencies are not judged: there are too few of them.
    #[arg(long)]
    quick: bool,
}

impl ConnectionsOptions {
    fn in_force(&self) -> Self {
        if self.quick {
            Self { idle: 500, opens: 500, seconds: 3, quiet_seconds: 3, rounds: 1, ..self.clone() }
        } else {
            self.clone()
        }
    }

    /// Whether enough was measured to say who was slowed.
    pub(crate) fn are_latencies_judged(&self) -> bool {
        !self.quick
    }
}

/// A broker and its good client.
struct Scene<'a> {
    kind: BrokerKind,
    broker: &'a Broker,
    good: Good,
    options: ConnectionsOptions,
}

/// All rounds at one kind of broker.
pub(crate) async fn measure(
    kind: BrokerKind,
    options: &ConnectionsOptions,
    (binaries, jars): (&Binaries, Option<&Jars>),
    findings: &mut Findings,
) -> Fallible<()> {
    let options = options.in_force();
    // This process holds the other end of each.
    let need = u64::from(options.idle) + u64::from(options.opens) * 2 + 200;
    system::raise_open_files(need)?;
    let Some(broker) = Broker::start(kind, binaries, jars).await? else { return Ok(()) };
    broker.create_topic_of(TOPIC, 1).await?;
    let good = Good::start(&broker.bootstrap(), TOPIC)?;
    let scene = Scene { kind, broker: &broker, good, options };
    scene.warm_up().await?;
    for number in 1..=scene.options.rounds {
        eprintln!(
            "{}, round {number} of {}, load {}",
            kind.name(),
            scene.options.rounds,
            crate::load_average()?
        );
        let round = scene.round().await?;
        findings.rounds.push(round);
    }
    scene.good.stop().await?;
    broker.stop().await
}

impl Scene<'_> {
    async fn warm_up(&self) -> Fallible<()> {
        sleep(WARM_UP).await;
        let passing = Passers::pass(self.broker.address()?, self.options.opens / 5, Duration::from_secs(2));
        passing.await?;
        sleep(SETTLE).await;
        Ok(())
    }

    async fn round(&self) -> Fallible<Round> {
        let (quiet, busy) =
            (Duration::from_secs(self.options.quiet_seconds), Duration::from_secs(self.options.seconds));
        let address = self.broker.address()?;
        let fds_before = self.broker.open_files()?;
        let alone = self.phase(Phase::Alone, sleep(quiet)).await?.1;

        let rss_before = self.broker.used()?.rss_bytes;
        let memory_before = self.broker.memory(system::heap_bytes)?;
        let (crowd, opening) = self.phase(Phase::Opening, Crowd::gather(address, self.options.idle)).await?;
        let mut crowd = crowd?;
        sleep(SETTLE).await;
        let held = self.phase(Phase::Held, sleep(quiet)).await?.1;
        let memory_held = self.broker.memory(system::heap_bytes)?;
        let fds_held = self.broker.open_files()?;

        let (passers, passing) =
            self.phase(Phase::Passing, Passers::pass(address, self.options.opens, busy)).await?;
        let passers = passers?;
        // They were quiet, not forgotten.
        crowd.ask_again().await?;
        drop(crowd);
        let came_back = timeout(RETURN_LIMIT, self.files_are_back(fds_before)).await.is_ok();
        sleep(SETTLE).await;
        let after = self.broker.used()?;
        Ok(Round {
            broker: self.kind.name(),
            is_judged: self.kind == BrokerKind::Kbroker,
            idle: self.options.idle,
            opens: self.options.opens,
            phases: vec![alone, opening, held, passing],
            bytes_per_connection: memory_held.saturating_sub(memory_before)
                / u64::from(self.options.idle.max(1)),
            rss_before,
            rss_after: after.rss_bytes,
            fds: [fds_before, fds_held, self.broker.open_files()?],
            are_fds_back: came_back,
            passers,
        })
    }

    /// What the good client sees while something happens, and what that takes of the broker.
    async fn phase<T>(&self, phase: Phase, work: impl Future<Output = T>) -> Fallible<(T, Measured)> {
        let (began, cpu) = (Instant::now(), self.broker.cpu_seconds()?);
        let done = work.await;
        let seconds = began.elapsed().as_secs_f64();
        let used = self.broker.used()?;
        let [produce, end_to_end] = self.good.latencies(began, Instant::now())?;
        let measured = Measured {
            phase,
            seconds,
            broker_cpu: (used.cpu_seconds - cpu) / seconds,
            rss_bytes: used.rss_bytes,
            produce,
            end_to_end,
        };
        eprintln!("  {}, {measured}", self.kind.name());
        Ok((done, measured))
    }

    async fn files_are_back(&self, before: usize) {
        while self.broker.open_files().is_ok_and(|now| now > before + FILES) {
            sleep(Duration::from_millis(50)).await;
        }
    }
}
