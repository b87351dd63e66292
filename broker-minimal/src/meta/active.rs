//! The way to the active controller, wherever it is.
//!
//! A broker asks it over the network also when it is the same process: there is one way, and it is tried at every start.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kinglet_protocol::{ApiInfo, Request};
use tokio::sync::watch;

use super::log::Leadership;
use super::raft::Quorum;
use crate::clock;
use crate::peer::{Lane, PeerError, Peers, is_refused};

/// A request that found no controller is tried again after this, or when there is another one.
const RETRY: Duration = Duration::from_millis(20);

/// Finds the active controller and asks it.
#[derive(Clone)]
pub(crate) struct ActiveController {
    peers: Arc<Peers>,
    quorum: Quorum,
    leadership: watch::Receiver<Leadership>,
}

impl ActiveController {
    pub(crate) fn new(peers: Arc<Peers>, quorum: Quorum) -> Self {
        let leadership = quorum.leadership();
        Self { peers, quorum, leadership }
    }

    /// Its node id, if there is one now.
    pub(crate) fn id(&self) -> Option<i32> {
        self.leadership.borrow().leader
    }

    /// Resolves when another one has been elected, or the old one has gone.
    pub(crate) async fn changed(&mut self) {
        if self.leadership.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Asks once; without a controller it waits for one until `deadline`.
    pub(crate) async fn ask<R: Request>(
        &self,
        request: &R,
        deadline: Instant,
    ) -> Result<R::Response, PeerError> {
        let (host, port) = self.address(deadline).await?;
        let asked = self.peers.request((&host, port), Lane::Control, request);
        let left = deadline.saturating_duration_since(clock::now());
        let answer = tokio::time::timeout(left, asked).await;
        let answer = answer.map_err(|_| PeerError::Late(left))?;
        if let Err(PeerError::Refused(_)) = &answer {
            self.lost();
        }
        answer
    }

    /// Passes a client's request on and gives the body of the answer. It is tried until it has reached a controller.
    pub(crate) async fn forward(
        &self,
        (api, version): (&ApiInfo, i16),
        body: &[u8],
        deadline: Instant,
    ) -> Result<Bytes, PeerError> {
        loop {
            let (host, port) = self.address(deadline).await?;
            let asked = self.peers.request_raw((&host, port), Lane::Forward, (api, version), body);
            let left = deadline.saturating_duration_since(clock::now());
            match tokio::time::timeout(left, asked).await {
                // It never arrived.
                Ok(Err(PeerError::Refused(_))) => self.lost(),
                Ok(answer) => return answer,
                Err(_) => return Err(PeerError::Late(left)),
            }
            self.pause().await;
        }
    }

    /// Watches the process of the active controller by a connection to it, until the broker stops: one that is killed is noticed at
    /// once, as its connection ends and the next one is refused. A mere reset, or silence, waits for the quorum's own time.
    pub(crate) async fn watch(mut self) {
        let mut lost = None;
        loop {
            // Seen here: a change that its clone below had not seen would be one for ever, and nothing would be waited for.
            let id = self.leadership.borrow_and_update().leader;
            let address = id.and_then(|id| self.address_of(id));
            let (Some(id), Some((host, port))) = (id, address) else {
                self.changed().await;
                continue;
            };
            let ended = async {
                if let Ok(peer) = self.peers.connection(&host, port, Lane::Control).await {
                    peer.closed().await;
                }
                is_refused(&host, port).await
            };
            let mut leadership = self.leadership.clone();
            tokio::select! {
                refused = ended => {
                    if refused && self.id() == Some(id) {
                        if lost.replace(id) != Some(id) {
                            tracing::info!(node = id, "the active controller's process is gone");
                        }
                        self.quorum.peer_lost(id);
                    }
                    self.pause().await;
                }
                changed = leadership.changed() => if changed.is_err() { return },
            }
        }
    }

    /// The process of the active controller is gone: no need to wait until it is missed.
    fn lost(&self) {
        if let Some(id) = self.id() {
            self.quorum.peer_lost(id);
        }
    }

    fn address_of(&self, id: i32) -> Option<(String, u16)> {
        let state = self.quorum.describe();
        let mut nodes = state.voters.into_iter().chain(state.observers);
        nodes.find(|node| node.node_id == id).map(|node| (node.host, node.port))
    }

    async fn address(&self, deadline: Instant) -> Result<(String, u16), PeerError> {
        loop {
            if let Some(address) = self.id().and_then(|id| self.address_of(id)) {
                return Ok(address);
            }
            if clock::now() >= deadline {
                return Err(PeerError::NoController);
            }
            self.pause().await;
        }
    }

    async fn pause(&self) {
        let mut leadership = self.leadership.clone();
        leadership.mark_unchanged();
        // A watch that has ended belongs to a broker that stops.
        let _changed = tokio::time::timeout(RETRY, leadership.changed()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use kinglet_protocol::Uuid;

    use super::*;
    use crate::meta::raft::{QuorumSettings, Sending, Transport, TransportError};

    /// The way to peers of a node that has none.
    struct Nowhere;

    impl Transport for Nowhere {
        fn send(&self, _: &str, _: u16, _: Bytes, _: Duration) -> Sending {
            Box::pin(async { Err(TransportError::Refused) })
        }
    }

    #[tokio::test]
    async fn whoever_watches_the_controller_sleeps_while_nothing_happens() {
        // Takes connections and says nothing.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        let quorum = Quorum::new(
            QuorumSettings {
                dir: dir.path().join("quorum"),
                node_id: 1,
                directory: Uuid([1; 16]),
                host: "127.0.0.1".to_owned(),
                port,
                peers: vec![("127.0.0.1".to_owned(), port)],
                is_voter: true,
                proposed_cluster_id: "c".to_owned(),
                heartbeat: Duration::from_millis(100),
                election: Duration::from_millis(500),
                observer_session: Duration::from_secs(300),
            },
            Arc::new(Nowhere),
        );
        // It has not seen who was elected when it begins to watch.
        let controller = ActiveController::new(Arc::new(Peers::new(1)), quorum.clone());
        quorum.form().await.unwrap();
        quorum.leadership().wait_for(|now| now.is_self).await.unwrap();
        let (mut watching, mut looks) = (pin!(controller.watch()), 0);
        let watched = poll_fn(|context| {
            looks += 1;
            watching.as_mut().poll(context)
        });
        let ended = tokio::time::timeout(Duration::from_millis(300), watched).await;
        assert!(ended.is_err() && looks < 50, "it looked {looks} times");
        quorum.close().await;
    }
}
