//! Three brokers of one cluster, and what is done to them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use kinglet_harness::binaries::Binaries;
use kinglet_harness::cluster::Brokers;
use kinglet_harness::kafka::{Jars, KafkaCluster};
use peers_kit::Fallible;
use serde::Serialize;

use crate::broker::BrokerKind;

/// Brokers 1 to 3, each a broker and a controller, with their defaults.
pub(crate) enum Trio {
    Kbroker(Brokers),
    Kafka(KafkaCluster),
}

/// What happens to a broker that leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// `kill -9` of a broker that is not the active controller.
    Killed,
    /// `kill -9` of the active controller, which leads a partition too.
    ControllerKilled,
    /// SIGSTOP of a broker that is not the active controller, and SIGCONT when others have taken over.
    Frozen,
    /// SIGTERM of a broker that is not the active controller.
    Stopped,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Killed => "kill -9 of a leader",
            Self::ControllerKilled => "kill -9 of the active controller",
            Self::Frozen => "SIGSTOP of a leader",
            Self::Stopped => "SIGTERM of a leader",
        }
    }
}

impl Trio {
    /// Starts them; `None` where they cannot be had, which was said.
    pub(crate) fn start(
        kind: BrokerKind,
        binaries: &Binaries,
        jars: Option<&Jars>,
    ) -> Fallible<Option<Self>> {
        Ok(match (kind, jars) {
            (BrokerKind::Kbroker, _) => Some(Self::Kbroker(Brokers::start(binaries, &[])?)),
            (BrokerKind::Kafka, Some(jars)) => Some(Self::Kafka(KafkaCluster::start_as_shipped(jars)?)),
            (BrokerKind::Kafka, None) => None,
        })
    }

    /// Those that measurements are about, none of them started yet; `None` where they cannot be had, which was said.
    pub(crate) fn unstarted(
        kind: BrokerKind,
        binaries: &Binaries,
        jars: Option<&Jars>,
    ) -> Fallible<Option<Self>> {
        Ok(match (kind, jars) {
            (BrokerKind::Kbroker, _) => Some(Self::Kbroker(Brokers::as_shipped(binaries)?)),
            (BrokerKind::Kafka, Some(jars)) => Some(Self::Kafka(KafkaCluster::as_shipped(jars)?)),
            (BrokerKind::Kafka, None) => None,
        })
    }

    /// Starts one that does not run, and does not wait for it.
    pub(crate) fn spawn(&mut self, id: i32) -> Fallible<()> {
        match self {
            Self::Kbroker(brokers) => brokers.spawn(id)?,
            Self::Kafka(kafka) => kafka.spawn(index(id)?)?,
        }
        Ok(())
    }

    /// Stops all in order, at the same time. Blocks.
    pub(crate) fn stop_all(&mut self, limit: Duration) -> Fallible<()> {
        match self {
            Self::Kbroker(brokers) => brokers.stop_all(limit)?,
            Self::Kafka(kafka) => kafka.stop_all(limit)?,
        }
        Ok(())
    }

    /// The processes that run.
    pub(crate) fn pids(&self) -> Vec<u32> {
        match self {
            Self::Kbroker(brokers) => brokers.pids(),
            Self::Kafka(kafka) => kafka.pids(),
        }
    }

    pub(crate) fn bootstrap(&self) -> String {
        match self {
            Self::Kbroker(brokers) => brokers.bootstrap(),
            Self::Kafka(kafka) => kafka.bootstrap(),
        }
    }

    /// Writes what each `kbroker` has said in all its lives to a file of this folder.
    pub(crate) fn keep_lines(&self, folder: &Path) -> Fallible<()> {
        let Self::Kbroker(brokers) = self else { return Ok(()) };
        fs::create_dir_all(folder)?;
        for id in 1..=3 {
            fs::write(folder.join(format!("broker-{id}.log")), brokers.lines(id)?.join("\n"))?;
        }
        Ok(())
    }

    /// Makes it happen; returns when the process is gone, or halted.
    pub(crate) fn strike(&mut self, kind: Kind, id: i32) -> Fallible<()> {
        match (self, kind) {
            (Self::Kbroker(brokers), Kind::Killed | Kind::ControllerKilled) => brokers.kill(id)?,
            (Self::Kbroker(brokers), Kind::Frozen) => brokers.freeze(id)?,
            (Self::Kbroker(brokers), Kind::Stopped) => drop(brokers.stop(id)?),
            (Self::Kafka(kafka), Kind::Killed | Kind::ControllerKilled) => drop(kafka.kill(index(id)?)?),
            (Self::Kafka(kafka), Kind::Frozen) => kafka.freeze(index(id)?)?,
            (Self::Kafka(kafka), Kind::Stopped) => drop(kafka.stop(index(id)?)?),
        }
        Ok(())
    }

    /// Brings the broker back, without waiting for it.
    pub(crate) fn mend(&mut self, kind: Kind, id: i32) -> Fallible<()> {
        match (self, kind) {
            (Self::Kbroker(brokers), Kind::Frozen) => brokers.thaw(id)?,
            (Self::Kbroker(brokers), Kind::Killed | Kind::ControllerKilled | Kind::Stopped) => {
                brokers.spawn(id)?;
            }
            (Self::Kafka(kafka), Kind::Frozen) => kafka.thaw(index(id)?)?,
            (Self::Kafka(kafka), Kind::Killed | Kind::ControllerKilled | Kind::Stopped) => {
                kafka.spawn(index(id)?)?;
            }
        }
        Ok(())
    }
}

fn index(id: i32) -> Fallible<usize> {
    Ok(usize::try_from(id)?)
}
