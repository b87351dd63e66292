//! A disk of one broker's own, to be filled and halted: an ext4 in a file. Needs to be root.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use kinglet_harness::absent::Absent;
use kinglet_harness::process::{Input, run_ok};
use rustix::fs::{FallocateFlags, fallocate};
use tempfile::TempDir;

use crate::Fallible;

/// The file has holes: it takes what is written to it.
const BYTES: u64 = 2 << 30;
/// The smallest piece that is asked for when it is filled: a block.
const BLOCK: u64 = 4096;
const LIMIT: Duration = Duration::from_secs(30);

/// The disk, gone when dropped.
pub(crate) struct Disk {
    folder: TempDir,
    is_halted: bool,
}

impl Disk {
    pub(crate) fn mount() -> Result<Self, Absent> {
        Self::try_mount()
            .map_err(|error| Absent::Program { program: "mount -o loop", reason: error.to_string() })
    }

    fn try_mount() -> Fallible<Self> {
        let folder = tempfile::Builder::new().prefix("kinglet-disk-").tempdir()?;
        let image = folder.path().join("image");
        File::create(&image)?.set_len(BYTES)?;
        let mounted = folder.path().join("mounted");
        fs::create_dir(&mounted)?;
        ran(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image))?;
        ran(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&mounted))?;
        Ok(Self { folder, is_halted: false })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Takes all space that is left.
    pub(crate) fn fill(&self) -> io::Result<()> {
        let filler = OpenOptions::new().create(true).append(true).open(self.filler())?;
        let (mut size, mut piece) = (filler.metadata()?.len(), BYTES);
        while piece >= BLOCK {
            match fallocate(&filler, FallocateFlags::empty(), size, piece) {
                Ok(()) => size += piece,
                Err(rustix::io::Errno::NOSPC) => piece /= 2,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whoever writes waits from now on.
    pub(crate) fn halt(&mut self) -> Fallible<()> {
        ran(Command::new("fsfreeze").arg("--freeze").arg(self.path()))?;
        self.is_halted = true;
        Ok(())
    }

    pub(crate) fn go_on(&mut self) -> Fallible<()> {
        if std::mem::take(&mut self.is_halted) {
            ran(Command::new("fsfreeze").arg("--unfreeze").arg(self.path()))?;
        }
        Ok(())
    }

    /// There is space again, and it works.
    pub(crate) fn heal(&mut self) -> Fallible<()> {
        self.go_on()?;
        match fs::remove_file(self.filler()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// How many threads of a process wait for a disk.
pub(crate) fn waiting_threads(pid: u32) -> io::Result<u64> {
    let mut waiting = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end meanwhile.
        let Ok(stat) = fs::read_to_string(thread?.path().join("stat")) else { continue };
        // The state follows the name, which is in parentheses.
        let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
        waiting += u64::from(state.is_some_and(|state| state.starts_with('D')));
    }
    Ok(waiting)
}

fn ran(command: &mut Command) -> Fallible<()> {
    run_ok(command, Input::Nothing, LIMIT)?;
    Ok(())
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = self.go_on() {
            eprintln!("the disk stays halted: {error}");
        }
        // `-l`: a failing test may still hold files open.
        if let Err(error) = ran(Command::new("umount").arg("-l").arg(self.path())) {
            eprintln!("the disk stays mounted at {}: {error}", self.folder.path().display());
        }
    }
}
