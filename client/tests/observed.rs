//! What a service sees of its producer from the side: interceptors and spans.
#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

mod fake;

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};

use fake::{Fake, Script, produced};
use kinglet::protocol::ErrorCode;
use kinglet::protocol::messages::ProduceRequest;
use kinglet::protocol::records::Batch;
use kinglet::protocol::wire::RecordBytes;
use kinglet::{Acknowledgement, Client, Config, ErrorKind, Outgoing, ProducerInterceptor, Record};
use tracing::span::{Attributes, Id, Record as Values};
use tracing::{Event, Metadata, Subscriber};

/// Keys, values and header keys of what arrived.
type Seen = Arc<Mutex<Vec<(String, Vec<String>)>>>;

async fn broker(seen: Seen, code: ErrorCode) -> Fake {
    count_spans();
    Fake::start(move |at| {
        Script::default().with_topic(at).on::<ProduceRequest>(9, move |request| {
            let records = request.topic_data[0].partition_data[0].records.clone();
            let Some(RecordBytes::Here(mut bytes)) = records else { panic!("a batch is sent") };
            let batch = Batch::split(&mut bytes).unwrap().unwrap();
            for record in &batch.records(1 << 20).unwrap() {
                let record = record.unwrap();
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let headers = record.headers().map(|(key, _)| text(key)).collect();
                seen.lock().unwrap().push((text(record.value.unwrap()), headers));
            }
            Some(produced(code, 10))
        })
    })
    .await
}

/// How many records, and what became of them.
type Told = (u32, Result<Option<i64>, ErrorKind>);

/// Marks records, and writes down what became of them.
#[derive(Clone, Default)]
struct Marker {
    name: &'static str,
    sent: Arc<AtomicUsize>,
    told: Arc<Mutex<Vec<Told>>>,
}

impl ProducerInterceptor for Marker {
    fn on_send(&self, record: &mut Outgoing<'_>) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        record.add_header(self.name, "x");
    }

    fn on_acknowledgement(&self, outcome: &Acknowledgement<'_>) {
        assert_eq!(outcome.topic_partition.to_string(), "t-0");
        self.told.lock().unwrap().push((outcome.records, outcome.result.map_err(|e| e.kind())));
    }
}

#[tokio::test]
async fn interceptors_change_each_record_once_in_their_order_and_hear_what_became_of_it() {
    let seen = Seen::default();
    let fake = broker(seen.clone(), ErrorCode::NONE).await;
    let (first, second) =
        (Marker { name: "first", ..Marker::default() }, Marker { name: "second", ..Marker::default() });
    let config = Config::new(&*fake.address).interceptor(first.clone()).interceptor(second.clone());
    let producer = Client::connect(config).await.unwrap().producer().unwrap();
    // The first has to wait for the topic, the second has not.
    for value in ["a", "b"] {
        producer.send(Record::to("t").value(value)).await.unwrap();
    }
    let both = vec!["first".to_owned(), "second".to_owned()];
    assert_eq!(*seen.lock().unwrap(), [("a".to_owned(), both.clone()), ("b".to_owned(), both)]);
    assert_eq!(second.sent.load(Ordering::Relaxed), 2);
    assert_eq!(*first.told.lock().unwrap(), [(1, Ok(Some(10))), (1, Ok(Some(10)))]);
}

#[tokio::test]
async fn interceptors_hear_of_records_that_were_given_up() {
    let fake = broker(Seen::default(), ErrorCode::TOPIC_AUTHORIZATION_FAILED).await;
    let marker = Marker { name: "m", ..Marker::default() };
    let config = Config::new(&*fake.address).interceptor(marker.clone());
    let producer = Client::connect(config).await.unwrap().producer().unwrap();
    producer.send(Record::to("t").value("a")).await.unwrap_err();
    assert!(matches!(marker.told.lock().unwrap()[..], [(1, Err(_))]));
}

thread_local! {
    /// How many spans of requests began on this thread: each test has a runtime on a thread of its own.
    static SPANS: Cell<u64> = const { Cell::new(0) };
}

/// Counts the spans of requests.
struct Spans;

/// The subscriber of the whole process, there before any test sends anything: `tracing` asks once for each place in the code
/// whether anybody wants its spans, and tests that run beside would otherwise ask first.
fn count_spans() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| tracing::subscriber::set_global_default(Spans).expect("nobody else installs one"));
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span()
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let counts = span.metadata().name() == "request" && span.metadata().fields().field("api").is_some();
        SPANS.set(SPANS.get() + u64::from(counts));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Values<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn there_is_a_span_for_each_request_and_none_for_a_record() {
    let seen = Seen::default();
    let fake = broker(seen.clone(), ErrorCode::NONE).await;
    let client =
        Client::connect(Config::new(&*fake.address).set("linger.ms", 60_000).unwrap()).await.unwrap();
    let producer = client.producer().unwrap();
    producer.partitions_for("t").await.unwrap();
    let before = SPANS.get();
    for _ in 0..1000 {
        producer.try_push(Record::to("t").value("v")).unwrap();
    }
    assert_eq!(producer.flush().await.unwrap().delivered, 1000);
    assert_eq!(seen.lock().unwrap().len(), 1000);
    let count = SPANS.get() - before;
    assert!((1..=4).contains(&count), "one or two batches and a producer id: {count} spans");
}
