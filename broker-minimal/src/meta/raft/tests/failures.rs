//! Nodes are cut off, stopped and started; whatever was acked stays.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::disk::MemoryDisk;
use super::hub::{Cluster, Member, create, eventually, have, leader, stop};
use crate::meta::log::ProposeError;
use crate::meta::raft::disk::Disk;
use crate::meta::raft::network::{self, Answer, Envelope, Message, Refusal};
use crate::meta::raft::types::{Node, Vote};

#[tokio::test]
async fn a_leader_that_is_cut_off_knows_and_what_it_could_not_keep_is_gone() {
    let cluster = Cluster::new(3);
    let members = cluster.start(&[1, 2, 3]).await;
    let all: Vec<&Member> = members.iter().collect();
    create(&all, "before").await;
    let old = leader(&all).await;
    cluster.isolate(old.port);
    let (lost, _) = tokio::join!(old.create("lost"), old.follows(|now| !now.is_self));
    assert_eq!(lost.unwrap_err(), ProposeError::NotLeader);
    let others: Vec<&Member> = all.iter().copied().filter(|member| member.node_id != old.node_id).collect();
    create(&others, "kept").await;
    assert!(!old.leadership().is_self && old.image().topic("kept").is_none());
    cluster.heal();
    old.has("kept").await;
    create(&all, "after").await;
    have(&all, "after").await;
    for member in &all {
        assert_eq!(member.image().topics.keys().collect::<Vec<_>>(), ["after", "before", "kept"]);
    }
    stop(&all, &cluster).await;
}

#[tokio::test]
async fn a_member_that_was_cut_off_deposes_nobody_when_it_is_back() {
    let cluster = Cluster::new(3);
    let members = cluster.start(&[1, 2, 3]).await;
    let all: Vec<&Member> = members.iter().collect();
    create(&all, "before").await;
    have(&all, "before").await;
    // A busy machine may make the others miss their leader, too.
    for attempt in 0.. {
        let led = leader(&all).await;
        let epoch = led.leadership().epoch;
        let away = all.iter().copied().find(|member| member.node_id != led.node_id).unwrap();
        cluster.isolate(away.port);
        // Longer than any of them waits for a leader.
        tokio::time::sleep(Duration::from_secs(2)).await;
        create(&all, &format!("meanwhile-{attempt}")).await;
        cluster.heal();
        away.has(&format!("meanwhile-{attempt}")).await;
        create(&all, &format!("after-{attempt}")).await;
        away.has(&format!("after-{attempt}")).await;
        if led.leadership().is_self && led.leadership().epoch == epoch {
            break;
        }
        assert!(attempt < 9, "the leader was deposed each time");
    }
    stop(&all, &cluster).await;
}

/// Whoever has less stands first and again and again, by its shorter patience; whoever has more must come by its own term.
#[tokio::test]
async fn the_survivor_that_has_everything_is_elected_though_the_other_stands_first() {
    for is_dead in [false, true] {
        let cluster = Cluster::new(3);
        let members = cluster.start(&[1, 2, 3]).await;
        let all: Vec<&Member> = members.iter().collect();
        create(&all, "before").await;
        have(&all, "before").await;
        let old = leader(&all).await;
        let survivors: Vec<&Member> =
            all.iter().copied().filter(|member| member.node_id != old.node_id).collect();
        let [eager, whole] = survivors[..] else { panic!("three members") };
        cluster.part(old.port, eager.port);
        create(&[old], "last").await;
        cluster.isolate(old.port);
        assert!(eager.image().topic("last").is_none());
        if is_dead {
            survivors.iter().for_each(|member| member.quorum.peer_lost(old.node_id));
        }
        let new = leader(&survivors).await;
        assert_eq!(new.node_id, whole.node_id);
        assert!(new.image().topic("last").is_some());
        create(&survivors, "after").await;
        have(&survivors, "last").await;
        stop(&all, &cluster).await;
    }
}

#[tokio::test]
async fn a_leader_that_comes_back_alone_leads_nobody() {
    let cluster = Cluster::new(3);
    let members = cluster.start(&[1, 2, 3]).await;
    let all: Vec<&Member> = members.iter().collect();
    create(&all, "a").await;
    have(&all, "a").await;
    let old = leader(&all).await;
    stop(&all, &cluster).await;
    let back = cluster.start(&[u8::try_from(old.node_id).unwrap()]).await;
    // What it does know is there; that a majority still follows it, it does not.
    back[0].has("a").await;
    assert_eq!(back[0].create("b").await.unwrap_err(), ProposeError::NotLeader);
    assert!(!back[0].leadership().is_self);
    back[0].stop(&cluster).await;
}

#[tokio::test]
async fn a_message_for_another_member_or_from_another_cluster_is_not_looked_at() {
    let cluster = Cluster::new(1);
    let members = cluster.start(&[1]).await;
    let alone = leader(&[&members[0]]).await;
    let me = alone.quorum.shared.me();
    let epoch = alone.leadership().epoch;
    let ask = async |cluster: &str, to: u64| {
        let vote = openraft::raft::VoteRequest::new(Vote::new(1000, 5), None);
        let envelope = Envelope {
            cluster: Some(cluster.to_owned()),
            from: Node { node_id: 7, ..me.clone() },
            to: Some(to),
            message: Message::Vote(vote),
        };
        let answer = alone.quorum.answer(network::encode(&envelope).unwrap()).await;
        match network::decode(&answer).unwrap() {
            Answer::Refused(refusal) => refusal,
            answer => panic!("{answer:?}"),
        }
    };
    let id = me.raft_id();
    assert_eq!(ask("cluster-of-1", id + 1).await, Refusal::WrongPeer(id));
    assert_eq!(ask("cluster-of-2", id).await, Refusal::Cluster("cluster-of-1".to_owned()));
    let answer = alone.quorum.answer(bytes::Bytes::from_static(b"\x01nonsense")).await;
    assert!(matches!(network::decode(&answer).unwrap(), Answer::Refused(Refusal::Malformed(_))));
    assert_eq!(alone.leadership().epoch, epoch);
    alone.stop(&cluster).await;
}

#[tokio::test]
async fn a_node_whose_disk_fails_says_so_and_has_what_it_acked_when_it_starts_again() {
    // Forming takes the first steps; three topics some more.
    for step in (0..28).step_by(3) {
        let cluster = Cluster::new(1);
        let disk = Arc::new(MemoryDisk::failing_at(step));
        let lone = cluster.member(cluster.settings(1, 1, 1));
        let mut acked = Vec::new();
        if lone.quorum.form_on(Arc::clone(&disk) as Arc<dyn Disk>).await.is_ok() {
            let mut failure = lone.quorum.failure();
            for number in 0.. {
                let failed = async { drop(failure.wait_for(Option::is_some).await.unwrap()) };
                let led = tokio::select! {
                    led = lone.follows(|now| now.is_self) => Some(led),
                    () = failed => None,
                };
                let name = format!("t{number}");
                if led.is_none() || lone.create(&name).await.is_err() {
                    break;
                }
                acked.push(name);
            }
            let failed = eventually("the failure", async || failure.borrow().clone()).await;
            assert!(failed.contains("the power"), "step {step}: {failed}");
        }
        lone.stop(&cluster).await;
        let again = cluster.member(cluster.settings(1, 1, 1));
        let found = disk.after_crash(u64::try_from(step).unwrap());
        again.quorum.form_on(Arc::new(found)).await.unwrap();
        create(&[&again], "last").await;
        let image = again.image();
        let missing: Vec<&String> = acked.iter().filter(|name| image.topic(name).is_none()).collect();
        assert!(missing.is_empty(), "power lost in step {step}: {missing:?} is missing");
        again.stop(&cluster).await;
    }
}

#[tokio::test]
async fn whatever_fails_in_whatever_order_what_was_acked_stays() {
    let seed = 20_261_128;
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let cluster = Cluster::new(3);
    let mut members = cluster.start(&[1, 2, 3]).await;
    // One entry makes the cluster; before others have it, it is where the founder is.
    let all: Vec<&Member> = members.iter().collect();
    create(&all, "first").await;
    have(&all, "first").await;
    let mut acked = vec!["first".to_owned()];
    for round in 0..8 {
        let victim = rng.random_range(0..3);
        match rng.random_range(0..3) {
            0 => cluster.isolate(members[victim].port),
            1 => {
                let stopped = members.remove(victim);
                stopped.stop(&cluster).await;
                members.iter().for_each(|member| member.quorum.peer_lost(stopped.node_id));
                let all: Vec<&Member> = members.iter().collect();
                let name = format!("{round}-two");
                create(&all, &name).await;
                acked.push(name);
                members.extend(cluster.start(&[u8::try_from(stopped.node_id).unwrap()]).await);
            }
            _ => members.iter().for_each(|member| member.quorum.peer_lost(members[victim].node_id)),
        }
        let all: Vec<&Member> = members.iter().collect();
        let name = format!("{round}-any");
        create(&all, &name).await;
        acked.push(name);
        cluster.heal();
    }
    let all: Vec<&Member> = members.iter().collect();
    create(&all, "last").await;
    have(&all, "last").await;
    for member in &all {
        let image = member.image();
        let missing: Vec<&String> = acked.iter().filter(|name| image.topic(name).is_none()).collect();
        assert!(missing.is_empty(), "seed {seed}: node {} lacks {missing:?}", member.node_id);
        assert_eq!(image.to_records(), all[0].image().to_records(), "seed {seed}");
    }
    stop(&all, &cluster).await;
}
