//! Accepts connections within the limits and owns their tasks.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::connection;
use super::places::{Bounds, NoPlace, Place};
use crate::config::Purpose;
use crate::{Context, clock, limits, stopped};

/// After so long without anybody who had to wait, nobody has to any more.
const PEACE: Duration = Duration::from_secs(1);
/// Descriptors come back without a word: when files are closed, or by other processes where the machine has none left.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Accepts until the broker stops, then waits for the connections to end.
pub(crate) async fn run(listener: TcpListener, ctx: Arc<Context>) {
    let mut connections = JoinSet::new();
    let mut stop = ctx.stop.clone();
    let mut door = Door { listener, ctx: Arc::clone(&ctx), waiting: None, sent_away: SentAway::default() };
    'open: loop {
        // It may hold somebody who waits, so it lives on while others leave.
        let mut next = pin!(door.next());
        let (stream, peer, place) = loop {
            tokio::select! {
                entered = &mut next => break entered,
                Some(ended) = connections.join_next(), if !connections.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a connection's task failed; the others go on");
                    }
                }
                () = stopped(&mut stop) => break 'open,
            }
        };
        // Answers are small and awaited one by one: Nagle's delay would add to each.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "TCP_NODELAY refused");
        }
        connections.spawn(connection::serve(stream, peer, place, Arc::clone(&ctx)));
    }
    drop(door);
    while connections.join_next().await.is_some() {}
}

/// Where they come in, one after the other.
struct Door {
    listener: TcpListener,
    ctx: Arc<Context>,
    /// Since when somebody had to wait, and when last: said once, and when it is over.
    waiting: Option<(Instant, Instant)>,
    sent_away: SentAway,
}

/// Those whose address has too many. They may be many.
#[derive(Debug, Default)]
struct SentAway {
    count: u64,
    said: Option<Instant>,
}

impl Door {
    /// The next connection that has its place. As long as there is none the others wait where the system keeps them.
    async fn next(&mut self) -> (TcpStream, SocketAddr, Place) {
        loop {
            let accepted = match self.waiting {
                None => self.listener.accept().await,
                Some(_) => match tokio::time::timeout(PEACE, self.listener.accept()).await {
                    Ok(accepted) => accepted,
                    Err(_) => {
                        self.nobody_waits();
                        continue;
                    }
                },
            };
            match accepted {
                Ok((stream, peer)) => {
                    self.pace().await;
                    if let Some(place) = self.place(&stream, peer).await {
                        return (stream, peer, place);
                    }
                }
                // It has left before it came in.
                Err(error) if is_of_the_peer(&error) => tracing::debug!(%error, "accept failed"),
                Err(error) => {
                    if self.somebody_waits() {
                        tracing::error!(%error, "connections cannot be accepted: new ones wait, those that are open are served");
                    }
                    self.room().await;
                }
            }
        }
    }

    /// Waits until it may come by the rate of all.
    async fn pace(&self) {
        if self.is_private() {
            return;
        }
        while self.ctx.storage.config().max_connection_creation_rate == 0 {
            self.room().await;
        }
        let per_second = self.ctx.storage.config().max_connection_creation_rate;
        let wait = self.ctx.places.pace(clock::now(), per_second);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Nodes of the quorum must reach each other whatever clients do.
    fn is_private(&self) -> bool {
        self.ctx.purpose == Purpose::Controllers
    }

    /// Waits for a place; `None` when the peer's address has too many.
    async fn place(&mut self, stream: &TcpStream, peer: SocketAddr) -> Option<Place> {
        let places = Arc::clone(&self.ctx.places);
        loop {
            let config = self.ctx.storage.config();
            let is_private = self.is_private();
            let max = (!is_private).then(|| limits::connections(config.max_connections));
            if !is_private && limits::is_scarce(stream) {
                if self.somebody_waits() {
                    let open_files = limits::open_files().unwrap_or_default();
                    tracing::error!(
                        open_files,
                        "nearly all descriptors are in use, the rest is for files: new connections wait, those that are open \
                         are served; raise `ulimit -n`"
                    );
                }
                self.room().await;
                continue;
            }
            match places.take(peer.ip(), Bounds { max, per_ip: config.max_connections_per_ip }) {
                Ok(place) => {
                    if self.waiting.is_some_and(|(_, last)| clock::now().duration_since(last) >= PEACE) {
                        self.nobody_waits();
                    }
                    return Some(place);
                }
                Err(NoPlace::Full { max }) => {
                    if self.somebody_waits() {
                        tracing::warn!(limit = max, "as many connections as there may be: new ones wait");
                    }
                    self.room().await;
                }
                Err(NoPlace::TooManyOfOne { max }) => {
                    if let Some(count) = self.sent_away.add(clock::now()) {
                        tracing::warn!(%peer, limit = max, count, "address has its connections, more are closed");
                    }
                    return None;
                }
            }
        }
    }

    /// Waits until it may be otherwise.
    async fn room(&self) {
        tokio::select! {
            () = self.ctx.places.changed() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }

    /// Whether that is news.
    fn somebody_waits(&mut self) -> bool {
        let now = clock::now();
        let since = self.waiting.map(|(since, _)| since);
        self.waiting = Some((since.unwrap_or(now), now));
        since.is_none()
    }

    fn nobody_waits(&mut self) {
        if let Some((since, last)) = self.waiting.take() {
            tracing::info!(waited = ?last.duration_since(since), "connections are accepted at once again");
        }
    }
}

impl SentAway {
    /// One more; how many there were since it was said last, if it is to be said now.
    fn add(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        if self.said.is_some_and(|said| now.duration_since(said) < PEACE) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

/// Whether the connection that was to be accepted is the trouble: the next one may be well.
fn is_of_the_peer(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(Errno::CONNABORTED | Errno::CONNRESET | Errno::INTR | Errno::PROTO | Errno::TIMEDOUT)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_are_sent_away_are_said_together() {
        let (start, mut sent_away) = (clock::now(), SentAway::default());
        assert_eq!(sent_away.add(start), Some(1));
        assert_eq!(sent_away.add(start), None);
        assert_eq!(sent_away.add(start + PEACE / 2), None);
        assert_eq!(sent_away.add(start + PEACE), Some(3));
    }
}
