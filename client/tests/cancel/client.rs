//! What is left of a client, of its own requests and of its admin when one of their futures is dropped.

use std::time::Duration;

use kinglet::admin::{
    ConfigChange, ConfigKind, ConfigResource, ElectionType, GroupFilter, GroupOffsets, MemberToRemove,
    NewPartitions, NewTopic, PartitionReplica, Reassignment, ReplicationFactorChange,
};
use kinglet::peer::{Peer, PeerConfig};
use kinglet::protocol::messages::MetadataRequest;
use kinglet::protocol::{ApiInfo, Request};
use kinglet::{Admin, Assignment, Client, OffsetAndMetadata, Position, Result, Target, TopicPartition};

use crate::cut::Cut;
use crate::world::{PARTITIONS, World, config, start};

pub(crate) async fn connect(cut: Cut) -> bool {
    let (fake, _store) = start().await;
    let connected = cut.of(Client::connect(config(&fake.address, &[]))).await;
    let ended = connected.is_some();
    let client = match connected {
        Some(client) => client.unwrap(),
        None => Client::connect(config(&fake.address, &[])).await.unwrap(),
    };
    assert_eq!(client.bootstrap_address(), fake.address);
    ended
}

pub(crate) async fn consumer(cut: Cut) -> bool {
    let world = World::full(&[("group.id", "g")]).await;
    world.store().committed.insert(0, 6);
    let from = [(Position::Committed, 6), (Position::Beginning, 0)];
    let partitions =
        (0..).zip(from).map(|(partition, (from, _))| (TopicPartition::new("t", partition), from));
    let assignment = Assignment::partitions(partitions);
    let started = cut.of(world.client.consumer(assignment.clone())).await;
    let ended = started.is_some();
    let consumer = match started {
        Some(consumer) => consumer.unwrap(),
        None => world.client.consumer(assignment).await.unwrap(),
    };
    let mut first = std::collections::BTreeMap::new();
    while first.len() < PARTITIONS {
        let batch = consumer.recv().await.unwrap().unwrap();
        first.entry(batch.partition()).or_insert(batch.iter().next().unwrap().offset);
    }
    assert_eq!(first.into_values().collect::<Vec<_>>(), from.map(|(_, offset)| offset));
    ended
}

async fn peer(fake: &crate::fake::Fake) -> Result<Peer> {
    let config = PeerConfig {
        client_id: "peer".to_owned(),
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(5),
        response_max: 1 << 20,
    };
    let (host, port) = fake.address.rsplit_once(':').unwrap();
    Peer::connect(host, port.parse().unwrap(), &config).await
}

pub(crate) async fn peer_connect(cut: Cut) -> bool {
    let (fake, _store) = start().await;
    let connected = cut.of(peer(&fake)).await;
    let ended = connected.is_some();
    let peer = match connected {
        Some(peer) => peer.unwrap(),
        None => peer(&fake).await.unwrap(),
    };
    assert!(peer.is_open());
    ended
}

async fn asks_peer<T>(cut: Cut, ask: impl AsyncFn(&Peer) -> Result<T>) -> bool {
    let (fake, _store) = start().await;
    let peer = peer(&fake).await.unwrap();
    let ended = match cut.of(ask(&peer)).await {
        Some(answer) => answer.map(|_| true).unwrap(),
        None => false,
    };
    ask(&peer).await.unwrap();
    ended
}

pub(crate) async fn peer_closed(cut: Cut) -> bool {
    let (fake, _store) = start().await;
    let peer = peer(&fake).await.unwrap();
    let ended = cut.of(tokio::time::timeout(Duration::from_millis(50), peer.closed())).await;
    let was_cut = ended.is_none();
    assert!(ended.is_none_or(|ended| ended.is_err()), "it is open");
    peer.request(&MetadataRequest::default(), 1, Duration::ZERO).await.unwrap();
    assert!(peer.is_open());
    !was_cut
}

pub(crate) async fn peer_request(cut: Cut) -> bool {
    let request = MetadataRequest::default();
    asks_peer(cut, async |peer| peer.request(&request, 1, Duration::ZERO).await).await
}

pub(crate) async fn peer_request_raw(cut: Cut) -> bool {
    // Null topics, in the layout of version 1.
    let api = ApiInfo::of::<MetadataRequest>();
    asks_peer(cut, async |peer| peer.request_raw(&api, 1, &(-1_i32).to_be_bytes()).await).await
}

/// Asks, is dropped, asks again: nothing stands in the way of the second question, nor of another on the same connection.
async fn asks<T>(cut: Cut, ask: impl AsyncFn(&Client) -> Result<T>) -> bool {
    let world = World::new(&[]).await;
    let ended = match cut.of(ask(&world.client)).await {
        Some(answer) => answer.map(|_| true).unwrap(),
        None => false,
    };
    ask(&world.client).await.unwrap();
    let cluster = world.client.admin().describe_cluster().await.unwrap();
    assert_eq!(cluster.brokers.len(), 1);
    ended
}

pub(crate) async fn request(cut: Cut) -> bool {
    asks(cut, async |client| client.request(MetadataRequest::default(), Target::Controller).await).await
}

pub(crate) async fn request_version(cut: Cut) -> bool {
    asks(cut, async |client| client.request_version(MetadataRequest::default(), 1, Target::Controller).await)
        .await
}

pub(crate) async fn version_of(cut: Cut) -> bool {
    let api = ApiInfo::of::<MetadataRequest>();
    asks(cut, async |client| client.version_of(&api, &Target::Controller).await).await
}

pub(crate) async fn request_raw(cut: Cut) -> bool {
    let api = ApiInfo::of::<MetadataRequest>();
    asks(cut, async |client| {
        let body = MetadataRequest::default().encode_body(1).unwrap();
        client.request_raw(&api, 1, body, &Target::Controller).await
    })
    .await
}

/// As [`asks`], of the admin.
async fn admins<T>(cut: Cut, ask: impl AsyncFn(Admin) -> Result<T>) -> bool {
    asks(cut, async |client| ask(client.admin()).await).await
}

fn at() -> TopicPartition {
    TopicPartition::new("t", 0)
}

pub(crate) async fn describe_cluster(cut: Cut) -> bool {
    admins(cut, async |admin| admin.describe_cluster().await).await
}

pub(crate) async fn describe_quorum(cut: Cut) -> bool {
    admins(cut, async |admin| admin.describe_quorum().await).await
}

pub(crate) async fn describe_cluster_with_fenced(cut: Cut) -> bool {
    admins(cut, async |admin| admin.describe_cluster_with_fenced().await).await
}

pub(crate) async fn describe_controllers(cut: Cut) -> bool {
    admins(cut, async |admin| admin.describe_controllers().await).await
}

pub(crate) async fn unregister_broker(cut: Cut) -> bool {
    admins(cut, async |admin| admin.unregister_broker(2).await).await
}

pub(crate) async fn elect_leaders(cut: Cut) -> bool {
    admins(cut, async |admin| admin.elect_leaders(ElectionType::Preferred, [at()]).await).await
}

pub(crate) async fn elect_all_leaders(cut: Cut) -> bool {
    admins(cut, async |admin| admin.elect_all_leaders(ElectionType::Preferred).await).await
}

pub(crate) async fn alter_partition_reassignments(cut: Cut) -> bool {
    admins(cut, async |admin| {
        let wanted = [(at(), Reassignment::To(vec![1]))];
        admin.alter_partition_reassignments(wanted, ReplicationFactorChange::Allowed).await
    })
    .await
}

pub(crate) async fn list_partition_reassignments(cut: Cut) -> bool {
    admins(cut, async |admin| admin.list_partition_reassignments([at()]).await).await
}

pub(crate) async fn list_all_partition_reassignments(cut: Cut) -> bool {
    admins(cut, async |admin| admin.list_all_partition_reassignments().await).await
}

pub(crate) async fn describe_log_dirs(cut: Cut) -> bool {
    admins(cut, async |admin| admin.describe_log_dirs([1]).await).await
}

pub(crate) async fn alter_replica_log_dirs(cut: Cut) -> bool {
    admins(cut, async |admin| {
        let replica = PartitionReplica { partition: at(), broker: 1 };
        admin.alter_replica_log_dirs([(replica, "/d".to_owned())]).await
    })
    .await
}

pub(crate) async fn describe_documented_configs(cut: Cut) -> bool {
    admins(cut, async |admin| admin.describe_documented_configs([ConfigResource::Broker(1)]).await).await
}

pub(crate) async fn alter_configs(cut: Cut) -> bool {
    admins(cut, async |admin| admin.alter_configs([(ConfigResource::Topic("t".into()), Vec::new())]).await)
        .await
}

pub(crate) async fn list_config_resources(cut: Cut) -> bool {
    admins(cut, async |admin| admin.list_config_resources([ConfigKind::Group]).await).await
}

pub(crate) async fn delete_records(cut: Cut) -> bool {
    admins(cut, async |admin| admin.delete_records([(at(), 1)]).await).await
}

pub(crate) async fn list_offsets(cut: Cut) -> bool {
    admins(cut, async |admin| admin.list_offsets([(at(), Position::End)]).await).await
}

pub(crate) async fn create_topics(cut: Cut) -> bool {
    admins(cut, async |admin| admin.create_topics([NewTopic::new("new", 1, 1)]).await).await
}

pub(crate) async fn delete_topics(cut: Cut) -> bool {
    admins(cut, async |admin| admin.delete_topics(["t"]).await).await
}

pub(crate) async fn create_partitions(cut: Cut) -> bool {
    admins(cut, async |admin| admin.create_partitions([NewPartitions::to("t", 3)]).await).await
}

pub(crate) async fn list_topics(cut: Cut) -> bool {
    admins(cut, async |admin| admin.list_topics().await).await
}

pub(crate) async fn describe_topics(cut: Cut) -> bool {
    admins(cut, async |admin| admin.describe_topics(["t"]).await).await
}

pub(crate) async fn describe_all_topics(cut: Cut) -> bool {
    admins(cut, async |admin| admin.describe_all_topics().await).await
}

pub(crate) async fn describe_configs(cut: Cut) -> bool {
    admins(cut, async |admin| admin.describe_configs([ConfigResource::Topic("t".into())]).await).await
}

pub(crate) async fn incremental_alter_configs(cut: Cut) -> bool {
    admins(cut, async |admin| {
        let changes = vec![ConfigChange::Set("retention.ms".into(), "1".into())];
        admin.incremental_alter_configs([(ConfigResource::Topic("t".into()), changes)]).await
    })
    .await
}

pub(crate) async fn delete_groups(cut: Cut) -> bool {
    admins(cut, async |admin| admin.delete_groups(["g"]).await).await
}

pub(crate) async fn remove_members(cut: Cut) -> bool {
    admins(cut, async |admin| admin.remove_members("g", [MemberToRemove::Id("m".into())], None).await).await
}

pub(crate) async fn list_groups(cut: Cut) -> bool {
    admins(cut, async |admin| admin.list_groups(GroupFilter::all()).await).await
}

pub(crate) async fn list_group_offsets(cut: Cut) -> bool {
    admins(cut, async |admin| admin.list_group_offsets([GroupOffsets::all("g")]).await).await
}

pub(crate) async fn alter_group_offsets(cut: Cut) -> bool {
    admins(cut, async |admin| admin.alter_group_offsets("g", [(at(), OffsetAndMetadata::from(1))]).await)
        .await
}

pub(crate) async fn delete_group_offsets(cut: Cut) -> bool {
    admins(cut, async |admin| admin.delete_group_offsets("g", [at()]).await).await
}

pub(crate) async fn describe_groups(cut: Cut) -> bool {
    admins(cut, async |admin| admin.describe_groups(["g"]).await).await
}
