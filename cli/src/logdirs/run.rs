//! Runs `klogdirs`: asks the brokers, prints their directories.

use super::args::LogDirsArgs;
use super::render::{Brokers, render};
use crate::connect::failure_of;
use crate::error::{Exit, Failure};
use crate::output::print;
use crate::session::Session;

/// Does what the line says.
pub fn run(args: &LogDirsArgs) -> Result<Exit, Failure> {
    let (wanted, topics) = (args.brokers()?, args.topics());
    let session = Session { common: &args.common, controllers: None, timeout_ms: args.timeout };
    session.run(async |connected| {
        let admin = connected.admin;
        let failed = |error: kinglet::Error| failure_of(&error, "cannot ask for log directories");
        let alive: Vec<i32> =
            admin.describe_cluster().await.map_err(failed)?.brokers.iter().map(|broker| broker.id).collect();
        let listed = |ids: &[i32]| ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
        let missing: Vec<i32> = wanted.iter().copied().filter(|id| !alive.contains(id)).collect();
        if !missing.is_empty() {
            let cause = format!(
                "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
                listed(&missing),
                listed(&alive)
            );
            let failure = Failure::new(Exit::NotFound, format!("no such brokers: {}", listed(&missing)));
            return Err(failure.cause(cause));
        }
        let asked = alive.into_iter().filter(|id| wanted.is_empty() || wanted.contains(id));
        let mut brokers = Brokers::new();
        for (id, dirs) in admin.describe_log_dirs(asked).await.map_err(failed)? {
            let what = format!("cannot ask for the log directories of broker {id}");
            brokers.push((id, dirs.map_err(|error| failure_of(&error, what))?));
        }
        print(&render(&brokers, &topics, args.common.shape()))?;
        Ok(Exit::Done)
    })
}
