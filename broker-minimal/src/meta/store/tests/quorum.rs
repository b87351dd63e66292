//! The controller's task over a quorum of several nodes.

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::{BrokerHeartbeatRequest, BrokerRegistrationRequest};

use super::*;
use crate::meta::image::Broker;
use crate::meta::log::ProposeError;
use crate::meta::log::memory::Memory;

/// A node whose id is 1 and its quorum.
struct Node {
    log: Arc<Memory>,
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Node {
    fn start(properties: &str, log: &Arc<Memory>) -> Self {
        let config = Arc::new(Config::from_properties(properties).unwrap());
        let own = Own {
            cluster_id: crate::meta::ClusterId::new(Some("c")),
            dirs: vec![Uuid([1; 16])],
            endpoints: Vec::new(),
        };
        let image = Arc::clone(&log.image.borrow());
        let of_test = MetadataLog::Memory(Arc::clone(log));
        let (handle, thread) =
            Handle::start(of_test, own, config, (image, None), Box::new(|_, _| Ok(()))).unwrap();
        Self { log: Arc::clone(log), handle, thread }
    }

    /// One that leads.
    fn leader(properties: &str) -> Self {
        Self::start(properties, &Memory::new(Some(1), true))
    }

    async fn register(&self, id: i32, rack: Option<&str>) -> i64 {
        let request = BrokerRegistrationRequest {
            broker_id: id,
            cluster_id: "c".to_owned(),
            incarnation_id: Uuid([u8::try_from(id).unwrap(); 16]),
            log_dirs: vec![Uuid([u8::try_from(100 + id).unwrap(); 16])],
            rack: rack.map(str::to_owned),
            previous_broker_epoch: -1,
            ..Default::default()
        };
        self.handle.register_broker(request).await.unwrap()
    }

    async fn beat(&self, broker_id: i32, broker_epoch: i64) -> Result<(), Refusal> {
        let request = BrokerHeartbeatRequest {
            broker_id,
            broker_epoch,
            current_metadata_offset: self.handle.controller_image().offset,
            ..Default::default()
        };
        self.handle.heartbeat(request).await.map(drop)
    }

    async fn join(&self, ids: impl IntoIterator<Item = i32>) {
        for id in ids {
            let epoch = self.register(id, None).await;
            self.beat(id, epoch).await.unwrap();
        }
    }

    /// Waits until the image is as wanted.
    async fn until(&self, what: &str, is_so: impl Fn(&Image) -> bool) {
        let mut images = self.log.image.subscribe();
        let wait = images.wait_for(|image| is_so(image));
        let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
        assert!(waited.is_ok(), "{what} never came: {:?}", self.handle.controller_image());
    }

    fn stop(self) {
        self.handle.close();
        self.thread.join().unwrap();
    }
}

fn broker(image: &Image, id: i32) -> &Broker {
    image.broker(id).unwrap()
}

#[tokio::test]
async fn the_first_controller_begins_the_log() {
    let node = Node::leader("");
    node.until("the first record", |image| image.metadata_version > 0).await;
    node.stop();
}

#[tokio::test]
async fn a_node_that_does_not_lead_changes_nothing() {
    let node = Node::start("", &Memory::new(Some(2), false));
    assert!(!node.handle.is_active());
    let refused = create(&node.handle, "t").await.unwrap_err();
    assert_eq!((refused.code(), &refused), (ErrorCode::NOT_CONTROLLER, &Refusal::NotController));
    assert_eq!(node.handle.next_producer_id().await, Err(Refusal::NotController));
    node.handle.keep_producer_ids(5000..5001);
    assert_eq!(node.handle.next_producer_id().await, Ok(5000), "a block that was asked for elsewhere");
    assert_eq!(node.handle.next_producer_id().await, Err(Refusal::NotController));
    assert_eq!(node.log.image.borrow().offset, 0);
    node.stop();
}

#[tokio::test]
async fn a_decision_on_an_old_image_is_made_again() {
    let node = Node::leader("");
    node.join([1, 2]).await;
    node.log.failures.lock().unwrap().extend([ProposeError::Stale, ProposeError::Stale]);
    assert!(create(&node.handle, "t").await.is_ok());
    assert!(node.log.failures.lock().unwrap().is_empty());
    assert!(node.handle.image().topic("t").is_some(), "the answer waits for this broker to follow");
    node.stop();
}

#[tokio::test]
async fn a_proposal_that_fails_is_told_and_changes_nothing() {
    let node = Node::leader("");
    node.join([1]).await;
    let full = ProposeError::Storage("full".to_owned());
    node.log.failures.lock().unwrap().extend([full, ProposeError::NotLeader]);
    assert_eq!(create(&node.handle, "t").await, Err(Refusal::Storage("full".to_owned())));
    assert_eq!(create(&node.handle, "t").await, Err(Refusal::NotController));
    assert!(node.handle.controller_image().topics.is_empty());
    node.stop();
}

#[tokio::test]
async fn what_waits_is_proposed_together() {
    let node = Node::leader("");
    node.join([1]).await;
    let before = node.log.applied.lock().unwrap().len();
    let names: Vec<String> = (0..40).map(|index| format!("t{index}")).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for name in names {
        let handle = node.handle.clone();
        tasks.spawn(async move { create(&handle, &name).await });
    }
    while let Some(made) = tasks.join_next().await {
        assert!(made.unwrap().is_ok());
    }
    let proposals = node.log.applied.lock().unwrap().len() - before;
    assert!(proposals <= 40, "{proposals}");
    assert_eq!(node.handle.controller_image().topics.len(), 40);
    node.stop();
}

#[tokio::test]
async fn a_broker_that_is_not_heard_is_fenced_and_its_partitions_move() {
    let node = Node::leader("broker.session.timeout.ms=1000");
    node.join([1, 2]).await;
    let topic = CreatableTopic {
        name: "t".to_owned(),
        num_partitions: 2,
        replication_factor: 2,
        ..Default::default()
    };
    assert!(node.handle.create_topics(vec![topic], Mode::Apply).await.remove(0).is_ok());
    let epoch = broker(&node.handle.controller_image(), 1).epoch;
    let fenced = node.until("the fencing", |image| broker(image, 2).is_fenced);
    let alive = async {
        loop {
            node.beat(1, epoch).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = fenced => {}
        () = alive => {}
    }
    let image = node.handle.controller_image();
    assert!(!broker(&image, 1).is_fenced);
    for partition in &image.topic("t").unwrap().partitions {
        assert_eq!((partition.leader, &partition.isr), (1, &vec![1]));
    }
    node.stop();
}

#[tokio::test]
async fn a_new_controller_gives_everyone_a_full_session() {
    let node = Node::leader("broker.session.timeout.ms=600000");
    node.join([1, 2]).await;
    node.log.lead(2, false);
    assert_eq!(node.beat(1, 1).await, Err(Refusal::NotController));
    node.log.lead(1, true);
    let epoch = broker(&node.handle.controller_image(), 1).epoch;
    node.beat(1, epoch).await.unwrap();
    assert!(!broker(&node.handle.controller_image(), 2).is_fenced);
    assert_eq!(node.handle.broker_lost(2, 0).await, Ok(()), "an epoch that is over");
    assert!(!broker(&node.handle.controller_image(), 2).is_fenced);
    let epoch = broker(&node.handle.controller_image(), 2).epoch;
    assert_eq!(node.handle.broker_lost(2, epoch).await, Ok(()));
    assert!(broker(&node.handle.controller_image(), 2).is_fenced);
    node.stop();
}

#[tokio::test]
async fn leaderships_go_back_to_the_preferred_replicas() {
    let file = "leader.imbalance.check.interval.seconds=1\nauto.leader.rebalance.enable=true";
    let node = Node::leader(file);
    node.join([1, 2]).await;
    let topic = CreatableTopic {
        name: "t".to_owned(),
        num_partitions: 1,
        replication_factor: 2,
        ..Default::default()
    };
    node.handle.create_topics(vec![topic], Mode::Apply).await.remove(0).unwrap();
    let at = |image: &Image| image.topic("t").unwrap().partitions[0].clone();
    let replicas = at(&node.handle.controller_image()).replicas;
    let epoch = broker(&node.handle.controller_image(), replicas[0]).epoch;
    node.handle.broker_lost(replicas[0], epoch).await.unwrap();
    assert_eq!(at(&node.handle.controller_image()).leader, replicas[1]);
    node.beat(replicas[0], epoch).await.unwrap();
    node.rejoin(replicas[1], replicas[0]).await;
    node.until("the leadership", |image| at(image).leader == replicas[0]).await;
    node.stop();
}

impl Node {
    /// The leader of the only partition takes a replica into the ISR again.
    async fn rejoin(&self, leader: i32, replica: i32) {
        use kinglet_protocol::messages::AlterPartitionRequest;
        use kinglet_protocol::messages::alter_partition::{BrokerState, PartitionData, TopicData};
        let image = self.handle.controller_image();
        let topic = image.topic("t").unwrap();
        let member = |id| BrokerState { broker_id: id, broker_epoch: broker(&image, id).epoch };
        let wish = PartitionData {
            partition_index: 0,
            leader_epoch: topic.partitions[0].leader_epoch,
            new_isr_with_epochs: vec![member(leader), member(replica)],
            partition_epoch: topic.partitions[0].partition_epoch,
            ..Default::default()
        };
        let request = AlterPartitionRequest {
            broker_id: leader,
            broker_epoch: broker(&image, leader).epoch,
            topics: vec![TopicData { topic_id: topic.id, partitions: vec![wish], ..Default::default() }],
        };
        let answer = self.handle.alter_partition(request).await.unwrap();
        assert_eq!(answer[0].partitions[0].error_code, ErrorCode::NONE);
    }
}

#[tokio::test]
async fn a_broker_registers_with_its_rack() {
    let config = Config::from_properties("broker.rack=r1\nbroker.heartbeat.interval.ms=100").unwrap();
    assert_eq!(config.broker_heartbeat_interval, Duration::from_millis(100));
    let dir = tempfile::tempdir().unwrap();
    let own = Own {
        cluster_id: crate::meta::ClusterId::new(Some("c")),
        dirs: vec![Uuid([1; 16])],
        endpoints: Vec::new(),
    };
    let opened = Handle::open(dir.path(), own, Arc::new(config), Box::new(|_, _| Ok(()))).unwrap();
    let image = opened.0.image();
    assert_eq!(broker(&image, image.brokers.keys().next().copied().unwrap()).rack.as_deref(), Some("r1"));
    stop(opened);
}
