pub(crate) mod cluster;
mod isr;
mod lives;
mod model;
mod places;
mod reassignment;

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::create_partitions::CreatePartitionsAssignment;
use kinglet_protocol::messages::create_partitions::CreatePartitionsTopic;
use kinglet_protocol::messages::create_topics::CreatableTopic;
use kinglet_protocol::messages::create_topics::{CreatableReplicaAssignment, CreatableTopicConfig};
use kinglet_protocol::messages::delete_topics::DeleteTopicState;
use kinglet_protocol::messages::incremental_alter_configs::{AlterConfigsResource, AlterableConfig};

use super::*;
use crate::meta::record::TOPIC_RESOURCE;
use crate::meta::{Own, Refusal};

const DIRS: [Uuid; 2] = [Uuid([1; 16]), Uuid([2; 16])];

fn controller<'a>(image: &'a Image, config: &'a Config, seed: u64) -> Controller<'a> {
    Controller { image, config, cluster_id: "c", seed, new_id: crate::rng::uuid }
}

fn keep(image: &mut Image, records: &[Record]) {
    for record in records {
        image.replay(record).unwrap();
    }
}

/// A cluster of one broker that makes and keeps its records at once.
struct World {
    image: Image,
    config: Config,
}

impl World {
    fn new(topics: &[&str]) -> Self {
        let mut world = Self { image: Image::default(), config: Config::default() };
        let own = Own {
            cluster_id: crate::meta::ClusterId::new(Some("c")),
            dirs: DIRS.to_vec(),
            endpoints: Vec::new(),
        };
        let registration = world.controller().register_lone(&own, Uuid([7; 16]));
        world.keep(&Vec::from_iter(registration));
        for name in topics {
            assert_eq!(world.create(&[topic(name, 2, 1)]), [Ok(())]);
        }
        world
    }

    fn controller(&self) -> Controller<'_> {
        controller(&self.image, &self.config, 0)
    }

    fn keep(&mut self, records: &[Record]) {
        keep(&mut self.image, records);
    }

    fn create(&mut self, topics: &[CreatableTopic]) -> Vec<Result<(), String>> {
        let (records, answers) = self.controller().create_topics(topics);
        self.keep(&records);
        answers.into_iter().map(|answer| answer.map(drop).map_err(|refusal| refusal.to_string())).collect()
    }

    fn grow(&mut self, topic: CreatePartitionsTopic) -> Result<(), String> {
        let (records, mut answers) = self.controller().create_partitions(&[topic]);
        self.keep(&records);
        answers.remove(0).map_err(|refusal| refusal.to_string())
    }

    fn alter(&mut self, changes: &[(&str, i8, Option<&str>)]) -> Result<(), String> {
        let change = |&(name, config_operation, value): &(&str, i8, Option<&str>)| AlterableConfig {
            name: name.to_owned(),
            config_operation,
            value: value.map(str::to_owned),
        };
        let resource = AlterConfigsResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: "t".to_owned(),
            configs: changes.iter().map(change).collect(),
        };
        let (records, mut answers) = self.controller().alter_configs(&[resource]);
        self.keep(&records);
        answers.remove(0).map_err(|refusal| refusal.to_string())
    }
}

fn topic(name: &str, num_partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic { name: name.to_owned(), num_partitions, replication_factor, ..Default::default() }
}

fn with_config(name: &str, value: Option<&str>) -> CreatableTopic {
    let config = CreatableTopicConfig { name: name.to_owned(), value: value.map(str::to_owned) };
    CreatableTopic { configs: vec![config], ..topic("configured", 1, 1) }
}

fn assigned(lists: &[(i32, &[i32])]) -> CreatableTopic {
    let assignment = |&(partition_index, brokers): &(i32, &[i32])| CreatableReplicaAssignment {
        partition_index,
        broker_ids: brokers.to_vec(),
    };
    CreatableTopic { assignments: lists.iter().map(assignment).collect(), ..topic("assigned", -1, -1) }
}

fn partitions(name: &str, count: i32, assigned: Option<usize>) -> CreatePartitionsTopic {
    let assignment = CreatePartitionsAssignment { broker_ids: vec![1] };
    let assignments = assigned.map(|n| vec![assignment; n]);
    CreatePartitionsTopic { name: name.to_owned(), count, assignments }
}

#[test]
fn valid_and_invalid_topics_of_one_request_do_not_mix() {
    let mut world = World::new(&["t3"]);
    let answers = world.create(&[
        topic("new", 3, 1),
        topic("t3", 3, 1),
        topic("bad name!", 1, 1),
        topic("other", -1, -1),
    ]);
    assert_eq!(answers[0], Ok(()));
    assert_eq!(answers[1], Err("Topic 't3' already exists.".to_owned()));
    assert!(answers[2].as_ref().is_err_and(|text| text.starts_with("Topic name is invalid: 'bad name!'")));
    assert_eq!(answers[3], Ok(()));
    assert_eq!(world.image.topics.keys().collect::<Vec<_>>(), ["new", "other", "t3"]);
}

#[test]
fn partitions_are_led_here_and_spread_over_the_directories() {
    let world = World::new(&["t"]);
    let topic = world.image.topic("t").unwrap();
    for (partition, dir) in topic.partitions.iter().zip(DIRS) {
        assert_eq!((partition.leader, &partition.isr, partition.leader_epoch), (1, &vec![1], 0));
        assert_eq!(partition.dirs, [dir]);
    }
}

#[test]
fn numbers_that_cannot_be_are_refused_in_kafkas_words() {
    let mut world = World::new(&[]);
    let answers = world.create(&[topic("a", 0, 1), topic("b", -2, 1), topic("c", 1, 0), topic("d", 1, 5)]);
    let count = "Number of partitions was set to an invalid non-positive value.";
    assert_eq!(answers[0], Err(count.to_owned()));
    assert_eq!(answers[1], Err(count.to_owned()));
    let factor = "Replication factor must be larger than 0, or -1 to use the default value.";
    assert_eq!(answers[2], Err(factor.to_owned()));
    let reached = "Unable to replicate the partition 5 time(s): The target replication factor of 5 cannot be reached \
                   because only 1 broker(s) are registered or some brokers have all their log directories cordoned.";
    assert_eq!(answers[3], Err(reached.to_owned()));
    let many = world.create(&[topic("a", 10_001, 1), topic("b", 1, 1)]);
    assert!(
        many.iter().all(|answer| answer.as_ref().is_err_and(|text| text.starts_with("Excessively large")))
    );
    assert!(world.image.topics.is_empty());
}

#[test]
fn a_name_twice_in_a_request_is_refused_both_times() {
    let mut world = World::new(&[]);
    let answers = world.create(&[topic("a", 1, 1), topic("a", 2, 1)]);
    assert_eq!(answers, vec![Err("Duplicate topic name.".to_owned()); 2]);
}

#[test]
fn names_that_differ_in_dots_and_underscores_alone_collide() {
    let mut world = World::new(&["my.topic"]);
    let answers = world.create(&[topic("my_topic", 1, 1), topic("a_b", 1, 1), topic("a.b", 1, 1)]);
    assert_eq!(answers[0], Err("Topic 'my_topic' collides with existing topic: my.topic".to_owned()));
    assert_eq!(answers[1], Ok(()));
    assert_eq!(answers[2], Err("Topic 'a.b' collides with existing topic: a_b".to_owned()));
}

#[test]
fn configurations_are_checked_and_kept() {
    let mut world = World::new(&[]);
    let mut refused = |name: &str, value| world.create(&[with_config(name, value)]).remove(0).unwrap_err();
    assert_eq!(refused("no.such", Some("1")), "Unknown topic config name: no.such");
    assert_eq!(
        refused("retention.ms", Some("abc")),
        "Invalid value abc for configuration retention.ms: Not a number of type LONG"
    );
    assert_eq!(refused("retention.ms", None), "Null value not supported for topic configs: retention.ms");
    assert_eq!(world.create(&[with_config("retention.ms", Some("5"))]), [Ok(())]);
    assert_eq!(world.image.topic("configured").unwrap().configs["retention.ms"], "5");
}

#[test]
fn an_assignment_by_hand_must_name_this_broker_for_every_partition() {
    let mut world = World::new(&[]);
    let mut refused = |topic: CreatableTopic| world.create(&[topic]).remove(0).unwrap_err();
    assert!(refused(assigned(&[(0, &[1]), (2, &[1])])).starts_with("partitions should be a consecutive"));
    assert!(refused(assigned(&[(0, &[1]), (0, &[1])])).ends_with("assignments for partition 0"));
    assert!(refused(assigned(&[(0, &[])])).contains("an empty replica list"));
    assert!(refused(assigned(&[(0, &[1, 1])])).contains("includes the broker 1 more than once"));
    assert!(refused(assigned(&[(0, &[2])])).contains("includes broker 2, but no such broker is registered"));
    let both = CreatableTopic { num_partitions: 1, ..assigned(&[(0, &[1])]) };
    assert!(refused(both).contains("numPartitions was not set to -1"));
    assert_eq!(world.create(&[assigned(&[(1, &[1]), (0, &[1])])]), [Ok(())]);
    assert_eq!(world.image.topic("assigned").unwrap().partitions.len(), 2);
}

#[test]
fn topics_are_deleted_by_name_or_id_once() {
    let mut world = World::new(&["a", "b"]);
    let id = world.image.topic("b").unwrap().id;
    let by_name = |name: &str| DeleteTopicState { name: Some(name.to_owned()), topic_id: Uuid::ZERO };
    let by_id = |topic_id| DeleteTopicState { name: None, topic_id };
    let asked =
        [by_name("a"), by_id(id), by_name("b"), by_name("nosuch"), by_id(Uuid([9; 16])), by_id(Uuid::ZERO)];
    let (records, answers) = world.controller().delete_topics(&asked);
    let codes: Vec<_> =
        answers.iter().map(|answer| answer.result.as_ref().err().map(Refusal::code)).collect();
    assert_eq!(
        codes,
        [
            None,
            None,
            Some(ErrorCode::INVALID_REQUEST),
            Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            Some(ErrorCode::UNKNOWN_TOPIC_ID),
            Some(ErrorCode::INVALID_REQUEST),
        ]
    );
    assert_eq!((answers[1].name.as_deref(), answers[0].id.is_zero()), (Some("b"), false));
    world.keep(&records);
    assert!(world.image.topics.is_empty());
}

#[test]
fn partitions_can_only_be_added() {
    let mut world = World::new(&["cfg"]);
    assert_eq!(world.grow(partitions("cfg", 5, None)), Ok(()));
    assert_eq!(world.image.topic("cfg").unwrap().partitions.len(), 5);
    let fewer = "The topic cfg currently has 5 partition(s); 2 would not be an increase.";
    assert_eq!(world.grow(partitions("cfg", 2, None)), Err(fewer.to_owned()));
    assert_eq!(world.grow(partitions("cfg", 5, None)), Err("Topic already has 5 partition(s).".to_owned()));
    let assigned = "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.";
    assert_eq!(world.grow(partitions("cfg", 7, Some(1))), Err(assigned.to_owned()));
    assert_eq!(world.grow(partitions("cfg", 7, Some(2))), Ok(()));
    assert!(world.grow(partitions("nosuch", 2, None)).is_err());
}

#[test]
fn configuration_entries_are_set_taken_back_and_edited() {
    let mut world = World::new(&["t"]);
    assert_eq!(
        world.alter(&[("retention.ms", 0, Some("5")), ("cleanup.policy", 2, Some("compact"))]),
        Ok(())
    );
    let own = |world: &World, key: &str| world.image.topic("t").unwrap().configs.get(key).cloned();
    assert_eq!(own(&world, "cleanup.policy").as_deref(), Some("delete,compact"));
    assert_eq!(world.alter(&[("retention.ms", 1, None), ("cleanup.policy", 3, Some("delete"))]), Ok(()));
    assert_eq!(
        (own(&world, "retention.ms"), own(&world, "cleanup.policy").as_deref()),
        (None, Some("compact"))
    );
}

#[test]
fn a_refused_entry_changes_nothing_of_its_topic() {
    let mut world = World::new(&["t"]);
    let refused = world.alter(&[("retention.bytes", 0, Some("7")), ("retention.ms", 0, Some("x"))]);
    assert!(refused.is_err());
    assert!(world.image.topic("t").unwrap().configs.is_empty());
    let not_a_list = "Can't APPEND to key retention.ms because its type is not LIST.";
    assert_eq!(world.alter(&[("retention.ms", 2, Some("1"))]), Err(not_a_list.to_owned()));
    assert!(world.alter(&[("no.such", 0, Some("1"))]).is_err());
}

#[test]
fn a_change_to_what_is_there_already_writes_nothing() {
    let mut world = World::new(&["t"]);
    world.alter(&[("retention.ms", 0, Some("5"))]).unwrap();
    let resource = AlterConfigsResource {
        resource_type: TOPIC_RESOURCE,
        resource_name: "t".to_owned(),
        configs: vec![AlterableConfig {
            name: "retention.ms".to_owned(),
            config_operation: 0,
            value: Some("5".to_owned()),
        }],
    };
    assert_eq!(world.controller().alter_configs(&[resource]), (Vec::new(), vec![Ok(())]));
}

#[test]
fn producer_ids_come_in_blocks() {
    let mut world = World::new(&[]);
    let epoch = world.image.broker(1).unwrap().epoch;
    let (records, first) = world.controller().allocate_producer_ids(1, epoch);
    world.keep(&records);
    let (_, second) = world.controller().allocate_producer_ids(1, epoch);
    assert_eq!((first, second), (Ok(0..1000), Ok(1000..2000)));
    let stale = Err(Refusal::StaleBrokerEpoch { expected: epoch, got: epoch + 1 });
    assert_eq!(world.controller().allocate_producer_ids(1, epoch + 1), (Vec::new(), stale));
}
