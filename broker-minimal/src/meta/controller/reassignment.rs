//! Partitions get other replicas (KIP-455): first the new ones beside the old, and once all that are wanted are in sync, the old ones go.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kinglet_protocol::messages::AlterPartitionReassignmentsRequest;
use kinglet_protocol::messages::alter_partition_reassignments::{
    ReassignablePartition, ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kinglet_protocol::{ErrorCode, Uuid};

use super::Controller;
use super::election::{Change, Election, partition_id, without};
use crate::meta::image::{PartitionImage, Topic};
use crate::meta::placement::Placement;
use crate::meta::record::Record;
use crate::meta::refusal::Refusal;

/// Which replicas a partition has, and which of them come and go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// Those that are wanted, in their order, and behind them those that go.
    pub(super) replicas: Vec<i32>,
    adding: Vec<i32>,
    removing: Vec<i32>,
    /// The log directories of new replicas.
    dirs: BTreeMap<i32, Uuid>,
}

/// Whether a reassignment may leave a partition with more or fewer replicas than it had (KIP-860).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Factor {
    Any,
    AsBefore,
}

impl Assignment {
    /// The replicas that a partition has.
    pub(super) fn of(at: &PartitionImage) -> Self {
        let (replicas, adding, removing) = (at.replicas.clone(), at.adding.clone(), at.removing.clone());
        Self { replicas, adding, removing, dirs: BTreeMap::new() }
    }

    /// The way from what is there to the replicas that are wanted.
    ///
    /// What another reassignment was adding is no part of what this one may be taken back to, also where it is wanted by both.
    fn towards(at: &PartitionImage, wanted: &[i32]) -> Self {
        let mut removing: Vec<i32> = without(&at.replicas, wanted);
        removing.sort_unstable();
        let mut adding = without(wanted, &without(&at.replicas, &at.adding));
        adding.sort_unstable();
        let replicas = wanted.iter().chain(&removing).copied().collect();
        Self { replicas, adding, removing, dirs: BTreeMap::new() }
    }

    /// The replicas from before the reassignment that is under way.
    fn reverted(at: &PartitionImage) -> Self {
        let replicas = without(&at.replicas, &at.adding);
        Self { replicas, adding: Vec::new(), removing: Vec::new(), dirs: BTreeMap::new() }
    }

    fn with_dirs(mut self, at: &PartitionImage, placement: &mut Placement) -> Self {
        let new = without(&self.replicas, &at.replicas);
        let dirs = placement.dirs(&new);
        self.dirs = new.into_iter().zip(dirs).collect();
        self
    }

    /// Lets those go that are to go, if all the others are in the ISR and one of them can lead.
    pub(super) fn complete(&mut self, isr: &mut Vec<i32>, may_lead: &dyn Fn(i32) -> bool) {
        if self.adding.is_empty() && self.removing.is_empty() {
            return;
        }
        let replicas = without(&self.replicas, &self.removing);
        let is_in_sync = replicas.iter().all(|id| isr.contains(id));
        if is_in_sync && replicas.iter().any(|id| may_lead(*id)) {
            isr.retain(|id| replicas.contains(id));
            self.replicas = replicas;
            self.adding.clear();
            self.removing.clear();
        }
    }

    /// The partition with these replicas.
    pub(super) fn applied_to(&self, at: &PartitionImage) -> PartitionImage {
        let mut after = at.clone();
        if self.replicas != at.replicas {
            let dir = |id: &i32| self.dirs.get(id).copied().unwrap_or_else(|| at.dir_of(*id));
            after.dirs = self.replicas.iter().map(dir).collect();
            after.replicas.clone_from(&self.replicas);
        }
        after.adding.clone_from(&self.adding);
        after.removing.clone_from(&self.removing);
        after
    }
}

impl Controller<'_> {
    /// Begins reassignments, changes their aims, and takes them back.
    pub(crate) fn reassign(
        &self,
        request: &AlterPartitionReassignmentsRequest,
    ) -> (Vec<Record>, Vec<ReassignableTopicResponse>) {
        let factor = if request.allow_replication_factor_change { Factor::Any } else { Factor::AsBefore };
        // A partition may be there twice: the second wish is about what the first one made.
        let mut image = Cow::Borrowed(self.image);
        let mut placement = Placement::new(self.image, self.seed);
        let mut records = Vec::new();
        let mut answers = Vec::with_capacity(request.topics.len());
        for asked in &request.topics {
            let mut partitions = Vec::with_capacity(asked.partitions.len());
            for wish in &asked.partitions {
                let now = Controller { image: &image, ..*self };
                let decided = now.reassign_one(&asked.name, wish, factor, &mut placement);
                let (error_code, error_message) = match decided {
                    Ok(record) => {
                        if let Some(record) = record {
                            image
                                .to_mut()
                                .replay(&record)
                                .expect("the partition was looked up in this image");
                            records.push(record);
                        }
                        (ErrorCode::NONE, None)
                    }
                    Err(refusal) => (refusal.code(), Some(refusal.to_string())),
                };
                let partition_index = wish.partition_index;
                partitions.push(ReassignablePartitionResponse { partition_index, error_code, error_message });
            }
            answers.push(ReassignableTopicResponse { name: asked.name.clone(), partitions });
        }
        (records, answers)
    }

    fn reassign_one(
        &self,
        name: &str,
        wish: &ReassignablePartition,
        factor: Factor,
        placement: &mut Placement,
    ) -> Result<Option<Record>, Refusal> {
        let topic = self.image.topic(name).ok_or_else(|| Refusal::NotReassignable(name.to_owned()))?;
        let index = usize::try_from(wish.partition_index).ok();
        let found = index.and_then(|index| Some((index, topic.partitions.get(index)?)));
        let (index, before) = found.ok_or_else(|| Refusal::NoSuchPartition {
            topic: name.to_owned(),
            partition: wish.partition_index,
        })?;
        let change = match &wish.replicas {
            None => self.cancel(topic, index, before)?,
            Some(wanted) => {
                self.check_replicas(wanted)?;
                check_factor(before, wanted, factor)?;
                let assignment = Assignment::towards(before, wanted).with_dirs(before, placement);
                Change { assignment, ..self.change(topic, index, before) }
            }
        };
        Ok(change.decide(&|id| self.is_active(id)))
    }

    fn cancel<'t>(
        &self,
        topic: &'t Topic,
        index: usize,
        before: &'t PartitionImage,
    ) -> Result<Change<'t>, Refusal> {
        if before.adding.is_empty() && before.removing.is_empty() {
            return Err(Refusal::NoReassignment);
        }
        let change = self.change(topic, index, before);
        let isr = without(&before.isr, &before.adding);
        if isr.is_empty() && change.election != Election::Unclean {
            let partition = partition_id(index);
            return Err(Refusal::UncleanRevert { topic: topic.name.clone(), partition });
        }
        Ok(Change { isr, assignment: Assignment::reverted(before), ..change })
    }
}

fn check_factor(before: &PartitionImage, wanted: &[i32], factor: Factor) -> Result<(), Refusal> {
    let (from, to) = (without(&before.replicas, &before.removing).len(), wanted.len());
    match factor {
        Factor::AsBefore if from != to => Err(Refusal::FactorChange { from, to }),
        Factor::AsBefore | Factor::Any => Ok(()),
    }
}
