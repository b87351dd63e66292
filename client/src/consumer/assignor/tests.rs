//! The examples of Kafka's documentation, and what else users rely on.

use super::*;

/// A dynamic member that owns nothing yet.
pub(super) fn member(id: &str, topics: &[&str]) -> Member {
    Member {
        id: id.to_owned(),
        instance_id: None,
        rack: None,
        topics: topics.iter().map(|topic| Arc::from(*topic)).collect(),
        owned: Vec::new(),
        generation: -1,
        user_data: None,
    }
}

pub(super) fn topics(list: &[(&str, i32)]) -> TopicPartitions {
    let mut topics = TopicPartitions::default();
    list.iter().for_each(|(topic, count)| topics.insert(Arc::from(*topic), *count));
    topics
}

/// `t0-1 t1-0`.
fn partitions(text: &str) -> Vec<TopicPartition> {
    let each = text.split_whitespace().map(|word| word.rsplit_once('-').unwrap());
    each.map(|(topic, partition)| TopicPartition::new(topic, partition.parse().unwrap())).collect()
}

/// `C0: t0-0 t0-1 | C1: t0-2`.
pub(super) fn text(shares: &HashMap<String, Vec<TopicPartition>>) -> String {
    let sorted: BTreeMap<_, _> = shares.iter().collect();
    let member = |(id, share): (&String, &Vec<TopicPartition>)| {
        let share: Vec<_> = share.iter().map(ToString::to_string).collect();
        format!("{id}: {}", share.join(" "))
    };
    sorted.into_iter().map(member).collect::<Vec<_>>().join(" | ")
}

fn assign(name: &str, topics: &TopicPartitions, members: &[Member]) -> String {
    text(&by_name(name).unwrap().assign(topics, members))
}

/// The same members with what they have after an assignment, as they would come to the next rebalance.
pub(super) fn after(
    assignor: &dyn Assignor,
    members: &[Member],
    shares: &HashMap<String, Vec<TopicPartition>>,
    generation: i32,
) -> Vec<Member> {
    let next = |member: &Member| {
        let owned = shares[&member.id].clone();
        let user_data = assignor.user_data(&owned, generation);
        Member { owned, generation, user_data, ..member.clone() }
    };
    members.iter().map(next).collect()
}

#[test]
fn range_gives_each_a_range_of_every_topic() {
    let two = topics(&[("t0", 3), ("t1", 3)]);
    let members = [member("C1", &["t0", "t1"]), member("C0", &["t1", "t0"])];
    assert_eq!(assign("range", &two, &members), "C0: t0-0 t0-1 t1-0 t1-1 | C1: t0-2 t1-2");
    let different = [member("C0", &["t0"]), member("C1", &["t0", "t1", "gone"]), member("C2", &["gone"])];
    assert_eq!(assign("range", &two, &different), "C0: t0-0 t0-1 | C1: t0-2 t1-0 t1-1 t1-2 | C2: ");
}

#[test]
fn range_follows_instance_ids_and_not_member_ids() {
    let with = |id: &str, instance: Option<&str>| Member {
        instance_id: instance.map(str::to_owned),
        ..member(id, &["t"])
    };
    let members = [with("a", None), with("b", Some("i2")), with("z", Some("i1"))];
    for name in ["range", "roundrobin"] {
        assert_eq!(assign(name, &topics(&[("t", 3)]), &members), "a: t-2 | b: t-1 | z: t-0", "{name}");
    }
}

#[test]
fn round_robin_goes_on_from_topic_to_topic() {
    let two = topics(&[("t0", 3), ("t1", 3)]);
    let members = [member("C0", &["t0", "t1"]), member("C1", &["t0", "t1"])];
    assert_eq!(assign("roundrobin", &two, &members), "C0: t0-0 t0-2 t1-1 | C1: t0-1 t1-0 t1-2");
}

#[test]
fn round_robin_skips_who_does_not_subscribe() {
    let three = topics(&[("t0", 1), ("t1", 2), ("t2", 3)]);
    let members = [member("C0", &["t0"]), member("C1", &["t0", "t1"]), member("C2", &["t0", "t1", "t2"])];
    assert_eq!(
        assign("roundrobin", &three, &members),
        "C0: t0-0 | C1: t1-0 | C2: t1-1 t2-0 t2-1 t2-2",
        "less even than sticky"
    );
}

#[test]
fn sticky_keeps_what_the_others_have_when_one_leaves() {
    let four = topics(&[("t0", 2), ("t1", 2), ("t2", 2), ("t3", 2)]);
    let all = ["t0", "t1", "t2", "t3"];
    let members = [member("C0", &all), member("C1", &all), member("C2", &all)];
    for name in ["sticky", "cooperative-sticky"] {
        let assignor = by_name(name).unwrap();
        let first = assignor.assign(&four, &members);
        assert_eq!(text(&first), "C0: t0-0 t1-1 t3-0 | C1: t0-1 t2-0 t3-1 | C2: t1-0 t2-1", "{name}");
        let [zero, _, two]: [Member; 3] = after(&*assignor, &members, &first, 1).try_into().unwrap();
        let second = assignor.assign(&four, &[zero, two]);
        assert_eq!(text(&second), "C0: t0-0 t0-1 t1-1 t3-0 | C2: t1-0 t2-0 t2-1 t3-1", "{name}");
    }
}

#[test]
fn sticky_is_even_where_subscriptions_differ() {
    let three = topics(&[("t0", 1), ("t1", 2), ("t2", 3)]);
    let members = [member("C0", &["t0"]), member("C1", &["t0", "t1"]), member("C2", &["t0", "t1", "t2"])];
    for name in ["sticky", "cooperative-sticky"] {
        let assignor = by_name(name).unwrap();
        let first = assignor.assign(&three, &members);
        assert_eq!(text(&first), "C0: t0-0 | C1: t1-0 t1-1 | C2: t2-0 t2-1 t2-2", "{name}");
        let [_, one, two]: [Member; 3] = after(&*assignor, &members, &first, 1).try_into().unwrap();
        let second = assignor.assign(&three, &[one, two]);
        assert_eq!(text(&second), "C1: t0-0 t1-0 t1-1 | C2: t2-0 t2-1 t2-2", "{name}");
    }
}

#[test]
fn a_cooperative_newcomer_waits_for_what_others_still_own() {
    let one = topics(&[("t", 5)]);
    let cooperative = by_name("cooperative-sticky").unwrap();
    let old = Member { owned: partitions("t-0 t-1 t-2 t-3"), generation: 3, ..member("a", &["t"]) };
    let first = cooperative.assign(&one, &[old.clone(), member("b", &["t"])]);
    assert_eq!(text(&first), "a: t-0 t-1 t-2 | b: t-4", "t-3 is a's to give up first");
    let members = after(&*cooperative, &[old, member("b", &["t"])], &first, 4);
    assert_eq!(text(&cooperative.assign(&one, &members)), "a: t-0 t-1 t-2 | b: t-3 t-4");
}

#[test]
fn of_two_who_claim_a_partition_the_higher_generation_has_it() {
    let one = topics(&[("t", 4)]);
    let claims = |id: &str, list: &str, generation| Member {
        owned: partitions(list),
        generation,
        ..member(id, &["t"])
    };
    let cooperative = "cooperative-sticky";
    let members = [claims("a", "t-0 t-1", 4), claims("b", "t-1 t-2 t-3", 5)];
    assert_eq!(assign(cooperative, &one, &members), "a: t-0 | b: t-1 t-2", "a waits for t-3");
    let members = [claims("a", "t-0 t-1", 5), claims("b", "t-1 t-2 t-3", 4)];
    assert_eq!(assign(cooperative, &one, &members), "a: t-0 t-1 | b: t-2 t-3");
    let members = [claims("a", "t-0 t-1", 5), claims("b", "t-1 t-2", 5), claims("c", "t-3", 5)];
    assert_eq!(
        assign(cooperative, &one, &members),
        "a: t-0 | b: t-2 | c: t-3",
        "nobody's until both gave it up"
    );
}

#[test]
fn what_is_no_more_is_forgotten() {
    let now = topics(&[("t", 2), ("u", 1), ("empty", 0)]);
    let owned = partitions("t-0 t-5 t--1 gone-0 u-0");
    let cooperative = Member { owned: owned.clone(), generation: 1, ..member("a", &["t", "gone", "empty"]) };
    let other = member("b", &["u"]);
    assert_eq!(
        assign("cooperative-sticky", &now, &[cooperative, other.clone()]),
        "a: t-0 t-1 | b: ",
        "a has to give up u-0, to which it does not subscribe any more"
    );
    let user_data = by_name("sticky").unwrap().user_data(&owned, 1);
    let sticky = Member { user_data, ..member("a", &["t", "gone"]) };
    assert_eq!(assign("sticky", &now, &[sticky, other]), "a: t-0 t-1 | b: u-0");
}

#[test]
fn nobody_and_nothing_are_no_trouble() {
    for name in ["range", "roundrobin", "sticky", "cooperative-sticky"] {
        assert_eq!(assign(name, &topics(&[("t", 3)]), &[]), "", "{name}");
        assert_eq!(assign(name, &topics(&[]), &[member("a", &["t"])]), "a: ", "{name}");
        let twice = [member("a", &["t", "u", "t"]), member("b", &[])];
        assert_eq!(assign(name, &topics(&[("t", 2)]), &twice), "a: t-0 t-1 | b: ", "{name}");
    }
}

#[test]
fn range_prefers_partitions_whose_replicas_are_near() {
    let near =
        |id: &str, rack: &str, topics: &[&str]| Member { rack: Some(rack.to_owned()), ..member(id, topics) };
    let racks =
        |list: &[&str]| -> Vec<Vec<String>> { list.iter().map(|rack| vec![(*rack).to_owned()]).collect() };
    let mut topics = TopicPartitions::default();
    topics.insert_with_racks("t".into(), racks(&["r2", "r1", "r2", "r1"]));
    let members = [near("a", "r1", &["t"]), near("b", "r2", &["t"])];
    assert_eq!(assign("range", &topics, &members), "a: t-1 t-3 | b: t-0 t-2");
    topics.insert_with_racks("u".into(), racks(&["r2", "r1", "r1", "r2"]));
    let members = [near("a", "r1", &["t", "u"]), near("b", "r2", &["t", "u"])];
    assert_eq!(
        assign("range", &topics, &members),
        "a: t-1 t-2 u-1 u-2 | b: t-0 t-3 u-0 u-3",
        "lining up comes before racks"
    );
    let away = [near("a", "r8", &["t"]), near("b", "r9", &["t"])];
    assert_eq!(assign("range", &topics, &away), "a: t-0 t-1 | b: t-2 t-3");
}

#[test]
fn sticky_prefers_partitions_whose_replicas_are_near_and_gives_up_what_is_far() {
    let near = |id: &str, rack: &str, owned: &str| Member {
        rack: Some(rack.to_owned()),
        owned: partitions(owned),
        generation: 1,
        user_data: by_name("sticky").unwrap().user_data(&partitions(owned), 1),
        ..member(id, &["t"])
    };
    let mut topics = TopicPartitions::default();
    let racks = ["r2", "r1", "r2", "r1"].map(|rack| vec![rack.to_owned()]);
    topics.insert_with_racks("t".into(), racks.to_vec());
    let new = [near("a", "r1", ""), near("b", "r2", "")];
    let far = [near("a", "r1", "t-0 t-1"), near("b", "r2", "t-2 t-3")];
    let away = [near("a", "r8", "t-0 t-1"), near("b", "r9", "t-2 t-3")];
    for name in ["sticky", "cooperative-sticky"] {
        assert_eq!(assign(name, &topics, &new), "a: t-1 t-3 | b: t-0 t-2", "{name}");
        assert_eq!(assign(name, &topics, &away), "a: t-0 t-1 | b: t-2 t-3", "{name}: racks that are nowhere");
        let all_in_one = [near("a", "r1", ""), near("b", "r1", "")];
        let shares = by_name(name).unwrap().assign(&topics, &all_in_one);
        assert!(shares.values().all(|share| share.len() == 2), "{name}: equal shares come before racks");
    }
    assert_eq!(assign("sticky", &topics, &far), "a: t-1 t-3 | b: t-0 t-2");
    assert_eq!(
        assign("cooperative-sticky", &topics, &far),
        "a: t-1 | b: t-2",
        "what is far is given up first"
    );
}

#[test]
fn strategies_are_read_by_kafkas_and_javas_names() {
    let names = |text: &str| -> Vec<String> {
        parse_strategy(text).unwrap().iter().map(|assignor| assignor.name().to_owned()).collect()
    };
    assert_eq!(names("range,roundrobin"), ["range", "roundrobin"]);
    let java = |class: &str| format!("org.apache.kafka.clients.consumer.{class}");
    let both = [java("CooperativeStickyAssignor"), java("StickyAssignor")].join(" , ");
    assert_eq!(names(&both), ["cooperative-sticky", "sticky"]);
    assert_eq!(names("RoundRobinAssignor,RangeAssignor"), ["roundrobin", "range"]);
    for (text, says) in [("range,mine", "\"mine\""), ("range,RangeAssignor", "twice"), (" , ", "no assignor")]
    {
        let error = parse_strategy(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let said = error.to_string();
        assert!(said.contains(says) && said.starts_with("partition.assignment.strategy: "), "{said}");
        assert!(error.hint().unwrap().contains("cooperative-sticky"), "{error:?}");
    }
}

#[test]
fn a_list_is_cooperative_when_all_of_it_is() {
    let are = |text: &str| are_cooperative(&parse_strategy(text).unwrap());
    assert!(are("cooperative-sticky") && !are("range") && !are("sticky"));
    assert!(!are("range,cooperative-sticky"), "as Java's default list");
    assert!(!are_cooperative(&[]));
}

#[test]
fn topics_are_told_sorted() {
    let topics = topics(&[("b", 2), ("a", 1)]);
    assert_eq!(topics.topics().map(|topic| &**topic).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((topics.partition_count("b"), topics.partition_count("c")), (Some(2), None));
}

#[test]
fn a_large_group_is_no_work() {
    let names: Vec<String> = (0..500).map(|n| format!("topic{n}")).collect();
    let rack = |n: usize| format!("r{}", n % 3);
    let mut topics = TopicPartitions::default();
    for (at, name) in names.iter().enumerate() {
        let racks = (0..200).map(|partition| vec![rack(at + partition), rack(at + partition + 1)]);
        topics.insert_with_racks(name.as_str().into(), racks.collect());
    }
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    for different in [1, 7] {
        let mut members: Vec<_> = (0..500)
            .map(|n| Member { rack: Some(rack(n)), ..member(&format!("m{n}"), &all[n % different..]) })
            .collect();
        for name in ["range", "roundrobin", "sticky", "cooperative-sticky"] {
            let assignor = by_name(name).unwrap();
            let shares = assignor.assign(&topics, &members);
            members = after(&*assignor, &members, &shares, 1);
            members.pop();
            let shares = assignor.assign(&topics, &members);
            let left_out = shares.values().map(Vec::len).sum::<usize>().abs_diff(100_000);
            let eager = !assignor.is_cooperative();
            assert!(left_out == 0 || !eager && left_out < 1_000, "{name}: {left_out}");
        }
    }
}

/// A line of `java.txt`, as `tests/java/Assignors.java` describes it, without the result.
fn group(assignor: &dyn Assignor, topics_text: &str, members_text: &str) -> (TopicPartitions, Vec<Member>) {
    let mut topics = TopicPartitions::default();
    for (topic, partitions) in topics_text.split(' ').map(|word| word.split_once('=').unwrap()) {
        let racks = |text: &str| text.split('+').filter(|rack| *rack != "-").map(str::to_owned).collect();
        topics.insert_with_racks(topic.into(), partitions.split('/').map(racks).collect());
    }
    let members = members_text.split(' ').map(|word| {
        let [id, instance, rack, names, ref before @ ..] = *word.split(',').collect::<Vec<_>>() else {
            panic!("{word}")
        };
        let set = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let names: Vec<_> = names.split('+').filter(|name| !name.is_empty()).collect();
        let member = Member { instance_id: set(instance), rack: set(rack), ..member(id, &names) };
        let [generation, owned] = before else { return member };
        let (generation, owned) = (generation.parse().unwrap(), partitions(&owned.replace('+', " ")));
        let user_data = assignor.user_data(&owned, generation);
        Member { generation, owned, user_data, ..member }
    });
    (topics, members.collect())
}

#[test]
fn partitions_are_shared_as_kafkas_own_classes_share_them() {
    let mut counts = BTreeMap::<_, usize>::new();
    for line in include_str!("java.txt").lines() {
        let [name, topics, members, shares] = *line.split("; ").collect::<Vec<_>>() else { panic!("{line}") };
        let assignor = by_name(name).unwrap();
        let (topics, members) = group(&*assignor, topics, members);
        assert_eq!(text(&assignor.assign(&topics, &members)), shares, "{line}");
        *counts.entry(name).or_default() += 1;
    }
    assert!(counts.len() == 4 && counts.values().all(|count| *count >= 80), "{counts:?}");
}
