//! Cancel safety: every public future is dropped at each place where it waits, and what it was about goes on.
//!
//! `cargo test -p kinglet --test cancel -- --nocapture` says at how many await points each was dropped.
#![expect(clippy::unwrap_used, reason = "in a test a surprise is a failure")]

#[path = "cancel/client.rs"]
mod client;
#[path = "cancel/consumer.rs"]
mod consumer;
#[path = "cancel/cut.rs"]
mod cut;
mod fake;
#[path = "cancel/listed.rs"]
mod listed;
#[path = "cancel/many.rs"]
mod many;
#[path = "cancel/producer.rs"]
mod producer;
#[path = "cancel/world.rs"]
mod world;

use std::time::Duration;

use cut::{at_each_await, at_once};
use kinglet::{Assignment, Position, TopicPartition};
use world::World;

/// A test for each line: the future that is dropped, the fact, and the case that shows it.
macro_rules! futures {
    ($($name:literal, $fact:ident: $case:path;)*) => {
        /// The futures that are dropped here.
        const DROPPED: &[&str] = &[$($name),*];

        $(
            #[tokio::test]
            async fn $fact() {
                at_each_await($name, $case).await;
            }
        )*
    };
}

futures! {
    "Producer::enqueue", a_dropped_enqueue_takes_no_record: producer::enqueue_of_a_new_topic;
    "Producer::enqueue", a_dropped_enqueue_leaves_the_room_to_others: producer::enqueue_without_room;
    "Producer::enqueue", a_dropped_enqueue_to_nowhere_blocks_nobody:
        producer::enqueue_to_a_partition_that_is_not_there;
    "Producer::send", a_dropped_send_sends_its_record_once_or_not: producer::send;
    "Producer::send", a_send_dropped_with_the_last_handle_loses_no_other_record: producer::send_of_the_last_handle;
    "Delivery", a_dropped_delivery_cancels_nothing: producer::delivery;
    "Delivery", a_delivery_can_be_awaited_again: producer::delivery_that_is_awaited_again;
    "Producer::flush", what_a_dropped_flush_was_about_is_in_the_next_report: producer::flush;
    "Producer::partitions_for", a_dropped_partitions_for_can_be_asked_again: producer::partitions_for;
    "Producer::close", a_dropped_close_delivers_all_the_same: producer::close;
    "Producer::close", a_dropped_close_can_be_given_a_deadline_again: producer::close_that_gives_up;

    "Consumer::recv", a_dropped_recv_loses_no_record: consumer::recv;
    "Consumer::recv", a_member_s_dropped_recv_loses_no_record: consumer::recv_of_a_member;
    "Consumer::recv", a_dropped_recv_says_all_the_same_that_the_batch_before_is_done: consumer::recv_and_commit;
    "Consumer::next_partition", a_dropped_next_partition_leaves_none_out: consumer::next_partition;
    "PartitionConsumer::recv", a_partition_s_dropped_recv_loses_no_record: consumer::partition_recv;
    "RecordStream::next", a_stream_s_dropped_next_loses_no_record: many::stream_next;
    "Consumer::for_each_parallel", dropped_parallel_work_is_not_committed_before_it_is_done:
        many::for_each_parallel;
    "Consumer::seek", a_dropped_seek_to_the_beginning_is_done_or_not: consumer::seek_to_the_beginning;
    "Consumer::seek", a_dropped_seek_to_the_end_is_done_or_not: consumer::seek_to_the_end;
    "Consumer::seek", a_dropped_seek_to_a_time_is_done_or_not: consumer::seek_to_a_time;
    "Consumer::seek", a_dropped_seek_to_what_is_committed_is_done_or_not: consumer::seek_to_what_is_committed;
    "Consumer::end_offsets", dropped_end_offsets_can_be_asked_again: consumer::end_offsets;
    "Consumer::beginning_offsets", dropped_beginning_offsets_can_be_asked_again: consumer::beginning_offsets;
    "Consumer::offsets_for_times", dropped_offsets_for_times_can_be_asked_again: consumer::offsets_for_times;
    "Consumer::committed", dropped_committed_can_be_asked_again: consumer::committed;
    "Consumer::commit", after_a_dropped_commit_the_next_one_commits_all: consumer::commit;
    "Consumer::commit", after_a_member_s_dropped_commit_the_next_one_commits_all: consumer::commit_of_a_member;
    "Consumer::commit_offsets", a_dropped_commit_never_comes_behind_a_later_one: consumer::commit_offsets;
    "Consumer::close", a_dropped_close_commits_all_the_same: consumer::close;
    "Consumer::close", a_member_s_dropped_close_leaves_the_group_all_the_same: consumer::close_of_a_member;

    "Client::connect", a_dropped_connect_can_be_tried_again: client::connect;
    "Client::consumer", a_dropped_consumer_begins_where_the_next_one_does: client::consumer;
    "Client::request", a_dropped_request_is_in_nobody_s_way: client::request;
    "Client::request_version", a_dropped_request_version_is_in_nobody_s_way: client::request_version;
    "Client::version_of", a_dropped_version_of_is_in_nobody_s_way: client::version_of;
    "Peer::connect", a_dropped_connect_of_a_peer_leaves_nothing: client::peer_connect;
    "Peer::request", a_peer_s_dropped_request_is_in_nobody_s_way: client::peer_request;
    "Peer::closed", a_peer_s_dropped_closed_closes_nothing: client::peer_closed;
    "Peer::request_raw", a_peer_s_dropped_request_raw_is_in_nobody_s_way: client::peer_request_raw;
    "Client::request_raw", a_dropped_request_raw_is_in_nobody_s_way: client::request_raw;

    "Admin::describe_cluster", a_dropped_describe_cluster_is_in_nobody_s_way: client::describe_cluster;
    "Admin::describe_quorum", a_dropped_describe_quorum_is_in_nobody_s_way: client::describe_quorum;
    "Admin::describe_cluster_with_fenced", a_dropped_describe_cluster_with_fenced_is_in_nobody_s_way: client::describe_cluster_with_fenced;
    "Admin::describe_controllers", a_dropped_describe_controllers_is_in_nobody_s_way: client::describe_controllers;
    "Admin::unregister_broker", a_dropped_unregister_broker_is_in_nobody_s_way: client::unregister_broker;
    "Admin::elect_leaders", a_dropped_elect_leaders_is_in_nobody_s_way: client::elect_leaders;
    "Admin::elect_all_leaders", a_dropped_elect_all_leaders_is_in_nobody_s_way: client::elect_all_leaders;
    "Admin::alter_partition_reassignments", a_dropped_alter_partition_reassignments_is_in_nobody_s_way: client::alter_partition_reassignments;
    "Admin::list_partition_reassignments", a_dropped_list_partition_reassignments_is_in_nobody_s_way: client::list_partition_reassignments;
    "Admin::list_all_partition_reassignments", a_dropped_list_all_partition_reassignments_is_in_nobody_s_way: client::list_all_partition_reassignments;
    "Admin::describe_log_dirs", a_dropped_describe_log_dirs_is_in_nobody_s_way: client::describe_log_dirs;
    "Admin::alter_replica_log_dirs", a_dropped_alter_replica_log_dirs_is_in_nobody_s_way: client::alter_replica_log_dirs;
    "Admin::delete_records", a_dropped_delete_records_is_in_nobody_s_way: client::delete_records;
    "Admin::list_offsets", a_dropped_list_offsets_is_in_nobody_s_way: client::list_offsets;
    "Admin::create_topics", a_dropped_create_topics_is_in_nobody_s_way: client::create_topics;
    "Admin::delete_topics", a_dropped_delete_topics_is_in_nobody_s_way: client::delete_topics;
    "Admin::create_partitions", a_dropped_create_partitions_is_in_nobody_s_way: client::create_partitions;
    "Admin::list_topics", a_dropped_list_topics_is_in_nobody_s_way: client::list_topics;
    "Admin::describe_topics", a_dropped_describe_topics_is_in_nobody_s_way: client::describe_topics;
    "Admin::describe_all_topics", a_dropped_describe_all_topics_is_in_nobody_s_way: client::describe_all_topics;
    "Admin::describe_configs", a_dropped_describe_configs_is_in_nobody_s_way: client::describe_configs;
    "Admin::incremental_alter_configs", a_dropped_incremental_alter_configs_is_in_nobody_s_way:
        client::incremental_alter_configs;
    "Admin::describe_documented_configs", a_dropped_describe_documented_configs_is_in_nobody_s_way: client::describe_documented_configs;
    "Admin::alter_configs", a_dropped_alter_configs_is_in_nobody_s_way: client::alter_configs;
    "Admin::list_config_resources", a_dropped_list_config_resources_is_in_nobody_s_way: client::list_config_resources;
    "Admin::delete_groups", a_dropped_delete_groups_is_in_nobody_s_way: client::delete_groups;
    "Admin::remove_members", a_dropped_remove_members_is_in_nobody_s_way: client::remove_members;
    "Admin::list_groups", a_dropped_list_groups_is_in_nobody_s_way: client::list_groups;
    "Admin::list_group_offsets", a_dropped_list_group_offsets_is_in_nobody_s_way: client::list_group_offsets;
    "Admin::alter_group_offsets", a_dropped_alter_group_offsets_is_in_nobody_s_way: client::alter_group_offsets;
    "Admin::delete_group_offsets", a_dropped_delete_group_offsets_is_in_nobody_s_way:
        client::delete_group_offsets;
    "Admin::describe_groups", a_dropped_describe_groups_is_in_nobody_s_way: client::describe_groups;
}

/// Futures without a place to drop them at.
const NEVER_WAIT: &[&str] = &["Client::close"];

/// Futures of the user's, which the library awaits.
const THE_USER_S: &[&str] =
    &["RebalanceListener::assigned", "RebalanceListener::revoked", "RebalanceListener::lost"];

#[tokio::test]
async fn what_never_waits_is_ready_at_once() {
    let world = World::full(&[]).await;
    let consumer = world.client.consumer(Assignment::topics(["t"], Position::Beginning)).await.unwrap();
    let at = TopicPartition::new("t", 0);
    at_once("Consumer::seek to an offset", consumer.seek(&at, Position::Offset(3))).await.unwrap();
    assert_eq!(consumer.position(&at), Some(3));
    at_once("Consumer::close without a group", consumer.close()).await;
    assert!(at_once("Consumer::recv after close", consumer.recv()).await.unwrap().is_none());
    at_once("Client::close", world.client.close(Duration::ZERO)).await;
}

#[test]
fn every_public_future_is_dropped_somewhere_above() {
    let found = listed::public_futures();
    assert!(found.len() > 40, "{} futures found: the search has gone blind", found.len());
    let listed: Vec<&str> = [DROPPED, NEVER_WAIT, THE_USER_S].concat();
    let missing: Vec<_> = found.iter().filter(|name| !listed.contains(&name.as_str())).collect();
    assert!(missing.is_empty(), "nothing shows what is left when these are dropped: {missing:?}");
    let gone: Vec<_> = listed.iter().filter(|name| !found.iter().any(|found| found == **name)).collect();
    assert!(gone.is_empty(), "no such futures: {gone:?}");
}
