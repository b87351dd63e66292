//! Runs `kcluster`: asks, prints the answer.

use kinglet::ErrorKind;

use super::args::{Action, ClusterArgs};
use super::render;
use crate::connect::failure_of;
use crate::error::{Exit, Failure};
use crate::output::{Shape, print};

/// Does what the line says.
pub fn run(args: &ClusterArgs) -> Result<Exit, Failure> {
    let action = args.action()?;
    let shape = args.common.shape();
    args.servers.session(&args.common).run(async |connected| {
        let failed = |error: kinglet::Error| failure_of(&error, "cannot describe the cluster");
        let text = match action {
            Action::Id => render::id(&connected.cluster().await.map_err(failed)?.cluster_id, shape),
            Action::Endpoints => {
                let cluster = match args.include_fenced_brokers {
                    true => connected.admin.describe_cluster_with_fenced().await,
                    false => connected.cluster().await,
                };
                render::endpoints(&cluster.map_err(failed)?, connected.servers, shape)
            }
            Action::Unregister(id) => match connected.admin.unregister_broker(id).await {
                Ok(()) => render::unregistered(id, shape),
                // Kafka's tool says so and is done.
                Err(error) if error.kind() == ErrorKind::UnsupportedVersion && shape == Shape::Kafka => {
                    print("The target cluster does not support the broker unregistration API.\n")?;
                    return Err(failure_of(&error, format!("cannot unregister broker {id}")));
                }
                Err(error) => return Err(failure_of(&error, format!("cannot unregister broker {id}"))),
            },
        };
        print(&text)?;
        Ok(Exit::Done)
    })
}
