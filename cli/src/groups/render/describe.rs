//! The three views of `--describe`.

use std::collections::BTreeMap;

use kinglet::TopicPartition;
use kinglet::admin::{GroupDescription, GroupMember, GroupState};

use super::{Described, MISSING, OffsetRow, WIDTH, json, width};
use crate::groups::args::Detail;
use crate::output::{Shape, table};

/// What `--describe` prints, and `--offsets` with it.
pub fn offsets(groups: &[Described], detail: Detail, shape: Shape) -> String {
    match shape {
        Shape::Kafka => groups.iter().map(|group| offsets_as_kafka(group, detail)).collect(),
        Shape::Human => for_people(groups, |described| {
            let row = |row: &OffsetRow| {
                let member = member_of(described, row);
                [
                    row.at.topic.to_string(),
                    row.at.partition.to_string(),
                    number(row.offset),
                    number(row.end),
                    number(row.lag()),
                    member.map_or(MISSING, |member| &member.id).to_owned(),
                    member.map_or(MISSING, |member| &member.host).to_owned(),
                ]
            };
            let header = ["TOPIC", "PARTITION", "OFFSET", "END", "LAG", "MEMBER", "HOST"];
            table(header, described.offsets.iter().map(row))
        }),
        Shape::Json => json::described(groups, true),
    }
}

/// What `--describe --members` prints.
pub fn members(groups: &[Described], detail: Detail, shape: Shape) -> String {
    match shape {
        Shape::Kafka => groups.iter().map(|group| members_as_kafka(&group.group, detail)).collect(),
        Shape::Human => for_people(groups, |described| {
            let row = |member: &GroupMember| {
                [
                    member.id.clone(),
                    member.client_id.clone(),
                    member.host.clone(),
                    member.instance_id.clone().unwrap_or_else(|| MISSING.to_owned()),
                    assignment(&member.assignment),
                ]
            };
            let header = ["MEMBER", "CLIENT", "HOST", "INSTANCE", "PARTITIONS"];
            table(header, described.group.members.iter().map(row))
        }),
        Shape::Json => json::described(groups, false),
    }
}

/// What `--describe --state` prints.
pub fn states(groups: &[Described], detail: Detail, shape: Shape) -> String {
    match shape {
        Shape::Kafka => {
            let shown = groups.iter().filter(|group| group.group.state != GroupState::Dead);
            shown.map(|group| state_as_kafka(&group.group, detail)).collect()
        }
        Shape::Human => {
            let row = |group: &Described| {
                let group = &group.group;
                [
                    group.id.clone(),
                    group.state.to_string(),
                    group.group_type.to_string(),
                    or_missing(&group.assignor).to_owned(),
                    group.members.len().to_string(),
                    coordinator(group),
                ]
            };
            let header = ["GROUP", "STATE", "TYPE", "ASSIGNOR", "MEMBERS", "COORDINATOR"];
            table(header, groups.iter().map(row))
        }
        Shape::Json => json::described(groups, false),
    }
}

fn for_people(groups: &[Described], rows: impl Fn(&Described) -> String) -> String {
    let part = |described: &Described| {
        let group = &described.group;
        let lag: i64 = described.offsets.iter().filter_map(OffsetRow::lag).fold(0, i64::saturating_add);
        let lag = if described.offsets.is_empty() { String::new() } else { format!("  lag {lag}") };
        let (id, state, members) = (&group.id, group.state, group.members.len());
        format!("{id}  {state}  members {members}{lag}\n{}", rows(described))
    };
    groups.iter().map(part).collect::<Vec<_>>().join("\n")
}

fn offsets_as_kafka(described: &Described, detail: Detail) -> String {
    let group = &described.group;
    if group.state == GroupState::Dead || described.offsets.is_empty() {
        return String::new();
    }
    let rows = || described.offsets.iter();
    let member = |row: &OffsetRow| member_of(described, row);
    let widest = |of: &dyn Fn(&OffsetRow) -> usize| rows().map(of).max().unwrap_or(0).max(WIDTH);
    let group_wide = width(&group.id).max(WIDTH);
    let topic_wide = widest(&|row| width(&row.at.topic));
    let id_wide = widest(&|row| width(member(row).map_or(MISSING, |member| &member.id)));
    let host_wide = widest(&|row| width(member(row).map_or(MISSING, |member| &member.host)));
    let line = |[id, topic, partition, epoch, offset, end, lag, member, host, client]: [&str; 10]| {
        let epoch = match detail {
            Detail::Usual => String::new(),
            Detail::Verbose => format!("{epoch:<15} "),
        };
        format!(
            "\n{id:<group_wide$} {topic:<topic_wide$} {partition:<10} {epoch}{offset:<15} {end:<15} {lag:<15} \
             {member:<id_wide$} {host:<host_wide$} {client}"
        )
    };
    let row = |row: &OffsetRow| {
        let member = member(row);
        line([
            &group.id,
            &row.at.topic,
            &row.at.partition.to_string(),
            &number(row.leader_epoch),
            &number(row.offset),
            &number(row.end),
            &number(row.lag()),
            member.map_or(MISSING, |member| &member.id),
            member.map_or(MISSING, |member| &member.host),
            member.map_or(MISSING, |member| &member.client_id),
        ])
    };
    let header = line([
        "GROUP",
        "TOPIC",
        "PARTITION",
        "LEADER-EPOCH",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ]);
    std::iter::once(header).chain(rows().map(row)).collect::<String>() + "\n"
}

fn members_as_kafka(group: &GroupDescription, detail: Detail) -> String {
    // Without rows Kafka leaves the columns as narrow as they may be, and prints the header all the same.
    let widest = |least: usize, of: &dyn Fn(&GroupMember) -> usize| {
        group.members.iter().map(of).max().unwrap_or(0).max(least)
    };
    let instance = |member: &GroupMember| member.instance_id.clone().unwrap_or_default();
    let group_wide = widest(WIDTH, &|_| width(&group.id));
    let id_wide = widest(WIDTH, &|member| width(&member.id));
    let instance_wide = widest(17, &|member| width(&instance(member)));
    let host_wide = widest(WIDTH, &|member| width(&member.host));
    let client_wide = widest(WIDTH, &|member| width(&member.client_id));
    let current_wide = widest(20, &|member| width(&assignment(&member.assignment)));
    let target_wide = widest(20, &|member| width(&target(member)));
    let has_instances = group.members.iter().any(|member| !instance(member).is_empty());
    let upgraded = |wanted| group.members.iter().any(|member| member.upgraded == Some(wanted));
    let is_migrating = upgraded(true) && upgraded(false);

    let line = |texts: [&str; 6], more: [&str; 5]| {
        let [id, member, instance, host, client, count] = texts;
        let mut line = format!("{id:<group_wide$} {member:<id_wide$} ");
        if has_instances {
            line += &format!("{instance:<instance_wide$} ");
        }
        line += &format!("{host:<host_wide$} {client:<client_wide$} {count:<15} ");
        if detail == Detail::Verbose {
            let [epoch, current, target_epoch, target, upgraded] = more;
            line +=
                &format!("{epoch:<15} {current:<current_wide$} {target_epoch:<15} {target:<target_wide$}");
            if is_migrating {
                line += &format!(" {upgraded}");
            }
        }
        line + "\n"
    };
    let row = |member: &GroupMember| {
        let count = member.assignment.len().to_string();
        let upgraded = number(member.upgraded);
        line(
            [&group.id, &member.id, &instance(member), &member.host, &member.client_id, &count],
            [
                &number(member.epoch),
                &assignment(&member.assignment),
                &number(group.assignment_epoch),
                &target(member),
                &upgraded,
            ],
        )
    };
    let header = line(
        ["GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS"],
        ["CURRENT-EPOCH", "CURRENT-ASSIGNMENT", "TARGET-EPOCH", "TARGET-ASSIGNMENT", "UPGRADED"],
    );
    format!("\n{header}{}", group.members.iter().map(row).collect::<String>())
}

fn state_as_kafka(group: &GroupDescription, detail: Detail) -> String {
    let coordinator = coordinator(group);
    let (group_wide, coordinator_wide) = (width(&group.id).max(WIDTH), width(&coordinator).max(25));
    let line = |texts: [&str; 7]| {
        let [id, coordinator, assignor, state, epoch, assignment_epoch, members] = texts;
        let epochs = match detail {
            Detail::Usual => String::new(),
            Detail::Verbose => format!("{epoch:<15} {assignment_epoch:<25} "),
        };
        format!(
            "\n{id:<group_wide$} {coordinator:<coordinator_wide$} {assignor:<20} {state:<20} {epochs}{members}"
        )
    };
    let header = line([
        "GROUP",
        "COORDINATOR (ID)",
        "ASSIGNMENT-STRATEGY",
        "STATE",
        "GROUP-EPOCH",
        "TARGET-ASSIGNMENT-EPOCH",
        "#MEMBERS",
    ]);
    let row = line([
        &group.id,
        &coordinator,
        or_missing(&group.assignor),
        group.state.name(),
        &number(group.group_epoch),
        &number(group.assignment_epoch),
        &group.members.len().to_string(),
    ]);
    header + &row + "\n"
}

fn coordinator(group: &GroupDescription) -> String {
    let broker = &group.coordinator;
    format!("{}:{}  ({})", broker.host, broker.port, broker.id)
}

fn member_of<'a>(described: &'a Described, row: &OffsetRow) -> Option<&'a GroupMember> {
    described.group.members.get(row.member?)
}

fn number<T: ToString>(number: Option<T>) -> String {
    number.map_or_else(|| MISSING.to_owned(), |number| number.to_string())
}

fn or_missing(text: &str) -> &str {
    if text.is_empty() { MISSING } else { text }
}

fn target(member: &GroupMember) -> String {
    assignment(member.target_assignment.as_deref().unwrap_or_default())
}

/// `orders:0,1;payments:2`
fn assignment(partitions: &[TopicPartition]) -> String {
    if partitions.is_empty() {
        return MISSING.to_owned();
    }
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for at in partitions {
        topics.entry(&at.topic).or_default().push(at.partition);
    }
    let text = |(topic, mut partitions): (&str, Vec<i32>)| {
        partitions.sort_unstable();
        let numbers: Vec<String> = partitions.iter().map(i32::to_string).collect();
        format!("{topic}:{}", numbers.join(","))
    };
    let mut texts: Vec<String> = topics.into_iter().map(text).collect();
    texts.sort();
    texts.join(";")
}
