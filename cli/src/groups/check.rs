//! What a line of `kgroups` must not say: checked before any server is asked, in Kafka's words.

use kinglet::admin::{GroupState, GroupType};

use super::args::{Action, GroupsArgs};
use super::plan::{Scope, Spec};
use crate::error::Failure;

/// The states that consumer groups can be in.
const STATES: [GroupState; 7] = [
    GroupState::PreparingRebalance,
    GroupState::CompletingRebalance,
    GroupState::Stable,
    GroupState::Dead,
    GroupState::Empty,
    GroupState::Assigning,
    GroupState::Reconciling,
];
/// The types that consumer groups can have.
pub(super) const TYPES: [GroupType; 2] = [GroupType::Classic, GroupType::Consumer];

impl GroupsArgs {
    /// Checks of the whole line that need no server.
    pub fn check(&self) -> Result<(), Failure> {
        let action = self.action()?;
        self.check_fitting(action)?;
        self.states()?;
        self.types()?;
        let names_groups = self.all_groups || !self.groups().is_empty();
        match action {
            Action::List | Action::ValidateRegex => {}
            Action::Describe => {
                required(names_groups, action, "[group], [all-groups]", "--group GROUP or --all-groups")?;
                self.check_view()?;
            }
            Action::Delete => {
                required(names_groups, action, "[group], [all-groups]", "--group GROUP or --all-groups")?;
                if !self.topic.is_empty() {
                    return Err(Failure::usage("--delete deletes whole groups")
                        .cause("The consumer does not support topic-specific offset deletion from a consumer group.")
                        .hint("--delete-offsets --topic TOPIC deletes the offsets of a topic"));
                }
            }
            Action::DeleteOffsets => {
                let complete = self.groups().len() == 1 && !self.topic.is_empty();
                required(complete, action, "[group], [topic]", "one --group GROUP and --topic TOPIC")?;
            }
            Action::ResetOffsets => {
                required(names_groups, action, "[group], [all-groups]", "--group GROUP or --all-groups")?;
                Spec::of(self)?;
                Scope::of(self)?;
            }
        }
        Ok(())
    }

    fn check_view(&self) -> Result<(), Failure> {
        let views = [self.offsets, self.members, self.state.is_some()];
        if views.into_iter().filter(|given| *given).count() > 1 {
            return Err(Failure::usage("--describe shows one view").cause(
                "Option [describe] takes at most one of these options: [members], [offsets], [state]",
            ));
        }
        if self.state.as_ref().is_some_and(|value| !value.is_empty()) {
            return Err(Failure::usage("--state takes no value with --describe")
                .cause("Option [describe] does not take a value for [state]"));
        }
        Ok(())
    }

    fn check_fitting(&self, action: Action) -> Result<(), Failure> {
        use Action::{Delete, DeleteOffsets, Describe, List, ResetOffsets};
        let rules: [(bool, &str, &[Action]); 10] = [
            (!self.groups().is_empty(), "group", &[Describe, Delete, ResetOffsets, DeleteOffsets]),
            (self.all_groups, "all-groups", &[Describe, Delete, ResetOffsets]),
            (!self.topic.is_empty(), "topic", &[Delete, ResetOffsets, DeleteOffsets]),
            (self.offsets, "offsets", &[Describe]),
            (self.members, "members", &[Describe]),
            (self.state.is_some(), "state", &[Describe, List]),
            (self.types.is_some(), "type", &[List]),
            (self.details, "verbose", &[Describe]),
            (self.execute, "execute", &[ResetOffsets]),
            (self.all_topics, "all-topics", &[ResetOffsets]),
        ];
        match rules.iter().find(|(given, _, actions)| *given && !actions.contains(&action)) {
            Some((_, option, _)) => {
                let word = action.option().trim_start_matches('-');
                Err(Failure::usage(format!("--{option} does not go with {}", action.option()))
                    .cause(format!("Option \"[{option}]\" can't be used with option \"[{word}]\"")))
            }
            None => Ok(()),
        }
    }

    /// The states of `--list --state`; none means any.
    pub fn states(&self) -> Result<Vec<GroupState>, Failure> {
        let text = self.state.as_deref().filter(|text| !text.is_empty());
        // A view of --describe; its check has better words.
        if text.is_none() || self.action().is_ok_and(|action| action == Action::Describe) {
            return Ok(Vec::new());
        }
        listed(text, &STATES, "state", "states")
    }

    /// The types of `--list --type`; none means all that consumer groups have.
    pub fn types(&self) -> Result<Vec<GroupType>, Failure> {
        listed(self.types.as_deref().filter(|text| !text.is_empty()), &TYPES, "types", "types")
    }
}

fn listed<T: std::str::FromStr + Copy + PartialEq + std::fmt::Display>(
    text: Option<&str>,
    valid: &[T],
    what: &str,
    plural: &str,
) -> Result<Vec<T>, Failure> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let known = |name: &str| name.trim().parse().ok().filter(|value| valid.contains(value));
    text.split(',').map(known).collect::<Option<Vec<T>>>().ok_or_else(|| {
        let names: Vec<String> = valid.iter().map(T::to_string).collect();
        Failure::usage(format!("'{text}' is no list of {plural}"))
            .cause(format!("Invalid {what} list '{text}'. Valid {plural} are: {}", names.join(", ")))
    })
}

fn required(complete: bool, action: Action, options: &str, hint: &str) -> Result<(), Failure> {
    if complete {
        return Ok(());
    }
    let (option, takes) = match action {
        Action::DeleteOffsets => ("delete-offsets", "takes the following options"),
        _ => (action.option().trim_start_matches('-'), "takes one of these options"),
    };
    Err(Failure::usage(format!("{} needs more options", action.option()))
        .cause(format!("Option [{option}] {takes}: {options}"))
        .hint(format!("add {hint}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Line, read};
    use crate::error::{ErrorStyle, Exit};

    fn checked(line: &str) -> Result<(), Failure> {
        match read::<GroupsArgs>(std::iter::once("kgroups").chain(line.split_whitespace()).map(Into::into)) {
            Line::Run(args) => args.check(),
            Line::Wrong(failure, _) => Err(failure),
            Line::Answer(text) => panic!("{line} gave {text}"),
        }
    }

    #[test]
    fn what_does_not_fit_is_a_usage_error_in_kafkas_words() {
        for (line, said) in [
            ("", "Command must include exactly one action"),
            ("--list --describe --group g", "Command must include exactly one action"),
            ("--describe", "Option [describe] takes one of these options"),
            ("--delete", "Option [delete] takes one of these options"),
            ("--delete --group g --topic t", "does not support topic-specific offset deletion"),
            ("--delete-offsets --group g", "Option [delete-offsets] takes the following options"),
            ("--list --group g", "Option \"[group]\" can't be used with option \"[list]\""),
            ("--list --topic t", "Option \"[topic]\" can't be used with option \"[list]\""),
            ("--describe --group g --members --state", "takes at most one of these options"),
            ("--describe --group g --state stable", "does not take a value for [state]"),
            ("--list --state stable,angry", "Invalid state list 'stable,angry'. Valid states are: "),
            ("--list --type share", "Invalid types list 'share'. Valid types are: Classic, Consumer"),
            ("--list --members", "\"[members]\""),
            ("--reset-offsets --topic t --to-latest", "takes one of these options: [group], [all-groups]"),
            (
                "--reset-offsets --group g --to-latest",
                "One of the reset scopes should be defined: --all-topics, --topic.",
            ),
            ("--reset-offsets --group g --topic t", "requires one of the following scenarios"),
            ("--reset-offsets --group g --topic t --to-latest --to-earliest", "cannot be used with"),
            ("--reset-offsets --group g --topic t --to-latest --dry-run --execute", "cannot be used with"),
            ("--reset-offsets --group g --all-groups --topic t --to-latest", "cannot be used with"),
            (
                "--reset-offsets --group g --topic t:x --to-latest",
                "Invalid partition 'x' specified in topic arg 't:x'",
            ),
            (
                "--reset-offsets --group g --topic t:0:1 --to-latest",
                "Invalid topic arg 't:0:1', expected topic name and partitions",
            ),
            ("--reset-offsets --group g --topic t --by-duration 5m", "5m"),
            ("--reset-offsets --group g --topic t --to-datetime yesterday", "yesterday"),
        ] {
            let failure = checked(line).expect_err(line);
            assert_eq!(failure.exit(), Exit::Usage, "{line}");
            let text = failure.render(ErrorStyle::Text);
            assert!(text.contains(said), "{line}: {text}");
        }
    }
}
