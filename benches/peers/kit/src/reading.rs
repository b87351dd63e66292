//! What a consumer is to read, as its arguments say it.

use clap::{Args, ValueEnum};

use crate::task::{arguments, name};
use crate::{Settings, TUNED_FETCH_BYTES, TUNED_PARTITION_BYTES};

/// Records to read, from a topic's first on. Programs in other languages parse the same arguments.
#[derive(Debug, Clone, Args)]
pub struct Reading {
    /// `host:port` of the broker.
    #[arg(long)]
    pub bootstrap: String,
    /// The topic; it exists.
    #[arg(long)]
    pub topic: String,
    /// How many partitions it has.
    #[arg(long)]
    pub partitions: i32,
    /// Records that count.
    #[arg(long)]
    pub records: u64,
    /// Records before those.
    #[arg(long)]
    pub warm_up: u64,
    /// The client's settings.
    #[arg(long)]
    pub settings: Settings,
    /// How the records come.
    #[arg(long)]
    pub pace: Pace,
    /// The group to be the only member of, with commits as they come by default; without it the partitions are assigned and
    /// nothing is committed.
    #[arg(long)]
    pub group: Option<String>,
}

/// How records come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pace {
    /// They are all there.
    Load,
    /// One after the other: each begins with the nanoseconds since 1970 at which it was sent, and the next is sent after
    /// `received <number>` was written.
    Single,
}

impl Reading {
    /// As arguments, for [`Task`](crate::Task) and for programs in other languages.
    pub fn to_args(&self) -> Vec<String> {
        let mut pairs = vec![
            ("--bootstrap", self.bootstrap.clone()),
            ("--topic", self.topic.clone()),
            ("--partitions", self.partitions.to_string()),
            ("--records", self.records.to_string()),
            ("--warm-up", self.warm_up.to_string()),
            ("--settings", name(self.settings)),
            ("--pace", name(self.pace)),
        ];
        pairs.extend(self.group.clone().map(|group| ("--group", group)));
        arguments("consume", pairs)
    }

    /// For librdkafka, whoever wraps it.
    pub fn librdkafka_settings(&self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![
            ("bootstrap.servers", self.bootstrap.clone()),
            ("auto.offset.reset", "earliest".to_owned()),
            // It insists on one, also where partitions are assigned.
            ("group.id", self.group.clone().unwrap_or_else(|| "unused".to_owned())),
        ];
        if self.group.is_none() {
            pairs.push(("enable.auto.commit", "false".to_owned()));
        }
        match self.settings {
            Settings::Defaults | Settings::Prompt => {}
            Settings::Tuned => pairs.extend([
                ("max.partition.fetch.bytes", TUNED_PARTITION_BYTES.to_string()),
                ("fetch.max.bytes", TUNED_FETCH_BYTES.to_string()),
                // Its own limit of 100,000 records is less than two partitions' fetches of small ones, and it then stands back
                // for a second.
                ("queued.min.messages", "1000000".to_owned()),
                ("fetch.queue.backoff.ms", "10".to_owned()),
            ]),
        }
        pairs
    }
}
