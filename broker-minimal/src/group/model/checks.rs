//! What must hold.

use std::collections::{BTreeSet, HashMap, HashSet};

use kinglet_protocol::ErrorCode;
use kinglet_protocol::messages::JoinGroupResponse;

use super::client::{GROUP, PARTITIONS, REBALANCE_MS};
use super::world::{CLIENTS, Sender, World};
use crate::group::classic::{Group, State};
use crate::group::effects::{Effects, Reply, ReplyId};
use crate::group::records::Record;

/// A request that waits longer was forgotten: a new member's is answered after five minutes, others with the rebalance.
const REPLY_LIMIT_MS: i64 = 5 * 60_000 + 2 * REBALANCE_MS as i64;

impl World {
    /// Only members of the generation that lives are served.
    pub(super) fn check_fenced(&self, member: &str, generation: i32, id: ReplyId, effects: &Effects) {
        let Some((_, reply)) = effects.replies.iter().find(|(other, _)| *other == id) else { return };
        let code = match reply {
            Reply::Sync(synced) => synced.error_code,
            Reply::Heartbeat(code) => *code,
            Reply::Commit(topics) => topics[0].partitions[0].error_code,
            _ => return,
        };
        let group = self.core.groups().get(GROUP);
        let lives =
            group.is_some_and(|group| group.generation == generation && group.members.contains_key(member));
        // What nobody is a member of may be committed to by everybody, but only without a generation.
        assert!(code.is_err() || lives, "{member} of generation {generation} was served");
    }

    pub(super) fn newest_offset_at(&self) -> Option<usize> {
        Some(self.log.iter().rposition(|record| matches!(record, Record::Offset(..)))? + 1)
    }

    pub(super) fn count(&mut self, code: ErrorCode) {
        match code {
            ErrorCode::FENCED_INSTANCE_ID => self.bites.fenced += 1,
            ErrorCode::ILLEGAL_GENERATION => self.bites.illegal += 1,
            ErrorCode::UNKNOWN_MEMBER_ID => self.bites.unknown += 1,
            ErrorCode::REBALANCE_IN_PROGRESS => self.bites.rebalancing += 1,
            _ => {}
        }
    }

    pub(super) fn check_joined(&mut self, joined: &JoinGroupResponse) {
        self.count(joined.error_code);
        if joined.error_code.is_err() || joined.leader != joined.member_id {
            return;
        }
        if joined.skip_assignment {
            self.bites.skipped += 1;
            return;
        }
        let key = (self.incarnation, joined.generation_id);
        let assigner = self.assigners.entry(key).or_insert_with(|| joined.member_id.clone());
        assert_eq!(*assigner, joined.member_id, "two assign generation {}", joined.generation_id);
    }

    pub(super) fn check_assigned(&mut self, assignment: &[u8], sender: &Sender) {
        let group = &self.core.groups()[GROUP];
        // The reply was decided on in a generation that the log has by now.
        let generation = self.stored_generations().last().copied().expect("it is in the log");
        assert!(generation <= group.generation);
        let (nonce, partitions) = assignment.split_at(4.min(assignment.len()));
        if nonce.is_empty() {
            return;
        }
        let client = &self.clients[sender.client];
        let owner = client.instance.clone().unwrap_or_else(|| format!("{}#{}", client.name, sender.client));
        // Which generation it is of can be told by its mark: one generation has one.
        let known =
            self.assignments.iter().find(|(_, (other, _))| other == nonce).map(|(generation, _)| *generation);
        let generation = known.unwrap_or(generation);
        let entry = self.assignments.entry(generation).or_insert_with(|| (nonce.to_vec(), HashMap::new()));
        assert_eq!(entry.0, nonce, "generation {generation} is assigned twice");
        for partition in partitions {
            let before = entry.1.entry(*partition).or_insert_with(|| owner.clone());
            assert_eq!(*before, owner, "partition {partition} has two owners in generation {generation}");
        }
    }

    pub(super) fn stored_generations(&self) -> Vec<i32> {
        let generation = |record: &Record| match record {
            Record::Group(_, Some(value)) => Some(value.generation),
            _ => None,
        };
        self.log.iter().filter_map(generation).collect()
    }

    pub(super) fn check(&self) {
        let overdue = self.open.values().find(|open| self.ms - open.since_ms > REPLY_LIMIT_MS);
        assert!(overdue.is_none(), "{overdue:?} was forgotten at {}", self.ms);
        let waiting: HashSet<ReplyId> =
            self.underway.iter().flat_map(|effects| effects.replies.iter().map(|(id, _)| *id)).collect();
        let parked = self.core.groups().values().flat_map(|group| group.members.values());
        let parked: HashSet<ReplyId> =
            parked.flat_map(|m| m.join.map(|join| join.reply).into_iter().chain(m.sync)).collect();
        let nowhere = self.open.iter().find(|(id, _)| !waiting.contains(id) && !parked.contains(id));
        assert!(nowhere.is_none(), "{nowhere:?} is nowhere");

        let live = self.core.groups().get(GROUP);
        let told = self.shadow.groups().get(GROUP);
        assert_eq!(
            live.map(|group| &group.offsets).filter(|offsets| !offsets.is_empty()),
            told.map(|group| &group.offsets).filter(|offsets| !offsets.is_empty())
        );
        if let (Some(live), Some(told)) = (live, told) {
            assert!(live.generation >= told.generation);
            let is_settled = live.is_stored && matches!(live.state, State::Stable | State::Empty);
            if is_settled {
                let stored =
                    |group: &Group| group.to_stored(|member| member.assignment.clone(), group.state_since_ms);
                assert_eq!(stored(live), stored(told));
                assert_eq!(
                    (live.state, &live.statics, &live.topics),
                    (told.state, &told.statics, &told.topics)
                );
            }
        }
        assert!(self.stored_generations().is_sorted(), "a generation goes back");
    }

    pub(super) fn everyone_is_assigned(&self) {
        let group = &self.core.groups()[GROUP];
        assert_eq!((group.state, group.members.len()), (State::Stable, CLIENTS));
        let generations: BTreeSet<i32> = self.clients.iter().map(|client| client.generation).collect();
        assert_eq!(generations.into_iter().collect::<Vec<_>>(), [group.generation]);
        let mut assigned: Vec<u8> =
            self.clients.iter().flat_map(|client| client.assignment.clone()).collect();
        assigned.sort_unstable();
        assert_eq!(assigned, (0..PARTITIONS).collect::<Vec<_>>(), "every partition has one owner");
    }
}
