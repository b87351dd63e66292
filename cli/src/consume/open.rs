//! From the command line to a consumer that is about to read.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use kinglet::{Assignment, Client, Config, Consumer, ErrorKind, Position, Subscription, TopicPartition};
use tokio::time::Instant;

use super::args::{ConsumeArgs, Source, Start};
use super::ends::Ends;
use super::group::Announcer;
use crate::connect::{self, failure_of, first_failure};
use crate::error::{Exit, Failure, Manner};
use crate::topics::filter::TopicFilter;

/// How often the end is looked for when a partition's last batch holds nothing to print.
pub(super) const END_CHECKED_EVERY: Duration = Duration::from_millis(20);
/// How long the first share of a group may take, when there is nothing to wait for but its end.
const SHARE_MAX: Duration = Duration::from_secs(60);

/// With what a member of a group needs. In Kafka's manner a consumer that names no group joins one of its own.
pub(super) fn joining(config: Config, args: &ConsumeArgs) -> Result<Config, Failure> {
    let failed = |error: kinglet::Error| failure_of(&error, "cannot use the configuration");
    let config = match config.get("group.id") {
        None if args.common.manner() == Manner::Kafka && args.partition.is_none() => {
            let id = format!("console-consumer-{}", std::process::id() % 100_000);
            config.group_id(id).set("enable.auto.commit", false).map_err(failed)?
        }
        _ => config,
    };
    let tells = !args.quiet && stderr().is_terminal() && args.common.manner() == Manner::Kinglet;
    Ok(match config.get("group.id") {
        Some(_) if tells => {
            let reset = match config.get("auto.offset.reset") {
                Some("earliest") => Some("beginning"),
                Some("latest") => Some("end"),
                Some(_) | None => None,
            };
            config.rebalance_listener(Announcer { reset })
        }
        _ => config,
    })
}

/// What is needed before the first record can be printed.
pub(super) struct Opened {
    pub(super) consumer: Consumer,
    /// With `--exit-at-end`.
    pub(super) ends: Option<Ends>,
    /// Held so that it is closed only after the consumer.
    pub(super) _client: Client,
}

pub(super) async fn open(config: Config, args: &ConsumeArgs, start: Start) -> Result<Opened, Failure> {
    let in_group = config.get("group.id").is_some() && args.partition.is_none();
    let client = connect::connect(config).await?;
    let source = args.source()?;
    let consumer = if in_group {
        member(&client, source, args.common.manner()).await?
    } else {
        consumer(&client, source, args.partition, start).await?
    };
    if in_group && args.exit_at_end {
        wait_for_share(&consumer, args.patience()).await?;
    }
    let ends = if args.exit_at_end { Some(ask_ends(&consumer).await?) } else { None };
    Ok(Opened { consumer, ends, _client: client })
}

async fn consumer(
    client: &Client,
    source: Source<'_>,
    partition: Option<i32>,
    start: Start,
) -> Result<Consumer, Failure> {
    let position = match start {
        Start::Earliest => Position::Beginning,
        Start::Latest => Position::End,
        Start::Offset(offset) => Position::Offset(offset),
    };
    let (assignment, name) = match (source, partition) {
        (Source::Topic(topic), Some(partition)) => {
            (Assignment::partitions([(TopicPartition::new(topic, partition), position)]), topic)
        }
        (Source::Topic(topic), None) => (Assignment::topics([topic], position), topic),
        (Source::Matching(pattern), _) => {
            (Assignment::topics(matching(client, pattern).await?, position), pattern)
        }
    };
    match client.consumer(assignment).await {
        Ok(consumer) => Ok(consumer),
        Err(error) if error.kind() == ErrorKind::UnknownTopic => {
            Err(connect::unknown_topic(client, name, "ktopics --create makes one").await.cause(error))
        }
        Err(error) => Err(first_failure(&error, format!("cannot read topic '{name}'"))),
    }
}

/// A member of the group. A topic that does not exist is a mistake more often than one that is still to come.
/// What it reads is done only when it says so.
pub(crate) async fn member(client: &Client, source: Source<'_>, manner: Manner) -> Result<Consumer, Failure> {
    let (subscription, name) = match source {
        Source::Topic(topic) => {
            if manner == Manner::Kinglet {
                consumer(client, source, None, Start::Latest).await?.close().await;
            }
            (Subscription::topics([topic]), topic)
        }
        Source::Matching(pattern) => (Subscription::pattern(TopicFilter::pattern(pattern)), pattern),
    };
    let consumer = client.consumer(subscription).await;
    let consumer = consumer.map_err(|error| first_failure(&error, format!("cannot read topic '{name}'")))?;
    // What is printed waits in memory for a while, and is done only when stdout has it.
    consumer.mark_by_hand();
    Ok(consumer)
}

/// Until the group has given this member something to read.
async fn wait_for_share(consumer: &Consumer, patience: Option<Duration>) -> Result<(), Failure> {
    let deadline = Instant::now() + patience.unwrap_or(SHARE_MAX);
    while consumer.assignment().is_empty() {
        if Instant::now() >= deadline {
            return Err(Failure::new(Exit::Failed, "the group gave this member no partition")
                .hint("kgroups --describe --members shows who has them"));
        }
        tokio::time::sleep(END_CHECKED_EVERY).await;
    }
    Ok(())
}

async fn matching(client: &Client, pattern: &str) -> Result<Vec<String>, Failure> {
    let filter = TopicFilter::new(pattern)?;
    let topics =
        client.admin().list_topics().await.map_err(|error| failure_of(&error, "cannot list the topics"))?;
    let all: Vec<String> = topics.into_iter().map(|topic| topic.name).collect();
    let names: Vec<String> =
        filter.select(all.iter().map(String::as_str)).into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        return Err(Failure::new(Exit::NotFound, format!("no topic matches '{pattern}'"))
            .hint("ktopics --list shows what there is"));
    }
    Ok(names)
}

async fn ask_ends(consumer: &Consumer) -> Result<Ends, Failure> {
    let ends = consumer.end_offsets(&consumer.assignment()).await;
    Ok(Ends::new(ends.map_err(|error| failure_of(&error, "cannot ask for the end of the partitions"))?))
}
