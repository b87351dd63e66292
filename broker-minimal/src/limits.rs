//! File descriptors: each connection and each partition that is written needs one, and running out stops both.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process open as many files as the system allows it to, and says how many that is. For programs; a library leaves
/// the process's limits alone.
pub fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Where it is refused, the lower limit holds: connections are counted against it.
    let _refused = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current
}

/// How many connections may be open: what is configured, but a quarter of the descriptors stays for files.
pub(crate) fn connections(configured: usize) -> usize {
    let Some(files) = getrlimit(Resource::Nofile).current else { return configured };
    configured.min(usize::try_from(files - files / 4).unwrap_or(usize::MAX))
}
