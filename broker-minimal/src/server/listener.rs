//! Accepts connections within the limit and owns their tasks.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::connection;
use crate::{Context, limits, stopped};

/// Accepts until the broker stops, then waits for the connections to end.
pub(crate) async fn run(listener: TcpListener, ctx: Arc<Context>) {
    let mut connections = JoinSet::new();
    let mut stop = ctx.stop.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let max = limits::connections(ctx.storage.config().max_connections);
                    if connections.len() >= max {
                        // Closing at once is clearer to a client than a connection that never answers.
                        tracing::warn!(%peer, limit = max, "connection limit reached");
                        continue;
                    }
                    // Answers are small and awaited one by one: Nagle's delay would add to each.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%peer, %error, "TCP_NODELAY refused");
                    }
                    connections.spawn(connection::serve(stream, peer, Arc::clone(&ctx)));
                }
                Err(error) => {
                    // Out of descriptors, most likely: wait for one to come back instead of spinning.
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection's task failed; the others go on");
                }
            }
            () = stopped(&mut stop) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}
