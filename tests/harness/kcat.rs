//! kcat (Debian package `kcat`), the C client's command-line tool.

use std::process::Command;
use std::time::Duration;

use crate::absent::Absent;
use crate::process::{Input, run_ok};

/// kcat, found on this machine.
#[derive(Debug, Clone, Copy)]
pub struct Kcat(());

impl Kcat {
    /// Looks for kcat on the path.
    ///
    /// # Errors
    /// When it does not start.
    pub fn find() -> Result<Self, Absent> {
        run_ok(Command::new("kcat").arg("-V"), Input::Nothing, Duration::from_secs(10))
            .map(|_| Self(()))
            .map_err(|error| Absent::Program { program: "kcat", reason: error.to_string() })
    }

    /// A kcat command for that cluster; its mode (`-P`, `-C`, `-L`) and options follow.
    pub fn command(&self, bootstrap: &str) -> Command {
        let mut command = Command::new("kcat");
        command.args(["-b", bootstrap]);
        command
    }
}
