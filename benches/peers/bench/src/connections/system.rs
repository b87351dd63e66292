//! Descriptors: of this process, and of others.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use peers_kit::Fallible;

/// Lets this process open as many files as it may, which must be so many.
pub(super) fn raise_open_files(need: u64) -> Fallible<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    if hard < need {
        return Err(format!(
            "{need} open files are needed and {hard} are allowed: raise `ulimit -Hn`, or use --idle"
        )
        .into());
    }
    Ok(())
}
