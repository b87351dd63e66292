//! One client's connection and its twin to the broker: whole frames go both ways until a fault or an end.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kinglet_protocol::frame::{PREFIX_LEN, frame_len};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::Shared;
use super::fault::Fault;
use super::ledger::{Produce, Request};

/// Beyond this a frame is none.
const FRAME_MAX: usize = 64 * 1024 * 1024;
/// How long answers to a client that has gone are waited for: they tell what the broker did.
const DRAIN: Duration = Duration::from_secs(2);

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// A side closed its connection.
    Closed,
    /// The client closed its connection.
    ClientGone,
    /// Both are reset.
    Reset,
    /// The client is reset; the broker's side is closed in order, so that it reads what it was sent.
    ClientReset,
    /// Nothing passes any more, and nothing is closed.
    HalfOpen,
}

/// What both directions know.
struct Link<'a> {
    shared: &'a Shared,
    /// For the journal.
    number: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Answers that are due, in order, and what happens to them.
    expected: VecDeque<(Request, Option<Fault>)>,
    /// A connection meets one fault.
    doomed: bool,
    /// The client waits in vain, because of this.
    stalled: Option<Fault>,
    /// Nothing is passed to the client.
    silent: bool,
    client_gone: bool,
}

/// Passes frames until one side closes or the plan ends it.
pub(super) async fn relay(shared: &Shared, number: u64, mut client: TcpStream, mut broker: TcpStream) {
    let link = Link { shared, number, state: Mutex::default() };
    match pass(&link, &mut client, &mut broker).await {
        Ending::Closed | Ending::ClientGone => {}
        Ending::Reset => {
            reset(&client);
            reset(&broker);
        }
        Ending::ClientReset => reset(&client),
        Ending::HalfOpen => {
            tokio::select! {
                () = ended(&mut client) => shared.bit(Fault::HalfOpen),
                () = shared.calm() => {}
            }
            shared.calm().await;
        }
    }
}

async fn pass(link: &Link<'_>, client: &mut TcpStream, broker: &mut TcpStream) -> Ending {
    let (from_client, to_client) = client.split();
    let (from_broker, to_broker) = broker.split();
    let up = upward(link, from_client, to_broker);
    let down = downward(link, from_broker, to_client);
    tokio::pin!(up, down);
    tokio::select! {
        ending = &mut down => ending,
        ending = &mut up => {
            if ending == Ending::ClientGone && link.leave() {
                // Whether it ends or takes too long: it is over.
                let _ = timeout(DRAIN, down).await;
            }
            ending
        }
    }
}

async fn upward(link: &Link<'_>, mut client: ReadHalf<'_>, mut broker: WriteHalf<'_>) -> Ending {
    while let Ok(Some(frame)) = read_frame(&mut client).await {
        let request = Request::of(&frame);
        let fault = request.produce.as_ref().and_then(|produce| link.draw(produce));
        match fault {
            Some(Fault::CutRequest | Fault::HalfOpen) => {
                let part = link.shared.plan().part(frame.len());
                // A broker that does not take it has the fault all the same.
                let _ = broker.write_all(frame.get(..part).unwrap_or_default()).await;
            }
            Some(Fault::DelayRequest) => link.stall(Fault::DelayRequest).await,
            Some(
                Fault::CutUnanswered | Fault::DropResponse | Fault::SwallowResponse | Fault::DelayResponse,
            )
            | None => {}
        }
        match fault {
            Some(Fault::CutRequest) => {
                link.shared.bit(Fault::CutRequest);
                return Ending::Reset;
            }
            Some(Fault::HalfOpen) => return Ending::HalfOpen,
            Some(_) | None => {}
        }
        // The answer may come at once.
        link.expect(request, fault);
        if broker.write_all(&frame).await.is_err() {
            return Ending::Closed;
        }
        if fault == Some(Fault::CutUnanswered) {
            link.shared.bit(Fault::CutUnanswered);
            return Ending::ClientReset;
        }
    }
    Ending::ClientGone
}

async fn downward(link: &Link<'_>, mut broker: ReadHalf<'_>, mut client: WriteHalf<'_>) -> Ending {
    while let Ok(Some(frame)) = read_frame(&mut broker).await {
        match link.answered(&frame) {
            Some(Fault::DropResponse) => {
                link.shared.bit(Fault::DropResponse);
                return Ending::ClientReset;
            }
            Some(Fault::SwallowResponse) => link.silence(),
            Some(Fault::DelayResponse) => link.stall(Fault::DelayResponse).await,
            Some(Fault::CutRequest | Fault::CutUnanswered | Fault::DelayRequest | Fault::HalfOpen) | None => {
            }
        }
        let is_heard = !link.lock().silent;
        if is_heard && client.write_all(&frame).await.is_err() {
            link.leave();
        }
        if link.is_over() {
            return Ending::ClientGone;
        }
    }
    Ending::Closed
}

impl Link<'_> {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this Produce request meets.
    fn draw(&self, produce: &Produce) -> Option<Fault> {
        let mut state = self.lock();
        let is_spared = state.doomed || self.shared.is_calm();
        let fault = if is_spared { None } else { self.shared.plan().draw() };
        state.doomed |= fault.is_some();
        self.shared.ledger().came(self.number, produce, fault);
        fault
    }

    fn expect(&self, request: Request, fault: Option<Fault>) {
        let passed = |produce: &Produce| self.shared.ledger().passed(self.number, produce);
        request.produce.iter().for_each(passed);
        self.lock().expected.push_back((request, fault));
    }

    /// Brokers answer in order: this is the answer to the oldest request.
    fn answered(&self, frame: &Bytes) -> Option<Fault> {
        let (request, fault) = self.lock().expected.pop_front()?;
        let answer = |produce: Produce| self.shared.ledger().answer(self.number, produce, frame);
        request.produce.into_iter().for_each(answer);
        fault
    }

    fn silence(&self) {
        let mut state = self.lock();
        state.silent = true;
        state.stalled = Some(Fault::SwallowResponse);
    }

    /// Waits for longer than the client does.
    async fn stall(&self, fault: Fault) {
        self.lock().stalled = Some(fault);
        let stall = self.shared.plan().stall();
        // Whichever comes first: the end of the delay, or of all faults.
        let _ = timeout(stall, self.shared.calm()).await;
    }

    /// The client has closed its connection; true: answers to it are still due.
    fn leave(&self) -> bool {
        let mut state = self.lock();
        if let Some(fault) = state.stalled.take().filter(|_| !self.shared.is_calm()) {
            self.shared.bit(fault);
        }
        (state.silent, state.client_gone) = (true, true);
        !state.expected.is_empty()
    }

    fn is_over(&self) -> bool {
        let state = self.lock();
        state.client_gone && state.expected.is_empty()
    }
}

/// A whole frame, its length in front; `None` when the peer has closed.
async fn read_frame(stream: &mut ReadHalf<'_>) -> io::Result<Option<Bytes>> {
    let mut prefix = [0; PREFIX_LEN];
    match stream.read_exact(&mut prefix).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let len = frame_len(prefix, FRAME_MAX).map_err(io::Error::other)?;
    let mut frame = BytesMut::zeroed(PREFIX_LEN + len);
    let (front, body) = frame.split_at_mut(PREFIX_LEN);
    front.copy_from_slice(&prefix);
    stream.read_exact(body).await?;
    Ok(Some(frame.freeze()))
}

/// Reads and forgets until the peer closes.
async fn ended(stream: &mut TcpStream) {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).await.is_ok_and(|len| len > 0) {}
}

/// Its end will be an RST. A socket that has ended already needs none.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
