//! File descriptors: each connection and each partition that is written needs one, and running out stops both.

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Of so many descriptors one is kept for files, at the end: a log rolls also when connections have taken what they could.
const SPARE_SHARE: u64 = 16;
/// So many at least.
const SPARE_MIN: u64 = 16;

/// With fewer a broker that has something to do runs short.
const FEW: u64 = 4096;

/// Lets this process open as many files as it can, and says so where these are few. For programs.
pub fn prepare() {
    let Some(open_files) = raise_open_files().filter(|files| *files < FEW) else { return };
    let connections = connections(usize::MAX);
    tracing::warn!(open_files, connections, "few files may be open, raise `ulimit -Hn` for more connections");
}

/// Lets this process open as many files as the system allows it to, and says how many that is. For programs; a library leaves
/// the process's limits alone.
pub fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Where it is refused, the lower limit holds: connections are counted against it.
    let _refused = setrlimit(Resource::Nofile, raised);
    open_files()
}

/// How many files this process may have open; `None` without a limit.
pub(crate) fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many connections may be open: what is configured, but a quarter of the descriptors stays for files.
pub(crate) fn connections(configured: usize) -> usize {
    let Some(files) = open_files() else { return configured };
    configured.min(usize::try_from(files - files / 4).unwrap_or(usize::MAX))
}

/// Whether a socket that was just opened, and still is, takes of what is kept for files. The system always gives the lowest number
/// that is free: one near the end tells that those before it are in use, for connections or for files.
pub(crate) fn is_scarce(socket: &(impl AsFd + AsRawFd)) -> bool {
    let Some(files) = open_files() else { return false };
    let end = files.saturating_sub((files / SPARE_SHARE).max(SPARE_MIN));
    let is_near_end = |number: i32| u64::try_from(number).is_ok_and(|number| number >= end);
    // Others may have been closed since.
    is_near_end(socket.as_raw_fd())
        && fcntl_dupfd_cloexec(socket, 0).map_or(true, |lowest| is_near_end(lowest.as_raw_fd()))
}
