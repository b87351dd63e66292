//! What the proxy does to connections, and the seeded plan that says when.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// What may happen to a connection while a Produce request is under way on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Both connections are reset when a part of the request has passed.
    CutRequest,
    /// Both connections end when the request has passed, before its answer can have.
    CutUnanswered,
    /// The broker's answer is dropped and the client's connection reset.
    DropResponse,
    /// From this answer on nothing comes back; requests go on passing.
    SwallowResponse,
    /// The request, and all behind it, pass after the client has stopped waiting.
    DelayRequest,
    /// The answer, and all behind it, come after the client has stopped waiting.
    DelayResponse,
    /// A part of the request passes, then nothing in either direction, and neither side hears why.
    HalfOpen,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::CutRequest,
        Self::CutUnanswered,
        Self::DropResponse,
        Self::SwallowResponse,
        Self::DelayRequest,
        Self::DelayResponse,
        Self::HalfOpen,
    ];

    /// For a table of how often each of them bit.
    pub fn text(self) -> &'static str {
        match self {
            Self::CutRequest => "connections cut within a request",
            Self::CutUnanswered => "connections cut before the answer",
            Self::DropResponse => "answers dropped, connection cut",
            Self::SwallowResponse => "answers swallowed, connection open",
            Self::DelayRequest => "requests delayed past the timeout",
            Self::DelayResponse => "answers delayed past the timeout",
            Self::HalfOpen => "connections half-open",
        }
    }
}

/// Which Produce request meets which fault. One seed gives one plan; which batches it meets is up to the scheduler.
#[derive(Debug)]
pub struct Plan {
    random: StdRng,
    /// Every fault has its turn before one comes again.
    deck: Vec<Fault>,
    /// Requests that pass before the next fault.
    calm: u32,
    calm_max: u32,
    stall: Duration,
}

impl Plan {
    /// Up to `calm_max` Produce requests pass between two faults; delays take `stall`, which is to be longer than the
    /// client waits.
    pub fn new(seed: u64, calm_max: u32, stall: Duration) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let calm = random.random_range(0..=calm_max);
        Self { random, deck: Vec::new(), calm, calm_max, stall }
    }

    /// What the next Produce request meets.
    pub(super) fn draw(&mut self) -> Option<Fault> {
        if self.calm > 0 {
            self.calm -= 1;
            return None;
        }
        self.calm = self.random.random_range(0..=self.calm_max);
        if self.deck.is_empty() {
            self.deck = Fault::ALL.to_vec();
            self.deck.shuffle(&mut self.random);
        }
        self.deck.pop()
    }

    /// How many bytes of a request of `len` pass: at least one, never all.
    pub(super) fn part(&mut self, len: usize) -> usize {
        self.random.random_range(1..len.max(2))
    }

    pub(super) fn stall(&self) -> Duration {
        self.stall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_turn_before_one_comes_again() {
        let mut plan = Plan::new(7, 5, Duration::ZERO);
        let drawn: Vec<Fault> = std::iter::repeat_with(|| plan.draw()).flatten().take(14).collect();
        for turns in drawn.chunks(7) {
            assert!(Fault::ALL.iter().all(|fault| turns.contains(fault)), "{turns:?}");
        }
    }

    #[test]
    fn a_seed_gives_the_same_plan_again() {
        let draws = |seed| {
            let mut plan = Plan::new(seed, 5, Duration::ZERO);
            (0..100).map(|_| (plan.draw(), plan.part(1000))).collect::<Vec<_>>()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
    }
}
