//! The metadata log: an order of changes that all controllers and brokers of the cluster agree on, and the image that they make.
//! A lone broker's is a file of its own; the quorum's is agreed on by its voters.

#[cfg(test)]
pub(super) mod memory;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use kinglet_protocol::Uuid;
use tokio::sync::watch;

use super::Own;
use super::controller::Controller;
use super::image::Image;
use super::journal::{Journal, MetaError};
use super::raft::Quorum;
use super::record::Record;
use crate::config::Config;
use crate::{clock, rng};

/// Records that were decided on by the controller, and what it knew then.
#[derive(Debug)]
pub(crate) struct Proposal {
    /// The epoch that it leads in.
    pub(crate) epoch: i32,
    /// Offset of the image that it decided on.
    pub(crate) base: i64,
    pub(crate) records: Vec<Record>,
}

/// Why a proposal came to nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProposeError {
    /// Another controller is the active one, or may be.
    #[error("this controller is not the active one")]
    NotLeader,
    /// The log had moved on: the decision must be made again.
    #[error("the metadata had changed before the proposal was applied")]
    Stale,
    #[error("{0}")]
    Storage(String),
    #[error("the metadata log is closed")]
    Stopped,
}

/// Who is the active controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leadership {
    /// Grows with every change.
    pub(crate) epoch: i32,
    /// The id of its node.
    pub(crate) leader: Option<i32>,
    pub(crate) is_self: bool,
}

/// What the quorum is, as one of its nodes sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuorumState {
    pub(crate) leadership: Leadership,
    /// End of what is known to be on a majority; -1 while nothing is.
    pub(crate) high_watermark: i64,
    pub(crate) voters: Vec<QuorumReplica>,
    pub(crate) observers: Vec<QuorumReplica>,
}

/// One node of the quorum. Offsets and times are the leader's knowledge: -1 where this node does not lead, or does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuorumReplica {
    pub(crate) node_id: i32,
    pub(crate) directory: Uuid,
    /// Where the other nodes reach it.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) log_end: i64,
    /// When it last answered, in milliseconds since the epoch.
    pub(crate) last_fetch_ms: i64,
    /// When it last had all that the leader had.
    pub(crate) last_caught_up_ms: i64,
}

/// The log of this process.
pub(crate) enum MetadataLog {
    Solo(Solo),
    Quorum(Quorum),
    #[cfg(test)]
    Memory(Arc<memory::Memory>),
}

impl MetadataLog {
    /// The newest image that is certain.
    pub(crate) fn image(&self) -> watch::Receiver<Arc<Image>> {
        match self {
            Self::Solo(solo) => solo.image.subscribe(),
            Self::Quorum(quorum) => quorum.image(),
            #[cfg(test)]
            Self::Memory(memory) => memory.image.subscribe(),
        }
    }

    /// Who may propose.
    pub(crate) fn leadership(&self) -> watch::Receiver<Leadership> {
        match self {
            Self::Solo(solo) => solo.leadership.subscribe(),
            Self::Quorum(quorum) => quorum.leadership(),
            #[cfg(test)]
            Self::Memory(memory) => memory.leadership.subscribe(),
        }
    }

    /// Adds records to the log, all or none, and gives the image that they make once they are certain.
    pub(crate) async fn propose(&self, proposal: Proposal) -> Result<Arc<Image>, ProposeError> {
        match self {
            Self::Solo(solo) => solo.propose(&proposal),
            Self::Quorum(quorum) => quorum.propose(proposal).await,
            #[cfg(test)]
            Self::Memory(memory) => memory.propose(&proposal),
        }
    }

    /// Whether the broker is a cluster of its own.
    pub(crate) fn is_solo(&self) -> bool {
        match self {
            Self::Solo(_) => true,
            Self::Quorum(_) => false,
            #[cfg(test)]
            Self::Memory(_) => false,
        }
    }

    /// How the quorum is.
    pub(crate) fn describe(&self) -> QuorumState {
        match self {
            Self::Solo(solo) => solo.describe(),
            Self::Quorum(quorum) => quorum.describe(),
            #[cfg(test)]
            Self::Memory(_) => unreachable!("no test asks"),
        }
    }
}

/// A quorum of one, that leads from the start and for ever.
pub(crate) struct Solo {
    journal: Mutex<Journal>,
    image: watch::Sender<Arc<Image>>,
    leadership: watch::Sender<Leadership>,
    directory: Uuid,
    /// Where it is reached.
    at: (String, u16),
}

impl Solo {
    /// A controller of a quorum of one never changes, neither does its epoch.
    const EPOCH: i32 = 1;

    /// Reads the log under `dir`, makes one if there is none, and registers this broker in it.
    pub(crate) fn open(dir: &Path, own: &Own, config: &Config) -> Result<Self, MetaError> {
        let mut image = Image::default();
        let mut journal = Journal::open(dir, |record| image.replay(record))?;
        if journal.is_empty() {
            keep(&mut journal, &mut image, &Controller::first_records())?;
        }
        let controller = Controller {
            image: &image,
            config,
            cluster_id: own.cluster_id.get(),
            seed: 0,
            new_id: rng::uuid,
        };
        if let Some(registration) = controller.register_lone(own, rng::uuid()) {
            keep(&mut journal, &mut image, &[registration])?;
        }
        let leadership = Leadership { epoch: Self::EPOCH, leader: Some(config.node_id), is_self: true };
        Ok(Self {
            journal: Mutex::new(journal),
            image: watch::Sender::new(Arc::new(image)),
            leadership: watch::Sender::new(leadership),
            directory: own.dirs.first().copied().unwrap_or_default(),
            at: own.endpoints.first().map(|at| (at.host.clone(), at.port)).unwrap_or_default(),
        })
    }

    /// Writes and waits for the disk: the controller, which alone proposes, has a thread of its own for that.
    fn propose(&self, proposal: &Proposal) -> Result<Arc<Image>, ProposeError> {
        // The journal refuses to go on by itself when a write has failed half-way.
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let mut image = Image::clone(&self.image.borrow());
        if image.offset != proposal.base {
            return Err(ProposeError::Stale);
        }
        let kept = keep(&mut journal, &mut image, &proposal.records);
        kept.map_err(|error| ProposeError::Storage(error.to_string()))?;
        let image = Arc::new(image);
        self.image.send_replace(Arc::clone(&image));
        Ok(image)
    }

    fn describe(&self) -> QuorumState {
        let log_end = self.image.borrow().offset;
        let leadership = *self.leadership.borrow();
        let now = clock::now_ms();
        let (host, port) = self.at.clone();
        let voter = QuorumReplica {
            node_id: leadership.leader.unwrap_or(-1),
            directory: self.directory,
            host,
            port,
            log_end,
            last_fetch_ms: now,
            last_caught_up_ms: now,
        };
        QuorumState { leadership, high_watermark: log_end, voters: vec![voter], observers: Vec::new() }
    }
}

/// Writes records, and applies them if that succeeds.
fn keep(journal: &mut Journal, image: &mut Image, records: &[Record]) -> Result<(), MetaError> {
    journal.append(records, clock::now_ms())?;
    for record in records {
        image.replay(record).expect("the controller's records fit the image that it decided on");
    }
    Ok(())
}
