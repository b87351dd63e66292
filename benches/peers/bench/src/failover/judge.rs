//! Whether everything that was acked is there.

use std::collections::HashMap;
use std::time::Duration;

use kinglet::{Assignment, Client, Config, Position, TopicPartition};
use peers_kit::Fallible;
use tokio::time::timeout;

use super::acks::Ack;

const LIMIT: Duration = Duration::from_secs(60);

/// Reads a topic as somebody who knows nothing of it: what was acked has to be at its offset, in the order in which it was sent,
/// and nothing twice. Gives the number of records that were acked.
pub(super) async fn all_is_there(bootstrap: &str, topic: &str, acked: &[Vec<Ack>]) -> Fallible<usize> {
    let client = Client::connect(Config::new(bootstrap)).await?;
    let mut count = 0;
    for (partition, acked) in (0..).zip(acked) {
        let at = TopicPartition::new(topic, partition);
        let by_offset = read(&client, &at).await?;
        if !by_offset.windows(2).all(|pair| matches!(pair, [(_, a), (_, b)] if a < b)) {
            return Err(format!("{at}: not in order, or something is there twice").into());
        }
        let there: HashMap<i64, u64> = by_offset.into_iter().collect();
        // A producer that was told of a duplicate does not know the offset.
        for Ack { number, offset, .. } in acked.iter().filter(|ack| ack.offset >= 0) {
            if there.get(offset) != Some(number) {
                let found = there.get(offset);
                return Err(format!("{at}: {number}, acked at {offset}, and there is {found:?}").into());
            }
        }
        count += acked.len();
    }
    client.close(LIMIT).await;
    Ok(count)
}

async fn read(client: &Client, at: &TopicPartition) -> Fallible<Vec<(i64, u64)>> {
    let begin = [(at.clone(), Position::Beginning)];
    let consumer = client.consumer(Assignment::partitions(begin)).await?;
    let ends = timeout(LIMIT, consumer.end_offsets(std::slice::from_ref(at))).await??;
    let end = ends.first().map_or(0, |(_, end)| *end);
    let mut all = Vec::new();
    while consumer.position(at).is_none_or(|position| position < end) && end > 0 {
        let batch = timeout(LIMIT, consumer.recv()).await??.ok_or("the consumer has ended")?;
        for record in batch.iter() {
            let number = record.value.and_then(|value| str::from_utf8(value).ok()).map(str::parse);
            all.push((record.offset, number.ok_or("a record without a value")??));
        }
    }
    consumer.close().await;
    Ok(all)
}
