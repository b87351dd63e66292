//! What `kreassign` asks the cluster, with failures that name what was asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use kinglet::admin::{BrokerInfo, PartitionReassignment, PartitionReplica};
use kinglet::protocol::ErrorCode;
use kinglet::{Admin, ErrorKind, TopicPartition};
use tokio::time::Instant;

use super::file::{Plan, joined};
use super::render::{DirState, DirStates};
use super::throttles::Changes;
use crate::connect::failure_of;
use crate::error::{Exit, Failure};

/// How long moves between log directories may wait until they begin, unless `--timeout` says otherwise.
const MOVES_WITHIN_MS: u64 = 10_000;
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Replicas by partition.
pub type Assignment = BTreeMap<TopicPartition, Vec<i32>>;

/// The cluster.
#[derive(Clone, Debug)]
pub struct Cluster(pub Admin);

impl Cluster {
    /// The brokers that are alive.
    pub async fn brokers(&self) -> Result<Vec<BrokerInfo>, Failure> {
        let cluster = self.0.describe_cluster().await;
        Ok(cluster.map_err(|error| failure_of(&error, "cannot ask for the brokers"))?.brokers)
    }

    /// Reassignments that are under way, of these partitions or of all.
    pub async fn ongoing(
        &self,
        partitions: Option<Vec<TopicPartition>>,
    ) -> Result<Vec<(TopicPartition, PartitionReassignment)>, Failure> {
        let ongoing = match partitions {
            Some(partitions) => self.0.list_partition_reassignments(partitions).await,
            None => self.0.list_all_partition_reassignments().await,
        };
        ongoing.map_err(|error| failure_of(&error, "cannot ask for the reassignments that are under way"))
    }

    /// The replicas of all partitions of these topics, which have to exist.
    pub async fn assignment(&self, topics: &[impl AsRef<str>]) -> Result<Assignment, Failure> {
        self.described(topics, |topic, error| match error.kind() {
            ErrorKind::UnknownTopic => Err(Failure::new(Exit::NotFound, format!("unknown topic '{topic}'"))
                .code(error.code())
                .cause(format!("Topic {topic} not found."))),
            _ => Err(failure_of(error, format!("cannot describe topic '{topic}'"))),
        })
        .await
    }

    /// As [`assignment`](Self::assignment), without the topics that do not exist.
    pub async fn known_assignment(&self, topics: &[impl AsRef<str>]) -> Result<Assignment, Failure> {
        self.described(topics, |topic, error| match error.kind() {
            ErrorKind::UnknownTopic => Ok(()),
            _ => Err(failure_of(error, format!("cannot describe topic '{topic}'"))),
        })
        .await
    }

    async fn described(
        &self,
        topics: &[impl AsRef<str>],
        failed: impl Fn(&str, &kinglet::Error) -> Result<(), Failure>,
    ) -> Result<Assignment, Failure> {
        let names: BTreeSet<&str> = topics.iter().map(AsRef::as_ref).collect();
        let mut assignment = Assignment::new();
        if names.is_empty() {
            return Ok(assignment);
        }
        let described = self.0.describe_topics(names).await;
        for (name, topic) in described.map_err(|error| failure_of(&error, "cannot describe the topics"))? {
            match topic {
                Ok(topic) => assignment.extend(
                    topic
                        .partitions
                        .into_iter()
                        .map(|p| (TopicPartition::new(&*name, p.partition), p.replicas)),
                ),
                Err(error) => failed(&name, &error)?,
            }
        }
        Ok(assignment)
    }

    /// The replicas of the partitions of a plan, which have to exist.
    pub async fn assignment_of(&self, plan: &Plan) -> Result<Assignment, Failure> {
        let topics: Vec<&str> = plan.partitions.iter().map(|(at, _)| &*at.topic).collect();
        let mut all = self.assignment(&topics).await?;
        let wanted: BTreeSet<&TopicPartition> = plan.partitions.iter().map(|(at, _)| at).collect();
        let missing: Vec<String> =
            wanted.iter().filter(|at| !all.contains_key(at)).map(ToString::to_string).collect();
        if !missing.is_empty() {
            let failure = Failure::new(Exit::NotFound, "some partitions do not exist");
            return Err(failure.cause(format!("Unable to find partition: {}", missing.join(", "))));
        }
        all.retain(|at, _| wanted.contains(at));
        Ok(all)
    }

    /// Where the replicas of these partitions lie, as far as their brokers are alive.
    pub async fn dirs_of(
        &self,
        assignment: &Assignment,
    ) -> Result<HashMap<PartitionReplica, String>, Failure> {
        let replica = |at: &TopicPartition, broker: i32| PartitionReplica { partition: at.clone(), broker };
        let replicas = assignment.iter().flat_map(|(at, ids)| ids.iter().map(move |id| replica(at, *id)));
        let found = self.found(&replicas.collect::<Vec<_>>()).await?;
        Ok(found.into_iter().filter_map(|(replica, [current, _])| Some((replica, current?))).collect())
    }

    /// How far replicas are that were to move between directories.
    pub async fn dir_states(&self, targets: &[(PartitionReplica, String)]) -> Result<DirStates, Failure> {
        let replicas: Vec<PartitionReplica> = targets.iter().map(|(replica, _)| replica.clone()).collect();
        let mut found = self.found(&replicas).await?;
        let state = |(replica, target): &(PartitionReplica, String)| {
            let [current, future] = found.remove(replica).unwrap_or_default();
            (replica.clone(), DirState { current, future, target: target.clone() })
        };
        let mut states: DirStates = targets.iter().map(state).collect();
        states.sort_by(|(a, _), (b, _)| (a.broker, &a.partition).cmp(&(b.broker, &b.partition)));
        Ok(states)
    }

    /// For each replica that was found, where it lies and where a copy of it grows.
    async fn found(
        &self,
        replicas: &[PartitionReplica],
    ) -> Result<HashMap<PartitionReplica, [Option<String>; 2]>, Failure> {
        let wanted: BTreeSet<&PartitionReplica> = replicas.iter().collect();
        let mut found: HashMap<PartitionReplica, [Option<String>; 2]> = HashMap::new();
        if wanted.is_empty() {
            return Ok(found);
        }
        let alive = self.brokers().await?.into_iter().map(|broker| broker.id);
        let asked = alive.filter(|id| wanted.iter().any(|replica| replica.broker == *id));
        let described = self.0.describe_log_dirs(asked).await;
        for (broker, dirs) in
            described.map_err(|error| failure_of(&error, "cannot ask for log directories"))?
        {
            let what = || format!("cannot ask for the log directories of broker {broker}");
            for dir in dirs.map_err(|error| failure_of(&error, what()))? {
                for one in dir.replicas {
                    let replica = PartitionReplica { partition: one.partition, broker };
                    if !wanted.contains(&replica) {
                        continue;
                    }
                    let [current, future] = found.entry(replica).or_default();
                    *(if one.is_future { future } else { current }) = Some(dir.path.clone());
                }
            }
        }
        Ok(found)
    }

    /// Changes configurations, all of them or with a failure.
    pub async fn apply(&self, changes: Changes) -> Result<(), Failure> {
        let failed = |error: &kinglet::Error| failure_of(error, "cannot change the throttles");
        for (_, result) in self.0.incremental_alter_configs(changes).await.map_err(|error| failed(&error))? {
            result.map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// Has replicas moved to directories, also those that have first to come to their broker.
    pub async fn move_dirs(
        &self,
        moves: &[(PartitionReplica, String)],
        timeout_ms: Option<u64>,
        say: impl Fn(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_millis(timeout_ms.unwrap_or(MOVES_WITHIN_MS));
        let mut open = moves.to_vec();
        open.sort_by(|(a, _), (b, _)| (a.broker, &a.partition).cmp(&(b.broker, &b.partition)));
        while !open.is_empty() {
            let results = self.0.alter_replica_log_dirs(open.iter().cloned()).await;
            let results = results.map_err(|error| failure_of(&error, "cannot move log directories"))?;
            let mut left = Vec::new();
            for ((replica, dir), (_, result)) in open.into_iter().zip(results) {
                let PartitionReplica { partition, broker } = &replica;
                match result {
                    Ok(()) => say(&format!(
                        "Successfully started moving log directory to {dir} for replica {partition} with broker {broker} \n"
                    ))?,
                    Err(error) if error.code() == Some(ErrorCode::REPLICA_NOT_AVAILABLE) => {
                        left.push((replica, dir))
                    }
                    Err(error) => {
                        let what = format!("cannot move {replica} to the log directory {dir}");
                        return Err(failure_of(&error, what));
                    }
                }
            }
            open = left;
            if open.is_empty() {
                break;
            }
            if Instant::now() >= deadline {
                let names = joined(open.iter().map(|(r, _)| format!("{}-{}", r.partition, r.broker)));
                let plural = if open.len() == 1 { "" } else { "s" };
                let cause =
                    format!("Timed out before log directory move{plural} could be started for: {names}");
                return Err(
                    Failure::new(Exit::Failed, "replicas have not come to their brokers yet").cause(cause)
                );
            }
            tokio::time::sleep(ASKED_AGAIN_AFTER).await;
        }
        Ok(())
    }
}
