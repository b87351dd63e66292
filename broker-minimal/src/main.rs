//! `kbroker`: reads the configuration, starts a broker, says where it is, and stops it at a signal.

mod command_line;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use kinglet_broker::{Banner, Broker, Config};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use command_line::{Args, Failure};

fn main() -> ExitCode {
    let args = Args::parse();
    let variable = if std::env::var_os("KAFKA_LOG").is_some() { "KAFKA_LOG" } else { "RUST_LOG" };
    let filter =
        EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).with_env_var(variable);
    let log = tracing_subscriber::fmt().with_env_filter(filter.from_env_lossy()).with_writer(io::stderr);
    log.with_ansi(io::stderr().is_terminal()).init();
    match args.config().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            if let Some(hint) = failure.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config) -> Result<(), Failure> {
    for notice in config.notices() {
        tracing::warn!("{notice}");
    }
    kinglet_broker::limits::raise_open_files();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(config.network_threads).enable_all();
    runtime.build().map_err(Failure::Runtime)?.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Runtime)?;
    let broker = Broker::start(config).await?;
    // Nobody may be reading: a broker serves all the same.
    let _unread = writeln!(io::stdout(), "{}", Banner::new(&broker));
    either(&mut interrupt, &mut terminate).await;
    tracing::info!("stopping, a second signal ends at once");
    tokio::select! {
        stopped = broker.shutdown() => Ok(stopped?),
        () = either(&mut interrupt, &mut terminate) => Err(Failure::Impatient),
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
}
