//! Round after round: a fault, healing, and the judges' look at what is settled.

use std::collections::BTreeMap;
use std::fmt;
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
use crate::history::{Counts, Event, History, Reader};
use crate::java::Java;
use crate::load::{Member, PARTITIONS, Writer, parse, tail};
use crate::observers::{Observer, ends, partitions};
use crate::site::Site;
use crate::strike::strike;

/// A group of ours and one of Java's.
const GROUPS: usize = 2;
const WRITERS: u32 = 2;
const JAVAS: u32 = 1;
const MEMBERS: usize = 2;
/// A round with fewer acks tells too little.
const ACKS_MIN: u64 = 1_000;
/// After healing everything is well again by then.
const WELL_LIMIT: Duration = Duration::from_secs(60);
/// A Java program has started by then.
const START_LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// What happened.
pub(crate) struct Report {
    rounds: usize,
    /// By fault: its rounds, and how often it bit.
    faults: BTreeMap<Fault, (u32, u64)>,
    counts: Counts,
    fewest: u64,
    equal: u64,
    slowest: (Duration, Option<Fault>),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { sent, acked, failed, read, rebalances, commits } = self.counts;
        writeln!(
            f,
            "{} rounds: {sent} records sent, {acked} acked ({} a round at least), {failed} failed",
            self.rounds, self.fewest
        )?;
        writeln!(
            f,
            "groups read {read}, {rebalances} assignments and {commits} commits seen, {} bytes of replicas equal",
            self.equal
        )?;
        writeln!(f, "well again {:?} after healing at the latest ({:?})", self.slowest.0, self.slowest.1)?;
        for (fault, (rounds, bites)) in &self.faults {
            writeln!(f, "  {fault:?}: {rounds} rounds, bit {bites} times")?;
        }
        Ok(())
    }
}

pub(crate) async fn run(binaries: &Binaries, jars: &Jars, rounds: usize, seed: u64) -> Fallible<Report> {
    let mut faults = chosen()?;
    let needs_disk = faults.iter().any(|fault| fault.needs_disk());
    let disk = if needs_disk { or_skip("faults of a disk", Disk::mount()) } else { None };
    faults.retain(|fault| disk.is_some() || !fault.needs_disk());
    let mut site = Site::start(binaries, disk).await?;
    let history = History::new(usize::try_from(PARTITIONS)?, GROUPS);
    let done = weather(&mut site, jars, &history, rounds, Plan::new(seed, faults)).await;
    done.map_err(|error| {
        let last = history.last().join("\n  ");
        format!("{error}\nKINGLET_SEED={seed}; the last events:\n  {last}").into()
    })
}

/// Those who work all the time.
struct Workers {
    writers: Vec<Writer>,
    members: Vec<Member>,
    javas: Vec<Java>,
    _observer: Observer,
}

impl Workers {
    async fn start(bootstrap: &str, jars: &Jars, history: &History) -> Fallible<Self> {
        let mut writers = Vec::new();
        for number in 0..WRITERS {
            writers.push(Writer::start(bootstrap, number, history.clone()).await?);
        }
        let mut members = Vec::new();
        for _ in 0..MEMBERS {
            members.push(Member::start(bootstrap, 0, history.clone()).await?);
        }
        let mut javas = vec![Java::consumer(jars, bootstrap, 1, history)?];
        for number in 0..JAVAS {
            javas.push(Java::producer(jars, bootstrap, WRITERS + number, history)?);
        }
        let observer = Observer::start(bootstrap, GROUPS, history.clone()).await?;
        Ok(Self { writers, members, javas, _observer: observer })
    }

    /// One of our members goes, and another comes.
    async fn exchange_member(&mut self, bootstrap: &str, history: &History) -> Fallible<()> {
        self.members.remove(0).kill();
        self.members.push(Member::start(bootstrap, 0, history.clone()).await?);
        Ok(())
    }
}

async fn weather(
    site: &mut Site,
    jars: &Jars,
    history: &History,
    rounds: usize,
    mut plan: Plan,
) -> Fallible<Report> {
    let bootstrap = site.bootstrap();
    let mut workers = Workers::start(&bootstrap, jars, history).await?;
    let judge = reader(&bootstrap).await?;
    let mut replicas = Replicas::default();
    // Nothing happens before everybody works.
    let begun = settle(site, history, &judge, &mut replicas, START_LIMIT).await;
    begun.map_err(|error| format!("before the first fault: {error}"))?;
    let mut faults: BTreeMap<Fault, (u32, u64)> = BTreeMap::new();
    let (mut fewest, mut slowest) = (u64::MAX, (Duration::ZERO, None));
    for round in 1..=rounds {
        let fault = plan.draw();
        let acked = history.counts().acked;
        let bites = strike(fault, site, plan.random())
            .await
            .map_err(|error| format!("round {round}, {fault:?}: {error}"))?;
        site.heal().map_err(|error| format!("round {round}, {fault:?}, healing: {error}"))?;
        let healed = Instant::now();
        if round % 3 == 0 {
            workers.exchange_member(&bootstrap, history).await?;
        }
        let settled = settle(site, history, &judge, &mut replicas, WELL_LIMIT).await;
        settled.map_err(|error| format!("round {round}, {fault:?}: {error}"))?;
        let took = healed.elapsed();
        while history.counts().acked < acked + ACKS_MIN {
            if healed.elapsed() > WELL_LIMIT {
                return Err(format!("round {round}, {fault:?}: fewer than {ACKS_MIN} acks").into());
            }
            sleep(LOOK).await;
        }
        fewest = fewest.min(history.counts().acked - acked);
        if took > slowest.0 {
            slowest = (took, Some(fault));
        }
        let tally = faults.entry(fault).or_default();
        *tally = (tally.0 + 1, tally.1 + bites);
        println!(
            "round {round}: {fault:?} bit {bites}, well again in {took:?}, {} acked",
            history.counts().acked - acked
        );
        if workers.javas.iter_mut().any(|java| !java.runs()) {
            return Err(format!("round {round}, {fault:?}: a program of Java's has ended").into());
        }
        judged(site, history).map_err(|error| format!("round {round}, {fault:?}: {error}"))?;
    }
    finish(site, history, workers, &judge, &mut replicas).await?;
    let never: Vec<_> = faults.iter().filter(|(_, (_, bites))| *bites == 0).map(|(fault, _)| fault).collect();
    if !never.is_empty() {
        return Err(format!("faults that never bit: {never:?}").into());
    }
    Ok(Report { rounds, faults, counts: history.counts(), fewest, equal: replicas.bytes, slowest })
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

/// Waits until all is well, and until everything up to now was read by everybody; then compares the replicas.
async fn settle(
    site: &Site,
    history: &History,
    judge: &Consumer,
    replicas: &mut Replicas,
    limit: Duration,
) -> Fallible<()> {
    site.whole(limit).await?;
    let deadline = Instant::now() + limit;
    // Every partition is written again.
    let before = history.acked_to();
    until(deadline, "every partition is written", || {
        history.acked_to().iter().zip(&before).all(|(now, before)| now > before)
    })
    .await?;
    let ends = loop {
        match ends(site.admin()).await {
            Some(ends) => break ends,
            None if Instant::now() > deadline => {
                return Err("alive: nobody says where the partitions end".into());
            }
            None => sleep(LOOK).await,
        }
    };
    read_to(judge, Reader::Judge, &ends, history, deadline).await?;
    until(deadline, "the groups have read everything", || history.is_read(&ends))
        .await
        .map_err(|error| format!("{error}: {:?} of {ends:?}", history.read_to()))?;
    history.note(Event::Settled { ends: ends.clone() });
    for (partition, end) in (0..PARTITIONS).zip(&ends) {
        replicas.compare(usize::try_from(partition)?, &site.replicas(partition), *end)?;
    }
    Ok(())
}

async fn until(deadline: Instant, what: &str, is_so: impl Fn() -> bool) -> Fallible<()> {
    while !is_so() {
        if Instant::now() > deadline {
            return Err(format!("alive: not so in time: {what}").into());
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
        let batch = batch.map_err(|_| format!("alive: {by:?} does not get to the ends {ends:?}"))??;
        let batch = batch.ok_or("the consumer ended")?;
        for record in batch.iter() {
            let (partition, offset, id) = (batch.partition(), record.offset, parse(record.value));
            history.note(Event::Read { by, partition, offset, id });
        }
    }
    Ok(())
}

/// What the judges and the brokers' logs say.
fn judged(site: &Site, history: &History) -> Fallible<()> {
    site.claims()?.into_iter().for_each(|claim| history.note(claim));
    let mut complaints = history.complaints();
    complaints.extend(site.bad_lines()?);
    if complaints.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} complaints, the first:\n  {}",
        complaints.len(),
        Vec::from(tail(&complaints, 20)).join("\n  ")
    )
    .into())
}

/// Every record has its fate, and somebody who knows nothing reads it all.
async fn finish(
    site: &Site,
    history: &History,
    workers: Workers,
    judge: &Consumer,
    replicas: &mut Replicas,
) -> Fallible<()> {
    settle(site, history, judge, replicas, WELL_LIMIT).await?;
    for writer in workers.writers {
        writer.stop().await?;
    }
    let ends = ends(site.admin()).await.ok_or("nobody says where the partitions end")?;
    read_to(&reader(&site.bootstrap()).await?, Reader::Stranger, &ends, history, Instant::now() + WELL_LIMIT)
        .await?;
    judged(site, history)
}
