//! Which topics and which partitions a line of `ktopics` (or an `--include` of `kconsume`) means.

use regex_lite::Regex;

use super::args::TopicsArgs;
use super::render::{Partition, Topic};
use crate::error::Failure;

/// `--topic` of all actions but create: a name, or a regular expression that must match the whole name.
#[derive(Debug)]
pub struct TopicFilter {
    text: String,
    regex: Option<Regex>,
}

/// Whether Kafka's own topics count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Internal {
    /// Listed like others.
    Shown,
    /// Left out (`--exclude-internal`).
    Hidden,
}

impl TopicFilter {
    /// Reads what was given; Kafka's tools take a comma for "or".
    pub fn new(text: &str) -> Result<Self, Failure> {
        if is_plain_name(text) {
            return Ok(Self { text: text.to_owned(), regex: None });
        }
        let pattern = Self::pattern(text);
        let regex = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
            Failure::usage(format!("--topic '{text}' is not a regular expression")).cause(error)
        })?;
        Ok(Self { text: text.to_owned(), regex: Some(regex) })
    }

    /// The regular expression that a text means.
    pub fn pattern(text: &str) -> String {
        let pattern = text.trim().replace(' ', "").replace(',', "|");
        pattern.trim_matches(['"', '\'']).to_owned()
    }

    /// The one name this can match, if it is no pattern: then the others need not be asked for.
    pub fn single_name(&self) -> Option<&str> {
        self.regex.is_none().then_some(self.text.as_str())
    }

    /// The matching names, sorted. A topic of exactly this name is the only match, even if the text read as a
    /// pattern matches more: `--delete --topic a.b` must not delete `axb`.
    pub fn select<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_unstable();
        if let Some(exact) = names.iter().copied().find(|name| *name == self.text) {
            return vec![exact];
        }
        names.retain(|name| self.regex.as_ref().is_some_and(|regex| regex.is_match(name)));
        names
    }
}

/// True for a text that as a pattern can match only itself.
fn is_plain_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Kafka's own topics.
pub fn is_internal(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

impl Internal {
    /// True if a topic of this name is to be shown.
    pub fn shows(self, name: &str) -> bool {
        self == Self::Shown || !is_internal(name)
    }
}

/// What `--describe` prints of each topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DescribeFilter {
    /// Partitions with replicas out of sync.
    pub under_replicated: bool,
    /// Partitions without a live leader.
    pub unavailable: bool,
    /// Partitions with fewer in sync than `min.insync.replicas`.
    pub under_min_isr: bool,
    /// Partitions with exactly `min.insync.replicas` in sync.
    pub at_min_isr: bool,
    /// Header lines of topics with changed configuration only.
    pub overrides_only: bool,
}

impl DescribeFilter {
    /// As the command line says.
    pub fn of(args: &TopicsArgs) -> Self {
        Self {
            under_replicated: args.under_replicated_partitions,
            unavailable: args.unavailable_partitions,
            under_min_isr: args.under_min_isr_partitions,
            at_min_isr: args.at_min_isr_partitions,
            overrides_only: args.topics_with_overrides,
        }
    }

    fn picks_partitions(self) -> bool {
        self.under_replicated || self.unavailable || self.under_min_isr || self.at_min_isr
    }

    /// True if the header line of the topic is printed.
    pub fn shows_header(self, topic: &Topic) -> bool {
        !self.picks_partitions()
            && (!self.overrides_only || topic.configs.iter().any(|config| config.is_override))
    }

    /// True if the line of the partition is printed.
    pub fn shows_partition(self, topic: &Topic, partition: &Partition, live_brokers: &[i32]) -> bool {
        if self.overrides_only {
            return false;
        }
        let in_sync = partition.isr.len();
        let live_leader = partition.leader.is_some_and(|leader| live_brokers.contains(&leader));
        let min_isr = topic.min_insync_replicas();
        !self.picks_partitions()
            || (self.under_replicated && in_sync < partition.replicas.len())
            || (self.unavailable && !live_leader)
            || (self.under_min_isr
                && (partition.leader.is_none() || min_isr.is_some_and(|min| in_sync < min)))
            || (self.at_min_isr && min_isr == Some(in_sync))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::render::Config;

    const NAMES: [&str; 4] = ["t3", "a.b", "axb", "orders-eu"];

    fn selected(text: &str) -> Vec<&'static str> {
        TopicFilter::new(text).expect("a pattern").select(NAMES)
    }

    #[test]
    fn a_pattern_must_match_the_whole_name() {
        assert_eq!(selected("t"), [""; 0]);
        assert_eq!(selected("t."), ["t3"]);
        assert_eq!(selected("orders.*"), ["orders-eu"]);
        assert_eq!(selected(".*"), ["a.b", "axb", "orders-eu", "t3"]);
    }

    #[test]
    fn a_comma_means_or() {
        assert_eq!(selected("t3, orders-eu"), ["orders-eu", "t3"]);
    }

    #[test]
    fn an_exact_name_with_a_dot_selects_itself_only() {
        assert_eq!(selected("a.b"), ["a.b"]);
        assert_eq!(selected("a.{1}b"), ["a.b", "axb"]);
    }

    #[test]
    fn a_broken_pattern_is_a_usage_error() {
        assert_eq!(TopicFilter::new("a(").expect_err("not closed").exit(), crate::error::Exit::Usage);
    }

    fn partition(leader: Option<i32>, replicas: &[i32], isr: &[i32]) -> Partition {
        Partition {
            index: 0,
            leader,
            replicas: replicas.to_vec(),
            isr: isr.to_vec(),
            elr: None,
            last_known_elr: None,
        }
    }

    fn topic(min_isr: &str) -> Topic {
        let configs = vec![Config {
            name: "min.insync.replicas".to_owned(),
            value: min_isr.to_owned(),
            is_override: true,
        }];
        Topic { name: "t".to_owned(), id: None, partitions: Vec::new(), configs }
    }

    #[test]
    fn each_filter_picks_its_partitions() {
        let whole = partition(Some(1), &[1, 2, 3], &[1, 2, 3]);
        let two = partition(Some(1), &[1, 2, 3], &[1, 2]);
        let one = partition(Some(1), &[1, 2, 3], &[1]);
        let none = partition(None, &[3], &[]);
        let shown = |filter: DescribeFilter| {
            [&whole, &two, &one, &none].map(|p| filter.shows_partition(&topic("2"), p, &[1, 2]))
        };

        let default = DescribeFilter::default();
        assert_eq!(shown(default), [true; 4]);
        assert_eq!(shown(DescribeFilter { under_replicated: true, ..default }), [false, true, true, true]);
        assert_eq!(shown(DescribeFilter { unavailable: true, ..default }), [false, false, false, true]);
        assert_eq!(shown(DescribeFilter { under_min_isr: true, ..default }), [false, false, true, true]);
        assert_eq!(shown(DescribeFilter { at_min_isr: true, ..default }), [false, true, false, false]);
        assert_eq!(shown(DescribeFilter { overrides_only: true, ..default }), [false; 4]);
    }

    #[test]
    fn a_leader_that_is_not_alive_is_unavailable() {
        let filter = DescribeFilter { unavailable: true, ..DescribeFilter::default() };

        assert!(filter.shows_partition(&topic("1"), &partition(Some(3), &[3], &[3]), &[1, 2]));
    }
}
