//! Sends spoilt frames and counts how each ended.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use kinglet_harness::golden::read_response;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::mutation::{Kind, Seeds};

/// Connections at work at once.
const ATTACKERS: u64 = 8;
/// What is not answered by then is left alone: it may be a fetch that was asked to wait for years.
const PATIENCE: Duration = Duration::from_millis(25);

/// How a frame ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// There was a response.
    Answered,
    /// The broker closed the connection.
    Closed,
    /// Neither in time.
    Waiting,
}

/// How often each kind was sent, and how it ended.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    rows: [Row; Kind::ALL.len()],
}

#[derive(Debug, Clone, Copy, Default)]
struct Row {
    answered: u32,
    closed: u32,
    waiting: u32,
}

impl Tally {
    /// Frames of all kinds.
    pub(crate) fn sent(&self) -> u32 {
        self.rows.iter().map(Row::sent).sum()
    }

    /// Kinds to which the broker never said anything.
    pub(crate) fn without_effect(&self) -> Vec<Kind> {
        let rows = Kind::ALL.into_iter().zip(&self.rows);
        rows.filter(|(_, row)| row.answered + row.closed == 0).map(|(kind, _)| kind).collect()
    }

    fn count(&mut self, kind: Kind, outcome: Outcome) {
        let index = Kind::ALL.iter().position(|known| *known == kind).expect("every kind is in the list");
        let row = &mut self.rows[index];
        match outcome {
            Outcome::Answered => row.answered += 1,
            Outcome::Closed => row.closed += 1,
            Outcome::Waiting => row.waiting += 1,
        }
    }

    fn add(&mut self, other: &Self) {
        for (row, more) in self.rows.iter_mut().zip(&other.rows) {
            row.answered += more.answered;
            row.closed += more.closed;
            row.waiting += more.waiting;
        }
    }
}

impl Row {
    fn sent(&self) -> u32 {
        self.answered + self.closed + self.waiting
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<15} {:>6} {:>9} {:>7} {:>8}", "kind", "sent", "answered", "closed", "waiting")?;
        for (kind, row) in Kind::ALL.into_iter().zip(&self.rows) {
            let Row { answered, closed, waiting } = row;
            writeln!(f, "{kind:<15} {:>6} {answered:>9} {closed:>7} {waiting:>8}", row.sent())?;
        }
        Ok(())
    }
}

/// Sends at least `count` spoilt frames, each kind as often as the others, over several connections at once.
///
/// # Panics
/// When the broker does not accept a connection.
pub(crate) fn run(address: &str, seeds: &Seeds, seed: u64, count: u64) -> Tally {
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        let attackers: Vec<_> = (0..ATTACKERS)
            .map(|number| {
                let random = StdRng::seed_from_u64(seed.wrapping_add(number));
                scope.spawn(move || attack(address, seeds, random, count.div_ceil(ATTACKERS)))
            })
            .collect();
        for attacker in attackers {
            tally.add(&attacker.join().expect("an attacker ends"));
        }
    });
    tally
}

fn attack(address: &str, seeds: &Seeds, mut random: StdRng, count: u64) -> Tally {
    let mut tally = Tally::default();
    let mut connection = None;
    for kind in (0..count).zip(Kind::ALL.into_iter().cycle()).map(|(_, kind)| kind) {
        let bytes = seeds.spoil(kind, &mut random);
        let mut stream = connection.take().unwrap_or_else(|| connect(address));
        let outcome = send(&mut stream, kind, &bytes);
        tally.count(kind, outcome);
        // A connection that may still answer the last frame would answer the wrong one next.
        connection = (outcome == Outcome::Answered && kind.is_one_frame()).then_some(stream);
    }
    tally
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the broker accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

fn send(stream: &mut TcpStream, kind: Kind, bytes: &[u8]) -> Outcome {
    let sent = io::Write::write_all(stream, bytes);
    let sent = sent.and_then(|()| match kind {
        Kind::CutOff => stream.shutdown(Shutdown::Write),
        _ => Ok(()),
    });
    match sent.and_then(|()| read_response(stream)) {
        Ok(_) => Outcome::Answered,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Outcome::Waiting,
        Err(error) if error.kind() == ErrorKind::InvalidData => panic!("{kind}: {error}"),
        Err(_) => Outcome::Closed,
    }
}
