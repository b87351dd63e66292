//! What a tool says when something failed, and the exit code that goes with it.
//!
//! Every failure is one `error:` line with the object it is about, the `cause:` as the server or the system gave it, and a `hint:` with
//! what to do next. It goes to stderr, whatever the output format, so that stdout holds data only.

use std::fmt;
use std::process::ExitCode;

use kinglet::protocol::ErrorCode;
use serde_json::json;

/// How a run ended. Scripts rely on these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All done; also help, end of input, a time limit reached by design, and a reader that closed the pipe.
    Done = 0,
    /// The operation failed, wholly or for any item of it.
    Failed = 1,
    /// The command line or a configuration file is wrong.
    Usage = 2,
    /// No server could be reached in time.
    Unreachable = 3,
    /// A named topic or group does not exist.
    NotFound = 4,
    /// A condition that was asked for did not hold (`--fail-on-timeout`).
    Unmet = 5,
    /// Ended by a second Ctrl-C.
    Interrupted = 130,
    /// Ended by a second SIGTERM.
    Terminated = 143,
}

/// Whose rules the exit codes and texts follow where Kafka's differ from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Our own: usage errors exit with 2.
    Kinglet,
    /// As Kafka's tools (`--compat`): they know one code for all that fails, 1.
    Kafka,
}

impl Exit {
    /// The code for the process.
    pub fn code(self, manner: Manner) -> ExitCode {
        match (self, manner) {
            (Self::Usage | Self::Unreachable | Self::NotFound, Manner::Kafka) => ExitCode::from(1),
            (exit, Manner::Kinglet | Manner::Kafka) => ExitCode::from(exit as u8),
        }
    }
}

/// How stderr is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorStyle {
    /// Lines for people.
    Text,
    /// The same with the labels in colour.
    Colour,
    /// One JSON object (`-o json`).
    Json,
}

/// A failure as the user reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    exit: Exit,
    message: String,
    cause: Option<String>,
    notes: Vec<String>,
    hint: Option<String>,
    code: Option<ErrorCode>,
}

impl Failure {
    /// A failure that ends the run with `exit`; `message` names the object, lowercase, without a full stop.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), cause: None, notes: Vec::new(), hint: None, code: None }
    }

    /// A wrong command line or configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Adds why it failed, in the words of whoever refused.
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Adds a fact that helps to find the reason.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds Kafka's error code, for `-o json`.
    pub fn code(mut self, code: Option<ErrorCode>) -> Self {
        self.code = code;
        self
    }

    /// With another exit code.
    pub fn exiting(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// How the run ends.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The text for stderr, with its final newline.
    pub fn render(&self, style: ErrorStyle) -> String {
        match style {
            ErrorStyle::Text => self.text(["", "", ""]),
            ErrorStyle::Colour => self.text(["\x1b[1;31m", "\x1b[1;36m", "\x1b[0m"]),
            ErrorStyle::Json => self.json(),
        }
    }

    fn text(&self, [red, cyan, reset]: [&str; 3]) -> String {
        let mut out = format!("{red}error:{reset} {}\n", self.message);
        if let Some(cause) = &self.cause {
            out += &format!("{red}cause:{reset} {}\n", indented(cause));
        }
        for note in &self.notes {
            out += &format!("  {cyan}note:{reset} {}\n", indented(note));
        }
        if let Some(hint) = &self.hint {
            out += &format!("  {cyan}hint:{reset} {}\n", indented(hint));
        }
        out
    }

    fn json(&self) -> String {
        let error = json!({
            "error": {
                "code": self.code.map(|code| code.name()),
                "kafka_code": self.code.map(|code| code.0),
                "message": self.message,
                "cause": self.cause,
                "notes": self.notes,
                "hint": self.hint,
            }
        });
        format!("{error}\n")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The most similar of `names`, when one is similar enough to be what was meant.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Two edits, or a third of a long name: more than that suggests names that have nothing to do with each other.
    let limit = (wanted.chars().count() / 3).max(2);
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wanted, name), name))
        .filter(|(distance, name)| *distance <= limit && *distance < name.chars().count())
        .min()
        .map(|(_, name)| name)
}

/// Later lines stand under the first, so that a label always begins its own line.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n        ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_as_error_cause_note_and_hint() {
        let failure = Failure::new(Exit::Failed, "cannot create topic 't3'")
            .cause("Topic 't3' already exists.")
            .note("first line\nsecond line")
            .hint("--if-not-exists");

        let text = failure.render(ErrorStyle::Text);

        assert_eq!(
            text,
            "error: cannot create topic 't3'\ncause: Topic 't3' already exists.\n  note: first line\n        second line\n  hint: --if-not-exists\n"
        );
    }

    #[test]
    fn json_errors_carry_the_name_and_number_of_the_code() {
        let failure = Failure::new(Exit::NotFound, "unknown topic 'a'")
            .code(Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));

        let parsed: serde_json::Value =
            serde_json::from_str(&failure.render(ErrorStyle::Json)).expect("one JSON object");

        assert_eq!(parsed["error"]["code"], "UNKNOWN_TOPIC_OR_PARTITION");
        assert_eq!(parsed["error"]["kafka_code"], 3);
        assert_eq!(parsed["error"]["message"], "unknown topic 'a'");
    }

    #[test]
    fn only_a_similar_name_is_suggested() {
        assert_eq!(nearest("ordres", ["payments", "orders"]), Some("orders"));
        assert_eq!(nearest("x", ["orders"]), None);
        assert_eq!(nearest("t1typo", ["t1", "other"]), None);
        assert_eq!(nearest("ab", ["xy"]), None);
    }
}
