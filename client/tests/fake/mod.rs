//! A broker that says what a test wants it to say: one thread of talk a connection, on loopback.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kinglet::protocol::messages::api_versions::ApiVersion;
use kinglet::protocol::messages::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kinglet::protocol::messages::offset_commit::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kinglet::protocol::messages::produce::{PartitionProduceResponse, TopicProduceResponse};
use kinglet::protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, InitProducerIdRequest, InitProducerIdResponse, MetadataRequest,
    MetadataResponse, OffsetCommitResponse, ProduceResponse,
};
use kinglet::protocol::{ApiKey, ErrorCode, Request, RequestHead, encode_response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What comes back for a request; `None` is silence.
pub(crate) type Answer = Option<Bytes>;
/// The answer, and how long the broker takes for it.
type Handler = Box<dyn Fn(RequestHead) -> (Duration, Answer) + Send + Sync>;

/// Handlers by API, and what was asked.
#[derive(Default)]
pub(crate) struct Script {
    handlers: HashMap<ApiKey, (i16, i16, Handler)>,
    age: Age,
    /// What stands behind each answer but that to ApiVersions.
    behind: &'static [u8],
    asked: Mutex<Vec<(ApiKey, i16)>>,
}

/// What the broker does when it is asked what it serves, unless a handler says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Age {
    /// It answers.
    #[default]
    Modern,
    /// As 0.9: it says nothing and leaves the connection open.
    Silent,
    /// As 0.8: it closes the connection.
    Closing,
    /// It knows version 0 only and refuses the others with these bytes, in whatever layout.
    Refusing(&'static [u8]),
}

pub(crate) struct Fake {
    pub(crate) address: String,
    script: Arc<Script>,
    task: JoinHandle<()>,
}

/// An address of loopback at which nobody listens, for those who must know it before they start.
pub(crate) async fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    listener.local_addr().expect("it is bound").to_string()
}

/// A broker as Metadata names it.
pub(crate) fn broker_at(node_id: i32, address: &str) -> MetadataResponseBroker {
    let (host, port) = address.rsplit_once(':').expect("host:port");
    MetadataResponseBroker { node_id, host: host.to_owned(), port: port.parse().expect("a port"), rack: None }
}

/// The answer to a commit of the partition t-0.
pub(crate) fn commit_answered(error_code: ErrorCode) -> OffsetCommitResponse {
    let partition = OffsetCommitResponsePartition { partition_index: 0, error_code };
    let name = "t".to_owned();
    let topic = OffsetCommitResponseTopic { name, partitions: vec![partition], ..Default::default() };
    OffsetCommitResponse { topics: vec![topic], ..Default::default() }
}

/// The answer to a Produce request for partition 0 of `t`.
pub(crate) fn produced(error_code: ErrorCode, base_offset: i64) -> ProduceResponse {
    let partition = PartitionProduceResponse { error_code, base_offset, ..Default::default() };
    let topic =
        TopicProduceResponse { name: "t".into(), partition_responses: vec![partition], ..Default::default() };
    ProduceResponse { responses: vec![topic], ..Default::default() }
}

impl Script {
    /// Answers `R` in the versions up to `newest`.
    pub(crate) fn on<R: Request>(
        self,
        newest: i16,
        handler: impl Fn(R) -> Option<R::Response> + Send + Sync + 'static,
    ) -> Self {
        self.on_after::<R>(newest, move |request| (Duration::ZERO, handler(request)))
    }

    /// As [`on`](Self::on), after a while: as a broker that waits for records does.
    pub(crate) fn on_after<R: Request>(
        mut self,
        newest: i16,
        handler: impl Fn(R) -> (Duration, Option<R::Response>) + Send + Sync + 'static,
    ) -> Self {
        let raw = move |head: RequestHead| {
            let (header, request) = head.body::<R>().expect("the client sends what can be read");
            let (after, response) = handler(request);
            let encode = |response| {
                let frame = encode_response::<R>(&response, header.version, header.correlation_id);
                frame.expect("the test's answer fits its version").to_bytes()
            };
            (after, response.map(encode))
        };
        self.handlers.insert(R::KEY, (R::VERSIONS.first, newest, Box::new(raw)));
        self
    }

    /// Leaves bytes behind what it answers.
    pub(crate) fn leaving(mut self, behind: &'static [u8]) -> Self {
        self.behind = behind;
        self
    }

    /// Is too old to be asked what it serves.
    pub(crate) fn aged(mut self, age: Age) -> Self {
        self.age = age;
        self
    }

    /// Answers `R` in this layout whatever version was asked for, as brokers before 0.10 do.
    pub(crate) fn always<R: Request>(
        mut self,
        layout: i16,
        handler: impl Fn(R) -> Option<R::Response> + Send + Sync + 'static,
    ) -> Self {
        let raw = move |head: RequestHead| {
            let (header, request) = head.body::<R>().expect("the client sends what can be read");
            let encode = |response| {
                let frame = encode_response::<R>(&response, layout, header.correlation_id);
                frame.expect("the test's answer fits its version").to_bytes()
            };
            (Duration::ZERO, handler(request).map(encode))
        };
        self.handlers.insert(R::KEY, (R::VERSIONS.first, layout, Box::new(raw)));
        self
    }

    /// Answers ApiVersions by hand: what, and in which version.
    pub(crate) fn raw_versions(
        mut self,
        answer: impl Fn(i16) -> (ApiVersionsResponse, i16) + Send + Sync + 'static,
    ) -> Self {
        let raw = move |head: RequestHead| {
            let (response, version) = answer(head.header.version);
            let frame = encode_response::<ApiVersionsRequest>(&response, version, head.header.correlation_id);
            (Duration::ZERO, Some(frame.expect("the test's answer fits its version").to_bytes()))
        };
        self.handlers.insert(ApiVersionsRequest::KEY, (0, 4, Box::new(raw)));
        self
    }

    /// Metadata with one topic `t`, whose partition 0 is led by broker 1 at this address, and a producer id.
    pub(crate) fn with_topic(self, address: &str) -> Self {
        let broker = broker_at(1, address);
        let topic = |name: &str| MetadataResponseTopic {
            error_code: if name == "t" { ErrorCode::NONE } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION },
            name: Some(name.to_owned()),
            partitions: if name == "t" {
                vec![MetadataResponsePartition { leader_id: 1, ..Default::default() }]
            } else {
                Vec::new()
            },
            ..Default::default()
        };
        self.on::<MetadataRequest>(12, move |request| {
            let names = request.topics.unwrap_or_default().into_iter().filter_map(|topic| topic.name);
            Some(MetadataResponse {
                brokers: vec![broker.clone()],
                topics: names.map(|name| topic(&name)).collect(),
                ..Default::default()
            })
        })
        .on::<InitProducerIdRequest>(4, |_| {
            Some(InitProducerIdResponse { producer_id: 7, ..Default::default() })
        })
    }
}

impl Fake {
    /// Binds first, so that a script can advertise the address.
    pub(crate) async fn start(script: impl FnOnce(&str) -> Script) -> Self {
        Self::start_at("127.0.0.1:0", script).await
    }

    /// As [`start`](Self::start), at an address that was in use before.
    pub(crate) async fn start_at(at: &str, script: impl FnOnce(&str) -> Script) -> Self {
        let listener = TcpListener::bind(at).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let script = Arc::new(script(&address));
        let served = script.clone();
        let task = tokio::spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                talks.spawn(talk(stream, served.clone()));
            }
        });
        Self { address, script, task }
    }

    /// Closes the port and every connection.
    pub(crate) async fn stop(self) {
        self.task.abort();
        // It ends by being aborted.
        let _ = self.task.await;
    }

    /// How often an API was asked.
    pub(crate) fn asked<R: Request>(&self) -> usize {
        self.script
            .asked
            .lock()
            .expect("no test panics while it counts")
            .iter()
            .filter(|(key, _)| *key == R::KEY)
            .count()
    }

    /// The versions in which an API was asked, in order.
    pub(crate) fn versions<R: Request>(&self) -> Vec<i16> {
        let asked = self.script.asked.lock().expect("no test panics while it counts");
        asked.iter().filter(|(key, _)| *key == R::KEY).map(|(_, version)| *version).collect()
    }
}

async fn talk(mut stream: TcpStream, script: Arc<Script>) {
    while let Ok(len) = stream.read_i32().await {
        let mut frame = vec![0; usize::try_from(len).expect("the client sends lengths")];
        if stream.read_exact(&mut frame).await.is_err() {
            return;
        }
        let head = RequestHead::decode(frame.into()).expect("the client sends headers");
        let (key, version) = (head.header.key, head.header.version);
        script.asked.lock().expect("no test panics while it counts").push((key, version));
        let answer = match script.handlers.get(&key) {
            Some((_, _, handler)) => {
                let (after, answer) = handler(head);
                if !after.is_zero() {
                    tokio::time::sleep(after).await;
                }
                answer
            }
            None if key == ApiVersionsRequest::KEY => match script.age {
                Age::Modern => Some(versions(&script, head)),
                Age::Silent => None,
                Age::Closing => return,
                Age::Refusing(body) if version > 0 => Some(framed(head.header.correlation_id, body)),
                Age::Refusing(_) => Some(versions(&script, head)),
            },
            None => panic!("the script says nothing about {key}"),
        };
        let behind: &[u8] = if key == ApiVersionsRequest::KEY { &[] } else { script.behind };
        if let Some(bytes) = answer.map(|bytes| with_behind(&bytes, behind))
            && stream.write_all(&bytes).await.is_err()
        {
            return;
        }
    }
}

fn with_behind(frame: &[u8], behind: &[u8]) -> Vec<u8> {
    let (len, body) = frame.split_first_chunk().expect("a length");
    let more = i32::try_from(behind.len()).expect("a few bytes");
    [&(i32::from_be_bytes(*len) + more).to_be_bytes(), body, behind].concat()
}

fn framed(correlation_id: i32, body: &[u8]) -> Bytes {
    let id = correlation_id.to_be_bytes();
    let len = i32::try_from(id.len() + body.len()).expect("a short answer");
    [&len.to_be_bytes(), &id, body].concat().into()
}

fn versions(script: &Script, head: RequestHead) -> Bytes {
    let api = |(key, (first, newest, _)): (&ApiKey, &(i16, i16, Handler))| ApiVersion {
        api_key: key.0,
        min_version: *first,
        max_version: *newest,
    };
    let api_keys = script.handlers.iter().map(api).collect();
    let response = ApiVersionsResponse { api_keys, ..Default::default() };
    let (version, id) = (head.header.version, head.header.correlation_id);
    encode_response::<ApiVersionsRequest>(&response, version, id).expect("it fits").to_bytes()
}
