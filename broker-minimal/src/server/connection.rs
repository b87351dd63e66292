//! One connection: frames in, responses out in the order of the requests.
//!
//! Reading and answering run side by side in one task. A produce is *appended* while it is read, which fixes the order,
//! and *acked* later by the answering side, so that the next request is read at once.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kinglet_protocol::{ApiKey, EncodeError};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::dispatch::{self, Answer, Refusal};
use super::frames::{self, Frames, ReadError};
use super::places::Place;
use super::{Response, respond};
use crate::meta::dead;
use crate::{Context, stopped};

/// Requests of one connection that are read but not answered. A client that sends more waits in its socket.
const PIPELINE: usize = 16;
/// How long a closing connection may take to drain its answers.
const DRAIN: Duration = Duration::from_secs(10);

/// Why a connection ended, when the peer did not just leave.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("nothing was sent or read for {0:?}")]
    Idle(Duration),
    #[error("response does not fit its version: {0}")]
    Encode(#[from] EncodeError),
    #[error("write: {0}")]
    Write(io::Error),
    #[error("a produce with acks=0 failed: closing is the only way to say so")]
    SilentFailure,
}

/// Who is at the other end.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) address: SocketAddr,
    /// The broker, with its epoch, that says by this connection that it is alive.
    broker: OnceLock<(i32, i64)>,
}

impl Caller {
    fn new(address: SocketAddr) -> Self {
        Self { address, broker: OnceLock::new() }
    }

    /// A heartbeat came.
    pub(crate) fn is_broker(&self, id: i32, epoch: i64) {
        self.broker.get_or_init(|| (id, epoch));
    }

    fn broker(&self) -> Option<(i32, i64)> {
        self.broker.get().copied()
    }
}

/// Serves the connection until the peer leaves, breaks the protocol or the broker stops. Its place is free again then.
pub(crate) async fn serve(stream: TcpStream, peer: SocketAddr, _place: Place, ctx: Arc<Context>) {
    let (queue, answers) = mpsc::channel(PIPELINE);
    let caller = Caller::new(peer);
    // Pinned where they are made: moved, each would have its room twice, and all of it is kept for every idle connection.
    let mut reading = pin!(read(&stream, &caller, queue, &ctx));
    let mut writing = pin!(write(&stream, answers, ctx.config.idle));
    let ended = tokio::select! {
        ended = &mut reading => {
            // What was read is still answered: a client may half-close after its last request.
            match tokio::time::timeout(DRAIN, &mut writing).await {
                Ok(Err(e)) => Err(e),
                Ok(Ok(())) | Err(_) => ended,
            }
        }
        ended = &mut writing => ended,
    };
    if let Some((id, epoch)) = caller.broker() {
        tokio::spawn(dead::connection_ended(ctx.meta.clone(), id, epoch));
    }
    match ended {
        // Ours, not the client's: a handler set a field that the version does not have.
        Err(error @ (Ended::Encode(_) | Ended::Refused(Refusal::Encode(_)))) => {
            tracing::error!(%peer, %error, "connection ended");
        }
        Ok(()) => tracing::debug!(%peer, "connection closed"),
        Err(error) => tracing::debug!(%peer, %error, "connection ended"),
    }
}

async fn read(
    stream: &TcpStream,
    caller: &Caller,
    queue: mpsc::Sender<Answer>,
    ctx: &Arc<Context>,
) -> Result<(), Ended> {
    let mut frames = Frames::new(stream, ctx.config.request_max_bytes);
    let idle = ctx.config.idle;
    let mut stop = ctx.stop.clone();
    loop {
        let frame = tokio::select! {
            frame = tokio::time::timeout(idle, frames.next()) => frame.map_err(|_| Ended::Idle(idle))??,
            () = stopped(&mut stop) => return Ok(()),
        };
        let Some(frame) = frame else { return Ok(()) };
        // A fetch may wait for long, and so may a member for the others; a peer that has left must not keep them waiting. Anything
        // else is answered, also to a peer that has closed its side after its last request.
        let key = frames::key(&frame);
        let may_wait = matches!(key, Some(ApiKey::FETCH | ApiKey::JOIN_GROUP | ApiKey::SYNC_GROUP));
        let answer = tokio::select! {
            biased;
            // On the heap for as long as it takes: the room of the largest handler would be kept for every idle connection.
            answer = Box::pin(dispatch::dispatch(ctx, caller, frame)) => answer?,
            () = frames::closed(stream), if may_wait => return Ok(()),
        };
        if queue.send(answer).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(stream: &TcpStream, mut answers: mpsc::Receiver<Answer>, idle: Duration) -> Result<(), Ended> {
    while let Some(answer) = answers.recv().await {
        let response: Response = match answer {
            Answer::Ready(response) => *response,
            Answer::Produce(pending) => match pending.finish().await? {
                Ok(Some(response)) => response,
                Ok(None) => continue,
                Err(()) => return Err(Ended::SilentFailure),
            },
        };
        // A client that never reads is as idle as one that never asks.
        let written = tokio::time::timeout(idle, respond::write(stream, response)).await;
        written.map_err(|_| Ended::Idle(idle))?.map_err(Ended::Write)?;
    }
    Ok(())
}
