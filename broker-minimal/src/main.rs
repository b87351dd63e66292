//! `kbroker`: reads the configuration, starts a broker, says where it is, and stops it at a signal.

mod command_line;
mod daemon;
mod look;
mod stop;
mod supervisor;

use std::io::{self, Write};
use std::pin::pin;
use std::process::ExitCode;

use clap::Parser;
use kinglet_broker::{Banner, Broker, Config, limits};
use tokio::signal::unix::{Signal, SignalKind, signal};

use command_line::{Args, Asked, Failure};

fn main() -> ExitCode {
    let args = Args::parse();
    let variable = if std::env::var_os("KAFKA_LOG").is_some() { "KAFKA_LOG" } else { "RUST_LOG" };
    kinglet_broker::loggers::install(&std::env::var(variable).unwrap_or_default());
    match act(args) {
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

fn act(args: Args) -> Result<(), Failure> {
    let (stop_with_stdin, detached) = (args.stop_with_stdin, args.detached);
    if detached {
        daemon::detach().map_err(Failure::Session)?;
    }
    match args.asked()? {
        Asked::Broker(config) => run(*config, stop_with_stdin, detached),
        Asked::Cluster(cluster, _data) => supervisor::processes::run(&cluster),
        Asked::Daemon(dir) => Ok(daemon::start(&dir)?),
        Asked::Stop(dir) => stop::stop(&dir),
        Asked::Check(file) => look::check(&file),
        Asked::Print(config, file) => {
            look::print(&config, file.as_deref());
            Ok(())
        }
    }
}

fn run(config: Config, stop_with_stdin: bool, detached: bool) -> Result<(), Failure> {
    for notice in config.notices() {
        tracing::warn!("{notice}");
    }
    limits::prepare();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(config.network_threads).enable_all();
    runtime.build().map_err(Failure::Runtime)?.block_on(serve(config, stop_with_stdin, detached))
}

async fn serve(config: Config, stop_with_stdin: bool, detached: bool) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Runtime)?;
    let mut end_of_stdin = pin!(end_of_stdin(stop_with_stdin));
    // A broker of a cluster waits in its start for others, who may never come, and who called may be about to start them.
    let has_others = config.quorum.as_ref().is_some_and(|quorum| quorum.peers.len() > 1);
    let mut patience = pin!(daemon::patience(detached && has_others));
    let broker = tokio::select! {
        started = Box::pin(Broker::start(config)) => started?,
        () = either(&mut interrupt, &mut terminate) => return stopped_early(),
        () = &mut end_of_stdin => return stopped_early(),
        never = &mut patience => match never {},
    };
    // Nobody may be reading: a broker serves all the same.
    let _unread = writeln!(io::stdout(), "{}", Banner::new(&broker));
    tokio::select! {
        () = either(&mut interrupt, &mut terminate) => {}
        () = &mut end_of_stdin => {}
        why = broker.failed() => return Err(Failure::Disk(why)),
    }
    tracing::info!("stopping, a second signal ends at once");
    tokio::select! {
        stopped = broker.shutdown() => Ok(stopped?),
        () = either(&mut interrupt, &mut terminate) => Err(Failure::Impatient),
    }
}

fn stopped_early() -> Result<(), Failure> {
    tracing::info!("stopped before it was ready");
    Ok(())
}

/// Resolves when standard input ends, if that is asked for. Its thread waits for that as long as the process lives.
async fn end_of_stdin(is_asked_for: bool) {
    if !is_asked_for {
        return std::future::pending().await;
    }
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // A failing read is as good as the end.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        // Nobody listens any more when a signal came first.
        let _ = ended.send(());
    });
    let _ = end.await;
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
}
