//! What the sender needs now and then: a batch made ready, leaders, a producer id.

use std::time::Instant;

use bytes::Bytes;

use crate::Result;
use crate::client::{Core, Target};
use crate::metadata::Wanted;
use crate::net::Connection;
use crate::producer::accumulator::Plan;
use crate::producer::parcel::Parcel;
use crate::producer::request::{self, Unfit};
use crate::producer::shared::Shared;
use crate::protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};
use crate::protocol::releases::Origin;

/// Something that must not run twice at once, nor again at once after a failure.
#[derive(Debug, Default)]
pub(super) struct Repeat {
    pub(super) running: bool,
    pub(super) failures: u32,
    pub(super) not_before: Option<Instant>,
}

impl Repeat {
    pub(super) fn may_start(&mut self, now: Instant, plan: &mut Plan) -> bool {
        if self.running {
            return false;
        }
        if let Some(at) = self.not_before.filter(|at| now < *at) {
            plan.look_again(at);
            return false;
        }
        self.running = true;
        true
    }

    pub(super) fn done(&mut self, now: Instant, delay: std::time::Duration) {
        self.running = false;
        self.failures += 1;
        self.not_before = Some(now + delay);
    }
}

/// A batch as this version of Produce carries it.
pub(super) fn encode(
    parcel: &mut Parcel,
    connection: &Connection,
    version: i16,
    settings: &request::Settings,
) -> Result<Bytes> {
    match request::unfit(parcel, version, settings) {
        Some(Unfit::Headers) => return Err(connection.too_old("record headers", Origin::HEADERS)),
        Some(Unfit::Zstd) => return Err(connection.too_old("zstd", Origin::ZSTD)),
        None => {}
    }
    Ok(request::reformat(request::seal(parcel, settings)?, version)?)
}

pub(super) async fn refresh(shared: &Shared) -> Result<()> {
    let names = shared.with(|acc| acc.topic_names());
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let core = &shared.core;
    let answer = core.metadata.refresh(&core.pool, Wanted::Existing(&names));
    core.within_api_timeout("asking for leaders", answer).await.map(drop)
}

pub(super) async fn identify(core: &Core) -> Result<InitProducerIdResponse> {
    let request = InitProducerIdRequest { transaction_timeout_ms: i32::MAX, ..Default::default() };
    core.request(&request, &Target::Any).await
}
