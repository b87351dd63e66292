//! What many partitions cost: three brokers with thousands of them, each with three replicas, from an empty cluster to a restart.
//!
//! A cluster lives once for each number of partitions: it starts, gets them, is idle, loses a broker and gets it back, stops and starts
//! again. Nobody works with it meanwhile but for a record to each partition.

mod figures;
mod life;
mod records;
mod watch;

use std::time::Duration;

use clap::Args;
use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::Jars;
use peers_kit::Fallible;
use tokio::task::block_in_place;

use crate::broker::BrokerKind;
use crate::failover::trio::Trio;
pub(crate) use figures::Findings;
use figures::Sample;
use life::Life;
use watch::LIMIT;

/// How many partitions, and how often.
#[derive(Debug, Clone, Args)]
pub(crate) struct ScaleOptions {
    /// Only these brokers; `kbroker` alone with `--quick`.
    #[arg(long, value_delimiter = ',', default_value = "kbroker,kafka")]
    brokers: Vec<BrokerKind>,
    /// Partitions of a cluster, one cluster after another; 60 with `--quick`.
    #[arg(long, value_delimiter = ',', default_value = "2000", value_parser = clap::value_parser!(u32).range(20..=100_000))]
    partitions: Vec<u32>,
    /// Clusters of each number; medians count.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// How long a cluster is watched while nothing happens.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    idle_seconds: u64,
    /// One small cluster, to see that everything works.
    #[arg(long)]
    quick: bool,
}

impl ScaleOptions {
    pub(crate) fn wants_kafka(&self) -> bool {
        self.brokers().contains(&BrokerKind::Kafka)
    }

    fn brokers(&self) -> &[BrokerKind] {
        if self.quick { &[BrokerKind::Kbroker] } else { &self.brokers }
    }

    fn partitions(&self) -> &[u32] {
        if self.quick { &[60] } else { &self.partitions }
    }

    fn rounds(&self) -> usize {
        if self.quick { 1 } else { self.rounds }
    }

    fn idle(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { self.idle_seconds })
    }
}

/// All clusters that are asked for. A cluster that fails at something is told with the figures it had until then.
pub(crate) async fn measure(
    options: &ScaleOptions,
    (binaries, jars): (&Binaries, Option<&Jars>),
    findings: &mut Findings,
) -> Fallible<()> {
    // ext4 looks at each inode that was freed in the last minutes before it takes one for a new file: the next cluster would pay for
    // the removal of this one's folders.
    let mut over = Vec::new();
    for round in 1..=options.rounds() {
        for &partitions in options.partitions() {
            for &kind in options.brokers() {
                let Some(trio) = Trio::unstarted(kind, binaries, jars)? else { continue };
                let load = crate::load_average()?;
                eprintln!(
                    "{}, {partitions} partitions, round {round} of {}, load {load}",
                    kind.name(),
                    options.rounds()
                );
                let mut sample = Sample::new(kind.name(), partitions);
                let mut life = Life { trio, partitions, idle: options.idle() };
                let done = life.live(&mut sample).await;
                let ended = block_in_place(|| life.trio.stop_all(LIMIT));
                over.push(life);
                if let Err(error) = done.and(ended) {
                    eprintln!("  {error}");
                    sample.failure = Some(error.to_string());
                }
                findings.samples.push(sample);
            }
        }
    }
    if options.quick { findings.verdict() } else { Ok(()) }
}
