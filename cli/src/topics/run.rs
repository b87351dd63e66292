//! Runs `ktopics`: asks the cluster, prints the answer.

use std::io::IsTerminal;
use std::time::Duration;

use kinglet::admin::{ConfigChange, ConfigResource, NewPartitions, NewTopic, TopicDescription};
use kinglet::protocol::{ErrorCode, Uuid};
use kinglet::{Admin, Client, ErrorKind};
use tokio::time::Instant;

use super::args::{Action, TopicsArgs};
use super::filter::{DescribeFilter, Internal, TopicFilter};
use super::render::{self, Config, Partition, Topic, Verb};
use crate::connect::{self, ToolSettings, failure_of};
use crate::error::{Exit, Failure};
use crate::output::{Shape, print};
use crate::settings::Settings;
use crate::tool::{confirmed, say, warn};

/// How long an answer may take unless `--timeout` says otherwise.
const TIMEOUT_MS: u64 = 10_000;
/// How long a broker may take to hear of what the controller did.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Does what the line says.
pub fn run(args: &TopicsArgs) -> Result<Exit, Failure> {
    args.check()?;
    let mut tool = ToolSettings::default();
    let timeouts = |settings: &mut Settings, ms: u64| {
        settings.set("default.api.timeout.ms", ms);
        settings.set("request.timeout.ms", ms);
    };
    match args.timeout {
        Some(ms) => timeouts(&mut tool.flags, ms),
        None => timeouts(&mut tool.defaults, TIMEOUT_MS),
    }
    let config = connect::config(&args.common, &tool, &mut warn)?;
    // One thread: a second one would cost more to start than the few requests take.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
    runtime.block_on(async {
        let client = connect::connect(config).await?;
        let ran = Topics { args, admin: client.admin(), shape: args.common.shape(), client };
        print(&ran.act(args.action()?).await?)?;
        Ok(Exit::Done)
    })
}

/// Whether a broker knows a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Known,
    Gone,
}

struct Topics<'a> {
    args: &'a TopicsArgs,
    client: Client,
    admin: Admin,
    shape: Shape,
}

impl Topics<'_> {
    async fn act(&self, action: Action) -> Result<String, Failure> {
        match action {
            Action::List => self.list().await,
            Action::Create => self.create().await,
            Action::Describe => self.describe().await,
            Action::Alter => self.alter().await,
            Action::Delete => self.delete().await,
        }
    }

    async fn list(&self) -> Result<String, Failure> {
        let all = self.all_names().await?;
        let names: Vec<&str> = match self.args.topic_text() {
            Some(text) => TopicFilter::new(text)?.select(all.iter().map(String::as_str)),
            None => all.iter().map(String::as_str).collect(),
        };
        if names.is_empty() && self.shape == Shape::Human {
            say("no topics; ktopics create NAME makes one\n");
        }
        Ok(render::list(&names, self.shape))
    }

    async fn create(&self) -> Result<String, Failure> {
        let args = self.args;
        let name = args.required_topic()?;
        let mut out = String::new();
        match (render::collision_warning(name), self.shape) {
            (Some(warning), Shape::Kafka) => out = format!("{warning}\n"),
            (Some(warning), Shape::Human | Shape::Json) => warn(warning.trim_start_matches("WARNING: ")),
            (None, _) => {}
        }
        let mut topic = match args.assignment()? {
            Some(assignment) => NewTopic::assigned(name, assignment),
            None => {
                let replicas =
                    args.replication_factor.and_then(|count| i16::try_from(count).ok()).unwrap_or(-1);
                NewTopic::new(name, args.partitions.unwrap_or(-1), replicas)
            }
        };
        for (key, value) in args.config_pairs()? {
            topic = topic.config(key, value);
        }
        let what = format!("cannot create topic '{name}'");
        let results = self.admin.create_topics([topic]).await.map_err(|error| failure_of(&error, &what))?;
        for (_, result) in results {
            match result {
                Ok(_) => {
                    self.wait_until(name, Presence::Known).await?;
                    out += &render::created(name, self.shape);
                }
                Err(error) if args.if_not_exists && error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
                }
                Err(error) => return Err(failure_of(&error, what)),
            }
        }
        Ok(out)
    }

    async fn describe(&self) -> Result<String, Failure> {
        let filter = DescribeFilter::of(self.args);
        let described = self.descriptions().await?;
        let names: Vec<String> = described.iter().map(|topic| topic.name.clone()).collect();
        let only_isr =
            (filter.under_replicated || filter.unavailable) && !filter.under_min_isr && !filter.at_min_isr;
        let mut configs =
            if only_isr || names.is_empty() { Vec::new() } else { self.configs_of(&names).await? };
        let live_brokers = if filter.unavailable { self.live_brokers().await? } else { Vec::new() };
        configs.resize(described.len(), Vec::new());
        let topics: Vec<Topic> =
            described.into_iter().zip(configs).map(|(topic, configs)| topic_of(topic, configs)).collect();
        Ok(render::describe(&topics, &live_brokers, filter, self.shape))
    }

    async fn alter(&self) -> Result<String, Failure> {
        let args = self.args;
        if args.partitions.is_none()
            && args.replica_assignment.is_none()
            && args.config.is_empty()
            && args.delete_config.is_empty()
        {
            return Err(Failure::usage("nothing is to be altered")
                .hint("add --partitions N, --config K=V or --delete-config K"));
        }
        let names = self.named_topics().await?;
        if args.partitions.is_some() || args.replica_assignment.is_some() {
            self.add_partitions(&names).await?;
        }
        let mut changes: Vec<ConfigChange> =
            args.config_pairs()?.into_iter().map(|(key, value)| ConfigChange::Set(key, value)).collect();
        changes.extend(args.delete_config.iter().map(|key| ConfigChange::Delete(key.trim().to_owned())));
        if !changes.is_empty() {
            let resources = names.iter().map(|name| (ConfigResource::Topic(name.clone()), changes.clone()));
            let answered = self.admin.incremental_alter_configs(resources).await;
            let results = answered.map_err(|error| failure_of(&error, "cannot alter the configuration"))?;
            let names = names.iter().cloned();
            all_done("alter the configuration of", names.zip(results.into_iter().map(|(_, result)| result)))?;
        }
        Ok(render::changed(Verb::Alter, &as_strs(&names), self.shape))
    }

    async fn add_partitions(&self, names: &[String]) -> Result<(), Failure> {
        let assignment = self.args.assignment()?;
        let mut wanted = Vec::new();
        for name in names {
            wanted.push(match &assignment {
                None => NewPartitions::to(name, self.args.partitions.unwrap_or(-1)),
                Some(assignment) => {
                    // Kafka's option lists the partitions from the first one on; only the new ones are sent.
                    let now = self.partition_count(name).await?;
                    let count =
                        self.args.partitions.unwrap_or(i32::try_from(assignment.len()).unwrap_or(i32::MAX));
                    NewPartitions::to(name, count).assigned(assignment.iter().skip(now).cloned().collect())
                }
            });
        }
        let answered = self.admin.create_partitions(wanted).await;
        all_done("add partitions to", answered.map_err(|error| failure_of(&error, "cannot add partitions"))?)
    }

    async fn delete(&self) -> Result<String, Failure> {
        let names = match TopicFilter::new(self.args.required_topic()?)?.single_name() {
            // The broker says itself if there is none: no need to ask first.
            Some(name) => vec![name.to_owned()],
            None => self.named_topics().await?,
        };
        if names.len() > 1 && !self.args.yes {
            confirm_deletion(&names)?;
        }
        let answered = self.admin.delete_topics(as_strs(&names)).await;
        let results = answered.map_err(|error| failure_of(&error, "cannot delete the topics"))?;
        let mut done = Vec::new();
        for (name, result) in results {
            match result {
                Ok(()) => {
                    self.wait_until(&name, Presence::Gone).await?;
                    done.push(name);
                }
                Err(error) if error.kind() == ErrorKind::UnknownTopic => self.missing(&name).await?,
                Err(error) => return Err(failure_of(&error, format!("cannot delete topic '{name}'"))),
            }
        }
        Ok(render::changed(Verb::Delete, &as_strs(&done), self.shape))
    }

    /// What `--topic` names for alter and delete; none only with `--if-exists`.
    async fn named_topics(&self) -> Result<Vec<String>, Failure> {
        let text = self.args.required_topic()?;
        let all = self.all_names().await?;
        let names: Vec<String> = TopicFilter::new(text)?
            .select(all.iter().map(String::as_str))
            .into_iter()
            .map(str::to_owned)
            .collect();
        if names.is_empty() {
            self.missing(text).await?;
        }
        Ok(names)
    }

    /// The topics to describe.
    async fn descriptions(&self) -> Result<Vec<TopicDescription>, Failure> {
        let failed = |error: kinglet::Error| failure_of(&error, "cannot describe the topics");
        let internal = self.internal();
        if let Some(id) = &self.args.topic_id {
            return self.description_by_id(id).await;
        }
        let Some(text) = self.args.topic_text() else {
            let all = self.admin.describe_all_topics().await.map_err(failed)?;
            return Ok(all.into_iter().filter(|topic| internal.shows(&topic.name)).collect());
        };
        let filter = TopicFilter::new(text)?;
        let names = match filter.single_name() {
            Some(name) => vec![name.to_owned()],
            None => {
                let all = self.all_names().await?;
                filter.select(all.iter().map(String::as_str)).into_iter().map(str::to_owned).collect()
            }
        };
        let mut found = Vec::new();
        if !names.is_empty() {
            for (name, result) in self.admin.describe_topics(as_strs(&names)).await.map_err(failed)? {
                match result {
                    Ok(topic) => found.push(topic),
                    Err(error) if error.kind() == ErrorKind::UnknownTopic => {}
                    Err(error) => return Err(failure_of(&error, format!("cannot describe topic '{name}'"))),
                }
            }
        }
        if found.is_empty() {
            self.missing(text).await?;
        }
        Ok(found)
    }

    async fn description_by_id(&self, text: &str) -> Result<Vec<TopicDescription>, Failure> {
        let id: Uuid = text.parse().map_err(|_| {
            Failure::usage(format!("--topic-id '{text}' is no id")).hint("22 characters as --describe shows")
        })?;
        let all = self.admin.describe_all_topics().await;
        let all = all.map_err(|error| failure_of(&error, "cannot describe the topics"))?;
        match all.into_iter().find(|topic| topic.id == id) {
            Some(topic) => Ok(vec![topic]),
            None if self.args.if_exists => Ok(Vec::new()),
            None => Err(Failure::new(Exit::NotFound, format!("unknown topic id '{text}'"))
                .cause(format!("TopicId '{text}' does not exist as expected"))),
        }
    }

    /// No topic of this name: an error, unless `--if-exists`.
    async fn missing(&self, text: &str) -> Result<(), Failure> {
        if self.args.if_exists {
            return Ok(());
        }
        let failure = connect::unknown_topic(&self.client, text, "--if-exists makes this no error").await;
        Err(failure.cause(format!("Topic '{text}' does not exist as expected")))
    }

    /// The controller answers before every broker has heard of it; the next command is to see what this one did.
    async fn wait_until(&self, name: &str, wanted: Presence) -> Result<(), Failure> {
        let deadline = Instant::now() + SETTLED_WITHIN;
        while Instant::now() < deadline {
            let names = self.all_names().await?;
            let presence =
                if names.iter().any(|known| known == name) { Presence::Known } else { Presence::Gone };
            if presence == wanted {
                return Ok(());
            }
            tokio::time::sleep(ASKED_AGAIN_AFTER).await;
        }
        warn(&format!("topic '{name}': done, but the broker we asked has not heard of it yet"));
        Ok(())
    }

    async fn all_names(&self) -> Result<Vec<String>, Failure> {
        let topics =
            self.admin.list_topics().await.map_err(|error| failure_of(&error, "cannot list the topics"))?;
        let internal = self.internal();
        Ok(topics.into_iter().map(|topic| topic.name).filter(|name| internal.shows(name)).collect())
    }

    async fn partition_count(&self, name: &str) -> Result<usize, Failure> {
        let failed = |error: kinglet::Error| failure_of(&error, format!("cannot describe topic '{name}'"));
        let mut described = self.admin.describe_topics([name]).await.map_err(failed)?;
        match described.pop() {
            Some((_, result)) => Ok(result.map_err(failed)?.partitions.len()),
            None => Ok(0),
        }
    }

    async fn configs_of(&self, names: &[String]) -> Result<Vec<Vec<Config>>, Failure> {
        let resources = names.iter().map(|name| ConfigResource::Topic(name.clone()));
        let results = match self.admin.describe_configs(resources).await {
            Ok(results) => results,
            Err(error) if error.kind() == ErrorKind::UnsupportedVersion => {
                warn(&format!("configurations are not shown: {error}"));
                return Ok(Vec::new());
            }
            Err(error) => return Err(failure_of(&error, "cannot read the topics' configuration")),
        };
        let configs = results.into_iter().map(|(_, result)| {
            // A topic may be gone, or its configuration forbidden: as Kafka's tool, describe the rest.
            result.unwrap_or_default().into_iter().map(|entry| Config {
                is_override: !entry.is_default(),
                name: entry.name,
                value: entry.value.unwrap_or_else(|| "null".to_owned()),
            })
        });
        Ok(configs.map(Iterator::collect).collect())
    }

    async fn live_brokers(&self) -> Result<Vec<i32>, Failure> {
        let cluster = self.admin.describe_cluster().await;
        let cluster = cluster.map_err(|error| failure_of(&error, "cannot ask for the brokers"))?;
        Ok(cluster.brokers.into_iter().map(|broker| broker.id).collect())
    }

    fn internal(&self) -> Internal {
        if self.args.exclude_internal { Internal::Hidden } else { Internal::Shown }
    }
}

/// Every item succeeded, or a failure that counts those that did not.
fn all_done(
    doing: &str,
    results: impl IntoIterator<Item = (String, kinglet::Result<()>)>,
) -> Result<(), Failure> {
    let mut count = 0;
    let mut failures = Vec::new();
    for (name, result) in results {
        count += 1;
        if let Err(error) = result {
            failures.push((name, error));
        }
    }
    let Some((name, error)) = failures.first() else { return Ok(()) };
    let failure = failure_of(error, format!("cannot {doing} topic '{name}'"));
    Err(if count > 1 {
        failure.note(format!("{} of {count} topics failed", failures.len()))
    } else {
        failure
    })
}

/// Asks a person before a pattern deletes several topics; a script said what it wants.
fn confirm_deletion(names: &[String]) -> Result<(), Failure> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Ok(());
    }
    let listed = names.join("\n  ");
    let question = format!("{} topics match:\n  {listed}\nDelete them and all they hold?", names.len());
    if confirmed(&question) {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, "nothing was deleted").hint("answer y, or give --yes"))
}

fn topic_of(topic: TopicDescription, configs: Vec<Config>) -> Topic {
    let partitions = topic.partitions.into_iter().map(|partition| Partition {
        index: partition.partition,
        leader: partition.leader,
        replicas: partition.replicas,
        isr: partition.isr,
        elr: partition.elr,
        last_known_elr: partition.last_known_elr,
    });
    let id = (!topic.id.is_zero()).then_some(topic.id);
    Topic { name: topic.name, id, partitions: partitions.collect(), configs }
}

fn as_strs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}
