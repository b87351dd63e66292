//! The receiving side of `kperf`: waits for acknowledgements and counts them.
//!
//! Each chunk is awaited by a task of its own, so that a slow partition does not make the records of another one look slow.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use kinglet::{Ack, Delivery};
use tokio::sync::mpsc::Receiver;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use super::args::Load;
use super::clock::Clock;
use super::feed::{Chunk, Phase};
use super::report::{self, Scope};
use super::screen::Screen;
use super::stats::{Acked, Stats, Totals};
use crate::error::{Exit, Failure};

/// Chunks on their way from the feed; more would only hide that this side is slower.
pub const CHUNKS_WAITING_MAX: usize = 64;
/// Chunks whose acknowledgements are awaited: a million small records, more than the default `buffer.memory` holds of any but tiny
/// ones. When there are as many, no more are taken, and the feed waits.
const CHUNKS_IN_FLIGHT_MAX: usize = 16 * 1024;
const REDRAWN_EVERY: Duration = Duration::from_millis(200);

/// Counts what is acknowledged.
#[derive(Debug)]
pub struct Collector {
    clock: Clock,
    load: Load,
    screen: Screen,
    total: Stats,
    /// From the first record after the warm-up on.
    steady: Option<Stats>,
    lost: Lost,
}

/// What was counted.
#[derive(Clone, Debug)]
pub struct Collected {
    /// Of all records.
    pub total: Totals,
    /// Of those after the warm-up, if there was one.
    pub steady: Option<Totals>,
    /// Those that were not delivered.
    pub lost: Lost,
}

/// Records that were not delivered.
#[derive(Clone, Debug, Default)]
pub struct Lost {
    /// How many.
    pub records: u64,
    /// Why the first one was not.
    pub first_error: Option<kinglet::Error>,
}

/// What became of a chunk.
#[derive(Debug)]
struct Settled {
    began: Duration,
    phase: Phase,
    /// As many as there were answers at different times, mostly one.
    acked: Vec<Acked>,
    lost: Lost,
}

impl Collector {
    /// For one load, whose time `clock` tells.
    pub fn new(clock: Clock, load: Load, screen: Screen) -> Self {
        let total = Stats::new(Duration::ZERO, load.interval);
        Self { clock, load, screen, total, steady: None, lost: Lost::default() }
    }

    /// Counts until all chunks of a feed that has ended are settled.
    pub async fn run(mut self, mut chunks: Receiver<Chunk>) -> Result<Collected, Failure> {
        let mut in_flight = JoinSet::new();
        let mut redraw = interval(REDRAWN_EVERY);
        redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut feed_ended = false;
        while !(feed_ended && in_flight.is_empty()) {
            tokio::select! {
                chunk = chunks.recv(), if !feed_ended && in_flight.len() < CHUNKS_IN_FLIGHT_MAX => match chunk {
                    Some(chunk) => drop(in_flight.spawn(settle(chunk, self.clock))),
                    None => feed_ended = true,
                },
                Some(settled) = in_flight.join_next() => self.count(settled.map_err(broken)?)?,
                _ = redraw.tick(), if self.screen.is_watched() => {
                    self.draw();
                }
            }
        }
        let now = self.clock.now();
        let steady = self.steady.map(|steady| steady.totals(now));
        Ok(Collected { total: self.total.totals(now), steady, lost: self.lost })
    }

    fn draw(&mut self) {
        let (tally, failed, elapsed) = (self.total.tally(), self.lost.records, self.clock.now());
        let line = report::progress(&tally, failed, elapsed);
        self.screen.draw(tally.records.saturating_add(failed), elapsed, line);
    }

    fn count(&mut self, settled: Settled) -> Result<(), Failure> {
        if self.load.warmup > 0 && settled.phase == Phase::Steady && self.steady.is_none() {
            self.steady = Some(Stats::new(settled.began, self.load.interval));
        }
        for acked in &settled.acked {
            let window = self.total.add(acked);
            match &mut self.steady {
                None => {
                    window.map_or(Ok(()), |window| self.screen.print(&report::window(&window, Scope::All)))?
                }
                // The windows of all records are not shown any more, but go on.
                Some(steady) if settled.phase == Phase::Steady => {
                    let window = steady.add(acked);
                    window.map_or(Ok(()), |window| {
                        self.screen.print(&report::window(&window, Scope::Steady))
                    })?;
                }
                Some(_) => {}
            }
        }
        self.lost.add(settled.lost);
        Ok(())
    }
}

impl Lost {
    /// Adds later ones.
    pub fn add(&mut self, later: Self) {
        self.records += later.records;
        if self.first_error.is_none() {
            self.first_error = later.first_error;
        }
    }
}

async fn settle(chunk: Chunk, clock: Clock) -> Settled {
    let mut settled =
        Settled { began: chunk.began, phase: chunk.phase, acked: Vec::new(), lost: Lost::default() };
    // Records of one batch are acknowledged at once: the clock is read again only after a wait.
    let mut now = clock.now();
    for (mut delivery, size) in chunk.deliveries {
        let result = match settled_already(&mut delivery).await {
            Some(result) => result,
            None => {
                let result = delivery.await;
                now = clock.now();
                result
            }
        };
        settled.add(now, size, result);
    }
    settled
}

impl Settled {
    fn add(&mut self, now: Duration, size: usize, result: kinglet::Result<Ack>) {
        if let Err(error) = result {
            self.lost.add(Lost { records: 1, first_error: Some(error) });
            return;
        }
        let bytes = u64::try_from(size).unwrap_or(u64::MAX);
        match self.acked.last_mut().filter(|acked| acked.at == now) {
            Some(acked) => {
                acked.records += 1;
                acked.bytes += bytes;
            }
            None => {
                let latency = now.saturating_sub(self.began);
                self.acked.push(Acked { at: now, latency, records: 1, bytes });
            }
        }
    }
}

async fn settled_already(delivery: &mut Delivery) -> Option<kinglet::Result<Ack>> {
    poll_fn(|context| {
        Poll::Ready(match Pin::new(&mut *delivery).poll(context) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        })
    })
    .await
}

fn broken(error: JoinError) -> Failure {
    Failure::new(Exit::Failed, "cannot wait for the acknowledgements").cause(error)
}

#[cfg(test)]
mod tests {
    use kinglet::Config;

    use super::*;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn records_that_are_acknowledged_together_are_counted_together() {
        let ack = Ack { partition: 0, offset: Some(1), timestamp_ms: 0 };
        let error = Config::new("localhost").set("linger.ms", "soon").expect_err("any error of the client");
        let mut settled =
            Settled { began: at(5), phase: Phase::Steady, acked: Vec::new(), lost: Lost::default() };

        for (now, result) in
            [(at(8), Ok(ack)), (at(8), Ok(ack)), (at(8), Err(error.clone())), (at(9), Ok(ack))]
        {
            settled.add(now, 10, result);
        }

        let acked = |at, latency, records| Acked { at, latency, records, bytes: records * 10 };
        assert_eq!(settled.acked, [acked(at(8), at(3), 2), acked(at(9), at(4), 1)]);
        assert_eq!(settled.lost.records, 1);
        assert_eq!(settled.lost.first_error.map(|lost| lost.to_string()), Some(error.to_string()));
    }
}
