//! What can happen to the cluster, and which of it comes when.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// A fault. Each lasts a few seconds, and is over when the site is healed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    KillLeader,
    KillController,
    KillTwo,
    KillAll,
    /// One leader after the other is killed, as soon as it leads.
    Chase,
    /// A leader is killed while a follower is back and not in its ISR.
    KillBehind,
    /// A leader is killed whom a follower has not heard for a while.
    KillApart,
    Terminate,
    RollingRestart,
    /// An empty directory under the same id.
    Replace,
    /// SIGSTOP, longer than its session.
    Freeze,
    /// SIGSTOP and SIGCONT, many times.
    Stutter,
    /// Nothing passes between one broker and all others, clients included.
    Island,
    /// Nothing passes between one broker and its peers; clients reach it.
    PeersOnly,
    /// A broker hears nothing of its peers, which hear it.
    OneWay,
    /// Nothing passes between the active controller and one other.
    ControllerOnly,
    Flapping,
    Delay,
    /// Connections are reset within a frame.
    Torn,
    DiskFull,
    /// A disk that takes nothing for a while, again and again.
    DiskSlow,
    PreferredElection,
    /// Partitions move, and something goes wrong on the way.
    Reassign,
}

impl Fault {
    pub(crate) const ALL: [Self; 23] = [
        Self::KillLeader,
        Self::KillController,
        Self::KillTwo,
        Self::KillAll,
        Self::Chase,
        Self::KillBehind,
        Self::KillApart,
        Self::Terminate,
        Self::RollingRestart,
        Self::Replace,
        Self::Freeze,
        Self::Stutter,
        Self::Island,
        Self::PeersOnly,
        Self::OneWay,
        Self::ControllerOnly,
        Self::Flapping,
        Self::Delay,
        Self::Torn,
        Self::DiskFull,
        Self::DiskSlow,
        Self::PreferredElection,
        Self::Reassign,
    ];

    /// Whether replicas are made anew by it.
    pub(crate) fn copies(self) -> bool {
        matches!(self, Self::Replace | Self::Reassign)
    }

    /// Whether a broker must have a disk of its own for it.
    pub(crate) fn needs_disk(self) -> bool {
        matches!(self, Self::DiskFull | Self::DiskSlow)
    }
}

/// Which fault comes when: each has its turn before one comes again.
pub(crate) struct Plan {
    random: StdRng,
    of: Vec<Fault>,
    deck: Vec<Fault>,
}

impl Plan {
    pub(crate) fn new(seed: u64, of: Vec<Fault>) -> Self {
        Self { random: StdRng::seed_from_u64(seed), of, deck: Vec::new() }
    }

    pub(crate) fn draw(&mut self) -> Fault {
        if self.deck.is_empty() {
            self.deck.clone_from(&self.of);
            self.deck.shuffle(&mut self.random);
        }
        self.deck.pop().unwrap_or(Fault::KillLeader)
    }

    /// For what a fault leaves open.
    pub(crate) fn random(&mut self) -> &mut StdRng {
        &mut self.random
    }
}
