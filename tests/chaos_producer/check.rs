//! The judge: what the producer said of its records against what the log holds.

use std::fmt;

/// What the producer said of one record. Records are numbered in the order in which they were enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The partition that was asked for, if one was.
    pub(crate) wanted: Option<i32>,
    pub(crate) fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Acked { partition: i32, offset: Option<i64> },
    Failed { possibly_written: bool },
}

/// A record as the log has it, of the partition whose list it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) offset: i64,
    pub(crate) number: usize,
}

/// What is promised besides that nobody lies: acked is there, at its place; "not written" is not there; nothing is
/// there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Acked records of a partition lie in the order in which they were enqueued.
    Kept,
    Free,
}

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Violation {
    /// Nobody sent it.
    Stranger(Place),
    Lost {
        number: usize,
    },
    Twice {
        number: usize,
        at: Vec<Place>,
    },
    /// It is not where it was asked to be, or not where its ack says.
    Elsewhere {
        number: usize,
        at: Place,
        sent: Sent,
    },
    /// The producer was sure that it is not written.
    Denied {
        number: usize,
        at: Place,
    },
    Swapped {
        partition: i32,
        earlier: usize,
        later: usize,
    },
}

/// What became of the records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) acked: u64,
    /// Failed, and possibly written: those that are there.
    pub(crate) doubtful_there: u64,
    /// Failed, and possibly written: those that are not.
    pub(crate) doubtful_missing: u64,
    /// Failed, and surely not written.
    pub(crate) denied: u64,
}

/// Compares; `log` has one list a partition, by offset.
pub(crate) fn check(sent: &[Sent], log: &[Vec<Found>], order: Order) -> Result<Summary, Vec<Violation>> {
    let mut violations = Vec::new();
    let places = places(sent.len(), log, &mut violations);
    let mut summary = Summary::default();
    for (number, (record, at)) in sent.iter().zip(&places).enumerate() {
        violations.extend(judge(number, *record, at));
        summary.add(record.fate, !at.is_empty());
    }
    if order == Order::Kept {
        for (partition, found) in (0..).zip(log) {
            violations.extend(swaps(partition, found, sent));
        }
    }
    if violations.is_empty() { Ok(summary) } else { Err(violations) }
}

/// Where each record lies.
fn places(count: usize, log: &[Vec<Found>], strangers: &mut Vec<Violation>) -> Vec<Vec<Place>> {
    let mut places = vec![Vec::new(); count];
    for (partition, found) in (0..).zip(log) {
        for Found { offset, number } in found {
            let place = Place { partition, offset: *offset };
            match places.get_mut(*number) {
                Some(of_number) => of_number.push(place),
                None => strangers.push(Violation::Stranger(place)),
            }
        }
    }
    places
}

fn judge(number: usize, sent: Sent, at: &[Place]) -> Option<Violation> {
    let place = match (sent.fate, at) {
        (_, [_, _, ..]) => return Some(Violation::Twice { number, at: at.to_vec() }),
        (Fate::Acked { .. }, []) => return Some(Violation::Lost { number }),
        (Fate::Failed { .. }, []) => return None,
        (Fate::Failed { possibly_written: false }, [at]) => {
            return Some(Violation::Denied { number, at: *at });
        }
        (Fate::Acked { .. } | Fate::Failed { possibly_written: true }, [at]) => *at,
    };
    let is_as_acked = match sent.fate {
        Fate::Acked { partition, offset } => {
            partition == place.partition && offset.is_none_or(|offset| offset == place.offset)
        }
        Fate::Failed { .. } => true,
    };
    let is_as_wanted = sent.wanted.is_none_or(|wanted| wanted == place.partition);
    (!is_as_acked || !is_as_wanted).then_some(Violation::Elsewhere { number, at: place, sent })
}

fn swaps(partition: i32, found: &[Found], sent: &[Sent]) -> Vec<Violation> {
    let is_acked = |number: usize| sent.get(number).is_some_and(|s| matches!(s.fate, Fate::Acked { .. }));
    let acked: Vec<usize> =
        found.iter().map(|found| found.number).filter(|number| is_acked(*number)).collect();
    let swapped = |pair: &[usize]| match pair {
        [first, second] if first > second => {
            Some(Violation::Swapped { partition, earlier: *second, later: *first })
        }
        _ => None,
    };
    acked.windows(2).filter_map(swapped).collect()
}

impl Summary {
    fn add(&mut self, fate: Fate, is_there: bool) {
        match (fate, is_there) {
            (Fate::Acked { .. }, _) => self.acked += 1,
            (Fate::Failed { possibly_written: false }, _) => self.denied += 1,
            (Fate::Failed { possibly_written: true }, true) => self.doubtful_there += 1,
            (Fate::Failed { possibly_written: true }, false) => self.doubtful_missing += 1,
        }
    }

    pub(crate) fn failed(self) -> u64 {
        self.doubtful_there + self.doubtful_missing + self.denied
    }
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.acked += other.acked;
        self.doubtful_there += other.doubtful_there;
        self.doubtful_missing += other.doubtful_missing;
        self.denied += other.denied;
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {} offset {}", self.partition, self.offset)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stranger(at) => write!(f, "nobody sent what lies at {at}"),
            Self::Lost { number } => write!(f, "record {number} was acked and is not there"),
            Self::Twice { number, at } => {
                let at: Vec<String> = at.iter().map(Place::to_string).collect();
                write!(f, "record {number} is there {} times: {}", at.len(), at.join(", "))
            }
            Self::Elsewhere { number, at, sent } => write!(f, "record {number}, {sent:?}, lies at {at}"),
            Self::Denied { number, at } => {
                write!(f, "record {number} is said not to be written and lies at {at}")
            }
            Self::Swapped { partition, earlier, later } => {
                write!(f, "partition {partition}: record {later} lies in front of record {earlier}")
            }
        }
    }
}
