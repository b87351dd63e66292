//! Looks at a group without end: who has what, and whether anything belongs to two.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kinglet::protocol::Data;
use kinglet::protocol::messages::DescribeGroupsRequest;
use kinglet::protocol::messages::embedded::ConsumerProtocolAssignment;
use kinglet::{Client, Target};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);

/// How many of the group's states are kept.
const HISTORY: usize = 20;

/// By member id, its partitions.
type Shares = BTreeMap<String, Vec<i32>>;

#[derive(Debug, Default)]
struct Seen {
    state: String,
    shares: Shares,
    /// When which state was first seen, with how many members: the last ones.
    history: VecDeque<(String, String, usize)>,
    /// Stable states that differ from the one before.
    rebalances: usize,
    ended: bool,
}

impl Seen {
    fn note(&mut self, state: &str, members: usize) {
        if self.history.back().is_some_and(|(_, last, count)| last == state && *count == members) {
            return;
        }
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((super::time_of_day(), state.to_owned(), members));
    }
}

pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    news: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Watch {
    pub(crate) fn start(client: Client, group: String) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let news = Arc::new(Notify::new());
        let (to, told) = (seen.clone(), news.clone());
        let task = tokio::spawn(async move {
            while !to.lock().expect("nobody panics while it writes").ended {
                if let Some((state, shares)) = look(&client, &group).await {
                    let mut seen = to.lock().expect("nobody panics while it writes");
                    seen.note(&state, shares.len());
                    if state == "Stable" && shares != seen.shares {
                        seen.rebalances += 1;
                        seen.shares = shares;
                    }
                    seen.state = state;
                }
                told.notify_waiters();
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { seen, news, task }
    }

    /// Waits until so many members have all partitions between them.
    pub(crate) async fn shared_by(&self, members: usize, partitions: i32) {
        loop {
            let news = self.news.notified();
            {
                let seen = self.seen.lock().expect("nobody panics while it writes");
                let mut all: Vec<i32> = seen.shares.values().flatten().copied().collect();
                all.sort_unstable();
                let complete = all == (0..partitions).collect::<Vec<_>>();
                if seen.state == "Stable" && seen.shares.len() == members && complete {
                    return;
                }
            }
            news.await;
        }
    }

    /// What was seen last.
    pub(crate) fn describe(&self) -> String {
        let seen = self.seen.lock().expect("nobody panics while it writes");
        let history: Vec<_> = seen
            .history
            .iter()
            .map(|(at, state, members)| format!("{at} {state}, {members} members"))
            .collect();
        format!("  {}\n  last shared: {:?}", history.join("\n  "), seen.shares)
    }

    /// Stops; how often the group had changed.
    pub(crate) async fn stop(self) -> usize {
        self.seen.lock().expect("nobody panics while it writes").ended = true;
        self.task.await.expect("it found nothing wrong");
        let seen = self.seen.lock().expect("nobody panics while it writes");
        seen.rebalances
    }
}

/// State and shares of the group; `None` while nobody coordinates it.
async fn look(client: &Client, group: &str) -> Option<(String, Shares)> {
    let request = DescribeGroupsRequest { groups: vec![group.to_owned()], ..Default::default() };
    let answer = client.request(request, Target::Group(group.to_owned())).await.ok()?;
    let described = answer.groups.into_iter().next()?;
    described.error_code.ok().ok()?;
    let mut owner: HashMap<i32, String> = HashMap::new();
    let mut shares = Shares::new();
    let is_stable = described.group_state == "Stable";
    for member in described.members {
        let mut partitions = partitions(&member.member_assignment);
        partitions.sort_unstable();
        for partition in &partitions {
            let other = owner.insert(*partition, member.member_id.clone());
            assert!(
                other.is_none() || !is_stable,
                "partition {partition} belongs to {} and {} at once",
                other.unwrap_or_default(),
                member.member_id
            );
        }
        shares.insert(member.member_id, partitions);
    }
    Some((described.group_state, shares))
}

fn partitions(assignment: &bytes::Bytes) -> Vec<i32> {
    if assignment.is_empty() {
        return Vec::new();
    }
    let decoded = ConsumerProtocolAssignment::decode_versioned(assignment.clone());
    let topics = decoded.expect("an assignment of the consumer protocol").1.assigned_partitions;
    topics.into_iter().flat_map(|topic| topic.partitions).collect()
}
