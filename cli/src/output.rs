//! Which shape stdout takes: Kafka's exact lines, a table for people, or JSON.
//!
//! The rule is fixed so that no script is surprised: a pipe or a file gets Kafka's bytes, a terminal gets tables unless `--compat`, and
//! JSON comes only when asked for.

use std::io::{ErrorKind, IsTerminal, Write};

use clap::ValueEnum;
use tabled::builder::Builder;
use tabled::settings::{Padding, Style};

use crate::error::{Exit, Failure, Manner};

/// What `-o` accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputChoice {
    /// Kafka's own lines, byte for byte
    Kafka,
    /// A table for people
    Table,
    /// JSON with a "schema" field
    Json,
}

/// The shape of stdout in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Kafka's own lines.
    Kafka,
    /// Tables and escaped bytes, for a terminal.
    Human,
    /// JSON documents or lines.
    Json,
}

/// What stdout is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdout {
    /// A person looks at it.
    Terminal,
    /// A pipe or a file.
    Pipe,
}

impl Stdout {
    /// Looks at the process's own stdout.
    pub fn of_process() -> Self {
        if std::io::stdout().is_terminal() { Self::Terminal } else { Self::Pipe }
    }
}

impl Shape {
    /// The shape for what was asked and where it goes.
    pub fn choose(asked: Option<OutputChoice>, manner: Manner, stdout: Stdout) -> Self {
        match (asked, manner, stdout) {
            (Some(OutputChoice::Json), _, _) => Self::Json,
            (Some(OutputChoice::Table), _, _) => Self::Human,
            (Some(OutputChoice::Kafka), _, _) | (None, Manner::Kafka, _) => Self::Kafka,
            (None, Manner::Kinglet, Stdout::Terminal) => Self::Human,
            (None, Manner::Kinglet, Stdout::Pipe) => Self::Kafka,
        }
    }
}

/// Writes to stdout. A reader that closed the pipe has all it wanted, so that is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Failed, "cannot write to stdout").cause(error))
        }
        _ => Ok(()),
    }
}

/// Rows under a header, aligned by spaces, with a final newline.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut builder = Builder::default();
    builder.push_record(header);
    for row in rows {
        builder.push_record(row);
    }
    let text = builder.build().with(Style::blank()).with(Padding::new(0, 1, 0, 0)).to_string();
    let mut out: String = text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
    if out.is_empty() {
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_kafkas_lines_and_a_terminal_a_table() {
        assert_eq!(Shape::choose(None, Manner::Kinglet, Stdout::Pipe), Shape::Kafka);
        assert_eq!(Shape::choose(None, Manner::Kinglet, Stdout::Terminal), Shape::Human);
        assert_eq!(Shape::choose(None, Manner::Kafka, Stdout::Terminal), Shape::Kafka);
        assert_eq!(Shape::choose(Some(OutputChoice::Table), Manner::Kinglet, Stdout::Pipe), Shape::Human);
        assert_eq!(Shape::choose(Some(OutputChoice::Json), Manner::Kafka, Stdout::Pipe), Shape::Json);
    }

    #[test]
    fn columns_of_a_table_are_aligned() {
        let text =
            table(["TOPIC", "N"], [["a".to_owned(), "10".to_owned()], ["longer".to_owned(), "2".to_owned()]]);

        assert_eq!(text, "TOPIC   N\na       10\nlonger  2\n");
    }
}
