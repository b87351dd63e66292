//! Reading a command line: the flags every tool has, and what happens when the line is wrong.
//!
//! Kafka's options of all its versions are accepted beside our own; which of them a tool has is in its own `args` module. Help and
//! version go to stdout with exit code 0, a wrong line to stderr as one error with the nearest option named.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::error::{ErrorStyle, Failure, Manner};
use crate::output::{OutputChoice, Shape, Stdout};
use crate::settings::Settings;

/// Flags that every tool has.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct CommonArgs {
    /// Servers to ask first; without it $KAFKA_BOOTSTRAP, $KAFKA_BOOTSTRAP_SERVERS or $BOOTSTRAP_SERVERS, else localhost:9092
    #[arg(short = 'b', long, visible_alias = "broker-list", value_name = "HOST:PORT,...")]
    pub bootstrap_server: Option<String>,

    /// Java properties file with client settings
    #[arg(long, aliases = ["producer.config", "consumer.config", "admin.config"], value_name = "FILE")]
    pub command_config: Option<PathBuf>,

    /// A client setting by Kafka's name, may be repeated
    #[arg(short = 'X', long, aliases = ["producer-property", "consumer-property"], value_name = "KEY=VALUE", allow_hyphen_values = true)]
    pub command_property: Vec<String>,

    /// Accepted for old scripts; there is no ZooKeeper to talk to
    #[arg(long, hide = true, value_name = "HOSTS")]
    pub zookeeper: Option<String>,

    /// Shape of stdout; without it a table on a terminal and Kafka's lines elsewhere
    #[arg(short = 'o', long, value_name = "SHAPE", help_heading = "Output")]
    pub output: Option<OutputChoice>,

    /// As Kafka's tools: their lines on a terminal too, what fails exits with 1, the broker may create unknown topics
    #[arg(long, help_heading = "Output")]
    pub compat: bool,

    /// Say more on stderr: -v state changes, -vv requests
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,
}

impl CommonArgs {
    /// Whose exit codes and shapes apply.
    pub fn manner(&self) -> Manner {
        if self.compat { Manner::Kafka } else { Manner::Kinglet }
    }

    /// The shape of stdout.
    pub fn shape(&self) -> Shape {
        Shape::choose(self.output, self.manner(), Stdout::of_process())
    }

    /// How failures are written.
    pub fn error_style(&self) -> ErrorStyle {
        if self.output == Some(OutputChoice::Json) { ErrorStyle::Json } else { plain_error_style() }
    }

    /// The settings given by `--command-property` and its older spellings.
    pub fn properties(&self) -> Result<Settings, Failure> {
        Settings::parse("--command-property", &self.command_property)
    }

    /// The servers to ask first: the flag, else the environment, else the local default.
    pub fn bootstrap(&self, environment: impl Fn(&str) -> Option<String>) -> Result<String, Failure> {
        let named = self.bootstrap_server.clone().or_else(|| {
            ["KAFKA_BOOTSTRAP", "KAFKA_BOOTSTRAP_SERVERS", "BOOTSTRAP_SERVERS"]
                .into_iter()
                .filter_map(environment)
                .find(|servers| !servers.trim().is_empty())
        });
        match (named, &self.zookeeper) {
            (Some(servers), _) => Ok(servers),
            (None, None) => Ok("localhost:9092".to_owned()),
            // ZooKeeper's address says nothing about where the brokers are; guessing one would reach the wrong cluster.
            (None, Some(_)) => {
                Err(Failure::usage("--zookeeper names no broker").hint("use --bootstrap-server HOST:9092"))
            }
        }
    }
}

/// Text, coloured if stderr is a terminal that wants it.
pub fn plain_error_style() -> ErrorStyle {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) && !set("NO_COLOR") && !dumb {
        ErrorStyle::Colour
    } else {
        ErrorStyle::Text
    }
}

/// What a command line turned out to be.
#[derive(Debug)]
pub enum Line<T> {
    /// To be run.
    Run(T),
    /// A request for help or the version: this text is the answer.
    Answer(String),
    /// Wrong, with the manner that was asked for as far as that could be read.
    Wrong(Failure, Manner),
}

/// Reads a command line.
pub fn read<T: Parser>(words: impl IntoIterator<Item = OsString>) -> Line<T> {
    let words: Vec<OsString> = words.into_iter().collect();
    // The line is wrong, so its own flags cannot be asked: the word alone must do.
    let manner = if words.iter().any(|word| word == "--compat") { Manner::Kafka } else { Manner::Kinglet };
    match T::try_parse_from(&words) {
        Ok(args) => Line::Run(args),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Line::Answer(error.to_string())
        }
        Err(error) => Line::Wrong(wrong_line(&error, &name_of(&T::command(), &words)), manner),
    }
}

/// The tool's name, with the subcommand that the line begins with.
fn name_of(command: &clap::Command, words: &[OsString]) -> String {
    let subcommand = words.get(1).and_then(|word| command.find_subcommand(word));
    let names = [Some(command), subcommand].into_iter().flatten().map(clap::Command::get_name);
    names.collect::<Vec<_>>().join(" ")
}

fn wrong_line(error: &clap::Error, tool: &str) -> Failure {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let argument = context(ContextKind::InvalidArg).unwrap_or_default();
    let see_help = format!("{tool} --help shows all options");
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let hint = context(ContextKind::SuggestedArg)
                .map_or(see_help, |similar| format!("did you mean {similar}?"));
            Failure::usage(format!("{argument} is not an option of {tool}")).hint(hint)
        }
        ErrorKind::InvalidValue
            if context(ContextKind::InvalidValue).is_none_or(|value| value.is_empty()) =>
        {
            Failure::usage(format!("{argument} needs a value")).hint(see_help)
        }
        ErrorKind::InvalidValue => {
            let value = context(ContextKind::InvalidValue).unwrap_or_default();
            let failure = Failure::usage(format!("{argument} does not take '{value}'"));
            match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(valid)) => failure.hint(format!("one of {}", valid.join(", "))),
                _ => failure.hint(see_help),
            }
        }
        ErrorKind::ArgumentConflict => {
            let first_line = first_line_of(error);
            Failure::usage(first_line).hint(see_help)
        }
        _ => Failure::usage(first_line_of(error)).hint(see_help),
    }
}

fn first_line_of(error: &clap::Error) -> String {
    let text = error.to_string();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let rest: Vec<&str> = lines.take_while(|line| line.starts_with("  ")).map(str::trim).collect();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    if rest.is_empty() { first.to_owned() } else { format!("{first} {}", rest.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    #[derive(Debug, Parser)]
    #[command(name = "ktest")]
    struct TestArgs {
        #[command(flatten)]
        common: CommonArgs,
    }

    fn line(words: &[&str]) -> Line<TestArgs> {
        read(std::iter::once("ktest").chain(words.iter().copied()).map(OsString::from))
    }

    fn parsed(words: &[&str]) -> CommonArgs {
        match line(words) {
            Line::Run(args) => args.common,
            other => panic!("{words:?} gave {other:?}"),
        }
    }

    #[test]
    fn every_spelling_of_the_servers_is_read() {
        for words in [
            &["--bootstrap-server", "h:1"][..],
            &["--bootstrap-server=h:1"],
            &["--broker-list", "h:1"],
            &["-b", "h:1"],
            &["-b", "h:1", "--zookeeper", "z:2181"],
        ] {
            assert_eq!(parsed(words).bootstrap(|_| None).expect("servers"), "h:1", "{words:?}");
        }
    }

    #[test]
    fn the_flag_beats_the_environment_and_that_the_default() {
        let environment = |name: &str| (name == "BOOTSTRAP_SERVERS").then(|| "env:1".to_owned());

        assert_eq!(parsed(&["-b", "h:1"]).bootstrap(environment).expect("servers"), "h:1");
        assert_eq!(parsed(&[]).bootstrap(environment).expect("servers"), "env:1");
        assert_eq!(parsed(&[]).bootstrap(|_| None).expect("servers"), "localhost:9092");
    }

    #[test]
    fn zookeeper_alone_is_refused() {
        let failure = parsed(&["--zookeeper", "z:2181"]).bootstrap(|_| None).expect_err("no broker named");

        assert_eq!(failure.exit(), Exit::Usage);
    }

    #[test]
    fn every_spelling_of_the_properties_appends() {
        let args = parsed(&[
            "--command-property",
            "a=1",
            "--producer-property",
            "b=2",
            "--consumer-property=c=-3",
            "-X",
            "d=4",
        ]);

        let settings = args.properties().expect("pairs");

        assert_eq!(settings.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2"), ("c", "-3"), ("d", "4")]);
    }

    #[test]
    fn every_spelling_of_the_properties_file_is_read() {
        for option in ["--command-config", "--producer.config", "--consumer.config", "--admin.config"] {
            assert_eq!(parsed(&[option, "f"]).command_config, Some(PathBuf::from("f")), "{option}");
        }
    }

    #[test]
    fn an_unknown_option_names_the_nearest_one() {
        let Line::Wrong(failure, manner) = line(&["--bootstrap-sever", "h:1"]) else { panic!("accepted") };

        assert_eq!(manner, Manner::Kinglet);
        assert_eq!(
            failure.render(ErrorStyle::Text),
            "error: --bootstrap-sever is not an option of ktest\n  hint: did you mean --bootstrap-server?\n"
        );
    }

    #[test]
    fn a_wrong_line_knows_that_it_asked_for_kafkas_manner() {
        assert!(matches!(line(&["--compat", "--nosuch"]), Line::Wrong(_, Manner::Kafka)));
    }

    #[test]
    fn help_is_an_answer() {
        assert!(matches!(line(&["--help"]), Line::Answer(text) if text.contains("--bootstrap-server")));
    }
}
