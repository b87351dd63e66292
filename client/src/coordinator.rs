//! Who coordinates a group, or the transactions of an id.

use std::time::Duration;

use crate::client::Core;
use crate::protocol::ErrorCode;
use crate::protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use crate::protocol::releases::{Origin, Release};
use crate::{Error, Result, rng};

/// What is coordinated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coordinated {
    Group,
    Transactions,
}

/// How often a coordinator is asked for that is just being elected.
const ROUNDS: u32 = 6;
/// The oldest version that asks for the coordinator of transactions.
const KINDS_FROM: i16 = 1;
/// The oldest version that asks for several at once (KIP-699).
const LISTS_FROM: i16 = 4;

impl Core {
    /// The id of the coordinating broker. One that is not known yet is asked for a few times: the first question makes
    /// a cluster elect it.
    pub(crate) async fn coordinator(&self, of: Coordinated, id: &str) -> Result<i32> {
        let mut round = 1;
        loop {
            let (broker, code, said) = self.ask_for_coordinator(of, id).await?;
            let Err(code) = code.ok() else { return Ok(broker) };
            if !code.is_retriable() || round >= ROUNDS {
                return Err(Error::broker(code, format_args!("the coordinator of {id}")).said(said));
            }
            tokio::time::sleep(self.retry.delay(round, rng::unit())).await;
            round += 1;
        }
    }

    async fn ask_for_coordinator(
        &self,
        of: Coordinated,
        id: &str,
    ) -> Result<(i32, ErrorCode, Option<String>)> {
        let connection = self.metadata.any(&self.pool).await?;
        let version = connection.version::<FindCoordinatorRequest>(i16::MAX)?;
        if version < KINDS_FROM && of == Coordinated::Transactions {
            let origin = Origin { release: Release::V0_11_0, kip: Some(98) };
            return Err(connection.too_old("coordinators of transactions", origin));
        }
        let request = request(of, id, version);
        Ok(answer(connection.call_version(&request, version, Duration::ZERO).await?))
    }
}

fn request(of: Coordinated, id: &str, version: i16) -> FindCoordinatorRequest {
    let key_type = match of {
        Coordinated::Group => 0,
        Coordinated::Transactions => 1,
    };
    if version < LISTS_FROM {
        FindCoordinatorRequest { key: id.to_owned(), key_type, ..Default::default() }
    } else {
        FindCoordinatorRequest { key_type, coordinator_keys: vec![id.to_owned()], ..Default::default() }
    }
}

fn answer(response: FindCoordinatorResponse) -> (i32, ErrorCode, Option<String>) {
    match response.coordinators.into_iter().next() {
        Some(found) => (found.node_id, found.error_code, found.error_message),
        None => (response.node_id, response.error_code, response.error_message),
    }
}
