//! End to end, side by side: our tools and broker, Apache Kafka 4.3.1 with its own tools, and kcat, in one run.
//!
//! `cargo bench -p kinglet-benches --bench end_to_end`, three rounds, about five minutes. `-- --quick` is one small round, to see
//! that everything works. Prints a table and, as its last line, the same as JSON. Sides that are not on this machine are left out.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
#![allow(clippy::cast_precision_loss, reason = "figures are for people")]

#[path = "end_to_end/figures.rs"]
mod figures;
#[path = "end_to_end/lines.rs"]
mod lines;
#[path = "end_to_end/load.rs"]
mod load;
#[path = "end_to_end/server.rs"]
mod server;

use std::error::Error;
use std::process::Command;
use std::time::Duration;

use figures::{Aim, Figures, Side};
use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::{Jars, Tool};
use kinglet_harness::kcat::Kcat;
use kinglet_harness::text::LineFile;
use lines::{Tools, seconds, seconds_in, seconds_out};
use serde_json::json;
use server::{Server, Site};
use tempfile::TempDir;

type Fallible<T> = Result<T, Box<dyn Error>>;
type Outcome = Fallible<()>;

const LIST_TRIES: usize = 5;
const PARTITIONS: i32 = 3;

/// Less is better in every row.
const ROWS: &[(&str, &str, &str, Aim)] = &[
    ("list", "ktopics --list", "ms", Aim::AtMost(15.0)),
    ("ready_empty", "broker ready, empty", "ms", Aim::AtMost(30.0)),
    ("ready_log", "broker ready, lines in its log", "ms", Aim::AtMost(30.0)),
    ("ready_killed", "broker ready, the same after kill -9", "ms", Aim::Open),
    ("rss_idle", "memory, 3 partitions", "MB", Aim::AtMost(12.0)),
    ("rss_lines", "memory, after the lines", "MB", Aim::AtMost(12.0)),
    ("cpu_idle", "idle processor time", "% of a core", Aim::AtMost(0.1)),
    ("in", "lines in, to its own broker (kcat: kbroker)", "s", Aim::Faster { than_kafka: 10.0 }),
    ("out", "lines out, of its own broker (kcat: kbroker)", "s", Aim::Faster { than_kafka: 10.0 }),
    ("in_kafka", "lines in, to Apache Kafka", "s", Aim::Open),
    ("out_kafka", "lines out, of Apache Kafka", "s", Aim::Open),
    ("produce_cpu", "broker per GB produced, 1,000 B", "CPU-s", Aim::AtMost(0.95)),
    ("consume_cpu", "broker per GB consumed, 1,000 B", "CPU-s", Aim::NotAboveKafka),
    ("produce_time", "one GB produced by our library, 1,000 B", "s", Aim::Open),
    ("consume_time", "one GB consumed by our library, 1,000 B", "s", Aim::Open),
];

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Size {
    rounds: usize,
    lines: u64,
    records: u64,
    warm_up: Duration,
    idle: Duration,
}

const FULL: Size = Size {
    rounds: 3,
    lines: 1_000_000,
    records: 2_000_000,
    warm_up: Duration::from_secs(10),
    idle: Duration::from_secs(5),
};
const QUICK: Size = Size {
    rounds: 1,
    lines: 100_000,
    records: 200_000,
    warm_up: Duration::from_secs(1),
    idle: Duration::from_secs(1),
};

/// What every round needs.
struct Bench {
    size: Size,
    tools: Tools,
    file: LineFile,
    out: TempDir,
    figures: Figures,
}

#[tokio::main]
async fn main() -> Outcome {
    let size = if std::env::args().any(|argument| argument == "--quick") { QUICK } else { FULL };
    let tools = Tools {
        binaries: Binaries::build()?,
        jars: or_skip("Apache Kafka's side", Jars::fetch()),
        kcat: or_skip("kcat's side", Kcat::find()),
    };
    let file = LineFile::new(size.lines)?;
    let mut bench = Bench { size, tools, file, out: tempfile::tempdir()?, figures: Figures::new(ROWS) };
    let load_before = load_average()?;
    for round in 1..=size.rounds {
        eprintln!("round {round} of {}, load average {}", size.rounds, load_average()?);
        bench.round().await?;
    }
    let load_after = load_average()?;
    let bytes = std::fs::metadata(bench.file.path())?.len();
    println!(
        "{} lines of {bytes} bytes, {} rounds, load average {load_before} to {load_after}",
        size.lines, size.rounds
    );
    println!("{}", bench.figures.table());
    let setting = json!({"lines": size.lines, "records": size.records, "rounds": size.rounds});
    let load = json!([load_before, load_after]);
    println!("{}", json!({"setting": setting, "load_average": load, "figures": bench.figures.to_json()}));
    Ok(())
}

impl Bench {
    async fn round(&mut self) -> Outcome {
        let mut sites = vec![Site::kinglet(&self.tools.binaries)?];
        if let Some(jars) = &self.tools.jars {
            sites.push(Site::kafka(jars)?);
        }
        let mut servers = Vec::new();
        for site in &sites {
            let server = site.start()?;
            self.add_ms("ready_empty", &server);
            load::create_topic(&server, "first", PARTITIONS).await?;
            servers.push(server);
        }
        self.idle(&servers)?;
        let mut again = Vec::new();
        for (site, server) in sites.iter().zip(servers) {
            again.push(self.restarts(site, server)?);
        }
        self.list(&again)?;
        for server in &again {
            load::warm_up(server, self.size.warm_up).await?;
        }
        for server in &again {
            self.lines(server).await?;
        }
        for server in &again {
            self.load(server).await?;
        }
        again.into_iter().try_for_each(Server::stop)
    }

    fn add_ms(&mut self, name: &str, server: &Server) {
        self.figures.add(name, server.side, server.ready_in.as_secs_f64() * 1e3);
    }

    fn add_rss(&mut self, name: &str, server: &Server) -> Outcome {
        self.figures.add(name, server.side, server.usage()?.rss_bytes as f64 / 1e6);
        Ok(())
    }

    /// Memory and processor time of brokers that have nothing to do.
    fn idle(&mut self, servers: &[Server]) -> Outcome {
        // What belongs to the start is over by then.
        std::thread::sleep(self.size.idle);
        let before = servers.iter().map(Server::usage).collect::<Fallible<Vec<_>>>()?;
        std::thread::sleep(self.size.idle);
        for (server, before) in servers.iter().zip(before) {
            let cpu_seconds = server.usage()?.cpu_seconds - before.cpu_seconds;
            self.figures.add("cpu_idle", server.side, cpu_seconds / self.size.idle.as_secs_f64() * 100.0);
            self.add_rss("rss_idle", server)?;
        }
        Ok(())
    }

    /// Fills the log with the lines, then starts the broker again: after an orderly stop, and after a kill.
    fn restarts(&mut self, site: &Site, server: Server) -> Fallible<Server> {
        seconds_in(&self.file, &self.tools.ours("kproduce", &server.bootstrap, "first"))?;
        self.check("first", &server)?;
        self.add_rss("rss_lines", &server)?;
        server.stop()?;
        let server = site.start()?;
        self.add_ms("ready_log", &server);
        server.kill()?;
        let server = site.start()?;
        self.add_ms("ready_killed", &server);
        self.check("first", &server)?;
        Ok(server)
    }

    /// All lines of the file are in the topic, read by our tool; how long that takes.
    fn check(&self, topic: &str, server: &Server) -> Fallible<f64> {
        let kconsume = self.tools.kconsume(&server.bootstrap, topic, self.size.lines);
        seconds_out(&kconsume, &self.out.path().join("out"), self.file.lines())
    }

    /// How long the tools take to name the topics of a broker that runs.
    fn list(&mut self, servers: &[Server]) -> Outcome {
        for server in servers.iter().cycle().take(servers.len() * LIST_TRIES) {
            let bootstrap = &server.bootstrap;
            let tools = match server.side {
                Side::Kafka => vec![(Side::Kafka, self.tools.kafkas(Tool::Topics, bootstrap), "--list")],
                Side::Kinglet | Side::Kcat => vec![
                    (Side::Kinglet, Some(self.tools.binaries.tool("ktopics", bootstrap)), "--list"),
                    (Side::Kcat, self.tools.kcat(bootstrap, &[]), "-L"),
                ],
            };
            for (side, command, action) in tools {
                if let Some(mut command) = command {
                    self.figures.add("list", side, seconds(command.arg(action))? * 1e3);
                }
            }
        }
        Ok(())
    }

    /// The file through every tool that can talk to this server.
    async fn lines(&mut self, server: &Server) -> Outcome {
        let (into, out) = match server.side {
            Side::Kinglet => ("in", "out"),
            _ => ("in_kafka", "out_kafka"),
        };
        load::create_topic(server, "ours", PARTITIONS).await?;
        let kproduce = self.tools.ours("kproduce", &server.bootstrap, "ours");
        self.figures.add(into, Side::Kinglet, seconds_in(&self.file, &kproduce)?);
        let seconds = self.check("ours", server)?;
        self.figures.add(out, Side::Kinglet, seconds);
        if self.tools.kcat.is_some() {
            self.kcat_lines(server, into, out).await?;
        }
        if server.side == Side::Kafka {
            self.kafka_lines(server).await?;
        }
        Ok(())
    }

    async fn kcat_lines(&mut self, server: &Server, into: &str, out: &str) -> Outcome {
        load::create_topic(server, "kcat", PARTITIONS).await?;
        let read = self.out.path().join("kcat");
        let options = ["-C", "-q", "-e", "-o", "beginning", "-t", "kcat"];
        if let Some(kcat) = self.tools.kcat(&server.bootstrap, &["-P", "-t", "kcat"]) {
            self.figures.add(into, Side::Kcat, seconds_in(&self.file, &kcat)?);
        }
        if let Some(kcat) = self.tools.kcat(&server.bootstrap, &options) {
            self.figures.add(out, Side::Kcat, seconds_out(&kcat, &read, self.file.lines())?);
        }
        Ok(())
    }

    /// Apache Kafka's own tools. Its consumer reads a topic of one partition: over several it needs a group, and three seconds more.
    async fn kafka_lines(&mut self, server: &Server) -> Outcome {
        load::create_topic(server, "console", PARTITIONS).await?;
        if let Some(mut producer) = self.tools.kafkas(Tool::ConsoleProducer, &server.bootstrap) {
            let took = seconds_in(&self.file, producer.args(["--topic", "console"]))?;
            self.check("console", server)?;
            self.figures.add("in", Side::Kafka, took);
            self.figures.add("in_kafka", Side::Kafka, took);
        }
        load::create_topic(server, "single", 1).await?;
        seconds_in(&self.file, &self.tools.ours("kproduce", &server.bootstrap, "single"))?;
        if let Some(mut consumer) = self.tools.kafkas(Tool::ConsoleConsumer, &server.bootstrap) {
            consumer.args(["--topic", "single", "--partition", "0", "--offset", "earliest"]);
            consumer.args(["--max-messages", &self.size.lines.to_string()]);
            let took = seconds_out(&consumer, &self.out.path().join("console"), self.file.lines())?;
            self.figures.add("out", Side::Kafka, took);
            self.figures.add("out_kafka", Side::Kafka, took);
        }
        Ok(())
    }

    /// Records through the library, and what they cost the broker.
    async fn load(&mut self, server: &Server) -> Outcome {
        // What the steps before have left in the page cache is written by the kernel in the name of whoever writes next.
        seconds(&mut Command::new("sync"))?;
        let (produced, consumed) = load::round_trip(server, "load", self.size.records).await?;
        for (cpu, time, cost) in
            [("produce_cpu", "produce_time", produced), ("consume_cpu", "consume_time", consumed)]
        {
            self.figures.add(cpu, server.side, cost.cpu_seconds_per_gb);
            self.figures.add(time, server.side, 1e3 / cost.mb_per_second);
        }
        Ok(())
    }
}

/// The machine's, over one, five and fifteen minutes.
fn load_average() -> Fallible<String> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}
