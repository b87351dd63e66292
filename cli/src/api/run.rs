//! Runs `kapi`: asks the brokers, prints the answers.

use std::io::{IsTerminal, Read, stdin};
use std::path::Path;

use kinglet::admin::BrokerInfo;
use kinglet::protocol::messages::ApiVersionsRequest;
use kinglet::protocol::{ApiKey, VersionRange};
use kinglet::{Client, Target};
use serde_json::Value;

use super::args::{Action, ApiArgs};
use super::message;
use super::render::{self, Node};
use crate::connect::{self, ToolSettings, failure_of, read_file};
use crate::error::{Exit, Failure};
use crate::output::{Shape, print};
use crate::tool::warn;

/// How long an answer may take.
const TIMEOUT_MS: u64 = 10_000;
/// No broker takes a larger request.
const STDIN_MAX: u64 = 100 * 1024 * 1024;

/// Does what the line says.
pub fn run(args: &ApiArgs) -> Result<Exit, Failure> {
    match args.action()? {
        Action::List => print(&render::list(args.common.shape())).map(|()| Exit::Done),
        Action::Versions => with_runtime(versions(args)),
        Action::Raw => {
            // What is wrong with the line needs no broker.
            let (_, version) = args.wanted()?;
            args.target()?;
            let request = message::parse(&request_text(args)?)?;
            if let Some(version) = version {
                message::encode(args.wanted()?.0, version, &request)?;
            }
            with_runtime(raw(args, &request))
        }
    }
}

fn with_runtime(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    // One thread: a second one would cost more to start than the few requests take.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
    runtime.block_on(work)
}

async fn connected(args: &ApiArgs) -> Result<Client, Failure> {
    let mut tool = ToolSettings::default();
    tool.defaults.set("default.api.timeout.ms", TIMEOUT_MS);
    tool.defaults.set("request.timeout.ms", TIMEOUT_MS);
    connect::connect(connect::config(&args.common, &tool, &mut warn)?).await
}

async fn versions(args: &ApiArgs) -> Result<Exit, Failure> {
    let client = connected(args).await?;
    let cluster = client.admin().describe_cluster().await;
    let cluster = cluster.map_err(|error| failure_of(&error, "cannot ask for the brokers"))?;
    let mut nodes = Vec::with_capacity(cluster.brokers.len());
    for broker in cluster.brokers {
        let apis = served(&client, &broker).await.map_err(|error| error.to_string());
        nodes.push(Node { broker, apis });
    }
    print(&render::versions(&nodes, args.common.shape()))?;
    Ok(Exit::Done)
}

async fn served(client: &Client, broker: &BrokerInfo) -> kinglet::Result<Vec<(ApiKey, VersionRange)>> {
    let question = ApiVersionsRequest {
        client_software_name: "kinglet".to_owned(),
        client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let answer = client.request(question, Target::Broker(broker.id)).await?;
    let api = |api: kinglet::protocol::messages::api_versions::ApiVersion| {
        (ApiKey(api.api_key), VersionRange::new(api.min_version, api.max_version))
    };
    Ok(answer.api_keys.into_iter().map(api).collect())
}

async fn raw(args: &ApiArgs, request: &Value) -> Result<Exit, Failure> {
    let (api, version) = args.wanted()?;
    let target = args.target()?;
    let client = connected(args).await?;
    let failed = |error: kinglet::Error| failure_of(&error, format!("cannot send {}", api.key.name()));
    let version = match version {
        Some(version) => version,
        None => client.version_of(api, &target).await.map_err(failed)?,
    };
    let body = message::encode(api, version, request)?;
    let answer = client.request_raw(api, version, body, &target).await.map_err(failed)?;
    let answer = message::decode(api, version, answer)?;
    let text = match args.common.shape() {
        Shape::Human => format!("{answer:#}\n"),
        Shape::Kafka | Shape::Json => format!("{answer}\n"),
    };
    print(&text)?;
    message::refusal(api, &answer).map_or(Ok(Exit::Done), Err)
}

/// The text of the request: as given, out of a file, or from standard input.
fn request_text(args: &ApiArgs) -> Result<String, Failure> {
    match args.json.as_deref() {
        Some("-") => read_stdin(),
        Some(text) => match text.strip_prefix('@') {
            Some(path) => read_file(Path::new(path)),
            None => Ok(text.to_owned()),
        },
        None if stdin().is_terminal() => Ok(String::new()),
        None => read_stdin(),
    }
}

fn read_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let read = stdin().take(STDIN_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| Failure::usage("cannot read the request from standard input").cause(error))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > STDIN_MAX {
        return Err(Failure::usage("the request is larger than 100 MiB"));
    }
    Ok(text)
}
