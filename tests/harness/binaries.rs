//! Kinglet's own programs as child processes: `kbroker` and the tools, built when a test needs them.
//!
//! Cargo hands a test only the binaries of its own package, so they are looked up beside the test's
//! executable. They are built first, each time: against yesterday's binary every test would pass.
//! `KINGLET_BIN_DIR` names a folder with ready ones instead.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;
use std::time::Duration;

use crate::ports::free_ports;
use crate::process::{Daemon, DaemonError, Input, run_ok};

/// A cold build of everything on a small machine.
const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);
/// Recovery of a big log included.
const READY_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The folder of our built programs.
#[derive(Debug, Clone)]
pub struct Binaries {
    dir: PathBuf,
    /// The mistake that `kbroker` makes.
    mutant: Option<&'static str>,
}

/// Why our programs cannot be built.
#[derive(Debug, Clone, thiserror::Error)]
#[error("building kbroker and the tools: {0}")]
pub struct BuildError(String);

impl Binaries {
    /// Builds them in the profile of the calling test, once per process.
    ///
    /// # Errors
    /// When they do not compile.
    pub fn build() -> Result<Self, BuildError> {
        static BUILT: OnceLock<Result<PathBuf, BuildError>> = OnceLock::new();
        BUILT.get_or_init(build).clone().map(|dir| Self { dir, mutant: None })
    }

    /// A `kbroker` that makes a mistake, for tests of tests: one of those in `broker-minimal/src/mutant.rs`.
    ///
    /// # Errors
    /// When it does not compile.
    pub fn build_mutant(name: &'static str) -> Result<Self, BuildError> {
        static BUILT: OnceLock<Result<PathBuf, BuildError>> = OnceLock::new();
        BUILT.get_or_init(build_mutants).clone().map(|dir| Self { dir, mutant: Some(name) })
    }

    /// A command for one of our programs: `ktopics`, `kproduce`, `kconsume`, `kperf`, `kverify`, `kgroups`, `kdelete`, `kquorum`,
    /// `kelect`, `kreassign`, `klogdirs`, `kconfigs`, `kcluster`, `kapi`, `kbroker`.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.dir.join(program));
        command.envs(self.mutant.map(|name| ("KINGLET_MUTANT", name)));
        command
    }

    /// A command for one of the tools that talk to a cluster.
    pub fn tool(&self, program: &str, bootstrap: &str) -> Command {
        let mut command = self.command(program);
        command.args(["--bootstrap-server", bootstrap]);
        command
    }
}

/// A running `kbroker` on a loopback port; killed when dropped.
#[derive(Debug)]
pub struct Kbroker {
    daemon: Daemon,
    port: u16,
}

impl Kbroker {
    /// Starts a broker over that data directory on a free port and waits until it is ready.
    /// `options` are further command-line arguments.
    ///
    /// # Errors
    /// When it does not say where it listens within a minute.
    pub fn start(binaries: &Binaries, data_dir: &Path, options: &[&str]) -> Result<Self, DaemonError> {
        Self::start_on(binaries, 0, data_dir, options)
    }

    /// [`Kbroker::start`] on a given port: the way a broker comes back for clients that know it.
    ///
    /// # Errors
    /// As [`Kbroker::start`].
    pub fn start_on(
        binaries: &Binaries,
        port: u16,
        data_dir: &Path,
        options: &[&str],
    ) -> Result<Self, DaemonError> {
        let mut command = binaries.command("kbroker");
        command.args(["--port", &port.to_string()]).arg("--data-dir").arg(data_dir).args(options);
        Self::run(&mut command)
    }

    /// [`Kbroker::start`] with a second listener, which advertises the port of a proxy; the answer also says where the
    /// proxy is to connect to.
    ///
    /// # Errors
    /// As [`Kbroker::start`].
    pub fn start_behind(
        binaries: &Binaries,
        proxy: u16,
        data_dir: &Path,
    ) -> Result<(Self, SocketAddr), DaemonError> {
        let [behind] = free_ports()?;
        let mut command = binaries.command("kbroker");
        command.arg("--data-dir").arg(data_dir);
        // The map first: a listener is refused while nothing says that it is plaintext.
        command.args(["--override", "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,BEHIND:PLAINTEXT"]);
        let listeners = format!("listeners=PLAINTEXT://127.0.0.1:0,BEHIND://127.0.0.1:{behind}");
        command.args(["--override", &listeners]);
        command.args(["--override", &format!("advertised.listeners=BEHIND://127.0.0.1:{proxy}")]);
        Ok((Self::run(&mut command)?, SocketAddr::from((Ipv4Addr::LOCALHOST, behind))))
    }

    /// Runs a `kbroker` command as it is and waits until it is ready.
    ///
    /// # Errors
    /// As [`Kbroker::start`].
    pub fn run(command: &mut Command) -> Result<Self, DaemonError> {
        let mut daemon = Daemon::start(command)?;
        let port = daemon.wait_for(listening_port, READY_LIMIT)?;
        Ok(Self { daemon, port })
    }

    /// What clients are told: `127.0.0.1:<port>`.
    pub fn bootstrap(&self) -> String {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)).to_string()
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Everything it has written so far, line by line.
    pub fn lines(&self) -> Vec<String> {
        self.daemon.lines()
    }

    /// `kill -9`: what is not on its way to the disk is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(self) -> io::Result<ExitStatus> {
        self.daemon.kill()
    }

    /// Stops it in order (SIGTERM).
    ///
    /// # Errors
    /// When it is still there after half a minute.
    pub fn stop(self) -> Result<ExitStatus, DaemonError> {
        self.daemon.terminate(STOP_LIMIT)
    }
}

fn build() -> Result<PathBuf, BuildError> {
    if let Some(dir) = ready() {
        return Ok(dir);
    }
    let Target { folder, profile } = Target::of_this_test()?;
    let mut command = cargo_build(&["--workspace", "--bins"], &profile, &folder);
    // With examples the features are those of `cargo test --workspace`, dev-dependencies' included, so nothing is compiled twice.
    // What is measured goes without them.
    if profile == "dev" {
        command.arg("--examples");
    }
    finish(&mut command, &profile, &folder)
}

/// In a folder of its own, where no other test finds it.
fn build_mutants() -> Result<PathBuf, BuildError> {
    if let Some(dir) = ready() {
        return Ok(dir);
    }
    let Target { folder, profile } = Target::of_this_test()?;
    let folder = folder.join("mutants");
    let what = ["--package", "kinglet-broker", "--bin", "kbroker", "--features", "mutants"];
    finish(&mut cargo_build(&what, &profile, &folder), &profile, &folder)
}

fn ready() -> Option<PathBuf> {
    std::env::var_os("KINGLET_BIN_DIR").map(PathBuf::from)
}

/// Where Cargo builds, and how.
struct Target {
    folder: PathBuf,
    profile: String,
}

impl Target {
    fn of_this_test() -> Result<Self, BuildError> {
        let executable = std::env::current_exe().map_err(|error| BuildError(error.to_string()))?;
        // target/<profile>/deps/<test>, target/<profile>/examples/<example>, target/<profile>/<binary>
        let dir =
            executable.ancestors().skip(1).find(|dir| !dir.ends_with("deps") && !dir.ends_with("examples"));
        let (Some(dir), Some(folder)) = (dir, dir.and_then(Path::parent)) else {
            return Err(BuildError(format!("{} is in no target folder", executable.display())));
        };
        let profile = match dir.file_name().and_then(|name| name.to_str()) {
            None | Some("debug") => "dev",
            Some(profile) => profile,
        };
        Ok(Self { folder: folder.to_owned(), profile: profile.to_owned() })
    }
}

fn cargo_build(what: &[&str], profile: &str, target: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet"]).args(what).args(["--profile", profile, "--target-dir"]).arg(target);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Has it built; where it is.
fn finish(command: &mut Command, profile: &str, target: &Path) -> Result<PathBuf, BuildError> {
    run_ok(command, Input::Nothing, BUILD_LIMIT).map_err(|error| BuildError(error.to_string()))?;
    Ok(target.join(if profile == "dev" { "debug" } else { profile }))
}

/// The port in the first `127.0.0.1:<port>` or `localhost:<port>` of a line.
fn listening_port(line: &str) -> Option<u16> {
    ["127.0.0.1:", "localhost:"].iter().find_map(|host| {
        let (_, rest) = line.split_once(host)?;
        let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse().ok().filter(|port| *port != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_in_the_lines_a_broker_may_say() {
        assert_eq!(listening_port("  listening on localhost:9092 (127.0.0.1 and ::1)"), Some(9092));
        assert_eq!(listening_port("INFO ready at=127.0.0.1:41007"), Some(41007));
        assert_eq!(listening_port("data in /tmp/127.0.0.1:x"), None);
        assert_eq!(listening_port("asked for 127.0.0.1:0"), None);
    }
}
