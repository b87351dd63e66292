//! One replica of one partition, as its broker sees it: who leads, who is in sync, what is committed.
//!
//! Pure: time and the end of the log are told, what is to be done comes back as [`Effect`]s. What the ISR is comes with the image
//! alone; a leader only proposes.

use std::time::Instant;

use kinglet_protocol::ErrorCode;

use super::effect::{Effect, FollowerFetch, IsrChange, NOBODY, Settings};
use super::follower::Follower;
use super::isr::Proposal;
use super::leader::Leader;
use super::pending::{Pending, ReplyId};
use crate::meta::image::PartitionImage;
#[cfg(any(test, feature = "mutants"))]
use crate::mutant::Mutant;

/// One replica.
#[derive(Debug)]
pub(crate) struct Partition {
    me: i32,
    settings: Settings,
    pub(super) leader: i32,
    pub(super) leader_epoch: i32,
    partition_epoch: i32,
    /// First offset that is not committed: what consumers see ends before it.
    pub(super) high_watermark: i64,
    pub(super) role: Role,
    #[cfg(any(test, feature = "mutants"))]
    pub(crate) mutant: Option<Mutant>,
}

#[derive(Debug)]
pub(super) enum Role {
    Leader(Box<Leader>),
    Follower {
        /// Its log was found to agree with its leader's in this epoch: nothing of it is to go any more.
        agrees: bool,
    },
}

impl Partition {
    /// A replica that has not heard who leads. `high_watermark` is what was saved when the broker last ran.
    pub(crate) fn new(me: i32, settings: Settings, high_watermark: i64) -> Self {
        Self {
            me,
            settings,
            leader: NOBODY,
            leader_epoch: -1,
            partition_epoch: -1,
            high_watermark,
            role: Role::Follower { agrees: false },
            #[cfg(any(test, feature = "mutants"))]
            mutant: crate::mutant::made(),
        }
    }

    pub(crate) fn set_settings(&mut self, settings: Settings, now: Instant, out: &mut Vec<Effect>) {
        self.settings = settings;
        self.advance(now, out);
    }

    /// The metadata says who leads and who is in sync. `eligible` are the brokers that may be in an ISR, with their epochs; the log
    /// ends at `end`.
    pub(crate) fn on_image(
        &mut self,
        image: &PartitionImage,
        eligible: &[(i32, i64)],
        now: Instant,
        end: i64,
        out: &mut Vec<Effect>,
    ) {
        let before = self.leader_epoch;
        if (image.leader_epoch, image.partition_epoch) < (before, self.partition_epoch) {
            return;
        }
        let has_moved = image.leader_epoch != before || image.leader != self.leader;
        self.leader = image.leader;
        self.leader_epoch = image.leader_epoch;
        let is_changed = has_moved || image.partition_epoch != self.partition_epoch;
        self.partition_epoch = image.partition_epoch;
        self.high_watermark = self.high_watermark.min(end);
        if has_moved {
            let mut pending = match std::mem::replace(&mut self.role, Role::Follower { agrees: false }) {
                Role::Leader(mut leader) => {
                    fail(leader.deletions.take(), ErrorCode::NOT_LEADER_OR_FOLLOWER, out);
                    leader.pending
                }
                Role::Follower { .. } => Pending::default(),
            };
            let leads = image.leader == self.me;
            // A leader that is confirmed goes on; one that others led after may have missed anything.
            if !leads || image.leader_epoch != before.saturating_add(1) {
                fail(pending.take(), ErrorCode::NOT_LEADER_OR_FOLLOWER, out);
            }
            if leads {
                self.role = Role::Leader(Box::new(Leader::new(end, pending)));
            }
            if before >= 0 {
                out.push(Effect::Moved);
            }
        }
        if let Role::Leader(leader) = &mut self.role {
            leader.follow(self.me, image, eligible, now);
            if is_changed {
                leader.proposal = None;
            }
        }
        self.settle_deletions(out);
        self.advance(now, out);
    }

    /// Records were appended here, as the leader; the log now ends at `end`.
    pub(crate) fn on_append(&mut self, now: Instant, end: i64, out: &mut Vec<Effect>) {
        if let Role::Leader(leader) = &mut self.role {
            leader.end = end;
            self.advance(now, out);
        }
    }

    /// Answers once everything before `until` is committed.
    pub(crate) fn on_ack_wanted(
        &mut self,
        id: ReplyId,
        until: i64,
        deadline: Instant,
        out: &mut Vec<Effect>,
    ) {
        #[cfg(any(test, feature = "mutants"))]
        if self.mutant == Some(Mutant::AckEarly) {
            return out.push(Effect::Ack(id));
        }
        let is_committed = self.high_watermark >= until;
        match &mut self.role {
            Role::Follower { .. } => out.push(Effect::Fail(id, ErrorCode::NOT_LEADER_OR_FOLLOWER)),
            Role::Leader(_) if is_committed => self.ack([id], out),
            Role::Leader(leader) => leader.pending.insert(id, until, deadline),
        }
    }

    /// A follower has everything before the offset that it fetches from, and its log agrees with ours up to there.
    pub(crate) fn on_follower_fetch(
        &mut self,
        fetch: FollowerFetch,
        now: Instant,
        out: &mut Vec<Effect>,
    ) -> Result<(), ErrorCode> {
        let Role::Leader(leader) = &mut self.role else { return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER) };
        let registered = leader.eligible.get(&fetch.broker).copied();
        if fetch.broker_epoch >= 0 && registered.is_some_and(|epoch| epoch > fetch.broker_epoch) {
            // A message of an earlier life: what it had may be gone (KIP-903).
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        // Our image does not have it among the replicas: it tries again until it does.
        let follower = leader.followers.get_mut(&fetch.broker).ok_or(ErrorCode::UNKNOWN_LEADER_EPOCH)?;
        follower.on_fetch(fetch.offset, fetch.broker_epoch, leader.end, now);
        follower.log_start = fetch.log_start;
        self.settle_deletions(out);
        self.advance(now, out);
        self.grow(fetch.broker, out);
        Ok(())
    }

    /// A follower is told the high watermark and where the log starts now; whether that is news to it.
    pub(crate) fn tell(&mut self, broker: i32, log_start: i64) -> bool {
        let high_watermark = self.high_watermark;
        let Role::Leader(leader) = &mut self.role else { return false };
        leader.followers.get_mut(&broker).is_some_and(|follower| follower.tell(high_watermark, log_start))
    }

    /// The controller answered a proposal that was made on `partition_epoch`.
    pub(crate) fn on_isr_answer(
        &mut self,
        partition_epoch: i32,
        result: Result<(), ErrorCode>,
        now: Instant,
        out: &mut Vec<Effect>,
    ) {
        let Role::Leader(leader) = &mut self.role else { return };
        let answered = |proposal: &&mut Proposal| proposal.change.partition_epoch == partition_epoch;
        let Some(proposal) = leader.proposal.as_mut().filter(answered) else { return };
        if proposal.on_answer(result, now) {
            leader.proposal = None;
            self.advance(now, out);
        }
    }

    /// A follower's log agrees with its leader's up to its end, and the leader said what is committed.
    pub(crate) fn on_copied(&mut self, end: i64, leaders_high_watermark: i64) {
        if let Role::Follower { agrees } = &mut self.role {
            *agrees = true;
        }
        // A leader that has just begun may tell less than its predecessor: what was committed stays so.
        self.high_watermark = self.high_watermark.max(leaders_high_watermark).min(end);
    }

    /// A follower's log was cut and ends at `end`.
    pub(crate) fn on_cut(&mut self, end: i64) {
        self.high_watermark = self.high_watermark.min(end);
    }

    /// When [`Self::on_deadline`] wants to be called next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let leader = self.leader()?;
        let lag_time_max = self.settings.lag_time_max;
        let lags = leader.isr.iter().filter_map(|member| leader.followers.get(member));
        let lag = match &leader.proposal {
            Some(proposal) => proposal.retry_at(),
            None => lags.filter_map(|follower| follower.lags_at(leader.end, lag_time_max)).min(),
        };
        [lag, leader.pending.deadline(), leader.deletions.deadline()].into_iter().flatten().min()
    }

    /// Time has passed: appends give up, followers that lag leave the ISR.
    pub(crate) fn on_deadline(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let lag_time_max = self.settings.lag_time_max;
        let me = self.me;
        let Role::Leader(leader) = &mut self.role else { return };
        let expired = leader.pending.expired(now).into_iter().chain(leader.deletions.expired(now));
        fail(expired, ErrorCode::REQUEST_TIMED_OUT, out);
        match &mut leader.proposal {
            Some(proposal) => out.extend(proposal.retry(now).map(Effect::ProposeIsr)),
            None => {
                let end = leader.end;
                let in_sync = |id: &i32| {
                    let follower = leader.followers.get(id);
                    *id == me || follower.is_some_and(|f| f.is_caught_up(end, now, lag_time_max))
                };
                let isr: Vec<i32> = leader.isr.iter().copied().filter(in_sync).collect();
                if isr.len() < leader.isr.len() {
                    #[cfg(any(test, feature = "mutants"))]
                    if self.mutant == Some(Mutant::ShrinkAlone) {
                        leader.isr.clone_from(&isr);
                    }
                    self.propose(isr, out);
                }
            }
        }
        self.advance(now, out);
    }

    /// Drops appends and deletions that nobody waits for any more.
    pub(crate) fn forget(&mut self, is_wanted: impl Fn(ReplyId) -> bool) {
        if let Role::Leader(leader) = &mut self.role {
            leader.pending.retain(&is_wanted);
            leader.deletions.retain(is_wanted);
        }
    }

    pub(super) fn leader(&self) -> Option<&Leader> {
        match &self.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower { .. } => None,
        }
    }

    /// More replicas than the partition has are never asked for.
    pub(super) fn is_under_min_isr(&self, leader: &Leader) -> bool {
        leader.isr.len() < self.settings.min_insync_replicas.min(leader.followers.len() + 1)
    }

    /// Moves the high watermark to what every member of the ISR has, also every proposed one: the controller may have made it a
    /// member, and elect it, before we hear of it. Below `min.insync.replicas` nothing is committed (KIP-966).
    fn advance(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let Some(leader) = self.leader() else { return };
        if self.is_under_min_isr(leader) {
            return;
        }
        let mut high_watermark = leader.end;
        for (id, follower) in &leader.followers {
            let counts = || leader.is_member(*id) || self.is_joining(leader, *id, follower, now);
            #[cfg(any(test, feature = "mutants"))]
            let counts = || match self.mutant {
                Some(Mutant::ForgetProposed) => leader.isr.contains(id),
                _ => counts(),
            };
            if follower.end < high_watermark && counts() {
                high_watermark = follower.end;
            }
        }
        if high_watermark > self.high_watermark {
            self.high_watermark = high_watermark;
            out.push(Effect::Progress);
            let Role::Leader(leader) = &mut self.role else { return };
            let committed = leader.pending.committed(high_watermark);
            self.ack(committed, out);
        }
    }

    /// A follower that is about to join is waited for: a leader alone would run away from it for ever.
    fn is_joining(&self, leader: &Leader, id: i32, follower: &Follower, now: Instant) -> bool {
        let lag_time_max = self.settings.lag_time_max;
        leader.may_join(id, follower)
            && follower.end >= 0
            && follower.is_caught_up(leader.end, now, lag_time_max)
    }

    fn ack(&self, ids: impl IntoIterator<Item = ReplyId>, out: &mut Vec<Effect>) {
        let is_too_few = self.leader().is_none_or(|leader| self.is_under_min_isr(leader));
        if is_too_few {
            fail(ids, ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND, out);
        } else {
            out.extend(ids.into_iter().map(Effect::Ack));
        }
    }

    /// Takes a follower into the ISR that has all that is committed, and all that this leader found at its start: what its predecessors
    /// committed lies before that.
    fn grow(&mut self, id: i32, out: &mut Vec<Effect>) {
        let Some(leader) = self.leader() else { return };
        let Some(follower) = leader.followers.get(&id) else { return };
        let has_all = follower.end >= self.high_watermark.max(leader.start);
        #[cfg(any(test, feature = "mutants"))]
        let has_all = has_all || (self.mutant == Some(Mutant::JoinEarly) && follower.end >= 0);
        if leader.proposal.is_none() && !leader.isr.contains(&id) && has_all && leader.may_join(id, follower)
        {
            let mut isr = leader.isr.clone();
            isr.push(id);
            self.propose(isr, out);
        }
    }

    fn propose(&mut self, isr: Vec<i32>, out: &mut Vec<Effect>) {
        let (me, leader_epoch, partition_epoch) = (self.me, self.leader_epoch, self.partition_epoch);
        let Role::Leader(leader) = &mut self.role else { return };
        let epoch_of = |id: i32| match leader.followers.get(&id) {
            Some(follower) => follower.broker_epoch,
            None if id == me => leader.eligible.get(&me).copied().unwrap_or(-1),
            None => -1,
        };
        let isr = isr.into_iter().map(|id| (id, epoch_of(id))).collect();
        let change = IsrChange { leader_epoch, partition_epoch, isr };
        leader.proposal = Some(Proposal::new(change.clone()));
        out.push(Effect::ProposeIsr(change));
    }
}

fn fail(ids: impl IntoIterator<Item = ReplyId>, code: ErrorCode, out: &mut Vec<Effect>) {
    out.extend(ids.into_iter().map(|id| Effect::Fail(id, code)));
}

#[cfg(test)]
mod tests;
