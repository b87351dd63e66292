//! The loggers of this process, and their levels, which can be changed while it runs (KIP-412). A change is forgotten at the end.
//!
//! There is one log for all brokers of a process. Where nobody has set it up here, as in programs that start brokers of their own,
//! it belongs to them: then there are no loggers.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, IsTerminal};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::incremental_alter_configs::AlterableConfig;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, Targets};

use crate::config::Quoted;
use crate::meta::{APPEND, DELETE, Mode, SET, SUBTRACT};

const ROOT: &str = "root";
/// What can be said of by itself, with dots as Kafka has them: keys of configurations know no colons.
const NAMES: [&str; 15] = [
    ROOT,
    "kbroker",
    "kinglet",
    "kinglet_broker",
    "kinglet_broker.api",
    "kinglet_broker.cluster",
    "kinglet_broker.group",
    "kinglet_broker.handle",
    "kinglet_broker.limits",
    "kinglet_broker.log",
    "kinglet_broker.meta",
    "kinglet_broker.replica",
    "kinglet_broker.server",
    "kinglet_broker.shard",
    "openraft",
];
/// Kafka's names for levels. Nothing is so severe as to be shown at the first of them.
const LEVELS: [(&str, LevelFilter); 6] = [
    ("FATAL", LevelFilter::OFF),
    ("ERROR", LevelFilter::ERROR),
    ("WARN", LevelFilter::WARN),
    ("INFO", LevelFilter::INFO),
    ("DEBUG", LevelFilter::DEBUG),
    ("TRACE", LevelFilter::TRACE),
];

static LOG: OnceLock<Log> = OnceLock::new();

/// The log of the process.
struct Log {
    said: Said,
    reload: Box<dyn Fn(EnvFilter) -> bool + Send + Sync>,
}

/// Sets the log of the process up, once: everything goes to standard error. `said` is what the user wants to see, in the words of
/// `RUST_LOG`.
pub fn install(said: &str) {
    // What the consensus says of itself is for those who develop it; what users need of it is said by the broker.
    let said = Said::new(format!("info,openraft=off,{said}"));
    let log = tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let log = log.with_env_filter(said.filter()).with_filter_reloading();
    let handle = log.reload_handle();
    log.init();
    let reload = Box::new(move |filter| handle.reload(filter).is_ok());
    // A second one would have panicked above.
    let _first = LOG.set(Log { said, reload });
}

/// Every logger with its level.
pub(crate) fn levels() -> Vec<(&'static str, String)> {
    LOG.get().map(|log| log.said.levels()).unwrap_or_default()
}

/// Changes levels, all of them or none.
pub(crate) fn alter(changes: &[AlterableConfig], mode: Mode) -> Result<(), LoggerError> {
    let Some(log) = LOG.get() else {
        return match changes.first() {
            Some(change) => Err(LoggerError::Unknown(change.name.clone())),
            None => Ok(()),
        };
    };
    let after = log.said.after(changes)?;
    if mode == Mode::Apply {
        for change in changes {
            let (logger, level) = (&change.name, change.value.as_deref().unwrap_or("none of its own"));
            tracing::info!(logger, level, "level of a logger changed");
        }
        *log.said.set() = after;
        if !(log.reload)(log.said.filter()) {
            tracing::error!("the log has gone, levels have no effect");
        }
    }
    Ok(())
}

/// What decides about levels.
struct Said {
    /// At the start.
    first: String,
    /// Since then.
    set: Mutex<Set>,
}

/// Kafka's word for the level and the level, by the logger's name.
type Set = BTreeMap<&'static str, (&'static str, LevelFilter)>;

impl Said {
    fn new(first: String) -> Self {
        Self { first, set: Mutex::default() }
    }

    /// A poisoned lock means that a holder panicked; looking and putting do not.
    fn set(&self) -> MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn filter(&self) -> EnvFilter {
        let set = self.set();
        let set = set.iter().map(|(name, (_, level))| match *name {
            ROOT => format!(",{level}"),
            name => format!(",{}={level}", target(name)),
        });
        EnvFilter::builder().parse_lossy(format!("{}{}", self.first, set.collect::<String>()))
    }

    fn levels(&self) -> Vec<(&'static str, String)> {
        // What is said of spans and fields is no level of a logger.
        let first =
            self.first.split(',').filter(|one| !one.is_empty()).filter_map(|one| one.parse::<Targets>().ok());
        let first = first.flat_map(|one| match one.default_level() {
            Some(level) => vec![(String::new(), level)],
            None => one.into_iter().collect(),
        });
        let mut said: BTreeMap<String, String> =
            first.map(|(target, level)| (target, level.to_string().to_uppercase())).collect();
        for (name, (word, _)) in &*self.set() {
            said.insert(target(name), (*word).to_owned());
        }
        let level = |name: &'static str| {
            let target = target(name);
            let nearest = said.iter().filter(|(prefix, _)| target.starts_with(prefix.as_str()));
            let level = nearest.max_by_key(|(prefix, _)| prefix.len()).map(|(_, level)| level.clone());
            (name, level.unwrap_or_default())
        };
        NAMES.map(level).into()
    }

    fn after(&self, changes: &[AlterableConfig]) -> Result<Set, LoggerError> {
        let mut seen = HashSet::new();
        if !changes.iter().all(|change| seen.insert(change.name.as_str())) {
            return Err(LoggerError::Twice);
        }
        let mut set = self.set().clone();
        for change in changes {
            let known = || {
                let name = NAMES.into_iter().find(|name| *name == change.name);
                name.ok_or_else(|| LoggerError::Unknown(change.name.clone()))
            };
            match (change.config_operation, &change.value) {
                (SET, Some(value)) => {
                    let name = known()?;
                    let level = LEVELS.into_iter().find(|(word, _)| word == value);
                    let unknown = || LoggerError::Level { logger: change.name.clone(), level: value.clone() };
                    set.insert(name, level.ok_or_else(unknown)?);
                }
                (SET, None) => return Err(LoggerError::Null(change.name.clone())),
                (DELETE, _) => match known()? {
                    ROOT => return Err(LoggerError::Root),
                    name => {
                        set.remove(name);
                    }
                },
                (APPEND, _) => return Err(LoggerError::NoList("APPEND")),
                (SUBTRACT, _) => return Err(LoggerError::NoList("SUBTRACT")),
                (other, _) => return Err(LoggerError::Operation(other)),
            }
        }
        Ok(set)
    }
}

/// As the log itself names it: the beginning of a path of modules, which is empty for the root.
fn target(name: &str) -> String {
    match name {
        ROOT => String::new(),
        // Or it would be the beginning of the broker's too.
        "kinglet" => "kinglet::".to_owned(),
        name => name.replace('.', "::"),
    }
}

/// Why levels stay as they are.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoggerError {
    #[error("Logger {} does not exist!", Quoted(.0))]
    Unknown(String),
    #[error(
        "Cannot set the log level of {} to {} as it is not a supported log level. \
         Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN",
        Quoted(logger),
        Quoted(level)
    )]
    Level { logger: String, level: String },
    #[error("Removing the log level of the root logger is not allowed")]
    Root,
    #[error("{0} operation is not allowed for the BROKER_LOGGER resource")]
    NoList(&'static str),
    #[error("Unknown operation type {0} is not allowed for the BROKER_LOGGER resource")]
    Operation(i8),
    #[error("Error due to duplicate config keys")]
    Twice,
    #[error("Null value not supported for : {}", Quoted(.0))]
    Null(String),
}

impl LoggerError {
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Unknown(_) | Self::Level { .. } => ErrorCode::INVALID_CONFIG,
            Self::Root | Self::NoList(_) | Self::Operation(_) | Self::Twice | Self::Null(_) => {
                ErrorCode::INVALID_REQUEST
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, config_operation: i8, value: Option<&str>) -> AlterableConfig {
        AlterableConfig { name: name.to_owned(), config_operation, value: value.map(str::to_owned) }
    }

    fn level(said: &Said, name: &str) -> String {
        said.levels().into_iter().find(|(known, _)| *known == name).expect("it is known").1
    }

    #[test]
    fn a_level_holds_for_what_is_below_until_it_is_taken_back() {
        let said = Said::new("info,openraft=off,kinglet_broker::log=warn,[span]=trace".to_owned());
        assert_eq!(level(&said, "root"), "INFO");
        assert_eq!(level(&said, "openraft"), "OFF");
        assert_eq!(level(&said, "kinglet_broker.log"), "WARN");

        let set = [
            change("kinglet_broker", SET, Some("DEBUG")),
            change("root", SET, Some("ERROR")),
            change("openraft", SET, Some("FATAL")),
        ];
        *said.set() = said.after(&set).expect("valid");
        for (name, word) in [
            ("kinglet_broker.shard", "DEBUG"),
            ("kinglet_broker.log", "WARN"),
            ("kbroker", "ERROR"),
            ("openraft", "FATAL"),
        ] {
            assert_eq!(level(&said, name), word, "{name}");
        }
        let filter = said.filter().to_string();
        for part in ["kinglet_broker=debug", "kinglet_broker::log=warn", "openraft=off"] {
            assert!(filter.contains(part), "{filter}");
        }
        assert!(filter.split(',').any(|part| part == "error"), "{filter}");

        let back = [change("kinglet_broker", DELETE, None)];
        *said.set() = said.after(&back).expect("valid");
        assert_eq!(level(&said, "kinglet_broker.shard"), "ERROR");
    }

    #[test]
    fn what_cannot_be_is_refused_in_kafkas_words() {
        let said = Said::new("info".to_owned());
        for (change, words) in [
            (change("nosuch", SET, Some("DEBUG")), "Logger nosuch does not exist!"),
            (change("nosuch", DELETE, None), "Logger nosuch does not exist!"),
            (
                change("root", SET, Some("LOUD")),
                "Cannot set the log level of root to LOUD as it is not a supported log level. \
                 Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN",
            ),
            (change("root", DELETE, None), "Removing the log level of the root logger is not allowed"),
            (
                change("root", APPEND, Some("x")),
                "APPEND operation is not allowed for the BROKER_LOGGER resource",
            ),
            (
                change("root", 9, Some("x")),
                "Unknown operation type 9 is not allowed for the BROKER_LOGGER resource",
            ),
        ] {
            assert_eq!(said.after(&[change]).expect_err(words).to_string(), words);
        }
        let twice = [change("root", SET, Some("INFO")), change("root", SET, Some("WARN"))];
        assert_eq!(said.after(&twice), Err(LoggerError::Twice));
    }

    #[test]
    fn every_module_that_logs_has_a_logger() {
        let src = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let text = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
        let logs = |path: &std::path::Path| {
            let mut open = vec![path.with_extension(""), path.with_extension("rs")];
            while let Some(path) = open.pop() {
                if let Ok(entries) = std::fs::read_dir(&path) {
                    open.extend(entries.map(|entry| entry.expect("it can be read").path()));
                } else if text(&path).contains("tracing::") {
                    return true;
                }
            }
            false
        };
        let lib = text(&src.join("lib.rs"));
        let modules = lib.lines().filter_map(|line| {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            line.strip_prefix("mod ")?.strip_suffix(';')
        });
        let missing: Vec<&str> = modules
            .filter(|module| *module != "loggers" && logs(&src.join(module)))
            .filter(|module| !NAMES.contains(&format!("kinglet_broker.{module}").as_str()))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
