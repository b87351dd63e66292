//! Child processes under a time limit: commands that end ([`run`]) and daemons that stay ([`Daemon`]),
//! and what a process has used of the machine ([`Usage`]).
//!
//! All waiting is for a condition (a line that was said, a stream that closed) with a limit; a
//! process counts as ended when its output streams are closed, so what is started here must not hand
//! them to children that outlive it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Lines of a daemon that are kept; the oldest go first.
const SAID_LINES_MAX: usize = 10_000;
/// Lines of output an error repeats.
const ERROR_LINES: usize = 20;

/// What a command reads from its standard input.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// An empty stream.
    Nothing,
    /// A file's content, handed over as the file itself.
    File(&'a Path),
    /// Bytes, through a pipe.
    Bytes(&'a [u8]),
}

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It could not be started, or its streams failed.
    #[error("{command}: {source}")]
    Io {
        /// The command line.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// It had not ended in time and was killed.
    #[error("{command}: not done after {limit:?}; it said:\n{said}")]
    TimedOut {
        /// The command line.
        command: String,
        /// The time it had.
        limit: Duration,
        /// The end of its error stream.
        said: String,
    },
    /// It ended with another status than success ([`run_ok`] only).
    #[error("{command}: {status}; it said:\n{said}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its output and error stream.
        said: String,
    },
}

/// Runs a command to its end and returns everything it wrote, whatever its exit status.
///
/// # Errors
/// When it cannot be started or has not ended within `limit`; then it is killed.
pub fn run(command: &mut Command, input: Input<'_>, limit: Duration) -> Result<Output, RunError> {
    let shown = format!("{command:?}");
    run_inner(command, input, limit).map_err(|error| match error {
        Interrupted::Io(source) => RunError::Io { command: shown, source },
        Interrupted::Late(said) => RunError::TimedOut { command: shown, limit, said },
    })
}

/// [`run`], where any exit status but success is an error.
///
/// # Errors
/// As [`run`], and [`RunError::Failed`].
pub fn run_ok(command: &mut Command, input: Input<'_>, limit: Duration) -> Result<Output, RunError> {
    let output = run(command, input, limit)?;
    if output.status.success() {
        return Ok(output);
    }
    let said = format!("{}{}", tail(&output.stdout), tail(&output.stderr));
    Err(RunError::Failed { command: format!("{command:?}"), status: output.status, said })
}

/// A process that stays: its lines are collected, and it is killed when this is dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    said: Arc<Said>,
}

/// Why a daemon is not what was waited for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// It could not be started or signalled.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It ended first.
    #[error("it ended ({status}); its last lines:\n{said}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// Its last lines.
        said: String,
    },
    /// Nothing happened in time.
    #[error("nothing after {limit:?}; its last lines:\n{said}")]
    TimedOut {
        /// The time it had.
        limit: Duration,
        /// Its last lines.
        said: String,
    },
}

impl Daemon {
    /// Starts the command with an empty standard input.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let said = Arc::new(Said::default());
        let stdout = child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        let stderr = child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        for stream in stdout.into_iter().chain(stderr) {
            said.lock().open_streams += 1;
            let said = Arc::clone(&said);
            // The thread ends with the stream, which ends with the child, which `drop` waits for.
            thread::spawn(move || said.collect(stream));
        }
        Ok(Self { child, said })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `find` accepts one of the lines it wrote, on either stream, from its start on.
    ///
    /// # Errors
    /// When it ends or `limit` passes before that.
    pub fn wait_for<T>(
        &mut self,
        find: impl Fn(&str) -> Option<T>,
        limit: Duration,
    ) -> Result<T, DaemonError> {
        let found = {
            let state =
                self.said.wait_while(limit, |state| state.open_streams > 0 && state.find(&find).is_none());
            state.find(&find)
        };
        match found {
            Some(value) => Ok(value),
            None => Err(self.silence(limit)?),
        }
    }

    /// Its last lines, for a message.
    pub fn last_lines(&self) -> String {
        self.said.lock().last_lines()
    }

    /// Every line kept so far.
    pub fn lines(&self) -> Vec<String> {
        self.said.lock().lines.iter().cloned().collect()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        // The child is not reaped before `self` goes, so the id cannot be somebody else's.
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Kills it (`kill -9`) and waits for its end.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }

    /// Asks it to end (SIGTERM) and waits for it.
    ///
    /// # Errors
    /// When it is still there after `limit`; then it is killed.
    pub fn terminate(self, limit: Duration) -> Result<ExitStatus, DaemonError> {
        self.terminate_with_lines(limit).0
    }

    /// [`Daemon::terminate`], and every line it wrote.
    pub fn terminate_with_lines(mut self, limit: Duration) -> (Result<ExitStatus, DaemonError>, Vec<String>) {
        let status = self.end(limit);
        (status, self.lines())
    }

    /// Asks several to end (SIGTERM), all at once, and waits for each; of each how it ended, and every line it wrote.
    pub fn terminate_all(
        mut daemons: Vec<Self>,
        limit: Duration,
    ) -> Vec<(Result<ExitStatus, DaemonError>, Vec<String>)> {
        // One that cannot be signalled has ended, which is found below.
        daemons.iter().for_each(|daemon| drop(daemon.signal(Signal::TERM)));
        let ends = daemons.iter_mut().map(|daemon| {
            let status = daemon.wait_end(limit);
            (status, daemon.lines())
        });
        ends.collect()
    }

    fn end(&mut self, limit: Duration) -> Result<ExitStatus, DaemonError> {
        self.signal(Signal::TERM)?;
        self.wait_end(limit)
    }

    fn wait_end(&mut self, limit: Duration) -> Result<ExitStatus, DaemonError> {
        let open_streams = self.said.wait_while(limit, |state| state.open_streams > 0).open_streams;
        if open_streams == 0 {
            return Ok(self.child.wait()?);
        }
        Err(DaemonError::TimedOut { limit, said: self.last_lines() })
    }

    fn silence(&mut self, limit: Duration) -> Result<DaemonError, DaemonError> {
        let said = self.last_lines();
        if self.said.lock().open_streams > 0 {
            return Ok(DaemonError::TimedOut { limit, said });
        }
        Ok(DaemonError::Ended { status: self.child.wait()?, said })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself, which is what is wanted here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has used so far, from `/proc` (Linux).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Processor time of all its threads, user and system.
    pub cpu_seconds: f64,
    /// Memory in use now.
    pub rss_bytes: u64,
    /// The most memory it ever used.
    pub rss_peak_bytes: u64,
}

impl Usage {
    /// Reads the usage of a running process.
    ///
    /// # Errors
    /// When there is no such process, or no `/proc`.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        // The name in parentheses may hold spaces; field 3 (state) follows the last parenthesis.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u32>().ok());
        let (Some(user), Some(system)) = (ticks(11), ticks(12)) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat: {stat}")));
        };
        let ticks_per_second = u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100);
        Ok(Self {
            cpu_seconds: f64::from(user + system) / f64::from(ticks_per_second),
            rss_bytes: kib(&status, "VmRSS:")?,
            rss_peak_bytes: kib(&status, "VmHWM:")?,
        })
    }
}

enum Interrupted {
    Io(io::Error),
    Late(String),
}

impl From<io::Error> for Interrupted {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn run_inner(command: &mut Command, input: Input<'_>, limit: Duration) -> Result<Output, Interrupted> {
    let stdin = match input {
        Input::Nothing => Stdio::null(),
        Input::File(path) => Stdio::from(File::open(path)?),
        Input::Bytes(_) => Stdio::piped(),
    };
    let mut child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let (Input::Bytes(bytes), Some(mut stdin)) = (input, child.stdin.take()) {
        let bytes = bytes.to_vec();
        thread::spawn(move || {
            // A command that ends without reading its input closes the pipe: its own decision.
            let _ = stdin.write_all(&bytes);
        });
    }
    let (done, closed) = mpsc::channel();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::spawn(move || {
        let stderr = thread::spawn(move || read_all(stderr));
        let stdout = read_all(stdout);
        // Nobody listens any more when the command was late.
        let _ = done.send((stdout, stderr.join().unwrap_or_default()));
    });
    match closed.recv_timeout(limit) {
        Ok((stdout, stderr)) => Ok(Output { status: child.wait()?, stdout, stderr }),
        Err(_) => {
            child.kill()?;
            child.wait()?;
            // The streams close with the process, unless a child of it still holds them.
            let (stdout, stderr) = closed.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
            Err(Interrupted::Late(format!("{}{}", tail(&stdout), tail(&stderr))))
        }
    }
}

fn read_all(stream: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        // What arrived before a failing read is the output; the exit status tells the rest.
        let _ = stream.read_to_end(&mut bytes);
    }
    bytes
}

fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(ERROR_LINES);
    lines.iter().skip(start).map(|line| format!("  {line}\n")).collect()
}

fn kib(status: &str, key: &str) -> io::Result<u64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|value| value.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("no {key} in the status")))
}

/// What a daemon wrote, shared with the threads that read its streams.
#[derive(Debug, Default)]
struct Said {
    state: Mutex<SaidState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SaidState {
    lines: VecDeque<String>,
    open_streams: usize,
}

impl Said {
    fn lock(&self) -> MutexGuard<'_, SaidState> {
        // A line is pushed or it is not: no state that a panic elsewhere could leave half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, limit: Duration, waiting: impl Fn(&SaidState) -> bool) -> MutexGuard<'_, SaidState> {
        let waited = self.changed.wait_timeout_while(self.lock(), limit, |state| waiting(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn collect(&self, stream: Box<dyn Read + Send>) {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        // A failing read ends the stream like its end does: the process is gone.
        while stream.read_until(b'\n', &mut line).is_ok_and(|size| size > 0) {
            let mut state = self.lock();
            if state.lines.len() == SAID_LINES_MAX {
                state.lines.pop_front();
            }
            state.lines.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
            self.changed.notify_all();
            line.clear();
        }
        self.lock().open_streams -= 1;
        self.changed.notify_all();
    }
}

impl SaidState {
    fn find<T>(&self, find: &impl Fn(&str) -> Option<T>) -> Option<T> {
        self.lines.iter().find_map(|line| find(line))
    }

    fn last_lines(&self) -> String {
        let start = self.lines.len().saturating_sub(ERROR_LINES);
        self.lines.iter().skip(start).map(|line| format!("  {line}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_command_gets_its_input_and_returns_both_streams_and_its_status() {
        let output = run(&mut shell("cat; echo no >&2; exit 3"), Input::Bytes(b"yes\n"), LIMIT).unwrap();
        assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"yes\n"[..], &b"no\n"[..]));
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn a_command_past_its_limit_is_killed() {
        let error = run(&mut shell("exec sleep 600"), Input::Nothing, Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, RunError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn a_daemon_is_ready_at_its_line_and_ends_at_a_signal() {
        let mut daemon = Daemon::start(&mut shell("echo starting; echo port 17; exec sleep 600")).unwrap();
        let port = daemon.wait_for(|line| line.strip_prefix("port ").map(str::to_owned), LIMIT).unwrap();
        assert_eq!(port, "17");
        assert!(Usage::of(daemon.pid()).unwrap().rss_peak_bytes > 0);
        assert!(!daemon.terminate(LIMIT).unwrap().success());
    }

    #[test]
    fn a_daemon_that_ends_too_soon_is_reported_with_what_it_said() {
        let mut daemon = Daemon::start(&mut shell("echo oh dear >&2; exit 4")).unwrap();
        let error = daemon.wait_for(|line| line.strip_prefix("ready").map(str::to_owned), LIMIT).unwrap_err();
        assert!(matches!(&error, DaemonError::Ended { said, .. } if said.contains("oh dear")), "{error}");
    }
}
