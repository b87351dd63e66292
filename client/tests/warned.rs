//! What the client warns of: once when it comes, and with a word when it is over, however often it is tried between.
#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

mod fake;

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fake::{Fake, Script, commit_answered, produced};
use kinglet::protocol::ErrorCode;
use kinglet::protocol::messages::fetch::{FetchableTopicResponse, PartitionData};
use kinglet::protocol::messages::find_coordinator::Coordinator;
use kinglet::protocol::messages::{
    FetchRequest, FetchResponse, FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest,
    InitProducerIdResponse, OffsetCommitRequest, ProduceRequest,
};
use kinglet::protocol::records::{BatchBuilder, Seal};
use kinglet::{Assignment, Client, Config, Position, Record, TopicPartition};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as Values};
use tracing::{Event, Level, Metadata, Subscriber};

const LIMIT: Duration = Duration::from_secs(20);

thread_local! {
    /// What was said on this thread, on which a whole test runs.
    static SAID: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// Writes down what is said at `info` and above.
struct Said;

/// For the whole process: `tracing` asks once for each place in the code whether anybody listens.
fn listen() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| tracing::subscriber::set_global_default(Said).expect("nobody else installs one"));
}

fn count(level: Level, message: &str) -> usize {
    SAID.with_borrow(|said| said.iter().filter(|(of, text)| *of == level && text == message).count())
}

struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            *self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Said {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut Message(&mut text));
        SAID.with_borrow_mut(|said| said.push((*event.metadata().level(), text)));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Values<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The code, the first three times.
fn thrice(code: ErrorCode) -> impl Fn() -> ErrorCode {
    let asked = AtomicUsize::new(0);
    move || if asked.fetch_add(1, Ordering::Relaxed) < 3 { code } else { ErrorCode::NONE }
}

fn config(fake: &Fake) -> Config {
    Config::new(&*fake.address).set("retry.backoff.ms", 5).unwrap()
}

#[tokio::test]
async fn a_producer_id_that_cannot_be_had_for_a_while() {
    listen();
    let code = thrice(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    let fake = Fake::start(|at| {
        Script::default()
            .with_topic(at)
            .on::<InitProducerIdRequest>(4, move |_| {
                Some(InitProducerIdResponse { producer_id: 7, error_code: code(), ..Default::default() })
            })
            .on::<ProduceRequest>(9, |_| Some(produced(ErrorCode::NONE, 0)))
    })
    .await;
    let producer = Client::connect(config(&fake)).await.unwrap().producer().unwrap();
    producer.send(Record::to("t").value("v")).await.unwrap();
    assert_eq!(fake.asked::<InitProducerIdRequest>(), 4);
    assert_eq!(count(Level::WARN, "cannot get a producer id"), 1);
    assert_eq!(count(Level::INFO, "there is a producer id"), 1);
}

/// One record, and silence behind it.
fn fetched(request: &FetchRequest) -> Option<FetchResponse> {
    let asked = request.topics.first()?.partitions.first()?;
    let mut builder = BatchBuilder::new(64);
    builder.push(0, None, Some(b"value"), &[]);
    let batch = builder.seal(Seal::default()).unwrap();
    let data = PartitionData { records: Some(batch.into()), high_watermark: 1, ..Default::default() };
    let topic = FetchableTopicResponse { topic: "t".into(), partitions: vec![data], ..Default::default() };
    (asked.fetch_offset == 0).then(|| FetchResponse { responses: vec![topic], ..Default::default() })
}

#[tokio::test]
async fn what_is_done_and_cannot_be_committed_for_a_while() {
    listen();
    let code = thrice(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    let fake = Fake::start(|at| {
        Script::default()
            .with_topic(at)
            .on::<FindCoordinatorRequest>(4, |request| {
                let found = |key| Coordinator { key, node_id: 1, ..Default::default() };
                let coordinators = request.coordinator_keys.into_iter().map(found).collect();
                Some(FindCoordinatorResponse { coordinators, ..Default::default() })
            })
            .on::<FetchRequest>(12, |request| fetched(&request))
            .on::<OffsetCommitRequest>(7, move |_| Some(commit_answered(code())))
    })
    .await;
    let config = config(&fake).group_id("g").set("auto.commit.interval.ms", 10).unwrap();
    let given = Assignment::partitions([(TopicPartition::new("t", 0), Position::Offset(0))]);
    let consumer = Client::connect(config).await.unwrap().consumer(given).await.unwrap();
    consumer.recv().await.unwrap().unwrap();
    // Whoever asks for more is done with what there was.
    let over = async {
        while count(Level::INFO, "what is done is committed again") == 0 {
            tokio::time::timeout(Duration::from_millis(1), consumer.recv()).await.unwrap_err();
        }
    };
    tokio::time::timeout(LIMIT, over).await.unwrap();
    assert_eq!(count(Level::WARN, "what is done is not committed"), 1);
}
