//! Everything that is to be said about a `server.properties`, at once.

use std::collections::BTreeMap;

use super::{Config, ConfigError, InvalidValue, Origin, broker, known, properties, quorum, unknown_notice};

/// Something to be said about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line, counted from 1; `None` if it is about what is not there.
    pub line: Option<usize>,
    /// How bad it is.
    pub severity: Severity,
    /// What is the matter.
    pub text: String,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// A broker starts, but not everything has an effect.
    Warning,
    /// No broker starts with it.
    Error,
}

/// What goes with another when it is refused: it would be refused only because of that.
const DEPENDENT: &[(&str, &str)] = &[("listeners", "advertised.listeners")];

impl Config {
    /// Everything that is wrong or odd, in the order of the lines. Directories and ports are not looked at.
    pub fn review(text: &str) -> Vec<Finding> {
        let (config, mut refused) = Self::read(text);
        // The keys that are left go together only if none that belongs to them is missing.
        if !refused.iter().any(|error| quorum::TOGETHER.contains(&error.invalid.key.as_str()))
            && let Err(error) = config.check()
        {
            refused.push(config.located(error.invalid));
        }
        let mut findings = config.warnings(text);
        findings.extend(refused.into_iter().map(|error| Finding {
            line: error.line,
            severity: Severity::Error,
            text: ConfigError { line: None, ..error }.to_string(),
        }));
        findings.sort_by_key(|finding| finding.line.unwrap_or(usize::MAX));
        findings
    }

    /// Reads a file; what is refused is left out of the result.
    pub(super) fn read(text: &str) -> (Self, Vec<ConfigError>) {
        let mut config = Self::default();
        let mut refused = Vec::new();
        for entry in properties::parse(text) {
            if let Err(error) = config.give(&entry.key, &entry.value, Origin::Line(entry.line)) {
                refused.push(error.at_line(entry.line));
                config.forget(&entry.key);
            }
        }
        while let Err(invalid) = config.resolve() {
            let is_left = config.forget(&invalid.key);
            refused.push(config.located(invalid));
            if !is_left {
                break;
            }
        }
        (config, refused)
    }

    /// Takes a key back, with what depends on it; whether there was anything.
    fn forget(&mut self, key: &str) -> bool {
        let mut was_given = self.given.remove(key).is_some();
        for (of, name) in DEPENDENT {
            // An address that others are told is made of the listener's, when it was not given.
            if *of == key || (*name == key && !was_given) {
                was_given |= self.given.remove(of).is_some() | self.given.remove(name).is_some();
            }
        }
        was_given
    }

    fn located(&self, invalid: InvalidValue) -> ConfigError {
        let line = match self.origins.get(&invalid.key) {
            Some(Origin::Line(line)) => Some(*line),
            Some(Origin::Default | Origin::Option(_)) | None => None,
        };
        ConfigError { line, invalid }
    }

    fn warnings(&self, text: &str) -> Vec<Finding> {
        let mut warnings = Vec::new();
        let mut first = BTreeMap::new();
        for entry in properties::parse(text) {
            let mut warn =
                |text| warnings.push(Finding { line: Some(entry.line), severity: Severity::Warning, text });
            let key = entry.key.as_str();
            if let Some(before) = first.insert(entry.key.clone(), entry.line) {
                warn(format!("{key}: line {before} says it too, and does not count"));
            }
            if key == "zookeeper.connect" {
                warn(self.zookeeper_notice());
            } else if broker::find(key).is_none() {
                let is_known = known::is_known(key);
                warn(if is_known {
                    format!("{key}: accepted, but without an effect here")
                } else {
                    unknown_notice(key)
                });
            }
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<(Option<usize>, Severity, String)> {
        Config::review(text).into_iter().map(|found| (found.line, found.severity, found.text)).collect()
    }

    #[test]
    fn all_errors_and_warnings_are_told_at_once_by_line() {
        use Severity::{Error, Warning};
        let found = findings(
            "num.partitions=many\nlog.retention.hour=1\nlisteners=nonsense\nadvertised.listeners=OTHER://h:1\n\
             log.dirs=/a,/a\nsocket.send.buffer.bytes=1\nlog.segment.bytes=100 # small\nnum.io.threads=1\nnum.io.threads=2\n",
        );
        let told: Vec<_> = found.iter().map(|(line, severity, _)| (line.unwrap(), *severity)).collect();
        let expected =
            [(1, Error), (2, Warning), (3, Error), (5, Error), (6, Warning), (7, Error), (9, Warning)];
        assert_eq!(told, expected, "{found:#?}");
        assert!(found[1].2.ends_with("did you mean log.retention.hours?"));
        assert!(found[5].2.ends_with("write log.segment.bytes=100)"));
        assert_eq!(found[6].2, "num.io.threads: line 8 says it too, and does not count");
    }

    #[test]
    fn keys_that_do_not_go_together_are_an_error_in_the_line_of_the_first() {
        let found =
            findings("node.id=3\nprocess.roles=broker,controller\ncontroller.quorum.voters=1@a:1,2@b:1");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].0, found[0].1), (Some(2), Severity::Error));
        let found = findings("zookeeper.connect=a:2181,b:2181");
        assert_eq!(found.iter().filter(|found| found.1 == Severity::Error).count(), 1, "{found:?}");
    }

    #[test]
    fn an_address_nobody_can_connect_to_hides_nothing_else() {
        let found = findings("listeners=PLAINTEXT://0.0.0.0:9092\nlog.dirs=/a,/a");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|found| found.1 == Severity::Error), "{found:?}");
    }

    #[test]
    fn nothing_is_said_about_a_file_that_is_right() {
        assert_eq!(findings("broker.id=0\nlog.dirs=/a\nnum.partitions=3\n"), []);
    }
}
