//! Requests of one's own: who gets them, and in which version.
#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

mod fake;

use std::sync::{Arc, Mutex};

use fake::{Fake, Script};
use kinglet::protocol::messages::find_coordinator::Coordinator;
use kinglet::protocol::messages::metadata::MetadataResponseBroker;
use kinglet::protocol::messages::{
    FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse, MetadataRequest,
    MetadataResponse,
};
use kinglet::protocol::{ApiInfo, ErrorCode, Request};
use kinglet::{Client, Config, ErrorKind, Target};

fn broker(node_id: i32, address: &str) -> MetadataResponseBroker {
    let (host, port) = address.rsplit_once(':').unwrap();
    MetadataResponseBroker { node_id, host: host.to_owned(), port: port.parse().unwrap(), rack: None }
}

/// Two brokers; the second coordinates everything and answers heartbeats with the generation as throttle time.
async fn two_brokers(newest: i16, asked: Arc<Mutex<Vec<FindCoordinatorRequest>>>) -> (Fake, Fake) {
    let second = Fake::start(|_| {
        Script::default().on::<HeartbeatRequest>(4, |request| {
            Some(HeartbeatResponse { throttle_time_ms: request.generation_id, ..Default::default() })
        })
    })
    .await;
    let second_at = second.address.clone();
    let first = Fake::start(|at| {
        let brokers = vec![broker(1, at), broker(2, &second_at)];
        Script::default()
            .on::<MetadataRequest>(12, move |_| {
                Some(MetadataResponse { brokers: brokers.clone(), ..Default::default() })
            })
            .on::<FindCoordinatorRequest>(newest, move |request| {
                let mut asked = asked.lock().unwrap();
                asked.push(request.clone());
                // At first it is being elected.
                let error_code =
                    if asked.len() == 1 { ErrorCode::COORDINATOR_NOT_AVAILABLE } else { ErrorCode::NONE };
                let keys = request.coordinator_keys.into_iter();
                let found = |key| Coordinator { key, node_id: 2, error_code, ..Default::default() };
                Some(match newest {
                    4.. => FindCoordinatorResponse {
                        coordinators: keys.map(found).collect(),
                        ..Default::default()
                    },
                    _ => FindCoordinatorResponse { node_id: 2, error_code, ..Default::default() },
                })
            })
    })
    .await;
    (first, second)
}

async fn connect(fake: &Fake) -> Client {
    Client::connect(Config::new(&*fake.address).set("retry.backoff.ms", 1).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_group_and_a_transactional_id_lead_to_their_coordinator() {
    for newest in [1, 4] {
        for (target, key_type) in [(Target::Group("me".into()), 0), (Target::TransactionalId("me".into()), 1)]
        {
            let asked = Arc::new(Mutex::new(Vec::new()));
            let (first, second) = two_brokers(newest, asked.clone()).await;
            let request = HeartbeatRequest { generation_id: 9, ..Default::default() };
            let answer = connect(&first).await.request(request, target).await.unwrap();
            assert_eq!(answer.throttle_time_ms, 9);
            assert_eq!(second.asked::<HeartbeatRequest>(), 1);
            let asked = asked.lock().unwrap();
            assert_eq!(asked.len(), 2, "it is asked again while there is none");
            assert_eq!(asked[0].key_type, key_type);
            assert_eq!(if newest < 4 { &asked[0].key } else { &asked[0].coordinator_keys[0] }, "me");
        }
    }
}

#[tokio::test]
async fn a_request_goes_in_the_version_that_was_named_or_not_at_all() {
    let fake = Fake::start(|at| Script::default().with_topic(at)).await;
    let client = connect(&fake).await;
    let nothing = || MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
    client.request_version(nothing(), 3, Target::Any).await.unwrap();
    assert_eq!(fake.versions::<MetadataRequest>(), [3]);
    let error = client.request_version(nothing(), 13, Target::Any).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
    assert!(error.to_string().ends_with("serves Metadata 0-12, this needs version 13"), "{error}");
}

#[tokio::test]
async fn a_body_that_is_encoded_already_gets_the_body_of_the_answer() {
    let fake = Fake::start(|at| Script::default().with_topic(at)).await;
    let client = connect(&fake).await;
    let api = ApiInfo::of::<MetadataRequest>();
    let version = client.version_of(&api, &Target::Any).await.unwrap();
    assert_eq!(version, 12);
    for version in [version, 1] {
        let body = MetadataRequest::default().encode_body(version).unwrap();
        let answer = client.request_raw(&api, version, body, &Target::Any).await.unwrap();
        let answer = MetadataRequest::decode_response_body(answer, version).unwrap();
        assert_eq!(answer.brokers.len(), 1);
    }
}
