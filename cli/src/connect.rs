//! From flags to a connected client, and from the client's errors to what the user reads.

use std::io::Read;
use std::path::Path;

use kinglet::protocol::ErrorCode;
use kinglet::{Client, Config, ErrorKind};

use crate::args::CommonArgs;
use crate::error::{Exit, Failure, nearest};
use crate::settings::Settings;

/// What a tool sets for itself, from weakest to strongest around the user's own settings.
#[derive(Clone, Debug, Default)]
pub struct ToolSettings {
    /// Apply unless a file or property says otherwise.
    pub defaults: Settings,
    /// What flags say: they beat files and properties.
    pub flags: Settings,
}

/// The client's configuration out of everything the user said. Warnings about settings go to stderr through `warn`.
pub fn config(args: &CommonArgs, tool: &ToolSettings, warn: &mut dyn FnMut(&str)) -> Result<Config, Failure> {
    let bootstrap = args.bootstrap(|name| std::env::var(name).ok())?;
    if args.zookeeper.is_some() {
        warn("--zookeeper is not used: there is no ZooKeeper, the brokers answer");
    }
    let mut config = Config::new(&bootstrap);
    for (key, value) in tool.defaults.iter() {
        config = set(config, key, value)?;
    }
    if let Some(path) = &args.command_config {
        config = apply_file(config, path)?;
        for unknown in config.unknown() {
            let meant = unknown.nearest.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            warn(&format!("{}: {} is not a client setting{meant}", path.display(), unknown.key));
        }
    }
    for (key, value) in args.properties()?.iter() {
        config = match config.clone().set(key, value) {
            Ok(config) => config,
            // As Java's clients: a setting that is not known is a warning, a value that is wrong is an error.
            Err(error) if is_setting(key) => return Err(setting_failure(key, value, &error)),
            Err(error) => {
                warn(&format!(
                    "{key} is not a client setting{}",
                    error.hint().map(|h| format!("; {h}")).unwrap_or_default()
                ));
                config
            }
        };
    }
    for (key, value) in tool.flags.iter() {
        config = set(config, key, value)?;
    }
    // The address is the flag's, whatever a properties file says, as in Kafka's tools.
    config = set(config, "bootstrap.servers", &bootstrap)?;
    Ok(config)
}

/// Connects, or says which addresses were tried and what the system answered.
pub async fn connect(config: Config) -> Result<Client, Failure> {
    Client::connect(config).await.map_err(|error| first_failure(&error, "cannot reach the cluster"))
}

/// As [`failure_of`], before anything was achieved: no answer in time means that the cluster cannot be reached.
pub fn first_failure(error: &kinglet::Error, what: impl Into<String>) -> Failure {
    let failure = failure_of(error, what);
    match error.kind() {
        ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Disconnected => {
            failure.exiting(Exit::Unreachable)
        }
        _ => failure,
    }
}

/// True for a key of Kafka's clients, whatever the value would be.
fn is_setting(key: &str) -> bool {
    Config::from_properties(&format!("{key}=")).map_or(true, |config| config.unknown().is_empty())
}

fn apply_file(config: Config, path: &Path) -> Result<Config, Failure> {
    let text = read_file(path)?;
    config.apply_properties(&text).map_err(|error| {
        Failure::usage(format!("{} is not a properties file we can use", path.display())).cause(&error)
    })
}

/// The text of a file that the command line names.
pub fn read_file(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {}", path.display())).cause(error))
}

/// As [`read_file`]; `-` is standard input.
pub fn read_input(path: &Path) -> Result<String, Failure> {
    if path.as_os_str() != "-" {
        return read_file(path);
    }
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map_err(|error| Failure::usage("cannot read standard input").cause(error))?;
    Ok(text)
}

fn set(config: Config, key: &str, value: &str) -> Result<Config, Failure> {
    config.set(key, value).map_err(|error| setting_failure(key, value, &error))
}

fn setting_failure(key: &str, value: &str, error: &kinglet::Error) -> Failure {
    let failure = Failure::usage(format!("{key}={value} cannot be used")).cause(error);
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// What the user reads of a client's error about `what` was being done.
pub fn failure_of(error: &kinglet::Error, what: impl Into<String>) -> Failure {
    let exit = match error.kind() {
        ErrorKind::Config => Exit::Usage,
        ErrorKind::Unreachable => Exit::Unreachable,
        ErrorKind::UnknownTopic | ErrorKind::UnknownPartition => Exit::NotFound,
        _ => Exit::Failed,
    };
    let mut failure = Failure::new(exit, what).code(error.code());
    failure = match error.broker_message().filter(|text| !text.is_empty()) {
        Some(text) => failure.cause(text),
        None => failure.cause(cause_of(error)),
    };
    let context = error.context();
    if context.attempts > 1 {
        let elapsed =
            context.elapsed.map(|time| format!(" in {:.1} s", time.as_secs_f64())).unwrap_or_default();
        failure = failure.note(format!("{} attempts{elapsed}", context.attempts));
    }
    match error.hint().or_else(|| error.code().and_then(hint_of_code)) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// The error's text, without saying an address twice.
fn cause_of(error: &kinglet::Error) -> String {
    let text = error.to_string();
    let Some(cause) = error.cause() else { return text };
    let headline = text.strip_suffix(cause).and_then(|headline| headline.strip_suffix(": "));
    match headline.and_then(|headline| headline.split_whitespace().last()) {
        Some(address) if cause.starts_with(&format!("{address}: ")) => cause.to_owned(),
        _ => text,
    }
}

/// A topic that does not exist, with the name that may have been meant.
pub async fn unknown_topic(client: &Client, topic: &str, otherwise: &str) -> Failure {
    let failure = Failure::new(Exit::NotFound, format!("unknown topic '{topic}'"))
        .code(Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    // Without the list the error is as true, only less helpful.
    let names: Vec<String> = client
        .admin()
        .list_topics()
        .await
        .map(|topics| topics.into_iter().map(|topic| topic.name).collect())
        .unwrap_or_default();
    match nearest(topic, names.iter().map(String::as_str)) {
        Some(near) => failure.hint(format!("did you mean '{near}'? {otherwise}")),
        None if names.is_empty() => failure.hint(format!("the cluster has no topics; {otherwise}")),
        None => failure.hint(format!("ktopics --list shows what there is; {otherwise}")),
    }
}

/// What usually helps, for the codes that users meet.
fn hint_of_code(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::TOPIC_ALREADY_EXISTS => "--if-not-exists makes this no error",
        ErrorCode::INVALID_REPLICATION_FACTOR => "ask for no more replicas than there are brokers",
        ErrorCode::INVALID_PARTITIONS => "partitions can only be added",
        ErrorCode::INVALID_TOPIC_EXCEPTION => "names have at most 249 letters, digits, '.', '_' and '-'",
        ErrorCode::MESSAGE_TOO_LARGE => "raise the topic's max.message.bytes, or send smaller batches",
        ErrorCode::NOT_ENOUGH_REPLICAS | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND => {
            "too few replicas are in sync: ktopics --describe --under-min-isr-partitions"
        }
        ErrorCode::LEADER_NOT_AVAILABLE => {
            "ktopics --describe --unavailable-partitions shows which brokers are missing"
        }
        ErrorCode::TOPIC_AUTHORIZATION_FAILED
        | ErrorCode::GROUP_AUTHORIZATION_FAILED
        | ErrorCode::CLUSTER_AUTHORIZATION_FAILED => "the broker's ACLs do not allow this user to do it",
        ErrorCode::UNSUPPORTED_VERSION => "the broker is too old for this",
        ErrorCode::MISMATCHED_ENDPOINT_TYPE => {
            "a controller listens there: name a broker's address, or give this one to --bootstrap-controller, where a tool has it"
        }
        _ => return None,
    })
}
