//! A cluster whose controller is called directly: what it decides is kept at once.

use std::time::{Duration, Instant};

use kinglet_protocol::messages::alter_partition::{BrokerState, PartitionData, TopicData};
use kinglet_protocol::messages::create_topics::{CreatableReplicaAssignment, CreatableTopicConfig};
use kinglet_protocol::messages::{AlterPartitionRequest, BrokerHeartbeatRequest, BrokerRegistrationRequest};

use super::*;
use crate::meta::controller::Beat;
use crate::meta::image::{Broker, PartitionImage};
use crate::meta::sessions::Sessions;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(9);

pub(crate) struct Cluster {
    pub(crate) image: Image,
    pub(crate) config: Config,
    pub(crate) sessions: Sessions,
    pub(crate) now: Instant,
    pub(crate) seed: u64,
}

impl Cluster {
    /// Brokers 1 to `count`, all of them unfenced.
    pub(crate) fn of(count: u8) -> Self {
        let now = crate::clock::now();
        let sessions = Sessions::new(TIMEOUT, now);
        let mut cluster = Self { image: Image::default(), config: Config::default(), sessions, now, seed: 0 };
        cluster.keep(&Controller::first_records());
        for id in 1..=count {
            let id = i32::from(id);
            cluster.register(id, 1, -1).unwrap();
            cluster.beat(id).unwrap();
        }
        cluster
    }

    pub(crate) fn controller(&self) -> Controller<'_> {
        controller(&self.image, &self.config, self.seed)
    }

    pub(crate) fn keep(&mut self, records: &[Record]) {
        keep(&mut self.image, records);
    }

    /// The `life`th process of a broker registers; all of them use the same directory.
    pub(crate) fn register(&mut self, id: i32, life: u8, previous: i64) -> Result<i64, ErrorCode> {
        self.register_with(registration(id, life, previous))
    }

    pub(crate) fn register_with(&mut self, request: BrokerRegistrationRequest) -> Result<i64, ErrorCode> {
        let controller = controller(&self.image, &self.config, self.seed);
        let (records, answer) = controller.register_broker(&request, &mut self.sessions, self.now);
        self.keep(&records);
        answer.map_err(|refusal| refusal.code())
    }

    /// A heartbeat of a broker that has seen everything and wants to serve.
    pub(crate) fn beat(&mut self, id: i32) -> Result<Beat, ErrorCode> {
        self.heartbeat(heartbeat(self, id))
    }

    pub(crate) fn heartbeat(&mut self, request: BrokerHeartbeatRequest) -> Result<Beat, ErrorCode> {
        let controller = controller(&self.image, &self.config, self.seed);
        let (records, answer) = controller.heartbeat(&request, &mut self.sessions, self.now);
        self.keep(&records);
        answer.map_err(|refusal| refusal.code())
    }

    /// Time goes by; whoever is named is heard to the end.
    pub(crate) fn pass(&mut self, time: Duration, heard: &[i32]) {
        let step = TIMEOUT / 4;
        let mut left = time;
        while !left.is_zero() {
            let now = left.min(step);
            left -= now;
            self.now += now;
            self.sessions.look(self.now);
            for id in heard {
                self.beat(*id).unwrap();
            }
            self.expire();
        }
    }

    /// Fences everybody whose session is over.
    pub(crate) fn expire(&mut self) {
        loop {
            let records = self.controller().fence_expired(&self.sessions, self.now);
            if records.is_empty() {
                return;
            }
            self.keep(&records);
        }
    }

    pub(crate) fn lose(&mut self, id: i32) {
        let epoch = self.broker(id).epoch;
        let controller = controller(&self.image, &self.config, self.seed);
        let records = controller.broker_lost(id, epoch, &mut self.sessions);
        self.keep(&records);
    }

    /// A topic "t" whose partitions have these replicas.
    pub(crate) fn topic(&mut self, partitions: &[&[i32]], configs: &[(&str, &str)]) {
        self.create("t", partitions, configs);
    }

    pub(crate) fn create(&mut self, name: &str, partitions: &[&[i32]], configs: &[(&str, &str)]) {
        let assignment = |(partition_index, brokers): (i32, &&[i32])| CreatableReplicaAssignment {
            partition_index,
            broker_ids: brokers.to_vec(),
        };
        let config = |(key, value): &(&str, &str)| CreatableTopicConfig {
            name: (*key).to_owned(),
            value: Some((*value).to_owned()),
        };
        let topic = CreatableTopic {
            assignments: (0..).zip(partitions).map(assignment).collect(),
            configs: configs.iter().map(config).collect(),
            ..topic(name, -1, -1)
        };
        let (records, answers) = self.controller().create_topics(&[topic]);
        answers[0].as_ref().unwrap();
        self.keep(&records);
    }

    pub(crate) fn broker(&self, id: i32) -> &Broker {
        self.image.broker(id).unwrap()
    }

    /// Partition 0 of "t".
    pub(crate) fn at(&self) -> &PartitionImage {
        &self.image.topic("t").unwrap().partitions[0]
    }

    /// The only partition of "lone".
    pub(crate) fn lone(&self) -> &PartitionImage {
        &self.image.topic("lone").unwrap().partitions[0]
    }

    /// Leader, ISR and eligible replicas of partition 0 of "t".
    pub(crate) fn state(&self) -> (i32, Vec<i32>, Vec<i32>) {
        let at = self.at();
        (at.leader, at.isr.clone(), at.elr.clone())
    }

    /// What the leader of partition 0 would say for this ISR.
    pub(crate) fn wish(&self, isr: &[i32]) -> PartitionData {
        let epoch = |id: i32| self.image.broker(id).map_or(-1, |broker| broker.epoch);
        let member = |id: &i32| BrokerState { broker_id: *id, broker_epoch: epoch(*id) };
        PartitionData {
            partition_index: 0,
            leader_epoch: self.at().leader_epoch,
            new_isr_with_epochs: isr.iter().map(member).collect(),
            partition_epoch: self.at().partition_epoch,
            ..Default::default()
        }
    }

    /// The broker asks for it.
    pub(crate) fn ask(&mut self, broker_id: i32, wish: PartitionData) -> ErrorCode {
        let topic_id = self.image.topic("t").map_or(Uuid::ZERO, |topic| topic.id);
        let topics = vec![TopicData { topic_id, partitions: vec![wish], ..Default::default() }];
        let broker_epoch = self.broker(broker_id).epoch;
        let request = AlterPartitionRequest { broker_id, broker_epoch, topics };
        let (records, answer) = self.controller().alter_partition(&request);
        self.keep(&records);
        answer.map_or_else(|refusal| refusal.code(), |topics| topics[0].partitions[0].error_code)
    }

    /// The leader of partition 0 asks for an ISR.
    pub(crate) fn ask_isr(&mut self, isr: &[i32]) -> ErrorCode {
        let (leader, wish) = (self.at().leader, self.wish(isr));
        self.ask(leader, wish)
    }

    pub(crate) fn alter_config(&mut self, key: &str, value: &str) {
        let change =
            AlterableConfig { name: key.to_owned(), config_operation: 0, value: Some(value.to_owned()) };
        let resource = AlterConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: "t".to_owned(),
            configs: vec![change],
        };
        let (records, answers) = self.controller().alter_configs(&[resource]);
        assert_eq!(answers, [Ok(())]);
        self.keep(&records);
    }
}

pub(crate) fn registration(id: i32, life: u8, previous_broker_epoch: i64) -> BrokerRegistrationRequest {
    let directory = Uuid([u8::try_from(id).unwrap(); 16]);
    BrokerRegistrationRequest {
        broker_id: id,
        cluster_id: "c".to_owned(),
        incarnation_id: Uuid([life; 16]),
        log_dirs: vec![directory],
        previous_broker_epoch,
        ..Default::default()
    }
}

pub(crate) fn heartbeat(cluster: &Cluster, id: i32) -> BrokerHeartbeatRequest {
    BrokerHeartbeatRequest {
        broker_id: id,
        broker_epoch: cluster.image.broker(id).map_or(-1, |broker| broker.epoch),
        current_metadata_offset: cluster.image.offset - 1,
        ..Default::default()
    }
}
