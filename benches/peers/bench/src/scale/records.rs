//! A record to each of many partitions.

use std::time::Duration;

use kinglet::{Client, Producer, Record};
use peers_kit::Fallible;
use tokio::time::{Instant, timeout};

use super::watch::{LIMIT, Led};

const VALUE: [u8; 100] = [b'v'; 100];

/// A producer with its defaults, acks=all among them, that has sent to all partitions before.
pub(super) struct Records {
    producer: Producer,
}

impl Records {
    pub(super) fn new(client: &Client) -> Fallible<Self> {
        Ok(Self { producer: client.producer()? })
    }

    /// Sends a record to each and waits for all acks; how long the first one took, and the last.
    pub(super) async fn to(&self, partitions: &[Led]) -> Fallible<[Duration; 2]> {
        let began = Instant::now();
        let mut deliveries = Vec::with_capacity(partitions.len());
        for Led { topic, partition, .. } in partitions {
            let record = Record::to(topic.as_str()).partition(*partition).value(&VALUE);
            deliveries.push(self.producer.enqueue(record).await?);
        }
        let mut first = None;
        let all = async {
            for delivery in deliveries {
                delivery.await?;
                first.get_or_insert_with(|| began.elapsed());
            }
            Fallible::Ok(())
        };
        timeout(LIMIT, all).await.map_err(|_| format!("not every record is acked after {LIMIT:?}"))??;
        Ok([first.unwrap_or_default(), began.elapsed()])
    }
}
