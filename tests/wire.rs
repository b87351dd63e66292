//! Every version that the broker advertises answers over the wire, to the requests of Apache Kafka's own classes.

use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use kinglet_broker::{Broker, Config};
use kinglet_harness::golden::{self, CORRELATION_ID, advertised, exchange, frame};
use kinglet_protocol::messages::{ApiVersionsRequest, REGISTRY};
use kinglet_protocol::{ApiInfo, ApiKey, Request, decode_response, response_header_version};

/// The response's body, which decodes and encodes to the same bytes.
fn check(info: &ApiInfo, version: i16, response: &Bytes) {
    let header = 4 + usize::from(response_header_version(info.key, version, info.flexible_from) == 1);
    assert_eq!(response[..4], CORRELATION_ID.to_be_bytes(), "{} v{version}: correlation id", info.key);
    let body = response.slice(header..);
    let again = (info.recode_response)(body.clone(), version);
    let again = again.unwrap_or_else(|e| panic!("{} v{version}: {e}", info.key)).expect("encodes again");
    assert_eq!(again, body, "{} v{version}", info.key);
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the broker listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_advertised_version_answers_the_requests_of_kafkas_own_classes() {
    let broker = Broker::start(Config::ephemeral().expect("a directory")).await.expect("the broker starts");
    let address = broker.bootstrap().to_owned();
    let (golden_calls, own_calls) =
        tokio::task::spawn_blocking(move || call_all(&address)).await.expect("calls");
    println!("{golden_calls} golden requests and {own_calls} of our own answered");
    assert!(golden_calls > 100, "only {golden_calls}");
    broker.shutdown().await.expect("a clean stop");
}

fn call_all(address: &str) -> (usize, usize) {
    let golden = golden::requests();
    let mut stream = connect(address);
    let (mut golden_calls, mut own_calls) = (0, 0);
    for (info, version) in advertised(&mut stream).expect("an answer") {
        let of_this = golden.iter().filter(|row| row.key == info.key && row.version == version);
        let mut called = false;
        for row in of_this {
            // acks=0 is never answered, and the broker hangs up when it goes wrong.
            if info.key == ApiKey::PRODUCE && row.fill == 0 {
                continue;
            }
            let request = frame(info, version, &row.body);
            let response = exchange(&mut stream, &request);
            let response =
                response.unwrap_or_else(|e| panic!("{} v{version} fill {}: {e}", info.key, row.fill));
            check(info, version, &response);
            golden_calls += 1;
            called = true;
        }
        if !called {
            // Versions that Kafka 4.3 has dropped have no golden request: an empty one of our own must do.
            let body = empty_request(info, version);
            let response = exchange(&mut stream, &frame(info, version, &body));
            check(info, version, &response.unwrap_or_else(|e| panic!("{} v{version}: {e}", info.key)));
            own_calls += 1;
        }
    }
    (golden_calls, own_calls)
}

fn empty_request(info: &ApiInfo, version: i16) -> Bytes {
    use kinglet_protocol::messages as m;
    macro_rules! body {
        ($($request:ty),*) => {
            match info.key {
                $( key if key == <$request>::KEY => <$request>::default().encode_body(version), )*
                key => panic!("{key} v{version} has no golden request and none here"),
            }
        };
    }
    if info.key == ApiKey::PRODUCE {
        // With acks=0 there would be no answer.
        let body = m::ProduceRequest { acks: 1, ..Default::default() }.encode_body(version);
        return body.expect("an empty request encodes");
    }
    if info.key == ApiKey::OFFSET_FETCH {
        // Null asks for all topics, which version 0 could not yet.
        let body = m::OffsetFetchRequest { topics: Some(Vec::new()), ..Default::default() };
        return body.encode_body(version).expect("an empty request encodes");
    }
    let body = body!(
        m::FetchRequest,
        m::ListOffsetsRequest,
        m::JoinGroupRequest,
        m::OffsetCommitRequest,
        m::MetadataRequest,
        m::CreateTopicsRequest,
        m::DeleteTopicsRequest,
        m::OffsetForLeaderEpochRequest,
        m::DescribeConfigsRequest,
        m::AlterReplicaLogDirsRequest,
        m::DescribeLogDirsRequest,
        m::AlterConfigsRequest,
        m::InitProducerIdRequest
    );
    body.expect("an empty request encodes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_versions_request_of_the_future_is_told_which_versions_there_are() {
    let broker = Broker::start(Config::ephemeral().expect("a directory")).await.expect("the broker starts");
    let address = broker.bootstrap().to_owned();
    let ask = move || {
        let info = REGISTRY.iter().find(|info| info.key == ApiKey::API_VERSIONS).expect("declared");
        let mut stream = connect(&address);
        exchange(&mut stream, &frame(info, 99, &[1, 1, 0])).expect("an answer")
    };
    let response = tokio::task::spawn_blocking(ask).await.expect("asks");
    let (_, response) = decode_response::<ApiVersionsRequest>(response, 0).expect("version 0's layout");
    assert_eq!(response.error_code.name(), "UNSUPPORTED_VERSION");
    assert_eq!(response.api_keys.len(), 1);
    assert_eq!((response.api_keys[0].api_key, response.api_keys[0].max_version), (18, 4));
    broker.shutdown().await.expect("a clean stop");
}
