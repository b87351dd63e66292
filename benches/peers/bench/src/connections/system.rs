//! What the system says: of descriptors, and of a virtual machine's memory.

use std::process::Command;

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

/// What a virtual machine of Java's has in use after a collection; `None` when it cannot be asked. It keeps what it once had, so what it has resident
/// says nothing of connections.
pub(super) fn heap_bytes(pid: u32) -> Option<u64> {
    let ask = |what: &str| {
        let output = Command::new("jcmd").args([&pid.to_string(), what]).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    ask("GC.run")?;
    parse_heap(&ask("GC.heap_info")?)
}

/// The first "used 123K".
fn parse_heap(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("used ")?;
    let (kib, _) = rest.split_once('K')?;
    Some(kib.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_is_what_is_used_of_it() {
        let said = "4242:\n garbage-first heap   total reserved 1048576K, committed 1048576K, used 162304K [0x0, 0x1)\n  region size 1024K\n Metaspace used 1K";
        assert_eq!(parse_heap(said), Some(162_304 * 1024));
        assert_eq!(parse_heap("no such process"), None);
    }
}
