//! Which offsets a reset is about and where they go, as far as no broker is needed; and plans as CSV.

use std::path::PathBuf;

use kinglet::TopicPartition;

use super::args::GroupsArgs;
use super::times;
use crate::error::Failure;

/// Where offsets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// `--to-earliest`
    Earliest,
    /// `--to-latest`
    Latest,
    /// `--to-current`
    Current,
    /// `--to-offset`
    Offset(i64),
    /// `--shift-by`
    ShiftBy(i64),
    /// `--to-datetime`, in milliseconds since 1970.
    At(i64),
    /// `--by-duration`, in milliseconds.
    Ago(i64),
    /// `--from-file`
    File(PathBuf),
}

/// Which partitions are reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `--all-topics`
    AllTopics,
    /// `--topic`
    Topics(Vec<TopicArg>),
    /// What the file names.
    File,
}

/// The value of a `--topic`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicArg {
    /// The topic.
    pub topic: String,
    /// `None`: all of them.
    pub partitions: Option<Vec<i32>>,
}

/// The new offsets of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPlan {
    /// The group.
    pub group: String,
    /// In the order in which they are printed.
    pub offsets: Vec<(TopicPartition, i64)>,
}

impl Spec {
    /// The one specification of the line.
    pub fn of(args: &GroupsArgs) -> Result<Self, Failure> {
        if let Some(text) = &args.to_datetime {
            let at = times::date_time(text).map(Self::At);
            return at.ok_or_else(|| {
                Failure::usage(format!("--to-datetime '{text}' is no point in time")).hint(
                    "for example 2026-11-21T06:00:00.000, which is UTC unless a zone such as +01:00 follows",
                )
            });
        }
        if let Some(text) = &args.by_duration {
            let ago = times::duration_ms(text).map(Self::Ago);
            return ago.ok_or_else(|| {
                Failure::usage(format!("--by-duration '{text}' is no duration"))
                    .cause("Text cannot be parsed to a Duration")
                    .hint("for example P1DT2H for 26 hours, PT30M, PT90S")
            });
        }
        let given = [
            args.to_earliest.then_some(Self::Earliest),
            args.to_latest.then_some(Self::Latest),
            args.to_current.then_some(Self::Current),
            args.to_offset.map(Self::Offset),
            args.shift_by.map(Self::ShiftBy),
            args.from_file.clone().map(Self::File),
        ];
        given.into_iter().flatten().next().ok_or_else(|| {
            Failure::usage("where the offsets should go is not said").cause(
                "Option '[reset-offsets]' requires one of the following scenarios: [to-offset], [shift-by], [to-datetime], \
                 [by-duration], [to-earliest], [to-latest], [to-current], [from-file]",
            )
        })
    }
}

impl Scope {
    /// The scope of the line.
    pub fn of(args: &GroupsArgs) -> Result<Self, Failure> {
        if args.all_topics {
            Ok(Self::AllTopics)
        } else if !args.topic.is_empty() {
            TopicArg::all(&args.topic).map(Self::Topics)
        } else if args.from_file.is_some() {
            Ok(Self::File)
        } else {
            Err(Failure::usage("which offsets to reset is not said")
                .cause("One of the reset scopes should be defined: --all-topics, --topic."))
        }
    }
}

impl TopicArg {
    /// Reads every `--topic`: those that name partitions first, as Kafka's tool takes them.
    pub fn all(texts: &[String]) -> Result<Vec<Self>, Failure> {
        let mut all = texts.iter().map(|text| Self::parse(text)).collect::<Result<Vec<_>, _>>()?;
        all.sort_by_key(|arg| arg.partitions.is_none());
        Ok(all)
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        if !text.contains(':') {
            return Ok(Self { topic: text.to_owned(), partitions: None });
        }
        let parts: Vec<&str> = text.trim_end_matches(':').split(':').collect();
        let [topic, partitions] = parts.as_slice() else {
            return Err(Failure::usage(format!("--topic '{text}' cannot be used"))
                .cause(format!("Invalid topic arg '{text}', expected topic name and partitions"))
                .hint("for example orders or orders:0,1"));
        };
        let number = |part: &str| {
            part.parse().map_err(|_| {
                Failure::usage(format!("--topic '{text}' cannot be used"))
                    .cause(format!("Invalid partition '{part}' specified in topic arg '{text}''"))
            })
        };
        let partitions = partitions.trim_end_matches(',').split(',').map(number).collect::<Result<_, _>>()?;
        Ok(Self { topic: (*topic).to_owned(), partitions: Some(partitions) })
    }
}

/// The nearest offset that there is, and what is said when it is another than was wanted.
pub fn within(
    at: &TopicPartition,
    wanted: i64,
    start: Option<i64>,
    end: Option<i64>,
) -> (i64, Option<String>) {
    let moved = |relation, offset| {
        let said = format!(
            "New offset ({wanted}) is {relation} offset for topic partition {at}. Value will be set to {offset}"
        );
        (offset, Some(said))
    };
    match (start, end) {
        (_, Some(end)) if wanted > end => moved("higher than latest", end),
        (Some(start), _) if wanted < start => moved("lower than earliest", start),
        _ => (wanted, None),
    }
}

/// Reads a plan: lines of `topic,partition,offset` for the one group that is named, or of
/// `group,topic,partition,offset`.
pub fn from_csv(text: &str, groups: &[String]) -> Result<Vec<GroupPlan>, Failure> {
    let mut plans: Vec<GroupPlan> = Vec::new();
    for (number, line) in (1..).zip(text.trim_end_matches(['\n', '\r']).lines()) {
        let wrong = || {
            Failure::usage(format!("line {number} of the plan cannot be used"))
                .cause(format!("'{line}'"))
                .hint("topic,partition,offset for one group, else group,topic,partition,offset")
        };
        let fields = fields(line);
        let (group, topic, partition, offset) = match (fields.as_slice(), groups) {
            ([topic, partition, offset], [group]) => (group, topic, partition, offset),
            ([group, topic, partition, offset], _) => (group, topic, partition, offset),
            _ => return Err(wrong()),
        };
        let partition = partition.trim().parse().map_err(|_| wrong())?;
        let offset = offset.trim().parse().map_err(|_| wrong())?;
        let at = TopicPartition::new(topic.as_str(), partition);
        let index = plans.iter().position(|plan| plan.group == *group).unwrap_or_else(|| {
            plans.push(GroupPlan { group: group.clone(), offsets: Vec::new() });
            plans.len() - 1
        });
        if let Some(plan) = plans.get_mut(index) {
            // The last line of a partition counts.
            match plan.offsets.iter_mut().find(|(known, _)| *known == at) {
                Some((_, known)) => *known = offset,
                None => plan.offsets.push((at, offset)),
            }
        }
    }
    Ok(plans)
}

/// Writes a plan as `--export` does; without the groups where the line names exactly one.
pub fn to_csv(plans: &[GroupPlan], groups: &[String]) -> String {
    let mut out = String::new();
    for plan in plans {
        for (at, offset) in &plan.offsets {
            if groups.len() != 1 {
                out += &quoted(&plan.group);
                out.push(',');
            }
            out += &format!("{},{},{offset}\n", quoted(&at.topic), at.partition);
        }
    }
    out
}

/// As Jackson writes a text: quoted when it is long, or has a character that might need it.
fn quoted(text: &str) -> String {
    const CHECKED: usize = 24;
    let is_plain = |c: char| c > ',';
    if text.encode_utf16().count() <= CHECKED && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("\"{}\"", text.replace('"', "\"\""))
    }
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = line.trim_end_matches('\r').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(topic: &str, partition: i32) -> TopicPartition {
        TopicPartition::new(topic, partition)
    }

    #[test]
    fn a_topic_may_name_partitions() {
        let arg = |topic: &str, partitions| TopicArg { topic: topic.to_owned(), partitions };

        assert_eq!(TopicArg::parse("t").expect("valid"), arg("t", None));
        assert_eq!(TopicArg::parse("t:0,2").expect("valid"), arg("t", Some(vec![0, 2])));
        for text in ["t:", "t:0:1", "t:a", "t:0,,1"] {
            assert!(TopicArg::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_offset_outside_becomes_the_nearest_one_and_that_is_said() {
        let t = at("t", 0);
        let said =
            "New offset (1000) is higher than latest offset for topic partition t-0. Value will be set to 1";

        assert_eq!(within(&t, 5, Some(2), Some(9)), (5, None));
        assert_eq!(within(&t, 1000, Some(0), Some(1)), (1, Some(said.to_owned())));
        assert_eq!(within(&t, -5, Some(2), Some(9)).0, 2);
        assert_eq!(within(&t, -5, None, None), (-5, None));
    }

    #[test]
    fn a_plan_reads_back_as_it_was_written() {
        let long = "a-topic-with-a-name-of-more-than-24";
        let offsets = vec![(at("t", 0), 5), (at(long, 12), 0)];
        let plans = vec![GroupPlan { group: "a, \"b\"".to_owned(), offsets }];
        let one = vec!["a, \"b\"".to_owned()];
        let two = vec!["a, \"b\"".to_owned(), "c".to_owned()];

        assert_eq!(to_csv(&plans, &one), format!("t,0,5\n\"{long}\",12,0\n"));
        for groups in [one, two] {
            assert_eq!(from_csv(&to_csv(&plans, &groups), &groups).expect("valid"), plans);
        }
    }

    #[test]
    fn a_plan_that_cannot_be_meant_is_refused() {
        let one = vec!["g".to_owned()];
        for text in ["t,0", "t,zero,1", "t,0,1.5", "t,0,1\n\nt,1,1"] {
            assert!(from_csv(text, &one).is_err(), "{text:?}");
        }
        assert!(from_csv("t,0,1", &["a".to_owned(), "b".to_owned()]).is_err(), "whose offset is it?");
    }
}
