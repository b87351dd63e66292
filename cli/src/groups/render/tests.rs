//! Against what kafka-consumer-groups 4.3.1 was seen to print.

use kinglet::admin::{BrokerInfo, GroupMember, GroupType};
use serde_json::Value;

use super::*;
use crate::groups::args::Detail;

fn at(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

fn member(id: &str, partitions: &[i32]) -> GroupMember {
    GroupMember {
        id: format!("console-consumer-{id}"),
        instance_id: None,
        client_id: "console-consumer".to_owned(),
        host: "/127.0.0.1".to_owned(),
        subscription: vec!["t3".to_owned()],
        assignment: partitions.iter().map(|partition| at("t3", *partition)).collect(),
        target_assignment: None,
        epoch: None,
        upgraded: None,
    }
}

fn group(state: GroupState, members: Vec<GroupMember>) -> GroupDescription {
    GroupDescription {
        id: "mygroup".to_owned(),
        state,
        group_type: GroupType::Classic,
        protocol_type: "consumer".to_owned(),
        assignor: if members.is_empty() { String::new() } else { "range".to_owned() },
        coordinator: BrokerInfo { id: 2, host: "127.0.0.1".to_owned(), port: 19093, rack: None },
        members,
        group_epoch: None,
        assignment_epoch: None,
    }
}

fn row(partition: i32, offset: i64, end: i64, member: Option<usize>) -> OffsetRow {
    let leader_epoch = (partition == 2).then_some(0);
    OffsetRow { at: at("t3", partition), offset: Some(offset), leader_epoch, end: Some(end), member }
}

fn active() -> Vec<Described> {
    let members = vec![
        member("c819ba88-51e8-4015-84a5-fe0f28aaa616", &[2]),
        member("c2c4be5f-ed7e-4f07-a956-719a1555af7d", &[0, 1]),
    ];
    let offsets = vec![row(0, 1, 1, Some(1)), row(1, 6, 6, Some(1)), row(2, 2, 2, Some(0))];
    vec![Described { group: group(GroupState::Stable, members), offsets }]
}

fn empty() -> Vec<Described> {
    let offsets = vec![row(0, 1, 1, None), row(1, 6, 6, None), row(2, 2, 8, None)];
    vec![Described { group: group(GroupState::Empty, Vec::new()), offsets }]
}

#[test]
fn lists_have_kafkas_columns() {
    let listing = |id: &str, state, group_type| GroupListing {
        id: id.to_owned(),
        protocol_type: "consumer".to_owned(),
        state,
        group_type,
    };
    let groups = [
        listing("console-consumer-22088", GroupState::Empty, GroupType::Classic),
        listing("mygroup", GroupState::Stable, GroupType::Classic),
    ];
    let columns = |types, states| list(&groups, ListColumns { types, states }, Shape::Kafka);

    assert_eq!(columns(false, false), "console-consumer-22088\nmygroup\n");
    assert_eq!(
        columns(false, true),
        "GROUP                            STATE               \n\
         console-consumer-22088           Empty               \n\
         mygroup                          Stable              \n"
    );
    assert_eq!(
        columns(true, false),
        "GROUP                            TYPE                \n\
         console-consumer-22088           Classic             \n\
         mygroup                          Classic             \n"
    );
}

#[test]
fn offsets_are_printed_as_kafka_prints_them() {
    assert_eq!(
        offsets(&active(), Detail::Usual, Shape::Kafka),
        "\nGROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID                                           HOST            CLIENT-ID\n\
         mygroup         t3              0          1               1               0               console-consumer-c2c4be5f-ed7e-4f07-a956-719a1555af7d /127.0.0.1      console-consumer\n\
         mygroup         t3              1          6               6               0               console-consumer-c2c4be5f-ed7e-4f07-a956-719a1555af7d /127.0.0.1      console-consumer\n\
         mygroup         t3              2          2               2               0               console-consumer-c819ba88-51e8-4015-84a5-fe0f28aaa616 /127.0.0.1      console-consumer\n"
    );
    assert_eq!(
        offsets(&empty(), Detail::Usual, Shape::Kafka),
        "\nGROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID     HOST            CLIENT-ID\n\
         mygroup         t3              0          1               1               0               -               -               -\n\
         mygroup         t3              1          6               6               0               -               -               -\n\
         mygroup         t3              2          2               8               6               -               -               -\n"
    );
    let verbose = offsets(&active(), Detail::Verbose, Shape::Kafka);
    assert!(verbose.starts_with("\nGROUP           TOPIC           PARTITION  LEADER-EPOCH    CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID"));
    assert!(verbose.contains("\nmygroup         t3              2          0               2               2               0               console-"));
}

#[test]
fn members_are_printed_as_kafka_prints_them() {
    assert_eq!(
        members(&active(), Detail::Usual, Shape::Kafka),
        "\nGROUP           CONSUMER-ID                                           HOST            CLIENT-ID        #PARTITIONS     \n\
         mygroup         console-consumer-c819ba88-51e8-4015-84a5-fe0f28aaa616 /127.0.0.1      console-consumer 1               \n\
         mygroup         console-consumer-c2c4be5f-ed7e-4f07-a956-719a1555af7d /127.0.0.1      console-consumer 2               \n"
    );
    assert_eq!(
        members(&active(), Detail::Verbose, Shape::Kafka),
        "\nGROUP           CONSUMER-ID                                           HOST            CLIENT-ID        #PARTITIONS     CURRENT-EPOCH   CURRENT-ASSIGNMENT   TARGET-EPOCH    TARGET-ASSIGNMENT   \n\
         mygroup         console-consumer-c819ba88-51e8-4015-84a5-fe0f28aaa616 /127.0.0.1      console-consumer 1               -               t3:2                 -               -                   \n\
         mygroup         console-consumer-c2c4be5f-ed7e-4f07-a956-719a1555af7d /127.0.0.1      console-consumer 2               -               t3:0,1               -               -                   \n"
    );
    assert_eq!(
        members(&empty(), Detail::Usual, Shape::Kafka),
        "\nGROUP           CONSUMER-ID     HOST            CLIENT-ID       #PARTITIONS     \n"
    );
}

#[test]
fn states_are_printed_as_kafka_prints_them() {
    assert_eq!(
        states(&active(), Detail::Usual, Shape::Kafka),
        "\nGROUP           COORDINATOR (ID)          ASSIGNMENT-STRATEGY  STATE                #MEMBERS\n\
         mygroup         127.0.0.1:19093  (2)      range                Stable               2\n"
    );
    assert_eq!(
        states(&active(), Detail::Verbose, Shape::Kafka),
        "\nGROUP           COORDINATOR (ID)          ASSIGNMENT-STRATEGY  STATE                GROUP-EPOCH     TARGET-ASSIGNMENT-EPOCH   #MEMBERS\n\
         mygroup         127.0.0.1:19093  (2)      range                Stable               -               -                         2\n"
    );
    assert_eq!(
        states(&empty(), Detail::Usual, Shape::Kafka),
        "\nGROUP           COORDINATOR (ID)          ASSIGNMENT-STRATEGY  STATE                #MEMBERS\n\
         mygroup         127.0.0.1:19093  (2)      -                    Empty                0\n"
    );
}

#[test]
fn resets_and_deleted_offsets_are_printed_as_kafka_prints_them() {
    let plan = |offsets| [GroupPlan { group: "mygroup".to_owned(), offsets }];
    let before = |_: &str, at: &TopicPartition| (at.partition == 0).then_some(4);
    let offsets = vec![(at("t3", 0), 0), (at("t3", 2), 5)];

    assert_eq!(
        reset(&plan(offsets.clone()), false, &before, Shape::Kafka),
        "\nGROUP           TOPIC           PARTITION  NEW-OFFSET\n\
         mygroup         t3              0          0\nmygroup         t3              2          5\n"
    );
    assert_eq!(
        reset(&plan(Vec::new()), false, &before, Shape::Kafka),
        "\nGROUP           TOPIC           PARTITION  NEW-OFFSET\n"
    );
    assert!(reset(&plan(offsets), false, &before, Shape::Human).contains("-4"));
    let rows = [("t3".to_owned(), Some(0), Ok(())), ("u".to_owned(), None, Err("gone".to_owned()))];
    assert_eq!(
        deleted_offsets("mygroup", &rows, Shape::Kafka),
        "\nTOPIC           PARTITION  STATUS         \n\
         t3              0          Successful     \n\
         u               -          Error: gone    \n"
    );
}

#[test]
fn only_a_stable_group_needs_no_remark() {
    let said = |state| remark(&group(state, Vec::new()));

    assert_eq!(said(GroupState::Stable), Remark::None);
    assert_eq!(
        said(GroupState::Empty),
        Remark::Say("Consumer group 'mygroup' has no active members.".to_owned())
    );
    assert_eq!(
        said(GroupState::PreparingRebalance),
        Remark::Say("Warning: Consumer group 'mygroup' is rebalancing.".to_owned())
    );
    assert_eq!(
        said(GroupState::Dead),
        Remark::Missing("Consumer group 'mygroup' does not exist.".to_owned())
    );
    assert!(matches!(said(GroupState::Unknown), Remark::Unexpected(_)));
}

#[test]
fn json_has_members_offsets_and_lag() {
    let text = offsets(&empty(), Detail::Usual, Shape::Json);

    let document: Value = serde_json::from_str(&text).expect("one JSON object");
    assert_eq!(document["schema"], "kinglet/groups.describe/v1");
    assert_eq!(document["groups"][0]["state"], "Empty");
    assert_eq!(document["groups"][0]["offsets"][2]["lag"], 6);
    assert_eq!(document["groups"][0]["offsets"][2]["member"], Value::Null);
}

#[test]
fn people_see_the_lag_of_a_group_first() {
    let text = offsets(&empty(), Detail::Usual, Shape::Human);

    assert!(text.starts_with("mygroup  Empty  members 0  lag 6\nTOPIC"), "{text}");
}
