//! The log's file: what was answered is there after any crash, and damage is told from it.

use std::sync::{Arc, Mutex};

use openraft::{CommittedLeaderId, EntryPayload};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::disk::MemoryDisk;
use crate::meta::raft::disk::Disk;
use crate::meta::raft::types::{Change, Entry, LogId, Vote};
use crate::meta::raft::wal::{Content, Identity, Op, Origin, Wal, WalError, locked};

const NAME: &str = "quorum.log";

fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term, 0), index)
}

fn entry(term: u64, index: u64) -> Entry {
    let base = i64::try_from(index).unwrap();
    let records = vec![vec![7; 1 + usize::try_from(index % 90).unwrap()]];
    Entry { log_id: log_id(term, index), payload: EntryPayload::Normal(Change { epoch: 1, base, records }) }
}

fn identity() -> Op {
    let origin = Origin::Founder;
    Op::Identity(Identity { cluster_id: "cluster".to_owned(), node_id: 1, directory: [1; 16], origin })
}

/// Steps as openraft takes them, in an order that a seed draws.
fn script(seed: u64) -> Vec<Op> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut ops, mut content) = (vec![identity()], Content::default());
    let mut term = 1;
    for _ in 0..24 {
        let index = |id: Option<LogId>| id.map_or(0, |id| id.index);
        let (purged, committed, end) =
            (index(content.purged), index(content.committed), index(content.last()) + 1);
        let op = match rng.random_range(0..8) {
            0 => {
                term += 1;
                Op::Vote(Vote::new(term, 5))
            }
            1 if end > committed + 1 => Op::Truncate(rng.random_range(committed + 1..end)),
            2 if committed > purged => {
                Op::Purge(content.entries[&rng.random_range(purged + 1..=committed)].log_id)
            }
            3 => Op::Committed(content.last()),
            _ => Op::Append((end..end + rng.random_range(1..4)).map(|index| entry(term, index)).collect()),
        };
        content.take(op.clone());
        ops.push(op);
    }
    ops
}

/// Takes the steps until one fails: what was answered, and the step that was not.
fn play(disk: Arc<MemoryDisk>, ops: Vec<Op>) -> (Content, Option<Op>) {
    let Ok((mut wal, content)) = Wal::open(disk) else { return (Content::default(), None) };
    let content = Mutex::new(content);
    for op in ops {
        if wal.take(op.clone(), &content).is_err() {
            let again = wal.take(Op::Vote(Vote::new(99, 9)), &content);
            assert!(matches!(again, Err(WalError::Offline(_))), "nothing is written after an error");
            return (locked(&content).clone(), Some(op));
        }
    }
    (locked(&content).clone(), None)
}

/// The same but for the hint.
fn is_same(one: &Content, other: &Content) -> bool {
    let other = Content { committed: one.committed, ..other.clone() };
    *one == other
}

#[test]
fn a_crash_at_any_step_keeps_what_was_answered() {
    for seed in 0..12 {
        let ops = script(seed);
        let whole = Arc::new(MemoryDisk::default());
        let (all, None) = play(Arc::clone(&whole), ops.clone()) else { panic!("nothing fails") };
        let (_, read) = Wal::open(Arc::clone(&whole) as Arc<dyn Disk>).unwrap();
        assert_eq!(read, all, "seed {seed}");
        for step in 0..whole.steps() {
            let disk = Arc::new(MemoryDisk::failing_at(step));
            let (answered, open) = play(Arc::clone(&disk), ops.clone());
            let mut open_too = answered.clone();
            open.clone().into_iter().for_each(|op| open_too.take(op));
            for crash in 0..6 {
                let label = format!("seed {seed}, power lost in step {step}, crash {crash}");
                let found = Arc::new(disk.after_crash(crash));
                let (mut wal, read) = Wal::open(Arc::clone(&found) as Arc<dyn Disk>)
                    .unwrap_or_else(|error| panic!("{label}: {error}"));
                let is_right = is_same(&answered, &read) || is_same(&open_too, &read);
                assert!(is_right, "{label}: {open:?}\nanswered {answered:?}\nread {read:?}");
                assert!(read.committed <= answered.committed.max(open_too.committed), "{label}");
                let content = Mutex::new(read);
                wal.take(Op::Vote(Vote::new(1000, 3)), &content).unwrap();
                let (_, again) = Wal::open(found).unwrap();
                assert_eq!(again, *locked(&content), "{label}");
            }
        }
    }
}

#[test]
fn damage_in_front_of_valid_records_is_refused_with_its_place() {
    let ops = vec![identity(), Op::Vote(Vote::new(1, 1)), Op::Append(vec![entry(1, 1)])];
    for purged in [false, true] {
        let disk = Arc::new(MemoryDisk::default());
        let mut ops = ops.clone();
        if purged {
            // Written anew, all of it vouches for what is in front.
            ops.extend([Op::Append(vec![entry(1, 2)]), Op::Purge(log_id(1, 1))]);
        }
        play(Arc::clone(&disk), ops);
        disk.damage(NAME, 8 + 20);
        let error = Wal::open(Arc::clone(&disk) as Arc<dyn Disk>).err().unwrap();
        assert!(matches!(error, WalError::Corrupt { position: 8, .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(NAME) && text.contains("byte 8"), "{text}");
    }
}

#[test]
fn a_file_of_somebody_else_is_refused() {
    let disk = MemoryDisk::default();
    disk.write(NAME, 0, b"something else").unwrap();
    assert!(matches!(Wal::open(Arc::new(disk)).err(), Some(WalError::Foreign(_))));
}

#[test]
fn purged_entries_leave_the_file() {
    let disk = Arc::new(MemoryDisk::default());
    let entries = (1..200).map(|index| entry(1, index)).collect();
    play(Arc::clone(&disk), vec![identity(), Op::Append(entries)]);
    let before = disk.read(NAME).unwrap().unwrap().len();
    play(Arc::clone(&disk), vec![Op::Purge(log_id(1, 198))]);
    let after = disk.read(NAME).unwrap().unwrap().len();
    assert!(after < before / 10, "{before} bytes, then {after}");
}
