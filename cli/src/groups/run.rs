//! Runs `kgroups`: asks the cluster, prints the answer.

use std::collections::HashMap;

use kinglet::admin::{GroupFilter, GroupListing};
use kinglet::protocol::ErrorCode;
use kinglet::{Admin, TopicPartition};
use serde_json::json;

use super::args::{Action, GroupsArgs, View};
use super::check::TYPES;
use super::collect;
use super::plan::{TopicArg, to_csv};
use super::regex;
use super::render::{self, DeletedOffset, Described, ListColumns, Remark, remark};
use super::report::{Report, Stop, Worded, group_failure};
use super::reset::Reset;
use crate::args::CommonArgs;
use crate::connect::{self, ToolSettings};
use crate::error::{Exit, Failure, Manner};
use crate::java::{CAPACITY, Exception, in_map_order, string_hash};
use crate::output::{Shape, print};
use crate::settings::Settings;
use crate::tool::{say, warn};

/// How long an answer may take unless `--timeout` says otherwise, as Kafka's tool.
const TIMEOUT_MS: u64 = 30_000;

/// What stands on stderr when a reset is neither tried nor done, in Kafka's words.
const NO_ACTION: &str = "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command \
                         will require either --dry-run or --execute to be specified. You should add the --dry-run option \
                         explicitly if you are scripting this command and want to keep the current default behavior without \
                         prompting.\n";

/// Does what the line says.
pub fn run(args: &GroupsArgs) -> Result<Exit, Failure> {
    args.check()?;
    let action = args.action()?;
    if let Some(regex) = args.validate_regex.as_deref().filter(|_| action == Action::ValidateRegex) {
        return validate(regex, &args.common);
    }
    if action == Action::ResetOffsets && !args.dry_run && !args.execute {
        say(NO_ACTION);
    }
    let mut tool = ToolSettings::default();
    let timeouts = |settings: &mut Settings, ms: u64| {
        settings.set("default.api.timeout.ms", ms);
        settings.set("request.timeout.ms", ms);
    };
    match args.timeout {
        Some(ms) => timeouts(&mut tool.flags, ms),
        None => timeouts(&mut tool.defaults, TIMEOUT_MS),
    }
    let config = connect::config(&args.common, &tool, &mut warn)?;
    // One thread: a second one would cost more to start than the few requests take.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, "cannot start").cause(error))?;
    runtime.block_on(async {
        let mut report = Report::default();
        let stopped = match connect::connect(config).await {
            Ok(client) => {
                let groups = Groups { args, admin: client.admin(), shape: args.common.shape() };
                groups.act(action, &mut report).await.err()
            }
            Err(failure) => Some(Stop::unreached(failure)),
        };
        if let Some(stop) = stopped {
            report.stop(stop, args.common.manner())?;
        }
        report.finish(&args.common)
    })
}

/// Says whether a regular expression is one that brokers take.
fn validate(regex: &str, common: &CommonArgs) -> Result<Exit, Failure> {
    let checked = regex::check(regex);
    let text = match (common.shape(), checked) {
        (Shape::Json, checked) => {
            let error = checked.err().map(|error| error.to_string());
            let document = json!({
                "schema": "kinglet/groups.regex/v1", "regex": regex, "valid": error.is_none(), "error": error,
            });
            format!("{document}\n")
        }
        (_, Ok(())) => format!("The regular expression `{regex}` is valid.\n"),
        (_, Err(error)) => format!("The regular expression `{regex}` is invalid: {error}.\n"),
    };
    print(&text)?;
    // Kafka's tool ends well with either answer.
    let is_told_by_exit = common.manner() == Manner::Kinglet && checked.is_err();
    Ok(if is_told_by_exit { Exit::Unmet } else { Exit::Done })
}

struct Groups<'a> {
    args: &'a GroupsArgs,
    admin: Admin,
    shape: Shape,
}

impl Groups<'_> {
    async fn act(&self, action: Action, report: &mut Report) -> Result<(), Stop> {
        match action {
            Action::List => self.list(report).await,
            Action::Describe => self.describe(report).await,
            Action::Delete => self.delete(report).await,
            Action::ResetOffsets => self.reset(report).await,
            Action::DeleteOffsets => self.delete_offsets(report).await,
            // It asks no cluster.
            Action::ValidateRegex => Ok(()),
        }
    }

    async fn list(&self, report: &mut Report) -> Result<(), Stop> {
        let columns = ListColumns { types: self.args.types.is_some(), states: self.args.state.is_some() };
        let worded = if columns.types || columns.states { Worded::Class } else { Worded::Cause };
        let mut filter = GroupFilter::all().states(self.args.states()?);
        let types = self.args.types()?;
        filter = if types.is_empty() { filter.types(TYPES) } else { filter.types(types) };
        let groups = self.listed(filter, worded).await?;
        if groups.is_empty() && self.shape == Shape::Human {
            say("no groups\n");
            return Ok(());
        }
        report.data(render::list(&groups, columns, self.shape));
        Ok(())
    }

    async fn describe(&self, report: &mut Report) -> Result<(), Stop> {
        let groups = collect::describe(&self.admin, self.groups().await?).await?;
        let view = self.args.view();
        let described = match view {
            View::Offsets => collect::with_offsets(&self.admin, groups).await?,
            View::Members | View::State => {
                groups.into_iter().map(|group| Described { group, offsets: Vec::new() }).collect()
            }
        };
        let detail = self.args.detail();
        for group in &described {
            match remark(&group.group) {
                Remark::None => {}
                Remark::Say(text) => say(format_args!("\n{text}\n")),
                Remark::Missing(text) => {
                    let ours = format!("unknown group '{}'", group.group.id);
                    let hint = "kgroups --list shows what there is";
                    report.error(&text, Failure::new(Exit::NotFound, ours).cause(&text).hint(hint));
                }
                Remark::Unexpected(text) => {
                    let ours = format!("cannot describe group '{}'", group.group.id);
                    return Err(Stop::failed(Failure::new(Exit::Failed, ours).cause(&text), text));
                }
            }
        }
        let text = match view {
            View::Offsets => render::offsets(&described, detail, self.shape),
            View::Members => render::members(&described, detail, self.shape),
            View::State => render::states(&described, detail, self.shape),
        };
        report.data(text);
        Ok(())
    }

    async fn delete(&self, report: &mut Report) -> Result<(), Stop> {
        let groups = self.groups().await?;
        let count = groups.len();
        let deleted = self.admin.delete_groups(groups).await;
        let deleted = deleted.map_err(|error| Stop::of(&error, "cannot delete the groups", Worded::Class))?;
        // Kafka's tool puts the results into one map and those that went well into another.
        let deleted = in_map_order(deleted, count, |(group, _)| string_hash(group));
        let deleted = in_map_order(deleted, CAPACITY, |(group, _)| string_hash(group));
        let (done, failed): (Vec<_>, Vec<_>) = deleted.into_iter().partition(|(_, result)| result.is_ok());
        let done: Vec<String> = done.into_iter().map(|(group, _)| group).collect();
        let listed = done.iter().map(|group| format!("'{group}'")).collect::<Vec<_>>().join(", ");
        for (index, (group, error)) in
            failed.iter().filter_map(|(group, result)| Some((group, result.as_ref().err()?))).enumerate()
        {
            let failure = group_failure(error, format!("cannot delete group '{group}'"));
            let exception = Exception::of(error);
            if index == 0 {
                report.error("Deletion of some consumer groups failed:", failure);
            } else {
                report.failure(failure);
            }
            report.also(&format!("* Group '{group}' could not be deleted due to: {exception}\n"));
        }
        let text = match self.shape {
            Shape::Kafka if failed.is_empty() => {
                format!("Deletion of requested consumer groups ({listed}) was successful.\n")
            }
            Shape::Kafka if !done.is_empty() => {
                format!("\nThese consumer groups were deleted successfully: {listed}\n")
            }
            Shape::Kafka => String::new(),
            Shape::Human => done.iter().map(|group| format!("Deleted group {group}.\n")).collect(),
            Shape::Json => {
                let rows = done.iter().map(|group| serde_json::json!(group)).collect();
                render::document("groups.delete", "groups", rows)
            }
        };
        report.data(text);
        Ok(())
    }

    async fn reset(&self, report: &mut Report) -> Result<(), Stop> {
        let reset = Reset { args: self.args, admin: &self.admin, shape: self.shape };
        let groups = self.groups().await?;
        // What a person or a program wants to compare with; Kafka's lines do not show it.
        let mut before: HashMap<String, HashMap<TopicPartition, i64>> = HashMap::new();
        if self.shape != Shape::Kafka {
            for group in &groups {
                before.insert(group.clone(), reset.current(group).await?);
            }
        }
        let plans = reset.run(groups, report).await?;
        if self.args.export {
            // Kafka's tool ends the last line once more.
            let end = if self.shape == Shape::Kafka { "\n" } else { "" };
            report.data(to_csv(&plans, &self.args.groups()) + end);
            return Ok(());
        }
        let before = |group: &str, at: &TopicPartition| before.get(group)?.get(at).copied();
        report.data(render::reset(&plans, self.args.execute, &before, self.shape));
        Ok(())
    }

    async fn delete_offsets(&self, report: &mut Report) -> Result<(), Stop> {
        let group = self.args.groups().into_iter().next().unwrap_or_default();
        let mut rows: Vec<DeletedOffset> = Vec::new();
        let partitions = self.partitions_to_delete(&mut rows).await?;
        let what = format!("cannot delete the offsets of group '{group}'");
        let answered = self.admin.delete_group_offsets(&group, partitions.iter().cloned()).await;
        let results = match answered {
            Ok(results) => results,
            Err(error) if error.code().is_none() => return Err(Stop::of(&error, what, Worded::Class)),
            Err(error) => partitions.into_iter().map(|at| (at, Err(error.clone()))).collect(),
        };
        let first = results.iter().find_map(|(_, result)| result.as_ref().err()).cloned();
        match &first {
            None if self.shape == Shape::Kafka => {
                report.data(format!("Request succeeded for deleting offsets from group {group}.\n"));
            }
            None => {}
            Some(error) => report.error(&deletion_error(error), group_failure(error, what)),
        }
        if let (None, Some((topic, ..))) = (&first, rows.first()) {
            let failure = Failure::new(Exit::NotFound, format!("unknown topic '{topic}'"));
            report.failure(failure.hint("ktopics --list shows what there is"));
        }
        rows.extend(results.into_iter().map(|(at, result)| {
            let result = result.map_err(|error| Exception::of(&error).to_string());
            (at.topic.to_string(), Some(at.partition), result)
        }));
        report.data(render::deleted_offsets(&group, &rows, self.shape));
        Ok(())
    }

    /// The partitions of `--topic`; topics that are not there become rows.
    async fn partitions_to_delete(&self, rows: &mut Vec<DeletedOffset>) -> Result<Vec<TopicPartition>, Stop> {
        let mut partitions: Vec<TopicPartition> = Vec::new();
        let mut whole: Vec<String> = Vec::new();
        for arg in TopicArg::all(&self.args.topic)? {
            match arg.partitions {
                Some(numbers) => partitions.extend(
                    numbers.into_iter().map(|number| TopicPartition::new(arg.topic.as_str(), number)),
                ),
                None if whole.contains(&arg.topic) => {}
                None => whole.push(arg.topic),
            }
        }
        if !whole.is_empty() {
            let described = self.admin.describe_topics(whole).await;
            let described =
                described.map_err(|error| Stop::of(&error, "cannot describe the topics", Worded::Class))?;
            for (topic, result) in described {
                match result {
                    Ok(known) => partitions.extend(
                        known.partitions.iter().map(|p| TopicPartition::new(topic.as_str(), p.partition)),
                    ),
                    Err(error) => rows.push((topic, None, Err(Exception::of(&error).to_string()))),
                }
            }
        }
        partitions.sort_unstable();
        partitions.dedup();
        Ok(partitions)
    }

    /// The groups that the line is about.
    async fn groups(&self) -> Result<Vec<String>, Stop> {
        if !self.args.all_groups {
            return Ok(self.args.groups());
        }
        let groups = self.listed(GroupFilter::all().types(TYPES), Worded::Cause).await?;
        Ok(groups.into_iter().map(|group| group.id).collect())
    }

    /// The groups of consumers, in the order of Kafka's tool.
    async fn listed(&self, filter: GroupFilter, worded: Worded) -> Result<Vec<GroupListing>, Stop> {
        let listed = self.admin.list_groups(filter).await;
        let listed = listed.map_err(|error| Stop::of(&error, "cannot list the groups", worded))?;
        let is_consumer = |group: &GroupListing| matches!(&*group.protocol_type, "" | "consumer");
        let groups = listed.into_iter().filter(is_consumer).collect();
        Ok(in_map_order(groups, CAPACITY, |group: &GroupListing| string_hash(&group.id)))
    }
}

/// What Kafka's tool says when offsets were not deleted.
fn deletion_error(error: &kinglet::Error) -> String {
    match error.code() {
        Some(
            ErrorCode::INVALID_GROUP_ID
            | ErrorCode::GROUP_ID_NOT_FOUND
            | ErrorCode::GROUP_AUTHORIZATION_FAILED
            | ErrorCode::NON_EMPTY_GROUP,
        ) => Exception::of(error).message().to_owned(),
        Some(
            ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC
            | ErrorCode::TOPIC_AUTHORIZATION_FAILED
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ) => "Encountered some partition-level error, see the follow-up details.".to_owned(),
        code => {
            format!("Encountered some unknown error: {}", code.map_or("UNKNOWN_SERVER_ERROR", |c| c.name()))
        }
    }
}
