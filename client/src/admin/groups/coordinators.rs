//! Asking the right brokers: who coordinates which group, and asking again where that has changed.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tokio::time::timeout_at;

use crate::admin::Admin;
use crate::client::Target;
use crate::coordinator::Coordinated;
use crate::protocol::ErrorCode;
use crate::protocol::messages::FindCoordinatorRequest;
use crate::{Error, ErrorKind, PerItem, Result, rng};

/// The oldest version of FindCoordinator that asks for several groups at once (KIP-699).
const LISTS_FROM: i16 = 4;

/// What a coordinator said about the groups it was asked about.
pub(super) type Answers<T> = HashMap<String, Result<T>>;

impl Admin {
    /// Asks each group's coordinator by `ask` until every group has an answer that will not get better, or the time is
    /// over: then the groups that are still open fail.
    pub(super) async fn ask_coordinators<T, F>(
        &self,
        what: &str,
        groups: Vec<String>,
        ask: impl Fn(i32, Vec<String>) -> F,
    ) -> Result<PerItem<String, T>>
    where
        F: Future<Output = Result<Answers<T>>>,
    {
        let deadline = self.core.api_deadline();
        let mut items: Vec<Item<T>> = groups.into_iter().map(Item::new).collect();
        let mut round = 1;
        while items.iter().any(Item::is_open) {
            match timeout_at(deadline.into(), self.ask_round(&mut items, &ask)).await {
                Ok(asked) => asked?,
                Err(_) => break,
            }
            if items.iter().any(Item::is_open) {
                let wait = tokio::time::sleep(self.core.retry.delay(round, rng::unit()));
                if timeout_at(deadline.into(), wait).await.is_err() {
                    break;
                }
                round += 1;
            }
        }
        let finish = |item: Item<T>| {
            let result = item.result.unwrap_or_else(|| {
                let error = self.core.api_timeout(what);
                Err(match item.reason {
                    Some(reason) => error.because(reason.to_string()),
                    None => error,
                })
            });
            (item.group, result)
        };
        Ok(items.into_iter().map(finish).collect())
    }

    /// As [`ask_coordinators`](Self::ask_coordinators), for one group.
    pub(super) async fn ask_coordinator<T, F>(
        &self,
        what: &str,
        group: &str,
        ask: impl Fn(i32) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let ask = |broker, groups: Vec<String>| {
            let asked = ask(broker);
            async move {
                let result = asked.await;
                Ok(groups.into_iter().zip([result]).collect())
            }
        };
        let results = self.ask_coordinators(what, vec![group.to_owned()], ask).await?;
        results.into_iter().next().map_or_else(|| Err(unanswered(group)), |(_, result)| result)
    }

    /// Finds the coordinators of the open groups and asks each of them once.
    async fn ask_round<T, F>(&self, items: &mut [Item<T>], ask: &impl Fn(i32, Vec<String>) -> F) -> Result<()>
    where
        F: Future<Output = Result<Answers<T>>>,
    {
        let open: Vec<String> =
            items.iter().filter(|item| item.is_open()).map(|item| item.group.clone()).collect();
        let mut found = self.find_coordinators(&open).await?;
        let mut by_broker: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for item in items.iter_mut().filter(|item| item.is_open()) {
            match found.remove(&item.group) {
                Some(Ok(broker)) => by_broker.entry(broker).or_default().push(item.group.clone()),
                Some(Err(error)) => item.answer(Err(error)),
                // The same group was named twice: the first one has its coordinator.
                None => {}
            }
        }
        for (broker, groups) in by_broker {
            let asked = ask(broker, groups.clone()).await;
            let mut answers = match asked {
                Ok(answers) => answers,
                Err(error) => groups.iter().map(|group| (group.clone(), Err(error.clone()))).collect(),
            };
            for item in items.iter_mut().filter(|item| item.is_open() && groups.contains(&item.group)) {
                let group = item.group.clone();
                item.answer(answers.remove(&group).unwrap_or_else(|| Err(unanswered(&group))));
            }
        }
        Ok(())
    }

    /// The coordinators of these groups, by group: one question for all where the broker takes that.
    async fn find_coordinators(&self, groups: &[String]) -> Result<Answers<i32>> {
        let connection = self.core.connection(&Target::Any).await?;
        let version = connection.version::<FindCoordinatorRequest>(i16::MAX)?;
        let mut found = Answers::new();
        if version < LISTS_FROM {
            for group in groups {
                found.insert(group.clone(), self.core.coordinator(Coordinated::Group, group).await);
            }
            return Ok(found);
        }
        let request = FindCoordinatorRequest { coordinator_keys: groups.to_vec(), ..Default::default() };
        let answer = match connection.call_version(&request, version, Duration::ZERO).await {
            Ok(answer) => answer,
            // Another broker may answer in the next round.
            Err(error) => {
                return Ok(groups.iter().map(|group| (group.clone(), Err(error.clone()))).collect());
            }
        };
        for coordinator in answer.coordinators {
            let result = match coordinator.error_code.ok() {
                Ok(()) => Ok(coordinator.node_id),
                Err(code) => Err(Error::broker(code, format_args!("the coordinator of {}", coordinator.key))
                    .said(coordinator.error_message)),
            };
            found.insert(coordinator.key, result);
        }
        for group in groups {
            found.entry(group.clone()).or_insert_with(|| Err(unanswered(group)));
        }
        Ok(found)
    }
}

/// One group that is asked about.
struct Item<T> {
    group: String,
    result: Option<Result<T>>,
    /// Why it is still open.
    reason: Option<Error>,
}

impl<T> Item<T> {
    fn new(group: String) -> Self {
        Self { group, result: None, reason: None }
    }

    fn is_open(&self) -> bool {
        self.result.is_none()
    }

    fn answer(&mut self, result: Result<T>) {
        match result {
            Err(error) if may_change(&error) => self.reason = Some(error),
            result => self.result = Some(result),
        }
    }
}

/// Whether the coordinator may be another one, or may answer, in a moment.
fn may_change(error: &Error) -> bool {
    match error.code() {
        Some(code) => is_of_coordinator(code),
        None => matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Disconnected | ErrorKind::Timeout),
    }
}

/// Codes that speak of the coordinator and not of what was asked.
pub(super) fn is_of_coordinator(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NOT_COORDINATOR
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
    )
}

pub(super) fn unanswered(group: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("the broker's answer does not mention group {group}"))
}
