//! One cluster, from its first start to its second.

use std::time::Duration;

use kinglet::admin::NewTopic;
use peers_kit::Fallible;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::figures::{Figure, Sample};
use super::records::Records;
use super::watch::{self, LIMIT, Led, Watch, is_whole};
use crate::failover::trio::{Kind, Trio};

/// Brokers 1 to so many.
const BROKERS: i32 = 3;
/// Of each partition.
const REPLICAS: i16 = 3;
/// All partitions lie in so many topics.
const TOPICS: u32 = 20;
/// So many of the partitions that lost their leader are sent to.
const SENT_TO: usize = 100;
/// How often all topics are asked for.
const ANSWERS: usize = 20;
/// What has begun before is over after that: files written at last, connections closed.
const SETTLE: Duration = Duration::from_secs(5);
/// A cluster is idle again when it uses no more in this time than …
const WINDOW: Duration = Duration::from_secs(1);
/// … twice what it used when it was idle, and this much, in seconds of processor time.
const SLACK: f64 = 0.03;

/// A cluster that is not started yet, and what is to happen to it.
pub(super) struct Life {
    pub(super) trio: Trio,
    pub(super) partitions: u32,
    pub(super) idle: Duration,
}

impl Life {
    /// Lets it all happen.
    pub(super) async fn live(&mut self, sample: &mut Sample) -> Fallible<()> {
        let watch = self.start(sample).await?;
        self.create(&watch, sample).await?;
        let all = watch.led(1).await?;
        let records = Records::new(&watch.client)?;
        let [_, filled] = records.to(&all).await?;
        sample.seconds(Figure::Fill, filled);

        let (idle_cpu, idle_rss) = self.rest(self.idle).await?;
        sample.add(Figure::IdleCpu, idle_cpu * 1e3);
        sample.add(Figure::Memory, idle_rss);
        sample.add(Figure::OpenFiles, watch::open_files(&self.trio.pids())? as f64);
        self.ask(&watch, sample).await?;
        self.lose(&watch, &records, sample, idle_cpu).await?;

        let began = Instant::now();
        drop((records, watch));
        block_in_place(|| self.trio.stop_all(LIMIT))?;
        sample.seconds(Figure::Stop, began.elapsed());
        let began = Instant::now();
        self.spawn_all()?;
        let watch = Watch::new(&self.trio.bootstrap(), self.partitions).await?;
        sample.seconds(Figure::Restart, watch.until(1, is_whole).await? - began);
        Ok(())
    }

    fn spawn_all(&mut self) -> Fallible<()> {
        (1..=BROKERS).try_for_each(|id| self.trio.spawn(id))
    }

    /// Starts it empty.
    async fn start(&mut self, sample: &mut Sample) -> Fallible<Watch> {
        let began = Instant::now();
        self.spawn_all()?;
        let watch = Watch::new(&self.trio.bootstrap(), self.partitions).await?;
        watch.brokers(usize::try_from(BROKERS)?).await?;
        sample.seconds(Figure::Start, began.elapsed());
        let (cpu, rss) = self.rest(self.idle.min(Duration::from_secs(10))).await?;
        sample.add(Figure::EmptyCpu, cpu * 1e3);
        sample.add(Figure::EmptyMemory, rss);
        Ok(watch)
    }

    /// Processor time of a broker in a second, in seconds, and its resident memory in MB, when nothing has happened for a while.
    async fn rest(&self, time: Duration) -> Fallible<(f64, f64)> {
        sleep(SETTLE.min(time)).await;
        let used = self.uses(time).await?;
        let rss = watch::rss_bytes(&self.trio.pids())? as f64 / 1e6;
        Ok((used, rss / f64::from(BROKERS)))
    }

    async fn uses(&self, time: Duration) -> Fallible<f64> {
        let (pids, began) = (self.trio.pids(), Instant::now());
        let before = watch::cpu_seconds(&pids)?;
        sleep(time).await;
        let used = watch::cpu_seconds(&pids)? - before;
        Ok(used / began.elapsed().as_secs_f64() / f64::from(BROKERS))
    }

    /// All topics by one request.
    async fn create(&self, watch: &Watch, sample: &mut Sample) -> Fallible<()> {
        let topics = (0..TOPICS).map(|number| {
            let partitions = self.partitions / TOPICS + u32::from(number < self.partitions % TOPICS);
            let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
            NewTopic::new(format!("scale-{number:02}"), partitions, REPLICAS)
                .config("min.insync.replicas", "2")
        });
        let began = Instant::now();
        for (_, created) in watch.client.admin().create_topics(topics).await? {
            created?;
        }
        sample.seconds(Figure::CreateAnswered, began.elapsed());
        let mut whole = began;
        for id in 1..=BROKERS {
            whole = whole.max(watch.until(id, is_whole).await?);
        }
        sample.seconds(Figure::Create, whole - began);
        Ok(())
    }

    async fn ask(&self, watch: &Watch, sample: &mut Sample) -> Fallible<()> {
        let mut times = Vec::with_capacity(ANSWERS);
        for _ in 0..ANSWERS {
            let (bytes, time) = watch.answer(1).await?;
            sample.set(Figure::AnswerBytes, bytes as f64 / 1e3);
            times.push(time.as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        sample.add(Figure::Answer, times.get(ANSWERS / 2).copied().unwrap_or_default());
        Ok(())
    }

    /// Kills a broker that is not the active controller, and brings it back.
    async fn lose(
        &mut self,
        watch: &Watch,
        records: &Records,
        sample: &mut Sample,
        idle: f64,
    ) -> Fallible<()> {
        let victim = watch.controller().await? % BROKERS + 1;
        let other = victim % BROKERS + 1;
        let led = watch.led_by(victim, other).await?;
        let step = (led.len() / SENT_TO).max(1);
        let sent_to: Vec<Led> = led.iter().step_by(step).take(SENT_TO).cloned().collect();
        sample.add(Figure::Led, led.len() as f64);

        let killed = Instant::now();
        self.trio.strike(Kind::Killed, victim)?;
        let others_lead =
            watch.until(other, |partition| partition.leader_id >= 0 && partition.leader_id != victim);
        let (moved, acked) = tokio::join!(others_lead, records.to(&sent_to));
        sample.seconds(Figure::Moved, moved? - killed);
        sample.seconds(Figure::Acked, acked?[1]);

        let back = Instant::now();
        self.trio.mend(Kind::Killed, victim)?;
        sample.seconds(Figure::InSync, watch.until(other, is_whole).await? - back);
        while self.uses(WINDOW).await? > 2.0 * idle + SLACK {
            if back.elapsed() > LIMIT {
                return Err(format!("it is not idle again after {LIMIT:?}").into());
            }
        }
        // Without the second that was idle.
        sample.seconds(Figure::IdleAgain, back.elapsed().saturating_sub(WINDOW));
        Ok(())
    }
}
