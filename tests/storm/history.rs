//! What happened, in the order in which it was known: every record sent, acked, given up and read, and what observers saw of the cluster.
//! Nothing is ever taken out; the judges see each event once.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::checker::Checker;

/// A record: whose, and the how manieth of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id {
    pub(crate) producer: u32,
    pub(crate) number: u64,
}

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reader {
    /// A group, whichever of its members.
    Group(usize),
    /// Reads each partition once from its beginning to its end, without a group.
    Judge,
    /// The same at the very end, as somebody who knows nothing.
    Stranger,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// It was given to a producer.
    Sent(Id),
    Acked {
        id: Id,
        partition: i32,
        offset: i64,
    },
    /// It was given up; what may be written or not is not `never`.
    Failed {
        id: Id,
        never: bool,
    },
    /// `None` is what nobody can have sent.
    Read {
        by: Reader,
        partition: i32,
        offset: i64,
        id: Option<Id>,
    },
    /// What an observer was told of a partition, later than what it was told before.
    Watermarks {
        observer: usize,
        partition: i32,
        start: i64,
        high: i64,
    },
    /// What a group has committed, and the high watermark that was asked for after it, from a leader in that epoch.
    Committed {
        group: usize,
        partition: i32,
        offset: i64,
        high: i64,
        epoch: i32,
    },
    /// A stable generation of a group.
    Owned {
        group: usize,
        members: Vec<(String, Vec<i32>)>,
    },
    /// A broker leads a partition in an epoch: it says so itself, or the metadata does.
    Leads {
        partition: i32,
        epoch: i32,
        broker: i32,
    },
    /// Everything below these offsets, by partition, is acked and settled, and was read by everybody.
    Settled {
        ends: Vec<i64>,
    },
}

/// The history, to be written by many.
#[derive(Clone)]
pub(crate) struct History {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    checker: Checker,
    counts: Counts,
    complaints: Vec<String>,
    /// The last events, for a message.
    last: std::collections::VecDeque<Event>,
    /// By partition, the offset behind the last record acked.
    acked_to: Vec<i64>,
    /// By group and partition, the offset behind the last record read.
    read_to: Vec<Vec<i64>>,
}

/// How much happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) acked: u64,
    pub(crate) failed: u64,
    /// By groups.
    pub(crate) read: u64,
    pub(crate) rebalances: u64,
    pub(crate) commits: u64,
}

/// So many are kept for a message.
const LAST: usize = 200;

impl History {
    pub(crate) fn new(partitions: usize, groups: usize) -> Self {
        let inner = Inner {
            checker: Checker::new(groups),
            counts: Counts::default(),
            complaints: Vec::new(),
            last: std::collections::VecDeque::new(),
            acked_to: vec![0; partitions],
            read_to: vec![vec![0; partitions]; groups],
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// It happened.
    pub(crate) fn note(&self, event: Event) {
        self.with(|inner| inner.note(event));
    }

    /// Something is wrong that no judge sees.
    pub(crate) fn complain(&self, what: impl fmt::Display) {
        let what = what.to_string();
        self.with(|inner| inner.complaints.push(what));
    }

    pub(crate) fn counts(&self) -> Counts {
        self.with(|inner| inner.counts)
    }

    /// By partition, the offset behind the last record acked.
    pub(crate) fn acked_to(&self) -> Vec<i64> {
        self.with(|inner| inner.acked_to.clone())
    }

    /// Whether every group has read every partition so far.
    pub(crate) fn is_read(&self, ends: &[i64]) -> bool {
        self.with(|inner| inner.read_to.iter().all(|of| of.iter().zip(ends).all(|(read, end)| read >= end)))
    }

    /// How far the groups have read.
    pub(crate) fn read_to(&self) -> Vec<Vec<i64>> {
        self.with(|inner| inner.read_to.clone())
    }

    /// What is wrong so far; empty if nothing is.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.with(|inner| {
            let mut all = inner.complaints.clone();
            all.extend(inner.checker.violations().iter().cloned());
            all
        })
    }

    /// The last events, a line each.
    pub(crate) fn last(&self) -> Vec<String> {
        self.with(|inner| inner.last.iter().map(|event| format!("{event:?}")).collect())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn note(&mut self, event: Event) {
        match &event {
            Event::Sent(_) => self.counts.sent += 1,
            Event::Acked { partition, offset, .. } => {
                self.counts.acked += 1;
                raise(&mut self.acked_to, *partition, offset + 1);
            }
            Event::Failed { .. } => self.counts.failed += 1,
            Event::Read { by: Reader::Group(group), partition, offset, .. } => {
                self.counts.read += 1;
                if let Some(of) = self.read_to.get_mut(*group) {
                    raise(of, *partition, offset + 1);
                }
            }
            Event::Committed { .. } => self.counts.commits += 1,
            Event::Owned { .. } => self.counts.rebalances += 1,
            Event::Read { .. } | Event::Watermarks { .. } | Event::Leads { .. } | Event::Settled { .. } => {}
        }
        self.checker.see(&event);
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(event);
    }
}

fn raise(to: &mut [i64], partition: i32, offset: i64) {
    if let Some(to) = usize::try_from(partition).ok().and_then(|index| to.get_mut(index)) {
        *to = offset.max(*to);
    }
}
