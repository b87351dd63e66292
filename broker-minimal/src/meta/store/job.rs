//! What waits for the controller: a decision to be made, and somebody who waits for it.

use std::borrow::Cow;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::config::Config;
use crate::meta::Own;
use crate::meta::controller::Controller;
use crate::meta::image::Image;
use crate::meta::record::Record;
use crate::meta::refusal::Refusal;
use crate::meta::sessions::Sessions;
use crate::rng;

/// What a decision is made from: the image as it will be when the decisions before it have been carried out.
pub(super) struct Desk<'a> {
    pub(super) image: Cow<'a, Image>,
    pub(super) config: &'a Config,
    pub(super) own: &'a Own,
    pub(super) sessions: &'a mut Sessions,
    pub(super) now: Instant,
    pub(super) seed: u64,
    pub(super) is_solo: bool,
}

impl Desk<'_> {
    /// The controller, and the sessions for it.
    pub(super) fn controller(&mut self) -> (Controller<'_>, &mut Sessions) {
        let controller = Controller {
            image: &self.image,
            config: self.config,
            cluster_id: self.own.cluster_id.get(),
            seed: self.seed,
            new_id: rng::uuid,
        };
        (controller, self.sessions)
    }
}

/// A decision with its answer, whatever that is.
pub(super) trait Job: Send {
    /// Decides, perhaps anew: what was decided before came to nothing.
    fn decide(&mut self, desk: &mut Desk<'_>) -> Vec<Record>;

    /// Tells whoever waits what became of it: the offset behind its records, or why it was not made.
    fn answer(self: Box<Self>, outcome: Result<i64, Refusal>);

    /// Whether it makes partitions, for which there may be no place on the disks.
    fn makes_partitions(&self) -> bool;
}

/// What became of a job.
#[derive(Debug)]
pub(super) enum Outcome<T> {
    /// It was carried out; the metadata log is at this offset then.
    Made(T, i64),
    /// It was not, whatever the decision was.
    Failed(Option<T>, Refusal),
}

impl<T> Outcome<Vec<Result<T, Refusal>>> {
    /// An answer for each of `count` things that were asked for.
    pub(super) fn each(self, count: usize) -> Vec<Result<T, Refusal>> {
        match self {
            Self::Made(answers, _) => answers,
            Self::Failed(Some(answers), refusal) => {
                answers.into_iter().map(|answer| answer.and_then(|_| Err(refusal.clone()))).collect()
            }
            Self::Failed(None, refusal) => (0..count).map(|_| Err(refusal.clone())).collect(),
        }
    }
}

impl<T> Outcome<Result<T, Refusal>> {
    /// The one answer.
    pub(super) fn one(self) -> Result<T, Refusal> {
        match self {
            Self::Made(answer, _) => answer,
            Self::Failed(Some(Err(refusal)), _) | Self::Failed(_, refusal) => Err(refusal),
        }
    }
}

/// A job that is a function.
pub(super) struct Asked<T, F> {
    pub(super) decide: F,
    pub(super) decided: Option<T>,
    pub(super) reply: oneshot::Sender<Outcome<T>>,
    pub(super) makes_partitions: bool,
}

impl<T: Send, F: FnMut(&mut Desk<'_>) -> (Vec<Record>, T) + Send> Job for Asked<T, F> {
    fn decide(&mut self, desk: &mut Desk<'_>) -> Vec<Record> {
        let (records, answer) = (self.decide)(desk);
        self.decided = Some(answer);
        records
    }

    fn answer(self: Box<Self>, outcome: Result<i64, Refusal>) {
        let outcome = match (self.decided, outcome) {
            (Some(answer), Ok(offset)) => Outcome::Made(answer, offset),
            (decided, Err(refusal)) => Outcome::Failed(decided, refusal),
            (None, Ok(_)) => Outcome::Failed(None, Refusal::NotController),
        };
        // Whoever asked may have gone.
        let _gone = self.reply.send(outcome);
    }

    fn makes_partitions(&self) -> bool {
        self.makes_partitions
    }
}

/// What the controller does by itself. Nobody waits for it.
pub(super) struct Unasked<F>(pub(super) F);

impl<F: FnMut(&mut Desk<'_>) -> Vec<Record> + Send> Job for Unasked<F> {
    fn decide(&mut self, desk: &mut Desk<'_>) -> Vec<Record> {
        (self.0)(desk)
    }

    fn answer(self: Box<Self>, _: Result<i64, Refusal>) {}

    fn makes_partitions(&self) -> bool {
        false
    }
}
