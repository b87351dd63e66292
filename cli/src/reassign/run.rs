//! Runs `kreassign`: what each action asks of the cluster, in the order of Kafka's tool, and what it prints on the way.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::IsTerminal;
use std::path::Path;

use kinglet::TopicPartition;
use kinglet::admin::{Reassignment, ReplicationFactorChange};
use serde_json::{Value, json};

use super::args::{Action, ReassignArgs};
use super::cluster::{Assignment, Cluster};
use super::file::{Plan, joined, parse_brokers, parse_topics, to_json};
use super::placement::{Usable, place};
use super::render::{self, PartitionState, Progress};
use super::throttles::{self, Moves};
use crate::connect::{failure_of, read_input};
use crate::error::{Exit, Failure, Manner};
use crate::java::{CAPACITY, Exception, in_map_order, string_hash};
use crate::output::{Shape, print};
use crate::session::{Servers, Session};
use crate::tool::{confirmed, warn};

const OTHERS_ARE_UNDER_WAY: &str = "Cannot execute because there is an existing partition assignment.  Use --additional to \
    override this and create a new partition assignment in addition to the existing one. The --additional flag can also be used \
    to change the throttle by resubmitting the current reassignment.";
const VERIFY_LATER: &str = "Warning: You must run --verify periodically, until the reassignment completes, to ensure the \
    throttle is removed.\n";

/// Does what the line says.
pub fn run(args: &ReassignArgs) -> Result<Exit, Failure> {
    let action = args.action()?;
    let input = match action {
        Action::Generate { topics: path, .. }
        | Action::Execute(path)
        | Action::Verify(path)
        | Action::Cancel(path) => read_input(path)?,
        Action::List => String::new(),
    };
    let session =
        Session { common: &args.common, controllers: args.bootstrap_controller.as_deref(), timeout_ms: None };
    session.run(async |connected| {
        let shape = args.common.shape();
        let tool = Tool { args, shape, servers: connected.servers, cluster: Cluster(connected.admin) };
        match action {
            Action::Generate { brokers, .. } => {
                let brokers = parse_brokers(brokers)?;
                tool.generate(&parse_topics(&input)?, &brokers).await?;
            }
            Action::Execute(path) => tool.execute(&Plan::parse(&input)?, path).await?,
            Action::Verify(_) => tool.verify(&Plan::parse(&input)?).await?,
            Action::Cancel(_) => tool.cancel(&Plan::parse(&input)?).await?,
            Action::List => print(&render::list(&tool.cluster.ongoing(None).await?, shape))?,
        }
        Ok(Exit::Done)
    })
}

struct Tool<'a> {
    args: &'a ReassignArgs,
    shape: Shape,
    servers: Servers,
    cluster: Cluster,
}

impl Tool<'_> {
    /// Prints lines, unless a document will say it all.
    fn say(&self, lines: &str) -> Result<(), Failure> {
        if self.shape == Shape::Json { Ok(()) } else { print(lines) }
    }

    /// Prints the document, if that is what was asked for.
    fn document(&self, document: Value) -> Result<(), Failure> {
        if self.shape == Shape::Json { print(&format!("{document}\n")) } else { Ok(()) }
    }

    async fn generate(&self, topics: &[String], brokers: &[i32]) -> Result<(), Failure> {
        let current = self.cluster.assignment(topics).await?;
        let dirs = self.cluster.dirs_of(&current).await?;
        let mut proposed = Assignment::new();
        let usable = self.usable(brokers).await?;
        for topic in topics {
            let mut partitions = current.iter().filter(|(at, _)| *at.topic == **topic);
            let count = partitions.clone().count();
            let Some((_, replicas)) = partitions.next() else { continue };
            for (partition, replicas) in (0..).zip(place(topic, count, replicas.len(), &usable)?) {
                proposed.insert(TopicPartition::new(topic.as_str(), partition), replicas);
            }
        }
        let (current, proposed) = (to_json(&current, &dirs), to_json(&proposed, &Default::default()));
        self.say(&format!(
            "Current partition replica assignment\n{current}\n\nProposed partition reassignment configuration\n{proposed}\n"
        ))?;
        self.document(json!({
            "schema": "kinglet/reassign.generate/v1", "current": parsed(&current), "proposed": parsed(&proposed),
        }))
    }

    async fn usable(&self, brokers: &[i32]) -> Result<Vec<Usable>, Failure> {
        let alive = self.cluster.brokers().await?;
        let named = alive.into_iter().filter(|broker| brokers.contains(&broker.id));
        let usable: Vec<Usable> = named
            .map(|broker| Usable {
                id: broker.id,
                rack: broker.rack.filter(|_| !self.args.disable_rack_aware),
            })
            .collect();
        let without_rack = usable.iter().filter(|broker| broker.rack.is_none()).count();
        if without_rack != 0 && without_rack != usable.len() {
            let cause = "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica \
                         assignment without rack information.";
            return Err(
                Failure::new(Exit::Failed, "some brokers have a rack and some have none").cause(cause)
            );
        }
        Ok(usable)
    }

    async fn execute(&self, plan: &Plan, path: &Path) -> Result<(), Failure> {
        plan.check()?;
        let ongoing = self.cluster.ongoing(None).await?;
        if !self.args.additional && !ongoing.is_empty() {
            let failure = Failure::new(Exit::Failed, "other reassignments are under way");
            return Err(failure.cause(OTHERS_ARE_UNDER_WAY));
        }
        let alive: HashSet<i32> = self.cluster.brokers().await?.into_iter().map(|broker| broker.id).collect();
        if let Some(id) =
            plan.partitions.iter().flat_map(|(_, replicas)| replicas).find(|id| !alive.contains(id))
        {
            let failure =
                Failure::new(Exit::Failed, format!("broker {id} is not in the cluster, or not alive"));
            return Err(failure.cause(format!("Unknown broker id {id}")));
        }
        let current = self.cluster.assignment_of(plan).await?;
        let before = to_json(&current, &self.cluster.dirs_of(&current).await?);
        self.say(&format!(
            "Current partition replica assignment\n\n{before}\n\nSave this to use as the --reassignment-json-file option during rollback\n"
        ))?;
        self.confirm(plan.partitions.len(), path)?;
        self.throttle(plan, &Moves::new(&ongoing, &plan.partitions, &current)).await?;
        self.begin(plan).await?;
        let started = sorted(plan.partitions.iter().map(|(at, _)| at));
        let plural = if started.len() == 1 { "" } else { "s" };
        self.say(&format!("Successfully started partition reassignment{plural} for {}\n", joined(&started)))?;
        let started: Vec<String> = started.iter().map(ToString::to_string).collect();
        self.document(json!({
            "schema": "kinglet/reassign.execute/v1", "before": parsed(&before), "started": started,
        }))?;
        self.cluster.move_dirs(&plan.log_dirs, self.args.timeout, |lines| self.say(lines)).await
    }

    /// Asks a person before records are copied; a script, and whoever pipes the plan in, said what it wants.
    fn confirm(&self, count: usize, path: &Path) -> Result<(), Failure> {
        let is_asked = self.shape == Shape::Human
            && !self.args.yes
            && self.args.common.manner() == Manner::Kinglet
            && path.as_os_str() != "-"
            && std::io::stdin().is_terminal()
            && std::io::stderr().is_terminal();
        if !is_asked || confirmed(&format!("Move {count} partitions?")) {
            return Ok(());
        }
        Err(Failure::new(Exit::Failed, "nothing was moved").hint("answer y, or give --yes"))
    }

    async fn throttle(&self, plan: &Plan, moves: &Moves) -> Result<(), Failure> {
        let (between_brokers, between_dirs) = (self.args.throttle, self.args.replica_alter_log_dirs_throttle);
        if between_brokers < 0 && between_dirs < 0 {
            return Ok(());
        }
        self.say(VERIFY_LATER)?;
        if between_brokers >= 0 {
            self.cluster.apply(moves.at_topics()).await?;
            self.cluster.apply(moves.at_brokers(between_brokers)).await?;
            self.say(&format!("The inter-broker throttle limit was set to {between_brokers} B/s\n"))?;
        }
        if between_dirs >= 0 {
            let brokers = plan.log_dirs.iter().map(|(replica, _)| replica.broker).collect();
            self.cluster.apply(throttles::log_dirs(brokers, between_dirs)).await?;
            self.say(&format!("The replica-alter-dir throttle limit was set to {between_dirs} B/s\n"))?;
        }
        Ok(())
    }

    async fn begin(&self, plan: &Plan) -> Result<(), Failure> {
        let change = match self.args.disallow_replication_factor_change {
            true => ReplicationFactorChange::Refused,
            false => ReplicationFactorChange::Allowed,
        };
        let wanted = plan.partitions.iter().cloned().map(|(at, replicas)| (at, Reassignment::To(replicas)));
        let results = self.cluster.0.alter_partition_reassignments(wanted, change).await;
        let results = results.map_err(|error| failure_of(&error, "cannot reassign partitions"))?;
        refused(results).map_or(Ok(()), |errors| {
            let failure = Failure::new(Exit::Failed, "partitions are not reassigned");
            Err(failure.cause(format!("Error reassigning partition(s):\n{errors}")))
        })
    }

    async fn verify(&self, plan: &Plan) -> Result<(), Failure> {
        let ongoing = self.cluster.ongoing(None).await?;
        let moving: BTreeMap<&TopicPartition, _> = ongoing.iter().map(|(at, one)| (at, one)).collect();
        let still: Vec<&str> = plan
            .partitions
            .iter()
            .filter(|(at, _)| !moving.contains_key(at))
            .map(|(at, _)| &*at.topic)
            .collect();
        let current = self.cluster.known_assignment(&still).await?;
        let state = |(at, target): &(TopicPartition, Vec<i32>)| {
            let (replicas, progress) = match moving.get(at) {
                Some(one) => (Some(&one.replicas), Progress::Ongoing),
                None => (current.get(at), Progress::Over),
            };
            let current = replicas.cloned().unwrap_or_default();
            (at.clone(), PartitionState { current, target: target.clone(), progress })
        };
        let states: BTreeMap<TopicPartition, PartitionState> = plan.partitions.iter().map(state).collect();
        let dirs = self.cluster.dir_states(&plan.log_dirs).await?;
        print(&render::verified(&states, &dirs, self.shape))?;
        let dirs_move = dirs.iter().any(|(_, state)| state.progress() == Progress::Ongoing);
        if ongoing.is_empty() && !dirs_move && !self.args.preserve_throttles {
            self.clear_throttles(plan).await?;
        }
        Ok(())
    }

    async fn cancel(&self, plan: &Plan) -> Result<(), Failure> {
        let partitions = plan.partitions.iter().map(|(at, _)| at.clone());
        let mut ongoing = self.cluster.ongoing(Some(partitions.collect())).await?;
        ongoing.retain(|(_, one)| !one.adding.is_empty() || !one.removing.is_empty());
        let cancelled = sorted(ongoing.iter().map(|(at, _)| at));
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        if cancelled.is_empty() {
            self.say("None of the specified partition reassignments are active.\n")?;
        } else {
            let wanted = cancelled.iter().map(|at| ((*at).clone(), Reassignment::Cancel));
            let change = ReplicationFactorChange::Allowed;
            let results = self.cluster.0.alter_partition_reassignments(wanted, change).await;
            let results = results.map_err(|error| failure_of(&error, "cannot cancel reassignments"))?;
            let count = results.iter().filter(|(_, result)| result.is_err()).count();
            if let Some(errors) = refused(results) {
                let failure = Failure::new(Exit::Failed, "reassignments are not cancelled");
                let plural = plural(count);
                return Err(
                    failure.cause(format!("Error cancelling partition reassignment{plural} for:\n{errors}"))
                );
            }
            let (plural, names) = (plural(cancelled.len()), joined(&cancelled));
            self.say(&format!("Successfully cancelled partition reassignment{plural} for: {names}\n"))?;
        }
        let moving = self.cluster.dir_states(&plan.log_dirs).await?.into_iter();
        let back: Vec<_> = moving
            .filter(|(_, state)| state.progress() == Progress::Ongoing)
            .filter_map(|(replica, state)| Some((replica, state.current?)))
            .collect();
        if back.is_empty() {
            // Kafka's tool ends this line with what comes next.
            let end = if self.shape == Shape::Kafka { "" } else { "\n" };
            self.say(&format!("None of the specified partition moves are active.{end}"))?;
        } else {
            self.cluster.move_dirs(&back, self.args.timeout, |lines| self.say(lines)).await?;
        }
        let names: Vec<String> = cancelled.iter().map(ToString::to_string).collect();
        self.document(json!({"schema": "kinglet/reassign.cancel/v1", "cancelled": names}))?;
        if !self.args.preserve_throttles {
            self.clear_throttles(plan).await?;
        }
        Ok(())
    }

    /// Takes all throttles away: which brokers took part in what was before, nobody knows any more.
    async fn clear_throttles(&self, plan: &Plan) -> Result<(), Failure> {
        if self.servers == Servers::Controllers {
            warn(
                "throttles stay as they are: brokers' configurations are changed by the brokers; ask one of these",
            );
            return Ok(());
        }
        let mut brokers: BTreeSet<i32> =
            self.cluster.brokers().await?.into_iter().map(|broker| broker.id).collect();
        brokers.extend(plan.partitions.iter().flat_map(|(_, replicas)| replicas));
        let topics: BTreeSet<String> = plan.partitions.iter().map(|(at, _)| at.topic.to_string()).collect();
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let (some, ids) = (plural(brokers.len()), joined(&brokers));
        self.say(&format!("Clearing broker-level throttles on broker{some} {ids}\n"))?;
        self.cluster.apply(throttles::cleared_at_brokers(&brokers)).await?;
        let names = in_map_order(topics.iter().collect(), CAPACITY, |topic: &&String| string_hash(topic));
        let some = plural(topics.len());
        self.say(&format!("Clearing topic-level throttles on topic{some} {}\n", joined(names)))?;
        self.cluster.apply(throttles::cleared_at_topics(&topics)).await
    }
}

fn sorted<'a>(partitions: impl Iterator<Item = &'a TopicPartition>) -> Vec<&'a TopicPartition> {
    partitions.collect::<BTreeSet<_>>().into_iter().collect()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// A line for each partition that was refused, in Java's words.
fn refused(results: kinglet::PerItem<TopicPartition, ()>) -> Option<String> {
    let errors = results.into_iter().filter_map(|(at, result)| Some((at, result.err()?)));
    let errors: BTreeMap<TopicPartition, kinglet::Error> = errors.collect();
    let lines = errors.iter().map(|(at, error)| format!("{at}: {}", Exception::of(error).message()));
    (!errors.is_empty()).then(|| lines.collect::<Vec<_>>().join("\n"))
}
