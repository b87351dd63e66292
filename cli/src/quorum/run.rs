//! Runs `kquorum`: asks a broker, or the controller that is active, and prints the answer.

use super::args::{QuorumArgs, View};
use super::render::{self, Times};
use crate::connect::failure_of;
use crate::dates;
use crate::error::{Exit, Failure};
use crate::output::{Shape, print};

/// Does what the line says.
pub fn run(args: &QuorumArgs) -> Result<Exit, Failure> {
    let view = args.view()?;
    let shape = args.common.shape();
    args.servers.session(&args.common).run(async |connected| {
        let failed = |error: kinglet::Error| failure_of(&error, "cannot describe the metadata quorum");
        let admin = &connected.admin;
        let text = match view {
            View::Status => {
                let cluster_id = connected.cluster().await.map_err(failed)?.cluster_id;
                render::status(&cluster_id, &admin.describe_quorum().await.map_err(failed)?, shape)?
            }
            View::Replication => {
                let quorum = admin.describe_quorum().await.map_err(failed)?;
                // What a person looks at, unless the exact numbers are what a script asks for.
                let is_relative = args.human_readable || shape == Shape::Human;
                let now = i64::try_from(dates::now().as_millis()).unwrap_or(i64::MAX);
                render::replication(
                    &quorum,
                    if is_relative { Times::Before(now) } else { Times::Absolute },
                    shape,
                )?
            }
        };
        print(&text)?;
        Ok(Exit::Done)
    })
}
