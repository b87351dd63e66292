//! A broker with a topic of two partitions and a group of one member, all in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kinglet::protocol::ErrorCode;
use kinglet::protocol::messages::describe_cluster::DescribeClusterBroker;
use kinglet::protocol::messages::describe_quorum::{PartitionDataResponse, TopicDataResponse};
use kinglet::protocol::messages::fetch::{FetchableTopicResponse, PartitionData};
use kinglet::protocol::messages::join_group::JoinGroupResponseMember;
use kinglet::protocol::messages::list_offsets::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kinglet::protocol::messages::metadata::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kinglet::protocol::messages::offset_commit::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use kinglet::protocol::messages::offset_fetch::{OffsetFetchResponsePartition, OffsetFetchResponseTopic};
use kinglet::protocol::messages::produce::{PartitionProduceResponse, TopicProduceResponse};
use kinglet::protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse, AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse,
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteGroupsRequest, DeleteGroupsResponse, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse, DescribeClusterRequest, DescribeClusterResponse,
    DescribeConfigsRequest, DescribeConfigsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeQuorumRequest, DescribeQuorumResponse,
    ElectLeadersRequest, ElectLeadersResponse, FetchRequest, FetchResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, InitProducerIdRequest, InitProducerIdResponse, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse, ListConfigResourcesRequest,
    ListConfigResourcesResponse, ListGroupsRequest, ListGroupsResponse, ListOffsetsRequest,
    ListOffsetsResponse, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
    MetadataRequest, MetadataResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchResponse, ProduceRequest, ProduceResponse,
    SyncGroupRequest, SyncGroupResponse, UnregisterBrokerRequest, UnregisterBrokerResponse,
};
use kinglet::protocol::records::{Batch, BatchBuilder, Seal};
use kinglet::protocol::wire::RecordBytes;
use kinglet::{Client, Config};

use crate::fake::{Fake, Script};

/// Partitions of the topic `t`.
pub(crate) const PARTITIONS: usize = 2;
/// Records in each partition of a world that is there to be read; each holds its offset.
pub(crate) const RECORDS: i64 = 12;
/// Records in each batch of them.
pub(crate) const BATCH: i64 = 3;
/// How long a fetch waits for records.
const PATIENCE: Duration = Duration::from_millis(5);

/// One cluster, and a client that is connected to it.
pub(crate) struct World {
    pub(crate) client: Client,
    store: Arc<Mutex<Store>>,
}

/// What the broker holds.
#[derive(Default)]
pub(crate) struct Store {
    logs: [Log; PARTITIONS],
    /// Where the group goes on.
    pub(crate) committed: BTreeMap<i32, i64>,
    generation: i32,
    /// Members that have left.
    pub(crate) left: usize,
    /// Produce requests are not answered.
    pub(crate) silent: bool,
}

#[derive(Default)]
struct Log {
    /// First offset, the one behind, the bytes.
    batches: Vec<(i64, i64, Bytes)>,
}

impl Log {
    fn end(&self) -> i64 {
        self.batches.last().map_or(0, |(_, end, _)| *end)
    }

    /// Takes a batch over, at the end, and says where it begins.
    fn append(&mut self, batch: &[u8], count: i64) -> i64 {
        let first = self.end();
        let mut batch = BytesMut::from(batch);
        batch[..8].copy_from_slice(&first.to_be_bytes());
        self.batches.push((first, first + count, batch.freeze()));
        first
    }

    /// One batch more.
    fn grow(&mut self) {
        let first = self.end();
        let mut builder = BatchBuilder::new(256);
        for offset in first..first + BATCH {
            builder.push(offset, None, Some(offset.to_string().as_bytes()), &[]);
        }
        self.append(&builder.seal(Seal::default()).unwrap(), BATCH);
    }
}

impl World {
    pub(crate) async fn new(settings: &[(&str, &str)]) -> Self {
        let (fake, store) = start().await;
        let client = Client::connect(config(&fake.address, settings)).await.unwrap();
        Self { client, store }
    }

    /// As [`new`](Self::new), with records to read.
    pub(crate) async fn full(settings: &[(&str, &str)]) -> Self {
        let world = Self::new(settings).await;
        world.store().logs.iter_mut().for_each(|log| (0..RECORDS / BATCH).for_each(|_| log.grow()));
        world
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }

    /// The values in all partitions, those of the first in front.
    pub(crate) fn values(&self) -> Vec<String> {
        let store = self.store();
        let all = store.logs.iter().flat_map(|log| &log.batches);
        all.flat_map(|(_, _, bytes)| values(bytes.clone())).collect()
    }
}

pub(crate) fn config(address: &str, settings: &[(&str, &str)]) -> Config {
    let usual =
        [("retry.backoff.ms", "1"), ("default.api.timeout.ms", "10000"), ("enable.auto.commit", "false")];
    let all = usual.iter().chain(settings);
    all.fold(Config::new(address), |config, (key, value)| config.set(key, *value).unwrap())
}

/// A broker without a client.
pub(crate) async fn start() -> (Fake, Arc<Mutex<Store>>) {
    let store = Arc::new(Mutex::new(Store::default()));
    let fake = Fake::start(|address| script(address, &store)).await;
    (fake, store)
}

fn values(mut bytes: Bytes) -> Vec<String> {
    let mut values = Vec::new();
    while let Some(batch) = Batch::split(&mut bytes).unwrap() {
        for record in &batch.records(1 << 20).unwrap() {
            values.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
        }
    }
    values
}

fn script(address: &str, store: &Arc<Mutex<Store>>) -> Script {
    let brokers = vec![broker(address)];
    let [produce, fetch, offsets, commit, committed, join, leave] = std::array::from_fn(|_| store.clone());
    let script = Script::default()
        .on::<MetadataRequest>(8, move |request| {
            let names = request.topics.map_or_else(
                || vec!["t".to_owned()],
                |topics| topics.into_iter().filter_map(|topic| topic.name).collect(),
            );
            let topics = names.into_iter().map(topic).collect();
            Some(MetadataResponse {
                brokers: brokers.clone(),
                topics,
                controller_id: 1,
                ..Default::default()
            })
        })
        .on::<InitProducerIdRequest>(4, |_| {
            Some(InitProducerIdResponse { producer_id: 7, ..Default::default() })
        })
        .on::<ProduceRequest>(9, move |request| produce.lock().unwrap().produce(request))
        .on_after::<FetchRequest>(11, move |request| fetch.lock().unwrap().fetch(&request))
        .on::<ListOffsetsRequest>(7, move |request| Some(offsets.lock().unwrap().offsets(request)))
        .on::<FindCoordinatorRequest>(3, |_| {
            Some(FindCoordinatorResponse { node_id: 1, ..Default::default() })
        })
        .on::<OffsetCommitRequest>(7, move |request| Some(commit.lock().unwrap().commit(request)))
        .on::<OffsetFetchRequest>(7, move |request| Some(committed.lock().unwrap().committed(request)))
        .on::<JoinGroupRequest>(5, move |request| Some(join.lock().unwrap().join(request)))
        .on::<SyncGroupRequest>(3, |request| {
            let assignment = request.assignments.into_iter().next().map(|own| own.assignment);
            Some(SyncGroupResponse { assignment: assignment.unwrap_or_default(), ..Default::default() })
        })
        .on::<HeartbeatRequest>(3, |_| Some(HeartbeatResponse::default()))
        .on::<LeaveGroupRequest>(3, move |_| {
            leave.lock().unwrap().left += 1;
            Some(LeaveGroupResponse::default())
        });
    changes(script)
}

/// What only the admin asks for: it is told nothing, which is an answer.
fn changes(script: Script) -> Script {
    script
        .on::<DeleteRecordsRequest>(1, |_| Some(DeleteRecordsResponse::default()))
        .on::<CreateTopicsRequest>(4, |_| Some(CreateTopicsResponse::default()))
        .on::<DeleteTopicsRequest>(3, |_| Some(DeleteTopicsResponse::default()))
        .on::<CreatePartitionsRequest>(1, |_| Some(CreatePartitionsResponse::default()))
        .on::<DescribeClusterRequest>(2, |request| {
            // What a broker answers of itself is in the metadata: here it is asked in the other way.
            let alive = DescribeClusterBroker { broker_id: 1, ..Default::default() };
            let brokers = vec![alive];
            Some(DescribeClusterResponse {
                brokers,
                endpoint_type: request.endpoint_type,
                ..Default::default()
            })
        })
        .on::<UnregisterBrokerRequest>(0, |_| Some(UnregisterBrokerResponse::default()))
        .on::<ElectLeadersRequest>(2, |_| Some(ElectLeadersResponse::default()))
        .on::<AlterPartitionReassignmentsRequest>(1, |_| Some(AlterPartitionReassignmentsResponse::default()))
        .on::<ListPartitionReassignmentsRequest>(0, |_| Some(ListPartitionReassignmentsResponse::default()))
        .on::<DescribeLogDirsRequest>(4, |_| Some(DescribeLogDirsResponse::default()))
        .on::<AlterReplicaLogDirsRequest>(2, |_| Some(AlterReplicaLogDirsResponse::default()))
        .on::<AlterConfigsRequest>(2, |_| Some(AlterConfigsResponse::default()))
        .on::<ListConfigResourcesRequest>(1, |_| Some(ListConfigResourcesResponse::default()))
        .on::<DescribeConfigsRequest>(2, |_| Some(DescribeConfigsResponse::default()))
        .on::<IncrementalAlterConfigsRequest>(0, |_| Some(IncrementalAlterConfigsResponse::default()))
        .on::<DeleteGroupsRequest>(1, |_| Some(DeleteGroupsResponse::default()))
        .on::<ListGroupsRequest>(2, |_| Some(ListGroupsResponse::default()))
        .on::<OffsetDeleteRequest>(0, |_| Some(OffsetDeleteResponse::default()))
        .on::<DescribeGroupsRequest>(4, |_| Some(DescribeGroupsResponse::default()))
        .on::<DescribeQuorumRequest>(2, |_| {
            let topic_name = "__cluster_metadata".to_owned();
            let partitions = vec![PartitionDataResponse::default()];
            let topics = vec![TopicDataResponse { topic_name, partitions }];
            Some(DescribeQuorumResponse { topics, ..Default::default() })
        })
}

fn broker(address: &str) -> MetadataResponseBroker {
    let (host, port) = address.rsplit_once(':').unwrap();
    MetadataResponseBroker { node_id: 1, host: host.to_owned(), port: port.parse().unwrap(), rack: None }
}

fn topic(name: String) -> MetadataResponseTopic {
    if name != "t" {
        let error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        return MetadataResponseTopic { error_code, name: Some(name), ..Default::default() };
    }
    let partition = |partition_index| MetadataResponsePartition {
        partition_index,
        leader_id: 1,
        replica_nodes: vec![1],
        isr_nodes: vec![1],
        ..Default::default()
    };
    let partitions = (0..).take(PARTITIONS).map(partition).collect();
    MetadataResponseTopic { name: Some(name), partitions, ..Default::default() }
}

impl Store {
    /// One batch more in a partition.
    pub(crate) fn append(&mut self, partition: i32) {
        self.log(partition).grow();
    }

    fn log(&mut self, partition: i32) -> &mut Log {
        &mut self.logs[usize::try_from(partition).unwrap()]
    }

    fn produce(&mut self, request: ProduceRequest) -> Option<ProduceResponse> {
        if self.silent {
            return None;
        }
        let mut answer = ProduceResponse::default();
        for topic in request.topic_data {
            let mut partition_responses = Vec::new();
            for data in topic.partition_data {
                let Some(RecordBytes::Here(bytes)) = data.records else { panic!("a batch is sent") };
                let count = i64::try_from(values(bytes.clone()).len()).unwrap();
                let base_offset = self.log(data.index).append(&bytes, count);
                let index = data.index;
                partition_responses.push(PartitionProduceResponse {
                    index,
                    base_offset,
                    ..Default::default()
                });
            }
            answer.responses.push(TopicProduceResponse {
                name: topic.name,
                partition_responses,
                ..Default::default()
            });
        }
        Some(answer)
    }

    /// One batch of each partition: readers have to ask often.
    fn fetch(&mut self, request: &FetchRequest) -> (Duration, Option<FetchResponse>) {
        let (mut partitions, mut wait) = (Vec::new(), PATIENCE);
        for asked in request.topics.iter().flat_map(|topic| &topic.partitions) {
            let log = self.log(asked.partition);
            let batch = log.batches.iter().find(|(_, end, _)| *end > asked.fetch_offset);
            let records = batch.map_or_else(Bytes::new, |(_, _, bytes)| bytes.clone());
            if !records.is_empty() {
                wait = Duration::ZERO;
            }
            partitions.push(PartitionData {
                partition_index: asked.partition,
                high_watermark: log.end(),
                records: Some(records.into()),
                ..Default::default()
            });
        }
        let topic = FetchableTopicResponse { topic: "t".into(), partitions, ..Default::default() };
        (wait, Some(FetchResponse { responses: vec![topic], ..Default::default() }))
    }

    /// The beginning, the end, or the offset that is the timestamp.
    fn offsets(&mut self, request: ListOffsetsRequest) -> ListOffsetsResponse {
        let mut topics = Vec::new();
        for topic in request.topics {
            let found = topic.partitions.into_iter().map(|asked| ListOffsetsPartitionResponse {
                partition_index: asked.partition_index,
                offset: match asked.timestamp {
                    -2 => 0,
                    -1 => self.log(asked.partition_index).end(),
                    timestamp => timestamp,
                },
                timestamp: asked.timestamp,
                ..Default::default()
            });
            topics.push(ListOffsetsTopicResponse { partitions: found.collect(), name: topic.name });
        }
        ListOffsetsResponse { topics, ..Default::default() }
    }

    fn commit(&mut self, request: OffsetCommitRequest) -> OffsetCommitResponse {
        let mut topics = Vec::new();
        for topic in request.topics {
            let mut partitions = Vec::new();
            for asked in topic.partitions {
                self.committed.insert(asked.partition_index, asked.committed_offset);
                let partition_index = asked.partition_index;
                partitions.push(OffsetCommitResponsePartition { partition_index, ..Default::default() });
            }
            topics.push(OffsetCommitResponseTopic { name: topic.name, partitions, ..Default::default() });
        }
        OffsetCommitResponse { topics, ..Default::default() }
    }

    fn committed(&mut self, request: OffsetFetchRequest) -> OffsetFetchResponse {
        let topic = |topic: kinglet::protocol::messages::offset_fetch::OffsetFetchRequestTopic| {
            let partition = |partition_index| OffsetFetchResponsePartition {
                partition_index,
                committed_offset: self.committed.get(&partition_index).copied().unwrap_or(-1),
                ..Default::default()
            };
            let partitions = topic.partition_indexes.into_iter().map(partition).collect();
            OffsetFetchResponseTopic { name: topic.name, partitions }
        };
        let topics = request.topics.unwrap_or_default().into_iter().map(topic).collect();
        OffsetFetchResponse { topics, ..Default::default() }
    }

    /// Whoever joins is alone, and leads.
    fn join(&mut self, request: JoinGroupRequest) -> JoinGroupResponse {
        self.generation += 1;
        let protocol = request.protocols.into_iter().next().unwrap();
        let member = JoinGroupResponseMember {
            member_id: "m".into(),
            metadata: protocol.metadata,
            ..Default::default()
        };
        JoinGroupResponse {
            generation_id: self.generation,
            protocol_name: Some(protocol.name),
            leader: "m".into(),
            member_id: "m".into(),
            members: vec![member],
            ..Default::default()
        }
    }
}
