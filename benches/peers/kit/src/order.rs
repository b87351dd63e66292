//! What a client is to do, as its arguments say it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::task::{arguments, name};
use crate::{Fallible, Payloads};

/// Records to send. Programs in other languages parse the same arguments.
#[derive(Debug, Clone, Args)]
pub struct Order {
    /// `host:port` of the broker.
    #[arg(long)]
    pub bootstrap: String,
    /// The topic; it exists.
    #[arg(long)]
    pub topic: String,
    /// How many partitions it has, for clients that do not choose one.
    #[arg(long)]
    pub partitions: i32,
    /// Bytes of a value.
    #[arg(long)]
    pub size: usize,
    /// Records that count.
    #[arg(long)]
    pub records: u64,
    /// Records before those, to the same topic.
    #[arg(long)]
    pub warm_up: u64,
    /// The client's settings.
    #[arg(long)]
    pub settings: Settings,
    /// The codec of the batches.
    #[arg(long)]
    pub codec: Codec,
    /// How results are taken.
    #[arg(long)]
    pub mode: Mode,
    /// A file of values, one after the other.
    #[arg(long)]
    pub payloads: PathBuf,
}

/// How a client is set up. Producers have `acks=all` and the codec always, consumers begin with the first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Settings {
    /// As it comes.
    Defaults,
    /// Producers: batches of 512 KiB, linger 10 ms, 32 MiB of buffer, idempotent. Consumers: larger fetches.
    Tuned,
    /// As it comes, but that nothing lingers.
    Prompt,
}

/// A codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Codec {
    /// Records as they are.
    None,
    /// LZ4 frames, at the client's default level.
    Lz4,
}

/// What becomes of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Failures are counted, nobody waits for a single record, and a flush ends it.
    Dropped,
    /// Every record's result is awaited, many at a time.
    Awaited,
    /// One record at a time: the next is sent when the last is acknowledged.
    Single,
}

impl Order {
    /// Reads the values.
    pub fn payloads(&self) -> Fallible<Payloads> {
        Payloads::read(&self.payloads, self.size)
    }

    /// As arguments, for [`Task`](crate::Task) and for programs in other languages.
    pub fn to_args(&self) -> Vec<String> {
        let word = |value: &dyn ToString| value.to_string();
        let pairs = [
            ("--bootstrap", self.bootstrap.clone()),
            ("--topic", self.topic.clone()),
            ("--partitions", word(&self.partitions)),
            ("--size", word(&self.size)),
            ("--records", word(&self.records)),
            ("--warm-up", word(&self.warm_up)),
            ("--settings", name(self.settings)),
            ("--codec", name(self.codec)),
            ("--mode", name(self.mode)),
            ("--payloads", self.payloads.display().to_string()),
        ];
        arguments("produce", pairs)
    }
}

impl Codec {
    /// As `compression.type` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
        }
    }
}
