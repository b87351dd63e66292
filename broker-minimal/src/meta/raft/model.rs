//! A voter of the quorum for the model of the whole cluster: the real log on a disk that forgets, and the real rule by which changes
//! move the image. Between them is a plain Raft without membership and snapshots, because openraft lives by tokio's clock; here time
//! and messages are the caller's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use openraft::{CommittedLeaderId, EntryPayload};

use super::machine::changed;
use super::tests::disk::MemoryDisk;
use super::types::{Change, Entry, LogId, Outcome, Vote, epoch};
use super::wal::{Content, Op, Wal, locked};
use crate::meta::image::Image;
use crate::meta::log::Proposal;

/// Node ids of the voters.
pub(crate) const VOTERS: [i32; 3] = [1, 2, 3];
/// A leader whom nobody has answered for so long leads nobody.
const LEASE_MS: u64 = 400;
/// Entries of one message.
const BATCH: usize = 16;

/// What voters tell each other.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    term: u64,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    /// Asks for a vote; the last entry of the candidate.
    Vote(Option<LogId>),
    Voted,
    Append {
        previous: Option<LogId>,
        entries: Vec<Entry>,
        committed: u64,
    },
    /// The logs agree before this index.
    Agrees(u64),
    /// They do not, or the receiver has nothing, from this index on at the latest.
    Parts(u64),
    /// Another leads, or may, in a newer term.
    Behind,
}

/// What is to be sent, and to whom.
pub(crate) type Out = Vec<(i32, Message)>;
/// The term and index of a proposal.
pub(crate) type Place = (u64, u64);

/// What is left of a voter when its process ends.
#[derive(Default)]
pub(crate) struct Disk(Arc<MemoryDisk>);

impl Disk {
    /// What was not synced may be gone.
    pub(crate) fn lose_power(&mut self, seed: u64) {
        self.0 = Arc::new(self.0.after_crash(seed));
    }
}

/// A voter's process.
pub(crate) struct Voter {
    id: i32,
    wal: Wal,
    content: Mutex<Content>,
    role: Role,
    /// The newest term that it has heard of.
    seen: u64,
    /// When it last heard a leader, or stood itself.
    heard_ms: u64,
    /// Entries before it are on a majority.
    committed: u64,
    applied: u64,
    pub(crate) image: Arc<Image>,
    /// A mistake: what a proposal was decided on does not matter.
    keeps_stale: bool,
    /// What became of entries: whether they changed the image.
    pub(crate) outcomes: Vec<(Place, bool)>,
}

#[derive(Debug)]
enum Role {
    Follower {
        leader: Option<i32>,
    },
    Candidate {
        votes: BTreeSet<i32>,
    },
    Leader {
        /// Where its own entries begin.
        start: u64,
        peers: BTreeMap<i32, Peer>,
    },
}

/// What a leader knows of another voter.
#[derive(Debug, Clone, Copy)]
struct Peer {
    next: u64,
    agrees: u64,
    heard_ms: Option<u64>,
}

impl Voter {
    /// A process starts on what its disk has.
    pub(crate) fn start(id: i32, disk: &Disk, now_ms: u64, keeps_stale: bool) -> Self {
        let disk: Arc<MemoryDisk> = Arc::clone(&disk.0);
        let (wal, content) = Wal::open(disk).expect("a crash is no damage");
        let committed = content.committed.map_or(0, |last| last.index + 1);
        let mut voter = Self {
            id,
            wal,
            role: Role::Follower { leader: None },
            seen: content.vote.map_or(0, |vote| vote.leader_id.term),
            heard_ms: now_ms,
            committed: 0,
            applied: 0,
            image: Arc::default(),
            keeps_stale,
            outcomes: Vec::new(),
            content: Mutex::new(content),
        };
        voter.commit(committed);
        voter.outcomes.clear();
        voter
    }

    /// Whom it takes for the leader.
    pub(crate) fn leader(&self) -> Option<i32> {
        match self.role {
            Role::Follower { leader } => leader,
            Role::Candidate { .. } => None,
            Role::Leader { .. } => Some(self.id),
        }
    }

    /// The epoch that it leads in: its image has everything of earlier ones, and somebody answers still.
    pub(crate) fn leads(&self, now_ms: u64) -> Option<i32> {
        let Role::Leader { start, peers } = &self.role else { return None };
        let heard = |peer: &Peer| peer.heard_ms.is_some_and(|at| now_ms.saturating_sub(at) <= LEASE_MS);
        (self.applied > *start && peers.values().any(heard)).then(|| epoch(self.term()))
    }

    /// Keeps a proposal, and says where; `None` when it does not lead.
    pub(crate) fn propose(&mut self, proposal: &Proposal, out: &mut Out) -> Option<Place> {
        let Role::Leader { .. } = self.role else { return None };
        let records = proposal.records.iter().map(|record| record.encode().unwrap().into()).collect();
        let change = Change { epoch: proposal.epoch, base: proposal.base, records };
        let place = self.keep(EntryPayload::Normal(change));
        self.send_all(out);
        Some(place)
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now_ms: u64, patience_ms: u64, out: &mut Out) {
        if matches!(self.role, Role::Leader { .. }) {
            self.send_all(out);
        } else if now_ms.saturating_sub(self.heard_ms) > patience_ms {
            let term = self.term().max(self.seen) + 1;
            self.heard_ms = now_ms;
            self.vote(term, self.id);
            self.role = Role::Candidate { votes: BTreeSet::from([self.id]) };
            let body = Body::Vote(locked(&self.content).last());
            let message = Message { term, body };
            out.extend(self.others().map(|peer| (peer, message.clone())));
        }
    }

    pub(crate) fn on_message(&mut self, from: i32, message: Message, now_ms: u64, out: &mut Out) {
        let Message { term, body } = message;
        self.seen = self.seen.max(term);
        let ours = self.term();
        if let Body::Behind = body {
            if term > ours {
                self.role = Role::Follower { leader: None };
            }
            return;
        }
        if term < ours {
            return out.push((from, Message { term: ours, body: Body::Behind }));
        }
        match body {
            Body::Vote(last) => {
                let may = term > ours && last >= locked(&self.content).last();
                if may {
                    self.role = Role::Follower { leader: None };
                    self.heard_ms = now_ms;
                    self.vote(term, from);
                    out.push((from, Message { term, body: Body::Voted }));
                }
            }
            Body::Voted => self.on_vote(from, term, now_ms, out),
            Body::Append { previous, entries, committed } => {
                if term > ours {
                    self.vote(term, from);
                }
                self.role = Role::Follower { leader: Some(from) };
                self.heard_ms = now_ms;
                let body = self.on_append(previous, entries, committed);
                out.push((from, Message { term, body }));
            }
            Body::Agrees(upto) => self.on_agrees(from, term, upto, now_ms),
            Body::Parts(at) => {
                if let Role::Leader { peers, .. } = &mut self.role
                    && let Some(peer) = peers.get_mut(&from).filter(|_| term == ours)
                {
                    // An old message may say less than what is known since.
                    peer.next = peer.next.min(at).max(peer.agrees);
                    peer.heard_ms = Some(now_ms);
                }
            }
            Body::Behind => {}
        }
    }

    fn on_vote(&mut self, from: i32, term: u64, now_ms: u64, out: &mut Out) {
        let is_ours = term == self.term();
        let Role::Candidate { votes } = &mut self.role else { return };
        votes.insert(from);
        if !is_ours || votes.len() * 2 <= VOTERS.len() {
            return;
        }
        let start = self.end();
        let peer = |id| (id, Peer { next: start, agrees: 0, heard_ms: (id == from).then_some(now_ms) });
        self.role = Role::Leader { start, peers: self.others().map(peer).collect() };
        self.keep(EntryPayload::Blank);
        self.send_all(out);
    }

    fn on_append(&mut self, previous: Option<LogId>, entries: Vec<Entry>, committed: u64) -> Body {
        let known =
            |at: LogId| locked(&self.content).entries.get(&at.index).map(|entry| entry.log_id) == Some(at);
        if let Some(previous) = previous.filter(|previous| !known(*previous)) {
            return Body::Parts(previous.index.min(self.end()));
        }
        let upto = previous.map_or(0, |previous| previous.index + 1) + u64::try_from(entries.len()).unwrap();
        let new: Vec<Entry> = entries.into_iter().skip_while(|entry| known(entry.log_id)).collect();
        if let Some(first) = new.first() {
            let since = first.log_id.index;
            assert!(since >= self.committed, "what is committed stays");
            if since < self.end() {
                self.take(Op::Truncate(since));
            }
            self.take(Op::Append(new));
        }
        self.commit(committed.min(upto));
        Body::Agrees(upto)
    }

    fn on_agrees(&mut self, from: i32, term: u64, upto: u64, now_ms: u64) {
        let (ours, end) = (self.term(), self.end());
        let Role::Leader { peers, .. } = &mut self.role else { return };
        let Some(peer) = peers.get_mut(&from).filter(|_| term == ours) else { return };
        peer.agrees = peer.agrees.max(upto);
        peer.next = peer.next.max(upto);
        peer.heard_ms = Some(now_ms);
        let mut ends: Vec<u64> = peers.values().map(|peer| peer.agrees).chain([end]).collect();
        ends.sort_unstable();
        let majority = ends[ends.len() / 2];
        let last = majority.checked_sub(1);
        let is_own =
            last.is_some_and(|last| locked(&self.content).entries[&last].log_id.leader_id.term == ours);
        if is_own {
            self.commit(majority);
        }
    }

    /// Entries before this index are on a majority.
    fn commit(&mut self, upto: u64) {
        if upto <= self.committed {
            return;
        }
        self.committed = upto;
        let new: Vec<Entry> =
            locked(&self.content).entries.range(self.applied..upto).map(|(_, entry)| entry.clone()).collect();
        let last = new.last().expect("what is committed is here").log_id;
        assert_eq!(last.index + 1, upto, "what is committed is here");
        self.take(Op::Committed(Some(last)));
        self.applied = upto;
        for entry in new {
            let term = entry.log_id.leader_id.term;
            let EntryPayload::Normal(mut change) = entry.payload else { continue };
            if self.keeps_stale {
                (change.epoch, change.base) = (epoch(term), self.image.offset);
            }
            let made = match changed(&self.image, term, change) {
                Ok(image) => {
                    self.image = Arc::new(image);
                    true
                }
                Err(Outcome::Stale) => false,
                Err(outcome) => panic!("{outcome:?}"),
            };
            self.outcomes.push(((term, entry.log_id.index), made));
        }
    }

    fn keep(&mut self, payload: EntryPayload<super::types::TypeConfig>) -> Place {
        let (term, index) = (self.term(), self.end());
        let log_id = LogId::new(CommittedLeaderId::new(term, 0), index);
        self.take(Op::Append(vec![Entry { log_id, payload }]));
        (term, index)
    }

    fn send_all(&self, out: &mut Out) {
        let Role::Leader { peers, .. } = &self.role else { return };
        let content = locked(&self.content);
        for (id, peer) in peers {
            let previous = peer.next.checked_sub(1).map(|previous| content.entries[&previous].log_id);
            let entries =
                content.entries.range(peer.next..).take(BATCH).map(|(_, entry)| entry.clone()).collect();
            let body = Body::Append { previous, entries, committed: self.committed };
            out.push((*id, Message { term: content.vote.map_or(0, |vote| vote.leader_id.term), body }));
        }
    }

    fn others(&self) -> impl Iterator<Item = i32> + use<> {
        let me = self.id;
        VOTERS.into_iter().filter(move |id| *id != me)
    }

    fn vote(&mut self, term: u64, candidate: i32) {
        self.take(Op::Vote(Vote::new(term, u64::try_from(candidate).unwrap())));
    }

    fn term(&self) -> u64 {
        locked(&self.content).vote.map_or(0, |vote| vote.leader_id.term)
    }

    fn end(&self) -> u64 {
        locked(&self.content).last().map_or(0, |last| last.index + 1)
    }

    fn take(&mut self, op: Op) {
        self.wal.take(op, &self.content).expect("the disk works");
    }
}
