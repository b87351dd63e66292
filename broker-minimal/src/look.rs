//! Configurations looked at, with nothing started: `--print-config` and `config check`.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use kinglet_broker::Config;
use kinglet_broker::config::{Origin, Severity};

use crate::command_line::{Failure, text_of};

/// Prints every key with its value, and in front of it the place where that was said.
pub(crate) fn print(config: &Config, file: Option<&Path>) {
    for notice in config.notices() {
        eprintln!("warning: {notice}");
    }
    let file = file.map_or_else(String::new, |path| path.display().to_string());
    let keys: Vec<_> = config
        .effective()
        .into_iter()
        .map(|key| {
            let origin = match key.origin {
                Origin::Default => "default".to_owned(),
                Origin::Line(line) => format!("{file}:{line}"),
                Origin::Option(option) => option.to_owned(),
            };
            (origin, key)
        })
        .collect();
    let width = keys.iter().map(|(origin, _)| origin.chars().count()).max().unwrap_or(0);
    let mut out = BufWriter::new(io::stdout().lock());
    for (origin, key) in keys {
        // A reader that has seen enough, as `head`, is no failure.
        let _unread = writeln!(out, "{origin:width$}  {}={}", key.name, key.value);
    }
}

/// Prints all that is to be said about a file, in the form of compilers.
pub(crate) fn check(file: &Path) -> Result<(), Failure> {
    let findings = Config::review(&text_of(file)?);
    let errors = findings.iter().filter(|found| found.severity == Severity::Error).count();
    let warnings = findings.len() - errors;
    let mut out = BufWriter::new(io::stdout().lock());
    for found in findings {
        let line = found.line.map_or_else(String::new, |line| format!("{line}:"));
        let severity = match found.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let _unread = writeln!(out, "{}:{line} {severity}: {}", file.display(), found.text);
    }
    let _unread =
        writeln!(out, "{}: {}, {}", file.display(), count(errors, "error"), count(warnings, "warning"));
    if errors == 0 { Ok(()) } else { Err(Failure::Refused(file.to_path_buf())) }
}

fn count(number: usize, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}
