//! Kafka's own verifiable producer and consumer, which say as JSON what they do, a line each.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use kinglet_harness::kafka::{Jars, Tool};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::Fallible;
use crate::history::{Event, History, Reader};
use crate::load::{self, TOPIC};

/// Records a second of the producer.
const THROUGHPUT: &str = "300";

/// The verifiable producer gives up at the first error unless it is told otherwise.
const PATIENT: &str = "retries=2147483647\nenable.idempotence=true\n";

/// One of the two, killed when dropped.
pub(crate) struct Java {
    child: Child,
    _config: NamedTempFile,
    reading: Option<JoinHandle<()>>,
}

impl Java {
    /// A producer whose records are `<number>.0`, `<number>.1` and so on.
    pub(crate) fn producer(jars: &Jars, bootstrap: &str, number: u32, history: &History) -> Fallible<Self> {
        let config = config(PATIENT)?;
        let mut command = jars.tool_for(Tool::VerifiableProducer, bootstrap);
        command.arg("--command-config").arg(config.path());
        command.args(["--topic", TOPIC, "--throughput", THROUGHPUT, "--value-prefix", &number.to_string()]);
        Self::start(command, config, history, move |history, line| {
            let word = |key| line.get(key).and_then(Value::as_str);
            let id = load::parse(word("value").map(str::as_bytes));
            match (word("name"), id) {
                (Some("producer_send_success"), Some(id)) => {
                    let partition =
                        line.get("partition").and_then(Value::as_i64).and_then(|n| n.try_into().ok());
                    let offset = line.get("offset").and_then(Value::as_i64);
                    if let (Some(partition), Some(offset)) = (partition, offset) {
                        history.note(Event::Sent(id));
                        history.note(Event::Acked { id, partition, offset });
                    }
                }
                (Some("producer_send_error"), Some(id)) => {
                    // Java does not say whether it may be written.
                    history.note(Event::Failed { id, never: false });
                    history.complain(format_args!("Java's producer gave up {id:?}: {line}"));
                }
                _ => {}
            }
        })
    }

    /// A member of a group, which commits what it has said.
    pub(crate) fn consumer(jars: &Jars, bootstrap: &str, group: usize, history: &History) -> Fallible<Self> {
        let mut command = jars.tool_for(Tool::VerifiableConsumer, bootstrap);
        command.args(["--topic", TOPIC, "--group-id", &load::group_id(group), "--verbose"]);
        command.args(["--reset-policy", "earliest", "--session-timeout", "6000"]);
        Self::start(command, config("")?, history, move |history, line| {
            if line.get("name").and_then(Value::as_str) != Some("record_data") {
                return;
            }
            let number = |key| line.get(key).and_then(Value::as_i64);
            let partition = number("partition").and_then(|number| i32::try_from(number).ok());
            if let (Some(partition), Some(offset)) = (partition, number("offset")) {
                let id = load::parse(line.get("value").and_then(Value::as_str).map(str::as_bytes));
                history.note(Event::Read { by: Reader::Group(group), partition, offset, id });
            }
        })
    }

    fn start(
        mut command: Command,
        config: NamedTempFile,
        history: &History,
        take: impl Fn(&History, Value) + Send + 'static,
    ) -> Fallible<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let history = history.clone();
        // It ends with the stream, which ends with the child.
        let reading = thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Ok(line) = serde_json::from_str(&line) {
                    take(&history, line);
                }
            }
        });
        Ok(Self { child, _config: config, reading: Some(reading) })
    }

    /// Whether it still runs: none of them may end by itself.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

fn config(text: &str) -> Fallible<NamedTempFile> {
    let file = NamedTempFile::new()?;
    std::fs::write(&file, text)?;
    Ok(file)
}

impl Drop for Java {
    fn drop(&mut self) {
        // One that has ended already needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reading) = self.reading.take() {
            let _ = reading.join();
        }
    }
}
