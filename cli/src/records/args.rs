//! The options of `kdelete`: those of kafka-delete-records.

use std::path::PathBuf;

use clap::Parser;

use crate::args::CommonArgs;

/// Delete the records of partitions before an offset.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kdelete",
    display_name = "kinglet",
    version,
    after_help = "The file: {\"partitions\": [{\"topic\": \"orders\", \"partition\": 1, \"offset\": 1000}], \"version\": 1}; offset -1 deletes all there is.\n\n\
                  Example:\n  kdelete --bootstrap-server b1:9092 --offset-json-file offsets.json"
)]
pub struct DeleteArgs {
    /// The first offset of each partition that stays, as JSON; - reads standard input
    #[arg(long, value_name = "FILE", required = true)]
    pub offset_json_file: PathBuf,

    /// Give up after this many milliseconds (60000)
    #[arg(long, value_name = "MS", help_heading = "Connection")]
    pub timeout: Option<u64>,

    /// Flags that every tool has.
    #[command(flatten)]
    pub common: CommonArgs,
}
