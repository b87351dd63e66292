//! Runs `kelect`: has leaders elected, waits until a broker knows them, prints who leads.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::Duration;

use kinglet::admin::{ElectionType, PartitionDescription};
use kinglet::protocol::ErrorCode;
use kinglet::{Admin, ErrorKind, PerItem, TopicPartition};
use tokio::time::Instant;

use super::args::{ElectArgs, ElectionChoice, Scope};
use super::file;
use super::render::{Elected, Outcome, Words, render};
use crate::connect::{failure_of, read_input};
use crate::error::{Exit, Failure, Manner};
use crate::java::Exception;
use crate::output::{Shape, print};
use crate::session::Session;
use crate::tool::{confirmed, say, warn};

/// How long a broker may take to hear of what the controller did.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Does what the line says.
pub fn run(args: &ElectArgs) -> Result<Exit, Failure> {
    let wanted = match args.scope()? {
        Scope::All => None,
        Scope::One(topic, partition) => Some(vec![TopicPartition::new(topic, partition)]),
        Scope::File(path) => Some(file::parse(&read_input(path)?)?),
    };
    let choice = args.election_type.unwrap_or(ElectionChoice::Preferred);
    if choice == ElectionChoice::Unclean {
        confirm_loss(args)?;
    }
    let session = Session { common: &args.common, controllers: None, timeout_ms: args.timeout };
    let ended = session.run(async |connected| {
        let elections = Elections { args, admin: connected.admin, choice, wanted };
        elections.run().await
    });
    let is_unreachable = ended.as_ref().is_err_and(|failure| failure.exit() == Exit::Unreachable);
    if is_unreachable && args.common.manner() == Manner::Kafka {
        print("Timeout waiting for election results\n")?;
    }
    ended
}

struct Elections<'a> {
    args: &'a ElectArgs,
    admin: Admin,
    choice: ElectionChoice,
    /// `None`: all partitions.
    wanted: Option<Vec<TopicPartition>>,
}

/// What is known of partitions at a moment.
type Known = HashMap<TopicPartition, PartitionDescription>;

impl Elections<'_> {
    async fn run(self) -> Result<Exit, Failure> {
        let shape = self.args.common.shape();
        let before =
            if shape == Shape::Kafka { Known::new() } else { self.described(self.wanted.as_deref()).await };
        let results = self.elect().await.map_err(|error| failure_of(&error, "cannot elect leaders"))?;
        let (mut rows, mut failures) = (Vec::new(), Vec::new());
        for (at, result) in results {
            let before = before.get(&at).and_then(|partition| partition.leader);
            let outcome = match result {
                Ok(()) => Outcome::Elected,
                Err(error) if error.code() == Some(ErrorCode::ELECTION_NOT_NEEDED) => Outcome::NotNeeded,
                Err(error) => {
                    let outcome = Outcome::Failed(Exception::of(&error).to_string());
                    failures.push((at.clone(), error));
                    outcome
                }
            };
            rows.push(Elected { at, outcome, before, after: before });
        }
        self.settle(&mut rows).await;
        let words = self.args.election_type.map_or(Words::PreferredReplica, Words::Election);
        print(&render(&rows, words, shape))?;
        self.end(&failures)
    }

    async fn elect(&self) -> kinglet::Result<PerItem<TopicPartition, ()>> {
        let election = match self.choice {
            ElectionChoice::Preferred => ElectionType::Preferred,
            ElectionChoice::Unclean => ElectionType::Unclean,
        };
        match &self.wanted {
            None => self.admin.elect_all_leaders(election).await,
            Some(partitions) => self.admin.elect_leaders(election, partitions.iter().cloned()).await,
        }
    }

    /// Waits until the broker that is asked has heard of the new leaders: the next command is to see what this one did.
    async fn settle(&self, rows: &mut [Elected]) {
        let deadline = Instant::now() + SETTLED_WITHIN;
        let elected = rows.iter().filter(|row| row.outcome == Outcome::Elected);
        let mut open: Vec<TopicPartition> = elected.map(|row| row.at.clone()).collect();
        while !open.is_empty() {
            let known = self.described(Some(&open)).await;
            for row in rows.iter_mut() {
                if let Some(partition) = known.get(&row.at) {
                    row.after = partition.leader;
                }
            }
            open.retain(|at| !known.get(at).is_some_and(|partition| self.is_settled(partition)));
            if open.is_empty() {
                break;
            }
            if Instant::now() >= deadline {
                warn(&format!(
                    "{} partitions: done, but the broker we asked has not heard of it yet",
                    open.len()
                ));
                break;
            }
            tokio::time::sleep(ASKED_AGAIN_AFTER).await;
        }
    }

    fn is_settled(&self, partition: &PartitionDescription) -> bool {
        match self.choice {
            ElectionChoice::Preferred => partition.leader == partition.replicas.first().copied(),
            ElectionChoice::Unclean => partition.leader.is_some(),
        }
    }

    /// What is known of partitions, of all for `None`. It is told, not decided on: what cannot be learnt is left out.
    async fn described(&self, wanted: Option<&[TopicPartition]>) -> Known {
        let topics = match wanted {
            None => self.admin.describe_all_topics().await.unwrap_or_default(),
            Some(partitions) => {
                let mut names: Vec<&str> = partitions.iter().map(|at| &*at.topic).collect();
                names.sort_unstable();
                names.dedup();
                let described = self.admin.describe_topics(names).await.unwrap_or_default();
                described.into_iter().filter_map(|(_, topic)| topic.ok()).collect()
            }
        };
        let mut known = Known::new();
        for topic in topics {
            let name: std::sync::Arc<str> = topic.name.into();
            known.extend(
                topic.partitions.into_iter().map(|p| (TopicPartition::new(name.clone(), p.partition), p)),
            );
        }
        known
    }

    fn end(&self, failures: &[(TopicPartition, kinglet::Error)]) -> Result<Exit, Failure> {
        let Some((at, error)) = failures.first() else { return Ok(Exit::Done) };
        let is_missing = |error: &kinglet::Error| error.kind() == ErrorKind::UnknownTopic;
        let exit = match failures.iter().all(|(_, error)| is_missing(error)) {
            true => Exit::NotFound,
            false => Exit::Failed,
        };
        let failure = failure_of(error, format!("{} replica(s) could not be elected", failures.len()));
        say(failure
            .exiting(exit)
            .note(format!("the first one: {at}"))
            .render(self.args.common.error_style()));
        Ok(exit)
    }
}

/// Asks a person before records may be lost; a script said what it wants.
fn confirm_loss(args: &ElectArgs) -> Result<(), Failure> {
    let is_asked = !args.yes && args.common.manner() == Manner::Kinglet;
    if !(is_asked && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Ok(());
    }
    let question = "an unclean election loses the records that the new leader does not have. Go on?";
    if confirmed(question) {
        Ok(())
    } else {
        Err(Failure::new(Exit::Failed, "nothing was elected").hint("answer y, or give --yes"))
    }
}
