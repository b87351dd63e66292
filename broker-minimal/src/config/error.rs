//! Why a configuration stops the start: key, value and line.

use super::value::InvalidValue;

/// Why a configuration stops the start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{invalid}{}", at(*line), comment_hint(invalid))]
pub struct ConfigError {
    /// The line of the file, counted from 1, if it came from one.
    pub line: Option<usize>,
    /// Key, value and what is wrong.
    #[source]
    pub invalid: InvalidValue,
}

impl ConfigError {
    pub(super) fn at_line(self, line: usize) -> Self {
        Self { line: Some(line), ..self }
    }
}

fn at(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}: "))
}

/// Tutorials put comments behind values; Java takes them for a part of the value.
fn comment_hint(invalid: &InvalidValue) -> String {
    match invalid.value.split_once('#') {
        Some((value, _)) => format!(
            " (a # comment after a value is not part of the format: write {}={})",
            invalid.key,
            value.trim_end()
        ),
        None => String::new(),
    }
}
