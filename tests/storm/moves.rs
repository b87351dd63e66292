//! Partitions that move under the load: each loses a replica and gets it back, in another order and from an empty directory, while
//! something else goes wrong.

use std::time::Duration;

use kinglet::TopicPartition;
use kinglet::admin::{PartitionDescription, Reassignment, ReplicationFactorChange};
use kinglet::protocol::ErrorCode;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use tokio::time::{Instant, sleep};

use crate::Fallible;
use crate::load::{PARTITIONS, TOPIC};
use crate::net::{Weather, Who};
use crate::report::Violation;
use crate::site::{IDS, Site, both};
use crate::strike::{LIMIT, LOOK, a_while, any};

/// What goes wrong on the way back to three replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// kill -9 of one that replicas come to, before it has any of it or in the middle.
    KillComing,
    KillLeader,
    KillController,
    /// Who comes and a leader do not hear each other.
    Apart,
    /// It is taken back on its way, and wanted again.
    Cancel,
    /// Who leaves is dead all the while: its directory is there when it is to come again.
    DeadMeanwhile,
}

const TROUBLES: [Trouble; 6] = [
    Trouble::KillComing,
    Trouble::KillLeader,
    Trouble::KillController,
    Trouble::Apart,
    Trouble::Cancel,
    Trouble::DeadMeanwhile,
];

/// Moves all partitions to two replicas, and back to three; how many moves were completed. The site is to be healed afterwards.
pub(crate) async fn reassign(site: &mut Site, random: &mut StdRng) -> Fallible<u64> {
    let trouble = *TROUBLES.choose(random).ok_or("there is no trouble")?;
    let full = orders(random);
    // One broker loses everything, or each something.
    let emptied = if trouble == Trouble::DeadMeanwhile || random.random() { Some(any(random)) } else { None };
    let fewer: Vec<Vec<i32>> = full.iter().map(|ids| without(ids, emptied.unwrap_or(ids[2]))).collect();
    let coming = emptied.unwrap_or_else(|| any(random));
    println!("  moves: {trouble:?}, {coming} comes, away first from {emptied:?}");

    if trouble == Trouble::DeadMeanwhile {
        site.kill(coming)?;
    }
    begin(site, &fewer).await?;
    let mut moved = arrived(site, &fewer).await?;
    if trouble != Trouble::DeadMeanwhile {
        // It gets nothing yet: they are on their way when it comes to the trouble.
        site.freeze(coming)?;
    }
    begin(site, &full).await?;
    if trouble != Trouble::DeadMeanwhile {
        let leader = site.leader().await.unwrap_or(coming);
        if trouble == Trouble::Apart {
            site.net.set(both(Who::Broker(coming), Who::Broker(leader)), Weather::Silent);
        }
        site.thaw(coming)?;
        sleep(Duration::from_millis(random.random_range(0..150))).await;
        match trouble {
            Trouble::KillComing => site.kill(coming)?,
            Trouble::KillLeader => site.kill(leader)?,
            Trouble::KillController => {
                let controller = site.controller().await.unwrap_or(coming);
                site.kill(controller)?;
            }
            Trouble::Cancel => cancel(site).await?,
            Trouble::Apart | Trouble::DeadMeanwhile => {}
        }
    }
    sleep(a_while(random)).await;

    site.heal().await?;
    begin(site, &full).await?;
    moved += arrived(site, &full).await?;
    Ok(moved)
}

/// Three replicas of every partition; each broker is preferred by as many as the others.
fn orders(random: &mut StdRng) -> Vec<Vec<i32>> {
    let mut ids = IDS;
    ids.shuffle(random);
    let order = |_| {
        ids.rotate_left(1);
        let mut order = ids.to_vec();
        order[1..].shuffle(random);
        order
    };
    (0..PARTITIONS).map(order).collect()
}

fn without(ids: &[i32], id: i32) -> Vec<i32> {
    ids.iter().copied().filter(|other| *other != id).collect()
}

/// Has the partitions get these replicas; again and again, where the controller is one who goes.
async fn begin(site: &Site, replicas: &[Vec<i32>]) -> Fallible<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let wanted = (0..).zip(replicas).map(|(partition, replicas)| {
            (TopicPartition::new(TOPIC, partition), Reassignment::To(replicas.clone()))
        });
        let admin = site.admin().admin();
        let begun = admin.alter_partition_reassignments(wanted, ReplicationFactorChange::Allowed).await;
        match begun.and_then(|each| each.into_iter().try_for_each(|(_, begun)| begun)) {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(Violation(format!("alive: nothing moves: {error} {:?}", error.context())).into());
            }
            Err(_) => sleep(LOOK).await,
        }
    }
}

/// What is on its way is taken back.
async fn cancel(site: &Site) -> Fallible<()> {
    let all = (0..PARTITIONS).map(|at| (TopicPartition::new(TOPIC, at), Reassignment::Cancel));
    let admin = site.admin().admin();
    for (_, cancelled) in admin.alter_partition_reassignments(all, ReplicationFactorChange::Allowed).await? {
        match cancelled {
            // It has arrived meanwhile.
            Err(error) if error.code() == Some(ErrorCode::NO_REASSIGNMENT_IN_PROGRESS) => {}
            cancelled => cancelled?,
        }
    }
    Ok(())
}

/// Waits until nothing is on its way and every partition has these replicas, those who live in sync; how many partitions that are.
async fn arrived(site: &Site, replicas: &[Vec<i32>]) -> Fallible<u64> {
    let is_there = |p: &PartitionDescription| {
        (0..).zip(replicas).any(|(partition, replicas)| p.partition == partition && p.replicas == *replicas)
    };
    site.until(LIMIT, &format!("partitions have the replicas {replicas:?}"), is_there).await?;
    let deadline = Instant::now() + LIMIT;
    loop {
        // Those that come are among the replicas at once.
        match site.admin().admin().list_all_partition_reassignments().await {
            Ok(moving) if moving.is_empty() => return Ok(replicas.len() as u64),
            moving if Instant::now() > deadline => {
                return Err(Violation(format!("alive: a move does not end: {moving:?}")).into());
            }
            _ => sleep(LOOK).await,
        }
    }
}
