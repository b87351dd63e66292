//! What happens to the cluster in a round, and whether it really did.

use std::time::Duration;

use kinglet::Target;
use kinglet::protocol::ErrorCode;
use kinglet::protocol::messages::ElectLeadersRequest;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tokio::time::sleep;

use crate::Fallible;
use crate::net::{Weather, Who};
use crate::site::{IDS, Site, both};

/// A fault. Each lasts a few seconds, and is over when the site is healed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    KillLeader,
    KillController,
    KillTwo,
    KillAll,
    Terminate,
    RollingRestart,
    Replace,
    /// SIGSTOP, longer than its session.
    Freeze,
    /// SIGSTOP and SIGCONT, many times.
    Stutter,
    /// Nothing passes between one broker and all others, clients included.
    Island,
    /// Nothing passes between one broker and its peers; clients reach it.
    PeersOnly,
    /// A broker hears nothing of its peers, which hear it.
    OneWay,
    /// Nothing passes between the active controller and one other.
    ControllerOnly,
    Flapping,
    Delay,
    /// Connections are reset within a frame.
    Torn,
    PreferredElection,
}

impl Fault {
    pub(crate) const ALL: [Self; 17] = [
        Self::KillLeader,
        Self::KillController,
        Self::KillTwo,
        Self::KillAll,
        Self::Terminate,
        Self::RollingRestart,
        Self::Replace,
        Self::Freeze,
        Self::Stutter,
        Self::Island,
        Self::PeersOnly,
        Self::OneWay,
        Self::ControllerOnly,
        Self::Flapping,
        Self::Delay,
        Self::Torn,
        Self::PreferredElection,
    ];
}

/// Which fault comes when: each has its turn before one comes again.
pub(crate) struct Plan {
    random: StdRng,
    of: Vec<Fault>,
    deck: Vec<Fault>,
}

impl Plan {
    pub(crate) fn new(seed: u64, of: Vec<Fault>) -> Self {
        Self { random: StdRng::seed_from_u64(seed), of, deck: Vec::new() }
    }

    pub(crate) fn draw(&mut self) -> Fault {
        if self.deck.is_empty() {
            self.deck.clone_from(&self.of);
            self.deck.shuffle(&mut self.random);
        }
        self.deck.pop().unwrap_or(Fault::KillLeader)
    }

    /// For what a fault leaves open.
    pub(crate) fn random(&mut self) -> &mut StdRng {
        &mut self.random
    }
}

/// How long something lasts.
fn a_while(random: &mut StdRng) -> Duration {
    Duration::from_millis(random.random_range(500..2_000))
}

fn any(random: &mut StdRng) -> i32 {
    IDS[random.random_range(0..IDS.len())]
}

/// Does it; the site is to be healed afterwards. How often it bit: a zero is a fault that was none.
pub(crate) async fn strike(fault: Fault, site: &mut Site, random: &mut StdRng) -> Fallible<u64> {
    let before = site.net.bites();
    let mut own = 1;
    match fault {
        Fault::KillLeader => {
            let leader = site.leader().await?;
            site.kill(leader)?;
            sleep(a_while(random)).await;
        }
        Fault::KillController => {
            let controller = site.controller().await?;
            site.kill(controller)?;
            sleep(a_while(random)).await;
        }
        Fault::KillTwo => {
            let spared = any(random);
            for id in IDS.into_iter().filter(|id| *id != spared) {
                site.kill(id)?;
            }
            sleep(a_while(random)).await;
        }
        Fault::KillAll => {
            let mut order = IDS;
            order.shuffle(random);
            for id in order {
                site.kill(id)?;
            }
            order.shuffle(random);
            for id in order {
                site.revive(id)?;
                sleep(a_while(random) / 4).await;
            }
        }
        Fault::Terminate => {
            let leader = site.leader().await?;
            site.stop(leader)?;
            sleep(a_while(random) / 2).await;
        }
        Fault::RollingRestart => {
            for id in IDS {
                site.stop(id)?;
                site.heal()?;
                site.whole(Duration::from_secs(30)).await?;
            }
        }
        Fault::Replace => {
            let id = any(random);
            site.kill(id)?;
            sleep(a_while(random) / 2).await;
            site.replace(id)?;
        }
        Fault::Freeze => {
            let leader = site.leader().await?;
            site.freeze(leader)?;
            sleep(Site::too_long()).await;
        }
        Fault::Stutter => {
            let id = any(random);
            for _ in 0..10 {
                site.freeze(id)?;
                sleep(Duration::from_millis(random.random_range(20..300))).await;
                site.thaw(id)?;
                sleep(Duration::from_millis(random.random_range(20..100))).await;
            }
        }
        Fault::Island => {
            site.weather(&Site::all_of(any(random)), Weather::Silent);
            sleep(Site::too_long()).await;
        }
        Fault::PeersOnly => {
            site.weather(&Site::peers_of(site.leader().await?), Weather::Silent);
            sleep(Site::too_long()).await;
        }
        Fault::OneWay => {
            let deaf = Who::Broker(site.leader().await?);
            let ways: Vec<_> = Site::all_of(any(random)).into_iter().filter(|(_, to)| *to == deaf).collect();
            let ways = if ways.is_empty() { IDS.map(|id| (Who::Broker(id), deaf)).to_vec() } else { ways };
            site.weather(&ways, Weather::Silent);
            sleep(Site::too_long()).await;
        }
        Fault::ControllerOnly => {
            let controller = site.controller().await?;
            let others: Vec<i32> = IDS.into_iter().filter(|id| *id != controller).collect();
            let cut = others[random.random_range(0..others.len())];
            site.weather(&both(Who::Broker(controller), Who::Broker(cut)), Weather::Silent);
            sleep(Site::too_long()).await;
        }
        Fault::Flapping => {
            let ways = Site::peers_of(any(random));
            for _ in 0..8 {
                site.weather(&ways, Weather::Silent);
                sleep(a_while(random) / 5).await;
                site.net.clear();
                sleep(a_while(random) / 10).await;
            }
        }
        Fault::Delay => {
            let by = Weather::Slow(Duration::from_millis(random.random_range(20..80)));
            site.weather(&IDS.map(Site::all_of).concat(), by);
            sleep(Site::too_long()).await;
        }
        Fault::Torn => {
            let ways = Site::all_of(any(random));
            for _ in 0..6 {
                site.weather(&ways, Weather::Torn);
                sleep(Duration::from_millis(50)).await;
                site.net.clear();
                sleep(a_while(random) / 4).await;
            }
        }
        Fault::PreferredElection => {
            let leader = site.leader().await?;
            site.kill(leader)?;
            sleep(a_while(random) / 4).await;
            site.heal()?;
            site.whole(Duration::from_secs(30)).await?;
            own = elect_preferred(site).await?;
        }
    }
    let is_of_the_network = matches!(
        fault,
        Fault::Island
            | Fault::PeersOnly
            | Fault::OneWay
            | Fault::ControllerOnly
            | Fault::Flapping
            | Fault::Delay
            | Fault::Torn
    );
    Ok(if is_of_the_network { site.net.bites() - before } else { own })
}

/// Has the preferred replicas elected; how many partitions got another leader.
async fn elect_preferred(site: &Site) -> Fallible<u64> {
    let request = ElectLeadersRequest { topic_partitions: None, ..Default::default() };
    let response = site.admin().request(request, Target::Controller).await?;
    let results = response.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
    Ok(results.filter(|result| result.error_code == ErrorCode::NONE).count() as u64)
}
