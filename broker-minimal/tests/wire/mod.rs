//! A connection that speaks the protocol in the test's own thread: what a broker answers, with no client library between.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

pub(crate) mod groups;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kinglet_broker::{Broker, Config, Handle};
use kinglet_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig, CreatableTopicResult};
use kinglet_protocol::messages::list_offsets::{ListOffsetsPartition, ListOffsetsTopic};
use kinglet_protocol::messages::metadata::MetadataRequestTopic;
use kinglet_protocol::messages::produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceData};
use kinglet_protocol::messages::{
    CreateTopicsRequest, ListOffsetsRequest, MetadataRequest, MetadataResponse, ProduceRequest,
};
use kinglet_protocol::records::{BatchBuilder, Seal};
use kinglet_protocol::{Request, decode_response, encode_request};
use rustix::process::Pid;

/// How long anything may take that should happen at once.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    /// What it calls itself.
    pub(crate) client: &'static str,
}

impl Wire {
    /// Connects to the broker's first address.
    pub(crate) fn to(broker: &Handle) -> Self {
        Self::open(*broker.addrs().first().expect("a broker listens"))
    }

    pub(crate) fn open(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self { stream, client: "test" }
    }

    /// Asks and waits for the answer.
    pub(crate) fn call<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        self.try_call(request, version).unwrap()
    }

    pub(crate) fn try_call<R: Request>(&mut self, request: &R, version: i16) -> io::Result<R::Response> {
        let frame = encode_request(request, version, 7, Some(self.client)).unwrap().to_bytes();
        self.stream.write_all(&frame)?;
        self.try_answer::<R>(version)
    }

    /// Waits for the answer to a request that was sent as bytes.
    pub(crate) fn answer<R: Request>(&mut self, version: i16) -> R::Response {
        self.try_answer::<R>(version).unwrap()
    }

    fn try_answer<R: Request>(&mut self, version: i16) -> io::Result<R::Response> {
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix)?;
        let mut body = vec![0; usize::try_from(i32::from_be_bytes(prefix)).unwrap()];
        self.stream.read_exact(&mut body)?;
        let (correlation, response) = decode_response::<R>(Bytes::from(body), version).unwrap();
        assert_eq!(correlation, 7);
        Ok(response)
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Says that nothing more will be sent.
    pub(crate) fn close_write(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Waits until the broker closes the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0; 64]) {
            Ok(n) => n == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Whether something has come that was not read.
    pub(crate) fn has_answer(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let has_answer = self.stream.peek(&mut [0; 1]).is_ok_and(|n| n > 0);
        self.stream.set_nonblocking(false).unwrap();
        has_answer
    }

    /// Reads an answer past.
    pub(crate) fn skip_answer(&mut self) {
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix).unwrap();
        self.stream.read_exact(&mut vec![0; usize::try_from(i32::from_be_bytes(prefix)).unwrap()]).unwrap();
    }

    pub(crate) fn metadata(&mut self, topic: &str) -> MetadataResponse {
        let topics = vec![MetadataRequestTopic { name: Some(topic.to_owned()), ..Default::default() }];
        self.call(&MetadataRequest { topics: Some(topics), ..Default::default() }, 12)
    }

    /// Creates a topic of one partition.
    pub(crate) fn create(&mut self, name: &str, configs: &[(&str, &str)]) -> CreatableTopicResult {
        let config = |&(name, value): &(&str, &str)| CreatableTopicConfig {
            name: name.to_owned(),
            value: Some(value.to_owned()),
        };
        let topic = CreatableTopic {
            name: name.to_owned(),
            num_partitions: 1,
            replication_factor: 1,
            configs: configs.iter().map(config).collect(),
            ..Default::default()
        };
        self.create_as(topic)
    }

    pub(crate) fn create_as(&mut self, topic: CreatableTopic) -> CreatableTopicResult {
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        self.call(&request, 7).topics.remove(0)
    }

    /// Produces one batch to partition 0 with acks=all.
    pub(crate) fn produce(&mut self, topic: &str, batch: Bytes) -> PartitionProduceResponse {
        let data = PartitionProduceData { index: 0, records: Some(batch.into()) };
        let topic =
            TopicProduceData { name: topic.to_owned(), partition_data: vec![data], ..Default::default() };
        let request =
            ProduceRequest { acks: -1, timeout_ms: 5000, topic_data: vec![topic], ..Default::default() };
        let mut response = self.call(&request, 9);
        response.responses.remove(0).partition_responses.remove(0)
    }

    /// The first offset of partition 0 (`-2`) or its end (`-1`).
    pub(crate) fn offset(&mut self, topic: &str, timestamp: i64) -> i64 {
        let partition = ListOffsetsPartition { timestamp, ..Default::default() };
        let topic = ListOffsetsTopic { name: topic.to_owned(), partitions: vec![partition] };
        let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
        self.call(&request, 7).topics.remove(0).partitions.remove(0).offset
    }
}

/// A broker with these lines in its file, on a free port, with data of its own.
pub(crate) async fn start(properties: &str) -> Handle {
    let mut config = Config::from_properties(properties).unwrap();
    if !properties.contains("port=") && !properties.contains("listeners=") {
        config.set_port(0);
    }
    if !properties.contains("log.dir") {
        config.set_ephemeral().unwrap();
    }
    Broker::start(config).await.unwrap()
}

/// A batch of one record with this time and size.
pub(crate) fn batch(timestamp: i64, size: usize) -> Bytes {
    sealed(timestamp, Some(b"key"), size, Seal::default())
}

pub(crate) fn sealed(timestamp: i64, key: Option<&[u8]>, size: usize, seal: Seal) -> Bytes {
    let mut builder = BatchBuilder::new(size + 128);
    builder.push(timestamp, key, Some(&vec![b'x'; size]), &[]);
    builder.seal(seal).unwrap()
}

/// Tries until it is so, or the time is up.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "the limit of a wait on a condition")]
    let now = Instant::now;
    let start = now();
    while !is_so() {
        assert!(now().duration_since(start) < LIMIT, "{what}: not within {LIMIT:?}");
        #[expect(clippy::disallowed_methods, reason = "the pause between two looks, with a limit above")]
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "records of this test need a time")]
    let now = std::time::SystemTime::now();
    i64::try_from(now.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A copy of the data of a running broker: what a kill leaves.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if let Err(error) = std::fs::copy(entry.path(), target) {
            // A temporary file that was renamed meanwhile.
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
        }
    }
}

/// Whether it runs; a zombie, whose parent has yet to look at it, does not.
pub(crate) fn is_running(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid()));
    stat.is_ok_and(|stat| !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')))
}
