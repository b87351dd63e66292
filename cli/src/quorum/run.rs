//! Runs `kquorum`: asks a broker, or the controller that is active, and prints the answer.

use kinglet::protocol::ErrorCode;
use kinglet::protocol::messages::DescribeClusterRequest;
use kinglet::{Client, Config, Target};

use super::args::{QuorumArgs, View};
use super::render::{self, Times};
use crate::connect::{self, ToolSettings, failure_of};
use crate::dates;
use crate::error::{Exit, Failure};
use crate::output::{Shape, print};
use crate::tool::warn;

/// How long an answer may take unless `--timeout` says otherwise.
const TIMEOUT_MS: u64 = 10_000;
/// The endpoint type of controllers in DescribeCluster (KIP-919).
const CONTROLLERS: i8 = 2;

/// Does what the line says.
pub fn run(args: &QuorumArgs) -> Result<Exit, Failure> {
    let view = args.view()?;
    let mut tool = ToolSettings::default();
    let (settings, ms) = match args.timeout {
        Some(ms) => (&mut tool.flags, ms),
        None => (&mut tool.defaults, TIMEOUT_MS),
    };
    settings.set("default.api.timeout.ms", ms);
    settings.set("request.timeout.ms", ms);
    let mut common = args.common.clone();
    if args.bootstrap_controller.is_some() {
        common.bootstrap_server.clone_from(&args.bootstrap_controller);
    }
    let config = connect::config(&common, &tool, &mut warn)?;
    // One thread: a second one would cost more to start than the few requests take.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
    runtime.block_on(async {
        let client = connect::connect(config.clone()).await?;
        let (client, cluster_id) = match args.bootstrap_controller {
            None => (client, None),
            Some(_) => active_controller(client, config).await?,
        };
        let admin = client.admin();
        let failed = |error: kinglet::Error| failure_of(&error, "cannot describe the metadata quorum");
        let shape = common.shape();
        let text = match view {
            View::Status => {
                let cluster_id = match cluster_id {
                    Some(id) => id,
                    None => admin.describe_cluster().await.map_err(failed)?.cluster_id,
                };
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

/// The controller that leads, which alone can say how far the others are, and the cluster's id. A server that is both broker
/// and controller at one address is asked as a broker.
async fn active_controller(client: Client, config: Config) -> Result<(Client, Option<String>), Failure> {
    let failed = |error: kinglet::Error| failure_of(&error, "cannot ask for the controllers");
    let request = DescribeClusterRequest { endpoint_type: CONTROLLERS, ..Default::default() };
    let answer = client.request(request, Target::Any).await.map_err(failed)?;
    match answer.error_code {
        ErrorCode::NONE => {}
        ErrorCode::MISMATCHED_ENDPOINT_TYPE => return Ok((client, None)),
        code => {
            let failure = Failure::new(Exit::Failed, "cannot ask for the controllers").code(Some(code));
            return Err(failure.cause(answer.error_message.unwrap_or_else(|| code.message().to_owned())));
        }
    }
    let active = answer.brokers.iter().find(|controller| controller.broker_id == answer.controller_id);
    let address = active.map(|controller| match controller.host.contains(':') {
        true => format!("[{}]:{}", controller.host, controller.port),
        false => format!("{}:{}", controller.host, controller.port),
    });
    match address {
        Some(address) if address != client.bootstrap_address() => {
            let config = config.set("bootstrap.servers", &address).map_err(failed)?;
            Ok((connect::connect(config).await?, Some(answer.cluster_id)))
        }
        _ => Ok((client, Some(answer.cluster_id))),
    }
}
