//! Kafka's command-line tools in one virtual machine, as each call would take one of its own.

use std::io;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use super::jars::Jars;
use crate::dialogue::{Dialogue, DialogueError};

/// The virtual machine.
#[derive(Debug)]
pub struct JavaTools {
    dialogue: Dialogue,
}

/// How a tool ended, Kafka's or ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status; -1 for one that a signal has ended.
    pub status: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

impl JavaTools {
    /// Starts the virtual machine.
    ///
    /// # Errors
    /// When there is no `java`.
    pub fn start(jars: &Jars) -> io::Result<Self> {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/java/Tools.java");
        Ok(Self { dialogue: Dialogue::start(&mut jars.source(Path::new(source)))? })
    }

    /// Runs the main method of a class; no word may have a tab or a line's end in it.
    ///
    /// # Errors
    /// When it has not ended within `limit`; then the virtual machine is ended.
    pub fn run(&mut self, class: &str, words: &[&str], limit: Duration) -> Result<Ran, DialogueError> {
        let answer = self.dialogue.ask(&[&[class], words].concat().join("\t"), limit)?;
        let mut parts = answer.split(' ');
        let status = parts.next().and_then(|status| status.parse().ok()).unwrap_or(-1);
        let mut text = || parts.next().and_then(|part| part.strip_prefix('x')).map(text_of);
        Ok(Ran { status, stdout: text().unwrap_or_default(), stderr: text().unwrap_or_default() })
    }
}

impl Ran {
    /// Itself, if it ended well.
    ///
    /// # Errors
    /// When it ended with another status than success.
    pub fn ok(self) -> Result<Self, Self> {
        if self.status == 0 { Ok(self) } else { Err(self) }
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let status = output.status.code().unwrap_or(-1);
        Self { status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

fn text_of(hex: &str) -> String {
    let digits = hex.bytes().filter_map(|byte| u8::try_from(char::from(byte).to_digit(16)?).ok());
    let digits: Vec<u8> = digits.collect();
    let bytes = digits.chunks_exact(2).filter_map(|pair| match pair {
        [high, low] => Some(high << 4 | low),
        _ => None,
    });
    String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
}
