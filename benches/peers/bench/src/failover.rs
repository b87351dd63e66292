//! How long producers are without acks when a broker of three dies, freezes or leaves, and how soon it is back in the ISR.
//!
//! Kinglet's and Java's producer work all the time, with their defaults, each on a topic of its own with three partitions, three
//! replicas and `min.insync.replicas=2`: any broker leads one partition and follows the others, so whatever happens to one of them
//! touches every partition.

mod acks;
mod figures;
mod judge;
mod load;
pub(crate) mod trio;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kinglet::admin::NewTopic;
use kinglet::{Client, Config};
use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::Jars;
use peers_kit::Fallible;
use tokio::time::sleep;

use crate::broker::BrokerKind;
use crate::client::Programs;
use acks::{Moment, now};
pub(crate) use figures::Findings;
use figures::{Event, Failure, Noticed};
use load::{Load, Whose};
use trio::{Kind, Trio};
use watch::Watch;

/// Of each producer's topic.
const PARTITIONS: i32 = 3;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// Acks flow when each partition had one within this time …
const RECENT: Duration = Duration::from_millis(300);
/// … for as long as this.
const STEADY: Duration = Duration::from_secs(1);
/// The least time that an event is watched, and that its return is.
const WATCHED: Duration = Duration::from_secs(2);
/// Acks that do not flow again by then never will: Java waits 30 s for an answer of a broker that is frozen.
const FLOW_LIMIT: Duration = Duration::from_secs(100);

/// What happens, and how often.
#[derive(Debug, Clone, Args)]
pub(crate) struct FailoverOptions {
    /// Only these brokers.
    #[arg(long, value_delimiter = ',', default_value = "kbroker,kafka")]
    pub(crate) brokers: Vec<BrokerKind>,
    /// Only these events.
    #[arg(long, value_delimiter = ',', default_value = "killed,controller-killed,stopped,frozen")]
    kinds: Vec<Kind>,
    /// Rounds of each event at each broker.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// One round, to see that everything works.
    #[arg(long)]
    quick: bool,
    /// Milliseconds between two records of each producer to each partition.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100))]
    pause_ms: u64,
    /// A folder for what every `kbroker` says, to see why a gap is long.
    #[arg(long)]
    logs: Option<PathBuf>,
}

/// A cluster and who works with it.
struct Scene {
    name: &'static str,
    trio: Trio,
    loads: Vec<Load>,
}

impl FailoverOptions {
    fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds }
    }
}

/// All events at one kind of broker. Afterwards everything acked must be there.
pub(crate) async fn measure(
    kind: BrokerKind,
    options: &FailoverOptions,
    (binaries, jars, programs): (&Binaries, Option<&Jars>, &Programs),
    findings: &mut Findings,
) -> Fallible<()> {
    let Some(trio) = Trio::start(kind, binaries, jars)? else { return Ok(()) };
    let whose: Vec<Whose> = [Whose::Kinglet, Whose::Java]
        .into_iter()
        .filter(|whose| *whose == Whose::Kinglet || programs.java("Steady").is_some())
        .collect();
    create_topics(&trio.bootstrap(), &whose).await?;
    let mut loads = Vec::new();
    for whose in whose {
        let pause = Duration::from_millis(options.pause_ms);
        loads.push(Load::start(whose, &trio.bootstrap(), pause, programs).await?);
    }
    let mut scene = Scene { name: kind.name(), trio, loads };
    let done = scene.rounds(options, findings).await;
    if let Some(folder) = &options.logs {
        scene.trio.keep_lines(folder)?;
    }
    done?;
    scene.judge().await
}

async fn create_topics(bootstrap: &str, whose: &[Whose]) -> Fallible<()> {
    let client = Client::connect(Config::new(bootstrap)).await?;
    let replicas = vec![vec![1, 2, 3], vec![2, 3, 1], vec![3, 1, 2]];
    let topic = |whose: &Whose| NewTopic::assigned(whose.topic(), replicas.clone());
    let topics = whose.iter().map(|whose| topic(whose).config("min.insync.replicas", "2"));
    for (_, created) in client.admin().create_topics(topics).await? {
        created?;
    }
    Ok(())
}

impl Scene {
    async fn rounds(&mut self, options: &FailoverOptions, findings: &mut Findings) -> Fallible<()> {
        for round in 1..=options.rounds() {
            eprintln!(
                "{}, round {round} of {}, load {}",
                self.name,
                options.rounds(),
                crate::load_average()?
            );
            for kind in &options.kinds {
                self.round(*kind, findings).await?;
            }
        }
        Ok(())
    }

    /// Puts everything in order and lets it happen. A round that goes wrong is noted; what cannot be put in order is an error.
    async fn round(&mut self, kind: Kind, findings: &mut Findings) -> Fallible<()> {
        let topics = self.loads.iter().map(|load| load.topic).collect();
        let watch = Watch::new(&self.trio.bootstrap(), topics).await?;
        watch.in_order().await?;
        self.flow(now() + WATCHED).await?;
        let controller = watch.controller().await?;
        let victim = match kind {
            Kind::ControllerKilled => controller,
            Kind::Killed | Kind::Frozen | Kind::Stopped => controller % 3 + 1,
        };
        match self.happen(kind, victim, &watch).await {
            Ok(event) => {
                eprintln!("  {event}");
                findings.events.push(event);
            }
            Err(error) => {
                eprintln!("  {}, {}: {error}", self.name, kind.name());
                let (broker, error) = (self.name, error.to_string());
                findings.failures.push(Failure { broker, kind, error });
                // It runs already where it is the return that went wrong.
                let _ = self.trio.mend(kind, victim);
            }
        }
        Ok(())
    }

    async fn happen(&mut self, kind: Kind, victim: i32, watch: &Watch) -> Fallible<Event> {
        let struck = now();
        self.trio.strike(kind, victim)?;
        self.flow(struck + WATCHED).await?;
        let mended = now();
        self.trio.mend(kind, victim)?;
        watch.in_sync(victim % 3 + 1).await?;
        let in_sync = now();
        self.flow(in_sync + WATCHED).await?;
        let over = now();
        let noticed = self.loads.iter().map(|load| Noticed {
            producer: load.whose,
            gaps_ms: load.acks.longest_gaps(struck, mended).into_iter().map(ms).collect(),
            gaps_at_return_ms: load.acks.longest_gaps(mended, over).into_iter().map(ms).collect(),
        });
        Ok(Event {
            broker: self.name,
            kind,
            victim,
            noticed: noticed.collect(),
            in_sync_ms: ms(in_sync.saturating_sub(mended)),
        })
    }

    /// Waits until every partition of every producer has been acked something all the time for a while, and at least until then.
    async fn flow(&self, least: Moment) -> Fallible<()> {
        let (began, mut since) = (now(), now());
        loop {
            sleep(LOOK).await;
            let now = now();
            if let Some(load) = self.loads.iter().find(|load| load.is_over()) {
                return Err(format!("{}'s producer has ended", load.whose.name()).into());
            }
            let recent = now.saturating_sub(RECENT);
            if let Some(load) = self.loads.iter().find(|load| !load.acks.flow_since(recent)) {
                if now > began + FLOW_LIMIT {
                    return Err(format!("{}'s producer gets no acks", load.whose.name()).into());
                }
                since = now;
            }
            if now >= since + STEADY && now >= least {
                return Ok(());
            }
        }
    }

    /// Ends the producers, and says whether what was acked is there.
    async fn judge(self) -> Fallible<()> {
        let bootstrap = self.trio.bootstrap();
        for load in self.loads {
            let (whose, topic) = (load.whose.name(), load.topic);
            let acks = load.finish().await?;
            let count = judge::all_is_there(&bootstrap, topic, &acks.all()).await?;
            let failures = acks.failures();
            eprintln!("{}: {count} records of {whose}'s producer acked and there, {failures}", self.name);
        }
        Ok(())
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
