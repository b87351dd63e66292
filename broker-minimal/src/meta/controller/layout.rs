//! How many partitions a topic gets and on which brokers: out of numbers, defaults or an assignment by hand.

use std::collections::{BTreeMap, HashSet};

use kinglet_protocol::Uuid;
use kinglet_protocol::messages::create_partitions::CreatePartitionsTopic;
use kinglet_protocol::messages::create_topics::CreatableTopic;
use kinglet_protocol::messages::metadata_records::PartitionRecord;

use super::Controller;
use super::election::{NO_LEADER, partition_id};
use crate::meta::image::Topic;
use crate::meta::placement::Placement;
use crate::meta::record::Record;
use crate::meta::refusal::Refusal;

/// The replicas of each partition.
pub(super) type Layout = Vec<Vec<i32>>;

impl Controller<'_> {
    /// How many partitions the request asks for.
    pub(super) fn partition_count(&self, topic: &CreatableTopic) -> usize {
        match (topic.assignments.len(), topic.num_partitions) {
            (0, -1) => usize::try_from(self.config.num_partitions).unwrap_or(1),
            (0, count) => usize::try_from(count).unwrap_or(0),
            (assigned, _) => assigned,
        }
    }

    /// The replicas of each partition of a new topic.
    pub(super) fn layout(
        &self,
        topic: &CreatableTopic,
        placement: &mut Placement,
    ) -> Result<Layout, Refusal> {
        if !topic.assignments.is_empty() {
            return self.by_hand(topic);
        }
        let factor = match topic.replication_factor {
            -1 => self.config.default_replication_factor,
            factor => factor,
        };
        if factor < 1 {
            return Err(Refusal::ReplicationFactor);
        }
        let partitions = self.partition_count(topic);
        if partitions == 0 {
            return Err(Refusal::PartitionCount);
        }
        place(partitions, factor, placement)
    }

    fn by_hand(&self, topic: &CreatableTopic) -> Result<Layout, Refusal> {
        if topic.replication_factor != -1 {
            return Err(Refusal::FactorAndAssignment);
        }
        if topic.num_partitions != -1 {
            return Err(Refusal::CountAndAssignment);
        }
        let mut by_partition = BTreeMap::new();
        for assignment in &topic.assignments {
            let index = assignment.partition_index;
            if by_partition.insert(index, assignment.broker_ids.clone()).is_some() {
                return Err(Refusal::AssignedTwice(index));
            }
        }
        if !by_partition.keys().copied().eq((0..).take(by_partition.len())) {
            return Err(Refusal::AssignmentGap);
        }
        let layout: Layout = by_partition.into_values().collect();
        self.check_assignment(0, None, &layout)?;
        Ok(layout)
    }

    /// The replicas of the partitions that are added to a topic; as many each as those have that are there.
    pub(super) fn grown(
        &self,
        topic: &Topic,
        asked: &CreatePartitionsTopic,
        added: usize,
        placement: &mut Placement,
    ) -> Result<Layout, Refusal> {
        let before = topic.partitions.first().map_or(1, |partition| partition.replicas.len());
        let Some(assignments) = &asked.assignments else {
            return place(added, i16::try_from(before).unwrap_or(i16::MAX), placement);
        };
        if assignments.len() != added {
            return Err(Refusal::FewAssignments { added, assigned: assignments.len() });
        }
        let layout: Layout = assignments.iter().map(|assignment| assignment.broker_ids.clone()).collect();
        self.check_assignment(topic.partitions.len(), Some(before), &layout)?;
        Ok(layout)
    }

    /// Checks replicas that were named by hand, those of partition `first` and of the following ones.
    fn check_assignment(&self, first: usize, before: Option<usize>, layout: &Layout) -> Result<(), Refusal> {
        let mut before = before;
        for (index, brokers) in (first..).zip(layout) {
            self.check_replicas(brokers)?;
            let here = brokers.len();
            match before {
                Some(before) if before != here => return Err(Refusal::UnevenAssignment { here, before }),
                _ => before = Some(here),
            }
            if !brokers.iter().any(|broker| self.is_active(*broker)) {
                return Err(Refusal::AllAssignedFenced(index));
            }
        }
        Ok(())
    }

    /// Checks the replicas of one partition that were named by hand.
    pub(super) fn check_replicas(&self, brokers: &[i32]) -> Result<(), Refusal> {
        if brokers.is_empty() {
            return Err(Refusal::NoReplica);
        }
        let mut seen = HashSet::new();
        for &broker in brokers {
            if self.image.broker(broker).is_none() {
                return Err(Refusal::UnknownBroker(broker));
            }
            if !seen.insert(broker) {
                return Err(Refusal::BrokerTwice(broker));
            }
        }
        Ok(())
    }

    /// A new partition: whoever of its brokers is there is in sync, as nobody has anything.
    pub(super) fn partition_record(
        &self,
        topic_id: Uuid,
        index: usize,
        replicas: Vec<i32>,
        placement: &mut Placement,
    ) -> Record {
        let isr: Vec<i32> = replicas.iter().copied().filter(|broker| self.is_active(*broker)).collect();
        Record::Partition(PartitionRecord {
            partition_id: partition_id(index),
            topic_id,
            leader: isr.first().copied().unwrap_or(NO_LEADER),
            isr,
            leader_epoch: 0,
            partition_epoch: 0,
            directories: placement.dirs(&replicas),
            replicas,
            ..Default::default()
        })
    }
}

/// How many replicas a partition has, as it is told.
pub(super) fn factor(replicas: &[i32]) -> i16 {
    i16::try_from(replicas.len()).unwrap_or(i16::MAX)
}

fn place(partitions: usize, factor: i16, placement: &mut Placement) -> Result<Layout, Refusal> {
    let brokers = placement.brokers();
    let wanted = usize::try_from(factor).unwrap_or(0);
    if wanted > brokers {
        return Err(Refusal::NotEnoughBrokers { factor, brokers });
    }
    if !placement.has_leaders() {
        return Err(Refusal::AllFenced);
    }
    Ok((0..partitions).map(|_| placement.next(wanted)).collect())
}
