//! Ctrl-C and SIGTERM: the first asks for a clean stop, the second ends the process at once.

use std::io::{self, IsTerminal};
use std::process;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::error::Exit;
use crate::tool::say;

/// How long a clean stop may take.
pub const STOP_MAX: Duration = Duration::from_secs(3);

/// Which signal came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// The first signal, when it comes.
#[derive(Debug)]
pub struct StopRequest(oneshot::Receiver<Stop>);

impl StopRequest {
    /// Listens from now on. The task lives as long as the process: it alone can still end it when everything
    /// else waits, for a broker or for a pipe that nobody reads.
    pub fn listen() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (asked, request) = oneshot::channel();
        tokio::spawn(async move {
            let first = next(&mut interrupt, &mut terminate).await;
            if io::stderr().is_terminal() {
                say("stopping (Ctrl-C again to force)\n");
            }
            // Nobody listens any more when the work has just ended by itself.
            let _ = asked.send(first);
            let second = next(&mut interrupt, &mut terminate).await;
            process::exit(second.exit() as i32);
        });
        Ok(Self(request))
    }

    /// Waits for the first signal; cancel safe, and for ever once it was received.
    pub async fn received(&mut self) -> Stop {
        match (&mut self.0).await {
            Ok(stop) => stop,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Stop {
    /// The exit code when this was the second one.
    pub fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Terminated,
        }
    }
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> Stop {
    tokio::select! {
        _ = interrupt.recv() => Stop::Interrupt,
        _ = terminate.recv() => Stop::Terminate,
    }
}
