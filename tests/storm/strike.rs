//! How each fault is done, and how often it really bit: a zero is a fault that was none.

use std::time::Duration;

use kinglet::Target;
use kinglet::admin::PartitionDescription;
use kinglet::protocol::ErrorCode;
use kinglet::protocol::messages::ElectLeadersRequest;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use tokio::time::{Instant, sleep};

use crate::Fallible;
use crate::faults::Fault;
use crate::moves::reassign;
use crate::net::{Weather, Who};
use crate::site::{IDS, Site, both};

/// By then it is as a fault wants it.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Does it; the site is to be healed afterwards.
pub(crate) async fn strike(fault: Fault, site: &mut Site, random: &mut StdRng) -> Fallible<u64> {
    match fault {
        Fault::KillLeader => {
            let leader = site.leader().await?;
            kill(&[leader], site, random).await
        }
        Fault::KillController => {
            let controller = site.controller().await?;
            kill(&[controller], site, random).await
        }
        Fault::KillTwo => {
            let mut ids = IDS;
            ids.shuffle(random);
            kill(&ids[1..], site, random).await
        }
        Fault::KillAll => {
            let mut ids = IDS;
            ids.shuffle(random);
            let killed = kill(&ids, site, random).await?;
            ids.shuffle(random);
            for id in ids {
                site.revive(id).await?;
                sleep(a_while(random) / 4).await;
            }
            Ok(killed)
        }
        Fault::Chase => chase(site, random).await,
        Fault::KillBehind => {
            // On a busy machine the leaders may have moved before it came to the kill: then it was for nothing.
            for _ in 0..3 {
                let bites = kill_behind(site, random).await?;
                if bites > 0 {
                    return Ok(bites);
                }
                site.heal().await?;
                site.whole(LIMIT).await?;
            }
            Ok(0)
        }
        Fault::KillApart => kill_apart(site, random).await,
        Fault::Terminate => {
            let leader = site.leader().await?;
            site.stop(leader)?;
            sleep(a_while(random) / 2).await;
            Ok(1)
        }
        Fault::RollingRestart => {
            for id in IDS {
                site.stop(id)?;
                site.heal().await?;
                site.whole(LIMIT).await?;
            }
            Ok(IDS.len() as u64)
        }
        Fault::Replace => {
            let id = site.replaceable(random)?;
            let killed = kill(&[id], site, random).await?;
            site.replace(id).await?;
            Ok(killed)
        }
        Fault::Freeze => {
            let leader = site.leader().await?;
            let led = site.led_by(leader).await?;
            site.freeze(leader)?;
            site.until(LIMIT, "a frozen leader leads no more", |p| p.leader != Some(leader)).await?;
            sleep(a_while(random)).await;
            Ok(led)
        }
        Fault::Stutter => stutter(site, random).await,
        Fault::Island => weather(&Site::all_of(any(random)), Weather::Silent, site).await,
        Fault::PeersOnly => {
            let ways = Site::peers_of(site.leader().await?);
            weather(&ways, Weather::Silent, site).await
        }
        Fault::OneWay => {
            let deaf = Who::Broker(site.leader().await?);
            weather(&IDS.map(|id| (Who::Broker(id), deaf)), Weather::Silent, site).await
        }
        Fault::ControllerOnly => {
            let controller = site.controller().await?;
            let other = other_than(controller, random);
            weather(&both(Who::Broker(controller), Who::Broker(other)), Weather::Silent, site).await
        }
        Fault::Delay => {
            let by = Duration::from_millis(random.random_range(20..80));
            weather(&IDS.map(Site::all_of).concat(), Weather::Slow(by), site).await
        }
        Fault::Flapping => {
            let ways = Site::peers_of(any(random));
            gusts(&ways, Weather::Silent, Duration::from_millis(250), site, random).await
        }
        Fault::Torn => {
            let ways = Site::all_of(any(random));
            gusts(&ways, Weather::Torn, Duration::from_millis(50), site, random).await
        }
        Fault::DiskFull => site.fill_disk().await,
        Fault::DiskSlow => disk_slow(site, random).await,
        Fault::PreferredElection => {
            let leader = site.leader().await?;
            kill(&[leader], site, random).await?;
            site.heal().await?;
            site.whole(LIMIT).await?;
            elect_preferred(site).await
        }
        Fault::Reassign => reassign(site, random).await,
    }
}

/// How long something lasts.
pub(crate) fn a_while(random: &mut StdRng) -> Duration {
    Duration::from_millis(random.random_range(500..2_000))
}

pub(crate) fn any(random: &mut StdRng) -> i32 {
    IDS[random.random_range(0..IDS.len())]
}

fn other_than(id: i32, random: &mut StdRng) -> i32 {
    let others: Vec<i32> = IDS.into_iter().filter(|other| *other != id).collect();
    others.choose(random).copied().unwrap_or(id)
}

/// Kills them, and leaves them dead for a while.
async fn kill(ids: &[i32], site: &mut Site, random: &mut StdRng) -> Fallible<u64> {
    for id in ids {
        site.kill(*id)?;
    }
    sleep(a_while(random)).await;
    Ok(ids.len() as u64)
}

/// One leader after the other is killed as soon as it leads, while the one before it comes back.
async fn chase(site: &mut Site, random: &mut StdRng) -> Fallible<u64> {
    const LEADERS: u64 = 4;
    let mut before = -1;
    for _ in 0..LEADERS {
        let deadline = Instant::now() + LIMIT;
        let leader = loop {
            match site.leader().await {
                Ok(leader) if leader != before => break leader,
                Err(error) if Instant::now() > deadline => return Err(error),
                Ok(_) if Instant::now() > deadline => return Err("nobody else leads".into()),
                Ok(_) | Err(_) => sleep(LOOK).await,
            }
        };
        // Two must run for anybody to be elected.
        site.heal().await?;
        site.kill(leader)?;
        before = leader;
        sleep(a_while(random) / 4).await;
    }
    Ok(LEADERS)
}

/// A leader and a follower that the controller hears do not hear each other for longer than a follower may lag, then the leader dies. In how
/// many partitions the follower lacks what was acked since.
async fn kill_apart(site: &mut Site, random: &mut StdRng) -> Fallible<u64> {
    let (_, [leader, apart]) = spread(site, random).await?;
    site.net.set(both(Who::Broker(leader), Who::Broker(apart)), Weather::Silent);
    sleep(Site::too_long()).await;
    let led = site.led_by(leader).await?;
    site.kill(leader)?;
    sleep(a_while(random)).await;
    Ok(led)
}

/// Has everybody lead something; the controller and the others.
async fn spread(site: &Site, random: &mut StdRng) -> Fallible<(i32, [i32; 2])> {
    elect_preferred(site).await?;
    let controller = site.controller().await?;
    let mut others: Vec<i32> = IDS.into_iter().filter(|id| *id != controller).collect();
    others.shuffle(random);
    Ok((controller, others.try_into().map_err(|_| "there are not three brokers")?))
}

/// A leader dies while a follower is back that has not what it has: halted until it was in no ISR, it hears the controller again and not
/// that leader. In how many partitions it must not lead.
async fn kill_behind(site: &mut Site, random: &mut StdRng) -> Fallible<u64> {
    let (controller, [leader, behind]) = spread(site, random).await?;
    site.freeze(behind)?;
    site.until(LIMIT, "a frozen broker is in no ISR", |p| !p.isr.contains(&behind)).await?;
    site.net.set([(Who::Broker(leader), Who::Broker(behind))], Weather::Silent);
    site.thaw(behind)?;
    let is_back = |p: &PartitionDescription| p.leader != Some(controller) || p.isr.contains(&behind);
    site.until(LIMIT, "a thawed broker is in the ISRs of the leader that it hears", is_back).await?;
    let led = site.led_by(leader).await?;
    site.kill(leader)?;
    sleep(a_while(random)).await;
    Ok(led)
}

async fn stutter(site: &mut Site, random: &mut StdRng) -> Fallible<u64> {
    const TIMES: u64 = 10;
    let id = any(random);
    for _ in 0..TIMES {
        site.freeze(id)?;
        sleep(Duration::from_millis(random.random_range(20..300))).await;
        site.thaw(id)?;
        sleep(Duration::from_millis(random.random_range(20..100))).await;
    }
    Ok(TIMES)
}

/// A weather that lasts; how many pieces met it.
async fn weather(ways: &[(Who, Who)], weather: Weather, site: &Site) -> Fallible<u64> {
    let before = site.net.bites();
    site.net.set(ways.iter().copied(), weather);
    sleep(Site::too_long()).await;
    Ok(site.net.bites() - before)
}

/// A weather that comes again and again.
async fn gusts(
    ways: &[(Who, Who)],
    weather: Weather,
    each: Duration,
    site: &Site,
    random: &mut StdRng,
) -> Fallible<u64> {
    let before = site.net.bites();
    for _ in 0..8 {
        site.net.set(ways.iter().copied(), weather);
        sleep(each).await;
        site.net.clear();
        sleep(a_while(random) / 8).await;
    }
    Ok(site.net.bites() - before)
}

/// How often somebody waited for the disk.
async fn disk_slow(site: &mut Site, random: &mut StdRng) -> Fallible<u64> {
    let mut bites = 0;
    for _ in 0..4 {
        site.disk()?.halt()?;
        sleep(a_while(random) / 2).await;
        bites += u64::from(site.waits_for_disk()?);
        site.disk()?.go_on()?;
        sleep(a_while(random) / 8).await;
    }
    Ok(bites)
}

/// Has the preferred replicas elected; how many partitions got another leader.
async fn elect_preferred(site: &Site) -> Fallible<u64> {
    let request = ElectLeadersRequest { topic_partitions: None, ..Default::default() };
    let response = site.admin().request(request, Target::Controller).await?;
    let results = response.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
    Ok(results.filter(|result| result.error_code == ErrorCode::NONE).count() as u64)
}
