//! Reaching a cluster: what works, and what is said when it does not.
#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

mod fake;

use std::time::Duration;

use fake::{Age, Fake, Script};
use kinglet::protocol::messages::api_versions::ApiVersion;
use kinglet::protocol::messages::describe_quorum::{PartitionDataResponse, TopicDataResponse};
use kinglet::protocol::messages::metadata::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kinglet::protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, DescribeQuorumRequest,
    DescribeQuorumResponse, MetadataRequest, ProduceRequest,
};
use kinglet::protocol::{ErrorCode, Request};
use kinglet::{Client, Config, ErrorKind};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// A port that was free a moment ago, so that nobody listens there.
async fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn when_nobody_listens_the_error_names_address_and_cause() {
    let address = closed_port().await;
    let error = Client::connect(Config::new(&*address)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.context().addresses, [address.as_str()]);
    assert!(error.to_string().starts_with(&format!("cannot reach {address}: {address}: ")), "{error}");
    assert!(error.hint().unwrap().contains("is a broker running"));
}

#[tokio::test]
async fn when_none_of_several_listens_all_are_named() {
    let (a, b) = (closed_port().await, closed_port().await);
    let error = Client::connect(Config::new(format!("{a},{b}"))).await.unwrap_err();
    assert_eq!(error.context().addresses, [a.as_str(), b.as_str()]);
    assert!(error.to_string().contains(&a) && error.to_string().contains(&b), "{error}");
}

#[tokio::test]
async fn one_live_server_among_dead_ones_is_enough() {
    let fake = Fake::start(|at| Script::default().with_topic(at)).await;
    let config = Config::new(format!("{},{}", closed_port().await, fake.address));
    let client = Client::connect(config).await.unwrap();
    assert_eq!(client.bootstrap_address(), fake.address);
}

#[tokio::test]
async fn an_advertised_address_that_leads_nowhere_is_named_beside_the_one_that_answered() {
    let nowhere = closed_port().await;
    let fake = Fake::start(|_| Script::default().with_topic(&nowhere)).await;
    let client = Client::connect(Config::new(&*fake.address)).await.unwrap();
    let error = client.producer().unwrap().partitions_for("t").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains(&fake.address) && error.to_string().contains(&nowhere), "{error}");
    assert!(error.hint().unwrap().contains("advertised.listeners on broker 1"));
}

/// An address that takes connections and says nothing.
async fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[tokio::test]
async fn servers_that_say_nothing_leave_time_for_the_one_that_answers() {
    let (a, b) = (silent().await, silent().await);
    let fake = Fake::start(|at| Script::default().with_topic(at)).await;
    let config = Config::new(format!("{},{},{}", a.1, b.1, fake.address));
    let client = Client::connect(config.api_timeout(Duration::from_millis(800))).await.unwrap();
    assert_eq!(client.bootstrap_address(), fake.address);
}

#[tokio::test]
async fn a_request_that_runs_out_of_time_names_the_address_that_said_nothing() {
    let (_listener, nowhere) = silent().await;
    let fake = Fake::start(|_| Script::default().with_topic(&nowhere)).await;
    let config = Config::new(&*fake.address).api_timeout(Duration::from_millis(200));
    let config = config.set("reconnect.backoff.ms", 10_000).unwrap();
    let client = Client::connect(config.set("reconnect.backoff.max.ms", 10_000).unwrap()).await.unwrap();
    let producer = client.producer().unwrap();
    // From the second attempt on it waits for its turn, and time runs out meanwhile.
    for _ in 0..3 {
        let error = producer.partitions_for("t").await.unwrap_err();
        assert!(error.to_string().contains(&nowhere), "{error}");
        assert!(error.hint().unwrap().contains("advertised.listeners"), "{error}");
    }
}

#[tokio::test]
async fn an_advertised_address_of_another_service_is_named_beside_the_one_that_answered() {
    let (listener, elsewhere) = silent().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        }
    });
    let fake = Fake::start(|_| Script::default().with_topic(&elsewhere)).await;
    let client = Client::connect(Config::new(&*fake.address)).await.unwrap();
    let error = client.producer().unwrap().partitions_for("t").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Disconnected), "{error}");
    let said = format!("{} answers, but says that broker 1 is at {elsewhere}", fake.address);
    assert!(error.to_string().starts_with(&said), "{error}");
    assert!(error.hint().unwrap().contains("advertised.listeners on broker 1"));
    assert!(error.hint().unwrap().contains("TLS"));
}

#[tokio::test]
async fn a_broker_that_refuses_our_version_of_apiversions_is_asked_in_one_it_knows() {
    let fake = Fake::start(|at| {
        let script = Script::default().with_topic(at);
        // An old broker answers a version it does not know in version 0, with error 35 and what it does know.
        script.raw_versions(|version| {
            let row = |key: i16, max_version| ApiVersion { api_key: key, min_version: 0, max_version };
            let error_code = if version > 2 { ErrorCode::UNSUPPORTED_VERSION } else { ErrorCode::NONE };
            let api_keys = vec![row(ApiVersionsRequest::KEY.0, 2), row(MetadataRequest::KEY.0, 9)];
            let answer = ApiVersionsResponse { error_code, api_keys, ..Default::default() };
            (answer, if version > 2 { 0 } else { version })
        })
    })
    .await;
    let client = Client::connect(Config::new(&*fake.address)).await.unwrap();
    assert_eq!(fake.versions::<ApiVersionsRequest>(), [4, 2]);
    client.admin().list_topics().await.unwrap();
    assert_eq!(fake.versions::<MetadataRequest>(), [9]);
}

#[tokio::test]
async fn a_refusal_of_apiversions_in_a_layout_of_its_own_leads_to_version_0() {
    // What the mock cluster of librdkafka 2.16 sends, more than version 0 has, and the code alone.
    let mock = &[0, 35, 1, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0];
    for refusal in [&mock[..], &[0, 35, 0, 0, 0, 0, 0, 0, 0, 0], &[0, 35]] {
        let fake = Fake::start(|at| Script::default().with_topic(at).aged(Age::Refusing(refusal))).await;
        let client = Client::connect(Config::new(&*fake.address)).await.unwrap();
        assert_eq!(fake.versions::<ApiVersionsRequest>(), [4, 0]);
        client.admin().list_topics().await.unwrap();
        assert_eq!(fake.versions::<MetadataRequest>(), [12]);
    }
}

#[tokio::test]
async fn bytes_that_a_broker_leaves_behind_an_answer_are_passed_over() {
    // As the mock cluster of librdkafka 2.16 does behind Metadata.
    let fake = Fake::start(|at| Script::default().with_topic(at).leaving(&[0])).await;
    let client = Client::connect(Config::new(&*fake.address)).await.unwrap();
    assert_eq!(client.producer().unwrap().partitions_for("t").await.unwrap(), 1);
}

#[tokio::test]
async fn a_service_that_is_not_kafka_is_recognised() {
    for greeting in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\x15\x03\x03\x00\x02\x02\x50"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(greeting).await.unwrap();
            stream
        });
        let error = Client::connect(Config::new(address)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Disconnected), "{error}");
        assert!(error.hint().unwrap().contains("TLS"), "{error}");
    }
}

#[tokio::test]
async fn a_broker_that_falls_silent_is_given_up_after_the_request_timeout() {
    let fake = Fake::start(|_| Script::default().on::<MetadataRequest>(12, |_| None)).await;
    let config = Config::new(&*fake.address).request_timeout(Duration::from_millis(50));
    let client = Client::connect(config).await.unwrap();
    let error = client.admin().list_topics().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains(&fake.address) && error.to_string().contains("Metadata"), "{error}");
}

#[tokio::test]
async fn an_unknown_topic_fails_after_a_few_questions_and_creates_nothing() {
    let fake = Fake::start(|at| Script::default().with_topic(at)).await;
    let config = Config::new(&*fake.address).allow_auto_create_topics(false);
    let client = Client::connect(config).await.unwrap();
    let error = client.producer().unwrap().partitions_for("nope").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::UnknownTopic, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
    );
    assert!(fake.asked::<MetadataRequest>() <= 3);
}

#[tokio::test]
async fn a_request_of_ones_own_goes_through() {
    let fake = Fake::start(|at| Script::default().with_topic(at)).await;
    let client = Client::connect(Config::new(&*fake.address)).await.unwrap();
    let answer = client.request(MetadataRequest::default(), kinglet::Target::Any).await.unwrap();
    assert_eq!(answer.brokers.len(), 1);
}

/// A broker of 0.9, or of 0.8, with a topic `t`.
async fn old_broker(age: Age) -> Fake {
    Fake::start(|at| {
        let (host, port) = at.rsplit_once(':').unwrap();
        let broker = MetadataResponseBroker {
            node_id: 1,
            host: host.to_owned(),
            port: port.parse().unwrap(),
            rack: None,
        };
        let partition = MetadataResponsePartition { leader_id: 1, ..Default::default() };
        let topic = MetadataResponseTopic {
            name: Some("t".to_owned()),
            partitions: vec![partition],
            ..Default::default()
        };
        let metadata = MetadataResponse { brokers: vec![broker], topics: vec![topic], ..Default::default() };
        Script::default()
            .aged(age)
            .always::<MetadataRequest>(0, move |_| Some(metadata.clone()))
            .always::<ProduceRequest>(i16::from(age == Age::Silent), |_| Some(Default::default()))
    })
    .await
}

#[tokio::test]
async fn a_broker_that_cannot_be_asked_for_its_versions_is_recognised_once() {
    for (age, release) in [(Age::Silent, "0.9.0"), (Age::Closing, "0.8.2")] {
        let fake = old_broker(age).await;
        let client = Client::connect(Config::new(&*fake.address)).await.unwrap();
        let topics = client.admin().list_topics().await.unwrap();
        assert_eq!(topics.iter().map(|topic| &*topic.name).collect::<Vec<_>>(), ["t"]);
        // The first question is the one that recognises it.
        assert_eq!(fake.versions::<MetadataRequest>(), [1, 0], "{age:?}");

        let error = client.request(CreateTopicsRequest::default(), kinglet::Target::Any).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
        let said = format!("{} (answers like Kafka {release}) has no CreateTopics: ", fake.address);
        assert_eq!(error.to_string(), said + "needs Kafka >= 0.10.1 (KIP-4)");

        // Another connection to the same address asks nothing first.
        client.producer().unwrap().partitions_for("t").await.unwrap();
        assert_eq!(fake.asked::<ApiVersionsRequest>(), 1, "{age:?}");
    }
}

#[tokio::test]
async fn a_broker_that_is_slow_to_say_what_it_serves_is_not_taken_for_an_old_one() {
    let fake = Fake::start(|at| {
        // It is asked again on the second connection only: the first gets no answer before that.
        Script::default().with_topic(at).aged(Age::Silent)
    })
    .await;
    let config = Config::new(&*fake.address).request_timeout(Duration::from_millis(600));
    let error = Client::connect(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert_eq!(fake.versions::<MetadataRequest>(), [1], "it answered as newer brokers do");
}

#[tokio::test]
async fn a_port_that_closes_every_connection_is_not_taken_for_an_old_broker() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let error = Client::connect(Config::new(address)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected, "{error}");
    assert!(error.hint().unwrap().contains("TLS"), "{error}");
}

#[tokio::test]
async fn an_old_broker_that_was_replaced_is_asked_again() {
    let fake = old_broker(Age::Closing).await;
    let client = Client::connect(Config::new(&*fake.address)).await.unwrap();
    client.admin().list_topics().await.unwrap();
    let port = fake.address.clone();
    fake.stop().await;
    // The first question may only find out that the connection is gone.
    let mut kinds = Vec::new();
    for _ in 0..2 {
        kinds.push(client.admin().list_topics().await.unwrap_err().kind());
    }
    assert_eq!(kinds.last(), Some(&ErrorKind::Unreachable));
    let newer = Fake::start_at(&port, |at| Script::default().with_topic(at)).await;
    client.admin().list_topics().await.unwrap();
    assert_eq!(newer.asked::<ApiVersionsRequest>(), 1);
    assert_eq!(newer.versions::<MetadataRequest>(), [12]);
}

#[tokio::test]
async fn brokers_of_a_pinned_release_are_not_asked_what_they_serve() {
    let fake = Fake::start(|at| Script::default().with_topic(at)).await;
    let pinned = |release: &str| {
        let config = Config::new(&*fake.address).set("api.version.request", false).unwrap();
        config.set("broker.version.fallback", release)
    };
    let client = Client::connect(pinned("1.0.2").unwrap()).await.unwrap();
    client.admin().list_topics().await.unwrap();
    assert_eq!(fake.asked::<ApiVersionsRequest>(), 0);
    assert_eq!(fake.versions::<MetadataRequest>(), [5]);
    let error = client
        .request(kinglet::protocol::messages::DescribeClusterRequest::default(), kinglet::Target::Any)
        .await
        .unwrap_err();
    assert!(error.to_string().ends_with("has no DescribeCluster: needs Kafka >= 2.8 (KIP-700)"), "{error}");
    assert_eq!(pinned("soon").unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_quorum_that_elects_its_leader_is_asked_again() {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let fake = Fake::start(|at| {
        Script::default().with_topic(at).on::<DescribeQuorumRequest>(2, move |request| {
            let elects = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2;
            let error_code = if elects { ErrorCode::NOT_LEADER_OR_FOLLOWER } else { ErrorCode::NONE };
            let partition = PartitionDataResponse { error_code, leader_id: 3, ..Default::default() };
            let topic_name = request.topics[0].topic_name.clone();
            let topics = vec![TopicDataResponse { topic_name, partitions: vec![partition] }];
            Some(DescribeQuorumResponse { topics, ..Default::default() })
        })
    })
    .await;
    let config = Config::new(&*fake.address).set("retry.backoff.ms", 1).unwrap();
    let quorum = Client::connect(config).await.unwrap().admin().describe_quorum().await.unwrap();
    assert_eq!((quorum.leader, fake.asked::<DescribeQuorumRequest>()), (Some(3), 3));
}
