//! Clusters form, agree, lose their leader, and come back from disk.

use std::time::Duration;

use super::hub::{Cluster, Member, PATIENCE, create, eventually, form, have, leader, stop, topic};
use crate::meta::log::QuorumReplica;
use crate::meta::log::{Leadership, Proposal, ProposeError};
use crate::meta::raft::QuorumError;

fn ids(replicas: &[QuorumReplica]) -> Vec<i32> {
    let mut ids: Vec<i32> = replicas.iter().map(|replica| replica.node_id).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn three_nodes_form_one_cluster_and_all_have_what_one_was_told() {
    let cluster = Cluster::new(3);
    let members: Vec<Member> =
        [3, 1, 2].map(|id| cluster.member(cluster.settings(i32::from(id), id, id.into()))).into();
    for formed in form(&members).await {
        assert_eq!(formed.unwrap(), "cluster-of-1");
    }
    let all: Vec<&Member> = members.iter().collect();
    create(&all, "a").await;
    have(&all, "a").await;
    eventually("one leader for all", async || {
        let led = leader(&all).await.leadership();
        let agrees = |now: Leadership| (now.leader, now.epoch) == (led.leader, led.epoch);
        all.iter().all(|member| agrees(member.leadership())).then_some(())
    })
    .await;
    for member in &all {
        assert_eq!(ids(&member.quorum.describe().voters), [1, 2, 3]);
    }
    eventually("everybody's log end", async || {
        let state = leader(&all).await.quorum.describe();
        let is_up =
            |voter: &QuorumReplica| voter.log_end == state.high_watermark && voter.last_caught_up_ms > 0;
        state.voters.iter().all(is_up).then_some(())
    })
    .await;
    stop(&all, &cluster).await;
}

#[tokio::test]
async fn a_proposal_decided_on_an_old_image_or_by_a_follower_changes_nothing() {
    let cluster = Cluster::new(1);
    let members = cluster.start(&[1]).await;
    let alone = leader(&[&members[0]]).await;
    let epoch = alone.leadership().epoch;
    let propose = |epoch, base| {
        alone.quorum.propose(Proposal { epoch, base, records: vec![topic(&format!("{epoch}-{base}"))] })
    };
    assert_eq!(propose(epoch, 0).await.unwrap().offset, 1);
    assert_eq!(propose(epoch, 0).await.unwrap_err(), ProposeError::Stale);
    assert_eq!(propose(epoch - 1, 1).await.unwrap_err(), ProposeError::NotLeader);
    let twice = Proposal { epoch, base: 1, records: vec![topic("b"), topic("b")] };
    let error = alone.quorum.propose(twice).await.unwrap_err();
    assert!(matches!(&error, ProposeError::Storage(text) if text.contains("'b'")), "{error}");
    assert_eq!((alone.image().offset, alone.image().topics.len()), (1, 1));
    alone.stop(&cluster).await;
    assert_eq!(alone.create("late").await.unwrap_err(), ProposeError::NotLeader);
}

#[tokio::test]
async fn survivors_elect_another_leader_and_have_everything_that_was_acked() {
    let cluster = Cluster::new(3);
    let members = cluster.start(&[1, 2, 3]).await;
    let all: Vec<&Member> = members.iter().collect();
    create(&all, "before").await;
    let first = leader(&all).await;
    let (old, epoch) = (first.node_id, first.leadership().epoch);
    first.stop(&cluster).await;
    let survivors: Vec<&Member> = all.iter().copied().filter(|member| member.node_id != old).collect();
    for survivor in &survivors {
        survivor.quorum.peer_lost(old);
    }
    let second = leader(&survivors).await;
    assert!(second.leadership().epoch > epoch);
    assert!(second.image().topic("before").is_some(), "what was acked is in the new leader's image at once");
    create(&survivors, "after").await;
    have(&survivors, "after").await;
    let back = cluster.start(&[u8::try_from(old).unwrap()]).await;
    back[0].has("after").await;
    stop(&survivors, &cluster).await;
    back[0].stop(&cluster).await;
}

#[tokio::test]
async fn everything_is_there_after_all_have_restarted() {
    let cluster = Cluster::new(3);
    let members = cluster.start(&[1, 2, 3]).await;
    let all: Vec<&Member> = members.iter().collect();
    for name in ["a", "b", "c"] {
        create(&all, name).await;
    }
    stop(&all, &cluster).await;
    let again = cluster.start(&[3, 2, 1]).await;
    let all: Vec<&Member> = again.iter().collect();
    create(&all, "d").await;
    for member in &all {
        member.has("d").await;
        assert_eq!(member.image().topics.keys().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    }
    stop(&all, &cluster).await;
}

#[tokio::test]
async fn an_empty_directory_takes_the_place_of_the_one_its_node_had() {
    let cluster = Cluster::new(3);
    let mut members = cluster.start(&[1, 2, 3]).await;
    let all: Vec<&Member> = members.iter().collect();
    create(&all, "before").await;
    // What comes next is in no log any more: the new node needs the snapshot.
    for member in &all {
        let raft = &member.quorum.shared.running.get().unwrap().raft;
        member.has("before").await;
        let applied = raft.metrics().borrow().last_applied.unwrap().index;
        raft.trigger().snapshot().await.unwrap();
        raft.wait(None).metrics(|now| now.snapshot.is_some(), "snapshot").await.unwrap();
        raft.trigger().purge_log(applied).await.unwrap();
        raft.wait(None).metrics(|now| now.purged.is_some(), "purged").await.unwrap();
    }
    members.pop().unwrap().stop(&cluster).await;
    members.push(cluster.member(cluster.settings(3, 9, 3)));
    assert_eq!(members[2].quorum.form().await.unwrap(), "cluster-of-1");
    members[2].has("before").await;
    let mut metrics = members[2].quorum.shared.running.get().unwrap().raft.metrics();
    let came = tokio::time::timeout(PATIENCE, metrics.wait_for(|now| now.snapshot.is_some())).await;
    assert!(came.is_ok_and(|came| came.is_ok()), "it came as a snapshot");
    let all: Vec<&Member> = members.iter().collect();
    eventually("its vote", async || {
        let voters = leader(&all).await.quorum.describe().voters;
        let is_new = |voter: &QuorumReplica| voter.node_id == 3 && voter.directory.0 == [9; 16];
        (voters.len() == 3 && voters.iter().any(is_new)).then_some(())
    })
    .await;
    // Its vote counts: with another node gone it is needed.
    members[0].stop(&cluster).await;
    let rest = [&members[1], &members[2]];
    create(&rest, "after").await;
    have(&rest, "after").await;
    for member in rest {
        assert!(member.quorum.describe().observers.is_empty());
    }
    stop(&rest, &cluster).await;
}

#[tokio::test]
async fn an_observer_has_the_metadata_and_no_vote_and_is_found_where_it_moved_to() {
    let cluster = Cluster::new(1);
    let members = cluster.start(&[1]).await;
    let settings = |port| {
        let mut settings = cluster.settings(4, 4, port);
        settings.is_voter = false;
        settings
    };
    let observer = cluster.member(settings(4));
    observer.quorum.form().await.unwrap();
    create(&[&members[0]], "a").await;
    observer.has("a").await;
    observer.stop(&cluster).await;
    create(&[&members[0]], "b").await;
    let moved = cluster.member(settings(5));
    moved.quorum.form().await.unwrap();
    moved.has("b").await;
    eventually("its new place", async || {
        let state = members[0].quorum.describe();
        assert_eq!(ids(&state.voters), [1]);
        state.observers.iter().any(|observer| observer.port == 5).then_some(())
    })
    .await;
    moved.stop(&cluster).await;
    members[0].stop(&cluster).await;
}

#[tokio::test]
async fn an_observer_that_is_silent_is_none_any_more_and_joins_again_when_it_is_back() {
    let cluster = Cluster::new(1);
    let member = |number: u8, is_voter| {
        let mut settings = cluster.settings(number.into(), number, number.into());
        (settings.is_voter, settings.observer_session) = (is_voter, Duration::from_millis(500));
        cluster.member(settings)
    };
    let (voter, observer) = (member(1, true), member(4, false));
    for formed in form(std::slice::from_ref(&voter)).await {
        formed.unwrap();
    }
    observer.quorum.form().await.unwrap();
    let observers = |count| {
        let quorum = voter.quorum.clone();
        eventually("the observers", async move || {
            let raft = quorum.shared.running.get()?.raft.clone();
            let listed = raft.metrics().borrow().membership_config.nodes().count();
            (quorum.describe().observers.len() == count && listed == count + 1).then_some(())
        })
    };
    observers(1).await;
    cluster.isolate(4);
    observers(0).await;
    create(&[&voter], "meanwhile").await;
    cluster.heal();
    observer.has("meanwhile").await;
    observers(1).await;
    stop(&[&voter, &observer], &cluster).await;
}

#[tokio::test]
async fn voters_that_all_came_back_elsewhere_find_each_other() {
    let cluster = Cluster::new(3);
    let members = cluster.start(&[1, 2, 3]).await;
    let all: Vec<&Member> = members.iter().collect();
    create(&all, "a").await;
    have(&all, "a").await;
    stop(&all, &cluster).await;
    let mut moved = Vec::new();
    for id in 1..=3 {
        let mut settings = cluster.settings(i32::from(id), id, u16::from(id) + 5);
        settings.peers = (6..=8).map(|port| ("h".to_owned(), port)).collect();
        moved.push(cluster.member(settings));
    }
    for formed in form(&moved).await {
        formed.unwrap();
    }
    let all: Vec<&Member> = moved.iter().collect();
    create(&all, "b").await;
    have(&all, "b").await;
    eventually("their new places", async || {
        let voters = moved[0].quorum.describe().voters;
        voters.iter().all(|voter| voter.port > 5).then_some(())
    })
    .await;
    stop(&all, &cluster).await;
}

#[tokio::test]
async fn one_node_id_twice_another_nodes_files_and_impossible_times_are_refused() {
    let cluster = Cluster::new(2);
    let twins = [cluster.member(cluster.settings(1, 1, 1)), cluster.member(cluster.settings(1, 2, 2))];
    for formed in form(&twins).await {
        assert!(matches!(formed, Err(QuorumError::NodeId { node_id: 1, .. })), "{formed:?}");
    }
    let cluster = Cluster::new(1);
    cluster.start(&[1]).await[0].stop(&cluster).await;
    let mut settings = cluster.settings(2, 1, 1);
    let formed = cluster.member(settings.clone()).quorum.form().await;
    assert!(matches!(formed, Err(QuorumError::Identity { node_id: 1, .. })), "{formed:?}");
    settings.node_id = 1;
    settings.election = settings.heartbeat / 10;
    settings.heartbeat *= 100;
    let formed = cluster.member(settings).quorum.form().await;
    assert!(matches!(formed, Err(QuorumError::Times(_))), "{formed:?}");
}

#[tokio::test]
async fn a_node_that_waits_for_its_peers_can_be_closed() {
    let cluster = Cluster::new(2);
    let waiting = cluster.member(cluster.settings(1, 1, 1));
    let quorum = waiting.quorum.clone();
    let formed = tokio::spawn(async move { quorum.form().await });
    waiting.quorum.close().await;
    assert!(matches!(formed.await.unwrap(), Err(QuorumError::Closed)));
}
