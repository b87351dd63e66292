//! Notices processes that have died. A killed process closes its connections, and refuses the next one: no need to wait until it is
//! missed. One that is frozen, or only cut off, refuses nothing and keeps its session for as long as that lasts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Handle;
use super::image::Broker;
use super::log::Leadership;
use super::refusal::Refusal;
use crate::peer::is_refused;

/// The system may close a dying process's connections a little before its listener.
const ATTEMPTS: usize = 3;
const PAUSE: Duration = Duration::from_millis(20);

/// The connection by which a broker said that it is alive has ended.
pub(crate) async fn connection_ended(meta: Handle, id: i32, epoch: i64) {
    let image = meta.controller_image();
    let Some(broker) = image.broker(id).filter(|broker| broker.epoch == epoch) else { return };
    fence_if_dead(&meta, Arc::clone(broker)).await;
}

/// Looks at every broker when this node becomes the active controller: whoever died with the last one has nobody to miss it.
pub(crate) async fn look_when_active(meta: Handle, mut leadership: watch::Receiver<Leadership>) {
    loop {
        if leadership.wait_for(|now| now.is_self).await.is_err() {
            return;
        }
        let mut looking = JoinSet::new();
        for broker in meta.controller_image().brokers.values() {
            let (meta, broker) = (meta.clone(), Arc::clone(broker));
            looking.spawn(async move { fence_if_dead(&meta, broker).await });
        }
        while looking.join_next().await.is_some() {}
        if leadership.wait_for(|now| !now.is_self).await.is_err() {
            return;
        }
    }
}

async fn fence_if_dead(meta: &Handle, broker: Arc<Broker>) {
    let Some(at) = broker.endpoints.first().filter(|_| !broker.is_fenced) else { return };
    for _ in 0..ATTEMPTS {
        if is_refused(&at.host, at.port).await {
            tracing::info!(broker = broker.id, "its process is gone");
            match meta.broker_lost(broker.id, broker.epoch).await {
                Ok(()) | Err(Refusal::NotController) => return,
                Err(error) => tracing::warn!(broker = broker.id, %error, "not fenced"),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
