//! Groups and committed offsets over the wire: what every version is told, and what is there after a stop or a kill.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod wire;

use std::path::Path;

use kinglet_broker::Handle;
use kinglet_protocol::messages::create_topics::CreatableTopic;
use kinglet_protocol::messages::delete_topics::DeleteTopicState;
use kinglet_protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};
use kinglet_protocol::messages::leave_group::MemberIdentity;
use kinglet_protocol::messages::metadata::MetadataRequestTopic;
use kinglet_protocol::messages::{
    DeleteTopicsRequest, FindCoordinatorRequest, IncrementalAlterConfigsRequest, LeaveGroupRequest,
    MetadataRequest,
};
use kinglet_protocol::records::Seal;
use kinglet_protocol::{ErrorCode, Uuid};

use wire::groups::{Groups, QUICK};
use wire::{Wire, batch, copy, now_ms, sealed, start};

fn on_disk(dir: &Path) -> String {
    format!("{QUICK}offsets.topic.num.partitions=1\nlog.dirs={}\n", dir.display())
}

async fn broker() -> (Handle, Wire) {
    let broker = start(QUICK).await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    wire.find("g");
    (broker, wire)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_joins_gets_its_assignment_and_commits_in_every_version() {
    for version in 0..=9 {
        let (broker, mut wire) = broker().await;
        let (member, generation) = wire.settle(version);
        assert_eq!(generation, 1);
        let member = (member.as_str(), generation);
        assert_eq!(wire.heartbeat(member), ErrorCode::NONE);
        for commit in 1..=9 {
            assert_eq!(wire.commit(member, i64::from(commit), commit), ErrorCode::NONE, "v{commit}");
            for fetch in 0..=9 {
                assert_eq!(wire.committed(fetch), (i64::from(commit), "note".to_owned()), "v{fetch}");
            }
        }
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stable_group_and_its_offsets_are_there_after_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(&on_disk(dir.path())).await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    wire.find("g");
    let (member, generation) = wire.settle(4);
    let member = (member.as_str(), generation);
    assert_eq!(wire.commit(member, 42, 7), ErrorCode::NONE);
    broker.shutdown().await.unwrap();

    let broker = start(&on_disk(dir.path())).await;
    let mut wire = Wire::to(&broker);
    assert_eq!(wire.committed(5), (42, "note".to_owned()));
    assert_eq!(wire.heartbeat(member), ErrorCode::NONE);
    assert_eq!(wire.commit(member, 43, 7), ErrorCode::NONE);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stable_group_and_its_offsets_are_there_after_a_kill() {
    let root = tempfile::tempdir().unwrap();
    let (running, killed) = (root.path().join("running"), root.path().join("killed"));
    let broker = start(&on_disk(&running)).await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    wire.find("g");
    let (member, generation) = wire.settle(9);
    let member = (member.as_str(), generation);
    for offset in 0..20 {
        assert_eq!(wire.commit(member, offset, 8), ErrorCode::NONE);
    }
    copy(&running, &killed);
    broker.shutdown().await.unwrap();

    let broker = start(&on_disk(&killed)).await;
    let mut wire = Wire::to(&broker);
    assert_eq!(wire.committed(8), (19, "note".to_owned()));
    assert_eq!(wire.heartbeat(member), ErrorCode::NONE);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_coordinators_are_asked_for_at_once_and_transactions_have_none() {
    let broker = start("").await;
    let mut wire = Wire::to(&broker);
    for version in 4..=6 {
        let mut find = |key_type| {
            let coordinator_keys = vec!["a".to_owned(), "b".to_owned()];
            let request = FindCoordinatorRequest { key_type, coordinator_keys, ..Default::default() };
            wire.call(&request, version).coordinators
        };
        let found = find(0);
        assert_eq!(found.iter().map(|one| one.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        for one in found {
            assert_eq!((one.error_code, one.node_id), (ErrorCode::NONE, broker.node_id()));
            assert_eq!(format!("{}:{}", one.host, one.port), broker.bootstrap());
        }
        assert!(find(1).iter().all(|one| one.error_code == ErrorCode::UNSUPPORTED_VERSION));
        assert!(find(2).iter().all(|one| one.error_code == ErrorCode::INVALID_REQUEST));
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_topic_of_groups_is_internal_however_it_was_made() {
    for by_metadata in [false, true] {
        let broker = start("num.partitions=3\n").await;
        let mut wire = Wire::to(&broker);
        if by_metadata {
            let name = Some("__consumer_offsets".to_owned());
            let topics = Some(vec![MetadataRequestTopic { name, ..Default::default() }]);
            wire.call(&MetadataRequest { topics, ..Default::default() }, 4);
        } else {
            wire.find("g");
        }
        let topic = wire.metadata("__consumer_offsets").topics.remove(0);
        assert_eq!((topic.is_internal, topic.partitions.len()), (true, 50));
        let refused = wire.produce("__consumer_offsets", batch(now_ms(), 10));
        assert_eq!(refused.error_code, ErrorCode::INVALID_TOPIC_EXCEPTION);
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_do_not_exist_take_no_offsets() {
    let broker = start(QUICK).await;
    let mut wire = Wire::to(&broker);
    assert_eq!(wire.commit(("", -1), 5, 7), ErrorCode::NOT_COORDINATOR, "nobody has asked for one yet");
    wire.find("g");
    assert_eq!(wire.commit(("", -1), 5, 7), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(wire.committed(7).0, -1);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_known_by_their_ids_in_the_newest_versions() {
    let (broker, mut wire) = broker().await;
    let id = wire.metadata("t").topics[0].topic_id;
    assert_eq!(wire.commit_by_id(id, 7), ErrorCode::NONE);
    assert_eq!(wire.commit_by_id(Uuid([9; 16]), 8), ErrorCode::UNKNOWN_TOPIC_ID);
    assert_eq!(wire.committed_by_id(Some(id)), [(id, 7, ErrorCode::NONE)]);
    assert_eq!(wire.committed_by_id(None), [(id, 7, ErrorCode::NONE)]);
    let other = Uuid([9; 16]);
    assert_eq!(wire.committed_by_id(Some(other)), [(other, -1, ErrorCode::UNKNOWN_TOPIC_ID)]);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_go_with_their_topic_and_the_next_of_its_name_has_none() {
    let root = tempfile::tempdir().unwrap();
    let (running, killed) = (root.path().join("running"), root.path().join("killed"));
    let broker = start(&on_disk(&running)).await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    wire.find("g");
    assert_eq!(wire.commit(("", -1), 5, 7), ErrorCode::NONE);
    copy(&running, &killed);
    let delete = |wire: &mut Wire| {
        let topics = vec![DeleteTopicState { name: Some("t".to_owned()), ..Default::default() }];
        let request = DeleteTopicsRequest { topics, ..Default::default() };
        assert_eq!(wire.call(&request, 6).responses[0].error_code, ErrorCode::NONE);
    };
    delete(&mut wire);
    wire.create_as(CreatableTopic {
        name: "t".to_owned(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    });
    wire::eventually("the offset goes", || wire.committed(7).0 == -1);
    broker.shutdown().await.unwrap();

    // A kill came before the offset was gone; the topic is another one after the start.
    let broker = start(&on_disk(&killed)).await;
    let mut wire = Wire::to(&broker);
    assert_eq!(wire.committed(7).0, 5);
    delete(&mut wire);
    wire.create("t", &[]);
    wire::eventually("the offset goes", || wire.committed(7).0 == -1);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_waits_for_others_is_let_go_when_the_broker_stops() {
    let broker = start("group.initial.rebalance.delay.ms=100000\n").await;
    let mut wire = Wire::to(&broker);
    wire.find("g");
    let mut waiting = Wire::to(&broker);
    let answer = std::thread::spawn(move || waiting.join("", 3).error_code);
    wire::eventually("it waits", || wire.described("g").members.len() == 1);
    broker.shutdown().await.unwrap();
    assert_eq!(answer.join().unwrap(), ErrorCode::NOT_COORDINATOR);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_leave_alone_or_together() {
    let (broker, mut wire) = broker().await;
    for version in 0..=5 {
        let (member_id, _) = wire.settle(5);
        let mut request = LeaveGroupRequest { group_id: "g".to_owned(), ..Default::default() };
        if version < 3 {
            request.member_id.clone_from(&member_id);
            assert_eq!(wire.call(&request, version).error_code, ErrorCode::NONE);
            assert_eq!(wire.call(&request, version).error_code, ErrorCode::UNKNOWN_MEMBER_ID);
        } else {
            request.members = [member_id.as_str(), "stranger"]
                .map(|id| MemberIdentity { member_id: id.to_owned(), ..Default::default() })
                .into();
            let response = wire.call(&request, version);
            assert_eq!(response.error_code, ErrorCode::NONE);
            let codes: Vec<_> = response.members.iter().map(|member| member.error_code).collect();
            assert_eq!(codes, [ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID]);
        }
        assert_eq!(wire.described("g").group_state, "Empty");
    }
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_does_not_take_is_not_told_and_what_it_has_stays() {
    let (broker, mut wire) = broker().await;
    let (member, generation) = wire.settle(5);
    let member = (member.as_str(), generation);
    assert_eq!(wire.commit(member, 1, 7), ErrorCode::NONE);
    let limit = |wire: &mut Wire, value: &str| {
        let config = AlterableConfig {
            name: "max.message.bytes".to_owned(),
            value: Some(value.to_owned()),
            ..Default::default()
        };
        let resource = AlterConfigsResource {
            resource_type: 2,
            resource_name: "__consumer_offsets".to_owned(),
            configs: vec![config],
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
        assert_eq!(wire.call(&request, 1).responses[0].error_code, ErrorCode::NONE);
    };
    limit(&mut wire, "1");
    assert_eq!(wire.commit(member, 2, 7), ErrorCode::COORDINATOR_NOT_AVAILABLE);
    limit(&mut wire, "1000000");
    assert_eq!(wire.committed(7).0, 1, "the offset that was refused is nowhere");
    assert_eq!(wire.heartbeat(member), ErrorCode::NONE, "the group is as it was");
    assert_eq!(wire.commit(member, 3, 7), ErrorCode::NONE);
    assert_eq!(wire.committed(7).0, 3);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_with_records_of_other_releases_in_it_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(&on_disk(dir.path())).await;
    let mut wire = Wire::to(&broker);
    wire.create("t", &[]);
    wire.find("g");
    for offset in 0..400 {
        assert_eq!(wire.commit_with(offset, &"x".repeat(4096)), ErrorCode::NONE);
    }
    wire.client = "__admin_client";
    for key in [&b"\0\x03of another protocol"[..], b"\0\x01torn", b""] {
        let produced = wire.produce("__consumer_offsets", sealed(now_ms(), Some(key), 10, Seal::default()));
        assert_eq!(produced.error_code, ErrorCode::NONE);
    }
    assert_eq!(wire.commit_with(400, "last"), ErrorCode::NONE);
    broker.shutdown().await.unwrap();

    let broker = start(&on_disk(dir.path())).await;
    let mut wire = Wire::to(&broker);
    assert_eq!(wire.committed(7), (400, "last".to_owned()));
    broker.shutdown().await.unwrap();
}
