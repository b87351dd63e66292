//! `kbroker --daemon`: the same command once more, in a session of its own, and what became of its start.

use std::convert::Infallible;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::supervisor::processes::{open_log, tail};

/// What the log is called, in the (first) data directory.
const LOG: &str = "kbroker.log";
/// The last line of the screen that says that brokers serve. It names keys of a terminal that a daemon does not have.
const LAST_LINE: &str = "  stop ";
/// What a broker says that cannot serve before others come.
const WAITING: &str = "waiting for the other nodes of the cluster; it serves when enough of them run";
/// How long others may take before who called is told that they are waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why nothing runs in the background.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    #[error("{}: {source}", path.display())]
    Log { path: PathBuf, source: io::Error },
    #[error("it cannot be started: {0}")]
    Spawn(io::Error),
    #[error("it has ended: {status}; the end of {}:\n{}", log.display(), said.trim_end())]
    Ended { status: ExitStatus, log: PathBuf, said: String },
}

/// Starts what the command line says in the background, with its log in `dir`, and returns when it serves or waits for others.
pub(crate) fn start(dir: &Path) -> Result<(), DaemonError> {
    let path = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf()).join(LOG);
    let failed = |source| DaemonError::Log { path: path.clone(), source };
    let log = open_log(&path).map_err(failed)?;
    let log_start = log.metadata().map_err(failed)?.len();
    let program = std::env::current_exe().map_err(DaemonError::Spawn)?;
    let mut command = Command::new(program);
    // In front, where no `--` can make a file name of it.
    command.arg("--detached").args(std::env::args_os().skip(1));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().map_err(DaemonError::Spawn)?;
    // Nobody may be reading what is said here: it runs all the same.
    let mut out = io::stdout();
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let Ok(line) = line else { break };
        if line == WAITING {
            let _unread = writeln!(out, "kinglet {}  {WAITING}", env!("CARGO_PKG_VERSION"));
        }
        if line == WAITING || line.starts_with(LAST_LINE) {
            let dir = path.parent().unwrap_or(dir).display();
            let _unread = writeln!(out, "  log    {}", path.display());
            let _unread = writeln!(
                out,
                "  stop   kbroker stop --data-dir {dir}   (pid {}, in {dir}/.lock)",
                child.id()
            );
            return Ok(());
        }
        let _unread = writeln!(out, "{line}");
    }
    // Its output ends when it does.
    let status = child.wait().map_err(DaemonError::Spawn)?;
    let said = tail(&path, log_start);
    Err(DaemonError::Ended { status, log: path, said })
}

/// Leaves the session of the terminal, whose end would end this process too.
pub(crate) fn detach() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// Says after a while that others are waited for, if that is asked for. Never resolves.
pub(crate) async fn patience(is_asked_for: bool) -> Infallible {
    if is_asked_for {
        tokio::time::sleep(PATIENCE).await;
        let _unread = writeln!(io::stdout(), "{WAITING}");
    }
    std::future::pending().await
}
