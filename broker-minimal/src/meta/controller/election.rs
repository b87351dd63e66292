//! Who leads a partition, and what becomes of its ISR when members go: the one place where leaders are chosen.
//!
//! The high watermark stands still while the ISR is smaller than `min.insync.replicas`, so replicas that leave it then have
//! everything that was acked and stay eligible (KIP-966). When each of them may have lost something, the last leader is waited for.

use kinglet_protocol::messages::elect_leaders::{PartitionResult, ReplicaElectionResult, TopicPartitions};
use kinglet_protocol::messages::metadata_records::PartitionChangeRecord;
use kinglet_protocol::{ErrorCode, Uuid};

use super::reassignment::Assignment;
use super::{Controller, UNCLEAN};
use crate::meta::image::{PartitionImage, RECOVERING, Topic, UNCHANGED};
use crate::meta::record::Record;
use crate::mutant::{self, Mutant};

/// Nobody leads.
pub(super) const NO_LEADER: i32 = -1;

/// Which replica is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Election {
    /// The first of the replicas, if it is in the ISR.
    Preferred,
    /// Whoever leads, or else another member of the ISR.
    Online,
    /// As online; when nobody is left who has everything, one who has not.
    Unclean,
}

/// A change of one partition that is made up. Who may lead is asked when it is decided.
pub(super) struct Change<'a> {
    pub(super) topic: &'a Topic,
    pub(super) index: usize,
    pub(super) before: &'a PartitionImage,
    /// The ISR that is wanted.
    pub(super) isr: Vec<i32>,
    /// The replicas that are wanted.
    pub(super) assignment: Assignment,
    /// A replica that may have lost what it had.
    pub(super) lost: Option<i32>,
    pub(super) election: Election,
    pub(super) min_isr: usize,
}

enum Elected {
    /// A member of the ISR.
    InSync(i32),
    /// One that has everything that was acked.
    Eligible(i32),
    /// One that may lack something.
    Unclean(i32),
    Nobody,
}

impl Change<'_> {
    /// The record that makes the change; none when nothing changes.
    pub(super) fn decide(mut self, may_lead: &dyn Fn(i32) -> bool) -> Option<Record> {
        let before = self.before;
        let is_lost = |id: i32| self.lost == Some(id);
        self.isr.retain(|id| !is_lost(*id));
        self.assignment.complete(&mut self.isr, may_lead);
        let replicas = self.assignment.replicas.clone();
        let min_isr = self.min_isr.min(replicas.len());
        let is_enough = |isr: &[i32]| isr.len() >= min_isr;
        // A leader whose ISR is large enough moves its high watermark: whoever is outside may lack something, even if a
        // larger min.insync.replicas once let it be eligible.
        let moved = before.leader != NO_LEADER && before.isr.len() >= self.min_isr.min(before.replicas.len());
        let elr: &[i32] = if moved { &[] } else { &before.elr };
        let has_all = |id: &i32| !is_lost(*id) && replicas.contains(id);
        let acked: Vec<i32> = before.isr.iter().chain(elr).copied().filter(has_all).collect();
        let mut after = self.assignment.applied_to(before);
        match self.elect(&acked, may_lead) {
            Elected::InSync(id) => {
                if id != before.leader {
                    // What is dead at an election would only hold the high watermark up.
                    self.isr.retain(|member| *member == id || may_lead(*member));
                }
                after.leader = id;
                after.isr = self.isr;
                after.elr = if is_enough(&after.isr) { Vec::new() } else { without(&acked, &after.isr) };
                after.last_known_elr.clear();
            }
            Elected::Eligible(id) => {
                after.leader = id;
                after.isr = vec![id];
                after.elr = if is_enough(&after.isr) { Vec::new() } else { without(&acked, &after.isr) };
                after.last_known_elr.clear();
            }
            Elected::Unclean(id) => {
                after.leader = id;
                after.isr = vec![id];
                after.elr.clear();
                after.last_known_elr.clear();
                after.is_recovering = true;
            }
            Elected::Nobody => {
                if before.leader != NO_LEADER {
                    after.last_known_elr = vec![before.leader];
                }
                after.leader = NO_LEADER;
                after.isr = self.last_members(&acked, &after.last_known_elr);
                after.elr = if is_enough(&after.isr) { Vec::new() } else { without(&acked, &after.isr) };
            }
        }
        record(self.topic.id, self.index, before, after)
    }

    fn elect(&self, acked: &[i32], may_lead: &dyn Fn(i32) -> bool) -> Elected {
        let replicas = &self.assignment.replicas;
        let in_sync = |id: &i32| self.isr.contains(id) && may_lead(*id);
        if mutant::makes(Mutant::ElectAnyone)
            && !may_lead(self.before.leader)
            && let Some(id) = replicas.iter().find(|id| may_lead(**id))
        {
            return Elected::Unclean(*id);
        }
        let preferred = replicas.first().filter(|_| self.election == Election::Preferred);
        let current = Some(&self.before.leader);
        let wanted = preferred.into_iter().chain(current).chain(replicas).find(|id| in_sync(id));
        if let Some(id) = wanted {
            return Elected::InSync(*id);
        }
        if let Some(id) = replicas.iter().find(|id| acked.contains(id) && may_lead(**id)) {
            return Elected::Eligible(*id);
        }
        let unclean = replicas.iter().find(|id| self.election == Election::Unclean && may_lead(**id));
        unclean.map_or(Elected::Nobody, |id| Elected::Unclean(*id))
    }

    /// The ISR of a partition that nobody leads: it is never empty, so that those who have everything are known.
    ///
    /// If there is none, it is the last leader, as in Kafka, and not who happens to come back last: each record was in its log first,
    /// and what was written while it led alone is nowhere else.
    fn last_members(&self, acked: &[i32], last_leader: &[i32]) -> Vec<i32> {
        let replicas = &self.assignment.replicas;
        let replicas_of =
            |ids: &[i32]| -> Vec<i32> { ids.iter().copied().filter(|id| replicas.contains(id)).collect() };
        let before = replicas_of(&self.before.isr);
        let kept: Vec<i32> = before.iter().copied().filter(|id| self.lost != Some(*id)).collect();
        let last_leader = replicas_of(last_leader);
        // None of them is a replica any more when a reassignment was taken back uncleanly.
        let first = replicas.get(..1).unwrap_or_default();
        let candidates = [&self.isr[..], &kept, acked, &last_leader, &before, first];
        candidates.into_iter().find(|isr| !isr.is_empty()).unwrap_or_default().to_vec()
    }
}

pub(super) fn without(all: &[i32], some: &[i32]) -> Vec<i32> {
    all.iter().copied().filter(|id| !some.contains(id)).collect()
}

/// What differs, as a record.
fn record(topic_id: Uuid, index: usize, before: &PartitionImage, after: PartitionImage) -> Option<Record> {
    let changed = |before: &Vec<i32>, after: Vec<i32>| (*before != after).then_some(after);
    let recovery = i8::from(after.is_recovering) * RECOVERING;
    // A replica that goes must not be counted by a leader that has not heard of it: that begins a new epoch.
    let keeps_all = before.replicas.iter().all(|id| after.replicas.contains(id));
    let unchanged =
        PartitionChangeRecord { topic_id, partition_id: partition_id(index), ..Default::default() };
    let record = PartitionChangeRecord {
        leader: if after.leader == before.leader && keeps_all { UNCHANGED } else { after.leader },
        isr: changed(&before.isr, after.isr),
        replicas: changed(&before.replicas, after.replicas),
        removing_replicas: changed(&before.removing, after.removing),
        adding_replicas: changed(&before.adding, after.adding),
        directories: (before.dirs != after.dirs).then_some(after.dirs),
        eligible_leader_replicas: changed(&before.elr, after.elr),
        last_known_elr: changed(&before.last_known_elr, after.last_known_elr),
        leader_recovery_state: if after.is_recovering == before.is_recovering { -1 } else { recovery },
        ..unchanged.clone()
    };
    (record != unchanged).then_some(Record::PartitionChange(record))
}

pub(super) fn partition_id(index: usize) -> i32 {
    i32::try_from(index).expect("a request makes far fewer partitions than 2^31")
}

impl Controller<'_> {
    /// What an election of this topic may do to stay online.
    pub(super) fn online(&self, topic: &Topic) -> Election {
        match self.topic_value(topic, UNCLEAN).as_str() {
            "true" => Election::Unclean,
            _ => Election::Online,
        }
    }

    /// A change of a partition that leaves its ISR and looks for a leader if it has none.
    pub(super) fn change<'t>(
        &self,
        topic: &'t Topic,
        index: usize,
        before: &'t PartitionImage,
    ) -> Change<'t> {
        let (isr, election, min_isr) = (before.isr.clone(), self.online(topic), self.min_isr(topic));
        Change {
            topic,
            index,
            before,
            isr,
            assignment: Assignment::of(before),
            lost: None,
            election,
            min_isr,
        }
    }

    /// Takes a broker out of every ISR that has another member, and its leaderships away.
    pub(super) fn remove_from_isrs(&self, broker: i32, lost: Lost) -> Vec<Record> {
        let lost = (lost == Lost::Maybe).then_some(broker);
        let concerned = |partition: &PartitionImage| {
            partition.leader == broker
                || partition.isr.contains(&broker)
                || (lost.is_some() && partition.elr.contains(&broker))
        };
        let decide = |(topic, index, partition): (_, _, _)| {
            let mut change = self.change(topic, index, partition);
            change.isr.retain(|id| *id != broker);
            change.lost = lost;
            change.decide(&|id| id != broker && self.may_hold(partition, id))
        };
        self.partitions().filter(|(_, _, partition)| concerned(partition)).filter_map(decide).collect()
    }

    /// Takes a broker out of the ISRs and the leaderships of the partitions that lie in these log directories of it.
    pub(super) fn remove_from_dirs(&self, broker: i32, dirs: &[Uuid]) -> Vec<Record> {
        let concerned = |partition: &PartitionImage| {
            dirs.contains(&partition.dir_of(broker))
                && (partition.leader == broker || partition.isr.contains(&broker))
        };
        let decide = |(topic, index, partition): (_, _, _)| {
            let mut change = self.change(topic, index, partition);
            change.isr.retain(|id| *id != broker);
            change.decide(&|id| id != broker && self.may_hold(partition, id))
        };
        self.partitions().filter(|(_, _, partition)| concerned(partition)).filter_map(decide).collect()
    }

    /// Looks for leaders of partitions without one; `added` counts as active already.
    pub(crate) fn elect_offline(&self, added: Option<i32>) -> Vec<Record> {
        let is_added = |at: &PartitionImage, id: i32| Some(id) == added && !self.image.has_failed(at, id);
        let offline = self.partitions().filter(|(_, _, partition)| partition.leader == NO_LEADER);
        let decide = |(topic, index, at): (_, _, _)| {
            self.change(topic, index, at).decide(&|id| is_added(at, id) || self.may_hold(at, id))
        };
        offline.filter_map(decide).collect()
    }

    /// Forgets the eligible replicas of topics whose `min.insync.replicas` differs `after` a change: they were told from the
    /// rest by the old one (KIP-966).
    pub(crate) fn forget_eligible(&self, after: &Controller<'_>) -> Vec<Record> {
        let is_concerned = |topic: &Topic, partition: &PartitionImage| {
            let after_topic = after.image.topic(&topic.name);
            let min_isr = after_topic.map_or(0, |topic| after.min_isr(topic));
            !partition.elr.is_empty() && min_isr != self.min_isr(topic)
        };
        let concerned = self.partitions().filter(|(topic, _, partition)| is_concerned(topic, partition));
        let forget = |(topic, index, before): (&Topic, usize, &PartitionImage)| {
            record(topic.id, index, before, PartitionImage { elr: Vec::new(), ..before.clone() })
        };
        concerned.filter_map(forget).collect()
    }

    /// Gives leaderships back to the preferred replicas that are in sync, at most `limit` at a time.
    pub(crate) fn balance(&self, limit: usize) -> Vec<Record> {
        let records = self.partitions().filter_map(|(topic, index, before)| {
            let may_lead = |id: i32| self.may_hold(before, id);
            let preferred = *before.replicas.first()?;
            if preferred == before.leader || !before.isr.contains(&preferred) || !may_lead(preferred) {
                return None;
            }
            Change { election: Election::Preferred, ..self.change(topic, index, before) }.decide(&may_lead)
        });
        records.take(limit).collect()
    }

    /// Elects leaders by request. `None` stands for all partitions; only those that need an election are told then.
    pub(crate) fn elect_leaders(
        &self,
        election: Election,
        asked: Option<&[TopicPartitions]>,
    ) -> (Vec<Record>, Vec<ReplicaElectionResult>) {
        let mut records = Vec::new();
        let mut answers = Vec::new();
        let everything: Vec<TopicPartitions>;
        let named = match asked {
            Some(asked) => asked,
            None => {
                let all = |topic: &Topic| (0..topic.partitions.len()).map(partition_id).collect();
                let topics = self.image.topics.values();
                everything = topics
                    .map(|topic| TopicPartitions { topic: topic.name.clone(), partitions: all(topic) })
                    .collect();
                &everything
            }
        };
        for TopicPartitions { topic, partitions } in named {
            let mut results = Vec::new();
            for &partition_id in partitions {
                let (error_code, error_message) = match self.elect(election, topic, partition_id) {
                    Ok(record) => {
                        records.push(record);
                        (ErrorCode::NONE, None)
                    }
                    Err((ErrorCode::ELECTION_NOT_NEEDED, _)) if asked.is_none() => continue,
                    Err((code, message)) => (code, Some(message)),
                };
                results.push(PartitionResult { partition_id, error_code, error_message });
            }
            if !results.is_empty() {
                answers.push(ReplicaElectionResult { topic: topic.clone(), partition_result: results });
            }
        }
        (records, answers)
    }

    fn elect(&self, election: Election, name: &str, id: i32) -> Result<Record, (ErrorCode, String)> {
        let unknown = |what: String| (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, what);
        let topic = self.image.topic(name).ok_or_else(|| unknown(format!("No such topic as {name}")))?;
        let index = usize::try_from(id).ok();
        let found = index.and_then(|index| Some((index, topic.partitions.get(index)?)));
        let (index, before) = found.ok_or_else(|| unknown(format!("No such partition as {name}-{id}")))?;
        let has_it = match election {
            Election::Preferred => before.replicas.first() == Some(&before.leader),
            Election::Online | Election::Unclean => before.leader != NO_LEADER,
        };
        if has_it {
            let message = "Leader election not needed for topic partition.";
            return Err((ErrorCode::ELECTION_NOT_NEEDED, message.to_owned()));
        }
        let change = Change { election, ..self.change(topic, index, before) };
        change.decide(&|id| self.may_hold(before, id)).ok_or_else(|| match election {
            Election::Preferred => (
                ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
                "The preferred leader was not available.".to_owned(),
            ),
            Election::Online | Election::Unclean => (
                ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE,
                "Eligible topic partition leaders are not available.".to_owned(),
            ),
        })
    }
}

/// Whether a broker that goes may have lost what it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    Nothing,
    Maybe,
}
