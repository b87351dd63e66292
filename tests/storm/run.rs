//! Round after round: a fault, healing, and the judges' look at what is settled.

use std::time::Duration;

use kinglet::{Assignment, Client, Config, Consumer, Position};
use kinglet_harness::absent::or_skip;
use kinglet_harness::binaries::Binaries;
use kinglet_harness::kafka::Jars;
use tokio::time::{Instant, sleep, timeout};

use crate::Fallible;
use crate::checker::Replicas;
use crate::disk::Disk;
use crate::faults::{Fault, Plan};
use crate::history::{Event, History, Reader};
use crate::load::{Habit, PARTITIONS, parse, tail};
use crate::observers::{ends, partitions};
use crate::report::{Broken, Report, Violation};
use crate::site::Site;
use crate::strike::strike;
use crate::warnings::Listener;
use crate::workers::{GROUPS, Workers};

/// A round with fewer acks tells too little.
const ACKS_MIN: u64 = 1_000;
/// After healing everything is well again by then. A Java program has started by then, too.
const WELL_LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// What to run.
pub(crate) struct Setup<'a> {
    pub(crate) binaries: &'a Binaries,
    pub(crate) jars: &'a Jars,
    pub(crate) rounds: usize,
    pub(crate) seed: u64,
    pub(crate) habit: Habit,
}

struct Storm {
    site: Site,
    history: History,
    workers: Workers,
    judge: Consumer,
    replicas: Replicas,
    report: Report,
    /// What comes now.
    fault: Option<Fault>,
}

pub(crate) async fn run(setup: &Setup<'_>) -> Result<Report, Broken> {
    let listener = Listener::listen();
    let history = History::new(usize::try_from(PARTITIONS).unwrap_or_default(), GROUPS);
    let broken = |round, fault, error| Broken { round, fault, error, last: history.last() };
    let (mut storm, mut plan) =
        Storm::begin(setup, &history).await.map_err(|error| broken(0, None, error))?;
    if let Err(error) = storm.rage(setup.rounds, &mut plan).await {
        if let Err(lost) = storm.site.keep_lines() {
            eprintln!("what the brokers said is lost: {lost}");
        }
        return Err(broken(storm.report.rounds + 1, storm.fault, error));
    }
    storm.report.counts = history.counts();
    storm.report.equal = storm.replicas.bytes;
    storm.report.warned = [storm.site.warnings(), listener.heard()];
    Ok(storm.report)
}

impl Storm {
    /// Returns when everybody works.
    async fn begin(setup: &Setup<'_>, history: &History) -> Fallible<(Self, Plan)> {
        let mut faults = chosen()?;
        let needs_disk = faults.iter().any(|fault| fault.needs_disk());
        let disk = if needs_disk { or_skip("faults of a disk", Disk::mount()) } else { None };
        faults.retain(|fault| disk.is_some() || !fault.needs_disk());
        let site = Site::start(setup.binaries, disk).await?;
        let workers = Workers::start(site.bootstrap(), setup.jars, setup.habit, history).await?;
        let judge = reader(&site.bootstrap()).await?;
        let (replicas, report) = (Replicas::default(), Report::default());
        let mut storm =
            Self { site, history: history.clone(), workers, judge, replicas, report, fault: None };
        storm.settle().await?;
        Ok((storm, Plan::new(setup.seed, faults)))
    }

    async fn rage(&mut self, rounds: usize, plan: &mut Plan) -> Fallible<()> {
        for round in 1..=rounds {
            let fault = plan.draw();
            self.fault = Some(fault);
            let acked = self.history.counts().acked;
            let bites = strike(fault, &mut self.site, plan.random()).await?;
            self.site.heal().await?;
            let healed = Instant::now();
            if round % 3 == 0 {
                self.workers.exchange_member(&self.history).await?;
            }
            if fault.copies() {
                self.replicas.compare_all();
            }
            self.settle().await?;
            let took = healed.elapsed();
            let enough = || self.history.counts().acked >= acked + ACKS_MIN;
            until(healed + WELL_LIMIT, "enough is acked", enough).await?;
            self.report.round(fault, bites, took, self.history.counts().acked - acked);
            if !self.workers.all_run() {
                return Err("a program of Java's has ended".into());
            }
            self.judged()?;
        }
        self.fault = None;
        self.finish().await?;
        match self.report.never_bit().as_slice() {
            [] => Ok(()),
            never => Err(format!("faults that never bit: {never:?}").into()),
        }
    }

    /// Waits until all is well, and until everything up to now was read by everybody; then compares the replicas.
    async fn settle(&mut self) -> Fallible<()> {
        let Self { site, history, judge, replicas, .. } = self;
        site.whole(WELL_LIMIT).await?;
        let deadline = Instant::now() + WELL_LIMIT;
        let before = history.acked_to();
        let is_written = || history.acked_to().iter().zip(&before).all(|(now, before)| now > before);
        until(deadline, "every partition is written again", is_written).await?;
        let ends = known_ends(site, deadline).await?;
        read_to(judge, Reader::Judge, &ends, history, deadline).await?;
        until(deadline, "the groups have read everything", || history.is_read(&ends))
            .await
            .map_err(|error| Violation(format!("{error}: {:?} of {ends:?}", history.read_to())))?;
        history.note(Event::Settled { ends: ends.clone() });
        // Whoever is in sync now has what was committed before; one that has left the ISR meanwhile may lack it.
        site.whole(WELL_LIMIT).await?;
        for (partition, end) in (0..PARTITIONS).zip(&ends) {
            let compared = replicas.compare(usize::try_from(partition)?, &site.replicas(partition), *end);
            compared.map_err(Violation)?;
        }
        Ok(())
    }

    /// What the judges and the brokers' logs say.
    fn judged(&self) -> Fallible<()> {
        self.site.claims()?.into_iter().for_each(|claim| self.history.note(claim));
        let mut complaints = self.history.complaints();
        complaints.extend(self.site.bad_lines()?);
        if complaints.is_empty() {
            return Ok(());
        }
        let first = Vec::from(tail(&complaints, 20)).join("\n  ");
        Err(Violation(format!("{} complaints, the last:\n  {first}", complaints.len())).into())
    }

    /// Every record has its fate, and somebody who knows nothing reads it all.
    async fn finish(&mut self) -> Fallible<()> {
        self.replicas.compare_all();
        self.settle().await?;
        self.workers.stop_writers().await?;
        let deadline = Instant::now() + WELL_LIMIT;
        let ends = known_ends(&self.site, deadline).await?;
        let stranger = reader(&self.site.bootstrap()).await?;
        read_to(&stranger, Reader::Stranger, &ends, &self.history, deadline).await?;
        self.judged()
    }
}

/// The faults of `KINGLET_FAULTS`, or all.
fn chosen() -> Fallible<Vec<Fault>> {
    let Ok(text) = std::env::var("KINGLET_FAULTS") else { return Ok(Fault::ALL.to_vec()) };
    let find = |name: &str| Fault::ALL.into_iter().find(|fault| format!("{fault:?}") == name);
    text.split(',').map(|name| find(name).ok_or_else(|| format!("{name} is no fault").into())).collect()
}

/// Somebody who reads every partition from its beginning.
async fn reader(bootstrap: &str) -> Fallible<Consumer> {
    let client = Client::connect(Config::new(bootstrap)).await?;
    let begin = partitions().into_iter().map(|at| (at, Position::Beginning));
    Ok(client.consumer(Assignment::partitions(begin)).await?)
}

async fn known_ends(site: &Site, deadline: Instant) -> Fallible<Vec<i64>> {
    loop {
        if let Some(ends) = ends(site.admin()).await {
            return Ok(ends);
        }
        if Instant::now() > deadline {
            return Err(Violation("alive: nobody says where the partitions end".to_owned()).into());
        }
        sleep(LOOK).await;
    }
}

async fn until(deadline: Instant, what: &str, is_so: impl Fn() -> bool) -> Result<(), Violation> {
    while !is_so() {
        if Instant::now() > deadline {
            return Err(Violation(format!("alive: not so in time: {what}")));
        }
        sleep(LOOK).await;
    }
    Ok(())
}

/// Reads up to these ends.
async fn read_to(
    consumer: &Consumer,
    by: Reader,
    ends: &[i64],
    history: &History,
    deadline: Instant,
) -> Fallible<()> {
    let is_there = || {
        let mut all = partitions().into_iter().zip(ends);
        all.all(|(at, end)| consumer.position(&at).is_some_and(|position| position >= *end))
    };
    while !is_there() {
        let batch = timeout(deadline - Instant::now(), consumer.recv()).await;
        let batch = batch
            .map_err(|_| Violation(format!("alive: {by:?} does not get to the ends {ends:?}")))??
            .ok_or("the consumer ended")?;
        for record in batch.iter() {
            let (partition, offset, id) = (batch.partition(), record.offset, parse(record.value));
            history.note(Event::Read { by, partition, offset, id });
        }
    }
    Ok(())
}
