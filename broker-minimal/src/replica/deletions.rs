//! Deletions of records, which are done when every live replica has made them (KIP-107): until then another leader could bring the records
//! back.

use std::time::Instant;

use kinglet_protocol::ErrorCode;

use super::effect::Effect;
use super::leader::Leader;
use super::partition::{Partition, Role};
use super::pending::ReplyId;

impl Partition {
    /// Records before `start` were deleted here, as the leader. Answers once no live replica has them any more.
    pub(crate) fn on_delete_wanted(
        &mut self,
        id: ReplyId,
        start: i64,
        deadline: Instant,
        out: &mut Vec<Effect>,
    ) {
        let Role::Leader(leader) = &mut self.role else {
            return out.push(Effect::Fail(id, ErrorCode::NOT_LEADER_OR_FOLLOWER));
        };
        leader.log_start = leader.log_start.max(start);
        leader.deletions.insert(id, start, deadline);
        self.settle_deletions(out);
    }

    /// Answers deletions that all live replicas have made. One that is fenced is not waited for: it is told when it comes back.
    pub(super) fn settle_deletions(&mut self, out: &mut Vec<Effect>) {
        if let Role::Leader(leader) = &mut self.role {
            let done = leader.deletions.committed(low_watermark(leader));
            out.extend(done.map(Effect::Ack));
        }
    }

    /// Before which no live replica has records any more; -1 if this is not the leader, or does not know.
    pub(crate) fn low_watermark(&self) -> i64 {
        self.leader().map_or(-1, low_watermark)
    }
}

fn low_watermark(leader: &Leader) -> i64 {
    let live = leader.followers.iter().filter(|(id, _)| leader.eligible.contains_key(id));
    live.map(|(_, follower)| follower.log_start).fold(leader.log_start, i64::min)
}
