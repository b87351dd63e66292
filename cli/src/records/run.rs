//! Runs `kdelete`: asks the leaders, prints what is left.

use super::args::DeleteArgs;
use super::offsets::{Deleted, parse, render};
use crate::connect::{self, ToolSettings, failure_of, read_input};
use crate::error::{Exit, Failure, Manner};
use crate::java::Exception;
use crate::output::print;
use crate::tool::{say, warn};

/// Does what the line says. With `--compat` partitions that failed change no exit code, as with Kafka's tool.
pub fn run(args: &DeleteArgs) -> Result<Exit, Failure> {
    let offsets = parse(&read_input(&args.offset_json_file)?)?;
    let mut tool = ToolSettings::default();
    if let Some(ms) = args.timeout {
        tool.flags.set("default.api.timeout.ms", ms);
        tool.flags.set("request.timeout.ms", ms);
    }
    let config = connect::config(&args.common, &tool, &mut warn)?;
    // One thread: a second one would cost more to start than the few requests take.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
    runtime.block_on(async {
        let client = connect::connect(config).await?;
        let deleted = client.admin().delete_records(offsets).await;
        let deleted = deleted.map_err(|error| failure_of(&error, "cannot delete the records"))?;
        let mut failures = Vec::new();
        let mut rows: Vec<Deleted> = Vec::new();
        for (at, result) in deleted {
            let result = result.map_err(|error| {
                failures.push(failure_of(&error, format!("cannot delete records of {at}")));
                Exception::of(&error).to_string()
            });
            rows.push((at, result));
        }
        print(&render(&rows, args.common.shape()))?;
        for failure in &failures {
            say(failure.render(args.common.error_style()));
        }
        Ok(match (args.common.manner(), failures.first()) {
            (Manner::Kafka, _) | (_, None) => Exit::Done,
            (Manner::Kinglet, Some(failure)) => failure.exit(),
        })
    })
}
