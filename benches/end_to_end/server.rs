//! Brokers to measure: started, watched until the first acks=all Produce is answered, stopped, killed.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kinglet::protocol::messages::metadata::MetadataRequestTopic;
use kinglet::protocol::messages::produce::{PartitionProduceData, TopicProduceData};
use kinglet::protocol::messages::{MetadataRequest, ProduceRequest};
use kinglet::protocol::records::{BatchBuilder, Seal};
use kinglet::protocol::{ErrorCode, RecordBytes, decode_response, encode_request};
use kinglet_harness::binaries::Binaries;
use kinglet_harness::golden::exchange;
use kinglet_harness::kafka::{Jars, KafkaNode};
use kinglet_harness::process::{Daemon, Usage};
use tempfile::TempDir;

use crate::figures::Side;
use crate::{Fallible, Outcome};

const READY_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks whether a broker is there: short against the fastest start, cheap against its processor time.
const LOOK_AGAIN: Duration = Duration::from_micros(200);
const READY_TOPIC: &str = "ready";
const PRODUCE_VERSION: i16 = 9;
const METADATA_VERSION: i16 = 9;

/// A broker's data and configuration; the broker itself comes and goes.
#[derive(Debug)]
pub(crate) struct Site {
    side: Side,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Kinglet { binaries: Binaries, data: TempDir, port: u16 },
    Kafka(KafkaNode),
}

/// A broker that answers.
#[derive(Debug)]
pub(crate) struct Server {
    daemon: Daemon,
    /// Where clients connect.
    pub(crate) bootstrap: String,
    /// Whose it is.
    pub(crate) side: Side,
    /// From the start of the process to the answer of the first acks=all Produce.
    pub(crate) ready_in: Duration,
}

impl Site {
    /// An empty folder for `kbroker`.
    pub(crate) fn kinglet(binaries: &Binaries) -> Fallible<Self> {
        let data = tempfile::Builder::new().prefix("kbroker-").tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        Ok(Self { side: Side::Kinglet, place: Place::Kinglet { binaries: binaries.clone(), data, port } })
    }

    /// A formatted folder for Apache Kafka.
    pub(crate) fn kafka(jars: &Jars) -> Fallible<Self> {
        Ok(Self { side: Side::Kafka, place: Place::Kafka(KafkaNode::format(jars)?) })
    }

    /// Starts the broker and waits until it has acked a record.
    pub(crate) fn start(&self) -> Fallible<Server> {
        let (mut command, bootstrap) = match &self.place {
            Place::Kafka(node) => (node.command(), node.bootstrap()),
            Place::Kinglet { binaries, data, port } => {
                let mut command = binaries.command("kbroker");
                command.args(["--port", &port.to_string()]).arg("--data-dir").arg(data.path());
                (command, SocketAddr::from((Ipv4Addr::LOCALHOST, *port)).to_string())
            }
        };
        Server::start(self.side, &mut command, bootstrap)
    }
}

impl Server {
    fn start(side: Side, command: &mut Command, bootstrap: String) -> Fallible<Self> {
        let (produce, metadata) = (produce_request(), metadata_request());
        let started = Instant::now();
        let daemon = Daemon::start(command)?;
        while !acks(&bootstrap, &produce, &metadata).unwrap_or(false) {
            if started.elapsed() > READY_LIMIT {
                return Err(
                    format!("{side:?} is not ready after {READY_LIMIT:?}:\n{}", daemon.last_lines()).into()
                );
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(Self { daemon, bootstrap, side, ready_in: started.elapsed() })
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Fallible<Usage> {
        Ok(Usage::of(self.daemon.pid())?)
    }

    /// Stops it in order.
    pub(crate) fn stop(self) -> Outcome {
        self.daemon.terminate(STOP_LIMIT)?;
        Ok(())
    }

    /// `kill -9`.
    pub(crate) fn kill(self) -> Outcome {
        self.daemon.kill()?;
        Ok(())
    }
}

/// Whether it acks a record; the topic is created by asking for it when it is not there yet.
fn acks(bootstrap: &str, produce: &[u8], metadata: &[u8]) -> io::Result<bool> {
    let mut stream = TcpStream::connect(bootstrap)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(READY_LIMIT))?;
    if is_acked(exchange(&mut stream, produce)?) {
        return Ok(true);
    }
    exchange(&mut stream, metadata)?;
    Ok(is_acked(exchange(&mut stream, produce)?))
}

fn is_acked(response: Bytes) -> bool {
    decode_response::<ProduceRequest>(response, PRODUCE_VERSION).is_ok_and(|(_, response)| {
        let mut partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        partitions.next().is_some_and(|partition| partition.error_code == ErrorCode::NONE)
    })
}

fn produce_request() -> Bytes {
    let mut builder = BatchBuilder::new(128);
    builder.push(1_700_000_000_000, None, Some(b"are you there?"), &[]);
    let batch = builder.seal(Seal::default()).expect("nothing to compress");
    let partition = PartitionProduceData { index: 0, records: Some(RecordBytes::from(batch)) };
    let topic = TopicProduceData {
        name: READY_TOPIC.to_owned(),
        partition_data: vec![partition],
        ..Default::default()
    };
    let request =
        ProduceRequest { acks: -1, timeout_ms: 10_000, topic_data: vec![topic], ..Default::default() };
    encode_request(&request, PRODUCE_VERSION, 1, Some("bench")).expect("version 9 has names").to_bytes()
}

fn metadata_request() -> Bytes {
    let topic = MetadataRequestTopic { name: Some(READY_TOPIC.to_owned()), ..Default::default() };
    let request =
        MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: true, ..Default::default() };
    encode_request(&request, METADATA_VERSION, 2, Some("bench")).expect("version 9 can create").to_bytes()
}
