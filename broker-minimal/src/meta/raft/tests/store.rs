//! What openraft asks of a store, by its own tests; and what snapshots survive.

use std::sync::Arc;

use kinglet_protocol::Uuid;
use kinglet_protocol::messages::metadata_records::TopicRecord;
use openraft::storage::RaftStateMachine;
use openraft::testing::{StoreBuilder, Suite};
use openraft::{CommittedLeaderId, EntryPayload, RaftSnapshotBuilder};
use tokio::sync::watch;

use super::disk::MemoryDisk;
use crate::meta::image::Image;
use crate::meta::raft::disk::Disk;
use crate::meta::raft::machine::Machine;
use crate::meta::raft::snapshot::{self, SnapshotError};
use crate::meta::raft::store::LogStore;
use crate::meta::raft::types::{Change, Entry, LogId, Outcome, StorageError, TypeConfig};
use crate::meta::raft::wal::Wal;
use crate::meta::record::Record;

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Machine> for Builder {
    async fn build(&self) -> Result<((), LogStore, Machine), StorageError> {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::default());
        let (wal, content) = Wal::open(Arc::clone(&disk)).unwrap();
        let (store, _) = LogStore::start(wal, content).unwrap();
        Ok(((), store, Machine::new(disk, None, watch::Sender::default())))
    }
}

#[test]
fn the_store_is_what_openraft_asks_for() {
    Suite::test_all(Builder).unwrap();
}

fn topic(id: u8) -> Record {
    Record::Topic(TopicRecord { name: format!("t{id}"), topic_id: Uuid([id; 16]) })
}

fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term, 0), index)
}

fn change(index: u64, epoch: i32, base: i64, records: &[Record]) -> Entry {
    let records = records.iter().map(|record| record.encode().unwrap().to_vec()).collect();
    Entry { log_id: log_id(3, index), payload: EntryPayload::Normal(Change { epoch, base, records }) }
}

#[tokio::test]
async fn a_change_of_another_epoch_or_image_and_one_that_does_not_fit_change_nothing() {
    let publish = watch::Sender::<Arc<Image>>::default();
    let mut machine = Machine::new(Arc::new(MemoryDisk::default()), None, publish.clone());
    let entries = [
        change(1, 3, 0, &[topic(1), topic(2)]),
        change(2, 2, 2, &[topic(3)]),
        change(3, 3, 1, &[topic(3)]),
        change(4, 3, 2, &[topic(3), topic(1)]),
        change(5, 3, 2, &[topic(4)]),
    ];
    let outcomes = machine.apply(entries).await.unwrap();
    let Outcome::Unfit(error) = &outcomes[3] else { panic!("{outcomes:?}") };
    assert!(error.contains("t1"), "{error}");
    let others = [&outcomes[0], &outcomes[1], &outcomes[2], &outcomes[4]];
    assert_eq!(others, [&Outcome::Applied(2), &Outcome::Stale, &Outcome::Stale, &Outcome::Applied(3)]);
    let image = Arc::clone(&publish.borrow());
    assert_eq!(image.offset, 3);
    assert_eq!(image.topics.keys().collect::<Vec<_>>(), ["t1", "t2", "t4"]);
}

#[tokio::test]
async fn a_crash_at_any_step_of_a_snapshot_leaves_the_old_one_or_the_new_one() {
    let steps = {
        let disk = Arc::new(MemoryDisk::default());
        two_snapshots(&disk).await.unwrap();
        disk.steps()
    };
    for step in 0..steps {
        let disk = Arc::new(MemoryDisk::failing_at(step));
        assert!(two_snapshots(&disk).await.is_err(), "power lost in step {step}");
        for crash in 0..8 {
            let found = disk.after_crash(crash);
            let state = snapshot::load_for(&found, None).unwrap();
            let offset = state.map(|state| state.image.offset);
            let allowed: &[Option<i64>] =
                if step < steps / 2 { &[None, Some(1)] } else { &[Some(1), Some(2)] };
            assert!(allowed.contains(&offset), "power lost in step {step}, crash {crash}: {offset:?}");
        }
    }
}

async fn two_snapshots(disk: &Arc<MemoryDisk>) -> Result<(), StorageError> {
    let disk = Arc::clone(disk) as Arc<dyn Disk>;
    let mut machine = Machine::new(disk, None, watch::Sender::default());
    for index in 1..=2_u8 {
        machine.apply([change(index.into(), 3, i64::from(index) - 1, &[topic(index)])]).await?;
        machine.get_snapshot_builder().await.build_snapshot().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_older_snapshot_does_not_take_the_place_of_a_newer_one() {
    let disk = Arc::new(MemoryDisk::default());
    let mut machine = Machine::new(Arc::clone(&disk) as Arc<dyn Disk>, None, watch::Sender::default());
    machine.apply([change(1, 3, 0, &[topic(1)])]).await.unwrap();
    let mut slow = machine.get_snapshot_builder().await;
    machine.apply([change(2, 3, 1, &[topic(2)])]).await.unwrap();
    machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    slow.build_snapshot().await.unwrap();
    assert_eq!(snapshot::load_for(&*disk, None).unwrap().unwrap().image.offset, 2);
}

#[tokio::test]
async fn a_log_whose_snapshot_is_gone_or_damaged_is_not_taken_for_an_empty_one() {
    let disk = Arc::new(MemoryDisk::default());
    let purged = Some(log_id(3, 2));
    assert!(matches!(snapshot::load_for(&*disk, purged), Err(SnapshotError::Missing { .. })));
    two_snapshots(&disk).await.unwrap();
    assert!(snapshot::load_for(&*disk, purged).is_ok());
    disk.damage("quorum.snapshot", 30);
    let error = snapshot::load_for(&*disk, purged).err().unwrap();
    assert!(matches!(error, SnapshotError::File { .. }), "{error}");
}
