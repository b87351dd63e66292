//! Reading as a member of a group: what is said about it, and what may be committed.

use std::collections::HashMap;

use kinglet::{Batch, Consumer, RebalanceListener, TopicPartition};

use crate::tool::say;

/// Says on a terminal where each partition begins, and why.
#[derive(Debug)]
pub struct Announcer {
    /// What `auto.offset.reset` says of partitions the group has no offset in, if it is one of the ends.
    pub reset: Option<&'static str>,
}

impl RebalanceListener for Announcer {
    async fn assigned(&self, consumer: &Consumer, partitions: &[TopicPartition]) {
        // If it cannot be known there is nothing to say; reading goes on all the same.
        let committed: HashMap<_, _> =
            consumer.committed(partitions).await.unwrap_or_default().into_iter().collect();
        for at in partitions {
            match committed.get(at) {
                Some(Some(offset)) => {
                    say(format_args!("reading {at} from {}, where the group left off\n", offset.offset))
                }
                Some(None) => {
                    let from = self.reset.map_or(String::new(), |end| format!(" from the {end}"));
                    say(format_args!("reading {at}{from}: the group has no offset there\n"));
                }
                None => say(format_args!("reading {at}\n")),
            }
        }
    }
}

/// Batches that may wait together: they hold their records in memory, however little is printed of them.
const WAITING_MAX: usize = 64;

/// What is printed and not written to stdout yet: it is done, and may be committed, once it is.
///
/// Each batch is kept, also of the same partition: one that is not done holds up the commits of those behind it, and rebalances.
#[derive(Debug, Default)]
pub struct Unwritten(Vec<(Batch, i64)>);

impl Unwritten {
    /// The batch is printed up to this offset, itself included.
    pub fn add(&mut self, batch: &Batch, through: i64) {
        self.0.push((batch.clone(), through));
    }

    /// It is time to write.
    pub fn is_full(&self) -> bool {
        self.0.len() >= WAITING_MAX
    }

    /// All of it has reached stdout.
    pub fn written(&mut self) {
        for (batch, through) in self.0.drain(..) {
            batch.done_through(through);
        }
    }
}
