//! Starts the brokers of a cluster, says what becomes of them, and stops them.
//!
//! Each broker holds the reading end of a pipe whose writing end is here: when this process is gone, however it went, the pipe
//! closes and the brokers stop in order.

use std::fs::{File, OpenOptions};
use std::future::poll_fn;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::task::Poll;
use std::time::Duration;

use kinglet_broker::log::DirLock;
use rustix::process::{Pid, Signal as ToSend, kill_process};
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{Cluster, ClusterError, Member};
use crate::command_line::Failure;

/// How often it is looked whether the brokers are ready.
const LOOK: Duration = Duration::from_millis(10);
/// After so many looks the screen comes even if some are not ready: recovery of much data may take long.
const LOOKS_MAX: u32 = 3000;
/// How long the brokers may take to stop.
const STOP: Duration = Duration::from_secs(30);
/// The end of a log that is looked at when its broker has ended.
const TAIL_BYTES: u64 = 2048;
const TAIL_LINES: usize = 3;
/// How a broker's own screen says that it serves.
const READY_LINE: &str = "  ready in ";

/// A broker's process.
struct Process {
    /// Taken when it has ended.
    child: Option<Child>,
    /// Closed when this process ends; then the broker stops.
    _alive: Option<ChildStdin>,
    /// Where its log ended before it began.
    log_start: u64,
    is_ready: bool,
}

/// Runs the cluster until it is stopped by a signal or no broker is left.
pub(crate) fn run(cluster: &Cluster) -> Result<(), Failure> {
    // One thread: there is next to nothing to do.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().map_err(Failure::Runtime)?.block_on(supervise(cluster))
}

async fn supervise(cluster: &Cluster) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Runtime)?;
    let mut processes = Vec::with_capacity(cluster.members.len());
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let began = looks.tick().await;
    // So that `kbroker stop` finds this process, and nobody else looks after the same brokers.
    let in_dir = |source| ClusterError::Dir { path: cluster.dir.clone(), source };
    std::fs::create_dir_all(&cluster.dir).map_err(in_dir)?;
    let _lock = DirLock::take(&cluster.dir).map_err(ClusterError::InUse)?;
    for member in &cluster.members {
        // Those that were started stop when this returns and their pipes close.
        processes.push(start(member)?);
    }
    let mut looks_left = LOOKS_MAX;
    loop {
        tokio::select! {
            () = either(&mut interrupt, &mut terminate) => break,
            (index, status) = next_end(&mut processes) => {
                if let (Some(member), Some(process)) = (cluster.members.get(index), processes.get(index)) {
                    say_ended(cluster, member, &status, process.log_start);
                }
                if processes.iter().all(|process| process.child.is_none()) {
                    return Err(ClusterError::NoneLeft.into());
                }
            }
            now = looks.tick(), if looks_left > 0 => {
                let all_ready = look(cluster, &mut processes);
                looks_left = if all_ready { 0 } else { looks_left - 1 };
                if looks_left == 0 {
                    announce(cluster, &processes, all_ready.then(|| now.duration_since(began)));
                }
            }
        }
    }
    stop(cluster, &mut processes, &mut interrupt, &mut terminate).await
}

fn start(member: &Member) -> Result<Process, ClusterError> {
    let failed = |source| ClusterError::Dir { path: member.log.clone(), source };
    let log = open_log(&member.log).map_err(failed)?;
    let log_start = log.metadata().map_err(failed)?.len();
    let spawn = || {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(&member.arguments).arg("--stop-with-stdin");
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        // Ctrl-C goes to all processes of the terminal's group: the brokers are told once, by this one.
        command.process_group(0).spawn()
    };
    let mut child = spawn().map_err(|source| ClusterError::Spawn { id: member.id, source })?;
    // Waiting for a child closes its standard input, unless it was taken.
    let alive = child.stdin.take();
    Ok(Process { child: Some(child), _alive: alive, log_start, is_ready: false })
}

/// A file for what a process says, behind what was said before.
pub(crate) fn open_log(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

impl Process {
    /// Its id, as long as nobody else can have it.
    fn pid(&self) -> Option<u32> {
        self.child.as_ref()?.id()
    }

    fn send(&self, signal: ToSend) {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It fails only when the process has ended by itself, which is what is wanted.
            let _ended = kill_process(pid, signal);
        }
    }
}

/// Waits for the first of them that ends, and takes it out.
async fn next_end(processes: &mut [Process]) -> (usize, io::Result<ExitStatus>) {
    poll_fn(|context| {
        for (index, process) in processes.iter_mut().enumerate() {
            let Some(child) = process.child.as_mut() else { continue };
            let ended = pin!(child.wait()).poll(context);
            if let Poll::Ready(status) = ended {
                process.child = None;
                return Poll::Ready((index, status));
            }
        }
        Poll::Pending
    })
    .await
}

/// Looks which brokers have said that they serve; whether all that run have.
fn look(cluster: &Cluster, processes: &mut [Process]) -> bool {
    for (member, process) in cluster.members.iter().zip(processes.iter_mut()) {
        if !process.is_ready {
            let said = read_from(&member.log, process.log_start).unwrap_or_default();
            process.is_ready = said.lines().any(|line| line.starts_with(READY_LINE));
        }
    }
    processes.iter().all(|process| process.is_ready || process.child.is_none())
}

fn announce(cluster: &Cluster, processes: &[Process], ready_in: Option<Duration>) {
    let pids: Vec<_> = processes.iter().map(Process::pid).collect();
    // Nobody may be reading: the brokers serve all the same.
    let _unread = writeln!(io::stdout(), "{}", cluster.screen(&pids, ready_in));
}

fn read_from(path: &Path, start: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    // The first words of a broker are few; what comes later is not looked for any more.
    file.take(1 << 20).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last lines that a broker said since it began.
pub(crate) fn tail(path: &Path, start: u64) -> String {
    let end = std::fs::metadata(path).map_or(start, |metadata| metadata.len());
    let said = read_from(path, start.max(end.saturating_sub(TAIL_BYTES))).unwrap_or_default();
    let lines: Vec<&str> = said.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines.iter().skip(from).map(|line| format!("  | {line}\n")).collect()
}

fn say_ended(cluster: &Cluster, member: &Member, status: &io::Result<ExitStatus>, log_start: u64) {
    let log = member.log.display();
    // One that was killed had nothing to say about it.
    let said = match status {
        Ok(status) if status.signal().is_some() => format!("{status}; its log is {log}\n"),
        Ok(status) => format!("{status}; the end of {log}:\n{}", tail(&member.log, log_start)),
        Err(error) => format!("{error}; its log is {log}\n"),
    };
    let (id, command) = (member.id, cluster.command(member));
    say(&format!("broker {id} has ended: {said}note: it is not started again; to do so: {command}"));
}

/// Asks all to stop, and kills those that do not in time, or at the next signal.
async fn stop(
    cluster: &Cluster,
    processes: &mut [Process],
    interrupt: &mut Signal,
    terminate: &mut Signal,
) -> Result<(), Failure> {
    say("stopping all brokers, a second signal ends them at once");
    processes.iter().for_each(|process| process.send(ToSend::TERM));
    let mut patience = pin!(sleep(STOP));
    let mut unclean = Vec::new();
    let mut is_killed = false;
    while processes.iter().any(|process| process.child.is_some()) {
        tokio::select! {
            (index, status) = next_end(processes) => {
                if !status.is_ok_and(|status| status.success()) {
                    unclean.extend(cluster.members.get(index).map(|member| member.id));
                }
                continue;
            }
            () = either(interrupt, terminate), if !is_killed => {}
            () = &mut patience, if !is_killed => {}
        }
        processes.iter().for_each(|process| process.send(ToSend::KILL));
        is_killed = true;
    }
    unclean.sort_unstable();
    if unclean.is_empty() { Ok(()) } else { Err(ClusterError::Unclean(unclean).into()) }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
}

/// A line for whoever looks; nobody may be reading.
fn say(text: &str) {
    let _unread = writeln!(io::stderr(), "{text}");
}
