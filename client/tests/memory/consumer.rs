//! What the consumer takes: nothing for a record, and no more than its budget however much there is to read.

use std::time::Duration;

use kinglet::{Assignment, Client, Compression, Config, Consumer, Position, TopicPartition};

use crate::backlog::{Backlog, Shape};
use crate::{allocation, alone, runtime};

const MIB: usize = 1 << 20;
/// What compressed records grow to that are handed out at once, or those of a single batch, which here are as many: while
/// they grow what is there is moved into twice the room, and what was too much of that is given back in the end.
const OPENED: usize = 3 * MIB;

/// What is configured.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Bytes that are fetched ahead: at so many no more is asked for.
    budget: usize,
    /// Bytes that one answer brings of a partition.
    answer: usize,
}

impl Limits {
    /// As it is by default.
    const USUAL: Self = Self { budget: 64 * MIB, answer: 8 * MIB };

    /// What may be held: the budget; the answer that was under way when it was used up, which is there twice while it
    /// grows; and what the reader has in its hands.
    fn most(self) -> usize {
        self.budget + 2 * self.answer + OPENED
    }

    async fn consumer(self, backlog: &Backlog, group: Option<&str>, partitions: i32) -> Consumer {
        let (budget, answer) = (self.budget.div_ceil(1024).to_string(), self.answer.to_string());
        let settings = [
            ("enable.auto.commit", "false"),
            ("queued.max.messages.kbytes", &*budget),
            ("max.partition.fetch.bytes", &*answer),
            ("group.id", group.unwrap_or_default()),
        ];
        let config = Config::new(&*backlog.address);
        let config =
            settings.into_iter().fold(config, |config, (key, value)| config.set(key, value).unwrap());
        let from =
            (0..partitions).map(|partition| (TopicPartition::new("t", partition), Position::Offset(0)));
        Client::connect(config).await.unwrap().consumer(Assignment::partitions(from)).await.unwrap()
    }
}

/// Who says that a batch is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marks {
    /// Nobody: there is no group.
    Nobody,
    /// Asking for the next one does.
    Recv,
    /// The user does.
    ByHand,
}

/// How often memory is asked for, for a batch of so many records: by the whole client, and by the thread that reads.
fn allocations(records: i64, value: usize, compression: Compression, marks: Marks) -> (f64, f64) {
    const WARM: u32 = 30;
    const ROUNDS: u32 = 300;
    let mut shape = Shape::new(records, value, compression, false);
    shape.together = 1;
    let backlog = Backlog::start(vec![shape]);
    let runtime = runtime();
    // One answer is there, and the next one is asked for when it is taken: so many batches come as are read.
    let limits = Limits { budget: 1024, answer: MIB };
    let group = (marks != Marks::Nobody).then_some("g");
    let consumer = runtime.block_on(limits.consumer(&backlog, group, 1));
    if marks == Marks::ByHand {
        consumer.mark_by_hand();
    }
    let read = |rounds: u32| {
        runtime.block_on(async {
            for _ in 0..rounds {
                let batch = consumer.recv().await.unwrap().unwrap();
                let bytes: usize = batch.iter().map(|record| record.value.map_or(0, <[u8]>::len)).sum();
                assert_eq!(bytes, usize::try_from(records).unwrap() * value);
                if marks == Marks::ByHand {
                    batch.done();
                }
            }
        });
    };
    read(WARM);
    let before = allocation::calls();
    let own = allocation::calls_of(|| read(ROUNDS));
    let all = allocation::calls() - before;
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let each = |calls: u64| calls as f64 / f64::from(ROUNDS);
    (each(all), each(own))
}

#[test]
fn a_record_that_is_read_costs_no_allocation_of_its_own() {
    let _alone = alone();
    for compression in [Compression::None, Compression::Lz4] {
        for marks in [Marks::Nobody, Marks::Recv, Marks::ByHand] {
            let few = allocations(100, 1000, compression, marks);
            let many = allocations(1000, 100, compression, marks);
            println!(
                "{compression:?}, {marks:?}: allocations a batch {few:?} of 100 records, {many:?} of 1000"
            );
            // The same bytes in ten times as many records.
            let more = (many.0 - few.0).max(many.1 - few.1);
            assert!(
                more < 1.0,
                "{compression:?}, {marks:?}: {few:?} a batch of 100 records, {many:?} of 1000"
            );
        }
    }
}

/// The gigabytes that a reader is shown when somebody asks for many; otherwise few, and a budget that they exceed.
fn gib() -> Option<u64> {
    std::env::var("KINGLET_GIB").ok().map(|gib| gib.parse::<u64>().unwrap() << 30)
}

/// Waits until nothing is fetched any more.
async fn until_quiet(backlog: &Backlog) {
    let mut before = u64::MAX;
    while backlog.served() != before || before == 0 {
        before = backlog.served();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn within_budget(name: &str, mut shape: Shape, limits: Limits) {
    let _alone = alone();
    let (bytes, limits) = gib().map_or((256 << 20, limits), |bytes| (bytes, Limits::USUAL));
    let (budget, most) = (limits.budget, limits.most());
    shape.batches = i64::try_from(bytes / shape.payload + 1).unwrap();
    let (end, wire) = (shape.end(), shape.wire());
    let backlog = Backlog::start(vec![shape]);
    runtime().block_on(async {
        let before = allocation::mark();
        let consumer = limits.consumer(&backlog, None, 1).await;
        until_quiet(&backlog).await;
        let (idle, ahead) = (allocation::peak() - before, backlog.served());
        let (mut next, mut payload) = (0, 0);
        while next < end {
            let batch = consumer.recv().await.unwrap().unwrap();
            payload += batch.iter().map(|record| record.value.map_or(0, <[u8]>::len) as u64).sum::<u64>();
            next = batch.next_offset();
        }
        let peak = allocation::peak() - before;
        println!(
            "{name}: batches of {wire} bytes; {ahead} bytes fetched ahead of a reader that does not read, {idle} held; \
             {payload} bytes of values read with {peak} held at most; budget {budget}, allowed {most}"
        );
        assert!(payload >= bytes);
        assert!(idle <= most, "{name}: {idle} bytes held ahead, budget {budget}");
        assert!(peak <= most, "{name}: {peak} bytes held while reading, budget {budget}");
    });
}

/// Enough for what is not compressed.
const LARGE: Limits = Limits { budget: 8 * MIB, answer: MIB };
/// The backlog is small while it is packed.
const SMALL: Limits = Limits { budget: MIB, answer: 256 * 1024 };

#[test]
fn a_backlog_is_read_within_the_budget() {
    within_budget("uncompressed", Shape::new(100, 1000, Compression::None, false), LARGE);
}

#[test]
fn a_backlog_of_lz4_is_read_within_the_budget() {
    within_budget("lz4", Shape::new(100, 1000, Compression::Lz4, false), SMALL);
}

#[test]
fn a_backlog_that_grows_a_hundredfold_when_it_is_opened_is_read_within_the_budget() {
    within_budget("lz4 of zeros", Shape::new(1000, 1000, Compression::Lz4, true), SMALL);
}

#[test]
fn a_backlog_that_grows_even_more_when_it_is_opened_is_read_within_the_budget() {
    within_budget("zstd of zeros", Shape::new(1000, 1000, Compression::Zstd, true), SMALL);
}

/// One task a partition; one of them is slow, and its records came in the same answers as those of the other.
#[test]
fn a_slow_reader_of_few_records_does_not_hold_what_came_with_them() {
    let _alone = alone();
    let (bytes, limits) = gib().map_or((128 << 20, LARGE), |bytes| (bytes, Limits::USUAL));
    let mut few = Shape::new(1, 100, Compression::None, false);
    few.together = 1;
    let backlog = Backlog::start(vec![few, Shape::new(100, 1000, Compression::None, false)]);
    runtime().block_on(async {
        let before = allocation::mark();
        let consumer = limits.consumer(&backlog, None, 2).await;
        let mut partitions = Vec::new();
        while partitions.len() < 2 {
            partitions.push(consumer.next_partition().await.unwrap().unwrap());
        }
        let mut fast = partitions.remove(1);
        assert_eq!(fast.topic_partition().partition, 1);
        let mut payload = 0;
        while payload < bytes {
            let batch = fast.recv().await.unwrap().unwrap();
            payload += batch.iter().map(|record| record.value.map_or(0, <[u8]>::len) as u64).sum::<u64>();
        }
        let (peak, budget, most) = (allocation::peak() - before, limits.budget, limits.most());
        println!(
            "apart: {payload} bytes of values read with {peak} held at most; budget {budget}, allowed {most}"
        );
        assert!(peak <= most, "{peak} bytes held, budget {budget}");
    });
}
