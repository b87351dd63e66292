//! Code of the user's that hears of rebalances.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Consumer;
use crate::TopicPartition;

/// Hears which partitions come and go: [`Config::rebalance_listener`](crate::Config::rebalance_listener).
///
/// Most services need none: records of a partition that was given up are never handed out, and what is done is committed.
/// The methods may wait and may use the consumer, to commit or to seek. They are called one after the other.
pub trait RebalanceListener: Send + Sync + 'static {
    /// These partitions are to be read, besides those that were before. Their positions are known, nothing of them was
    /// handed out yet: a seek here comes in time.
    fn assigned(
        &self,
        consumer: &Consumer,
        partitions: &[TopicPartition],
    ) -> impl Future<Output = ()> + Send {
        let _ = (consumer, partitions);
        async {}
    }

    /// These partitions go to another member afterwards. Nothing of them is handed out any more, and what was is done, or
    /// the time for that is over; commits still count. After `left` the group goes on in any case.
    fn revoked(
        &self,
        consumer: &Consumer,
        partitions: &[TopicPartition],
        left: Duration,
    ) -> impl Future<Output = ()> + Send {
        let _ = (consumer, partitions, left);
        async {}
    }

    /// These partitions may be another member's already: this one was out of touch for too long. Commits would be refused.
    fn lost(&self, consumer: &Consumer, partitions: &[TopicPartition]) -> impl Future<Output = ()> + Send {
        let _ = (consumer, partitions);
        async {}
    }
}

type Heard<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A listener whose type is forgotten.
trait Erased: Send + Sync {
    fn assigned<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Heard<'a>;
    fn revoked<'a>(
        &'a self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
        left: Duration,
    ) -> Heard<'a>;
    fn lost<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Heard<'a>;
}

impl<L: RebalanceListener> Erased for L {
    fn assigned<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Heard<'a> {
        Box::pin(RebalanceListener::assigned(self, consumer, partitions))
    }

    fn revoked<'a>(
        &'a self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
        left: Duration,
    ) -> Heard<'a> {
        Box::pin(RebalanceListener::revoked(self, consumer, partitions, left))
    }

    fn lost<'a>(&'a self, consumer: &'a Consumer, partitions: &'a [TopicPartition]) -> Heard<'a> {
        Box::pin(RebalanceListener::lost(self, consumer, partitions))
    }
}

/// The user's listener.
#[derive(Clone)]
pub(crate) struct Listener(Arc<dyn Erased>);

impl Listener {
    pub(crate) fn new(listener: impl RebalanceListener) -> Self {
        Self(Arc::new(listener))
    }

    pub(super) async fn assigned(&self, consumer: &Consumer, partitions: &[TopicPartition]) {
        self.0.assigned(consumer, partitions).await;
    }

    pub(super) async fn revoked(&self, consumer: &Consumer, partitions: &[TopicPartition], left: Duration) {
        self.0.revoked(consumer, partitions, left).await;
    }

    pub(super) async fn lost(&self, consumer: &Consumer, partitions: &[TopicPartition]) {
        self.0.lost(consumer, partitions).await;
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}
