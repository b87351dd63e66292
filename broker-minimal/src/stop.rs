//! `kbroker stop`: asks the process that uses a data directory to stop, and waits until it has ended.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kinglet_broker::log::{DirError, DirLock};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::time::interval;

use crate::command_line::Failure;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(20);
/// What a broker takes to hand on its leaderships and to close its logs, and more.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a process may take from letting go of its directory to its end. One whose parent does not look at it is never gone.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why nothing was stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StopError {
    #[error("no broker runs on {}", .0.display())]
    NoneRuns(PathBuf),
    #[error("process {pid}, which uses {}: {source}", dir.display())]
    Signal { pid: i32, dir: PathBuf, source: io::Error },
    #[error("process {pid}, which uses {}, has not ended within {} s; kill -9 {pid} ends it at once", dir.display(), LIMIT.as_secs())]
    StillRuns { pid: i32, dir: PathBuf },
}

/// Stops the broker, or the brokers of `--cluster`, whose directory this is.
pub(crate) fn stop(dir: &Path) -> Result<(), Failure> {
    let none_runs = || StopError::NoneRuns(dir.to_path_buf());
    let raw = DirLock::holder(dir)?.ok_or_else(none_runs)?;
    let pid = Pid::from_raw(raw).ok_or_else(none_runs)?;
    let failed = |source: rustix::io::Errno| StopError::Signal {
        pid: raw,
        dir: dir.to_path_buf(),
        source: source.into(),
    };
    kill_process(pid, Signal::TERM).map_err(failed)?;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().map_err(Failure::Runtime)?.block_on(ended(dir, pid))?;
    // Nobody may be reading.
    let _unread = writeln!(io::stdout(), "stopped: process {raw}, data in {}", dir.display());
    Ok(())
}

async fn ended(dir: &Path, pid: Pid) -> Result<(), Failure> {
    let mut looks = interval(LOOK);
    let began = looks.tick().await;
    let mut held = began;
    loop {
        let now = looks.tick().await;
        match DirLock::holder(dir) {
            Ok(holder) if holder != Some(pid.as_raw_pid()) => {}
            // One that is about to let go has taken its number away.
            Ok(_) | Err(DirError::InUse(_)) => held = now,
            Err(error) => return Err(error.into()),
        }
        if test_kill_process(pid).is_err() || now.duration_since(held) >= LAST_WORDS {
            return Ok(());
        }
        if now.duration_since(began) >= LIMIT {
            return Err(StopError::StillRuns { pid: pid.as_raw_pid(), dir: dir.to_path_buf() }.into());
        }
    }
}
