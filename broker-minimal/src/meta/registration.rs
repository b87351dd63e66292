//! This broker's life in the cluster (KIP-631): it registers, says that it is alive, catches up, serves, and asks to leave.

use std::sync::Arc;
use std::time::Duration;

use kinglet_protocol::messages::broker_registration::Listener;
use kinglet_protocol::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse,
};
use kinglet_protocol::{ErrorCode, Uuid};
use tokio::sync::watch;

use super::active::ActiveController;
use super::image::{Endpoint, Image};
use crate::config::Config;
use crate::shard::storage::Storage;
use crate::trouble::Trouble;
use crate::{clock, stopped};

/// Between attempts, and between heartbeats of a broker that waits for something.
const EAGER: Duration = Duration::from_millis(30);
/// How long one request may take before it is tried again: by then there is another controller.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a broker that wants to leave looks for a controller: when a whole cluster stops, the last ones find none.
const ALONE: Duration = Duration::from_secs(1);

/// Where the broker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// It has not registered yet.
    Unknown,
    /// It leads nothing: it is catching up, or the controller has missed it.
    Fenced,
    Serving,
    /// It leads nothing any more and may stop.
    Released,
}

/// What the broker says of itself, and where it stands.
pub(crate) struct Registration {
    pub(crate) config: Arc<Config>,
    pub(crate) controller: ActiveController,
    pub(crate) cluster_id: String,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) dirs: Vec<Uuid>,
    /// Knows which of them have failed.
    pub(crate) storage: Arc<Storage>,
    /// Drawn anew by each process.
    pub(crate) incarnation: Uuid,
    /// The epoch of the last life, if that ended cleanly; else -1.
    pub(crate) previous_epoch: i64,
    /// The image that this broker's partitions have followed.
    pub(crate) followed: watch::Receiver<Arc<Image>>,
    pub(crate) epoch: watch::Sender<i64>,
    pub(crate) standing: watch::Sender<Standing>,
    /// Becomes true when the broker wants to leave.
    pub(crate) leaving: watch::Receiver<bool>,
}

impl Registration {
    /// Until the broker stops.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.live() => {}
            () = stopped(&mut stop) => {}
        }
    }

    async fn live(&mut self) {
        loop {
            let epoch = self.register().await;
            self.epoch.send_replace(epoch);
            self.standing.send_replace(Standing::Fenced);
            if self.beat(epoch).await == Standing::Released {
                self.standing.send_replace(Standing::Released);
                std::future::pending::<()>().await;
            }
        }
    }

    async fn register(&mut self) -> i64 {
        let listeners = self.endpoints.iter().map(|endpoint| Listener {
            name: endpoint.name.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        });
        let request = BrokerRegistrationRequest {
            broker_id: self.config.node_id,
            cluster_id: self.cluster_id.clone(),
            incarnation_id: self.incarnation,
            listeners: listeners.collect(),
            rack: self.config.rack.clone(),
            log_dirs: self.dirs.clone(),
            previous_broker_epoch: self.previous_epoch,
            ..Default::default()
        };
        let mut said = ErrorCode::NONE;
        let mut trouble = Trouble::default();
        loop {
            let why: Option<String> = match self.controller.ask(&request, clock::now() + PATIENCE).await {
                Ok(BrokerRegistrationResponse { error_code: ErrorCode::NONE, broker_epoch, .. }) => {
                    let after_ms = trouble.is_over(clock::now()).map(|after| after.as_millis());
                    tracing::info!(epoch = broker_epoch, after_ms, "registered");
                    return broker_epoch;
                }
                Ok(BrokerRegistrationResponse { error_code: ErrorCode::NOT_CONTROLLER, .. }) => {
                    Some(ErrorCode::NOT_CONTROLLER.to_string())
                }
                Ok(BrokerRegistrationResponse { error_code, .. }) => {
                    // Said once: another process with this id may take a while to be missed.
                    if error_code != said {
                        tracing::warn!(error = %error_code, "the controller does not register this broker yet");
                        said = error_code;
                    }
                    None
                }
                Err(error) => Some(error.to_string()),
            };
            if let Some(error) = why.filter(|_| trouble.is_there(clock::now())) {
                tracing::warn!(error, "no controller registers this broker");
            }
            tokio::time::sleep(EAGER).await;
        }
    }

    /// Says that it is alive until it is not known any more, or may leave.
    async fn beat(&mut self, epoch: i64) -> Standing {
        let interval = self.config.broker_heartbeat_interval;
        let mut failed_dirs = self.storage.shards.failed_dirs();
        let mut unheard_since = None;
        let mut trouble = Trouble::default();
        loop {
            let wants_to_leave = *self.leaving.borrow();
            let request = BrokerHeartbeatRequest {
                broker_id: self.config.node_id,
                broker_epoch: epoch,
                current_metadata_offset: self.followed.borrow().offset - 1,
                want_shut_down: wants_to_leave,
                offline_log_dirs: self.storage.failed_dirs(),
                ..Default::default()
            };
            let mut is_settled = false;
            let patience = if wants_to_leave { ALONE } else { PATIENCE };
            let answer = self.controller.ask(&request, clock::now() + patience).await;
            if answer.is_ok() {
                unheard_since = None;
                if let Some(after) = trouble.is_over(clock::now()) {
                    tracing::info!(after_ms = after.as_millis(), "a controller answers this broker again");
                }
            } else if wants_to_leave && *unheard_since.get_or_insert_with(clock::now) + ALONE <= clock::now()
            {
                tracing::info!("there is no controller any more that could take over what this broker leads");
                return Standing::Released;
            }
            match answer {
                Ok(BrokerHeartbeatResponse {
                    error_code: ErrorCode::NONE,
                    is_fenced,
                    should_shut_down,
                    ..
                }) => {
                    if should_shut_down {
                        return Standing::Released;
                    }
                    let standing = if is_fenced { Standing::Fenced } else { Standing::Serving };
                    self.standing.send_if_modified(|now| std::mem::replace(now, standing) != standing);
                    is_settled = !is_fenced && !wants_to_leave;
                }
                Ok(BrokerHeartbeatResponse { error_code, .. }) => match error_code {
                    ErrorCode::STALE_BROKER_EPOCH | ErrorCode::BROKER_ID_NOT_REGISTERED => {
                        tracing::warn!(error = %error_code, "the controller does not know this broker any more: it registers again");
                        // Whoever comes back to life is another.
                        return Standing::Unknown;
                    }
                    code => tracing::debug!(error = %code, "heartbeat refused"),
                },
                Err(error) => {
                    if trouble.is_there(clock::now()) {
                        tracing::warn!(%error, "no controller answers this broker");
                    }
                }
            }
            let pause = if is_settled { interval } else { EAGER };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = self.leaving.changed() => if changed.is_err() { std::future::pending::<()>().await },
                () = self.controller.changed() => {}
                changed = failed_dirs.changed() => if changed.is_err() { std::future::pending::<()>().await },
            }
        }
    }
}
