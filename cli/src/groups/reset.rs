//! `--reset-offsets`: which offsets the groups get, and committing them.

use std::collections::{HashMap, HashSet};

use kinglet::OffsetAndMetadata;
use kinglet::admin::GroupState;
use kinglet::protocol::ErrorCode;
use kinglet::{Admin, Position, TopicPartition};

use super::args::GroupsArgs;
use super::collect::{check_consumer, committed};
use super::plan::{GroupPlan, Scope, Spec, TopicArg, from_csv, within};
use super::report::{Report, Stop, Worded};
use super::times;
use crate::connect::read_file;
use crate::dates;
use crate::error::{Exit, Failure};
use crate::java::{CAPACITY, Exception, copied_capacity, in_map_order, partition_hash, string_hash};
use crate::output::Shape;
use crate::tool::warn;

/// Offsets by partition.
type Offsets = Vec<(TopicPartition, i64)>;

pub(super) struct Reset<'a> {
    pub(super) args: &'a GroupsArgs,
    pub(super) admin: &'a Admin,
    pub(super) shape: Shape,
}

impl Reset<'_> {
    /// Plans for every group, done where the line says so. A group that still has members gets none.
    pub(super) async fn run(&self, groups: Vec<String>, report: &mut Report) -> Result<Vec<GroupPlan>, Stop> {
        let (spec, scope) = (Spec::of(self.args)?, Scope::of(self.args)?);
        let described = self.admin.describe_groups(groups).await;
        let described =
            described.map_err(|error| Stop::of(&error, "cannot describe the groups", Worded::Cause))?;
        // Kafka's tool goes through a copy of a map, and puts the plans into one that is made to grow.
        let copy = copied_capacity(described.len());
        let described = in_map_order(described, CAPACITY, |(group, _)| string_hash(group));
        let mut plans = Vec::new();
        for (group, result) in in_map_order(described, copy, |(group, _)| string_hash(group)) {
            let offsets = match result {
                Ok(description) => {
                    check_consumer(
                        &description,
                        "java.util.concurrent.ExecutionException: java.lang.IllegalArgumentException: ",
                    )?;
                    match description.state {
                        GroupState::Empty | GroupState::Dead => {
                            self.reset(&group, &spec, &scope, report).await?
                        }
                        state => {
                            report_active(&group, state, description.members.len(), report);
                            Vec::new()
                        }
                    }
                }
                Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => {
                    self.reset(&group, &spec, &scope, report).await?
                }
                Err(error) => {
                    let what = format!("cannot describe group '{group}'");
                    return Err(Stop::of(&error, what, Worded::Cause));
                }
            };
            plans.push(GroupPlan { group, offsets });
        }
        Ok(in_map_order(plans, CAPACITY, |plan: &GroupPlan| string_hash(&plan.group)))
    }

    async fn reset(
        &self,
        group: &str,
        spec: &Spec,
        scope: &Scope,
        report: &mut Report,
    ) -> Result<Offsets, Stop> {
        let partitions = self.partitions(group, scope).await?;
        self.check_partitions(&partitions).await?;
        let offsets = self.new_offsets(group, spec, partitions, report).await?;
        let offsets = in_map_order(offsets, CAPACITY, |(at, _)| partition_hash(at));
        if self.args.execute && !offsets.is_empty() {
            self.commit(group, &offsets).await?;
        }
        Ok(offsets)
    }

    /// The partitions of the scope, each once, in the order of Kafka's tool.
    async fn partitions(&self, group: &str, scope: &Scope) -> Result<Vec<TopicPartition>, Stop> {
        let mut partitions: Vec<TopicPartition> = match scope {
            Scope::AllTopics => self.committed(group).await?.into_iter().map(|(at, _)| at).collect(),
            Scope::Topics(args) => self.partitions_of(args).await?,
            Scope::File => Vec::new(),
        };
        let mut seen = HashSet::new();
        partitions.retain(|at| seen.insert(at.clone()));
        Ok(partitions)
    }

    async fn partitions_of(&self, args: &[TopicArg]) -> Result<Vec<TopicPartition>, Stop> {
        let mut partitions = Vec::new();
        let mut whole: Vec<&str> = Vec::new();
        for arg in args {
            match &arg.partitions {
                Some(numbers) => {
                    partitions.extend(
                        numbers.iter().map(|number| TopicPartition::new(arg.topic.as_str(), *number)),
                    );
                }
                None if whole.contains(&arg.topic.as_str()) => {}
                None => whole.push(&arg.topic),
            }
        }
        let count = whole.len();
        let described = self.describe_topics(whole, Worded::Message).await?;
        let described = in_map_order(described, count, |(topic, _)| string_hash(topic));
        partitions.extend(described.into_iter().flat_map(|(topic, known)| {
            let topic: std::sync::Arc<str> = topic.into();
            known.into_iter().map(move |(number, _)| TopicPartition::new(topic.clone(), number))
        }));
        Ok(partitions)
    }

    /// Every partition exists and has a leader.
    async fn check_partitions(&self, partitions: &[TopicPartition]) -> Result<(), Stop> {
        let mut topics: Vec<&str> = partitions.iter().map(|at| &*at.topic).collect();
        topics.sort_unstable();
        topics.dedup();
        let described = self.describe_topics(topics, Worded::Cause).await?;
        let known: HashMap<TopicPartition, Option<i32>> = described
            .into_iter()
            .flat_map(|(topic, partitions)| {
                let topic: std::sync::Arc<str> = topic.into();
                partitions
                    .into_iter()
                    .map(move |(number, leader)| (TopicPartition::new(topic.clone(), number), leader))
            })
            .collect();
        let named = |wrong: &dyn Fn(&TopicPartition) -> bool| {
            let names: Vec<String> =
                partitions.iter().filter(|at| wrong(at)).map(ToString::to_string).collect();
            names.join(",")
        };
        let missing = named(&|at| !known.contains_key(at));
        if !missing.is_empty() {
            let said = format!("The partitions \"{missing}\" do not exist");
            let failure = Failure::new(Exit::NotFound, "nothing was reset").cause(&said);
            return Err(Stop::failed(failure, said));
        }
        let headless = named(&|at| known.get(at).is_some_and(Option::is_none));
        if !headless.is_empty() {
            let said = format!("The partitions \"{headless}\" have no leader");
            let failure = Failure::new(Exit::Failed, "nothing was reset").cause(&said);
            let hint = "ktopics --describe --unavailable-partitions shows which brokers are missing";
            return Err(Stop::failed(failure.hint(hint), said));
        }
        Ok(())
    }

    async fn new_offsets(
        &self,
        group: &str,
        spec: &Spec,
        partitions: Vec<TopicPartition>,
        report: &mut Report,
    ) -> Result<Offsets, Stop> {
        match spec {
            Spec::Earliest => self.ask(partitions, Position::Beginning, "starting").await,
            Spec::Latest => self.ask(partitions, Position::End, "ending").await,
            Spec::Offset(offset) => {
                self.clamped(partitions.into_iter().map(|at| (at, *offset)).collect()).await
            }
            Spec::ShiftBy(by) => {
                let current = self.current(group).await?;
                let shifted = |at: TopicPartition| match current.get(&at) {
                    Some(offset) => Ok((at, offset.saturating_add(*by))),
                    None => Err(no_offset(&at)),
                };
                self.clamped(partitions.into_iter().map(shifted).collect::<Result<_, _>>()?).await
            }
            Spec::At(ms) => self.at_time(partitions, *ms, report).await,
            Spec::Ago(ms) => {
                let too_far = || Failure::usage("--by-duration reaches too far");
                let at = times::before(dates::now(), *ms).ok_or_else(too_far)?;
                self.at_time(partitions, at, report).await
            }
            Spec::File(path) => {
                let plans = from_csv(&read_file(path)?, &self.args.groups())?;
                match plans.into_iter().find(|plan| plan.group == group) {
                    Some(plan) => self.clamped(plan.offsets).await,
                    None => {
                        let said = format!("No reset plan for group {group} found");
                        let ours = format!("{} has no offsets for group '{group}'", path.display());
                        report.error(&said, Failure::new(Exit::Failed, ours));
                        Ok(Vec::new())
                    }
                }
            }
            Spec::Current => {
                let current = self.current(group).await?;
                let (known, unknown): (Vec<_>, Vec<_>) =
                    partitions.into_iter().partition(|at| current.contains_key(at));
                let known = in_map_order(known, CAPACITY, partition_hash).into_iter();
                let unknown = self.ask(unknown, Position::End, "ending").await?;
                let unknown = in_map_order(unknown, CAPACITY, |(at, _)| partition_hash(at));
                let mut offsets: Offsets =
                    known.filter_map(|at| Some((at.clone(), *current.get(&at)?))).collect();
                offsets.extend(unknown);
                Ok(offsets)
            }
        }
    }

    async fn at_time(
        &self,
        partitions: Vec<TopicPartition>,
        ms: i64,
        report: &mut Report,
    ) -> Result<Offsets, Stop> {
        let order = partitions.clone();
        let found = self.ask(partitions, Position::Timestamp(ms), "timestamp").await?;
        let (found, late): (Offsets, Offsets) = found.into_iter().partition(|(_, offset)| *offset >= 0);
        let late: Vec<TopicPartition> = late.into_iter().map(|(at, _)| at).collect();
        let late = in_map_order(late, CAPACITY, partition_hash);
        for at in &late {
            let (number, topic) = (at.partition, &at.topic);
            let said = format!(
                "Partition {number} from topic {topic} is empty. Falling back to latest known offset."
            );
            match self.shape {
                // Kafka's tool says it on stdout.
                Shape::Kafka => report.data(format!("\nWarn: {said}\n")),
                Shape::Human | Shape::Json => warn(&said),
            }
        }
        let mut offsets: HashMap<TopicPartition, i64> = found.into_iter().collect();
        offsets.extend(self.ask(late, Position::End, "ending").await?);
        Ok(order.into_iter().filter_map(|at| Some((at.clone(), *offsets.get(&at)?))).collect())
    }

    /// Where these partitions have this position.
    async fn ask(
        &self,
        partitions: Vec<TopicPartition>,
        position: Position,
        what: &str,
    ) -> Result<Offsets, Stop> {
        let asked = self.admin.list_offsets(partitions.into_iter().map(|at| (at, position))).await;
        let failed = |error: kinglet::Error, at: &str| {
            Stop::of(&error, format!("cannot read the {what} offset of {at}"), Worded::Cause)
        };
        let mut offsets = Vec::new();
        for (at, result) in asked.map_err(|error| failed(error, "the partitions"))? {
            let found = result.map_err(|error| failed(error, &at.to_string()))?;
            offsets.push((at, found.offset));
        }
        Ok(offsets)
    }

    /// The nearest offsets that the partitions have.
    async fn clamped(&self, wanted: Offsets) -> Result<Offsets, Stop> {
        let partitions: Vec<TopicPartition> = wanted.iter().map(|(at, _)| at.clone()).collect();
        let start: HashMap<_, _> =
            self.ask(partitions.clone(), Position::Beginning, "starting").await?.into_iter().collect();
        let end: HashMap<_, _> = self.ask(partitions, Position::End, "ending").await?.into_iter().collect();
        let clamp = |(at, offset): (TopicPartition, i64)| {
            let (offset, said) = within(&at, offset, start.get(&at).copied(), end.get(&at).copied());
            if let Some(said) = said {
                warn(&said);
            }
            (at, offset)
        };
        Ok(wanted.into_iter().map(clamp).collect())
    }

    async fn commit(&self, group: &str, offsets: &Offsets) -> Result<(), Stop> {
        let new = offsets.iter().map(|(at, offset)| (at.clone(), OffsetAndMetadata::from(*offset)));
        let what = format!("cannot set the offsets of group '{group}'");
        let results = self.admin.alter_group_offsets(group, new).await;
        let results = results.map_err(|error| Stop::of(&error, what.as_str(), Worded::Message))?;
        let failed: Vec<_> =
            results.into_iter().filter_map(|(at, result)| Some((at, result.err()?))).collect();
        let Some((_, error)) = failed.first() else { return Ok(()) };
        let names: Vec<String> = failed.iter().map(|(at, _)| at.to_string()).collect();
        let said =
            format!("Failed altering group offsets for the following partitions: [{}]", names.join(", "));
        let failure = super::report::group_failure(error, what).note(format!(
            "{} of {} partitions failed: {}",
            failed.len(),
            offsets.len(),
            names.join(", ")
        ));
        Err(Stop::failed(failure, said))
    }

    async fn committed(&self, group: &str) -> Result<Vec<(TopicPartition, Option<OffsetAndMetadata>)>, Stop> {
        Ok(committed(self.admin, vec![group.to_owned()]).await?.remove(group).unwrap_or_default())
    }

    /// What the group has committed, by partition.
    pub(super) async fn current(&self, group: &str) -> Result<HashMap<TopicPartition, i64>, Stop> {
        let committed = self.committed(group).await?.into_iter();
        Ok(committed.filter_map(|(at, committed)| Some((at, committed?.offset))).collect())
    }

    /// The partitions of these topics, with their leaders.
    async fn describe_topics(
        &self,
        topics: Vec<&str>,
        worded: Worded,
    ) -> Result<Vec<(String, Vec<(i32, Option<i32>)>)>, Stop> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let described = self.admin.describe_topics(topics).await;
        let described = described.map_err(|error| Stop::of(&error, "cannot describe the topics", worded))?;
        let mut all = Vec::new();
        for (topic, result) in described {
            match result {
                Ok(known) => {
                    let partitions = known.partitions.into_iter().map(|p| (p.partition, p.leader));
                    all.push((topic, partitions.collect()));
                }
                Err(error) => {
                    let failure = super::report::group_failure(&error, format!("unknown topic '{topic}'"))
                        .hint("ktopics --list shows what there is");
                    return Err(Stop::failed(failure, worded.text(&Exception::of(&error))));
                }
            }
        }
        Ok(all)
    }
}

fn report_active(group: &str, state: GroupState, members: usize, report: &mut Report) {
    let said = format!(
        "Assignments can only be reset if the group '{group}' is inactive, but the current state is {state}."
    );
    let failure = Failure::new(Exit::Failed, format!("group '{group}' is active"))
        .cause(&said)
        .note(format!("members: {members}; kgroups --describe --members --group {group} shows them"))
        .hint("stop them, and wait until the broker has noticed (session.timeout.ms)");
    report.error(&said, failure);
}

fn no_offset(at: &TopicPartition) -> Failure {
    Failure::usage(format!("{at} has no offset to be shifted"))
        .cause(format!("Cannot shift offset for partition {at} since there is no current committed offset"))
        .hint("--to-earliest, --to-latest or --to-current give it one")
}
