//! What a test does when a program of the outside world is not on this machine.
//!
//! A developer without Java or kcat must still be able to run every test: there it says aloud that it
//! was skipped. In CI (`CI=true`) nothing may be missing, so a skip is a failure.

use std::io::Write;

/// Why a program of the outside world cannot be used here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Absent {
    /// The program is not on the path, or does not start.
    #[error("{program} does not run here: {reason}")]
    Program {
        /// The program's name.
        program: &'static str,
        /// What the system said.
        reason: String,
    },
    /// The program's files could not be fetched from their registry.
    #[error("cannot fetch {what}: {reason}")]
    Download {
        /// What was wanted.
        what: String,
        /// The end of what the fetching program said.
        reason: String,
    },
}

/// The value, or `None` after saying on stderr that `test` is skipped.
///
/// # Panics
/// With `CI=true` in the environment, where a skipped test would be a hole that nobody sees.
pub fn or_skip<T>(test: &str, found: Result<T, Absent>) -> Option<T> {
    match found {
        Ok(value) => Some(value),
        Err(absent) => {
            assert!(!in_ci(), "{test}: {absent} (with CI=true no test may be skipped)");
            // Not eprintln!: the test runner would swallow it when the test passes.
            // A closed stderr has nobody left to tell.
            let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {absent}");
            None
        }
    }
}

/// Whether this is a run in which everything has to be tested: `CI=true`.
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}
