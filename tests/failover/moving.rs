//! What a drill does when partitions move to other brokers.

use std::io;

use kinglet::TopicPartition;
use kinglet::admin::{ConfigChange, ConfigResource, Reassignment, ReplicationFactorChange};
use kinglet_harness::cluster::Brokers;
use tokio::time::{Instant, sleep};

use super::{Drill, LIMIT, LOOK, binaries, drill_with};
use crate::Fallible;
use crate::workload::TOPIC;

/// More than a few fetches of a replica bring.
const STORED: u64 = 4_000;

/// [`drill`], with partitions that have these replicas, and fetches of replicas so small that a move can be held back in the middle.
pub(crate) fn drill_moving(
    name: &'static str,
    replicas: [[i32; 2]; 3],
    work: impl FnOnce(&mut Drill<'_>) -> Fallible<()>,
) {
    let brokers = Brokers::start(&binaries(), &["replica.fetch.max.bytes=1000"]);
    let all = replicas.map(|replicas| replicas.to_vec());
    drill_with(brokers.expect("three kbrokers form a cluster"), name, &all, |drill| {
        // What the first fetch could bring would have moved before it is held back.
        for (partition, [leader, _]) in (0..).zip(replicas) {
            drill.wait("there is something to move", |drill| {
                Ok(drill.stored(leader, partition)? > Some(STORED))
            })?;
        }
        work(drill)
    });
}

impl Drill<'_> {
    /// Waits until every partition has these replicas.
    pub(crate) fn until_replicas(&self, replicas: [[i32; 2]; 3]) -> Fallible<()> {
        self.until(&format!("replicas are {replicas:?}"), |p| {
            (0..)
                .zip(&replicas)
                .any(|(partition, replicas)| p.partition == partition && p.replicas == replicas)
        })
    }

    /// Gives partitions other replicas, or takes that back.
    pub(crate) fn reassign(&self, wanted: &[(i32, Reassignment)]) -> Fallible<()> {
        let wanted =
            wanted.iter().map(|(partition, aim)| (TopicPartition::new(TOPIC, *partition), aim.clone()));
        let admin = self.admin.admin();
        let begun = admin.alter_partition_reassignments(wanted, ReplicationFactorChange::Refused);
        for (_, result) in self.runtime.block_on(begun)? {
            result?;
        }
        Ok(())
    }

    /// The partitions that are on their way to other replicas.
    pub(crate) fn moving(&self) -> Fallible<Vec<i32>> {
        let admin = self.admin.admin();
        let ongoing = self.runtime.block_on(admin.list_all_partition_reassignments())?;
        Ok(ongoing.into_iter().map(|(at, _)| at.partition).collect())
    }

    /// Lets a broker get next to nothing of what moves to it.
    pub(crate) fn hold_back(&self, broker: i32) -> Fallible<()> {
        self.throttle(broker, |key, value| ConfigChange::Set(key.to_owned(), value.to_owned()))
    }

    /// Undoes [`Drill::hold_back`].
    pub(crate) fn let_go(&self, broker: i32) -> Fallible<()> {
        self.throttle(broker, |key, _| ConfigChange::Delete(key.to_owned()))
    }

    fn throttle(&self, broker: i32, change: impl Fn(&str, &str) -> ConfigChange) -> Fallible<()> {
        let rate = change("follower.replication.throttled.rate", "1");
        let replicas = change("follower.replication.throttled.replicas", "*");
        let changes = [
            (ConfigResource::Broker(broker), vec![rate]),
            (ConfigResource::Topic(TOPIC.to_owned()), vec![replicas]),
        ];
        for (_, result) in self.runtime.block_on(self.admin.admin().incremental_alter_configs(changes))? {
            result?;
        }
        Ok(())
    }

    /// How much of a partition's records lies in a broker's directory; `None` when it has none for the partition.
    pub(crate) fn stored(&self, broker: i32, partition: i32) -> Fallible<Option<u64>> {
        let entries =
            match std::fs::read_dir(self.brokers.data_dir(broker)?.join(format!("{TOPIC}-{partition}"))) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error.into()),
            };
        let mut bytes = 0;
        for entry in entries {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                bytes += entry.metadata()?.len();
            }
        }
        Ok(Some(bytes))
    }

    /// Waits until something is so.
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&Self) -> Fallible<bool>) -> Fallible<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            match is_so(self) {
                Ok(true) => return Ok(()),
                last if Instant::now() > deadline => {
                    return Err(format!("not so after {LIMIT:?}: {what}; {last:?}").into());
                }
                _ => self.runtime.block_on(async { sleep(LOOK).await }),
            }
        }
    }
}
