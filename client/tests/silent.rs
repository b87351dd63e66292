//! A broker that is frozen: its connections stay, and it answers nothing any more.
#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

mod fake;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fake::{Fake, Script, broker_at, free_address, produced};
use kinglet::protocol::ErrorCode;
use kinglet::protocol::messages::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kinglet::protocol::messages::{
    InitProducerIdRequest, InitProducerIdResponse, MetadataRequest, MetadataResponse, ProduceRequest,
};
use kinglet::{Client, Config, Producer, Record};

/// Less than a request may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Two brokers of which the first leads `t` until it is frozen, and then the second.
struct Pair {
    frozen: Arc<AtomicBool>,
    first: Fake,
    second: Fake,
}

impl Pair {
    async fn start() -> Self {
        let frozen = Arc::new(AtomicBool::new(false));
        let (first_at, second_at) = (free_address().await, free_address().await);
        let brokers = [broker_at(1, &first_at), broker_at(2, &second_at)];
        let first = script(&brokers, Arc::clone(&frozen), |frozen| !frozen);
        let first = Fake::start_at(&first_at, |_| first).await;
        let second = script(&brokers, Arc::clone(&frozen), |_| true);
        let second = Fake::start_at(&second_at, |_| second).await;
        Self { frozen, first, second }
    }

    async fn producer(&self, config: impl FnOnce(Config) -> Config) -> Producer {
        let config = config(Config::new(&*self.first.address));
        Client::connect(config).await.unwrap().producer().unwrap()
    }

    fn freeze(&self) {
        self.frozen.store(true, Ordering::SeqCst);
    }
}

/// What a broker says as long as `speaks`.
fn script(brokers: &[MetadataResponseBroker], frozen: Arc<AtomicBool>, speaks: fn(bool) -> bool) -> Script {
    let brokers = brokers.to_vec();
    let is_frozen = Arc::clone(&frozen);
    Script::default()
        .on::<MetadataRequest>(12, move |_| {
            let frozen = frozen.load(Ordering::SeqCst);
            let (leader_id, leader_epoch) = if frozen { (2, 6) } else { (1, 5) };
            let partitions =
                vec![MetadataResponsePartition { leader_id, leader_epoch, ..Default::default() }];
            let topic = MetadataResponseTopic { name: Some("t".into()), partitions, ..Default::default() };
            let answer =
                MetadataResponse { brokers: brokers.clone(), topics: vec![topic], ..Default::default() };
            speaks(frozen).then_some(answer)
        })
        .on::<InitProducerIdRequest>(4, |_| {
            Some(InitProducerIdResponse { producer_id: 7, ..Default::default() })
        })
        .on::<ProduceRequest>(12, move |_| {
            speaks(is_frozen.load(Ordering::SeqCst)).then(|| produced(ErrorCode::NONE, 7))
        })
}

#[tokio::test]
async fn what_a_frozen_leader_was_sent_goes_to_the_next_one_as_soon_as_there_is_one() {
    let pair = Pair::start().await;
    let producer = pair.producer(|config| config).await;
    producer.send(Record::to("t").value("before")).await.unwrap();
    pair.freeze();
    let sent = tokio::time::timeout(LIMIT, producer.send(Record::to("t").value("after"))).await;
    assert_eq!(sent.expect("the next leader is found").unwrap().offset, Some(7));
    assert_eq!((pair.first.asked::<ProduceRequest>(), pair.second.asked::<ProduceRequest>()), (2, 1));
}

#[tokio::test]
async fn without_numbers_a_frozen_leader_is_waited_for_as_it_may_have_written_the_batch() {
    let pair = Pair::start().await;
    let producer = pair.producer(|config| config.set("enable.idempotence", false).unwrap()).await;
    producer.send(Record::to("t").value("before")).await.unwrap();
    pair.freeze();
    let sent = tokio::time::timeout(Duration::from_secs(3), producer.send(Record::to("t").value("after")));
    assert!(sent.await.is_err());
    assert_eq!((pair.first.asked::<ProduceRequest>(), pair.second.asked::<ProduceRequest>()), (2, 0));
}

#[tokio::test]
async fn leaders_are_asked_of_somebody_else_when_a_broker_is_frozen() {
    let pair = Pair::start().await;
    let client = Client::connect(Config::new(&*pair.first.address)).await.unwrap();
    client.producer().unwrap().partitions_for("t").await.unwrap();
    pair.freeze();
    let topics = tokio::time::timeout(LIMIT, client.admin().describe_topics(["t"])).await;
    let topics = topics.expect("the other one is asked").unwrap();
    assert_eq!(topics[0].1.as_ref().unwrap().partitions[0].leader, Some(2));
}

#[tokio::test]
async fn a_broker_that_takes_connections_and_says_nothing_is_passed_over() {
    // The system takes them for whoever listens.
    let frozen = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let answering = Fake::start(|address| Script::default().with_topic(address)).await;
    let config = Config::new(format!("{},{}", frozen.local_addr().unwrap(), answering.address));
    // Less than a connection may take.
    let config =
        config.set("request.timeout.ms", 5_000).unwrap().set("default.api.timeout.ms", 5_000).unwrap();
    let client = Client::connect(config).await.expect("the other one is asked");
    assert_eq!(client.bootstrap_address(), answering.address);
}
