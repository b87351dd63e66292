//! A tool's conversation with a cluster: its settings, one thread, and a client that asks brokers or controllers.

use kinglet::admin::ClusterDescription;
use kinglet::protocol::ErrorCode;
use kinglet::{Admin, Client, Config};

use crate::args::CommonArgs;
use crate::connect::{self, ToolSettings, failure_of};
use crate::error::{Exit, Failure};
use crate::tool::warn;

/// How long an answer may take unless `--timeout` says otherwise.
const TIMEOUT_MS: u64 = 10_000;

/// The options of the tools that ask brokers or controllers.
#[derive(Clone, Debug, clap::Args)]
pub struct ServersArgs {
    /// Controllers to ask instead of brokers
    #[arg(
        long,
        value_name = "HOST:PORT,...",
        help_heading = "Connection",
        conflicts_with = "bootstrap_server"
    )]
    pub bootstrap_controller: Option<String>,
    /// Give up after this many milliseconds (10000)
    #[arg(long, value_name = "MS", help_heading = "Connection")]
    pub timeout: Option<u64>,
}

impl ServersArgs {
    /// A conversation with them.
    pub fn session<'a>(&'a self, common: &'a CommonArgs) -> Session<'a> {
        Session { common, controllers: self.bootstrap_controller.as_deref(), timeout_ms: self.timeout }
    }
}

/// What the command line says about it.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    /// Servers and settings.
    pub common: &'a CommonArgs,
    /// `--bootstrap-controller`: the controllers that are asked instead of brokers.
    pub controllers: Option<&'a str>,
    /// `--timeout`.
    pub timeout_ms: Option<u64>,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Servers {
    /// Brokers, which pass on what only controllers know.
    Brokers,
    /// The controller that is active.
    Controllers,
}

/// A client that has reached the cluster.
#[derive(Debug)]
pub struct Connected {
    /// The client.
    pub client: Client,
    /// Its admin.
    pub admin: Admin,
    /// Whom it asks.
    pub servers: Servers,
    /// The controllers, where these are asked: as they were told when the active one was looked for.
    controllers: Option<ClusterDescription>,
}

impl Connected {
    /// The brokers, or the controllers where these are asked, and the cluster's id.
    pub async fn cluster(&self) -> kinglet::Result<ClusterDescription> {
        match &self.controllers {
            None => self.admin.describe_cluster().await,
            Some(controllers) => Ok(controllers.clone()),
        }
    }
}

impl Session<'_> {
    /// Connects and does the work.
    pub fn run(self, work: impl AsyncFnOnce(Connected) -> Result<Exit, Failure>) -> Result<Exit, Failure> {
        let mut tool = ToolSettings::default();
        let (settings, ms) = match self.timeout_ms {
            Some(ms) => (&mut tool.flags, ms),
            None => (&mut tool.defaults, TIMEOUT_MS),
        };
        settings.set("default.api.timeout.ms", ms);
        settings.set("request.timeout.ms", ms);
        let mut common = self.common.clone();
        if let Some(controllers) = self.controllers {
            common.bootstrap_server = Some(controllers.to_owned());
        }
        let config = connect::config(&common, &tool, &mut warn)?;
        // One thread: a second one would cost more to start than the few requests take.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
        runtime.block_on(async {
            let client = connect::connect(config.clone()).await?;
            let (client, controllers) = match self.controllers {
                None => (client, None),
                Some(_) => active_controller(client, config).await?,
            };
            let servers = if controllers.is_some() { Servers::Controllers } else { Servers::Brokers };
            work(Connected { admin: client.admin(), client, servers, controllers }).await
        })
    }
}

/// The controller that leads: it alone can answer all questions. A server that is both broker and controller at one address
/// is asked as a broker.
async fn active_controller(
    client: Client,
    config: Config,
) -> Result<(Client, Option<ClusterDescription>), Failure> {
    let failed = |error: kinglet::Error| failure_of(&error, "cannot ask for the controllers");
    let controllers = match client.admin().describe_controllers().await {
        Ok(controllers) => controllers,
        Err(error) if error.code() == Some(ErrorCode::MISMATCHED_ENDPOINT_TYPE) => {
            return Ok((client, None));
        }
        Err(error) => return Err(failed(error)),
    };
    let active = controllers.brokers.iter().find(|controller| Some(controller.id) == controllers.controller);
    let address = active.map(|controller| match controller.host.contains(':') {
        true => format!("[{}]:{}", controller.host, controller.port),
        false => format!("{}:{}", controller.host, controller.port),
    });
    match address {
        Some(address) if address != client.bootstrap_address() => {
            let config = config.set("bootstrap.servers", &address).map_err(failed)?;
            Ok((connect::connect(config).await?, Some(controllers)))
        }
        _ => Ok((client, Some(controllers))),
    }
}
